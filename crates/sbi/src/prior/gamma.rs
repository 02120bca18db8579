//! The gamma distribution of unit rate, in the coordinate `s = ln x`.
//!
//! Masses are logarithms, which statrs 0.19.1 does not have: of the shape 10 it finds no mass below
//! 1e-79, of the shape 1000 none above 3000, where their logarithms are -1834.15 and -906.45.

use super::log_concave::LogConcave;

/// Gamma distribution of unit rate.
pub struct Gamma {
    shape: f64,
    ln_gamma: f64,
}

impl Gamma {
    /// Of the given shape.
    pub fn new(shape: f64) -> Self {
        Self { shape, ln_gamma: libm::lgamma(shape) }
    }

    /// Log density at a positive `x`.
    pub fn log_density(&self, x: f64) -> f64 {
        (self.shape - 1.0) * x.ln() - x - self.ln_gamma
    }
}

impl LogConcave for Gamma {
    fn value(&self, s: f64) -> (f64, f64) {
        let x = s.exp().max(f64::MIN_POSITIVE);
        (x, x)
    }

    fn coordinate(&self, value: f64) -> f64 {
        value.ln()
    }

    fn mode(&self) -> f64 {
        self.shape.ln()
    }

    fn ln_density(&self, s: f64) -> f64 {
        self.shape * s - s.exp() - self.ln_gamma
    }

    /// Series for the lower, continued fraction for the upper incomplete gamma function: Press et
    /// al. 2007, *Numerical Recipes*, section 6.2.
    fn ln_masses(&self, s: f64) -> (f64, f64) {
        let (a, x) = (self.shape, s.exp());
        let ln_front = self.ln_density(s);
        if x < a + 1.0 {
            let mut term = a.recip();
            let mut sum = term;
            let mut n = a;
            while term > f64::EPSILON * 1e-1 * sum {
                n += 1.0;
                term *= x / n;
                sum += term;
            }
            let below = (ln_front + sum.ln()).min(0.0);
            (below, ln_complement(below))
        } else {
            let mut b = x + 1.0 - a;
            let mut c = f64::MAX;
            let mut d = b.recip();
            let mut fraction = d;
            for i in 1..100_000 {
                let i = f64::from(i);
                let numerator = -i * (i - a);
                b += 2.0;
                d = (numerator * d + b).recip();
                c = b + numerator / c;
                let factor = c * d;
                fraction *= factor;
                if (factor - 1.0).abs() < f64::EPSILON {
                    break;
                }
            }
            let above = (ln_front + fraction.ln()).min(0.0);
            (ln_complement(above), above)
        }
    }
}

/// `ln(1 - exp(ln_p))` for `ln_p <= 0`.
pub fn ln_complement(ln_p: f64) -> f64 {
    if ln_p > -std::f64::consts::LN_2 { (-ln_p.exp_m1()).ln() } else { (-ln_p.exp()).ln_1p() }
}
