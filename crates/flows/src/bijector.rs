//! Increasing functions of one variable, a file each.
//!
//! Each acts on a column `[n, 1]` with parameters `[n, parameters]`, one row per number, that a
//! conditioner network makes; parameters near zero give nearly the identity.

mod affine;
mod smooth;
mod spline;

use autodiff::tensor::Var;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A family of increasing functions of the real line onto itself.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Bijector {
    /// `y = x e^s + t`, see the module `affine`.
    Affine,
    /// Rational-quadratic spline within `[-bound, bound]`, the identity beyond.
    Spline {
        /// Number of bins; at least 2.
        bins: usize,
        /// Half width of the interval that the spline covers, in standardised units.
        bound: f64,
    },
    /// Mixture of smooth ramps within `[-bound, bound]`, linear beyond.
    Smooth {
        /// Number of ramps; at least 1.
        components: usize,
        /// Half width of the interval in which it is infinitely differentiable, in standardised
        /// units.
        bound: f64,
    },
}

impl Bijector {
    /// Number of parameters of each function.
    #[must_use]
    pub fn parameters(self) -> usize {
        match self {
            Self::Affine => 2,
            Self::Spline { bins, .. } => 3 * bins - 1,
            Self::Smooth { components, .. } => 4 * components,
        }
    }

    /// The interval onto itself, if the function has one.
    #[must_use]
    pub fn bound(self) -> Option<f64> {
        match self {
            Self::Affine => None,
            Self::Spline { bound, .. } | Self::Smooth { bound, .. } => Some(bound),
        }
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// [`Error::Setting`] naming the first that is out of range.
    pub fn validate(self) -> Result<()> {
        let (setting, count, least, expected) = match self {
            Self::Affine => return Ok(()),
            Self::Spline { bins, .. } => ("bijector.spline.bins", bins, 2, "2 to 256"),
            Self::Smooth { components, .. } => {
                ("bijector.smooth.components", components, 1, "1 to 256")
            }
        };
        if !(least..=256).contains(&count) {
            return Err(Error::Setting { setting, value: count.to_string(), expected });
        }
        match self.bound() {
            Some(bound) if !(bound.is_finite() && bound > 0.0) => Err(Error::Setting {
                setting: "bijector.bound",
                value: bound.to_string(),
                expected: "a positive number",
            }),
            _ => Ok(()),
        }
    }

    /// `y(x)` and `ln dy/dx`, both `[n, 1]`.
    pub(crate) fn forward(self, x: &Var, parameters: &Var) -> (Var, Var) {
        match self {
            Self::Affine => affine::forward(x, parameters),
            Self::Spline { bins, bound } => spline::forward(x, parameters, bins, bound as f32),
            Self::Smooth { components, bound } => {
                smooth::forward(x, parameters, components, bound as f32)
            }
        }
    }

    /// `x(y)` and `ln dx/dy`, both `[n, 1]`.
    pub(crate) fn inverse(self, y: &Var, parameters: &Var) -> Result<(Var, Var)> {
        match self {
            Self::Affine => Ok(affine::inverse(y, parameters)),
            Self::Spline { bins, bound } => Ok(spline::inverse(y, parameters, bins, bound as f32)),
            Self::Smooth { components, bound } => {
                Ok(smooth::inverse(y, parameters, components, bound as f32)?)
            }
        }
    }
}
