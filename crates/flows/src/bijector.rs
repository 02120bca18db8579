//! Increasing functions of one variable, a module each.
//!
//! A layer of a flow moves its features by `y = f(x; p)`, with parameters `p` that a network makes
//! of other features and the context: see [`coupling`](crate::coupling) and
//! [`autoregressive`](crate::autoregressive). Densities need `f` and `ln df/dx`, draws the inverse.
//! Parameters near zero give nearly the identity.
//!
//! *Shapes.* `x`, `y` and `ln df/dx` are `[rows, features]`, the parameters
//! `[rows, features * parameters]`.
//!
//! *When to use.* [`affine`] for densities with one mode and many evaluations, [`spline`] for
//! several modes and sharp edges, [`smooth`] where scores are learnt or used.
//! *When not.* [`affine`] for a support with edges, [`spline`] where scores must not have kinks,
//! [`smooth`] where every evaluation counts.
//!
//! # References
//! G. Papamakarios et al., "Normalizing flows for probabilistic modeling and inference", JMLR 22
//! (2021) 1, arXiv:1912.02762.

pub mod affine;
pub mod smooth;
pub mod spline;

use autodiff::tensor::Var;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A family of increasing functions of the real line onto itself.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Bijector {
    /// `y = x e^s + t`, see [`affine`].
    Affine,
    /// Rational-quadratic spline within `[-bound, bound]`, the identity beyond, see [`spline`].
    Spline {
        /// Number of bins; at least 2.
        bins: usize,
        /// Half width of the interval that the spline covers, in standardised units.
        bound: f64,
    },
    /// Mixture of smooth ramps within `[-bound, bound]`, linear beyond, see [`smooth`].
    Smooth {
        /// Number of ramps; at least 1.
        components: usize,
        /// Half width of the interval in which it is infinitely differentiable, in standardised
        /// units.
        bound: f64,
    },
    /// The inverse of [`Bijector::Smooth`]: the root is solved for in densities, and draws are in
    /// closed form.
    SmoothInverse {
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
            Self::Smooth { components, .. } | Self::SmoothInverse { components, .. } => {
                4 * components
            }
        }
    }

    /// The interval onto itself, if the function has one.
    #[must_use]
    pub fn bound(self) -> Option<f64> {
        match self {
            Self::Affine => None,
            Self::Spline { bound, .. }
            | Self::Smooth { bound, .. }
            | Self::SmoothInverse { bound, .. } => Some(bound),
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
            Self::SmoothInverse { components, .. } => {
                ("bijector.smooth_inverse.components", components, 1, "1 to 256")
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

    /// Which of `features` features each column of the parameters belongs to.
    pub(crate) fn owners(self, features: usize) -> Vec<usize> {
        let count = self.parameters();
        match self {
            // all scales, then all shifts: parts of the parameters without a rearrangement
            Self::Affine => (0..count * features).map(|column| column % features).collect(),
            // feature by feature: a reshape gives a row to each
            Self::Spline { .. } | Self::Smooth { .. } | Self::SmoothInverse { .. } => {
                (0..count * features).map(|column| column / count).collect()
            }
        }
    }

    /// The parameters of one of `features` features, `[rows, parameters]`.
    pub(crate) fn parameters_of(self, all: &Var, feature: usize, features: usize) -> Var {
        let count = self.parameters();
        match self {
            Self::Affine => {
                let shift = features + feature;
                Var::concat(&[&all.columns(feature..feature + 1), &all.columns(shift..shift + 1)])
            }
            Self::Spline { .. } | Self::Smooth { .. } | Self::SmoothInverse { .. } => {
                all.columns(feature * count..(feature + 1) * count)
            }
        }
    }

    /// `y(x)` and `ln dy/dx`, both `[rows, features]`; NaN where a parameter is.
    pub(crate) fn forward(self, x: &Var, parameters: &Var) -> (Var, Var) {
        match self {
            Self::Affine => affine::forward(x, parameters),
            Self::Spline { bins, bound } => {
                let (column, each) = self.column(x, parameters);
                in_shape_of(x, spline::forward(&column, &each, bins, bound as f32))
            }
            Self::Smooth { components, bound } => {
                let (column, each) = self.column(x, parameters);
                in_shape_of(x, smooth::forward(&column, &each, components, bound as f32))
            }
            Self::SmoothInverse { components, bound } => {
                let (column, each) = self.column(x, parameters);
                in_shape_of(x, smooth::inverse_or_nan(&column, &each, components, bound as f32))
            }
        }
    }

    /// `x(y)` and `ln dx/dy`, both `[rows, features]`.
    pub(crate) fn inverse(self, y: &Var, parameters: &Var) -> Result<(Var, Var)> {
        Ok(match self {
            Self::Affine => affine::inverse(y, parameters),
            Self::Spline { bins, bound } => {
                let (column, each) = self.column(y, parameters);
                in_shape_of(y, spline::inverse(&column, &each, bins, bound as f32))
            }
            Self::Smooth { components, bound } => {
                let (column, each) = self.column(y, parameters);
                in_shape_of(y, smooth::inverse(&column, &each, components, bound as f32)?)
            }
            Self::SmoothInverse { components, bound } => {
                let (column, each) = self.column(y, parameters);
                in_shape_of(y, smooth::forward(&column, &each, components, bound as f32))
            }
        })
    }

    /// The entries of `x` as `[n, 1]`, with the parameters of each, `[n, parameters]`.
    fn column(self, x: &Var, parameters: &Var) -> (Var, Var) {
        let count = x.dims().iter().product();
        (x.reshape([count, 1]), parameters.reshape([count, self.parameters()]))
    }
}

fn in_shape_of(x: &Var, (image, log_derivative): (Var, Var)) -> (Var, Var) {
    (image.reshape(x.dims()), log_derivative.reshape(x.dims()))
}
