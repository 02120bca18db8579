//! The study in one HTML page, told from its results alone.

use std::path::{Path, PathBuf};

use anyhow::Result;
use metrics::C2stNull;
use serde::{Deserialize, Serialize};

use super::compressor::CompressorReport;
use super::curves::{Curve, accuracy_figure, comparison_table, learning_figure};
use super::density::{CELLS, EDGES, MEASURED, PLANE, TASK, true_density};
use super::inference::POSTERIOR;
use super::measured::Measured;
use super::observation::{NAMES, Reference};
use super::profile::{Grid, Input, LotkaVolterraProfile, Populations, Profile};
use super::run::NULL;
use super::story;
use crate::arrays::{Array, read_npz};
use crate::files::{read_json, write_text};
use crate::literature::Cited;
use crate::plot::corner::{Parameter, Posterior, corner};
use crate::plot::plane::{Field, Layer, Plane, planes};
use crate::published::Published;
use crate::report::references::{bibliography, select};
use crate::report::summary::{corner_caption, posterior_table};
use crate::report::words::counted;
use crate::report::{Figure, Report, Section, Table};
use crate::study::STUDY;
use crate::trial;

/// Name of the study in its files.
pub const NAME: &str = "gradients";

/// Where the results lie that a report is drawn from; kept as `study.json` beside it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ReportInputs {
    /// Name of the study.
    pub study: String,
    /// What was compared.
    pub profile: Profile,
    /// What identifies the run.
    pub facts: Vec<(String, String)>,
    /// Folder of the null of two moons.
    pub null: PathBuf,
    /// What the Lotka-Volterra problems read, in their order in the profile.
    pub problems: Vec<ProblemInputs>,
    /// Folder and wall time in seconds of each training.
    pub trainings: Vec<(PathBuf, f64)>,
}

/// Results of one Lotka-Volterra problem but for its trainings.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ProblemInputs {
    /// Folders of the reference posteriors.
    pub references: Vec<PathBuf>,
    /// Folder of the compressor.
    pub compressor: PathBuf,
    /// Wall time of its training.
    pub compressor_seconds: f64,
}

/// A training with the place of its other results and its cost.
pub struct Training {
    /// Its measures.
    pub measured: Measured,
    folder: PathBuf,
    seconds: f64,
}

/// Draws `report.html` in `folder`; the paths of `inputs` are relative to it.
///
/// # Errors
/// If a result is missing or damaged, or the page cannot be written.
pub fn write_report(folder: &Path, inputs: &ReportInputs) -> Result<PathBuf> {
    let published = Published::gradients()?;
    let Read { trainings, moons, problems } = Read::new(folder, inputs, &published)?;
    let null: C2stNull = read_json(&folder.join(&inputs.null).join(NULL))?;
    let mut sections = Vec::new();
    sections.push(question(inputs, &trainings, &moons, &problems));
    let mut bodies = vec![moons_section(inputs, &trainings, &moons, &null)?];
    for ((profile, own), curves) in
        inputs.profile.lotka_volterra.iter().zip(&inputs.problems).zip(&problems)
    {
        bodies.push(problem_section(folder, profile, own, &trainings, curves)?);
    }
    sections.extend(bodies);
    sections.push(cost_section(inputs, &trainings));
    let keys = references(&inputs.profile, &published.source);
    let report = Report {
        title: "Do simulator gradients help?".into(),
        subtitle: "Densities and posteriors learnt with and without the scores of the simulator, \
                   beside the published results"
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

/// Keys of the literature that the study really used.
fn references<'a>(profile: &Profile, source: &'a str) -> Vec<&'a str> {
    let mut keys = vec![source];
    keys.extend(profile.two_moons.method.iter().flat_map(|method| method.flow.references()));
    for problem in &profile.lotka_volterra {
        // the network that makes summaries is trained by VMIM
        keys.push("jeffrey2021");
        keys.extend(problem.compressor.flow.references());
        for method in &problem.method {
            keys.extend(method.method().references());
            keys.extend(method.flow.references());
        }
        // the reference posterior
        keys.extend(trial::Method::Nuts.references());
    }
    keys.extend(["lopezpaz2017", "lueckmann2021", "kingma2015"]);
    keys
}

/// What the trainings left.
struct Read {
    trainings: Vec<Training>,
    /// The curves of two moons.
    moons: Vec<Curve>,
    /// Those of each Lotka-Volterra problem.
    problems: Vec<Vec<Curve>>,
}

