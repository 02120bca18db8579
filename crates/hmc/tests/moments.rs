//! Draws have the moments of their target.

mod targets;

use std::convert::Infallible;

use hmc::{
    AscentSettings, Integrator, Kernel, LogDensity, MetricSettings, Refreshment, Settings,
    TrajectoryLength, ascend,
};
use targets::{Funnel, Normal, assert_mean, mean_and_error, sample};

const NUTS: Kernel = Kernel::Nuts { max_depth: 10 };
const HMC: Kernel = Kernel::Hmc { trajectory: TrajectoryLength::Time(1.3) };
const MAMS: Kernel = Kernel::Mams { length: None, refreshment: Refreshment::RandomLength };
const LANGEVIN: Kernel = Kernel::Mams { length: None, refreshment: Refreshment::Langevin };
const INTEGRATORS: [Integrator; 3] =
    [Integrator::Leapfrog, Integrator::ExactNormal, Integrator::MinimalNorm];

/// Means, variances and one covariance of every coordinate, 5 standard errors each.
fn assert_normal(target: &Normal, covariance: impl Fn(usize, usize) -> f64, settings: Settings) {
    let dim = target.mean.len();
    let mut start = vec![1.0; dim];
    if settings.kernel.is_microcanonical() {
        // at constant speed what is far away takes long to reach
        let top = ascend(&mut target.clone(), start, &AscentSettings::default(), |_, _| true);
        start = top.unwrap().position;
    }
    let (draws, _) = sample(target.clone(), start, settings.clone(), 6000, (11, 0));
    for i in 0..dim {
        let centred = |q: &Vec<f64>, i: usize| q[i] - target.mean[i];
        let label = |what| format!("{what} of coordinate {i}, {settings:?}");
        assert_mean(&label("mean"), draws.iter().map(|q| q[i]), target.mean[i], 5.0);
        let squares = draws.iter().map(|q| centred(q, i).powi(2));
        assert_mean(&label("variance"), squares, covariance(i, i), 5.0);
        let j = (i + 1) % dim;
        let products = draws.iter().map(|q| centred(q, i) * centred(q, j));
        assert_mean(&label("covariance"), products, covariance(i, j), 5.0);
    }
}

fn all_settings() -> Vec<Settings> {
    let mut all = Vec::new();
    for kernel in [NUTS, HMC, MAMS, LANGEVIN] {
        for integrator in INTEGRATORS {
            for dense in [0, 3] {
                let metric = MetricSettings { dense, adapted: None };
                all.push(Settings {
                    warmup: 500,
                    kernel,
                    integrator,
                    metric,
                    ..Settings::default()
                });
            }
        }
    }
    all
}

#[test]
fn standard_normal() {
    for settings in all_settings() {
        assert_normal(&Normal::standard(3), |i, j| f64::from(u8::from(i == j)), settings);
    }
}

#[test]
fn correlated_normal() {
    let target = Normal::autoregressive(5, 0.8);
    for settings in all_settings() {
        assert_normal(&target, |i, j| 0.8f64.powi((i as i32 - j as i32).abs()), settings);
    }
}

#[test]
fn badly_scaled_and_shifted_normal() {
    let sd = [1e-3, 1.0, 50.0];
    let target = Normal::independent(vec![5.0, -2.0, 1000.0], &sd);
    for settings in all_settings() {
        let covariance = |i: usize, j: usize| if i == j { sd[i] * sd[i] } else { 0.0 };
        assert_normal(&target, covariance, settings);
    }
}

#[test]
fn funnel() {
    let sd_v: f64 = 1.0;
    let of = |kernel| INTEGRATORS.map(|integrator| (kernel, integrator));
    for (kernel, integrator) in [NUTS, MAMS, LANGEVIN].into_iter().flat_map(of) {
        let settings = Settings { kernel, integrator, target_accept: 0.9, ..Settings::default() };
        let target = Funnel { dim: 5, sd_v };
        let (draws, _) = sample(target, vec![0.1; 5], settings, 20_000, (3, 0));
        assert_mean("v", draws.iter().map(|q| q[0]), 0.0, 5.0);
        assert_mean("v^2", draws.iter().map(|q| q[0] * q[0]), sd_v * sd_v, 5.0);
        assert_mean("x", draws.iter().map(|q| q[1]), 0.0, 5.0);
        // E x^2 = E exp(v)
        let expected = (0.5 * sd_v * sd_v).exp();
        assert_mean("x^2", draws.iter().map(|q| q[1] * q[1]), expected, 5.0);
    }
}

