//! Quantiles of draws.

/// All values of all chains in rising order.
pub(crate) fn sorted(chains: &[Vec<f64>]) -> Vec<f64> {
    let mut values = chains.concat();
    values.sort_unstable_by(f64::total_cmp);
    values
}

/// Quantile by linear interpolation between order statistics (Hyndman and Fan's definition 7, the
/// default of R and numpy) of values in rising order.
pub(crate) fn quantile_of_sorted(sorted: &[f64], probability: f64) -> f64 {
    let n = sorted.len();
    if n == 1 {
        return sorted[0];
    }
    let position = n as f64 * probability + (1.0 - probability);
    let below = position.floor().clamp(1.0, n as f64 - 1.0);
    let weight = (position - below).clamp(0.0, 1.0);
    let k = below as usize;
    (1.0 - weight) * sorted[k - 1] + weight * sorted[k]
}
