//! The two posteriors of a map as densities to sample: full-field and power-spectrum.
//!
//! Both use the prior's normal coordinates `u` for the six parameters, in which the prior is
//! N(0, 1); the full-field posterior continues with the whitened latents. Chains of the full field
//! start from the power-spectrum posterior of the same map, which also sets their first metric:
//! nothing of it remains in the result, and no truth is used. The published recipe, which needs the
//! truth, is [`LatentPosterior`].

mod latent;

use hmc::{
    Ascent, AscentSettings, Integrator, LogDensity, LogDensityError, Metric, MetricSettings,
    Settings, ascend,
};
use lognormal_sim::{
    Cosmology, PARAMETERS, PowerSpectrumLikelihood, Randomness, Simulator, WhitenedDensity,
};

use crate::error::{Error, Result};
use crate::matrix::{Matrix, cholesky, inverse};
use crate::prior::{DIM, Prior};

pub use latent::{LatentPosterior, published_metric, published_settings, true_position};

/// Posterior of the parameters given the band powers of a map.
pub struct PowerSpectrumPosterior<'a> {
    likelihood: &'a PowerSpectrumLikelihood,
    prior: &'a Prior,
}

impl<'a> PowerSpectrumPosterior<'a> {
    /// Posterior for a likelihood and a prior.
    pub fn new(likelihood: &'a PowerSpectrumLikelihood, prior: &'a Prior) -> Self {
        Self { likelihood, prior }
    }
}

impl LogDensity for PowerSpectrumPosterior<'_> {
    type Error = Error;

    fn dim(&self) -> usize {
        DIM
    }

    fn log_density_and_gradient(&mut self, position: &[f64], gradient: &mut [f64]) -> Result<f64> {
        let u = leading(position);
        let (theta, slope) = self.prior.at_normal(&u);
        let cosmology = Cosmology::from_parameters(&theta)?;
        let likelihood = self.likelihood.log_likelihood(&cosmology.with_derivatives())?;
        for k in 0..DIM {
            gradient[k] = likelihood.gradient[k] * slope[k] - u[k];
        }
        Ok(likelihood.value - half_square(&u))
    }
}

/// Joint posterior of the parameters and the whitened latents given a map.
pub struct FullFieldPosterior<'a> {
    density: WhitenedDensity<'a>,
    prior: &'a Prior,
}

impl<'a> FullFieldPosterior<'a> {
    /// Posterior for an observed map `[bin][y][x]` and a prior.
    ///
    /// # Errors
    /// A map that does not fit the survey.
    pub fn new(simulator: &'a Simulator, map: &[f64], prior: &'a Prior) -> Result<Self> {
        Ok(Self { density: WhitenedDensity::new(simulator, map.to_vec())?, prior })
    }

    /// A starting point: parameters from `start`, latents that fit the map with them.
    pub fn start(&self, start: &Start, seed: u64, chain: u64) -> Vec<f64> {
        let mut randomness = Randomness::new(seed, chain);
        let mut position = start.draw(&mut randomness).to_vec();
        position.extend(randomness.normals::<f64>(self.density.dim()));
        position
    }
}

impl LogDensity for FullFieldPosterior<'_> {
    type Error = Error;

    fn dim(&self) -> usize {
        DIM + self.density.dim()
    }

    fn log_density_and_gradient(&mut self, position: &[f64], gradient: &mut [f64]) -> Result<f64> {
        let u = leading(position);
        let (theta, slope) = self.prior.at_normal(&u);
        let cosmology = Cosmology::from_parameters(&theta)?;
        let (value, parameters) =
            self.density.evaluate(&cosmology, &position[DIM..], &mut gradient[DIM..])?;
        for k in 0..DIM {
            gradient[k] = parameters[k] * slope[k] - u[k];
        }
        Ok(value - half_square(&u))
    }
}

/// Parameters of a sampled position.
#[must_use]
pub fn parameters(prior: &Prior, position: &[f64]) -> [f64; DIM] {
    prior.at_normal(&leading(position)).0
}

/// What suits the full-field posterior: whitened latents are nearly standard normal, so that part
/// of the dynamics is solved exactly, and only the parameters' block of the metric adapts.
pub fn full_field_settings() -> Settings {
    Settings {
        integrator: Integrator::ExactNormal,
        metric: MetricSettings { dense: DIM, adapted: Some(DIM) },
        ..Settings::default()
    }
}

/// What suits the power-spectrum posterior: six correlated parameters.
pub fn power_spectrum_settings() -> Settings {
    Settings { metric: MetricSettings { dense: DIM, adapted: Some(DIM) }, ..Settings::default() }
}

/// A normal approximation of the power-spectrum posterior in the coordinates `u`.
#[derive(Clone, Debug)]
pub struct Start {
    /// Its maximum.
    mode: [f64; DIM],
    /// Its covariance and the lower Cholesky factor of it.
    covariance: Matrix,
    factor: Matrix,
    /// Gradient evaluations it took.
    pub gradients: u64,
}

