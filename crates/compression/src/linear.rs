//! Small dense matrices in double precision, row by row.

use crate::error::{Error, Result};

/// Lower Cholesky factor of a symmetric, positive definite matrix `[size][size]`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cholesky {
    size: usize,
    lower: Vec<f64>,
}

impl Cholesky {
    /// # Errors
    /// [`Error::Singular`] if the matrix is not positive definite.
    pub fn new(what: &'static str, matrix: &[f64], size: usize) -> Result<Self> {
        let mut lower = vec![0.0; size * size];
        for i in 0..size {
            for j in 0..=i {
                let (a, b) = (&lower[i * size..i * size + j], &lower[j * size..j * size + j]);
                let known: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                let value = matrix[i * size + j] - known;
                lower[i * size + j] = if i != j {
                    value / lower[j * size + j]
                } else if value.is_finite() && value > 1e-14 * matrix[i * size + i].abs() {
                    value.sqrt()
                } else {
                    return Err(Error::Singular { what, size, pivot: i, value });
                };
            }
        }
        Ok(Self { size, lower })
    }

    /// Solves `A x = b` in place.
    pub fn solve(&self, b: &mut [f64]) {
        let n = self.size;
        for i in 0..n {
            let known: f64 = (0..i).map(|j| self.lower[i * n + j] * b[j]).sum();
            b[i] = (b[i] - known) / self.lower[i * n + i];
        }
        for i in (0..n).rev() {
            let known: f64 = (i + 1..n).map(|j| self.lower[j * n + i] * b[j]).sum();
            b[i] = (b[i] - known) / self.lower[i * n + i];
        }
    }

    /// The inverse of the matrix.
    pub fn inverse(&self) -> Vec<f64> {
        let n = self.size;
        let mut inverse = vec![0.0; n * n];
        for (i, row) in inverse.chunks_exact_mut(n).enumerate() {
            row[i] = 1.0;
            self.solve(row);
        }
        inverse
    }

    /// Logarithm of the determinant.
    pub fn log_det(&self) -> f64 {
        (0..self.size).map(|i| 2.0 * self.lower[i * self.size + i].ln()).sum()
    }
}

/// `a b`, of `[rows][inner]` and `[inner][columns]`.
pub(crate) fn product(a: &[f64], b: &[f64], inner: usize) -> Vec<f64> {
    let (rows, columns) = (a.len() / inner, b.len() / inner);
    let mut result = vec![0.0; rows * columns];
    for (a, result) in a.chunks_exact(inner).zip(result.chunks_exact_mut(columns)) {
        for (a, b) in a.iter().zip(b.chunks_exact(columns)) {
            result.iter_mut().zip(b).for_each(|(result, b)| *result += a * b);
        }
    }
    result
}

/// The transpose of `[rows][columns]`.
pub(crate) fn transpose(a: &[f64], columns: usize) -> Vec<f64> {
    (0..columns).flat_map(|column| a.iter().skip(column).step_by(columns).copied()).collect()
}

/// Mean and covariance (divided by the number of rows less one) of `rows` `[row][feature]`.
pub(crate) fn mean_and_covariance(rows: &[f64], features: usize) -> (Vec<f64>, Vec<f64>) {
    let count = rows.len() / features;
    let mut mean = vec![0.0; features];
    for row in rows.chunks_exact(features) {
        mean.iter_mut().zip(row).for_each(|(mean, x)| *mean += x / count as f64);
    }
    let mut covariance = vec![0.0; features * features];
    let weight = 1.0 / (count as f64 - 1.0);
    for row in rows.chunks_exact(features) {
        for (i, line) in covariance.chunks_exact_mut(features).enumerate() {
            let first = (row[i] - mean[i]) * weight;
            for (j, entry) in line.iter_mut().enumerate() {
                *entry += first * (row[j] - mean[j]);
            }
        }
    }
    (mean, covariance)
}
