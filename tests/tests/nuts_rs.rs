//! NUTS of `hmc` against `nuts-rs`: both find the closed-form moments, and `hmc` needs no more
//! gradients per effective sample.

#[path = "../../crates/hmc/tests/targets/mod.rs"]
mod targets;

use std::{cell::Cell, collections::HashMap, convert::Infallible, rc::Rc};

use hmc::{Integrator, LogDensity, Settings};
use metrics::{ess_bulk, mcse_mean};
use nuts_rs::{Chain as _, CpuLogpFunc, CpuMath, CpuMathError, DiagNutsSettings, HasDims};
use nuts_rs::{KineticEnergyKind, LogpError, Settings as _};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use targets::{Funnel, Normal, sample};

const FIRST_SEED: u64 = 1000;
const SEEDS: u64 = 40;
const WARMUP: usize = 400;
const DRAWS: usize = 1000;
/// Monte-Carlo error of a ratio of two costs from so many draws.
const RATIO_ERROR: f64 = 0.05;

/// A density as `nuts-rs` wants it, with a count of the evaluations.
struct Adapter<D> {
    density: D,
    evaluations: Rc<Cell<u64>>,
}

#[derive(Debug, thiserror::Error)]
enum Never {}

impl LogpError for Never {
    fn is_recoverable(&self) -> bool {
        match *self {}
    }
}

impl<D: LogDensity> HasDims for Adapter<D> {
    fn dim_sizes(&self) -> HashMap<String, u64> {
        HashMap::from([("unconstrained_parameter".to_string(), self.density.dim() as u64)])
    }
}

impl<D: LogDensity<Error = Infallible>> CpuLogpFunc for Adapter<D> {
    type LogpError = Never;
    type FlowParameters = ();
    type ExpandedVector = Vec<f64>;

    fn dim(&self) -> usize {
        self.density.dim()
    }

    fn logp(&mut self, position: &[f64], gradient: &mut [f64]) -> Result<f64, Never> {
        self.evaluations.set(self.evaluations.get() + 1);
        self.density.log_density_and_gradient(position, gradient).map_err(|never| match never {})
    }

    fn expand_vector<R: nuts_rs::rand::Rng + ?Sized>(
        &mut self,
        _: &mut R,
        position: &[f64],
    ) -> Result<Vec<f64>, CpuMathError> {
        Ok(position.to_vec())
    }
}

/// Draws of one chain, `[draw][coordinate]`, and the gradients they took without warmup.
type Run = (Vec<Vec<f64>>, u64);

fn ours<D>(density: D, integrator: Integrator, seed: u64) -> Run
where
    D: LogDensity<Error = Infallible>,
{
    let settings = Settings { warmup: WARMUP, integrator, ..Settings::default() };
    let start = vec![0.5; density.dim()];
    let (draws, chain) = sample(density, start, settings, DRAWS, (seed, 0));
    (draws, chain.state().gradients().sampling)
}

fn theirs<D>(density: D, integrator: Integrator, seed: u64) -> Run
where
    D: LogDensity<Error = Infallible>,
{
    let settings = DiagNutsSettings {
        num_tune: WARMUP as u64,
        trajectory_kind: match integrator {
            Integrator::Leapfrog => KineticEnergyKind::Euclidean,
            Integrator::ExactNormal => KineticEnergyKind::ExactNormal,
            Integrator::MinimalNorm => panic!("nuts-rs has no minimal-norm integrator"),
        },
        ..DiagNutsSettings::default()
    };
    let start = vec![0.5; density.dim()];
    let evaluations = Rc::new(Cell::new(0));
    let math = CpuMath::new(Adapter { density, evaluations: Rc::clone(&evaluations) });
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut chain = settings.new_chain(seed, math, &mut rng).unwrap();
    chain.set_position(&start).unwrap();
    for _ in 0..WARMUP {
        chain.draw().unwrap();
    }
    let warmup = evaluations.get();
    let draws = (0..DRAWS).map(|_| chain.draw().unwrap().0.to_vec()).collect();
    (draws, evaluations.get() - warmup)
}

