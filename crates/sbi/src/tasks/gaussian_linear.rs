//! The mean of a ten-dimensional Gaussian under a Gaussian or a uniform prior.
//!
//! *Model* (Lueckmann et al. 2021, arXiv:2101.04653, T.1 and T.2): x ~ N(theta, 0.1 I) in ten
//! dimensions, variance 0.1. The prior is N(0, 0.1 I), or uniform on `[-1, 1]^10`.

use ndarray::Array2;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};

use super::{Task, TaskSimulator, require_observation};
use crate::error::{Error, Result};
use crate::prior::{Marginal, Prior};
use crate::simulator::{Simulation, Simulator};

const DIM: usize = 10;
/// Variance of the observables given the parameters, and of the Gaussian prior.
const VARIANCE: f64 = 0.1;

/// The same marginal for each of the parameters.
fn repeated(marginal: &Marginal) -> Result<Prior> {
    Prior::new((1..=DIM).map(|i| (format!("theta_{i}"), marginal.clone())))
}

/// Independent Gaussian noise around the parameters.
fn add_noise(theta: &[f64], rng: &mut ChaCha8Rng) -> Simulation {
    let noise: Vec<f64> = StandardNormal.sample_iter(rng).take(DIM).collect();
    let sd = VARIANCE.sqrt();
    Simulation {
        x: theta.iter().zip(&noise).map(|(mean, e)| mean + sd * e).collect(),
        score: Some(noise.iter().map(|e| e / sd).collect()),
    }
}

/// Mean of a Gaussian under a Gaussian prior.
#[derive(Clone, Debug)]
pub struct GaussianLinear {
    prior: Prior,
}

/// Mean of a Gaussian under a uniform prior.
#[derive(Clone, Debug)]
pub struct GaussianLinearUniform {
    prior: Prior,
}

impl Default for GaussianLinear {
    fn default() -> Self {
        Self::new()
    }
}

impl Default for GaussianLinearUniform {
    fn default() -> Self {
        Self::new()
    }
}

impl GaussianLinear {
    /// The task.
    #[must_use]
    pub fn new() -> Self {
        let prior = repeated(&Marginal::Normal { mean: 0.0, sd: VARIANCE.sqrt() });
        Self { prior: prior.expect("constant distributions are valid") }
    }
}

impl GaussianLinearUniform {
    /// The task.
    #[must_use]
    pub fn new() -> Self {
        let prior = repeated(&Marginal::Uniform { lower: -1.0, upper: 1.0 });
        Self { prior: prior.expect("constant distributions are valid") }
    }
}

impl Simulator for GaussianLinear {
    type Error = Error;

    fn parameters(&self) -> usize {
        DIM
    }

    fn observables(&self) -> usize {
        DIM
    }

    fn simulate(&self, theta: &[f64], rng: &mut ChaCha8Rng) -> Result<Simulation> {
        Ok(add_noise(theta, rng))
    }
}

impl Simulator for GaussianLinearUniform {
    type Error = Error;

    fn parameters(&self) -> usize {
        DIM
    }

    fn observables(&self) -> usize {
        DIM
    }

    fn simulate(&self, theta: &[f64], rng: &mut ChaCha8Rng) -> Result<Simulation> {
        Ok(add_noise(theta, rng))
    }
}

/// Draws from independent posteriors of the parameters.
fn draw_independent(posterior: &Prior, draws: usize, seed: u64) -> Array2<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let rows: Vec<Vec<f64>> = (0..draws).map(|_| posterior.draw(&mut rng)).collect();
    Array2::from_shape_fn((draws, DIM), |(row, column)| rows[row][column])
}

impl Task for GaussianLinear {
    fn name(&self) -> &'static str {
        "gaussian-linear"
    }

    fn description(&self) -> &'static str {
        "Mean of a ten-dimensional Gaussian under a Gaussian prior (Lueckmann et al. 2021, \
         arXiv:2101.04653, T.1)."
    }

    fn prior(&self) -> &Prior {
        &self.prior
    }

    fn simulator(&self) -> &TaskSimulator {
        self
    }

    /// Exact: N(x / 2, 0.05 I).
    fn reference_posterior(&self, x: &[f64], draws: usize, seed: u64) -> Result<Array2<f64>> {
        require_observation(x, DIM)?;
        let sd = (0.5 * VARIANCE).sqrt();
        let marginals = x.iter().zip(self.prior.names());
        let marginals = marginals.map(|(x, name)| (name, Marginal::Normal { mean: 0.5 * x, sd }));
        Ok(draw_independent(&Prior::new(marginals)?, draws, seed))
    }
}

impl Task for GaussianLinearUniform {
    fn name(&self) -> &'static str {
        "gaussian-linear-uniform"
    }

    fn description(&self) -> &'static str {
        "Mean of a ten-dimensional Gaussian under a uniform prior (Lueckmann et al. 2021, \
         arXiv:2101.04653, T.2)."
    }

    fn prior(&self) -> &Prior {
        &self.prior
    }

    fn simulator(&self) -> &TaskSimulator {
        self
    }

    /// Exact: N(x, 0.1 I) truncated to `[-1, 1]` in each dimension.
    fn reference_posterior(&self, x: &[f64], draws: usize, seed: u64) -> Result<Array2<f64>> {
        require_observation(x, DIM)?;
        let sd = VARIANCE.sqrt();
        let truncated =
            |mean| Marginal::TruncatedNormal { mean, sd, lower: Some(-1.0), upper: Some(1.0) };
        let marginals = x.iter().zip(self.prior.names()).map(|(&x, name)| (name, truncated(x)));
        let posterior = Prior::new(marginals)
            .map_err(|error| Error::Reference { reason: error.to_string() })?;
        Ok(draw_independent(&posterior, draws, seed))
    }
}
