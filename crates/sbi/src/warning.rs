//! What may be wrong with a posterior although everything can be computed.

use serde::{Deserialize, Serialize};

/// A doubt about an estimator, or about its posterior given an observation. Observables are counted
/// from zero.
#[derive(Clone, Debug, PartialEq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Warning {
    /// A flow of affine layers has a single feature.
    #[error(
        "an affine flow (affine, maf) of one {feature} is a normal distribution, however many layers \
         it has: neither skewness nor a second mode can be learnt; choose autoregressive-spline, \
         spline or smooth"
    )]
    OnlyNormal {
        /// What it is a density of: `parameter` or `observable`.
        feature: Feature,
    },
    /// An observable is the same in all simulations, or in all but a few, and is left out of the
    /// likelihood.
    #[error(
        "observable {observable} is {value} in all simulations{}: it has no density and was left out \
         of the likelihood",
        but(*others)
    )]
    LeftOut {
        /// Its index.
        observable: usize,
        /// Its value.
        value: f64,
        /// Simulations with another value.
        others: usize,
    },
    /// An observable that a density is estimated of takes some values again and again.
    #[error(
        "observable {observable} is discrete ({values} values; {:.0} % of the simulations have \
         {common}): it has no density{}; the posterior or the ratio (npe, nre) needs none",
        100.0 * share,
        if *dequantised {
            ", and the likelihood is that of values with noise as wide as the steps between them"
        } else {
            ", and a likelihood fitted as one grows at common values without bound, which says little \
             about the parameters"
        }
    )]
    Discrete {
        /// Its index.
        observable: usize,
        /// Different values in the simulations.
        values: usize,
        /// The most common of them.
        common: f64,
        /// Fraction of the simulations that have it.
        share: f64,
        /// True if simulations got noise as wide as the steps between values.
        dequantised: bool,
    },
    /// An observable is the same in all simulations, or in all but a few, and differs from it in the
    /// observation.
    #[error(
        "observable {observable} is {value} in the observation and {expected} in all \
         simulations{}: they contradict each other, and what it tells of the parameters is unknown",
        but(*others)
    )]
    Contradiction {
        /// Its index.
        observable: usize,
        /// The observed value.
        value: f64,
        /// That of the simulations.
        expected: f64,
        /// Simulations with another value.
        others: usize,
    },
    /// An observed value lies outside the simulations.
    #[error(
        "observable {observable} is {value} in the observation, outside the {least} to {most} of all \
         simulations: networks extrapolate; simulate more, or near it"
    )]
    OutsideSimulations {
        /// Its index.
        observable: usize,
        /// The observed value.
        value: f64,
        /// Smallest value of the simulations.
        least: f64,
        /// Largest value of the simulations.
        most: f64,
    },
    /// An observed value lies in the tail of a skewed or heavy-tailed observable that a density is
    /// estimated of, where there are hardly any simulations.
    #[error(
        "observable {observable} is {value} in the observation, so far out in a tail that fewer than \
         {few} simulations lie there: the likelihood rests on them; simulate more, or near it (in \
         rounds: snle)"
    )]
    InTail {
        /// Its index.
        observable: usize,
        /// The observed value.
        value: f64,
        /// More than the simulations that lie beyond it.
        few: usize,
    },
    /// An observed value lies where a flow is the identity or linear.
    #[error(
        "observable {observable} is {value} in the observation, outside the {least} to {most} in \
         which the flow acts: beyond, the likelihood says little or nothing of the parameters; \
         choose Gaussian tails, or a wider bound"
    )]
    OutsideBox {
        /// Its index.
        observable: usize,
        /// The observed value.
        value: f64,
        /// Lower end of the interval in which the flow acts.
        least: f64,
        /// Its upper end.
        most: f64,
    },
}

/// What a flow is a density of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Feature {
    /// A parameter, of posteriors.
    Parameter,
    /// An observable, of likelihoods.
    Observable,
}

impl std::fmt::Display for Feature {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Parameter => "parameter",
            Self::Observable => "observable",
        })
    }
}

/// The exceptions, in words.
fn but(others: usize) -> String {
    if others == 0 { String::new() } else { format!(" but {others}") }
}
