//! Linear compression in closed form: the score of a Gaussian likelihood.
//!
//! For data `x` with the mean `m(theta)` and a covariance `C` that does not depend on the
//! parameters, the score at `theta_0`, `t = dm^T C^-1 (x - m)`, holds all information about
//! parameters near `theta_0`, and
//!
//! `theta_hat = theta_0 + F^-1 t`, with the Fisher matrix `F = dm^T C^-1 dm`,
//!
//! is its estimate of the parameters. The vectors of MOPED are the same space, orthonormalised.
//!
//! *Domain of validity*: lossless where the likelihood is Gaussian with a mean linear in the
//! parameters; else an approximation around `theta_0`.
//!
//! # References
//! A. Heavens, R. Jimenez and O. Lahav 2000, MNRAS 317, 965, arXiv:astro-ph/9911102 (MOPED);
//! J. Alsing and B. Wandelt 2018, MNRAS 476, L60, arXiv:1712.00012, equations 5 to 8.

use crate::compressor::Compressor;
use crate::error::{Error, Result};
use crate::linear::{cholesky, product, transpose};
use crate::shape::{MapShape, Maps};

/// Estimates of the parameters that are linear in the data.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoreCompressor {
    shape: MapShape,
    mean: Vec<f64>,
    fiducial: Vec<f64>,
    /// `F^-1 dm^T C^-1`, `[parameter][number]`.
    filter: Vec<f64>,
    fisher: Vec<f64>,
}

impl ScoreCompressor {
    /// From the mean `[number]` of the data at the parameters `fiducial`, their covariance
    /// `[number][number]` and the derivatives of the mean `[parameter][number]`.
    ///
    /// # Errors
    /// If the arrays do not fit each other or are not finite; [`Error::Singular`] if the covariance
    /// or the Fisher matrix is not positive definite.
    pub fn new(
        shape: MapShape,
        fiducial: &[f64],
        mean: &[f64],
        covariance: &[f64],
        derivatives: &[f64],
    ) -> Result<Self> {
        shape.validate()?;
        Error::count("parameters", fiducial.len())?;
        let (n, d) = (shape.numbers(), fiducial.len());
        let arrays = [
            ("fiducial parameters", fiducial, d),
            ("mean", mean, n),
            ("covariance", covariance, n * n),
            ("derivatives", derivatives, d * n),
        ];
        for (what, array, expected) in arrays {
            if array.len() != expected {
                let (expected, found) = (format!("{expected} numbers"), format!("{}", array.len()));
                return Err(Error::Shape { what, expected, found });
            }
            if let Some(element) = array.iter().position(|value| !value.is_finite()) {
                return Err(Error::NotFinite { what, row: 0, element, value: array[element] });
            }
        }
        let mut weighted = derivatives.to_vec();
        cholesky("covariance", covariance, n)?.solve(&mut weighted)?;
        let fisher = product(&weighted, &transpose(derivatives, n), n);
        let inverse = cholesky("Fisher matrix", &fisher, d)?.inverse()?;
        let filter = product(&inverse, &weighted, d);
        Ok(Self { shape, mean: mean.to_vec(), fiducial: fiducial.to_vec(), filter, fisher })
    }

    /// The Fisher matrix `[parameter][parameter]`.
    #[must_use]
    pub fn fisher(&self) -> &[f64] {
        &self.fisher
    }
}

impl Compressor for ScoreCompressor {
    fn shape(&self) -> MapShape {
        self.shape
    }

    fn summary_len(&self) -> usize {
        self.fiducial.len()
    }

    fn compress(&self, maps: Maps<'_>) -> Result<Vec<f64>> {
        let maps = maps.require(self.shape)?;
        let n = self.shape.numbers();
        let estimates = maps.chunks_exact(n).flat_map(|map| {
            self.filter.chunks_exact(n).zip(&self.fiducial).map(|(filter, fiducial)| {
                let rest = map.iter().zip(&self.mean).map(|(x, mean)| f64::from(*x) - mean);
                fiducial + filter.iter().zip(rest).map(|(f, x)| f * x).sum::<f64>()
            })
        });
        Ok(estimates.collect())
    }
}
