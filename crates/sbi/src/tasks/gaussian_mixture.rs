//! The common mean of a wide and a narrow Gaussian.
//!
//! *Model* (Lueckmann et al. 2021, arXiv:2101.04653, T.7; Sisson et al. 2007). theta is uniform on
//! `[-10, 10]^2`; x ~ N(theta, I) / 2 + N(theta, 0.01 I) / 2.
//!
//! *Score.* That of the component drawn, which is a latent number: (x - theta) over its variance.

use ndarray::Array2;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::{Task, TaskSimulator, posterior, require_observation};
use crate::error::{Error, Result};
use crate::prior::{Marginal, Prior};
use crate::simulator::{Simulation, Simulator};

/// Standard deviations of the components.
const SDS: [f64; 2] = [1.0, 0.1];

/// Mean of two Gaussians.
#[derive(Clone, Debug)]
pub struct GaussianMixture {
    prior: Prior,
}

impl Default for GaussianMixture {
    fn default() -> Self {
        Self::new()
    }
}

impl GaussianMixture {
    /// The task.
    #[must_use]
    pub fn new() -> Self {
        let marginal = Marginal::Uniform { lower: -10.0, upper: 10.0 };
        let parameters = [("theta_1", marginal.clone()), ("theta_2", marginal)];
        Self { prior: Prior::new(parameters).expect("constant distributions are valid") }
    }

    /// Noise, and the standard deviation it was drawn with.
    fn noise(rng: &mut ChaCha8Rng) -> ([f64; 2], f64) {
        let sd = SDS[usize::from(rng.random::<bool>())];
        let mut normal = || -> f64 { StandardNormal.sample(rng) };
        ([sd * normal(), sd * normal()], sd)
    }
}

impl Simulator for GaussianMixture {
    type Error = Error;

    fn parameters(&self) -> usize {
        2
    }

    fn observables(&self) -> usize {
        2
    }

    fn simulate(&self, theta: &[f64], rng: &mut ChaCha8Rng) -> Result<Simulation> {
        let (noise, sd) = Self::noise(rng);
        Ok(Simulation {
            x: vec![theta[0] + noise[0], theta[1] + noise[1]],
            score: Some(noise.map(|noise| noise / (sd * sd)).to_vec()),
        })
    }
}

impl Task for GaussianMixture {
    fn name(&self) -> &'static str {
        "gaussian-mixture"
    }

    fn description(&self) -> &'static str {
        "Common mean of a wide and a narrow Gaussian (Lueckmann et al. 2021, arXiv:2101.04653, T.7)."
    }

    fn prior(&self) -> &Prior {
        &self.prior
    }

    fn simulator(&self) -> &TaskSimulator {
        self
    }

    /// Exact: the mixture around x, rejected outside the prior.
    fn reference_posterior(&self, x: &[f64], draws: usize, seed: u64) -> Result<Array2<f64>> {
        require_observation(x, 2)?;
        posterior::reject(draws, seed, |rng| {
            let (noise, _) = Self::noise(rng);
            let theta = [x[0] - noise[0], x[1] - noise[1]];
            self.prior.contains(&theta).then_some(theta)
        })
    }
}
