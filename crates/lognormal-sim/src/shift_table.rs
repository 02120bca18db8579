//! Lognormal shifts tabulated over (σ_8, Ω_m, w_0), as an alternative to their theory.
//!
//! The table is an `.npy` array of shape `[σ_8, Ω_m, w_0, bin, 5]` on a regular grid; the five
//! columns are Ω_m, σ_8, w_0, the number of the bin and its shift. It is made for one survey and
//! for fixed Ω_b, h and n_s.
//!
//! Two look-ups, both linear in each direction and constant outside the grid:
//! - [`ShiftConfig::Table`]: each parameter along its own axis;
//! - [`ShiftConfig::AsPublished`]: the published benchmark's (arXiv:2409.17975). It runs Ω_m along
//!   the axis of σ_8 and σ_8 along that of Ω_m, and places u = (x - min) / (max - min) at index
//!   n u - 1/2 instead of (n - 1) u. At the fiducial cosmology its shifts are 34 to 18 % larger
//!   (first to last bin) than those of the table. Only for reproducing published results.
//!
//! Derivatives are those of the piecewise linear function: they jump at the nodes and vanish
//! outside the grid.

use std::path::Path;

use autodiff::Real;

use crate::array_file::read_npy;
use crate::cosmology::Cosmology;
use crate::survey::ShiftConfig;
use crate::{Error, Result};

/// Lognormal shifts on a regular grid of (σ_8, Ω_m, w_0).
#[derive(Clone, Debug, PartialEq)]
pub struct ShiftTable {
    sigma_8: Axis,
    omega_m: Axis,
    w_0: Axis,
    bins: usize,
    /// `[σ_8, Ω_m, w_0, bin]`.
    shifts: Vec<f64>,
}

/// A regular axis.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Axis {
    min: f64,
    max: f64,
    nodes: usize,
}

/// The two nodes around a point of an axis, with their weights.
type Neighbours<R> = [(usize, R); 2];

impl Axis {
    /// `x` scaled to 0..1 over the axis.
    fn fraction<R: Real>(&self, x: R) -> R {
        (x - self.min) / (self.max - self.min)
    }

    /// Linear interpolation at a fractional index, constant outside.
    fn neighbours<R: Real>(&self, index: R) -> Neighbours<R> {
        let last = self.nodes - 2;
        let left = (index.value().floor().max(0.0) as usize).min(last);
        let offset = index - left as f64;
        let right_weight = match offset.value() {
            w if w < 0.0 => R::from(0.0),
            w if w > 1.0 => R::from(1.0),
            _ => offset,
        };
        [(left, -right_weight + 1.0), (left + 1, right_weight)]
    }
}

impl ShiftTable {
    /// Reads a table from an `.npy` file.
    ///
    /// # Errors
    /// As [`read_npy`] and [`ShiftTable::from_array`].
    pub fn read(path: &Path) -> Result<Self> {
        let (shape, values) = read_npy(path)?;
        Self::from_array(&shape, &values).map_err(|error| match error {
            Error::Config { field, value, expected } => Error::Array {
                path: path.to_owned(),
                reason: format!("{field} = {value}, expected {expected}"),
            },
            Error::Shape { what, expected, found } => {
                Error::Shape { what: format!("{what} {}", path.display()), expected, found }
            }
            other => other,
        })
    }

    /// A table from its values, last axis fastest.
    ///
    /// # Errors
    /// [`Error::Shape`] unless the shape is `[σ_8, Ω_m, w_0, bin, 5]` with at least two nodes
    /// along each parameter; [`Error::Config`] when the columns are not those of a regular grid
    /// in that order or a shift is not positive.
    pub fn from_array(shape: &[usize], values: &[f64]) -> Result<Self> {
        let &[sigma_8, omega_m, w_0, bins, 5] = shape else {
            return Err(wrong_shape(shape));
        };
        let count = shape.iter().product::<usize>();
        if sigma_8.min(omega_m).min(w_0) < 2 || bins == 0 || values.len() != count {
            return Err(wrong_shape(shape));
        }
        let last = &values[count - 5..];
        let axis = |column: usize, nodes| Axis { min: values[column], max: last[column], nodes };
        let table = Self {
            sigma_8: axis(1, sigma_8),
            omega_m: axis(0, omega_m),
            w_0: axis(2, w_0),
            bins,
            shifts: values.chunks_exact(5).map(|row| row[4]).collect(),
        };
        table.check_rows(values)?;
        Ok(table)
    }

