//! Checks shared by everything that takes points `[point, dimension]`.

use crate::error::{Error, Result};
use crate::moments::{mean, variance};

/// Number of points in `values`, `[point, dimension]` contiguous.
///
/// # Errors
/// When the length is no multiple of `dimension`, a value is not finite, or there are fewer than
/// `minimum` points.
pub(crate) fn count_points(
    what: &str,
    values: &[f64],
    dimension: usize,
    minimum: usize,
) -> Result<usize> {
    if dimension == 0 || !values.len().is_multiple_of(dimension) {
        return Err(Error::Shape {
            what: format!("{what} [sample, dimension]"),
            expected: format!("a multiple of the dimension {dimension}, at least 1"),
            found: format!("{} values", values.len()),
        });
    }
    if let Some(index) = values.iter().position(|v| !v.is_finite()) {
        return Err(Error::NotFinite {
            what: format!("feature {} of the {what}", index % dimension),
            index: index / dimension,
            value: values[index],
        });
    }
    let found = values.len() / dimension;
    if found < minimum {
        return Err(Error::TooFew { what: format!("samples of the {what}"), minimum, found });
    }
    Ok(found)
}

/// Mean and standard deviation of a feature that is to be divided by the latter.
///
/// # Errors
/// When the values are the same to rounding, or so large that their variance overflows.
pub(crate) fn mean_and_sd(what: &str, values: &[f64]) -> Result<(f64, f64)> {
    let (centre, variance) = (mean(values), variance(values));
    if values.iter().all(|x| *x == values[0]) || variance == 0.0 {
        return Err(Error::Constant { what: what.into(), value: values[0] });
    }
    if !variance.is_finite() {
        let largest =
            (0..values.len()).max_by(|i, j| values[*i].abs().total_cmp(&values[*j].abs()));
        let index = largest.unwrap_or(0);
        let what = format!("the variance overflows: {what}");
        return Err(Error::NotFinite { what, index, value: values[index] });
    }
    Ok((centre, variance.sqrt()))
}

/// Refuses a value outside a range.
pub(crate) fn setting(
    accepted: bool,
    setting: &'static str,
    value: f64,
    expected: &'static str,
) -> Result<()> {
    if accepted { Ok(()) } else { Err(Error::Setting { setting, value, expected }) }
}
