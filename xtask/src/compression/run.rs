//! The study end to end.

use std::path::{Path, PathBuf};

use ::compression::{Compressor, Loss, MapSource, Maps, TrainingSettings};
use anyhow::{Context, Result, bail};
use burn::tensor::Device;
use flows::DeviceChoice;
use lognormal_sim::{Cosmology, Simulator, Survey};
use sbi::Coordinates;
use serde::Serialize;

use super::calibration::{CALIBRATION, calibrate};
use super::further::{Observations, Trained};
use super::infer::{Cell, Inference, Summaries, explicit, read_estimator, summarise};
use super::input::CompressorInput;
use super::measured::{Baselines, figures};
use super::prepared::{Prepared, PreparedAround, prepare, prepare_around};
use super::profile::{MethodProfile, Profile, key};
use super::report::{MethodInputs, NAME, ReportInputs, write_report};
use super::train::{read_network, spectra, train};
use crate::arrays::read_npz;
use crate::device::NetworkDevice;
use crate::files::{write_json, write_text};
use crate::lensing::{Method, Observed, draw_posterior};
use crate::machine::machine;
use crate::products;
use crate::sampling::SAMPLES;
use crate::study::Finished;
use crate::study::STUDY;
use crate::study::{Crew, Output, Study, Workspace, derive_seed};
use full_field::LensingMaps;
use full_field::Prior;
use full_field::Problem;

const READ_ME: &str = "report.html  the study in one page\n\
    study.json   what the report is drawn from; `cargo xtask report DIR` draws it again\n\
    tasks/       the result of every training with its manifest\n";

/// File of the [`Baselines`].
pub const BASELINES: &str = "baselines.json";
/// Key of the spectra as a method.
pub const SPECTRA: &str = "spectra";

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

/// A compressor: a network trained with a loss, or spectra.
#[derive(Clone, Copy)]
enum Recipe<'a> {
    Network(&'a MethodProfile, usize),
    Spectra(usize),
}

impl Recipe<'_> {
    fn key(&self) -> &'static str {
        match self {
            Self::Network(method, _) => key(&method.loss),
            Self::Spectra(_) => SPECTRA,
        }
    }

    fn run(&self) -> usize {
        match self {
            Self::Network(_, run) => *run,
            Self::Spectra(_) => 0,
        }
    }
}

/// A compressor with what came of it.
struct Compressed<'a> {
    recipe: Recipe<'a>,
    compressor: Option<Output>,
    summaries: Output,
    posteriors: Vec<Output>,
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
    let [power_spectrum, full_field] = setup.references(&observation, &map)?;
    let draws = read_npz(&full_field.path(SAMPLES), "samples")?;
    let reference = explicit(&draws, &profile.c2st);
    let baselines =
        study.run("baselines", 1, &profile.c2st, &[&full_field, &power_spectrum], |workspace| {
            let power_spectrum = read_npz(&power_spectrum.path(SAMPLES), "samples")?;
            let seed = derive_seed(seed, "classifier-power-spectrum");
            let found = Baselines {
                explicit: figures(&draws)?,
                power_spectrum: reference.judge(&power_spectrum, &prior, seed)?,
            };
            write_json(&workspace.path(BASELINES), &found)
        })?;

    let compressed = setup.compress(&observation, &map)?;
    let inference = Inference {
        profile: &profile.inference,
        prior: &prior,
        explicit: &reference,
        device: &device,
        seed,
    };
    let Some(compressed) = setup.infer(&inference, compressed, &full_field)? else {
        return Ok(None);
    };
    let calibration = setup.calibrate(&compressed)?;
    let further = setup.compare_further(&compressed)?;
    let single = [&observation, &power_spectrum, &full_field, &baselines, &calibration];
    let finished = Results { compressed: &compressed, single, further: &further };
    let inputs = finished.inputs(folder, &setup)?;
    write_json(&folder.join(STUDY), &inputs)?;
    let report = write_report(folder, &inputs)?;
    write_text(&folder.join(products::READ_ME), READ_ME)?;
    let reused = finished.all().filter(|output| output.reused).count();
    Ok(Some(Finished { report, tasks: finished.all().count(), reused }))
}

