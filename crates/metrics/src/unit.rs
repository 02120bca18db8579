//! Powers of two as units, so that squares of very large or very small numbers keep within the range
//! of double precision. Changing to such a unit and back rounds nothing.

use crate::error::{Error, Result};

/// The power of two in which the largest of some numbers is of the order of one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unit {
    exponent: i32,
}

impl Unit {
    /// The unit of the largest magnitude.
    pub fn of<'a>(values: impl IntoIterator<Item = &'a f64>) -> Self {
        let largest = values.into_iter().fold(0.0_f64, |largest, x| largest.max(x.abs()));
        // Of a subnormal number -1023; both bounds have an inverse.
        let exponent = (largest.to_bits() >> 52) as i32 - 1023;
        Self { exponent: exponent.clamp(-1022, 1022) }
    }

    pub fn exponent(self) -> i32 {
        self.exponent
    }

    /// A number in this unit.
    pub fn measure(self, value: f64) -> f64 {
        value * libm::scalbn(1.0, -self.exponent)
    }

    /// Numbers in this unit.
    pub fn measured(self, values: &[f64]) -> Vec<f64> {
        let factor = libm::scalbn(1.0, -self.exponent);
        values.iter().map(|x| x * factor).collect()
    }

    /// Chains in this unit.
    pub fn measured_chains(self, chains: &[Vec<f64>]) -> Vec<Vec<f64>> {
        chains.iter().map(|chain| self.measured(chain)).collect()
    }

    /// The place that has `value` in this unit, such as a mean.
    pub fn place(self, value: f64) -> f64 {
        libm::scalbn(value, self.exponent)
    }

    /// The size that has `value` in this unit, such as a standard deviation.
    ///
    /// # Errors
    /// As [`sized`].
    pub fn size(self, what: &str, value: f64) -> Result<f64> {
        sized(what, value, self.exponent)
    }
}

/// A size times a power of two.
///
/// # Errors
/// [`Error::OutOfRange`] when the product overflows, or is so small that digits are lost.
pub(crate) fn sized(what: &str, value: f64, exponent: i32) -> Result<f64> {
    let product = libm::scalbn(value, exponent);
    if product.is_normal() || value == 0.0 {
        return Ok(product);
    }
    Err(Error::OutOfRange { what: what.into(), mantissa: value, exponent })
}
