//! One parameter's prior, and the change of variable that makes it standard normal.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use super::normal::{lower_tail, lower_tail_quantile, mass, width_with_mass};

/// A normal distribution, truncated where edges are given and then renormalised.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Marginal {
    /// Name of the parameter.
    pub name: String,
    /// Mean before truncation.
    pub mean: f64,
    /// Standard deviation before truncation.
    pub sd: f64,
    /// Lower edge; none by default.
    pub lower: Option<f64>,
    /// Upper edge; none by default.
    pub upper: Option<f64>,
}

impl Marginal {
    /// Checks that this is a distribution.
    ///
    /// # Errors
    /// Naming the parameter and the number that is wrong.
    pub fn validate(&self) -> Result<()> {
        let Self { name, mean, sd, .. } = self;
        let (lower, upper) = self.edges();
        ensure!(mean.is_finite(), "prior of {name}: mean = {mean} must be finite");
        ensure!(sd.is_finite() && *sd > 0.0, "prior of {name}: sd = {sd} must be positive");
        ensure!(lower < upper, "prior of {name}: lower = {lower} must be below upper = {upper}");
        ensure!(
            lower < f64::INFINITY && upper > f64::NEG_INFINITY && self.mass() > 1e-10,
            "prior of {name}: [{lower}, {upper}] holds almost nothing of the normal distribution \
             with mean {mean} and sd {sd}"
        );
        Ok(())
    }

    /// The edges; infinite where there is none.
    pub fn edges(&self) -> (f64, f64) {
        (self.lower.unwrap_or(f64::NEG_INFINITY), self.upper.unwrap_or(f64::INFINITY))
    }

    /// True within the edges.
    #[cfg(test)]
    fn contains(&self, value: f64) -> bool {
        let (lower, upper) = self.edges();
        lower <= value && value <= upper
    }

    /// Lower edge in standard deviations from the mean.
    fn lower_edge(&self) -> f64 {
        (self.edges().0 - self.mean) / self.sd
    }

    /// Upper edge in standard deviations from the mean.
    fn upper_edge(&self) -> f64 {
        (self.edges().1 - self.mean) / self.sd
    }

    /// Mass of the untruncated normal between the edges.
    fn mass(&self) -> f64 {
        let (lower, upper) = (self.lower_edge(), self.upper_edge());
        if lower.is_finite() { mass(lower, upper - lower) } else { lower_tail(upper) }
    }

    /// Log density at `value`; minus infinity outside the edges.
    #[cfg(test)]
    pub fn log_density(&self, value: f64) -> f64 {
        if !self.contains(value) {
            return f64::NEG_INFINITY;
        }
        let x = (value - self.mean) / self.sd;
        let norm = (2.0 * std::f64::consts::PI).sqrt() * self.sd * self.mass();
        -0.5 * x * x - norm.ln()
    }

    /// Derivative of the log density at `value`.
    pub fn gradient(&self, value: f64) -> f64 {
        (self.mean - value) / (self.sd * self.sd)
    }

    /// The value whose prior probability below it is that of `u` under the standard normal, and
    /// its derivative with respect to `u`.
    pub fn at_normal(&self, u: f64) -> (f64, f64) {
        let (lower, upper) = (self.lower_edge(), self.upper_edge());
        if lower.is_infinite() && upper.is_infinite() {
            return (self.mean + self.sd * u, self.sd);
        }
        // Work in the nearer tail, mirrored so that it is the lower one, and from its edge where
        // it has one, so that the distance to the edge keeps its relative precision.
        let all = self.mass();
        let tail = all * lower_tail(-u.abs());
        let (sign, edge, limit) =
            if u <= 0.0 { (1.0, lower, self.edges().0) } else { (-1.0, -upper, self.edges().1) };
        let (x, value) = if edge.is_finite() {
            let width = width_with_mass(edge, tail);
            (edge + width, limit + sign * self.sd * width)
        } else {
            let x = lower_tail_quantile(tail);
            (x, self.mean + sign * self.sd * x)
        };
        (value, self.sd * all * (0.5 * (x * x - u * u)).exp())
    }

    /// Inverse of [`Marginal::at_normal`]; infinite at the edges, NaN outside them.
    #[cfg(test)]
    pub fn to_normal(&self, value: f64) -> f64 {
        if !self.contains(value) {
            return f64::NAN;
        }
        let (lower, upper) = (self.lower_edge(), self.upper_edge());
        let x = (value - self.mean) / self.sd;
        if lower.is_infinite() && upper.is_infinite() {
            return x;
        }
        let below = if lower.is_finite() {
            mass(lower, (value - self.edges().0) / self.sd)
        } else {
            lower_tail(x)
        };
        let above = if upper.is_finite() {
            mass(-upper, (self.edges().1 - value) / self.sd)
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
}
