//! The median heuristic for the length of a kernel.

use rand::seq::SliceRandom;

use crate::error::{Error, Result};
use crate::streams::stream;

/// Points among which all distances are taken; a random subset of this size of larger sets.
const MOST_POINTS: usize = 2000;

/// The median distance between two different samples of `features` `[dimension][sample]`; where more
/// than half of the pairs coincide, as discrete features make them, that of the others.
///
/// The subset of large sets does not know which set a sample is of, so that a permutation test
/// stays exact.
pub(super) fn median_distance(features: &[Vec<f64>], seed: u64) -> Result<f64> {
    let samples = features[0].len();
    let mut chosen: Vec<usize> = (0..samples).collect();
    if samples > MOST_POINTS {
        chosen.shuffle(&mut stream(seed, 0));
        chosen.truncate(MOST_POINTS);
    }
    let mut squares: Vec<f64> = chosen
        .iter()
        .enumerate()
        .flat_map(|(k, &i)| {
            chosen[k + 1..]
                .iter()
                .map(move |&j| features.iter().map(|f| (f[i] - f[j]).powi(2)).sum())
        })
        .collect();
    let apart = squares.iter().filter(|square| **square > 0.0).count();
    if 2 * apart <= squares.len() {
        squares.retain(|square| *square > 0.0);
    }
    if squares.is_empty() {
        let what = "the distance of all pairs of samples".into();
        return Err(Error::Constant { what, value: 0.0 });
    }
    let even = squares.len().is_multiple_of(2);
    let middle = squares.len() / 2;
    let (below, &mut upper, _) = squares.select_nth_unstable_by(middle, f64::total_cmp);
    let lower = if even { below.iter().copied().fold(0.0, f64::max) } else { upper };
    Ok(0.5 * (lower.sqrt() + upper.sqrt()))
}
