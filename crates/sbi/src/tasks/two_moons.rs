//! Two moons: a posterior of two separate crescents.
//!
//! *Model* (Lueckmann et al. 2021, arXiv:2101.04653, T.8; Greenberg et al. 2019, arXiv:1905.07488).
//! theta is uniform on `[-1, 1]^2`. With a uniform on `[-pi/2, pi/2]` and r ~ N(0.1, 0.01^2),
//!
//! ```text
//! x = (r cos a + 0.25, r sin a) + (-|theta_1 + theta_2|, -theta_1 + theta_2) / sqrt(2)
//! ```
//!
//! *Score.* x determines the latents a and r given theta, so that the score is that of the
//! likelihood, `1 / (pi r) N(r; 0.1, 0.01^2)` on the half plane a crescent lives in. That half plane
//! moves with theta: its edge contributes to the mean of the score, which is not zero.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_PI_2};

use ndarray::Array2;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::{Task, TaskSimulator, posterior, require_observation};
use crate::error::{Error, Result};
use crate::prior::{Marginal, Prior};
use crate::simulator::{Simulation, Simulator};

const RADIUS: f64 = 0.1;
const RADIUS_SD: f64 = 0.01;
const OFFSET: f64 = 0.25;

/// Two moons.
#[derive(Clone, Debug)]
pub struct TwoMoons {
    prior: Prior,
}

impl Default for TwoMoons {
    fn default() -> Self {
        Self::new()
    }
}

impl TwoMoons {
    /// The task.
    #[must_use]
    pub fn new() -> Self {
        let marginal = Marginal::Uniform { lower: -1.0, upper: 1.0 };
        let parameters = [("theta_1", marginal.clone()), ("theta_2", marginal)];
        Self { prior: Prior::new(parameters).expect("constant distributions are valid") }
    }

    /// A point of the crescent: x at theta = 0.
    fn crescent(rng: &mut ChaCha8Rng) -> [f64; 2] {
        let angle = FRAC_PI_2 * (2.0 * rng.random::<f64>() - 1.0);
        let noise: f64 = StandardNormal.sample(rng);
        let radius = RADIUS + RADIUS_SD * noise;
        [radius * angle.cos() + OFFSET, radius * angle.sin()]
    }
}

impl Simulator for TwoMoons {
    type Error = Error;

    fn parameters(&self) -> usize {
        2
    }

    fn observables(&self) -> usize {
        2
    }

    fn simulate(&self, theta: &[f64], rng: &mut ChaCha8Rng) -> Result<Simulation> {
        let [p, q] = Self::crescent(rng);
        let along = FRAC_1_SQRT_2 * (theta[0] + theta[1]);
        let across = FRAC_1_SQRT_2 * (theta[1] - theta[0]);
        // d ln p / d(p, q), where x = (p - |along|, q + across) is held fixed.
        let radius = (p - OFFSET).hypot(q);
        let slope = -(radius - RADIUS) / (RADIUS_SD * RADIUS_SD) - radius.recip();
        let by_along = slope * (p - OFFSET) / radius * along.signum();
        let by_across = -slope * q / radius;
        let score =
            vec![FRAC_1_SQRT_2 * (by_along - by_across), FRAC_1_SQRT_2 * (by_along + by_across)];
        Ok(Simulation { x: vec![p - along.abs(), q + across], score: Some(score) })
    }
}

impl Task for TwoMoons {
    fn name(&self) -> &'static str {
        "two-moons"
    }

    fn description(&self) -> &'static str {
        "A posterior of two crescents (Lueckmann et al. 2021, arXiv:2101.04653, T.8)."
    }

    fn prior(&self) -> &Prior {
        &self.prior
    }

    fn simulator(&self) -> &TaskSimulator {
        self
    }

    /// Exact. Given a point of the crescent, x leaves two parameters, with a unit Jacobian; those
    /// outside the prior, or whose |theta_1 + theta_2| would be negative, are rejected.
    fn reference_posterior(&self, x: &[f64], draws: usize, seed: u64) -> Result<Array2<f64>> {
        require_observation(x, 2)?;
        posterior::reject(draws, seed, |rng| {
            let [p, q] = Self::crescent(rng);
            let sign = if rng.random::<bool>() { 1.0 } else { -1.0 };
            let (along, across) = (p - x[0], x[1] - q);
            let theta =
                [FRAC_1_SQRT_2 * (sign * along - across), FRAC_1_SQRT_2 * (sign * along + across)];
            (along >= 0.0 && self.prior.contains(&theta)).then_some(theta)
        })
    }
}
