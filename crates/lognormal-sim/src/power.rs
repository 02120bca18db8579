//! Linear matter power spectrum, normalised to sigma_8, and its Gaussian-filtered variance.
//!
//! P(k, z) = A k^n_s T^2(k) D^2(z), in (Mpc/h)^3 with k in h/Mpc. Integrals over ln k run over
//! fixed nodes, denser where baryon oscillations live. The Gaussian-filtered variance is such a sum
//! at any radius, so that its derivatives by the radius are exact.

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
/// What the normalisation and the non-linear scale need and does not depend on cosmology.
#[derive(Clone, Debug)]
pub struct PowerBasis {
    /// Wavenumbers, h/Mpc.
    k: Vec<f64>,
    /// Variance without filter: sum_j measure_j P(k_j).
    measure: Vec<f64>,
    /// sigma_8^2 = sum_j tophat_j P(k_j).
    tophat: Vec<f64>,
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

        let measure = t.iter().map(|&t| step * measure(t)).collect();
        Self { k, measure, tophat }
    }
}

/// Spherical top-hat window 3 (sin x - x cos x) / x^3.
fn tophat_window(x: f64) -> f64 {
    if x < 1e-2 { 1.0 - x * x / 10.0 } else { 3.0 * (x.sin() - x * x.cos()) / x.powi(3) }
}

/// The matter power spectrum of one cosmology, linear and non-linear.
#[derive(Clone, Debug)]
pub struct MatterPower<R> {
    cosmology: Cosmology<R>,
    transfer: TransferFunction<R>,
    growth: Growth<R>,
    /// A, in (Mpc/h)^(3 + n_s).
    amplitude: R,
    variance: FilteredVariance<R>,
}

impl<R: Real> MatterPower<R> {
    /// Solves for growth, normalisation and filtered variance.
    #[must_use]
    pub fn new(basis: &PowerBasis, c: &Cosmology<R>) -> Self {
        let transfer = TransferFunction::new(c);
        let shape: Vec<R> = basis
            .k
            .iter()
            .map(|&k| unnormalised(&transfer, c.n_s, R::from(k), R::from(k.ln())))
            .collect();
        let amplitude = c.sigma_8 * c.sigma_8 / dot(&basis.tophat, &shape);
        let shares: Vec<R> =
            shape.iter().zip(&basis.measure).map(|(&p, &m)| amplitude * p * m).collect();
        let variance = FilteredVariance {
            k: basis.k.clone(),
            share_values: shares.iter().map(|share| share.value()).collect(),
            shares,
        };
        Self { cosmology: *c, transfer, growth: Growth::solve(c), amplitude, variance }
    }

    /// The growth of structure.
    #[must_use]
    pub fn growth(&self) -> &Growth<R> {
        &self.growth
    }

    /// Linear power today at wavenumber `k` in h/Mpc with its logarithm, in (Mpc/h)^3.
    #[inline]
    pub(crate) fn linear_today(&self, k: R, log_k: R) -> R {
        self.amplitude * unnormalised(&self.transfer, self.cosmology.n_s, k, log_k)
    }

    /// Linear power at wavenumber `k` in h/Mpc and redshift `z`, in (Mpc/h)^3.
    #[must_use]
    pub fn linear(&self, k: f64, z: f64) -> R {
        let growth = self.growth.factor(1.0 / (1.0 + z));
        self.linear_today(R::from(k), R::from(k.ln())) * growth * growth
    }

    /// Non-linear power at wavenumber `k` in h/Mpc and redshift `z`, in (Mpc/h)^3.
    ///
    /// # Errors
    /// As [`MatterPower::halofit`].
    pub fn nonlinear(&self, k: f64, z: f64) -> Result<R> {
        Ok(self.halofit(z)?.power(R::from(k), R::from(k.ln()), self.linear(k, z)))
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
        self.nonlinear_scale_near(z, 0.0)
    }

    /// [`MatterPower::nonlinear_scale`] with a first guess of -ln k_nl, such as that of a
    /// neighbouring redshift.
    pub(crate) fn nonlinear_scale_near(&self, z: f64, guess: f64) -> Result<NonlinearScale<R>> {
        let growth = self.growth.factor(1.0 / (1.0 + z));
        NonlinearScale::solve(growth * growth, &self.variance, guess)
            .ok_or_else(|| Error::NotFinite { what: format!("non-linear scale at redshift {z}") })
    }
}

/// Variance today of the density filtered with exp(-k^2 R^2 / 2), as a sum over wavenumbers.
#[derive(Clone, Debug)]
pub(crate) struct FilteredVariance<R> {
    k: Vec<f64>,
    /// Contribution of each wavenumber without filter.
    shares: Vec<R>,
    share_values: Vec<f64>,
}

impl<R: Real> FilteredVariance<R> {
    /// sigma_G^2 and its first derivative by ln R, without derivatives by the parameters.
    pub(crate) fn value(&self, radius: f64) -> [f64; 2] {
        let mut sum = [0.0; 2];
        for (&k, &share) in self.k.iter().zip(&self.share_values) {
            let [value, slope, ..] = gaussian_filter(k * radius);
            if value == 0.0 {
                break;
            }
            sum[0] += share * value;
            sum[1] += share * slope;
        }
        sum
    }

    /// sigma_G^2 and its first three derivatives by ln R.
    pub(crate) fn derivatives(&self, radius: f64) -> [R; 4] {
        let mut sum = [R::from(0.0); 4];
        for (&k, &share) in self.k.iter().zip(&self.shares) {
            let filter = gaussian_filter(k * radius);
            if filter[0] == 0.0 {
                break;
            }
            for (total, weight) in sum.iter_mut().zip(filter) {
                *total += share * weight;
            }
        }
        sum
    }
}

/// exp(-x^2) and its first three derivatives by ln x; exactly zero where it is negligible.
#[inline]
fn gaussian_filter(x: f64) -> [f64; 4] {
    let u = x * x;
    if u > 45.0 {
        return [0.0; 4];
    }
    let e = (-u).exp();
    [e, -2.0 * u * e, (4.0 * u - 4.0) * u * e, ((24.0 - 8.0 * u) * u - 8.0) * u * e]
}

/// k^n_s T^2(k).
#[inline]
fn unnormalised<R: Real>(transfer: &TransferFunction<R>, n_s: R, k: R, log_k: R) -> R {
    let t = transfer.at_known_log(k, log_k);
    (log_k * n_s).exp() * t * t
}

pub(crate) fn dot<R: Real>(weights: &[f64], values: &[R]) -> R {
    let mut sum = R::from(0.0);
    for (&weight, &value) in weights.iter().zip(values) {
        sum += value * weight;
    }
    sum
}
