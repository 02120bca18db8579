//! Sections about posteriors: what they are, how they compare, and how their chains behaved.

use std::path::Path;

use anyhow::{Result, ensure};

use crate::arrays::{Array, read_npz};
use crate::files::read_json;
use crate::plot::chains::{Chains, ranks, traces};
use crate::plot::corner::{Parameter, Posterior, corner};
use crate::plot::markup::parameter_label;
use crate::report::summary::{corner_caption, posterior_table};
use crate::report::{Figure, Grade, Section, Table, Verdict};
use crate::sampling::{DIAGNOSTICS, Diagnostics, SAMPLES};

/// Draws of chains with their diagnostics.
pub struct Sampled {
    name: String,
    /// `[chain, draw, parameter]`.
    samples: Array,
    diagnostics: Diagnostics,
}

impl Sampled {
    /// Reads what the chains of the posterior `name` left in `folder`.
    ///
    /// # Errors
    /// If a file is missing or damaged.
    pub fn load(name: &str, folder: &Path) -> Result<Self> {
        let path = folder.join(SAMPLES);
        let samples = read_npz(&path, "samples")?;
        let axes = samples.shape.len();
        ensure!(axes == 3, "{}: samples have {axes} axes, not 3", path.display());
        let diagnostics = read_json(&folder.join(DIAGNOSTICS))?;
        Ok(Self { name: name.to_owned(), samples, diagnostics })
    }

    /// What is drawn of it: as independent as its slowest parameter.
    fn drawn(&self) -> Posterior<'_> {
        Posterior {
            name: self.name.clone(),
            samples: &self.samples.data,
            effective: self.diagnostics.parameters.iter().map(|p| p.ess_bulk).reduce(f64::min),
        }
    }

    /// Whether the chains converged, and what they cost; `gradient` says what one gradient costs.
    #[must_use]
    pub fn verdict(&self, gradient: &str) -> Verdict {
        let Diagnostics { warnings, gradients, seconds, parameters, .. } = &self.diagnostics;
        // draws that cannot be summarised have neither
        let worst = parameters.iter().map(|p| p.r_hat).reduce(f64::max).unwrap_or(f64::NAN);
        let least = |p: &metrics::ParameterSummary| p.ess_bulk.min(p.ess_tail);
        let fewest = parameters.iter().map(least).reduce(f64::min).unwrap_or(f64::NAN);
        let grade = if warnings.is_empty() {
            Grade::Good
        } else if worst < 1.05 && fewest >= 100.0 {
            Grade::Doubtful
        } else {
            Grade::Bad
        };
        Verdict {
            grade,
            text: format!(
                "{}: R-hat at most {worst:.3}, at least {fewest:.0} effective draws; {} gradients \
                 ({gradient}) in {seconds:.0} s",
                self.name, gradients.total
            ),
        }
    }

    /// Traces, ranks, convergence and cost of the chains.
    ///
    /// # Errors
    /// If the draws do not fit the parameters or cannot be drawn.
    pub fn chain_section(&self, parameters: &[Parameter]) -> Result<Section> {
        let Self { name, samples, diagnostics } = self;
        let chains = Chains {
            parameters: parameters.iter().map(|parameter| parameter.label.clone()).collect(),
            chains: samples.data.chunks(samples.shape[1] * samples.shape[2]).collect(),
        };
        let truth: Vec<Option<f64>> = parameters.iter().map(|parameter| parameter.truth).collect();
        let rows = diagnostics
            .parameters
            .iter()
            .map(|p| {
                vec![
                    parameter_label(&p.name),
                    format!("{:.3}", p.r_hat),
                    format!("{:.0}", p.ess_bulk),
                    format!("{:.0}", p.ess_tail),
                    format!("{:.1} %", 100.0 * p.mcse_mean / p.sd),
                ]
            })
            .collect();
        let count = &diagnostics.gradients;
        let budget = [
            ("search of starting points", count.start),
            ("first step sizes", count.initialisation),
            ("warm-up", count.warmup),
            ("draws", count.sampling),
            ("all", count.total),
        ];
        Ok(Section {
            heading: format!("Chains: {name}"),
            warnings: diagnostics.warnings.clone(),
            figures: vec![
                Figure {
                    drawing: traces(&chains, &truth),
                    caption: "Draws of each chain; dashed the truth, where known.".into(),
                },
                Figure {
                    drawing: ranks(&chains),
                    caption: "Ranks of each chain's draws among all: flat where chains agree."
                        .into(),
                },
            ],
            tables: vec![
                Table {
                    caption: "Convergence: rank-normalised R-hat, effective draws in the bulk and \
                              the tails, and the Monte-Carlo error of the mean in posterior \
                              standard deviations."
                        .into(),
                    columns: ["parameter", "R-hat", "ESS bulk", "ESS tail", "error of the mean"]
                        .map(String::from)
                        .to_vec(),
                    rows,
                },
                Table {
                    caption: format!(
                        "Gradient evaluations; {:.0} for the draws per effective draw of the \
                         slowest parameter.",
                        diagnostics.gradients_per_effective_draw
                    ),
                    columns: vec!["for".into(), "gradients".into()],
                    rows: budget.map(|(what, n)| vec![what.into(), n.to_string()]).to_vec(),
                },
            ],
            ..Section::default()
        })
    }
}

/// The posteriors in one corner plot and one table.
///
/// # Errors
/// If draws do not fit the parameters or cannot be drawn.
pub fn posterior_section(
    heading: &str,
    verdicts: Vec<Verdict>,
    parameters: &[Parameter],
    posteriors: &[&Sampled],
) -> Result<Section> {
    let drawn: Vec<Posterior> = posteriors.iter().map(|sampled| sampled.drawn()).collect();
    Ok(Section {
        heading: heading.to_owned(),
        verdicts,
        figures: vec![Figure {
            drawing: corner(parameters, &drawn),
            caption: corner_caption(parameters, &drawn),
        }],
        tables: vec![posterior_table(parameters, &drawn)],
        ..Section::default()
    })
}
