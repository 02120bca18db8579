//! From the spectra of a lognormal field to those of the Gaussian field behind it.
//!
//! With `kappa_i = lambda_i (exp(g_i - var(g_i)/2) - 1)` the correlation functions obey
//! `xi^g_ij = ln(1 + xi^kappa_ij / (lambda_i lambda_j))` (Hilbert, Hartlap & Schneider 2011,
//! Xavier, Abdalla & Joachimi 2016). On the periodic pixel grid this holds exactly when both
//! steps between spectrum and correlation are discrete Fourier transforms of the grid itself.

use std::sync::Arc;

use realfft::num_complex::Complex;
use rustfft::{Fft, FftPlanner};

use crate::error::{Error, Result};
use crate::modes::Modes;
use crate::small_matrix::pairs;

/// The transform for one grid and number of bins. Powers are `[pair][class]`, in units of the
/// variance per pixel: `C_ell / pixel area`.
#[derive(Clone)]
pub(crate) struct LognormalTransform {
    bins: usize,
    even: EvenFourier,
}

/// What the pull-back needs: `1 + xi/(lambda_i lambda_j)` per pair and class of separations.
pub(crate) struct Correlations(Vec<Vec<f64>>);

impl LognormalTransform {
    pub(crate) fn new(modes: Arc<Modes>, bins: usize) -> Self {
        Self { bins, even: EvenFourier::new(modes) }
    }

    /// Power of the Gaussian field for the power of the convergence and the shifts.
    pub(crate) fn gaussian_power(
        &self,
        power: Vec<Vec<f64>>,
        shifts: &[f64],
    ) -> Result<(Vec<Vec<f64>>, Correlations)> {
        let norm = 1.0 / (self.even.modes.npix() * self.even.modes.npix()) as f64;
        let mut correlations = power;
        self.even.transform(&mut correlations);
        for ((i, j), xi) in pairs(self.bins).into_iter().zip(&mut correlations) {
            let scale = norm / (shifts[i] * shifts[j]);
            for x in xi.iter_mut() {
                *x = 1.0 + *x * scale;
            }
            if let Some(&bad) = xi.iter().find(|x| !(x.is_finite() && **x > 0.0)) {
                return Err(Error::LognormalCorrelation { bins: (i, j), one_plus: bad });
            }
        }
        let mut gaussian: Vec<Vec<f64>> =
            correlations.iter().map(|xi| xi.iter().map(|x| x.ln()).collect()).collect();
        self.even.transform(&mut gaussian);
        for power in &mut gaussian {
            power[0] = 0.0;
        }
        Ok((gaussian, Correlations(correlations)))
    }

    /// Pulls the cotangent of the Gaussian power back to the convergence power, and adds that of
    /// the shifts to `shifts_bar`.
    pub(crate) fn pullback(
        &self,
        correlations: &Correlations,
        shifts: &[f64],
        gaussian_bar: Vec<Vec<f64>>,
        shifts_bar: &mut [f64],
    ) -> Vec<Vec<f64>> {
        let multiplicity = self.even.modes.multiplicity();
        let norm = 1.0 / (self.even.modes.npix() * self.even.modes.npix()) as f64;
        let mut bar = gaussian_bar;
        for bar in &mut bar {
            for (b, m) in bar.iter_mut().zip(multiplicity) {
                *b /= m;
            }
            bar[0] = 0.0;
        }
        self.even.transform(&mut bar);
        for (pair, (i, j)) in pairs(self.bins).into_iter().enumerate() {
            let scale = norm / (shifts[i] * shifts[j]);
            let mut shift_bar = 0.0;
            for ((bar, one_plus), m) in
                bar[pair].iter_mut().zip(&correlations.0[pair]).zip(multiplicity)
            {
                *bar /= one_plus;
                shift_bar -= m * *bar * (one_plus - 1.0);
                *bar *= scale;
            }
            shifts_bar[i] += shift_bar / shifts[i];
            shifts_bar[j] += shift_bar / shifts[j];
        }
        self.even.transform(&mut bar);
        for bar in &mut bar {
            for (b, m) in bar.iter_mut().zip(multiplicity) {
                *b *= m;
            }
        }
        bar
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

impl EvenFourier {
    fn new(modes: Arc<Modes>) -> Self {
        let line = FftPlanner::new().plan_fft_forward(modes.npix());
        Self { modes, line }
    }

    fn transform(&self, functions: &mut [Vec<f64>]) {
        let half = self.modes.npix() / 2 + 1;
        let zero = Complex::new(0.0, 0.0);
        let mut lines = vec![zero; self.modes.npix() * half];
        let mut quarter = vec![zero; half * half];
        let mut scratch = vec![zero; self.line.get_inplace_scratch_len()];
        for two in functions.chunks_mut(2) {
            let (first, second) = (&two[0], two.get(1).unwrap_or(&two[0]));
            for (kx, line) in lines.chunks_exact_mut(self.modes.npix()).enumerate() {
                for (value, &class) in line.iter_mut().zip(self.modes.classes(kx)) {
                    *value = Complex::new(first[class as usize], second[class as usize]);
                }
                mirror(line);
            }
            self.line.process_with_scratch(&mut lines, &mut scratch);
            transpose_quarter(&lines, &mut quarter, half);
            for (line, values) in
                lines.chunks_exact_mut(self.modes.npix()).zip(quarter.chunks_exact(half))
            {
                line[..half].copy_from_slice(values);
                mirror(line);
            }
            self.line.process_with_scratch(&mut lines, &mut scratch);
            let at = |&(a, b): &(usize, usize)| lines[a * self.modes.npix() + b];
            for (class, value) in self.modes.wave_numbers().iter().map(at).enumerate() {
                two[0][class] = value.re;
                if let Some(second) = two.get_mut(1) {
                    second[class] = value.im;
                }
            }
        }
    }
}

/// Completes an even periodic line from its first half.
fn mirror(line: &mut [Complex<f64>]) {
    let n = line.len();
    for k in n / 2 + 1..n {
        line[k] = line[n - k];
    }
}

/// Transposes the first `half` entries of each line into a `half` x `half` square.
fn transpose_quarter(lines: &[Complex<f64>], quarter: &mut [Complex<f64>], half: usize) {
    let n = 2 * (half - 1);
    for (row, line) in lines.chunks_exact(n).enumerate() {
        for (column, value) in line[..half].iter().enumerate() {
            quarter[column * half + row] = *value;
        }
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
            EvenFourier::new(modes.clone()).transform(&mut found);
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
