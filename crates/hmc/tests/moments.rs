//! Draws have the moments of their target.

mod targets;

use hmc::{Integrator, Kernel, MetricSettings, Settings, TrajectoryLength};
use targets::{Funnel, Normal, assert_mean, sample};

const NUTS: Kernel = Kernel::Nuts { max_depth: 10 };
const HMC: Kernel = Kernel::Hmc { trajectory: TrajectoryLength::Time(1.3) };

/// Means, variances and one covariance of every coordinate, 5 standard errors each.
fn assert_normal(target: &Normal, covariance: impl Fn(usize, usize) -> f64, settings: Settings) {
    let dim = target.mean.len();
    let (draws, _) = sample(target.clone(), vec![1.0; dim], settings.clone(), 6000, (11, 0));
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
    for kernel in [NUTS, HMC] {
        for integrator in [Integrator::Leapfrog, Integrator::ExactNormal] {
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
    for integrator in [Integrator::Leapfrog, Integrator::ExactNormal] {
        let settings = Settings { integrator, target_accept: 0.9, ..Settings::default() };
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
