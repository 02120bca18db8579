//! The steps from the task to draws of its posterior, each one task of the study.

use std::fs;
use std::path::Path;

use anyhow::Result;
use burn::tensor::Device;
use ndarray::Array2;
use sbi::rounds::{RoundReport, Rounds, RoundsSettings, RunPlan};
use sbi::simulations::{Policy, Simulations, Store, StorePlan};
use sbi::tasks::Task;
use sbi::{Estimator, Fitting, SampleSettings, fmpe, nle, npe, nre};
use serde::{Deserialize, Serialize};

use super::method::{Once, Settings};
use super::watch::{Sampling, Simulating, Training};
use crate::arrays::{Named, write_npz};
use crate::files::write_json;
use crate::plot::density::quantile;
use crate::sampling::SAMPLES;
use crate::study::{Workspace, derive_seed};

/// File of the simulations of a method without rounds.
pub const SIMULATIONS: &str = "simulations.npz";
/// File of the networks.
pub const ESTIMATOR: &str = "estimator.safetensors";
/// File of a [`FitRecord`].
pub const FIT: &str = "fit.json";
/// File that says how draws were made, an [`sbi::Sampling`].
pub const SAMPLING: &str = "sampling.json";

/// Pieces in which simulations are stored while they are made.
const SHARDS: usize = 20;
/// A simulation that fails is left out and counted.
const POLICY: Policy = Policy::DROP;

/// What networks have learnt from.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct FitRecord {
    /// Calls of the simulator.
    pub calls: u64,
    /// Simulations learnt from: the calls, less those that failed or were not finite.
    pub simulations: usize,
    /// How far simulations from the prior lie from their centre.
    pub spread: Spread,
    /// What happened in each round, if there are any.
    pub rounds: Vec<RoundReport>,
}

/// Largest deviation of the observables of a simulation from their centre, in standard units, over
/// simulations from the prior. Where observables have heavy tails it is large for many.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Spread {
    /// Exceeded by one simulation in a hundred.
    pub percentile_99: f64,
    /// Exceeded by none.
    pub largest: f64,
}

impl Spread {
    fn of(estimator: &Estimator, set: &Simulations) -> Self {
        let deviation = |row: ndarray::ArrayView1<f64>| {
            estimator.observables().largest_deviation(&row.to_vec())
        };
        let mut sorted: Vec<f64> = set.x().rows().into_iter().map(deviation).collect();
        sorted.sort_by(f64::total_cmp);
        Self { percentile_99: quantile(&sorted, 0.99), largest: quantile(&sorted, 1.0) }
    }
}

/// What the steps work on.
#[derive(Clone, Copy)]
pub struct Problem<'a> {
    /// The task.
    pub task: &'a dyn Task,
    /// The observables, `[observable]`.
    pub x: &'a [f64],
    /// How to infer.
    pub settings: &'a Settings,
    /// Where networks live.
    pub device: &'a Device,
}

