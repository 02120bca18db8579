//! The numbers of the study in tables.

use metrics::C2stNull;

use super::convergence::Recipe;
use super::curves::{Curve, Point};
use super::judge::{PUBLISHED_GAUSSIAN, PUBLISHED_NULL};
use super::results::{Accounting, Results};
use super::story::{grouped, needed_words, reach_words};
use crate::plot::axis::fixed;
use crate::published::Published;
use crate::report::Table;
use crate::report::words::plus_minus;
use crate::runs::Runs;
use full_field::Count;

/// What stands in a table where there is no number.
const NONE: &str = "–";

fn texts<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(String::from).to_vec()
}

fn runs(runs: Option<&Runs>, decimals: usize) -> String {
    runs.map_or(NONE.into(), |runs| runs.text(decimals))
}

/// Every method at every number of simulations, beside what was published.
#[must_use]
pub fn everything(curves: &[Curve]) -> Table {
    let row = |curve: &Curve, point: &Point| {
        let mut row = vec![
            format!("{}, {}", curve.name, grouped(point.simulations)),
            point.c2st.text(3),
            point.values.len().to_string(),
        ];
        row.extend(match curve.published_at(point) {
            Some(theirs) => {
                let difference = point.c2st.spread.mean - theirs.mean;
                let sigmas = theirs.sigmas(point.c2st.spread.mean);
                let published = plus_minus(theirs.mean, Some(theirs.sd), 3);
                [published, fixed(difference, 3), fixed(sigmas, 1)]
            }
            None => [NONE.to_owned(), NONE.to_owned(), NONE.to_owned()],
        });
        row.push(runs(point.mean_error.as_ref(), 2));
        row.push(runs(point.width_error.as_ref(), 2));
        row
    };
    Table {
        caption: "C2ST against the explicit posterior, mean ± standard deviation of the runs, \
                  beside the published value, with the difference and that in published standard \
                  deviations of a run. Then the distance of the means from those of the explicit \
                  posterior in its standard deviations, and the relative difference of the standard \
                  deviations, root mean squares over the parameters."
            .into(),
        columns: texts([
            "method, simulations",
            "C2ST",
            "runs",
            "published",
            "difference",
            "sigmas",
            "means",
            "widths",
        ]),
        rows: curves
            .iter()
            .flat_map(|curve| curve.points.iter().map(move |point| row(curve, point)))
            .collect(),
    }
}

/// Simulations needed for each level of accuracy.
#[must_use]
pub fn thresholds(results: &Results) -> Table {
    let gaussian = results.yardsticks.gaussian.mean;
    let levels = results.levels();
    let heads = levels.iter().flat_map(|level| match *level == gaussian {
        true => [
            format!("{} (normal)", fixed(*level, 3)),
            format!("published, {} (normal)", fixed(PUBLISHED_GAUSSIAN, 3)),
        ],
        false => [fixed(*level, 3), "published".to_owned()],
    });
    let rows = results.thresholds.iter().map(|one| {
        let accounting = match one.accounting {
            Accounting::Calls => "",
            Accounting::WithWarmup => ", with warm-up",
            Accounting::Published => ", published accounting",
        };
        let mut row = vec![format!("{}{accounting}", one.name)];
        for (index, needed) in one.needed.iter().enumerate() {
            row.push(needed_words(needed));
            let theirs = one.published.as_ref().and_then(|all| all.get(index));
            row.push(theirs.map_or(NONE.into(), |reach| reach_words(*reach)));
        }
        row
    });
    Table {
        caption: "Simulations needed to reach a C2ST, from the monotone curve through the means, \
                  interpolated in the logarithm of the number, with the 16 % and 84 % quantiles of \
                  resampled runs. For explicit inference a gradient counts as two simulations. One \
                  level is that of a normal distribution with the right mean and covariance, which \
                  is another one with the published number of draws: there the columns can be \
                  compared."
            .into(),
        columns: std::iter::once("method".to_owned()).chain(heads).collect(),
        rows: rows.collect(),
    }
}

