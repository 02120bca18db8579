//! An epidemic: contact and recovery rate from ten small surveys.
//!
//! *Model* (Lueckmann et al. 2021, arXiv:2101.04653, T.9). Of N = 1 000 000 people one is infected at
//! time zero, none has recovered: `dS/dt = -beta S I / N`, `dI/dt = beta S I / N - gamma I`, times in
//! days. On days 0, 17, ..., 153 the infected among 1000 people are counted: binomial with
//! probability I / N. The priors are log-normal with locations ln 0.4, ln 0.125 and scales 0.5, 0.2.
//!
//! *Observables.* The ten counts.

use autodiff::{Dual, Real};
use ndarray::Array2;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Binomial, Distribution};

use super::predator_prey::{Rates, log_populations};
use super::{Task, TaskSimulator, modes, require_observation};
use crate::error::{Error, Result};
use crate::prior::{Marginal, Prior};
use crate::simulator::{Simulation, Simulator};

/// Number of people.
const POPULATION: f64 = 1e6;
/// People asked in a survey.
const ASKED: u64 = 1000;
/// Number of surveys.
const SURVEYS: usize = 10;
/// Days between surveys.
const INTERVAL: f64 = 17.0;

/// Contact and recovery rate of an epidemic.
#[derive(Clone, Debug)]
pub struct Sir {
    prior: Prior,
}

impl Default for Sir {
    fn default() -> Self {
        Self::new()
    }
}

impl Sir {
    /// The task.
    #[must_use]
    pub fn new() -> Self {
        let parameters = [
            ("beta", Marginal::LogNormal { location: 0.4f64.ln(), scale: 0.5 }),
            ("gamma", Marginal::LogNormal { location: 0.125f64.ln(), scale: 0.2 }),
        ];
        Self { prior: Prior::new(parameters).expect("constant distributions are valid") }
    }

    /// Logarithms of the infected fraction at each survey.
    ///
    /// The susceptible are the prey that does not grow, the infected the predators.
    fn ln_infected<R: Real>(theta: [R; 2]) -> Result<Vec<R>> {
        let [beta, gamma] = theta;
        let contact = beta / POPULATION;
        let rates = Rates { growth: R::from(0.0), loss: contact, decay: gamma, gain: contact };
        let start = [R::from((POPULATION - 1.0).ln()), R::from(0.0)];
        let times: [f64; SURVEYS] = std::array::from_fn(|i| INTERVAL * i as f64);
        let logs = log_populations(&rates, start, &times)?;
        Ok(logs.into_iter().map(|[_, infected]| infected - POPULATION.ln()).collect())
    }

    /// Log likelihood of counts, without the binomial coefficients, and its gradient.
    fn evaluate(x: &[f64], theta: &[f64]) -> Result<(f64, Vec<f64>)> {
        let logs = Self::ln_infected(Dual::<2>::variables([theta[0], theta[1]]))?;
        let mut sum = Dual::<2>::constant(0.0);
        for (&log, &count) in logs.iter().zip(x) {
            let others = (-log.exp_m1()).ln();
            sum += log * count + others * (ASKED as f64 - count);
        }
        Ok((sum.value, sum.gradient.to_vec()))
    }
}

impl Simulator for Sir {
    type Error = Error;

    fn parameters(&self) -> usize {
        2
    }

    fn observables(&self) -> usize {
        SURVEYS
    }

    fn simulate(&self, theta: &[f64], rng: &mut ChaCha8Rng) -> Result<Simulation> {
        let mut x = Vec::with_capacity(SURVEYS);
        for log in Self::ln_infected([theta[0], theta[1]])? {
            let counts = Binomial::new(ASKED, log.exp().min(1.0)).map_err(|_| {
                Error::NotFinite { what: "infected fraction".into(), index: x.len(), value: log }
            })?;
            x.push(counts.sample(rng) as f64);
        }
        let (_, score) = Self::evaluate(&x, theta)?;
        Ok(Simulation { x, score: Some(score) })
    }
}