/// Mean of `value` over all chains, within 5 Monte-Carlo standard errors of `expected`.
fn assert_mean(what: &str, runs: &[Run], expected: f64, value: impl Fn(&[f64]) -> f64) {
    let chains: Vec<Vec<f64>> =
        runs.iter().map(|(draws, _)| draws.iter().map(|q| value(q)).collect()).collect();
    let mean = chains.iter().flatten().sum::<f64>() / (chains.len() * DRAWS) as f64;
    let error = mcse_mean(&chains).unwrap();
    assert!(
        (mean - expected).abs() < 5.0 * error,
        "{what}: {mean:.4} +- {error:.4}, expected {expected}"
    );
}

/// Gradients per effective sample of the worst coordinate, all chains together: bulk ESS of the
/// coordinates and of their squares.
fn cost(runs: &[Run]) -> f64 {
    let dim = runs[0].0[0].len();
    let mut fewest = f64::INFINITY;
    for i in 0..dim {
        for power in [1, 2] {
            let chain = |(draws, _): &Run| draws.iter().map(|q| q[i].powi(power)).collect();
            let chains: Vec<Vec<f64>> = runs.iter().map(chain).collect();
            fewest = fewest.min(ess_bulk(&chains).unwrap());
        }
    }
    runs.iter().map(|run| run.1).sum::<u64>() as f64 / fewest
}

/// Runs both samplers on the target, checks the moments `E q_i = 0` and `E q_i^2 = second(i)` of
/// each, and returns the costs per effective sample, ours and theirs.
fn compare<D>(
    name: &str,
    target: &D,
    integrator: Integrator,
    second: impl Fn(usize) -> f64,
) -> [f64; 2]
where
    D: LogDensity<Error = Infallible> + Clone,
{
    let ours: Vec<Run> =
        (FIRST_SEED..FIRST_SEED + SEEDS).map(|s| ours(target.clone(), integrator, s)).collect();
    let theirs: Vec<Run> =
        (FIRST_SEED..FIRST_SEED + SEEDS).map(|s| theirs(target.clone(), integrator, s)).collect();
    for (sampler, runs) in [("hmc", &ours), ("nuts-rs", &theirs)] {
        for i in 0..target.dim() {
            let what = format!("{sampler}, {name}, {integrator:?}, coordinate {i}");
            assert_mean(&what, runs, 0.0, |q| q[i]);
            assert_mean(&format!("{what} squared"), runs, second(i), |q| q[i] * q[i]);
        }
    }
    let costs = [cost(&ours), cost(&theirs)];
    println!(
        "{name}, {integrator:?}: {:.1} gradients per effective sample, nuts-rs {:.1}",
        costs[0], costs[1]
    );
    costs
}

#[test]
fn standard_normal() {
    for integrator in [Integrator::Leapfrog, Integrator::ExactNormal] {
        let costs = compare("standard normal", &Normal::standard(50), integrator, |_| 1.0);
        assert!(costs[0] <= costs[1] * (1.0 + RATIO_ERROR), "{costs:?}");
    }
}

#[test]
fn correlated_normal() {
    let target = Normal::autoregressive(20, 0.9);
    for integrator in [Integrator::Leapfrog, Integrator::ExactNormal] {
        let costs = compare("correlated normal", &target, integrator, |_| 1.0);
        assert!(costs[0] <= costs[1] * (1.0 + RATIO_ERROR), "{costs:?}");
    }
}

#[test]
fn funnel() {
    let target = Funnel { dim: 5, sd_v: 1.0 };
    let second = |i: usize| if i == 0 { 1.0 } else { 0.5f64.exp() };
    for integrator in [Integrator::Leapfrog, Integrator::ExactNormal] {
        let costs = compare("funnel", &target, integrator, second);
        assert!(costs[0] <= costs[1] * (1.0 + RATIO_ERROR), "{costs:?}");
    }
}
