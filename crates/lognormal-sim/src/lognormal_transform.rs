//! From the spectra of a lognormal field to those of the Gaussian field behind it.
//!
//! With `kappa_i = lambda_i (exp(g_i - var(g_i)/2) - 1)` the correlation functions obey
//! `xi^g_ij = ln(1 + xi^kappa_ij / (lambda_i lambda_j))` (Hilbert, Hartlap & Schneider 2011,
//! Xavier, Abdalla & Joachimi 2016). On the periodic pixel grid this holds exactly when both
//! steps between spectrum and correlation are discrete Fourier transforms of the grid itself.

use std::array::from_fn;
use std::sync::Arc;

use crate::cosine_transform::CosineTransform;
use crate::error::{Error, Result};
use crate::lanes::{Lanes, WIDTH};
use crate::modes::{Modes, first_class};
use crate::small_matrix::pairs;

/// The transform for one grid and number of bins. Powers are `[pair][class]`, in units of the
/// variance per pixel: `C_ell / pixel area`.
#[derive(Clone)]
pub(crate) struct LognormalTransform {
    bins: usize,
    even: EvenFourier,
}

impl LognormalTransform {
    pub(crate) fn new(modes: Arc<Modes>, bins: usize) -> Self {
        Self { bins, even: EvenFourier::new(modes) }
    }

    /// Work space for it.
    pub(crate) fn work(&self) -> EvenWork {
        self.even.work()
    }

    /// Power of the Gaussian field for the power of the convergence and the shifts.
    ///
    /// Replaces the power of the convergence by `1 + xi/(lambda_i lambda_j)` per pair and class of
    /// separations, which the pull-back needs.
    pub(crate) fn gaussian_power(
        &self,
        power: &mut [Vec<f64>],
        shifts: &[f64],
        gaussian: &mut Vec<Vec<f64>>,
        work: &mut EvenWork,
    ) -> Result<()> {
        let norm = 1.0 / (self.even.modes.npix() * self.even.modes.npix()) as f64;
        let classes = self.even.modes.len();
        self.even.transform(power, work);
        gaussian.resize_with(power.len(), Vec::new);
        for (((i, j), xi), gaussian) in
            pairs(self.bins).into_iter().zip(power).zip(gaussian.iter_mut())
        {
            let scale = norm / (shifts[i] * shifts[j]);
            let mut allowed = true;
            for x in xi.iter_mut() {
                *x = 1.0 + *x * scale;
                allowed &= x.is_finite() & (*x > 0.0);
            }
            if !allowed && let Some(&bad) = xi.iter().find(|x| !(x.is_finite() && **x > 0.0)) {
                return Err(Error::LognormalCorrelation { bins: (i, j), one_plus: bad });
            }
            gaussian.resize(classes, 0.0);
            for (to, from) in gaussian.chunks_mut(WIDTH).zip(xi.chunks(WIDTH)) {
                Lanes::load(from, 1.0).ln().store(to);
            }
        }
        self.even.transform(gaussian, work);
        for power in gaussian {
            power[0] = 0.0;
        }
        Ok(())
    }

    /// Pulls the cotangent of the Gaussian power back to the convergence power, in place, and adds
    /// that of the shifts to `shifts_bar`; `correlations` are what
    /// [`LognormalTransform::gaussian_power`] left.
    pub(crate) fn pullback(
        &self,
        correlations: &[Vec<f64>],
        shifts: &[f64],
        bar: &mut [Vec<f64>],
        shifts_bar: &mut [f64],
        work: &mut EvenWork,
    ) {
        let multiplicity = self.even.modes.multiplicity();
        let norm = 1.0 / (self.even.modes.npix() * self.even.modes.npix()) as f64;
        for bar in bar.iter_mut() {
            for (b, m) in bar.iter_mut().zip(multiplicity) {
                *b /= m;
            }
            bar[0] = 0.0;
        }
        self.even.transform(bar, work);
        for (pair, (i, j)) in pairs(self.bins).into_iter().enumerate() {
            let scale = norm / (shifts[i] * shifts[j]);
            let mut shift_bar = Lanes::ZERO;
            for ((bar, one_plus), m) in bar[pair]
                .chunks_mut(WIDTH)
                .zip(correlations[pair].chunks(WIDTH))
                .zip(multiplicity.chunks(WIDTH))
            {
                let one_plus = Lanes::load(one_plus, 1.0);
                let ratio = Lanes::load(bar, 0.0) / one_plus;
                shift_bar -= Lanes::load(m, 0.0) * ratio * (one_plus - Lanes::splat(1.0));
                (ratio * scale).store(bar);
            }
            shifts_bar[i] += shift_bar.sum() / shifts[i];
            shifts_bar[j] += shift_bar.sum() / shifts[j];
        }
        self.even.transform(bar, work);
        for bar in bar {
            for (b, m) in bar.iter_mut().zip(multiplicity) {
                *b *= m;
            }
        }
    }
}

