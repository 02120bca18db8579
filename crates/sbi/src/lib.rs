#![doc = include_str!("../README.md")]

mod coordinates;
mod error;
mod estimator;
mod fit;
pub mod fmpe;
pub mod marginal_score;
mod mixing;
mod network;
pub mod nle;
pub mod npe;
pub mod nre;
mod observables;
mod ode;
mod pairs;
mod posterior;
pub mod prior;
mod ratio;
pub mod rounds;
pub mod score;
mod setup;
pub mod simulations;
pub mod simulator;
mod table;
pub mod tasks;
mod vector_field;
mod warning;

pub use coordinates::Coordinates;
pub use error::{Error, Result};
pub use estimator::Estimator;
pub use fit::{Family, FitProgress, FitSettings, Fitting, FlowSettings};
#[doc(inline)]
pub use fmpe::{FmpeSettings, fmpe};
#[doc(inline)]
pub use nle::{NleSettings, nle};
#[doc(inline)]
pub use npe::{NpeSettings, npe};
#[doc(inline)]
pub use nre::{NreSettings, RatioLoss, nre};
pub use observables::{Observables, Tails};
pub use posterior::{
    Draws, MapSettings, Maximum, Posterior, SampleObserver, SampleProgress, SampleSettings,
    SampleStage, Sampling,
};
pub use ratio::RatioSettings;
#[doc(inline)]
pub use score::{ScoreTerm, ScoreUnits};
pub use vector_field::VectorFieldSettings;
pub use warning::{Feature, Warning};
