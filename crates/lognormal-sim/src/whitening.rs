//! The joint density of parameters and latents in coordinates that a sampler likes.
//!
//! In the linear, Gaussian model of the data, `y = Lambda g + noise` with `Lambda = diag(lambda)`
//! and `g ~ N(0, C)` per Fourier mode, the posterior of `g` is known: covariance
//! `S = (C^-1 + Lambda N^-1 Lambda)^-1` and mean `S Lambda N^-1 y`. Take `P P^T = S` and
//!
//! `g = P (x + P^T Lambda N^-1 y)`.
//!
//! Then in that model the coordinates `x` are standard normal and independent of the parameters,
//! whose density is the Gaussian likelihood of the spectra of the map. What the lognormal field
//! changes is one sum over pixels:
//!
//! `log p(x, y | theta) = log N(x; 0, 1) + log N(y; 0, K) + sum [(y - lambda g)^2 - (y - kappa)^2] / (2 n)`
//!
//! with `K = N + Lambda C Lambda`. This is the exact density of `(z, y)` transformed to `x` (with
//! its Jacobian), whatever the quality of the linear model: that only decides how fast a sampler
//! moves. Random `x` at any parameters are latents that fit the map, so chains need no special
//! starting point. The choice of mixing matrix drops out: it names latents, not fields.

mod coordinates;
mod linear_model;
mod space;

pub(crate) use self::space::{WhitenedSpace, measure_power};
use crate::cosmology::Cosmology;
use crate::density::check_map;
use crate::error::{Result, check_finite_values, check_length};
use crate::fields::FieldSpace;
use crate::simulator::Simulator;

/// The density of one observed map in whitened coordinates; one per chain.
///
/// Coordinates are `[bin][npix * npix]`: the Fourier half plane of unit normal amplitudes, packed
/// so that each real number counts once.
pub struct WhitenedDensity<'a> {
    simulator: &'a Simulator,
    space: WhitenedSpace,
}

impl<'a> WhitenedDensity<'a> {
    /// The density given an observed map `[bin][y][x]`.
    ///
    /// # Errors
    /// A map of the wrong size, or with pixels that are not finite.
    pub fn new(simulator: &'a Simulator, map: Vec<f64>) -> Result<Self> {
        check_map(simulator, &map)?;
        let mut space = WhitenedSpace::new(simulator);
        space.observe(simulator, &map);
        Ok(Self { simulator, space })
    }

    /// Number of whitened coordinates: one per pixel and bin.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.simulator.map_len()
    }

    /// The simulator.
    #[must_use]
    pub fn simulator(&self) -> &'a Simulator {
        self.simulator
    }

    /// The density of the latents at fixed parameters: what depends on the parameters alone is
    /// computed once for many evaluations.
    ///
    /// # Errors
    /// Parameters outside the model's domain; spectra that are not positive definite.
    pub fn at(&mut self, cosmology: &Cosmology) -> Result<WhitenedSlice<'_>> {
        self.space.set_cosmology(self.simulator, cosmology)?;
        self.space.update_model(self.simulator)?;
        Ok(WhitenedSlice { simulator: self.simulator, space: &mut self.space })
    }

    /// Log density `log p(x, map | theta)`, with its gradient in the parameters (returned) and in
    /// the whitened coordinates (written to `gradient`).
    ///
    /// # Errors
    /// Coordinates of the wrong number; parameters outside the model's domain; spectra that are
    /// not positive definite; an overflow of the field.
    pub fn evaluate(
        &mut self,
        cosmology: &Cosmology,
        white: &[f64],
        gradient: &mut [f64],
    ) -> Result<(f64, [f64; 6])> {
        self.check(white, gradient)?;
        self.at(cosmology)?.evaluate(white, gradient)
    }

    /// The noise-free convergence `[bin][y][x]` at a point.
    ///
    /// # Errors
    /// As [`WhitenedDensity::evaluate`].
    pub fn convergence(&mut self, cosmology: &Cosmology, white: &[f64]) -> Result<Vec<f64>> {
        check_length("whitened coordinates", white.len(), self.dim())?;
        self.at(cosmology)?;
        Ok(self.space.convergence(self.simulator, white))
    }

    /// The whitened coordinates of latents `[bin][y][x]` as the survey mixes them. The zero mode
    /// of the latents, which has no effect on the map, becomes that of the coordinates.
    ///
    /// # Errors
    /// Latents of the wrong number or not finite; otherwise as [`WhitenedDensity::at`].
    pub fn coordinates(&mut self, cosmology: &Cosmology, latents: &[f64]) -> Result<Vec<f64>> {
        check_length("latents", latents.len(), self.dim())?;
        check_finite_values("latents", latents)?;
        self.at(cosmology)?;
        let mut fields = self.simulator.unset_fields();
        self.space.copy_power(&mut fields)?;
        let mut modes = FieldSpace::new(self.simulator.survey().npix, self.simulator.bins());
        fields.mix(latents, &mut modes);
        let mut white = vec![0.0; latents.len()];
        self.space.whiten(self.simulator, &modes.latents, &modes.mixed, &mut white);
        Ok(white)
    }

    fn check(&self, white: &[f64], gradient: &[f64]) -> Result<()> {
        check_length("whitened coordinates", white.len(), self.dim())?;
        check_length("gradient in whitened coordinates", gradient.len(), self.dim())
    }
}

/// A [`WhitenedDensity`] at fixed parameters.
pub struct WhitenedSlice<'a> {
    simulator: &'a Simulator,
    space: &'a mut WhitenedSpace,
}

impl WhitenedSlice<'_> {
    /// As [`WhitenedDensity::evaluate`].
    ///
    /// # Errors
    /// Coordinates of the wrong number; an overflow of the field.
    pub fn evaluate(&mut self, white: &[f64], gradient: &mut [f64]) -> Result<(f64, [f64; 6])> {
        let value = self.log_density(white, gradient)?;
        Ok((value, self.space.parameter_gradient(self.simulator)))
    }

    /// Log density `log p(x, map | theta)` with its gradient in the whitened coordinates alone:
    /// up to a constant that of the latents given map and parameters.
    ///
    /// # Errors
    /// As [`WhitenedSlice::evaluate`].
    pub fn log_density(&mut self, white: &[f64], gradient: &mut [f64]) -> Result<f64> {
        check_length("whitened coordinates", white.len(), self.simulator.map_len())?;
        check_length("gradient in whitened coordinates", gradient.len(), white.len())?;
        self.space.evaluate(self.simulator, white, gradient)
    }
}
