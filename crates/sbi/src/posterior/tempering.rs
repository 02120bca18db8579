//! A population of points that follows the posterior from the prior on.
//!
//! With `L` the ratio of posterior to prior, the densities `prior L^b` lead from the prior (`b` = 0)
//! to the posterior (`b` = 1). Prior draws are weighted for the next `b`, chosen such that most of
//! the weights' information is left, resampled, and moved by a few random-walk Metropolis steps
//! with the population's covariance; and so on until `b` = 1. Every mode is found that some prior
//! draw lies in the slope of, and keeps its share of the points. A posterior as wide as the prior
//! takes one stage (plain importance resampling), a narrow one a few more.
//!
//! # References
//! P. Del Moral, A. Doucet and A. Jasra, "Sequential Monte Carlo samplers", J. R. Stat. Soc. B 68
//! (2006) 411. A. Jasra, D. A. Stephens, A. Doucet and T. Tsagaris, "Inference for Lévy-driven
//! stochastic volatility models via adaptive sequential Monte Carlo", Scand. J. Stat. 38 (2011) 1,
//! for the choice of `b`.

use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::moments::Moments;
use crate::error::Result;

/// Stages after which the population is taken as it is; each lowers the log density's range by a
/// factor of about two.
const MOST_STAGES: usize = 100;
/// Most Metropolis steps per stage; fewer where they are accepted.
const MOST_MOVES: usize = 12;
/// Accepted steps per point and stage after which no more are made.
const ACCEPTED: f64 = 1.5;
/// Acceptance the length of the steps is tuned to.
const ACCEPTANCE: f64 = 0.25;

/// Part of the points that the weights of a stage leave effective. The more, the more stages, and
/// the less noise in the shares of separate modes.
const KEPT: f64 = 0.7;

/// Sizes of the population.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Draws from the prior.
    pub prior: usize,
    /// Points that go on.
    pub points: usize,
}

/// Points from (nearly) the posterior, all of the same weight.
#[derive(Clone, Debug)]
pub struct Population {
    /// `[point][coordinate]`, normal coordinates.
    pub u: Vec<f64>,
    /// Their mean and covariance.
    pub moments: Moments,
    /// The power `b` reached: 1 is the posterior.
    pub reached: f64,
    /// Stages that took.
    pub stages: usize,
}

/// Leads a population from the prior, standard normal in `dim` coordinates, to the density whose
/// logarithms `log_densities` gives for points `[row][coordinate]`. `None` if it is finite at no
/// draw from the prior.
///
/// # Errors
/// The first error of `log_densities`.
pub fn population(
    mut log_densities: impl FnMut(&[f64]) -> Result<Vec<f64>>,
    dim: usize,
    sizes: Sizes,
    rng: &mut ChaCha8Rng,
) -> Result<Option<Population>> {
    let mut u: Vec<f64> =
        (0..sizes.prior * dim).map(|_| StandardNormal.sample(&mut *rng)).collect();
    let mut log_density = log_densities(&u)?;
    let mut gain = gains(&u, &log_density, dim);
    let mut reached = 0.0;
    let mut length = 2.38 / (dim as f64).sqrt();
    let mut stages = 0;
    loop {
        let finite = gain.iter().filter(|gain| gain.is_finite()).count();
        if finite == 0 {
            return Ok(None);
        }
        let next = next_power(&gain, reached, KEPT * sizes.points.min(finite) as f64);
        let weights = weights(&gain, next - reached);
        let moments = Moments::new(&u, &weights, dim);
        let chosen = systematic(&weights, sizes.points, rng);
        u = chosen.iter().flat_map(|&row| &u[row * dim..][..dim]).copied().collect();
        log_density = chosen.iter().map(|&row| log_density[row]).collect();
        gain = chosen.iter().map(|&row| gain[row]).collect();
        reached = next;

        let factor = moments.factor();
        let mut accepted = 0.0;
        for _ in 0..MOST_MOVES {
            let proposed = walk(&u, &factor, length, dim, rng);
            let values = log_densities(&proposed)?;
            let gains = gains(&proposed, &values, dim);
            let mut count = 0;
            for row in 0..sizes.points {
                // prior L^b = density L^(b - 1)
                let target = |value: f64, gain: f64| value - (1.0 - reached) * gain;
                let rise = target(values[row], gains[row]) - target(log_density[row], gain[row]);
                let limit = rng.random::<f64>().ln();
                if rise >= limit && gains[row].is_finite() {
                    u[row * dim..][..dim].copy_from_slice(&proposed[row * dim..][..dim]);
                    (log_density[row], gain[row]) = (values[row], gains[row]);
                    count += 1;
                }
            }
            let rate = f64::from(count) / sizes.points as f64;
            length *= (2.0 * (rate - ACCEPTANCE)).exp();
            accepted += rate;
            if accepted >= ACCEPTED {
                break;
            }
        }
        stages += 1;
        if reached >= 1.0 || stages == MOST_STAGES {
            let moments = Moments::new(&u, &vec![1.0; sizes.points], dim);
            return Ok(Some(Population { u, moments, reached, stages }));
        }
    }
}

