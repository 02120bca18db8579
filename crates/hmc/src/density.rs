//! The one thing a sampler needs to know: a log density with its gradient.

/// A log density over `dim` unconstrained real coordinates, up to an additive constant.
///
/// The receiver is mutable so that an implementation may keep its work space between calls; the
/// result must nevertheless depend on `position` only.
pub trait LogDensity {
    /// What can go wrong in an evaluation; use [`std::convert::Infallible`] if nothing can.
    type Error: LogDensityError;

    /// Number of coordinates.
    fn dim(&self) -> usize;

    /// Returns the log density at `position: [dim]` and overwrites `gradient: [dim]` with its
    /// gradient.
    ///
    /// A log density or gradient that is not finite is treated as a recoverable error.
    ///
    /// # Errors
    /// A recoverable error ends the trajectory as a divergence; any other stops the chain.
    fn log_density_and_gradient(
        &mut self,
        position: &[f64],
        gradient: &mut [f64],
    ) -> Result<f64, Self::Error>;
}

impl<D: LogDensity + ?Sized> LogDensity for &mut D {
    type Error = D::Error;

    fn dim(&self) -> usize {
        (**self).dim()
    }

    fn log_density_and_gradient(
        &mut self,
        position: &[f64],
        gradient: &mut [f64],
    ) -> Result<f64, Self::Error> {
        (**self).log_density_and_gradient(position, gradient)
    }
}

/// An error of a density evaluation, which says whether sampling can go on.
pub trait LogDensityError: std::error::Error + Send + 'static {
    /// True if only this point is at fault (parameters outside their domain, a matrix that is not
    /// positive definite): the trajectory diverges and the chain goes on. False if every further
    /// evaluation would fail too.
    fn is_recoverable(&self) -> bool;
}

impl LogDensityError for std::convert::Infallible {
    fn is_recoverable(&self) -> bool {
        match *self {}
    }
}
