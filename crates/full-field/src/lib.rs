#![doc = include_str!("../README.md")]

mod ensemble;
mod error;
mod map_check;
mod predictive;
mod summaries;

pub use ensemble::{Comparison, Deviation};
pub use error::{Error, Result};
pub use map_check::{Cause, Finding, FindingKind, MapCheck, Pixel, Severity, ShapeCause};
pub use predictive::{
    ParameterCheck, PredictedMaps, PredictiveCheck, PredictiveVerdict, predictive_check,
};
pub use summaries::Statistic;