impl<'a> Setup<'a> {
    fn maps(&self, purpose: &str) -> LensingMaps<'a> {
        LensingMaps::new(self.simulator, self.prior, self.seed, purpose)
    }

    /// The power-spectrum and the full-field posterior of the observation.
    fn references(&self, observation: &Output, map: &[f64]) -> Result<[Output; 2]> {
        let Self { study, profile, simulator, prior, seed, .. } = *self;
        let problem = Problem { simulator, prior, map };
        let tasks = [
            (Method::PowerSpectrum, &profile.power_spectrum),
            (Method::Explicit, &profile.full_field),
        ]
        .map(|(method, config)| {
            let identity = (simulator.survey(), prior, config, seed);
            let draws = config.chains * (config.warmup + config.draws);
            let problem = &problem;
            study.plan(method.name(), 1, &identity, &[observation], draws, move |workspace| {
                draw_posterior(problem, method, config, seed, workspace)
            })
        });
        let tasks = tasks.into_iter().collect::<Result<_>>()?;
        let outputs = study.run_all("references", Crew::InTurn, tasks)?;
        outputs.try_into().map_err(|_| anyhow::anyhow!("two tasks have two outputs"))
    }

    /// What maps for a purpose depend on.
    fn problem(&self) -> (&Survey, &Prior, u64) {
        (self.simulator.survey(), self.prior, self.seed)
    }

    /// Maps that the networks of a run learn from, the parameters in the coordinates that the
    /// posterior estimators use, which have no edges.
    fn training_maps(&self, run: usize) -> LensingMaps<'a> {
        self.maps(&format!("training-{run}")).with(Coordinates::Normal)
    }

    /// The first examples of maps, where networks see statistics of them.
    fn prepare(
        &self,
        name: &str,
        maps: &LensingMaps,
        input: CompressorInput,
        count: u64,
    ) -> Result<Option<Prepared>> {
        let config = (self.problem(), input, count);
        let work = |source: &dyn MapSource, workspace: &Workspace| {
            prepare(source, usize::try_from(count)?, workspace)
        };
        let output = self.statistics(&format!("statistics-{name}"), maps, input, &config, work)?;
        output.map(|output| Prepared::read(&output.path(""))).transpose()
    }

    /// The maps around the fiducial parameters that a training sees, where networks see statistics
    /// of them.
    fn prepare_around(&self, method: &MethodProfile, run: usize) -> Result<Option<PreparedAround>> {
        let Loss::Imnn { derivatives_every: every, .. } = method.loss else { return Ok(None) };
        let input = self.profile.input;
        let training = self.profile.training(method);
        let TrainingSettings { validation, examples, steps, batch, .. } = *training;
        let count = validation + examples.unwrap_or((steps * batch) as u64);
        let config = (self.problem(), input, count, every);
        let work = |source: &dyn MapSource, workspace: &Workspace| {
            let fisher = source.fisher().context("maps have derivatives")?;
            prepare_around(fisher, source.shape(), usize::try_from(count)?, every, workspace)
        };
        let (name, maps) = (format!("statistics-fiducial-{run}"), self.training_maps(run));
        let output = self.statistics(&name, &maps, input, &config, work)?;
        output.map(|output| PreparedAround::read(&output.path(""), every)).transpose()
    }

    /// Makes statistics of maps, where networks see statistics.
    fn statistics<C: Serialize>(
        &self,
        name: &str,
        maps: &LensingMaps,
        input: CompressorInput,
        config: &C,
        work: impl FnOnce(&dyn MapSource, &Workspace) -> Result<()> + Send,
    ) -> Result<Option<Output>> {
        if input == CompressorInput::Maps {
            return Ok(None);
        }
        let output = self.study.run(name, 1, config, &[], |workspace| {
            work(&*input.source(maps, self.simulator)?, workspace)
        })?;
        Ok(Some(output))
    }

    /// Trains all networks, and compresses the fixed set of simulations with each.
    fn compress(&self, observation: &Output, map: &[f64]) -> Result<Vec<Compressed<'a>>> {
        let profile = self.profile;
        let runs = (0..profile.runs)
            .flat_map(|run| profile.method.iter().map(move |method| Recipe::Network(method, run)));
        let recipes: Vec<Recipe> = runs.chain(profile.spectra.map(Recipe::Spectra)).collect();
        let mut trained = self.train(&recipes)?.into_iter();
        let compressors: Vec<Option<Output>> = recipes
            .iter()
            .map(|recipe| match recipe {
                Recipe::Network(..) => trained.next(),
                Recipe::Spectra(_) => None,
            })
            .collect();
        let summaries = self.summarise(&recipes, &compressors, observation, map)?;
        let pairs = recipes.into_iter().zip(compressors).zip(summaries);
        Ok(pairs
            .map(|((recipe, compressor), summaries)| Compressed {
                recipe,
                compressor,
                summaries,
                posteriors: Vec::new(),
            })
            .collect())
    }

    /// Trains the networks, those of a run on the same maps.
    fn train(&self, recipes: &[Recipe]) -> Result<Vec<Output>> {
        let Self { study, profile, device, device_name, seed, .. } = *self;
        let input = profile.input;
        let material = (0..profile.runs).map(|run| {
            let (name, maps) = (format!("training-{run}"), self.training_maps(run));
            let prepared = self.prepare(&name, &maps, input, profile.examples())?;
            let around = profile.method.iter().map(|method| self.prepare_around(method, run));
            let around = around.collect::<Result<Vec<_>>>()?.into_iter().flatten().next();
            Ok((maps, prepared, around))
        });
        let material = material.collect::<Result<Vec<_>>>()?;
        let mut tasks = Vec::new();
        for recipe in recipes {
            let Recipe::Network(method, run) = *recipe else { continue };
            let settings = profile.settings(method, derive_seed(seed, &format!("training-{run}")));
            let (loss, network) = (&method.loss, &profile.network);
            let essential = settings.essential();
            let identity = (self.problem(), input, network, loss, essential, device_name);
            let name = format!("compressor-{}-{run}", recipe.key());
            let source: &dyn MapSource = match (loss, &material[run]) {
                (Loss::Imnn { .. }, (_, _, Some(around))) => around,
                (_, (_, Some(prepared), _)) => prepared,
                (_, (maps, ..)) => maps,
            };
            let settings = settings.clone();
            tasks.push(study.plan(&name, 2, &identity, &[], settings.steps, move |workspace| {
                train(source, network, loss, &settings, device, workspace)
            })?);
        }
        study.run_all("compressors", self.crew, tasks)
    }

    /// Compresses the simulations for inference, and the observation.
    fn summarise(
        &self,
        recipes: &[Recipe],
        compressors: &[Option<Output>],
        observation: &Output,
        map: &[f64],
    ) -> Result<Vec<Output>> {
        let Self { study, profile, simulator, device, device_name, .. } = *self;
        let sizes = &profile.inference;
        let input = profile.input.with_one_noise();
        let count = sizes.simulations + sizes.held_out;
        let maps = &self.maps("inference");
        let prepared = self.prepare("inference", maps, input, count)?;
        let seen: &dyn MapSource = match &prepared {
            Some(prepared) => prepared,
            None => maps,
        };
        let observed: Vec<f32> = map.iter().map(|pixel| *pixel as f32).collect();
        let observed = Maps::new(maps.shape(), &observed)?;
        let mut tasks = Vec::new();
        for (recipe, compressor) in recipes.iter().zip(compressors) {
            let bins = match recipe {
                Recipe::Network(..) => None,
                Recipe::Spectra(bins) => Some(*bins),
            };
            let (simulations, held_out) = (sizes.simulations, sizes.held_out);
            let identity = (self.problem(), input, simulations, held_out, bins, device_name);
            let inputs: Vec<&Output> = compressor.iter().chain([observation]).collect();
            let path = compressor.as_ref().map(|output| output.path(""));
            let name = format!("summaries-{}-{}", recipe.key(), recipe.run());
            let steps = usize::try_from(count)?;
            tasks.push(study.plan(&name, 1, &identity, &inputs, steps, move |workspace| {
                let Some(bins) = bins else {
                    let network = read_network(&path.context("a network was trained")?, device)?;
                    let observed = input.before(network.clone(), simulator)?.compress(observed)?;
                    return summarise(&network, seen, &observed, sizes, workspace);
                };
                let spectra = spectra(simulator, bins)?;
                summarise(&spectra, maps, &spectra.compress(observed)?, sizes, workspace)
            })?);
        }
        study.run_all("summaries", self.crew, tasks)
    }

    /// Learns the posteriors; none for a shard, which makes its share only.
    fn infer(
        &self,
        inference: &Inference,
        mut compressed: Vec<Compressed<'a>>,
        full_field: &Output,
    ) -> Result<Option<Vec<Compressed<'a>>>> {
        let Self { study, profile, seed, device_name, .. } = *self;
        let sizes = &profile.inference;
        let repeats = |recipe: &Recipe| match recipe {
            Recipe::Network(..) => sizes.repeats,
            // as many posteriors as of each loss
            Recipe::Spectra(_) => sizes.repeats * profile.runs,
        };
        let mut tasks = Vec::new();
        for Compressed { recipe, summaries, .. } in &compressed {
            for repeat in 0..repeats(recipe) {
                let (method, run) = (recipe.key(), recipe.run());
                let cell = Cell { method: method.to_owned(), run, repeat };
                let own = (&sizes.npe, sizes.draws, sizes.observations, &profile.c2st);
                let identity = (own, run, repeat, seed, device_name);
                let path = summaries.path("");
                let name = format!("posterior-{method}-{run}-{repeat}");
                let steps = sizes.npe.fit.training.max_steps * sizes.npe.fit.members;
                let inputs = [summaries, full_field];
                tasks.push(study.plan(&name, 1, &identity, &inputs, steps, move |workspace| {
                    inference.infer(&cell, &Summaries::read(&path)?, workspace)
                })?);
            }
        }
        let Some(outputs) = study.run_share("posteriors", self.crew, tasks)? else {
            return Ok(None);
        };
        let mut outputs = outputs.into_iter();
        for one in &mut compressed {
            one.posteriors = outputs.by_ref().take(repeats(&one.recipe)).collect();
        }
        Ok(Some(compressed))
    }

    /// Tests the first posterior of the loss that is to be tested.
    fn calibrate(&self, compressed: &[Compressed]) -> Result<Output> {
        let profile = &self.profile.calibration;
        let tested = compressed
            .iter()
            .find(|one| one.recipe.key() == profile.loss.key())
            .context("the loss of the calibration is one of the methods")?;
        let (posterior, summaries) = (&tested.posteriors[0], &tested.summaries);
        let config = (profile, self.seed, self.device_name);
        self.study.run("calibration", 1, &config, &[posterior, summaries], |workspace| {
            let estimator = read_estimator(&posterior.path(""), self.device)?;
            let fresh = Summaries::read(&summaries.path(""))?.held_out;
            let found = calibrate(profile, &estimator, &fresh, self.seed)?;
            write_json(&workspace.path(CALIBRATION), &found)
        })
    }

    /// Further observations with their power-spectrum and full-field posteriors, and how far all
    /// learnt posteriors are from these.
    fn compare_further(&self, compressed: &[Compressed]) -> Result<Vec<[Output; 3]>> {
        let Self { study, profile, simulator, prior, device, device_name, seed, .. } = *self;
        let Some(further) = &profile.further else { return Ok(Vec::new()) };
        // what equal posteriors would give is known of the first observation
        let mut c2st = profile.c2st.clone();
        c2st.classifier.null_repetitions = 0;
        let observations = Observations { simulator, prior, c2st: &c2st, device, seed };
        let indices = 1..=further.observations as u64;
        let maps = indices.clone().map(|index| observations.map(index));
        let maps = maps.collect::<Result<Vec<_>>>()?;
        let mut tasks = Vec::new();
        for (index, map) in indices.clone().zip(&maps) {
            for (method, config) in [
                (Method::PowerSpectrum, &further.power_spectrum),
                (Method::Explicit, &further.full_field),
            ] {
                let identity = (simulator.survey(), prior, config, index, seed);
                let steps = config.chains * (config.warmup + config.draws);
                let name = format!("{}-{index}", method.name());
                let own = derive_seed(seed, &format!("further-{index}"));
                tasks.push(study.plan(&name, 1, &identity, &[], steps, move |workspace| {
                    let problem = Problem { simulator, prior, map };
                    draw_posterior(&problem, method, config, own, workspace)
                })?);
            }
        }
        let mut chains = study.run_all("further observations", Crew::InTurn, tasks)?.into_iter();
        let chains: Vec<[Output; 2]> =
            std::iter::from_fn(|| Some([chains.next()?, chains.next()?])).collect();

        let trained = compressed.iter().map(|one| self.trained(one)).collect::<Result<Vec<_>>>()?;
        let posteriors = trained.iter().map(|one| one.estimators.len()).sum();
        let mut tasks = Vec::new();
        for (index, chains) in indices.zip(&chains) {
            let [power_spectrum, full_field] = chains;
            let (observations, trained) = (&observations, &trained);
            let identity = (further.draws, &c2st, index, seed, device_name);
            let learnt = compressed.iter().flat_map(|one| &one.posteriors);
            let inputs: Vec<&Output> =
                [power_spectrum, full_field].into_iter().chain(learnt).collect();
            let name = format!("further-{index}");
            tasks.push(study.plan(&name, 1, &identity, &inputs, posteriors, move |workspace| {
                let chains = [power_spectrum, full_field];
                observations.compare(index, chains, trained, further.draws, workspace)
            })?);
        }
        let compared = study.run_all("comparisons", self.crew, tasks)?;
        let both = chains.into_iter().zip(compared);
        Ok(both.map(|([first, second], compared)| [first, second, compared]).collect())
    }

    /// A compressor to be used on maps, with its posterior estimators.
    fn trained(&self, one: &Compressed) -> Result<Trained> {
        let Self { simulator, device, .. } = *self;
        Ok(Trained {
            method: one.recipe.key().to_owned(),
            compressor: match (&one.recipe, &one.compressor) {
                (Recipe::Network(..), Some(output)) => {
                    self.profile.input.read(&output.path(""), simulator, device)?
                }
                (Recipe::Network(..), None) => bail!("a network was trained"),
                (Recipe::Spectra(bins), _) => Box::new(spectra(simulator, *bins)?),
            },
            estimators: one.posteriors.iter().map(|output| output.path("")).collect(),
        })
    }
}

