//! `benchmark`: the lensing study, end to end.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Args;
use lognormal_sim::{Cosmology, Simulator};

use super::report::STUDY;
use crate::arrays::{Named, read_npz, write_npz};
use crate::cli::{ResumeArguments, SurveyArguments, with_npix};
use crate::files::{write_json, write_text};
use crate::lensing::{
    Method, Problem, Profile, ReportInputs, compare, draw_posterior, measure, write_report,
};
use crate::prior::Prior;
use crate::sampling::SAMPLES;
use crate::study::{Output, Study, derive_seed};

/// Arguments of `benchmark`.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask benchmark                     about ten minutes on two cores\n  \
    cargo xtask benchmark --profile smoke     a minute, to see that everything works\n  \
    cargo xtask benchmark --profile paper --out results/paper    hours; stop it and go on at will\n\n\
    The study lies in results/<profile>: report.html, and every intermediate result under tasks/.\n\
    A run that was stopped, even killed, continues with the same command.")]
pub struct Arguments {
    /// Size: smoke, laptop, paper or the path of a TOML file
    #[arg(long, default_value = "laptop", value_name = "NAME|FILE")]
    profile: String,
    /// Seed of the observation and of the chains
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder of the study (default: results/PROFILE)
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    resume: ResumeArguments,
}

/// Runs the command.
///
/// # Errors
/// If the profile makes no sense, a task fails, or the folder cannot be written.
pub fn run(arguments: &Arguments) -> Result<()> {
    let begun = Instant::now();
    let profile = Profile::load(&arguments.profile)?;
    let folder = arguments.out.clone().unwrap_or_else(|| Path::new("results").join(&profile.name));
    let survey = SurveyArguments { survey: profile.survey.clone(), shift_table: None }.load()?;
    let survey = with_npix(survey, Some(profile.npix))?;
    let prior = Prior::load(&profile.prior)?;
    let truth = Cosmology::FIDUCIAL;
    let theta = truth.parameters();
    let seed = arguments.seed;
    let study = Study::open(&folder, arguments.resume.fresh)?;
    let simulator = Simulator::new(survey.clone())?;
    let shape = [simulator.bins(), survey.npix, survey.npix];

    let config = (&survey, theta, seed);
    let observation = study.run("observation", 1, &config, &[], |workspace| {
        let seed = derive_seed(seed, "observation");
        let map: Vec<f64> = simulator.simulate(&truth, seed, 0, true)?;
        let field: Vec<f64> = simulator.simulate(&truth, seed, 0, false)?;
        write_npz(
            &workspace.path("observation.npz"),
            [
                Named::f64("map", &shape, &map),
                Named::f64("field", &shape, &field),
                Named::f64("theta", &[theta.len()], &theta),
            ],
        )
    })?;
    let map = read_npz(&observation.path("observation.npz"), "map")?.data;
    let problem = Problem { simulator: &simulator, prior: &prior, map: &map };

    let spectra = study.run("spectra", 1, &survey, &[&observation], |workspace| {
        write_json(&workspace.path("spectra.json"), &measure(&problem, &truth)?)
    })?;
    let posterior = |method: Method, config| -> Result<Output> {
        let identity = (&survey, &prior, config, seed);
        study.run(method.name(), 1, &identity, &[&observation], |workspace| {
            draw_posterior(&problem, method, config, seed, workspace)
        })
    };
    let power_spectrum = posterior(Method::PowerSpectrum, &profile.power_spectrum)?;
    let full_field = posterior(Method::Explicit, &profile.full_field)?;
    let inputs = [&full_field, &power_spectrum];
    let comparison = study.run("comparison", 1, &profile.c2st, &inputs, |workspace| {
        let [full, power] = inputs.map(|output| read_npz(&output.path(SAMPLES), "samples"));
        let comparison = compare(&full?, &power?, &profile.c2st)?;
        write_json(&workspace.path("comparison.json"), &comparison)
    })?;

    let outputs = [&observation, &spectra, &power_spectrum, &full_field, &comparison];
    let seconds: f64 = outputs.iter().map(|output| output.manifest.seconds).sum();
    let relative = |path: PathBuf| -> Result<PathBuf> {
        Ok(path.strip_prefix(&folder).context("results lie in the study")?.to_path_buf())
    };
    let inputs = ReportInputs {
        title: "Cosmology from a tomographic convergence map".into(),
        subtitle: "The posterior from every pixel against that from the power spectra, for a \
                   simulated observation"
            .into(),
        facts: vec![
            ("survey".into(), survey.name.clone()),
            ("map".into(), format!("{} bins of {} x {} pixels", shape[0], shape[1], shape[2])),
            ("profile".into(), profile.name.clone()),
            ("seed".into(), seed.to_string()),
            ("version".into(), env!("CARGO_PKG_VERSION").into()),
            ("machine".into(), machine()),
            ("wall time".into(), format!("{seconds:.0} s in all tasks")),
        ],
        prior: prior.clone(),
        map_size_deg: survey.map_size_deg,
        truth: Some(theta),
        maps: relative(observation.path("observation.npz"))?,
        spectra: relative(spectra.path("spectra.json"))?,
        posteriors: vec![
            ("full field".into(), relative(full_field.path(""))?),
            ("power spectrum".into(), relative(power_spectrum.path(""))?),
        ],
        comparison: Some(relative(comparison.path("comparison.json"))?),
    };
    write_json(&folder.join(STUDY), &inputs)?;
    let report = write_report(&folder, &inputs)?;
    write_text(&folder.join("README.txt"), READ_ME)?;
    let reused = outputs.iter().filter(|output| output.reused).count();
    eprintln!(
        "report: {} ({:.0} s, {reused} of {} tasks found done)",
        report.display(),
        begun.elapsed().as_secs_f64(),
        outputs.len()
    );
    Ok(())
}

const READ_ME: &str = "report.html  the study in one page\n\
    study.json   what the report is drawn from; `cargo xtask report DIR` draws it again\n\
    tasks/       the result of every task with its manifest\n";

/// Processor and number of threads, for the record.
pub fn machine() -> String {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let processor = std::fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        })
        .unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    format!("{processor}, {threads} threads")
}
