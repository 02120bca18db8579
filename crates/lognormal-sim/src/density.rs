//! The joint density of latents and an observed map, with its gradient.
//!
//! `log p(z) + log p(map | z, theta)`: standard normal latents `z`, and independent Gaussian shape
//! noise around the convergence they give. The gradient in `z` is one adjoint pass; that in the
//! parameters goes through mixing matrices, the lognormal transform and spectra.

use std::f64::consts::PI;

use autodiff::Dual;

use crate::convergence::Observed;
use crate::cosmology::Cosmology;
use crate::error::{Error, Result, check_finite_values, check_length};
use crate::field_power::PowerSteps;
use crate::fields::Fields;
use crate::lanes::{Lanes, WIDTH};
use crate::simulator::Simulator;
use crate::spaces::{AdjointSpace, GradientSpace};

/// The density of latents and one observed map.
pub struct LatentDensity<'a> {
    simulator: &'a Simulator,
    map: Vec<f64>,
}

/// Log densities and their gradient at one point.
#[derive(Clone, Debug, Default)]
pub struct LatentGradient {
    /// `log p(z)`, normalised.
    pub log_p_latent: f64,
    /// `log p(map | z, theta)`, normalised.
    pub log_p_map: f64,
    /// Gradient of the sum in the parameters, in the order of
    /// [`PARAMETERS`](crate::PARAMETERS). Only `log p(map | z, theta)` depends on them.
    pub parameters: [f64; 6],
    /// Gradient of the sum in the latents, `[bin][y][x]`.
    pub latents: Vec<f64>,
    /// The noise-free convergence `[bin][y][x]`.
    pub convergence: Vec<f64>,
}

impl<'a> LatentDensity<'a> {
    /// The density given an observed map `[bin][y][x]`.
    ///
    /// # Errors
    /// A map of the wrong size, or with pixels that are not finite.
    pub fn new(simulator: &'a Simulator, map: Vec<f64>) -> Result<Self> {
        check_map(simulator, &map)?;
        Ok(Self { simulator, map })
    }

    /// Log densities and gradients for a cosmology and latents `[bin][y][x]`.
    ///
    /// # Errors
    /// Latents of the wrong size or not finite; parameters outside the model's domain; spectra
    /// that are not positive definite; an overflow of the field.
    pub fn evaluate(&self, cosmology: &Cosmology, latents: &[f64]) -> Result<LatentGradient> {
        let mut gradient = LatentGradient::default();
        self.evaluate_into(cosmology, latents, &mut gradient)?;
        Ok(gradient)
    }

    /// As [`LatentDensity::evaluate`], in memory that is there: for many evaluations in a row.
    ///
    /// # Errors
    /// As [`LatentDensity::evaluate`]; the gradient is undefined after an error.
    pub fn evaluate_into(
        &self,
        cosmology: &Cosmology,
        latents: &[f64],
        gradient: &mut LatentGradient,
    ) -> Result<()> {
        let simulator = self.simulator;
        check_values("latents", latents, simulator.map_len())?;
        let mut space = simulator.spaces().gradients.lend(|| GradientSpace::new(simulator));
        let GradientSpace { fields, steps, adjoint } = &mut *space;
        fields
            .update(|power| simulator.update_power(&cosmology.with_derivatives(), power, steps))?;
        adjoint.evaluate(simulator, fields, &self.map, latents, gradient)?;
        gradient.parameters = adjoint.pull_back(simulator, fields, steps);
        Ok(())
    }

    /// Log densities, and gradient in the latents alone (`parameters` is zero), for given fields:
    /// the map stage on its own.
    ///
    /// # Errors
    /// Latents of the wrong size or not finite; fields of other maps than the simulator's; an
    /// overflow of the field.
    pub fn evaluate_map_stage(&self, fields: &Fields, latents: &[f64]) -> Result<LatentGradient> {
        let simulator = self.simulator;
        check_values("latents", latents, simulator.map_len())?;
        let bins = fields.power().shifts.len();
        check_length("fields", bins * fields.modes().npix().pow(2), simulator.map_len())?;
        check_length("lognormal shifts", bins, simulator.bins())?;
        let mut space = simulator.spaces().gradients.lend(|| GradientSpace::new(simulator));
        let mut gradient = LatentGradient::default();
        space.adjoint.evaluate(simulator, fields, &self.map, latents, &mut gradient)?;
        Ok(gradient)
    }
}

