//! The study end to end.

use std::path::{Path, PathBuf};

use ::compression::Compressor;
use anyhow::{Context, Result};
use burn::tensor::Device;
use flows::DeviceChoice;
use lognormal_sim::{Cosmology, ScoreKind, Simulator};
use sbi::Coordinates;

use super::cell::{Cell, Setting};
use super::compressor::{SUMMARY, make_compressor, summarise};
use super::convergence::{CONVERGENCE, Recipe, judge_prefixes, sample_as_published};
use super::judge::{Judge, YARDSTICKS};
use super::pools::{learn_marginal_score, make_pool};
use super::profile::Profile;
use super::report::{NAME, ReportInputs, write_report};
use crate::arrays::read_npz;
use crate::device::NetworkDevice;
use crate::files::{write_json, write_text};
use crate::lensing::{Method, Observed, draw_posterior};
use crate::machine::machine;
use crate::products;
use crate::published::Score;
use crate::sampling::{SAMPLES, SamplerConfig};
use crate::study::Finished;
use crate::study::STUDY;
use crate::study::{Crew, Output, Study, derive_seed};
use full_field::CompressedMaps;
use full_field::LensingMaps;
use full_field::Prior;
use full_field::Problem;

const READ_ME: &str = "report.html   the study in one page\n\
    results.json  all its numbers: measures and counts of every training\n\
    study.json    what the report is drawn from; `cargo xtask report DIR` draws it again\n\
    tasks/        the result of every task with its manifest\n";

/// What all stages read.
struct Setup<'a> {
    study: &'a Study,
    profile: &'a Profile,
    simulator: &'a Simulator,
    prior: &'a Prior,
    device: &'a Device,
    device_name: &'a str,
    crew: Crew,
    seed: u64,
}

/// The chains: those of the reference, and of the two recipes.
struct Chains {
    full_field: Output,
    recipes: [(Recipe, Output); 2],
}

/// What the scores of simulations hold fixed, where they have scores.
type Scores = Option<ScoreKind>;

/// Kinds of pools with their names; the first are those that the marginal score is tested on.
const POOLS: [(Scores, &str); 3] = [
    (Some(ScoreKind::Latents), "pool"),
    (Some(ScoreKind::Whitened), "pool-whitened"),
    (None, "pool-plain"),
];

/// What the cells read, as the tasks left it.
struct Prepared {
    compressor: Output,
    summary: Output,
    /// Pools by their scores, one for each run that has one.
    pools: Vec<(Scores, Vec<Output>)>,
    marginal_pool: Option<Output>,
    marginal: Option<Output>,
}

/// Runs the study in its folder; a shard ends before the report, with nothing.
///
/// # Errors
/// If the profile makes no sense, a task fails, or the folder cannot be written.
pub fn run(
    study: &Study,
    folder: &Path,
    profile: &Profile,
    choice: DeviceChoice,
    seed: u64,
) -> Result<Option<Finished>> {
    let NetworkDevice { device, name: device_name, crew } = NetworkDevice::open(choice)?;
    let run = (NAME, profile, device_name);
    let Observed { simulator, prior, observation, map } =
        Observed::new(study, &run, (&profile.survey, &profile.prior), profile.npix, seed)?;
    let setup = Setup {
        study,
        profile,
        simulator: &simulator,
        prior: &prior,
        device: &device,
        device_name,
        crew,
        seed,
    };
    let chains = setup.sample(&observation, &map)?;
    let draws = read_npz(&chains.full_field.path(SAMPLES), "samples")?;
    let judge = Judge::new(&draws, &profile.c2st)?;
    let judged = setup.judge_chains(&chains, &judge)?;
    let compressor = setup.compressor()?;
    let network = profile.compressor.input.read(&compressor.path(""), &simulator, &device)?;
    let prepared = setup.prepare(compressor, network.as_ref(), &observation, &map)?;
    let observed = read_npz(&prepared.summary.path(SUMMARY), "observed")?.data;
    let setting = Setting {
        profile,
        simulator: &simulator,
        prior: &prior,
        compressor: network.as_ref(),
        observed: &observed,
        judge: &judge,
        device: &device,
        seed,
    };
    let Some(cells) = setup.learn(&setting, &prepared, &chains.full_field)? else {
        return Ok(None);
    };

    let all: Vec<&Output> = [&observation, &chains.full_field]
        .into_iter()
        .chain(chains.recipes.iter().map(|(_, output)| output))
        .chain(&judged)
        .chain(prepared.all())
        .chain(&cells)
        .collect();
    let inputs = setup.inputs(folder, &all, &chains, &judged, &prepared, &cells)?;
    write_json(&folder.join(STUDY), &inputs)?;
    let report = write_report(folder, &inputs)?;
    write_text(&folder.join(products::READ_ME), READ_ME)?;
    let reused = all.iter().filter(|output| output.reused).count();
    Ok(Some(Finished { report, tasks: all.len(), reused }))
}

