//! Mean negative log probability of held-out parameters.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::moments::{plain_mean, plain_variance};
use crate::unit::Unit;

/// What to do with log probabilities that are NaN or infinite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NonFinite {
    /// Refuse them.
    #[default]
    Reject,
    /// Leave them out and count them: the mean is then too low by an unknown amount, since it is
    /// the least probable values that are left out.
    Exclude,
}

/// A mean negative log probability.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct NegativeLogProbability {
    /// -mean of log q(truth | x), in nats; lower is better.
    pub value: f64,
    /// Standard error of the mean.
    pub error: f64,
    /// Number of values in the mean.
    pub count: usize,
    /// Number of values that were NaN or infinite and left out.
    pub excluded: usize,
}

/// The mean of -log q(truth | x) over independent observations, from `log_probabilities`
/// `[observation]`.
///
/// Up to a constant of the simulator, an estimate of the expected Kullback-Leibler divergence from
/// the exact posterior. It depends on the unit of the parameters. To compare two posteriors on the
/// same observations, pass the differences of their log probabilities: their scatter, and so the
/// error, is much smaller than that of each.
///
/// # Errors
/// [`Error::NotFiniteValues`] with the number of NaN and infinite values, unless these are
/// excluded; when fewer than two values are left; [`Error::OutOfRange`] when the error is too large
/// or too small for a number.
pub fn negative_log_probability(
    log_probabilities: &[f64],
    non_finite: NonFinite,
) -> Result<NegativeLogProbability> {
    let kept: Vec<f64> = log_probabilities.iter().copied().filter(|l| l.is_finite()).collect();
    let excluded = log_probabilities.len() - kept.len();
    if excluded > 0 && non_finite == NonFinite::Reject {
        let nan = log_probabilities.iter().filter(|l| l.is_nan()).count();
        return Err(Error::NotFiniteValues {
            what: "log probabilities".into(),
            nan,
            infinite: excluded - nan,
            total: log_probabilities.len(),
        });
    }
    if kept.len() < 2 {
        let what = "finite log probabilities".into();
        return Err(Error::TooFew { what, minimum: 2, found: kept.len() });
    }
    let unit = Unit::of(&kept);
    let measured = unit.measured(&kept);
    let error = (plain_variance(&measured) / kept.len() as f64).sqrt();
    Ok(NegativeLogProbability {
        value: unit.place(-plain_mean(&measured)),
        error: unit.size("the error of the mean", error)?,
        count: kept.len(),
        excluded,
    })
}
