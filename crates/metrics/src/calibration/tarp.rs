//! Tests of accuracy with random points: coverage of balls around references.

use rand::RngExt;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::fixed::FixedColumn;
use crate::moments::variance;
use crate::points::{count_points, setting};
use crate::quantile::quantile_of_sorted;
use crate::streams::stream;

use super::ecdf_band::EcdfBand;
use super::rank::{Rank, check_levels, counts_below, rank, thresholds};
use super::sbc::free;
use super::set::CalibrationSet;

/// Fraction of truths and draws that the box of references leaves out at each end of a parameter,
/// so that single far draws do not set its size.
const LEFT_OUT: f64 = 0.005;

/// How to run the test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TarpConfig {
    /// Credibilities, rising, inside (0, 1), rounded to multiples of 1 / (L + 1), L the number of
    /// draws.
    pub levels: Vec<f64>,
    /// Confidence of both bands.
    pub confidence: f64,
    /// Resamplings of the observations for the band around the curve; zero, or at least 2.
    pub bootstraps: usize,
    /// Seed of references, resamplings, and the order of equal distances.
    pub seed: u64,
}

impl Default for TarpConfig {
    /// Levels 5 %, 10 %, ..., 95 %.
    fn default() -> Self {
        let levels = (1..20).map(|k| f64::from(k) / 20.0).collect();
        Self { levels, confidence: 0.95, bootstraps: 1000, seed: 0 }
    }
}

impl TarpConfig {
    /// Refuses settings outside their range.
    ///
    /// # Errors
    /// [`Error::Setting`] naming the first such setting, [`Error::TooFew`] without levels.
    pub fn validate(&self) -> Result<()> {
        check_levels(&self.levels)?;
        let inside = self.confidence > 0.0 && self.confidence < 1.0;
        setting(inside, "confidence", self.confidence, "between 0 and 1")?;
        setting(self.bootstraps != 1, "bootstraps", self.bootstraps as f64, "zero, or at least 2")
    }
}

/// Uncertainty of the coverage curve from resampled observations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TarpBootstrap {
    /// Lower ends of the intervals of the given confidence, at each level.
    pub lower: Vec<f64>,
    /// Upper ends.
    pub upper: Vec<f64>,
    /// Standard deviations.
    pub sd: Vec<f64>,
}

/// The outcome of the test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tarp {
    /// Number L of draws per observation.
    pub draws: usize,
    /// The credibilities, and what the coverage of the exact posterior keeps to at all of them
    /// together.
    pub band: EcdfBand,
    /// Fraction of observations with less than the given fraction of draws nearer to the reference
    /// than the truth.
    pub coverage: Vec<f64>,
    /// Band around the coverage from resampled observations, when it was asked for.
    pub bootstrap: Option<TarpBootstrap>,
    /// Largest distance of coverage and credibility.
    pub deviation: f64,
    /// Probability that the coverage of the exact posterior departs so far from the
    /// credibilities, by [`EcdfBand::p_value`].
    pub p_value: f64,
    /// Observations where draws are exactly as far from the reference as the truth.
    pub ties: usize,
    /// Parameters that have one value in all truths and draws, which were left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fixed: Vec<FixedColumn>,
}

