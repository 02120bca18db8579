//! Expected coverage: how often credible regions hold the truth.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::distributions::jeffreys_interval;
use crate::error::{Error, Result};
use crate::fixed::FixedColumn;
use crate::moments::{mean, variance};
use crate::points::setting;
use crate::streams::stream;

use super::ecdf_band::EcdfBand;
use super::rank::{Rank, check_levels, counts_below, rank, thresholds};
use super::sbc::{free, parameter_ranks};
use super::set::CalibrationSet;

/// At which credibilities to look.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CoverageConfig {
    /// Credibilities, rising, inside (0, 1). Each is rounded to a multiple of 1 / (L + 1), L the
    /// number of draws, where the coverage of the exact posterior is known.
    pub levels: Vec<f64>,
    /// Confidence of the intervals and of the band.
    pub confidence: f64,
    /// Seed of the order of equal values.
    pub seed: u64,
}

impl Default for CoverageConfig {
    /// 5 %, 10 %, ..., 95 %.
    fn default() -> Self {
        let levels = (1..20).map(|k| f64::from(k) / 20.0).collect();
        Self { levels, confidence: 0.95, seed: 0 }
    }
}

impl CoverageConfig {
    /// Refuses settings outside their range.
    ///
    /// # Errors
    /// [`Error::Setting`] naming the first such setting, [`Error::TooFew`] without levels.
    pub fn validate(&self) -> Result<()> {
        check_levels(&self.levels)?;
        let inside = self.confidence > 0.0 && self.confidence < 1.0;
        setting(inside, "confidence", self.confidence, "between 0 and 1")
    }
}

/// How often credible regions of several credibilities hold the truth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// Number L of draws per observation.
    pub draws: usize,
    /// The credibilities, and what the coverage of the exact posterior keeps to at all of them
    /// together.
    pub band: EcdfBand,
    /// Fraction of observations whose truth is inside, at each of the band's levels.
    pub coverage: Vec<f64>,
    /// Lower ends of the intervals for the true coverage, each on its own (Jeffreys).
    pub lower: Vec<f64>,
    /// Upper ends.
    pub upper: Vec<f64>,
    /// Probability that the coverage of the exact posterior departs so far from the
    /// credibilities, by [`EcdfBand::p_value`].
    pub p_value: f64,
    /// Mean of coverage less credibility over all credibilities: negative for a posterior that is
    /// overconfident, positive for one that is wider than needed.
    pub excess: f64,
    /// Standard error of the excess.
    pub excess_error: f64,
    /// Observations where equal values made chance choose.
    pub ties: usize,
}

/// Coverage of highest-density regions.
///
/// `truths` holds log q(truth | x) `[observation]`, `draws` log q(draw | x) of draws from the same
/// posterior `[observation, draw]`, in any normalisation that is the same within an observation. A
/// truth is in the region of credibility c when fewer than that fraction of the draws have a
/// higher density. A truth of log density minus infinity is outside every region.
///
/// *Domain of validity.* Draws must be independent, and drawn from the density that is evaluated.
/// *When not to use*: the right coverage is necessary, not sufficient; the prior has it too.
///
/// # References
/// J. Hermans et al., "A trust crisis in simulation-based inference? Your posterior approximations
/// can be unfaithful", TMLR 2022, arXiv:2110.06581, equations 4 and 5. Intervals: L. D. Brown,
/// T. T. Cai, A. DasGupta, Statistical Science 16, 101 (2001).
///
/// # Errors
/// When there are fewer than two observations, lengths do not fit, a value is NaN or infinite
/// (truths may be minus infinity), a setting is out of range, or levels are closer than draws
/// resolve.
pub fn expected_coverage(
    truths: &[f64],
    draws: &[f64],
    config: &CoverageConfig,
) -> Result<Coverage> {
    config.validate()?;
    let observations = truths.len();
    if observations < 2 {
        return Err(Error::TooFew { what: "observations".into(), minimum: 2, found: observations });
    }
    if draws.is_empty() || !draws.len().is_multiple_of(observations) {
        return Err(Error::Shape {
            what: "log densities of draws [observation, draw]".into(),
            expected: format!("a multiple of {observations} values"),
            found: format!("{} values", draws.len()),
        });
    }
    let refuse = |what: &str, index: usize, value: f64| {
        Err(Error::NotFinite { what: what.into(), index, value })
    };
    if let Some(i) = truths.iter().position(|v| !(v.is_finite() || *v == f64::NEG_INFINITY)) {
        return refuse("log density of a truth", i, truths[i]);
    }
    if let Some(i) = draws.iter().position(|v| !v.is_finite()) {
        return refuse("log density of a draw", i, draws[i]);
    }
    let per_observation = draws.len() / observations;
    let ranks: Vec<Rank> = draws
        .par_chunks_exact(per_observation)
        .zip(truths)
        .enumerate()
        .map(|(i, (draws, truth))| {
            rank(-truth, draws.iter().map(|d| -d), &mut stream(config.seed, i))
        })
        .collect();
    coverage(&ranks, per_observation, config)
}

