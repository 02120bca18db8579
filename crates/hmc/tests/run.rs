//! Parallel runs: independent of threads, stoppable, resumable, and failing cleanly.

mod targets;

use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use hmc::{
    Chain, ChainRun, Checkpoint, Ending, Error, Event, LogDensity, LogDensityError, Phase, Record,
    RunSettings, Settings, run_chains,
};
use targets::Normal;

const CHAINS: u64 = 3;

fn settings() -> Settings {
    Settings { warmup: 40, ..Settings::default() }
}

fn chains() -> Vec<ChainRun<Normal>> {
    (0..CHAINS)
        .map(|index| {
            let start = vec![0.5 * index as f64; 4];
            let target = Normal::autoregressive(4, 0.5);
            ChainRun::new(Chain::new(target, start, settings(), 7, index).unwrap())
        })
        .collect()
}

fn summary(_: &mut Normal, position: &[f64]) -> Vec<f64> {
    vec![position[0], position.iter().sum()]
}

fn records(chains: Vec<ChainRun<Normal>>) -> Vec<Record> {
    chains.into_iter().map(|run| run.record).collect()
}

fn whole_run(threads: usize) -> Vec<Record> {
    let mut chains = chains();
    let run = RunSettings { draws: 60, threads, ..RunSettings::default() };
    let ending = run_chains(&mut chains, &run, &summary, &|_| ControlFlow::Continue(())).unwrap();
    assert_eq!(ending, Ending::Complete);
    records(chains)
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let one = whole_run(1);
    assert_eq!(one, whole_run(2));
    assert_eq!(one, whole_run(8));
    assert!(one.iter().all(|record| record.values.len() == 60 && record.draws.len() == 100));
    assert!(one.iter().all(|record| record.values.iter().all(|values| values.len() == 2)));
}

#[test]
fn a_stopped_run_continues_from_its_checkpoints() {
    let expected = whole_run(1);
    for stop_after in [5, 70, 130, 299] {
        let saved = Mutex::new(BTreeMap::new());
        let seen = AtomicUsize::new(0);
        let run = RunSettings { draws: 60, threads: 2, checkpoint_every: 17 };
        let save_and_stop = |event: Event<'_>| match event {
            Event::Progress(_) if seen.fetch_add(1, Ordering::Relaxed) + 1 == stop_after => {
                ControlFlow::Break(())
            }
            Event::Progress(_) => ControlFlow::Continue(()),
            Event::Checkpoint { chain, checkpoint } => {
                let json = serde_json::to_string(&checkpoint).unwrap();
                saved.lock().unwrap().insert(chain, json);
                ControlFlow::Continue(())
            }
        };
        let mut interrupted = chains();
        let ending = run_chains(&mut interrupted, &run, &summary, &save_and_stop).unwrap();
        assert_eq!(ending, Ending::Stopped);
        drop(interrupted);

        let saved = saved.into_inner().unwrap();
        let mut resumed = chains();
        for (chain, json) in saved {
            let checkpoint: Checkpoint = serde_json::from_str(&json).unwrap();
            let target = Normal::autoregressive(4, 0.5);
            resumed[chain] = ChainRun::resume(target, checkpoint).unwrap();
        }
        let none = |_: Event<'_>| ControlFlow::Continue(());
        assert_eq!(run_chains(&mut resumed, &run, &summary, &none).unwrap(), Ending::Complete);
        assert_eq!(records(resumed), expected, "stopped after {stop_after}");
    }
}

