//! One cell of the study: a method learns from so many simulations, and is judged.

use std::ops::ControlFlow;
use std::path::PathBuf;

use ::compression::Compressor;
use anyhow::{Result, ensure};
use burn::tensor::Device;
use flows::training::TrainingReport;
use lognormal_sim::Simulator as MapSimulator;
use sbi::rounds::{Rounds, RunPlan};
use sbi::{Draws, Estimator, FitProgress, Fitting, SampleProgress, Sampling, fmpe, nle, npe, nre};
use serde::{Deserialize, Serialize};

use super::judge::{Judge, Judged};
use super::pools::with_score;
use super::profile::{Learn, MethodProfile, Profile};
use crate::arrays::{Named, write_npz};
use crate::compression::{show_steps, with_fitting};
use crate::files::write_json;
use crate::sampling::SAMPLES;
use crate::study::{Workspace, derive_seed};
use full_field::Count;
use full_field::{CompressedMaps, POLICY};
use full_field::{DIM, Prior};

/// File of a [`Measured`].
pub const MEASURED: &str = "measured.json";

/// What all cells read.
pub struct Setting<'a> {
    /// Sizes.
    pub profile: &'a Profile,
    /// The maps.
    pub simulator: &'a MapSimulator,
    /// Their prior.
    pub prior: &'a Prior,
    /// The network that makes summaries.
    pub compressor: &'a (dyn Compressor + Sync),
    /// The summary of the observation.
    pub observed: &'a [f64],
    /// The explicit posterior.
    pub judge: &'a Judge<'a>,
    /// Device of the networks.
    pub device: &'a Device,
    /// Seed of the study.
    pub seed: u64,
}

/// Which cell.
#[derive(Clone, Debug)]
pub struct Cell<'a> {
    /// The method.
    pub method: &'a MethodProfile,
    /// Simulations that it may have, those that fail included.
    pub simulations: u64,
    /// Index of the run.
    pub run: usize,
    /// Folder of its pool; none for methods in rounds, which simulate by themselves.
    pub pool: Option<PathBuf>,
    /// Folder of the learnt score, where it is needed.
    pub marginal: Option<PathBuf>,
}

/// The measures of one cell.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// Name of the method.
    pub method: String,
    /// Simulations that it was allowed.
    pub simulations: u64,
    /// Index of the run.
    pub run: usize,
    /// What it has cost, as counted; that of the compressor and of a learnt score come on top.
    pub count: Count,
    /// Its posterior against the explicit one; none if there is no posterior that can be sampled.
    pub judged: Option<Judged>,
    /// Why there is none.
    pub failure: Option<String>,
    /// How the posterior was sampled.
    pub sampling: Option<Sampling>,
    /// Steps of all trainings.
    pub steps: usize,
    /// Steps of the last training, of its first network, until the weights that were kept.
    pub best_step: usize,
}

impl Measured {
    /// C2ST; a posterior that could not be sampled is told from any other, which makes it 1.
    #[must_use]
    pub fn c2st(&self) -> f64 {
        self.judged.as_ref().map_or(1.0, |judged| judged.c2st)
    }
}

/// What a cell has learnt.
struct Learnt {
    /// Or why there is none.
    estimator: sbi::Result<Estimator>,
    count: Count,
    /// Reports of all trainings.
    reports: Vec<TrainingReport>,
}

/// Whether an error says that a method did not get to a posterior, which is a result, and not that
/// something else is wrong.
fn is_result(error: &sbi::Error) -> bool {
    matches!(
        error,
        sbi::Error::Leakage { .. }
            | sbi::Error::NoMass { .. }
            | sbi::Error::Unreached { .. }
            | sbi::Error::Budget { .. }
            | sbi::Error::Stuck { .. }
            | sbi::Error::Chain(_)
            | sbi::Error::NotFinite { .. }
            | sbi::Error::Network(flows::Error::Training { .. })
    )
}

