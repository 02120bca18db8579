//! Studies as graphs of tasks whose results are kept.
//!
//! A task is a name, a configuration and the outputs of the tasks it reads. Their hash is its key;
//! its outputs live in `tasks/<name>-<key>/` beside a `manifest.json` that records the key, what
//! went in, what came out and how long it took. The folder appears by a rename when the task is
//! done: what is there is complete. A task whose folder exists is not run again; a change of
//! configuration gives another key and another folder, so that nothing computed is ever lost.
//! A task that was killed finds its own unfinished folder and continues from its checkpoints.
//!
//! One process works in the folder alone, or several share it, each with its shard of the tasks;
//! then a task is made by the process that holds its lock, and the others wait for the result or
//! do something else.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use serde::Serialize;

use crate::error::{BoxError, Error, Result, chain};
use crate::files::{read_json, require_writable_folder, write_json, write_text};
use crate::lock::FileLock;
use crate::manifest::{CHECKPOINTS, MANIFEST, Manifest};
use crate::program::{Program, Runner};
use crate::shard::Shard;
use crate::workspace::{Steps, Workspace};

/// Folder of the locks of tasks.
const LOCKS: &str = "locks";
/// Folder of the results of tasks.
const TASKS: &str = "tasks";
/// File that says which run the folder belongs to.
const RUN: &str = ".run";

/// A folder of task results.
pub struct Study {
    folder: PathBuf,
    pub(crate) access: Access,
    pub(crate) runner: Runner,
    seen: Mutex<Vec<Seen>>,
    /// Whether the user has been told that results of another program are reused.
    told: AtomicBool,
}

/// What a process may do in the folder.
pub(crate) enum Access {
    /// Everything: no other process is there.
    Alone { _lock: FileLock },
    /// Make tasks whose lock it holds; other shards do the same.
    Shard { shard: Shard, _lock: FileLock },
    /// Nothing.
    Looking,
}

/// The right to make a task. Alone in the folder, no lock is needed.
pub(crate) struct Turn {
    _lock: Option<FileLock>,
}

/// A task that the study came across, in the order in which it did.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// Name of the task.
    pub name: String,
    /// What there is of it.
    pub state: State,
}

/// What there is of a task.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum State {
    /// Its result, made in so many seconds.
    Done(f64),
    /// An unfinished folder, of a process at work or one that was stopped.
    Begun,
    /// Nothing.
    Missing,
}

/// Why a stored result is not used.
pub(crate) enum Unusable {
    /// It is not what was stored.
    Damaged(Error),
    /// Other sources made it, and only those of this program are wanted.
    OtherSources(Program),
}

/// What a task left behind.
pub struct Output {
    folder: PathBuf,
    /// Where it came from and what it holds.
    pub manifest: Manifest,
    /// True if it was found rather than made.
    pub reused: bool,
}

impl Output {
    /// Path of one of its files.
    #[must_use]
    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }
}

impl Study {
    /// Opens, creating it if need be, the study in `folder`; `fresh` forgets all earlier results.
    ///
    /// # Errors
    /// If the folder cannot be written or another process works in it.
    pub fn open(folder: &Path, fresh: bool, runner: Runner) -> Result<Self> {
        require_writable_folder(folder)?;
        let access = Access::Alone { _lock: FileLock::alone(folder)? };
        require_run(folder, fresh)?;
        let forgotten = if fresh { &[TASKS, LOCKS][..] } else { &[LOCKS] };
        for name in forgotten {
            let path = folder.join(name);
            if path.exists() {
                fs::remove_dir_all(&path).map_err(Error::io("clear", &path))?;
            }
        }
        Self::with_access(folder, access, runner)
    }

    /// Opens the study in `folder` as one of several processes that share its tasks.
    ///
    /// # Errors
    /// If the folder cannot be written or a process works there that shares nothing.
    pub fn open_shard(folder: &Path, shard: Shard, runner: Runner) -> Result<Self> {
        require_writable_folder(folder)?;
        let lock = FileLock::shared(folder)?;
        require_run(folder, false)?;
        let locks = folder.join(LOCKS);
        fs::create_dir_all(&locks).map_err(Error::io("create", &locks))?;
        Self::with_access(folder, Access::Shard { shard, _lock: lock }, runner)
    }

    /// Looks at the study in `folder`, which other processes may work on: a task that is not done
    /// ends in [`Error::Unfinished`].
    #[must_use]
    pub fn look_into(folder: &Path, runner: Runner) -> Self {
        Self::new(folder, Access::Looking, runner)
    }

    fn with_access(folder: &Path, access: Access, runner: Runner) -> Result<Self> {
        let tasks = folder.join(TASKS);
        fs::create_dir_all(&tasks).map_err(Error::io("create", &tasks))?;
        Ok(Self::new(folder, access, runner))
    }

