//! The lensing study: what its tasks compute, and how their results are told.
//!
//! `observation` -> `spectra` -> `power-spectrum` and `full-field` -> `comparison` -> report. The
//! posterior of a map that a user brings goes through the same steps, without a known truth.

mod comparison;
mod inference;
mod observation;
mod profile;
mod report;
mod run;

pub use comparison::{Comparison, PAIRS, compare};
pub use inference::{Method, draw_posterior};
pub use observation::{OBSERVATION, Observed, observation_seed};
pub use profile::{C2stProfile, Profile};
pub use report::{NAME, ReportInputs, digest, write_report};
pub use run::run;
