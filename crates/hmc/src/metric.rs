//! The linear map between the sampler's standardised coordinates and the density's own.

use linalg::Cholesky;
use serde::{Deserialize, Serialize};

/// `position = location + A x`, where `A` is lower triangular over the first `dense` coordinates and
/// diagonal over the rest. Hamiltonian dynamics with unit masses in `x` equals dynamics with mass
/// matrix `(A A^T)^-1` in the density's coordinates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    location: Vec<f64>,
    scale: Vec<f64>,
    /// Row-major `[dense, dense]`; the part above the diagonal is zero.
    factor: Vec<f64>,
    dense: usize,
}

impl Metric {
    /// The identity over `dim` coordinates.
    pub fn identity(dim: usize) -> Self {
        Self::diagonal(vec![0.0; dim], vec![1.0; dim])
    }

    /// A diagonal metric: standard deviations `scale: [dim]` about `location: [dim]`.
    ///
    /// The values are checked when a chain is made with the metric.
    pub fn diagonal(location: Vec<f64>, scale: Vec<f64>) -> Self {
        Self { location, scale, factor: Vec::new(), dense: 0 }
    }

    /// Gives the first `k` coordinates the covariance `covariance: [k, k]` (row-major), the others
    /// unchanged. `None` if the matrix is not positive definite.
    pub fn with_leading_covariance(mut self, covariance: &[f64]) -> Option<Self> {
        let k = covariance.len().isqrt();
        self.factor = cholesky(covariance, k)?;
        self.dense = k;
        Some(self)
    }

    /// Number of coordinates.
    pub fn dim(&self) -> usize {
        self.scale.len()
    }

    /// Number of leading coordinates with a dense block.
    pub fn dense(&self) -> usize {
        self.dense
    }

    /// Centre of the standardised coordinates, `[dim]`.
    pub fn location(&self) -> &[f64] {
        &self.location
    }

    /// Standard deviation of each coordinate under the metric, `[dim]`.
    pub fn standard_deviations(&self) -> Vec<f64> {
        let block = (0..self.dense).map(|i| self.row(i).iter().map(|a| a * a).sum::<f64>().sqrt());
        block.chain(self.scale[self.dense..].iter().copied()).collect()
    }

    pub(crate) fn set_coordinate(&mut self, i: usize, location: f64, scale: f64) {
        self.location[i] = location;
        self.scale[i] = scale;
    }

    pub(crate) fn set_location(&mut self, i: usize, location: f64) {
        self.location[i] = location;
    }

    pub(crate) fn set_factor(&mut self, factor: Vec<f64>, dense: usize) {
        self.factor = factor;
        self.dense = dense;
    }

    /// The first entry that cannot be used, with its vector's name.
    pub(crate) fn invalid_entry(&self) -> Option<(&'static str, usize, f64)> {
        let find = |what, values: &[f64], valid: fn(f64) -> bool| {
            let index = values.iter().position(|&v| !valid(v))?;
            Some((what, index, values[index]))
        };
        find("metric location", &self.location, f64::is_finite)
            .or_else(|| find("metric scale", &self.scale, |s| s.is_finite() && s > 0.0))
            .or_else(|| find("metric factor", &self.factor, f64::is_finite))
    }

    /// Whether the lengths fit together and the factor is one of a positive definite matrix.
    pub(crate) fn is_consistent(&self) -> bool {
        self.location.len() == self.scale.len()
            && self.dense <= self.scale.len()
            && self.factor.len() == self.dense * self.dense
            && (0..self.dense).all(|i| self.factor[i * self.dense + i] > 0.0)
    }

    /// `A[i, 0..=i]`
    fn row(&self, i: usize) -> &[f64] {
        &self.factor[i * self.dense..=i * self.dense + i]
    }

    /// Writes the position at `x`.
    pub(crate) fn position(&self, x: &[f64], position: &mut [f64]) {
        for (i, q) in position[..self.dense].iter_mut().enumerate() {
            let ax: f64 = self.row(i).iter().zip(x).map(|(a, x)| a * x).sum();
            *q = self.location[i] + ax;
        }
        let n = self.dense;
        for (((q, &x), &m), &s) in
            position[n..].iter_mut().zip(&x[n..]).zip(&self.location[n..]).zip(&self.scale[n..])
        {
            *q = m + s * x;
        }
    }

