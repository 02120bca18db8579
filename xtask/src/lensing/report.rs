//! The story of a study in one HTML page, told from its results alone.

use std::path::{Path, PathBuf};

use anyhow::Result;
use metrics::C2st;
use serde::{Deserialize, Serialize};

use full_field::Measurement;

use super::{Comparison, Method};
use crate::arrays::{Array, read_npz};
use crate::files::{read_json, write_text};
use crate::literature::Cited;
use crate::map_fit::{Fit, FitInputs};
use crate::plot::corner::Parameter;
use crate::plot::maps::{Map, maps};
use crate::plot::markup::parameter_label;
use crate::plot::spectra::{PairSpectrum, chi_square, spectra};
use crate::report::references::{bibliography, select};
use crate::report::words::plus_minus;
use crate::report::{Figure, Report, Section, Table};
use crate::runs::{CLEAR, Sign, excess, null_text};
use crate::sampling::Sampler;
use crate::sampling::section::{Sampled, posterior_section};
use crate::study::STUDY;
use full_field::{DIM, Prior};

/// Name of the study in its file.
pub const NAME: &str = "lensing";

/// Where the results lie that a report is drawn from; kept as `study.json` beside it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ReportInputs {
    /// [`NAME`], or that of what brought the map.
    pub study: String,
    /// Title.
    pub title: String,
    /// Sentence below the title.
    pub subtitle: String,
    /// What identifies the run.
    pub facts: Vec<(String, String)>,
    /// How the posteriors were sampled.
    #[serde(default)]
    pub sampler: Sampler,
    /// How that of the power spectrum was, if otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_spectrum_sampler: Option<Sampler>,
    /// The prior.
    pub prior: Prior,
    /// Side of the map in degrees.
    pub map_size_deg: f64,
    /// The true parameters, if known.
    pub truth: Option<[f64; DIM]>,
    /// File with `map` and, if known, `field`, both `[bin, y, x]`.
    pub maps: PathBuf,
    /// File with a [`Measurement`].
    pub spectra: PathBuf,
    /// Folders of draws and diagnostics, each with the name of its method.
    pub posteriors: Vec<(Method, PathBuf)>,
    /// File with a [`Comparison`], if there are two posteriors.
    pub comparison: Option<PathBuf>,
    /// Whether the map fits.
    #[serde(default)]
    pub fit: FitInputs,
}

impl ReportInputs {
    fn samplers(&self) -> Vec<Sampler> {
        std::iter::once(self.sampler).chain(self.power_spectrum_sampler).collect()
    }
}

/// What the study asks.
const QUESTION: &str = "How much more do all pixels of a tomographic convergence map tell about the \
    cosmological parameters than its power spectra?";

/// Draws `report.html` in `folder`; the paths of `inputs` are relative to it.
///
/// # Errors
/// If a result is missing or damaged, or the page cannot be written.
pub fn write_report(folder: &Path, inputs: &ReportInputs) -> Result<PathBuf> {
    let posteriors = load_posteriors(folder, inputs)?;
    let parameters = parameters(inputs);
    let fit = inputs.fit.load(folder)?;
    let mut sections = vec![posteriors_section(&parameters, &posteriors, &fit)?];
    if let Some(path) = &inputs.comparison {
        sections.push(comparison_section(&read_json(&folder.join(path))?));
    }
    sections.push(map_section(folder, inputs)?);
    sections.push(spectra_section(&read_json(&folder.join(&inputs.spectra))?)?);
    for (_, posterior) in &posteriors {
        sections.push(posterior.chain_section(&parameters)?);
    }
    let report = Report {
        title: inputs.title.clone(),
        subtitle: inputs.subtitle.clone(),
        facts: inputs.facts.clone(),
        sections,
        references: select(&references(&inputs.samplers()))?,
    };
    let path = folder.join("report.html");
    write_text(&path, &report.html())?;
    write_text(&folder.join("references.bib"), &bibliography(&report.references))?;
    Ok(path)
}

