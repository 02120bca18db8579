//! Squared error.

use super::{LossValue, rows};
use crate::error::Result;

/// `1/n sum_rows sum_i (t_i - theta_i)^2` of outputs `[row][parameter]` and targets
/// `[row][parameter]`. Its minimum is the mean of the posterior, which need not be sufficient.
///
/// *When to use.* Cheap and stable; the summary is an estimate of the parameters itself.
/// *When not.* Where posteriors of different shapes share a mean: what tells them apart is lost.
///
/// # Errors
/// If the rows do not fit.
///
/// # References
/// N. Jeffrey, J. Alsing and F. Lanusse 2021, MNRAS 501, 954, arXiv:2009.08459, section 3.
pub fn mse(outputs: &[f64], targets: &[f64], parameters: usize) -> Result<LossValue> {
    let count = rows(outputs, parameters, targets, parameters)? as f64;
    let rest: Vec<f64> = outputs.iter().zip(targets).map(|(t, theta)| t - theta).collect();
    Ok(LossValue {
        value: rest.iter().map(|r| r * r).sum::<f64>() / count,
        gradient: rest.iter().map(|r| 2.0 * r / count).collect(),
    })
}
