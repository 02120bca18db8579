//! Forward-mode derivatives of scalar code.

mod dual;
mod real;

pub use dual::Dual;
pub use real::Real;
