#![doc = include_str!("../README.md")]

mod coordinates;
mod error;
mod estimator;
mod fit;
mod fmpe;
pub mod marginal_score;
mod network;
mod nle;
mod npe;
mod nre;
mod observables;
mod ode;
mod pairs;
mod posterior;
pub mod prior;
mod ratio;
pub mod rounds;
mod score;
mod setup;
pub mod simulations;
pub mod simulator;
mod table;
pub mod tasks;
mod vector_field;

pub use coordinates::Coordinates;
pub use error::{Error, Result};
pub use estimator::Estimator;
pub use fit::{Family, FitProgress, FitSettings, Fitting, FlowSettings};
pub use fmpe::{FmpeSettings, fmpe};
pub use nle::{NleSettings, nle};
pub use npe::{NpeSettings, npe};
pub use nre::{NreSettings, RatioLoss, nre};
pub use observables::Observables;
pub use posterior::{
    Draws, MapSettings, Maximum, Posterior, SampleObserver, SampleProgress, SampleSettings,
    SampleStage, Sampling,
};
pub use ratio::RatioSettings;
pub use score::{ScoreTerm, ScoreUnits};
pub use vector_field::VectorFieldSettings;
