//! Against SciPy.

use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Reference {
    /// Statistic, degrees of freedom, survival.
    chi_square: Vec<(f64, f64, f64)>,
    /// Count, trials, success probability, at most, at least.
    binomial: Vec<(usize, usize, f64, f64, f64)>,
    /// Successes, trials, confidence, lower, upper.
    jeffreys: Vec<(usize, usize, f64, f64, f64)>,
}

fn assert_close(found: f64, expected: f64, tolerance: f64, what: &str) {
    let error = (found - expected).abs();
    assert!(error <= tolerance * expected.abs(), "{what}: {found:e} instead of {expected:e}");
}

#[test]
fn agree_with_scipy() {
    let text = include_str!("../../tests/reference/distributions.json");
    let reference: Reference = serde_json::from_str(text).unwrap();
    for (x, k, expected) in reference.chi_square {
        assert_close(chi_square_survival(x, k), expected, 1e-12, &format!("{x} of {k}"));
    }
    for (count, trials, success, at_most, at_least) in reference.binomial {
        let what = format!("{count} of {trials} at {success}");
        // The logarithms of factorials lose digits as the factorials grow.
        let tolerance = (5e-15 * trials as f64).max(1e-11);
        assert_close(binomial_at_most(count, trials, success), at_most, tolerance, &what);
        assert_close(binomial_at_least(count, trials, success), at_least, tolerance, &what);
    }
    for (successes, trials, confidence, lower, upper) in reference.jeffreys {
        let found = jeffreys_interval(successes, trials, confidence);
        let what = format!("{successes} of {trials}");
        assert_close(found.0, lower, 1e-11, &what);
        assert_close(found.1, upper, 1e-11, &what);
    }
}
