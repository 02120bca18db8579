//! A normal approximation of the power-spectrum posterior, with a normal prior.

use hmc::{AscentSettings, LogDensity, LogDensityError, ascend};
use lognormal_sim::{
    BandPowers, Cosmology, CovarianceChoice, PowerSpectrumLikelihood, Randomness, Simulator,
};

/// Standard deviations of the normal prior around the fiducial parameters. It is bounded by the
/// domain of the model alone.
const PRIOR_SD: [f64; 6] = [0.2, 0.006, 0.14, 0.063, 0.08, 0.3];

/// An error of the likelihood as the climber sees it.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct DensityError(#[from] lognormal_sim::Error);

impl LogDensityError for DensityError {
    fn is_recoverable(&self) -> bool {
        self.0.is_recoverable()
    }
}

/// In units of the prior, from its mean.
struct Posterior(PowerSpectrumLikelihood);

fn parameters(u: &[f64]) -> [f64; 6] {
    let mean = Cosmology::FIDUCIAL.parameters();
    std::array::from_fn(|k| mean[k] + PRIOR_SD[k] * u[k])
}

impl LogDensity for Posterior {
    type Error = DensityError;

    fn dim(&self) -> usize {
        6
    }

    fn log_density_and_gradient(
        &mut self,
        u: &[f64],
        gradient: &mut [f64],
    ) -> Result<f64, DensityError> {
        let cosmology = Cosmology::from_parameters(&parameters(u))?;
        let value = self.0.log_likelihood(&cosmology.with_derivatives())?;
        for k in 0..6 {
            gradient[k] = PRIOR_SD[k] * value.gradient[k] - u[k];
        }
        Ok(value.value - 0.5 * u.iter().map(|u| u * u).sum::<f64>())
    }
}

/// Draws of the normal approximation at the maximum that a climb from the prior mean finds; the
/// prior is drawn from `randomness` in directions without curvature.
pub fn draws(simulator: &Simulator, map: &[f64], count: usize, seed: u64) -> Vec<[f64; 6]> {
    let survey = simulator.survey();
    let edges = BandPowers::default_edges(survey.npix, survey.map_size_deg);
    let likelihood = PowerSpectrumLikelihood::new(
        simulator.theory().clone(),
        survey,
        map,
        &edges,
        CovarianceChoice::Fixed(Cosmology::FIDUCIAL),
    )
    .expect("a likelihood");
    let mut posterior = Posterior(likelihood);
    let top = ascend(&mut posterior, vec![0.0; 6], &AscentSettings::default(), |_, _| true)
        .expect("a maximum");
    let factor = precision_factor(&mut posterior, &top.position);
    let mut randomness = Randomness::new(seed, 0);
    let mut draws = Vec::new();
    while draws.len() < count {
        let z: Vec<f64> = (0..6).map(|_| randomness.normal()).collect();
        // u = mode + L^-T z for the precision L L^T.
        let mut u = z;
        for i in (0..6).rev() {
            let sum: f64 = (i + 1..6).map(|k| factor[k][i] * u[k]).sum();
            u[i] = (u[i] - sum) / factor[i][i];
        }
        let u: Vec<f64> = u.iter().zip(&top.position).map(|(du, mode)| mode + du).collect();
        draws.push(parameters(&u));
    }
    draws
}

/// Cholesky factor of minus the Hessian, by one-sided differences; at least the prior's precision.
fn precision_factor(posterior: &mut Posterior, mode: &[f64]) -> Vec<Vec<f64>> {
    let mut gradient_at = |position: &[f64]| {
        let mut gradient = vec![0.0; 6];
        posterior.log_density_and_gradient(position, &mut gradient).ok().map(|_| gradient)
    };
    let here = gradient_at(mode).expect("within the model");
    let mut precision = vec![vec![0.0; 6]; 6];
    for k in 0..6 {
        let slopes = [1e-3, -1e-3].into_iter().find_map(|step| {
            let mut position = mode.to_vec();
            position[k] += step;
            let there = gradient_at(&position)?;
            Some((0..6).map(|l| (there[l] - here[l]) / step).collect::<Vec<f64>>())
        });
        let slopes = slopes.expect("one side lies within the model");
        for l in 0..6 {
            precision[k][l] -= 0.5 * slopes[l];
            precision[l][k] -= 0.5 * slopes[l];
        }
    }
    let mut ridge = 0.0;
    loop {
        let mut factor = precision.clone();
        for (k, row) in factor.iter_mut().enumerate() {
            row[k] += ridge;
        }
        if cholesky(&mut factor) {
            return factor;
        }
        ridge = f64::max(0.1, 2.0 * ridge);
    }
}

fn cholesky(a: &mut [Vec<f64>]) -> bool {
    for i in 0..a.len() {
        for j in 0..=i {
            let sum = a[i][j] - (0..j).map(|k| a[i][k] * a[j][k]).sum::<f64>();
            if i == j && sum <= 0.0 {
                return false;
            }
            a[i][j] = if i == j { sum.sqrt() } else { sum / a[j][j] };
        }
    }
    true
}
