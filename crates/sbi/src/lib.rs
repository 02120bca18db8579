#![doc = include_str!("../README.md")]

mod coordinates;
mod error;
mod estimator;
mod fit;
mod network;
mod nle;
mod npe;
mod observables;
mod pairs;
mod posterior;
pub mod prior;
mod score;
pub mod simulations;
pub mod simulator;
mod table;
pub mod tasks;

pub use coordinates::Coordinates;
pub use error::{Error, Result};
pub use estimator::Estimator;
pub use fit::{Family, FitProgress, FitSettings, Fitting, FlowSettings};
pub use nle::{NleSettings, nle};
pub use npe::{NpeSettings, npe};
pub use observables::Observables;
pub use posterior::{
    Draws, Posterior, SampleObserver, SampleProgress, SampleSettings, SampleStage, Sampling,
};
pub use score::{ScoreTerm, ScoreUnits};
