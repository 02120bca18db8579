//! Linear matter power spectrum, normalised to sigma_8, and its Gaussian-filtered variance.
//!
//! P(k, z) = A k^n_s T^2(k) D^2(z), in (Mpc/h)^3 with k in h/Mpc. Integrals over ln k run over
//! fixed nodes, denser where baryon oscillations live; the variance ln sigma_G^2(ln R) is held as
//! a Chebyshev series, an entire function whose derivatives are exact.

use std::f64::consts::PI;

use autodiff::Real;

use crate::Cosmology;
use crate::growth::Growth;
use crate::halofit::{Halofit, NonlinearScale};
use crate::quadrature::product_weights;
use crate::transfer::TransferFunction;
use crate::{Error, Result};

/// Wavenumbers of the integrals, in h/Mpc: from `CENTRE * exp(-9.2)` to `CENTRE * exp(12)`.
const CENTRE: f64 = 0.1;
const LOW: f64 = -9.2;
const HIGH: f64 = 12.0;
/// Nodes are uniform in t with ln(k / CENTRE) = SPREAD sinh t.
const SPREAD: f64 = 2.0;
const STEP: f64 = 0.025;
/// Gaussian filter radii of the Chebyshev series, in Mpc/h, and its number of terms.
const RADIUS_MIN: f64 = 1e-6;
const RADIUS_MAX: f64 = 200.0;
const TERMS: usize = 48;

/// What the normalisation and the non-linear scale need and does not depend on cosmology.
#[derive(Clone, Debug)]
pub struct PowerBasis {
    /// Wavenumbers, h/Mpc.
    k: Vec<f64>,
    /// sigma_8^2 = sum_j tophat_j P(k_j).
    tophat: Vec<f64>,
    /// sigma_G^2(R_m) = sum_j gaussian_mj P(k_j), row by row.
    gaussian: Vec<f64>,
    /// Chebyshev coefficients from values at the radii, row by row.
    to_series: Vec<f64>,
}

impl Default for PowerBasis {
    fn default() -> Self {
        Self::new()
    }
}

impl PowerBasis {
    /// Tabulates the filters.
    #[must_use]
    pub fn new() -> Self {
        let (t_low, t_high) = ((LOW / SPREAD).asinh(), (HIGH / SPREAD).asinh());
        let count = ((t_high - t_low) / STEP).ceil() as usize;
        let step = (t_high - t_low) / count as f64;
        let t: Vec<f64> = (0..=count).map(|i| t_low + step * i as f64).collect();
        let wavenumber = |t: f64| CENTRE * (SPREAD * t.sinh()).exp();
        // dk k^2 / (2 pi^2) per dt.
        let measure = |t: f64| wavenumber(t).powi(3) * SPREAD * t.cosh() / (2.0 * PI * PI);
        let k: Vec<f64> = t.iter().map(|&t| wavenumber(t)).collect();

        // The top-hat window oscillates: product integration in units of k^-2 (1 + k)^-1.
        let shape = |k: f64| 1.0 / (k * k * (1.0 + k));
        let tophat = product_weights(&t, |t| {
            let k = wavenumber(t);
            measure(t) * tophat_window(8.0 * k).powi(2) * shape(k)
        });
        let tophat = tophat.iter().zip(&k).map(|(w, &k)| w / shape(k)).collect();

        let mut gaussian = Vec::with_capacity(TERMS * k.len());
        for m in 0..TERMS {
            let radius = radius_at(chebyshev_node(m));
            gaussian.extend(
                t.iter().zip(&k).map(|(&t, &k)| step * measure(t) * (-(k * radius).powi(2)).exp()),
            );
        }
        let mut to_series = Vec::with_capacity(TERMS * TERMS);
        for order in 0..TERMS {
            let scale = if order == 0 { 1.0 } else { 2.0 } / TERMS as f64;
            to_series.extend(
                (0..TERMS)
                    .map(|m| scale * (PI * order as f64 * (m as f64 + 0.5) / TERMS as f64).cos()),
            );
        }
        Self { k, tophat, gaussian, to_series }
    }
}

/// Spherical top-hat window 3 (sin x - x cos x) / x^3.
fn tophat_window(x: f64) -> f64 {
    if x < 1e-2 { 1.0 - x * x / 10.0 } else { 3.0 * (x.sin() - x * x.cos()) / x.powi(3) }
}

fn chebyshev_node(m: usize) -> f64 {
    (PI * (m as f64 + 0.5) / TERMS as f64).cos()
}

/// Filter radius at position s in [-1, 1], Mpc/h.
fn radius_at(s: f64) -> f64 {
    (0.5 * (RADIUS_MIN.ln() * (1.0 - s) + RADIUS_MAX.ln() * (1.0 + s))).exp()
}

/// d s / d ln R.
fn series_slope() -> f64 {
    2.0 / (RADIUS_MAX / RADIUS_MIN).ln()
}

