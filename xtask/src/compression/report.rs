//! The study in one HTML page, told from its results alone.

use std::path::{Path, PathBuf};

use ::compression::{Loss, NetworkConfig, ResNetConfig};
use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::calibration::{CALIBRATION, Calibration};
use super::figures::{Drawn, corners, learning, overview};
use super::group::{Group, name};
use super::input::CompressorInput;
use super::measured::Baselines;
use super::profile::Profile;
use super::run::BASELINES;
use super::several::Several;
use super::{story, tables};
use crate::arrays::read_npz;
use crate::files::{read_json, write_text};
use crate::lensing::Method;
use crate::literature::Cited;
use crate::plot::corner::{Parameter, Posterior};
use crate::plot::markup::parameter_label;
use crate::published::PublishedCompression;
use crate::report::references::{bibliography, select};
use crate::report::summary::posterior_table;
use crate::report::{Report, Section};
use crate::sampling::section::Sampled;
use crate::sampling::{DIAGNOSTICS, Diagnostics, SAMPLES};
use crate::study::STUDY;
use crate::trial;
use full_field::{DIM, Prior};

/// Name of the study in its files.
pub const NAME: &str = "compression";

/// Where the results lie that a report is drawn from; kept as `study.json` beside it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ReportInputs {
    /// Name of the study.
    pub study: String,
    /// What was compared.
    pub profile: Profile,
    /// The prior.
    pub prior: Prior,
    /// Parameters of the observation.
    pub truth: [f64; DIM],
    /// What identifies the run.
    pub facts: Vec<(String, String)>,
    /// Folder of the power-spectrum posterior.
    pub power_spectrum: PathBuf,
    /// Folder of the full-field posterior.
    pub full_field: PathBuf,
    /// Folder of the [`Baselines`].
    pub baselines: PathBuf,
    /// Folder of the [`Calibration`].
    pub calibration: PathBuf,
    /// Folders of the [`super::further::Further`] observations.
    #[serde(default)]
    pub further: Vec<PathBuf>,
    /// The methods.
    pub methods: Vec<MethodInputs>,
}

/// Folders of the results of a method with the wall times of their tasks in seconds.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MethodInputs {
    /// Its key.
    pub key: String,
    /// The trainings of its network.
    pub compressors: Vec<(PathBuf, f64)>,
    /// The summaries.
    pub summaries: Vec<(PathBuf, f64)>,
    /// The posteriors.
    pub posteriors: Vec<(PathBuf, f64)>,
}

/// Draws `report.html` in `folder`; the paths of `inputs` are relative to it.
///
/// # Errors
/// If a result is missing or damaged, or the page cannot be written.
pub fn write_report(folder: &Path, inputs: &ReportInputs) -> Result<PathBuf> {
    let groups = read_groups(folder, inputs)?;
    let baselines: Baselines = read_json(&folder.join(&inputs.baselines).join(BASELINES))?;
    let calibration: Calibration = read_json(&folder.join(&inputs.calibration).join(CALIBRATION))?;
    let several = Several::read(folder, &inputs.further, &groups, &baselines)?;
    let published = PublishedCompression::load()?;
    let full_field = folder.join(&inputs.full_field);
    let diagnostics: Diagnostics = read_json(&full_field.join(DIAGNOSTICS))?;
    let effective = slowest(&diagnostics);
    let parameters: Vec<Parameter> = inputs
        .prior
        .bounds()
        .zip(inputs.truth)
        .map(|((name, bounds), truth)| Parameter {
            label: parameter_label(name),
            bounds,
            truth: Some(truth),
        })
        .collect();
    let sampled = Sampled::load("full field", &full_field)?;
    let sections = vec![
        question(&groups, &baselines, several.as_ref(), &published, effective)?,
        posterior_section(folder, inputs, &groups, &parameters, &sampled)?,
        calibration.section(&name(&calibration.method))?,
        Section {
            heading: "Trainings".into(),
            paragraphs: vec![method_words(&inputs.profile)],
            figures: vec![learning(&groups)],
            tables: vec![tables::trainings(&groups, &inputs.profile), tables::inferences(&groups)],
            ..Section::default()
        },
        sampled.chain_section(&parameters)?,
    ];
    let keys = references(&inputs.profile, &published.source);
    let report = Report {
        title: "Which summaries know most?".into(),
        subtitle: "One network trained with several losses, one inference for all, against the \
                   explicit posterior of the same simulated observation"
            .into(),
        facts: inputs.facts.clone(),
        sections,
        references: select(&keys)?,
    };
    let path = folder.join("report.html");
    write_text(&path, &report.html())?;
    write_text(&folder.join("references.bib"), &bibliography(&report.references))?;
    Ok(path)
}

