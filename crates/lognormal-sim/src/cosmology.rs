//! Cosmological parameters and the domain where the model is defined.

use autodiff::{Dual, Real};

use crate::{Error, Result};

/// Names of the six parameters, in the order used everywhere.
pub const PARAMETERS: [&str; 6] = ["omega_c", "omega_b", "sigma_8", "h_0", "n_s", "w_0"];

/// A w0-wa cold-dark-matter cosmology without radiation and neutrinos.
///
/// Densities are fractions of the critical density today. Dark energy has the equation of state
/// w(a) = w_0 + w_a (1 - a) and fills up whatever matter and curvature leave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cosmology<R = f64> {
    /// Density of cold dark matter.
    pub omega_c: R,
    /// Density of baryons.
    pub omega_b: R,
    /// Standard deviation of the linear density today in spheres of radius 8 Mpc/h.
    pub sigma_8: R,
    /// Hubble constant in units of 100 km/s/Mpc.
    pub h: R,
    /// Slope of the primordial power spectrum.
    pub n_s: R,
    /// Dark-energy equation of state today.
    pub w_0: R,
    /// Its change with the scale factor: w(a) = w_0 + w_a (1 - a).
    pub w_a: R,
    /// Curvature density; zero for a flat universe, positive for an open one.
    pub omega_k: R,
}

impl<R: Real> Cosmology<R> {
    /// Density of matter today: cold dark matter and baryons.
    #[must_use]
    pub fn omega_m(&self) -> R {
        self.omega_c + self.omega_b
    }

    /// Density of dark energy today.
    #[must_use]
    pub fn omega_de(&self) -> R {
        -(self.omega_m() + self.omega_k) + 1.0
    }

    /// The same cosmology without derivatives.
    #[must_use]
    pub fn value(&self) -> Cosmology<f64> {
        Cosmology {
            omega_c: self.omega_c.value(),
            omega_b: self.omega_b.value(),
            sigma_8: self.sigma_8.value(),
            h: self.h.value(),
            n_s: self.n_s.value(),
            w_0: self.w_0.value(),
            w_a: self.w_a.value(),
            omega_k: self.omega_k.value(),
        }
    }
}

impl Cosmology<f64> {
    /// The fiducial cosmology: flat, Omega_m = 0.3156, sigma_8 = 0.831, a cosmological constant.
    pub const FIDUCIAL: Self = Self {
        omega_c: 0.2664,
        omega_b: 0.0492,
        sigma_8: 0.831,
        h: 0.6727,
        n_s: 0.9645,
        w_0: -1.0,
        w_a: 0.0,
        omega_k: 0.0,
    };

    /// A flat cosmology with constant w from the six [`PARAMETERS`].
    ///
    /// # Errors
    /// [`Error::Parameter`] as [`Cosmology::validate`].
    pub fn from_parameters(parameters: &[f64; 6]) -> Result<Self> {
        let [omega_c, omega_b, sigma_8, h, n_s, w_0] = *parameters;
        let cosmology = Self { omega_c, omega_b, sigma_8, h, n_s, w_0, w_a: 0.0, omega_k: 0.0 };
        cosmology.validate()?;
        Ok(cosmology)
    }

    /// The six [`PARAMETERS`].
    #[must_use]
    pub fn parameters(&self) -> [f64; 6] {
        [self.omega_c, self.omega_b, self.sigma_8, self.h, self.n_s, self.w_0]
    }

    /// The same cosmology carrying derivatives with respect to the six [`PARAMETERS`].
    #[must_use]
    pub fn with_derivatives(&self) -> Cosmology<Dual<6>> {
        let [omega_c, omega_b, sigma_8, h, n_s, w_0] = Dual::variables(self.parameters());
        Cosmology {
            omega_c,
            omega_b,
            sigma_8,
            h,
            n_s,
            w_0,
            w_a: Dual::constant(self.w_a),
            omega_k: Dual::constant(self.omega_k),
        }
    }

    /// Checks that the model is defined here: every parameter finite and in its range, and an
    /// expansion rate that is real from the start of structure growth to today.
    ///
    /// # Errors
    /// [`Error::Parameter`] with the name, the value and the range of the first offender.
    pub fn validate(&self) -> Result<()> {
        let within = |name, value: f64, low: f64, high: f64| {
            if value > low && value <= high {
                Ok(())
            } else {
                let expected = format!("a number above {low} and at most {high}");
                Err(Error::Parameter { name, value, expected })
            }
        };
        within("omega_c", self.omega_c, 0.0, 1.5)?;
        within("omega_b", self.omega_b, 0.0, 0.5)?;
        within("omega_m", self.omega_m(), 0.0, 1.5)?;
        within("sigma_8", self.sigma_8, 0.0, 3.0)?;
        within("h_0", self.h, 0.1, 3.0)?;
        within("n_s", self.n_s, 0.2, 2.0)?;
        within("w_0", self.w_0, -3.0, -0.1)?;
        within("w_a", self.w_a, -3.0, 2.0)?;
        within("w_0 + w_a", self.w_0 + self.w_a, -6.0, -0.1)?;
        within("omega_k", self.omega_k, -0.5, 0.5)?;
        for step in 0..=60 {
            let a = (-f64::from(step) / 60.0 * 1000f64.ln()).exp();
            if crate::background::expansion_squared(self, a) < 1e-3 {
                return Err(Error::Parameter {
                    name: "omega_k",
                    value: self.omega_k,
                    expected: format!("a universe that expands; H^2 is not positive at a = {a:.4}"),
                });
            }
        }
        Ok(())
    }
}
