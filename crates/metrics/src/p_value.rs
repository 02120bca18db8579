//! Probabilities estimated by counting.

use serde::{Deserialize, Serialize};

/// A p-value that was found by drawing from the null, with its Monte-Carlo error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PValue {
    /// (1 + b) / (1 + n) of b among n draws from the null that are at least as extreme as what
    /// was observed: a valid p-value for any n, never zero.
    pub value: f64,
    /// Its Monte-Carlo standard error sqrt(p (1 - p) / (n + 1)).
    pub error: f64,
}

impl PValue {
    /// From the number of `draws` of the null, of which `beyond` are at least as extreme.
    pub(crate) fn of_counts(beyond: usize, draws: usize) -> Self {
        let n = 1.0 + draws as f64;
        let value = (1.0 + beyond as f64) / n;
        Self { value, error: (value * (1.0 - value) / n).sqrt() }
    }

    /// The two-sided p-value, twice the smaller tail and one at most, of the numbers of draws of
    /// the null at or above and at or below the observed value.
    pub(crate) fn two_sided(above: usize, below: usize, draws: usize) -> Self {
        let tail = Self::of_counts(above.min(below), draws);
        Self { value: (2.0 * tail.value).min(1.0), error: 2.0 * tail.error }
    }
}
