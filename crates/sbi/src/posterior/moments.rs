//! Mean and covariance of a population of points.

use linalg::Cholesky;

/// Share of the diagonal added to a covariance, so that its Cholesky factor exists.
const RIDGE: f64 = 1e-9;
/// Least variance, in units of the prior.
const LEAST_VARIANCE: f64 = 1e-14;

/// Mean and covariance of weighted points.
#[derive(Clone, Debug)]
pub struct Moments {
    /// `[coordinate]`
    pub mean: Vec<f64>,
    /// Row-major, `[coordinate, coordinate]`.
    pub covariance: Vec<f64>,
}

impl Moments {
    /// Those of points `[point][coordinate]` with weights whose sum is positive.
    pub fn new(points: &[f64], weights: &[f64], dim: usize) -> Self {
        let total: f64 = weights.iter().sum();
        let mut mean = vec![0.0; dim];
        for (point, weight) in points.chunks(dim).zip(weights) {
            for (mean, x) in mean.iter_mut().zip(point) {
                *mean += weight * x / total;
            }
        }
        let mut covariance = vec![0.0; dim * dim];
        for (point, weight) in points.chunks(dim).zip(weights) {
            for i in 0..dim {
                let scaled = weight / total * (point[i] - mean[i]);
                for j in 0..=i {
                    covariance[i * dim + j] += scaled * (point[j] - mean[j]);
                }
            }
        }
        for i in 0..dim {
            covariance[i * dim + i] = covariance[i * dim + i] * (1.0 + RIDGE) + LEAST_VARIANCE;
            for j in 0..i {
                covariance[j * dim + i] = covariance[i * dim + j];
            }
        }
        Self { mean, covariance }
    }

    /// Standard deviation of each coordinate.
    pub fn sd(&self) -> Vec<f64> {
        let dim = self.mean.len();
        (0..dim).map(|i| self.covariance[i * dim + i].sqrt()).collect()
    }

    /// Lower Cholesky factor of the covariance, row-major; its diagonal alone where rounding leaves
    /// no positive definite matrix.
    pub fn factor(&self) -> Vec<f64> {
        let dim = self.mean.len();
        if let Ok(factor) = Cholesky::new(&self.covariance, dim, 0.0) {
            return factor.lower();
        }
        let mut diagonal = vec![0.0; dim * dim];
        for (i, sd) in self.sd().into_iter().enumerate() {
            diagonal[i * dim + i] = sd;
        }
        diagonal
    }

    /// Unit vector along which the points spread most (power iteration).
    pub fn principal_direction(&self) -> Vec<f64> {
        let dim = self.mean.len();
        let mut direction = self.sd();
        for _ in 0..50 {
            let mut next: Vec<f64> = self
                .covariance
                .chunks(dim)
                .map(|row| row.iter().zip(&direction).map(|(c, d)| c * d).sum())
                .collect();
            let norm = next.iter().map(|x| x * x).sum::<f64>().sqrt();
            next.iter_mut().for_each(|x| *x /= norm);
            direction = next;
        }
        direction
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretched_population_is_described() {
        // along (3, 4) / 5 with variance 25 * 2 / 3, and nothing across
        let points = [-3.0, -4.0, 0.0, 0.0, 3.0, 4.0, 100.0, 100.0];
        let moments = Moments::new(&points, &[1.0, 1.0, 1.0, 0.0], 2);
        assert_eq!(moments.mean, [0.0, 0.0]);
        let sd = moments.sd();
        assert!(
            (sd[0] - 6f64.sqrt()).abs() < 1e-6 && (sd[1] - 6f64.sqrt() * 4.0 / 3.0).abs() < 1e-6
        );
        let direction = moments.principal_direction();
        assert!((direction[0] - 0.6).abs() < 1e-9 && (direction[1] - 0.8).abs() < 1e-9);
        let l = moments.factor();
        for (i, j) in [(0, 0), (1, 0), (1, 1)] {
            let product: f64 = (0..2).map(|k| l[2 * i + k] * l[2 * j + k]).sum();
            assert!((product - moments.covariance[2 * i + j]).abs() < 1e-9, "{l:?}");
        }
        assert!(l[3] > 0.0 && l[1] == 0.0);
    }
}
