#![doc = include_str!("../README.md")]

mod coordinates;
mod draws;
mod error;
#[cfg(feature = "networks")]
mod estimator;
#[cfg(feature = "networks")]
mod fit;
#[cfg(feature = "networks")]
pub mod fmpe;
#[cfg(feature = "networks")]
pub mod marginal_score;
mod mixing;
#[cfg(feature = "networks")]
mod network;
#[cfg(feature = "networks")]
pub mod nle;
#[cfg(feature = "networks")]
pub mod npe;
#[cfg(feature = "networks")]
pub mod nre;
#[cfg(feature = "networks")]
mod observables;
#[cfg(feature = "networks")]
mod ode;
#[cfg(feature = "networks")]
mod pairs;
#[cfg(feature = "networks")]
mod posterior;
pub mod prior;
#[cfg(feature = "networks")]
mod ratio;
#[cfg(feature = "networks")]
pub mod rounds;
#[cfg(feature = "networks")]
pub mod score;
#[cfg(feature = "networks")]
mod setup;
pub mod simulations;
pub mod simulator;
#[cfg(feature = "networks")]
mod table;
pub mod tasks;
#[cfg(feature = "networks")]
mod vector_field;
#[cfg(feature = "networks")]
mod warning;

pub use coordinates::Coordinates;
pub use draws::{Draws, Sampling};
pub use error::{Error, Result};
#[cfg(feature = "networks")]
pub use estimator::Estimator;
#[cfg(feature = "networks")]
pub use fit::{Family, FitProgress, FitSettings, Fitting, FlowSettings};
#[cfg(feature = "networks")]
#[doc(inline)]
pub use fmpe::{FmpeSettings, fmpe};
#[cfg(feature = "networks")]
#[doc(inline)]
pub use nle::{NleSettings, nle};
#[cfg(feature = "networks")]
#[doc(inline)]
pub use npe::{NpeSettings, npe};
#[cfg(feature = "networks")]
#[doc(inline)]
pub use nre::{NreSettings, RatioLoss, nre};
#[cfg(feature = "networks")]
pub use observables::{Observables, Tails};
#[cfg(feature = "networks")]
pub use posterior::{
    MapSettings, Maximum, Posterior, SampleObserver, SampleProgress, SampleSettings, SampleStage,
};
#[cfg(feature = "networks")]
pub use ratio::RatioSettings;
#[cfg(feature = "networks")]
#[doc(inline)]
pub use score::{ScoreTerm, ScoreUnits};
#[cfg(feature = "networks")]
pub use vector_field::VectorFieldSettings;
#[cfg(feature = "networks")]
pub use warning::{Feature, Warning};