#[test]
fn progress_and_checkpoints_are_told() {
    let log = Mutex::new(Vec::new());
    let checkpoints = Mutex::new(Vec::new());
    let observer = |event: Event<'_>| {
        match event {
            Event::Progress(progress) => log.lock().unwrap().push(progress),
            Event::Checkpoint { chain, checkpoint } => {
                checkpoints.lock().unwrap().push((chain, checkpoint.state.draws()));
            }
        }
        ControlFlow::Continue(())
    };
    let run = RunSettings { draws: 20, threads: 1, checkpoint_every: 25 };
    let mut chains = chains();
    run_chains(&mut chains, &run, &summary, &observer).unwrap();
    let log = log.into_inner().unwrap();
    assert_eq!(log.len(), 180);
    for (i, progress) in log.iter().enumerate() {
        assert_eq!((progress.chain, progress.done, progress.of), (i / 60, i % 60 + 1, 60));
        assert_eq!(progress.phase == Phase::Warmup, progress.done <= 40);
    }
    let last = log.last().unwrap();
    assert_eq!(last.gradients, chains[2].chain.state().gradients());
    assert_eq!(last.step_size, chains[2].chain.state().step_size());
    assert_eq!(
        checkpoints.into_inner().unwrap(),
        [(0, 25), (0, 50), (0, 60), (1, 25), (1, 50), (1, 60), (2, 25), (2, 50), (2, 60)]
    );
}

#[test]
fn a_longer_run_extends_a_finished_one() {
    let mut chains = chains();
    let go_on = |_: Event<'_>| ControlFlow::Continue(());
    for draws in [25, 60] {
        let run = RunSettings { draws, ..RunSettings::default() };
        run_chains(&mut chains, &run, &summary, &go_on).unwrap();
    }
    assert_eq!(records(chains), whole_run(1));
}

#[test]
fn a_history_that_is_not_the_states_is_refused() {
    let mut runs = chains();
    let run = RunSettings { draws: 5, ..RunSettings::default() };
    run_chains(&mut runs, &run, &summary, &|_| ControlFlow::Continue(())).unwrap();
    let mut checkpoint = runs[0].checkpoint();
    checkpoint.record.values.pop();
    let error = ChainRun::resume(Normal::autoregressive(4, 0.5), checkpoint).unwrap_err();
    assert!(matches!(error, Error::State { .. }), "{error}");
}

#[derive(Debug, thiserror::Error)]
#[error("evaluation {0} failed")]
struct Failed(usize);

impl LogDensityError for Failed {
    fn is_recoverable(&self) -> bool {
        false
    }
}

/// A standard normal whose evaluation fails fatally, once.
struct Failing {
    evaluations: usize,
    fails_at: usize,
}

impl LogDensity for Failing {
    type Error = Failed;

    fn dim(&self) -> usize {
        2
    }

    fn log_density_and_gradient(&mut self, q: &[f64], g: &mut [f64]) -> Result<f64, Failed> {
        self.evaluations += 1;
        if self.evaluations == self.fails_at {
            return Err(Failed(self.evaluations));
        }
        Ok(Normal::standard(2).log_density_and_gradient(q, g).unwrap_or(f64::NAN))
    }
}

#[test]
fn a_fatal_error_stops_the_run_and_loses_nothing() {
    let chain = |fails_at| {
        let target = Failing { evaluations: 0, fails_at };
        ChainRun::new(Chain::new(target, vec![0.1; 2], settings(), 1, 0).unwrap())
    };
    let last_checkpoint = Mutex::new(BTreeMap::new());
    let observer = |event: Event<'_>| {
        if let Event::Checkpoint { chain, checkpoint } = event {
            last_checkpoint.lock().unwrap().insert(chain, checkpoint.state.draws());
        }
        ControlFlow::Continue(())
    };
    let run = RunSettings { draws: 50, ..RunSettings::default() };
    let mut chains = [chain(200), chain(usize::MAX)];
    let keep = |_: &mut Failing, q: &[f64]| q.to_vec();
    let error = run_chains(&mut chains, &run, &keep, &observer).unwrap_err();
    assert_eq!(error.chain, 0);
    let Error::Density { draw, source: Failed(200) } = error.source else { panic!("{error}") };
    assert_eq!(chains[0].record.draws.len(), draw);
    assert_eq!(last_checkpoint.lock().unwrap().get(&0), Some(&draw));
    // the cause gone, both go on to the end
    assert!(run_chains(&mut chains, &run, &keep, &observer).is_ok());
    assert!(chains.iter().all(|run| run.record.values.len() == 50));
}
