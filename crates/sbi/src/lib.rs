#![doc = include_str!("../README.md")]

mod coordinates;
mod error;
mod estimator;
mod fit;
mod network;
mod nle;
mod npe;
mod nre;
mod observables;
mod posterior;
pub mod prior;
mod ratio;
mod score;
pub mod simulations;
pub mod simulator;
mod table;

pub use coordinates::Coordinates;
pub use error::{Error, Result};
pub use estimator::Estimator;
pub use fit::{Family, FitProgress, FitSettings, Fitting, FlowSettings};
pub use nle::{NleSettings, nle};
pub use npe::{NpeSettings, npe};
pub use nre::{NreSettings, RatioLoss, nre};
pub use observables::Observables;
pub use posterior::{
    Draws, Posterior, SampleObserver, SampleProgress, SampleSettings, SampleStage, Sampling,
};
pub use ratio::RatioSettings;
pub use score::{ScoreTerm, ScoreUnits};
