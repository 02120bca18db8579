//! One parameter's prior, and the change of variable that makes it standard normal.

use serde::{Deserialize, Serialize};

use super::beta::Beta;
use super::gamma::Gamma;
use super::log_concave;
use super::normal::{
    density, hazard, ln_lower_tail, lower_tail, lower_tail_quantile, lower_tail_quantile_of_ln,
};
use super::truncated_normal::TruncatedNormal;
use crate::error::{Error, Result};

/// A distribution of one real parameter.
///
/// Every marginal has a coordinate `u` in which it is standard normal, `theta = quantile(Phi(u))`:
/// [`Marginal::at_normal`] and [`Marginal::to_normal`]. A gradient sampler or a network that works
/// in `u` meets no edge.
///
/// In text formats a marginal is its name with its numbers, in TOML for instance
/// `log_normal = { location = -0.125, scale = 0.5 }`.
///
/// Methods assume a marginal that passes [`Marginal::validate`]; those of a
/// [`Prior`](crate::prior::Prior) do.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Marginal {
    /// Normal.
    Normal {
        /// Mean.
        mean: f64,
        /// Standard deviation.
        sd: f64,
    },
    /// Normal, truncated where edges are given and then renormalised.
    TruncatedNormal {
        /// Mean before truncation.
        mean: f64,
        /// Standard deviation before truncation.
        sd: f64,
        /// Lower edge; none by default.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lower: Option<f64>,
        /// Upper edge; none by default.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        upper: Option<f64>,
    },
    /// Positive, with a normal logarithm.
    LogNormal {
        /// Mean of the logarithm.
        location: f64,
        /// Standard deviation of the logarithm.
        scale: f64,
    },
    /// Uniform on an interval.
    Uniform {
        /// Lower edge.
        lower: f64,
        /// Upper edge.
        upper: f64,
    },
    /// The absolute value of a normal variable of mean zero.
    HalfNormal {
        /// Standard deviation of that normal variable.
        sd: f64,
    },
    /// Density proportional to `exp(-rate theta)` for positive theta.
    Exponential {
        /// Inverse of the mean.
        rate: f64,
    },
    /// Density proportional to `theta^(shape - 1) exp(-rate theta)` for positive theta.
    Gamma {
        /// Power of theta plus one.
        shape: f64,
        /// Inverse scale.
        rate: f64,
    },
    /// Density proportional to `theta^(alpha - 1) (1 - theta)^(beta - 1)` between 0 and 1.
    Beta {
        /// Power of theta plus one.
        alpha: f64,
        /// Power of 1 - theta plus one.
        beta: f64,
    },
}

/// Largest shape of a gamma or beta distribution: beyond it, use a normal one.
const MAX_SHAPE: f64 = 1e4;
/// Smallest shape of a gamma or beta distribution: below it, draws underflow to zero.
const MIN_SHAPE: f64 = 0.1;

