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
/// `[draw, dimension]`, contiguous. For several observations prepare [`Replications`] once.
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
    let check = Replications::of(&points, &free)?.check(&point)?;
    let mut deviations = vec![0.0; dimension];
    for (&column, deviation) in free.iter().zip(check.deviations) {
        deviations[column] = deviation;
    }
    Ok(MahalanobisCheck { deviations, fixed, replications, ..check })
}

/// Replications of several summaries, prepared to place observations among them.
#[derive(Clone, Debug)]
pub struct Replications {
    cloud: Cloud,
    /// The replications less their mean, in coordinates in which their covariance is the identity:
    /// `[replication][summary]`.
    whitened: Vec<f64>,
}

impl Replications {
    /// Prepares `replicated` summaries `[draw, dimension]`, contiguous, none of them constant.
    ///
    /// # Errors
    /// As [`mahalanobis_check`], and for a constant summary.
    pub fn new(replicated: &[f64], dimension: usize) -> Result<Self> {
        if dimension == 0 {
            return Err(Error::TooFew { what: "observed summaries".into(), minimum: 1, found: 0 });
        }
        count_points("replicated summaries", replicated, dimension, dimension + 2)?;
        Self::of(replicated, &(0..dimension).collect::<Vec<_>>())
    }

    /// `columns` are the numbers of the summaries.
    fn of(points: &[f64], columns: &[usize]) -> Result<Self> {
        let cloud = Cloud::of(points, columns)?;
        let whitened = cloud.whitened(points)?;
        Ok(Self { cloud, whitened })
    }

    /// Mahalanobis distance of an observation from the mean of the replications.
    ///
    /// # Errors
    /// When the observation has another dimension or is not finite, or the distance is too large
    /// for a number.
    pub fn distance(&self, observed: &[f64]) -> Result<f64> {
        self.require_fit(observed)?;
        length(&self.cloud.whitened(observed)?)
    }

    /// Distance of each replication from the mean and by the covariance of the others: what
    /// [`Replications::distance`] is for an observation that fits. Infinite for a replication
    /// without which the covariance would be singular.
    #[must_use]
    pub fn own_distances(&self) -> Vec<f64> {
        let n = self.count() as f64;
        let left_out = |z: &[f64]| {
            // The covariance without a point differs by a matrix of rank one.
            let d = square(z) / (n - 1.0);
            let rest = 1.0 - d * n / (n - 1.0);
            let squared = (n / (n - 1.0)).powi(2) * (n - 2.0) * d / rest;
            if rest > 0.0 { squared.sqrt() } else { f64::INFINITY }
        };
        self.rows().map(left_out).collect()
    }

    /// Places an observation among the replications; see [`mahalanobis_check`].
    ///
    /// # Errors
    /// As [`Replications::distance`].
    pub fn check(&self, observed: &[f64]) -> Result<MahalanobisCheck> {
        self.require_fit(observed)?;
        let u = self.cloud.whitened(observed)?;
        let distance = length(&u)?;
        let n = self.count() as f64;
        // All points together have their mean at u / (n + 1) and a covariance that differs from
        // that of the replications along u only. Ranks no longer change beyond a large distance.
        let far = distance.min(1e100);
        let shrink = (n - 1.0) / (n - 1.0 + far * far * n / (n + 1.0));
        let centre = far / (n + 1.0);
        let limit = shrink * (far - centre).powi(2);
        let direction: Vec<f64> = u.iter().map(|u| u / distance.max(f64::MIN_POSITIVE)).collect();
        let pooled = |z: &[f64]| {
            let along: f64 = z.iter().zip(&direction).map(|(z, u)| z * u).sum();
            square(z) - along * along + shrink * (along - centre).powi(2)
        };
        let beyond = self.rows().filter(|z| pooled(z) >= limit).count();
        Ok(MahalanobisCheck {
            distance,
            deviations: self.cloud.deviations(observed),
            p_value: PValue::of_counts(beyond, self.count()),
            replications: self.count(),
            fixed: Vec::new(),
        })
    }

    fn rows(&self) -> impl Iterator<Item = &[f64]> {
        self.whitened.chunks_exact(self.cloud.standards.len())
    }

    fn count(&self) -> usize {
        self.whitened.len() / self.cloud.standards.len()
    }

    fn require_fit(&self, observed: &[f64]) -> Result<()> {
        let dimension = self.cloud.standards.len();
        if observed.len() != dimension {
            return Err(Error::Shape {
                what: "observed summaries".into(),
                expected: format!("{dimension}, as many as replicated"),
                found: format!("{} values", observed.len()),
            });
        }
        finite("observed summary", observed)
    }
}

fn square(vector: &[f64]) -> f64 {
    vector.iter().map(|x| x * x).sum()
}

/// Length of a vector, in units in which its square does not overflow.
fn length(vector: &[f64]) -> Result<f64> {
    let unit = Unit::of(vector);
    unit.size("a distance", square(&unit.measured(vector)).sqrt())
}

/// Means with standard deviations, and factor of the correlation matrix of points.
#[derive(Clone, Debug)]
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

    /// `points` `[point, column]` in coordinates in which their covariance is the identity.
    fn whitened(&self, points: &[f64]) -> Result<Vec<f64>> {
        let rows = points.chunks_exact(self.standards.len());
        let white =
            self.correlation.whitened(rows.flat_map(|row| self.deviations(row)).collect())?;
        finite("deviation of a summary", &white)?;
        Ok(white)
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
