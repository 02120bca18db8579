//! Starting points that need no knowledge of the truth.
//!
//! A chain in thousands of dimensions started at random may freeze far from the typical set, its
//! step size adapted to a region of enormous curvature. Two remedies: take the first of several
//! candidates where the density can be evaluated, and climb from there for a while. The maximum of
//! the density is no typical point either, but a chain leaves it quickly: a momentum of typical
//! size lifts it to the typical set within one trajectory.

use std::collections::VecDeque;

use crate::{
    density::{LogDensity, LogDensityError},
    error::Error,
    vector::dot,
};

/// Returns the first of the points `candidate(0), candidate(1), ..` at which the log density and
/// its gradient are finite.
///
/// # Errors
/// [`Error::NoStart`] after `attempts` candidates, [`Error::Dimension`] if one has the wrong length,
/// [`Error::Density`] if the density fails fatally.
pub fn first_finite<D: LogDensity>(
    density: &mut D,
    mut candidate: impl FnMut(usize) -> Vec<f64>,
    attempts: usize,
) -> Result<Vec<f64>, Error<D::Error>> {
    let mut gradient = vec![0.0; density.dim()];
    for attempt in 0..attempts {
        let position = candidate(attempt);
        if position.len() != gradient.len() {
            return Err(Error::Dimension {
                what: "candidate starting point",
                expected: gradient.len(),
                found: position.len(),
            });
        }
        if evaluate(density, &position, &mut gradient)?.is_finite() {
            return Ok(position);
        }
    }
    Err(Error::NoStart { tried: attempts })
}

/// Settings of [`ascend`].
#[derive(Clone, Debug, PartialEq)]
pub struct AscentSettings {
    /// Most iterations, each of which takes one gradient unless the line search has to retreat.
    /// Default 200.
    pub iterations: usize,
    /// Number of past steps kept, two vectors each. Default 10.
    pub memory: usize,
    /// Stops when an iteration gains less than this in log density. Default 1e-3, a small fraction
    /// of what a trajectory's momentum brings.
    pub tolerance: f64,
}

impl Default for AscentSettings {
    fn default() -> Self {
        Self { iterations: 200, memory: 10, tolerance: 1e-3 }
    }
}

/// Where an ascent ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Ascent {
    /// Highest point found, `[dim]`.
    pub position: Vec<f64>,
    /// Log density there.
    pub log_density: f64,
    /// Gradient there, `[dim]`.
    pub gradient: Vec<f64>,
    /// Gradient evaluations used.
    pub gradients: u64,
    /// Iterations made.
    pub iterations: usize,
    /// Whether the last gain was below the tolerance.
    pub converged: bool,
}

/// Climbs the log density from `start` by the limited-memory BFGS method with a backtracking line
/// search, which also retreats from points where the density cannot be evaluated.
///
/// `observer` is told each iteration's log density and stops the ascent by returning `false`.
///
/// Reference: Nocedal & Wright 2006, *Numerical Optimization*, algorithms 3.1, 7.4 and 7.5.
///
/// # Errors
/// [`Error::Start`] if the density cannot be evaluated at `start`; [`Error::Dimension`];
/// [`Error::Density`] if the density fails fatally.
pub fn ascend<D: LogDensity>(
    density: &mut D,
    start: Vec<f64>,
    settings: &AscentSettings,
    mut observer: impl FnMut(usize, f64) -> bool,
) -> Result<Ascent, Error<D::Error>> {
    let dim = density.dim();
    if start.len() != dim {
        return Err(Error::Dimension { what: "starting point", expected: dim, found: start.len() });
    }
    let mut at = Ascent {
        position: start,
        log_density: 0.0,
        gradient: vec![0.0; dim],
        gradients: 1,
        iterations: 0,
        converged: false,
    };
    at.log_density = evaluate(density, &at.position, &mut at.gradient)?;
    if !at.log_density.is_finite() {
        let gradient_norm = dot(&at.gradient, &at.gradient).sqrt();
        return Err(Error::Start { log_density: at.log_density, gradient_norm });
    }
    let mut history = History { pairs: VecDeque::new(), capacity: settings.memory };
    let mut trial = vec![0.0; dim];
    let mut trial_gradient = vec![0.0; dim];

    while at.iterations < settings.iterations && !at.converged {
        let mut direction = history.direction(&at.gradient);
        let mut slope = dot(&direction, &at.gradient);
        if !(slope > 0.0 && slope.is_finite()) {
            history.pairs.clear();
            direction = history.direction(&at.gradient);
            slope = dot(&direction, &at.gradient);
        }
        if slope == 0.0 {
            at.converged = true;
            break;
        }
        let mut length = 1.0;
        let value = loop {
            for ((t, &q), &d) in trial.iter_mut().zip(&at.position).zip(&direction) {
                *t = q + length * d;
            }
            at.gradients += 1;
            let value = evaluate(density, &trial, &mut trial_gradient)?;
            if value >= at.log_density + 1e-4 * length * slope {
                break value;
            }
            length *= shrinkage(at.log_density, slope * length, value);
            if length < 1e-12 {
                break f64::NEG_INFINITY;
            }
        };
        if value == f64::NEG_INFINITY {
            // no gain along this direction at the precision of the density
            if history.pairs.is_empty() {
                break;
            }
            history.pairs.clear();
            continue;
        }
        at.iterations += 1;
        at.converged = value - at.log_density < settings.tolerance;
        let difference = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a - b).collect();
        // of the negative log density: y = g_old - g_new
        history.push(difference(&trial, &at.position), difference(&at.gradient, &trial_gradient));
        std::mem::swap(&mut at.position, &mut trial);
        std::mem::swap(&mut at.gradient, &mut trial_gradient);
        at.log_density = value;
        if !observer(at.iterations, value) {
            break;
        }
    }
    Ok(at)
}

