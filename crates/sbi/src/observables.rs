//! Observables as networks see them.

mod gaussian;
mod record;

use flows::{Scaling, Standardiser};
use ndarray::{Array2, ArrayView2};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::warning::Warning;
use gaussian::Gaussian;
use record::{Discrete, Record, nearly_constant};

/// Deviation, in standard units, beyond which values are compressed.
const KNEE: f64 = 10.0;
/// Unit of an observable that was the same in all simulations, relative to its size.
const UNIT_OF_CONSTANT: f64 = 1e-6;
/// Step of a discrete observable, in standard units, below which noise of its width is none.
const LEAST_STEP: f64 = 1e-3;
/// Half width of the box of the families of splines, in standard units.
const BOX: f64 = 5.0;

/// How the tails of observables are brought to a flow that is their density.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tails {
    /// Observables of which a simulation lies more than five standard units from the centre, where
    /// flows are the identity or linear, are changed such that their distribution over the
    /// simulations is about normal: quantiles of the simulations become those of N(0, 1), and tails
    /// go on as logarithms beyond. The others stay in standard units. Discrete observables get noise
    /// as wide as the steps between their values in the simulations, so that they have a density.
    #[default]
    Gaussian,
    /// Standard units for all: what lies far out may be where the flow does not look, which
    /// [`Posterior::warnings`](crate::Posterior::warnings) says of an observation.
    Standard,
}

/// Standardised observables with compressed tails.
///
/// With `z = (x - shift) / scale`, `y = z` where `|z| <= 10` and
/// `y = 10 sign(z) (1 + ln(|z| / 10))` beyond. The map is one-to-one with a continuous derivative:
/// no information is lost, and a simulation a million standard deviations away from the others is
/// no more than a large number to the network.
///
/// Networks that are a density of the observables see skewed and heavy tails Gaussianised instead
/// ([`Tails`]), and do not see observables that are the same in (nearly) all simulations, which have
/// no density.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observables {
    standardiser: Standardiser,
    /// Observables that were the same in all simulations, with their value.
    #[serde(default)]
    constant: Vec<(usize, f64)>,
    /// Those that networks do not see.
    #[serde(default)]
    left_out: Vec<LeftOut>,
    /// Those that are Gaussianised.
    #[serde(default)]
    gaussian: Vec<(usize, Gaussian)>,
    /// Discrete ones that noise is added to in simulations, with its width.
    #[serde(default)]
    dequantised: Vec<(usize, f64)>,
    /// What the simulations hold of each; none in files of earlier versions.
    #[serde(default)]
    record: Option<Record>,
}

/// An observable that networks do not see.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LeftOut {
    pub observable: usize,
    /// Its value in the simulations.
    pub value: f64,
    /// Simulations with another value.
    pub others: usize,
}

impl Observables {
    /// Learns the units of observables `[simulation, observable]` that networks are given.
    ///
    /// # Errors
    /// If there are fewer than two simulations or a number is not finite.
    pub fn fit(x: ArrayView2<f64>, scaling: Scaling) -> Result<Self> {
        let rows: Vec<f64> = x.iter().copied().collect();
        let standardiser = Standardiser::fit("observables", &rows, x.ncols(), scaling)?;
        let mut observables = Self {
            standardiser,
            constant: Vec::new(),
            left_out: Vec::new(),
            gaussian: Vec::new(),
            dequantised: Vec::new(),
            record: None,
        };
        observables.note(x);
        Ok(observables)
    }

    /// Learns the units of observables `[simulation, observable]` that networks are a density of;
    /// `seed` decides over the noise of [`Observables::with_noise`].
    ///
    /// # Errors
    /// As [`Observables::fit`]; [`Error::Constant`] if no observable varies.
    pub(crate) fn fit_density(
        x: ArrayView2<f64>,
        scaling: Scaling,
        tails: Tails,
        seed: u64,
    ) -> Result<Self> {
        let mut observables = Self::fit(x, scaling)?;
        observables.left_out = nearly_constant(x);
        if observables.seen() == 0 {
            return Err(Error::Constant { observables: x.ncols() });
        }
        if tails == Tails::Gaussian {
            observables.dequantised = observables.steps();
            let smooth = observables.with_noise(x, seed);
            observables.gaussian = observables.gaussianised(smooth.view());
        }
        Ok(observables)
    }

    /// Discrete observables that networks see, with the steps between their values.
    fn steps(&self) -> Vec<(usize, f64)> {
        let discrete = self.record.iter().flat_map(|record| &record.discrete);
        let wide = |found: &&Discrete| {
            let scale = self.standardiser.scale()[found.observable];
            self.columns().any(|column| column == found.observable)
                && found.step > LEAST_STEP * scale
        };
        discrete.filter(wide).map(|found| (found.observable, found.step)).collect()
    }

