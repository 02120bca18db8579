//! `posterior`: the posterior of a map the user brings.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use lognormal_sim::Cosmology;

use crate::arrays::{Chosen, MAPS, Named, read_map, write_npz};
use crate::cli::{ResumeArguments, SamplerArguments, SurveyArguments};
use crate::files::{copy, write_json};
use crate::lensing::{Method, ReportInputs, draw_posterior, write_report};
use crate::machine::machine;
use crate::map_fit::{self, FINDINGS, FitInputs, PREDICTIVE};
use crate::products::{PRODUCTS, spare_inputs};
use crate::sampling::{DIAGNOSTICS, SAMPLES, SamplerConfig};
use crate::study::STUDY;
use crate::study::Study;
use full_field::Prior;
use full_field::{Problem, measure};

/// Name of what it leaves in its file.
pub const NAME: &str = "posterior";

/// Arguments of `posterior`.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask posterior --map y.npy --method power-spectrum --out results/mine\n  \
    cargo xtask posterior --map y.npy --method explicit --survey survey.toml --chains 8 --out results/mine\n  \
    cargo xtask posterior --map published.npy --survey lsst_y10_as_published --shift-table t.npy \\\n      \
        --method explicit --out results/published\n\n\
    The folder gets samples.npz (samples [chain,draw,6], names), diagnostics.json and report.html.\n\
    The map is held against the survey first: one that cannot be its own is refused, with the likely\n\
    cause. Afterwards the report says whether the posterior predicts the map.\n\
    The map is [bin,y,x] or [y,x,bin], in an .npy or .npz: `simulate` makes such files. FILE#NAME\n\
    names an array of an .npz, FILE#NAME[K] the K-th entry, from 0, along its first axis.\n\
    A run that was stopped, even killed, continues with the same command.")]
pub struct Arguments {
    /// Observed map (.npy or .npz) with axes bin,y,x or y,x,bin
    #[arg(long, value_name = "FILE")]
    map: Chosen,
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
    /// Sample the map even if it cannot be one of the survey
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    resume: ResumeArguments,
}

/// Runs the command.
///
/// # Errors
/// If an argument makes no sense, a chain fails, or the folder cannot be written.
pub fn run(arguments: &Arguments) -> Result<()> {
    let survey = arguments.survey.load()?;
    let prior = Prior::load(&arguments.prior)?;
    let bins = survey.survey().sources()?.bins.len();
    let (npix, map) = read_map(&arguments.map, &MAPS, bins)?;
    let survey = survey.with_npix(Some(npix))?;
    let simulator = survey.simulator()?;
    let config = SamplerConfig {
        chains: arguments.sampler.chains as usize,
        warmup: arguments.sampler.warmup as usize,
        draws: arguments.sampler.draws as usize,
        max_depth: arguments.sampler.max_depth,
        sampler: arguments.sampler.sampler,
        target_accept: arguments.sampler.sampler.target_accept(),
    };
    let (method, seed, folder) = (arguments.method, arguments.seed, &arguments.out);
    let inputs = [survey.files(), &[arguments.map.file().into(), arguments.prior.clone().into()]];
    spare_inputs(folder, &inputs.concat())?;
    let study = Study::open(folder, arguments.resume.earlier())?;
    let identity = (&survey, &prior, &config, seed);
    study.begin(&(NAME, method, &identity, &map), &PRODUCTS)?;
    let problem = Problem { simulator: &simulator, prior: &prior, map: &map };
    let shape = [bins, npix, npix];

    let observation = study.run("map", 1, &map, &[], |workspace| {
        write_npz(&workspace.path("map.npz"), [Named::f64("map", &shape, &map)])
    })?;
    let model = (&survey, &prior, seed);
    let findings = study.run("map-check", 1, &model, &[&observation], |workspace| {
        map_fit::check_map(&problem, seed, workspace)
    })?;
    map_fit::announce(&findings.path(FINDINGS), arguments.force)?;
    let spectra = study.run("spectra", 1, &survey, &[&observation], |workspace| {
        let measurement = measure(&problem, &Cosmology::FIDUCIAL)?;
        write_json(&workspace.path("spectra.json"), &measurement)
    })?;
    let posterior = study.run(method.name(), 1, &identity, &[&observation], |workspace| {
        draw_posterior(&problem, method, &config, seed, workspace)
    })?;
    let name = format!("{}-fit", method.name());
    let predictive = study.run(&name, 1, &model, &[&observation, &posterior], |workspace| {
        map_fit::check_posterior(&problem, &posterior.path(SAMPLES), seed, workspace)
    })?;
    for file in [SAMPLES, DIAGNOSTICS] {
        copy(&posterior.path(file), &folder.join(file))?;
    }
    let relative = |path: PathBuf| -> Result<PathBuf> {
        Ok(path.strip_prefix(folder).context("results lie in the study")?.to_path_buf())
    };
    let inputs = ReportInputs {
        study: NAME.into(),
        title: "Posterior of a convergence map".into(),
        subtitle: format!("{} posterior of {}", method.name(), arguments.map),
        facts: vec![
            ("survey".into(), survey.survey().name.clone()),
            ("map".into(), format!("{} bins of {npix} x {npix} pixels", shape[0])),
            ("sampler".into(), config.sampler.name().into()),
            ("seed".into(), seed.to_string()),
            ("version".into(), env!("CARGO_PKG_VERSION").into()),
            ("machine".into(), machine()),
        ],
        sampler: config.sampler,
        power_spectrum_sampler: None,
        prior: prior.clone(),
        map_size_deg: survey.survey().map_size_deg,
        truth: None,
        maps: relative(observation.path("map.npz"))?,
        spectra: relative(spectra.path("spectra.json"))?,
        posteriors: vec![(method, relative(posterior.path(""))?)],
        comparison: None,
        fit: FitInputs {
            findings: Some(relative(findings.path(FINDINGS))?),
            predictive: vec![(method, relative(predictive.path(PREDICTIVE))?)],
        },
    };
    write_json(&folder.join(STUDY), &inputs)?;
    let report = write_report(folder, &inputs)?;
    for verdict in inputs.fit.load(folder)?.verdicts() {
        eprintln!("{}", verdict.text);
    }
    eprintln!("report: {}", report.display());
    Ok(())
}
