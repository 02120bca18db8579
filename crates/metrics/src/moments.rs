//! Means, covariances and correlations.

use crate::samples::Samples;

/// Arithmetic mean; NaN of nothing.
#[must_use]
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Unbiased variance (divisor n - 1); NaN of fewer than two values.
#[must_use]
pub fn variance(values: &[f64]) -> f64 {
    covariance_of(values, values)
}

/// Unbiased covariance of two series of equal length.
pub(crate) fn covariance_of(x: &[f64], y: &[f64]) -> f64 {
    let (x_mean, y_mean) = (mean(x), mean(y));
    let sum: f64 = x.iter().zip(y).map(|(x, y)| (x - x_mean) * (y - y_mean)).sum();
    sum / (x.len() as f64 - 1.0)
}

/// The unbiased covariance matrix `[parameter][parameter]` of all draws of all chains.
#[must_use]
pub fn covariance(samples: &Samples) -> Vec<Vec<f64>> {
    let columns: Vec<Vec<f64>> =
        (0..samples.names().len()).map(|i| samples.column(i).collect()).collect();
    columns.iter().map(|x| columns.iter().map(|y| covariance_of(x, y)).collect()).collect()
}

/// The correlation matrix `[parameter][parameter]` of all draws of all chains; NaN in the rows and
/// columns of a constant parameter.
#[must_use]
pub fn correlation(samples: &Samples) -> Vec<Vec<f64>> {
    let mut matrix = covariance(samples);
    let sd: Vec<f64> = (0..matrix.len()).map(|i| matrix[i][i].sqrt()).collect();
    for (row, sd_row) in matrix.iter_mut().zip(&sd) {
        for (entry, sd_column) in row.iter_mut().zip(&sd) {
            *entry /= sd_row * sd_column;
        }
    }
    matrix
}
