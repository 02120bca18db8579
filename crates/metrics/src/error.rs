//! What can be wrong with the input.

/// A metric that cannot be computed, with the offending names and numbers.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An array does not have the stated shape.
    #[error("{what}: expected {expected}, found {found}")]
    Shape {
        /// Which array.
        what: String,
        /// Its expected shape or length.
        expected: String,
        /// What was given.
        found: String,
    },
    /// Too little data for the metric to be defined.
    #[error("{what}: at least {minimum} are needed, found {found}")]
    TooFew {
        /// What is too few.
        what: String,
        /// The smallest accepted number.
        minimum: usize,
        /// The number given.
        found: usize,
    },
    /// A value is NaN or infinite.
    #[error("{what} is {value} at index {index}")]
    NotFinite {
        /// Parameter or feature.
        what: String,
        /// Chain-major position among its values.
        index: usize,
        /// The value.
        value: f64,
    },
    /// Several values are NaN or infinite.
    #[error("{nan} of {total} {what} are NaN, {infinite} infinite")]
    NotFiniteValues {
        /// Which values.
        what: String,
        /// How many are NaN.
        nan: usize,
        /// How many are infinite.
        infinite: usize,
        /// How many there are in all.
        total: usize,
    },
    /// All the values are the same.
    #[error("{what} is constant ({value}): it has no variance")]
    Constant {
        /// Parameter or feature.
        what: String,
        /// The value.
        value: f64,
    },
    /// Two parameters determine each other, so their covariance has no inverse.
    #[error("{first} and {second} are degenerate: correlation {correlation}")]
    Degenerate {
        /// One parameter.
        first: String,
        /// The other.
        second: String,
        /// Their correlation.
        correlation: f64,
    },
    /// A matrix has no inverse.
    #[error("the {what} is singular: row {index} depends on those before (pivot {pivot:e})")]
    Singular {
        /// Which matrix.
        what: String,
        /// The row that depends on the rows before it.
        index: usize,
        /// What is left of its unit variance.
        pivot: f64,
    },
    /// A factorisation failed otherwise.
    #[error(transparent)]
    Factorisation(#[from] linalg::Error),
    /// The training of a classifier diverged; values many orders of magnitude away from the bulk
    /// of the first set do this.
    #[error("the classifier of trial {trial}, fold {fold} diverged in epoch {epoch}")]
    Diverged {
        /// Which cross-validation.
        trial: usize,
        /// Which fold of it.
        fold: usize,
        /// Number of epochs until then.
        epoch: usize,
    },
    /// A result that double precision cannot hold.
    #[error("{what} = {mantissa} x 2^{exponent} is beyond the range of numbers: use other units")]
    OutOfRange {
        /// Which result.
        what: String,
        /// What it is in units of a power of two.
        mantissa: f64,
        /// The exponent of that power.
        exponent: i32,
    },
    /// A setting is outside its range.
    #[error("{setting} = {value}: expected {expected}")]
    Setting {
        /// Which setting.
        setting: &'static str,
        /// Its value.
        value: f64,
        /// The accepted range.
        expected: &'static str,
    },
}

/// Result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;
