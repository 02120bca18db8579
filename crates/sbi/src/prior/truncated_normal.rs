//! The truncated normal distribution, and the change of variable that makes it standard normal.

use super::normal::{density, lower_tail, lower_tail_quantile, mass, width_with_mass};

/// Least mass of the normal distribution that may be left after truncation.
const LEAST_MASS: f64 = 1e-10;

/// A normal distribution between two edges, either of which may be infinite, renormalised.
#[derive(Clone, Copy, Debug)]
pub struct TruncatedNormal {
    /// Mean before truncation.
    pub mean: f64,
    /// Standard deviation before truncation.
    pub sd: f64,
    /// Lower edge.
    pub lower: f64,
    /// Upper edge.
    pub upper: f64,
}

impl TruncatedNormal {
    /// Truncated where edges are given.
    pub fn new(mean: f64, sd: f64, lower: Option<f64>, upper: Option<f64>) -> Self {
        let lower = lower.unwrap_or(f64::NEG_INFINITY);
        Self { mean, sd, lower, upper: upper.unwrap_or(f64::INFINITY) }
    }

    /// The positive half of a normal distribution of mean zero.
    pub fn positive(sd: f64) -> Self {
        Self { mean: 0.0, sd, lower: 0.0, upper: f64::INFINITY }
    }

    /// False when the edges leave (almost) nothing of the distribution.
    pub fn has_mass(self) -> bool {
        self.lower < f64::INFINITY && self.upper > f64::NEG_INFINITY && self.mass() > LEAST_MASS
    }

    /// Lower edge in standard deviations from the mean.
    fn lower_edge(self) -> f64 {
        (self.lower - self.mean) / self.sd
    }

    /// Upper edge in standard deviations from the mean.
    fn upper_edge(self) -> f64 {
        (self.upper - self.mean) / self.sd
    }

    /// Mass of the untruncated normal between the edges.
    fn mass(self) -> f64 {
        let (lower, upper) = (self.lower_edge(), self.upper_edge());
        if lower.is_finite() { mass(lower, upper - lower) } else { lower_tail(upper) }
    }

    /// Log density at a value within the edges.
    pub fn log_density(self, value: f64) -> f64 {
        let x = (value - self.mean) / self.sd;
        let norm = (2.0 * std::f64::consts::PI).sqrt() * self.sd * self.mass();
        -0.5 * x * x - norm.ln()
    }

    /// The value whose probability below it is that of `u` under the standard normal, and its
    /// derivative with respect to `u`.
    pub fn at_normal(self, u: f64) -> (f64, f64) {
        let (lower, upper) = (self.lower_edge(), self.upper_edge());
        if lower.is_infinite() && upper.is_infinite() {
            return (self.mean + self.sd * u, self.sd);
        }
        // Work in the nearer tail, mirrored so that it is the lower one, and from its edge where
        // it has one, so that the distance to the edge keeps its relative precision.
        let all = self.mass();
        let tail = all * lower_tail(-u.abs());
        let (sign, edge, limit) =
            if u <= 0.0 { (1.0, lower, self.lower) } else { (-1.0, -upper, self.upper) };
        let (x, value) = if edge.is_finite() {
            let width = width_with_mass(edge, tail);
            (edge + width, limit + sign * self.sd * width)
        } else {
            let x = lower_tail_quantile(tail);
            (x, self.mean + sign * self.sd * x)
        };
        (value, self.sd * all * (0.5 * (x * x - u * u)).exp())
    }

    /// Inverse of [`TruncatedNormal::at_normal`] for a value within the edges; infinite at them.
    pub fn to_normal(self, value: f64) -> f64 {
        let (lower, upper) = (self.lower_edge(), self.upper_edge());
        let x = (value - self.mean) / self.sd;
        if lower.is_infinite() && upper.is_infinite() {
            return x;
        }
        let below = if lower.is_finite() {
            mass(lower, (value - self.lower) / self.sd)
        } else {
            lower_tail(x)
        };
        let above = if upper.is_finite() {
            mass(-upper, (self.upper - value) / self.sd)
        } else {
            lower_tail(-x)
        };
        // Of the two, the smaller is the more precise; together they are all there is.
        if below <= above {
            lower_tail_quantile(below / (below + above))
        } else {
            -lower_tail_quantile(above / (below + above))
        }
    }

    /// Mean and standard deviation after truncation.
    ///
    /// By the trapezoidal rule in the coordinate of [`TruncatedNormal::at_normal`], whose integrand
    /// is analytic and falls like a normal density: the closed forms cancel for narrow intervals.
    pub fn moments(self) -> (f64, f64) {
        const STEP: f64 = 0.1;
        let reference = self.at_normal(0.0).0;
        let (mut first, mut second) = (0.0, 0.0);
        for i in -90..=90 {
            let u = STEP * f64::from(i);
            let weight = STEP * density(u);
            let offset = self.at_normal(u).0 - reference;
            first += weight * offset;
            second += weight * offset * offset;
        }
        (reference + first, (second - first * first).sqrt())
    }
}
