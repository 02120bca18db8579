//! The posterior of one observation.

mod convergence;
mod direct;
mod lockstep;
mod maximum;
mod mcmc;
mod moments;
mod settings;
mod tempering;

use std::ops::ControlFlow;

use autodiff::tensor::{Tape, Var};
use burn::tensor::Tensor;
use ndarray::ArrayView2;

use crate::draws::{Draws, Sampling};
use crate::error::{Error, Result};
use crate::estimator::Estimator;
use crate::network::Network;
use crate::table::table;
use crate::warning::Warning;

pub use maximum::{MapSettings, Maximum};
pub use settings::{SampleObserver, SampleProgress, SampleSettings, SampleStage};

/// Points evaluated at a time.
pub(crate) const CHUNK: usize = 4096;

/// The posterior of the parameters given one observation.
#[derive(Clone, Debug)]
pub struct Posterior<'a> {
    estimator: &'a Estimator,
    /// The observation.
    x: Vec<f64>,
    /// The observation as networks see it, `[1, observable that is seen]`.
    y: Tensor<2>,
}

impl<'a> Posterior<'a> {
    pub(crate) fn new(estimator: &'a Estimator, x: &[f64]) -> Result<Self> {
        let count = estimator.observables.len();
        if x.len() != count {
            let (what, expected, found) = ("observation".into(), vec![count], vec![x.len()]);
            return Err(Error::Shape { what, expected, found });
        }
        let y = estimator.observables.encode(x)?;
        if let Some(own) = &estimator.observation
            && let Some(index) = own.iter().zip(x).position(|(own, x)| own != x)
        {
            return Err(Error::OtherObservation { index, value: x[index], expected: own[index] });
        }
        let y = table(&y, estimator.observables.seen(), &estimator.networks[0].device());
        Ok(Self { estimator, x: x.to_vec(), y })
    }

    /// The observation.
    #[must_use]
    pub fn observation(&self) -> &[f64] {
        &self.x
    }

    /// `ln q(u | y)` `[rows, 1]` of coordinates, averaged over the ensemble as densities.
    fn log_density(&self, u: &Var) -> Result<Var> {
        self.estimator.log_density(u, &self.y.clone().repeat_dim(0, u.dims()[0]))
    }

    /// Log densities of coordinates `u` `[row][parameter]` and their gradients of the same shape.
    pub(crate) fn log_density_and_gradient(&self, u: &[f64]) -> Result<(Vec<f64>, Vec<f64>)> {
        let (dim, device) = (self.estimator.prior.dim(), self.y.device());
        let tape = Tape::new();
        let input = tape.input(table(u, dim, &device));
        let value = self.log_density(&input)?;
        let gradient = tape.gradient(&value, &[&input]).remove(0);
        Ok((numbers(value.into_value())?, numbers(gradient)?))
    }

    /// Log densities of coordinates `u` `[row][parameter]`.
    pub(crate) fn log_densities(&self, u: &[f64]) -> Result<Vec<f64>> {
        let (dim, device) = (self.estimator.prior.dim(), self.y.device());
        let mut all = Vec::with_capacity(u.len() / dim);
        for part in u.chunks(CHUNK * dim) {
            let value = self.log_density(&Var::constant(table(part, dim, &device)))?;
            all.extend(numbers(value.into_value())?);
        }
        Ok(all)
    }

    /// Log density of each of the parameters `theta` `[row, parameter]`; minus infinity outside the
    /// support of the prior. Normalised for methods that estimate the posterior itself (but for
    /// leakage), up to a constant for those that estimate likelihoods or ratios.
    ///
    /// # Errors
    /// If the number of parameters is another, a density is NaN (the observation is then far outside
    /// the simulations), or the device fails.
    pub fn log_prob(&self, theta: ArrayView2<f64>) -> Result<Vec<f64>> {
        let Estimator { prior, coordinates, .. } = self.estimator;
        if theta.ncols() != prior.dim() {
            return Err(Error::Shape {
                what: "theta".into(),
                expected: vec![theta.nrows(), prior.dim()],
                found: theta.shape().to_vec(),
            });
        }
        let mut u = Vec::new();
        let mut jacobians = Vec::with_capacity(theta.nrows());
        for row in theta.rows() {
            let row = row.to_vec();
            let own = coordinates.of(prior, &row);
            let inside = prior.contains(&row) && own.iter().all(|value| value.is_finite());
            if inside {
                jacobians.push(Some(coordinates.log_jacobian(prior, &own)));
                u.extend(own);
            } else {
                jacobians.push(None);
            }
        }
        let mut inside = self.log_densities(&u)?.into_iter();
        let values: Vec<f64> = jacobians
            .into_iter()
            .map(|jacobian| match jacobian {
                Some(jacobian) => inside.next().map_or(f64::NAN, |value| value - jacobian),
                None => f64::NEG_INFINITY,
            })
            .collect();
        require_numbers(values)
    }

