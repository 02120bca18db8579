//! Figure of Merit of a pair of parameters: the inverse area of its contours.

use serde::{Deserialize, Serialize};

use crate::convergence::{mcse_mean, prepared};
use crate::error::{Error, Result};
use crate::moments::{plain_covariance, plain_mean};
use crate::samples::Samples;
use crate::unit::sized;

/// A Figure of Merit with its Monte-Carlo error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FigureOfMerit {
    /// 1 / sqrt(det C), in the inverse units of the two parameters.
    pub value: f64,
    /// Its Monte-Carlo standard error.
    pub error: f64,
}

/// The Figure of Merit of the parameters number `first` and `second`,
///
/// FoM = sqrt(det(C^-1)), C their 2 x 2 marginal covariance.
///
/// Its error follows from the first-order response of ln FoM to one draw x,
/// (2 - (x - mean)^T C^-1 (x - mean)) / 2: the Monte-Carlo error of the mean of that series, with
/// its own effective sample size. For independent Gaussian draws it is FoM / sqrt(n).
///
/// *When not to use*: on strongly non-Gaussian posteriors the covariance is not the area of a
/// contour.
///
/// # References
/// A. Albrecht et al., "Report of the Dark Energy Task Force" (2006), arXiv:astro-ph/0609591.
///
/// # Errors
/// When an index is out of range, a parameter is constant, there are fewer than four draws per
/// chain, the two parameters are degenerate, or the result is too large or too small for a number.
pub fn figure_of_merit(samples: &Samples, first: usize, second: usize) -> Result<FigureOfMerit> {
    let (x, y) = (samples.parameter(first)?, samples.parameter(second)?);
    let names = (&samples.names()[first], &samples.names()[second]);
    let (x, x_unit) = prepared(names.0, &x)?;
    let (y, y_unit) = prepared(names.1, &y)?;
    let (all_x, all_y) = (x.concat(), y.concat());
    let (x_mean, y_mean) = (plain_mean(&all_x), plain_mean(&all_y));
    let xx = plain_covariance(&all_x, &all_x);
    let xy = plain_covariance(&all_x, &all_y);
    let yy = plain_covariance(&all_y, &all_y);
    let correlation = xy / (xx * yy).sqrt();
    let determinant = xx * yy * (1.0 - correlation * correlation);
    if correlation.is_nan() || 1.0 - correlation.abs() < 1e-12 {
        return Err(Error::Degenerate {
            first: names.0.clone(),
            second: names.1.clone(),
            correlation,
        });
    }
    let half_distance = |x: f64, y: f64| {
        let (dx, dy) = (x - x_mean, y - y_mean);
        0.5 * (yy * dx * dx - 2.0 * xy * dx * dy + xx * dy * dy) / determinant
    };
    let response: Vec<Vec<f64>> = x
        .iter()
        .zip(&y)
        .map(|(x, y)| x.iter().zip(y).map(|(&x, &y)| half_distance(x, y)).collect())
        .collect();
    let exponent = -(x_unit.exponent() + y_unit.exponent());
    let value = determinant.sqrt().recip();
    let error = value * mcse_mean(&response)?;
    Ok(FigureOfMerit {
        value: sized("the Figure of Merit", value, exponent)?,
        error: sized("the error of the Figure of Merit", error, exponent)?,
    })
}
