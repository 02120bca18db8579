//! Whether chains agree, and which of them are of no use.

use hmc::{Record, Verdict, examine};

/// What the draws of several chains say about them.
#[derive(Clone, Debug, PartialEq)]
pub struct Convergence {
    /// Whether each chain may be used.
    pub usable: Vec<bool>,
    /// Independent draws that those of the usable chains are worth, for the worst coordinate of
    /// each.
    pub effective: f64,
    /// The largest split R-hat of the coordinates, over the usable chains.
    pub r_hat: f64,
}

/// Judges chains by their draws after warmup.
pub fn judge(records: &[Record]) -> Convergence {
    let health = examine(records);
    let usable: Vec<bool> = health.iter().map(|h| !h.verdict.is_useless()).collect();
    let used = |index: &usize| usable[*index];
    let effective =
        (0..records.len()).filter(used).map(|index| health[index].lag_one_draws).sum();
    let chains: Vec<&Record> = (0..records.len()).filter(used).map(|i| &records[i]).collect();
    let dim = chains.iter().find_map(|chain| chain.values.first()).map_or(0, Vec::len);
    let r_hat = (0..dim)
        .map(|coordinate| {
            let draws: Vec<Vec<f64>> = chains
                .iter()
                .map(|chain| chain.values.iter().map(|draw| draw[coordinate]).collect())
                .collect();
            split_r_hat(&draws)
        })
        .fold(1.0, f64::max);
    Convergence { usable, effective, r_hat }
}

/// Split R-hat of one quantity, draws `[chain][draw]`: the standard deviation of all draws over
/// that within half chains (Vehtari et al. 2021, equations 1 to 4). 1 for a constant, infinite for
/// chains that stand still in different places.
fn split_r_hat(chains: &[Vec<f64>]) -> f64 {
    let length = chains.iter().map(Vec::len).min().unwrap_or(0) / 2;
    if length < 2 {
        return f64::NAN;
    }
    let n = length as f64;
    let (means, variances): (Vec<f64>, Vec<f64>) = chains
        .iter()
        .flat_map(|chain| [&chain[..length], &chain[chain.len() - length..]])
        .map(mean_and_variance)
        .unzip();
    let (within, _) = mean_and_variance(&variances);
    let (_, between) = mean_and_variance(&means);
    match (within > 0.0, between > 0.0) {
        (true, _) => ((n - 1.0) / n + between / within).sqrt(),
        (false, true) => f64::INFINITY,
        (false, false) => 1.0,
    }
}

/// Mean and unbiased variance of at least two numbers.
fn mean_and_variance(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (mean, values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r_hat_of_known_chains() {
        // halves with means 0, 0, 2, 2 and variance 2: within 2, between 4/3, n = 2
        let chains = [vec![-1.0, 1.0, -1.0, 1.0], vec![1.0, 3.0, 1.0, 3.0]];
        assert!((split_r_hat(&chains) - (0.5f64 + 2.0 / 3.0).sqrt()).abs() < 1e-12);
        // a drift within chains shows too: halves have means 0 and 10
        let drift = vec![-1.0, 1.0, 9.0, 11.0];
        assert!(split_r_hat(&[drift.clone(), drift]) > 3.0);
        assert_eq!(split_r_hat(&[vec![1.0; 6], vec![1.0; 6]]), 1.0);
        assert_eq!(split_r_hat(&[vec![1.0; 6], vec![2.0; 6]]), f64::INFINITY);
        assert!(split_r_hat(&[vec![1.0, 2.0]]).is_nan());
    }
}