    /// Simulations `[simulation, observable]` with uniform noise, as wide as the steps between their
    /// values, on discrete observables that networks are a density of: the density at a value,
    /// without noise, is then its probability over the step (L. Theis, A. van den Oord and M.
    /// Bethge, ICLR 2016, arXiv:1511.01844, section 3.1). The noise depends on `seed` only.
    pub(crate) fn with_noise(&self, x: ArrayView2<f64>, seed: u64) -> Array2<f64> {
        let mut x = x.to_owned();
        for &(column, step) in &self.dequantised {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(column as u64);
            for value in x.column_mut(column) {
                *value += step * (rng.random::<f64>() - 0.5);
            }
        }
        x
    }

    /// Maps of the observables whose simulations reach beyond the box.
    fn gaussianised(&self, x: ArrayView2<f64>) -> Vec<(usize, Gaussian)> {
        let own = |column: usize| {
            let values = x.column(column).to_vec();
            let z: Vec<f64> = values.iter().map(|value| self.standard(column, *value)).collect();
            let beyond = z.iter().any(|z| z.abs() > BOX);
            if beyond { Some((column, Gaussian::fit(&z)?)) } else { None }
        };
        self.columns().filter_map(own).collect()
    }

    /// Keeps the units and takes down what these simulations hold, by which observations are judged.
    pub(crate) fn note(&mut self, x: ArrayView2<f64>) {
        let columns = x.columns().into_iter().enumerate();
        let constant = columns.filter_map(|(index, column)| {
            let first = *column.first()?;
            column.iter().all(|value| *value == first).then_some((index, first))
        });
        self.constant = constant.collect();
        for out in &mut self.left_out {
            let values = x.column(out.observable);
            out.others = values.iter().filter(|value| **value != out.value).count();
        }
        self.record = Some(Record::of(x));
    }

    /// True if these units are of use for further simulations `[simulation, observable]`: what was
    /// left out still hardly varies, and what was Gaussianised still lies in the box.
    pub(crate) fn hold(&self, x: ArrayView2<f64>) -> bool {
        let now = nearly_constant(x);
        let still = |old: &LeftOut| {
            now.iter().any(|new| (new.observable, new.value) == (old.observable, old.value))
        };
        let inside = |(column, map): &(usize, Gaussian)| {
            let y = |value: &f64| map.forward(self.standard(*column, *value));
            x.column(*column).iter().all(|value| y(value).abs() <= BOX)
        };
        self.left_out.iter().all(still) && self.gaussian.iter().all(inside)
    }

    /// Number of observables.
    #[must_use]
    pub fn len(&self) -> usize {
        self.standardiser.features()
    }

    /// True without observables.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of observables that networks see.
    #[must_use]
    pub fn seen(&self) -> usize {
        self.columns().count()
    }

    /// Those that networks see.
    fn columns(&self) -> impl Iterator<Item = usize> {
        let seen = move |column: &usize| self.left_out.iter().all(|out| out.observable != *column);
        (0..self.len()).filter(seen)
    }

    /// True if everything is of one of the observables; a damaged file may say otherwise.
    pub(crate) fn is_consistent(&self) -> bool {
        let known = |column: usize| column < self.len();
        let recorded = |record: &Record| {
            let discrete = record.discrete.iter().all(|found| known(found.observable));
            discrete && [record.ranges.len(), record.tails.len()] == [self.len(); 2]
        };
        self.constant.iter().all(|(column, _)| known(*column))
            && self.left_out.iter().all(|out| known(out.observable))
            && self.gaussian.iter().all(|(column, _)| known(*column))
            && self.dequantised.iter().all(|(column, _)| known(*column))
            && self.record.as_ref().is_none_or(recorded)
    }

