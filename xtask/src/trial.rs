//! Trying a method on a task with a known answer, from its observation to a report.
//!
//! `observation`; `simulations` -> `fit`, or `rounds` of both; `draws`; `reference` ->
//! `comparison`. Methods without networks have `reference` draws only.

mod comparison;
mod diagnostics;
mod method;
mod observation;
mod report;
mod run;
mod steps;
mod watch;

pub use method::{FlowFamily, Method, Settings};
pub use observation::Observation;
pub use run::Inference;
pub use steps::ESTIMATOR;
