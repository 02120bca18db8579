//! Gaussian negative log likelihood.

use super::{LossValue, rows};
use crate::error::Result;

/// Outputs for a mean and a covariance of `parameters` parameters.
#[must_use]
pub fn gnll_outputs(parameters: usize) -> usize {
    parameters + parameters * (parameters + 1) / 2
}

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

fn sigmoid(x: f64) -> f64 {
    let tail = (-x.abs()).exp();
    if x < 0.0 { tail / (1.0 + tail) } else { 1.0 / (1.0 + tail) }
}

/// The lower triangle `L`, row by row and full, of one row of outputs.
fn triangle(outputs: &[f64], d: usize, floor: f64) -> Vec<f64> {
    let mut lower = vec![0.0; d * d];
    let mut entries = outputs[d..].iter();
    for i in 0..d {
        for j in 0..=i {
            let entry = *entries.next().expect("as many outputs as entries");
            lower[i * d + j] = if i == j { softplus(entry) + floor } else { entry };
        }
    }
    lower
}

/// Mean `[parameter]` and covariance `[parameter][parameter]` of one row of outputs.
///
/// # Errors
/// If the row is not one of [`gnll_outputs`] numbers.
pub fn gnll_moments(
    outputs: &[f64],
    parameters: usize,
    floor: f64,
) -> Result<(Vec<f64>, Vec<f64>)> {
    let d = parameters;
    rows(outputs, gnll_outputs(d), &outputs[..d.min(outputs.len())], d)?;
    let lower = triangle(outputs, d, floor);
    let entry = |i: usize, j: usize| (0..d).map(|k| lower[i * d + k] * lower[j * d + k]).sum();
    let covariance = (0..d * d).map(|at| entry(at / d, at % d)).collect();
    Ok((outputs[..d].to_vec(), covariance))
}

/// `-1/n sum_rows ln N(theta; mu, L L^T)` of outputs `[row][mu, L]`, whose last `d (d + 1) / 2`
/// numbers are `L` row by row up to the diagonal, its diagonal `softplus(output) + floor`.
/// Its minimum has the mean and covariance of the posterior; the mean is the summary.
///
/// With `z = L^-1 (theta - mu)` and `w = L^-T z` the loss of a row is
/// `z^T z / 2 + sum ln L_ii + d/2 ln 2 pi`, its derivatives `-w` by `mu` and
/// `-w z^T + diag(1 / L_ii)` by `L`.
///
/// *When to use.* An estimate of the parameters with a covariance for each map.
/// *When not.* Skewed posteriors or several modes, which a Gaussian cannot tell of.
///
/// # Errors
/// If the rows do not fit.
///
/// # References
/// N. Jeffrey, J. Alsing and F. Lanusse 2021, arXiv:2009.08459, section 3; J. Fluri, T. Kacprzak,
/// A. Refregier et al. 2018, Phys. Rev. D 98, 123518, arXiv:1807.08732.
pub fn gnll(outputs: &[f64], targets: &[f64], parameters: usize, floor: f64) -> Result<LossValue> {
    let d = parameters;
    let width = gnll_outputs(d);
    let count = rows(outputs, width, targets, d)? as f64;
    let mut value = 0.5 * d as f64 * (2.0 * std::f64::consts::PI).ln();
    let mut gradient = Vec::with_capacity(outputs.len());
    for (row, theta) in outputs.chunks_exact(width).zip(targets.chunks_exact(d)) {
        let lower = triangle(row, d, floor);
        let mut z = vec![0.0; d];
        for i in 0..d {
            let known: f64 = (0..i).map(|j| lower[i * d + j] * z[j]).sum();
            z[i] = (theta[i] - row[i] - known) / lower[i * d + i];
            value += (0.5 * z[i] * z[i] + lower[i * d + i].ln()) / count;
        }
        let mut w = vec![0.0; d];
        for i in (0..d).rev() {
            let known: f64 = (i + 1..d).map(|j| lower[j * d + i] * w[j]).sum();
            w[i] = (z[i] - known) / lower[i * d + i];
        }
        gradient.extend(w.iter().map(|w| -w / count));
        let mut at = d;
        for i in 0..d {
            gradient.extend(z[..i].iter().map(|z| -w[i] * z / count));
            at += i;
            let slope = sigmoid(row[at]);
            gradient.push((1.0 / lower[i * d + i] - w[i] * z[i]) * slope / count);
            at += 1;
        }
    }
    Ok(LossValue { value, gradient })
}
