//! Observables as networks see them.

use flows::{Scaling, Standardiser};
use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Deviation, in standard units, beyond which values are compressed.
const KNEE: f64 = 10.0;
/// Unit of an observable that was the same in all simulations, relative to its size.
const UNIT_OF_CONSTANT: f64 = 1e-6;

/// Standardised observables with compressed tails.
///
/// With `z = (x - shift) / scale`, `y = z` where `|z| <= 10` and
/// `y = 10 sign(z) (1 + ln(|z| / 10))` beyond. The map is one-to-one with a continuous derivative:
/// no information is lost, and a simulation a million standard deviations away from the others is
/// no more than a large number to the network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observables {
    standardiser: Standardiser,
    /// Observables that were the same in all simulations, with their value.
    #[serde(default)]
    constant: Vec<(usize, f64)>,
}

impl Observables {
    /// Learns the units of observables `[simulation, observable]`.
    ///
    /// # Errors
    /// If there are fewer than two simulations or a number is not finite.
    pub fn fit(x: ArrayView2<f64>, scaling: Scaling) -> Result<Self> {
        let rows: Vec<f64> = x.iter().copied().collect();
        let standardiser = Standardiser::fit("observables", &rows, x.ncols(), scaling)?;
        let columns = x.columns().into_iter().enumerate();
        let constant = columns.filter_map(|(index, column)| {
            let first = *column.first()?;
            column.iter().all(|value| *value == first).then_some((index, first))
        });
        Ok(Self { standardiser, constant: constant.collect() })
    }

    /// Number of observables.
    #[must_use]
    pub fn len(&self) -> usize {
        self.standardiser.features()
    }

    /// True if the constants are among the observables; a damaged file may say otherwise.
    pub(crate) fn is_consistent(&self) -> bool {
        self.constant.iter().all(|(column, _)| *column < self.len())
    }

    /// True without observables.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Rows `x` `[row][observable]` as networks see them.
    ///
    /// # Errors
    /// [`Error::Shape`] for an incomplete row, [`Error::NotFinite`] for a NaN or infinity.
    pub fn encode(&self, x: &[f64]) -> Result<Vec<f64>> {
        let width = self.len();
        if width == 0 || !x.len().is_multiple_of(width) {
            let (what, expected, found) = ("observables".into(), vec![width], vec![x.len()]);
            return Err(Error::Shape { what, expected, found });
        }
        if let Some(index) = x.iter().position(|value| !value.is_finite()) {
            return Err(Error::NotFinite { what: "observables".into(), index, value: x[index] });
        }
        Ok(self.standard(x).map(compress).collect())
    }

    /// `ln |det dy/dx|` of each row.
    #[must_use]
    pub fn log_jacobian(&self, x: &[f64]) -> Vec<f64> {
        let each: Vec<f64> = self.standard(x).map(|z| -(z.abs() / KNEE).max(1.0).ln()).collect();
        let volume = self.standardiser.log_volume();
        each.chunks(self.len()).map(|row| row.iter().sum::<f64>() - volume).collect()
    }

    /// Largest deviation of one observation, in standard units. Where all simulations had the same
    /// number a unit is a millionth of it, at least of one: another number contradicts them.
    #[must_use]
    pub fn largest_deviation(&self, x: &[f64]) -> f64 {
        let mut deviations: Vec<f64> = self.standard(x).map(f64::abs).collect();
        for &(column, value) in &self.constant {
            let unit = UNIT_OF_CONSTANT * value.abs().max(1.0);
            deviations[column] = ((x[column] - value) / unit).abs().min(f64::MAX);
        }
        deviations.into_iter().fold(0.0, f64::max)
    }

    fn standard<'a>(&'a self, x: &'a [f64]) -> impl Iterator<Item = f64> + 'a {
        let units = self.standardiser.shift().iter().zip(self.standardiser.scale());
        // the largest numbers overflow
        let standard = |(x, (shift, scale)): (&f64, (&f64, &f64))| {
            ((x - shift) / scale).clamp(f64::MIN, f64::MAX)
        };
        x.iter().zip(units.cycle()).map(standard)
    }
}

fn compress(z: f64) -> f64 {
    if z.abs() <= KNEE { z } else { KNEE * z.signum() * (1.0 + (z.abs() / KNEE).ln()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    fn fitted() -> Observables {
        let x = Array2::from_shape_fn((101, 2), |(row, column)| match column {
            0 => row as f64,
            _ => 1e-3 * (row as f64 - 50.0).powi(3),
        });
        Observables::fit(x.view(), Scaling::Robust).unwrap()
    }

    #[test]
    fn the_jacobian_is_the_derivative() {
        let observables = fitted();
        for x in [[3.0_f64, 4.0], [1e4, -20.0], [-1e7, 1e9]] {
            let mut expected = 0.0;
            for i in 0..2 {
                let h = 1e-6 * (1.0 + x[i].abs());
                let at = |by: f64| {
                    let mut x = x;
                    x[i] += by;
                    observables.encode(&x).unwrap()[i]
                };
                expected += ((at(h) - at(-h)) / (2.0 * h)).ln();
            }
            let found = observables.log_jacobian(&x)[0];
            assert!((found - expected).abs() < 1e-5, "{found} {expected}");
        }
    }

    #[test]
    fn far_values_stay_moderate_and_ordered() {
        let observables = fitted();
        let values: Vec<f64> = [1e2, 1e4, 1e6, 1e12]
            .iter()
            .map(|x| observables.encode(&[*x, 0.0]).unwrap()[0])
            .collect();
        assert!(values.is_sorted() && values[3] < 400.0, "{values:?}");
        assert!(observables.largest_deviation(&[1e6, 0.0]) > 1e4);
        let largest = observables.encode(&[f64::MAX, f64::MIN]).unwrap();
        assert!(largest.iter().all(|y| y.abs() < 1e4), "{largest:?}");
    }

    #[test]
    fn another_number_than_that_of_all_simulations_is_far_off() {
        let x = Array2::from_shape_fn((50, 2), |(row, column)| [row as f64, -300.0][column]);
        for scaling in [Scaling::Robust, Scaling::MeanSd, Scaling::None] {
            let observables = Observables::fit(x.view(), scaling).unwrap();
            assert!(observables.largest_deviation(&[20.0, -300.0]) < 21.0);
            assert!(observables.largest_deviation(&[20.0, -300.3]) > 900.0);
        }
    }

    #[test]
    fn bad_rows_are_named() {
        let observables = fitted();
        assert!(matches!(observables.encode(&[1.0; 3]), Err(Error::Shape { .. })));
        let error = observables.encode(&[1.0, f64::NAN]).unwrap_err();
        assert!(matches!(error, Error::NotFinite { index: 1, .. }), "{error}");
    }
}
