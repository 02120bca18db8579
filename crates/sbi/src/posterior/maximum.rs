//! The maximum of a posterior's density.

use hmc::{AscentSettings, LogDensity, LogDensityError};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use super::moments::Moments;
use super::settings::{SampleObserver, SampleProgress, SampleSettings, SampleStage};
use super::{Draws, Posterior};
use crate::coordinates::Coordinates;
use crate::error::{Error, Result};

/// Largest normal coordinate that is looked at: beyond it lies less than 1e-15 of the prior.
const FARTHEST: f64 = 8.0;
/// Normal coordinate beyond which a parameter counts as being at an edge: a hundredth of the prior
/// is outside.
const AT_EDGE: f64 = 2.326;
/// Least distance of the starts of climbs, in units of the spread of each coordinate.
const APART: f64 = 0.3;
/// Random directions of each step of the search, besides those of the axes.
const DIRECTIONS: usize = 32;
/// First and longest step of the search, in units of the spread of the draws nearby.
const FIRST_STEP: f64 = 0.3;
/// A gain in log density below this part of it is the rounding of single precision.
const ROUNDING: f64 = 1e-6;

/// How a maximum is looked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MapSettings {
    /// Draws among which climbs start. Default 1000.
    pub draws: usize,
    /// How they are made.
    pub sampling: SampleSettings,
    /// Climbs, from the highest draws that are apart from each other. Default 4.
    pub climbs: usize,
    /// Distance from the maximum that is accepted, in units of the spread of the draws near it.
    /// Single precision resolves about 0.01. Default 0.01.
    pub tolerance: f64,
    /// Most densities and gradients, those of sampling not counted. Default 100 000.
    pub max_evaluations: u64,
}

impl Default for MapSettings {
    fn default() -> Self {
        Self {
            draws: 1000,
            sampling: SampleSettings::default(),
            climbs: 4,
            tolerance: 0.01,
            max_evaluations: 100_000,
        }
    }
}

