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
    /// Sampling gradients per effective draw of the slowest parameter; NaN if the draws cannot be
    /// summarised.
    #[serde(with = "metrics::any_float")]
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
    /// Mean depth of the trees of the draws; 0 of samplers without trees, NaN without draws.
    #[serde(with = "metrics::any_float")]
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
        let slowest = parameters.iter().map(|p| p.ess_bulk).reduce(f64::min).unwrap_or(f64::NAN);
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
                "chain {} is {:?}: {:.0} draws by the correlation of successive ones, {} \
                 divergences, step size {:.2e}",
                index + 1,
                chain.health.verdict,
                chain.health.lag_one_draws,
                chain.health.divergences,
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
        let doubts = parameter.doubts();
        warnings.extend(doubts.iter().map(|doubt| format!("{}: {doubt}", parameter.name)));
    }
    if divergences > 0 {
        warnings.push(format!("{divergences} transitions diverged"));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(verdict: hmc::Verdict) -> ChainDiagnostics {
        let health = hmc::Health {
            verdict,
            mean_accept: 0.8,
            divergences: 0,
            non_finite: 0,
            lag_one_draws: 5.0,
            worst_value: 0,
            step_ratio: 1.0,
            spread_ratio: 1.0,
            separation: 0.0,
            most_separated_value: 0,
        };
        ChainDiagnostics { health, step_size: 0.1, mean_depth: f64::NAN, energy_error: None }
    }

    #[test]
    fn stuck_chains_are_written_read_back_and_warned_of() -> Result<()> {
        let parameters = vec![metrics::summarise_parameter("a", &[vec![0.0; 8], vec![1.0; 8]])?];
        let chains = vec![chain(hmc::Verdict::Frozen)];
        let diagnostics = Diagnostics {
            warnings: warnings(&parameters, &chains, 0),
            parameters,
            gradients: GradientCount {
                start: 0,
                initialisation: 0,
                warmup: 0,
                sampling: 0,
                total: 0,
            },
            gradients_per_effective_draw: f64::NAN,
            seconds: 0.0,
            divergences: 0,
            chains,
        };
        let text = serde_json::to_string(&diagnostics)?;
        let read: Diagnostics = serde_json::from_str(&text)?;
        assert_eq!(read.parameters[0].r_hat, f64::INFINITY, "{text}");
        assert!(read.gradients_per_effective_draw.is_nan() && read.chains[0].mean_depth.is_nan());
        assert!(read.warnings.iter().any(|w| w.contains("R-hat inf is not below 1.01")), "{text}");
        // files of former versions
        let former = text.replace("\"inf\"", "null").replace("lag_one_draws", "effective_draws");
        let read: Diagnostics = serde_json::from_str(&former)?;
        assert!(read.parameters[0].r_hat.is_nan() && read.chains[0].health.lag_one_draws == 5.0);
        Ok(())
    }
}