    fn new(folder: &Path, access: Access, runner: Runner) -> Self {
        let (folder, seen) = (folder.to_path_buf(), Mutex::default());
        Self { folder, access, runner, seen, told: AtomicBool::new(false) }
    }

    /// Says which run this is, before its first task. `products` are the names of the files that
    /// runs leave beside their tasks: those of the same run stay, those of another are removed, so
    /// that the folder never holds files of two.
    ///
    /// # Errors
    /// If `run` has no JSON form, or the folder cannot be written.
    pub fn begin<C: Serialize>(&self, run: &C, products: &[&str]) -> Result<()> {
        match self.access {
            Access::Looking => Ok(()),
            _ => begin_run(&self.folder, run, products),
        }
    }

    /// The output of a task: as found if it was made before from the same configuration and
    /// inputs, otherwise made by `work`. `schema` is the version of the task's own method: raise
    /// it when the same configuration would give other numbers.
    ///
    /// # Errors
    /// Those of `work` (its checkpoints are kept), or if results cannot be stored.
    pub fn run<C: Serialize, E: Into<BoxError>>(
        &self,
        name: &str,
        schema: u32,
        config: &C,
        inputs: &[&Output],
        work: impl FnOnce(&Workspace) -> Result<(), E>,
    ) -> Result<Output> {
        let manifest = self.manifest(name, schema, config, inputs)?;
        if let Access::Looking = self.access {
            return self.look(&manifest).ok_or(Error::Unfinished);
        }
        let turn = match self.try_turn(&manifest)? {
            Some(turn) => turn,
            None => {
                let waiting = "another shard is at work on it; waiting for its result";
                self.runner.observer.remark(&format!("{name}: {waiting}"));
                self.wait_turn(&manifest)?
            }
        };
        self.complete(manifest, None, turn, |workspace| work(workspace).map_err(Into::into))
            .map_err(|source| Error::Task { task: name.to_owned(), source })
    }

    /// The manifest of a task that has yet to run.
    pub(crate) fn manifest<C: Serialize>(
        &self,
        name: &str,
        schema: u32,
        config: &C,
        inputs: &[&Output],
    ) -> Result<Manifest> {
        let inputs: Vec<&Manifest> = inputs.iter().map(|output| &output.manifest).collect();
        Manifest::plan(name, schema, config, &inputs, &self.runner.program)
    }

    /// The tasks that this process has come across, in that order.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes a task, if it is not done.
    pub(crate) fn complete(
        &self,
        mut manifest: Manifest,
        steps: Option<Steps>,
        _turn: Turn,
        work: impl FnOnce(&Workspace) -> Result<(), BoxError>,
    ) -> Result<Output, BoxError> {
        let done = self.result_folder(&manifest);
        match self.read(&manifest) {
            Some(Ok(output)) => {
                self.note(&manifest.name, State::Done(output.manifest.seconds));
                steps.iter().for_each(Steps::complete);
                return Ok(output);
            }
            Some(Err(reason)) => self.set_aside(&done, &reason)?,
            None => {}
        }
        let observer = &*self.runner.observer;
        let workspace = Workspace { folder: unfinished(&done), steps, observer };
        let checkpoints = workspace.folder.join(CHECKPOINTS);
        fs::create_dir_all(&checkpoints).map_err(Error::io("create", &checkpoints))?;
        let start = Instant::now();
        work(&workspace)?;
        manifest.seconds = start.elapsed().as_secs_f64();
        manifest.date = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        fs::remove_dir_all(&checkpoints).map_err(Error::io("clear", &checkpoints))?;
        manifest.record_outputs(&workspace.folder)?;
        write_json(&workspace.folder.join(MANIFEST), &manifest)?;
        fs::rename(&workspace.folder, &done).map_err(Error::io("store the result in", &done))?;
        workspace.steps.iter().for_each(Steps::complete);
        self.note(&manifest.name, State::Done(manifest.seconds));
        Ok(Output { folder: done, manifest, reused: false })
    }

    /// The result of a task that is done, without making it.
    pub(crate) fn look(&self, manifest: &Manifest) -> Option<Output> {
        let output = self.read(manifest).and_then(Result::ok);
        let state = match &output {
            Some(output) => State::Done(output.manifest.seconds),
            None if unfinished(&self.result_folder(manifest)).exists() => State::Begun,
            None => State::Missing,
        };
        self.note(&manifest.name, state);
        output
    }

