//! The steps in their order, each kept when it is done, and what is written from them.

use std::path::{Path, PathBuf};

use anyhow::Result;
use burn::tensor::Device;
use sbi::tasks::Task;
use sbi::{Estimator, Sampling};

use super::comparison::{Comparison, MOST_DRAWS, Moments, classifier, compare};
use super::diagnostics::{Deviation, Diagnostics, Part};
use super::method::{Fit, Settings};
use super::observation::Observation;
use super::report::{self, Draws};
use super::steps::{ESTIMATOR, FIT, FitRecord, Problem, SAMPLING, SIMULATIONS};
use crate::arrays::{Named, read_npz, write_npz};
use crate::files::{copy, read_json, write_json};
use crate::machine::machine;
use crate::products::PRODUCTS;
use crate::sampling::{DIAGNOSTICS, SAMPLES};
use crate::study::{Output, Study};

const COMPARISON: &str = "comparison.json";

/// An inference that was asked for.
pub struct Inference<'a> {
    /// The task.
    pub task: &'a dyn Task,
    /// What is observed.
    pub observation: &'a Observation,
    /// How to infer.
    pub settings: &'a Settings,
    /// Where networks live.
    pub device: &'a Device,
    /// Its name in results.
    pub device_name: &'a str,
    /// Whether to compare with the reference posterior.
    pub compare: bool,
}

/// The steps that are done, with how long they took.
struct Steps<'a> {
    study: &'a Study,
    seconds: Vec<Part>,
}

impl Steps<'_> {
    fn note(&mut self, output: Output) -> Output {
        let (name, seconds) = (output.manifest.name.clone(), output.manifest.seconds);
        self.seconds.push(Part { name, seconds });
        output
    }
}

