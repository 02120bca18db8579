#![doc = include_str!("../README.md")]

mod cholesky;
#[cfg(not(feature = "openblas"))]
mod lapack;
#[cfg(feature = "openblas")]
mod openblas;
#[cfg(not(feature = "openblas"))]
mod triangle;

pub use cholesky::{Cholesky, Error, Result};
