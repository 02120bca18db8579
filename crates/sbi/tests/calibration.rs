//! Are posteriors as wide as they claim? Ranks and coverage over observations from the prior; and
//! scores, whose best weight is never worse than none.
//!
//! The slow checks run with FULLFIELD_SLOW=1.

use std::ops::ControlFlow;
use std::time::Instant;

use burn::tensor::Device;
use metrics::{
    CalibrationSet, Coverage, CoverageConfig, Sbc, SbcConfig, central_coverage, expected_coverage,
    sbc,
};
use ndarray::{Array2, ArrayView2};
use sbi::rounds::{Method, Rounds, RoundsSettings, RunPlan, SnleSettings, SnpeSettings};
use sbi::simulations::{Policy, Simulations, simulate};
use sbi::tasks::{self, Task};
use sbi::{
    Estimator, Family, FitProgress, Fitting, NleSettings, NpeSettings, NreSettings, Posterior,
    SampleProgress, SampleSettings, ScoreTerm, ScoreUnits, nle, npe, nre,
};

fn slow() -> bool {
    let slow = std::env::var_os("FULLFIELD_SLOW").is_some();
    if !slow {
        println!("skipped; FULLFIELD_SLOW=1 runs it");
    }
    slow
}

fn simulations(task: &dyn Task, count: u64, seed: u64) -> Simulations {
    let quiet = |_| ControlFlow::Continue(());
    simulate(task.simulator(), task.prior(), 0..count, seed, Policy::default(), &quiet).unwrap()
}

