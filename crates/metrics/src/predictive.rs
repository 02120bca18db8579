//! Posterior predictive checks: is what was observed typical of what the posterior predicts?

use linalg::Cholesky;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::fixed::{FixedColumn, fixed_columns, free_columns, pick};
use crate::p_value::PValue;
use crate::points::{Standard, count_points};
use crate::unit::Unit;

/// The place of an observation among replications.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PredictiveCheck {
    /// Probability of a replication as large as the observation, or larger.
    pub upper: PValue,
    /// Probability of a replication as small, or smaller.
    pub lower: PValue,
    /// Twice the smaller of the two, at most one.
    pub two_sided: PValue,
    /// Number of replications.
    pub replications: usize,
}

impl PredictiveCheck {
    /// Of signs of replicated less observed value.
    fn of_signs(signs: impl Iterator<Item = std::cmp::Ordering>) -> Self {
        let (mut above, mut below, mut replications) = (0, 0, 0);
        for sign in signs {
            above += usize::from(sign.is_ge());
            below += usize::from(sign.is_le());
            replications += 1;
        }
        Self {
            upper: PValue::of_counts(above, replications),
            lower: PValue::of_counts(below, replications),
            two_sided: PValue::two_sided(above, below, replications),
            replications,
        }
    }
}

/// Checks one summary T of the data: its `observed` value against `replicated` values, T of data
/// simulated at each posterior draw.
///
/// *Domain of validity.* Posterior draws must be independent for the Monte-Carlo errors to hold.
/// The posterior has seen the data that it is checked with, so that under a correct model these
/// p-values are not uniform but gather around 1/2: small ones mean more than they say, middling
/// ones less. Values at ties count on both sides.
///
/// # References
/// D. B. Rubin, "Bayesianly justifiable and relevant frequency calculations for the applied
/// statistician", Annals of Statistics 12, 1151 (1984). X.-L. Meng, "Posterior predictive
/// p-values", Annals of Statistics 22, 1142 (1994), for their distribution.
///
/// # Errors
/// Without replications, or when a value is not finite.
pub fn predictive_check(observed: f64, replicated: &[f64]) -> Result<PredictiveCheck> {
    finite("observed summary", &[observed])?;
    check_replications(replicated)?;
    Ok(PredictiveCheck::of_signs(replicated.iter().map(|r| compare(*r, observed))))
}

/// Checks a discrepancy D(data, parameters), which depends on the parameters too: its values
/// `observed`, of the observed data at each posterior draw, against those `replicated`, of the data
/// simulated at the same draw; draw by draw.
///
/// *Domain of validity*: as [`predictive_check`].
///
/// # References
/// A. Gelman, X.-L. Meng, H. Stern, "Posterior predictive assessment of model fitness via realized
/// discrepancies", Statistica Sinica 6, 733 (1996), equation 6.
///
/// # Errors
/// As [`predictive_check`], and when the two lengths differ.
pub fn discrepancy_check(observed: &[f64], replicated: &[f64]) -> Result<PredictiveCheck> {
    check_replications(replicated)?;
    if observed.len() != replicated.len() {
        return Err(Error::Shape {
            what: "observed discrepancies [draw]".into(),
            expected: format!("{} draws, as many as replications", replicated.len()),
            found: format!("{} draws", observed.len()),
        });
    }
    finite("observed discrepancy", observed)?;
    Ok(PredictiveCheck::of_signs(replicated.iter().zip(observed).map(|(r, o)| compare(*r, *o))))
}

/// How far an observation of several summaries lies from the cloud of its replications.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MahalanobisCheck {
    /// sqrt((t - mean)^T C^-1 (t - mean)) of the observation, with mean and covariance C of the
    /// replications; about sqrt(dimension) for a typical one.
    pub distance: f64,
    /// (t - mean) / standard deviation, for each summary: where a large distance comes from.
    pub deviations: Vec<f64>,
    /// Probability of a replication as far from all others, or farther.
    pub p_value: PValue,
    /// Number of replications.
    pub replications: usize,
    /// Summaries that have the same value in the observation and all replications, which were left
    /// out; their deviation is zero.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fixed: Vec<FixedColumn>,
}

