//! From the spectra of a lognormal field to those of the Gaussian field behind it.
//!
//! With `kappa_i = lambda_i (exp(g_i - var(g_i)/2) - 1)` the correlation functions obey
//! `xi^g_ij = ln(1 + xi^kappa_ij / (lambda_i lambda_j))` (Hilbert, Hartlap & Schneider 2011,
//! Xavier, Abdalla & Joachimi 2016). On the periodic pixel grid this holds exactly when both
//! steps between spectrum and correlation are discrete Fourier transforms of the grid itself.

use std::ops::Range;
use std::sync::Arc;

use realfft::num_complex::Complex;
use rustfft::{Fft, FftPlanner};

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
/// Such functions are real on both sides; two at a time share a complex transform.
#[derive(Clone)]
struct EvenFourier {
    modes: Arc<Modes>,
    line: Arc<dyn Fft<f64>>,
}

/// Work space of [`EvenFourier`].
#[derive(Default)]
pub(crate) struct EvenWork {
    lines: Vec<Complex<f64>>,
    quarter: Vec<Complex<f64>>,
    fft: Vec<Complex<f64>>,
}

impl EvenFourier {
    fn new(modes: Arc<Modes>) -> Self {
        let line = FftPlanner::new().plan_fft_forward(modes.npix());
        Self { modes, line }
    }

    fn work(&self) -> EvenWork {
        let (n, half) = (self.modes.npix(), self.modes.npix() / 2 + 1);
        let zero = Complex::new(0.0, 0.0);
        EvenWork {
            lines: vec![zero; n * half],
            quarter: vec![zero; half * half],
            fft: vec![zero; self.line.get_inplace_scratch_len()],
        }
    }

    fn transform(&self, functions: &mut [Vec<f64>], work: &mut EvenWork) {
        let (n, half) = (self.modes.npix(), self.modes.npix() / 2 + 1);
        let EvenWork { lines, quarter, fft } = work;
        for two in functions.chunks_mut(2) {
            let (first, second) = (&two[0], two.get(1).unwrap_or(&two[0]));
            for (a, line) in lines.chunks_exact_mut(n).enumerate() {
                // Classes (a, b) with b <= a are neighbours; the others, (b, a), are not.
                let near = row_of_classes(a);
                let (to_near, to_far) = line[..half].split_at_mut(a + 1);
                for ((to, &re), &im) in
                    to_near.iter_mut().zip(&first[near.clone()]).zip(&second[near])
                {
                    *to = Complex::new(re, im);
                }
                for (to, &class) in to_far.iter_mut().zip(&self.modes.classes(a)[a + 1..]) {
                    *to = Complex::new(first[class as usize], second[class as usize]);
                }
                mirror(line);
            }
            self.line.process_with_scratch(lines, fft);
            for (row, line) in lines.chunks_exact(n).enumerate() {
                for (column, value) in line[..half].iter().enumerate() {
                    quarter[column * half + row] = *value;
                }
            }
            for (line, values) in lines.chunks_exact_mut(n).zip(quarter.chunks_exact(half)) {
                line[..half].copy_from_slice(values);
                mirror(line);
            }
            self.line.process_with_scratch(lines, fft);
            for (a, line) in lines.chunks_exact(n).enumerate() {
                for (to, from) in two[0][row_of_classes(a)].iter_mut().zip(line) {
                    *to = from.re;
                }
                if let Some(second) = two.get_mut(1) {
                    for (to, from) in second[row_of_classes(a)].iter_mut().zip(line) {
                        *to = from.im;
                    }
                }
            }
        }
    }
}

/// The classes `(a, 0), ..., (a, a)`.
fn row_of_classes(a: usize) -> Range<usize> {
    first_class(a)..first_class(a + 1)
}

/// Completes an even periodic line from its first half.
fn mirror(line: &mut [Complex<f64>]) {
    let half = line.len() / 2;
    let (first, mirrored) = line.split_at_mut(half + 1);
    for (to, from) in mirrored.iter_mut().zip(first[1..half].iter().rev()) {
        *to = *from;
    }
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