/// What was simulated, as the code counted it.
#[must_use]
pub fn counts(results: &Results, curves: &[Curve]) -> Table {
    let row = |name: &str, runs: usize, allowed: Option<u64>, count: Count, steps: Option<f64>| {
        vec![
            name.to_owned(),
            runs.to_string(),
            allowed.map_or(NONE.into(), grouped),
            grouped(count.simulations),
            grouped(count.gradients),
            grouped(count.failures),
            grouped(count.published()),
            steps.map_or(NONE.into(), |steps| grouped(steps.round() as u64)),
        ]
    };
    let mut rows = Vec::new();
    for curve in curves {
        let cells: usize = curve.points.iter().map(|point| point.values.len()).sum();
        let allowed = curve.points.iter().map(|p| p.simulations * p.values.len() as u64).sum();
        let count = curve.points.iter().map(|point| point.count).sum();
        let steps = curve.points.iter().map(|p| p.steps * p.values.len() as f64).sum::<f64>();
        rows.push(row(&curve.name, cells, Some(allowed), count, Some(steps / cells as f64)));
    }
    rows.push(row("compressor", 1, None, results.compressor, None));
    rows.extend(results.marginal.iter().map(|one| row("marginal score", 1, None, one.count, None)));
    rows.push(row("explicit, the reference", 1, None, results.reference.count, None));
    for one in &results.convergence {
        let name = match one.recipe {
            Recipe::Ours => "explicit, ours",
            Recipe::Published => "explicit, published recipe",
        };
        let count = one.points.last().map(|last| last.count(one.before)).unwrap_or_default();
        rows.push(row(name, 1, None, count, None));
    }
    Table {
        caption: "Calls of the simulator as the code counted them, over all runs and numbers of \
                  simulations of a method. Gradients: those of the calls that gave one, each with \
                  its simulation. Failures: calls at cosmologies of the prior without a map. By the \
                  paper's accounting a gradient counts as two simulations. Runs in one round share \
                  the first simulations of a pool with other methods and budgets; each counts them \
                  as its own. Compressor and marginal score count towards no method."
            .into(),
        columns: texts([
            "method",
            "trainings",
            "allowed",
            "simulations",
            "gradients",
            "failures",
            "paper's accounting",
            "mean steps",
        ]),
        rows,
    }
}

/// What accuracies mean.
#[must_use]
pub fn yardsticks(results: &Results) -> Table {
    let of = |name: &str, value: &C2stNull| {
        let all: Vec<String> = value.accuracies.iter().map(|a| fixed(*a, 3)).collect();
        let sd = if all.len() > 1 { fixed(value.sd, 3) } else { NONE.into() };
        vec![name.to_owned(), fixed(value.mean, 3), sd, all.join(", ")]
    };
    Table {
        caption: format!(
            "Yardsticks of C2ST with {} draws of each side: chains of the reference against its \
             other chains (equal posteriors), and normal distributions with the mean and covariance \
             of the reference. With 10 000 draws of the published reference: {} and {}.",
            grouped(results.yardsticks.draws as u64),
            fixed(PUBLISHED_NULL, 3),
            fixed(PUBLISHED_GAUSSIAN, 3)
        ),
        columns: texts(["posterior", "C2ST", "standard deviation", "each test"]),
        rows: vec![
            of("equal", &results.yardsticks.null),
            of("normal", &results.yardsticks.gaussian),
        ],
    }
}

/// The first draws of chains, beside what was published.
#[must_use]
pub fn prefixes(results: &Results, published: &Published) -> Table {
    let mut rows = Vec::new();
    for one in &results.convergence {
        let name = match one.recipe {
            Recipe::Ours => "ours",
            Recipe::Published => "published recipe",
        };
        for prefix in &one.points {
            let ess: Vec<String> = prefix.ess.iter().map(|ess| fixed(*ess, 0)).collect();
            rows.push(vec![
                format!("{name}, {} draws", grouped(prefix.draws as u64)),
                grouped(prefix.gradients),
                grouped(one.before),
                grouped(prefix.count(one.before).published()),
                grouped(prefix.published_simulations()),
                plus_minus(prefix.c2st, Some(prefix.c2st_error), 3),
                ess.join(", "),
            ]);
        }
    }
    for chains in &published.explicit {
        let ess: Vec<String> = chains.ess.iter().map(|ess| fixed(*ess, 0)).collect();
        rows.push(vec![
            format!("published, {} draws", grouped(chains.draws as u64)),
            NONE.into(),
            NONE.into(),
            NONE.into(),
            grouped(chains.simulations as u64),
            fixed(chains.c2st, 3),
            ess.join(", "),
        ]);
    }
    Table {
        caption: "The first draws of the chains of both recipes: gradients counted for these draws \
                  and before them (start, first step, warm-up), simulations with a gradient as two, \
                  simulations by the published accounting (126 for a draw), C2ST, and the effective \
                  draws of the parameters in their order."
            .into(),
        columns: texts([
            "draws",
            "gradients",
            "before",
            "simulations",
            "published accounting",
            "C2ST",
            "effective draws",
        ]),
        rows,
    }
}
