//! What sampling costs: every gradient is counted, and the counts at fixed seeds are pinned so that
//! a loss of efficiency shows.

mod targets;

use std::convert::Infallible;

use hmc::{
    Chain, Integrator, Kernel, LogDensity, MetricSettings, Phase, Settings, TrajectoryLength,
};
use targets::{Funnel, Normal, assert_mean, mean_and_error, sample};

/// Counts its evaluations.
struct Counting<D> {
    inner: D,
    evaluations: u64,
}

impl<D: LogDensity> LogDensity for Counting<D> {
    type Error = D::Error;

    fn dim(&self) -> usize {
        self.inner.dim()
    }

    fn log_density_and_gradient(&mut self, q: &[f64], g: &mut [f64]) -> Result<f64, D::Error> {
        self.evaluations += 1;
        self.inner.log_density_and_gradient(q, g)
    }
}

#[test]
fn every_gradient_is_counted() {
    let trajectory = TrajectoryLength::Steps(4);
    let hmc = Settings { kernel: Kernel::Hmc { trajectory }, ..Settings::default() };
    let thinned = Kernel::Mclmc { length: None, energy_variance: 5e-4, steps: 3 };
    let leapfrog = Settings { integrator: Integrator::Leapfrog, ..Settings::mams() };
    let mclmc = Settings { kernel: thinned, ..Settings::mclmc() };
    for settings in [Settings::default(), hmc, Settings::mams(), leapfrog, mclmc] {
        let per_step = u64::from(settings.integrator.gradients_per_step());
        let settings = Settings { warmup: 100, ..settings };
        let target = Counting { inner: Normal::autoregressive(3, 0.9), evaluations: 0 };
        let mut chain = Chain::new(target, vec![0.1; 3], settings, 1, 0).unwrap();
        let mut sampling = 0;
        for _ in 0..200 {
            let draw = chain.advance().unwrap();
            let gradients = per_step * u64::from(draw.steps);
            sampling += if draw.phase == Phase::Sampling { gradients } else { 0 };
        }
        let counted = chain.state().gradients();
        assert_eq!(counted.total(), chain.density_mut().evaluations);
        assert_eq!(counted.sampling, sampling);
        assert!(counted.initialisation >= 3 && counted.warmup > 100, "{counted:?}");
    }
}

/// Gradients of 500 draws after 300 warmup transitions, with the step size reached.
fn cost<D: LogDensity<Error = Infallible>>(target: D, settings: Settings) -> (u64, u64, f64) {
    let dim = target.dim();
    let settings = Settings { warmup: 300, ..settings };
    let (_, chain) = sample(target, vec![0.5; dim], settings, 500, (42, 0));
    let gradients = chain.state().gradients();
    (gradients.warmup, gradients.sampling, chain.state().step_size())
}

#[test]
fn costs_are_as_recorded() {
    let exact = || Settings { integrator: Integrator::ExactNormal, ..Settings::default() };
    let dense =
        || Settings { metric: MetricSettings { dense: 20, adapted: None }, ..Settings::default() };
    let autoregressive = || Normal::autoregressive(20, 0.9);
    let funnel = || Funnel { dim: 5, sd_v: 1.0 };
    let recorded = [
        ("normal, leapfrog", cost(Normal::standard(100), Settings::default()), (2830, 3500, 0.513)),
        ("normal, exact", cost(Normal::standard(100), exact()), (903, 1500, 1.4)),
        (
            "autoregressive, leapfrog",
            cost(autoregressive(), Settings::default()),
            (7828, 13335, 0.359),
        ),
        ("autoregressive, dense", cost(autoregressive(), dense()), (4169, 3585, 0.503)),
        ("funnel, leapfrog", cost(funnel(), Settings::default()), (2836, 4229, 0.386)),
        ("funnel, exact", cost(funnel(), exact()), (2436, 3013, 0.635)),
        ("normal, MAMS", cost(Normal::standard(100), Settings::mams()), (788, 1000, 1.372)),
        ("autoregressive, MAMS", cost(autoregressive(), Settings::mams()), (2014, 8348, 0.476)),
        ("normal, MCLMC", cost(Normal::standard(100), Settings::mclmc()), (612, 1000, 1.332)),
    ];
    let near = |found: f64, recorded: f64| (found / recorded - 1.0).abs() < 0.05;
    let mut changed = false;
    for (name, found, recorded) in recorded {
        println!("{name}: found {found:.3?}, recorded {recorded:.3?}");
        changed |= !near(found.0 as f64, recorded.0 as f64);
        changed |= !near(found.1 as f64, recorded.1 as f64) || !near(found.2, recorded.2);
    }
    assert!(!changed, "record the new costs if they are no worse");
}