impl Marginal {
    /// Checks that this is a distribution; `name` is the parameter's, for the message.
    ///
    /// # Errors
    /// [`Error::Prior`] with the first number that is wrong: not finite, a scale that is not
    /// positive, an interval without width, edges that leave nothing of a normal distribution, a
    /// shape outside 0.1 to 10 000.
    pub fn validate(&self, name: &str) -> Result<()> {
        let check = |fine: bool, field: &'static str, value: f64, expected: &str| {
            if fine {
                return Ok(());
            }
            let (parameter, expected) = (name.to_owned(), expected.to_owned());
            Err(Error::Prior { parameter, field, value, expected })
        };
        let finite = |field, value: f64| check(value.is_finite(), field, value, "a finite number");
        let positive = |field, value: f64| {
            check(value.is_finite() && value > 0.0, field, value, "a positive number")
        };
        let shape = |field, value: f64| {
            let fine = (MIN_SHAPE..=MAX_SHAPE).contains(&value);
            check(fine, field, value, "a number from 0.1 to 10000")
        };
        let interval = |lower: f64, upper: f64| {
            check(!upper.is_nan(), "upper", upper, "a number")?;
            check(lower < upper, "lower", lower, &format!("a number below upper = {upper}"))
        };
        match *self {
            Self::Normal { mean, sd } => {
                finite("mean", mean)?;
                positive("sd", sd)
            }
            Self::TruncatedNormal { mean, sd, lower, upper } => {
                finite("mean", mean)?;
                positive("sd", sd)?;
                let distribution = TruncatedNormal::new(mean, sd, lower, upper);
                let (lower, upper) = (distribution.lower, distribution.upper);
                interval(lower, upper)?;
                let expected = format!(
                    "edges that leave something; [{lower}, {upper}] holds almost nothing of the \
                     normal distribution with mean {mean} and sd {sd}"
                );
                check(distribution.has_mass(), "lower", lower, &expected)
            }
            Self::LogNormal { location, scale } => {
                finite("location", location)?;
                positive("scale", scale)
            }
            Self::Uniform { lower, upper } => {
                finite("lower", lower)?;
                finite("upper", upper)?;
                interval(lower, upper)?;
                check((upper - lower).is_finite(), "upper", upper, "an interval of finite width")
            }
            Self::HalfNormal { sd } => positive("sd", sd),
            Self::Exponential { rate } => positive("rate", rate),
            Self::Gamma { shape: a, rate } => {
                shape("shape", a)?;
                positive("rate", rate)
            }
            Self::Beta { alpha, beta } => {
                shape("alpha", alpha)?;
                shape("beta", beta)
            }
        }
    }

    /// Lower and upper edge of the support, infinite where there is none. Edges belong to the
    /// support of uniform, (truncated, half) normal and exponential distributions, not of the
    /// others.
    #[must_use]
    pub fn support(&self) -> (f64, f64) {
        match *self {
            Self::Normal { .. } => (f64::NEG_INFINITY, f64::INFINITY),
            Self::TruncatedNormal { lower, upper, .. } => {
                (lower.unwrap_or(f64::NEG_INFINITY), upper.unwrap_or(f64::INFINITY))
            }
            Self::Uniform { lower, upper } => (lower, upper),
            Self::Beta { .. } => (0.0, 1.0),
            Self::LogNormal { .. }
            | Self::HalfNormal { .. }
            | Self::Exponential { .. }
            | Self::Gamma { .. } => (0.0, f64::INFINITY),
        }
    }

    /// True within the support; false for NaN and infinities.
    #[must_use]
    pub fn contains(&self, value: f64) -> bool {
        let (lower, upper) = self.support();
        let inside = match self {
            Self::LogNormal { .. } | Self::Gamma { .. } | Self::Beta { .. } => {
                lower < value && value < upper
            }
            _ => lower <= value && value <= upper,
        };
        inside && value.is_finite()
    }

    /// Log density at `value`; minus infinity outside the support.
    #[must_use]
    pub fn log_density(&self, value: f64) -> f64 {
        if !self.contains(value) {
            return f64::NEG_INFINITY;
        }
        let normal =
            |x: f64, sd: f64| -0.5 * x * x - sd.ln() - 0.5 * (2.0 * std::f64::consts::PI).ln();
        match *self {
            Self::Normal { mean, sd } => normal((value - mean) / sd, sd),
            Self::TruncatedNormal { mean, sd, lower, upper } => {
                TruncatedNormal::new(mean, sd, lower, upper).log_density(value)
            }
            Self::LogNormal { location, scale } => {
                let log = value.ln();
                normal((log - location) / scale, scale) - log
            }
            Self::Uniform { lower, upper } => -(upper - lower).ln(),
            Self::HalfNormal { sd } => std::f64::consts::LN_2 + normal(value / sd, sd),
            Self::Exponential { rate } => rate.ln() - rate * value,
            Self::Gamma { shape, rate } => Gamma::new(shape).log_density(rate * value) + rate.ln(),
            Self::Beta { alpha, beta } => Beta::new(alpha, beta).log_density(value),
        }
    }

    /// Derivative of the log density at a `value` within the support. Outside it, where there is
    /// no derivative, the formula of the inside.
    #[must_use]
    pub fn gradient(&self, value: f64) -> f64 {
        match *self {
            Self::Normal { mean, sd } | Self::TruncatedNormal { mean, sd, .. } => {
                (mean - value) / (sd * sd)
            }
            Self::LogNormal { location, scale } => {
                ((location - value.ln()) / (scale * scale) - 1.0) / value
            }
            Self::Uniform { .. } => 0.0,
            Self::HalfNormal { sd } => -value / (sd * sd),
            Self::Exponential { rate } => -rate,
            Self::Gamma { shape, rate } => (shape - 1.0) / value - rate,
            Self::Beta { alpha, beta } => (alpha - 1.0) / value - (beta - 1.0) / (1.0 - value),
        }
    }

    /// The value whose probability below it is that of `u` under the standard normal, and its
    /// (positive) derivative with respect to `u`.
    ///
    /// The distance to an edge keeps its relative precision as far as floating-point numbers near
    /// that edge allow.
    #[must_use]
    pub fn at_normal(&self, u: f64) -> (f64, f64) {
        match *self {
            Self::Normal { mean, sd } => (mean + sd * u, sd),
            Self::TruncatedNormal { mean, sd, lower, upper } => {
                TruncatedNormal::new(mean, sd, lower, upper).at_normal(u)
            }
            Self::LogNormal { location, scale } => {
                let value = (location + scale * u).exp();
                (value, scale * value)
            }
            Self::Uniform { lower, upper } => {
                let width = upper - lower;
                let distance = width * lower_tail(-u.abs());
                let value = if u <= 0.0 { lower + distance } else { upper - distance };
                (value, width * density(u))
            }
            Self::HalfNormal { sd } => TruncatedNormal::positive(sd).at_normal(u),
            Self::Exponential { rate } => {
                let depth = if u < 0.0 { -(-lower_tail(u)).ln_1p() } else { -ln_lower_tail(-u) };
                (depth / rate, hazard(u) / rate)
            }
            Self::Gamma { shape, rate } => {
                let (value, derivative) = log_concave::at_normal(&Gamma::new(shape), u);
                (value / rate, derivative / rate)
            }
            Self::Beta { alpha, beta } => log_concave::at_normal(&Beta::new(alpha, beta), u),
        }
    }

    /// Inverse of [`Marginal::at_normal`]; infinite at the edges, NaN outside the support.
    #[must_use]
    pub fn to_normal(&self, value: f64) -> f64 {
        if !self.contains(value) {
            return f64::NAN;
        }
        match *self {
            Self::Normal { mean, sd } => (value - mean) / sd,
            Self::TruncatedNormal { mean, sd, lower, upper } => {
                TruncatedNormal::new(mean, sd, lower, upper).to_normal(value)
            }
            Self::LogNormal { location, scale } => (value.ln() - location) / scale,
            Self::Uniform { lower, upper } => {
                let width = upper - lower;
                let (below, above) = ((value - lower) / width, (upper - value) / width);
                if below <= above {
                    lower_tail_quantile(below)
                } else {
                    -lower_tail_quantile(above)
                }
            }
            Self::HalfNormal { sd } => TruncatedNormal::positive(sd).to_normal(value),
            Self::Exponential { rate } => {
                let depth = rate * value;
                if depth < std::f64::consts::LN_2 {
                    lower_tail_quantile(-(-depth).exp_m1())
                } else {
                    -lower_tail_quantile_of_ln(-depth)
                }
            }
            Self::Gamma { shape, rate } => log_concave::to_normal(&Gamma::new(shape), rate * value),
            Self::Beta { alpha, beta } => log_concave::to_normal(&Beta::new(alpha, beta), value),
        }
    }

    /// Probability of a value below `value`; NaN for NaN.
    #[must_use]
    pub fn cdf(&self, value: f64) -> f64 {
        let (lower, upper) = self.support();
        if value <= lower {
            0.0
        } else if value >= upper {
            1.0
        } else {
            lower_tail(self.to_normal(value))
        }
    }

    /// Mean.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.moments().0
    }

    /// Standard deviation.
    #[must_use]
    pub fn sd(&self) -> f64 {
        self.moments().1
    }

    fn moments(&self) -> (f64, f64) {
        match *self {
            Self::Normal { mean, sd } => (mean, sd),
            Self::TruncatedNormal { mean, sd, lower, upper } => {
                TruncatedNormal::new(mean, sd, lower, upper).moments()
            }
            Self::LogNormal { location, scale } => {
                let mean = (location + 0.5 * scale * scale).exp();
                (mean, mean * (scale * scale).exp_m1().sqrt())
            }
            Self::Uniform { lower, upper } => {
                (lower + 0.5 * (upper - lower), (upper - lower) / 12f64.sqrt())
            }
            Self::HalfNormal { sd } => {
                let square = 2.0 / std::f64::consts::PI;
                (sd * square.sqrt(), sd * (1.0 - square).sqrt())
            }
            Self::Exponential { rate } => (rate.recip(), rate.recip()),
            Self::Gamma { shape, rate } => (shape / rate, shape.sqrt() / rate),
            Self::Beta { alpha, beta } => {
                let sum = alpha + beta;
                (alpha / sum, (alpha * beta / (sum + 1.0)).sqrt() / sum)
            }
        }
    }
}
