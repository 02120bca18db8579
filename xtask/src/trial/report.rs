//! The story of an inference in one HTML page.

use std::path::{Path, PathBuf};

use anyhow::Result;
use flows::training::TrainingReport;
use sbi::prior::Prior;
use sbi::tasks::Task;

use super::diagnostics::Diagnostics;
use super::method::Settings;
use crate::arrays::Array;
use crate::files::write_text;
use crate::literature::Cited;
use crate::plot::corner::{Parameter, Posterior, corner};
use crate::plot::curves::{Chart, Guide, Look, Quantity, Series, curves};
use crate::plot::markup::parameter_label;
use crate::report::references::{bibliography, select};
use crate::report::summary::{corner_caption, posterior_table};
use crate::report::{Figure, Report, Section, Table};

/// Draws of the posterior and, if it is there, of the reference, both `[draw, parameter]`.
pub struct Draws<'a> {
    /// Those of the method.
    pub own: &'a Array,
    /// Independent draws that those of the method are worth, if fewer.
    pub effective: Option<f64>,
    /// Those of the reference posterior.
    pub reference: Option<&'a Array>,
}

/// Writes `report.html` and `references.bib` in `folder`.
///
/// # Errors
/// If something cannot be drawn, or the folder cannot be written.
pub fn write(
    folder: &Path,
    task: &dyn Task,
    diagnostics: &Diagnostics,
    draws: &Draws,
) -> Result<PathBuf> {
    let Diagnostics { settings, observation, .. } = diagnostics;
    let method = settings.method.name().to_uppercase();
    let mut facts = vec![
        ("task".to_owned(), task.name().to_owned()),
        ("method".to_owned(), settings.method.name().to_owned()),
        ("observation".to_owned(), observation.origin.clone()),
    ];
    let mut fact = |name: &str, value: String| facts.push((name.to_owned(), value));
    if settings.method.is_neural() {
        fact("simulations", diagnostics.simulator_calls.to_string());
    }
    if settings.method.is_sequential() {
        fact("rounds", settings.rounds.to_string());
    }
    if let Some(flow) = settings.flow {
        fact("flow", flow.name().to_owned());
    }
    if let Some(weight) = settings.score_weight {
        fact("weight of the scores", weight.to_string());
    }
    fact("seed", settings.seed.to_string());
    if let Some(device) = &diagnostics.device {
        fact("device", device.clone());
    }
    fact("version", diagnostics.version.clone());
    fact("machine", diagnostics.machine.clone());

    let mut sections = vec![posterior_section(task.prior(), diagnostics, draws, &method)?];
    sections.extend(training_section(diagnostics)?);
    sections.push(cost_section(diagnostics));
    let report = Report {
        title: format!("{method} posterior of {}", task.name()),
        subtitle: task.description().to_owned(),
        facts,
        sections,
        references: select(&references(settings, task.name(), diagnostics.comparison.is_some()))?,
    };
    let path = folder.join("report.html");
    write_text(&path, &report.html())?;
    write_text(&folder.join("references.bib"), &bibliography(&report.references))?;
    Ok(path)
}

/// Keys of the literature of what was really used.
fn references(settings: &Settings, task: &str, compared: bool) -> Vec<&'static str> {
    let mut keys = settings.method.references();
    keys.extend(settings.flow.iter().flat_map(|flow| flow.family().references()));
    if settings.method.is_neural() {
        keys.push("kingma2015");
    }
    if settings.score_weight.is_some() || task.starts_with("lotka-volterra-") {
        keys.push("zeghal2022");
    }
    if compared {
        keys.push("lopezpaz2017");
    }
    keys.push("lueckmann2021");
    keys
}

fn posterior_section(
    prior: &Prior,
    diagnostics: &Diagnostics,
    draws: &Draws,
    method: &str,
) -> Result<Section> {
    let truth = diagnostics.observation.truth.as_deref();
    let parameters: Vec<Parameter> = prior
        .names()
        .into_iter()
        .zip(prior.support())
        .enumerate()
        .map(|(i, (name, bounds))| Parameter {
            label: parameter_label(name),
            bounds,
            truth: truth.map(|truth| truth[i]),
        })
        .collect();
    let mut posteriors = vec![Posterior {
        name: method.to_owned(),
        samples: &draws.own.data,
        effective: draws.effective,
    }];
    posteriors.extend(draws.reference.map(|reference| Posterior {
        name: "reference".into(),
        samples: &reference.data,
        effective: None,
    }));
    Ok(Section {
        heading: "Posterior".into(),
        verdicts: diagnostics.verdicts(),
        figures: vec![Figure {
            drawing: corner(&parameters, &posteriors),
            caption: corner_caption(&parameters, &posteriors),
        }],
        tables: vec![posterior_table(&parameters, &posteriors)],
        ..Section::default()
    })
}

