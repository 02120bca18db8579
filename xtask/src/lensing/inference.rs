//! The posterior of a map, by either method.

use std::sync::OnceLock;

use anyhow::{Result, anyhow, bail};
use clap::ValueEnum;
use hmc::{LogDensity, LogDensityError};
use lognormal_sim::{
    BandPowers, Cosmology, CovarianceChoice, PARAMETERS, PowerSpectrumLikelihood, Simulator,
};
use serde::{Deserialize, Serialize};

use crate::explicit::{
    FullFieldPosterior, PowerSpectrumPosterior, Start, full_field_settings, parameters,
    power_spectrum_settings,
};
use crate::prior::Prior;
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

/// A map to analyse.
pub struct Problem<'a> {
    /// The model.
    pub simulator: &'a Simulator,
    /// The prior of its parameters.
    pub prior: &'a Prior,
    /// The observed map `[bin][y][x]`.
    pub map: &'a [f64],
}

impl Problem<'_> {
    /// The band powers of the map, with their likelihood. The covariance is that of the fiducial
    /// cosmology, as in the published analysis.
    ///
    /// # Errors
    /// If the map does not fit the survey.
    pub fn power_spectrum(&self) -> Result<PowerSpectrumLikelihood> {
        let survey = self.simulator.survey();
        let edges = BandPowers::default_edges(survey.npix, survey.map_size_deg);
        Ok(PowerSpectrumLikelihood::new(
            self.simulator.theory().clone(),
            survey,
            self.map,
            &edges,
            CovarianceChoice::Fixed(Cosmology::FIDUCIAL),
        )?)
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
                density: &|| FullFieldPosterior::new(simulator, map, prior),
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

/// Starting points tried before a chain is given up.
const ATTEMPTS: u64 = 100;

/// The random stream of an attempt to start a chain.
fn stream(chain: u64, attempt: u64) -> u64 {
    chain + (attempt << 32)
}

/// The first candidate at which the density can be evaluated, and how many were tried.
fn first_usable<D: LogDensity>(
    density: &mut D,
    candidate: impl Fn(&D, u64) -> Vec<f64>,
) -> Result<(Vec<f64>, u64)> {
    let mut gradient = vec![0.0; density.dim()];
    for attempt in 0..ATTEMPTS {
        let position = candidate(density, attempt);
        match density.log_density_and_gradient(&position, &mut gradient) {
            Ok(value) if value.is_finite() => return Ok((position, attempt + 1)),
            Ok(_) => {}
            Err(error) if error.is_recoverable() => {}
            Err(error) => bail!("the posterior cannot be evaluated: {error}"),
        }
    }
    bail!("none of {ATTEMPTS} starting points has a finite density: does the map fit the survey?")
}
