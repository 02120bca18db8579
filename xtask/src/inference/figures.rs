//! The figures of the study.

use super::convergence::{Convergence, Recipe};
use super::curves::{Curve, best};
use super::judge::Yardsticks;
use super::profile::Group;
use super::results::Results;
use super::story::grouped;
use crate::plot::axis::fixed;
use crate::plot::curves::{Chart, Guide, Look, Quantity, Series, curves};
use crate::published::{Published, PublishedChains};
use crate::report::Figure;

/// Colours of what is learnt.
fn colour(key: &str) -> usize {
    ["npe", "nle", "nre", "fmpe"].iter().position(|known| *known == key).unwrap_or(4)
}

fn simulations() -> Quantity {
    Quantity { label: "simulations".into(), log: true, range: None }
}

fn accuracy() -> Quantity {
    Quantity { label: "C2ST".into(), ..Quantity::default() }
}

/// Levels to compare accuracies with.
fn guides(yardsticks: &Yardsticks) -> Vec<Guide> {
    vec![
        Guide::Level(yardsticks.null.mean, "equal".into()),
        Guide::Level(yardsticks.gaussian.mean, "normal".into()),
    ]
}

/// Our points and the published ones of a curve.
fn series(curve: &Curve, colour: usize) -> Vec<Series> {
    let several = curve.points.iter().any(|point| point.values.len() > 1);
    let mut found = vec![Series {
        name: curve.name.clone(),
        colour,
        look: Look::Points,
        x: curve.points.iter().map(|point| point.simulations as f64).collect(),
        y: curve.points.iter().map(|point| point.c2st.spread.mean).collect(),
        error: match several {
            true => curve.points.iter().map(|point| point.c2st.spread.sd).collect(),
            false => Vec::new(),
        },
    }];
    found.extend(curve.published.as_ref().map(|published| Series {
        name: format!("{}, published", curve.name),
        colour,
        look: Look::Published,
        x: published.simulations.iter().map(|n| *n as f64).collect(),
        y: published.mean.clone(),
        error: published.sd.clone(),
    }));
    found
}

/// The range of a mean over the points of a curve, in words.
fn span(curve: &Curve) -> String {
    match (curve.points.first(), curve.points.last()) {
        (Some(first), Some(last)) if first.simulations != last.simulations => format!(
            "{} from {} to {}",
            curve.name,
            fixed(first.c2st.spread.mean, 3),
            fixed(last.c2st.spread.mean, 3)
        ),
        (Some(only), _) => format!("{} at {}", curve.name, fixed(only.c2st.spread.mean, 3)),
        _ => curve.name.clone(),
    }
}

/// Number of runs behind the points of curves, in words.
fn runs(curves: &[&Curve]) -> String {
    let counts = curves.iter().flat_map(|curve| &curve.points).map(|point| point.values.len());
    match (counts.clone().min(), counts.max()) {
        (Some(1), Some(1)) => "single runs".into(),
        (Some(few), Some(many)) if few == many => {
            format!("mean and standard deviation of {few} runs")
        }
        (Some(few), Some(many)) => {
            format!("mean and standard deviation of {few} to {many} runs")
        }
        _ => "no runs".into(),
    }
}

/// C2ST of the methods in one round and in rounds.
pub fn methods(all: &[Curve], yardsticks: &Yardsticks) -> Option<Figure> {
    let own: Vec<&Curve> = all.iter().filter(|curve| curve.group == Group::Methods).collect();
    let mut charts = Vec::new();
    let mut spans = Vec::new();
    for (title, sequential) in [("one round", false), ("rounds", true)] {
        let some = own.iter().filter(|c| (c.rounds > 1) == sequential && !c.points.is_empty());
        let drawn: Vec<Series> = some.clone().flat_map(|c| series(c, colour(c.key))).collect();
        spans.extend(some.map(|curve| span(curve)));
        if !drawn.is_empty() {
            charts.push(Chart {
                title: title.into(),
                x: simulations(),
                y: accuracy(),
                guides: guides(yardsticks),
                series: drawn,
            });
        }
    }
    if charts.is_empty() {
        return None;
    }
    Some(Figure {
        drawing: curves("Methods of simulation-based inference", &charts, 2),
        caption: format!(
            "Accuracy of the classifier against the explicit posterior; lower is better. Points and \
             bands: {}; open diamonds: published, with 256 x 256 pixels and a classifier of 10 000 \
             draws. Dashed: equal posteriors, and a normal distribution with the right mean and \
             covariance. From the smallest to the largest budget: {}.",
            runs(&own),
            spans.join(", ")
        ),
    })
}