impl Prepared {
    fn all(&self) -> impl Iterator<Item = &Output> {
        [&self.compressor, &self.summary]
            .into_iter()
            .chain(self.pools.iter().flat_map(|(_, pools)| pools))
            .chain(&self.marginal_pool)
            .chain(&self.marginal)
    }
}

impl Setup<'_> {
    /// The chains of the reference and of the two recipes.
    fn sample(&self, observation: &Output, map: &[f64]) -> Result<Chains> {
        let Self { study, profile, simulator, prior, seed, .. } = *self;
        let problem = &Problem { simulator, prior, map };
        let explicit = &profile.explicit;
        let own = derive_seed(seed, "explicit-ours");
        let theta = Cosmology::FIDUCIAL.parameters();
        let identity = |config: &SamplerConfig| {
            serde_json::to_value((simulator.survey(), prior, config, seed))
        };
        let steps = |config: &SamplerConfig| config.chains * (config.warmup + config.draws);
        let (reference, ours, published) =
            (&explicit.reference, &explicit.ours, &explicit.published);
        let inputs = [observation];
        let plan = |name: &str, config: &SamplerConfig| {
            Ok::<_, anyhow::Error>((name.to_owned(), identity(config)?, steps(config)))
        };
        let (name, config, length) = plan("full-field", reference)?;
        let first = study.plan(&name, 1, &config, &inputs, length, move |workspace| {
            draw_posterior(problem, Method::Explicit, reference, seed, workspace)
        })?;
        let (name, config, length) = plan("explicit-ours", ours)?;
        let second = study.plan(&name, 1, &config, &inputs, length, move |workspace| {
            draw_posterior(problem, Method::Explicit, ours, own, workspace)
        })?;
        let (name, config, length) = plan("explicit-published", published)?;
        let third = study.plan(&name, 1, &config, &inputs, length, move |workspace| {
            sample_as_published(problem, &theta, published, seed, workspace)
        })?;
        let outputs = study.run_all("explicit", Crew::InTurn, vec![first, second, third])?;
        let [full_field, ours, published] = <[Output; 3]>::try_from(outputs)
            .map_err(|_| anyhow::anyhow!("three tasks have three outputs"))?;
        Ok(Chains { full_field, recipes: [(Recipe::Ours, ours), (Recipe::Published, published)] })
    }

    /// The yardsticks, and the convergence of each recipe.
    fn judge_chains(&self, chains: &Chains, judge: &Judge) -> Result<Vec<Output>> {
        let Self { study, profile, seed, .. } = *self;
        let (c2st, lengths) = (&profile.c2st, profile.explicit.lengths);
        let own = derive_seed(seed, "yardsticks");
        let inputs = [&chains.full_field];
        let config = (c2st, seed);
        let mut tasks =
            vec![study.plan("yardsticks", 1, &config, &inputs, 1, move |workspace| {
                write_json(&workspace.path(YARDSTICKS), &judge.yardsticks(own)?)
            })?];
        for (recipe, output) in &chains.recipes {
            let (recipe, folder) = (*recipe, output.path(""));
            let name = match recipe {
                Recipe::Ours => "convergence-ours",
                Recipe::Published => "convergence-published",
            };
            let inputs = [&chains.full_field, output];
            let config = (c2st, lengths, seed);
            tasks.push(study.plan(name, 1, &config, &inputs, lengths, move |workspace| {
                let found = judge_prefixes(recipe, &folder, lengths, judge, seed, workspace)?;
                write_json(&workspace.path(CONVERGENCE), &found)
            })?);
        }
        study.run_all("yardsticks", self.crew, tasks)
    }

    /// The network that makes summaries.
    fn compressor(&self) -> Result<Output> {
        let Self { study, profile, simulator, prior, device, device_name, seed, .. } = *self;
        let own = &profile.compressor;
        let config = (simulator.survey(), prior, own.essential(), device_name, seed);
        let maps = LensingMaps::new(simulator, prior, seed, "compressor").with(Coordinates::Normal);
        let task = study.plan("compressor", 2, &config, &[], own.training.steps, {
            move |workspace| make_compressor(simulator, &maps, own, seed, device, workspace)
        })?;
        let outputs = study.run_all("compressor", Crew::SideBySide(1), vec![task])?;
        outputs.into_iter().next().context("the compressor has an output")
    }

    /// The summary of the observation, the pools, and the marginal score.
    fn prepare(
        &self,
        compressor: Output,
        network: &(dyn Compressor + Sync),
        observation: &Output,
        map: &[f64],
    ) -> Result<Prepared> {
        let Self { study, profile, simulator, prior, device, device_name, seed, .. } = *self;
        let own = profile.compressor.input;
        let summary =
            study.run("summary", 1, &(device_name, own), &[&compressor, observation], {
                |workspace| summarise(network, map, workspace)
            })?;
        let mut tasks = Vec::new();
        // Pools of one purpose differ by their scores alone.
        let mut plan = |name: &str, purpose: &str, size: u64, scores: Scores| -> Result<()> {
            let own = derive_seed(seed, purpose);
            let config = (simulator.survey(), prior, size, scores, purpose, device_name, seed);
            let steps = usize::try_from(size)?;
            tasks.push(study.plan(name, 1, &config, &[&compressor], steps, move |workspace| {
                let maps = match scores {
                    Some(kind) => CompressedMaps::with_scores(simulator, network, kind),
                    None => CompressedMaps::new(simulator, network),
                };
                make_pool(&maps, prior, size, own, workspace)
            })?);
            Ok(())
        };
        if let Some(marginal) = &profile.marginal {
            let latents = Some(ScoreKind::Latents);
            plan("marginal-pool", "marginal-pool", marginal.simulations, latents)?;
        }
        for (scores, name) in POOLS {
            let sizes = (0..profile.runs()).map_while(|run| profile.pool(scores, run));
            for (run, size) in sizes.enumerate() {
                plan(&format!("{name}-{run}"), &format!("pool-{run}"), size, scores)?;
            }
        }
        let mut outputs = study.run_all("simulations", self.crew, tasks)?.into_iter();
        let marginal_pool = profile.marginal.as_ref().and_then(|_| outputs.next());
        let mut pools = Vec::new();
        for (scores, _) in POOLS {
            let runs = (0..profile.runs()).take_while(|run| profile.pool(scores, *run).is_some());
            pools.push((scores, outputs.by_ref().take(runs.count()).collect::<Vec<_>>()));
        }
        let mut marginal = None;
        if let (Some(own), Some(pool)) = (&profile.marginal, &marginal_pool) {
            let (_, scored) = &pools[0];
            let fresh = scored.first().context("the marginal score is tested on a pool")?;
            let config = (own, prior, device_name, seed);
            let steps = own.network.fit.training.max_steps;
            let task = study.plan("marginal-score", 1, &config, &[pool, fresh], steps, {
                let (pool, fresh) = (pool.path(""), fresh.path(""));
                move |workspace| {
                    learn_marginal_score(prior, &pool, &fresh, own, seed, device, workspace)
                }
            })?;
            marginal = study.run_all("marginal score", Crew::SideBySide(1), vec![task])?.pop();
        }
        Ok(Prepared { compressor, summary, pools, marginal_pool, marginal })
    }

    /// Learns in all cells; none for a shard, which makes its share only.
    fn learn(
        &self,
        setting: &Setting,
        prepared: &Prepared,
        full_field: &Output,
    ) -> Result<Option<Vec<Output>>> {
        let Self { study, profile, device_name, seed, .. } = *self;
        let mut tasks = Vec::new();
        for (method, simulations, run) in profile.cells() {
            let own = prepared.pools.iter().find(|(scores, _)| *scores == method.pool_scores());
            let pool = own.and_then(|(_, pools)| pools.get(run)).context("a run has its pool");
            let pool = (method.rounds == 1).then_some(pool);
            let pool = pool.transpose()?;
            let marginal = prepared.marginal.as_ref().filter(|_| method.score == Score::Marginal);
            let cell = Cell {
                method,
                simulations,
                run,
                pool: pool.map(|output| output.path("")),
                marginal: marginal.map(|output| output.path("")),
            };
            let inputs: Vec<&Output> = [&prepared.compressor, &prepared.summary, full_field]
                .into_iter()
                .chain(pool)
                .chain(marginal)
                .collect();
            let own = (&method.name, &method.learn, method.rounds, method.score);
            let test = (&profile.c2st, &profile.sampling, &profile.proposals);
            let config = (own, test, simulations, run, device_name, seed);
            let fit = method.learn.fit();
            let steps = fit.training.max_steps * fit.members * method.rounds;
            let name = task_name(&method.name, simulations, run);
            tasks.push(study.plan(&name, 1, &config, &inputs, steps, move |workspace| {
                setting.learn(&cell, workspace)
            })?);
        }
        study.run_share("cells", self.crew, tasks)
    }

    fn inputs(
        &self,
        folder: &Path,
        all: &[&Output],
        chains: &Chains,
        judged: &[Output],
        prepared: &Prepared,
        cells: &[Output],
    ) -> Result<ReportInputs> {
        let relative = |output: &Output| -> Result<PathBuf> {
            let path = output.path("");
            Ok(path.strip_prefix(folder).context("results lie in the study")?.to_path_buf())
        };
        let [yardsticks, convergence @ ..] = judged else {
            anyhow::bail!("the yardsticks have an output")
        };
        let Self { profile, simulator, prior, seed, device_name, .. } = *self;
        let seconds: f64 = all.iter().map(|output| output.manifest.seconds).sum();
        let (npix, bins) = (profile.npix, simulator.bins());
        Ok(ReportInputs {
            study: NAME.into(),
            profile: profile.clone(),
            prior: prior.clone(),
            truth: Cosmology::FIDUCIAL.parameters(),
            seed,
            facts: vec![
                ("survey".into(), simulator.survey().name.clone()),
                ("map".into(), format!("{bins} bins of {npix} x {npix} pixels")),
                ("profile".into(), profile.name.clone()),
                ("seed".into(), seed.to_string()),
                ("version".into(), env!("CARGO_PKG_VERSION").into()),
                ("machine".into(), machine()),
                ("device".into(), device_name.into()),
                ("cells".into(), cells.len().to_string()),
                ("time".into(), format!("{seconds:.0} s in all tasks together")),
            ],
            full_field: relative(&chains.full_field)?,
            yardsticks: relative(yardsticks)?,
            convergence: convergence.iter().map(relative).collect::<Result<_>>()?,
            compressor: relative(&prepared.compressor)?,
            marginal: prepared.marginal.as_ref().map(relative).transpose()?,
            cells: cells
                .iter()
                .map(|output| Ok((relative(output)?, output.manifest.seconds)))
                .collect::<Result<_>>()?,
        })
    }
}

/// Name of a cell.
fn task_name(method: &str, simulations: u64, run: usize) -> String {
    let method: String =
        method.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    format!("{}-{simulations}-{run}", method.to_lowercase())
}
