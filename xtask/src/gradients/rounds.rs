//! Lotka-Volterra: posteriors learnt in rounds, each round simulated near one observation.

use std::ops::ControlFlow;

use anyhow::Result;
use burn::tensor::Device;
use flows::training::{TrainingReport, TrainingSettings};
use rand_chacha::ChaCha8Rng;
use sbi::rounds::{Method, Rounds, RoundsSettings, RunPlan, SnleSettings, TsnpeSettings};
use sbi::simulations::Policy;
use sbi::simulator::{Simulation, Simulator};
use sbi::tasks::{LotkaVolterra, Task};
use sbi::{FitProgress, FitSettings, Fitting, NleSettings, NpeSettings};

use super::density::MEASURED;
use super::inference::{Cell, Problem, TAILS};
use super::measured::Measured;
use super::profile::{Estimate, Input, PosteriorMethod};
use super::training::observer;
use crate::files::write_json;
use crate::study::{Workspace, derive_seed};

/// The simulator, whose counts are seen as logarithms.
struct Logarithms<'a>(&'a LotkaVolterra);

impl Simulator for Logarithms<'_> {
    type Error = sbi::Error;

    fn parameters(&self) -> usize {
        self.0.parameters()
    }

    fn observables(&self) -> usize {
        self.0.observables()
    }

    fn simulate(&self, theta: &[f64], rng: &mut ChaCha8Rng) -> sbi::Result<Simulation> {
        let counts = self.0.simulate(theta, rng)?.x;
        let x = counts.into_iter().map(|count| Input::Logarithms.of(count)).collect();
        Ok(Simulation { x, score: None })
    }
}

/// How a method learns in rounds.
fn settings(method: &PosteriorMethod, seed: u64) -> RoundsSettings {
    let training = TrainingSettings { seed, ..method.fit.training.clone() };
    let (flow, fit) = (method.flow.clone(), FitSettings { training, ..method.fit.clone() });
    let method = match method.estimate {
        Estimate::Posterior => {
            let npe = NpeSettings { flow, fit, ..NpeSettings::default() };
            Method::Tsnpe(TsnpeSettings { npe, ..TsnpeSettings::default() })
        }
        Estimate::Likelihood => {
            let nle = NleSettings { flow, fit, score: None, tails: TAILS };
            Method::Snle(SnleSettings { nle, ..SnleSettings::default() })
        }
    };
    // The posteriors are twenty times narrower than the prior: units must follow the rounds.
    RoundsSettings { method, warm_start: false }
}

/// Learns the posterior of each observation in rounds, from as many simulations each, and measures
/// it.
///
/// # Errors
/// If a simulation, the training or a test fails, or the folder cannot be written.
pub fn learn_in_rounds(
    problem: &Problem,
    cell: Cell,
    device: &Device,
    workspace: &Workspace,
) -> Result<()> {
    let Cell { method, weight, simulations, run } = cell;
    let task = LotkaVolterra::new(problem.profile.populations.start());
    let simulator = Logarithms(&task);
    let mut show = observer(workspace);
    let mut tell = |progress: &FitProgress| -> ControlFlow<()> { show(&progress.training) };
    let (mut accuracies, mut reports) = (Vec::new(), Vec::<TrainingReport>::new());
    for (index, (reference, _)) in problem.references.iter().enumerate() {
        let purpose = |what: &str| {
            let name = format!("{}-{what}-{run}-{index}", task.name());
            derive_seed(problem.seed, &name)
        };
        let x: Vec<f64> = reference.x.iter().map(|count| Input::Logarithms.of(*count)).collect();
        let folder = workspace.checkpoint(&format!("rounds-{index}"));
        let settings = settings(method, purpose("training"));
        let mut rounds = Rounds::open(&folder, task.prior(), &x, settings, device)?;
        let plan = RunPlan {
            rounds: method.rounds,
            simulations: simulations / method.rounds,
            seed: purpose("simulations"),
            policy: Policy::DROP,
        };
        let go = &|_| ControlFlow::Continue(());
        let mut fitting = Fitting { device, checkpoints: None, observer: &mut tell };
        rounds.run(&simulator, &plan, go, &mut fitting)?;
        reports.extend(rounds.reports().iter().flat_map(|round| round.training.clone()));
        let posterior = rounds.posterior()?;
        accuracies.push(problem.judge(index, &posterior, run, purpose("draws"), workspace)?);
    }
    let last = |report: &TrainingReport| report.curve.last().map(|point| point.step);
    let measured = Measured {
        task: task.name().into(),
        method: method.grid.name.clone(),
        weight,
        simulations,
        run,
        c2st: accuracies,
        // It is right near one observation only.
        nlp: None,
        nlp_excluded: 0,
        score_error: None,
        curve: reports.last().map(|report| report.curve.clone()).unwrap_or_default(),
        steps: reports.iter().filter_map(last).sum(),
    };
    write_json(&workspace.path(MEASURED), &measured)
}
