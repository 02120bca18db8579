#![doc = include_str!("../README.md")]

mod error;
pub mod prior;
pub mod simulations;
pub mod simulator;
pub mod tasks;

pub use error::{Error, Result};
