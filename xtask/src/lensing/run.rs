//! The study end to end: an observation, its two posteriors, the report.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use lognormal_sim::Cosmology;

use super::{
    Method, NAME, OBSERVATION, Observed, Profile, ReportInputs, compare, draw_posterior,
    write_report,
};
use crate::arrays::read_npz;
use crate::files::{write_json, write_text};
use crate::machine::machine;
use crate::map_fit::{FitInputs, PREDICTIVE, check_posterior};
use crate::products;
use crate::sampling::SAMPLES;
use crate::study::Finished;
use crate::study::STUDY;
use crate::study::{Crew, Study};
use full_field::{Problem, measure};

const READ_ME: &str = "report.html  the study in one page\n\
    study.json   what the report is drawn from; `cargo xtask report DIR` draws it again\n\
    tasks/       the result of every task with its manifest\n";

/// Runs the study in its folder; a shard ends before the report, with nothing.
///
/// # Errors
/// If the profile makes no sense, a task fails, or the folder cannot be written.
pub fn run(study: &Study, folder: &Path, profile: &Profile, seed: u64) -> Result<Option<Finished>> {
    let run = (NAME, profile);
    let Observed { simulator, prior, observation, map } =
        Observed::new(study, &run, (&profile.survey, &profile.prior), profile.npix, seed)?;
    let truth = Cosmology::FIDUCIAL;
    let survey = simulator.survey();
    let shape = [simulator.bins(), survey.npix, survey.npix];
    let problem = &Problem { simulator: &simulator, prior: &prior, map: &map };

    let spectra = study.run("spectra", 1, survey, &[&observation], |workspace| {
        write_json(&workspace.path("spectra.json"), &measure(problem, &truth)?)
    })?;
    let posteriors =
        [(Method::PowerSpectrum, &profile.power_spectrum), (Method::Explicit, &profile.full_field)]
            .map(|(method, config)| {
                let identity = (survey, &prior, config, seed);
                let draws = config.chains * (config.warmup + config.draws);
                study.plan(method.name(), 1, &identity, &[&observation], draws, move |workspace| {
                    draw_posterior(problem, method, config, seed, workspace)
                })
            });
    let posteriors = posteriors.into_iter().collect::<Result<_>>()?;
    let Some(posteriors) = study.run_share("posteriors", Crew::InTurn, posteriors)? else {
        return Ok(None);
    };
    let [power_spectrum, full_field] = &posteriors[..] else {
        unreachable!("two tasks have two outputs")
    };
    let inputs = [full_field, power_spectrum];
    let comparison = study.run("comparison", 1, &profile.c2st, &inputs, |workspace| {
        let [full, power] = inputs.map(|output| read_npz(&output.path(SAMPLES), "samples"));
        let comparison = compare(&full?, &power?, &profile.c2st)?;
        write_json(&workspace.path("comparison.json"), &comparison)
    })?;

    let fits = [(Method::Explicit, full_field), (Method::PowerSpectrum, power_spectrum)].map(
        |(method, posterior)| {
            let name = format!("{}-fit", method.name());
            study.run(&name, 1, &(survey, &prior, seed), &[&observation, posterior], |workspace| {
                check_posterior(problem, &posterior.path(SAMPLES), seed, workspace)
            })
        },
    );
    let [full_field_fit, power_spectrum_fit] = fits;
    let (full_field_fit, power_spectrum_fit) = (full_field_fit?, power_spectrum_fit?);

    let outputs = [
        &observation,
        &spectra,
        power_spectrum,
        full_field,
        &comparison,
        &full_field_fit,
        &power_spectrum_fit,
    ];
    let seconds: f64 = outputs.iter().map(|output| output.manifest.seconds).sum();
    let relative = |path: PathBuf| -> Result<PathBuf> {
        Ok(path.strip_prefix(folder).context("results lie in the study")?.to_path_buf())
    };
    let inputs = ReportInputs {
        study: NAME.into(),
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
        sampler: profile.full_field.sampler,
        power_spectrum_sampler: Some(profile.power_spectrum.sampler)
            .filter(|sampler| *sampler != profile.full_field.sampler),
        prior: prior.clone(),
        map_size_deg: survey.map_size_deg,
        truth: Some(truth.parameters()),
        maps: relative(observation.path(OBSERVATION))?,
        spectra: relative(spectra.path("spectra.json"))?,
        posteriors: vec![
            (Method::Explicit, relative(full_field.path(""))?),
            (Method::PowerSpectrum, relative(power_spectrum.path(""))?),
        ],
        comparison: Some(relative(comparison.path("comparison.json"))?),
        fit: FitInputs {
            findings: None,
            predictive: vec![
                (Method::Explicit, relative(full_field_fit.path(PREDICTIVE))?),
                (Method::PowerSpectrum, relative(power_spectrum_fit.path(PREDICTIVE))?),
            ],
        },
    };
    write_json(&folder.join(STUDY), &inputs)?;
    let report = write_report(folder, &inputs)?;
    write_text(&folder.join(products::READ_ME), READ_ME)?;
    let reused = outputs.iter().filter(|output| output.reused).count();
    Ok(Some(Finished { report, tasks: outputs.len(), reused }))
}
