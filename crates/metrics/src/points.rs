//! Checks shared by everything that takes points `[point, dimension]`.

use crate::error::{Error, Result};
use crate::moments::{plain_mean, plain_variance};
use crate::unit::Unit;

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

/// What a feature is measured by: its mean, and its standard deviation as the unit.
#[derive(Clone, Debug)]
pub(crate) struct Standard {
    unit: Unit,
    /// In the unit.
    mean: f64,
    sd: f64,
}

impl Standard {
    /// Of the values of a feature.
    ///
    /// # Errors
    /// When the values are the same to rounding.
    pub fn of(what: &str, values: &[f64]) -> Result<Self> {
        let unit = Unit::of(values);
        let measured = unit.measured(values);
        let (mean, variance) = (plain_mean(&measured), plain_variance(&measured));
        if values.iter().all(|x| *x == values[0]) || variance == 0.0 {
            return Err(Error::Constant { what: what.into(), value: values[0] });
        }
        Ok(Self { unit, mean, sd: variance.sqrt() })
    }

    /// Standard deviations from the mean; not finite for a value that is too many of them away.
    pub fn deviation(&self, value: f64) -> f64 {
        (self.unit.measure(value) - self.mean) / self.sd
    }
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
