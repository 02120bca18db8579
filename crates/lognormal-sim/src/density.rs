//! The joint density of latents and an observed map, with its gradient.
//!
//! `log p(z) + log p(map | z, theta)`: standard normal latents `z`, and independent Gaussian shape
//! noise around the convergence they give. The gradient in `z` is one adjoint pass; that in the
//! parameters goes through mixing matrices, the lognormal transform and spectra.

use std::f64::consts::PI;

use realfft::num_complex::Complex;

use crate::cosmology::Cosmology;
use crate::error::{Error, Result};
use crate::fourier::Fourier;
use crate::simulator::{Fields, PowerPullback, Randomness, Simulator};
use crate::survey::FieldVariance;

/// The density of latents and one observed map.
pub struct LatentDensity<'a> {
    simulator: &'a Simulator,
    map: Vec<f64>,
    fourier: Fourier<f64>,
}

/// Log densities and their gradient at one point.
#[derive(Clone, Debug)]
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
        let fourier = Fourier::new(simulator.survey().npix);
        Ok(Self { simulator, map, fourier })
    }

    /// Log densities and gradients for a cosmology and latents `[bin][y][x]`.
    ///
    /// # Errors
    /// Latents of the wrong size or not finite; parameters outside the model's domain; spectra
    /// that are not positive definite.
    pub fn evaluate(&self, cosmology: &Cosmology, latents: &[f64]) -> Result<LatentGradient> {
        let simulator = self.simulator;
        check_values("latents", latents, simulator.map_len())?;
        let (power, pullback) = simulator.field_power_with_pullback(cosmology)?;
        let fields = Fields::new(simulator.survey(), simulator.modes().clone(), power)?;
        let mut evaluation = self.evaluate_fields(&fields, latents);
        evaluation.gradient.parameters = evaluation.parameters(&fields, &pullback);
        Ok(evaluation.gradient)
    }

    /// Log densities, and gradient in the latents alone (`parameters` is zero), for given fields:
    /// the map stage on its own.
    ///
    /// # Errors
    /// Latents of the wrong size or not finite.
    pub fn evaluate_map_stage(&self, fields: &Fields, latents: &[f64]) -> Result<LatentGradient> {
        check_values("latents", latents, self.simulator.map_len())?;
        Ok(self.evaluate_fields(fields, latents).gradient)
    }

    fn evaluate_fields(&self, fields: &Fields, latents: &[f64]) -> Evaluation {
        let survey = self.simulator.survey();
        let (n, bins) = (survey.npix, self.simulator.bins());
        let (pixels, half) = (n * n, self.fourier.half_len());
        let mut scratch = self.fourier.scratch();
        let mut latent_modes = vec![Complex::default(); bins * half];
        for (map, modes) in latents.chunks_exact(pixels).zip(latent_modes.chunks_exact_mut(half)) {
            self.fourier.forward(map, modes, &mut scratch);
        }
        let mut field_modes = latent_modes.clone();
        fields.mixing().apply(fields.modes(), false, &mut field_modes);

        let mut log_p_map = 0.0;
        let (mut shifts_bar, mut variances_bar) = (vec![0.0; bins], vec![0.0; bins]);
        let mut convergence = vec![0.0; latents.len()];
        let mut g = vec![0.0; pixels];
        for bin in 0..bins {
            let modes = &mut field_modes[bin * half..(bin + 1) * half];
            self.fourier.inverse(modes, &mut g, &mut scratch);
            let local = fields.local_transform(bin);
            let kappa = &mut convergence[bin * pixels..(bin + 1) * pixels];
            kappa.copy_from_slice(&g);
            local.apply(survey.field_variance, kappa);

            let noise = self.simulator.noise_variance()[bin];
            let map = &self.map[bin * pixels..(bin + 1) * pixels];
            let fit = match survey.field_variance {
                FieldVariance::Theory => local.fit(map, noise, false, &mut g),
                FieldVariance::Measured => {
                    local.fit_with_measured_variance(map, noise, false, &mut g)
                }
            };
            log_p_map -= 0.5 * fit.squares / noise + 0.5 * pixels as f64 * (2.0 * PI * noise).ln();
            shifts_bar[bin] = fit.shift_bar;
            variances_bar[bin] = fit.variance_bar;
            self.fourier.forward(&g, modes, &mut scratch);
        }

        let fields_bar = field_modes;
        let mut latents_bar = fields_bar.clone();
        fields.mixing().apply(fields.modes(), true, &mut latents_bar);
        let mut gradient = vec![0.0; latents.len()];
        for (bar, modes) in
            gradient.chunks_exact_mut(pixels).zip(latents_bar.chunks_exact_mut(half))
        {
            self.fourier.inverse(modes, bar, &mut scratch);
        }
        let mut squares = 0.0;
        for (bar, z) in gradient.iter_mut().zip(latents) {
            squares += z * z;
            *bar -= z;
        }
        Evaluation {
            gradient: LatentGradient {
                log_p_latent: -0.5 * (squares + latents.len() as f64 * (2.0 * PI).ln()),
                log_p_map,
                parameters: [0.0; 6],
                latents: gradient,
                convergence,
            },
            latent_modes,
            fields_bar,
            shifts_bar,
            variances_bar,
        }
    }
}

