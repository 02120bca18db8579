//! The steps from the task to draws of its posterior, each one task of the study.

use std::fs;
use std::path::Path;

use anyhow::Result;
use burn::tensor::Device;
use ndarray::Array2;
use sbi::rounds::{RoundReport, Rounds, RoundsSettings, RunPlan};
use sbi::simulations::{Policy, Simulations, Store, StorePlan};
use sbi::tasks::Task;
use sbi::{Estimator, Fitting, SampleSettings, fmpe, nle, npe};
use serde::{Deserialize, Serialize};

use super::method::{Once, Settings};
use super::watch::{Sampling, Simulating, Training};
use crate::arrays::{Named, write_npz};
use crate::files::write_json;
use crate::sampling::SAMPLES;
use crate::study::{Workspace, derive_seed};

/// File of the simulations of a method without rounds.
pub const SIMULATIONS: &str = "simulations.npz";
/// File of the networks.
pub const ESTIMATOR: &str = "estimator.safetensors";
/// File of a [`FitRecord`].
pub const FIT: &str = "fit.json";
/// File of a [`SamplingRecord`].
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
    /// What happened in each round, if there are any.
    pub rounds: Vec<RoundReport>,
}

/// How draws were made.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct SamplingRecord {
    /// Leakage of direct draws, or convergence and gradients of chains.
    pub sampling: sbi::Sampling,
    /// Largest deviation of the observation from the simulations, in their standard units.
    pub largest_deviation: f64,
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
        let estimator = self.training(workspace, |fitting| match fit {
            Once::Npe(settings) => npe(prior, &set, settings, fitting),
            Once::Nle(settings) => nle(prior, &set, settings, fitting),
            Once::Fmpe(settings) => fmpe(prior, &set, settings, fitting),
        })?;
        let record = FitRecord { calls: set.calls(), simulations: set.len(), rounds: Vec::new() };
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
        let watch = Simulating::new("simulations");
        let estimator = self.training(workspace, |fitting| {
            rounds.run(task.simulator(), &plan, &|now| watch.observe(now), fitting).cloned()
        })?;
        let record = FitRecord {
            calls: estimator.simulator_calls(),
            simulations: rounds.simulations().iter().map(Simulations::len).sum(),
            rounds: rounds.reports().to_vec(),
        };
        estimator.save(&workspace.path(ESTIMATOR))?;
        write_json(&workspace.path(FIT), &record)
    }

    /// Runs a fit that shows its trainings and continues those that were interrupted.
    fn training(
        &self,
        workspace: &Workspace,
        fit: impl FnOnce(&mut Fitting<'_>) -> sbi::Result<Estimator>,
    ) -> Result<Estimator> {
        let checkpoints = workspace.checkpoint("training");
        fs::create_dir_all(&checkpoints)?;
        let mut watch = Training::default();
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
        let record = SamplingRecord {
            sampling: draws.sampling,
            largest_deviation: posterior.largest_deviation(),
        };
        write_json(&workspace.path(SAMPLING), &record)
    }

    /// Draws from the reference posterior.
    ///
    /// # Errors
    /// If there is none for this observation.
    pub fn reference(&self, draws: usize, seed: u64, workspace: &Workspace) -> Result<()> {
        eprintln!("{draws} draws of the reference posterior");
        let theta = self.task.reference_posterior(self.x, draws, seed)?;
        self.write_draws(&theta, workspace)
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
