//! The figures of the study.

use anyhow::Result;

use super::group::Group;
use super::measured::Baselines;
use crate::arrays::Array;
use crate::lensing::PAIRS;
use crate::plot::corner::{Parameter, Posterior, corner};
use crate::plot::curves::{Chart, Guide, Look, Quantity, Series, curves};
use crate::published::PublishedCompression;
use crate::report::Figure;
use crate::report::summary::corner_caption;
use full_field::DIM;

/// Posteriors of methods in one corner plot, beside the two explicit ones.
const TOGETHER: usize = 3;

/// A posterior with its name and the number of its independent draws.
pub struct Drawn<'a> {
    /// Name in the legend.
    pub name: String,
    /// `[chain, draw, parameter]`.
    pub draws: &'a Array,
    /// Independent draws, if they are fewer than all.
    pub effective: Option<f64>,
}

impl Drawn<'_> {
    /// As it is drawn, of all parameters.
    #[must_use]
    pub fn posterior(&self) -> Posterior<'_> {
        Posterior { name: self.name.clone(), samples: &self.draws.data, effective: self.effective }
    }
}

/// The parameters that the Figures of Merit are of.
fn shown() -> Vec<usize> {
    let mut shown: Vec<usize> = PAIRS.iter().flat_map(|&(a, b)| [a, b]).collect();
    shown.sort_unstable();
    shown.dedup();
    shown
}

/// Corner plots of the parameters of the Figures of Merit, a few methods in each, all with the
/// `references`.
pub fn corners(parameters: &[Parameter], references: &[Drawn], methods: &[Drawn]) -> Vec<Figure> {
    let shown = shown();
    let parameters: Vec<Parameter> = shown.iter().map(|i| parameters[*i].clone()).collect();
    let narrowed = |drawn: &Drawn| -> Vec<f64> {
        let rows = drawn.draws.data.chunks_exact(DIM);
        rows.flat_map(|row| shown.iter().map(|i| row[*i])).collect()
    };
    let figures = methods.chunks(TOGETHER).map(|some| {
        let drawn: Vec<&Drawn> = references.iter().chain(some).collect();
        let narrow: Vec<Vec<f64>> = drawn.iter().map(|one| narrowed(one)).collect();
        let posteriors: Vec<Posterior> = drawn
            .iter()
            .zip(&narrow)
            .map(|(one, samples)| Posterior { samples, ..one.posterior() })
            .collect();
        Figure {
            drawing: corner(&parameters, &posteriors),
            caption: corner_caption(&parameters, &posteriors),
        }
    });
    figures.collect()
}

/// Part of a learning curve that may fall outside the chart, and by how much more than the rest it
/// must vary to do so.
const SETTLING: (f64, f64) = (0.25, 4.0);

/// The range of the losses after the first part of the training, if it is much narrower than that of
/// all losses.
fn settled(series: &[Series]) -> Option<(f64, f64)> {
    let last = series.iter().flat_map(|one| &one.x).copied().fold(0.0, f64::max);
    let range = |from: f64| {
        let points = series.iter().flat_map(|one| one.x.iter().zip(&one.y));
        let late = points.filter(|(x, _)| **x > from).map(|(_, y)| *y);
        late.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), y| (low.min(y), high.max(y)))
    };
    let ((low, high), (lowest, highest)) = (range(SETTLING.0 * last), range(0.0));
    let margin = 0.25 * (high - low);
    let narrow = margin > 0.0 && highest - lowest > SETTLING.1 * (high - low);
    narrow.then_some((low - margin, high + margin))
}

/// Learning curves of all networks, a chart for each loss.
pub fn learning(groups: &[Group]) -> Figure {
    let charts: Vec<Chart> = groups
        .iter()
        .filter(|group| !group.trainings.is_empty())
        .map(|group| {
            let lines = group.trainings.iter().enumerate().flat_map(|(run, (report, _))| {
                let line = |look, name: &str, points: Vec<(f64, f64)>| {
                    let points = points.into_iter().filter(|(_, y)| y.is_finite());
                    let (x, y) = points.unzip();
                    Series { name: name.into(), colour: run, look, x, y, error: Vec::new() }
                };
                let curve = &report.curve;
                let step = |at: usize| curve[at].step as f64;
                let training = (0..curve.len()).map(|i| (step(i), curve[i].training)).collect();
                let validation: Vec<(f64, f64)> = (0..curve.len())
                    .filter_map(|i| Some((step(i), curve[i].validation?)))
                    .collect();
                let dashed = line(Look::Dashed, "validation", validation);
                let own = [line(Look::Line, "training", training)].into_iter();
                own.chain((!dashed.x.is_empty()).then_some(dashed))
            });
            let series: Vec<Series> = lines.collect();
            Chart {
                title: group.name(),
                x: Quantity { label: "steps".into(), ..Quantity::default() },
                y: Quantity { label: "loss".into(), log: false, range: settled(&series) },
                guides: Vec::new(),
                series,
            }
        })
        .collect();
    Figure {
        drawing: curves("Learning curves", &charts, 3),
        caption: "Learning curves of the networks, a colour for each run; the losses of different \
                  charts are different quantities. Training losses are means over the batches \
                  between two points, with batch statistics; the first of them may lie outside."
            .into(),
    }
}

