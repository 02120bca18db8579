//! Gaussian maps with given spectra, made independently of the simulator: for tests.

use std::f64::consts::PI;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use rustfft::FftPlanner;
use rustfft::num_complex::Complex;

/// Two-dimensional transform of a square, in place; the inverse is not normalised.
fn transform(plane: &mut [Complex<f64>], n: usize, inverse: bool) {
    let mut planner = FftPlanner::new();
    let fft = if inverse { planner.plan_fft_inverse(n) } else { planner.plan_fft_forward(n) };
    for _ in 0..2 {
        fft.process(plane);
        for i in 0..n {
            for j in 0..i {
                plane.swap(i * n + j, j * n + i);
            }
        }
    }
}

/// Wave number of an index of a transform, in units of the fundamental, sign dropped.
pub fn wave_number(index: usize, n: usize) -> f64 {
    index.min(n - index) as f64
}

/// Multipoles of the modes of the full plane, `[ky][kx]`.
pub fn multipoles(n: usize, map_size_deg: f64) -> Vec<f64> {
    let fundamental = 2.0 * PI / map_size_deg.to_radians();
    (0..n * n).map(|i| fundamental * wave_number(i / n, n).hypot(wave_number(i % n, n))).collect()
}

/// Draws `[bin][y][x]` maps whose modes have the covariance `covariance(mode)`, `[bin][bin]` by
/// rows in steradians, at each mode `[ky][kx]` of the full plane.
pub fn draw(
    n: usize,
    map_size_deg: f64,
    bins: usize,
    seed: u64,
    covariance: impl Fn(usize) -> Vec<f64>,
) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let white: Vec<Vec<Complex<f64>>> = (0..bins)
        .map(|_| {
            let mut plane: Vec<Complex<f64>> =
                (0..n * n).map(|_| Complex::new(StandardNormal.sample(&mut rng), 0.0)).collect();
            transform(&mut plane, n, false);
            plane
        })
        .collect();
    let mut planes = vec![vec![Complex::default(); n * n]; bins];
    for mode in 0..n * n {
        let lower = cholesky(&covariance(mode), bins);
        for i in 0..bins {
            planes[i][mode] = (0..=i).map(|j| white[j][mode] * lower[i * bins + j]).sum();
        }
    }
    let pixel_side = map_size_deg.to_radians() / n as f64;
    let norm = 1.0 / ((n * n) as f64 * pixel_side);
    let mut maps = Vec::with_capacity(bins * n * n);
    for plane in &mut planes {
        transform(plane, n, true);
        maps.extend(plane.iter().map(|value| value.re * norm));
    }
    maps
}

/// Lower Cholesky factor by rows; a vanishing matrix gives zero.
pub fn cholesky(a: &[f64], n: usize) -> Vec<f64> {
    let mut lower = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            let dot: f64 = (0..j).map(|k| lower[i * n + k] * lower[j * n + k]).sum();
            let rest = a[i * n + j] - dot;
            lower[i * n + j] = match () {
                () if i == j => rest.max(0.0).sqrt(),
                () if lower[j * n + j] > 0.0 => rest / lower[j * n + j],
                () => 0.0,
            };
        }
    }
    lower
}
