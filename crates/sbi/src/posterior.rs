//! The posterior of one observation.

mod direct;

use autodiff::tensor::{Tape, Var};
use burn::tensor::Tensor;
use ndarray::{Array2, ArrayView2};

use crate::error::{Error, Result};
use crate::estimator::Estimator;
use crate::network::Network;
use crate::table::table;

/// Points evaluated at a time.
const CHUNK: usize = 4096;

/// The posterior of the parameters given one observation.
#[derive(Clone, Debug)]
pub struct Posterior<'a> {
    estimator: &'a Estimator,
    /// The observation.
    x: Vec<f64>,
    /// The observation as networks see it, `[1, observable]`.
    y: Tensor<2>,
}

/// Draws from a posterior.
#[derive(Clone, Debug, PartialEq)]
pub struct Draws {
    /// The draws, `[draw, parameter]`.
    pub theta: Array2<f64>,
    /// How they were made.
    pub sampling: Sampling,
}

/// How draws were made, and what tells whether they can be trusted.
#[derive(Clone, Debug, PartialEq)]
pub enum Sampling {
    /// Independently, from a network that samples.
    Direct {
        /// Draws made.
        proposed: usize,
        /// Fraction of them outside the support of the prior, which were rejected.
        leakage: f64,
    },
}

impl<'a> Posterior<'a> {
    pub(crate) fn new(estimator: &'a Estimator, x: &[f64]) -> Result<Self> {
        let count = estimator.observables.len();
        if x.len() != count {
            let (what, expected, found) = ("observation".into(), vec![count], vec![x.len()]);
            return Err(Error::Shape { what, expected, found });
        }
        let y = estimator.observables.encode(x)?;
        let y = table(&y, count, &estimator.networks[0].device());
        Ok(Self { estimator, x: x.to_vec(), y })
    }

    /// The observation.
    #[must_use]
    pub fn observation(&self) -> &[f64] {
        &self.x
    }

    /// `ln q(u | y)` `[rows, 1]` of coordinates, averaged over the ensemble as densities.
    fn log_density(&self, u: &Var) -> Var {
        self.estimator.log_density(u, &self.y.clone().repeat_dim(0, u.dims()[0]))
    }

    /// Log densities of coordinates `u` `[row][parameter]` and their gradients of the same shape.
    pub(crate) fn log_density_and_gradient(&self, u: &[f64]) -> Result<(Vec<f64>, Vec<f64>)> {
        let (dim, device) = (self.estimator.prior.dim(), self.y.device());
        let tape = Tape::new();
        let input = tape.input(table(u, dim, &device));
        let value = self.log_density(&input);
        let gradient = tape.gradient(&value, &[&input]).remove(0);
        Ok((numbers(value.into_value())?, numbers(gradient)?))
    }

    /// Log densities of coordinates `u` `[row][parameter]`.
    pub(crate) fn log_densities(&self, u: &[f64]) -> Result<Vec<f64>> {
        let (dim, device) = (self.estimator.prior.dim(), self.y.device());
        let mut all = Vec::with_capacity(u.len() / dim);
        for part in u.chunks(CHUNK * dim) {
            let value = self.log_density(&Var::constant(table(part, dim, &device)));
            all.extend(numbers(value.into_value())?);
        }
        Ok(all)
    }

    /// Log density of each of the parameters `theta` `[row, parameter]`; minus infinity outside the
    /// support of the prior. Normalised for methods that estimate the posterior itself (but for
    /// leakage), up to a constant for those that estimate likelihoods or ratios.
    ///
    /// # Errors
    /// If the number of parameters is another, or the device fails.
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
        Ok(jacobians
            .into_iter()
            .map(|jacobian| match jacobian {
                Some(jacobian) => inside.next().map_or(f64::NAN, |value| value - jacobian),
                None => f64::NEG_INFINITY,
            })
            .collect())
    }

    /// `count` draws that depend on `seed` only.
    ///
    /// # Errors
    /// [`Error::Leakage`] when almost no draw lies within the support of the prior; if a network
    /// cannot be inverted or the device fails.
    pub fn sample(&self, count: usize, seed: u64) -> Result<Draws> {
        direct::sample(self, count, seed)
    }

    fn flows(&self) -> impl Iterator<Item = &flows::Flow> {
        self.estimator.networks.iter().filter_map(|network| match network {
            Network::Posterior(flow) => Some(flow),
            Network::Likelihood(_) => None,
        })
    }
}

fn numbers(tensor: Tensor<2>) -> Result<Vec<f64>> {
    let values = tensor
        .try_into_vec_as::<f32>()
        .map_err(|error| flows::Error::Device { reason: format!("{error:?}") })?;
    Ok(values.into_iter().map(f64::from).collect())
}
