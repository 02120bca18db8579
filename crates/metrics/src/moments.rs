//! Means, covariances and correlations.

use crate::error::Result;
use crate::samples::Samples;
use crate::unit::{Unit, sized};

/// Arithmetic mean; NaN of nothing.
#[must_use]
pub fn mean(values: &[f64]) -> f64 {
    let unit = Unit::of(values);
    unit.place(plain_mean(&unit.measured(values)))
}

/// Unbiased variance (divisor n - 1); NaN of fewer than two values. Of values of the order of 1e154
/// or more it may be infinite, of 1e-154 or less zero: the range of numbers ends there.
#[must_use]
pub fn variance(values: &[f64]) -> f64 {
    let unit = Unit::of(values);
    unit.place(unit.place(plain_variance(&unit.measured(values))))
}

/// Mean of numbers of the order of one.
pub(crate) fn plain_mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Unbiased variance of numbers of the order of one.
pub(crate) fn plain_variance(values: &[f64]) -> f64 {
    plain_covariance(values, values)
}

/// Unbiased covariance of two series of equal length, of numbers of the order of one.
pub(crate) fn plain_covariance(x: &[f64], y: &[f64]) -> f64 {
    let (x_mean, y_mean) = (plain_mean(x), plain_mean(y));
    let sum: f64 = x.iter().zip(y).map(|(x, y)| (x - x_mean) * (y - y_mean)).sum();
    sum / (x.len() as f64 - 1.0)
}

/// The columns, each in a unit of its own, and their covariances in these units.
fn measured(samples: &Samples) -> (Vec<Unit>, Vec<Vec<f64>>) {
    let (units, columns): (Vec<Unit>, Vec<Vec<f64>>) = (0..samples.names().len())
        .map(|i| {
            let column: Vec<f64> = samples.column(i).collect();
            let unit = Unit::of(&column);
            (unit, unit.measured(&column))
        })
        .unzip();
    let row = |x: &Vec<f64>| columns.iter().map(|y| plain_covariance(x, y)).collect();
    (units, columns.iter().map(row).collect())
}

/// The unbiased covariance matrix `[parameter][parameter]` of all draws of all chains.
///
/// # Errors
/// [`Error::OutOfRange`](crate::Error::OutOfRange) when a variance is too large or too small for a
/// number.
pub fn covariance(samples: &Samples) -> Result<Vec<Vec<f64>>> {
    let (units, mut matrix) = measured(samples);
    let names = samples.names();
    for (i, row) in matrix.iter_mut().enumerate() {
        for (j, entry) in row.iter_mut().enumerate() {
            let exponent = units[i].exponent() + units[j].exponent();
            if i == j {
                *entry = sized(&format!("variance of {}", names[i]), *entry, exponent)?;
            } else {
                // below the product of the standard deviations
                *entry = libm::scalbn(*entry, exponent);
            }
        }
    }
    Ok(matrix)
}

/// The correlation matrix `[parameter][parameter]` of all draws of all chains; NaN in the rows and
/// columns of a constant parameter.
#[must_use]
pub fn correlation(samples: &Samples) -> Vec<Vec<f64>> {
    let (_, mut matrix) = measured(samples);
    let sd: Vec<f64> = (0..matrix.len()).map(|i| matrix[i][i].sqrt()).collect();
    for (row, sd_row) in matrix.iter_mut().zip(&sd) {
        for (entry, sd_column) in row.iter_mut().zip(&sd) {
            *entry /= sd_row * sd_column;
        }
    }
    matrix
}
