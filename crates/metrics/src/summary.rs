//! One row per parameter: moments, quantiles, and whether they can be trusted.

use serde::{Deserialize, Serialize};

use crate::convergence::{ess_bulk, ess_tail, mcse_mean, mcse_sd, r_hat, validate};
use crate::error::Result;
use crate::moments::{mean, variance};
use crate::quantile::{quantile_of_sorted, sorted};
use crate::samples::Samples;

/// Posterior summary of one parameter; every length in the unit of the parameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ParameterSummary {
    /// Name of the parameter.
    pub name: String,
    /// Mean.
    pub mean: f64,
    /// Standard deviation (divisor n - 1).
    pub sd: f64,
    /// 16 % quantile.
    pub q16: f64,
    /// Median.
    pub q50: f64,
    /// 84 % quantile.
    pub q84: f64,
    /// Monte-Carlo standard error of the mean.
    pub mcse_mean: f64,
    /// Monte-Carlo standard error of the standard deviation.
    pub mcse_sd: f64,
    /// Effective sample size of the bulk.
    pub ess_bulk: f64,
    /// Effective sample size of the tails.
    pub ess_tail: f64,
    /// Rank-normalised split R-hat.
    pub r_hat: f64,
}

/// Summarises every parameter.
///
/// # Errors
/// With fewer than four draws per chain, or when a parameter is constant.
pub fn summarise(samples: &Samples) -> Result<Vec<ParameterSummary>> {
    (0..samples.names().len())
        .map(|i| summarise_parameter(&samples.names()[i], &samples.parameter(i)?))
        .collect()
}

/// Summarises one parameter from its draws `[chain][draw]`.
///
/// # Errors
/// As [`summarise`], and when the chains differ in length or have a value that is not finite.
pub fn summarise_parameter(name: &str, chains: &[Vec<f64>]) -> Result<ParameterSummary> {
    validate(name, chains)?;
    let draws = sorted(chains);
    Ok(ParameterSummary {
        name: name.to_owned(),
        mean: mean(&draws),
        sd: variance(&draws).sqrt(),
        q16: quantile_of_sorted(&draws, 0.16),
        q50: quantile_of_sorted(&draws, 0.5),
        q84: quantile_of_sorted(&draws, 0.84),
        mcse_mean: mcse_mean(chains)?,
        mcse_sd: mcse_sd(chains)?,
        ess_bulk: ess_bulk(chains)?,
        ess_tail: ess_tail(chains)?,
        r_hat: r_hat(chains)?,
    })
}