/// Learning curves; of each round, if there are rounds.
fn training_section(diagnostics: &Diagnostics) -> Result<Option<Section>> {
    let trainings: Vec<(String, &TrainingReport)> = if diagnostics.rounds.is_empty() {
        diagnostics.training.iter().map(|report| (String::new(), report)).collect()
    } else {
        let rounds = diagnostics.rounds.iter().enumerate();
        rounds
            .flat_map(|(i, round)| {
                round.training.iter().map(move |report| (format!("round {}", i + 1), report))
            })
            .collect()
    };
    if trainings.is_empty() {
        return Ok(None);
    }
    let charts: Vec<Chart> =
        trainings.iter().map(|(title, report)| learning_curve(title, report)).collect();
    let columns = charts.len().min(3);
    Ok(Some(Section {
        heading: "Training".into(),
        figures: vec![Figure {
            drawing: curves("Learning curves", &charts, columns),
            caption: "Loss over the training and the validation simulations after each epoch; \
                      dashed the validation loss of the weights that were kept."
                .into(),
        }],
        tables: rounds_table(diagnostics).into_iter().collect(),
        ..Section::default()
    }))
}

fn learning_curve(title: &str, report: &TrainingReport) -> Chart {
    let line = |name: &str, colour, points: Vec<(f64, f64)>| {
        let (x, y) = points.into_iter().unzip();
        Series { name: name.into(), colour, look: Look::Line, x, y, error: Vec::new() }
    };
    let training = report.curve.iter().map(|point| (point.step as f64, point.training));
    let validation =
        report.curve.iter().filter_map(|point| Some((point.step as f64, point.validation?)));
    let validation: Vec<_> = validation.collect();
    let mut series = Vec::new();
    if !validation.is_empty() {
        series.push(line("validation", 1, validation));
    }
    series.push(line("training", 0, training.collect()));
    let best = report.best_point();
    let quantity = |label: &str| Quantity { label: label.into(), ..Quantity::default() };
    Chart {
        title: title.to_owned(),
        x: quantity("step"),
        y: quantity("loss"),
        guides: best.validation.map(|loss| Guide::Level(loss, "best".into())).into_iter().collect(),
        series,
    }
}

fn rounds_table(diagnostics: &Diagnostics) -> Option<Table> {
    let rows: Vec<Vec<String>> = diagnostics
        .rounds
        .iter()
        .enumerate()
        .map(|(i, round)| {
            let best = round.training.first().map(TrainingReport::best_point);
            let loss = best.and_then(|point| point.validation);
            let none = || "–".to_owned();
            vec![
                format!("{}", i + 1),
                round.calls.to_string(),
                round.simulations.to_string(),
                best.map_or_else(none, |point| format!("{:.0}", point.epoch)),
                loss.map_or_else(none, |loss| format!("{loss:.4}")),
                round.leakage.map_or_else(none, |leakage| format!("{:.2} %", 100.0 * leakage)),
            ]
        })
        .collect();
    (!rows.is_empty()).then(|| Table {
        caption: "Rounds: simulations made and kept, epoch and validation loss of the weights \
                  kept, and the fraction of the posterior outside the prior."
            .into(),
        columns: ["round", "calls", "kept", "best epoch", "validation loss", "leakage"]
            .map(String::from)
            .to_vec(),
        rows,
    })
}

fn cost_section(diagnostics: &Diagnostics) -> Section {
    let rows = diagnostics
        .seconds
        .iter()
        .map(|part| vec![part.name.clone(), format!("{:.1}", part.seconds)])
        .collect();
    let calls = diagnostics.simulator_calls;
    let simulations = if diagnostics.settings.method.is_neural() {
        format!("The networks have cost {calls} calls of the simulator.")
    } else {
        "The true likelihood was used: no simulation was made.".to_owned()
    };
    Section {
        heading: "Cost".into(),
        paragraphs: vec![simulations],
        tables: vec![Table {
            caption: "Wall time of each part.".into(),
            columns: vec!["part".into(), "seconds".into()],
            rows,
        }],
        ..Section::default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::method::{FlowFamily, Method};
    use super::*;
    use crate::literature::tests::{FAMILIES, assert_cites};

    #[test]
    fn the_family_and_the_method_that_were_used_are_cited() {
        let settings = |method, flow| Settings {
            method,
            budget: 100,
            rounds: 1,
            flow,
            score_weight: None,
            max_steps: 10,
            draws: 100,
            seed: 1,
        };
        for flow in [
            FlowFamily::Affine,
            FlowFamily::Spline,
            FlowFamily::AutoregressiveSpline,
            FlowFamily::Maf,
            FlowFamily::Smooth,
        ] {
            let keys = references(&settings(Method::Npe, Some(flow)), "two-moons", true);
            assert_cites(&keys, &flow.family(), &FAMILIES);
        }
        let methods = [Method::Nuts, Method::Npe, Method::Fmpe, Method::Snre, Method::Tsnpe];
        for method in methods {
            let keys = references(&settings(method, None), "two-moons", false);
            assert_cites(&keys, &method, &methods);
        }
    }
}