fn fit(run: impl FnOnce(&mut Fitting<'_>) -> sbi::Result<Estimator>) -> Estimator {
    let mut observer = |_: &FitProgress| ControlFlow::Continue(());
    let device = Device::flex();
    run(&mut Fitting { device: &device, checkpoints: None, observer: &mut observer }).unwrap()
}

/// The family that fits the posterior of a task, or its likelihood.
fn family(task: &dyn Task) -> Family {
    match task.name() {
        "gaussian-linear" => Family::Affine,
        _ => Family::AutoregressiveSpline,
    }
}

fn npe_settings(task: &dyn Task, steps: usize) -> NpeSettings {
    let mut settings = NpeSettings::default();
    settings.flow.family = family(task);
    settings.fit.training.max_steps = steps;
    settings
}

fn nle_settings(task: &dyn Task, steps: usize) -> NleSettings {
    let NpeSettings { flow, fit, .. } = npe_settings(task, steps);
    NleSettings { flow, fit, ..NleSettings::default() }
}

fn nre_settings(steps: usize) -> NreSettings {
    let mut settings = NreSettings::default();
    settings.fit.training.max_steps = steps;
    settings
}

/// Few chains, for few draws of each of many observations.
fn sampling() -> SampleSettings {
    SampleSettings {
        chains: Some(20),
        prior_draws: 2000,
        points: 400,
        warmup: 30,
        ..SampleSettings::default()
    }
}

/// Truths, and draws given the observation of each, with their log densities.
#[derive(Default)]
struct Collected {
    truths: Vec<f64>,
    draws: Vec<f64>,
    truth_heights: Vec<f64>,
    heights: Vec<f64>,
}

impl Collected {
    fn add(&mut self, theta: &[f64], posterior: &Posterior<'_>, draws: usize, seed: u64) {
        let mut observer = |_: &SampleProgress| ControlFlow::Continue(());
        let found = posterior.sample_with(draws, seed, &sampling(), &mut observer).unwrap().theta;
        let truth = ArrayView2::from_shape((1, theta.len()), theta).unwrap();
        self.truth_heights.extend(posterior.log_prob(truth).unwrap());
        self.heights.extend(posterior.log_prob(found.view()).unwrap());
        self.truths.extend(theta);
        self.draws.extend(found.iter());
    }

    /// Rank test and coverage, both of single parameters and of highest-density regions.
    fn judge(&self, task: &dyn Task, what: &str, levels: usize) -> Judged {
        let names = task.prior().names();
        let set = CalibrationSet::new(&self.truths, &self.draws, &names).unwrap();
        let count = self.truth_heights.len();
        let bins = (count / 10).clamp(2, 10);
        let config = SbcConfig { bins, cells: levels, ..SbcConfig::default() };
        let ranks = sbc(&set, &config, &|_| ()).unwrap();
        let levels: Vec<f64> = (1..levels).map(|i| i as f64 / levels as f64).collect();
        let config = CoverageConfig { levels, ..CoverageConfig::default() };
        let regions = expected_coverage(&self.truth_heights, &self.heights, &config).unwrap();
        let central: Vec<Coverage> = central_coverage(&set, &config)
            .unwrap()
            .parameters
            .into_iter()
            .map(|parameter| parameter.coverage)
            .collect();
        println!(
            "{what} on {}: {count} observations, ranks p = {:.3}, regions: excess {:.3} +- {:.3}, \
             p = {:.3}; intervals: excess {:?}",
            task.name(),
            ranks.p_value,
            regions.excess,
            regions.excess_error,
            regions.p_value,
            central.iter().map(|c| (1e3 * c.excess).round() / 1e3).collect::<Vec<_>>(),
        );
        Judged { ranks, regions, central }
    }
}

struct Judged {
    ranks: Sbc,
    regions: Coverage,
    central: Vec<Coverage>,
}

impl Judged {
    /// Neither over- nor underconfident by more than `excess`, beyond chance.
    fn require(&self, excess: f64) {
        for coverage in self.central.iter().chain([&self.regions]) {
            let beyond = coverage.excess.abs() - 3.0 * coverage.excess_error;
            assert!(beyond < excess, "{} +- {}", coverage.excess, coverage.excess_error);
        }
        // what a posterior as wrong as the prior would not pass by far
        assert!(self.ranks.p_value > 1e-6, "{}", self.ranks.p_value);
    }
}

/// Posteriors of an estimator for all observations.
fn amortised(
    task: &dyn Task,
    what: &str,
    estimator: &Estimator,
    observations: u64,
    draws: usize,
) -> Judged {
    let begin = Instant::now();
    let mut collected = Collected::default();
    for seed in 0..observations {
        let observation = task.observation(5000 + seed).unwrap();
        let posterior = estimator.posterior(&observation.x).unwrap();
        collected.add(&observation.theta, &posterior, draws, seed);
    }
    let judged = collected.judge(task, what, 20);
    println!("  {:?}", begin.elapsed());
    judged
}

#[test]
fn estimated_posteriors_are_calibrated() {
    for name in ["gaussian-linear", "two-moons"] {
        let task = tasks::find(name).unwrap();
        let (task, prior) = (task.as_ref(), task.prior());
        let set = simulations(task, 4000, 1);
        let settings = npe_settings(task, 1500);
        let estimator = fit(|fitting| npe(prior, &set, &settings, fitting));
        amortised(task, "npe", &estimator, 300, 99).require(0.05);
    }
    let task = tasks::find("gaussian-linear").unwrap();
    let set = simulations(task.as_ref(), 2000, 1);
    let settings = nle_settings(task.as_ref(), 800);
    let estimator = fit(|fitting| nle(task.prior(), &set, &settings, fitting));
    amortised(task.as_ref(), "nle", &estimator, 20, 39).require(0.05);
}

#[test]
fn all_methods_are_calibrated() {
    if !slow() {
        return;
    }
    for name in ["two-moons", "gaussian-linear"] {
        let task = tasks::find(name).unwrap();
        let (task, prior) = (task.as_ref(), task.prior());
        let set = simulations(task, 5000, 1);
        let begin = Instant::now();
        let settings = npe_settings(task, 20_000);
        let posterior = fit(|fitting| npe(prior, &set, &settings, fitting));
        let settings = nle_settings(task, 20_000);
        let likelihood = fit(|fitting| nle(prior, &set, &settings, fitting));
        let settings = nre_settings(20_000);
        let ratio = fit(|fitting| nre(prior, &set, &settings, fitting));
        println!("{name}: trainings {:?}", begin.elapsed());
        amortised(task, "npe", &posterior, 1000, 199).require(0.03);
        amortised(task, "nle", &likelihood, 200, 99).require(0.03);
        amortised(task, "nre", &ratio, 200, 99).require(0.06);
    }
}

/// Rounds are right at one observation: each of the observations takes rounds of its own, so that
/// there are few of them, with small budgets.
#[test]
fn rounds_are_calibrated() {
    if !slow() {
        return;
    }
    let (device, quiet) = (Device::flex(), |_| ControlFlow::Continue(()));
    for name in ["two-moons", "gaussian-linear"] {
        let task = tasks::find(name).unwrap();
        let task = task.as_ref();
        let mut npe = npe_settings(task, 500);
        npe.fit.training.batch = 100;
        let nle =
            NleSettings { flow: npe.flow.clone(), fit: npe.fit.clone(), ..NleSettings::default() };
        let methods = [
            ("snpe", Method::Snpe(SnpeSettings { npe, ..SnpeSettings::default() })),
            (
                "snle",
                Method::Snle(SnleSettings { nle, sampling: sampling(), ..SnleSettings::default() }),
            ),
        ];
        for (what, method) in methods {
            let begin = Instant::now();
            let mut collected = Collected::default();
            for seed in 0..20 {
                let observation = task.observation(7000 + seed).unwrap();
                let settings = RoundsSettings::new(method.clone());
                let mut rounds = Rounds::new(task.prior(), &observation.x, settings).unwrap();
                let plan = RunPlan { rounds: 2, simulations: 400, seed, policy: Policy::default() };
                let mut observer = |_: &FitProgress| ControlFlow::Continue(());
                let mut fitting =
                    Fitting { device: &device, checkpoints: None, observer: &mut observer };
                rounds.run(task.simulator(), &plan, &quiet, &mut fitting).unwrap();
                collected.add(&observation.theta, &rounds.posterior().unwrap(), 99, seed);
            }
            collected.judge(task, what, 10).require(0.08);
            println!("  {:?}", begin.elapsed());
        }
    }
}

/// Minus the mean log densities of fresh pairs, with the standard error of the difference to
/// others: of the posterior, or of likelihood and prior, whose units are the same for all weights.
fn losses(estimator: &Estimator, set: &Simulations) -> Vec<f64> {
    estimator.log_prob(set.theta(), set.x()).unwrap().into_iter().map(|value| -value).collect()
}

/// Mean and standard error of the differences.
fn difference(a: &[f64], b: &[f64]) -> (f64, f64) {
    let each: Array2<f64> = Array2::from_shape_fn((a.len(), 1), |(row, _)| a[row] - b[row]);
    (each.mean().unwrap(), each.std(1.0) / (a.len() as f64).sqrt())
}

/// Learns from 200 simulations with several weights of the scores; the weight is chosen with some
/// fresh simulations and judged, against none, with others.
fn require_best_weight_no_worse(task: &dyn Task, what: &str) {
    let (prior, set) = (task.prior(), simulations(task, 200, 1));
    let (choice, fresh) = (simulations(task, 2000, 91), simulations(task, 4000, 92));
    let mut plain = npe_settings(task, 1000);
    plain.flow.family = Family::Smooth;
    plain.fit.training.batch = 50;
    plain.fit.training.patience = Some(30);
    let learn = |weight: f64| {
        let units = ScoreUnits::Coordinates;
        let score = (weight > 0.0).then_some(ScoreTerm { weight, units });
        let NpeSettings { flow, fit: own, .. } = plain.clone();
        let likelihood = NleSettings { flow, fit: own, score, ..NleSettings::default() };
        let posterior = NpeSettings { score, ..plain.clone() };
        fit(|fitting| match what {
            "npe" => npe(prior, &set, &posterior, fitting),
            _ => nle(prior, &set, &likelihood, fitting),
        })
    };
    let weights = [0.0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2];
    let estimators = weights.map(learn);
    let chosen = estimators.each_ref().map(|estimator| {
        let losses = losses(estimator, &choice);
        losses.iter().sum::<f64>() / losses.len() as f64
    });
    let best = (0..weights.len()).min_by(|a, b| chosen[*a].total_cmp(&chosen[*b])).unwrap();
    let (plain, scored) = (losses(&estimators[0], &fresh), losses(&estimators[best], &fresh));
    let (gain, error) = difference(&plain, &scored);
    println!(
        "{what} on {}: {chosen:.3?} at weights {weights:?}; the best, {}, gains {gain:.3} +- \
         {error:.3} nats",
        task.name(),
        weights[best]
    );
    assert!(gain >= -3.0 * error, "{gain} +- {error}");
}

#[test]
fn scores_of_the_best_weight_are_never_worse_than_none() {
    if !slow() {
        return;
    }
    for name in ["two-moons", "gaussian-linear"] {
        let task = tasks::find(name).unwrap();
        for what in ["npe", "nle"] {
            require_best_weight_no_worse(task.as_ref(), what);
        }
    }
}
