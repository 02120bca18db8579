//! The integrated autocorrelation time of a series.

/// Number of draws of a stationary series that tell as much about its mean as one independent draw,
/// `1 + 2 (r_1 + r_2 + ...)`, from Geyer's initial monotone sequence. Between 0.1 and the length of the
/// series, which is also what a constant series gets.
///
/// Reference: Geyer 1992, *Practical Markov chain Monte Carlo*, section 3.3 (Statist. Sci. 7, 473).
pub fn integrated_time(series: &[f64]) -> f64 {
    let n = series.len();
    let length = n as f64;
    let mean = series.iter().sum::<f64>() / length;
    let deviations: Vec<f64> = series.iter().map(|v| v - mean).collect();
    let covariance = |lag: usize| {
        deviations[lag..].iter().zip(&deviations).map(|(a, b)| a * b).sum::<f64>() / length
    };
    let variance = if n > 1 { covariance(0) } else { 0.0 };
    if !(variance > 0.0 && variance.is_finite()) {
        return length.max(1.0);
    }
    let mut sum = 0.0;
    let mut smallest = f64::INFINITY;
    for pair in 0..n / 2 {
        let both = (covariance(2 * pair) + covariance(2 * pair + 1)) / variance;
        if both <= 0.0 {
            break;
        }
        smallest = smallest.min(both);
        sum += smallest;
    }
    (2.0 * sum - 1.0).clamp(0.1, length)
}

#[cfg(test)]
mod tests {
    use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
    use rand_distr::{Distribution, StandardNormal};

    use super::*;

    #[test]
    fn autoregressions_have_their_closed_form() {
        for r in [0.0, 0.5, 0.9, -0.3] {
            let mut rng = ChaCha8Rng::seed_from_u64(4);
            let mut x = 0.0;
            let series: Vec<f64> = (0..20_000)
                .map(|_| {
                    let noise: f64 = StandardNormal.sample(&mut rng);
                    x = r * x + noise;
                    x
                })
                .collect();
            let (found, expected) = (integrated_time(&series), (1.0 + r) / (1.0 - r));
            assert!((found / expected - 1.0).abs() < 0.15, "{r}: {found} {expected}");
        }
    }

    #[test]
    fn series_that_tell_nothing() {
        assert_eq!(integrated_time(&[2.0; 30]), 30.0);
        assert_eq!(integrated_time(&[]), 1.0);
        assert_eq!(integrated_time(&[f64::NAN, 1.0]), 2.0);
        // a trend: hardly anything
        let trend: Vec<f64> = (0..100).map(f64::from).collect();
        assert!(integrated_time(&trend) > 20.0);
    }
}
