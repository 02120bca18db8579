//! One row per parameter: moments, quantiles, and whether they can be trusted.

use serde::{Deserialize, Serialize};

use crate::convergence::{
    ESS_LIMIT, R_HAT_LIMIT, ess_bulk, ess_tail, mcse_mean, mcse_sd, prepared, r_hat,
};
use crate::error::Result;
use crate::moments::{plain_mean, plain_variance};
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
    /// Rank-normalised split R-hat; infinite for chains that stand still in different places.
    #[serde(with = "crate::any_float")]
    pub r_hat: f64,
}

/// What forbids to use the draws of a parameter, with the number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Doubt {
    /// The chains disagree: R-hat is not below [`R_HAT_LIMIT`].
    RHat(f64),
    /// Fewer effective draws than [`ESS_LIMIT`] in the bulk.
    Bulk(f64),
    /// Fewer effective draws than [`ESS_LIMIT`] in the tails.
    Tails(f64),
}

impl std::fmt::Display for Doubt {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Self::RHat(r_hat) => write!(f, "R-hat {r_hat:.3} is not below {R_HAT_LIMIT}"),
            Self::Bulk(ess) => {
                write!(f, "{ess:.0} effective draws in the bulk; {ESS_LIMIT} are advisable")
            }
            Self::Tails(ess) => {
                write!(f, "{ess:.0} effective draws in the tails; {ESS_LIMIT} are advisable")
            }
        }
    }
}

impl Doubt {
    /// All that is wrong with an R-hat and effective sample sizes of bulk and tails; a NaN is wrong.
    #[must_use]
    pub fn of(r_hat: f64, ess_bulk: f64, ess_tail: f64) -> Vec<Self> {
        let enough = |ess: f64| ess >= ESS_LIMIT;
        let checks = [
            (r_hat < R_HAT_LIMIT, Self::RHat(r_hat)),
            (enough(ess_bulk), Self::Bulk(ess_bulk)),
            (enough(ess_tail), Self::Tails(ess_tail)),
        ];
        checks.into_iter().filter(|(fine, _)| !fine).map(|(_, doubt)| doubt).collect()
    }
}

impl ParameterSummary {
    /// What speaks against the draws; nothing, if the chains have converged.
    #[must_use]
    pub fn doubts(&self) -> Vec<Doubt> {
        Doubt::of(self.r_hat, self.ess_bulk, self.ess_tail)
    }
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
/// As [`summarise`], when the chains differ in length or have a value that is not finite, and when a
/// standard deviation or error is too large or too small for a number.
pub fn summarise_parameter(name: &str, chains: &[Vec<f64>]) -> Result<ParameterSummary> {
    let (measured, unit) = prepared(name, chains)?;
    let draws = sorted(&measured);
    let quantile = |probability| unit.place(quantile_of_sorted(&draws, probability));
    Ok(ParameterSummary {
        name: name.to_owned(),
        mean: unit.place(plain_mean(&draws)),
        sd: unit.size(&format!("standard deviation of {name}"), plain_variance(&draws).sqrt())?,
        q16: quantile(0.16),
        q50: quantile(0.5),
        q84: quantile(0.84),
        mcse_mean: mcse_mean(chains)?,
        mcse_sd: mcse_sd(chains)?,
        ess_bulk: ess_bulk(chains)?,
        ess_tail: ess_tail(chains)?,
        r_hat: r_hat(chains)?,
    })
}
