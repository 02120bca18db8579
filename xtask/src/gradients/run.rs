//! The study end to end.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use burn::tensor::Device;
use flows::{DeviceChoice, open_device};

use super::compressor::{Compressor, make_compressor};
use super::density::{self, TASK, learn_density};
use super::inference::{self, Problem, learn_posterior};
use super::observation::{Reference, make_reference, published_observations};
use super::profile::{Grid, LotkaVolterraProfile, Profile};
use super::report::{NAME, ProblemInputs, ReportInputs, write_report};
use super::rounds::learn_in_rounds;
use crate::files::{write_json, write_text};
use crate::machine::machine;
use crate::products::{self, PRODUCTS};
use crate::study::Finished;
use crate::study::STUDY;
use crate::study::{Crew, Output, Study};

const READ_ME: &str = "report.html  the study in one page\n\
    study.json   what the report is drawn from; `cargo xtask report DIR` draws it again\n\
    tasks/       the result of every training with its manifest\n";

/// File of the null of two moons.
pub const NULL: &str = "null.json";

/// A Lotka-Volterra problem with what its trainings read.
struct Prepared<'a> {
    profile: &'a LotkaVolterraProfile,
    references: Vec<Output>,
    compressor: Output,
    loaded: Vec<(Reference, Vec<f64>)>,
    network: Compressor,
}

/// Runs the study in its folder; a shard ends before the report, with nothing.
///
/// # Errors
/// If the profile makes no sense, a task fails, or the folder cannot be written.
pub fn run(study: &Study, folder: &Path, profile: &Profile, seed: u64) -> Result<Option<Finished>> {
    study.begin(&(NAME, profile, seed), &PRODUCTS)?;
    let device = &open_device(DeviceChoice::Cpu)?;
    let published = &density::published_draws()?;
    let (null, prepared) = prepare(study, profile, device, seed)?;
    let problems: Vec<Problem> = prepared
        .iter()
        .map(|problem| Problem {
            profile: problem.profile,
            references: &problem.loaded,
            compressor: &problem.network,
            classifier: &profile.classifier,
            seed,
        })
        .collect();

    let mut tasks = Vec::new();
    for (problem, prepared) in problems.iter().zip(&prepared) {
        let mut inputs: Vec<&Output> = prepared.references.iter().collect();
        inputs.push(&prepared.compressor);
        let LotkaVolterraProfile { populations, draws, held_out, .. } = prepared.profile;
        for method in &prepared.profile.method {
            for (weight, simulations, run) in method.grid.cells() {
                let name = name(populations.task(), &method.grid, weight, simulations, run);
                let own = (method.estimate, method.data, method.rounds, &method.flow, &method.fit);
                let test = (draws, held_out, &profile.classifier);
                let config = (own, test, &method.grid.name, weight, simulations, run, seed);
                let cell = inference::Cell { method, weight, simulations, run };
                let steps = method.fit.training.max_steps * method.fit.members;
                let steps = match method.rounds {
                    1 => steps,
                    rounds => steps * rounds * problem.references.len(),
                };
                tasks.push(study.plan(&name, 1, &config, &inputs, steps, move |workspace| {
                    match method.rounds {
                        1 => learn_posterior(problem, cell, device, workspace),
                        _ => learn_in_rounds(problem, cell, device, workspace),
                    }
                })?);
            }
        }
    }
    let moons = &profile.two_moons;
    for method in &moons.method {
        for (weight, simulations, run) in method.grid.cells() {
            let name = name(TASK, &method.grid, weight, simulations, run);
            let own = (&method.flow, &method.training, &method.grid.name);
            let test = (moons.draws, &profile.classifier);
            let config = (own, test, weight, simulations, run, seed, published);
            let cell = density::Cell { method, weight, simulations, run };
            let steps = method.training.max_steps;
            tasks.push(study.plan(&name, 1, &config, &[], steps, move |workspace| {
                let classifier = &profile.classifier;
                learn_density(cell, published, moons.draws, classifier, seed, device, workspace)
            })?);
        }
    }
    let crew = Crew::one_per_thread();
    let Some(trainings) = study.run_share("trainings", crew, tasks)? else { return Ok(None) };

    let relative = |output: &Output| -> Result<PathBuf> {
        let path = output.path("");
        Ok(path.strip_prefix(folder).context("results lie in the study")?.to_path_buf())
    };
    let all: Vec<&Output> = std::iter::once(&null)
        .chain(prepared.iter().flat_map(|p| p.references.iter().chain([&p.compressor])))
        .chain(&trainings)
        .collect();
    let seconds: f64 = all.iter().map(|output| output.manifest.seconds).sum();
    let inputs = ReportInputs {
        study: NAME.into(),
        profile: profile.clone(),
        facts: vec![
            ("profile".into(), profile.name.clone()),
            ("seed".into(), seed.to_string()),
            ("version".into(), env!("CARGO_PKG_VERSION").into()),
            ("machine".into(), machine()),
            ("trainings".into(), trainings.len().to_string()),
            ("time".into(), format!("{seconds:.0} s in all tasks together")),
        ],
        null: relative(&null)?,
        problems: prepared
            .iter()
            .map(|problem| {
                Ok(ProblemInputs {
                    references: problem.references.iter().map(relative).collect::<Result<_>>()?,
                    compressor: relative(&problem.compressor)?,
                    compressor_seconds: problem.compressor.manifest.seconds,
                })
            })
            .collect::<Result<_>>()?,
        trainings: trainings
            .iter()
            .map(|output| Ok((relative(output)?, output.manifest.seconds)))
            .collect::<Result<_>>()?,
    };
    write_json(&folder.join(STUDY), &inputs)?;
    let report = write_report(folder, &inputs)?;
    write_text(&folder.join(products::READ_ME), READ_ME)?;
    let reused = all.iter().filter(|output| output.reused).count();
    Ok(Some(Finished { report, tasks: all.len(), reused }))
}