impl Read {
    fn new(folder: &Path, inputs: &ReportInputs, published: &Published) -> Result<Self> {
        let trainings = inputs
            .trainings
            .iter()
            .map(|(path, seconds)| {
                let folder = folder.join(path);
                let measured = read_json(&folder.join(MEASURED))?;
                Ok(Training { measured, folder, seconds: *seconds })
            })
            .collect::<Result<Vec<_>>>()?;
        let moons = inputs.profile.two_moons.method.iter().map(|method| &method.grid);
        let moons = Curve::all(TASK, moons, &trainings, published);
        let problems = inputs.profile.lotka_volterra.iter().map(|profile| {
            let grids = profile.method.iter().map(|method| &method.grid);
            Curve::all(profile.populations.task(), grids, &trainings, published)
        });
        let problems = problems.collect();
        Ok(Self { trainings, moons, problems })
    }
}

/// The study in short, from what it left in `folder`.
///
/// # Errors
/// If the study is not finished.
pub fn digest(folder: &Path) -> Result<Section> {
    let inputs: ReportInputs = read_json(&folder.join(STUDY))?;
    let Read { trainings, moons, problems } = Read::new(folder, &inputs, &Published::gradients()?)?;
    let null: C2stNull = read_json(&folder.join(&inputs.null).join(NULL))?;
    let figures = vec![accuracy_figure("Two moons", &moons, null.mean)];
    Ok(Section { figures, ..question(&inputs, &trainings, &moons, &problems) })
}

/// Question and answer.
fn question(
    inputs: &ReportInputs,
    trainings: &[Training],
    moons: &[Curve],
    problems: &[Vec<Curve>],
) -> Section {
    let mut paragraphs = vec![story::QUESTION.to_owned()];
    paragraphs.extend(story::score_answer("Two moons", moons));
    for (profile, curves) in inputs.profile.lotka_volterra.iter().zip(problems) {
        let heading = heading(profile.populations);
        paragraphs.extend(story::score_answer(heading, curves));
        paragraphs.extend(story::data_answer(heading, curves));
    }
    let draws: Vec<usize> = [inputs.profile.two_moons.draws]
        .into_iter()
        .chain(inputs.profile.lotka_volterra.iter().map(|problem| problem.draws))
        .collect();
    Section {
        heading: "Question and answer".into(),
        paragraphs,
        warnings: story::warnings(trainings, &draws),
        ..Section::default()
    }
}

/// What a Lotka-Volterra problem is called.
fn heading(populations: Populations) -> &'static str {
    match populations {
        Populations::Latent => "Lotka-Volterra, latent initial populations",
        Populations::Fixed => "Lotka-Volterra, known initial populations",
    }
}

/// The first run of a method at a number of simulations.
fn first_run<'a>(
    trainings: &'a [Training],
    task: &str,
    grid: &Grid,
    weight: f64,
    simulations: usize,
) -> Option<&'a Training> {
    trainings.iter().find(|training| {
        let Measured { task: own, method, weight: w, simulations: n, run, .. } = &training.measured;
        own == task && *method == grid.name && *w == weight && *n == simulations && *run == 0
    })
}

/// "without scores", "with scores".
pub fn with_or_without(weight: f64) -> &'static str {
    if weight > 0.0 { "with scores" } else { "without scores" }
}

fn moons_section(
    inputs: &ReportInputs,
    trainings: &[Training],
    curves: &[Curve],
    null: &C2stNull,
) -> Result<Section> {
    let profile = &inputs.profile.two_moons;
    let mut figures = vec![accuracy_figure("Two moons", curves, null.mean)];
    if let Some(method) = profile.method.first() {
        let grid = &method.grid;
        figures.push(planes_figure(grid, grid.simulations[0], trainings)?);
        let largest = grid.simulations.last().copied().filter(|n| *n != grid.simulations[0]);
        if let Some(largest) = largest {
            figures.push(planes_figure(grid, largest, trainings)?);
        }
    }
    figures.push(learning_figure(curves));
    let mut tables: Vec<Table> = comparison_table(curves).into_iter().collect();
    tables.push(flow_table(curves));
    Ok(Section {
        heading: "Two moons".into(),
        paragraphs: vec![format!(
            "An unconditional density, a mixture of 2048 narrow Gaussians on two half circles. A \
             flow learns it from draws, with the mean negative log density as loss, to which, with \
             scores, the mean square of the error of its score is added; scores are derivatives in \
             the units of the data. {} draws of the flow are told from as many of the truth by a \
             classifier (C2ST), and the negative log density is averaged over the latter. All \
             runs learn from the same draws, as the published ones do.",
            profile.draws
        )],
        figures,
        tables,
        ..Section::default()
    })
}

