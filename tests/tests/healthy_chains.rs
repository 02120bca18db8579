//! Chains of which each moves well, and which together miss the tails of their target: R-hat, tail
//! effective sample sizes and divergences must tell.

#[path = "../../crates/hmc/tests/targets/mod.rs"]
mod targets;

use std::{convert::Infallible, ops::ControlFlow};

use hmc::{
    Chain, ChainRun, LogDensity, Record, RunSettings, Settings, Verdict, examine, run_chains,
};
use metrics::{Doubt, summarise_parameter};
use targets::{Funnel, Normal};

/// `x ~ N(0, 10^2)`, `y | x ~ N(0.03 (x^2 - 100), 1)`: a banana with long thin ends (Haario, Saksman &
/// Tamminen 1999).
#[derive(Clone)]
struct Banana;

impl LogDensity for Banana {
    type Error = Infallible;

    fn dim(&self) -> usize {
        2
    }

    fn log_density_and_gradient(&mut self, q: &[f64], g: &mut [f64]) -> Result<f64, Infallible> {
        let (x, rest) = (q[0], q[1] - 0.03 * (q[0] * q[0] - 100.0));
        g[0] = -x / 100.0 + 0.06 * x * rest;
        g[1] = -rest;
        Ok(-0.5 * (x * x / 100.0 + rest * rest))
    }
}

const CHAINS: u64 = 4;
const DRAWS: usize = 1000;

fn sampled<D: LogDensity + Clone + Send>(target: &D, seed: u64) -> Vec<Record> {
    let chain = |index: u64| {
        let start = vec![0.1 * index as f64; target.dim()];
        Chain::new(target.clone(), start, Settings::default(), seed, index).unwrap()
    };
    let mut chains: Vec<_> = (0..CHAINS).map(|index| ChainRun::new(chain(index))).collect();
    let run = RunSettings { draws: DRAWS, threads: 2, ..RunSettings::default() };
    let first = |_: &mut D, q: &[f64]| vec![q[0]];
    run_chains(&mut chains, &run, &first, &|_| ControlFlow::Continue(())).unwrap();
    chains.into_iter().map(|run| run.record).collect()
}

/// Verdicts on single chains, and doubts about all of them.
fn judged(records: &[Record]) -> (Vec<Verdict>, Vec<Doubt>) {
    let draws: Vec<Vec<f64>> =
        records.iter().map(|r| r.values.iter().map(|row| row[0]).collect()).collect();
    let verdicts = examine(records).iter().map(|health| health.verdict).collect();
    (verdicts, summarise_parameter("x", &draws).unwrap().doubts())
}

fn assert_refused<D: LogDensity + Clone + Send>(what: &str, target: &D) {
    for seed in 0..5 {
        let (verdicts, doubts) = judged(&sampled(target, seed));
        println!("{what}, seed {seed}: {verdicts:?}, {doubts:?}");
        let healthy = verdicts.iter().all(|verdict| *verdict == Verdict::Healthy);
        assert!(!healthy || !doubts.is_empty(), "{what}, seed {seed}");
    }
}

#[test]
fn a_funnel_and_a_banana_are_not_converged() {
    assert_refused("funnel", &Funnel { dim: 10, sd_v: 3.0 });
    assert_refused("banana", &Banana);
}

#[test]
fn a_normal_is() {
    for seed in 0..5 {
        let (verdicts, doubts) = judged(&sampled(&Normal::autoregressive(5, 0.5), seed));
        assert!(verdicts.iter().all(|verdict| *verdict == Verdict::Healthy), "{verdicts:?}");
        assert!(doubts.is_empty(), "{doubts:?}");
    }
}
