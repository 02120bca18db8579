//! Maximum mean discrepancy: a distance between two distributions from samples of both.

mod bandwidth;
mod kernel_sums;
mod moments;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::fixed::{FixedColumn, fixed_columns, free_columns};
use crate::moments::{mean, variance};
use crate::p_value::PValue;
use crate::points::{Standard, count_points, setting};
use crate::progress::Progress;
use crate::unit::Unit;

use bandwidth::median_distance;
use kernel_sums::{Partition, kernel_sums};

/// Fewer samples leave the standard error undefined.
const MINIMUM_SAMPLES: usize = 4;

/// Largest rounding error of a squared discrepancy, a sum of means of numbers up to one.
const ROUNDING: f64 = 1e-12;

/// How to compute the discrepancy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MmdConfig {
    /// Length h of the kernel exp(-|x - y|² / (2 h²)), in the unit of the standardised features
    /// (of the features, without standardisation); the median distance between two of the pooled
    /// samples if absent.
    pub bandwidth: Option<f64>,
    /// Whether features are divided by their standard deviation over both sets, as features of
    /// different units must be.
    pub standardise: bool,
    /// Permutations of the two labels, which give the null; may be zero.
    pub permutations: usize,
    /// Seed of the permutations and of the subset for the median.
    pub seed: u64,
}

impl Default for MmdConfig {
    fn default() -> Self {
        Self { bandwidth: None, standardise: true, permutations: 200, seed: 0 }
    }
}

impl MmdConfig {
    /// Refuses settings outside their range.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) when the bandwidth is not positive and finite.
    pub fn validate(&self) -> Result<()> {
        let bandwidth = self.bandwidth.unwrap_or(1.0);
        let accepted = bandwidth > 0.0 && bandwidth.is_finite();
        setting(accepted, "bandwidth", bandwidth, "positive and finite")
    }
}

/// Squared discrepancies of the same samples with permuted labels: what two sets of these sizes
/// and of the same distribution give.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MmdNull {
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation.
    pub sd: f64,
    /// The unbiased estimate of each permutation.
    pub squared: Vec<f64>,
}

/// A squared maximum mean discrepancy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mmd {
    /// Unbiased estimate of the squared discrepancy, dimensionless; negative about half of the
    /// time when both distributions are the same.
    pub squared: f64,
    /// Its standard error.
    pub error: f64,
    /// The biased estimate, the squared distance of the two empirical distributions: never
    /// negative, and about (1 - E k) (1/m + 1/n) for equal distributions.
    pub biased: f64,
    /// The bandwidth used, in the unit of [`MmdConfig::bandwidth`].
    pub bandwidth: f64,
    /// The null, when it was asked for.
    pub null: Option<MmdNull>,
    /// Features that have the same value in both sets, which were left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fixed: Vec<FixedColumn>,
}

impl Mmd {
    /// Probability of so large a discrepancy when both distributions are the same, by the
    /// permutation test.
    #[must_use]
    pub fn p_value(&self) -> Option<PValue> {
        let null = self.null.as_ref()?;
        // Equal partitions of few samples may differ by rounding.
        let beyond = null.squared.iter().filter(|s| **s >= self.squared - ROUNDING).count();
        Some(PValue::of_counts(beyond, null.squared.len()))
    }
}

/// The squared maximum mean discrepancy
///
/// MMD² = E k(x, x') + E k(y, y') - 2 E k(x, y), k(x, y) = exp(-|x - y|² / (2 h²)),
///
/// between the distributions of `first` (m samples) and `second` (n samples), both
/// `[sample, dimension]` contiguous. It is zero only when the two distributions are equal.
///
/// The unbiased estimate is equation 3 of Gretton et al., the biased one their equation 5. The
/// standard error is the root of the unbiased estimate of the variance of the unbiased estimate,
/// terms of first and second order: it holds for equal distributions, where the first-order term
/// vanishes, as for different ones.
///
/// Time grows with (m + n)² (dimension + permutations), memory with (m + n) permutations: the
/// matrix of the kernel is never stored. Rows run in parallel; sums are taken in a fixed order, so
/// that the result depends on the seed only.
///
/// *Domain of validity.* Samples must be independent: thin chains by their autocorrelation time
/// first. One bandwidth sees differences on its own scale; the median of the distances is blind to
/// structure much finer than the whole distribution, and weak in many dimensions. Compare values
/// at equal bandwidths only.
///
/// `progress` is called, from any thread, after each block of rows of the kernel matrix.
///
/// # References
/// A. Gretton et al., "A kernel two-sample test", Journal of Machine Learning Research 13, 723
/// (2012). D. J. Sutherland and N. Deka, "Unbiased estimates for the variance of maximum mean
/// discrepancies and related quantities", arXiv:1906.02104.
///
/// # Errors
/// When the lengths are no multiples of `dimension`, a set has fewer than four samples, a value is
/// not finite, all features have one value, a setting is out of range, or numbers in units of the
/// bandwidth, or the bandwidth itself, are too large or too small.
pub fn mmd(
    first: &[f64],
    second: &[f64],
    dimension: usize,
    config: &MmdConfig,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Mmd> {
    config.validate()?;
    let m = count_points("first set", first, dimension, MINIMUM_SAMPLES)?;
    let n = count_points("second set", second, dimension, MINIMUM_SAMPLES)?;
    let rows = first.chunks_exact(dimension).chain(second.chunks_exact(dimension));
    let fixed = fixed_columns(rows.clone(), dimension);
    let free = free_columns(&fixed, dimension);
    if free.is_empty() {
        let what = "every feature of both sets".into();
        return Err(Error::Constant { what, value: fixed[0].value });
    }
    let mut features: Vec<Vec<f64>> =
        free.iter().map(|&j| rows.clone().map(|row| row[j]).collect()).collect();
    if config.standardise {
        for (j, feature) in free.iter().zip(&mut features) {
            let standard = Standard::of(&format!("feature {j} of both sets"), feature)?;
            feature.iter_mut().for_each(|x| *x = standard.deviation(*x));
        }
    }
    let unit = Unit::of(features.iter().flatten());
    let mut features = unit.measured_chains(&features);
    let (bandwidth, measured) = match config.bandwidth {
        Some(bandwidth) => (bandwidth, unit.measure(bandwidth)),
        None => {
            let median = median_distance(&features, config.seed)?;
            (unit.size("the bandwidth", median)?, median)
        }
    };
    // The kernel is exp(-d²) of features in this unit.
    let length = measured * std::f64::consts::SQRT_2;
    features.iter_mut().flatten().for_each(|x| *x /= length);
    if !features.iter().flatten().all(|x| x.is_finite()) {
        let expected = "not so far below the size of the features";
        return Err(Error::Setting { setting: "bandwidth", value: bandwidth, expected });
    }

    let partition = Partition { first: m, second: n };
    let sums = kernel_sums(&features, partition, config.permutations, config.seed, progress);
    let moments = moments::Moments::of(&sums, partition);
    let null: Vec<f64> = sums.permuted.iter().map(|sums| partition.unbiased(*sums)).collect();
    Ok(Mmd {
        squared: moments.squared,
        error: moments.variance().sqrt(),
        biased: moments.biased,
        bandwidth,
        null: (!null.is_empty()).then(|| MmdNull {
            mean: mean(&null),
            sd: if null.len() > 1 { variance(&null).sqrt() } else { 0.0 },
            squared: null,
        }),
        fixed,
    })
}
