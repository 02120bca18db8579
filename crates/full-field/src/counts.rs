//! What was simulated, as the code counted it.

use std::iter::Sum;
use std::ops::Add;

use sbi::simulations::Simulations;
use serde::{Deserialize, Serialize};

/// Calls of the simulator.
///
/// A simulation that gave a gradient is one simulation and one gradient here. The paper counts it
/// as two simulations (a gradient costs about as much again), see [`Count::published`].
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Count {
    /// Calls, with those that failed.
    pub simulations: u64,
    /// Those of them that gave a gradient.
    pub gradients: u64,
    /// Those of them without a map, because the model has none at their cosmology.
    pub failures: u64,
}

impl Count {
    /// The number of simulations by the accounting of the paper: with a gradient they count twice.
    #[must_use]
    pub fn published(self) -> u64 {
        self.simulations + self.gradients
    }

    /// Gradients of an explicit density: each is a simulation and its adjoint.
    #[must_use]
    pub fn of_gradients(gradients: u64) -> Self {
        Self { simulations: gradients, gradients, failures: 0 }
    }

    /// What a set of simulations records of the calls with an index below `calls`: its rows, and
    /// those that were dropped. Rows with scores have cost a gradient.
    #[must_use]
    pub fn of_calls(set: &Simulations, calls: u64) -> Self {
        let rows = set.sources().unwrap_or_default();
        let rows = rows.iter().filter(|source| source.index < calls).count() as u64;
        let dropped = set.dropped().iter().filter(|dropped| dropped.source.index < calls);
        let failures = dropped.count() as u64;
        let gradients = if set.scores().is_some() { rows } else { 0 };
        Self { simulations: rows + failures, gradients, failures }
    }
}

impl Add for Count {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            simulations: self.simulations + other.simulations,
            gradients: self.gradients + other.gradients,
            failures: self.failures + other.failures,
        }
    }
}

impl Sum for Count {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), Self::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gradient_counts_twice_by_the_published_accounting() {
        let plain = Count { simulations: 500, gradients: 0, failures: 3 };
        let scored = Count { simulations: 500, gradients: 497, failures: 3 };
        assert_eq!(plain.published(), 500);
        assert_eq!(scored.published(), 997);
        // The published cost of a draw: 63 leapfrog steps, each a gradient.
        assert_eq!(Count::of_gradients(63).published(), 126);
        let both: Count = [plain, scored].into_iter().sum();
        assert_eq!(both, Count { simulations: 1000, gradients: 497, failures: 6 });
    }
}
