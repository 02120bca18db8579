//! Cholesky factor of a correlation matrix.

use crate::error::{Error, Result};

/// Pivots of a correlation matrix below which rounding errors decide.
const SMALLEST_PIVOT: f64 = 1e-12;

/// The lower triangular L with L L^T = C.
#[derive(Clone, Debug)]
pub(crate) struct Cholesky {
    rows: Vec<Vec<f64>>,
}

impl Cholesky {
    /// Factorises a symmetric matrix with unit diagonal.
    ///
    /// # Errors
    /// [`Error::Singular`] when it has no inverse to working accuracy.
    pub fn of(what: &str, mut rows: Vec<Vec<f64>>) -> Result<Self> {
        for i in 0..rows.len() {
            let (above, rest) = rows.split_at_mut(i);
            let row = &mut rest[0];
            for (j, other) in above.iter().enumerate() {
                row[j] = (row[j] - dot(&row[..j], &other[..j])) / other[j];
            }
            let pivot = row[i] - dot(&row[..i], &row[..i]);
            if pivot < SMALLEST_PIVOT {
                return Err(Error::Singular { what: what.into(), index: i, pivot });
            }
            row[i] = pivot.sqrt();
        }
        Ok(Self { rows })
    }

    /// L^-1 `vector`.
    pub fn whitened(&self, mut vector: Vec<f64>) -> Vec<f64> {
        for (i, row) in self.rows.iter().enumerate() {
            vector[i] = (vector[i] - dot(&row[..i], &vector[..i])) / row[i];
        }
        vector
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