fn planes_figure(grid: &Grid, simulations: usize, trainings: &[Training]) -> Result<Figure> {
    let truth = true_density();
    let found = grid
        .score_weights
        .iter()
        .filter_map(|&weight| first_run(trainings, TASK, grid, weight, simulations))
        .map(|training| {
            let path = training.folder.join(PLANE);
            let arrays = (read_npz(&path, "density")?, read_npz(&path, "draws")?);
            Ok((with_or_without(training.measured.weight), arrays))
        })
        .collect::<Result<Vec<(&str, (Array, Array))>>>()?;
    let field = |values| Field { values, columns: CELLS, x: EDGES, y: EDGES };
    let image = |values| Layer::Image(field(values));
    let mut panels = vec![Plane { title: "truth".into(), layers: vec![image(&truth)] }];
    for (name, (density, draws)) in &found {
        let layers = vec![
            image(&density.data),
            Layer::Regions { density: field(&truth), shares: vec![0.95], colour: 2 },
            Layer::Points { samples: &draws.data[..draws.data.len().min(1000)], colour: 1 },
        ];
        panels.push(Plane { title: (*name).into(), layers });
    }
    Ok(Figure {
        drawing: planes("Two moons", &panels, ["$x$", "$y$"], [EDGES; 2]),
        caption: format!(
            "Density and, as points, draws after learning from {simulations} draws ({}, first run); \
             the line encloses 95 % of the truth.",
            grid.name
        ),
    })
}

/// How well flows match density and score where most is known.
fn flow_table(curves: &[Curve]) -> Table {
    let rows = curves
        .iter()
        .filter_map(|curve| {
            let point = curve.points.last()?;
            let error = point.score_error.as_ref()?;
            Some(vec![
                curve.name.clone(),
                point.simulations.to_string(),
                point.c2st.text(3),
                point.nlp.as_ref()?.text(3),
                error.text(3),
            ])
        })
        .collect();
    Table {
        caption:
            "Flows at their largest number of draws: C2ST, mean negative log density, and the \
                  error of the score (root mean square over that of the true score; an affine flow \
                  cannot follow the bends of a score, a smooth one can)."
                .into(),
        columns: ["flow", "draws", "C2ST", "NLP", "score error"].map(String::from).to_vec(),
        rows,
    }
}

fn problem_section(
    folder: &Path,
    profile: &LotkaVolterraProfile,
    inputs: &ProblemInputs,
    trainings: &[Training],
    curves: &[Curve],
) -> Result<Section> {
    let references = inputs
        .references
        .iter()
        .map(|path| Reference::read(&folder.join(path)))
        .collect::<Result<Vec<_>>>()?;
    let null =
        references.iter().map(|(one, _)| one.null).sum::<f64>() / references.len().max(1) as f64;
    let compressor = CompressorReport::read(&folder.join(&inputs.compressor))?;
    let title = heading(profile.populations);
    let mut figures = vec![accuracy_figure(title, curves, null)];
    let mut tables: Vec<Table> = comparison_table(curves).into_iter().collect();
    let parameters: Vec<Parameter> = NAMES
        .iter()
        .enumerate()
        .map(|(i, name)| Parameter {
            label: format!("${name}$"),
            bounds: (0.0, f64::INFINITY),
            truth: references.first().map(|(reference, _)| reference.theta[i]),
        })
        .collect();
    if let Some((_, expected)) = references.first() {
        let found = drawn(profile, trainings)?;
        let posterior =
            |name: &str, samples| Posterior { name: name.to_owned(), samples, effective: None };
        let mut drawn = vec![posterior("reference", expected)];
        drawn.extend(found.iter().map(|(name, draws)| posterior(name, &draws.data)));
        figures.push(Figure {
            drawing: corner(&parameters, &drawn),
            caption: corner_caption(&parameters, &drawn),
        });
        tables.push(posterior_table(&parameters, &drawn));
    }
    figures.push(learning_figure(curves));
    let published = references.iter().filter(|(one, _)| one.published).count();
    let own = references.len() - published;
    Ok(Section {
        heading: title.into(),
        paragraphs: vec![
            format!(
                "Four rates from ten noisy counts of prey and predators. C2ST compares {} draws of \
                 a learnt posterior with as many of the reference, drawn by the no-U-turn sampler, \
                 averaged over {} ({published} of the paper and {own} of ours); two halves of a \
                 reference give {null:.3}. The negative log probability is averaged over {} fresh \
                 simulations from the prior. Scores are derivatives with respect to the rates, as \
                 published.",
                profile.draws,
                counted(references.len(), "observation"),
                profile.held_out
            ),
            compressor_words(profile, &compressor),
        ],
        figures,
        tables,
        ..Section::default()
    })
}

