//! All numbers of the study in one file: what was measured and what it has cost.
//!
//! No wall times and no paths: the same seed gives the same file.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::cell::{MEASURED, Measured};
use super::compressor::COUNT;
use super::convergence::{CONVERGENCE, Convergence, Recipe};
use super::curves::Curve;
use super::judge::{PUBLISHED_GAUSSIAN, YARDSTICKS, Yardsticks};
use super::pools::{MARGINAL_REPORT, MarginalReport};
use super::profile::Profile;
use super::report::ReportInputs;
use super::thresholds::{Needed, Reach, needed, reach};
use crate::files::read_json;
use crate::published::Published;
use crate::sampling::{DIAGNOSTICS, Diagnostics};
use crate::study::derive_seed;
use full_field::Count;

/// Name of the file.
pub const RESULTS: &str = "results.json";

/// All numbers of the study.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Results {
    /// What was compared.
    pub profile: Profile,
    /// What the compressor has seen, which counts towards no method.
    pub compressor: Count,
    /// The learnt score, if there is one; its cost counts towards no method either.
    pub marginal: Option<MarginalReport>,
    /// The reference.
    pub reference: Reference,
    /// What accuracies mean.
    pub yardsticks: Yardsticks,
    /// Explicit sampling.
    pub convergence: Vec<Convergence>,
    /// Every cell.
    pub cells: Vec<Measured>,
    /// What the methods need to reach the thresholds.
    pub thresholds: Vec<MethodNeeds>,
}

/// The explicit posterior as a reference.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// What it has cost.
    pub count: Count,
    /// Least number of effective draws of a parameter.
    pub effective: f64,
    /// Largest R-hat of a parameter.
    #[serde(with = "metrics::any_float")]
    pub r_hat: f64,
}

/// What a method needs to reach each threshold.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MethodNeeds {
    /// Its name.
    pub name: String,
    /// How its simulations are counted.
    pub accounting: Accounting,
    /// For each threshold.
    pub needed: Vec<Needed>,
    /// The same of the published curve, where there is one; at the level of a normal distribution
    /// that of the published tests.
    pub published: Option<Vec<Reach>>,
}

/// How simulations are counted.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Accounting {
    /// Calls of the simulator.
    Calls,
    /// A gradient counts as two simulations, and warm-up counts.
    WithWarmup,
    /// 126 for each draw, and none for warm-up, as published.
    Published,
}

impl Results {
    /// Reads what the tasks left; the paths of `inputs` are relative to `folder`.
    ///
    /// # Errors
    /// If a result is missing or damaged.
    pub fn read(folder: &Path, inputs: &ReportInputs) -> Result<Self> {
        let at = |path: &PathBuf, file: &str| folder.join(path).join(file);
        let diagnostics: Diagnostics = read_json(&at(&inputs.full_field, DIAGNOSTICS))?;
        let fold = |start: f64,
                    values: &dyn Fn(&metrics::ParameterSummary) -> f64,
                    worse: fn(f64, f64) -> f64| {
            diagnostics.parameters.iter().map(values).fold(start, worse)
        };
        let reference = Reference {
            count: Count::of_gradients(diagnostics.gradients.total),
            effective: fold(f64::INFINITY, &|one| one.ess_bulk, f64::min),
            r_hat: fold(0.0, &|one| one.r_hat, f64::max),
        };
        let yardsticks: Yardsticks = read_json(&at(&inputs.yardsticks, YARDSTICKS))?;
        let convergence = inputs
            .convergence
            .iter()
            .map(|path| read_json(&at(path, CONVERGENCE)))
            .collect::<Result<Vec<Convergence>>>()?;
        let cells = inputs
            .cells
            .iter()
            .map(|(path, _)| read_json(&at(path, MEASURED)))
            .collect::<Result<Vec<Measured>>>()?;
        let marginal = inputs.marginal.as_ref();
        let mut results = Self {
            profile: inputs.profile.clone(),
            compressor: read_json(&at(&inputs.compressor, COUNT))?,
            marginal: marginal.map(|path| read_json(&at(path, MARGINAL_REPORT))).transpose()?,
            reference,
            yardsticks,
            convergence,
            cells,
            thresholds: Vec::new(),
        };
        results.thresholds = results.needs(inputs.seed)?;
        Ok(results)
    }

    /// The accuracies that are asked for: those of the profile, and that of a normal distribution.
    #[must_use]
    pub fn levels(&self) -> Vec<f64> {
        let mut levels = self.profile.thresholds.clone();
        levels.push(self.yardsticks.gaussian.mean);
        levels.sort_by(|a, b| b.total_cmp(a));
        levels
    }

    fn needs(&self, seed: u64) -> Result<Vec<MethodNeeds>> {
        let levels = self.levels();
        // What a normal distribution has depends on the number of draws: the published one has its
        // own.
        let gaussian = self.yardsticks.gaussian.mean;
        let theirs_of = |level: f64| if level == gaussian { PUBLISHED_GAUSSIAN } else { level };
        let published = Published::inference()?;
        let mut all = Vec::new();
        for curve in Curve::all(&self.profile, &self.cells, &published) {
            let numbers: Vec<f64> = curve.points.iter().map(|p| p.simulations as f64).collect();
            let runs: Vec<Vec<f64>> = curve.points.iter().map(|p| p.values.clone()).collect();
            let own = |level: &f64| {
                let seed = derive_seed(seed, &format!("resampled-{}-{level}", curve.name));
                needed(&numbers, &runs, *level, seed)
            };
            let theirs = curve.published.as_ref().map(|theirs| {
                let numbers: Vec<f64> = theirs.simulations.iter().map(|n| *n as f64).collect();
                levels
                    .iter()
                    .map(|level| reach(&numbers, &theirs.mean, theirs_of(*level)))
                    .collect()
            });
            all.push(MethodNeeds {
                name: curve.name.clone(),
                accounting: Accounting::Calls,
                needed: levels.iter().map(own).collect(),
                published: theirs,
            });
        }
        let theirs: Vec<f64> = published.explicit.iter().map(|p| p.simulations as f64).collect();
        let accuracy: Vec<f64> = published.explicit.iter().map(|p| p.c2st).collect();
        for one in &self.convergence {
            let name = match one.recipe {
                Recipe::Ours => "explicit, ours",
                Recipe::Published => "explicit, published recipe",
            };
            let accountings: &[Accounting] = match one.recipe {
                Recipe::Ours => &[Accounting::WithWarmup],
                Recipe::Published => &[Accounting::WithWarmup, Accounting::Published],
            };
            for &accounting in accountings {
                let numbers: Vec<f64> = one
                    .points
                    .iter()
                    .map(|prefix| match accounting {
                        Accounting::Published => prefix.published_simulations() as f64,
                        _ => prefix.count(one.before).published() as f64,
                    })
                    .collect();
                let values: Vec<Vec<f64>> = one.points.iter().map(|p| vec![p.c2st]).collect();
                let found = |level: &f64| needed(&numbers, &values, *level, seed);
                let known = accounting == Accounting::Published;
                all.push(MethodNeeds {
                    name: name.to_owned(),
                    accounting,
                    needed: levels.iter().map(found).collect(),
                    published: known.then(|| {
                        levels.iter().map(|l| reach(&theirs, &accuracy, theirs_of(*l))).collect()
                    }),
                });
            }
        }
        Ok(all)
    }
}