#[test]
fn a_dense_block_saves_gradients_per_effective_draw() {
    // strongly correlated parameters in front of standard normal latents
    let mut target = Normal::independent(vec![0.0; 40], &[1.0; 40]);
    let front = Normal::autoregressive(6, 0.95).precision.unwrap();
    let precision = target.precision.as_mut().unwrap();
    for i in 0..36 {
        precision[i / 6 * 40 + i % 6] = front[i];
    }
    let cost = |settings: &Settings, dense| {
        let metric = MetricSettings { dense, adapted: Some(6) };
        let settings = Settings { warmup: 600, metric, ..settings.clone() };
        let (draws, chain) = sample(target.clone(), vec![0.5; 40], settings, 3000, (5, 0));
        let effective = |i: usize| {
            let (_, error) = mean_and_error(draws.iter().map(|q| q[i]));
            1.0 / (error * error) // the variance is one
        };
        let worst = (0..6).map(effective).fold(f64::INFINITY, f64::min);
        chain.state().gradients().sampling as f64 / worst
    };
    let hmc = Kernel::Hmc { trajectory: TrajectoryLength::Time(1.3) };
    let hmc = Settings { kernel: hmc, ..Settings::default() };
    for settings in [Settings::default(), hmc, Settings::mams(), Settings::mclmc()] {
        let (diagonal, dense) = (cost(&settings, 0), cost(&settings, 6));
        println!("{:?}: diagonal {diagonal:.0}, dense {dense:.0}", settings.kernel);
        assert!(dense < 0.6 * diagonal, "{:?}: {dense} {diagonal}", settings.kernel);
    }
}

/// Latents whose posterior is nearly their standard normal prior: independent normals with standard
/// deviations from 0.8 to 1, but for two parameters of another scale in front.
#[derive(Clone)]
struct Latents {
    dim: usize,
}

impl Latents {
    fn sd(&self, i: usize) -> f64 {
        match i {
            0 => 0.05,
            1 => 3.0,
            _ => 0.8 + 0.2 * i as f64 / self.dim as f64,
        }
    }
}

impl LogDensity for Latents {
    type Error = Infallible;

    fn dim(&self) -> usize {
        self.dim
    }

    fn log_density_and_gradient(&mut self, q: &[f64], g: &mut [f64]) -> Result<f64, Infallible> {
        let mut log_density = 0.0;
        for (i, (q, g)) in q.iter().zip(g).enumerate() {
            *g = -q / self.sd(i).powi(2);
            log_density += 0.5 * q * *g;
        }
        Ok(log_density)
    }
}

#[test]
fn ten_thousand_latents() {
    let target = Latents { dim: 10_000 };
    let run = |integrator| {
        let metric = MetricSettings { dense: 2, adapted: Some(2) };
        let settings = Settings { warmup: 150, integrator, metric, ..Settings::default() };
        let (draws, chain) = sample(target.clone(), vec![0.0; 10_000], settings, 200, (8, 0));
        assert_eq!(chain.state().divergences(), 0);
        // 10 000 coordinates average the noise: mean of (q / sd)^2 over all of them
        let chi_squared = |q: &Vec<f64>| {
            q.iter().enumerate().map(|(i, q)| (q / target.sd(i)).powi(2)).sum::<f64>() / 1e4
        };
        assert_mean("squares", draws.iter().map(chi_squared), 1.0, 5.0);
        assert_mean("means", draws.iter().map(|q| q.iter().skip(2).sum()), 0.0, 5.0);
        for i in 0..2 {
            let squares = draws.iter().map(|q| (q[i] / target.sd(i)).powi(2));
            assert_mean("square of a parameter", squares, 1.0, 5.0);
        }
        chain.state().gradients().sampling as f64 / 200.0
    };
    let (leapfrog, exact) = (run(Integrator::Leapfrog), run(Integrator::ExactNormal));
    println!("gradients per draw: leapfrog {leapfrog}, exact normal {exact}");
    assert!(exact < 0.6 * leapfrog, "{exact} against {leapfrog}");
}

#[test]
fn a_normal_is_sampled_with_a_few_gradients_per_draw_in_any_dimension() {
    let metric = MetricSettings { dense: 0, adapted: Some(0) };
    let integrator = Integrator::ExactNormal;
    let settings = Settings { warmup: 50, integrator, metric, ..Settings::default() };
    let (draws, chain) = sample(Normal::standard(10_000), vec![1.0; 10_000], settings, 300, (4, 0));
    assert!(chain.state().gradients().sampling <= 300 * 3);
    let square = |q: &Vec<f64>| q.iter().map(|q| q * q).sum::<f64>() / 1e4;
    assert_mean("squares", draws.iter().map(square), 1.0, 5.0);
}