/// Everything that was computed.
struct Results<'a> {
    compressed: &'a [Compressed<'a>],
    /// Observation, power spectrum, full field, baselines, calibration.
    single: [&'a Output; 5],
    /// Of each further observation its chains and what was measured.
    further: &'a [[Output; 3]],
}

impl<'a> Results<'a> {
    fn all(&self) -> impl Iterator<Item = &'a Output> {
        let each = |one: &'a Compressed<'a>| {
            one.compressor.iter().chain([&one.summaries]).chain(&one.posteriors)
        };
        let further = self.further.iter().flatten();
        self.single.into_iter().chain(self.compressed.iter().flat_map(each)).chain(further)
    }

    fn inputs(&self, folder: &Path, setup: &Setup) -> Result<ReportInputs> {
        let relative = |output: &Output| -> Result<PathBuf> {
            let path = output.path("");
            Ok(path.strip_prefix(folder).context("results lie in the study")?.to_path_buf())
        };
        let timed = |output: &Output| Ok((relative(output)?, output.manifest.seconds));
        let profile = setup.profile;
        let keys = profile.method.iter().map(|method| key(&method.loss));
        let methods = keys.chain(profile.spectra.map(|_| SPECTRA)).map(|key| {
            let own = || self.compressed.iter().filter(|one| one.recipe.key() == key);
            let compressors = own().filter_map(|one| one.compressor.as_ref()).map(timed);
            Ok(MethodInputs {
                key: key.to_owned(),
                compressors: compressors.collect::<Result<_>>()?,
                summaries: own().map(|one| timed(&one.summaries)).collect::<Result<_>>()?,
                posteriors: own()
                    .flat_map(|one| &one.posteriors)
                    .map(timed)
                    .collect::<Result<_>>()?,
            })
        });
        let seconds: f64 = self.all().map(|output| output.manifest.seconds).sum();
        let (npix, bins) = (profile.npix, setup.simulator.bins());
        let [_, power_spectrum, full_field, baselines, calibration] = self.single;
        Ok(ReportInputs {
            study: NAME.into(),
            profile: profile.clone(),
            prior: setup.prior.clone(),
            truth: Cosmology::FIDUCIAL.parameters(),
            facts: vec![
                ("survey".into(), setup.simulator.survey().name.clone()),
                ("map".into(), format!("{bins} bins of {npix} x {npix} pixels")),
                ("profile".into(), profile.name.clone()),
                ("seed".into(), setup.seed.to_string()),
                ("version".into(), env!("CARGO_PKG_VERSION").into()),
                ("machine".into(), machine()),
                ("device".into(), setup.device_name.into()),
                ("time".into(), format!("{seconds:.0} s in all tasks together")),
            ],
            power_spectrum: relative(power_spectrum)?,
            full_field: relative(full_field)?,
            baselines: relative(baselines)?,
            calibration: relative(calibration)?,
            further: self.further.iter().map(|[.., one]| relative(one)).collect::<Result<_>>()?,
            methods: methods.collect::<Result<_>>()?,
        })
    }
}
