//! Lognormal shifts from theory: the lambda_i of kappa = lambda (exp(g - var/2) - 1).
//!
//! The shift of a bin is fixed by the variance and skewness of its convergence smoothed with a
//! disc of the pixel's area, theta = pixel / sqrt(pi). In the Limber approximation cumulants add
//! along the line of sight:
//! kappa_2 = Int dchi q^2 v, kappa_3 = Int dchi q^3 S_3 v^2, where v is the variance of the
//! non-linear density in a disc, v = (1/2pi) Int k dk P(k) W^2(k S theta), W(x) = 2 J_1(x)/x, and
//! S_3 = 3 (2 - D_2/D_1^2) + (3/2) dln v_L/dln R the tree-level skewness in a cylinder
//! ([Bernardeau95]; [Friedrich20], arXiv:1912.06621), slope from the linear power. Then lambda
//! solves kappa_3 = 3 kappa_2^2/lambda + kappa_2^3/lambda^3 ([Hilbert11], arXiv:1105.3980).

use std::f64::consts::PI;

use autodiff::Real;

use crate::limber::Sight;
use crate::power::dot;
use crate::quadrature::product_weights;

/// Weights of the disc filter at the multipoles where spectra are evaluated.
#[derive(Clone, Debug)]
pub(crate) struct DiscFilter {
    /// sum_j variance_j P(nu_j / S) / S^2 = v.
    variance: Vec<f64>,
    /// The same for dv / dln R.
    slope: Vec<f64>,
}

impl DiscFilter {
    /// A disc of angular radius `theta` (radians) on the ascending multipoles `nu`.
    pub(crate) fn new(theta: f64, nu: &[f64]) -> Self {
        let log_nu: Vec<f64> = nu.iter().map(|nu| nu.ln()).collect();
        // k dk = k^2 dln k, W = 2 J_1(x)/x and x W' = -2 J_2(x).
        let window = |x: f64| 2.0 * libm::j1(x) / x;
        let steepness = |x: f64| -2.0 * libm::jn(2, x);
        // The power falls with nu: weights are exact for cubics in ln nu times nu^-1.
        let weights = |filter: &dyn Fn(f64) -> f64| {
            product_weights(&log_nu, |log_nu| {
                let nu = log_nu.exp();
                nu * filter(nu * theta) / (2.0 * PI)
            })
            .iter()
            .zip(nu)
            .map(|(weight, nu)| weight * nu)
            .collect()
        };
        Self {
            variance: weights(&|x| window(x).powi(2)),
            slope: weights(&|x| 2.0 * window(x) * steepness(x)),
        }
    }

    /// Second and third cumulants of the convergence of each bin, given the non-linear and the
    /// linear power `[plane][nu]` and D_2/D_1^2 `[plane]`.
    pub(crate) fn cumulants<R: Real>(
        &self,
        sight: &Sight<R>,
        nonlinear: &[Vec<R>],
        linear: &[Vec<R>],
        second_order: &[R],
    ) -> Vec<[R; 2]> {
        let weights: Vec<[R; 2]> = sight
            .planes
            .iter()
            .enumerate()
            .map(|(i, plane)| {
                let variance = dot(&self.variance, &nonlinear[i])
                    * plane.inverse_distance
                    * plane.inverse_distance;
                let steepness = dot(&self.slope, &linear[i]) / dot(&self.variance, &linear[i]);
                let skewness = reduced_skewness(second_order[i], steepness);
                let second = plane.measure * variance;
                [second, second * variance * skewness]
            })
            .collect();
        sight
            .kernels
            .iter()
            .map(|kernel| {
                let mut sum = [R::from(0.0); 2];
                for (&q, &[second, third]) in kernel.iter().zip(&weights) {
                    let q2 = q * q;
                    sum[0] += q2 * second;
                    sum[1] += q2 * q * third;
                }
                sum
            })
            .collect()
    }
}

/// Tree-level S_3 in a cylinder from D_2/D_1^2 and dln v/dln R.
fn reduced_skewness<R: Real>(second_order: R, steepness: R) -> R {
    (-second_order + 2.0) * 3.0 + steepness * 1.5
}

/// The shift of a lognormal variable with second and third cumulants `kappa_2` and `kappa_3`:
/// the one positive root of kappa_3 = 3 kappa_2^2/lambda + kappa_2^3/lambda^3, in closed form.
#[must_use]
pub fn lognormal_shift<R: Real>(kappa_2: R, kappa_3: R) -> R {
    let deviation = kappa_2.sqrt();
    let skewness = kappa_3 / (kappa_2 * deviation);
    deviation / (((skewness * 0.5).asinh() / 3.0).sinh() * 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shift_solves_the_cubic() {
        for kappa_3 in [1e-9f64, 1e-7, 1e-5, 1e-3] {
            let kappa_2 = 3e-4f64;
            let shift = lognormal_shift(kappa_2, kappa_3);
            let back = 3.0 * kappa_2.powi(2) / shift + (kappa_2 / shift).powi(3);
            assert!((back / kappa_3 - 1.0).abs() < 1e-12, "{kappa_3}: {back}");
        }
        // Nearly Gaussian: lambda = 3 kappa_2^2 / kappa_3.
        let (kappa_2, kappa_3) = (1e-4, 1e-12);
        let shift = lognormal_shift(kappa_2, kappa_3);
        assert!((shift * kappa_3 / (3.0 * kappa_2 * kappa_2) - 1.0).abs() < 1e-10);
    }

    #[test]
    fn a_power_law_has_the_slope_and_skewness_of_closed_form() {
        let nu: Vec<f64> = (0..=160).map(|i| 1e-10 * (0.2 * f64::from(i)).exp()).collect();
        let filter = DiscFilter::new(1.0, &nu);
        for n in [-1.5f64, -1.0, -0.5] {
            let power: Vec<f64> = nu.iter().map(|nu| nu.powf(n)).collect();
            let steepness = dot(&filter.slope, &power) / dot(&filter.variance, &power);
            assert!((steepness + n + 2.0).abs() < 1e-2, "{n}: {steepness}");
            let skewness = reduced_skewness(2.0 / 7.0, steepness);
            assert!((skewness - (36.0 / 7.0 - 1.5 * (n + 2.0))).abs() < 1e-2, "{n}: {skewness}");
        }
    }
}