    /// What is doubtful about the estimator and about its use for this observation; empty if nothing
    /// is known to be.
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        let mut warnings = self.estimator.warnings();
        warnings.extend(self.estimator.observables.doubts(&self.x, self.estimator.bound()));
        warnings
    }

    /// Largest deviation of the observation from the simulations that the networks have seen, in
    /// standard units of the observables. Beyond about 5, networks extrapolate.
    #[must_use]
    pub fn largest_deviation(&self) -> f64 {
        self.estimator.observables.largest_deviation(&self.x)
    }

    /// `count` draws that depend on `seed` only, with the default settings.
    ///
    /// # Errors
    /// As [`Posterior::sample_with`].
    pub fn sample(&self, count: usize, seed: u64) -> Result<Draws> {
        let mut observer = |_: &SampleProgress| ControlFlow::Continue(());
        self.sample_with(count, seed, &SampleSettings::default(), &mut observer)
    }

    /// `count` draws that depend on `seed` and the settings only: directly from networks that
    /// sample, by Markov chains from likelihoods and ratios.
    ///
    /// # Errors
    /// [`Error::Leakage`] when almost no direct draw lies within the support of the prior;
    /// [`Error::NoMass`] or [`Error::Unreached`] when no starting points of chains are found,
    /// [`Error::Budget`] when chains take too long, [`Error::Stuck`] when most of them do not move;
    /// [`Error::Stopped`] by the observer; if a setting is out of its domain, a network cannot be
    /// inverted or the device fails.
    pub fn sample_with(
        &self,
        count: usize,
        seed: u64,
        settings: &SampleSettings,
        observer: &mut SampleObserver<'_>,
    ) -> Result<Draws> {
        settings.validate()?;
        if self.samples_directly() {
            direct::sample(self, count, seed, settings, observer)
        } else {
            mcmc::sample(self, count, seed, settings, observer)
        }
    }

    /// The maximum of the density, with the default settings; it depends on `seed` only, by which
    /// the draws that are climbed from are made.
    ///
    /// # Errors
    /// As [`Posterior::map_with`].
    pub fn map(&self, seed: u64) -> Result<Maximum> {
        let mut observer = |_: &SampleProgress| ControlFlow::Continue(());
        self.map_with(seed, &MapSettings::default(), &mut observer)
    }

    /// The maximum of the density *of the parameters* (MAP), `max_theta ln q(theta | x)`.
    ///
    /// This is not where the density of the prior's normal coordinates, in which networks and
    /// chains work, is largest: `ln q(theta | x) = ln q(u | x) - ln |d theta / d u|`. It depends on
    /// the choice of parameters, and says nothing of the mass around it.
    ///
    /// L-BFGS climbs from the highest of several draws; a search that needs no gradient, among
    /// points around the top, then climbs what is left and makes sure that nothing around is
    /// higher: densities of splines and of networks with ReLU have kinks, where gradients do not
    /// vanish. All of it moves in coordinates without edges, so that the result lies within the
    /// prior, if close to an edge where the density rises towards it ([`Maximum::at_edge`]).
    ///
    /// *When to use.* A point to start from, to plot or to compare with other maxima.
    /// *When not.* As an estimate: means and medians of draws are more stable, the more so the more
    /// parameters there are. Of modes of similar height one is found.
    ///
    /// # Errors
    /// [`Error::Maximum`] when the density still rises after all evaluations; those of
    /// [`Posterior::sample_with`]; if a setting is out of its domain.
    pub fn map_with(
        &self,
        seed: u64,
        settings: &MapSettings,
        observer: &mut SampleObserver<'_>,
    ) -> Result<Maximum> {
        maximum::find(self, seed, settings, observer)
    }

    /// True if draws come from the networks themselves, independent of each other.
    pub(crate) fn samples_directly(&self) -> bool {
        self.estimator.networks.iter().all(Network::samples)
    }

    /// That no density is finite at `tried` points.
    pub(crate) fn no_mass(&self, tried: usize) -> Error {
        Error::NoMass { tried, deviation: self.largest_deviation() }
    }
}

/// Refuses log densities of rows that are NaN, which networks far outside their data may give.
pub(crate) fn require_numbers(values: Vec<f64>) -> Result<Vec<f64>> {
    match values.iter().position(|value| value.is_nan()) {
        Some(index) => {
            Err(Error::NotFinite { what: "log density of row".into(), index, value: f64::NAN })
        }
        None => Ok(values),
    }
}

fn numbers(tensor: Tensor<2>) -> Result<Vec<f64>> {
    let values = tensor
        .try_into_vec_as::<f32>()
        .map_err(|error| flows::Error::Device { reason: format!("{error:?}") })?;
    Ok(values.into_iter().map(f64::from).collect())
}
