//! The study in one HTML page, told from its results alone.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::claims::claims;
use super::curves::{Curve, best};
use super::profile::{CompressorProfile, ExplicitProfile, Group, Profile};
use super::results::{RESULTS, Results};
use super::{figures, story, tables};
use crate::arrays::read_npz;
use crate::claim::Claim;
use crate::files::{read_json, write_json, write_text};
use crate::lensing::Method;
use crate::literature::Cited;
use crate::plot::corner::{Parameter, Posterior, corner};
use crate::plot::markup::parameter_label;
use crate::published::{Published, Score};
use crate::report::references::{bibliography, select};
use crate::report::summary::{corner_caption, posterior_table};
use crate::report::{Figure, Report, Section};
use crate::sampling::SAMPLES;
use crate::sampling::section::Sampled;
use crate::study::STUDY;
use full_field::{DIM, Prior};

/// Name of the study in its files.
pub const NAME: &str = "inference";

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
    /// Seed of the study.
    pub seed: u64,
    /// What identifies the run.
    pub facts: Vec<(String, String)>,
    /// Folder of the explicit posterior.
    pub full_field: PathBuf,
    /// Folder of the yardsticks.
    pub yardsticks: PathBuf,
    /// Folders of the convergence of each recipe.
    pub convergence: Vec<PathBuf>,
    /// Folder of the compressor.
    pub compressor: PathBuf,
    /// Folder of the learnt score, if there is one.
    pub marginal: Option<PathBuf>,
    /// Folder and wall time in seconds of each cell.
    pub cells: Vec<(PathBuf, f64)>,
}

