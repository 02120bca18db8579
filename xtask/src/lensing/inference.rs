//! The posterior of a map, by either method.

use std::sync::OnceLock;

use anyhow::{Result, anyhow};
use clap::ValueEnum;
use full_field::{
    FullFieldPosterior, PowerSpectrumPosterior, Problem, Start, first_usable, full_field_settings,
    parameters, power_spectrum_settings, stream,
};
use lognormal_sim::PARAMETERS;
use serde::{Deserialize, Serialize};

use crate::sampling::{SamplerConfig, Target, sample};
use crate::study::{Workspace, derive_seed};

/// How the map is compared with theory.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Every pixel, with the latent field sampled along
    Explicit,
    /// Binned cross-spectra with a Gaussian likelihood
    PowerSpectrum,
}

impl Method {
    /// Name for tasks, files and legends.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Explicit => "full-field",
            Self::PowerSpectrum => "power-spectrum",
        }
    }

    /// Name in a report.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Explicit => "full field",
            Self::PowerSpectrum => "power spectrum",
        }
    }

    /// What a gradient of its density costs.
    #[must_use]
    pub fn gradient(self) -> &'static str {
        match self {
            Self::Explicit => "each one simulation and its adjoint",
            Self::PowerSpectrum => "each one prediction of the spectra",
        }
    }
}

/// Draws the posterior and writes draws and diagnostics to the workspace.
///
/// # Errors
/// If a chain cannot start or fails.
pub fn draw_posterior(
    problem: &Problem,
    method: Method,
    config: &SamplerConfig,
    seed: u64,
    workspace: &Workspace,
) -> Result<()> {
    let Problem { simulator, prior, map } = *problem;
    let seed = derive_seed(seed, method.name());
    let likelihood = problem.power_spectrum()?;
    // Found once, when the first chain that has no checkpoint needs it.
    let found: OnceLock<Result<Start, String>> = OnceLock::new();
    let start = || {
        found
            .get_or_init(|| {
                Start::find(&mut PowerSpectrumPosterior::new(&likelihood, prior), seed)
                    .map_err(|error| format!("{error:#}"))
            })
            .as_ref()
            .map_err(|error| anyhow!("{error}"))
    };
    // The search is shared: it counts once.
    let gradients = |start: &Start, chain| if chain == 0 { start.gradients } else { 0 };
    let sampled = match method {
        Method::Explicit => sample(
            method.name(),
            workspace,
            config,
            seed,
            &Target {
                density: &|| Ok(FullFieldPosterior::new(simulator, map, prior)?),
                start: &|density, chain| {
                    let start = start()?;
                    let (position, tried) = first_usable(density, |density, attempt| {
                        density.start(start, seed, stream(chain, attempt))
                    })?;
                    let metric = start.metric(position.len())?;
                    Ok((position, metric, gradients(start, chain) + tried))
                },
                names: &PARAMETERS,
                parameters: &|position| parameters(prior, position).to_vec(),
                settings: full_field_settings(),
            },
        )?,
        Method::PowerSpectrum => sample(
            method.name(),
            workspace,
            config,
            seed,
            &Target {
                density: &|| Ok(PowerSpectrumPosterior::new(&likelihood, prior)),
                start: &|density, chain| {
                    let start = start()?;
                    let (position, tried) = first_usable(density, |_, attempt| {
                        start.position(seed, stream(chain, attempt)).to_vec()
                    })?;
                    let metric = start.metric(position.len())?;
                    Ok((position, metric, gradients(start, chain) + tried))
                },
                names: &PARAMETERS,
                parameters: &|position| parameters(prior, position).to_vec(),
                settings: power_spectrum_settings(),
            },
        )?,
    };
    sampled.write(workspace)
}