/// The study in short, from what it left in `folder`.
///
/// # Errors
/// If the study is not finished.
pub fn digest(folder: &Path) -> Result<Section> {
    let inputs: ReportInputs = read_json(&folder.join(STUDY))?;
    let groups = read_groups(folder, &inputs)?;
    let baselines: Baselines = read_json(&folder.join(&inputs.baselines).join(BASELINES))?;
    let diagnostics = folder.join(&inputs.full_field).join(DIAGNOSTICS);
    let effective = slowest(&read_json(&diagnostics)?);
    let several = Several::read(folder, &inputs.further, &groups, &baselines)?;
    let published = PublishedCompression::load()?;
    let section = question(&groups, &baselines, several.as_ref(), &published, effective)?;
    let tables = section.tables.into_iter().take(1).collect();
    Ok(Section { tables, ..section })
}

/// What the methods left.
fn read_groups(folder: &Path, inputs: &ReportInputs) -> Result<Vec<Group>> {
    inputs.methods.iter().map(|method| Group::read(folder, method)).collect()
}

/// Question and answer.
fn question(
    groups: &[Group],
    baselines: &Baselines,
    several: Option<&Several>,
    published: &PublishedCompression,
    effective: Option<f64>,
) -> Result<Section> {
    let mut paragraphs = vec![story::QUESTION.to_owned()];
    paragraphs.extend(story::answers(groups, baselines, several, published));
    Ok(Section {
        heading: "Question and answer".into(),
        paragraphs,
        warnings: story::warnings(groups, baselines, effective.unwrap_or(0.0)),
        figures: vec![overview(groups, baselines, published)?],
        tables: [
            tables::figures_of_merit(groups, baselines),
            tables::published_ratios(groups, baselines, published),
            tables::distances(groups, baselines),
        ]
        .into_iter()
        .chain(several.map(tables::over_observations))
        .chain(tables::averages(groups))
        .collect(),
        ..Section::default()
    })
}

/// Effective draws of the slowest parameter, if they are known.
fn slowest(diagnostics: &Diagnostics) -> Option<f64> {
    diagnostics.parameters.iter().map(|parameter| parameter.ess_bulk).reduce(f64::min)
}

fn posterior_section(
    folder: &Path,
    inputs: &ReportInputs,
    groups: &[Group],
    parameters: &[Parameter],
    full_field: &Sampled,
) -> Result<Section> {
    let explicit = [
        ("explicit, full field", &inputs.full_field),
        ("explicit, power spectrum", &inputs.power_spectrum),
    ];
    let mut loaded = Vec::new();
    for (name, path) in explicit {
        let path = folder.join(path);
        let diagnostics: Diagnostics = read_json(&path.join(DIAGNOSTICS))?;
        loaded.push((name, read_npz(&path.join(SAMPLES), "samples")?, slowest(&diagnostics)));
    }
    let references: Vec<Drawn> = loaded
        .iter()
        .map(|(name, draws, effective)| Drawn {
            name: (*name).to_owned(),
            draws,
            effective: *effective,
        })
        .collect();
    let methods: Vec<Drawn> = groups
        .iter()
        .map(|group| Drawn { name: group.name(), draws: &group.draws, effective: None })
        .collect();
    let all: Vec<Posterior> = references.iter().chain(&methods).map(Drawn::posterior).collect();
    let power_spectrum = Sampled::load("power spectrum", &folder.join(&inputs.power_spectrum))?;
    Ok(Section {
        heading: "Posteriors of the observation".into(),
        verdicts: vec![
            full_field.verdict(Method::Explicit.gradient()),
            power_spectrum.verdict(Method::PowerSpectrum.gradient()),
        ],
        figures: corners(parameters, &references, &methods),
        tables: vec![posterior_table(parameters, &all)],
        ..Section::default()
    })
}