/// Figures of Merit and C2ST of the methods at a glance.
///
/// # Errors
/// If there is nothing to draw.
pub fn overview(
    groups: &[Group],
    baselines: &Baselines,
    published: &PublishedCompression,
) -> Result<Figure> {
    let places: Vec<f64> = (1..=groups.len()).map(|i| i as f64).collect();
    let width = groups.len() as f64 + 0.5;
    let names: Vec<String> =
        groups.iter().enumerate().map(|(i, group)| format!("{} {}", i + 1, group.name())).collect();
    let quantity = |label: &str| Quantity { label: label.into(), ..Quantity::default() };
    let axis = || Quantity { label: "method".into(), log: false, range: Some((0.5, width)) };
    let points = |name: &str, colour: usize, shift: f64, runs: Vec<(f64, f64)>| {
        let (y, error) = runs.into_iter().unzip();
        let x = places.iter().map(|place| place + shift).collect();
        Series { name: name.into(), colour, look: Look::Marks, x, y, error }
    };
    let symbols = ["Ω_c, σ_8", "Ω_c, w_0", "σ_8, w_0"];
    let ratios = symbols.iter().enumerate().map(|(pair, symbols)| {
        let runs = groups.iter().map(|group| {
            let spread = group.relative(pair, &baselines.explicit).spread;
            (spread.mean, spread.sd)
        });
        let shift = 0.12 * (pair as f64 - 1.0);
        points(&format!("${}$", symbols.replace(", ", "$, $")), pair, shift, runs.collect())
    });
    let theirs = (0..symbols.len()).filter_map(|pair| {
        let known = published.find("full-field")?.figures[pair];
        let found = |(place, group): (&f64, &Group)| {
            Some((*place, published.find(&group.key)?.figures[pair] / known))
        };
        let (x, y): (Vec<f64>, Vec<f64>) = places.iter().zip(groups).filter_map(found).unzip();
        let look = Look::Published;
        let name = "published".into();
        (!x.is_empty()).then_some(Series { name, colour: pair, look, x, y, error: Vec::new() })
    });
    let accuracies =
        groups.iter().map(|group| (group.c2st().spread.mean, group.c2st_error())).collect();
    let c2st = &baselines.power_spectrum.c2st;
    let null = c2st.null.iter().map(|null| Guide::Level(null.mean, "equal".into()));
    let charts = [
        Chart {
            title: "Figure of Merit over the explicit one".into(),
            x: axis(),
            y: quantity("ratio"),
            guides: vec![Guide::Level(1.0, String::new())],
            series: ratios.chain(theirs).collect(),
        },
        Chart {
            title: "C2ST against the explicit posterior".into(),
            x: axis(),
            y: quantity("accuracy"),
            guides: null.chain([Guide::Level(c2st.accuracy, "power spectrum".into())]).collect(),
            series: vec![points("C2ST", 3, 0.0, accuracies)],
        },
    ];
    Ok(Figure {
        drawing: curves("Methods at a glance", &charts, 2),
        caption: format!(
            "Mean over the runs of each method with their standard deviation (Figures of Merit) \
             and the standard error (C2ST); diamonds: published, with 256 x 256 pixels. Methods: \
             {}.",
            names.join(", ")
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use lognormal_sim::PARAMETERS;

    #[test]
    fn a_wild_beginning_does_not_hide_the_rest() {
        let curve = |first: f64| Series {
            name: "training".into(),
            colour: 0,
            look: Look::Line,
            x: vec![10.0, 50.0, 100.0],
            y: vec![first, 2.0, 1.0],
            error: Vec::new(),
        };
        assert_eq!(settled(&[curve(3.0)]), None);
        assert_eq!(settled(&[curve(900.0)]), Some((0.75, 2.25)));
        assert_eq!(settled(&[]), None);
    }

    #[test]
    fn the_parameters_of_the_pairs_are_shown() {
        let names: Vec<&str> = shown().into_iter().map(|i| PARAMETERS[i]).collect();
        assert_eq!(names, ["omega_c", "sigma_8", "w_0"]);
    }
}
