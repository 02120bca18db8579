//! The story of a study in one HTML page, told from its results alone.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::{Comparison, Measurement, Method};
use crate::arrays::{Array, read_npz};
use crate::commands::report::STUDY;
use crate::files::{read_json, write_text};
use crate::map_fit::{Fit, FitInputs};
use crate::plot::corner::Parameter;
use crate::plot::maps::{Map, maps};
use crate::plot::markup::parameter_label;
use crate::plot::spectra::{PairSpectrum, chi_square, spectra};
use crate::prior::{DIM, Prior};
use crate::report::references::{bibliography, select};
use crate::report::{Figure, Report, Section, Table};
use crate::sampling::Sampler;
use crate::sampling::section::{Sampled, posterior_section};

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
    let sampler: &[&str] = match inputs.sampler {
        Sampler::Nuts => &["hoffman2014", "betancourt2017"],
        Sampler::Mams => &["robnik2023", "robnik2025"],
        Sampler::Mclmc => &["robnik2023"],
    };
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
    keys.extend(sampler);
    let report = Report {
        title: inputs.title.clone(),
        subtitle: inputs.subtitle.clone(),
        facts: inputs.facts.clone(),
        sections,
        references: select(&keys)
            .map_err(|unknown| anyhow::anyhow!("no bibliography entry for {unknown:?}"))?,
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
                format!("{:.0} ± {:.0}", full.value, full.error),
                format!("{:.0} ± {:.0}", power.value, power.error),
                format!("{:.2}", full.value / power.value),
            ]
        })
        .collect();
    let c2st = &comparison.c2st;
    let null = c2st.null.as_ref().map_or(String::new(), |null| {
        format!(" Equal distributions would give {:.3} ± {:.3}.", null.mean, null.sd)
    });
    Section {
        heading: "What the full field adds".into(),
        paragraphs: vec![format!(
            "A classifier tells the two posteriors apart with an accuracy of {:.3} ± {:.3}.{null}",
            c2st.accuracy, c2st.error
        )],
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
