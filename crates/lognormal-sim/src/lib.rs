//! lognormal-sim

mod error;

pub use error::{Error, Result};
