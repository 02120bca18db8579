//! What can stop a chain.

use crate::density::LogDensityError;

/// Why a chain could not be made, resumed or advanced. `E` is the error of the density.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error<E: LogDensityError> {
    /// A setting is out of its domain.
    #[error("setting `{field}` is {value}, expected {expected}")]
    Setting {
        /// Name of the setting.
        field: &'static str,
        /// The value given.
        value: String,
        /// What would be accepted.
        expected: &'static str,
    },
    /// A vector has the wrong length.
    #[error("{what} has length {found}, expected {expected}")]
    Dimension {
        /// Which vector.
        what: &'static str,
        /// Length needed.
        expected: usize,
        /// Length given.
        found: usize,
    },
    /// A vector holds a value that cannot be used.
    #[error("{what}[{index}] is {value}, expected {expected}")]
    Value {
        /// Which vector.
        what: &'static str,
        /// Where in it.
        index: usize,
        /// The value found.
        value: f64,
        /// What would be accepted.
        expected: &'static str,
    },
    /// The log density or its gradient at the starting point is not finite.
    #[error("chain cannot start: log density {log_density}, norm of its gradient {gradient_norm}")]
    Start {
        /// Log density at the starting point.
        log_density: f64,
        /// Euclidean norm of the gradient there.
        gradient_norm: f64,
    },
    /// No candidate for a starting point had a finite log density and gradient.
    #[error("none of {tried} candidate starting points has a finite log density and gradient")]
    NoStart {
        /// Number of candidates tried.
        tried: usize,
    },
    /// No step size gives an acceptable energy error.
    #[error("no usable step size: the energy error is still too large at step {step}")]
    StepSize {
        /// Smallest step tried.
        step: f64,
    },
    /// The step size grew to its bound: in the coordinates of the metric the density is flat, or
    /// rises without end, as that of an improper distribution.
    #[error(
        "tuning ran away: the step size has reached {step:e} standard deviations of the metric in \
         transition {draw}, so that the density has no scale there (is it improper?)"
    )]
    Runaway {
        /// Index of the transition, warmup included; 0 while the chain is being set up.
        draw: usize,
        /// Step size, in units of the standard deviations of the metric.
        step: f64,
    },
    /// The density failed in a way it calls fatal.
    #[error("log density failed in transition {draw}: {source}")]
    Density {
        /// Index of the transition, warmup included; 0 while the chain is being set up.
        draw: usize,
        /// The density's own error.
        source: E,
    },
    /// A saved state contradicts itself.
    #[error("saved chain state is inconsistent: {reason}")]
    State {
        /// What does not fit.
        reason: String,
    },
}