    /// Rows `x` `[row][observable]` as networks see them, `[row][observable that is seen]`.
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
        let maps = self.maps();
        let row = |row: &[f64]| {
            let one = |(column, map): &(usize, Option<&Gaussian>)| {
                forward(*map, self.standard(*column, row[*column]))
            };
            maps.iter().map(one).collect::<Vec<f64>>()
        };
        Ok(x.chunks(width).flat_map(row).collect())
    }

    /// `ln |det dy/dx|` of each row, in the observables that networks see.
    #[must_use]
    pub fn log_jacobian(&self, x: &[f64]) -> Vec<f64> {
        let maps = self.maps();
        let row = |row: &[f64]| {
            let one = |(column, map): &(usize, Option<&Gaussian>)| {
                let z = self.standard(*column, row[*column]);
                log_derivative(*map, z) - self.standardiser.scale()[*column].ln()
            };
            maps.iter().map(one).sum()
        };
        x.chunks(self.len()).map(row).collect()
    }

    /// The observables that networks see, with the maps of those that are Gaussianised.
    fn maps(&self) -> Vec<(usize, Option<&Gaussian>)> {
        self.columns().map(|column| (column, self.map(column))).collect()
    }

    /// Largest deviation of one observation, in standard units. Where all simulations had the same
    /// number a unit is a millionth of it, at least of one: another number contradicts them.
    #[must_use]
    pub fn largest_deviation(&self, x: &[f64]) -> f64 {
        let standard = |(column, value): (usize, &f64)| self.standard(column, *value).abs();
        let mut deviations: Vec<f64> = x.iter().enumerate().map(standard).collect();
        for &(column, value) in &self.constant {
            let deviation = (x[column] - value) / unit_of_constant(value);
            deviations[column] = deviation.abs().min(f64::MAX);
        }
        deviations.into_iter().fold(0.0, f64::max)
    }

    /// Observables that have no density: those that are left out, and discrete ones among the others.
    pub(crate) fn without_density(&self) -> Vec<Warning> {
        let left_out = self.left_out.iter().map(|&LeftOut { observable, value, others }| {
            Warning::LeftOut { observable, value, others }
        });
        let discrete = self.record.iter().flat_map(|record| &record.discrete);
        let seen = |found: &&Discrete| self.columns().any(|column| column == found.observable);
        let discrete = discrete.filter(seen).map(|found| {
            let Discrete { observable, values, common, share, .. } = *found;
            let dequantised = self.dequantised.iter().any(|(column, _)| *column == observable);
            Warning::Discrete { observable, values, common, share, dequantised }
        });
        left_out.chain(discrete).collect()
    }

    /// What is doubtful about one observation: contradictions to what all simulations say, and
    /// numbers outside theirs. With `bound`, the networks are a density that is made within
    /// `[-bound, bound]`.
    pub(crate) fn doubts(&self, x: &[f64], bound: Option<f64>) -> Vec<Warning> {
        x.iter().enumerate().filter_map(|(at, value)| self.doubt(at, *value, bound)).collect()
    }

    fn doubt(&self, observable: usize, value: f64, bound: Option<f64>) -> Option<Warning> {
        if let Some((expected, others)) = self.without_variation(observable) {
            let differs = (value - expected).abs() > unit_of_constant(expected);
            let contradiction = Warning::Contradiction { observable, value, expected, others };
            return differs.then_some(contradiction);
        }
        let record = self.record.as_ref();
        if let Some([least, most]) = record.and_then(|all| all.range_without(observable, value)) {
            return Some(Warning::OutsideSimulations { observable, value, least, most });
        }
        let map = self.map(observable);
        let few = record.and_then(|all| all.few_beyond(observable, value));
        if let (Some(few), Some(_)) = (few, map) {
            return Some(Warning::InTail { observable, value, few });
        }
        let bound = bound?;
        let outside = forward(map, self.standard(observable, value)).abs() >= bound;
        let at = |y| self.value_at(observable, y);
        outside.then(|| Warning::OutsideBox {
            observable,
            value,
            least: at(-bound),
            most: at(bound),
        })
    }

    /// The value that (nearly) all simulations have, and how many have another.
    fn without_variation(&self, column: usize) -> Option<(f64, usize)> {
        let left_out = self.left_out.iter().find(|out| out.observable == column);
        let constant = self.constant.iter().find(|(of, _)| *of == column);
        left_out.map(|out| (out.value, out.others)).or(constant.map(|(_, value)| (*value, 0)))
    }

    /// The map of an observable, if it is Gaussianised.
    fn map(&self, column: usize) -> Option<&Gaussian> {
        self.gaussian.iter().find(|(of, _)| *of == column).map(|(_, map)| map)
    }

    /// The value of an observable that networks see as `y`.
    fn value_at(&self, column: usize, y: f64) -> f64 {
        let map = self.map(column);
        // in asinh z, of which the largest number has 711
        let (mut low, mut high) = (-711.0f64, 711.0f64);
        for _ in 0..f64::MANTISSA_DIGITS {
            let middle = f64::midpoint(low, high);
            if forward(map, middle.sinh()) < y { low = middle } else { high = middle }
        }
        self.standardiser.shift()[column] + self.standardiser.scale()[column] * low.sinh()
    }

    /// A value of an observable in standard units.
    fn standard(&self, column: usize, value: f64) -> f64 {
        let (shift, scale) = (self.standardiser.shift()[column], self.standardiser.scale()[column]);
        // the largest numbers overflow
        ((value - shift) / scale).clamp(f64::MIN, f64::MAX)
    }
}

fn unit_of_constant(value: f64) -> f64 {
    UNIT_OF_CONSTANT * value.abs().max(1.0)
}

/// What networks see of an observable `z` in standard units, given its map if it has one.
fn forward(map: Option<&Gaussian>, z: f64) -> f64 {
    match map {
        Some(map) => map.forward(z),
        None if z.abs() <= KNEE => z,
        None => KNEE * z.signum() * (1.0 + (z.abs() / KNEE).ln()),
    }
}

/// `ln dy/dz` of [`forward`].
fn log_derivative(map: Option<&Gaussian>, z: f64) -> f64 {
    map.map_or_else(|| -(z.abs() / KNEE).max(1.0).ln(), |map| map.log_derivative(z))
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