/// How summaries and posteriors are learnt.
fn method_words(profile: &Profile) -> String {
    let sizes = &profile.inference;
    let noise = match profile.input {
        CompressorInput::Maps => "seen again and again with new shape noise and flips".into(),
        CompressorInput::Spectra { noises: 1, .. } => "each with its shape noise".into(),
        CompressorInput::Spectra { noises, .. } => {
            format!("each with {noises} draws of the shape noise")
        }
    };
    let maps = match profile.training.examples {
        Some(count) => format!(
            "{} simulations with parameters from the prior, {noise}",
            count / profile.input.noises()
        ),
        None => "simulations with parameters from the prior, new ones in every batch".into(),
    };
    let input = profile.input.words();
    let spectra = profile.spectra.map_or(String::new(), |bins| {
        format!(
            " For comparison the spectra of all pairs of bins in {bins} multipole bins are \
             summaries too, without a network before."
        )
    });
    let imnn = profile.method.iter().any(|method| matches!(method.loss, Loss::Imnn { .. }));
    let pairs = match imnn {
        true => {
            "; IMNN from pairs of maps around the fiducial parameters that differ in one parameter \
             and share latents and noise"
        }
        false => "",
    };
    let beside = match &profile.network {
        NetworkConfig::ResNet(ResNetConfig { spectra: Some(own), .. }) => format!(
            " Its last layers see, beside what the convolutions find, all auto and cross spectra of \
             the map in {} multipole bins, which the networks of the paper do not.",
            own.bins
        ),
        _ => String::new(),
    };
    format!(
        "Every network sees {input}, and learns from {maps}, those of a run the same for all \
         losses{pairs}. It learns the parameters in coordinates in which the prior is a standard \
         normal distribution. The weights of the lowest validation loss are kept.{beside} Then {} \
         other simulations, the same for all, are compressed, and a posterior estimator (NPE), the \
         same for all, learns from these summaries; {} more are held out.{spectra}",
        sizes.simulations, sizes.held_out
    )
}

/// Keys of the literature that the study really used.
fn references<'a>(profile: &Profile, source: &'a str) -> Vec<&'a str> {
    let mut keys = vec![
        source,
        "zeghal2025",
        "desc2018",
        "eisenstein1998",
        "takahashi2012",
        "hilbert2011",
        "vehtari2021",
        "lopezpaz2017",
        "kingma2015",
        "talts2018",
        "sailynoja2022",
        "hermans2022",
        "lemos2023",
    ];
    keys.extend(profile.input.reference());
    keys.extend(profile.network.references());
    keys.extend(profile.method.iter().flat_map(|method| method.loss.references()));
    keys.extend(trial::Method::Npe.references());
    keys.extend(profile.inference.npe.flow.references());
    keys.extend(profile.samplers().iter().flat_map(|sampler| sampler.references()));
    keys
}

#[cfg(test)]
mod tests {
    use ::compression::DensityFamily;

    use super::super::run::SPECTRA;
    use super::*;
    use crate::literature::tests::{FAMILIES, SAMPLERS, assert_cites};

    #[test]
    fn all_that_a_profile_uses_is_in_the_bibliography() -> Result<()> {
        let source = PublishedCompression::load()?.source;
        for name in ["smoke", "laptop", "paper"] {
            let profile = Profile::load(name)?;
            let keys = references(&profile, &source);
            assert!(select(&keys).is_ok(), "{name}: {keys:?}");
            assert_eq!(keys.contains(&"charnock2018"), name != "smoke", "{name}");
        }
        Ok(())
    }

    #[test]
    fn the_samplers_that_were_used_are_cited() -> Result<()> {
        for sampler in SAMPLERS {
            let mut profile = Profile::load("smoke")?;
            let further = profile.further.as_mut().expect("smoke has further observations");
            profile.full_field.sampler = sampler;
            profile.power_spectrum.sampler = sampler;
            further.full_field.sampler = sampler;
            further.power_spectrum.sampler = sampler;
            assert_cites(&references(&profile, "zeghal2025"), &sampler, &SAMPLERS);
        }
        Ok(())
    }

    #[test]
    fn the_families_that_were_used_are_cited() -> Result<()> {
        for family in FAMILIES {
            let mut profile = Profile::load("smoke")?;
            profile.method.retain(|method| method.loss == Loss::Mse);
            profile.inference.npe.flow.family = family;
            assert_cites(&references(&profile, "zeghal2025"), &family, &FAMILIES);
        }
        for family in [DensityFamily::Spline, DensityFamily::AutoregressiveSpline] {
            let mut profile = Profile::load("smoke")?;
            let loss = Loss::Vmim { summaries: None, family, layers: None, hidden: None };
            profile.method[0].loss = loss.clone();
            let keys = references(&profile, "zeghal2025");
            assert!(loss.references().iter().all(|key| keys.contains(key)), "{keys:?}");
        }
        Ok(())
    }

    #[test]
    fn the_spectra_have_a_name_of_their_own() {
        assert_eq!(name("vmim"), "VMIM");
        assert!(name(SPECTRA).contains("spectra"));
    }
}
