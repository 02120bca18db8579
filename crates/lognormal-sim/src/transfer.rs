//! Matter transfer function of Eisenstein & Hu (1998), with baryon acoustic oscillations.
//!
//! Equation numbers are those of [Eisenstein98], arXiv:astro-ph/9709112. The formulae were fitted
//! for Omega_m h^2 between about 0.025 and 0.25; beyond, the function stays finite and smooth.

use std::f64::consts::E;

use autodiff::Real;

use crate::Cosmology;

/// Temperature of the cosmic microwave background, in K.
const T_CMB: f64 = 2.726;

/// The transfer function of one cosmology: everything that does not depend on wavenumber.
#[derive(Clone, Copy, Debug)]
pub struct TransferFunction<R> {
    baryon_fraction: R,
    cdm_fraction: R,
    /// h / (13.41 k_eq), Mpc/h, and its logarithm: eq. 10.
    q_scale: R,
    log_q_scale: R,
    /// Sound horizon, Mpc/h: eq. 6.
    sound_horizon: R,
    /// ln of h / k_silk, Mpc/h: eq. 7.
    log_silk_length: R,
    /// 14.2 / alpha_c: eqs. 11, 20.
    alpha_c_term: R,
    /// 1.8 beta_c: eqs. 12, 19.
    beta_c_term: R,
    /// eqs. 14, 24, 23.
    alpha_b: R,
    beta_b_cubed: R,
    beta_node_cubed: R,
}

impl<R: Real> TransferFunction<R> {
    /// Prepares the transfer function of a cosmology.
    #[must_use]
    pub fn new(c: &Cosmology<R>) -> Self {
        let h2 = c.h * c.h;
        let matter = c.omega_m() * h2;
        let baryons = c.omega_b * h2;
        let baryon_fraction = c.omega_b / c.omega_m();
        let cdm_fraction = c.omega_c / c.omega_m();
        let theta2 = (T_CMB / 2.7) * (T_CMB / 2.7);

        // Equality, drag epoch and sound horizon: eqs. 2 to 6.
        let z_eq = matter * (2.5e4 / (theta2 * theta2));
        let k_eq = matter * (7.46e-2 / theta2);
        let b1 = power(matter, -0.419) * 0.313 * (power(matter, 0.674) * 0.607 + 1.0);
        let b2 = power(matter, 0.223) * 0.238;
        let z_drag = power(matter, 0.251) * 1291.0 / (power(matter, 0.828) * 0.659 + 1.0)
            * (b1 * baryons.pow(b2) + 1.0);
        let momentum_ratio = |z: R| baryons * (31.5e3 / (theta2 * theta2)) / z;
        let (r_eq, r_drag) = (momentum_ratio(z_eq), momentum_ratio(z_drag));
        let sound_horizon = (k_eq.recip() * (2.0 / 3.0))
            * (r_eq.recip() * 6.0).sqrt()
            * (((r_drag + 1.0).sqrt() + (r_drag + r_eq).sqrt()) / (r_eq.sqrt() + 1.0)).ln();
        let k_silk =
            power(baryons, 0.52) * 1.6 * power(matter, 0.73) * (power(matter * 10.4, -0.95) + 1.0);

        // Cold dark matter: eqs. 11, 12.
        let a1 = power(matter * 46.9, 0.670) * (power(matter * 32.1, -0.532) + 1.0);
        let a2 = power(matter * 12.0, 0.424) * (power(matter * 45.0, -0.582) + 1.0);
        let inverse_alpha_c = a1.pow(baryon_fraction) * a2.pow(baryon_fraction.powi(3));
        let b1 = (power(matter * 458.0, -0.708) + 1.0).recip() * 0.944;
        let b2 = power(matter * 0.395, -0.0266);
        let inverse_beta_c = b1 * (cdm_fraction.pow(b2) - 1.0) + 1.0;

        // Baryons: eqs. 14, 15, 23, 24.
        let y = (z_eq + 1.0) / (z_drag + 1.0);
        let root = (y + 1.0).sqrt();
        let g = y * (root * -6.0 + (y * 3.0 + 2.0) * ((root + 1.0) / (root - 1.0)).ln());
        let alpha_b = k_eq * sound_horizon * 2.07 * power(r_drag + 1.0, -0.75) * g;
        let beta_b = baryon_fraction
            + 0.5
            + (-(baryon_fraction * 2.0) + 3.0) * ((matter * 17.2).powi(2) + 1.0).sqrt();
        let beta_node = power(matter, 0.435) * 8.41;

        let q_scale = c.h / (k_eq * 13.41);
        Self {
            baryon_fraction,
            cdm_fraction,
            q_scale,
            log_q_scale: q_scale.ln(),
            sound_horizon: sound_horizon * c.h,
            log_silk_length: (c.h / k_silk).ln(),
            alpha_c_term: inverse_alpha_c * 14.2,
            beta_c_term: inverse_beta_c.recip() * 1.8,
            alpha_b,
            beta_b_cubed: beta_b.powi(3),
            beta_node_cubed: beta_node.powi(3),
        }
    }

    /// T at wavenumber `k` in h/Mpc; one on the largest scales.
    #[must_use]
    pub fn at(&self, k: R) -> R {
        self.at_known_log(k, k.ln())
    }

    /// T at wavenumber `k` whose logarithm is at hand: no power is taken but by an exponential.
    #[inline]
    pub(crate) fn at_known_log(&self, k: R, log_k: R) -> R {
        let q = k * self.q_scale;
        let ks = k * self.sound_horizon;
        let ks2 = ks * ks;
        let ks3 = ks2 * ks;

        // Eqs. 18 to 20: L / (L + C q^2) for (alpha, beta) = (1, 1), (1, beta_c), (alpha_c, beta_c).
        let q2 = q * q;
        let tail = (((log_k + self.log_q_scale) * 1.08).exp() * 69.9 + 1.0).recip() * 386.0;
        let log_one = (q * 1.8 + E).ln();
        let log_beta = (q * self.beta_c_term + E).ln();
        let c_one = (tail + 14.2) * q2;
        let c_alpha = (tail + self.alpha_c_term) * q2;
        let pressureless = log_beta / (log_beta + c_one);
        let suppressed = log_beta / (log_beta + c_alpha);

        // Eqs. 16, 17: cold dark matter.
        let interpolation = (ks2 * ks2 * 5.4f64.powi(-4) + 1.0).recip();
        let cdm = suppressed + interpolation * (pressureless - suppressed);

        // Eqs. 21, 22: baryons.
        let smooth = log_one / ((log_one + c_one) * (ks2 * 5.2f64.powi(-2) + 1.0));
        let damping = (-((log_k + self.log_silk_length) * 1.4).exp()).exp();
        let acoustic = self.alpha_b * ks3 / (ks3 + self.beta_b_cubed) * damping;
        let phase = ks2 / cube_root(ks3 + self.beta_node_cubed);
        let baryons = (smooth + acoustic) * (phase.sin() / phase);

        self.baryon_fraction * baryons + self.cdm_fraction * cdm
    }
}

/// `x` to a constant power, with one transcendental call.
#[inline]
fn power<R: Real>(x: R, exponent: f64) -> R {
    let value = x.value().powf(exponent);
    x.chain(value, exponent * value / x.value())
}

#[inline]
fn cube_root<R: Real>(x: R) -> R {
    let root = x.value().cbrt();
    x.chain(root, root / (3.0 * x.value()))
}
