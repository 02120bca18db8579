//! What becomes of simulations that fail or are not finite.

use serde::{Deserialize, Serialize};

use super::Source;

/// What to do with a simulation that cannot be used as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFault {
    /// Stop, naming it.
    #[default]
    Error,
    /// Leave it out, and list it among the dropped.
    ///
    /// *When not to use.* If failures depend on the parameters, what is left is no sample of the
    /// joint distribution: a likelihood or ratio learned from it is biased, a posterior is that
    /// under the condition that the simulation does not fail.
    Drop,
    /// Keep it: non-finite values as they are, NaN for the observables of a run that failed. For
    /// methods that model the failures, or to look at them.
    Keep,
}

/// What to do with simulations that cannot be used as they are. By default both stop the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// With a NaN or infinity in the observables or the score.
    pub non_finite: OnFault,
    /// Whose simulator returned an error.
    pub failed: OnFault,
}

impl Policy {
    /// Drops, and counts, both kinds.
    pub const DROP: Self = Self { non_finite: OnFault::Drop, failed: OnFault::Drop };
}

/// Why a simulation was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A NaN or infinity in its observables or its score.
    NonFinite,
    /// Its simulator returned an error.
    Failed,
}

/// A simulation that was made and is not among the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// Its seed and index.
    pub source: Source,
    /// Why it was dropped.
    pub reason: Reason,
    /// Number of rows made before it.
    pub row: u64,
}
