//! The routines of LAPACK that `ndarray-linalg` calls for [`crate::Cholesky`], under their names.
//!
//! They obey the whole interface for real matrices in double precision: either half of the matrix,
//! any leading dimension, any number of right-hand sides, errors by number. Whoever links a crate
//! of this workspace and calls LAPACK himself gets right results from them.
//!
//! Matrices lie column after column, the first entries of neighbouring columns `lda` apart. Only
//! the stated half of a triangular or symmetric matrix is read and written: through pointers to
//! single entries, since the others may be uninitialised.
#![expect(unsafe_code, reason = "the interface of LAPACK is made of C symbols and raw pointers")]

use std::ffi::{c_char, c_int};

use crate::triangle::Triangle;

/// 0, `-k` if argument number k is impossible, or the number (from 1) of the row that failed.
type Info = std::result::Result<(), c_int>;

/// Where the stated half of a square matrix lies.
#[derive(Clone, Copy)]
struct Half {
    upper: bool,
    size: usize,
    leading: usize,
}

impl Half {
    /// Reads `uplo`, `n` and `lda`, which are the arguments number `position` of the routine.
    ///
    /// # Safety
    /// The pointers are valid for reads.
    unsafe fn read(
        (uplo, n, lda): (*const c_char, *const c_int, *const c_int),
        position: [c_int; 3],
    ) -> std::result::Result<Self, c_int> {
        // SAFETY: the caller vouches for the pointers.
        let (uplo, n, lda) = unsafe { (*uplo, *n, *lda) };
        let upper = choice(uplo, b"LU").ok_or(-position[0])? == 1;
        let size = usize::try_from(n).map_err(|_| -position[1])?;
        let leading = leading_dimension(lda, size).ok_or(-position[2])?;
        Ok(Self { upper, size, leading })
    }

    /// Offset of L(i, j), where the upper half holds L^T.
    fn offset(self, i: usize, j: usize) -> usize {
        if self.upper { j + i * self.leading } else { i + j * self.leading }
    }

    /// # Safety
    /// The stated half of the matrix at `a` is valid for reads.
    unsafe fn load(self, a: *const f64) -> Triangle {
        Triangle::from_fn(self.size, |i, j| {
            // SAFETY: for j <= i < size the entry is in the stated half.
            unsafe { *a.add(self.offset(i, j)) }
        })
    }

    /// # Safety
    /// The stated half of the matrix at `a` is valid for writes.
    unsafe fn store(self, triangle: &Triangle, a: *mut f64) {
        triangle.for_each(|i, j, entry| {
            // SAFETY: j <= i < size, so the entry is in the stated half.
            unsafe { *a.add(self.offset(i, j)) = entry };
        });
    }
}

/// Right-hand sides, overwritten by solutions.
#[derive(Clone, Copy)]
struct Columns {
    count: usize,
    leading: usize,
    first: *mut f64,
}

impl Columns {
    /// Reads `nrhs` and `ldb`, the arguments number `position`, for columns of `size` entries at `b`.
    ///
    /// # Safety
    /// `nrhs` and `ldb` are valid for reads.
    unsafe fn read(
        size: usize,
        (nrhs, b, ldb): (*const c_int, *mut f64, *const c_int),
        position: [c_int; 2],
    ) -> std::result::Result<Self, c_int> {
        // SAFETY: the caller vouches for the pointers.
        let (nrhs, ldb) = unsafe { (*nrhs, *ldb) };
        let count = usize::try_from(nrhs).map_err(|_| -position[0])?;
        let leading = leading_dimension(ldb, size).ok_or(-position[1])?;
        Ok(Self { count, leading, first: b })
    }

    /// Replaces each column.
    ///
    /// # Safety
    /// Each of the columns is `size` initialised numbers, which nothing else refers to meanwhile.
    unsafe fn replace(self, size: usize, by: impl Fn(&mut [f64])) {
        if size == 0 {
            return;
        }
        for column in 0..self.count {
            // SAFETY: the caller vouches for `size` numbers at the start of each column.
            by(unsafe {
                std::slice::from_raw_parts_mut(self.first.add(column * self.leading), size)
            });
        }
    }
}

/// Which of two letters, in either case, a flag is.
fn choice(flag: c_char, letters: &[u8]) -> Option<usize> {
    letters.iter().position(|&letter| letter.eq_ignore_ascii_case(&(flag as u8)))
}

fn leading_dimension(lda: c_int, rows: usize) -> Option<usize> {
    usize::try_from(lda).ok().filter(|&leading| leading >= rows.max(1))
}

/// # Safety
/// `info` is valid for writes.
unsafe fn report(outcome: Info, info: *mut c_int) {
    // SAFETY: the caller vouches for the pointer.
    unsafe { *info = outcome.err().unwrap_or(0) };
}

