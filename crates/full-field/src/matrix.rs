//! Matrices of parameters by parameters.

use linalg::Cholesky;

use crate::prior::DIM;

/// A symmetric matrix of parameters by parameters.
pub type Matrix = [[f64; DIM]; DIM];

/// The lower triangular factor of a matrix, if it is positive definite.
#[must_use]
pub fn cholesky(matrix: &Matrix) -> Option<Matrix> {
    let factor = Cholesky::new(matrix.as_flattened(), DIM, 0.0).ok()?;
    Some(rows(&factor.lower()))
}

/// The inverse of a matrix, if it is positive definite.
#[must_use]
pub fn inverse(matrix: &Matrix) -> Option<Matrix> {
    let factor = Cholesky::new(matrix.as_flattened(), DIM, 0.0).ok()?;
    Some(rows(&factor.inverse().ok()?))
}

fn rows(values: &[f64]) -> Matrix {
    std::array::from_fn(|i| std::array::from_fn(|j| values[i * DIM + j]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::needless_range_loop, reason = "matrix algebra reads best with indices")]
    fn inverse_restores_the_matrix() {
        let a: Matrix = std::array::from_fn(|i| {
            std::array::from_fn(|j| {
                let off = ((i * j) as f64 + 1.0).sin() * 0.3;
                if i == j { 2.0 + i as f64 } else { off }
            })
        });
        let inverse = inverse(&a).expect("positive definite");
        for i in 0..DIM {
            for j in 0..DIM {
                let product: f64 = (0..DIM).map(|k| a[i][k] * inverse[k][j]).sum();
                assert!((product - if i == j { 1.0 } else { 0.0 }).abs() < 1e-12);
            }
        }
        assert!(cholesky(&[[0.0; DIM]; DIM]).is_none());
    }
}
