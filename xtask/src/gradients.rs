//! The study of simulator gradients: do the scores of a simulator help to learn its posterior?
//!
//! After "Neural Posterior Estimation with Differentiable Simulators" (arXiv:2207.05636). Two
//! moons: a density learnt from draws, with and without their scores. Lotka-Volterra: posteriors
//! learnt from simulations, from the summaries of a compressor as in the paper, and from all counts.
//!
//! `null`, `reference`s and `compressor` -> a training for each method, weight, number of
//! simulations and run -> report.

mod compressor;
mod curves;
mod density;
mod inference;
mod measured;
mod observation;
mod profile;
mod report;
mod rounds;
mod run;
mod story;
mod training;

pub use profile::Profile;
pub use report::{NAME, digest, write_report};
pub use run::run;