/// The number of a row counted from 0.
fn row_number(row: usize) -> c_int {
    c_int::try_from(row + 1).unwrap_or(c_int::MAX)
}

/// Cholesky factor of a positive definite matrix.
///
/// # Safety
/// That of LAPACK's DPOTRF: valid pointers, `a` to a matrix of the stated dimensions.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dpotrf_(
    uplo: *const c_char,
    n: *const c_int,
    a: *mut f64,
    lda: *const c_int,
    info: *mut c_int,
) {
    let factorise = || {
        // SAFETY: the caller vouches for all pointers.
        let half = unsafe { Half::read((uplo, n, lda), [1, 2, 4]) }?;
        // SAFETY: as above.
        let mut triangle = unsafe { half.load(a) };
        let outcome = triangle.factorise().map_err(row_number);
        // SAFETY: as above.
        unsafe { half.store(&triangle, a) };
        outcome
    };
    // SAFETY: as above.
    unsafe { report(factorise(), info) };
}

/// Solves `A X = B` with the Cholesky factor of A.
///
/// # Safety
/// That of LAPACK's DPOTRS: valid pointers, `a` and `b` to matrices of the stated dimensions.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dpotrs_(
    uplo: *const c_char,
    n: *const c_int,
    nrhs: *const c_int,
    a: *const f64,
    lda: *const c_int,
    b: *mut f64,
    ldb: *const c_int,
    info: *mut c_int,
) {
    let solve = || {
        // SAFETY: the caller vouches for all pointers.
        let half = unsafe { Half::read((uplo, n, lda), [1, 2, 5]) }?;
        // SAFETY: as above.
        let columns = unsafe { Columns::read(half.size, (nrhs, b, ldb), [3, 7]) }?;
        // SAFETY: as above.
        let factor = unsafe { half.load(a) };
        // SAFETY: as above.
        unsafe {
            columns.replace(half.size, |column| {
                factor.solve(column);
                factor.solve_transposed(column);
            });
        }
        Ok(())
    };
    // SAFETY: as above.
    unsafe { report(solve(), info) };
}

/// Inverse of a matrix from its Cholesky factor, which it overwrites.
///
/// # Safety
/// That of LAPACK's DPOTRI: valid pointers, `a` to a matrix of the stated dimensions.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dpotri_(
    uplo: *const c_char,
    n: *const c_int,
    a: *mut f64,
    lda: *const c_int,
    info: *mut c_int,
) {
    let invert = || {
        // SAFETY: the caller vouches for all pointers.
        let half = unsafe { Half::read((uplo, n, lda), [1, 2, 4]) }?;
        // SAFETY: as above.
        let factor = unsafe { half.load(a) };
        if let Some(row) = factor.zero_pivot() {
            return Err(row_number(row));
        }
        // SAFETY: as above.
        unsafe { half.store(&factor.inverse_of_product(), a) };
        Ok(())
    };
    // SAFETY: as above.
    unsafe { report(invert(), info) };
}

/// Solves `A X = B` or `A^T X = B` with a triangular matrix A.
///
/// # Safety
/// That of LAPACK's DTRTRS: valid pointers, `a` and `b` to matrices of the stated dimensions.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dtrtrs_(
    uplo: *const c_char,
    trans: *const c_char,
    diag: *const c_char,
    n: *const c_int,
    nrhs: *const c_int,
    a: *const f64,
    lda: *const c_int,
    b: *mut f64,
    ldb: *const c_int,
    info: *mut c_int,
) {
    let solve = || {
        // SAFETY: the caller vouches for all pointers.
        let half = unsafe { Half::read((uplo, n, lda), [1, 4, 7]) }?;
        // SAFETY: as above.
        let columns = unsafe { Columns::read(half.size, (nrhs, b, ldb), [5, 9]) }?;
        // SAFETY: as above.
        let (transposed, unit) = unsafe { (choice(*trans, b"NTC"), choice(*diag, b"NU")) };
        let transposed = transposed.ok_or(-2)? > 0;
        let unit = unit.ok_or(-3)? == 1;
        let factor = Triangle::from_fn(half.size, |i, j| match unit && i == j {
            true => 1.0,
            // SAFETY: as above, and for j <= i < size the entry is in the stated half.
            false => unsafe { *a.add(half.offset(i, j)) },
        });
        if let Some(row) = factor.zero_pivot() {
            return Err(row_number(row));
        }
        // SAFETY: as above.
        unsafe {
            // An upper half holds the transpose of the triangle.
            columns.replace(half.size, |column| match transposed == half.upper {
                true => factor.solve(column),
                false => factor.solve_transposed(column),
            });
        }
        Ok(())
    };
    // SAFETY: as above.
    unsafe { report(solve(), info) };
}
