//! Quantile function of the standard normal distribution.

use statrs::distribution::{ContinuousCDF, Normal};

/// The z with Phi(z) = `p`, of relative accuracy 1e-15 in both tails: infinite at 0 and 1, NaN
/// outside.
#[must_use]
pub fn normal_quantile(p: f64) -> f64 {
    if (0.0..=1.0).contains(&p) { Normal::standard().inverse_cdf(p) } else { f64::NAN }
}
