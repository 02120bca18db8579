//! Simulation-based calibration: parameters drawn from the prior rank uniformly among posterior
//! draws given data simulated from them.
//!
//! Reference: Talts et al. 2018, *Validating Bayesian Inference Algorithms with Simulation-Based
//! Calibration* (arXiv:1804.06788).

mod targets;

use std::convert::Infallible;

use hmc::{Integrator, Kernel, LogDensity, Refreshment, Settings, TrajectoryLength};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use rand_distr::{Distribution, StandardNormal};
use targets::sample;

const PRIOR_SD_MEAN: f64 = 1.5;
const PRIOR_SD_LOG_SD: f64 = 0.7;

/// Posterior of mean `mu` and `ln sigma` of normal data, with independent normal priors.
#[derive(Clone)]
struct MeanAndSpread {
    data: Vec<f64>,
    /// Standard deviation the sampler believes the prior of `mu` to have.
    prior_sd_mean: f64,
}

impl LogDensity for MeanAndSpread {
    type Error = Infallible;

    fn dim(&self) -> usize {
        2
    }

    fn log_density_and_gradient(&mut self, q: &[f64], g: &mut [f64]) -> Result<f64, Infallible> {
        let (z_mean, z_log_sd) = (q[0] / self.prior_sd_mean, q[1] / PRIOR_SD_LOG_SD);
        let mut log_density = -0.5 * (z_mean * z_mean + z_log_sd * z_log_sd);
        g[0] = -z_mean / self.prior_sd_mean;
        g[1] = -z_log_sd / PRIOR_SD_LOG_SD;
        for y in &self.data {
            let residual = (y - q[0]) * (-q[1]).exp();
            log_density -= 0.5 * residual * residual + q[1];
            g[0] += residual * (-q[1]).exp();
            g[1] += residual * residual - 1.0;
        }
        Ok(log_density)
    }
}

/// Chi-squared of the ranks of `mu`, `ln sigma` and the log posterior in 10 bins, 9 degrees of
/// freedom each.
fn rank_chi_squared(settings: &Settings, believed_prior_sd: f64) -> [f64; 3] {
    const REPLICATES: u64 = 300;
    const DRAWS: usize = 99;
    const THIN: usize = 4;
    const BINS: usize = 10;
    let mut counts = [[0.0; BINS]; 3];
    for replicate in 0..REPLICATES {
        let mut rng = ChaCha8Rng::seed_from_u64(20);
        rng.set_stream(replicate);
        let mut normal = || -> f64 { StandardNormal.sample(&mut rng) };
        let truth = [PRIOR_SD_MEAN * normal(), PRIOR_SD_LOG_SD * normal()];
        let data = (0..5).map(|_| truth[0] + truth[1].exp() * normal()).collect();
        let mut target = MeanAndSpread { data, prior_sd_mean: believed_prior_sd };
        let (draws, _) =
            sample(target.clone(), vec![0.0; 2], settings.clone(), THIN * DRAWS, (21, replicate));
        let mut with_height = |q: &[f64]| {
            let height = target.log_density_and_gradient(q, &mut [0.0; 2]).unwrap_or(f64::NAN);
            [q[0], q[1], height]
        };
        let true_values = with_height(&truth);
        let draws: Vec<_> = draws.iter().step_by(THIN).map(|q| with_height(q)).collect();
        for value in 0..3 {
            let rank = draws.iter().filter(|draw| draw[value] < true_values[value]).count();
            counts[value][rank * BINS / (DRAWS + 1)] += 1.0;
        }
    }
    let expected = REPLICATES as f64 / BINS as f64;
    counts.map(|c| c.iter().map(|n| (n - expected).powi(2) / expected).sum())
}

/// Exceeded with probability 1e-4 under uniformity.
const BOUND: f64 = 33.7;

#[test]
fn ranks_are_uniform() {
    let nuts = Kernel::Nuts { max_depth: 8 };
    let hmc = Kernel::Hmc { trajectory: TrajectoryLength::Time(1.5) };
    let mams = Kernel::Mams { length: None, refreshment: Refreshment::RandomLength };
    let langevin = Kernel::Mams { length: Some(1.5), refreshment: Refreshment::Langevin };
    for kernel in [nuts, hmc, mams, langevin] {
        for integrator in [Integrator::Leapfrog, Integrator::ExactNormal, Integrator::MinimalNorm] {
            let settings = Settings { warmup: 150, kernel, integrator, ..Settings::default() };
            let chi_squared = rank_chi_squared(&settings, PRIOR_SD_MEAN);
            assert!(
                chi_squared.iter().all(|&c| c < BOUND),
                "{kernel:?} {integrator:?}: {chi_squared:?}"
            );
        }
    }
}

#[test]
fn a_wrong_posterior_is_noticed() {
    let settings = Settings { warmup: 150, ..Settings::default() };
    let chi_squared = rank_chi_squared(&settings, 0.4 * PRIOR_SD_MEAN);
    assert!(chi_squared[0] > BOUND, "{chi_squared:?}");
}
