//! A simple likelihood with a complex posterior.
//!
//! *Model* (Lueckmann et al. 2021, arXiv:2101.04653, T.3; Papamakarios et al. 2019,
//! arXiv:1805.07226). theta is uniform on `[-3, 3]^5`; x is four independent points of a Gaussian in
//! the plane with mean (theta_1, theta_2), standard deviations theta_3^2 and theta_4^2, and
//! correlation tanh theta_5.
//!
//! *Observables.* Both coordinates of the first point, then of the second, and so on.

use ndarray::Array2;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};

use autodiff::{Dual, Real};

use super::{Task, TaskSimulator, posterior, require_observation};
use crate::error::{Error, Result};
use crate::prior::{Marginal, Prior};
use crate::simulator::{Simulation, Simulator};

/// Number of points.
const POINTS: usize = 4;
/// Largest absolute value of a parameter.
const BOUND: f64 = 3.0;

/// Mean and covariance of a Gaussian in the plane.
#[derive(Clone, Debug)]
pub struct Slcp {
    prior: Prior,
    /// The part of the prior where theta_3 and theta_4, which matter through their squares only,
    /// are positive.
    positive: Prior,
}

impl Default for Slcp {
    fn default() -> Self {
        Self::new()
    }
}

impl Slcp {
    /// The task.
    #[must_use]
    pub fn new() -> Self {
        let prior = |lower: [f64; 5]| {
            let marginal = |(i, lower)| {
                (format!("theta_{}", i + 1), Marginal::Uniform { lower, upper: BOUND })
            };
            let parameters = lower.into_iter().enumerate().map(marginal);
            Prior::new(parameters).expect("constant distributions are valid")
        };
        let positive = [-BOUND, -BOUND, 0.0, 0.0, -BOUND];
        Self { prior: prior([-BOUND; 5]), positive: prior(positive) }
    }

    /// Log likelihood of the points with its derivatives.
    fn log_likelihood<R: Real>(x: &[f64], theta: [R; 5]) -> R {
        let [m1, m2, root1, root2, t] = theta;
        let (s1, s2) = (root1 * root1, root2 * root2);
        let rho = t.tanh();
        // 1 - tanh^2 = 1 / cosh^2
        let ln_determinant = (s1.ln() + s2.ln() - t.cosh().ln()) * 2.0;
        let inverse = t.cosh() * t.cosh();
        let mut sum = (ln_determinant * 0.5 + (2.0 * std::f64::consts::PI).ln()) * -(POINTS as f64);
        for point in x.chunks(2) {
            let (a, b) = ((m1 - point[0]) / s1, (m2 - point[1]) / s2);
            sum += (a * a - rho * a * b * 2.0 + b * b) * inverse * -0.5;
        }
        sum
    }
}

impl Simulator for Slcp {
    type Error = Error;

    fn parameters(&self) -> usize {
        5
    }

    fn observables(&self) -> usize {
        2 * POINTS
    }

    fn simulate(&self, theta: &[f64], rng: &mut ChaCha8Rng) -> Result<Simulation> {
        let (s1, s2) = (theta[2] * theta[2], theta[3] * theta[3]);
        let rho = theta[4].tanh();
        let rest = theta[4].cosh().recip();
        let mut normal = || -> f64 { StandardNormal.sample(rng) };
        let mut x = Vec::with_capacity(2 * POINTS);
        for _ in 0..POINTS {
            let (a, b) = (normal(), normal());
            x.push(theta[0] + s1 * a);
            x.push(theta[1] + s2 * (rho * a + rest * b));
        }
        let theta = Dual::<5>::variables(std::array::from_fn(|i| theta[i]));
        let score = Self::log_likelihood(&x, theta).gradient.to_vec();
        Ok(Simulation { x, score: Some(score) })
    }
}

impl Task for Slcp {
    fn name(&self) -> &'static str {
        "slcp"
    }

    fn description(&self) -> &'static str {
        "Mean and covariance of a Gaussian from four points: a simple likelihood with a posterior of \
         four modes (Lueckmann et al. 2021, arXiv:2101.04653, T.3)."
    }

    fn prior(&self) -> &Prior {
        &self.prior
    }

    fn simulator(&self) -> &TaskSimulator {
        self
    }

    /// The no-U-turn sampler where theta_3 and theta_4 are positive, and then their signs by a coin:
    /// the posterior is symmetric in both.
    fn reference_posterior(&self, x: &[f64], draws: usize, seed: u64) -> Result<Array2<f64>> {
        require_observation(x, self.observables())?;
        let likelihood = |theta: &[f64]| {
            let theta = Dual::<5>::variables(std::array::from_fn(|i| theta[i]));
            let result = Self::log_likelihood(x, theta);
            Ok((result.value, result.gradient.to_vec()))
        };
        let mut rows = posterior::sample(&self.positive, &likelihood, 5, draws, seed)?;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(SIGNS);
        for mut row in rows.rows_mut() {
            for column in [2, 3] {
                if rng.random::<bool>() {
                    row[column] = -row[column];
                }
            }
        }
        Ok(rows)
    }
}

/// Stream of the signs, apart from those of the chains.
const SIGNS: u64 = u64::MAX;