/// Draws `report.html` in `folder`, and writes all numbers beside it; the paths of `inputs` are
/// relative to it.
///
/// # Errors
/// If a result is missing or damaged, or the page cannot be written.
pub fn write_report(folder: &Path, inputs: &ReportInputs) -> Result<PathBuf> {
    let published = Published::inference()?;
    let results = Results::read(folder, inputs)?;
    write_json(&folder.join(RESULTS), &results)?;
    let curves = Curve::all(&inputs.profile, &results.cells, &published);
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
    let sampled = Sampled::load("full field", &folder.join(&inputs.full_field))?;
    let mut sections = vec![
        question(&results, &curves, &published),
        Section {
            heading: "Posterior, likelihood or ratio, at once or in rounds?".into(),
            paragraphs: vec![method_words(&inputs.profile)],
            figures: figures::methods(&curves, &results.yardsticks).into_iter().collect(),
            ..Section::default()
        },
        Section {
            heading: "Do scores help?".into(),
            paragraphs: vec![score_words(&inputs.profile)],
            figures: figures::scores(&curves, &results.yardsticks).into_iter().collect(),
            ..Section::default()
        },
        Section {
            heading: "Explicit against implicit".into(),
            paragraphs: vec![recipe_words(&inputs.profile)],
            verdicts: vec![sampled.verdict(Method::Explicit.gradient())],
            figures: vec![figures::explicit(&results, &curves, &published)],
            tables: vec![tables::prefixes(&results, &published)],
            ..Section::default()
        },
    ];
    sections.extend(overlay(folder, inputs, &results, &curves, &parameters)?);
    sections.push(Section {
        heading: "All numbers".into(),
        paragraphs: vec![format!(
            "The same numbers, cell by cell, with the measures of each parameter, are in \
             `{RESULTS}`."
        )],
        tables: vec![
            tables::everything(&curves),
            tables::yardsticks(&results),
            tables::counts(&results, &curves),
        ],
        ..Section::default()
    });
    sections.push(sampled.chain_section(&parameters)?);
    let keys = references(&inputs.profile, &published.source);
    let report = Report {
        title: "Which full-field method needs the fewest simulations?".into(),
        subtitle: "Explicit inference against posteriors, likelihoods and ratios learnt from \
                   simulations, beside the published results"
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
    let published = Published::inference()?;
    let results = Results::read(folder, &inputs)?;
    let curves = Curve::all(&inputs.profile, &results.cells, &published);
    let figure = figures::explicit(&results, &curves, &published);
    Ok(Section { figures: vec![figure], ..question(&results, &curves, &published) })
}

/// Question, answer, and what the statements are worth.
fn question(results: &Results, curves: &[Curve], published: &Published) -> Section {
    let mut paragraphs = vec![story::QUESTION.to_owned()];
    paragraphs.extend(story::answers(results, curves, published));
    Section {
        heading: "Question and answer".into(),
        paragraphs,
        warnings: story::warnings(results, curves),
        verdicts: claims(results, curves).iter().map(Claim::verdict).collect(),
        tables: vec![tables::thresholds(results)],
        ..Section::default()
    }
}

/// The best implicit posterior over the explicit one.
fn overlay(
    folder: &Path,
    inputs: &ReportInputs,
    results: &Results,
    curves: &[Curve],
    parameters: &[Parameter],
) -> Result<Option<Section>> {
    let Some((curve, point)) = best(curves) else { return Ok(None) };
    let place = results.cells.iter().position(|cell| {
        cell.method == curve.name && cell.simulations == point.simulations && cell.judged.is_some()
    });
    let Some(place) = place else { return Ok(None) };
    let explicit = read_npz(&folder.join(&inputs.full_field).join(SAMPLES), "samples")?;
    let implicit = read_npz(&folder.join(&inputs.cells[place].0).join(SAMPLES), "samples")?;
    let name = format!("{}, {} simulations", curve.name, story::grouped(point.simulations));
    let drawn = [
        Posterior {
            name: "explicit".into(),
            samples: &explicit.data,
            effective: Some(results.reference.effective),
        },
        Posterior { name, samples: &implicit.data, effective: None },
    ];
    let accuracy = crate::plot::axis::fixed(results.cells[place].c2st(), 3);
    Ok(Some(Section {
        heading: "The best implicit posterior and the explicit one".into(),
        figures: vec![Figure {
            drawing: corner(parameters, &drawn),
            caption: format!(
                "{} The classifier tells these two with an accuracy of {accuracy}.",
                corner_caption(parameters, &drawn)
            ),
        }],
        tables: vec![posterior_table(parameters, &drawn)],
        ..Section::default()
    }))
}

/// How the methods of the first question learn.
fn method_words(profile: &Profile) -> String {
    let rounds: Vec<usize> =
        profile.method.iter().map(|method| method.rounds).filter(|rounds| *rounds > 1).collect();
    let rounds = rounds.iter().max().map_or(String::new(), |rounds| {
        format!(
            " In rounds, the simulations are divided into up to {rounds} equal parts, each after \
             the first at draws of the posterior that was learnt before."
        )
    });
    let input = profile.compressor.input.words();
    format!(
        "All methods see the same summaries: those of one network, trained to keep the information \
         on the parameters (VMIM), which sees {input}. NPE learns the posterior with a flow, NLE the likelihood of the \
         summaries with a flow, NRE the ratio of likelihood and evidence with a classifier, FMPE \
         the posterior by flow matching; likelihoods and ratios are sampled by Markov chains. In \
         one round, each run has a pool of simulations at draws of the prior of its own, of which \
         smaller budgets are the first; all methods and budgets of a run share it.{rounds} A \
         budget counts every call of the simulator, also those at cosmologies without a map. \
         (The published trainings in one round draw their simulations with replacement, so that a \
         third of them is seen twice or not at all.) Networks stop when a validation loss on a \
         tenth of the simulations no longer falls, and {} draws of each posterior are compared.",
        profile.c2st.draws
    )
}

/// What scores are.
fn score_words(profile: &Profile) -> String {
    let marginal = profile.marginal.as_ref().map_or(String::new(), |marginal| {
        format!(
            " The marginal score is the mean of the conditional ones over the latents, which a \
             network learnt from {} simulations and gradients of its own (452 589 in the paper).",
            story::grouped(marginal.simulations)
        )
    });
    let whitened = match profile.method.iter().any(|method| method.score == Score::Whitened) {
        true => {
            " The whitened score is another one with this mean: it holds latents fixed that are \
             independent of map and parameters where the field is Gaussian, and has far less noise \
             at the same cost (`cargo xtask scores` measures it). It is not in the paper."
        }
        false => "",
    };
    let own = profile.method.iter().filter(|method| method.group == Group::Scores);
    let fixed = own.clone().all(|method| method.learn.fit().training.validation == 0.0);
    let steps = own.map(|method| method.learn.fit().training.max_steps).max().unwrap_or(0);
    let training = match fixed {
        true => format!(
            " These networks are trained for a fixed number of steps ({}) without validation, as in \
             the paper (70 000).",
            story::grouped(steps as u64)
        ),
        false => String::new(),
    };
    format!(
        "With each map the simulator can give the derivative of its log density with respect to the \
         parameters, with the latents held fixed: the conditional score. A term in the loss of NLE \
         asks the flow to have it. Its mean over the latents that lead to the same summary is the \
         true score of the likelihood, but a single one is mostly noise.{whitened}{marginal}{training}"
    )
}

/// What the recipes of explicit sampling are.
fn recipe_words(profile: &Profile) -> String {
    let ExplicitProfile { ours, published, .. } = &profile.explicit;
    let samplers = match (ours.sampler.name(), published.sampler.name()) {
        (ours, theirs) if ours == theirs => format!("Both are {ours}"),
        (ours, theirs) => format!("Ours is {ours}, the published one {theirs}"),
    };
    format!(
        "Our recipe samples whitened latents, starts from the power-spectrum posterior of the map \
         without knowing the truth, and counts its warm-up. The published recipe samples the latents \
         as they are, with a diagonal metric and trees of depth {}, starts at the true parameters \
         and the true latents, and does not count its warm-up of {} draws for each chain. {}, and \
         neither shares a draw with the reference.",
        published.max_depth, published.warmup, samplers
    )
}

/// Keys of the literature that the study really used.
fn references<'a>(profile: &Profile, source: &'a str) -> Vec<&'a str> {
    let mut keys =
        vec![source, "lanzieri2025", "desc2018", "eisenstein1998", "takahashi2012", "hilbert2011"];
    let ExplicitProfile { reference, ours, published, .. } = &profile.explicit;
    keys.extend([reference, ours, published].iter().flat_map(|run| run.sampler.references()));
    keys.extend(["shahbaba2014", "vehtari2021", "lopezpaz2017", "lueckmann2021"]);
    let CompressorProfile { input, network, loss, .. } = &profile.compressor;
    keys.extend(loss.references());
    keys.push("kingma2015");
    keys.extend(input.reference());
    keys.extend(network.references());
    if profile.method.iter().any(|method| method.score != Score::None) {
        keys.push("zeghal2022");
    }
    for method in &profile.method {
        keys.extend(method.method().references());
        keys.extend(method.learn.flow().iter().flat_map(|flow| flow.references()));
    }
    keys
}