/// Unnormalised discrete Fourier transform of functions with the eight-fold symmetry of the
/// square grid, per class of [`Modes`], in place.
///
/// Such functions are real, even and symmetric on both sides: a cosine transform down the columns
/// of a quarter of the grid, a transposition, and once more.
#[derive(Clone)]
struct EvenFourier {
    modes: Arc<Modes>,
    cosine: CosineTransform,
}

/// Work space of [`EvenFourier`].
pub(crate) struct EvenWork {
    /// Eight columns of the quarter, filled up to a multiple of eight rows.
    columns: Vec<Lanes>,
    scratch: Vec<Lanes>,
    /// The quarter after the first transform, eight rows at a time: `[block][column]`.
    turned: Vec<Lanes>,
}

impl EvenFourier {
    fn new(modes: Arc<Modes>) -> Self {
        let cosine = CosineTransform::new(modes.npix() / 2);
        Self { modes, cosine }
    }

    fn work(&self) -> EvenWork {
        let side = self.modes.npix() / 2 + 1;
        let blocks = side.div_ceil(WIDTH);
        EvenWork {
            columns: vec![Lanes::ZERO; blocks * WIDTH],
            scratch: vec![Lanes::ZERO; side],
            turned: vec![Lanes::ZERO; blocks * blocks * WIDTH],
        }
    }

    fn transform(&self, functions: &mut [Vec<f64>], work: &mut EvenWork) {
        let side = self.modes.npix() / 2 + 1;
        let blocks = side.div_ceil(WIDTH);
        let EvenWork { columns, scratch, turned } = work;
        for function in functions {
            for block in 0..blocks {
                for (row, eight) in columns.as_chunks_mut().0.iter_mut().enumerate() {
                    *eight = square_of(function, row, block, side);
                }
                self.cosine.transform(&mut columns[..side], scratch);
                for (row, eight) in columns.as_chunks().0.iter().enumerate() {
                    let to = &mut turned[(row * blocks + block) * WIDTH..][..WIDTH];
                    to.copy_from_slice(&Lanes::transpose(*eight));
                }
            }
            for (block, columns) in turned.chunks_exact_mut(blocks * WIDTH).enumerate() {
                let first = block * WIDTH;
                self.cosine.transform(&mut columns[..side], scratch);
                for (row, values) in columns[..side].iter().enumerate().skip(first) {
                    let start = first_class(row) + first;
                    let end = (start + WIDTH).min(first_class(row + 1));
                    values.store(&mut function[start..end]);
                }
            }
        }
    }
}

/// Eight by eight elements of the symmetric quarter at rows from `8 row` and columns from
/// `8 column`; beyond its `side`, anything finite.
#[inline(always)]
fn square_of(function: &[f64], row: usize, column: usize, side: usize) -> [Lanes; WIDTH] {
    if row == column {
        return from_fn(|i| {
            Lanes(from_fn(|j| {
                let (a, b) = (WIDTH * row + i.max(j), WIDTH * row + i.min(j));
                function[first_class(a.min(side - 1)) + b.min(side - 1)]
            }))
        });
    }
    // Below the diagonal, neighbours in a row are neighbours in memory.
    let (lower, upper) = (row.max(column), row.min(column));
    let rows = from_fn(|i| {
        let a = (WIDTH * lower + i).min(side - 1);
        Lanes::load(&function[first_class(a) + WIDTH * upper..], 0.0)
    });
    if row > column { rows } else { Lanes::transpose(rows) }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::PI;

    use super::*;

    #[test]
    fn even_transform_agrees_with_the_definition() {
        for n in [8, 10] {
            let modes = Arc::new(Modes::new(n, 5.0));
            let functions: Vec<Vec<f64>> = (0..3)
                .map(|f| (0..modes.len()).map(|c| ((3 * c + f) as f64).sin()).collect())
                .collect();
            let mut found = functions.clone();
            let even = EvenFourier::new(modes.clone());
            even.transform(&mut found, &mut even.work());
            for (function, found) in functions.iter().zip(found) {
                for (&(a, b), found) in modes.wave_numbers().iter().zip(found) {
                    let mut sum = 0.0;
                    for x in 0..n {
                        for y in 0..n {
                            let class = modes.classes(x.min(n - x))[y.min(n - y)];
                            let phase = 2.0 * PI * (a * x + b * y) as f64 / n as f64;
                            sum += function[class as usize] * phase.cos();
                        }
                    }
                    assert!((sum - found).abs() < 1e-12, "{n} {a} {b}: {sum} {found}");
                }
            }
        }
    }
}
