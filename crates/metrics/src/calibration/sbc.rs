//! Simulation-based calibration: ranks of true parameters among posterior draws.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::fixed::{FixedColumn, free_columns};
use crate::points::setting;
use crate::progress::Progress;
use crate::streams::stream;

use super::ecdf_band::EcdfBand;
use super::histogram::RankHistogram;
use super::rank::{Rank, counts_below, rank};
use super::set::CalibrationSet;

/// How to test the ranks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SbcConfig {
    /// Bins of the histograms; the chi-square test needs five observations in each.
    pub bins: usize,
    /// Largest number of cells between whose ends the distribution function is compared; as many
    /// as there are ranks, if these are fewer.
    pub cells: usize,
    /// Simultaneous confidence of the band.
    pub confidence: f64,
    /// Seed of the order of equal values.
    pub seed: u64,
}

impl Default for SbcConfig {
    fn default() -> Self {
        Self { bins: 10, cells: 100, confidence: 0.95, seed: 0 }
    }
}

impl SbcConfig {
    /// Refuses settings outside their range.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) naming the first such setting.
    pub fn validate(&self) -> Result<()> {
        setting(self.bins >= 2, "bins", self.bins as f64, "at least 2")?;
        setting(self.cells >= 2, "cells", self.cells as f64, "at least 2")?;
        let inside = self.confidence > 0.0 && self.confidence < 1.0;
        setting(inside, "confidence", self.confidence, "between 0 and 1")
    }
}

/// The ranks of one parameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ParameterRanks {
    /// Name of the parameter.
    pub name: String,
    /// Number of draws below the truth, per observation.
    pub ranks: Vec<usize>,
    /// Observations whose truth is equal to a draw, where chance chose the rank.
    pub ties: usize,
    /// How many independent draws each draw is worth: [`CalibrationSet::efficiency`]. The test
    /// holds for values near one.
    pub efficiency: f64,
    /// The ranks in bins, with the chi-square test.
    pub histogram: RankHistogram,
    /// The empirical distribution function at the levels of [`Sbc::band`]. Its difference to the
    /// levels is positive where truths lie low in the posterior.
    pub ecdf: Vec<f64>,
    /// Probability of so large a departure from uniform ranks, by [`EcdfBand::p_value`].
    pub p_value: f64,
}

/// The outcome of simulation-based calibration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sbc {
    /// Number L of draws per observation, after thinning; ranks are 0..=L.
    pub draws: usize,
    /// The band for the distribution function of the ranks of one parameter.
    pub band: EcdfBand,
    /// One entry per parameter that is not fixed.
    pub parameters: Vec<ParameterRanks>,
    /// Parameters that have one value in all truths and draws, which were left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fixed: Vec<FixedColumn>,
    /// Probability that any parameter departs as far as the worst one: the smallest p-value
    /// times the number of parameters (Bonferroni), at most one.
    pub p_value: f64,
}

/// Ranks the true parameters among the posterior draws, and tests whether ranks are uniform.
///
/// The ranks of a posterior that is too narrow gather at both ends (U-shaped histogram), of one too
/// wide in the middle, of one shifted at one end. The test of the distribution function is exact
/// for any numbers of observations and draws; that of the histogram is asymptotic.
///
/// A truth that is equal to some draws, as that of a discrete parameter is, takes its place among
/// them at random, which keeps the ranks of the exact posterior uniform and the test exact. A
/// parameter with one value in all truths and draws ([`CalibrationSet::fixed`]) is left out.
///
/// *When not to use*: uniform ranks are necessary, not sufficient; a posterior that ignores the
/// data and returns the prior has them too. Correlations between parameters are not seen:
/// see [`expected_coverage`](crate::expected_coverage) and [`tarp`](fn@crate::tarp).
///
/// *Domain of validity.* Draws must be independent ([`ParameterRanks::efficiency`] near one; see
/// [`CalibrationSet::thinned`]), and observations independent of each other.
///
/// `progress` is called, from any thread, after each observation.
///
/// # References
/// S. Talts et al., "Validating Bayesian inference algorithms with simulation-based calibration",
/// arXiv:1804.06788, theorem 1. T. Säilynoja, P.-C. Bürkner, A. Vehtari (2022), arXiv:2103.10522.
/// Ties: M. Modrák et al., "Simulation-based calibration checking for Bayesian computation: the choice
/// of test quantities shapes sensitivity", Bayesian Analysis (2023), arXiv:2211.02383, section 2.
///
/// # Errors
/// When a setting is out of range, draws or observations are too few for the bins, or all parameters
/// are fixed.
pub fn sbc(
    set: &CalibrationSet,
    config: &SbcConfig,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Sbc> {
    config.validate()?;
    let draws = set.draws();
    let cells = config.cells.min(draws + 1);
    let thresholds: Vec<usize> = (1..cells).map(|k| k * (draws + 1) / cells).collect();
    let levels: Vec<f64> = thresholds.iter().map(|t| *t as f64 / (draws + 1) as f64).collect();
    let band = EcdfBand::new(set.observations(), &levels, config.confidence)?;
    let fixed = set.fixed();
    let free = free(set, &fixed)?;
    let efficiency = set.efficiency(progress)?;
    let parameters: Vec<ParameterRanks> = parameter_ranks(set, &free, config.seed)
        .into_iter()
        .zip(&free)
        .map(|(found, &j)| {
            let ranks: Vec<usize> = found.iter().map(|r| r.rank).collect();
            let counts = counts_below(&ranks, &thresholds);
            Ok(ParameterRanks {
                name: set.names()[j].clone(),
                ties: found.iter().filter(|r| r.tied).count(),
                efficiency: efficiency[j],
                histogram: RankHistogram::new(&ranks, draws, config.bins)?,
                ecdf: counts.iter().map(|c| *c as f64 / ranks.len() as f64).collect(),
                p_value: band.p_value(&counts)?,
                ranks,
            })
        })
        .collect::<Result<_>>()?;
    let smallest = parameters.iter().map(|p| p.p_value).fold(1.0, f64::min);
    let p_value = (smallest * parameters.len() as f64).min(1.0);
    Ok(Sbc { draws, band, parameters, fixed, p_value })
}

/// The parameters that are not fixed.
///
/// # Errors
/// When all are.
pub(super) fn free(set: &CalibrationSet, fixed: &[FixedColumn]) -> Result<Vec<usize>> {
    let free = free_columns(fixed, set.names().len());
    if free.is_empty() {
        let what = format!("everything in truths and draws of {}", set.names().join(", "));
        return Err(Error::Constant { what, value: fixed[0].value });
    }
    Ok(free)
}

/// The rank of every truth in some parameters: `[parameter][observation]`.
pub(super) fn parameter_ranks(
    set: &CalibrationSet,
    parameters: &[usize],
    seed: u64,
) -> Vec<Vec<Rank>> {
    let rows: Vec<Vec<Rank>> = (0..set.observations())
        .into_par_iter()
        .map(|i| {
            let mut rng = stream(seed, i);
            let rank = |&j: &usize| rank(set.truth(i)[j], set.points(i).map(|p| p[j]), &mut rng);
            parameters.iter().map(rank).collect()
        })
        .collect();
    (0..parameters.len()).map(|k| rows.iter().map(|row| row[k]).collect()).collect()
}