/// C2ST of likelihoods with and without scores.
pub fn scores(all: &[Curve], yardsticks: &Yardsticks) -> Option<Figure> {
    let own: Vec<&Curve> = all
        .iter()
        .filter(|curve| curve.group == Group::Scores && !curve.points.is_empty())
        .collect();
    if own.is_empty() {
        return None;
    }
    let drawn = own.iter().enumerate().flat_map(|(colour, curve)| series(curve, colour));
    let chart = Chart {
        title: String::new(),
        x: simulations(),
        y: accuracy(),
        guides: guides(yardsticks),
        series: drawn.collect(),
    };
    let spans: Vec<String> = own.iter().map(|curve| span(curve)).collect();
    Some(Figure {
        drawing: curves("Likelihoods with scores", &[chart], 1),
        caption: format!(
            "Accuracy of the classifier for likelihoods learnt with and without scores. Points and \
             bands: {}; open diamonds: published. The gradients of the conditional scores, and the \
             simulations behind the marginal one, are not part of the horizontal axis. From the \
             smallest to the largest budget: {}.",
            runs(&own),
            spans.join(", ")
        ),
    })
}

/// A way to count the simulations of chains, with a name and a colour.
struct Line {
    name: &'static str,
    colour: usize,
    look: Look,
    recipe: Recipe,
    /// As published: 126 for a draw, no warm-up.
    as_published: bool,
}

const LINES: [Line; 3] = [
    Line {
        name: "explicit, ours, with warm-up",
        colour: 0,
        look: Look::Points,
        recipe: Recipe::Ours,
        as_published: false,
    },
    Line {
        name: "explicit, published recipe, with warm-up",
        colour: 1,
        look: Look::Points,
        recipe: Recipe::Published,
        as_published: false,
    },
    Line {
        name: "explicit, published recipe, published accounting",
        colour: 1,
        look: Look::Dashed,
        recipe: Recipe::Published,
        as_published: true,
    },
];

/// Explicit inference against simulations: C2ST and effective draws.
pub fn explicit(results: &Results, all: &[Curve], published: &Published) -> Figure {
    let lines = |value: &dyn Fn(&super::convergence::Prefix) -> f64| -> Vec<Series> {
        let found = LINES.iter().filter_map(|line| {
            let own = results.convergence.iter().find(|one| one.recipe == line.recipe)?;
            let cost = |prefix: &super::convergence::Prefix| match line.as_published {
                true => prefix.published_simulations() as f64,
                false => prefix.count(own.before).published() as f64,
            };
            // A logarithmic axis has no place for what is zero.
            let shown = own.points.iter().filter(|prefix| value(prefix) > 0.0);
            let (x, y): (Vec<f64>, Vec<f64>) = shown.map(|p| (cost(p), value(p))).unzip();
            (!x.is_empty()).then(|| Series {
                name: line.name.into(),
                colour: line.colour,
                look: line.look,
                x,
                y,
                error: Vec::new(),
            })
        });
        found.collect()
    };
    let theirs = |value: &dyn Fn(&PublishedChains) -> f64| Series {
        name: "explicit, published".into(),
        colour: 1,
        look: Look::Published,
        x: published.explicit.iter().map(|one| one.simulations as f64).collect(),
        y: published.explicit.iter().map(value).collect(),
        error: Vec::new(),
    };
    let mut accuracies = lines(&|prefix| prefix.c2st);
    let best = best(all).map(|(curve, _)| curve);
    accuracies.extend(best.into_iter().flat_map(|curve| series(curve, 2)));
    accuracies.push(theirs(&|one| one.c2st));
    let mut effective = lines(&|prefix| prefix.worst());
    effective.push(theirs(&|one| one.ess.iter().copied().fold(f64::INFINITY, f64::min)));
    let charts = [
        Chart {
            title: "accuracy".into(),
            x: simulations(),
            y: accuracy(),
            guides: guides(&results.yardsticks),
            series: accuracies,
        },
        Chart {
            title: "effective draws of the worst parameter".into(),
            x: simulations(),
            y: Quantity { label: "effective draws".into(), log: true, range: None },
            guides: Vec::new(),
            series: effective,
        },
    ];
    let words = results.convergence.iter().filter_map(ending);
    let implicit = best.map_or(String::new(), |curve| {
        format!(
            " For comparison the best implicit method, {}, against its simulations.",
            span(curve)
        )
    });
    Figure {
        drawing: curves("Explicit inference", &charts, 2),
        caption: format!(
            "The first draws of chains that are independent of the reference, resampled as \
             published: accuracy of the classifier, and effective draws of the worst parameter, \
             against simulations, a gradient counted as two. {}. Dashed: the same draws by the \
             published accounting, 126 simulations for each and none for warm-up. Open diamonds: \
             published, with 256 x 256 pixels.{implicit}",
            words.collect::<Vec<_>>().join("; ")
        ),
    }
}

/// Where a recipe ends, in words.
fn ending(convergence: &Convergence) -> Option<String> {
    let last = convergence.points.last()?;
    let name = match convergence.recipe {
        Recipe::Ours => "Our recipe",
        Recipe::Published => "the published recipe",
    };
    Some(format!(
        "{name} ends with {} draws of {} chains, {} gradients with warm-up, a C2ST of {} and {} \
         effective draws",
        grouped(last.draws as u64),
        convergence.chains,
        grouped(last.count(convergence.before).gradients),
        fixed(last.c2st, 3),
        fixed(last.worst(), 0)
    ))
}
