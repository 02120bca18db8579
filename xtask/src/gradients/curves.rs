//! Measures against the number of simulations, beside those published.

use flows::training::CurvePoint;

use super::measured::Comparison;
use super::profile::Grid;
use super::report::{Training, with_or_without};
use crate::plot::axis::fixed;
use crate::plot::curves::{Chart, Guide, Look, Quantity, Series, curves};
use crate::published::{Metric, Published, PublishedCurve, Spread};
use crate::report::words::plus_minus;
use crate::report::{Figure, Table};
use crate::runs::Runs;

/// A method with or without scores, at all its numbers of simulations.
pub struct Curve {
    /// Name for legends.
    pub name: String,
    /// Name of the method.
    pub method: String,
    /// Factor of the score term.
    pub weight: f64,
    /// What was measured, by increasing number of simulations.
    pub points: Vec<Point>,
    /// The published curves of C2ST and NLP.
    published: [Option<PublishedCurve>; 2],
}

/// Repeated runs at one number of simulations.
pub struct Point {
    /// The number.
    pub simulations: usize,
    /// C2ST.
    pub c2st: Runs,
    /// Mean negative log probability, where there is one.
    pub nlp: Option<Runs>,
    /// Error of the score, where it is known.
    pub score_error: Option<Runs>,
    /// Learning curve of the first run.
    learning: Vec<CurvePoint>,
}

const METRICS: [(Metric, &str); 2] = [(Metric::C2st, "C2ST"), (Metric::Nlp, "NLP")];

impl Curve {
    /// Name of a method, with or without scores where it was trained both ways.
    pub fn label(grid: &Grid, weight: f64) -> String {
        match grid.score_weights.len() {
            1 => grid.name.clone(),
            _ => format!("{}, {}", grid.name, with_or_without(weight)),
        }
    }

    /// The curves of all methods of a task.
    pub fn all<'a>(
        task: &str,
        grids: impl Iterator<Item = &'a Grid>,
        trainings: &[Training],
        published: &Published,
    ) -> Vec<Self> {
        let mut found = Vec::new();
        for grid in grids {
            for &weight in &grid.score_weights {
                let points = grid
                    .simulations
                    .iter()
                    .filter_map(|&n| Point::of(task, grid, weight, n, trainings))
                    .collect();
                let curve = |metric| {
                    let method = grid.published.as_deref()?;
                    published.curve(task, method, metric, weight).cloned()
                };
                found.push(Self {
                    name: Self::label(grid, weight),
                    method: grid.name.clone(),
                    weight,
                    points,
                    published: METRICS.map(|(metric, _)| curve(metric)),
                });
            }
        }
        found
    }

    /// What was published at the number of simulations of a point.
    fn published_at(&self, metric: usize, point: &Point) -> Option<Spread> {
        self.published[metric].as_ref()?.at(point.simulations)
    }

    /// All comparisons with published values: metric, number of simulations, outcome.
    pub fn comparisons(&self) -> Vec<(Metric, usize, Comparison)> {
        let mut found = Vec::new();
        for (index, (metric, _)) in METRICS.iter().enumerate() {
            for point in &self.points {
                if let Some(published) = self.published_at(index, point) {
                    let Some(ours) = point.runs(index).map(|runs| runs.spread) else { continue };
                    found.push((*metric, point.simulations, Comparison::new(ours, published)));
                }
            }
        }
        found
    }
}

impl Point {
    fn of(
        task: &str,
        grid: &Grid,
        weight: f64,
        simulations: usize,
        trainings: &[Training],
    ) -> Option<Self> {
        let runs: Vec<_> = trainings
            .iter()
            .map(|training| &training.measured)
            .filter(|one| one.task == task && one.method == grid.name)
            .filter(|one| one.weight == weight && one.simulations == simulations)
            .collect();
        let first = runs.iter().find(|one| one.run == 0)?;
        let of = |value: &dyn Fn(&super::measured::Measured) -> f64| {
            Runs::of(&runs.iter().map(|one| value(one)).collect::<Vec<f64>>())
        };
        let nlps: Vec<f64> = runs.iter().filter_map(|one| one.nlp).collect();
        let errors: Vec<f64> = runs.iter().filter_map(|one| one.score_error).collect();
        Some(Self {
            simulations,
            c2st: of(&|one| one.mean_c2st()),
            nlp: (!nlps.is_empty()).then(|| Runs::of(&nlps)),
            score_error: (!errors.is_empty()).then(|| Runs::of(&errors)),
            learning: first.curve.clone(),
        })
    }

    fn runs(&self, metric: usize) -> Option<&Runs> {
        if metric == 0 { Some(&self.c2st) } else { self.nlp.as_ref() }
    }
}

