//! What inference needs to know of a simulator: parameters in, observables out.

use std::convert::Infallible;

use rand_chacha::ChaCha8Rng;

/// One run of a simulator.
#[derive(Clone, Debug, PartialEq)]
pub struct Simulation {
    /// The observables, `[observable]`.
    pub x: Vec<f64>,
    /// The *conditional joint score* `d/d theta ln p(x, z | theta)`, `[parameter]`, where `x` and
    /// all latent random numbers `z` of the run are held at the values drawn. The prior is not part
    /// of it: methods that need the score of the joint density with the prior add
    /// [`Prior::gradient`](crate::prior::Prior::gradient) themselves.
    ///
    /// Its mean over the latents that lead to the same `x` is the score of the likelihood
    /// (Brehmer et al. 2020, arXiv:1805.12244), which makes it a training signal.
    pub score: Option<Vec<f64>>,
}

/// A random model of observables given parameters.
///
/// Shared by threads: a run may use nothing but its parameters and its generator, so that a run can
/// be repeated. For a model that is a function without score, see [`from_fn`].
pub trait Simulator: Sync {
    /// What can go wrong in a run; use [`Infallible`] if nothing can.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Number of parameters.
    fn parameters(&self) -> usize;

    /// Number of observables.
    fn observables(&self) -> usize;

    /// Draws observables at `theta: [parameter]`.
    ///
    /// # Errors
    /// If this model has no result there. Whether a set of simulations goes on without it is
    /// decided by its [`Policy`](crate::simulations::Policy).
    fn simulate(&self, theta: &[f64], rng: &mut ChaCha8Rng) -> Result<Simulation, Self::Error>;
}

impl<S: Simulator + ?Sized> Simulator for &S {
    type Error = S::Error;

    fn parameters(&self) -> usize {
        (**self).parameters()
    }

    fn observables(&self) -> usize {
        (**self).observables()
    }

    fn simulate(&self, theta: &[f64], rng: &mut ChaCha8Rng) -> Result<Simulation, Self::Error> {
        (**self).simulate(theta, rng)
    }
}

/// A simulator made of a function: [`from_fn`], [`try_from_fn`].
#[derive(Clone, Copy, Debug)]
pub struct FromFn<F> {
    parameters: usize,
    observables: usize,
    function: F,
}

/// Makes a simulator of a function that cannot fail and returns the observables.
///
/// ```
/// use rand_distr::{Distribution, StandardNormal};
/// use sbi::simulator;
///
/// let simulator = simulator::from_fn(1, 3, |theta, rng| {
///     (0..3).map(|_| { let e: f64 = StandardNormal.sample(rng); theta[0] + e }).collect()
/// });
/// # use sbi::simulator::Simulator;
/// # assert_eq!(simulator.observables(), 3);
/// ```
pub fn from_fn<F>(
    parameters: usize,
    observables: usize,
    function: F,
) -> FromFn<impl Fn(&[f64], &mut ChaCha8Rng) -> Result<Simulation, Infallible> + Sync>
where
    F: Fn(&[f64], &mut ChaCha8Rng) -> Vec<f64> + Sync,
{
    try_from_fn(parameters, observables, move |theta: &[f64], rng: &mut ChaCha8Rng| {
        Ok(Simulation { x: function(theta, rng), score: None })
    })
}

/// Makes a simulator of a function that may fail and may return a score.
pub fn try_from_fn<F, E>(parameters: usize, observables: usize, function: F) -> FromFn<F>
where
    F: Fn(&[f64], &mut ChaCha8Rng) -> Result<Simulation, E> + Sync,
    E: std::error::Error + Send + Sync + 'static,
{
    FromFn { parameters, observables, function }
}

impl<F, E> Simulator for FromFn<F>
where
    F: Fn(&[f64], &mut ChaCha8Rng) -> Result<Simulation, E> + Sync,
    E: std::error::Error + Send + Sync + 'static,
{
    type Error = E;

    fn parameters(&self) -> usize {
        self.parameters
    }

    fn observables(&self) -> usize {
        self.observables
    }

    fn simulate(&self, theta: &[f64], rng: &mut ChaCha8Rng) -> Result<Simulation, E> {
        (self.function)(theta, rng)
    }
}
