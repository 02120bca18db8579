//! Comparison of a claimed gradient with central differences.
//!
//! A central difference is wrong by O(h²), so against the *right* gradient the discrepancy falls
//! as the square of the step until roundoff, of order ε |f| / h, takes over. Against a *wrong*
//! gradient it stops at the mistake. A check at one step confuses the two; a ladder does not.

use std::fmt;

/// How to check a gradient.
#[derive(Clone, Debug, PartialEq)]
pub struct GradientCheck {
    /// Steps relative to the size of the coordinate, in falling order.
    pub steps: Vec<f64>,
    /// Coordinates smaller than this in absolute value take steps as if they were this large.
    pub smallest_coordinate: f64,
    /// Relative discrepancy to be reached.
    pub tolerance: f64,
    /// Relative roundoff of the function; discrepancies below `10 * noise * |f| / h` say nothing
    /// about the order of convergence.
    pub noise: f64,
}

impl Default for GradientCheck {
    fn default() -> Self {
        Self {
            steps: vec![1e-2, 1e-3, 1e-4],
            smallest_coordinate: 0.1,
            tolerance: 1e-6,
            noise: f64::EPSILON,
        }
    }
}

/// Smallest accepted fall of the discrepancy, as a power of the step: 2 in the limit.
const LEAST_ORDER: f64 = 1.5;

/// Coordinates whose effect on the function per unit relative step is below this fraction of the
/// largest are compared with that fraction, so that an exact zero can pass.
const NEGLIGIBLE: f64 = 1e-3;

/// One coordinate at one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport {
    /// Absolute step h, in the unit of the coordinate.
    pub step: f64,
    /// The central difference (f(x + h) - f(x - h)) / 2h.
    pub difference: f64,
    /// |difference - gradient| over the size of the gradient.
    pub relative_error: f64,
    /// The relative error that roundoff may cause at this step.
    pub roundoff: f64,
}

/// One coordinate.
#[derive(Clone, Debug, PartialEq)]
pub struct CoordinateReport {
    /// Which coordinate.
    pub index: usize,
    /// Its value.
    pub coordinate: f64,
    /// The claimed derivative.
    pub gradient: f64,
    /// One entry per step.
    pub steps: Vec<StepReport>,
    /// Smallest power of the step with which the error falls between neighbouring steps, over the
    /// pairs above both tolerance and roundoff; `None` when there is no such pair.
    pub order: Option<f64>,
}

impl CoordinateReport {
    /// The smallest relative error over the steps.
    #[must_use]
    pub fn best_error(&self) -> f64 {
        self.steps.iter().map(|s| s.relative_error).fold(f64::INFINITY, f64::min)
    }

    /// True when the error reaches `tolerance` and falls as the square of the step on the way.
    #[must_use]
    pub fn passes(&self, tolerance: f64) -> bool {
        self.steps.iter().all(|s| s.relative_error.is_finite())
            && self.best_error() <= tolerance
            && self.order.is_none_or(|order| order >= LEAST_ORDER)
    }
}

/// The outcome of a check. Displayed, it tells which coordinates fail and by how much.
#[derive(Clone, Debug, PartialEq)]
pub struct GradientReport {
    /// The tolerance that was asked for.
    pub tolerance: f64,
    /// Length of the point and of the claimed gradient.
    pub lengths: (usize, usize),
    /// One entry per coordinate; empty when the lengths differ.
    pub coordinates: Vec<CoordinateReport>,
}

impl GradientReport {
    /// True when the lengths agree and every coordinate passes.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.lengths.0 == self.lengths.1 && self.failures().next().is_none()
    }

    /// The coordinates that fail.
    pub fn failures(&self) -> impl Iterator<Item = &CoordinateReport> {
        self.coordinates.iter().filter(|c| !c.passes(self.tolerance))
    }

    /// The largest over the coordinates of the best relative error.
    #[must_use]
    pub fn worst_error(&self) -> f64 {
        self.coordinates.iter().map(CoordinateReport::best_error).fold(0.0, f64::max)
    }

    /// For tests.
    ///
    /// # Panics
    /// With the displayed report when the check does not pass.
    #[track_caller]
    pub fn assert_passes(&self) {
        assert!(self.passes(), "{self}");
    }
}

