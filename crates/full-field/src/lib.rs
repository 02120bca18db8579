#![doc = include_str!("../README.md")]

mod ensemble;
mod error;
mod map_check;
mod matrix;
mod measurement;
mod posteriors;
mod predictive;
mod prior;
mod problem;
mod summaries;

pub use ensemble::{Comparison, Deviation};
pub use error::{Error, Result};
pub use map_check::{Cause, Finding, FindingKind, MapCheck, Pixel, Severity, ShapeCause};
pub use matrix::{Matrix, cholesky, inverse};
pub use measurement::{Measurement, PairMeasurement, measure};
pub use posteriors::{
    FullFieldPosterior, LatentPosterior, PowerSpectrumPosterior, Start, full_field_settings,
    parameters, power_spectrum_settings, published_metric, published_settings, true_position,
};
pub use predictive::{
    ParameterCheck, PredictedMaps, PredictiveCheck, PredictiveVerdict, predictive_check,
};
pub use prior::{DIM, Prior};
pub use problem::{Problem, first_usable, stream};
pub use summaries::Statistic;
