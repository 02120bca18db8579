//! Two-dimensional Fourier transforms of real square maps.
//!
//! A map `[y][x]` of `n` x `n` real pixels corresponds to the half plane `[kx][ky]` with
//! `kx = 0..=n/2` and `ky = 0..n`: note the transposed order, which saves a transposition each way
//! and is immaterial for isotropic spectra.

use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{ComplexToReal, FftNum, RealFftPlanner, RealToComplex};
use rustfft::{Fft, FftPlanner};

/// Cached plans for maps of one size.
///
/// The forward transform is unnormalised, the inverse divides by `n^2` (numpy's convention).
#[derive(Clone)]
pub struct Fourier<T: FftNum> {
    n: usize,
    rows_forward: Arc<dyn RealToComplex<T>>,
    rows_inverse: Arc<dyn ComplexToReal<T>>,
    columns_forward: Arc<dyn Fft<T>>,
    columns_inverse: Arc<dyn Fft<T>>,
}

/// Work space for [`Fourier`]; one per thread.
#[derive(Clone)]
pub struct FourierScratch<T> {
    row: Vec<T>,
    half_rows: Vec<Complex<T>>,
    fft: Vec<Complex<T>>,
}

impl<T: FftNum> Fourier<T> {
    /// Plans for `n` x `n` maps; `n` must be even.
    #[must_use]
    pub fn new(n: usize) -> Self {
        let mut real = RealFftPlanner::new();
        let mut complex = FftPlanner::new();
        Self {
            n,
            rows_forward: real.plan_fft_forward(n),
            rows_inverse: real.plan_fft_inverse(n),
            columns_forward: complex.plan_fft_forward(n),
            columns_inverse: complex.plan_fft_inverse(n),
        }
    }

    /// Number of complex numbers in the half plane: `(n/2 + 1) n`.
    #[must_use]
    pub fn half_len(&self) -> usize {
        (self.n / 2 + 1) * self.n
    }

    /// Work space of the right size.
    #[must_use]
    pub fn scratch(&self) -> FourierScratch<T> {
        let zero = Complex::new(T::zero(), T::zero());
        let fft = [
            self.rows_forward.get_scratch_len(),
            self.rows_inverse.get_scratch_len(),
            self.columns_forward.get_inplace_scratch_len(),
            self.columns_inverse.get_inplace_scratch_len(),
        ];
        FourierScratch {
            row: vec![T::zero(); self.n],
            half_rows: vec![zero; self.half_len()],
            fft: vec![zero; fft.into_iter().max().unwrap_or(0)],
        }
    }

    /// Half plane of a map.
    ///
    /// # Panics
    /// If the slices have the wrong lengths.
    pub fn forward(&self, map: &[T], half: &mut [Complex<T>], scratch: &mut FourierScratch<T>) {
        let (n, h) = (self.n, self.n / 2 + 1);
        assert_eq!(map.len(), n * n);
        assert_eq!(half.len(), h * n);
        for (pixels, modes) in map.chunks_exact(n).zip(scratch.half_rows.chunks_exact_mut(h)) {
            scratch.row.copy_from_slice(pixels);
            self.rows_forward
                .process_with_scratch(&mut scratch.row, modes, &mut scratch.fft)
                .expect("lengths fixed by the plan");
        }
        transpose(&scratch.half_rows, half, n, h);
        self.columns_forward.process_with_scratch(half, &mut scratch.fft);
    }

    /// Map of a half plane, which is overwritten.
    ///
    /// # Panics
    /// If the slices have the wrong lengths.
    pub fn inverse(&self, half: &mut [Complex<T>], map: &mut [T], scratch: &mut FourierScratch<T>) {
        let (n, h) = (self.n, self.n / 2 + 1);
        assert_eq!(map.len(), n * n);
        assert_eq!(half.len(), h * n);
        self.columns_inverse.process_with_scratch(half, &mut scratch.fft);
        transpose(half, &mut scratch.half_rows, h, n);
        let norm = T::one() / T::from_usize(n * n).expect("a pixel count is representable");
        for (pixels, modes) in map.chunks_exact_mut(n).zip(scratch.half_rows.chunks_exact_mut(h)) {
            // The imaginary parts of the self-conjugate columns are rounding errors.
            modes[0].im = T::zero();
            modes[h - 1].im = T::zero();
            self.rows_inverse
                .process_with_scratch(modes, pixels, &mut scratch.fft)
                .expect("lengths fixed by the plan");
            for pixel in pixels {
                *pixel = *pixel * norm;
            }
        }
    }
}

/// Writes the transpose of the `rows` x `columns` matrix `from` to `to`, block by block.
fn transpose<T: Copy>(from: &[T], to: &mut [T], rows: usize, columns: usize) {
    const BLOCK: usize = 16;
    for row0 in (0..rows).step_by(BLOCK) {
        for column0 in (0..columns).step_by(BLOCK) {
            for column in column0..(column0 + BLOCK).min(columns) {
                for row in row0..(row0 + BLOCK).min(rows) {
                    to[column * rows + row] = from[row * columns + column];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_definition_and_inverts() {
        for n in [8, 10] {
            let map: Vec<f64> =
                (0..n * n).map(|i| ((i * i) as f64 * 0.7).sin() + 0.1 * i as f64).collect();
            let fourier = Fourier::new(n);
            let mut scratch = fourier.scratch();
            let mut half = vec![Complex::default(); fourier.half_len()];
            fourier.forward(&map, &mut half, &mut scratch);
            for kx in 0..=n / 2 {
                for ky in 0..n {
                    let mut sum = Complex::<f64>::default();
                    for y in 0..n {
                        for x in 0..n {
                            let phase = -2.0 * std::f64::consts::PI * (kx * x + ky * y) as f64;
                            sum += Complex::from_polar(map[y * n + x], phase / n as f64);
                        }
                    }
                    assert!((sum - half[kx * n + ky]).norm() < 1e-10);
                }
            }
            let mut back = vec![0.0; n * n];
            fourier.inverse(&mut half, &mut back, &mut scratch);
            for (a, b) in map.iter().zip(&back) {
                assert!((a - b).abs() < 1e-12);
            }
        }
    }
}
