//! Derivatives of a root with respect to the parameters of its equation.

use crate::Real;

/// Why a root has no derivatives.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum ImplicitRootError {
    /// The equation does not fix x at this point.
    #[error("the root x = {root} is not simple: dF/dx = {slope} there")]
    Singular {
        /// The claimed root.
        root: f64,
        /// dF/dx at it.
        slope: f64,
    },
    /// The residual is not finite, or its derivatives are not.
    #[error("the residual at x = {root} or one of its derivatives is not finite: F = {residual}")]
    NotFinite {
        /// The claimed root.
        root: f64,
        /// F at it.
        residual: f64,
    },
    /// The claimed root is not one.
    #[error(
        "x = {root} is not converged: F = {residual}, the next Newton step of {step} exceeds \
         {tolerance}"
    )]
    NotConverged {
        /// The claimed root.
        root: f64,
        /// F at it.
        residual: f64,
        /// -F / (dF/dx), the distance to the root at first order, in the unit of x.
        step: f64,
        /// The largest allowed distance, in the unit of x.
        tolerance: f64,
    },
}

/// Gives the root x of F(x; theta) = 0 its derivatives with respect to theta, by the implicit
/// function theorem:
///
/// dx/dtheta = -(dF/dtheta) / (dF/dx).
///
/// The solver itself is not differentiated: find `root` in plain `f64` by any method, evaluate
/// once `residual` = F(`root`; theta) with theta carrying its derivatives and `root` a constant,
/// and pass `slope` = dF/dx there (a closed form, or from a [`Dual<1>`](crate::Dual) in x). The
/// derivatives are as accurate as the root: `tolerance` is the largest allowed first-order
/// distance |F / (dF/dx)| to the true root, in the unit of x.
///
/// # Errors
/// When dF/dx is zero or not finite, the residual or its derivatives are not finite, or the root
/// is not converged to `tolerance`.
pub fn implicit_root<R: Real>(
    root: f64,
    residual: R,
    slope: f64,
    tolerance: f64,
) -> Result<R, ImplicitRootError> {
    let value = residual.value();
    if !residual.is_finite() || !root.is_finite() {
        return Err(ImplicitRootError::NotFinite { root, residual: value });
    }
    if slope == 0.0 || !slope.is_finite() {
        return Err(ImplicitRootError::Singular { root, slope });
    }
    let step = -value / slope;
    if step.abs() > tolerance || tolerance.is_nan() {
        return Err(ImplicitRootError::NotConverged { root, residual: value, step, tolerance });
    }
    Ok(residual.chain(root, -slope.recip()))
}
