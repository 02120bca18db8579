//! What can go wrong, with the numbers that went wrong.

use std::path::PathBuf;

/// Whatever a source of maps reports.
pub type SourceError = Box<dyn std::error::Error + Send + Sync>;

/// Result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting is outside its range.
    #[error("{setting} = {value}: expected {expected}")]
    Setting {
        /// Which setting.
        setting: &'static str,
        /// Its value.
        value: String,
        /// What would be accepted.
        expected: &'static str,
    },
    /// An array does not have the shape that fits.
    #[error("{what}: {expected} expected, found {found}")]
    Shape {
        /// Which array.
        what: &'static str,
        /// What fits.
        expected: String,
        /// What was given.
        found: String,
    },
    /// A number is NaN or infinite.
    #[error("{what}: element {element} of row {row} is {value}")]
    NotFinite {
        /// Which array.
        what: &'static str,
        /// Row (map, parameters of a map).
        row: usize,
        /// Element of the row.
        element: usize,
        /// The number.
        value: f64,
    },
    /// A source made a map or parameters that are not finite, and they are refused.
    #[error(
        "example {index} has {what}[{element}] = {value}; to go on without such examples let them \
         be dropped (and counted)"
    )]
    Example {
        /// Index of the example.
        index: u64,
        /// `map` or `parameters`.
        what: &'static str,
        /// Which element.
        element: usize,
        /// The number.
        value: f64,
    },
    /// A source failed.
    #[error("example {index} cannot be made: {source}")]
    Source {
        /// Index of the example.
        index: u64,
        /// Why.
        source: SourceError,
    },
    /// A source panicked, or the preparation of its maps.
    #[error("the thread that makes maps panicked: {message}")]
    SourcePanicked {
        /// What it said.
        message: String,
    },
    /// There is too little to learn from.
    #[error("{what}: {found} are too few, at least {minimum} are needed")]
    TooFew {
        /// What there is too little of.
        what: &'static str,
        /// How many are needed.
        minimum: u64,
        /// How many there are.
        found: u64,
    },
    /// A loss needs derivatives of the maps and the source has none.
    #[error("the IMNN loss needs a source with maps at shifted parameters (MapSource::fisher)")]
    NoDerivatives,
    /// A matrix that must be positive definite is not.
    #[error("{what} ({size} x {size}) is not positive definite: pivot {pivot} is {value}")]
    Singular {
        /// Which matrix.
        what: &'static str,
        /// Its size.
        size: usize,
        /// Row in which its factorisation failed.
        pivot: usize,
        /// The pivot's value.
        value: f64,
    },
    /// A factorisation failed otherwise.
    #[error(transparent)]
    Factorisation(#[from] linalg::Error),
    /// A training went astray.
    #[error(
        "{what} is {value} at step {step}, learning rate {learning_rate}: lower the learning rate, \
         or look for outliers in the maps"
    )]
    Training {
        /// What is not finite.
        what: &'static str,
        /// Its value.
        value: f64,
        /// The step, counted from 0.
        step: usize,
        /// Its learning rate.
        learning_rate: f64,
    },
    /// The observer of a training asked to stop.
    #[error("stopped after {step} steps of training")]
    Stopped {
        /// Steps made.
        step: usize,
    },
    /// A file is not what it should be.
    #[error("{path}: {reason}", path = path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// A flow, its units or a file of weights failed.
    #[error(transparent)]
    Flow(#[from] flows::Error),
    /// The device failed to return a result.
    #[error("the device failed: {reason}")]
    Device {
        /// What it said.
        reason: String,
    },
}

impl Error {
    /// A number of settings that must be at least one.
    pub(crate) fn count(setting: &'static str, value: usize) -> Result<()> {
        if value > 0 {
            return Ok(());
        }
        Err(Self::Setting { setting, value: "0".into(), expected: "at least 1" })
    }
}
