//! What can keep a map from being analysed.

use std::path::PathBuf;

use hmc::LogDensityError;
use lognormal_sim::PARAMETERS;

/// Result of the fallible functions of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// An analysis that cannot be made, with the numbers that stand in its way.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Survey, theory or parameters that cannot be simulated.
    #[error(transparent)]
    Simulation(#[from] lognormal_sim::Error),
    /// Simulations whose summaries cannot be compared with.
    #[error("summaries of simulated maps: {0}")]
    Metric(#[from] metrics::Error),
    /// A map of another size than the survey's.
    #[error("the map has {found} pixels; the survey has {expected} ({bins} x {npix} x {npix})")]
    MapSize {
        /// Pixels of the survey in all bins.
        expected: usize,
        /// Pixels given.
        found: usize,
        /// Tomographic bins of the survey.
        bins: usize,
        /// Pixels on a side of the survey.
        npix: usize,
    },
    /// Too few draws of parameters.
    #[error("{found} {what}; at least {minimum} are needed")]
    TooFewDraws {
        /// Which draws.
        what: &'static str,
        /// The smallest accepted number.
        minimum: usize,
        /// The number given.
        found: usize,
    },
    /// Draws of parameters most of which the model is not defined at.
    #[error("no maps can be simulated at more than half of {draws} {what}")]
    Unsimulable {
        /// Which draws.
        what: &'static str,
        /// How many were tried.
        draws: usize,
    },
    /// A draw that is NaN or infinite.
    #[error("{what} {index}: {parameter} is {value}")]
    NotFinite {
        /// Which draws.
        what: &'static str,
        /// Number of the draw, from 0.
        index: usize,
        /// Name of the parameter.
        parameter: &'static str,
        /// Its value.
        value: f64,
    },
    /// A file that cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// No prior of this name, and no file.
    #[error("unknown prior '{name}': give lsst_y10 or the path of a TOML file")]
    UnknownPrior {
        /// The name given.
        name: String,
    },
    /// A text that is not a prior in TOML.
    #[error("not a usable prior")]
    PriorText(#[from] toml::de::Error),
    /// A prior of other parameters.
    #[error("it is a prior of {found:?}; {PARAMETERS:?} are needed")]
    PriorParameters {
        /// The names given.
        found: Vec<String>,
    },
    /// A prior so narrow that its draws differ in their last digits only.
    #[error(
        "{parameter}: sd = {sd:e} is too small beside the mean {mean}: draws would differ in \
         their last digits only; give {least:e} or more"
    )]
    NarrowPrior {
        /// The parameter.
        parameter: String,
        /// Its mean.
        mean: f64,
        /// The standard deviation given.
        sd: f64,
        /// The smallest accepted one.
        least: f64,
    },
    /// Numbers that make no distribution.
    #[error(transparent)]
    Distribution(#[from] sbi::Error),
    /// Nowhere does the power spectrum of the map fit.
    #[error("no draw of the prior led to parameters that fit the power spectrum of the map")]
    NoMaximum,
    /// The model is not defined on either side of a point.
    #[error(
        "the power-spectrum posterior has no curvature at {theta:?}: the model is not defined on \
         either side of it in {parameter}"
    )]
    NoCurvature {
        /// The point.
        theta: Vec<f64>,
        /// The parameter along which both sides are missing.
        parameter: &'static str,
    },
    /// A covariance without an inverse.
    #[error("the covariance of the power-spectrum posterior is singular")]
    SingularCovariance,
    /// No starting point can be evaluated.
    #[error(
        "none of {attempts} starting points has a finite density: does the map fit the survey?"
    )]
    NoStart {
        /// Points tried.
        attempts: u64,
    },
    /// Maps that cannot be compressed.
    #[cfg(feature = "networks")]
    #[error(transparent)]
    Compression(#[from] compression::Error),
    /// A chain that cannot be made.
    #[error("chain {chain} cannot start: {reason}")]
    Chain {
        /// Number of the chain, from 0.
        chain: u64,
        /// Why not.
        reason: String,
    },
}

impl LogDensityError for Error {
    fn is_recoverable(&self) -> bool {
        matches!(self, Self::Simulation(error) if error.is_recoverable())
    }
}
