//! Densities of many parameters, each given its own observables.

use autodiff::tensor::Var;
use ndarray::ArrayView2;

use crate::error::{Error, Result};
use crate::estimator::Estimator;
use crate::posterior::require_numbers;
use crate::table::table;

/// Pairs evaluated at a time.
const CHUNK: usize = 4096;

impl Estimator {
    /// `ln q(theta | x)` of every pair of rows of `theta: [pair, parameter]` and
    /// `x: [pair, observable]`, averaged over the ensemble as densities; minus infinity outside the
    /// support of the prior. For methods that estimate likelihoods it is not normalised.
    ///
    /// With minus the mean over fresh simulations, estimators are compared at all observations
    /// at once; see `metrics::negative_log_probability`.
    ///
    /// # Errors
    /// If the numbers of rows or columns do not fit, an observable is not finite, a density is
    /// NaN, or the device fails.
    pub fn log_prob(&self, theta: ArrayView2<f64>, x: ArrayView2<f64>) -> Result<Vec<f64>> {
        let (dim, count) = (self.prior.dim(), self.observables.len());
        let shape = |what: &str, expected: [usize; 2], found: &[usize]| {
            if expected == found {
                return Ok(());
            }
            let (expected, found) = (expected.to_vec(), found.to_vec());
            Err(Error::Shape { what: what.into(), expected, found })
        };
        shape("theta", [theta.nrows(), dim], theta.shape())?;
        shape("x", [theta.nrows(), count], x.shape())?;
        let mut values = vec![f64::NEG_INFINITY; theta.nrows()];
        let (mut inside, mut u, mut rows, mut jacobians) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (index, (theta, x)) in theta.rows().into_iter().zip(x.rows()).enumerate() {
            let theta = theta.to_vec();
            let own = self.coordinates.of(&self.prior, &theta);
            if self.prior.contains(&theta) && own.iter().all(|value| value.is_finite()) {
                inside.push(index);
                jacobians.push(self.coordinates.log_jacobian(&self.prior, &own));
                u.extend(own);
                rows.extend(x.iter().copied());
            }
        }
        if inside.is_empty() {
            return Ok(values);
        }
        let y = self.observables.encode(&rows)?;
        let (device, seen) = (self.networks[0].device(), self.observables.seen());
        let mut found = Vec::with_capacity(inside.len());
        for (u, y) in u.chunks(CHUNK * dim).zip(y.chunks(CHUNK * seen)) {
            let u = Var::constant(table(u, dim, &device));
            let density = self.log_density(&u, &table(y, seen, &device))?;
            let density = density
                .into_value()
                .try_into_vec_as::<f32>()
                .map_err(|error| flows::Error::Device { reason: format!("{error:?}") })?;
            found.extend(density.into_iter().map(f64::from));
        }
        for ((index, value), jacobian) in inside.into_iter().zip(found).zip(jacobians) {
            values[index] = value - jacobian;
        }
        require_numbers(values)
    }

    /// `ln q(u | y)` `[rows, 1]` of coordinates `[rows, parameter]` given as many rows of
    /// observables in standard units, averaged over the ensemble as densities.
    pub(crate) fn log_density(&self, u: &Var, y: &burn::tensor::Tensor<2>) -> Result<Var> {
        let networks = self.networks.iter();
        let members =
            networks.map(|network| network.log_density(u, y)).collect::<Result<Vec<_>>>()?;
        Ok(match members.as_slice() {
            [only] => only.clone(),
            several => {
                let all: Vec<&Var> = several.iter().collect();
                Var::concat(&all).log_sum_exp() - (several.len() as f32).ln()
            }
        })
    }
}
