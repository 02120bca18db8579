//! Lotka-Volterra: posteriors learnt from simulations, with and without their scores.

use std::ops::ControlFlow;

use anyhow::{Context, Result};
use burn::tensor::Device;
use flows::training::TrainingSettings;
use metrics::{C2stConfig, NegativeLogProbability, NonFinite, c2st, negative_log_probability};
use sbi::simulations::Simulations;
use sbi::tasks::{LotkaVolterra, Task};
use sbi::{
    Estimator, FitProgress, FitSettings, Fitting, NleSettings, NpeSettings, Posterior, ScoreTerm,
    ScoreUnits, Tails, nle, npe,
};

use super::compressor::{Compressor, simulations};
use super::density::MEASURED;
use super::measured::Measured;
use super::observation::{NAMES, Reference};
use super::profile::{Data, Estimate, LotkaVolterraProfile, PosteriorMethod};
use super::training::observer;
use crate::arrays::{Named, write_npz};
use crate::files::write_json;
use crate::study::{Workspace, derive_seed};

/// What likelihoods do with tails: what the published measurements did.
pub const TAILS: Tails = Tails::Standard;
/// File of draws from the posterior of the first observation.
pub const POSTERIOR: &str = "posterior.npz";

/// What the trainings of a problem have in common.
pub struct Problem<'a> {
    /// Sizes.
    pub profile: &'a LotkaVolterraProfile,
    /// Observations with their reference draws.
    pub references: &'a [(Reference, Vec<f64>)],
    /// The trained compressor.
    pub compressor: &'a Compressor,
    /// The classifier of the two-sample tests.
    pub classifier: &'a C2stConfig,
    /// Seed of the study.
    pub seed: u64,
}

/// A point of the study: what is learnt from how many simulations.
#[derive(Clone, Copy)]
pub struct Cell<'a> {
    /// The method.
    pub method: &'a PosteriorMethod,
    /// Factor of the score term.
    pub weight: f64,
    /// Number of simulations to learn from.
    pub simulations: usize,
    /// Index of the run.
    pub run: usize,
}

impl Problem<'_> {
    /// What a method sees of counts `[row][count]`, and in how many columns.
    fn data(&self, data: Data, counts: &[f64]) -> Result<(Vec<f64>, usize)> {
        Ok(match data {
            Data::Summaries => (self.compressor.compress(counts)?, self.compressor.summaries()),
            Data::AllCounts => (counts.iter().map(|count| count.ln()).collect(), 20),
        })
    }

    /// A set of simulations as a method sees it.
    fn set(
        &self,
        data: Data,
        task: &LotkaVolterra,
        count: usize,
        seed: u64,
    ) -> Result<Simulations> {
        let set = simulations(task, count, seed)?;
        let counts: Vec<f64> = set.x().iter().copied().collect();
        let (values, columns) = self.data(data, &counts)?;
        let x = ndarray::Array2::from_shape_vec((count, columns), values)?;
        let scores = set.scores().map(|scores| scores.to_owned());
        Ok(Simulations::new(set.theta().to_owned(), x, scores)?)
    }

    /// C2ST of draws from the posterior of an observation against its reference; the draws of the
    /// first observation in the first run are stored.
    pub fn judge(
        &self,
        index: usize,
        posterior: &Posterior,
        run: usize,
        seed: u64,
        workspace: &Workspace,
    ) -> Result<f64> {
        let draws = self.profile.draws;
        let found: Vec<f64> = posterior.sample(draws, seed)?.theta.iter().copied().collect();
        let accuracy =
            c2st(&self.references[index].1, &found, NAMES.len(), self.classifier, &|_| {})
                .with_context(|| format!("classifier test of observation {index}"))?;
        if run == 0 && index == 0 {
            let shape = [draws, NAMES.len()];
            write_npz(&workspace.path(POSTERIOR), [Named::f64("draws", &shape, &found)])?;
        }
        Ok(accuracy.accuracy)
    }

    /// The mean negative log probability of fresh simulations from the prior.
    fn held_out(
        &self,
        data: Data,
        task: &LotkaVolterra,
        estimator: &Estimator,
    ) -> Result<NegativeLogProbability> {
        let seed = derive_seed(self.seed, &format!("{}-fresh", task.name()));
        let fresh = self.set(data, task, self.profile.held_out, seed)?;
        let log_probabilities = estimator.log_prob(fresh.theta(), fresh.x())?;
        Ok(negative_log_probability(&log_probabilities, NonFinite::Exclude)?)
    }
}

/// Trains one estimator and measures it.
///
/// # Errors
/// If a simulation, the training or a test fails, or the folder cannot be written.
pub fn learn_posterior(
    problem: &Problem,
    cell: Cell,
    device: &Device,
    workspace: &Workspace,
) -> Result<()> {
    let Cell { method, weight, simulations, run } = cell;
    let task = LotkaVolterra::new(problem.profile.populations.start());
    let purpose = |what: &str| derive_seed(problem.seed, &format!("{}-{what}-{run}", task.name()));
    let set = problem.set(method.data, &task, simulations, purpose("simulations"))?;
    let training = TrainingSettings { seed: purpose("training"), ..method.fit.training.clone() };
    let score = (weight > 0.0).then_some(ScoreTerm { weight, units: ScoreUnits::Parameters });
    let (flow, fit) = (method.flow.clone(), FitSettings { training, ..method.fit.clone() });
    let checkpoints = workspace.checkpoint("networks");
    std::fs::create_dir_all(&checkpoints)?;
    let mut show = observer(workspace);
    let mut tell = |progress: &FitProgress| -> ControlFlow<()> { show(&progress.training) };
    let mut fitting = Fitting { device, checkpoints: Some(&checkpoints), observer: &mut tell };
    let estimator = match method.estimate {
        Estimate::Posterior => {
            let settings = NpeSettings { flow, fit, score, ..NpeSettings::default() };
            npe(task.prior(), &set, &settings, &mut fitting)?
        }
        Estimate::Likelihood => {
            let settings = NleSettings { flow, fit, score, tails: TAILS };
            nle(task.prior(), &set, &settings, &mut fitting)?
        }
    };

    let mut accuracies = Vec::new();
    for index in 0..problem.references.len() {
        let (x, _) = problem.data(method.data, &problem.references[index].0.x)?;
        let seed = purpose(&format!("draws-{index}"));
        let posterior = estimator.posterior(&x)?;
        accuracies.push(problem.judge(index, &posterior, run, seed, workspace)?);
    }
    let nlp = match method.estimate {
        Estimate::Posterior => Some(problem.held_out(method.data, &task, &estimator)?),
        // Not normalised.
        Estimate::Likelihood => None,
    };
    let last = |report: &flows::training::TrainingReport| report.curve.last().map(|p| p.step);
    let measured = Measured {
        task: task.name().into(),
        method: method.grid.name.clone(),
        weight,
        simulations,
        run,
        c2st: accuracies,
        nlp: nlp.map(|nlp| nlp.value),
        nlp_excluded: nlp.map_or(0, |nlp| nlp.excluded),
        score_error: None,
        curve: estimator.reports()[0].curve.clone(),
        steps: estimator.reports().iter().filter_map(last).sum(),
    };
    write_json(&workspace.path(MEASURED), &measured)
}
