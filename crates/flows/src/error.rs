//! What can go wrong with a flow, its input and its file.

use std::path::PathBuf;

use autodiff::tensor::RootError;

/// An error of this crate, with the offending names and numbers.
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
    /// Rows do not have the width of the flow.
    #[error("{what}: rows of {expected} numbers expected, found {found}")]
    Shape {
        /// Which array.
        what: &'static str,
        /// Expected number of columns or rows.
        expected: usize,
        /// What was given.
        found: String,
    },
    /// A number is NaN or infinite.
    #[error("{what}: {value} in row {row}, column {column}")]
    NotFinite {
        /// Which array.
        what: &'static str,
        /// Row of the number.
        row: usize,
        /// Its column.
        column: usize,
        /// The number.
        value: f64,
    },
    /// There is nothing to learn a scale from.
    #[error("{what}: {found} row(s) are too few for a standardisation; at least 2 are needed")]
    TooFew {
        /// Which array.
        what: &'static str,
        /// Number of rows.
        found: usize,
    },
    /// An inverse transformation failed.
    #[error("the flow cannot be inverted: {0}")]
    Inverse(#[from] RootError),
    /// A file cannot be read or written.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("{path}: {reason}", path = path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// Weights are missing or of another shape.
    #[error("weights '{name}': {reason}")]
    Weights {
        /// Name of the tensor.
        name: String,
        /// What does not fit.
        reason: String,
    },
    /// A training went astray.
    #[error(
        "{what} is {value} at step {step}, learning rate {learning_rate}: lower the learning rate, \
         or look for outliers in the data"
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
    /// The device failed to return a result.
    #[error("the device failed: {reason}")]
    Device {
        /// What it said.
        reason: String,
    },
}

/// Result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;