impl Inference<'_> {
    /// Does what is not done yet in the study in `folder`, and writes `samples.npz`,
    /// `diagnostics.json`, `report.html` and, for networks, `estimator.safetensors` there; the path
    /// of the report.
    ///
    /// # Errors
    /// If a step fails (those before it are kept) or the folder cannot be written.
    pub fn run(&self, study: &Study, folder: &Path) -> Result<PathBuf> {
        let Self { task, observation, settings, device, .. } = *self;
        let problem = Problem { task, x: &observation.x, settings, device };
        let names = task.prior().names();
        let mut steps = Steps { study, seconds: Vec::new() };
        let Observation { x, truth, .. } = observation;
        let run = ("task", task.name(), x, truth, settings, self.device_name, self.compare);
        study.begin(&run, &PRODUCTS)?;
        let observed = study.run("observation", 2, &(task.name(), x), &[], |workspace| {
            write_npz(&workspace.path("observation.npz"), [Named::f64("x", &[x.len()], x)])
        })?;
        let fit = self.fit(&mut steps, &problem, &observed)?;
        let drawn = self.draw(&mut steps, &problem, fit.as_ref(), &observed)?;
        let own = read_npz(&drawn.path(SAMPLES), "samples")?;

        let mut reference = None;
        let mut comparison = None;
        let mut no_reference = None;
        if self.compare && fit.is_some() {
            let draws = settings.draws.min(MOST_DRAWS);
            let seed = problem.seed("reference");
            match self.reference(&mut steps, &problem, draws, seed, &observed) {
                Ok(output) => {
                    let draws = read_npz(&output.path(SAMPLES), "samples")?;
                    let config = classifier(problem.seed("classifier"));
                    let compared =
                        study.run("comparison", 1, &config, &[&drawn, &output], |workspace| {
                            let found = compare(&own, &draws, &names, &config)?;
                            write_json(&workspace.path(COMPARISON), &found)
                        })?;
                    let compared = steps.note(compared);
                    comparison = Some(read_json::<Comparison>(&compared.path(COMPARISON))?);
                    reference = Some(draws);
                }
                Err(error) => match error.downcast_ref::<sbi::Error>() {
                    Some(reason @ sbi::Error::Reference { .. }) => {
                        eprintln!("warning: {reason}");
                        no_reference = Some(format!("Nothing to compare with: {reason}"));
                    }
                    _ => return Err(error),
                },
            }
        }

        let record = fit.as_ref().map(|fit| read_json::<FitRecord>(&fit.path(FIT))).transpose()?;
        let estimator =
            fit.as_ref().map(|fit| Estimator::load(&fit.path(ESTIMATOR), device)).transpose()?;
        let deviation = record.as_ref().zip(estimator.as_ref()).map(|(record, estimator)| {
            let observation = estimator.observables().largest_deviation(&observation.x);
            Deviation { observation, simulations: record.spread }
        });
        let findings = match &estimator {
            Some(estimator) => estimator.posterior(&observation.x)?.warnings(),
            None => Vec::new(),
        };
        let (calls, kept) = record.as_ref().map_or((0, 0), |r| (r.calls, r.simulations));
        let mut diagnostics = Diagnostics {
            task: task.name().to_owned(),
            warnings: Vec::new(),
            settings: settings.clone(),
            observation: observation.clone(),
            parameters: Moments::of(&own, &names),
            simulator_calls: calls,
            dropped_simulations: calls - kept as u64,
            rounds: record.map_or(Vec::new(), |record| record.rounds),
            training: estimator.map_or(Vec::new(), |estimator| estimator.reports().to_vec()),
            deviation,
            findings,
            sampling: read_json(&drawn.path(SAMPLING))?,
            comparison,
            no_reference,
            seconds: steps.seconds,
            device: fit.as_ref().map(|_| self.device_name.to_owned()),
            machine: machine(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        diagnostics.warnings = diagnostics
            .verdicts()
            .into_iter()
            .filter(|verdict| verdict.grade != crate::report::Grade::Good)
            .map(|verdict| verdict.text)
            .collect();

        copy(&drawn.path(SAMPLES), &folder.join(SAMPLES))?;
        if let Some(fit) = &fit {
            copy(&fit.path(ESTIMATOR), &folder.join(ESTIMATOR))?;
        }
        write_json(&folder.join(DIAGNOSTICS), &diagnostics)?;
        let effective = match &diagnostics.sampling {
            Sampling::Chains { effective, .. } => Some(effective.min(own.shape[0] as f64)),
            Sampling::Direct { .. } => None,
        };
        let draws = Draws { own: &own, effective, reference: reference.as_ref() };
        report::write(folder, task, &diagnostics, &draws)
    }

    /// The networks, by methods that have some.
    fn fit(
        &self,
        steps: &mut Steps,
        problem: &Problem,
        observed: &Output,
    ) -> Result<Option<Output>> {
        let settings = self.settings;
        let Some(fit) = settings.fit(problem.seed("training")) else { return Ok(None) };
        let seed = problem.seed("simulations");
        let output = match &fit {
            Fit::Once(once) => {
                let identity = (self.task.name(), settings.budget, seed);
                let simulations =
                    steps.study.run("simulations", 1, &identity, &[], |workspace| {
                        problem.simulate(workspace)
                    })?;
                let simulations = steps.note(simulations);
                steps.study.run(
                    "fit",
                    1,
                    &(once, self.device_name),
                    &[&simulations],
                    |workspace| problem.fit(once, &simulations.path(SIMULATIONS), workspace),
                )?
            }
            Fit::Rounds(rounds) => {
                let plan = (settings.rounds, settings.simulations_per_round(), seed);
                let identity = (self.task.name(), rounds, plan, self.device_name);
                steps.study.run("rounds", 1, &identity, &[observed], |workspace| {
                    problem.fit_in_rounds(rounds, workspace)
                })?
            }
        };
        Ok(Some(steps.note(output)))
    }

    /// Draws from the networks or, without, from the reference posterior.
    fn draw(
        &self,
        steps: &mut Steps,
        problem: &Problem,
        fit: Option<&Output>,
        observed: &Output,
    ) -> Result<Output> {
        let seed = problem.seed("draws");
        let identity = (self.settings.draws, seed);
        let output = match fit {
            Some(fit) => steps.study.run("draws", 1, &identity, &[fit, observed], |workspace| {
                problem.sample(&fit.path(ESTIMATOR), workspace)
            }),
            None => return self.reference(steps, problem, self.settings.draws, seed, observed),
        };
        Ok(steps.note(output?))
    }

    /// Draws of the reference posterior.
    fn reference(
        &self,
        steps: &mut Steps,
        problem: &Problem,
        draws: usize,
        seed: u64,
        observed: &Output,
    ) -> Result<Output> {
        // Other tasks may have the same observables.
        let identity = (self.task.name(), draws, seed);
        let output = steps.study.run("reference", 2, &identity, &[observed], |workspace| {
            problem.reference(draws, seed, workspace)
        })?;
        Ok(steps.note(output))
    }
}
