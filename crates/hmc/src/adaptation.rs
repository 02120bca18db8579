//! Estimates of the metric from the draws of a warmup window and their gradients.

use serde::{Deserialize, Serialize};

use crate::metric::{Metric, cholesky};

/// Running moments of the leading coordinates and of their gradients.
///
/// Reference: Welford 1962, *Note on a method for calculating corrected sums of squares and
/// products* (Technometrics 4, 419).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    count: u32,
    position: Welford,
    gradient: Welford,
    /// Sum of products of deviations of a position and its gradient.
    cross: Vec<f64>,
    /// Row-major `[dense, dense]` sum of products of deviations of the positions.
    products: Vec<f64>,
    dense: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Welford {
    mean: Vec<f64>,
    /// Sum of squared deviations.
    squares: Vec<f64>,
}

impl Welford {
    fn new(n: usize) -> Self {
        Self { mean: vec![0.0; n], squares: vec![0.0; n] }
    }

    fn add(&mut self, values: &[f64], count: f64) {
        for ((mean, squares), &v) in self.mean.iter_mut().zip(&mut self.squares).zip(values) {
            let deviation = v - *mean;
            *mean += deviation / count;
            *squares += deviation * (v - *mean);
        }
    }
}

impl Moments {
    /// No draws yet; `adapted` leading coordinates, the first `dense` of them jointly.
    pub fn new(adapted: usize, dense: usize) -> Self {
        Self {
            count: 0,
            position: Welford::new(adapted),
            gradient: Welford::new(adapted),
            cross: vec![0.0; adapted],
            products: vec![0.0; dense * dense],
            dense,
        }
    }

    /// Whether this was made by `new(adapted, dense)`.
    pub fn has_shape(&self, adapted: usize, dense: usize) -> bool {
        let Self { position, gradient, cross, .. } = self;
        let vectors = [&position.mean, &position.squares, &gradient.mean, &gradient.squares, cross];
        vectors.iter().all(|v| v.len() == adapted)
            && self.dense == dense
            && self.products.len() == dense * dense
    }

    /// Takes in a draw: position and gradient, of which the leading coordinates are used.
    pub fn add(&mut self, position: &[f64], gradient: &[f64]) {
        self.count += 1;
        let count = f64::from(self.count);
        let weight = 1.0 - 1.0 / count;
        let deviation = |i: usize| position[i] - self.position.mean[i];
        for (index, product) in self.products.iter_mut().enumerate() {
            *product += weight * deviation(index / self.dense) * deviation(index % self.dense);
        }
        for (i, cross) in self.cross.iter_mut().enumerate() {
            *cross += weight * deviation(i) * (gradient[i] - self.gradient.mean[i]);
        }
        self.position.add(position, count);
        self.gradient.add(gradient, count);
    }

    /// Replaces the adapted part of `metric`. A coordinate that did not move keeps what it had.
    ///
    /// - Scale of a single coordinate: `(var(q) / var(g))^(1/4)`, the minimiser of the Fisher
    ///   divergence between the target and a normal, `g` being the gradient. On independent normals
    ///   it is exact from two draws on, where the variance of the draws has a relative error
    ///   `sqrt(2/n)`. (The estimate of the PyMC developers' nutpie.)
    /// - Location of a single coordinate: `mean(q) - mean(g) cov(q, g) / var(g)`: the mean with the
    ///   gradient, whose expectation is zero, as control variate. Exact on independent normals too.
    /// - Dense block: covariance of the draws with correlations shrunk by `n / (n + 5)`.
    pub fn update(&self, metric: &mut Metric) {
        if self.count < 2 {
            return;
        }
        let usable = |v: f64| v.is_finite() && v > 0.0;
        for i in self.dense..self.position.mean.len() {
            let squares = (self.position.squares[i], self.gradient.squares[i]);
            let scale = (squares.0 / squares.1).sqrt().sqrt();
            let shift = -self.gradient.mean[i] * self.cross[i] / squares.1;
            if usable(scale) && shift.is_finite() {
                metric.set_coordinate(i, self.position.mean[i] + shift, scale);
            }
        }
        if let Some(factor) = self.dense_factor() {
            metric.set_factor(factor, self.dense);
            for (i, &mean) in self.position.mean[..self.dense].iter().enumerate() {
                metric.set_location(i, mean);
            }
        }
    }

    /// Cholesky factor of the shrunk covariance of the dense block.
    fn dense_factor(&self) -> Option<Vec<f64>> {
        let n = f64::from(self.count);
        let mut covariance = self.products.clone();
        for (index, c) in covariance.iter_mut().enumerate() {
            let diagonal = index / self.dense == index % self.dense;
            *c *= if diagonal { 1.0 } else { n / (n + 5.0) } / (n - 1.0);
        }
        cholesky(&covariance, self.dense)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pseudo-random but fixed numbers with a spread of order one.
    fn noise(i: usize, j: usize) -> f64 {
        (12.9898 * i as f64 + 78.233 * j as f64 + 1.0).sin() * 2.0
    }

    #[test]
    fn independent_normals_are_found_exactly() {
        let (location, scale) = ([3.0, -1e3, 0.0], [1e-3, 20.0, 1.0]);
        let mut moments = Moments::new(3, 0);
        for i in 0..4 {
            let q: Vec<f64> = (0..3).map(|j| location[j] + scale[j] * noise(i, j)).collect();
            let g: Vec<f64> = (0..3).map(|j| (location[j] - q[j]) / scale[j].powi(2)).collect();
            moments.add(&q, &g);
        }
        let mut metric = Metric::identity(3);
        moments.update(&mut metric);
        let sd = metric.standard_deviations();
        for j in 0..3 {
            assert!((sd[j] / scale[j] - 1.0).abs() < 1e-9, "{} {}", sd[j], scale[j]);
            assert!((metric.location()[j] - location[j]).abs() < 1e-9 * scale[j].max(1.0));
        }
    }

    #[test]
    fn dense_block_is_the_shrunk_covariance() {
        let draws: Vec<[f64; 2]> =
            (0..50).map(|i| [noise(i, 0), noise(i, 0) + 0.5 * noise(i, 1)]).collect();
        let mut moments = Moments::new(2, 2);
        for q in &draws {
            moments.add(q, &[0.0, 0.0]);
        }
        let mean = |f: &dyn Fn(&[f64; 2]) -> f64| draws.iter().map(f).sum::<f64>() / 50.0;
        let m = [mean(&|q| q[0]), mean(&|q| q[1])];
        let cov = |a: usize, b: usize| mean(&|q| (q[a] - m[a]) * (q[b] - m[b])) * 50.0 / 49.0;
        let factor = moments.dense_factor().unwrap();
        assert!((factor[0] * factor[0] - cov(0, 0)).abs() < 1e-12);
        assert!((factor[0] * factor[2] - cov(0, 1) * 50.0 / 55.0).abs() < 1e-12);
        assert!((factor[2].powi(2) + factor[3].powi(2) - cov(1, 1)).abs() < 1e-12);
    }

    #[test]
    fn motionless_coordinates_keep_their_metric() {
        for dense in [0, 2] {
            let mut moments = Moments::new(2, dense);
            for _ in 0..10 {
                moments.add(&[1.0, 2.0], &[0.5, 0.5]);
            }
            let mut metric = Metric::diagonal(vec![7.0; 2], vec![3.0; 2]);
            let before = metric.clone();
            moments.update(&mut metric);
            assert_eq!(metric, before);
        }
    }
}
