//! Chains run to their end: started, shown, checkpointed, continued, judged.

mod diagnostics;
pub mod section;
mod thinning;

use std::ops::ControlFlow;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use clap::ValueEnum;
use hmc::{
    Chain, ChainRun, Checkpoint, CheckpointRef, Event, Gradients, Kernel, LogDensity, Metric,
    Phase, Record, RunSettings, Settings, run_chains,
};
use serde::{Deserialize, Serialize};

use crate::progress::Progress;
use crate::study::Workspace;

pub use diagnostics::{DIAGNOSTICS, Diagnostics, SAMPLES};
pub use thinning::thinned;

/// Least time between checkpoints of a chain.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(20);

/// How the posterior is sampled.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Sampler {
    /// No-U-turn sampler
    #[default]
    Nuts,
    /// Metropolis-adjusted microcanonical sampler
    Mams,
    /// Unadjusted microcanonical Langevin: fewest gradients, with a small bias
    Mclmc,
}

/// Steps of the unadjusted sampler per draw; it decorrelates in a few.
const MCLMC_STEPS: u32 = 5;

/// Root mean square energy error of its steps, if that is less than the usual one: the bias of
/// parameters that act on the whole map grows with the error of the sum over all pixels. At this value
/// it was a tenth of a standard deviation (`benchmarks/results/samplers.md`).
const MCLMC_ENERGY_ERROR: f64 = 0.15;

impl Sampler {
    /// Name for readers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Nuts => "NUTS",
            Self::Mams => "MAMS (Metropolis-adjusted microcanonical)",
            Self::Mclmc => "MCLMC (microcanonical Langevin, not adjusted: see its bias)",
        }
    }

    /// Whether it is the one that is used unless another is asked for.
    fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The acceptance that the step size is tuned to unless another is asked for.
    #[must_use]
    pub fn target_accept(self) -> f64 {
        match self {
            Self::Nuts => Settings::default().target_accept,
            Self::Mams => Settings::mams().target_accept,
            Self::Mclmc => Settings::mclmc().target_accept,
        }
    }
}

/// Size of a run.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SamplerConfig {
    /// The sampler; written only where it is not the default one.
    #[serde(default, skip_serializing_if = "Sampler::is_default")]
    pub sampler: Sampler,
    /// Independent chains.
    pub chains: usize,
    /// Iterations of warm-up of each chain.
    pub warmup: usize,
    /// Draws kept of each chain.
    pub draws: usize,
    /// Deepest tree of NUTS.
    pub max_depth: u32,
    /// Mean acceptance probability that the step size is tuned to.
    #[serde(default = "default_target_accept")]
    pub target_accept: f64,
}

fn default_target_accept() -> f64 {
    Settings::default().target_accept
}

impl Default for SamplerConfig {
    fn default() -> Self {
        let target_accept = default_target_accept();
        let sampler = Sampler::default();
        Self { sampler, chains: 4, warmup: 300, draws: 1000, max_depth: 6, target_accept }
    }
}

impl SamplerConfig {
    /// Transitions of warm-up; those of the unadjusted sampler are of a single step.
    fn warmup(&self) -> usize {
        match self.sampler {
            Sampler::Nuts | Sampler::Mams => self.warmup,
            Sampler::Mclmc => self.warmup * MCLMC_STEPS as usize,
        }
    }

    /// The sampler's settings in `dim` dimensions; `initial` holds what does not depend on the size
    /// of the run.
    fn settings(&self, initial: &Settings, dim: usize) -> Settings {
        let settings = Settings {
            warmup: self.warmup(),
            kernel: Kernel::Nuts { max_depth: self.max_depth },
            target_accept: self.target_accept,
            ..initial.clone()
        };
        match self.sampler {
            Sampler::Nuts => settings,
            Sampler::Mams => Settings { kernel: Settings::mams().kernel, ..settings },
            Sampler::Mclmc => {
                let Settings { mut kernel, jitter, .. } = Settings::mclmc();
                if let Kernel::Mclmc { steps, energy_variance, .. } = &mut kernel {
                    *steps = MCLMC_STEPS;
                    let small = MCLMC_ENERGY_ERROR.powi(2) / dim as f64;
                    *energy_variance = energy_variance.min(small);
                }
                Settings { kernel, jitter, ..settings }
            }
        }
    }
}