impl MapSettings {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Setting`] with the first field out of its domain.
    pub fn validate(&self) -> Result<()> {
        let check = |valid: bool, field, value: String, expected: &str| {
            let expected = expected.to_owned();
            if valid { Ok(()) } else { Err(Error::Setting { field, value, expected }) }
        };
        check(self.draws >= 10, "draws", self.draws.to_string(), "at least 10")?;
        check(self.climbs > 0, "climbs", self.climbs.to_string(), "at least 1")?;
        let tolerance = (1e-4..=FIRST_STEP).contains(&self.tolerance);
        check(tolerance, "tolerance", self.tolerance.to_string(), "a number from 1e-4 to 0.3")?;
        let evaluations = self.max_evaluations;
        check(evaluations > 0, "max_evaluations", evaluations.to_string(), "at least 1")?;
        self.sampling.validate()
    }
}

/// Where a posterior's density is largest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Maximum {
    /// The parameters, `[parameter]`.
    pub theta: Vec<f64>,
    /// Log density of the parameters there, as [`Posterior::log_prob`] gives it.
    pub log_prob: f64,
    /// Indices of parameters that lie in the last hundredth of the prior before an edge of its
    /// support, where networks that work in normal coordinates resolve nothing any more.
    pub at_edge: Vec<usize>,
    /// Densities and gradients evaluated after sampling.
    pub evaluations: u64,
}

/// A point in the prior's normal coordinates with its height.
#[derive(Clone, Debug)]
struct Point {
    u: Vec<f64>,
    height: f64,
}

/// The log density of the parameters, over the prior's normal coordinates.
struct Surface<'s, 'p, 'o> {
    posterior: &'s Posterior<'p>,
    evaluations: u64,
    observer: &'s mut SampleObserver<'o>,
}

/// Why a climb cannot go on.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Fatal(Error);

impl LogDensityError for Fatal {
    fn is_recoverable(&self) -> bool {
        false
    }
}

/// See [`Posterior::map_with`].
pub fn find(
    posterior: &Posterior<'_>,
    seed: u64,
    settings: &MapSettings,
    observer: &mut SampleObserver<'_>,
) -> Result<Maximum> {
    settings.validate()?;
    let Draws { theta, .. } =
        posterior.sample_with(settings.draws, seed, &settings.sampling, observer)?;
    let (prior, dim) = (&posterior.estimator.prior, posterior.estimator.prior.dim());
    let u: Vec<f64> = theta
        .rows()
        .into_iter()
        .map(|row| prior.to_normal(&row.to_vec()))
        .filter(|u| u.iter().all(|u| u.abs() <= FARTHEST))
        .flatten()
        .collect();
    let mut surface = Surface { posterior, evaluations: 0, observer };
    let heights = surface.heights(&u)?;
    let mut points: Vec<Point> = u
        .chunks(dim)
        .zip(heights)
        .filter(|(_, height)| height.is_finite())
        .map(|(u, height)| Point { u: u.to_vec(), height })
        .collect();
    points.sort_by(|a, b| b.height.total_cmp(&a.height));
    if points.is_empty() {
        return Err(posterior.no_mass(settings.draws));
    }
    let spread = Moments::new(&u, &vec![1.0; u.len() / dim], dim).sd();
    let mut best = points[0].clone();
    for start in starts(&points, &spread, settings.climbs) {
        let top = surface.climb(start, settings.max_evaluations)?;
        if top.height > best.height {
            best = top;
        }
    }
    let near = neighbourhood(&points, &best.u, &spread);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(u64::MAX - 1);
    let top = surface.search(best, &near.factor(), settings, &mut rng)?;

    let edges = prior.support();
    let at_edge = (0..dim).filter(|&i| {
        (top.u[i] < -AT_EDGE && edges[i].0.is_finite())
            || (top.u[i] > AT_EDGE && edges[i].1.is_finite())
    });
    Ok(Maximum {
        theta: prior.at_normal(&top.u).0,
        log_prob: top.height,
        at_edge: at_edge.collect(),
        evaluations: surface.evaluations,
    })
}

/// The highest of the points, which are sorted, that are apart from each other.
fn starts(points: &[Point], spread: &[f64], count: usize) -> Vec<Vec<f64>> {
    let mut chosen: Vec<Vec<f64>> = Vec::new();
    for point in points {
        if chosen.len() == count {
            break;
        }
        if chosen.iter().all(|other| distance(other, &point.u, spread) > APART) {
            chosen.push(point.u.clone());
        }
    }
    chosen
}

/// Mean and covariance of the tenth of the points nearest to `centre`, and of 20 per coordinate at
/// least where there are so many.
fn neighbourhood(points: &[Point], centre: &[f64], spread: &[f64]) -> Moments {
    let dim = centre.len();
    let mut sorted: Vec<&Point> = points.iter().collect();
    sorted
        .sort_by(|a, b| distance(&a.u, centre, spread).total_cmp(&distance(&b.u, centre, spread)));
    let count = (points.len() / 10).max(20 * dim).min(points.len());
    let near: Vec<f64> = sorted[..count].iter().flat_map(|point| point.u.clone()).collect();
    Moments::new(&near, &vec![1.0; count], dim)
}

/// Distance in units of the spread of each coordinate.
fn distance(a: &[f64], b: &[f64], spread: &[f64]) -> f64 {
    let each = a.iter().zip(b).zip(spread).map(|((a, b), sd)| ((a - b) / sd).powi(2));
    each.sum::<f64>().sqrt()
}

impl Surface<'_, '_, '_> {
    /// Tells of `count` more evaluations.
    fn tell(&mut self, count: usize) -> Result<()> {
        self.evaluations += count as u64;
        let done = self.evaluations as usize;
        let progress = SampleProgress { stage: SampleStage::Maximum, done, total: None };
        if (self.observer)(&progress).is_break() {
            return Err(Error::Stopped { done: self.evaluations, total: self.evaluations });
        }
        Ok(())
    }

    /// The coordinates of the networks at the prior's normal coordinates `u`, with the diagonal of
    /// their derivative and that of the parameters.
    fn own(&self, u: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let estimator = self.posterior.estimator;
        match estimator.coordinates {
            Coordinates::Normal => (u.to_vec(), vec![1.0; u.len()]),
            Coordinates::Natural => estimator.prior.at_normal(u),
        }
    }

    /// What turns the log density of the networks' coordinates into that of the parameters.
    fn shift(&self, u: &[f64]) -> f64 {
        let estimator = self.posterior.estimator;
        match estimator.coordinates {
            Coordinates::Normal => -estimator.prior.log_jacobian(u),
            Coordinates::Natural => 0.0,
        }
    }

    /// Heights of points `[point][coordinate]`; minus infinity where they cannot be had.
    fn heights(&mut self, u: &[f64]) -> Result<Vec<f64>> {
        let dim = self.posterior.estimator.prior.dim();
        self.tell(u.len() / dim)?;
        let own: Vec<f64> = u.chunks(dim).flat_map(|u| self.own(u).0).collect();
        let values = self.posterior.log_densities(&own)?;
        let each = values.iter().zip(u.chunks(dim)).map(|(value, u)| {
            let height = value + self.shift(u);
            let within = u.iter().all(|u| u.abs() <= FARTHEST);
            if within && height.is_finite() { height } else { f64::NEG_INFINITY }
        });
        Ok(each.collect())
    }

    /// Follows the gradient to the top, or to where gradients are of no more use.
    fn climb(&mut self, start: Vec<f64>, budget: u64) -> Result<Point> {
        let settings = AscentSettings { tolerance: 1e-5, ..AscentSettings::default() };
        let begin = self.heights(&start)?[0];
        let from = start.clone();
        let used = self.evaluations;
        let mut steps = 0;
        let goes_on = |_, _| {
            steps += 1;
            used + steps < budget
        };
        match hmc::ascend(self, start, &settings, goes_on) {
            Ok(top) => Ok(Point { u: top.position, height: top.log_density }),
            Err(hmc::Error::Density { source: Fatal(error), .. }) => Err(error),
            // without a gradient there is no climb
            Err(_) => Ok(Point { u: from, height: begin }),
        }
    }

    /// Goes to the highest of the points around, as far as they are higher than the centre, and
    /// looks closer when none is.
    ///
    /// `factor` is the lower Cholesky factor of the covariance by which the points spread.
    fn search(
        &mut self,
        mut top: Point,
        factor: &[f64],
        settings: &MapSettings,
        rng: &mut ChaCha8Rng,
    ) -> Result<Point> {
        let dim = top.u.len();
        let mut step = FIRST_STEP;
        let mut gain = 0.0;
        // half of what is accepted, so that nothing is missed between two lengths
        while step > 0.5 * settings.tolerance {
            if self.evaluations >= settings.max_evaluations {
                let evaluations = self.evaluations;
                return Err(Error::Maximum { evaluations, gain, step });
            }
            let mut around = Vec::with_capacity((2 * dim + DIRECTIONS) * dim);
            let mut add = |z: &[f64]| {
                for i in 0..dim {
                    let shift: f64 = (0..=i).map(|j| factor[i * dim + j] * z[j]).sum();
                    around.push((top.u[i] + step * shift).clamp(-FARTHEST, FARTHEST));
                }
            };
            for axis in 0..2 * dim {
                let mut z = vec![0.0; dim];
                z[axis / 2] = if axis % 2 == 0 { 1.0 } else { -1.0 };
                add(&z);
            }
            for _ in 0..DIRECTIONS {
                let z: Vec<f64> = StandardNormal.sample_iter(&mut *rng).take(dim).collect();
                let length = z.iter().map(|z: &f64| z * z).sum::<f64>().sqrt();
                add(&z.iter().map(|z| z / length).collect::<Vec<_>>());
            }
            let heights = self.heights(&around)?;
            let (index, highest) = heights
                .iter()
                .copied()
                .enumerate()
                .fold((0, f64::NEG_INFINITY), |a, b| if b.1 > a.1 { b } else { a });
            gain = highest - top.height;
            if gain > ROUNDING * (1.0 + top.height.abs()) {
                top = Point { u: around[index * dim..(index + 1) * dim].to_vec(), height: highest };
                step = (1.5 * step).min(FIRST_STEP);
            } else {
                step *= 0.5;
            }
        }
        Ok(top)
    }
}

impl LogDensity for Surface<'_, '_, '_> {
    type Error = Fatal;

    fn dim(&self) -> usize {
        self.posterior.estimator.prior.dim()
    }

    fn log_density_and_gradient(
        &mut self,
        u: &[f64],
        gradient: &mut [f64],
    ) -> std::result::Result<f64, Fatal> {
        if u.iter().any(|u| u.is_nan() || u.abs() > FARTHEST) {
            return Ok(f64::NEG_INFINITY);
        }
        self.tell(1).map_err(Fatal)?;
        let (own, slopes) = self.own(u);
        let (value, found) = self.posterior.log_density_and_gradient(&own).map_err(Fatal)?;
        let estimator = self.posterior.estimator;
        // - d/du ln (d theta / d u), with d theta / d u = phi(u) / p(theta)
        let shift: Vec<f64> = match estimator.coordinates {
            Coordinates::Normal => {
                let (theta, slopes) = estimator.prior.at_normal(u);
                let own = estimator.prior.gradient(&theta);
                own.iter().zip(slopes).zip(u).map(|((own, slope), u)| u + own * slope).collect()
            }
            Coordinates::Natural => vec![0.0; u.len()],
        };
        for (i, gradient) in gradient.iter_mut().enumerate() {
            *gradient = found[i] * slopes[i] + shift[i];
        }
        Ok(value[0] + self.shift(u))
    }
}