/// Compares the distance of truth and reference with that of draws and reference.
///
/// For the exact posterior, the fraction of draws nearer to a reference than the truth is uniform,
/// wherever the reference is. Parameters with one value in all truths and draws are left out. Each other is measured in units of the width of the central 99 %
/// of all truths and draws (of all of them, where that has no width); references are uniform in that box. This treats truth and draws alike,
/// so that the test is exact at any number of observations. An overconfident posterior gives a
/// curve above the diagonal at low credibility and below it at high credibility, a wide one the
/// opposite, a biased one a curve on one side or an asymmetric one.
///
/// `references` `[observation, parameter]`, in the unit of the parameters, replaces the random
/// ones. They may depend on the observation (which lets the test see a posterior that ignores the
/// data), never on its truth.
///
/// *Domain of validity.* Draws must be independent: see [`CalibrationSet::thinned`].
///
/// # References
/// P. Lemos, A. Coogan, Y. Hezaveh, L. Perreault-Levasseur, "Sampling-based accuracy testing of
/// posterior estimators for general inference", ICML 2023, arXiv:2302.03026, algorithm 2.
///
/// # Errors
/// When a setting is out of range, references do not fit or are not finite, all parameters are fixed,
/// one is too wide for a number, or levels are closer than draws resolve.
pub fn tarp(set: &CalibrationSet, references: Option<&[f64]>, config: &TarpConfig) -> Result<Tarp> {
    config.validate()?;
    let (observations, parameters) = (set.observations(), set.names().len());
    if let Some(references) = references {
        let found = count_points("references", references, parameters, observations)?;
        if found != observations {
            return Err(Error::Shape {
                what: "references [observation, parameter]".into(),
                expected: format!("{observations} observations"),
                found: found.to_string(),
            });
        }
    }
    let thresholds = thresholds(&config.levels, set.draws())?;
    let cells = (set.draws() + 1) as f64;
    let levels: Vec<f64> = thresholds.iter().map(|t| *t as f64 / cells).collect();
    let band = EcdfBand::new(observations, &levels, config.confidence)?;
    let fixed = set.fixed();
    let sides: Vec<Side> =
        free(set, &fixed)?.iter().map(|&j| Side::of(set, j)).collect::<Result<_>>()?;
    let ranks: Vec<Rank> = (0..observations)
        .into_par_iter()
        .map(|i| {
            let mut rng = stream(config.seed, i);
            let reference: Vec<f64> = match references {
                Some(given) => sides.iter().map(|s| given[i * parameters + s.parameter]).collect(),
                None => sides.iter().map(|s| s.low + s.width * rng.random::<f64>()).collect(),
            };
            let distance = |point: &[f64]| -> f64 {
                let sides = reference.iter().zip(&sides);
                sides.map(|(r, s)| ((point[s.parameter] - r) / s.width).powi(2)).sum()
            };
            rank(distance(set.truth(i)), set.points(i).map(distance), &mut rng)
        })
        .collect();

    let numbers: Vec<usize> = ranks.iter().map(|r| r.rank).collect();
    let counts = counts_below(&numbers, &thresholds);
    let coverage: Vec<f64> = counts.iter().map(|c| *c as f64 / observations as f64).collect();
    let deviations = coverage.iter().zip(&levels).map(|(c, l)| (c - l).abs());
    Ok(Tarp {
        draws: set.draws(),
        deviation: deviations.fold(0.0, f64::max),
        p_value: band.p_value(&counts)?,
        bootstrap: (config.bootstraps > 0).then(|| bootstrap(&numbers, &thresholds, config)),
        ties: ranks.iter().filter(|r| r.tied).count(),
        band,
        coverage,
        fixed,
    })
}

/// Extent of the box of references in one parameter.
struct Side {
    parameter: usize,
    low: f64,
    width: f64,
}

impl Side {
    fn of(set: &CalibrationSet, parameter: usize) -> Result<Self> {
        let mut values: Vec<f64> = (0..set.observations())
            .flat_map(|i| set.points(i).chain([set.truth(i)]).map(|point| point[parameter]))
            .collect();
        let left_out = (LEFT_OUT * values.len() as f64) as usize;
        let last = values.len() - 1 - left_out;
        let low = *values.select_nth_unstable_by(left_out, f64::total_cmp).1;
        let high = *values.select_nth_unstable_by(last, f64::total_cmp).1;
        let (low, high) = if low < high {
            (low, high)
        } else {
            values.iter().fold((low, high), |(low, high), &x| (low.min(x), high.max(x)))
        };
        let width = high - low;
        if !width.is_finite() {
            let what = format!("width of the values of {}", set.names()[parameter]);
            return Err(Error::NotFinite { what, index: 0, value: width });
        }
        Ok(Self { parameter, low, width })
    }
}

/// Coverage of observations drawn with replacement.
fn bootstrap(ranks: &[usize], thresholds: &[usize], config: &TarpConfig) -> TarpBootstrap {
    // Of each observation, the number of regions that do not hold it.
    let outside: Vec<usize> =
        ranks.iter().map(|rank| thresholds.partition_point(|t| t <= rank)).collect();
    let curves: Vec<Vec<f64>> = (0..config.bootstraps)
        .into_par_iter()
        .map(|b| {
            let mut rng = stream(config.seed, ranks.len() + b);
            let mut counts = vec![0_usize; thresholds.len() + 1];
            for _ in ranks {
                counts[outside[rng.random_range(0..outside.len())]] += 1;
            }
            let mut inside = 0;
            let held = counts[..thresholds.len()].iter().map(|c| {
                inside += c;
                inside as f64 / ranks.len() as f64
            });
            held.collect()
        })
        .collect();
    let tail = 0.5 * (1.0 - config.confidence);
    let mut result = TarpBootstrap { lower: vec![], upper: vec![], sd: vec![] };
    for k in 0..thresholds.len() {
        let mut values: Vec<f64> = curves.iter().map(|curve| curve[k]).collect();
        values.sort_unstable_by(f64::total_cmp);
        result.lower.push(quantile_of_sorted(&values, tail));
        result.upper.push(quantile_of_sorted(&values, 1.0 - tail));
        result.sd.push(variance(&values).sqrt());
    }
    result
}
