#![doc = include_str!("../README.md")]

mod dual;
mod gradient_check;
mod implicit;
mod real;
#[cfg(feature = "burn")]
pub mod tensor;

pub use dual::Dual;
pub use gradient_check::{
    CoordinateReport, GradientCheck, GradientReport, StepReport, assert_gradient,
};
pub use implicit::{ImplicitRootError, implicit_root};
pub use real::Real;
