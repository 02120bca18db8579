//! Sequential neural likelihood estimation.
//!
//! The likelihood `q(x | theta)` is fitted to the simulations of all rounds by `min -E ln q`, and
//! the next round simulates at draws of `q(x_o | theta) p(theta)`. A likelihood does not depend on
//! where the parameters come from: nothing is corrected.
//!
//! *Shapes.* As those of [`nle`](mod@crate::nle), for one observation `[observable]`; each round
//! proposes parameters `[simulation, parameter]`.
//!
//! *When to use.* First among sequential methods when there are few observables: its loss is plain
//! and stable in every round, and the prior may be changed afterwards.
//! *When not.* Many observables (compress them first), or a cheap simulator: every round samples by
//! MCMC, which may miss separated modes.
//!
//! # References
//! G. Papamakarios, D. C. Sterratt and I. Murray, "Sequential neural likelihood", AISTATS 2019,
//! arXiv:1805.07226, algorithm 1.

use serde::{Deserialize, Serialize};

use super::method::check_fraction;
use crate::error::Result;
use crate::nle::NleSettings;
use crate::posterior::SampleSettings;

/// Settings of sequential neural likelihood estimation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SnleSettings {
    /// The likelihood and its training.
    pub nle: NleSettings,
    /// The chains by which parameters are proposed.
    pub sampling: SampleSettings,
    /// Fraction of each later round that is drawn from the prior, against posteriors that are too
    /// narrow. Default 0.
    pub prior_fraction: f64,
}

impl SnleSettings {
    pub(super) fn validate(&self) -> Result<()> {
        self.sampling.validate()?;
        check_fraction(self.prior_fraction)
    }
}
