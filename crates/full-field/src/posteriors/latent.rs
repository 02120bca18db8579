//! The posterior as it was published: the latents themselves, sampled from the truth.
//!
//! The joint density of parameters and standard normal latents, without whitening, the leapfrog
//! integrator, a diagonal metric that adapts, and chains that start at the true parameters and the
//! true latents, which only a simulated observation has. (The published chains move in shifted and
//! scaled parameters; ours in the normal coordinates of the prior, which are the same for the normal
//! ones.)
//!
//! # References
//! J. Zeghal et al. 2025, arXiv:2409.17975, section 4.1, and the settings of its released code.

use hmc::{Integrator, LogDensity, Metric, MetricSettings, Settings};
use lognormal_sim::{Cosmology, LatentDensity, LatentGradient, Randomness, Simulator};

use super::{half_square, leading};
use crate::error::{Error, Result};
use crate::prior::{DIM, Prior};

/// First step size of the published chains.
const FIRST_STEP: f64 = 1e-2;

/// Joint posterior of the parameters and the latents of a map.
pub struct LatentPosterior<'a> {
    density: LatentDensity<'a>,
    prior: &'a Prior,
    latents: usize,
    at: LatentGradient,
}

impl<'a> LatentPosterior<'a> {
    /// Posterior for an observed map `[bin][y][x]` and a prior.
    ///
    /// # Errors
    /// A map that does not fit the survey.
    pub fn new(simulator: &'a Simulator, map: &[f64], prior: &'a Prior) -> Result<Self> {
        let density = LatentDensity::new(simulator, map.to_vec())?;
        Ok(Self { density, prior, latents: map.len(), at: LatentGradient::default() })
    }
}

impl LogDensity for LatentPosterior<'_> {
    type Error = Error;

    fn dim(&self) -> usize {
        DIM + self.latents
    }

    fn log_density_and_gradient(&mut self, position: &[f64], gradient: &mut [f64]) -> Result<f64> {
        let u = leading(position);
        let (theta, slope) = self.prior.at_normal(&u);
        let cosmology = Cosmology::from_parameters(&theta)?;
        self.density.evaluate_into(&cosmology, &position[DIM..], &mut self.at)?;
        for k in 0..DIM {
            gradient[k] = self.at.parameters[k] * slope[k] - u[k];
        }
        gradient[DIM..].copy_from_slice(&self.at.latents);
        Ok(self.at.log_p_latent + self.at.log_p_map - half_square(&u))
    }
}

/// The true parameters `theta` and the latents of simulation `index` of the seed `seed`.
pub fn true_position(
    simulator: &Simulator,
    prior: &Prior,
    theta: &[f64; DIM],
    seed: u64,
    index: u64,
) -> Vec<f64> {
    let mut position = prior.distribution().to_normal(theta);
    position.extend(Randomness::new(seed, index).normals::<f64>(simulator.map_len()));
    position
}

/// The published sampler, but for the size of the run; all coordinates of its metric adapt.
pub fn published_settings() -> Settings {
    Settings {
        integrator: Integrator::Leapfrog,
        metric: MetricSettings { dense: 0, adapted: None },
        initial_step: Some(FIRST_STEP),
        ..Settings::default()
    }
}

/// The metric that the published chains begin with.
pub fn published_metric(dim: usize) -> Metric {
    Metric::identity(dim)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lognormal_sim::Survey;

    /// The derivatives, and that the truth is where the map came from: its noise is what is left.
    #[test]
    fn the_truth_fits_its_map_and_gradients_are_differences() -> Result<()> {
        let simulator = Simulator::new(Survey::preset("lsst_y10")?.with_npix(16))?;
        let prior = Prior::load("lsst_y10")?;
        let truth = Cosmology::FIDUCIAL;
        let map: Vec<f64> = simulator.simulate(&truth, 9, 0, true)?;
        let mut posterior = LatentPosterior::new(&simulator, &map, &prior)?;
        let position = true_position(&simulator, &prior, &truth.parameters(), 9, 0);
        assert_eq!(position.len(), posterior.dim());
        let mut gradient = vec![0.0; position.len()];
        let mut at = |position: &[f64], gradient: &mut [f64]| {
            posterior.log_density_and_gradient(position, gradient).expect("within the model")
        };
        let value = at(&position, &mut gradient);
        let other = true_position(&simulator, &prior, &truth.parameters(), 10, 0);
        assert!(at(&other, &mut vec![0.0; position.len()]) < value - 100.0);
        for k in [0, 2, 5, 6, 700] {
            let step = 1e-5;
            let mut side = |sign: f64| {
                let mut moved = position.clone();
                moved[k] += sign * step;
                at(&moved, &mut vec![0.0; position.len()])
            };
            let difference = (side(1.0) - side(-1.0)) / (2.0 * step);
            let error = (difference - gradient[k]).abs();
            assert!(error < 1e-3 * (1.0 + gradient[k].abs()), "{k}: {difference} {}", gradient[k]);
        }
        Ok(())
    }
}
