//! The routines of LAPACK under their own names: either half, gaps between columns, flags, numbers
//! of errors. With the feature `openblas` the same is asked of the system's library.
#![expect(unsafe_code, reason = "the interface of LAPACK is made of C symbols and raw pointers")]

use std::ffi::{c_char, c_int};

use linalg as _;

unsafe extern "C" {
    fn dpotrf_(
        uplo: *const c_char,
        n: *const c_int,
        a: *mut f64,
        lda: *const c_int,
        info: *mut c_int,
    );
    fn dpotri_(
        uplo: *const c_char,
        n: *const c_int,
        a: *mut f64,
        lda: *const c_int,
        info: *mut c_int,
    );
    fn dpotrs_(
        uplo: *const c_char,
        n: *const c_int,
        nrhs: *const c_int,
        a: *const f64,
        lda: *const c_int,
        b: *mut f64,
        ldb: *const c_int,
        info: *mut c_int,
    );
    fn dtrtrs_(
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
    );
}

/// A matrix in columns of `leading` entries.
#[derive(Clone, Debug, PartialEq)]
struct Columns {
    leading: c_int,
    entries: Vec<f64>,
}

/// What stands where nothing may be read or written.
const GAP: f64 = -77.0;

impl Columns {
    fn new<const N: usize>(rows: [[f64; N]; 3], leading: c_int) -> Self {
        let mut entries = vec![GAP; leading as usize * N];
        for (i, row) in rows.iter().enumerate() {
            for (j, &entry) in row.iter().enumerate() {
                entries[i + j * leading as usize] = entry;
            }
        }
        Self { leading, entries }
    }

    /// A triangle of rows, in the stated half.
    fn half(uplo: u8, triangle: [[f64; 3]; 3], leading: c_int) -> Self {
        let rows: [[f64; 3]; 3] = std::array::from_fn(|i| {
            std::array::from_fn(|j| match uplo.to_ascii_uppercase() {
                b'L' if i >= j => triangle[i][j],
                b'U' if j >= i => triangle[j][i],
                _ => GAP,
            })
        });
        Self::new(rows, leading)
    }
}

fn factorise(uplo: u8, size: c_int, a: &mut Columns) -> c_int {
    let mut info = 99;
    // SAFETY: the pointers are to numbers that live on, and the columns of `a` to 3 x 3 entries.
    unsafe {
        dpotrf_(&(uplo as c_char), &size, a.entries.as_mut_ptr(), &a.leading, &mut info);
    }
    info
}

fn invert(uplo: u8, size: c_int, a: &mut Columns) -> c_int {
    let mut info = 99;
    // SAFETY: as in `factorise`.
    unsafe {
        dpotri_(&(uplo as c_char), &size, a.entries.as_mut_ptr(), &a.leading, &mut info);
    }
    info
}

fn solve(uplo: u8, size: c_int, count: c_int, a: &Columns, b: &mut Columns) -> c_int {
    let mut info = 99;
    let (first, right) = (a.entries.as_ptr(), b.entries.as_mut_ptr());
    // SAFETY: as in `factorise`, and `b` has as many columns as is said.
    unsafe {
        let uplo = uplo as c_char;
        dpotrs_(&uplo, &size, &count, first, &a.leading, right, &b.leading, &mut info);
    }
    info
}

fn substitute(flags: &[u8; 3], size: c_int, count: c_int, a: &Columns, b: &mut Columns) -> c_int {
    let mut info = 99;
    let [uplo, trans, diag] = flags.map(|flag| flag as c_char);
    let (first, right) = (a.entries.as_ptr(), b.entries.as_mut_ptr());
    let (lda, ldb) = (&a.leading, &b.leading);
    // SAFETY: as in `factorise`, and `b` has as many columns as is said.
    unsafe {
        dtrtrs_(&uplo, &trans, &diag, &size, &count, first, lda, right, ldb, &mut info);
    }
    info
}

/// L, L L^T and the lower half of its inverse: numbers without rounding errors.
const LOWER: [[f64; 3]; 3] = [[2.0, 0.0, 0.0], [1.0, 4.0, 0.0], [-2.0, 8.0, 1.0]];
const PRODUCT: [[f64; 3]; 3] = [[4.0, 2.0, -4.0], [2.0, 17.0, 30.0], [-4.0, 30.0, 69.0]];
const INVERSE: [[f64; 3]; 3] = [[4.265625, 0.0, 0.0], [-4.03125, 4.0625, 0.0], [2.0, -2.0, 1.0]];

#[test]
fn both_halves_of_a_matrix_with_gaps_are_factorised() {
    for (uplo, leading) in [(b'L', 3), (b'L', 5), (b'U', 3), (b'u', 4), (b'l', 4)] {
        let mut a = Columns::half(uplo, PRODUCT, leading);
        assert_eq!(factorise(uplo, 3, &mut a), 0);
        assert_eq!(a, Columns::half(uplo, LOWER, leading));
    }
}

