//! Cholesky factor of a dense, symmetric, positive definite matrix.

use ndarray::{Array2, ArrayView2, ArrayViewMut1, ShapeBuilder, ViewRepr};
use ndarray_linalg::error::LinalgError;
use ndarray_linalg::{
    CholeskyFactorized, CholeskyInplace, Diag, InverseC, SolveC, SolveTriangularInplace, UPLO,
};

/// What is wrong with a matrix.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The matrix is not positive definite to working accuracy.
    #[error("row {row} of {size} depends on those before: pivot {pivot:e}")]
    NotPositiveDefinite {
        /// Number of rows.
        size: usize,
        /// The first row without a positive pivot.
        row: usize,
        /// What the rows before leave of its diagonal element.
        pivot: f64,
    },
    /// An array does not have the length that fits.
    #[error("{found} numbers instead of {expected}")]
    Length {
        /// The length that fits.
        expected: usize,
        /// The length given.
        found: usize,
    },
    /// A routine of LAPACK failed otherwise.
    #[error("LAPACK: {reason}")]
    Lapack {
        /// What it said.
        reason: String,
    },
}

impl From<LinalgError> for Error {
    fn from(error: LinalgError) -> Self {
        Self::Lapack { reason: error.to_string() }
    }
}

/// Result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// The lower triangular L with `L L^T = A`.
///
/// *When to use.* Covariances, precisions and Fisher matrices of ten to some thousand rows.
/// *When not.* Many matrices of a handful of rows, where calls cost more than arithmetic; matrices
/// that are only semi-definite.
#[derive(Clone, Debug)]
pub struct Cholesky {
    /// Column after column, as LAPACK has it; zero above the diagonal.
    lower: Array2<f64>,
}

impl Cholesky {
    /// Factorises a symmetric matrix `[size][size]`, of which the half below the diagonal is read.
    ///
    /// A pivot, what the rows before leave of a diagonal element, must be more than `tolerance`
    /// times that element: 0 accepts every positive definite matrix, 1e-14 asks for an inverse with
    /// correct digits.
    ///
    /// # Errors
    /// [`Error::Length`]; [`Error::NotPositiveDefinite`], also for elements that are not finite.
    pub fn new(matrix: &[f64], size: usize, tolerance: f64) -> Result<Self> {
        let rows = ArrayView2::from_shape((size, size), matrix)
            .ok()
            .filter(|rows| rows.len() == matrix.len())
            .ok_or(Error::Length { expected: size * size, found: matrix.len() })?;
        let mut lower = Array2::zeros((size, size).f());
        lower.assign(&rows);
        // The leading dimension of a matrix without rows would be refused.
        let outcome = match size {
            0 => Ok(()),
            _ => lower.cholesky_inplace(UPLO::Lower).map(|_| ()),
        };
        // A factorisation that fails leaves the pivot itself on the diagonal, otherwise its root.
        for (row, (&root, element)) in lower.diag().iter().zip(rows.diag()).enumerate() {
            let pivot = if root > 0.0 { root * root } else { root };
            if !(pivot > tolerance * element.abs() && pivot.is_finite()) {
                return Err(Error::NotPositiveDefinite { size, row, pivot });
            }
        }
        outcome?;
        Ok(Self { lower })
    }

    /// Number of rows.
    #[must_use]
    pub fn size(&self) -> usize {
        self.lower.nrows()
    }

    /// L row by row, `[size][size]`, zeros above the diagonal included.
    #[must_use]
    pub fn lower(&self) -> Vec<f64> {
        self.lower.iter().copied().collect()
    }

    /// `A^-1 b` in place of each row b of `rows: [count][size]`.
    ///
    /// # Errors
    /// [`Error::Length`] for rows of another length.
    pub fn solve(&self, rows: &mut [f64]) -> Result<()> {
        self.count(rows)?;
        let factor = self.factor();
        for row in rows.chunks_exact_mut(self.size().max(1)) {
            factor.solvec_inplace(&mut ArrayViewMut1::from(row))?;
        }
        Ok(())
    }

    /// `L^-1 b` for each row b of `rows: [count][size]`: of vectors with the covariance A it makes
    /// vectors with unit covariance.
    ///
    /// # Errors
    /// [`Error::Length`] for rows of another length.
    pub fn whitened(&self, rows: Vec<f64>) -> Result<Vec<f64>> {
        let (size, count) = (self.size(), self.count(&rows)?);
        let length = Error::Length { expected: size * count, found: rows.len() };
        let mut columns = Array2::from_shape_vec((size, count).f(), rows).map_err(|_| length)?;
        self.lower.solve_triangular_inplace(UPLO::Lower, Diag::NonUnit, &mut columns)?;
        Ok(columns.into_raw_vec_and_offset().0)
    }

    /// `A^-1`, `[size][size]`.
    ///
    /// # Errors
    /// [`Error::Lapack`], which no factor of this type brings about.
    pub fn inverse(&self) -> Result<Vec<f64>> {
        Ok(self.factor().invc()?.iter().copied().collect())
    }

    /// Logarithm of the determinant of A.
    #[must_use]
    pub fn ln_det(&self) -> f64 {
        self.lower.diag().iter().map(|root| 2.0 * root.ln()).sum()
    }

    fn factor(&self) -> CholeskyFactorized<ViewRepr<&f64>> {
        CholeskyFactorized { factor: self.lower.view(), uplo: UPLO::Lower }
    }

    /// The number of rows of as many numbers as the matrix has.
    fn count(&self, rows: &[f64]) -> Result<usize> {
        let size = self.size();
        let count = rows.len() / size.max(1);
        if count * size == rows.len() {
            return Ok(count);
        }
        Err(Error::Length { expected: (count + 1) * size, found: rows.len() })
    }
}
