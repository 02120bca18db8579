//! What can go wrong in a simulation, with the numbers that went wrong.

use std::path::PathBuf;

/// Result of the fallible functions of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of this crate.
///
/// [`Error::is_recoverable`] separates a bad point of parameter space, which a sampler steps
/// around, from a mistake in the set-up, which stops the run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A cosmological parameter outside the domain where the model is defined.
    #[error("{name} = {value} is not allowed: expected {expected}")]
    Parameter {
        /// Name of the parameter, as in the field (`omega_c`, `w_0`, ...).
        name: &'static str,
        /// Its value.
        value: f64,
        /// What would be accepted.
        expected: String,
    },

    /// A setting of the survey or of a method that cannot be used.
    #[error("{field} = {value} is not allowed: expected {expected}")]
    Config {
        /// Name of the setting.
        field: String,
        /// Its value as text.
        value: String,
        /// What would be accepted.
        expected: String,
    },

    /// A configuration text that is not valid TOML, or has unknown or missing fields.
    #[error("survey configuration cannot be read: {0}")]
    Toml(#[from] toml::de::Error),

    /// An array whose shape does not fit.
    #[error("{what} has shape {found}, expected {expected}")]
    Shape {
        /// Which array.
        what: String,
        /// The shape that fits.
        expected: String,
        /// The shape given.
        found: String,
    },

    /// A NaN or an infinity where a number is needed.
    #[error("{what} is not finite")]
    NotFinite {
        /// Which quantity, with its position where known.
        what: String,
    },

    /// A redshift distribution that is not a distribution.
    #[error("redshift distribution of bin {bin} (counted from 0): {reason}")]
    Redshift {
        /// Tomographic bin, counted from 0.
        bin: usize,
        /// What is wrong with it.
        reason: String,
    },

    /// A file that cannot be opened, read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },

    /// A file that does not hold the expected array.
    #[error("{} cannot be used: {reason}", path.display())]
    Array {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// A convergence correlation that no lognormal field with these shifts can have.
    #[error(
        "the convergence of bins {bins:?} is too anticorrelated for its lognormal shifts: \
         1 + xi/(lambda_i lambda_j) = {one_plus} must be positive"
    )]
    LognormalCorrelation {
        /// The bins, counted from 0.
        bins: (usize, usize),
        /// The offending value.
        one_plus: f64,
    },

    /// Spectra that give modes whose tomographic covariance is not positive definite.
    #[error(
        "the field covariance of {modes} Fourier mode(s) is not positive definite; \
         the worst has eigenvalue {eigenvalue:e} at ell = {ell}"
    )]
    NotPositiveDefinite {
        /// Number of such modes.
        modes: usize,
        /// Multipole of the worst one.
        ell: f64,
        /// Its smallest eigenvalue (or pivot).
        eigenvalue: f64,
    },

    /// A covariance of band powers that is not positive definite.
    #[error(
        "the covariance of the band powers of band {band} (ell {ell_min}..{ell_max}) \
         is not positive definite: pivot {pivot:e}"
    )]
    BandCovariance {
        /// Band, counted from 0.
        band: usize,
        /// Lower edge of the band.
        ell_min: f64,
        /// Upper edge of the band.
        ell_max: f64,
        /// The pivot of the Cholesky factorisation, relative to its diagonal element.
        pivot: f64,
    },

    /// A multipole band that holds no mode of the map.
    #[error(
        "band {band} (ell {ell_min}..{ell_max}) holds no Fourier mode of the map, \
         whose multipoles run from {fundamental} to {largest}"
    )]
    EmptyBand {
        /// Band, counted from 0.
        band: usize,
        /// Lower edge.
        ell_min: f64,
        /// Upper edge.
        ell_max: f64,
        /// Smallest non-zero multipole of the map.
        fundamental: f64,
        /// Largest multipole of the map.
        largest: f64,
    },
}

impl Error {
    /// True where another point of parameter space may do: impossible parameters, covariances
    /// that are not positive definite, numbers that overflow. False for mistakes of set-up
    /// (configuration, shapes, files), which no other point will cure.
    #[must_use]
    pub fn is_recoverable(&self) -> bool {
        match self {
            Self::Parameter { .. }
            | Self::NotFinite { .. }
            | Self::LognormalCorrelation { .. }
            | Self::NotPositiveDefinite { .. }
            | Self::BandCovariance { .. } => true,
            Self::Config { .. }
            | Self::Toml(_)
            | Self::Shape { .. }
            | Self::Redshift { .. }
            | Self::Io { .. }
            | Self::Array { .. }
            | Self::EmptyBand { .. } => false,
        }
    }

    /// A [`Error::Config`] from anything that prints.
    pub(crate) fn config(
        field: impl Into<String>,
        value: impl std::fmt::Display,
        expected: impl Into<String>,
    ) -> Self {
        Self::Config { field: field.into(), value: value.to_string(), expected: expected.into() }
    }
}

/// An array of the wrong length is an [`Error::Shape`].
pub(crate) fn check_length(what: &str, found: usize, expected: usize) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Error::Shape {
        what: what.into(),
        expected: format!("{expected} numbers"),
        found: format!("{found} numbers"),
    })
}

/// True without NaN and infinity.
pub(crate) fn all_finite(values: &[f64]) -> bool {
    // Without a branch for each number the test is a few times faster.
    values.chunks(64).all(|chunk| chunk.iter().fold(true, |good, x| good & x.is_finite()))
}

/// An array with a NaN or an infinity is an [`Error::NotFinite`] that names the first.
pub(crate) fn check_finite_values(what: &str, values: &[f64]) -> Result<()> {
    if all_finite(values) {
        return Ok(());
    }
    let index = values.iter().position(|x| !x.is_finite());
    Err(Error::NotFinite { what: format!("{what}, element {}", index.unwrap_or_default()) })
}