    fn note(&self, name: &str, state: State) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.push(Seen { name: name.to_owned(), state });
    }

    /// A finished task with all its outputs intact, or why it is not to be used; none if there is
    /// no result.
    pub(crate) fn read(&self, manifest: &Manifest) -> Option<Result<Output, Unusable>> {
        let folder = self.result_folder(manifest);
        folder.is_dir().then(|| {
            let (key, path) = (&manifest.key, folder.join(MANIFEST));
            let manifest = read_json::<Manifest>(&path).map_err(Unusable::Damaged)?;
            if manifest.key != *key {
                let damage = format!("its key is {}, not {key}", manifest.key);
                return Err(Unusable::Damaged(Error::Damaged { damage }));
            }
            manifest.verify(&folder).map_err(Unusable::Damaged)?;
            self.judge_origin(&manifest)?;
            Ok(Output { folder, manifest, reused: true })
        })
    }

    /// A result of other sources is reused with a remark, once for the study, or not at all.
    fn judge_origin(&self, found: &Manifest) -> Result<(), Unusable> {
        let Runner { program, strict, observer } = &self.runner;
        if found.program.code == program.code {
            return Ok(());
        }
        if *strict {
            return Err(Unusable::OtherSources(found.program.clone()));
        }
        if !self.told.swap(true, Ordering::Relaxed) {
            observer.remark(&format!(
                "reusing results of another revision ({}, this is {}), the first of them '{}' of \
                 {}; --strict makes them again",
                found.program, program, found.name, found.date
            ));
        }
        Ok(())
    }

    /// Keeps a result that is not to be used where it is not mistaken for one.
    fn set_aside(&self, folder: &Path, reason: &Unusable) -> Result<()> {
        let (extension, why) = match reason {
            Unusable::Damaged(error) => ("damaged", format!("is damaged ({})", chain(error))),
            Unusable::OtherSources(program) => ("other", format!("is of revision {program}")),
        };
        let aside = folder.with_added_extension(extension);
        self.runner.observer.remark(&format!(
            "warning: {} {why}; it is set aside and made again",
            folder.display()
        ));
        if aside.exists() {
            fs::remove_dir_all(&aside).map_err(Error::io("clear", &aside))?;
        }
        fs::rename(folder, &aside).map_err(Error::io("set aside", folder))
    }

    fn result_folder(&self, manifest: &Manifest) -> PathBuf {
        self.folder.join(TASKS).join(manifest.folder_name())
    }

    /// The right to make a task, if no other process has it.
    pub(crate) fn try_turn(&self, manifest: &Manifest) -> Result<Option<Turn>> {
        let Some(path) = self.task_lock(manifest) else { return Ok(Some(Turn { _lock: None })) };
        Ok(FileLock::try_take(&path)?.map(|lock| Turn { _lock: Some(lock) }))
    }

    /// The right to make a task, once no other process has it.
    pub(crate) fn wait_turn(&self, manifest: &Manifest) -> Result<Turn> {
        let path = self.task_lock(manifest);
        Ok(Turn { _lock: path.map(|path| FileLock::wait(&path)).transpose()? })
    }

    /// The lock of a task. Locks are never removed while shards are at work: who waits for one
    /// must not be left with a file that others no longer see.
    fn task_lock(&self, manifest: &Manifest) -> Option<PathBuf> {
        let shared = matches!(self.access, Access::Shard { .. });
        shared.then(|| self.folder.join(LOCKS).join(manifest.folder_name()))
    }
}

/// Sees to it that a folder with results says of which run they are: of no run that may go on, if
/// they are to be forgotten or it was never said.
fn require_run(folder: &Path, forget: bool) -> Result<()> {
    let record = folder.join(RUN);
    if folder.join(TASKS).is_dir() && (forget || !record.exists()) {
        write_text(&record, "")?;
    }
    Ok(())
}

/// As [`Study::begin`], for a folder without tasks.
///
/// # Errors
/// As [`Study::begin`].
pub fn begin_run<C: Serialize>(folder: &Path, run: &C, products: &[&str]) -> Result<()> {
    let record = folder.join(RUN);
    let run = serde_json::to_vec(run)
        .map_err(|source| Error::NoJson { what: "the identity of the run".into(), source })?;
    let identity = blake3::hash(&run).to_hex().to_string();
    match fs::read_to_string(&record) {
        Ok(earlier) if earlier.trim() == identity => return Ok(()),
        Ok(_) => {
            for path in products.iter().map(|product| folder.join(product)) {
                match fs::remove_file(&path) {
                    Err(error) if error.kind() != ErrorKind::NotFound => {
                        return Err(Error::io("remove", &path)(error));
                    }
                    _ => {}
                }
            }
        }
        // A new folder: what lies there is not ours.
        Err(_) => {}
    }
    write_text(&record, &format!("{identity}\n"))
}

/// Folder of a task at work.
fn unfinished(done: &Path) -> PathBuf {
    done.with_added_extension("partial")
}

#[cfg(test)]
mod tests;
