//! The step size: a first guess, then dual averaging.

use serde::{Deserialize, Serialize};

/// Nesterov's dual averaging of the log step size towards a mean acceptance probability.
///
/// Reference: Hoffman & Gelman 2014, section 3.2, with its constants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DualAveraging {
    log_step: f64,
    log_averaged: f64,
    mean_error: f64,
    attractor: f64,
    count: u32,
}

impl DualAveraging {
    const GAMMA: f64 = 0.05;
    const OFFSET: f64 = 10.0;
    const KAPPA: f64 = 0.75;

    /// Starts (again) from `step`; early iterates are drawn towards ten times it.
    pub fn new(step: f64) -> Self {
        Self {
            log_step: step.ln(),
            log_averaged: step.ln(),
            mean_error: 0.0,
            attractor: (10.0 * step).ln(),
            count: 0,
        }
    }

    /// Takes in the acceptance statistic of a transition.
    pub fn update(&mut self, accept: f64, target: f64, max_step: f64) {
        self.count += 1;
        let t = f64::from(self.count);
        let weight = 1.0 / (t + Self::OFFSET);
        self.mean_error = (1.0 - weight) * self.mean_error + weight * (target - accept);
        let log_step = self.attractor - self.mean_error * t.sqrt() / Self::GAMMA;
        self.log_step = log_step.min(max_step.ln());
        let eta = t.powf(-Self::KAPPA);
        self.log_averaged = eta * self.log_step + (1.0 - eta) * self.log_averaged;
    }

    /// The step to use while adapting.
    pub fn step(&self) -> f64 {
        self.log_step.exp()
    }

    /// The step to use afterwards.
    pub fn averaged(&self) -> f64 {
        self.log_averaged.exp()
    }
}

/// Smallest step considered before giving up.
const MIN_STEP: f64 = 1e-12;

/// Doubles or halves `step` until the gain in energy of a single step from the present position, with
/// a new momentum each time, crosses `threshold` (Hoffman & Gelman 2014, algorithm 4). `Ok(None)` if
/// no step down to 1e-12 is acceptable.
pub fn first_step<E>(
    step: f64,
    max_step: f64,
    threshold: f64,
    mut gain: impl FnMut(f64) -> Result<f64, E>,
) -> Result<Option<f64>, E> {
    let mut step = step.min(max_step);
    let mut growing = None;
    loop {
        let acceptable = gain(step)? > threshold;
        match growing {
            None => growing = Some(acceptable),
            Some(growing) if growing != acceptable => return Ok(Some(step)),
            Some(_) => {}
        }
        if acceptable {
            if step >= max_step {
                return Ok(Some(max_step));
            }
            step = (2.0 * step).min(max_step);
        } else {
            step *= 0.5;
            if step < MIN_STEP {
                return Ok(None);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_step_with_the_target_acceptance() {
        // acceptance exp(-step): 0.8 at step 0.2231
        let mut averaging = DualAveraging::new(3.0);
        for _ in 0..2000 {
            averaging.update((-averaging.step()).exp(), 0.8, 1e7);
        }
        assert!((averaging.averaged() + 0.8f64.ln()).abs() < 0.01, "{}", averaging.averaged());
    }

    #[test]
    fn stays_below_the_largest_step() {
        let mut averaging = DualAveraging::new(1.0);
        for _ in 0..100 {
            averaging.update(1.0, 0.8, 1.4);
        }
        assert!(averaging.step() <= 1.4 + 1e-12 && averaging.averaged() <= 1.4 + 1e-12);
    }
}