/// Finds the starting point and first metric of a chain, and counts the gradients it took.
type FindStart<'a, D> = dyn Fn(&mut D, u64) -> Result<(Vec<f64>, Metric, u64)> + Sync + 'a;

/// A posterior to sample: how to evaluate it, where to start, what to keep.
pub struct Target<'a, D> {
    /// Makes one evaluator; each chain has its own.
    pub density: &'a (dyn Fn() -> Result<D> + Sync),
    /// Finds the starting point and first metric of a chain, and counts the gradients it took.
    pub start: &'a FindStart<'a, D>,
    /// Names of the parameters that are kept.
    pub names: &'a [&'a str],
    /// Their values at a position.
    pub parameters: &'a (dyn Fn(&[f64]) -> Vec<f64> + Sync),
    /// Settings that do not depend on the size of the run.
    pub settings: Settings,
}

/// What is stored of a chain.
#[derive(Deserialize)]
struct Saved {
    seconds: f64,
    start_gradients: u64,
    checkpoint: Checkpoint,
}

/// A view of [`Saved`] that copies nothing and serialises to the same bytes.
#[derive(Serialize)]
struct SavedRef<'a> {
    seconds: f64,
    start_gradients: u64,
    checkpoint: CheckpointRef<'a>,
}

/// A chain at work.
struct Started<D> {
    run: ChainRun<D>,
    start_gradients: u64,
}

/// Everything a run of chains left.
pub struct Sampled {
    /// Draws `[chain][draw][parameter]`.
    pub samples: Vec<f64>,
    names: Vec<String>,
    records: Vec<Record>,
    step_sizes: Vec<f64>,
    /// Root mean square energy error of a step, of the unadjusted sampler.
    energy_errors: Vec<Option<f64>>,
    start_gradients: u64,
    gradients: Gradients,
    /// Gradients of each chain before its first draw.
    before: Vec<u64>,
    /// Gradients of each draw, `[chain][draw]`.
    of_draws: Vec<u64>,
    seconds: f64,
}

/// Draws the posterior, continuing from the checkpoints in `workspace` if there are any.
///
/// # Errors
/// If a chain cannot start or fails; what was drawn until then is in the checkpoints.
pub fn sample<D: LogDensity + Send>(
    label: &str,
    workspace: &Workspace,
    config: &SamplerConfig,
    seed: u64,
    target: &Target<D>,
) -> Result<Sampled> {
    let begun = Instant::now();
    let file = |chain: usize| format!("chain-{chain}");
    let saved: Vec<Option<Saved>> = (0..config.chains).map(|c| workspace.load(&file(c))).collect();
    let earlier = saved.iter().flatten().map(|saved| saved.seconds).fold(0.0, f64::max);
    let threads = std::thread::available_parallelism()?.get().min(config.chains);
    let started = start_all(label, config, seed, target, saved, threads)?;
    let start_gradients: Vec<u64> = started.iter().map(|chain| chain.start_gradients).collect();
    let mut runs: Vec<ChainRun<D>> = started.into_iter().map(|chain| chain.run).collect();

    let length = config.warmup() + config.draws;
    let done: Vec<usize> = runs.iter().map(|run| run.chain.state().draws()).collect();
    let progress = Progress::starting_at(label, length, &done);
    let last_saved: Vec<Mutex<Instant>> = runs.iter().map(|_| Mutex::new(begun)).collect();
    let failure: Mutex<Option<anyhow::Error>> = Mutex::new(None);
    let save = |chain: usize, checkpoint: CheckpointRef| -> Result<()> {
        let mut last = last_saved[chain].lock().map_err(|_| anyhow!("a thread panicked"))?;
        let complete = checkpoint.state.draws() == length;
        if complete || last.elapsed() >= CHECKPOINT_INTERVAL {
            let seconds = earlier + begun.elapsed().as_secs_f64();
            let start_gradients = start_gradients[chain];
            workspace
                .save(&file(chain), &SavedRef { seconds, start_gradients, checkpoint })
                .context("a checkpoint cannot be stored")?;
            *last = Instant::now();
        }
        Ok(())
    };
    let observer = |event: Event| match event {
        Event::Progress(now) => {
            let phase = if now.phase == Phase::Warmup { "warm-up" } else { "sampling" };
            let remark = format!("{phase}, step {:.3}, {} div.", now.step_size, now.divergences);
            progress.step(now.chain, remark);
            ControlFlow::Continue(())
        }
        Event::Checkpoint { chain, checkpoint } => match save(chain, checkpoint) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                if let Ok(mut failure) = failure.lock() {
                    failure.get_or_insert(error);
                }
                ControlFlow::Break(())
            }
        },
    };
    let settings = RunSettings { draws: config.draws, threads, checkpoint_every: 1 };
    let recorder = |_: &mut D, position: &[f64]| (target.parameters)(position);
    let ending = run_chains(&mut runs, &settings, &recorder, &observer);
    progress.finish();
    if let Some(error) = failure.into_inner().map_err(|_| anyhow!("a thread panicked"))? {
        return Err(error);
    }
    ending.map_err(|error| anyhow!("{error}"))?;

    let mut gradients = Gradients::default();
    for run in &runs {
        let own = run.chain.state().gradients();
        gradients.initialisation += own.initialisation;
        gradients.warmup += own.warmup;
        gradients.sampling += own.sampling;
    }
    let before = runs.iter().zip(&start_gradients).map(|(run, start)| {
        let own = run.chain.state().gradients();
        start + own.initialisation + own.warmup
    });
    let of_draws = runs.iter().flat_map(|run| {
        let per_step = run.chain.state().settings().integrator.gradients_per_step();
        let draws = run.record.draws.iter().filter(|draw| draw.phase == Phase::Sampling);
        draws.map(move |draw| u64::from(draw.steps * per_step))
    });
    Ok(Sampled {
        before: before.collect(),
        of_draws: of_draws.collect(),
        samples: runs.iter().flat_map(|run| run.record.values.concat()).collect(),
        names: target.names.iter().map(|name| (*name).to_owned()).collect(),
        step_sizes: runs.iter().map(|run| run.chain.state().step_size()).collect(),
        energy_errors: runs
            .iter()
            .map(|run| {
                let state = run.chain.state();
                let dimensions = state.position().len() as f64;
                Some((state.energy_variance()? * dimensions).sqrt())
            })
            .collect(),
        records: runs.into_iter().map(|run| run.record).collect(),
        start_gradients: start_gradients.iter().sum(),
        gradients,
        seconds: earlier + begun.elapsed().as_secs_f64(),
    })
}