impl fmt::Display for GradientReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (point, gradient) = self.lengths;
        if point != gradient {
            return write!(f, "the gradient has {gradient} entries, the point {point}");
        }
        let failed = self.failures().count();
        if failed == 0 {
            let worst = self.worst_error();
            return write!(f, "gradient of {point} coordinates right to {worst:.1e} relative");
        }
        write!(f, "{failed} of {point} coordinates miss {:.1e} relative:", self.tolerance)?;
        for c in self.failures() {
            let (index, x, g) = (c.index, c.coordinate, c.gradient);
            write!(f, "\n  coordinate {index} at {x}: claimed {g:e}")?;
            if let Some(order) = c.order {
                write!(f, ", error falls as step^{order:.2}")?;
            }
            for s in &c.steps {
                let (h, d, e, r) = (s.step, s.difference, s.relative_error, s.roundoff);
                write!(f, "\n    step {h:.1e}: difference {d:e}, error {e:.1e}, roundoff {r:.0e}")?;
            }
        }
        Ok(())
    }
}

impl GradientCheck {
    /// The default ladder of steps with another tolerance.
    #[must_use]
    pub fn with_tolerance(tolerance: f64) -> Self {
        Self { tolerance, ..Self::default() }
    }

    /// Compares `gradient`, claimed for `function` at `point`, with central differences.
    ///
    /// A function that fails returns NaN, and the coordinate then fails. Takes two evaluations for
    /// each coordinate and step; to check a long gradient, restrict the function to a few
    /// coordinates or directions first.
    pub fn run(
        &self,
        mut function: impl FnMut(&[f64]) -> f64,
        point: &[f64],
        gradient: &[f64],
    ) -> GradientReport {
        let lengths = (point.len(), gradient.len());
        let size = |i: usize| point[i].abs().max(self.smallest_coordinate);
        let mut report =
            GradientReport { tolerance: self.tolerance, lengths, coordinates: Vec::new() };
        if lengths.0 != lengths.1 {
            return report;
        }
        let largest = (0..point.len()).map(|i| gradient[i].abs() * size(i)).fold(0.0, f64::max);
        let mut x = point.to_vec();
        for i in 0..point.len() {
            let mut steps = Vec::with_capacity(self.steps.len());
            for relative in &self.steps {
                let h = relative * size(i);
                let (above, below) = (point[i] + h, point[i] - h);
                x[i] = above;
                let upper = function(&x);
                x[i] = below;
                let lower = function(&x);
                x[i] = point[i];
                let difference = (upper - lower) / (above - below);
                let error = (difference - gradient[i]).abs();
                let scale = gradient[i]
                    .abs()
                    .max(difference.abs())
                    .max(NEGLIGIBLE * largest / size(i))
                    .max(f64::MIN_POSITIVE);
                let roundoff = 10.0 * self.noise * upper.abs().max(lower.abs()) / h / scale;
                let relative_error = error / scale;
                steps.push(StepReport { step: h, difference, relative_error, roundoff });
            }
            let order = self.order(&steps);
            report.coordinates.push(CoordinateReport {
                index: i,
                coordinate: point[i],
                gradient: gradient[i],
                steps,
                order,
            });
        }
        report
    }

    fn order(&self, steps: &[StepReport]) -> Option<f64> {
        let resolved = |s: &StepReport| s.relative_error > s.roundoff.max(self.tolerance);
        steps
            .windows(2)
            .filter(|pair| resolved(&pair[0]) && resolved(&pair[1]))
            .map(|pair| {
                (pair[0].relative_error / pair[1].relative_error).ln()
                    / (pair[0].step / pair[1].step).ln()
            })
            .min_by(f64::total_cmp)
    }
}

/// Asserts a gradient with the default ladder of steps; for tests.
///
/// # Panics
/// With a message that names the coordinates and their errors when the gradient misses
/// `tolerance` relative.
#[track_caller]
pub fn assert_gradient(
    function: impl FnMut(&[f64]) -> f64,
    point: &[f64],
    gradient: &[f64],
    tolerance: f64,
) {
    GradientCheck::with_tolerance(tolerance).run(function, point, gradient).assert_passes();
}