impl Problem<'_> {
    /// The seed of a step.
    pub fn seed(&self, step: &str) -> u64 {
        derive_seed(self.settings.seed, step)
    }

    /// Simulates the whole budget from the prior.
    ///
    /// # Errors
    /// If the simulator is of no use or files cannot be written.
    pub fn simulate(&self, workspace: &Workspace) -> Result<()> {
        let simulator = self.task.simulator();
        let plan = StorePlan {
            label: self.task.name().to_owned(),
            seed: self.seed("simulations"),
            simulations: self.settings.budget as u64,
            shard_size: self.settings.budget.div_ceil(SHARDS) as u64,
            policy: POLICY,
        };
        let store = Store::create(&workspace.checkpoint("shards"), simulator, plan)?;
        let watch = Simulating::new("simulations");
        store.make(simulator, self.task.prior(), 0..store.shards(), &|now| watch.observe(now))?;
        Ok(store.load()?.save(&workspace.path(SIMULATIONS))?)
    }

    /// Fits networks to the simulations in a file.
    ///
    /// # Errors
    /// If the simulations are too few, or the training fails.
    pub fn fit(&self, fit: &Once, simulations: &Path, workspace: &Workspace) -> Result<()> {
        let set = Simulations::load(simulations)?;
        let prior = self.task.prior();
        let watch = Training::default();
        let estimator = self.training(workspace, &watch, |fitting| match fit {
            Once::Npe(settings) => npe(prior, &set, settings, fitting),
            Once::Nle(settings) => nle(prior, &set, settings, fitting),
            Once::Nre(settings) => nre(prior, &set, settings, fitting),
            Once::Fmpe(settings) => fmpe(prior, &set, settings, fitting),
        })?;
        let record = FitRecord {
            calls: set.calls(),
            simulations: set.len(),
            spread: Spread::of(&estimator, &set),
            rounds: Vec::new(),
        };
        estimator.save(&workspace.path(ESTIMATOR))?;
        write_json(&workspace.path(FIT), &record)
    }

    /// Simulates and learns in rounds.
    ///
    /// # Errors
    /// If the posterior of a round cannot be sampled, or a simulation or a training fails.
    pub fn fit_in_rounds(&self, settings: &RoundsSettings, workspace: &Workspace) -> Result<()> {
        let (task, device) = (self.task, self.device);
        let folder = workspace.checkpoint("rounds");
        let mut rounds = Rounds::open(&folder, task.prior(), self.x, settings.clone(), device)?;
        let plan = RunPlan {
            rounds: self.settings.rounds,
            simulations: self.settings.simulations_per_round(),
            seed: self.seed("simulations"),
            policy: POLICY,
        };
        let (simulating, training) = (Simulating::new("simulations"), Training::default());
        let simulated = |now| {
            training.finish();
            simulating.observe(now)
        };
        let estimator = self.training(workspace, &training, |fitting| {
            rounds.run(task.simulator(), &plan, &simulated, fitting).cloned()
        })?;
        let record = FitRecord {
            calls: estimator.simulator_calls(),
            simulations: rounds.simulations().iter().map(Simulations::len).sum(),
            spread: Spread::of(&estimator, &rounds.simulations()[0]),
            rounds: rounds.reports().to_vec(),
        };
        estimator.save(&workspace.path(ESTIMATOR))?;
        write_json(&workspace.path(FIT), &record)
    }

    /// Runs a fit that shows its trainings and continues those that were interrupted.
    fn training(
        &self,
        workspace: &Workspace,
        watch: &Training,
        fit: impl FnOnce(&mut Fitting<'_>) -> sbi::Result<Estimator>,
    ) -> Result<Estimator> {
        let checkpoints = workspace.checkpoint("training");
        fs::create_dir_all(&checkpoints)?;
        let mut observer = |now: &sbi::FitProgress| watch.observe(now);
        let estimator = fit(&mut Fitting {
            device: self.device,
            checkpoints: Some(&checkpoints),
            observer: &mut observer,
        })?;
        watch.finish();
        Ok(estimator)
    }

    /// Draws from the posterior that networks in a file give.
    ///
    /// # Errors
    /// If the posterior cannot be sampled.
    pub fn sample(&self, estimator: &Path, workspace: &Workspace) -> Result<()> {
        let estimator = Estimator::load(estimator, self.device)?;
        let posterior = estimator.posterior(self.x)?;
        let mut watch = Sampling::default();
        let draws = posterior.sample_with(
            self.settings.draws,
            self.seed("draws"),
            &SampleSettings::default(),
            &mut |now| watch.observe(now),
        )?;
        watch.finish();
        self.write_draws(&draws.theta, workspace)?;
        write_json(&workspace.path(SAMPLING), &draws.sampling)
    }

    /// Draws from the reference posterior.
    ///
    /// # Errors
    /// If there is none for this observation.
    pub fn reference(&self, draws: usize, seed: u64, workspace: &Workspace) -> Result<()> {
        eprintln!("{draws} draws of the reference posterior");
        let drawn = self.task.reference(self.x, draws, seed)?;
        self.write_draws(&drawn.theta, workspace)?;
        write_json(&workspace.path(SAMPLING), &drawn.sampling)
    }

    /// Writes draws `[draw, parameter]`.
    fn write_draws(&self, theta: &Array2<f64>, workspace: &Workspace) -> Result<()> {
        let values: Vec<f64> = theta.iter().copied().collect();
        write_npz(
            &workspace.path(SAMPLES),
            [
                Named::f64("samples", theta.shape(), &values),
                Named::text("names", &self.task.prior().names()),
            ],
        )
    }
}
