//! Posterior predictive checks: is what was observed typical of what the posterior predicts?

use serde::{Deserialize, Serialize};

use crate::cholesky::Cholesky;
use crate::error::{Error, Result};
use crate::p_value::PValue;
use crate::points::{count_points, mean_and_sd};

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
/// finite, a summary is constant, or the covariance is singular.
pub fn mahalanobis_check(observed: &[f64], replicated: &[f64]) -> Result<MahalanobisCheck> {
    Replications::new(replicated, observed.len())?.check(observed)
}

/// Replications of several summaries, prepared to place observations among them.
#[derive(Clone, Debug)]
pub struct Replications {
    mean: Vec<f64>,
    sd: Vec<f64>,
    correlation: Cholesky,
    /// The replications less their mean, in coordinates in which their covariance is the identity.
    whitened: Vec<Vec<f64>>,
}

impl Replications {
    /// Prepares `replicated` summaries `[draw, dimension]`, contiguous.
    ///
    /// # Errors
    /// As [`mahalanobis_check`].
    pub fn new(replicated: &[f64], dimension: usize) -> Result<Self> {
        if dimension == 0 {
            return Err(Error::TooFew { what: "observed summaries".into(), minimum: 1, found: 0 });
        }
        count_points("replicated summaries", replicated, dimension, dimension + 2)?;
        let (mut mean, mut sd) = (Vec::new(), Vec::new());
        for j in 0..dimension {
            let column: Vec<f64> = replicated.iter().skip(j).step_by(dimension).copied().collect();
            let (centre, scale) = mean_and_sd(&format!("replicated summary {j}"), &column)?;
            mean.push(centre);
            sd.push(scale);
        }
        let count = (replicated.len() / dimension) as f64;
        let points = replicated.chunks_exact(dimension);
        let standardised: Vec<Vec<f64>> =
            points.map(|point| standardised(point, &mean, &sd)).collect();
        let mut correlation = vec![vec![0.0; dimension]; dimension];
        for z in &standardised {
            for (row, a) in correlation.iter_mut().zip(z) {
                for (entry, b) in row.iter_mut().zip(z) {
                    *entry += a * b / (count - 1.0);
                }
            }
        }
        let correlation = Cholesky::of("correlation matrix of replicated summaries", correlation)?;
        let whitened = standardised.into_iter().map(|z| correlation.whitened(z)).collect();
        Ok(Self { mean, sd, correlation, whitened })
    }

    /// Mahalanobis distance of an observation from the mean of the replications.
    ///
    /// # Errors
    /// When the observation has another dimension or is not finite.
    pub fn distance(&self, observed: &[f64]) -> Result<f64> {
        let deviations = self.deviations(observed)?;
        Ok(square(&self.correlation.whitened(deviations)).sqrt())
    }

    /// Distance of each replication from the mean and by the covariance of the others: what
    /// [`Replications::distance`] is for an observation that fits. Infinite for a replication
    /// without which the covariance would be singular.
    #[must_use]
    pub fn own_distances(&self) -> Vec<f64> {
        let n = self.whitened.len() as f64;
        let left_out = |z: &Vec<f64>| {
            // The covariance without a point differs by a matrix of rank one.
            let d = square(z) / (n - 1.0);
            let rest = 1.0 - d * n / (n - 1.0);
            let squared = (n / (n - 1.0)).powi(2) * (n - 2.0) * d / rest;
            if rest > 0.0 { squared.sqrt() } else { f64::INFINITY }
        };
        self.whitened.iter().map(left_out).collect()
    }

    /// Places an observation among the replications; see [`mahalanobis_check`].
    ///
    /// # Errors
    /// When the observation has another dimension or is not finite.
    pub fn check(&self, observed: &[f64]) -> Result<MahalanobisCheck> {
        let deviations = self.deviations(observed)?;
        let u = self.correlation.whitened(deviations.clone());
        let n = self.whitened.len() as f64;
        let distance = square(&u).sqrt();
        // All points together have their mean at u / (n + 1) and a covariance that differs from
        // that of the replications along u only.
        let shrink = (n - 1.0) / (n - 1.0 + distance * distance * n / (n + 1.0));
        let centre = distance / (n + 1.0);
        let limit = shrink * (distance - centre).powi(2);
        let pooled = |z: &Vec<f64>| {
            let along: f64 =
                z.iter().zip(&u).map(|(z, u)| z * u / distance.max(f64::MIN_POSITIVE)).sum();
            square(z) - along * along + shrink * (along - centre).powi(2)
        };
        let beyond = self.whitened.iter().filter(|z| pooled(z) >= limit).count();
        Ok(MahalanobisCheck {
            distance,
            deviations,
            p_value: PValue::of_counts(beyond, self.whitened.len()),
            replications: self.whitened.len(),
        })
    }

    /// (observed - mean) / standard deviation of each summary.
    fn deviations(&self, observed: &[f64]) -> Result<Vec<f64>> {
        if observed.len() != self.mean.len() {
            return Err(Error::Shape {
                what: "observed summaries".into(),
                expected: format!("{}, as many as replicated", self.mean.len()),
                found: format!("{} values", observed.len()),
            });
        }
        finite("observed summary", observed)?;
        Ok(standardised(observed, &self.mean, &self.sd))
    }
}

fn square(vector: &[f64]) -> f64 {
    vector.iter().map(|x| x * x).sum()
}

fn standardised(point: &[f64], mean: &[f64], sd: &[f64]) -> Vec<f64> {
    point.iter().zip(mean.iter().zip(sd)).map(|(x, (mean, sd))| (x - mean) / sd).collect()
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
