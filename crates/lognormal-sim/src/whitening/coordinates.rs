//! Whitened modes as real coordinates, each number once.

use std::f64::consts::{FRAC_1_SQRT_2, SQRT_2};

use realfft::num_complex::Complex;

/// Real coordinates `[bin][n * n]` to half planes `[bin][kx][ky]` of unit-variance modes.
///
/// The two self-conjugate columns hold `n` real Hartley amplitudes each, the others complex
/// amplitudes as pairs of reals of variance 1/2.
pub(super) fn unpack(white: &[f64], n: usize, half: &mut [Complex<f64>]) {
    for (white, half) in white.chunks_exact(n * n).zip(half.chunks_exact_mut((n / 2 + 1) * n)) {
        let (first, rest) = white.split_at(n);
        let (inner, last) = rest.split_at(n * (n - 2));
        for (hartley, column) in [(first, 0), (last, n / 2)] {
            for ky in 0..n {
                let (h, twin) = (hartley[ky], hartley[(n - ky) % n]);
                half[column * n + ky] = Complex::new(0.5 * (h + twin), 0.5 * (twin - h));
            }
        }
        for (mode, pair) in half[n..n * (n / 2)].iter_mut().zip(inner.chunks_exact(2)) {
            *mode = Complex::new(pair[0] * FRAC_1_SQRT_2, pair[1] * FRAC_1_SQRT_2);
        }
    }
}

/// The transpose of [`unpack`] for cotangents (which stand for both `k` and `-k`).
pub(super) fn pack(half: &[Complex<f64>], n: usize, white: &mut [f64]) {
    for (white, half) in white.chunks_exact_mut(n * n).zip(half.chunks_exact((n / 2 + 1) * n)) {
        let (first, rest) = white.split_at_mut(n);
        let (inner, last) = rest.split_at_mut(n * (n - 2));
        for (hartley, column) in [(first, 0), (last, n / 2)] {
            for ky in 0..n {
                let mode = half[column * n + ky];
                hartley[ky] = mode.re - mode.im;
            }
        }
        for (mode, pair) in half[n..n * (n / 2)].iter().zip(inner.chunks_exact_mut(2)) {
            pair[0] = SQRT_2 * mode.re;
            pair[1] = SQRT_2 * mode.im;
        }
    }
}