/// Coverage of the central credible intervals of one parameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ParameterCoverage {
    /// Name of the parameter.
    pub name: String,
    /// How often its intervals hold the truth.
    pub coverage: Coverage,
}

/// Coverage of central credible intervals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CentralCoverage {
    /// One entry per parameter that is not fixed.
    pub parameters: Vec<ParameterCoverage>,
    /// Parameters that have one value in all truths and draws, which were left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fixed: Vec<FixedColumn>,
}

/// Coverage of the central credible intervals of each parameter: an interval of credibility c leaves
/// out (1 - c) / 2 on both sides. Equal values and fixed parameters are treated as in
/// [`sbc`](fn@crate::sbc).
///
/// *Domain of validity* and *when not to use*: as [`sbc`](fn@crate::sbc), whose ranks these are,
/// folded about the median; a shift and a misplaced width may cancel in them.
///
/// # Errors
/// When a setting is out of range, levels are closer than draws resolve, or all parameters are fixed.
pub fn central_coverage(set: &CalibrationSet, config: &CoverageConfig) -> Result<CentralCoverage> {
    config.validate()?;
    let draws = set.draws();
    let fixed = set.fixed();
    let free = free(set, &fixed)?;
    let parameters = parameter_ranks(set, &free, config.seed)
        .iter()
        .zip(&free)
        .map(|(ranks, &j)| {
            let folded: Vec<Rank> =
                ranks.iter().map(|r| Rank { rank: fold(r.rank, draws), ..*r }).collect();
            let coverage = coverage(&folded, draws, config)?;
            Ok(ParameterCoverage { name: set.names()[j].clone(), coverage })
        })
        .collect::<Result<_>>()?;
    Ok(CentralCoverage { parameters, fixed })
}

/// Position of a rank in the order from the central rank outwards: a permutation of 0..=draws.
fn fold(rank: usize, draws: usize) -> usize {
    let doubled = 2 * rank;
    if doubled >= draws { doubled - draws } else { draws - doubled - 1 }
}

/// The coverage of nested regions; a rank counts the draws that are in smaller regions than the
/// truth.
fn coverage(ranks: &[Rank], draws: usize, config: &CoverageConfig) -> Result<Coverage> {
    let thresholds = thresholds(&config.levels, draws)?;
    let cells = (draws + 1) as f64;
    let levels: Vec<f64> = thresholds.iter().map(|t| *t as f64 / cells).collect();
    let band = EcdfBand::new(ranks.len(), &levels, config.confidence)?;
    let numbers: Vec<usize> = ranks.iter().map(|r| r.rank).collect();
    let counts = counts_below(&numbers, &thresholds);
    let (lower, upper) =
        counts.iter().map(|c| jeffreys_interval(*c, ranks.len(), config.confidence)).unzip();
    // The coverage of all credibilities together is one less the mean of those that just hold
    // the truth.
    let excess: Vec<f64> = numbers.iter().map(|r| 0.5 - (*r as f64 + 0.5) / cells).collect();
    Ok(Coverage {
        draws,
        p_value: band.p_value(&counts)?,
        band,
        coverage: counts.iter().map(|c| *c as f64 / ranks.len() as f64).collect(),
        lower,
        upper,
        excess: mean(&excess),
        excess_error: (variance(&excess) / ranks.len() as f64).sqrt(),
        ties: ranks.iter().filter(|r| r.tied).count(),
    })
}
