//! Densities without a scale: tuning must end in an error, never in draws.

use std::{convert::Infallible, ops::ControlFlow};

use hmc::{
    Chain, ChainRun, Error, Integrator, Kernel, LogDensity, MetricSettings, Record, RunSettings,
    Settings, TrajectoryLength, Verdict, examine, run_chains,
};

/// A function of the position as a density.
#[derive(Clone, Copy)]
struct Target(fn(&[f64], &mut [f64]) -> f64);

impl LogDensity for Target {
    type Error = Infallible;

    fn dim(&self) -> usize {
        2
    }

    fn log_density_and_gradient(&mut self, q: &[f64], g: &mut [f64]) -> Result<f64, Infallible> {
        Ok((self.0)(q, g))
    }
}

fn flat(_: &[f64], g: &mut [f64]) -> f64 {
    g.fill(0.0);
    0.0
}

/// Rises without end.
fn slope(q: &[f64], g: &mut [f64]) -> f64 {
    g.copy_from_slice(&[1.0, 0.0]);
    q[0]
}

/// A normal in one direction, flat in the other.
fn ridge(q: &[f64], g: &mut [f64]) -> f64 {
    g.copy_from_slice(&[-q[0], 0.0]);
    -0.5 * q[0] * q[0]
}

/// A normal of standard deviation 1e9.
fn wide(q: &[f64], g: &mut [f64]) -> f64 {
    g.iter_mut().zip(q).for_each(|(g, q)| *g = -q * 1e-18);
    -0.5e-18 * q.iter().map(|q| q * q).sum::<f64>()
}

fn samplers() -> Vec<Settings> {
    let trajectory = TrajectoryLength::Steps(5);
    let hmc = Settings { kernel: Kernel::Hmc { trajectory }, ..Settings::default() };
    let split = Settings { integrator: Integrator::MinimalNorm, ..Settings::default() };
    let langevin = Settings {
        kernel: Kernel::Mclmc { length: Some(1.0), energy_variance: 5e-4, steps: 3 },
        integrator: Integrator::Leapfrog,
        ..Settings::mclmc()
    };
    let all = [Settings::default(), hmc, split, Settings::mams(), Settings::mclmc(), langevin];
    let dense = |settings: &Settings| Settings {
        metric: MetricSettings { dense: 2, adapted: None },
        ..settings.clone()
    };
    all.iter().map(dense).chain(all.clone()).collect()
}

fn run(target: Target, settings: Settings) -> Result<Vec<Record>, Error<Infallible>> {
    let chain =
        |index: u64| Chain::new(target, vec![0.1 * index as f64; 2], settings.clone(), 3, index);
    let mut chains: Vec<_> =
        (0..2).map(|i| Ok(ChainRun::new(chain(i)?))).collect::<Result<_, _>>()?;
    let run = RunSettings { draws: 200, ..RunSettings::default() };
    let keep = |_: &mut Target, q: &[f64]| q.to_vec();
    run_chains(&mut chains, &run, &keep, &|_| ControlFlow::Continue(())).map_err(|e| e.source)?;
    Ok(chains.into_iter().map(|run| run.record).collect())
}

#[test]
fn a_density_without_a_scale_ends_in_an_error_or_a_warning() {
    for settings in samplers() {
        for warmup in [0, 10, 50, 200] {
            for target in [flat, slope] {
                let settings = Settings { warmup, ..settings.clone() };
                let what = format!("{:?}, warmup {warmup}", settings.kernel);
                match run(Target(target), settings) {
                    Err(Error::Runaway { step, .. }) => assert!(step >= 1e6, "{what}: {step}"),
                    Err(Error::StepSize { .. }) => {}
                    Err(error) => panic!("{what}: {error}"),
                    Ok(records) => assert_useless(&records, &what),
                }
            }
        }
    }
}

#[test]
fn mclmc_on_a_flat_density_is_an_error() {
    for warmup in [0, 50, 100, 200, 2000] {
        let error = run(Target(flat), Settings { warmup, ..Settings::mclmc() }).unwrap_err();
        assert!(matches!(error, Error::Runaway { .. }), "{warmup}: {error}");
    }
}

#[test]
fn a_flat_direction_beside_others_is_not_healthy() {
    for settings in samplers() {
        let what = format!("{:?}", settings.kernel);
        if let Ok(records) = run(Target(ridge), Settings { warmup: 500, ..settings }) {
            assert_useless(&records, &what);
        }
    }
}

/// Finite, and none of them healthy.
fn assert_useless(records: &[Record], what: &str) {
    assert!(records.iter().flat_map(|r| &r.values).flatten().all(|x| x.is_finite()), "{what}");
    let health = examine(records);
    assert!(health.iter().all(|h| h.verdict != Verdict::Healthy), "{what}: {health:?}");
}

#[test]
fn a_wide_density_is_no_runaway() {
    for settings in samplers() {
        let kernel = settings.kernel;
        let records = run(Target(wide), Settings { warmup: 2000, ..settings }).unwrap();
        let sum: f64 = records.iter().flat_map(|r| &r.values).map(|q| q[0].powi(2)).sum();
        let sd = (sum / 400.0).sqrt();
        assert!((0.4e9..2.5e9).contains(&sd), "{kernel:?}: {sd}");
    }
}
