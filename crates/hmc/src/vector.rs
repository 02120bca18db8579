//! Sums over long vectors, with several partial sums so that they vectorise.

const LANES: usize = 8;

/// Sum of `term(i)` over `0..n`. The order of the additions depends on `n` only.
#[inline(always)]
pub fn sum(n: usize, term: impl Fn(usize) -> f64) -> f64 {
    let mut lanes = [0.0; LANES];
    let whole = n - n % LANES;
    for start in (0..whole).step_by(LANES) {
        for (lane, total) in lanes.iter_mut().enumerate() {
            *total += term(start + lane);
        }
    }
    let rest: f64 = (whole..n).map(&term).sum();
    lanes.iter().sum::<f64>() + rest
}

/// Scalar product.
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    let b = &b[..a.len()];
    sum(a.len(), |i| a[i] * b[i])
}

/// `target += a`.
pub fn add_assign(target: &mut [f64], a: &[f64]) {
    for (t, &a) in target.iter_mut().zip(a) {
        *t += a;
    }
}

/// Scales `a` to unit length and returns what its length was; a length of zero or one that is not
/// finite leaves it as it is.
pub fn normalise(a: &mut [f64]) -> f64 {
    let length = dot(a, a).sqrt();
    if length > 0.0 && length.is_finite() {
        let inverse = 1.0 / length;
        a.iter_mut().for_each(|a| *a *= inverse);
    }
    length
}

/// Whether a stretch of trajectory whose momenta sum to `rho` turns back on itself, seen from
/// either of its ends: `rho . first < 0` or `rho . last < 0` (Betancourt 2017, appendix A.4.2, in
/// coordinates where the metric is the identity).
#[inline(always)]
pub fn turns(rho: impl Fn(usize) -> f64, first: &[f64], last: &[f64]) -> bool {
    let last = &last[..first.len()];
    sum(first.len(), |i| rho(i) * first[i]) < 0.0 || sum(last.len(), |i| rho(i) * last[i]) < 0.0
}

/// `ln(exp(a) + exp(b))` without overflow.
pub fn log_add_exp(a: f64, b: f64) -> f64 {
    let (high, low) = if a > b { (a, b) } else { (b, a) };
    if high == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_match_the_plain_loop_at_every_length() {
        for n in 0..40 {
            let a: Vec<f64> = (0..n).map(|i| f64::from(i) - 3.5).collect();
            let b: Vec<f64> = (0..n).map(|i| f64::from(i * i)).collect();
            let plain: f64 = a.iter().zip(&b).map(|(a, b)| a * b).sum();
            assert!((dot(&a, &b) - plain).abs() <= 1e-12 * plain.abs());
        }
    }

    #[test]
    fn log_add_exp_at_the_extremes() {
        assert!((log_add_exp(800.0, 800.0) - 800.0 - 2f64.ln()).abs() < 1e-12);
        assert_eq!(log_add_exp(f64::NEG_INFINITY, -3.0), -3.0);
        assert_eq!(log_add_exp(f64::NEG_INFINITY, f64::NEG_INFINITY), f64::NEG_INFINITY);
    }

    #[test]
    fn straight_lines_do_not_turn_and_half_circles_do() {
        let (east, west) = ([1.0, 0.1], [-1.0, 0.1]);
        let straight = [2.0, 0.2];
        assert!(!turns(|i| straight[i], &east, &east));
        let half_circle = [0.1, 0.01];
        assert!(turns(|i| half_circle[i], &east, &west));
    }
}
