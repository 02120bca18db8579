//! The coordinates of the parameters in which networks work.

use serde::{Deserialize, Serialize};

use crate::prior::Prior;

/// Which coordinates of the parameters a network sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Coordinates {
    /// Those in which the prior is standard normal, `theta = quantile(Phi(u))`: they have no edges,
    /// so that no posterior can leak out of the prior.
    #[default]
    Normal,
    /// The parameters as they are. A posterior estimated in them may leak out of the support of the
    /// prior; samples outside are rejected and the leakage is reported.
    Natural,
}

impl Coordinates {
    /// Coordinates of the parameters `theta`; not finite at or beyond the edges of the support, for
    /// [`Coordinates::Normal`].
    #[must_use]
    pub fn of(self, prior: &Prior, theta: &[f64]) -> Vec<f64> {
        match self {
            Self::Normal => prior.to_normal(theta),
            Self::Natural => theta.to_vec(),
        }
    }

    /// Parameters at the coordinates `u`, with the diagonal of d theta / d u.
    #[must_use]
    pub fn theta(self, prior: &Prior, u: &[f64]) -> (Vec<f64>, Vec<f64>) {
        match self {
            Self::Normal => prior.at_normal(u),
            Self::Natural => (u.to_vec(), vec![1.0; u.len()]),
        }
    }

    /// `ln |det d theta / d u|`.
    #[must_use]
    pub fn log_jacobian(self, prior: &Prior, u: &[f64]) -> f64 {
        match self {
            Self::Normal => prior.log_jacobian(u),
            Self::Natural => 0.0,
        }
    }

    /// Log prior density of the coordinates at `u`.
    #[must_use]
    pub fn log_prior(self, prior: &Prior, u: &[f64]) -> f64 {
        match self {
            Self::Normal => {
                let half_ln_tau = 0.5 * (2.0 * std::f64::consts::PI).ln();
                u.iter().map(|u| -0.5 * u * u - half_ln_tau).sum()
            }
            Self::Natural => prior.log_density(u),
        }
    }

    /// Gradient of the log prior density of the coordinates at `u`.
    #[must_use]
    pub fn prior_gradient(self, prior: &Prior, u: &[f64]) -> Vec<f64> {
        match self {
            Self::Normal => u.iter().map(|u| -u).collect(),
            Self::Natural => prior.gradient(u),
        }
    }
}
