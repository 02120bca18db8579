//! The story of a study in one HTML page, told from its results alone.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use lognormal_sim::PARAMETERS;
use serde::{Deserialize, Serialize};

use super::{Comparison, Measurement};
use crate::arrays::{Array, read_npz};
use crate::files::{read_json, write_text};
use crate::plot::chains::{Chains, ranks, traces};
use crate::plot::corner::{Parameter, Posterior, corner};
use crate::plot::maps::{Map, maps};
use crate::plot::markup::parameter_label;
use crate::plot::spectra::{PairSpectrum, chi_square, spectra};
use crate::prior::{DIM, Prior};
use crate::report::references::{bibliography, select};
use crate::report::summary::{corner_caption, posterior_table};
use crate::report::{Figure, Grade, Report, Section, Table, Verdict};
use crate::sampling::{DIAGNOSTICS, Diagnostics, SAMPLES};

/// Where the results lie that a report is drawn from; kept as `study.json` beside it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ReportInputs {
    /// Title.
    pub title: String,
    /// Sentence below the title.
    pub subtitle: String,
    /// What identifies the run.
    pub facts: Vec<(String, String)>,
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
    pub posteriors: Vec<(String, PathBuf)>,
    /// File with a [`Comparison`], if there are two posteriors.
    pub comparison: Option<PathBuf>,
}

/// Draws and diagnostics of one posterior.
struct Loaded {
    name: String,
    samples: Array,
    diagnostics: Diagnostics,
}

/// Draws `report.html` in `folder`; the paths of `inputs` are relative to it.
///
/// # Errors
/// If a result is missing or damaged, or the page cannot be written.
pub fn write_report(folder: &Path, inputs: &ReportInputs) -> Result<PathBuf> {
    let posteriors = inputs
        .posteriors
        .iter()
        .map(|(name, path)| {
            let path = folder.join(path);
            Ok(Loaded {
                name: name.clone(),
                samples: read_npz(&path.join(SAMPLES), "samples")?,
                diagnostics: read_json(&path.join(DIAGNOSTICS))?,
            })
        })
        .collect::<Result<Vec<_>>>()?;
    let mut sections = vec![posterior_section(inputs, &posteriors)?];
    if let Some(path) = &inputs.comparison {
        sections.push(comparison_section(&read_json(&folder.join(path))?));
    }
    sections.push(map_section(folder, inputs)?);
    sections.push(spectra_section(&read_json(&folder.join(&inputs.spectra))?)?);
    for posterior in &posteriors {
        sections.push(chain_section(inputs, posterior)?);
    }
    let keys = [
        "zeghal2025",
        "zeghal2022",
        "lanzieri2025",
        "desc2018",
        "eisenstein1998",
        "takahashi2012",
        "hilbert2011",
        "friedrich2020",
        "hoffman2014",
        "betancourt2017",
        "shahbaba2014",
        "vehtari2021",
        "lopezpaz2017",
    ];
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

fn posterior_section(inputs: &ReportInputs, posteriors: &[Loaded]) -> Result<Section> {
    let parameters: Vec<Parameter> = inputs
        .prior
        .bounds()
        .enumerate()
        .map(|(i, (name, bounds))| Parameter {
            label: parameter_label(name),
            bounds,
            truth: inputs.truth.map(|truth| truth[i]),
        })
        .collect();
    let drawn: Vec<Posterior> = posteriors
        .iter()
        .map(|posterior| Posterior {
            name: posterior.name.clone(),
            samples: &posterior.samples.data,
            effective: posterior
                .diagnostics
                .parameters
                .iter()
                .map(|parameter| parameter.ess_bulk)
                .reduce(f64::min),
        })
        .collect();
    Ok(Section {
        heading: "Posterior of the cosmological parameters".into(),
        verdicts: posteriors.iter().map(verdict).collect(),
        figures: vec![Figure {
            svg: corner(&parameters, &drawn).context("corner plot")?,
            caption: corner_caption(&parameters, &drawn),
        }],
        tables: vec![posterior_table(&parameters, &drawn)],
        ..Section::default()
    })
}

fn verdict(posterior: &Loaded) -> Verdict {
    let Diagnostics { warnings, gradients, seconds, parameters, .. } = &posterior.diagnostics;
    let worst = parameters.iter().map(|p| p.r_hat).fold(0.0, f64::max);
    let fewest = parameters.iter().map(|p| p.ess_bulk).fold(f64::INFINITY, f64::min);
    let grade = if warnings.is_empty() {
        Grade::Good
    } else if worst < 1.05 && fewest >= 100.0 {
        Grade::Doubtful
    } else {
        Grade::Bad
    };
    Verdict {
        grade,
        text: format!(
            "{}: R-hat at most {worst:.3}, at least {fewest:.0} effective draws; {} gradients \
             (each one simulation and its adjoint) in {seconds:.0} s",
            posterior.name, gradients.total
        ),
    }
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
            svg: maps(&rows, inputs.map_size_deg, "convergence").context("maps")?,
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
            svg: spectra(&pairs).context("spectra")?,
            caption: format!(
                "Band powers of the map, shape noise subtracted, with their standard deviations, \
                 and theory at the reference cosmology. The sum of the squared residuals, \
                 correlations left out, is {chi_square:.0} for {points} points."
            ),
        }],
        ..Section::default()
    })
}

fn chain_section(inputs: &ReportInputs, posterior: &Loaded) -> Result<Section> {
    let Loaded { name, samples, diagnostics } = posterior;
    let chains = Chains {
        parameters: PARAMETERS.iter().map(|name| parameter_label(name)).collect(),
        chains: samples.data.chunks(samples.shape[1] * DIM).collect(),
    };
    let truth: Vec<Option<f64>> = (0..DIM).map(|i| inputs.truth.map(|t| t[i])).collect();
    let rows = diagnostics
        .parameters
        .iter()
        .map(|p| {
            vec![
                parameter_label(&p.name),
                format!("{:.3}", p.r_hat),
                format!("{:.0}", p.ess_bulk),
                format!("{:.0}", p.ess_tail),
                format!("{:.1} %", 100.0 * p.mcse_mean / p.sd),
            ]
        })
        .collect();
    let count = &diagnostics.gradients;
    let budget = [
        ("search of starting points", count.start),
        ("first step sizes", count.initialisation),
        ("warm-up", count.warmup),
        ("draws", count.sampling),
        ("all", count.total),
    ];
    Ok(Section {
        heading: format!("Chains: {name}"),
        warnings: diagnostics.warnings.clone(),
        figures: vec![
            Figure {
                svg: traces(&chains, &truth).context("traces")?,
                caption: "Draws of each chain; dashed the truth, where known.".into(),
            },
            Figure {
                svg: ranks(&chains).context("rank plots")?,
                caption: "Ranks of each chain's draws among all: flat where chains agree.".into(),
            },
        ],
        tables: vec![
            Table {
                caption: "Convergence: rank-normalised R-hat, effective draws in the bulk and the \
                          tails, and the Monte-Carlo error of the mean in posterior standard \
                          deviations."
                    .into(),
                columns: ["parameter", "R-hat", "ESS bulk", "ESS tail", "error of the mean"]
                    .map(String::from)
                    .to_vec(),
                rows,
            },
            Table {
                caption: format!(
                    "Gradient evaluations; {:.0} for the draws per effective draw of the slowest \
                     parameter.",
                    diagnostics.gradients_per_effective_draw
                ),
                columns: vec!["for".into(), "gradients".into()],
                rows: budget.map(|(what, n)| vec![what.into(), n.to_string()]).to_vec(),
            },
        ],
        ..Section::default()
    })
}