/// C2ST and NLP against the number of simulations.
pub fn accuracy_figure(title: &str, all: &[Curve], null: f64) -> Figure {
    let charts = METRICS.iter().enumerate().map(|(metric, (_, label))| {
        let mut series = Vec::new();
        for (colour, curve) in all.iter().enumerate() {
            let known = curve.points.iter().filter_map(|p| Some((p.simulations, p.runs(metric)?)));
            let known: Vec<(usize, &Runs)> = known.collect();
            if known.is_empty() {
                continue;
            }
            let error = known.iter().map(|(_, runs)| runs.spread.sd).collect();
            series.push(Series {
                name: curve.name.clone(),
                colour,
                look: Look::Points,
                x: known.iter().map(|(n, _)| *n as f64).collect(),
                y: known.iter().map(|(_, runs)| runs.spread.mean).collect(),
                error: if known.iter().any(|(_, r)| r.count > 1) { error } else { Vec::new() },
            });
            if let Some(published) = &curve.published[metric] {
                series.push(Series {
                    name: format!("{}, published", curve.name),
                    colour,
                    look: Look::Published,
                    x: published.simulations.iter().map(|n| *n as f64).collect(),
                    y: published.mean.clone(),
                    error: published.sd.clone(),
                });
            }
        }
        let guides = match metric {
            0 => vec![Guide::Level(null, "equal distributions".into())],
            _ => Vec::new(),
        };
        Chart {
            title: String::new(),
            x: Quantity { label: "simulations".into(), log: true, range: None },
            y: Quantity { label: (*label).into(), ..Quantity::default() },
            guides,
            series,
        }
    });
    // likelihoods have no normalised posterior, and so no NLP
    let charts: Vec<Chart> = charts.filter(|chart| !chart.series.is_empty()).collect();
    let what = match charts.len() {
        1 => "Accuracy of the classifier test",
        _ => "Accuracy of the classifier test and mean negative log probability",
    };
    Figure {
        drawing: curves(title, &charts, 2),
        caption: format!(
            "{what} against the number of simulations, lower is better. Points and bands: mean and \
             standard deviation of our runs. Diamonds: published."
        ),
    }
}

/// Ours and published values with their distance.
pub fn comparison_table(all: &[Curve]) -> Option<Table> {
    let mut rows = Vec::new();
    for (metric, (_, label)) in METRICS.iter().enumerate() {
        for curve in all {
            for point in &curve.points {
                let Some(published) = curve.published_at(metric, point) else { continue };
                let Some(runs) = point.runs(metric) else { continue };
                let comparison = Comparison::new(runs.spread, published);
                let decimals = if metric == 0 { 3 } else { 2 };
                rows.push(vec![
                    format!("{label}, {}, {}", curve.name, point.simulations),
                    format!("{} ({} runs)", runs.text(decimals), runs.count),
                    plus_minus(published.mean, Some(published.sd), decimals),
                    fixed(comparison.sigmas, 1),
                    comparison.verdict().into(),
                ]);
            }
        }
    }
    (!rows.is_empty()).then(|| Table {
        caption: format!(
            "Mean ± standard deviation of the runs, and the distance of our mean from the published \
             one in published standard deviations; lower is better, and at most {:.0} above is \
             taken as reproduced.",
            Comparison::LIMIT
        ),
        columns: ["measure, method, simulations", "ours", "published", "sigmas", "reproduced"]
            .map(String::from)
            .to_vec(),
        rows,
    })
}

/// Losses against steps at the smallest and largest number of simulations.
pub fn learning_figure(all: &[Curve]) -> Figure {
    let mut charts = Vec::new();
    let smallest = all.iter().filter_map(|curve| curve.points.first()).map(|p| p.simulations).min();
    let largest = all.iter().filter_map(|curve| curve.points.last()).map(|p| p.simulations).max();
    let mut wanted: Vec<usize> = smallest.into_iter().chain(largest).collect();
    wanted.dedup();
    for simulations in wanted {
        let mut series = Vec::new();
        for (colour, curve) in all.iter().enumerate() {
            let points = curve.points.iter().filter(|point| point.simulations == simulations);
            for point in points.filter(|point| !point.learning.is_empty()) {
                let line = |look, name: &str, values: Vec<(f64, f64)>| {
                    let (x, y) = values.into_iter().unzip();
                    let name = format!("{}, {name}", curve.name);
                    Series { name, colour, look, x, y, error: Vec::new() }
                };
                let steps = |point: &CurvePoint| point.step as f64;
                let training = point.learning.iter().map(|p| (steps(p), p.training)).collect();
                series.push(line(Look::Line, "training", training));
                let validation: Vec<(f64, f64)> = point
                    .learning
                    .iter()
                    .filter_map(|p| Some((steps(p), p.validation.filter(|v| v.is_finite())?)))
                    .collect();
                if !validation.is_empty() {
                    series.push(line(Look::Dashed, "validation", validation));
                }
            }
        }
        charts.push(Chart {
            title: format!("{simulations} simulations"),
            x: Quantity { label: "steps".into(), ..Quantity::default() },
            y: Quantity { label: "loss".into(), ..Quantity::default() },
            guides: Vec::new(),
            series,
        });
    }
    Figure {
        drawing: curves("Learning curves", &charts, 2),
        caption: "Learning curves of the first runs at the smallest and the largest number of \
                  simulations; with scores the loss contains their term."
            .into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_without_a_normalised_posterior_are_drawn() {
        let curve = |nlp: Option<f64>| Curve {
            name: "method".into(),
            method: "method".into(),
            weight: 0.0,
            points: [20, 50]
                .map(|simulations| Point {
                    simulations,
                    c2st: Runs::of(&[0.7, 0.8]),
                    nlp: nlp.map(|nlp| Runs::of(&[nlp])),
                    score_error: None,
                    learning: Vec::new(),
                })
                .into(),
            published: [None, None],
        };
        let figure = |all: &[Curve]| accuracy_figure("posteriors", all, 0.5);
        let (with, without) = (figure(&[curve(Some(1.0)), curve(None)]), figure(&[curve(None)]));
        let svg = |figure: &Figure| figure.drawing.clone().expect("it is drawn");
        assert!(svg(&with).contains("NLP") && with.caption.contains("negative log probability"));
        assert!(!svg(&without).contains("NLP") && svg(&without).contains("C2ST"));
        assert!(!without.caption.contains("negative log probability"), "{}", without.caption);
    }
}
