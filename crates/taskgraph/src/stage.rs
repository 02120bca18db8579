//! Many independent tasks at once.
//!
//! The tasks of a stage do not read each other's results, so that they can run in any order, on
//! several threads and in several processes. Every task has its own seed, which makes the results
//! independent of all that. A task that fails stops no other.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::error::{BoxError, Error, Result, chain};
use crate::manifest::Manifest;
use crate::observer;
use crate::study::{Access, Output, Study, Turn};
use crate::workspace::{Steps, Workspace};

/// What a task does.
type Work<'a> = dyn FnOnce(&Workspace) -> Result<(), BoxError> + Send + 'a;

/// A task that is ready to run.
pub struct Planned<'a> {
    manifest: Manifest,
    steps: usize,
    work: Box<Work<'a>>,
}

/// How the tasks of a stage share the machine.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Crew {
    /// One after the other, each with all threads and with progress bars of its own.
    InTurn,
    /// So many at a time, each with one thread, under one progress bar.
    SideBySide(usize),
}

impl Crew {
    /// A task on each thread of the machine (or of `RAYON_NUM_THREADS`).
    #[must_use]
    pub fn one_per_thread() -> Self {
        Self::SideBySide(rayon::current_num_threads())
    }
}

/// A task at its place in the list.
type Placed<'a> = (usize, Planned<'a>);

/// What has become of the tasks of a stage.
struct Results {
    outputs: Vec<Option<Output>>,
    failures: Vec<(usize, String, BoxError)>,
}

