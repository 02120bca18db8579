//! Small dense matrices in double precision, row by row.

use linalg::Cholesky;

use crate::error::{Error, Result};

/// Pivots, in units of the diagonal element, below which rounding errors decide.
const SMALLEST_PIVOT: f64 = 1e-14;

/// Cholesky factor of a symmetric, positive definite matrix `[size][size]`.
///
/// # Errors
/// [`Error::Singular`] if the matrix is not positive definite.
pub(crate) fn cholesky(what: &'static str, matrix: &[f64], size: usize) -> Result<Cholesky> {
    match Cholesky::new(matrix, size, SMALLEST_PIVOT) {
        Err(linalg::Error::NotPositiveDefinite { size, row, pivot }) => {
            Err(Error::Singular { what, size, pivot: row, value: pivot })
        }
        factor => Ok(factor?),
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