    /// Writes the standardised coordinates of `position`, the inverse of [`Self::position`].
    pub(crate) fn standardise(&self, position: &[f64], x: &mut [f64]) {
        for i in 0..self.dense {
            let row = self.row(i);
            let known: f64 = row[..i].iter().zip(&*x).map(|(a, x)| a * x).sum();
            x[i] = (position[i] - self.location[i] - known) / row[i];
        }
        let n = self.dense;
        for (((x, &q), &m), &s) in
            x[n..].iter_mut().zip(&position[n..]).zip(&self.location[n..]).zip(&self.scale[n..])
        {
            *x = (q - m) / s;
        }
    }

    /// Gradient with respect to `x` from the gradient with respect to the position: `A^T g`.
    pub(crate) fn pull_gradient(&self, gradient: &[f64], pulled: &mut [f64]) {
        for (j, p) in pulled[..self.dense].iter_mut().enumerate() {
            *p = (j..self.dense).map(|i| self.factor[i * self.dense + j] * gradient[i]).sum();
        }
        let n = self.dense;
        for ((p, &g), &s) in pulled[n..].iter_mut().zip(&gradient[n..]).zip(&self.scale[n..]) {
            *p = s * g;
        }
    }

    /// Inverse of [`Self::pull_gradient`].
    pub(crate) fn push_gradient(&self, pulled: &[f64], gradient: &mut [f64]) {
        for j in (0..self.dense).rev() {
            let known: f64 =
                (j + 1..self.dense).map(|i| self.factor[i * self.dense + j] * gradient[i]).sum();
            gradient[j] = (pulled[j] - known) / self.factor[j * self.dense + j];
        }
        let n = self.dense;
        for ((g, &p), &s) in gradient[n..].iter_mut().zip(&pulled[n..]).zip(&self.scale[n..]) {
            *g = p / s;
        }
    }
}

/// Lower Cholesky factor of a row-major `[n, n]` matrix, `None` if it is not positive definite.
pub(crate) fn cholesky(matrix: &[f64], n: usize) -> Option<Vec<f64>> {
    Cholesky::new(matrix, n, 0.0).ok().map(|factor| factor.lower())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Metric {
        Metric::diagonal(vec![1.0, -2.0, 0.5, 3.0], vec![1.0, 1.0, 0.1, 7.0])
            .with_leading_covariance(&[4.0, 1.2, 1.2, 0.9])
            .unwrap()
    }

    #[test]
    fn maps_are_inverse_to_each_other() {
        let metric = example();
        let q = [0.3, 0.4, -1.0, 2.0];
        let (mut x, mut back) = ([0.0; 4], [0.0; 4]);
        metric.standardise(&q, &mut x);
        metric.position(&x, &mut back);
        for (a, b) in q.iter().zip(back) {
            assert!((a - b).abs() < 1e-14);
        }
        metric.pull_gradient(&q, &mut x);
        metric.push_gradient(&x, &mut back);
        for (a, b) in q.iter().zip(back) {
            assert!((a - b).abs() < 1e-14);
        }
    }

    #[test]
    fn gradients_follow_the_chain_rule() {
        let metric = example();
        // f(q) = c . q, so df/dx_j is the difference of f over a unit step in x_j
        let c = [1.0, -0.5, 2.0, 0.25];
        let f = |x: &[f64]| {
            let mut q = [0.0; 4];
            metric.position(x, &mut q);
            q.iter().zip(c).map(|(q, c)| q * c).sum::<f64>()
        };
        let mut pulled = [0.0; 4];
        metric.pull_gradient(&c, &mut pulled);
        for j in 0..4 {
            let mut unit = [0.0; 4];
            unit[j] = 1.0;
            assert!((f(&unit) - f(&[0.0; 4]) - pulled[j]).abs() < 1e-13);
        }
    }

    #[test]
    fn factor_times_its_transpose_is_the_covariance() {
        let sd = example().standard_deviations();
        for (sd, expected) in sd.iter().zip([2.0, 0.9f64.sqrt(), 0.1, 7.0]) {
            assert!((sd - expected).abs() < 1e-14);
        }
        assert!(cholesky(&[1.0, 2.0, 2.0, 1.0], 2).is_none());
        assert!(cholesky(&[f64::NAN], 1).is_none());
    }
}
