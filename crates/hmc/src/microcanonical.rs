//! Transitions along isokinetic trajectories: with and without a Metropolis test.
//!
//! References: Robnik, De Luca, Silverstein & Seljak 2023 (JMLR 24, 311; arXiv:2212.08549) and Robnik
//! & Seljak 2023, *Fluctuation without dissipation: Microcanonical Langevin Monte Carlo*
//! (arXiv:2303.18221), for the unadjusted sampler; Robnik, Cohn-Gordon & Seljak 2025
//! (arXiv:2503.01707) for the adjusted one.

use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};

use crate::{
    density::LogDensity,
    hamiltonian::{Hamiltonian, Point, Proposal},
    nuts::Outcome,
    settings::Refreshment,
    vector::normalise,
};

/// Most steps of a trajectory.
const MAX_STEPS: f64 = 1000.0;

/// Over how many trajectory lengths partial refreshment forgets the direction within an adjusted
/// trajectory; the value that the authors of arXiv:2503.01707 use in their experiments.
const PARTIAL_LENGTH: f64 = 1.25;

/// Time over that of decoherence after which nothing is left of a direction; the squares of the noise
/// of longer ones would overflow.
const LONGEST_RATIO: f64 = 300.0;

/// How an adjusted trajectory is run.
#[derive(Clone, Copy, Debug)]
pub struct Trajectory {
    /// Step size.
    pub step: f64,
    /// Mean number of steps.
    pub mean_steps: f64,
    /// Where the randomness comes from that keeps the chain from running in circles.
    pub refreshment: Refreshment,
    /// Energy error at which it is given up.
    pub max_energy_error: f64,
}

/// One Metropolis-adjusted transition from `start` (direction already drawn), which is left at the
/// trajectory's end. The next state is left in `chosen`.
///
/// The proposal is its own inverse when the direction is reversed, in law where noise is added on the
/// way, and the direction is uniform at both ends; the test with the sum of the energy errors of the
/// steps, volume included, makes the target stationary.
pub fn adjusted<D: LogDensity>(
    dynamics: &mut Hamiltonian<D>,
    start: &mut Point,
    chosen: &mut Proposal,
    trajectory: Trajectory,
    rng: &mut impl Rng,
) -> Result<Outcome, D::Error> {
    chosen.take(start, -start.log_density);
    let Trajectory { step, mean_steps, refreshment, max_energy_error } = trajectory;
    let (steps, noise) = match refreshment {
        Refreshment::RandomLength => (random_steps(mean_steps, rng), None),
        Refreshment::Langevin => {
            let steps = mean_steps.round().clamp(1.0, MAX_STEPS);
            (steps, Some(1.0 / (PARTIAL_LENGTH * steps)))
        }
    };
    let mut outcome = Outcome::default();
    let mut error = 0.0;
    let (mut accepted, mut symmetric) = (0.0, 0.0);
    for n in 0..steps as u32 {
        if let Some(ratio) = noise
            && n > 0
        {
            partially_refresh(&mut start.p, ratio, rng);
        }
        error += dynamics.isokinetic_step(start, step)?;
        outcome.steps += 1;
        outcome.divergent = error > max_energy_error;
        if outcome.divergent {
            // An edge that the density cannot be evaluated beyond is met with steps of any size: if
            // the points before it did not count, the step size would tend to zero.
            if error == f64::INFINITY {
                outcome.accept = accepted / f64::from(outcome.steps);
                outcome.symmetric_accept = symmetric / f64::from(outcome.steps);
            }
            return Ok(outcome);
        }
        accepted += (-error).exp().min(1.0);
        symmetric += 2.0 / (1.0 + error.abs().exp());
    }
    outcome.accept = (-error).exp().min(1.0);
    outcome.symmetric_accept = 2.0 / (1.0 + error.abs().exp());
    if rng.random::<f64>() < outcome.accept {
        chosen.take(start, -start.log_density);
        outcome.moved = true;
    }
    Ok(outcome)
}

