//! Absolute error.

use super::{LossValue, rows};
use crate::error::Result;

/// `1/n sum_rows sum_i |t_i - theta_i|` of outputs `[row][parameter]` and targets
/// `[row][parameter]`. Its minimum is the median of each parameter's posterior. The derivative where
/// they are equal is zero.
///
/// *When to use.* An estimate of the parameters that outliers and heavy tails move little.
/// *When not.* Where posteriors of different shapes share their medians: what tells them apart is
/// lost.
///
/// # Errors
/// If the rows do not fit.
///
/// # References
/// J. Fluri, T. Kacprzak, A. Lucchi et al. 2019, Phys. Rev. D 100, 063514, arXiv:1906.03156, use
/// it among others.
pub fn mae(outputs: &[f64], targets: &[f64], parameters: usize) -> Result<LossValue> {
    let count = rows(outputs, parameters, targets, parameters)? as f64;
    let rest: Vec<f64> = outputs.iter().zip(targets).map(|(t, theta)| t - theta).collect();
    let sign = |r: &f64| if *r == 0.0 { 0.0 } else { r.signum() / count };
    Ok(LossValue {
        value: rest.iter().map(|r| r.abs()).sum::<f64>() / count,
        gradient: rest.iter().map(sign).collect(),
    })
}
