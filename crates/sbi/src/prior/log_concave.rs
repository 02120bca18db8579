//! Change of variable to the standard normal for distributions whose density is log-concave in
//! some coordinate on the whole line: the gamma distribution in `ln x`, beta in `logit x`.
//!
//! In that coordinate the logarithms of both cumulative masses are concave, so that Newton's method
//! on them has no false minima; its steps are bounded so that it cannot jump into underflow.

use super::normal::{ln_lower_tail, lower_tail_quantile_of_ln};

/// A distribution, seen in the coordinate `s` in which it is log-concave.
pub trait LogConcave {
    /// The value at a coordinate, kept within the open support, and its derivative there.
    fn value(&self, s: f64) -> (f64, f64);

    /// The coordinate of a value within the support.
    fn coordinate(&self, value: f64) -> f64;

    /// The coordinate where the density (in that coordinate) is largest.
    fn mode(&self) -> f64;

    /// Log density in the coordinate.
    fn ln_density(&self, s: f64) -> f64;

    /// Logarithms of the masses below and above `s`.
    fn ln_masses(&self, s: f64) -> (f64, f64);
}

/// The value whose probability below it is that of `u` under the standard normal, and its
/// derivative with respect to `u`.
pub fn at_normal(distribution: &impl LogConcave, u: f64) -> (f64, f64) {
    // The smaller of the two masses is matched, as it is the more precise.
    let target = ln_lower_tail(-u.abs());
    let mut s = distribution.mode();
    for _ in 0..500 {
        let (below, above) = distribution.ln_masses(s);
        let (mass, sign) = if u <= 0.0 { (below, 1.0) } else { (above, -1.0) };
        let slope = (distribution.ln_density(s) - mass).exp();
        let step = (sign * (target - mass) / slope).clamp(-1.0, 1.0);
        s += step;
        if step.abs() <= 4.0 * f64::EPSILON * s.abs().max(1.0) {
            break;
        }
    }
    let (value, dvalue_ds) = distribution.value(s);
    let ln_normal = -0.5 * (u * u + (2.0 * std::f64::consts::PI).ln());
    (value, dvalue_ds * (ln_normal - distribution.ln_density(s)).exp())
}

/// Inverse of [`at_normal`].
pub fn to_normal(distribution: &impl LogConcave, value: f64) -> f64 {
    let (below, above) = distribution.ln_masses(distribution.coordinate(value));
    if below <= above {
        lower_tail_quantile_of_ln(below)
    } else {
        -lower_tail_quantile_of_ln(above)
    }
}