/// A gradient with what is left to pull back to the parameters.
struct Evaluation {
    gradient: LatentGradient,
    latent_modes: Vec<Complex<f64>>,
    fields_bar: Vec<Complex<f64>>,
    shifts_bar: Vec<f64>,
    variances_bar: Vec<f64>,
}

impl Evaluation {
    fn parameters(&self, fields: &Fields, pullback: &PowerPullback<'_>) -> [f64; 6] {
        let power_bar =
            fields.mixing().pullback(fields.modes(), &self.fields_bar, &self.latent_modes);
        pullback.gradient(power_bar, &self.variances_bar, self.shifts_bar.clone())
    }
}

/// A simulation with the score of its latents and noise.
#[derive(Clone, Debug)]
pub struct ScoredSimulation {
    /// Noisy maps `[bin][y][x]`.
    pub maps: Vec<f64>,
    /// The conditional score `d log p(map | z, theta) / d theta` at fixed map and latents. The
    /// joint score of the literature adds `d log p(theta) / d theta` of the prior.
    pub score: [f64; 6],
}

impl Simulator {
    /// A noisy simulation and its conditional score (Zeghal et al. 2022, arXiv:2207.05636). The
    /// maps are those of [`Simulator::simulate`] with noise.
    ///
    /// # Errors
    /// As [`Simulator::fields`].
    pub fn simulate_with_score(
        &self,
        cosmology: &Cosmology,
        seed: u64,
        index: u64,
    ) -> Result<ScoredSimulation> {
        let mut randomness = Randomness::new(seed, index);
        let latents: Vec<f64> = randomness.normals(self.map_len());
        let (power, pullback) = self.field_power_with_pullback(cosmology)?;
        let fields = Fields::new(self.survey(), self.modes().clone(), power)?;
        let mut maps: Vec<f64> = fields.convergence(&latents);
        self.add_noise(&mut randomness, &mut maps);
        let density = LatentDensity::new(self, maps)?;
        let score = density.evaluate_fields(&fields, &latents).parameters(&fields, &pullback);
        Ok(ScoredSimulation { maps: density.map, score })
    }
}

/// A map must have the simulator's size and finite pixels.
pub(crate) fn check_map(simulator: &Simulator, map: &[f64]) -> Result<()> {
    check_values("map [bin][y][x]", map, simulator.map_len())
}

fn check_values(what: &str, values: &[f64], expected: usize) -> Result<()> {
    if values.len() != expected {
        return Err(Error::Shape {
            what: what.into(),
            expected: format!("{expected} numbers"),
            found: format!("{} numbers", values.len()),
        });
    }
    match values.iter().position(|x| !x.is_finite()) {
        Some(index) => Err(Error::NotFinite { what: format!("{what}, element {index}") }),
        None => Ok(()),
    }
}