/// The null of two moons, and all that the trainings read.
fn prepare<'a>(
    study: &Study,
    profile: &'a Profile,
    device: &Device,
    seed: u64,
) -> Result<(Output, Vec<Prepared<'a>>)> {
    let (classifier, draws) = (&profile.classifier, profile.two_moons.draws);
    let published = &published_observations()?;
    let mut tasks = Vec::new();
    for problem in &profile.lotka_volterra {
        let (populations, compressor) = (problem.populations, &problem.compressor);
        let task = populations.task();
        let name = format!("{task}-compressor");
        let config = (compressor, seed);
        let steps = compressor.training.max_steps;
        tasks.push(study.plan(&name, 1, &config, &[], steps, move |workspace| {
            make_compressor(populations, compressor, seed, device, workspace)
        })?);
        for index in 0..problem.observations {
            let name = format!("{task}-reference-{index}");
            let config = (problem.draws, classifier, seed, published);
            let draws = problem.draws;
            tasks.push(study.plan(&name, 1, &config, &[], 1, move |workspace| {
                make_reference(published, populations, index, draws, classifier, seed, workspace)
            })?);
        }
    }
    let config = (draws, classifier, seed);
    tasks.push(study.plan(&format!("{TASK}-null"), 1, &config, &[], 1, move |workspace| {
        write_json(&workspace.path(NULL), &density::null(draws, classifier, seed)?)
    })?);
    let mut outputs = study.run_all("preparation", Crew::one_per_thread(), tasks)?;
    let null = outputs.pop().context("the null has an output")?;
    let mut outputs = outputs.into_iter();
    let mut prepared = Vec::new();
    for profile in &profile.lotka_volterra {
        let compressor = outputs.next().context("the compressor has an output")?;
        let references: Vec<Output> = outputs.by_ref().take(profile.observations).collect();
        let loaded = Reference::read_all(&references)?;
        let network = Compressor::read(&compressor.path(""), device)?;
        prepared.push(Prepared { profile, references, compressor, loaded, network });
    }
    Ok((null, prepared))
}

/// Name of a training.
fn name(task: &str, grid: &Grid, weight: f64, simulations: usize, run: usize) -> String {
    let method: String =
        grid.name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let score = if weight > 0.0 { "-score" } else { "" };
    format!("{task}-{}{score}-{simulations}-{run}", method.to_lowercase())
}