/// Starting points are spread this many times wider than the approximation.
const OVERDISPERSION: f64 = 2.0;

impl Start {
    /// Climbs to the maximum from several draws of the prior, and measures the curvature there.
    ///
    /// # Errors
    /// When no draw of the prior leads to a maximum.
    pub fn find(posterior: &mut PowerSpectrumPosterior<'_>, seed: u64) -> Result<Self> {
        let mut best: Option<Ascent> = None;
        let mut gradients = 0;
        let settings = AscentSettings::default();
        for attempt in 0..20 {
            let mut randomness = Randomness::new(seed, attempt);
            let from: Vec<f64> = randomness.normals(DIM);
            let Ok(ascent) = ascend(posterior, from, &settings, |_, _| true) else { continue };
            gradients += ascent.gradients;
            if best.as_ref().is_none_or(|best| ascent.log_density > best.log_density) {
                best = Some(ascent);
            }
            if attempt >= 2 && best.is_some() {
                break;
            }
        }
        let Some(best) = best else {
            return Err(Error::NoMaximum);
        };
        let mode = leading(&best.position);
        let covariance = laplace_covariance(posterior, &mode)?;
        let factor = cholesky(&covariance).ok_or(Error::SingularCovariance)?;
        Ok(Self { mode, covariance, factor, gradients: gradients + 2 * DIM as u64 })
    }

    /// A starting point of chain number `chain`.
    #[must_use]
    pub fn position(&self, seed: u64, chain: u64) -> [f64; DIM] {
        self.draw(&mut Randomness::new(seed, chain))
    }

    /// An overdispersed draw.
    fn draw(&self, randomness: &mut Randomness) -> [f64; DIM] {
        let normal: [f64; DIM] = std::array::from_fn(|_| randomness.normal());
        std::array::from_fn(|i| {
            let spread: f64 = self.factor[i].iter().zip(&normal).map(|(f, n)| f * n).sum();
            self.mode[i] + OVERDISPERSION * spread
        })
    }

    /// The metric it suggests for `dim` coordinates: this covariance for the parameters, unit for
    /// the whitened latents.
    ///
    /// # Errors
    /// [`Error::SingularCovariance`], if rounding makes of the covariance one without a factor.
    pub fn metric(&self, dim: usize) -> Result<Metric> {
        let mut location = vec![0.0; dim];
        location[..DIM].copy_from_slice(&self.mode);
        Metric::diagonal(location, vec![1.0; dim])
            .with_leading_covariance(self.covariance.as_flattened())
            .ok_or(Error::SingularCovariance)
    }
}

/// Inverse of minus the Hessian, by differences of the gradient.
#[expect(clippy::needless_range_loop, reason = "matrix algebra reads best with indices")]
fn laplace_covariance(
    posterior: &mut PowerSpectrumPosterior<'_>,
    mode: &[f64; DIM],
) -> Result<Matrix> {
    let mut precision = [[0.0; DIM]; DIM];
    for k in 0..DIM {
        let derivative = gradient_slope(posterior, mode, k)?;
        for l in 0..DIM {
            precision[k][l] -= 0.5 * derivative[l];
            precision[l][k] -= 0.5 * derivative[l];
        }
    }
    // Directions without curvature are at least as narrow as the prior.
    let mut ridge = 0.0;
    loop {
        let mut regular = precision;
        for (k, row) in regular.iter_mut().enumerate() {
            row[k] += ridge;
        }
        match inverse(&regular) {
            Some(covariance) => return Ok(covariance),
            None if ridge.is_finite() => ridge = f64::max(0.1, 2.0 * ridge),
            None => return Err(Error::SingularCovariance),
        }
    }
}

/// Derivative of the gradient in coordinate `k`: by central differences, or one-sided ones where the
/// other side lies outside the domain of the model.
fn gradient_slope(
    posterior: &mut PowerSpectrumPosterior<'_>,
    mode: &[f64; DIM],
    k: usize,
) -> Result<[f64; DIM]> {
    const STEP: f64 = 1e-3;
    let mut gradient_at = |step: f64| -> Result<Option<[f64; DIM]>> {
        let mut position = *mode;
        position[k] += step;
        let mut gradient = [0.0; DIM];
        match posterior.log_density_and_gradient(&position, &mut gradient) {
            Ok(_) => Ok(Some(gradient)),
            Err(error) if error.is_recoverable() => Ok(None),
            Err(error) => Err(error),
        }
    };
    let quotient = |above: [f64; DIM], below: [f64; DIM], distance: f64| {
        std::array::from_fn(|l| (above[l] - below[l]) / distance)
    };
    match (gradient_at(STEP)?, gradient_at(-STEP)?) {
        (Some(above), Some(below)) => Ok(quotient(above, below, 2.0 * STEP)),
        (above, below) => match (above, gradient_at(0.0)?, below) {
            (Some(above), Some(here), _) => Ok(quotient(above, here, STEP)),
            (None, Some(here), Some(below)) => Ok(quotient(here, below, STEP)),
            _ => Err(Error::NoCurvature {
                theta: parameters(posterior.prior, mode).to_vec(),
                parameter: PARAMETERS[k],
            }),
        },
    }
}

