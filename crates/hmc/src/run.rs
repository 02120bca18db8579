//! Several chains in parallel, with progress and checkpoints handed to the caller.

use std::{
    ops::ControlFlow,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use serde::{Deserialize, Serialize};

use crate::{
    chain::{Chain, Draw, Phase},
    density::{LogDensity, LogDensityError},
    error::Error,
    state::{ChainState, Gradients},
};

/// What is kept of a chain's history.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// One entry per transition, warmup included.
    pub draws: Vec<Draw>,
    /// What the recorder made of each position, `[draw][value]`, sampling phase only.
    pub values: Vec<Vec<f64>>,
}

/// A chain with its history.
#[derive(Clone, Debug)]
pub struct ChainRun<D> {
    /// The chain.
    pub chain: Chain<D>,
    /// Its history.
    pub record: Record,
}

impl<D: LogDensity> ChainRun<D> {
    /// A chain without history.
    pub fn new(chain: Chain<D>) -> Self {
        Self { chain, record: Record::default() }
    }

    /// Continues from a checkpoint.
    ///
    /// # Errors
    /// As [`Chain::resume`], and if the history is not that of the state.
    pub fn resume(density: D, checkpoint: Checkpoint) -> Result<Self, Error<D::Error>> {
        let Checkpoint { state, record } = checkpoint;
        let sampled = state.draws().saturating_sub(state.settings().warmup);
        if record.draws.len() != state.draws() || record.values.len() != sampled {
            let reason = format!(
                "{} transitions, of which {sampled} draws, but a history of {} and {}",
                state.draws(),
                record.draws.len(),
                record.values.len()
            );
            return Err(Error::State { reason });
        }
        Ok(Self { chain: Chain::resume(density, state)?, record })
    }

    /// A copy of everything needed to continue.
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint { state: self.chain.state().clone(), record: self.record.clone() }
    }
}

/// Everything needed to continue a [`ChainRun`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// State of the chain.
    pub state: ChainState,
    /// Its history.
    pub record: Record,
}

/// A view of a [`Checkpoint`] that copies nothing; it serialises to the same bytes.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct CheckpointRef<'a> {
    /// State of the chain.
    pub state: &'a ChainState,
    /// Its history.
    pub record: &'a Record,
}

/// How far a chain is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Index of the chain among those of the run.
    pub chain: usize,
    /// Transitions made, warmup included.
    pub done: usize,
    /// Transitions to make in all.
    pub of: usize,
    /// What the transition just made was for.
    pub phase: Phase,
    /// Divergent transitions after warmup.
    pub divergences: usize,
    /// Current step size, before jitter.
    pub step_size: f64,
    /// Gradient evaluations so far.
    pub gradients: Gradients,
    /// The transition just made.
    pub draw: Draw,
}

/// What a run tells its observer.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// After each transition.
    Progress(Progress),
    /// Every [`RunSettings::checkpoint_every`] transitions, and once more when the chain is done, is
    /// stopped or fails.
    Checkpoint {
        /// Index of the chain among those of the run.
        chain: usize,
        /// What to save.
        checkpoint: CheckpointRef<'a>,
    },
}

/// Size of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RunSettings {
    /// Draws per chain after its warmup, those made before a resumption included. Default 1000.
    pub draws: usize,
    /// Chains that advance at the same time; the results do not depend on it. Default 1.
    pub threads: usize,
    /// Transitions between checkpoints of a chain; 0 (default) for none before the end.
    pub checkpoint_every: usize,
}

impl Default for RunSettings {
    fn default() -> Self {
        Self { draws: 1000, threads: 1, checkpoint_every: 0 }
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All chains have all their draws.
    Complete,
    /// The observer asked to stop; every chain was given a last checkpoint.
    Stopped,
}

/// A chain failed; the others were stopped, each after a checkpoint.
#[derive(Debug, thiserror::Error)]
#[error("chain {chain}: {source}")]
pub struct RunError<E: LogDensityError> {
    /// Index of the chain among those of the run.
    pub chain: usize,
    /// Why it failed.
    pub source: Error<E>,
}

/// Advances every chain until it has its draws.
///
/// `recorder` turns each position of the sampling phase into the values to keep; it may use the
/// density. `observer` hears of everything, from several threads, and stops the run by returning
/// [`ControlFlow::Break`]. The chains are advanced in place, so that whatever was sampled is there
/// however the run ends.
///
/// # Errors
/// The first failure of a chain.
pub fn run_chains<D, R, O>(
    chains: &mut [ChainRun<D>],
    settings: &RunSettings,
    recorder: &R,
    observer: &O,
) -> Result<Ending, RunError<D::Error>>
where
    D: LogDensity + Send,
    R: Fn(&mut D, &[f64]) -> Vec<f64> + Sync,
    O: Fn(Event<'_>) -> ControlFlow<()> + Sync,
{
    let stopped = AtomicBool::new(false);
    let failure = Mutex::new(None);
    let threads = settings.threads.clamp(1, chains.len().max(1));
    let queue = Mutex::new(chains.iter_mut().enumerate());
    let work = || {
        loop {
            // the lock is released before the chain is run
            let next = queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).next();
            let Some((index, run)) = next else { return };
            if let Err(source) = advance_to_end(index, run, settings, recorder, observer, &stopped)
            {
                stopped.store(true, Ordering::Relaxed);
                let mut failure = failure.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                failure.get_or_insert(RunError { chain: index, source });
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    match failure.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()) {
        Some(error) => Err(error),
        None if stopped.into_inner() => Ok(Ending::Stopped),
        None => Ok(Ending::Complete),
    }
}

fn advance_to_end<D, R, O>(
    index: usize,
    run: &mut ChainRun<D>,
    settings: &RunSettings,
    recorder: &R,
    observer: &O,
    stopped: &AtomicBool,
) -> Result<(), Error<D::Error>>
where
    D: LogDensity,
    R: Fn(&mut D, &[f64]) -> Vec<f64>,
    O: Fn(Event<'_>) -> ControlFlow<()>,
{
    let tell = |event: Event<'_>| {
        if observer(event).is_break() {
            stopped.store(true, Ordering::Relaxed);
        }
    };
    let checkpoint = |run: &ChainRun<D>| {
        let checkpoint = CheckpointRef { state: run.chain.state(), record: &run.record };
        tell(Event::Checkpoint { chain: index, checkpoint });
    };
    let of = run.chain.state().settings().warmup + settings.draws;
    let mut result = Ok(());
    while run.chain.state().draws() < of && !stopped.load(Ordering::Relaxed) {
        let draw = match run.chain.advance() {
            Ok(draw) => draw,
            Err(error) => {
                result = Err(error);
                break;
            }
        };
        run.record.draws.push(draw);
        if draw.phase == Phase::Sampling {
            let (density, position) = run.chain.density_and_position();
            run.record.values.push(recorder(density, position));
        }
        let state = run.chain.state();
        tell(Event::Progress(Progress {
            chain: index,
            done: state.draws(),
            of,
            phase: draw.phase,
            divergences: state.divergences(),
            step_size: state.step_size(),
            gradients: state.gradients(),
            draw,
        }));
        let every = settings.checkpoint_every;
        if every > 0 && state.draws().is_multiple_of(every) && state.draws() < of {
            checkpoint(run);
        }
    }
    checkpoint(run);
    result
}
