//! Histogram of ranks with the chi-square test of uniformity.

use serde::{Deserialize, Serialize};

use crate::distributions::chi_square_survival;
use crate::error::{Error, Result};
use crate::points::setting;

/// Observations per bin below which the statistic does not follow the chi-square distribution.
const MINIMUM_EXPECTED: usize = 5;

/// Ranks 0..=L counted in bins of (nearly) equal numbers of ranks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankHistogram {
    /// First rank of each bin, and L + 1.
    pub edges: Vec<usize>,
    /// Observations in each bin.
    pub counts: Vec<usize>,
    /// Their expected numbers for uniform ranks: bins differ by one rank when their number does
    /// not divide L + 1.
    pub expected: Vec<f64>,
    /// Pearson's sum of (count - expected)² / expected.
    pub chi_square: f64,
    /// Probability of so large a sum for uniform ranks, by the chi-square distribution with one
    /// degree of freedom less than there are bins.
    pub p_value: f64,
}

impl RankHistogram {
    /// Counts `ranks`, each among `draws` draws, in `bins` bins.
    ///
    /// # Errors
    /// When `bins` is below 2 or above L + 1, a rank is above `draws`, or there are fewer than
    /// five observations per bin.
    pub fn new(ranks: &[usize], draws: usize, bins: usize) -> Result<Self> {
        let accepted = bins >= 2 && bins <= draws + 1;
        setting(accepted, "bins", bins as f64, "at least 2, at most one more than draws")?;
        if let Some(rank) = ranks.iter().find(|r| **r > draws) {
            return Err(Error::Shape {
                what: "rank".into(),
                expected: format!("at most the number of draws, {draws}"),
                found: rank.to_string(),
            });
        }
        let minimum = MINIMUM_EXPECTED * bins;
        if ranks.len() < minimum {
            let what = format!("observations for a histogram of {bins} bins");
            return Err(Error::TooFew { what, minimum, found: ranks.len() });
        }
        let edges: Vec<usize> = (0..=bins).map(|b| b * (draws + 1) / bins).collect();
        let mut counts = vec![0; bins];
        for rank in ranks {
            counts[edges.partition_point(|edge| edge <= rank) - 1] += 1;
        }
        let share = ranks.len() as f64 / (draws + 1) as f64;
        let expected: Vec<f64> =
            edges.windows(2).map(|edge| share * (edge[1] - edge[0]) as f64).collect();
        let chi_square =
            counts.iter().zip(&expected).map(|(c, e)| (*c as f64 - e).powi(2) / e).sum();
        let p_value = chi_square_survival(chi_square, bins as f64 - 1.0);
        Ok(Self { edges, counts, expected, chi_square, p_value })
    }
}