#[test]
fn a_thousand_dimensions_by_mams() {
    // standard deviations from 0.3 to 3, unknown to the sampler
    let sd = |i: usize| 0.3 * 10f64.powf(i as f64 / 999.0);
    let target = Scales { precisions: (0..1000).map(|i| sd(i).powi(-2)).collect() };
    for integrator in INTEGRATORS {
        let settings = Settings { warmup: 300, integrator, ..Settings::mams() };
        let (draws, chain) = sample(target.clone(), vec![0.5; 1000], settings, 400, (6, 0));
        assert_eq!(chain.state().divergences(), 0);
        let chi_squared = |q: &Vec<f64>| {
            q.iter().enumerate().map(|(i, q)| (q / sd(i)).powi(2)).sum::<f64>() / 1000.0
        };
        assert_mean("squares", draws.iter().map(chi_squared), 1.0, 5.0);
        assert_mean("sum", draws.iter().map(|q| q.iter().sum()), 0.0, 5.0);
        for i in [0, 500, 999] {
            assert_mean("variance", draws.iter().map(|q| (q[i] / sd(i)).powi(2)), 1.0, 5.0);
        }
    }
}

/// Independent normals with mean zero.
#[derive(Clone)]
struct Scales {
    precisions: Vec<f64>,
}

impl LogDensity for Scales {
    type Error = Infallible;

    fn dim(&self) -> usize {
        self.precisions.len()
    }

    fn log_density_and_gradient(&mut self, q: &[f64], g: &mut [f64]) -> Result<f64, Infallible> {
        for ((g, q), precision) in g.iter_mut().zip(q).zip(&self.precisions) {
            *g = -precision * q;
        }
        Ok(0.5 * q.iter().zip(g).map(|(q, g)| q * *g).sum::<f64>())
    }
}

/// Relative bias of the variance of a standard normal in 200 dimensions, its standard error, and the
/// variance of the energy error per dimension, by MCLMC.
fn bias_of_variance(integrator: Integrator, energy_variance: f64) -> (f64, f64, f64) {
    let kernel = Kernel::Mclmc { length: Some(1.0), energy_variance, steps: 1 };
    let settings = Settings { kernel, integrator, warmup: 1500, ..Settings::mclmc() };
    let target = Normal::standard(200);
    let (draws, chain) = sample(target, vec![0.5; 200], settings, 30_000, (13, 0));
    let squares = draws.iter().map(|q| q.iter().map(|q| q * q).sum::<f64>() / 200.0);
    let (mean, error) = mean_and_error(squares);
    (mean - 1.0, error, chain.state().energy_variance().unwrap())
}

#[test]
fn bias_of_mclmc_is_as_documented_and_falls_with_the_step() {
    for energy_variance in [5e-4, 5e-6] {
        let (bias, error, found) = bias_of_variance(Integrator::Leapfrog, energy_variance);
        println!("leapfrog, {energy_variance:e} ({found:e}): {bias:.4} +- {error:.4}");
        assert!((found / energy_variance).ln().abs() < 0.7, "{found}");
        let expected = 0.44 * found.cbrt();
        assert!((bias - expected).abs() < 0.15 * expected + 5.0 * error, "{bias} {expected}");
        let (bias, error, found) = bias_of_variance(Integrator::MinimalNorm, energy_variance);
        println!("minimal norm, {energy_variance:e} ({found:e}): {bias:.4} +- {error:.4}");
        assert!(bias.abs() < expected + 5.0 * error, "{bias}");
    }
    let (bias, error, _) = bias_of_variance(Integrator::ExactNormal, 5e-4);
    assert!(bias.abs() < 5.0 * error, "{bias} +- {error}");
}

#[test]
fn correlated_normal_by_mclmc_within_its_bias() {
    for (integrator, dense) in [(Integrator::Leapfrog, 0), (Integrator::MinimalNorm, 10)] {
        let metric = MetricSettings { dense, adapted: None };
        let settings = Settings { integrator, metric, ..Settings::mclmc() };
        let target = Normal::autoregressive(10, 0.8);
        let (draws, chain) = sample(target, vec![1.0; 10], settings, 60_000, (17, 0));
        assert_eq!(chain.state().divergences(), 0);
        for i in 0..10 {
            assert_mean("mean", draws.iter().map(|q| q[i]), 0.0, 5.0);
            let (variance, error) = mean_and_error(draws.iter().map(|q| q[i] * q[i]));
            assert!((variance - 1.0).abs() < 0.08 + 4.0 * error, "{i}: {variance} +- {error}");
        }
    }
}
