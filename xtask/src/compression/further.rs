//! The same comparison for further observations at the same parameters: how far a posterior is from
//! the explicit one, and how its Figures of Merit compare, differs from observation to observation.

use std::path::PathBuf;

use ::compression::{Compressor, Maps};
use anyhow::{Result, ensure};
use burn::tensor::Device;
use lognormal_sim::{Cosmology, Simulator};
use metrics::FigureOfMerit;
use serde::{Deserialize, Serialize};

use super::infer::{explicit, read_estimator};
use super::measured::{Judged, figures};
use crate::arrays::{Array, read_npz};
use crate::files::{read_json, write_json};
use crate::lensing::{C2stProfile, observation_seed};
use crate::sampling::{DIAGNOSTICS, Diagnostics, SAMPLES, SamplerConfig};
use crate::study::{Output, Workspace, derive_seed};
use full_field::{DIM, Prior};

/// File of a [`Further`].
pub const FURTHER: &str = "further.json";

/// Further observations, and the chains of their explicit posteriors.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FurtherProfile {
    /// How many.
    pub observations: usize,
    /// Draws of each learnt posterior.
    pub draws: usize,
    /// Chains of each full-field posterior.
    pub full_field: SamplerConfig,
    /// Chains of each power-spectrum posterior.
    pub power_spectrum: SamplerConfig,
}

/// What was measured on one further observation.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Further {
    /// Figures of Merit of the explicit posterior.
    pub explicit: Vec<FigureOfMerit>,
    /// Effective draws of its slowest parameter.
    pub effective: f64,
    /// Largest R-hat of its parameters.
    #[serde(with = "metrics::any_float")]
    pub r_hat: f64,
    /// The posterior from power spectra.
    pub power_spectrum: Judged,
    /// The learnt posteriors.
    pub learnt: Vec<Learnt>,
}

/// A learnt posterior of a further observation.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Learnt {
    /// Key of the method.
    pub method: String,
    /// Against the explicit posterior.
    pub judged: Judged,
}

/// A compressor, with the posterior estimators that learnt from its summaries.
pub struct Trained {
    /// Key of the method.
    pub method: String,
    /// The compressor.
    pub compressor: Box<dyn Compressor + Send + Sync>,
    /// Folders of the estimators.
    pub estimators: Vec<PathBuf>,
}

/// Everything that observations have in common.
pub struct Observations<'a> {
    /// The survey.
    pub simulator: &'a Simulator,
    /// The prior.
    pub prior: &'a Prior,
    /// The classifier.
    pub c2st: &'a C2stProfile,
    /// Device of the networks.
    pub device: &'a Device,
    /// Seed of the study.
    pub seed: u64,
}

impl FurtherProfile {
    /// Checks every field.
    ///
    /// # Errors
    /// If an observation or a chain has too few draws, or there is no observation.
    pub fn validate(&self, classifier: &C2stProfile) -> Result<()> {
        let Self { observations, draws, full_field, power_spectrum } = self;
        ensure!(*observations > 0, "further.observations must be at least 1");
        let least = 2 * classifier.classifier.folds;
        let of = |chains: &SamplerConfig| chains.chains * chains.draws;
        for (name, found) in [
            ("further.draws", *draws),
            ("chains times draws of further.full_field", of(full_field)),
            ("chains times draws of further.power_spectrum", of(power_spectrum)),
        ] {
            ensure!(found >= least, "{name} = {found}: the classifier needs at least {least}");
        }
        Ok(())
    }
}

impl Observations<'_> {
    /// The map `[bin][y][x]` of an observation; that of the study itself has the index 0.
    ///
    /// # Errors
    /// If the survey cannot be simulated.
    pub fn map(&self, index: u64) -> Result<Vec<f64>> {
        let seed = observation_seed(self.seed);
        Ok(self.simulator.simulate(&Cosmology::FIDUCIAL, seed, index, true)?)
    }

    /// Compares all posteriors of an observation, and keeps a [`Further`].
    ///
    /// # Errors
    /// If a result is missing or damaged, a test fails, or the folder cannot be written.
    pub fn compare(
        &self,
        index: u64,
        chains: [&Output; 2],
        trained: &[Trained],
        draws: usize,
        workspace: &Workspace,
    ) -> Result<()> {
        let [power_spectrum, full_field] = chains;
        let reference = read_npz(&full_field.path(SAMPLES), "samples")?;
        let diagnostics: Diagnostics = read_json(&full_field.path(DIAGNOSTICS))?;
        let purpose = |what: &str| derive_seed(self.seed, &format!("further-{index}-{what}"));
        let explicit = explicit(&reference, self.c2st);
        let judge = |draws: &Array| explicit.judge(draws, self.prior, purpose("classifier"));
        let observed: Vec<f32> = self.map(index)?.iter().map(|pixel| *pixel as f32).collect();
        let mut learnt = Vec::new();
        for Trained { method, compressor, estimators } in trained {
            let summary = compressor.compress(Maps::new(compressor.shape(), &observed)?)?;
            for folder in estimators {
                let estimator = read_estimator(folder, self.device)?;
                let drawn = estimator.posterior(&summary)?.sample(draws, purpose("draws"))?;
                let data = drawn.theta.iter().copied().collect();
                let judged = judge(&Array { shape: vec![1, draws, DIM], data })?;
                learnt.push(Learnt { method: method.clone(), judged });
                workspace.advance(1);
            }
        }
        let of_parameters = diagnostics.parameters.iter();
        let found = Further {
            explicit: figures(&reference)?,
            effective: of_parameters.clone().map(|one| one.ess_bulk).fold(f64::INFINITY, f64::min),
            r_hat: of_parameters.map(|one| one.r_hat).fold(1.0, f64::max),
            power_spectrum: judge(&read_npz(&power_spectrum.path(SAMPLES), "samples")?)?,
            learnt,
        };
        write_json(&workspace.path(FURTHER), &found)
    }
}
