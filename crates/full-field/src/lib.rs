#![doc = include_str!("../README.md")]

#[cfg(feature = "networks")]
mod compressed_maps;
mod counts;
mod ensemble;
mod error;
#[cfg(feature = "networks")]
mod lensing_maps;
mod map_check;
mod matrix;
mod measurement;
mod posteriors;
mod predictive;
mod prior;
mod problem;
#[cfg(feature = "networks")]
mod square_spectra;
mod summaries;

#[cfg(feature = "networks")]
pub use compressed_maps::{CompressedMaps, POLICY, SimulationError};
pub use counts::Count;
pub use ensemble::{Comparison, Deviation};
pub use error::{Error, Result};
#[cfg(feature = "networks")]
pub use lensing_maps::{LensingMaps, SourceError};
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
#[cfg(feature = "networks")]
pub use square_spectra::SquareSpectra;
pub use summaries::Statistic;
