//! Whether a map fits its survey, before sampling, and its posterior, after it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use full_field::{
    Finding, MapCheck, PredictiveCheck, PredictiveVerdict, Severity, predictive_check,
};
use serde::{Deserialize, Serialize};

use crate::arrays::read_npz;
use crate::files::{read_json, write_json};
use crate::lensing::Method;
use crate::report::{Grade, Verdict};
use crate::study::{Workspace, derive_seed};
use full_field::Problem;
use full_field::{DIM, Prior};

/// File of the findings of a check before sampling.
pub const FINDINGS: &str = "findings.json";
/// File of a check after sampling.
pub const PREDICTIVE: &str = "predictive.json";

/// Draws of the prior that maps and posteriors are compared with.
const PRIOR_DRAWS: u64 = 2000;

/// Where the results of the checks lie; written only where there are any.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct FitInputs {
    /// File of the findings about the map.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub findings: Option<PathBuf>,
    /// Files of the checks of the posteriors.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub predictive: Vec<(Method, PathBuf)>,
}

/// What the checks say.
pub struct Fit {
    /// About the map.
    pub findings: Vec<Finding>,
    /// About each posterior.
    pub predictive: Vec<(Method, PredictiveCheck)>,
}

impl FitInputs {
    /// Reads the results; paths are relative to `folder`.
    ///
    /// # Errors
    /// If a file is missing or damaged.
    pub fn load(&self, folder: &Path) -> Result<Fit> {
        let findings = self.findings.iter().map(|path| read_json(&folder.join(path)));
        let checks = self.predictive.iter();
        Ok(Fit {
            findings: findings.collect::<Result<Vec<Vec<Finding>>>>()?.concat(),
            predictive: checks
                .map(|(method, path)| Ok((*method, read_json(&folder.join(path))?)))
                .collect::<Result<_>>()?,
        })
    }
}

impl Fit {
    /// What the reader should beware of.
    pub fn warnings(&self) -> Vec<String> {
        self.findings.iter().map(|finding| format!("The map before sampling: {finding}")).collect()
    }

    /// A verdict on each posterior.
    pub fn verdicts(&self) -> impl Iterator<Item = Verdict> {
        self.predictive.iter().map(|(method, check)| Verdict {
            grade: match check.verdict {
                PredictiveVerdict::Fits => Grade::Good,
                PredictiveVerdict::Doubtful => Grade::Doubtful,
                PredictiveVerdict::DoesNotFit => Grade::Bad,
            },
            text: format!("{}: {check}", method.label()),
        })
    }
}

/// Checks the map before sampling, and writes the findings.
///
/// # Errors
/// If survey or prior cannot be simulated, or the folder cannot be written.
pub fn check_map(problem: &Problem, seed: u64, workspace: &Workspace) -> Result<()> {
    let seed = derive_seed(seed, "map check");
    let check = MapCheck::new(problem.simulator, &prior_draws(problem.prior, seed), seed)?;
    write_json(&workspace.path(FINDINGS), &check.check(problem.map)?)
}

/// Tells the findings about a map, and refuses it where it is hopeless, unless `force`.
///
/// # Errors
/// If the file cannot be read, or the map is refused.
pub fn announce(findings: &Path, force: bool) -> Result<()> {
    let findings: Vec<Finding> = read_json(findings)?;
    let (hopeless, doubtful): (Vec<&Finding>, Vec<&Finding>) =
        findings.iter().partition(|finding| finding.severity == Severity::Hopeless && !force);
    for finding in doubtful {
        eprintln!("warning: {finding}");
    }
    if hopeless.is_empty() {
        return Ok(());
    }
    let reasons: Vec<String> = hopeless.iter().map(|finding| format!("\n  {finding}")).collect();
    bail!(
        "the map does not fit the survey; its posterior would mean nothing (--force samples it all \
         the same):{}",
        reasons.concat()
    )
}

/// Checks the posterior draws in the file `samples`, and writes the result.
///
/// # Errors
/// If the file cannot be read, the posterior cannot be simulated, or the folder cannot be written.
pub fn check_posterior(
    problem: &Problem,
    samples: &Path,
    seed: u64,
    workspace: &Workspace,
) -> Result<()> {
    let seed = derive_seed(seed, "predictive check");
    let samples = read_npz(samples, "samples")?.data;
    let draws: Vec<[f64; DIM]> = samples.as_chunks().0.to_vec();
    let prior = prior_draws(problem.prior, seed);
    let check = predictive_check(problem.simulator, problem.map, &draws, &prior, seed)
        .context("the posterior cannot be compared with the map")?;
    write_json(&workspace.path(PREDICTIVE), &check)
}

fn prior_draws(prior: &Prior, seed: u64) -> Vec<[f64; DIM]> {
    (0..PRIOR_DRAWS).map(|index| prior.sample(seed, index)).collect()
}