#[cfg(test)]
mod tests {
    use ::compression::Loss;

    use super::super::profile::Learn;
    use super::*;
    use crate::literature::tests::{FAMILIES, SAMPLERS, assert_cites};

    #[test]
    fn all_that_a_profile_uses_is_in_the_bibliography() -> Result<()> {
        let source = Published::inference()?.source;
        for name in ["smoke", "laptop", "paper"] {
            let keys = references(&Profile::load(name)?, &source);
            assert!(select(&keys).is_ok(), "{name}: {keys:?}");
            assert!(keys.contains(&"wildberger2023") && keys.contains(&"hermans2020"), "{name}");
        }
        Ok(())
    }

    /// A profile with a single method, NPE, and a loss without flow.
    fn single() -> Result<Profile> {
        let mut profile = Profile::load("smoke")?;
        profile.method.truncate(1);
        profile.compressor.loss = Loss::Mse;
        Ok(profile)
    }

    #[test]
    fn the_samplers_that_were_used_are_cited() -> Result<()> {
        for sampler in SAMPLERS {
            let mut profile = single()?;
            let ExplicitProfile { reference, ours, published, .. } = &mut profile.explicit;
            [reference, ours, published].into_iter().for_each(|run| run.sampler = sampler);
            assert_cites(&references(&profile, "zeghal2025"), &sampler, &SAMPLERS);
            assert!(recipe_words(&profile).contains(&format!("Both are {}", sampler.name())));
        }
        Ok(())
    }

    #[test]
    fn the_families_that_were_used_are_cited() -> Result<()> {
        for family in FAMILIES {
            let mut profile = single()?;
            let Learn::Npe(settings) = &mut profile.method[0].learn else { unreachable!("NPE") };
            settings.flow.family = family;
            assert_cites(&references(&profile, "zeghal2025"), &family, &FAMILIES);
        }
        Ok(())
    }
}
