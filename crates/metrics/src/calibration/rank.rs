//! The rank of a truth among draws, and levels that ranks can resolve.

use rand::{Rng, RngExt};

use crate::error::{Error, Result};
use crate::points::setting;

/// A rank, and whether chance had to choose it among equal values.
#[derive(Clone, Copy)]
pub(super) struct Rank {
    pub rank: usize,
    pub tied: bool,
}

/// Number of `draws` below `truth`. Draws equal to it are put below or above it as if all equal
/// values were in random order, which keeps the rank of an exchangeable truth uniform.
pub(super) fn rank(truth: f64, draws: impl Iterator<Item = f64>, rng: &mut impl Rng) -> Rank {
    let (mut below, mut equal) = (0, 0);
    for draw in draws {
        below += usize::from(draw < truth);
        equal += usize::from(draw == truth);
    }
    let tied = equal > 0;
    Rank { rank: below + if tied { rng.random_range(0..=equal) } else { 0 }, tied }
}

/// Thresholds r with P(rank < r) = r / (L + 1) nearest to the `levels` for ranks among L draws.
///
/// # Errors
/// When levels are absent, not rising, or outside (0, 1), or closer to each other, to 0, or to 1
/// than the ranks resolve.
pub(super) fn thresholds(levels: &[f64], draws: usize) -> Result<Vec<usize>> {
    check_levels(levels)?;
    let thresholds: Vec<usize> =
        levels.iter().map(|level| (level * (draws + 1) as f64).round() as usize).collect();
    let rising = thresholds.windows(2).all(|pair| pair[0] < pair[1]);
    if rising && thresholds[0] > 0 && thresholds[thresholds.len() - 1] <= draws {
        return Ok(thresholds);
    }
    let ends = [0.0, 1.0];
    let all = || ends[..1].iter().chain(levels).chain(&ends[1..]);
    let gap = all().zip(all().skip(1)).map(|(a, b)| b - a).fold(1.0, f64::min);
    Err(Error::TooFew {
        what: format!("draws of each observation for levels {gap} apart"),
        minimum: (1.0 / gap).ceil() as usize,
        found: draws,
    })
}

/// Refuses levels that are absent, not rising, or outside (0, 1).
pub(super) fn check_levels(levels: &[f64]) -> Result<()> {
    if levels.is_empty() {
        return Err(Error::TooFew { what: "levels".into(), minimum: 1, found: 0 });
    }
    let mut previous = 0.0;
    for &level in levels {
        setting(level > previous && level < 1.0, "levels", level, "rising, between 0 and 1")?;
        previous = level;
    }
    Ok(())
}

/// Numbers of `ranks` below each threshold.
pub(super) fn counts_below(ranks: &[usize], thresholds: &[usize]) -> Vec<usize> {
    let mut sorted = ranks.to_vec();
    sorted.sort_unstable();
    thresholds.iter().map(|t| sorted.partition_point(|rank| rank < t)).collect()
}