/// Keys of the literature that was really used.
fn references(samplers: &[Sampler]) -> Vec<&'static str> {
    let mut keys = vec![
        "zeghal2025",
        "zeghal2022",
        "lanzieri2025",
        "desc2018",
        "eisenstein1998",
        "takahashi2012",
        "hilbert2011",
        "friedrich2020",
        "shahbaba2014",
        "vehtari2021",
        "lopezpaz2017",
    ];
    keys.extend(samplers.iter().flat_map(Cited::references));
    keys
}

/// The study in short, from what it left in `folder`.
///
/// # Errors
/// If the study is not finished.
pub fn digest(folder: &Path) -> Result<Section> {
    let inputs: ReportInputs = read_json(&folder.join(STUDY))?;
    let posteriors = load_posteriors(folder, &inputs)?;
    let fit = inputs.fit.load(folder)?;
    let section = posteriors_section(&parameters(&inputs), &posteriors, &fit)?;
    let mut paragraphs = vec![QUESTION.to_owned()];
    let mut tables = Vec::new();
    if let Some(path) = &inputs.comparison {
        let comparison: Comparison = read_json(&folder.join(path))?;
        let gains = comparison.figures_of_merit.iter().map(|pair| {
            let (a, b) = (parameter_label(&pair.parameters.0), parameter_label(&pair.parameters.1));
            format!("{:.2} for {a}, {b}", pair.full_field.value / pair.power_spectrum.value)
        });
        paragraphs.push(format!(
            "The Figure of Merit of the full field over that of the power spectra of the same map \
             is {}.",
            gains.collect::<Vec<_>>().join("; ")
        ));
        let section = comparison_section(&comparison);
        paragraphs.extend(section.paragraphs);
        tables = section.tables;
    }
    Ok(Section { paragraphs, tables, ..section })
}

/// The posteriors with their chains.
fn load_posteriors(folder: &Path, inputs: &ReportInputs) -> Result<Vec<(Method, Sampled)>> {
    let each = inputs.posteriors.iter();
    each.map(|(method, path)| Ok((*method, Sampled::load(method.label(), &folder.join(path))?)))
        .collect()
}

/// The parameters as they are drawn.
fn parameters(inputs: &ReportInputs) -> Vec<Parameter> {
    let each = inputs.prior.bounds().enumerate();
    each.map(|(i, (name, bounds))| Parameter {
        label: parameter_label(name),
        bounds,
        truth: inputs.truth.map(|truth| truth[i]),
    })
    .collect()
}

fn posteriors_section(
    parameters: &[Parameter],
    posteriors: &[(Method, Sampled)],
    fit: &Fit,
) -> Result<Section> {
    let heading = "Posterior of the cosmological parameters";
    let each = posteriors.iter();
    let chains = each.map(|(method, sampled)| sampled.verdict(method.gradient()));
    let verdicts = fit.verdicts().chain(chains).collect();
    let sampled: Vec<&Sampled> = posteriors.iter().map(|(_, sampled)| sampled).collect();
    let section = posterior_section(heading, verdicts, parameters, &sampled)?;
    Ok(Section { warnings: fit.warnings(), ..section })
}

fn comparison_section(comparison: &Comparison) -> Section {
    let rows = comparison
        .figures_of_merit
        .iter()
        .map(|pair| {
            let (a, b) = (&pair.parameters.0, &pair.parameters.1);
            let (full, power) = (&pair.full_field, &pair.power_spectrum);
            vec![
                format!("{}, {}", parameter_label(a), parameter_label(b)),
                plus_minus(full.value, Some(full.error), 0),
                plus_minus(power.value, Some(power.error), 0),
                format!("{:.2}", full.value / power.value),
            ]
        })
        .collect();
    Section {
        heading: "What the full field adds".into(),
        paragraphs: vec![classifier_words(&comparison.c2st)],
        tables: vec![Table {
            caption: "Figure of Merit, the inverse area of the joint posterior of two parameters, \
                      with its Monte-Carlo error."
                .into(),
            columns: ["parameters", "full field", "power spectrum", "gain"]
                .map(String::from)
                .to_vec(),
            rows,
        }],
        ..Section::default()
    }
}