impl AdjointSpace {
    /// The map stage: log densities and the gradient in the latents.
    pub(crate) fn evaluate(
        &mut self,
        simulator: &Simulator,
        fields: &Fields,
        map: &[f64],
        latents: &[f64],
        gradient: &mut LatentGradient,
    ) -> Result<()> {
        let survey = simulator.survey();
        let (pixels, fourier) = (survey.npix * survey.npix, &self.field.fourier);
        let (half, scratch) = (fourier.half_len(), &mut self.field.scratch);
        for (map, modes) in
            latents.chunks_exact(pixels).zip(self.field.latents.chunks_exact_mut(half))
        {
            fourier.forward(map, modes, scratch);
        }
        fields.mixing().apply(fields.modes(), false, &self.field.latents, &mut self.fields_bar);

        gradient.log_p_map = 0.0;
        gradient.convergence.resize(latents.len(), 0.0);
        for bin in 0..simulator.bins() {
            let modes = &mut self.fields_bar[bin * half..(bin + 1) * half];
            fourier.inverse(modes, &mut self.g, scratch);
            let noise = simulator.noise_variance()[bin];
            let inside = bin * pixels..(bin + 1) * pixels;
            let observed = Observed { map: &map[inside.clone()], noise, relative_to_linear: false };
            let fit = fields.local_transform(bin).fit(
                survey.field_variance,
                &observed,
                &self.g,
                &mut self.g_bar,
                &mut gradient.convergence[inside],
            );
            gradient.log_p_map -=
                0.5 * fit.squares / noise + 0.5 * pixels as f64 * (2.0 * PI * noise).ln();
            self.shifts_bar[bin] = fit.shift_bar;
            self.variances_bar[bin] = fit.variance_bar;
            fourier.forward(&self.g_bar, modes, scratch);
        }
        if !gradient.log_p_map.is_finite() {
            return Err(Error::NotFinite { what: "the log density of the map".into() });
        }

        let latents_bar = &mut self.field.mixed;
        fields.mixing().apply(fields.modes(), true, &self.fields_bar, latents_bar);
        gradient.latents.resize(latents.len(), 0.0);
        for (bar, modes) in
            gradient.latents.chunks_exact_mut(pixels).zip(latents_bar.chunks_exact_mut(half))
        {
            fourier.inverse(modes, bar, scratch);
        }
        let squares = subtract(&mut gradient.latents, latents);
        gradient.log_p_latent = -0.5 * (squares + latents.len() as f64 * (2.0 * PI).ln());
        gradient.parameters = [0.0; 6];
        Ok(())
    }

    /// Gradient in the parameters, after [`AdjointSpace::evaluate`] for the same fields.
    pub(crate) fn pull_back(
        &mut self,
        simulator: &Simulator,
        fields: &Fields,
        steps: &mut PowerSteps<Dual<6>>,
    ) -> [f64; 6] {
        fields.mixing().pullback(
            fields.modes(),
            &self.fields_bar,
            &self.field.latents,
            &mut self.mixing_bars,
        );
        simulator.pull_back_power(
            fields.power(),
            steps,
            &mut self.mixing_bars.power,
            &self.variances_bar,
            &mut self.shifts_bar,
        )
    }
}

/// Subtracts `x` from `from` and returns the sum of its squares.
pub(crate) fn subtract(from: &mut [f64], x: &[f64]) -> f64 {
    let mut squares = Lanes::ZERO;
    for (from, x) in from.chunks_mut(WIDTH).zip(x.chunks(WIDTH)) {
        let x = Lanes::load(x, 0.0);
        squares += x * x;
        (Lanes::load(from, 0.0) - x).store(from);
    }
    squares.sum()
}

/// A map must have the simulator's size and finite pixels.
pub(crate) fn check_map(simulator: &Simulator, map: &[f64]) -> Result<()> {
    check_values("map [bin][y][x]", map, simulator.map_len())
}

fn check_values(what: &str, values: &[f64], expected: usize) -> Result<()> {
    check_length(what, values.len(), expected)?;
    check_finite_values(what, values)
}