/// The matter power spectrum of one cosmology, linear and non-linear.
#[derive(Clone, Debug)]
pub struct MatterPower<R> {
    cosmology: Cosmology<R>,
    transfer: TransferFunction<R>,
    growth: Growth<R>,
    /// A, in (Mpc/h)^(3 + n_s).
    amplitude: R,
    /// Chebyshev series of ln sigma_G^2 today.
    log_variance: Vec<R>,
}

impl<R: Real> MatterPower<R> {
    /// Solves for growth, normalisation and filtered variance.
    #[must_use]
    pub fn new(basis: &PowerBasis, c: &Cosmology<R>) -> Self {
        let transfer = TransferFunction::new(c);
        let shape: Vec<R> =
            basis.k.iter().map(|&k| unnormalised(&transfer, c.n_s, R::from(k))).collect();
        let amplitude = c.sigma_8 * c.sigma_8 / dot(&basis.tophat, &shape);
        let values: Vec<R> = basis
            .gaussian
            .chunks_exact(shape.len())
            .map(|row| (dot(row, &shape) * amplitude).ln())
            .collect();
        let log_variance =
            basis.to_series.chunks_exact(TERMS).map(|row| dot(row, &values)).collect();
        Self { cosmology: *c, transfer, growth: Growth::solve(c), amplitude, log_variance }
    }

    /// The growth of structure.
    #[must_use]
    pub fn growth(&self) -> &Growth<R> {
        &self.growth
    }

    /// Linear power today at wavenumber `k` in h/Mpc, in (Mpc/h)^3.
    #[must_use]
    #[inline]
    pub fn linear_today(&self, k: R) -> R {
        self.amplitude * unnormalised(&self.transfer, self.cosmology.n_s, k)
    }

    /// Linear power at wavenumber `k` in h/Mpc and redshift `z`, in (Mpc/h)^3.
    #[must_use]
    pub fn linear(&self, k: f64, z: f64) -> R {
        let growth = self.growth.factor(1.0 / (1.0 + z));
        self.linear_today(R::from(k)) * growth * growth
    }

    /// Non-linear power at wavenumber `k` in h/Mpc and redshift `z`, in (Mpc/h)^3.
    ///
    /// # Errors
    /// As [`MatterPower::halofit`].
    pub fn nonlinear(&self, k: f64, z: f64) -> Result<R> {
        Ok(self.halofit(z)?.power(R::from(k), self.linear(k, z)))
    }

    /// The non-linear correction at redshift `z`.
    ///
    /// # Errors
    /// [`Error::NotFinite`] if no scale is found where the variance is one.
    pub fn halofit(&self, z: f64) -> Result<Halofit<R>> {
        Ok(Halofit::new(&self.cosmology, 1.0 / (1.0 + z), &self.nonlinear_scale(z)?))
    }

    /// Scale, effective slope and curvature where the Gaussian-filtered variance is one.
    ///
    /// # Errors
    /// [`Error::NotFinite`] if there is no such scale between the filter radii tabulated.
    pub fn nonlinear_scale(&self, z: f64) -> Result<NonlinearScale<R>> {
        let growth = self.growth.factor(1.0 / (1.0 + z));
        let (low, high) = (RADIUS_MIN.ln(), RADIUS_MAX.ln());
        NonlinearScale::solve(growth * growth, (low, high), |log_radius| {
            self.log_variance_at(log_radius)
        })
        .ok_or_else(|| Error::NotFinite { what: format!("non-linear scale at redshift {z}") })
    }

    /// ln sigma_G^2 today and its first three derivatives by ln R.
    fn log_variance_at(&self, log_radius: f64) -> [R; 4] {
        let slope = series_slope();
        let s = (log_radius - RADIUS_MIN.ln()) * slope - 1.0;
        // T_n and its derivatives by the recurrence T_n+1 = 2 s T_n - T_n-1, differentiated.
        let (mut before, mut now) = ([1.0, 0.0, 0.0, 0.0], [s, 1.0, 0.0, 0.0]);
        let mut sum = [self.log_variance[0], R::from(0.0), R::from(0.0), R::from(0.0)];
        for &coefficient in &self.log_variance[1..] {
            for (total, basis) in sum.iter_mut().zip(now) {
                *total += coefficient * basis;
            }
            let next = std::array::from_fn(|d| {
                let lower = if d == 0 { 0.0 } else { 2.0 * d as f64 * now[d - 1] };
                2.0 * s * now[d] + lower - before[d]
            });
            (before, now) = (now, next);
        }
        std::array::from_fn(|d| sum[d] * slope.powi(d as i32))
    }
}

/// k^n_s T^2(k).
#[inline]
fn unnormalised<R: Real>(transfer: &TransferFunction<R>, n_s: R, k: R) -> R {
    let t = transfer.at(k);
    (k.ln() * n_s).exp() * t * t
}

pub(crate) fn dot<R: Real>(weights: &[f64], values: &[R]) -> R {
    let mut sum = R::from(0.0);
    for (&weight, &value) in weights.iter().zip(values) {
        sum += value * weight;
    }
    sum
}
