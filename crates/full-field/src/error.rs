//! What can keep a map from being checked.

/// Result of the fallible functions of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// A check that cannot be made, with the numbers that stand in its way.
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
}
