//! The regularised incomplete gamma function.

/// Q(a, x) = Gamma(a, x) / Gamma(a) for a > 0, x >= 0, by its power series (DLMF 8.11.4) below
/// a + 1 and by its continued fraction (DLMF 8.9.2, even part, as in Numerical Recipes 6.2.7)
/// above.
pub(crate) fn upper_regularised_gamma(a: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    let scale = (a * x.ln() - x - libm::lgamma(a)).exp();
    if x < a + 1.0 {
        let (mut term, mut sum, mut k) = (1.0 / a, 1.0 / a, a);
        while term > f64::EPSILON * sum {
            k += 1.0;
            term *= x / k;
            sum += term;
        }
        return 1.0 - scale * sum;
    }
    // Lentz's evaluation of 1/(x+1-a- 1(1-a)/(x+3-a- 2(2-a)/(x+5-a- ...))).
    let mut b = x + 1.0 - a;
    let mut c = f64::INFINITY;
    let mut d = 1.0 / b;
    let mut fraction = d;
    let mut k = 0.0;
    loop {
        k += 1.0;
        let numerator = k * (a - k);
        b += 2.0;
        d = 1.0 / (numerator * d + b);
        c = b + numerator / c;
        let factor = c * d;
        fraction *= factor;
        if (factor - 1.0).abs() <= 4.0 * f64::EPSILON {
            return scale * fraction;
        }
    }
}
