//! The step size of the unadjusted sampler: from the variance of its energy errors.
//!
//! Nothing corrects the error of an unadjusted step, so the step size is tuned to a given variance of
//! the energy error of a step per dimension, `v = E[dE^2] / d`, which is a measure of the bias. Since
//! `dE` is of third order, `v` goes as the sixth power of the step.
//!
//! On a standard normal in many dimensions the leapfrog step `h` conserves `x.x (1 - h^2 / 12)`
//! instead of `x.x` along with the speed. So its errors are `dE = h^2 d(x.x) / 24` with `v = h^6 / 144`,
//! and it stretches every variance by `1 / (1 - h^2 / 12)`: the relative bias of a variance is `0.44
//! v^(1/3)`, 3.5 per cent at the usual `v = 5e-4`.
//!
//! Reference: Robnik, De Luca, Silverstein & Seljak 2023, section on tuning (arXiv:2212.08549), with
//! the weights of its algorithm.

use serde::{Deserialize, Serialize};

/// Tunes a step size to a variance of the energy error per dimension.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EnergyVariance {
    step: f64,
    /// No step above this, after failures there.
    largest: Option<f64>,
    /// Decaying sums of weights and of weighted `xi / step^6`.
    weight: f64,
    sum: f64,
}

impl EnergyVariance {
    /// The sums forget over this many steps.
    const MEMORY: f64 = 150.0;
    /// Width of the weights in the logarithm of the step: steps far from the right one say little.
    const TRUST: f64 = 1.5;
    /// Growth in one update.
    const GROWTH: f64 = 2.0;
    /// After a failure no step is larger than this part of the one that failed.
    const RETREAT: f64 = 0.8;

    /// Starts (again) from `step`.
    pub fn new(step: f64) -> Self {
        Self { step, largest: None, weight: 0.0, sum: 0.0 }
    }

    /// The step to use.
    pub fn step(&self) -> f64 {
        self.step
    }

    /// Takes in the squared energy error of a step of size `used`, over the number of dimensions and
    /// the variance aimed at.
    pub fn update(&mut self, ratio: f64, used: f64, max_step: f64) {
        let decay = (Self::MEMORY - 1.0) / (Self::MEMORY + 1.0);
        let weight = (-0.5 * (ratio.ln() / (6.0 * Self::TRUST)).powi(2)).exp();
        let bound = self.largest.unwrap_or(max_step).min(max_step).min(Self::GROWTH * self.step);
        if weight > 0.0 {
            self.sum = decay * self.sum + weight * ratio / used.powi(6);
            self.weight = decay * self.weight + weight;
            self.step = bound.min((self.sum / self.weight).powf(-1.0 / 6.0));
        } else {
            // no error worth the name
            self.step = bound;
        }
    }

    /// A step of size `used` failed.
    pub fn fail(&mut self, used: f64) {
        let largest = Self::RETREAT * used.min(self.largest.unwrap_or(used));
        self.largest = Some(largest);
        self.step = self.step.min(largest);
    }

    /// Whether it can go on.
    pub fn is_consistent(&self) -> bool {
        let Self { step, largest, weight, sum } = self;
        let positive = |v: f64| v.is_finite() && v > 0.0;
        let sums = weight.is_finite() && sum.is_finite() && *weight >= 0.0 && *sum >= 0.0;
        positive(*step) && largest.is_none_or(positive) && sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_step_of_the_variance() {
        for start in [1e-3, 0.3, 5.0] {
            let mut tuning = EnergyVariance::new(start);
            for n in 0..600 {
                // a squared error of random size with mean (step / 0.4)^6
                let size = [0.1, 2.5, 0.4, 1.0][n % 4];
                let step = tuning.step();
                tuning.update(size * (step / 0.4).powi(6), step, 1e7);
            }
            assert!((tuning.step() / 0.4 - 1.0).abs() < 0.05, "{start}: {}", tuning.step());
        }
    }

    #[test]
    fn stays_below_the_bounds() {
        let mut tuning = EnergyVariance::new(1.0);
        for _ in 0..50 {
            tuning.update(0.0, tuning.step(), 1.4);
        }
        assert_eq!(tuning.step(), 1.4);
        tuning.fail(1.4);
        assert!((tuning.step() - 0.8 * 1.4).abs() < 1e-15);
        tuning.update(0.0, tuning.step(), 1.4);
        assert!(tuning.step() <= 0.8 * 1.4 && tuning.is_consistent());
    }
}
