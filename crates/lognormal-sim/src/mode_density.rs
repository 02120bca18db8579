//! The log density of Gaussian modes of given covariance, eight classes of modes at a time, with
//! its gradient in the covariance.

use std::f64::consts::PI;

use crate::lanes::{Lanes, WIDTH};
use crate::mixing::{load_symmetric, set_zero, store_symmetric};
use crate::modes::Modes;
use crate::small_matrix::{cholesky, pair_index, solve_lower};

/// Work space for matrices of eight classes.
pub(crate) struct Matrices {
    /// Inverse of the covariance.
    pub inverse: Vec<Lanes>,
    /// Cotangent of the covariance.
    pub bar: Vec<Lanes>,
    data: Vec<Lanes>,
    product: Vec<Lanes>,
}

impl Matrices {
    pub(crate) fn new(bins: usize) -> Self {
        let zero = vec![Lanes::ZERO; bins * bins];
        Self { inverse: zero.clone(), bar: zero.clone(), data: zero.clone(), product: zero }
    }
}

/// `log N(y; 0, K)` of eight classes from `start` with `count` modes each, given the lower factor
/// of `K` and the sums `Re(y_i y_j^*)` of each class, `[pair][class]`. Leaves the gradient
/// `(K^-1 D K^-1 - count K^-1) / 2` in `work.bar`.
pub(crate) fn add_log_density(
    measured: &[Vec<f64>],
    start: usize,
    count: Lanes,
    factor: &[Lanes],
    work: &mut Matrices,
) -> Lanes {
    let Matrices { inverse, bar, data, product } = work;
    let bins = factor.len().isqrt();
    let mut total = Lanes::ZERO;
    for i in 0..bins {
        for j in 0..bins {
            let values = &measured[pair_index(i, j, bins)][start..];
            data[i * bins + j] = Lanes::load(values, 0.0);
            inverse[i * bins + j] = Lanes::splat(if i == j { 1.0 } else { 0.0 });
        }
        let log_pivot = factor[i * bins + i].ln() + Lanes::splat(0.5 * (2.0 * PI).ln());
        total -= count * log_pivot;
    }
    // K^-1 = B^-T B^-1 and K^-1 D K^-1, from B^-1.
    solve_lower(factor, inverse, bins, bins);
    symmetric_square(inverse, product, bins);
    sandwich(inverse, data, bins, product, bar);
    for at in 0..bins * bins {
        total -= inverse[at] * data[at] * 0.5;
        bar[at] = (bar[at] - inverse[at] * count) * 0.5;
    }
    total
}

/// Gradient of `log N(g; 0, C)` in the power `[pair][class]` of fields with these measured sums
/// over modes. The zero mode, which has no power, is left out.
pub(crate) fn power_gradient(
    modes: &Modes,
    power: &[Vec<f64>],
    measured: &[Vec<f64>],
    bins: usize,
    gradient: &mut Vec<Vec<f64>>,
) {
    set_zero(gradient, bins * (bins + 1) / 2, modes.len());
    let mut factor = vec![Lanes::ZERO; bins * bins];
    let mut work = Matrices::new(bins);
    for start in (1..modes.len()).step_by(WIDTH) {
        let count = Lanes::load(&modes.multiplicity()[start..], 0.0);
        load_symmetric(power, start, bins, &mut factor);
        cholesky(&mut factor, bins);
        add_log_density(measured, start, count, &factor, &mut work);
        store_symmetric(&work.bar, start, bins, gradient);
    }
}

/// `A := A^T A` for lower triangular `A`.
fn symmetric_square(a: &mut [Lanes], lower: &mut [Lanes], n: usize) {
    lower.copy_from_slice(a);
    for i in 0..n {
        for j in 0..=i {
            let mut sum = Lanes::ZERO;
            for k in i..n {
                sum += lower[k * n + i] * lower[k * n + j];
            }
            a[i * n + j] = sum;
            a[j * n + i] = sum;
        }
    }
}

/// `out = A D A` for symmetric matrices.
fn sandwich(a: &[Lanes], d: &[Lanes], n: usize, half: &mut [Lanes], out: &mut [Lanes]) {
    for i in 0..n {
        for j in 0..n {
            let mut sum = Lanes::ZERO;
            for k in 0..n {
                sum += a[i * n + k] * d[k * n + j];
            }
            half[i * n + j] = sum;
        }
    }
    for i in 0..n {
        for j in 0..n {
            let mut sum = Lanes::ZERO;
            for k in 0..n {
                sum += half[i * n + k] * a[k * n + j];
            }
            out[i * n + j] = sum;
        }
    }
}
