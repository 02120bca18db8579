//! The study of inference methods: which full-field method needs the fewest simulations?
//!
//! After "Simulation-based inference benchmark for weak lensing cosmology" (arXiv:2409.17975). The
//! explicit posterior of one simulated observation is the reference. One network compresses maps,
//! and posteriors, likelihoods and ratios are learnt from its summaries, in one round or several,
//! with and without the scores of the simulator, from different numbers of simulations; a classifier
//! tells each of them from the reference. Explicit sampling is judged by the same test.
//!
//! `observation` -> `full-field`, `explicit-ours` and `explicit-published` -> `yardsticks` and
//! `convergence`; `compressor` -> `summary`, `pool`s and `marginal-pool` -> `marginal-score` -> a
//! cell for each method, number of simulations and run -> report.

mod cell;
mod claims;
mod compressor;
mod convergence;
mod curves;
mod figures;
mod judge;
mod pools;
mod profile;
mod report;
mod results;
mod run;
mod story;
mod tables;
mod thresholds;

pub use profile::Profile;
pub use report::{NAME, digest, write_report};
pub use results::RESULTS;
pub use run::run;