/// A number of steps uniform from one up, with the given mean.
fn random_steps(mean: f64, rng: &mut impl Rng) -> f64 {
    // ceil(u s) is uniform on 1..=s with mean (s + 1) / 2
    let span = (2.0 * mean - 1.0).clamp(1.0, MAX_STEPS);
    ((1.0 - rng.random::<f64>()) * span).ceil()
}

/// `steps` unadjusted steps of `point`, each followed by a partial refreshment of its direction over
/// the time `length`. `before` is work space.
///
/// A step whose energy error exceeds its bound (or whose density cannot be evaluated) is taken back
/// and the direction reversed, as a Metropolis test would: it counts as divergent.
pub fn unadjusted<D: LogDensity>(
    dynamics: &mut Hamiltonian<D>,
    point: &mut Point,
    before: &mut Point,
    (step, steps, length, max_energy_error): (f64, u32, f64, f64),
    rng: &mut impl Rng,
) -> Result<Outcome, D::Error> {
    let mut outcome = Outcome { moved: true, ..Outcome::default() };
    let mut accepted = 0u32;
    for _ in 0..steps {
        before.copy_from(point);
        let error = dynamics.isokinetic_step(point, step)?;
        outcome.steps += 1;
        if error.abs() <= max_energy_error {
            accepted += 1;
            outcome.accept += (-error).exp().min(1.0);
            outcome.symmetric_accept += 2.0 / (1.0 + error.abs().exp());
            outcome.squared_error += error * error;
        } else {
            outcome.divergent = true;
            point.copy_from(before);
            point.p.iter_mut().for_each(|u| *u = -*u);
        }
        partially_refresh(&mut point.p, step / length, rng);
    }
    outcome.accept /= f64::from(steps);
    outcome.symmetric_accept /= f64::from(steps);
    outcome.squared_error /= f64::from(accepted.max(1));
    Ok(outcome)
}

/// Adds noise to a direction: `u' = (u + nu z) / |u + nu z|` with `z ~ N(0, I)` and `nu^2 =
/// (exp(2 r) - 1) / d`, after which `u'.u` is `exp(-r)` on average in many dimensions; `r` is the
/// time passed over that of decoherence (arXiv:2212.08549, the continuous bounces of MCLMC).
fn partially_refresh(direction: &mut [f64], ratio: f64, rng: &mut impl Rng) {
    let ratio = ratio.min(LONGEST_RATIO);
    let noise = ((2.0 * ratio).exp_m1() / direction.len() as f64).sqrt();
    for u in &mut *direction {
        let z: f64 = StandardNormal.sample(rng);
        *u += noise * z;
    }
    normalise(direction);
}

#[cfg(test)]
mod tests {
    use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

    use super::*;
    use crate::vector::dot;

    #[test]
    fn numbers_of_steps_have_their_mean() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for mean in [1.0, 1.4, 3.0, 7.5, 100.0] {
            let steps: Vec<f64> = (0..20_000).map(|_| random_steps(mean, &mut rng)).collect();
            let found = steps.iter().sum::<f64>() / 2e4;
            assert!((found / mean - 1.0).abs() < 0.06, "{found} {mean}");
            assert!(steps.iter().all(|&n| n >= 1.0 && n <= 2.0 * mean));
        }
    }

    #[test]
    fn noise_forgets_at_its_rate() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let mut first = vec![1.0; 10_000];
        normalise(&mut first);
        let mut direction = first.clone();
        for _ in 0..10 {
            partially_refresh(&mut direction, 0.1, &mut rng);
        }
        assert!((dot(&first, &direction) - (-1.0f64).exp()).abs() < 0.03);
        assert!((dot(&direction, &direction) - 1.0).abs() < 1e-13);
        // infinitely long: unrelated, and still a direction
        for ratio in [300.0, 355.0, 1e7, f64::INFINITY] {
            partially_refresh(&mut direction, ratio, &mut rng);
            assert!(dot(&first, &direction).abs() < 0.05, "{ratio}");
            assert!((dot(&direction, &direction) - 1.0).abs() < 1e-13, "{ratio}");
        }
    }
}