    /// Checks that every row carries the coordinates of its place on the grid.
    fn check_rows(&self, values: &[f64]) -> Result<()> {
        let axes = [self.omega_m, self.sigma_8, self.w_0];
        for (name, axis) in ["omega_m", "sigma_8", "w_0"].into_iter().zip(axes) {
            let increasing = axis.max > axis.min;
            if !increasing {
                let value = format!("{} to {}", axis.min, axis.max);
                return Err(Error::config(format!("axis {name}"), value, "increasing values"));
            }
        }
        for (place, row) in values.chunks_exact(5).enumerate() {
            let (node, bin) = (place / self.bins, place % self.bins);
            let (node, w) = (node / self.w_0.nodes, node % self.w_0.nodes);
            let (s, m) = (node / self.omega_m.nodes, node % self.omega_m.nodes);
            for (column, (axis, index)) in axes.into_iter().zip([m, s, w]).enumerate() {
                let step = (axis.max - axis.min) / (axis.nodes - 1) as f64;
                let expected = axis.min + step * index as f64;
                let on_grid = (row[column] - expected).abs() <= 1e-6 * step;
                if !on_grid {
                    let field = format!("column {column} at [{s}, {m}, {w}, {bin}]");
                    let expected = format!("{expected}: a regular grid [sigma_8, omega_m, w_0]");
                    return Err(Error::config(field, row[column], expected));
                }
            }
            if !(row[4] > 0.0 && row[4].is_finite()) {
                let field = format!("shift at [{s}, {m}, {w}, {bin}]");
                return Err(Error::config(field, row[4], "a positive number"));
            }
        }
        Ok(())
    }

    /// Number of tomographic bins.
    #[must_use]
    pub fn bins(&self) -> usize {
        self.bins
    }

    /// The shift of each bin at a cosmology, looked up as `model` says.
    ///
    /// # Errors
    /// [`Error::Config`] for [`ShiftConfig::Theory`], which has no table; [`Error::NotFinite`] for
    /// a cosmology that is not finite.
    pub fn shifts<R: Real>(&self, model: ShiftConfig, cosmology: &Cosmology<R>) -> Result<Vec<R>> {
        let (omega_m, sigma_8, w_0) = (cosmology.omega_m(), cosmology.sigma_8, cosmology.w_0);
        let point = [omega_m, sigma_8, w_0];
        if !point.iter().all(|x| x.value().is_finite()) {
            let what = format!("(omega_m, sigma_8, w_0) = {:?}", point.map(Real::value));
            return Err(Error::NotFinite { what });
        }
        let neighbours = match model {
            ShiftConfig::Table => {
                let place =
                    |axis: &Axis, x| axis.neighbours(axis.fraction(x) * (axis.nodes - 1) as f64);
                [
                    place(&self.sigma_8, sigma_8),
                    place(&self.omega_m, omega_m),
                    place(&self.w_0, w_0),
                ]
            }
            ShiftConfig::AsPublished => {
                let place =
                    |axis: &Axis, fraction: R| axis.neighbours(fraction * axis.nodes as f64 - 0.5);
                [
                    place(&self.sigma_8, self.omega_m.fraction(omega_m)),
                    place(&self.omega_m, self.sigma_8.fraction(sigma_8)),
                    place(&self.w_0, self.w_0.fraction(w_0)),
                ]
            }
            ShiftConfig::Theory => {
                let expected = "\"table\" or \"as_published\" to look shifts up in a table";
                return Err(Error::config("shifts", "theory", expected));
            }
        };
        Ok(self.interpolate(neighbours))
    }

    /// Sum over the eight nodes around a point, for each bin.
    fn interpolate<R: Real>(&self, [sigma_8, omega_m, w_0]: [Neighbours<R>; 3]) -> Vec<R> {
        let mut shifts = vec![R::from(0.0); self.bins];
        for (s, weight_s) in sigma_8 {
            for (m, weight_m) in omega_m {
                for (w, weight_w) in w_0 {
                    let weight = weight_s * weight_m * weight_w;
                    let node = (s * self.omega_m.nodes + m) * self.w_0.nodes + w;
                    let values = &self.shifts[node * self.bins..(node + 1) * self.bins];
                    for (shift, &value) in shifts.iter_mut().zip(values) {
                        *shift += weight * value;
                    }
                }
            }
        }
        shifts
    }
}

fn wrong_shape(shape: &[usize]) -> Error {
    Error::Shape {
        what: "shift table".into(),
        expected: "[sigma_8, omega_m, w_0, bin, 5], with 2 nodes or more along each parameter"
            .into(),
        found: format!("{shape:?}"),
    }
}