fn compressor_words(profile: &LotkaVolterraProfile, report: &CompressorReport) -> String {
    let input = match profile.compressor.input {
        Input::Thousands => "counts over 1000, as published",
        Input::Logarithms => "logarithms of the counts",
    };
    let best = report.curve.get(report.best);
    let loss = best.map_or(String::new(), |best| match best.validation {
        Some(loss) => format!(
            " The loss is {:.3} in training and {loss:.3} in validation after {} steps.",
            best.training, best.step
        ),
        None => format!(" The loss is {:.3} after {} steps.", best.training, best.step),
    });
    format!(
        "Methods on summaries see {} numbers made by a network from the {input}, trained to keep \
         the information on the rates (VMIM) with {} simulations, which count towards no \
         method.{loss}",
        profile.compressor.summaries, report.simulations
    )
}

/// Draws for the corner plot: every method at its largest number of simulations.
fn drawn(profile: &LotkaVolterraProfile, trainings: &[Training]) -> Result<Vec<(String, Array)>> {
    let mut found = Vec::new();
    for method in &profile.method {
        let grid = &method.grid;
        for &weight in &grid.score_weights {
            let Some(&simulations) = grid.simulations.last() else { continue };
            let task = profile.populations.task();
            let training = first_run(trainings, task, grid, weight, simulations);
            if let Some(training) = training {
                let draws = read_npz(&training.folder.join(POSTERIOR), "draws")?;
                let name = Curve::label(grid, weight);
                found.push((format!("{name}, {simulations} simulations"), draws));
            }
        }
    }
    Ok(found)
}

/// Simulator calls and wall time.
fn cost_section(inputs: &ReportInputs, trainings: &[Training]) -> Section {
    let mut rows: Vec<(String, usize, usize, f64, usize)> = Vec::new();
    for Training { measured, seconds, .. } in trainings {
        let score = with_or_without(measured.weight);
        let name = format!("{}: {}, {score}", measured.task, measured.method);
        let place = match rows.iter().position(|row| row.0 == name) {
            Some(place) => place,
            None => {
                rows.push((name, 0, 0, 0.0, 0));
                rows.len() - 1
            }
        };
        let row = &mut rows[place];
        row.1 += 1;
        row.2 += measured.simulations;
        row.3 += seconds;
        row.4 += measured.steps;
    }
    let mut rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|(name, runs, calls, seconds, steps)| {
            vec![
                name,
                runs.to_string(),
                calls.to_string(),
                steps.to_string(),
                format!("{seconds:.0}"),
            ]
        })
        .collect();
    for (profile, own) in inputs.profile.lotka_volterra.iter().zip(&inputs.problems) {
        rows.push(vec![
            format!("{}: compressor", profile.populations.task()),
            "1".into(),
            profile.compressor.simulations.to_string(),
            "–".into(),
            format!("{:.0}", own.compressor_seconds),
        ]);
    }
    Section {
        heading: "Cost".into(),
        tables: vec![Table {
            caption: "Trainings, simulator calls (each with its score), steps, and wall time with \
                      simulations and tests; several trainings ran at once."
                .into(),
            columns: ["method", "trainings", "simulator calls", "steps", "wall time [s]"]
                .map(String::from)
                .to_vec(),
            rows,
        }],
        ..Section::default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::profile::Estimate;
    use super::*;
    use crate::literature::tests::{FAMILIES, assert_cites};

    #[test]
    fn all_that_a_profile_uses_is_in_the_bibliography() -> Result<()> {
        for name in ["smoke", "laptop", "paper"] {
            let keys = references(&Profile::load(name)?, "zeghal2022");
            assert!(select(&keys).is_ok(), "{name}: {keys:?}");
        }
        Ok(())
    }

    #[test]
    fn the_families_that_were_used_are_cited() -> Result<()> {
        for family in FAMILIES {
            let mut profile = Profile::load("smoke")?;
            let moons = profile.two_moons.method.iter_mut().map(|method| &mut method.flow);
            let problems = profile.lotka_volterra.iter_mut().flat_map(|problem| {
                let methods = problem.method.iter_mut().map(|method| &mut method.flow);
                methods.chain([&mut problem.compressor.flow])
            });
            for flow in moons.chain(problems) {
                (flow.family, flow.bijector) = (family, None);
            }
            assert_cites(&references(&profile, "zeghal2022"), &family, &FAMILIES);
        }
        Ok(())
    }

    #[test]
    fn rounds_and_likelihoods_are_cited_where_they_are() -> Result<()> {
        let mut profile = Profile::load("smoke")?;
        assert!(!references(&profile, "zeghal2022").contains(&"papamakarios2019"));
        let method = &mut profile.lotka_volterra[0].method[0];
        (method.estimate, method.rounds) = (Estimate::Likelihood, 2);
        assert!(references(&profile, "zeghal2022").contains(&"papamakarios2019"));
        let method = &mut profile.lotka_volterra[0].method[0];
        (method.estimate, method.rounds) = (Estimate::Posterior, 2);
        assert!(references(&profile, "zeghal2022").contains(&"deistler2022"));
        Ok(())
    }
}
