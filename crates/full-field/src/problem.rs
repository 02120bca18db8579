//! A map to analyse, and its chains.

use hmc::{Chain, ChainRun, LogDensity, LogDensityError, Settings};
use lognormal_sim::{BandPowers, Cosmology, CovarianceChoice, PowerSpectrumLikelihood, Simulator};

use crate::error::{Error, Result};
use crate::posteriors::{FullFieldPosterior, PowerSpectrumPosterior, Start, full_field_settings};
use crate::prior::Prior;

/// A map to analyse.
#[derive(Clone, Copy)]
pub struct Problem<'a> {
    /// The model.
    pub simulator: &'a Simulator,
    /// The prior of its parameters.
    pub prior: &'a Prior,
    /// The observed map `[bin][y][x]`.
    pub map: &'a [f64],
}

impl<'a> Problem<'a> {
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

    /// Chains of the full-field posterior, started near the power-spectrum posterior and ready for
    /// [`hmc::run_chains`]; [`parameters`](crate::parameters) makes parameters of their positions.
    ///
    /// # Errors
    /// If the map does not fit the survey, or no starting point can be evaluated.
    pub fn full_field_chains(
        &self,
        count: u64,
        warmup: usize,
        seed: u64,
    ) -> Result<Vec<ChainRun<FullFieldPosterior<'a>>>> {
        let likelihood = self.power_spectrum()?;
        let start = Start::find(&mut PowerSpectrumPosterior::new(&likelihood, self.prior), seed)?;
        (0..count)
            .map(|chain| {
                let mut density = FullFieldPosterior::new(self.simulator, self.map, self.prior)?;
                let (position, _) = first_usable(&mut density, |density, attempt| {
                    density.start(&start, seed, stream(chain, attempt))
                })?;
                let metric = start.metric(position.len())?;
                let settings = Settings { warmup, ..full_field_settings() };
                Chain::with_metric(density, position, metric, settings, seed, chain)
                    .map(ChainRun::new)
                    .map_err(|error| Error::Chain { chain, reason: error.to_string() })
            })
            .collect()
    }
}

/// Starting points tried before a chain is given up.
const ATTEMPTS: u64 = 100;

/// The random stream of an attempt to start a chain.
#[must_use]
pub fn stream(chain: u64, attempt: u64) -> u64 {
    chain + (attempt << 32)
}

/// The first candidate at which the density can be evaluated, and how many were tried.
///
/// # Errors
/// [`Error::NoStart`] if none of a hundred can; an error of the density that is not recoverable.
pub fn first_usable<D: LogDensity<Error = Error>>(
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
            Err(error) => return Err(error),
        }
    }
    Err(Error::NoStart { attempts: ATTEMPTS })
}
