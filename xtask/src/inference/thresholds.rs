//! How many simulations a method needs to reach an accuracy.
//!
//! The mean over the runs at each number of simulations is made monotone (least squares, by pooling
//! neighbours that are out of order) and interpolated linearly in the logarithm of the number. The
//! uncertainty is that of resampled runs.
//!
//! # References
//! M. Ayer et al. 1955, Annals of Mathematical Statistics 26, 641, for the monotone means.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Resampled sets of runs behind an uncertainty.
const RESAMPLES: usize = 1000;
/// Quantiles of them that are given.
const QUANTILES: [f64; 2] = [0.16, 0.84];

/// Where a curve reaches a level.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// At the smallest number already.
    By(f64),
    /// At this number.
    At(f64),
    /// Not with the largest number.
    NotWith(f64),
}

impl Reach {
    /// The order of numbers, those that are not reached last.
    fn rank(self) -> f64 {
        match self {
            Self::By(_) => 0.0,
            Self::At(number) => number,
            Self::NotWith(_) => f64::INFINITY,
        }
    }
}

/// Simulations needed to reach a level.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Needed {
    /// The level.
    pub level: f64,
    /// By the mean curve.
    pub reach: Reach,
    /// 16 % and 84 % quantiles of resampled runs; none of a single run.
    pub interval: Option<[Reach; 2]>,
    /// Part of the resampled sets that reach the level at all.
    pub share: f64,
}

/// The sequence that falls or stays equal everywhere and is closest to `values` in least squares.
#[must_use]
pub fn falling(values: &[f64]) -> Vec<f64> {
    let mut blocks: Vec<(f64, usize)> = Vec::new();
    for &value in values {
        blocks.push((value, 1));
        while let [.., (before, n), (last, m)] = blocks[..] {
            if last <= before {
                break;
            }
            blocks.truncate(blocks.len() - 2);
            let count = n + m;
            blocks.push(((before * n as f64 + last * m as f64) / count as f64, count));
        }
    }
    blocks.into_iter().flat_map(|(value, count)| std::iter::repeat_n(value, count)).collect()
}

/// Where the monotone curve through `values` at the increasing numbers `numbers` falls to `level`.
///
/// Without a point nothing is reached.
#[must_use]
pub fn reach(numbers: &[f64], values: &[f64], level: f64) -> Reach {
    let curve = falling(values);
    let Some(first) = curve.iter().position(|value| *value <= level) else {
        return Reach::NotWith(numbers.last().copied().unwrap_or(0.0));
    };
    if first == 0 {
        return Reach::By(numbers[0]);
    }
    let (above, below) = (curve[first - 1], curve[first]);
    let part = (above - level) / (above - below);
    let (from, to) = (numbers[first - 1].ln(), numbers[first].ln());
    Reach::At((from + part * (to - from)).exp())
}

/// Simulations needed to reach `level`, from the values `[number][run]` of several runs at the
/// increasing numbers of simulations `numbers`; runs of the same index belong together.
#[must_use]
pub fn needed(numbers: &[f64], runs: &[Vec<f64>], level: f64, seed: u64) -> Needed {
    let means = |chosen: &dyn Fn(&[f64]) -> f64| -> Vec<f64> {
        runs.iter().map(|values| chosen(values)).collect()
    };
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let own = reach(numbers, &means(&mean), level);
    let count = runs.iter().map(Vec::len).min().unwrap_or(0);
    if count < 2 {
        let share = if matches!(own, Reach::NotWith(_)) { 0.0 } else { 1.0 };
        return Needed { level, reach: own, interval: None, share };
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut found: Vec<Reach> = (0..RESAMPLES)
        .map(|_| {
            let chosen: Vec<usize> = (0..count).map(|_| rng.random_range(0..count)).collect();
            let resampled =
                |values: &[f64]| chosen.iter().map(|run| values[*run]).sum::<f64>() / count as f64;
            reach(numbers, &means(&resampled), level)
        })
        .collect();
    found.sort_by(|a, b| a.rank().total_cmp(&b.rank()));
    let reached = found.iter().filter(|one| !matches!(one, Reach::NotWith(_))).count();
    let at = |quantile: f64| found[((RESAMPLES - 1) as f64 * quantile).round() as usize];
    Needed {
        level,
        reach: own,
        interval: Some(QUANTILES.map(at)),
        share: reached as f64 / RESAMPLES as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_out_of_order_are_pooled() {
        assert_eq!(falling(&[0.9, 0.7, 0.6]), [0.9, 0.7, 0.6]);
        assert_eq!(falling(&[0.5, 0.75, 0.25]), [0.625, 0.625, 0.25]);
        assert_eq!(falling(&[1.0, 2.0, 3.0]), [2.0; 3]);
        assert!(falling(&[]).is_empty());
    }

    #[test]
    fn levels_are_interpolated_in_the_logarithm() {
        let (numbers, values) = ([100.0, 400.0, 1600.0], [0.9, 0.7, 0.6]);
        let Reach::At(half) = reach(&numbers, &values, 0.8) else { panic!("between") };
        assert!((half - 200.0).abs() < 1e-9, "{half}");
        assert_eq!(reach(&numbers, &values, 0.95), Reach::By(100.0));
        assert_eq!(reach(&numbers, &values, 0.55), Reach::NotWith(1600.0));
        let Reach::At(last) = reach(&numbers, &values, 0.6) else { panic!("reached at the end") };
        assert!((last - 1600.0).abs() < 1e-9);
        assert_eq!(reach(&[], &[], 0.6), Reach::NotWith(0.0));
    }

    /// Runs that are the same curve displaced: where one crosses depends on its displacement alone.
    #[test]
    fn the_uncertainty_is_that_of_the_runs() {
        let numbers = [100.0, 1000.0, 10_000.0];
        let shift = [-0.04, -0.02, 0.0, 0.02, 0.04];
        let runs: Vec<Vec<f64>> =
            [0.8, 0.7, 0.6].iter().map(|mean| shift.iter().map(|s| mean + s).collect()).collect();
        let found = needed(&numbers, &runs, 0.7, 1);
        let Reach::At(middle) = found.reach else { panic!("{found:?}") };
        assert!((middle / 1000.0 - 1.0).abs() < 1e-9);
        // The mean of five resampled shifts has a standard deviation of 0.0283 / sqrt(5) = 0.0126,
        // 0.1 in C2ST is a decade: the interval is a decade^(+-0.126).
        let Some([Reach::At(low), Reach::At(high)]) = found.interval else { panic!("{found:?}") };
        for (end, expected) in [(low, -0.126), (high, 0.126)] {
            assert!(((end / 1000.0).log10() - expected).abs() < 0.03, "{end}");
        }
        assert_eq!(found.share, 1.0);
        assert_eq!(found, needed(&numbers, &runs, 0.7, 1), "the same seed gives the same interval");

        let hard = needed(&numbers, &runs, 0.59, 1);
        assert_eq!(hard.reach, Reach::NotWith(10_000.0));
        assert!(hard.share > 0.1 && hard.share < 0.5, "{hard:?}");
        assert!(matches!(hard.interval, Some([_, Reach::NotWith(_)])));
        let single = needed(&numbers, &[vec![0.8], vec![0.7], vec![0.6]], 0.65, 1);
        assert!(single.interval.is_none() && matches!(single.reach, Reach::At(_)));
    }
}
