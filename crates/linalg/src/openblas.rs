//! The system's OpenBLAS as the source of LAPACK's routines.
#![expect(unsafe_code, reason = "a foreign library is linked")]

use std::ffi::{c_char, c_int};

#[link(name = "openblas")]
unsafe extern "C" {
    fn dpotrf_(
        uplo: *const c_char,
        n: *const c_int,
        a: *mut f64,
        lda: *const c_int,
        info: *mut c_int,
    );
}

/// Linkers drop libraries of which nothing is needed where they are named, and this crate may be
/// named before those that call LAPACK.
#[used]
static NEEDED: unsafe extern "C" fn(
    *const c_char,
    *const c_int,
    *mut f64,
    *const c_int,
    *mut c_int,
) = dpotrf_;
