#![doc = include_str!("../README.md")]

mod adaptation;
mod autocorrelation;
mod chain;
mod decoherence;
mod density;
mod energy_variance;
mod error;
mod fixed_length;
mod hamiltonian;
mod health;
mod integrator;
mod isokinetic;
mod metric;
mod microcanonical;
mod nuts;
mod run;
mod schedule;
mod settings;
mod start;
mod state;
mod step_size;
mod vector;

pub use chain::{Chain, Draw, Phase};
pub use density::{LogDensity, LogDensityError};
pub use error::Error;
pub use health::{Health, MAX_DIVERGENT, Verdict, examine};
pub use integrator::Integrator;
pub use metric::Metric;
pub use run::{
    ChainRun, Checkpoint, CheckpointRef, Ending, Event, Progress, Record, RunError, RunSettings,
    run_chains,
};
pub use settings::{Kernel, MetricSettings, Refreshment, Settings, TrajectoryLength};
pub use start::{Ascent, AscentSettings, ascend, first_finite};
pub use state::{ChainState, Gradients};