/// Factor by which to shorten a step that gained `value - from` instead of about `slope`: to the
/// maximum of the parabola through both, within [0.1, 0.5].
fn shrinkage(from: f64, slope: f64, value: f64) -> f64 {
    let shortfall = slope - (value - from);
    if value.is_finite() { (0.5 * slope / shortfall).clamp(0.1, 0.5) } else { 0.1 }
}

/// Past steps `s` with the changes `y` of the gradient of the negative log density.
struct History {
    pairs: VecDeque<Pair>,
    capacity: usize,
}

struct Pair {
    s: Vec<f64>,
    y: Vec<f64>,
    /// `1 / (s . y)`
    rho: f64,
}

impl History {
    /// Keeps a pair of positive curvature.
    fn push(&mut self, s: Vec<f64>, y: Vec<f64>) {
        let curvature = dot(&s, &y);
        if !(curvature > 1e-10 * (dot(&s, &s) * dot(&y, &y)).sqrt() && curvature.is_finite()) {
            return;
        }
        self.pairs.push_back(Pair { s, y, rho: 1.0 / curvature });
        if self.pairs.len() > self.capacity {
            self.pairs.pop_front();
        }
    }

    /// The inverse Hessian approximation times the gradient; at first a step of length at most 1.
    fn direction(&self, gradient: &[f64]) -> Vec<f64> {
        let mut direction = gradient.to_vec();
        let mut weights = Vec::with_capacity(self.pairs.len());
        for Pair { s, y, rho } in self.pairs.iter().rev() {
            let weight = rho * dot(s, &direction);
            for (d, y) in direction.iter_mut().zip(y) {
                *d -= weight * y;
            }
            weights.push(weight);
        }
        let scale = match self.pairs.back() {
            Some(Pair { y, rho, .. }) => 1.0 / (rho * dot(y, y)),
            None => 1.0 / dot(gradient, gradient).sqrt().max(1.0),
        };
        for d in &mut direction {
            *d *= scale;
        }
        for (Pair { s, y, rho }, weight) in self.pairs.iter().zip(weights.iter().rev()) {
            let correction = weight - rho * dot(y, &direction);
            for (d, s) in direction.iter_mut().zip(s) {
                *d += correction * s;
            }
        }
        direction
    }
}

/// The log density, negative infinity where it or its gradient is not finite.
fn evaluate<D: LogDensity>(
    density: &mut D,
    position: &[f64],
    gradient: &mut [f64],
) -> Result<f64, Error<D::Error>> {
    match density.log_density_and_gradient(position, gradient) {
        Ok(value) if value.is_finite() && dot(gradient, gradient).is_finite() => Ok(value),
        Ok(_) => Ok(f64::NEG_INFINITY),
        Err(error) if error.is_recoverable() => Ok(f64::NEG_INFINITY),
        Err(source) => Err(Error::Density { draw: 0, source }),
    }
}