impl Population {
    /// `count` of the points, spread evenly along the direction of the largest spread so that
    /// modes far apart keep their share, in random order.
    pub fn starts(&self, count: usize, rng: &mut ChaCha8Rng) -> Vec<Vec<f64>> {
        let dim = self.moments.mean.len();
        let direction = self.moments.principal_direction();
        let mut along: Vec<(f64, &[f64])> = self
            .u
            .chunks(dim)
            .map(|point| (point.iter().zip(&direction).map(|(x, d)| x * d).sum(), point))
            .collect();
        along.sort_by(|a, b| a.0.total_cmp(&b.0));
        let chosen = systematic(&vec![1.0; along.len()], count, rng);
        let mut starts: Vec<Vec<f64>> = chosen.iter().map(|&row| along[row].1.to_vec()).collect();
        starts.shuffle(rng);
        starts
    }
}

/// `ln L` of each point, up to a constant; minus infinity where it is not finite.
fn gains(u: &[f64], log_density: &[f64], dim: usize) -> Vec<f64> {
    let squares = u.chunks(dim).map(|point| point.iter().map(|x| x * x).sum::<f64>());
    log_density
        .iter()
        .zip(squares)
        .map(|(value, square)| {
            let gain = value + 0.5 * square;
            if gain.is_finite() { gain } else { f64::NEG_INFINITY }
        })
        .collect()
}

/// `L^power`, of which the largest is 1.
fn weights(gain: &[f64], power: f64) -> Vec<f64> {
    let largest = gain.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weight = |gain: &f64| if gain.is_finite() { (power * (gain - largest)).exp() } else { 0.0 };
    gain.iter().map(weight).collect()
}

/// Points of equal weight that would be worth as much.
fn effective(weights: &[f64]) -> f64 {
    let sum: f64 = weights.iter().sum();
    sum * sum / weights.iter().map(|w| w * w).sum::<f64>()
}

/// The largest power up to 1 that leaves at least `wanted` effective points.
fn next_power(gain: &[f64], reached: f64, wanted: f64) -> f64 {
    let enough = |power: f64| effective(&weights(gain, power - reached)) >= wanted;
    if enough(1.0) {
        return 1.0;
    }
    // in the logarithm of the step, which may be small
    let (mut low, mut high) = (-60.0f64, (1.0 - reached).ln());
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if enough(reached + middle.exp()) { low = middle } else { high = middle }
    }
    reached + low.exp()
}

/// `count` rows in proportion to their weights, each within one of its share.
fn systematic(weights: &[f64], count: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let step = weights.iter().sum::<f64>() / count as f64;
    let offset: f64 = rng.random();
    let last = weights.iter().rposition(|weight| *weight > 0.0).unwrap_or(0);
    let (mut row, mut passed) = (0, weights[0]);
    (0..count)
        .map(|index| {
            while passed < (index as f64 + offset) * step && row < last {
                row += 1;
                passed += weights[row];
            }
            row
        })
        .collect()
}

