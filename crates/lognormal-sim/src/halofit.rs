//! Non-linear matter power: halofit as revised by [Takahashi12], arXiv:1208.2701.
//!
//! Every step is smooth in the cosmological parameters. Two roundings make it so: a shot-noise
//! floor in the variance, (R_floor / R)^3 with R_floor = 1e-5 Mpc/h, by which a scale of unit
//! variance exists at every redshift (1e-15 of the variance at R = 1 Mpc/h, where structure is
//! non-linear today), and |alpha_n| = sqrt(alpha_n^2 + 1e-5).

use std::f64::consts::{LN_10, PI};

use autodiff::Real;

use crate::Cosmology;
use crate::background::{dark_energy_density, expansion_squared};
use crate::power::FilteredVariance;

/// Radius at which the floor of the variance is one, Mpc/h.
const FLOOR_RADIUS: f64 = 1e-5;
/// Range of ln R, R in Mpc/h, in which the non-linear scale is sought: 2e-6 to 3000.
const RADII: (f64, f64) = (-13.0, 8.0);
/// Rounding of the absolute value of alpha_n: its square at zero.
const ALPHA_ROUNDING: f64 = 1e-5;

/// Where the density field turns non-linear: sigma_G(1 / k_nl) = 1.
#[derive(Clone, Copy, Debug)]
pub struct NonlinearScale<R> {
    /// Non-linear wavenumber, h/Mpc.
    pub wavenumber: R,
    /// Effective slope n_eff = -3 - dln sigma^2 / dln R.
    pub slope: R,
    /// Curvature C = -d^2 ln sigma^2 / dln R^2.
    pub curvature: R,
}

impl<R: Real> NonlinearScale<R> {
    /// Solves growth_squared sigma_G^2(R) + (R_floor / R)^3 = 1, starting from a guess of ln R;
    /// `None` if no radius in [`RADII`] is a root.
    pub(crate) fn solve(
        growth_squared: R,
        variance: &FilteredVariance<R>,
        guess: f64,
    ) -> Option<Self> {
        let growth = growth_squared.value();
        let floor = |radius: f64| (FLOOR_RADIUS / radius).powi(3);
        let root = decreasing_root(RADII, guess, |log_radius| {
            let radius = log_radius.exp();
            let [value, slope] = variance.value(radius);
            let total = growth * value + floor(radius);
            (total.ln(), (growth * slope - 3.0 * floor(radius)) / total)
        })?;

        // One Newton step in numbers that carry derivatives: the implicit function theorem.
        let radius = root.exp();
        let shot = floor(radius);
        let [value, first, second, third] = variance.derivatives(radius);
        let value = growth_squared * value + shot;
        let first = growth_squared * first - 3.0 * shot;
        let second = growth_squared * second + 9.0 * shot;
        let third = growth_squared * third - 27.0 * shot;
        let step = -(value - 1.0) / first;
        // At the root the variance is one, so that its derivatives are nearly those of its log.
        let first = first + second * step;
        let second = second + third * step;
        Some(Self {
            wavenumber: (-(step + root)).exp(),
            slope: -first - 3.0,
            curvature: first * first - second,
        })
    }
}

/// Root of a decreasing function given with its slope, by Newton's method kept inside a bracket.
/// Ends after a step below 1e-5, when quadratic convergence has brought the root to 1e-10.
fn decreasing_root(range: (f64, f64), guess: f64, f: impl Fn(f64) -> (f64, f64)) -> Option<f64> {
    const ITERATIONS: usize = 100;
    const TOLERANCE: f64 = 1e-5;
    let (mut low, mut high) = range;
    let mut x = guess;
    for _ in 0..ITERATIONS {
        let (value, slope) = f(x);
        if !value.is_finite() {
            return None;
        }
        if value > 0.0 {
            low = x;
        } else {
            high = x;
        }
        let newton = x - value / slope;
        let next = if newton > low && newton < high { newton } else { 0.5 * (low + high) };
        if (next - x).abs() < TOLERANCE {
            let at_an_end = next - range.0 < 1e-3 || range.1 - next < 1e-3;
            return (!at_an_end).then_some(next);
        }
        x = next;
    }
    None
}