#[test]
fn a_failed_factorisation_names_the_row_and_leaves_the_pivot() {
    let mut indefinite = PRODUCT;
    indefinite[2][2] -= 3.0;
    for (uplo, leading) in [(b'L', 3), (b'U', 4)] {
        let mut a = Columns::half(uplo, indefinite, leading);
        assert_eq!(factorise(uplo, 3, &mut a), 3);
        assert_eq!(a.entries[2 + 2 * leading as usize], -2.0);
    }
}

#[test]
fn right_hand_sides_with_gaps_are_solved() {
    let solution = [[1.0, -3.0], [2.0, 0.5], [-1.0, 4.0]];
    let times = |a: [[f64; 3]; 3]| -> [[f64; 2]; 3] {
        a.map(|row| [0, 1].map(|c| (0..3).map(|k| row[k] * solution[k][c]).sum()))
    };
    let transposed = std::array::from_fn(|i| std::array::from_fn(|j| LOWER[j][i]));
    let unit =
        std::array::from_fn(|i| std::array::from_fn(|j| if i == j { 1.0 } else { LOWER[i][j] }));
    for (uplo, leading) in [(b'L', 3), (b'U', 4), (b'u', 3)] {
        let a = Columns::half(uplo, LOWER, leading);
        let mut b = Columns::new(times(PRODUCT), 5);
        assert_eq!(solve(uplo, 3, 2, &a, &mut b), 0);
        assert_eq!(b, Columns::new(solution, 5));
        // an upper half is the transpose
        let (plain, other) = if uplo == b'L' { (b'N', b't') } else { (b'C', b'n') };
        for (flags, matrix) in [
            ([uplo, plain, b'N'], LOWER),
            ([uplo, other, b'n'], transposed),
            ([uplo, plain, b'U'], unit),
        ] {
            let mut b = Columns::new(times(matrix), 4);
            assert_eq!(substitute(&flags, 3, 2, &a, &mut b), 0, "{flags:?}");
            assert_eq!(b, Columns::new(solution, 4), "{flags:?}");
        }
    }
}

#[test]
fn a_factor_is_inverted_in_its_half() {
    for (uplo, leading) in [(b'L', 3), (b'U', 5)] {
        let mut a = Columns::half(uplo, LOWER, leading);
        assert_eq!(invert(uplo, 3, &mut a), 0);
        assert_eq!(a, Columns::half(uplo, INVERSE, leading));
    }
}

#[test]
fn a_zero_on_the_diagonal_is_named() {
    let mut singular = LOWER;
    singular[1][1] = 0.0;
    let a = Columns::half(b'L', singular, 3);
    let mut b = Columns::new([[1.0]; 3], 3);
    assert_eq!(substitute(b"LNN", 3, 1, &a, &mut b), 2);
    assert_eq!(b, Columns::new([[1.0]; 3], 3));
    assert_eq!(invert(b'L', 3, &mut a.clone()), 2);
}

#[test]
fn nothing_happens_without_rows_or_right_hand_sides() {
    let (mut a, mut b) = (Columns::half(b'L', LOWER, 3), Columns::new([[1.0]; 3], 3));
    let before = (a.clone(), b.clone());
    assert_eq!(factorise(b'L', 0, &mut a), 0);
    assert_eq!(invert(b'L', 0, &mut a), 0);
    for (size, count) in [(0, 1), (3, 0)] {
        assert_eq!(solve(b'L', size, count, &a, &mut b), 0);
        assert_eq!(substitute(b"LNN", size, count, &a, &mut b), 0);
    }
    assert_eq!((a, b), before);
}

#[test]
fn impossible_arguments_are_numbered() {
    let (a, b) = (Columns::half(b'L', LOWER, 3), Columns::new([[1.0]; 3], 3));
    let narrow = |columns: &Columns| Columns { leading: 2, ..columns.clone() };
    for routine in [factorise, invert] {
        assert_eq!(routine(b'X', 3, &mut a.clone()), -1);
        assert_eq!(routine(b'L', -1, &mut a.clone()), -2);
        assert_eq!(routine(b'L', 3, &mut narrow(&a)), -4);
    }
    assert_eq!(solve(b'X', 3, 1, &a, &mut b.clone()), -1);
    assert_eq!(solve(b'L', -1, 1, &a, &mut b.clone()), -2);
    assert_eq!(solve(b'L', 3, -1, &a, &mut b.clone()), -3);
    assert_eq!(solve(b'L', 3, 1, &narrow(&a), &mut b.clone()), -5);
    assert_eq!(solve(b'L', 3, 1, &a, &mut narrow(&b)), -7);
    for (flags, info) in [(b"XNN", -1), (b"LXN", -2), (b"LNX", -3)] {
        assert_eq!(substitute(flags, 3, 1, &a, &mut b.clone()), info);
    }
    assert_eq!(substitute(b"LNN", -1, 1, &a, &mut b.clone()), -4);
    assert_eq!(substitute(b"LNN", 3, -1, &a, &mut b.clone()), -5);
    assert_eq!(substitute(b"LNN", 3, 1, &narrow(&a), &mut b.clone()), -7);
    assert_eq!(substitute(b"LNN", 3, 1, &a, &mut narrow(&b)), -9);
}