fn leading(position: &[f64]) -> [f64; DIM] {
    std::array::from_fn(|k| position[k])
}

fn half_square(u: &[f64; DIM]) -> f64 {
    0.5 * u.iter().map(|x| x * x).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use autodiff::GradientCheck;
    use lognormal_sim::Survey;

    use crate::Problem;

    /// Compares the gradient at `position` with central differences: in each parameter, and along
    /// `directions` of the other coordinates.
    fn assert_gradient(density: &mut impl LogDensity, position: &[f64], directions: &[Vec<f64>]) {
        let mut gradient = vec![0.0; position.len()];
        density.log_density_and_gradient(position, &mut gradient).expect("within the model");
        let (parameters, others) = gradient.split_at(DIM);
        let along = |direction: &Vec<f64>| -> f64 {
            others.iter().zip(direction).map(|(g, d)| g * d).sum()
        };
        let claimed: Vec<f64> =
            parameters.iter().copied().chain(directions.iter().map(along)).collect();
        let mut origin = position[..DIM].to_vec();
        origin.resize(claimed.len(), 0.0);
        let function = |point: &[f64]| -> f64 {
            let (parameters, distances) = point.split_at(DIM);
            let mut moved = position.to_vec();
            moved[..DIM].copy_from_slice(parameters);
            for (distance, direction) in distances.iter().zip(directions) {
                for (x, d) in moved[DIM..].iter_mut().zip(direction) {
                    *x += distance * d;
                }
            }
            let mut unused = vec![0.0; moved.len()];
            density.log_density_and_gradient(&moved, &mut unused).unwrap_or(f64::NAN)
        };
        // The log densities are sums of larger terms of either sign.
        let check = GradientCheck { tolerance: 1e-5, noise: 1e-14, ..GradientCheck::default() };
        check.run(function, &origin, &claimed).assert_passes();
    }

    #[test]
    fn gradients_in_sampled_coordinates_are_central_differences() -> Result<()> {
        let simulator = Simulator::new(Survey::preset("lsst_y10")?.with_npix(16))?;
        let prior = Prior::load("lsst_y10")?;
        let map: Vec<f64> = simulator.simulate(&Cosmology::FIDUCIAL, 9, 0, true)?;
        let problem = Problem { simulator: &simulator, prior: &prior, map: &map };
        let likelihood = problem.power_spectrum()?;
        let mut power_spectrum = PowerSpectrumPosterior::new(&likelihood, &prior);
        let mut full_field = FullFieldPosterior::new(&simulator, &map, &prior)?;
        let points = [[0.3, -0.5, 0.4, -0.3, 0.6, -0.2], [-0.4, 0.7, -0.6, 0.5, -0.8, 0.9]];
        for (u, index) in points.iter().zip(0..) {
            assert_eq!(power_spectrum.dim(), u.len());
            assert_gradient(&mut power_spectrum, u, &[]);
            let mut randomness = Randomness::new(17, index);
            let mut normals = || randomness.normals::<f64>(map.len());
            let position = [u.to_vec(), normals()].concat();
            assert_eq!(full_field.dim(), position.len());
            assert_gradient(&mut full_field, &position, &[normals(), normals()]);
        }
        Ok(())
    }

    /// A maximum at the edge of the model, as of a map in other units, has a curvature, which is
    /// nearly that a little further inside.
    #[test]
    fn differences_stay_inside_the_model() -> Result<()> {
        let simulator = Simulator::new(Survey::preset("lsst_y10")?.with_npix(16))?;
        let prior = Prior::load("lsst_y10")?;
        let map: Vec<f64> = simulator.simulate(&Cosmology::FIDUCIAL, 9, 0, true)?;
        let problem = Problem { simulator: &simulator, prior: &prior, map: &map };
        let likelihood = problem.power_spectrum()?;
        let mut posterior = PowerSpectrumPosterior::new(&likelihood, &prior);
        let mut covariance = |omega_c: f64| -> Result<Matrix> {
            let mut theta = Cosmology::FIDUCIAL.parameters();
            theta[0] = omega_c;
            let u = prior.distribution().to_normal(&theta);
            laplace_covariance(&mut posterior, &u.try_into().expect("six"))
        };
        // omega_m is at most 1.5; the steps are of 0.0002 in omega_c.
        let edge = 1.5 - 0.0492;
        let (at_edge, inside) = (covariance(edge - 2e-5)?, covariance(edge - 1e-3)?);
        for k in 0..DIM {
            assert!(inside[k][k] > 0.0);
            let ratio = at_edge[k][k] / inside[k][k];
            assert!((ratio - 1.0).abs() < 0.05, "{k}: {at_edge:?} {inside:?}");
        }
        Ok(())
    }
}