impl Task for Sir {
    fn name(&self) -> &'static str {
        "sir"
    }

    fn description(&self) -> &'static str {
        "Contact and recovery rate of an epidemic from ten surveys (Lueckmann et al. 2021, \
         arXiv:2101.04653, T.9)."
    }

    fn prior(&self) -> &Prior {
        &self.prior
    }

    fn simulator(&self) -> &TaskSimulator {
        self
    }

    /// Exact, by rejection: it has two modes where the surveys leave open on which day the epidemic
    /// was largest.
    fn reference_posterior(&self, x: &[f64], draws: usize, seed: u64) -> Result<Array2<f64>> {
        require_observation(x, SURVEYS)?;
        let possible = |count: f64| (0.0..=ASKED as f64).contains(&count);
        if let Some(index) = x.iter().position(|&count| !possible(count)) {
            let reason = format!("count {index} is {}, expected 0 to {ASKED}", x[index]);
            return Err(Error::Reference { reason });
        }
        modes::sample(&self.prior, &|theta: &[f64]| Self::evaluate(x, theta), draws, seed)
    }
}

#[cfg(test)]
mod tests {
    use autodiff::assert_gradient;
    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    #[test]
    fn scores_are_gradients_at_fixed_counts() {
        let task = Sir::new();
        for index in 0..5 {
            let theta = task.prior.sample(2, index);
            let mut rng = ChaCha8Rng::seed_from_u64(index);
            let Simulation { x, score } = task.simulate(&theta, &mut rng).unwrap();
            let function =
                |theta: &[f64]| Sir::evaluate(&x, theta).map_or(f64::NAN, |(value, _)| value);
            assert_gradient(function, &theta, &score.unwrap(), 1e-3);
        }
    }

    /// Moments by quadrature over the normal coordinates of the prior.
    #[test]
    fn the_posterior_has_the_moments_of_a_grid() {
        let task = Sir::new();
        // The last has two modes, of which the lesser holds some per cent.
        let observations = [
            task.observation(1).unwrap().x,
            vec![0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 4.0, 3.0],
            vec![0.0, 4.0, 345.0, 56.0, 3.0, 5.0, 0.0, 0.0, 0.0, 0.0],
        ];
        for (case, x) in observations.into_iter().enumerate() {
            let n = 10_000;
            let draws = task.reference_posterior(&x, n, 1).unwrap();
            // The grid covers the draws generously.
            let cells = 150;
            let u: Vec<Vec<f64>> =
                draws.rows().into_iter().map(|row| task.prior.to_normal(&row.to_vec())).collect();
            let edge = |i: usize| {
                let values = || u.iter().map(|u| u[i]);
                let (low, high) = (
                    values().fold(f64::INFINITY, f64::min),
                    values().fold(-f64::INFINITY, f64::max),
                );
                (low - 0.3 * (high - low), 1.6 * (high - low) / cells as f64)
            };
            let edges = [edge(0), edge(1)];
            let mut points = Vec::new();
            for i in 0..cells {
                for j in 0..cells {
                    let u = [i, j].map(|k| k as f64 + 0.5);
                    let u = [edges[0].0 + u[0] * edges[0].1, edges[1].0 + u[1] * edges[1].1];
                    let theta = task.prior.at_normal(&u).0;
                    let (value, _) = Sir::evaluate(&x, &theta).unwrap();
                    points.push((value - 0.5 * (u[0] * u[0] + u[1] * u[1]), theta));
                }
            }
            let top = points.iter().map(|point| point.0).fold(-f64::INFINITY, f64::max);
            for i in 0..2 {
                let sum = |power: i32| -> f64 {
                    points.iter().map(|(log, theta)| (log - top).exp() * theta[i].powi(power)).sum()
                };
                let mean = sum(1) / sum(0);
                let sd = (sum(2) / sum(0) - mean * mean).sqrt();
                let found = draws.column(i);
                let shift = (found.mean().unwrap() - mean) / sd;
                let tolerance = 4.0 / (n as f64).sqrt();
                assert!(shift.abs() < tolerance, "case {case}, parameter {i}: shift {shift} sd");
                let ratio = found.std(1.0) / sd;
                assert!((ratio - 1.0).abs() < tolerance, "case {case}, parameter {i}: sd {ratio}");
            }
        }
    }
}