impl Setting<'_> {
    /// Learns, draws, judges, and stores draws and measures.
    ///
    /// # Errors
    /// If a simulation fails or the folder cannot be written. A training that goes astray and a
    /// posterior that cannot be sampled are results.
    pub fn learn(&self, cell: &Cell, workspace: &Workspace) -> Result<()> {
        let Cell { method, simulations, run, .. } = cell;
        let own = format!("{}-{simulations}-{run}", method.name);
        let purpose = |what: &str| derive_seed(self.seed, &format!("{what}-{own}"));
        let learn = method.learn.with_seed(purpose("training"));
        let learnt = match &cell.pool {
            Some(pool) => self.learn_once(cell, &learn, pool, workspace)?,
            None => self.learn_in_rounds(cell, &learn, purpose("simulations"), workspace)?,
        };
        let drawn = learnt.estimator.and_then(|estimator| self.draw(&estimator, purpose("draws")));
        let (judged, sampling, failure) = match drawn {
            Ok(Draws { theta, sampling }) => {
                let draws: Vec<f64> = theta.iter().copied().collect();
                let shape = [1, self.judge.count(), DIM];
                let named = Named::f64("samples", &shape, &draws);
                write_npz(&workspace.path(SAMPLES), [named])?;
                (Some(self.judge.judge(&draws, purpose("classifier"))?), Some(sampling), None)
            }
            Err(error) if is_result(&error) => (None, None, Some(error.to_string())),
            Err(error) => return Err(error.into()),
        };
        let members = learn.fit().members;
        let kept = learnt.reports.len().checked_sub(members).and_then(|i| learnt.reports.get(i));
        let last = |report: &TrainingReport| report.curve.last().map(|point| point.step);
        let measured = Measured {
            method: method.name.clone(),
            simulations: *simulations,
            run: *run,
            count: learnt.count,
            judged,
            failure,
            sampling,
            steps: learnt.reports.iter().filter_map(last).sum(),
            best_step: kept.map_or(0, |report| report.best_point().step),
        };
        write_json(&workspace.path(MEASURED), &measured)
    }

    /// Draws of the posterior of the observation.
    fn draw(&self, estimator: &Estimator, seed: u64) -> sbi::Result<Draws> {
        let mut observer = |_: &SampleProgress| ControlFlow::Continue(());
        let posterior = estimator.posterior(self.observed)?;
        posterior.sample_with(self.judge.count(), seed, &self.profile.sampling, &mut observer)
    }

    /// Learns from the first simulations of a pool.
    fn learn_once(
        &self,
        cell: &Cell,
        learn: &Learn,
        pool: &std::path::Path,
        workspace: &Workspace,
    ) -> Result<Learnt> {
        let Cell { method, simulations, marginal, .. } = cell;
        let (set, count) =
            with_score(pool, *simulations, method.score, marginal.as_deref(), self.device)?;
        let prior = self.prior.distribution();
        let fit = |fitting: &mut Fitting| match learn {
            Learn::Npe(settings) => npe(prior, &set, settings, fitting),
            Learn::Nle(settings) => nle(prior, &set, settings, fitting),
            Learn::Nre(settings) => nre(prior, &set, settings, fitting),
            Learn::Fmpe(settings) => fmpe(prior, &set, settings, fitting),
        };
        let estimator = with_fitting(self.device, workspace, fit)?;
        let reports = estimator.as_ref().map_or(Vec::new(), |found| found.reports().to_vec());
        Ok(Learnt { estimator, count, reports })
    }

    /// Learns in rounds of simulations near the observation.
    fn learn_in_rounds(
        &self,
        cell: &Cell,
        learn: &Learn,
        seed: u64,
        workspace: &Workspace,
    ) -> Result<Learnt> {
        let Cell { method, simulations, .. } = cell;
        let settings = learn.in_rounds(&self.profile.proposals);
        let settings = settings.ok_or_else(|| anyhow::anyhow!("{} has no rounds", method.name))?;
        let simulator = CompressedMaps::new(self.simulator, self.compressor);
        let folder = workspace.checkpoint("rounds");
        let prior = self.prior.distribution();
        let mut rounds = Rounds::open(&folder, prior, self.observed, settings, self.device)?;
        let plan = RunPlan {
            rounds: method.rounds,
            simulations: method.per_round(*simulations),
            seed,
            policy: POLICY,
        };
        let mut show = show_steps(workspace);
        let mut observer = |progress: &FitProgress| {
            show(progress.training.step);
            ControlFlow::Continue(())
        };
        let mut fitting =
            Fitting { device: self.device, checkpoints: None, observer: &mut observer };
        let go = &|_| ControlFlow::Continue(());
        let estimator = rounds.run(&simulator, &plan, go, &mut fitting).cloned();
        // What the sets record outlives an interruption, after which the simulator counts anew.
        let count: Count =
            rounds.simulations().iter().map(|set| Count::of_calls(set, u64::MAX)).sum();
        let counted = simulator.count();
        ensure!(
            estimator.is_err() || counted.simulations <= count.simulations,
            "the rounds record {count:?}, the simulator has counted {counted:?}"
        );
        let reports = rounds.reports().iter().flat_map(|round| round.training.clone()).collect();
        Ok(Learnt { estimator, count, reports })
    }
}
