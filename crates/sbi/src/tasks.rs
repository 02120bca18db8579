//! Inference problems with known answers, for tests, examples and studies.
//!
//! Those of the benchmark of simulation-based inference (Lueckmann et al. 2021, arXiv:2101.04653;
//! package sbibm), and the Lotka-Volterra problems of Zeghal et al. 2022 (arXiv:2207.05636) on
//! neural posterior estimation with simulator gradients. Each has a prior, a simulator with scores,
//! and draws from the exact posterior of any observation.
//!
//! [`two_moons_density`] is a density rather than a task.
//!
//! Definitions are those of the sources; where random constants or coordinates differ, the task
//! says so. Observations are our own draws: comparisons of numbers with published ones hold for
//! averages over observations only.

mod bernoulli_glm;
mod gaussian_linear;
mod gaussian_mixture;
mod lotka_volterra;
mod modes;
mod posterior;
mod predator_prey;
mod sir;
mod slcp;
mod slcp_distractors;
mod two_moons;
pub mod two_moons_density;

use ndarray::Array2;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::draws::{Draws, Sampling};
use crate::error::{Error, Result};
use crate::prior::Prior;
use crate::simulator::Simulator;

pub use bernoulli_glm::{BernoulliGlm, BernoulliGlmRaw};
pub use gaussian_linear::{GaussianLinear, GaussianLinearUniform};
pub use gaussian_mixture::GaussianMixture;
pub use lotka_volterra::{LotkaVolterra, Start};
pub use sir::Sir;
pub use slcp::Slcp;
pub use slcp_distractors::SlcpDistractors;
pub use two_moons::TwoMoons;

/// A simulator of a [`Task`], whatever its type.
pub type TaskSimulator = dyn Simulator<Error = Error>;

/// Parameters and what a simulator made of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// The parameters, `[parameter]`.
    pub theta: Vec<f64>,
    /// The observables, `[observable]`.
    pub x: Vec<f64>,
}

/// An inference problem whose posterior is known.
pub trait Task: Send + Sync {
    /// Name, as [`find`] knows it.
    fn name(&self) -> &'static str;

    /// What it is, in a sentence or two, with its source.
    fn description(&self) -> &'static str;

    /// The prior.
    fn prior(&self) -> &Prior;

    /// The simulator; its simulations carry scores.
    fn simulator(&self) -> &TaskSimulator;

    /// An observation at parameters from the prior; another for each seed.
    ///
    /// # Errors
    /// If the simulator fails at these parameters.
    fn observation(&self, seed: u64) -> Result<Observation> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(OBSERVATIONS);
        let theta = self.prior().draw(&mut rng);
        let x = self.simulator().simulate(&theta, &mut rng)?.x;
        Ok(Observation { theta, x })
    }

    /// The observables `[observable]` of an array of this shape, elements in C order. By default any
    /// shape with the right number of elements is one; tasks whose data have axes say which.
    ///
    /// # Errors
    /// [`Error::Shape`] for any other array; [`Error::NotFinite`] for one with NaN or infinities.
    fn arrange(&self, shape: &[usize], values: Vec<f64>) -> Result<Vec<f64>> {
        require_array(shape, &values, &[self.simulator().observables()])?;
        Ok(values)
    }

    /// Draws `[draw, parameter]` from the posterior given `x: [observable]`: independent, or nearly
    /// so where a Markov chain had to be used (it is thinned, and refused unless it has converged).
    ///
    /// # Errors
    /// [`Error::Shape`] for an `x` of another length; [`Error::NotFinite`] for one with NaN or
    /// infinities; [`Error::Reference`] if no posterior can be had, because `x` is impossible or far
    /// from everything the prior allows.
    fn reference_posterior(&self, x: &[f64], draws: usize, seed: u64) -> Result<Array2<f64>>;

    /// The draws of [`Task::reference_posterior`] with how they were made. Exact ones count as
    /// direct, without leakage.
    ///
    /// # Errors
    /// As [`Task::reference_posterior`].
    fn reference(&self, x: &[f64], draws: usize, seed: u64) -> Result<Draws> {
        let theta = self.reference_posterior(x, draws, seed)?;
        Ok(Draws { theta, sampling: Sampling::Direct { proposed: draws, leakage: 0.0 } })
    }
}

/// Stream of observations, apart from those of simulations.
const OBSERVATIONS: u64 = u64::MAX;

/// All tasks.
#[must_use]
pub fn all() -> Vec<Box<dyn Task>> {
    vec![
        Box::new(TwoMoons::new()),
        Box::new(GaussianLinear::new()),
        Box::new(GaussianLinearUniform::new()),
        Box::new(GaussianMixture::new()),
        Box::new(Slcp::new()),
        Box::new(SlcpDistractors::new()),
        Box::new(BernoulliGlm::new()),
        Box::new(BernoulliGlmRaw::new()),
        Box::new(Sir::new()),
        Box::new(LotkaVolterra::new(Start::Benchmark)),
        Box::new(LotkaVolterra::new(Start::Latent)),
        Box::new(LotkaVolterra::new(Start::Fixed)),
    ]
}

/// The task of this name.
///
/// # Errors
/// [`Error::UnknownTask`], with the names there are.
pub fn find(name: &str) -> Result<Box<dyn Task>> {
    let mut tasks = all();
    match tasks.iter().position(|task| task.name() == name) {
        Some(index) => Ok(tasks.swap_remove(index)),
        None => {
            let known = tasks.iter().map(|task| task.name()).collect();
            Err(Error::UnknownTask { name: name.to_owned(), known })
        }
    }
}

/// Refuses an array with another number of elements than an `expected` one, or that is not finite.
fn require_array(shape: &[usize], values: &[f64], expected: &[usize]) -> Result<()> {
    let count: usize = expected.iter().product();
    if values.len() != count || shape.iter().product::<usize>() != count {
        let (what, expected) = ("observation".to_owned(), expected.to_vec());
        return Err(Error::Shape { what, expected, found: shape.to_vec() });
    }
    require_observation(values, count)
}

/// Refuses observables of the wrong number, or that are not finite.
fn require_observation(x: &[f64], expected: usize) -> Result<()> {
    if x.len() != expected {
        let what = "observation".to_owned();
        return Err(Error::Shape { what, expected: vec![expected], found: vec![x.len()] });
    }
    match x.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(index) => Err(Error::NotFinite { what: "observation".into(), index, value: x[index] }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lotka_volterra_data_are_time_by_population_and_nothing_else() {
        let task = LotkaVolterra::new(Start::Fixed);
        // prey 0, 1, .., 9, predators 100, 101, .., 109
        let table: Vec<f64> = (0..10).flat_map(|t| [f64::from(t), f64::from(100 + t)]).collect();
        let x = task.arrange(&[10, 2], table.clone()).expect("the documented shape");
        let expected: Vec<f64> = (0..10).chain(100..110).map(f64::from).collect();
        assert_eq!(x, expected);
        assert_eq!(task.arrange(&[20], expected.clone()).expect("the observables"), expected);
        for shape in [&[2, 10][..], &[20, 1], &[2, 2, 5], &[19], &[10, 3]] {
            let values = vec![1.0; shape.iter().product()];
            let error = task.arrange(shape, values).expect_err("another shape").to_string();
            assert!(error.contains("expected [10, 2]"), "{error}");
        }
        let mut hole = table;
        hole[3] = f64::NAN;
        let error = task.arrange(&[10, 2], hole).expect_err("a hole");
        assert!(matches!(error, Error::NotFinite { index: 3, .. }), "{error}");
    }
}
