//! `posterior`: the posterior of a map the user brings.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use lognormal_sim::{Cosmology, Simulator};

use super::report::STUDY;
use crate::arrays::{Named, read_map, write_npz};
use crate::cli::{ResumeArguments, SamplerArguments, SurveyArguments, with_npix};
use crate::files::write_json;
use crate::lensing::{Method, Problem, ReportInputs, draw_posterior, measure, write_report};
use crate::machine::machine;
use crate::prior::Prior;
use crate::sampling::{DIAGNOSTICS, SAMPLES, SamplerConfig};
use crate::study::Study;

/// Arguments of `posterior`.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask posterior --map y.npy --method power-spectrum --out results/mine\n  \
    cargo xtask posterior --map y.npy --method explicit --survey survey.toml --chains 8 --out results/mine\n  \
    cargo xtask posterior --map published.npy --survey lsst_y10_as_published --shift-table t.npy \\\n      \
        --method explicit --out results/published\n\n\
    The folder gets samples.npz (samples [chain,draw,6], names), diagnostics.json and report.html.\n\
    A run that was stopped, even killed, continues with the same command.")]
pub struct Arguments {
    /// Observed map (.npy) with axes bin,y,x or y,x,bin
    #[arg(long, value_name = "FILE")]
    map: PathBuf,
    /// How the map is compared with theory
    #[arg(long, value_enum, default_value = "explicit")]
    method: Method,
    #[command(flatten)]
    survey: SurveyArguments,
    /// Prior: lsst_y10 or the path of a TOML file
    #[arg(long, default_value = "lsst_y10", value_name = "PRESET|FILE")]
    prior: String,
    #[command(flatten)]
    sampler: SamplerArguments,
    /// Seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder of the results
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    resume: ResumeArguments,
}

/// Runs the command.
///
/// # Errors
/// If an argument makes no sense, a chain fails, or the folder cannot be written.
pub fn run(arguments: &Arguments) -> Result<()> {
    let survey = arguments.survey.load()?;
    let table = arguments.survey.load_shift_table(&survey)?;
    let table_hash = arguments.survey.shift_table_hash()?;
    let prior = Prior::load(&arguments.prior)?;
    let (npix, map) = read_map(&arguments.map, survey.sources()?.bins.len())?;
    let survey = with_npix(survey, Some(npix))?;
    let simulator = match table {
        Some(table) => Simulator::with_shift_table(survey.clone(), table)?,
        None => Simulator::new(survey.clone())?,
    };
    let config = SamplerConfig {
        chains: arguments.sampler.chains as usize,
        warmup: arguments.sampler.warmup as usize,
        draws: arguments.sampler.draws as usize,
        max_depth: arguments.sampler.max_depth,
        sampler: arguments.sampler.sampler,
        target_accept: arguments.sampler.sampler.target_accept(),
    };
    let (method, seed, folder) = (arguments.method, arguments.seed, &arguments.out);
    let study = Study::open(folder, arguments.resume.fresh)?;
    let problem = Problem { simulator: &simulator, prior: &prior, map: &map };
    let shape = [simulator.bins(), npix, npix];

    let observation = study.run("map", 1, &map, &[], |workspace| {
        write_npz(&workspace.path("map.npz"), [Named::f64("map", &shape, &map)])
    })?;
    let spectra = study.run("spectra", 1, &survey, &[&observation], |workspace| {
        let measurement = measure(&problem, &Cosmology::FIDUCIAL)?;
        write_json(&workspace.path("spectra.json"), &measurement)
    })?;
    let identity = (&survey, &table_hash, &prior, &config, seed);
    let posterior = study.run(method.name(), 1, &identity, &[&observation], |workspace| {
        draw_posterior(&problem, method, &config, seed, workspace)
    })?;
    for file in [SAMPLES, DIAGNOSTICS] {
        fs::copy(posterior.path(file), folder.join(file))
            .with_context(|| format!("cannot write {}", folder.join(file).display()))?;
    }
    let relative = |path: PathBuf| -> Result<PathBuf> {
        Ok(path.strip_prefix(folder).context("results lie in the study")?.to_path_buf())
    };
    let inputs = ReportInputs {
        title: "Posterior of a convergence map".into(),
        subtitle: format!("{} posterior of {}", method.name(), arguments.map.display()),
        facts: vec![
            ("survey".into(), survey.name.clone()),
            ("map".into(), format!("{} bins of {npix} x {npix} pixels", shape[0])),
            ("sampler".into(), config.sampler.name().into()),
            ("seed".into(), seed.to_string()),
            ("version".into(), env!("CARGO_PKG_VERSION").into()),
            ("machine".into(), machine()),
        ],
        sampler: config.sampler,
        power_spectrum_sampler: None,
        prior: prior.clone(),
        map_size_deg: survey.map_size_deg,
        truth: None,
        maps: relative(observation.path("map.npz"))?,
        spectra: relative(spectra.path("spectra.json"))?,
        posteriors: vec![(method, relative(posterior.path(""))?)],
        comparison: None,
    };
    write_json(&folder.join(STUDY), &inputs)?;
    let report = write_report(folder, &inputs)?;
    eprintln!("report: {}", report.display());
    Ok(())
}
