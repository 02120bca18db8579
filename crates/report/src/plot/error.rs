//! What can be wrong with the data of a figure.

/// Why a figure could not be drawn; every variant names what was wrong and where.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PlotError {
    /// Fewer samples than a density estimate can be made of.
    #[error("{what}: {found} samples, at least {needed} are needed to draw a density")]
    TooFewSamples {
        /// The posterior (or other data set).
        what: String,
        /// Number of samples given.
        found: usize,
        /// Smallest usable number.
        needed: usize,
    },
    /// All samples of a parameter are equal.
    #[error("{what}: every sample of {parameter} is {value}: there is no density to draw")]
    ZeroVariance {
        /// The posterior.
        what: String,
        /// The parameter.
        parameter: String,
        /// The common value.
        value: f64,
    },
    /// A NaN or an infinity where a number is needed.
    #[error("{what}: value {index} is {value}")]
    NotFinite {
        /// The data set.
        what: String,
        /// Index of the first offending value.
        index: usize,
        /// The value.
        value: f64,
    },
    /// An axis without extent, or a logarithmic axis that reaches zero.
    #[error("{what}: cannot draw an axis from {lo} to {hi}")]
    Range {
        /// The axis.
        what: String,
        /// Lower end.
        lo: f64,
        /// Upper end.
        hi: f64,
    },
    /// Arrays whose sizes do not fit each other.
    #[error("{what}: expected {expected}, found {found}")]
    Shape {
        /// The array.
        what: String,
        /// The expected size, in words.
        expected: String,
        /// The size found.
        found: usize,
    },
    /// The image encoder failed.
    #[error("cannot encode an image: {0}")]
    Image(String),
}

/// The result of drawing.
pub type Result<T> = std::result::Result<T, PlotError>;

/// Fails on the first value that is not finite.
pub fn check_finite(what: &str, values: impl IntoIterator<Item = f64>) -> Result<()> {
    match values.into_iter().enumerate().find(|(_, v)| !v.is_finite()) {
        Some((index, value)) => Err(PlotError::NotFinite { what: what.to_owned(), index, value }),
        None => Ok(()),
    }
}

/// Fails unless `found == expected`.
pub fn check_len(what: &str, expected: usize, found: usize) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(PlotError::Shape { what: what.to_owned(), expected: expected.to_string(), found })
}