impl Study {
    /// Plans a task for [`Study::run_all`] or [`Study::run_share`]; the arguments are those of
    /// [`Study::run`]. `steps` is how much work it is, in units that `work` may show as done with
    /// [`Workspace::advance`] and that are alike for all tasks of a stage.
    ///
    /// # Errors
    /// If the configuration has no JSON form, or two inputs have the same name.
    pub fn plan<'a, C: Serialize, E: Into<BoxError>>(
        &self,
        name: &str,
        schema: u32,
        config: &C,
        inputs: &[&Output],
        steps: usize,
        work: impl FnOnce(&Workspace) -> Result<(), E> + Send + 'a,
    ) -> Result<Planned<'a>> {
        let manifest = self.manifest(name, schema, config, inputs)?;
        let work = move |workspace: &Workspace| work(workspace).map_err(Into::into);
        Ok(Planned { manifest, steps, work: Box::new(work) })
    }

    /// The outputs of all tasks, in their order. Shards of a study divide them among themselves;
    /// a shard that is done with its own helps the others and then waits for them.
    ///
    /// # Errors
    /// If tasks fail, naming them (the results of the others are kept), or if the study is only
    /// looked at and one is missing.
    pub fn run_all(&self, label: &str, crew: Crew, tasks: Vec<Planned>) -> Result<Vec<Output>> {
        let own = |place: usize| match self.access {
            Access::Shard { shard, .. } => shard.owns(place),
            _ => true,
        };
        let (own, others): (Vec<Placed>, Vec<Placed>) =
            tasks.into_iter().enumerate().partition(|(place, _)| own(*place));
        self.work(label, crew, own.into_iter().chain(others).collect())
    }

    /// As [`Study::run_all`], but a shard makes no more than its own share; it then has no
    /// outputs, for it must not go on to what needs all of them.
    ///
    /// # Errors
    /// As [`Study::run_all`].
    pub fn run_share(
        &self,
        label: &str,
        crew: Crew,
        tasks: Vec<Planned>,
    ) -> Result<Option<Vec<Output>>> {
        let Access::Shard { shard, .. } = self.access else {
            return self.run_all(label, crew, tasks).map(Some);
        };
        let (own, others): (Vec<Placed>, Vec<Placed>) =
            tasks.into_iter().enumerate().partition(|(place, _)| shard.owns(*place));
        let own = own.into_iter().enumerate().map(|(place, (_, task))| (place, task)).collect();
        self.work(label, crew, own)?;
        for (_, task) in others {
            self.look(&task.manifest);
        }
        Ok(None)
    }

    /// Runs the tasks in their order in the list; their places say in which order their outputs
    /// are given.
    fn work(&self, label: &str, crew: Crew, tasks: Vec<Placed>) -> Result<Vec<Output>> {
        let count = tasks.len();
        let mut keys: Vec<&str> =
            tasks.iter().map(|(_, task)| task.manifest.key.as_str()).collect();
        keys.sort_unstable();
        if keys.windows(2).any(|w| w[0] == w[1]) {
            return Err(Error::Twice { stage: label.to_owned() });
        }
        if let Access::Looking = self.access {
            return self.look_at_all(tasks);
        }
        let mut results =
            Results { outputs: (0..count).map(|_| None).collect(), failures: Vec::new() };
        let mut missing = VecDeque::new();
        for (place, task) in tasks {
            match self.read(&task.manifest) {
                Some(Ok(output)) => results.outputs[place] = Some(output),
                _ => missing.push_back((place, task)),
            }
        }
        let found = count - missing.len();
        let steps = missing.iter().map(|(_, task)| task.steps).sum();
        let (queue, results) = (Mutex::new(missing), Mutex::new(results));
        match crew {
            Crew::InTurn => self.work_off(None, &queue, &results),
            Crew::SideBySide(_) if found == count => {}
            Crew::SideBySide(workers) => {
                let progress = self.runner.observer.stage(label, steps);
                let bar = Bar { progress: &*progress, found, count };
                bar.remark(&lock(&results));
                let pools = (0..workers.clamp(1, count - found))
                    .map(|_| rayon::ThreadPoolBuilder::new().num_threads(1).build())
                    .collect::<Result<Vec<_>, _>>()
                    .map_err(|source| Error::Threads { source })?;
                let work_off = || self.work_off(Some(&bar), &queue, &results);
                std::thread::scope(|scope| {
                    pools.iter().for_each(|pool| drop(scope.spawn(|| pool.install(work_off))));
                });
                progress.finish();
            }
        }
        results.into_inner().unwrap_or_else(PoisonError::into_inner).into_outputs(label)
    }

    /// Works until the queue is empty. Tasks that another process is working on come last: their
    /// results are waited for, or made here if the other process gave up.
    fn work_off(
        &self,
        bar: Option<&Bar>,
        queue: &Mutex<VecDeque<Placed>>,
        results: &Mutex<Results>,
    ) {
        let mut held = Vec::new();
        let next = || lock(queue).pop_front();
        while let Some((place, task)) = next() {
            match self.try_turn(&task.manifest) {
                Ok(Some(turn)) => self.attempt(bar, place, task, Ok(turn), results),
                Ok(None) => held.push((place, task)),
                Err(error) => self.attempt(bar, place, task, Err(error), results),
            }
        }
        for (place, task) in held {
            let turn = self.wait_turn(&task.manifest);
            self.attempt(bar, place, task, turn, results);
        }
    }

    /// Does a task and notes what has become of it.
    fn attempt(
        &self,
        bar: Option<&Bar>,
        place: usize,
        task: Planned,
        turn: Result<Turn>,
        results: &Mutex<Results>,
    ) {
        let Planned { manifest, steps, work } = task;
        let name = manifest.name.clone();
        let steps = bar.map(|bar| Steps::new(bar.progress, steps));
        let ending = turn.map_err(BoxError::from).and_then(|turn| {
            catch_unwind(AssertUnwindSafe(|| self.complete(manifest, steps, turn, work)))
                .unwrap_or_else(|panic| Err(format!("it panicked: {}", message(&*panic)).into()))
        });
        let mut results = lock(results);
        match ending {
            Ok(output) => results.outputs[place] = Some(output),
            Err(error) => results.failures.push((place, name, error)),
        }
        bar.iter().for_each(|bar| bar.remark(&results));
    }

    /// The outputs of tasks that must be there.
    fn look_at_all(&self, mut tasks: Vec<Placed>) -> Result<Vec<Output>> {
        tasks.sort_by_key(|(place, _)| *place);
        let found = tasks
            .iter()
            .map(|(_, task)| self.look(&task.manifest))
            .collect::<Vec<Option<Output>>>();
        found.into_iter().collect::<Option<_>>().ok_or(Error::Unfinished)
    }
}

impl Results {
    fn into_outputs(mut self, label: &str) -> Result<Vec<Output>> {
        let count = self.outputs.len();
        if self.failures.is_empty() {
            let outputs: Option<Vec<Output>> = self.outputs.into_iter().collect();
            return Ok(outputs.expect("every task without a failure has an output"));
        }
        self.failures.sort_by_key(|(place, ..)| *place);
        let failures = self.failures.iter();
        let failures = failures.map(|(_, name, error)| (name.clone(), chain(&**error))).collect();
        Err(Error::Stage { stage: label.to_owned(), tasks: count, failures })
    }
}

/// The bar of a stage.
struct Bar<'a> {
    progress: &'a dyn observer::Bar,
    /// Tasks that earlier runs have done.
    found: usize,
    count: usize,
}

impl Bar<'_> {
    fn remark(&self, results: &Results) {
        let done = results.outputs.iter().flatten().count();
        let mut remark = format!("{done} of {} tasks", self.count);
        if self.found > 0 {
            remark.push_str(&format!(", {} of them before", self.found));
        }
        if !results.failures.is_empty() {
            remark.push_str(&format!(", {} failed", results.failures.len()));
        }
        self.progress.remark(remark);
    }
}

/// What a panic said.
fn message(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}

/// Panics of tasks are caught before they can poison a lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