/// Whether a classifier tells the posteriors apart.
fn classifier_words(c2st: &C2st) -> String {
    let finding = match excess(c2st).sign(CLEAR) {
        Sign::Above => "A classifier tells the two posteriors apart",
        Sign::Unclear | Sign::Below => "A classifier does not tell the two posteriors apart",
    };
    let null = c2st.null.as_ref().map_or(String::new(), |null| {
        format!(" Equal distributions would give {}.", null_text(null))
    });
    format!(
        "{finding}: its accuracy (C2ST) is {}.{null}",
        plus_minus(c2st.accuracy, Some(c2st.error), 3)
    )
}

fn map_section(folder: &Path, inputs: &ReportInputs) -> Result<Section> {
    let path = folder.join(&inputs.maps);
    let observed = read_npz(&path, "map")?;
    let field = inputs.truth.is_some().then(|| read_npz(&path, "field")).transpose()?;
    let row = |array: &Array| -> Vec<(String, Vec<f64>)> {
        let npix = array.shape[2];
        let bins = array.data.chunks(npix * npix).enumerate();
        bins.map(|(bin, pixels)| (format!("bin {}", bin + 1), pixels.to_vec())).collect()
    };
    let mut rows = vec![("observed, with shape noise".to_owned(), row(&observed))];
    rows.extend(field.iter().map(|field| ("convergence without noise".to_owned(), row(field))));
    let rows: Vec<(String, Vec<Map>)> = rows
        .iter()
        .map(|(name, row)| {
            let maps = row.iter().map(|(title, pixels)| Map {
                title: title.clone(),
                pixels,
                npix: observed.shape[2],
            });
            (name.clone(), maps.collect())
        })
        .collect();
    Ok(Section {
        heading: "The map".into(),
        figures: vec![Figure {
            drawing: maps(&rows, inputs.map_size_deg, "convergence"),
            caption: "Convergence in the tomographic bins.".into(),
        }],
        ..Section::default()
    })
}

fn spectra_section(measurement: &Measurement) -> Result<Section> {
    let pairs: Vec<PairSpectrum> = measurement
        .pairs
        .iter()
        .map(|pair| PairSpectrum {
            pair: pair.bins,
            ell: measurement.ell.clone(),
            measured: pair.measured.clone(),
            error: pair.error.clone(),
            expected: pair.expected.clone(),
            curve: (measurement.curve_ell.clone(), pair.curve.clone()),
        })
        .collect();
    let (chi_square, points) = chi_square(&pairs);
    Ok(Section {
        heading: "Power spectra".into(),
        figures: vec![Figure {
            drawing: spectra(&pairs),
            caption: format!(
                "Band powers of the map, shape noise subtracted, with their standard deviations, \
                 and theory at the reference cosmology. The sum of the squared residuals, \
                 correlations left out, is {chi_square:.0} for {points} points."
            ),
        }],
        ..Section::default()
    })
}

#[cfg(test)]
mod tests {
    use metrics::C2stNull;

    use super::*;
    use crate::literature::tests::{SAMPLERS, assert_cites};

    #[test]
    fn the_samplers_that_were_used_are_cited() {
        for sampler in SAMPLERS {
            assert_cites(&references(&[sampler]), &sampler, &SAMPLERS);
        }
        let both = references(&[Sampler::Mams, Sampler::Nuts]);
        assert!(both.contains(&"robnik2025") && both.contains(&"hoffman2014"), "{both:?}");
    }

    #[test]
    fn posteriors_are_told_apart_beyond_the_errors_only() {
        let words = |accuracy: f64| {
            let null = C2stNull { mean: 0.5, sd: 0.0, accuracies: vec![0.5] };
            classifier_words(&C2st {
                accuracy,
                error: 0.02,
                repetition_error: 0.0,
                sampling_error: 0.02,
                accuracies: vec![accuracy],
                null: Some(null),
                fixed: Vec::new(),
            })
        };
        assert_eq!(
            words(0.6),
            "A classifier tells the two posteriors apart: its accuracy (C2ST) is 0.600 ± 0.020. \
             Equal distributions would give 0.500."
        );
        for accuracy in [0.4, 0.5, 0.53] {
            assert!(words(accuracy).starts_with("A classifier does not tell"), "{accuracy}");
        }
    }
}
