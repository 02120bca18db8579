//! Tail probabilities of the chi-square and binomial distributions, quantiles of the beta one.

mod incomplete_beta;
mod incomplete_gamma;

pub(crate) use incomplete_beta::{beta_quantile, regularised_beta};
pub(crate) use incomplete_gamma::upper_regularised_gamma;

/// P(X >= `statistic`) of a chi-square distribution with `degrees` degrees of freedom.
pub(crate) fn chi_square_survival(statistic: f64, degrees: f64) -> f64 {
    upper_regularised_gamma(0.5 * degrees, 0.5 * statistic)
}

/// P(X <= `count`) of the number X of successes in `trials` trials.
pub(crate) fn binomial_at_most(count: usize, trials: usize, success: f64) -> f64 {
    if count >= trials {
        return 1.0;
    }
    // DLMF 8.17.5.
    regularised_beta((trials - count) as f64, count as f64 + 1.0, 1.0 - success)
}

/// P(X >= `count`) of the number X of successes in `trials` trials.
pub(crate) fn binomial_at_least(count: usize, trials: usize, success: f64) -> f64 {
    if count == 0 {
        return 1.0;
    }
    if count > trials {
        return 0.0;
    }
    regularised_beta(count as f64, (trials - count) as f64 + 1.0, success)
}

/// The central interval of probability `confidence` for a success probability, from `successes`
/// of `trials`, with Jeffreys' prior Beta(1/2, 1/2); closed at 0 and 1 where no trial, or every
/// trial, was a success.
///
/// L. D. Brown, T. T. Cai, A. DasGupta, "Interval estimation for a binomial proportion",
/// Statistical Science 16, 101 (2001), section 4.3.
pub(crate) fn jeffreys_interval(successes: usize, trials: usize, confidence: f64) -> (f64, f64) {
    let (a, b) = (successes as f64 + 0.5, (trials - successes) as f64 + 0.5);
    let tail = 0.5 * (1.0 - confidence);
    let lower = if successes == 0 { 0.0 } else { beta_quantile(tail, a, b) };
    let upper = if successes == trials { 1.0 } else { 1.0 - beta_quantile(tail, b, a) };
    (lower, upper)
}

#[cfg(test)]
mod tests;
