//! Expansion and distances of a w0-wa universe with matter, dark energy and curvature.
//!
//! E^2(a) = Omega_m a^-3 + Omega_k a^-2 + Omega_de exp[-3 (1 + w_0 + w_a) ln a - 3 w_a (1 - a)];
//! no radiation. Distances are comoving, in Mpc/h.

use autodiff::Real;

use crate::Cosmology;
use crate::quadrature::gauss_legendre;

/// Hubble length c / (100 h km/s/Mpc), in Mpc/h.
pub const HUBBLE_LENGTH: f64 = 2_997.924_58;

/// Dark-energy density at scale factor `a` over the critical density today.
#[must_use]
pub fn dark_energy_density<R: Real>(c: &Cosmology<R>, a: f64) -> R {
    let exponent = (c.w_0 + c.w_a + 1.0) * (-3.0 * a.ln()) - c.w_a * (3.0 * (1.0 - a));
    c.omega_de() * exponent.exp()
}

/// E^2 = (H / H_0)^2 at scale factor `a`.
#[must_use]
pub fn expansion_squared<R: Real>(c: &Cosmology<R>, a: f64) -> R {
    c.omega_m() * a.powi(-3) + c.omega_k * a.powi(-2) + dark_energy_density(c, a)
}

/// Hubble rate at scale factor `a`, in km/s/(Mpc/h).
#[must_use]
pub fn hubble_rate<R: Real>(c: &Cosmology<R>, a: f64) -> R {
    expansion_squared(c, a).sqrt() * 100.0
}

/// Comoving radial distance to redshift `z`, in Mpc/h.
#[must_use]
pub fn radial_distance<R: Real>(c: &Cosmology<R>, z: f64) -> R {
    const PANELS: usize = 16;
    // With x = ln(1 + z) the integrand (1 + z) / E varies little in each panel.
    let panel = z.ln_1p() / PANELS as f64;
    let mut distance = R::from(0.0);
    for i in 0..PANELS {
        for (x, weight) in gauss_legendre(8, panel * i as f64, panel * (i + 1) as f64) {
            let a = (-x).exp();
            distance += expansion_squared(c, a).sqrt().recip() * (weight * HUBBLE_LENGTH / a);
        }
    }
    distance
}

/// Comoving transverse distance to redshift `z`, in Mpc/h; equals the radial one when flat.
#[must_use]
pub fn transverse_distance<R: Real>(c: &Cosmology<R>, z: f64) -> R {
    Curvature::new(c).sine(radial_distance(c, z))
}

/// Trigonometry on the space of constant curvature.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Curvature<R> {
    /// Omega_k / (c/H_0)^2, in (h/Mpc)^2.
    per_area: R,
}

impl<R: Real> Curvature<R> {
    pub(crate) fn new(c: &Cosmology<R>) -> Self {
        Self { per_area: c.omega_k / (HUBBLE_LENGTH * HUBBLE_LENGTH) }
    }

    /// sinh(sqrt(K) x) / sqrt(K), for K of either sign.
    pub(crate) fn sine(&self, x: R) -> R {
        let t = self.per_area * x * x;
        if t.value().abs() < SERIES_BELOW {
            x * (((t / 5040.0 + 1.0 / 120.0) * t + 1.0 / 6.0) * t + 1.0)
        } else if t.value() > 0.0 {
            x * (t.sqrt().sinh() / t.sqrt())
        } else {
            x * ((-t).sqrt().sin() / (-t).sqrt())
        }
    }

    /// cosh(sqrt(K) x).
    pub(crate) fn cosine(&self, x: R) -> R {
        let t = self.per_area * x * x;
        if t.value().abs() < SERIES_BELOW {
            (((t / 720.0 + 1.0 / 24.0) * t) + 0.5) * t + 1.0
        } else if t.value() > 0.0 {
            t.sqrt().cosh()
        } else {
            (-t).sqrt().cos()
        }
    }
}

/// |K x^2| below which the trigonometric functions are summed as series: the first neglected
/// term is 1e-16 of the result.
const SERIES_BELOW: f64 = 1e-3;