/// Starts or continues every chain, several at a time.
fn start_all<D: LogDensity + Send>(
    label: &str,
    config: &SamplerConfig,
    seed: u64,
    target: &Target<D>,
    saved: Vec<Option<Saved>>,
    threads: usize,
) -> Result<Vec<Started<D>>> {
    let fresh = saved.iter().filter(|saved| saved.is_none()).count();
    let progress = (fresh > 0).then(|| Progress::new(&format!("{label}: start"), fresh));
    let start_one = |index: usize, saved: Option<Saved>| -> Result<Started<D>> {
        let mut density = (target.density)()?;
        let Some(saved) = saved else {
            let (position, metric, start_gradients) = (target.start)(&mut density, index as u64)?;
            let settings = config.settings(&target.settings, position.len());
            let chain = Chain::with_metric(density, position, metric, settings, seed, index as u64)
                .map_err(|error| anyhow!("{error}"))?;
            progress.iter().for_each(|progress| progress.step(0, ""));
            return Ok(Started { run: ChainRun::new(chain), start_gradients });
        };
        let run =
            ChainRun::resume(density, saved.checkpoint).map_err(|error| anyhow!("{error}"))?;
        Ok(Started { run, start_gradients: saved.start_gradients })
    };
    let queue = Mutex::new(saved.into_iter().enumerate());
    let finished: Mutex<Vec<(usize, Result<Started<D>>)>> = Mutex::new(Vec::new());
    let work = || {
        loop {
            let next = queue.lock().ok().and_then(|mut queue| queue.next());
            let Some((index, saved)) = next else { return };
            let started =
                start_one(index, saved).with_context(|| format!("chain {index} cannot start"));
            if let Ok(mut finished) = finished.lock() {
                finished.push((index, started));
            }
        }
    };
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    progress.iter().for_each(Progress::finish);
    let mut finished = finished.into_inner().map_err(|_| anyhow!("a thread panicked"))?;
    finished.sort_by_key(|(index, _)| *index);
    finished.into_iter().map(|(_, started)| started).collect()
}

#[cfg(test)]
mod tests;