/// Checks several summaries together: `observed` `[dimension]` against `replicated`
/// `[draw, dimension]`, contiguous.
///
/// Ranks are taken of distances to the mean and by the covariance of replications and observation
/// together, which order the points as the distances of each to all others do. Replications and
/// an observation of the same distribution are thus exchangeable, and the p-value is exact for it,
/// Gaussian or not.
///
/// *Domain of validity*: as [`predictive_check`]. *When not to use*: one ellipsoid describes the
/// cloud; a hole in it, or a curved cloud, hides an outlier.
///
/// # Errors
/// When there are fewer than `dimension + 2` replications, lengths do not fit, a value is not
/// finite, all summaries have one value, one has a single value in the replications but another in
/// the observation, the covariance is singular, or a distance is too large for a number.
pub fn mahalanobis_check(observed: &[f64], replicated: &[f64]) -> Result<MahalanobisCheck> {
    let dimension = observed.len();
    if dimension == 0 {
        return Err(Error::TooFew { what: "observed summaries".into(), minimum: 1, found: 0 });
    }
    finite("observed summary", observed)?;
    let replications = count_points("replicated summaries", replicated, dimension, dimension + 2)?;
    let rows = replicated.chunks_exact(dimension).chain([observed]);
    let fixed = fixed_columns(rows, dimension);
    let free = free_columns(&fixed, dimension);
    if free.is_empty() {
        let what = "every summary, observed and replicated,".into();
        return Err(Error::Constant { what, value: observed[0] });
    }
    let (point, points) = (pick(observed, dimension, &free), pick(replicated, dimension, &free));
    let cloud = Cloud::of(&points, &free)?;
    let pooled = Cloud::of(&[points.as_slice(), &point].concat(), &free)?;
    let limit = pooled.distances(&point)?[0];
    let beyond = pooled.distances(&points)?.iter().filter(|&&d| d >= limit).count();
    let mut deviations = vec![0.0; dimension];
    for (&column, deviation) in free.iter().zip(cloud.deviations(&point)) {
        deviations[column] = deviation;
    }
    Ok(MahalanobisCheck {
        distance: cloud.distances(&point)?[0],
        deviations,
        p_value: PValue::of_counts(beyond, replications),
        replications,
        fixed,
    })
}

/// Means with standard deviations, and factor of the correlation matrix of points.
struct Cloud {
    standards: Vec<Standard>,
    correlation: Cholesky,
}

impl Cloud {
    /// `columns` are the numbers of the summaries.
    fn of(points: &[f64], columns: &[usize]) -> Result<Self> {
        let dimension = columns.len();
        let count = (points.len() / dimension) as f64;
        let standards = columns
            .iter()
            .enumerate()
            .map(|(j, column)| {
                let values: Vec<f64> = points.iter().skip(j).step_by(dimension).copied().collect();
                Standard::of(&format!("replicated summary {column}"), &values)
            })
            .collect::<Result<Vec<_>>>()?;
        let mut correlation = vec![0.0; dimension * dimension];
        for point in points.chunks_exact(dimension) {
            let z = deviations(point, &standards);
            for (row, a) in correlation.chunks_exact_mut(dimension).zip(&z) {
                for (entry, b) in row.iter_mut().zip(&z) {
                    *entry += a * b / (count - 1.0);
                }
            }
        }
        Ok(Self { standards, correlation: factor(&correlation, dimension)? })
    }

    fn deviations(&self, point: &[f64]) -> Vec<f64> {
        deviations(point, &self.standards)
    }

    /// Of each of `points` `[point, column]`.
    fn distances(&self, points: &[f64]) -> Result<Vec<f64>> {
        let dimension = self.standards.len();
        let deviations = points.chunks_exact(dimension).flat_map(|point| self.deviations(point));
        let white = self.correlation.whitened(deviations.collect())?;
        finite("deviation of a summary", &white)?;
        white
            .chunks_exact(dimension)
            .map(|z| {
                let unit = Unit::of(z);
                let squares: f64 = unit.measured(z).iter().map(|z| z * z).sum();
                unit.size("a distance", squares.sqrt())
            })
            .collect()
    }
}

/// Pivots of a correlation matrix below which rounding errors decide.
const SMALLEST_PIVOT: f64 = 1e-12;

fn factor(correlation: &[f64], dimension: usize) -> Result<Cholesky> {
    match Cholesky::new(correlation, dimension, SMALLEST_PIVOT) {
        Err(linalg::Error::NotPositiveDefinite { row, pivot, .. }) => Err(Error::Singular {
            what: "correlation matrix of replicated summaries".into(),
            index: row,
            pivot,
        }),
        factor => Ok(factor?),
    }
}

fn deviations(point: &[f64], standards: &[Standard]) -> Vec<f64> {
    point.iter().zip(standards).map(|(x, standard)| standard.deviation(*x)).collect()
}

/// Of finite values.
fn compare(replicated: f64, observed: f64) -> std::cmp::Ordering {
    // Adding zero makes -0 equal to 0.
    (replicated + 0.0).total_cmp(&(observed + 0.0))
}

fn check_replications(replicated: &[f64]) -> Result<()> {
    if replicated.is_empty() {
        return Err(Error::TooFew { what: "replications".into(), minimum: 1, found: 0 });
    }
    finite("replicated value", replicated)
}

fn finite(what: &str, values: &[f64]) -> Result<()> {
    match values.iter().position(|v| !v.is_finite()) {
        Some(index) => Err(Error::NotFinite { what: what.into(), index, value: values[index] }),
        None => Ok(()),
    }
}