/// Each point with a normal step of `length` times the covariance's factor.
fn walk(u: &[f64], factor: &[f64], length: f64, dim: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let mut proposed = u.to_vec();
    let mut noise = vec![0.0; dim];
    for point in proposed.chunks_mut(dim) {
        noise.fill_with(|| StandardNormal.sample(&mut *rng));
        for (i, x) in point.iter_mut().enumerate() {
            let row = &factor[i * dim..=i * dim + i];
            *x += length * row.iter().zip(&noise).map(|(l, z)| l * z).sum::<f64>();
        }
    }
    proposed
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    const SIZES: Sizes = Sizes { prior: 8000, points: 3000 };

    /// Two normal modes of sd `sd` at ±1 in each of `dim` coordinates, of shares 3 : 1.
    fn two_modes(sd: f64, dim: usize) -> impl FnMut(&[f64]) -> Result<Vec<f64>> {
        move |u| {
            let value = |point: &[f64]| {
                let mode =
                    |at: f64| -0.5 * point.iter().map(|x| ((x - at) / sd).powi(2)).sum::<f64>();
                let (a, b) = (mode(1.0) + 0.75f64.ln(), mode(-1.0) + 0.25f64.ln());
                a.max(b) + (-(a - b).abs()).exp().ln_1p()
            };
            Ok(u.chunks(dim).map(value).collect())
        }
    }

    #[test]
    fn narrow_modes_keep_their_shares_and_widths() {
        for (sd, dim) in [(0.5, 1), (0.02, 2), (0.1, 6)] {
            let mut rng = ChaCha8Rng::seed_from_u64(1);
            let found = population(two_modes(sd, dim), dim, SIZES, &mut rng).unwrap().unwrap();
            assert!(found.reached == 1.0);
            let upper: Vec<f64> =
                found.u.chunks(dim).map(|point| point[0]).filter(|x| *x > 0.0).collect();
            let share = upper.len() as f64 / SIZES.points as f64;
            assert!((share - 0.75).abs() < 0.06, "sd {sd}, {dim} dimensions: {share}");
            if sd < 0.4 {
                let square = upper.iter().map(|x| (x - 1.0).powi(2)).sum::<f64>();
                let width = (square / upper.len() as f64).sqrt() / sd;
                assert!((width - 1.0).abs() < 0.15, "sd {sd}, {dim} dimensions: {width}");
            }
            let starts = found.starts(40, &mut rng);
            let count = starts.iter().filter(|start| start[0] > 0.0).count();
            assert!(count.abs_diff((share * 40.0).round() as usize) <= 1, "{count} of 40, {share}");
        }
    }

    #[test]
    fn densities_that_are_nowhere_or_rarely_finite() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let nowhere = |u: &[f64]| Ok(vec![f64::NAN; u.len()]);
        assert!(population(nowhere, 1, SIZES, &mut rng).unwrap().is_none());
        let rarely = |u: &[f64]| {
            let value = |x: &f64| if *x > 3.0 { -0.5 * x * x } else { f64::INFINITY };
            Ok(u.iter().map(value).collect())
        };
        let found = population(rarely, 1, SIZES, &mut rng).unwrap().unwrap();
        assert!(found.reached == 1.0 && found.u.iter().all(|x| *x > 3.0));
        // the mean of a normal beyond 3 is phi(3) / Phi(-3)
        assert!((found.moments.mean[0] - 3.283).abs() < 0.05, "{:?}", found.moments);
    }

    #[test]
    fn resampling_is_within_one_of_the_shares() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let weights = [0.0, 3.0, 0.0, 1.0, 0.5, 0.0];
        let rows = systematic(&weights, 90, &mut rng);
        for (row, weight) in weights.iter().enumerate() {
            let count = rows.iter().filter(|found| **found == row).count() as f64;
            assert!((count - 20.0 * weight).abs() < 1.0 + 1e-9, "row {row}: {count}");
        }
    }
}