/// The halofit coefficients at one scale factor.
#[derive(Clone, Copy, Debug)]
pub struct Halofit<R> {
    /// 1 / k_nl, Mpc/h, and its logarithm.
    inverse_scale: R,
    log_inverse_scale: R,
    alpha: R,
    beta: R,
    nu: R,
    /// ln a_n, ln b_n, (3 - gamma_n) ln(c_n f_3): amplitudes of the halo term.
    log_a: R,
    log_b: R,
    log_c: R,
    /// 3 f_1, f_2, 3 - gamma_n: its exponents.
    exponents: [R; 3],
}

impl<R: Real> Halofit<R> {
    /// The coefficients of Takahashi et al. (2012), appendix A, at scale factor `a`.
    #[must_use]
    pub fn new(c: &Cosmology<R>, a: f64, scale: &NonlinearScale<R>) -> Self {
        let expansion = expansion_squared(c, a);
        let matter = c.omega_m() * a.powi(-3) / expansion;
        let dark_energy = dark_energy_density(c, a) / expansion;
        let quintessence = dark_energy * (c.w_0 + c.w_a * (1.0 - a) + 1.0);
        let n = scale.slope;
        let (n2, n3, n4) = (n * n, n * n * n, n * n * n * n);
        let curvature = scale.curvature;

        let log10_a = n * 2.8553 + n2 * 2.3706 + n3 * 0.9903 + n4 * 0.2250 - curvature * 0.6038
            + quintessence * 0.1749
            + 1.5222;
        let log10_b =
            n * 0.5864 + n2 * 0.5716 - curvature * 1.5474 + quintessence * 0.2279 - 0.5642;
        let log10_c = n * 2.0404 + n2 * 0.8161 + curvature * 0.5869 + 0.3698;
        let gamma = n * -0.0843 + curvature * 0.8460 + 0.1971;
        let alpha = n * 1.3373 - n2 * 0.1959 - curvature * 5.5274 + 6.0835;
        let beta =
            n * -0.7354 + n2 * 0.3157 + n3 * 1.2490 + n4 * 0.3980 - curvature * 0.1682 + 2.0379;
        let log10_nu = n * 3.6902 + 5.2105;

        // f_i between the open (no dark energy) and the flat exponents, by the share of dark
        // energy in 1 - Omega_m(a), which is one in a flat universe.
        let curved = c.omega_k * a.powi(-2);
        let flatness = if c.omega_k.value() == 0.0 {
            R::from(1.0)
        } else {
            let dark = dark_energy_density(c, a);
            dark / (dark + curved)
        };
        let log_matter = matter.ln();
        let f = |flat: f64, open: f64| {
            (log_matter * flat).exp() * flatness + (log_matter * open).exp() * (-flatness + 1.0)
        };
        let (f1, f2, f3) = (f(-0.0307, -0.0732), f(-0.0585, -0.1423), f(0.0743, 0.0725));

        let steepness = -gamma + 3.0;
        Self {
            inverse_scale: scale.wavenumber.recip(),
            log_inverse_scale: -scale.wavenumber.ln(),
            alpha: (alpha * alpha + ALPHA_ROUNDING).sqrt(),
            beta,
            nu: (log10_nu * LN_10).exp(),
            log_a: log10_a * LN_10,
            log_b: log10_b * LN_10,
            log_c: steepness * (log10_c * LN_10 + f3.ln()),
            exponents: [f1 * 3.0, f2, steepness],
        }
    }

    /// Non-linear power at wavenumber `k` (h/Mpc), whose logarithm is `log_k`, given the linear
    /// power there; powers in (Mpc/h)^3.
    #[must_use]
    #[inline]
    pub fn power(&self, k: R, log_k: R, linear: R) -> R {
        let y = k * self.inverse_scale;
        let y2 = y * y;
        let log_y = log_k + self.log_inverse_scale;
        // Dimensionless power k^3 P / (2 pi^2).
        let volume = k * k * k * (1.0 / (2.0 * PI * PI));
        let delta = volume * linear;

        let damping = y * 0.25 + y2 * 0.125;
        let quasi =
            linear * (self.beta * (delta + 1.0).ln() - damping).exp() / (self.alpha * delta + 1.0);

        let [p1, p2, p3] = self.exponents;
        let denominator = (log_y * p2 + self.log_b).exp() + (log_y * p3 + self.log_c).exp() + 1.0;
        let halo = (log_y * p1 + self.log_a).exp() * y2 / (denominator * (y2 + self.nu) * volume);
        quasi + halo
    }
}
