//! Whether the draws can be trusted, and what they cost.

use anyhow::Result;
use hmc::{Gradients, Phase, examine};
use metrics::{ParameterSummary, Samples, summarise};
use serde::{Deserialize, Serialize};

use super::Sampled;
use crate::arrays::{Named, write_npz};
use crate::files::write_json;
use crate::study::Workspace;

/// Name of the file of the draws.
pub const SAMPLES: &str = "samples.npz";
/// Name of the file of the diagnostics.
pub const DIAGNOSTICS: &str = "diagnostics.json";

/// Rank-normalised split R-hat below which chains agree (Vehtari et al. 2021, arXiv:1903.08008).
const R_HAT: f64 = 1.01;
/// Effective draws that posterior summaries need at least (same source).
const ESS: f64 = 400.0;

/// Energy error of a step of the unadjusted sampler above which its bias shows.
const ENERGY_ERROR: f64 = 0.25;

/// What there is to know about a run of chains; written as `diagnostics.json`.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Diagnostics {
    /// What is wrong, in words; empty if nothing is.
    pub warnings: Vec<String>,
    /// Moments, quantiles, R-hat and effective sample sizes of each parameter.
    pub parameters: Vec<ParameterSummary>,
    /// Gradient evaluations: each costs one simulation and its adjoint.
    pub gradients: GradientCount,
    /// Sampling gradients per effective draw of the slowest parameter.
    pub gradients_per_effective_draw: f64,
    /// Wall time in seconds, interruptions left out.
    pub seconds: f64,
    /// Divergent transitions after warm-up.
    pub divergences: usize,
    /// Each chain.
    pub chains: Vec<ChainDiagnostics>,
}

/// Where the gradients went.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct GradientCount {
    /// To find the starting points.
    pub start: u64,
    /// To find first step sizes.
    pub initialisation: u64,
    /// In warm-up.
    pub warmup: u64,
    /// For the draws.
    pub sampling: u64,
    /// All of them.
    pub total: u64,
}

/// One chain.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ChainDiagnostics {
    /// Verdict and the numbers behind it.
    #[serde(flatten)]
    pub health: hmc::Health,
    /// Step size after warm-up.
    pub step_size: f64,
    /// Mean depth of the trees of the draws; 0 of samplers without trees.
    pub mean_depth: f64,
    /// Root mean square energy error of a step, the measure of bias of the unadjusted sampler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy_error: Option<f64>,
}

impl Sampled {
    /// Judges the run.
    ///
    /// # Errors
    /// If the number of draws does not fit that of the chains.
    pub fn diagnostics(&self) -> Result<Diagnostics> {
        let names = self.names();
        let samples = Samples::new(&self.samples, self.records.len(), &names)?;
        let (parameters, unusable) = match summarise(&samples) {
            Ok(parameters) => (parameters, None),
            Err(error) => (Vec::new(), Some(format!("the draws cannot be summarised: {error}"))),
        };
        let chains: Vec<ChainDiagnostics> = examine(&self.records)
            .into_iter()
            .zip(self.records.iter().zip(&self.step_sizes).zip(&self.energy_errors))
            .map(|(health, ((record, &step_size), &energy_error))| {
                let depths: Vec<f64> = record
                    .draws
                    .iter()
                    .filter(|draw| draw.phase == Phase::Sampling)
                    .map(|draw| f64::from(draw.depth))
                    .collect();
                let mean_depth = metrics::mean(&depths);
                ChainDiagnostics { health, step_size, mean_depth, energy_error }
            })
            .collect();
        let slowest = parameters.iter().map(|p| p.ess_bulk).fold(f64::INFINITY, f64::min);
        let Gradients { initialisation, warmup, sampling } = self.gradients;
        let divergences = chains.iter().map(|chain| chain.health.divergences).sum();
        let mut warnings = warnings(&parameters, &chains, divergences);
        warnings.extend(unusable);
        Ok(Diagnostics {
            warnings,
            parameters,
            gradients: GradientCount {
                start: self.start_gradients,
                initialisation,
                warmup,
                sampling,
                total: self.start_gradients + self.gradients.total(),
            },
            gradients_per_effective_draw: sampling as f64 / slowest,
            seconds: self.seconds,
            divergences,
            chains,
        })
    }

    fn names(&self) -> Vec<&str> {
        self.names.iter().map(String::as_str).collect()
    }

    /// Writes `samples.npz` (draws, and gradients of each draw and of each chain before its first)
    /// and `diagnostics.json`.
    ///
    /// # Errors
    /// If the files cannot be written.
    pub fn write(&self, workspace: &Workspace) -> Result<()> {
        let chains = self.records.len();
        let names = self.names();
        let draws = self.samples.len() / (chains * names.len());
        let signed = |counts: &[u64]| -> Vec<i64> {
            counts.iter().map(|count| i64::try_from(*count).unwrap_or(i64::MAX)).collect()
        };
        write_npz(
            &workspace.path(SAMPLES),
            [
                Named::f64("samples", &[chains, draws, names.len()], &self.samples),
                Named::text("names", &names),
                Named::i64("gradients", &[chains, draws], &signed(&self.of_draws)),
                Named::i64("gradients_before", &[chains], &signed(&self.before)),
            ],
        )?;
        write_json(&workspace.path(DIAGNOSTICS), &self.diagnostics()?)
    }
}

/// What is wrong with a run, in words.
fn warnings(
    parameters: &[ParameterSummary],
    chains: &[ChainDiagnostics],
    divergences: usize,
) -> Vec<String> {
    let mut warnings = Vec::new();
    for (index, chain) in chains.iter().enumerate() {
        if chain.health.verdict != hmc::Verdict::Healthy {
            warnings.push(format!(
                "chain {} is {:?}: {:.0} effective draws, step size {:.2e}",
                index + 1,
                chain.health.verdict,
                chain.health.lag_one_draws,
                chain.step_size
            ));
        }
    }
    let error = chains.iter().filter_map(|chain| chain.energy_error).fold(0.0, f64::max);
    if error > ENERGY_ERROR {
        warnings.push(format!(
            "the sampler is not adjusted and its steps have energy errors of {error:.2}, above \
             {ENERGY_ERROR}: the draws are biased"
        ));
    }
    for parameter in parameters {
        let ParameterSummary { name, r_hat, ess_bulk, ess_tail, .. } = parameter;
        if r_hat.is_nan() || *r_hat >= R_HAT {
            warnings.push(format!("{name}: R-hat {r_hat:.3} is not below {R_HAT}"));
        }
        if ess_bulk.is_nan() || ess_tail.is_nan() || ess_bulk.min(*ess_tail) < ESS {
            warnings.push(format!(
                "{name}: {ess_bulk:.0} effective draws in the bulk and {ess_tail:.0} in the \
                 tails; {ESS} are advisable"
            ));
        }
    }
    if divergences > 0 {
        warnings.push(format!("{divergences} transitions diverged"));
    }
    warnings
}
