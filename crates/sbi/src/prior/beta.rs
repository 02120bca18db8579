//! The beta distribution, in the coordinate `s = logit x`.
//!
//! Masses are logarithms, which statrs 0.19.1 does not have: of the shapes 30 and 0.5 it finds no
//! mass below 1e-40, where its logarithm is -2765.38.

use super::gamma::ln_complement;
use super::log_concave::LogConcave;

/// Beta distribution.
pub struct Beta {
    alpha: f64,
    beta: f64,
    ln_beta: f64,
}

impl Beta {
    /// With the given shapes.
    pub fn new(alpha: f64, beta: f64) -> Self {
        let ln_beta = libm::lgamma(alpha) + libm::lgamma(beta) - libm::lgamma(alpha + beta);
        Self { alpha, beta, ln_beta }
    }

    /// Log density at an `x` between 0 and 1.
    pub fn log_density(&self, x: f64) -> f64 {
        (self.alpha - 1.0) * x.ln() + (self.beta - 1.0) * (-x).ln_1p() - self.ln_beta
    }
}

/// Logarithms of `x` and `1 - x` at the coordinate `s`.
fn logs(s: f64) -> (f64, f64) {
    let small = -(-s.abs()).exp().ln_1p();
    if s < 0.0 { (s + small, small) } else { (small, small - s) }
}

impl LogConcave for Beta {
    fn value(&self, s: f64) -> (f64, f64) {
        let (ln_x, ln_rest) = logs(s);
        let x = ln_x.exp().clamp(f64::MIN_POSITIVE, 1.0 - f64::EPSILON);
        (x, (ln_x + ln_rest).exp())
    }

    fn coordinate(&self, value: f64) -> f64 {
        value.ln() - (-value).ln_1p()
    }

    fn mode(&self) -> f64 {
        self.alpha.ln() - self.beta.ln()
    }

    fn ln_density(&self, s: f64) -> f64 {
        let (ln_x, ln_rest) = logs(s);
        self.alpha * ln_x + self.beta * ln_rest - self.ln_beta
    }

    fn ln_masses(&self, s: f64) -> (f64, f64) {
        let ln_front = self.ln_density(s);
        let (ln_x, ln_rest) = logs(s);
        let (a, b) = (self.alpha, self.beta);
        if ln_x.exp() < (a + 1.0) / (a + b + 2.0) {
            let below = (ln_front + (fraction(a, b, ln_x.exp()) / a).ln()).min(0.0);
            (below, ln_complement(below))
        } else {
            let above = (ln_front + (fraction(b, a, ln_rest.exp()) / b).ln()).min(0.0);
            (ln_complement(above), above)
        }
    }
}

/// Continued fraction of the incomplete beta function: Press et al. 2007, *Numerical Recipes*,
/// section 6.4.
fn fraction(a: f64, b: f64, x: f64) -> f64 {
    let away = |value: f64| if value.abs() < 1e-300 { 1e-300 } else { value };
    let mut c = 1.0;
    let mut d = away(1.0 - (a + b) * x / (a + 1.0)).recip();
    let mut h = d;
    for m in 1..100_000 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = away(1.0 + even * d).recip();
        c = away(1.0 + even / c);
        h *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = away(1.0 + odd * d).recip();
        c = away(1.0 + odd / c);
        let factor = d * c;
        h *= factor;
        if (factor - 1.0).abs() < f64::EPSILON {
            break;
        }
    }
    h
}
