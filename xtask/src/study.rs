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

mod checkpoint;
mod lock;
mod manifest;
mod seed;
mod shard;
mod stage;
mod workspace;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

pub use checkpoint::{load_checkpoint, save_checkpoint};
pub use lock::FileLock;
pub use manifest::Manifest;
pub use seed::derive_seed;
pub use shard::Shard;
pub use stage::Crew;
pub use workspace::Workspace;

use crate::files::{read_json, require_writable_folder, write_json, write_text};
use workspace::Steps;

const MANIFEST: &str = "manifest.json";
const CHECKPOINTS: &str = "checkpoints";
/// Folder of the locks of tasks.
const LOCKS: &str = "locks";
/// Folder of the results of tasks.
const TASKS: &str = "tasks";
/// File that says which run the folder belongs to.
const RUN: &str = ".run";

/// A folder of task results.
pub struct Study {
    folder: PathBuf,
    access: Access,
    seen: Mutex<Vec<Seen>>,
}

/// What a process may do in the folder.
enum Access {
    /// Everything: no other process is there.
    Alone { _lock: FileLock },
    /// Make tasks whose lock it holds; other shards do the same.
    Shard { shard: Shard, _lock: FileLock },
    /// Nothing.
    Looking,
}

/// The right to make a task. Alone in the folder, no lock is needed.
struct Turn {
    _lock: Option<FileLock>,
}

/// A study that is only looked at cannot go on where a result is missing.
#[derive(Debug, thiserror::Error)]
#[error("the study is not finished")]
pub struct Unfinished;

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
    pub fn open(folder: &Path, fresh: bool) -> Result<Self> {
        require_writable_folder(folder)?;
        let access = Access::Alone { _lock: FileLock::alone(folder)? };
        require_run(folder, fresh)?;
        let forgotten = if fresh { &[TASKS, LOCKS][..] } else { &[LOCKS] };
        for name in forgotten {
            let path = folder.join(name);
            if path.exists() {
                fs::remove_dir_all(&path)
                    .with_context(|| format!("cannot clear {}", path.display()))?;
            }
        }
        Self::with_access(folder, access)
    }

    /// Opens the study in `folder` as one of several processes that share its tasks.
    ///
    /// # Errors
    /// If the folder cannot be written or a process works there that shares nothing.
    pub fn open_shard(folder: &Path, shard: Shard) -> Result<Self> {
        require_writable_folder(folder)?;
        let lock = FileLock::shared(folder)?;
        require_run(folder, false)?;
        fs::create_dir_all(folder.join(LOCKS))?;
        Self::with_access(folder, Access::Shard { shard, _lock: lock })
    }

    /// Looks at the study in `folder`, which other processes may work on: a task that is not done
    /// ends in [`Unfinished`].
    #[must_use]
    pub fn look_into(folder: &Path) -> Self {
        let folder = folder.to_path_buf();
        Self { folder, access: Access::Looking, seen: Mutex::default() }
    }

    fn with_access(folder: &Path, access: Access) -> Result<Self> {
        fs::create_dir_all(folder.join(TASKS))?;
        Ok(Self { folder: folder.to_path_buf(), access, seen: Mutex::default() })
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
    pub fn run<C: Serialize>(
        &self,
        name: &str,
        schema: u32,
        config: &C,
        inputs: &[&Output],
        work: impl FnOnce(&Workspace) -> Result<()>,
    ) -> Result<Output> {
        let manifest = Manifest::plan(name, schema, config, inputs)?;
        if let Access::Looking = self.access {
            return self.look(&manifest).ok_or_else(|| Unfinished.into());
        }
        let turn = match self.try_turn(&manifest)? {
            Some(turn) => turn,
            None => {
                eprintln!("{name}: another shard is at work on it; waiting for its result");
                self.wait_turn(&manifest)?
            }
        };
        self.complete(manifest, None, turn, work).with_context(|| format!("task '{name}' failed"))
    }

    /// The tasks that this process has come across, in that order.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes a task, if it is not done.
    fn complete(
        &self,
        mut manifest: Manifest,
        steps: Option<Steps>,
        _turn: Turn,
        work: impl FnOnce(&Workspace) -> Result<()>,
    ) -> Result<Output> {
        let done = self.result_folder(&manifest);
        match self.read(&manifest) {
            Some(Ok(output)) => {
                self.note(&manifest.name, State::Done(output.manifest.seconds));
                steps.iter().for_each(Steps::complete);
                return Ok(output);
            }
            Some(Err(damage)) => set_aside(&done, &damage)?,
            None => {}
        }
        let workspace = Workspace { folder: unfinished(&done), steps };
        fs::create_dir_all(workspace.folder.join(CHECKPOINTS))?;
        let start = Instant::now();
        work(&workspace)?;
        manifest.seconds = start.elapsed().as_secs_f64();
        fs::remove_dir_all(workspace.folder.join(CHECKPOINTS))?;
        manifest.record_outputs(&workspace.folder)?;
        write_json(&workspace.folder.join(MANIFEST), &manifest)?;
        fs::rename(&workspace.folder, &done)
            .with_context(|| format!("cannot store the result in {}", done.display()))?;
        workspace.steps.iter().for_each(Steps::complete);
        self.note(&manifest.name, State::Done(manifest.seconds));
        Ok(Output { folder: done, manifest, reused: false })
    }

    /// The result of a task that is done, without making it.
    fn look(&self, manifest: &Manifest) -> Option<Output> {
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

    /// A finished task with all its outputs intact, or what is wrong with it; none if there is no
    /// result.
    fn read(&self, manifest: &Manifest) -> Option<Result<Output>> {
        let folder = self.result_folder(manifest);
        folder.is_dir().then(|| {
            let key = &manifest.key;
            let manifest = read_json::<Manifest>(&folder.join(MANIFEST))?;
            ensure!(manifest.key == *key, "its key is {}, not {key}", manifest.key);
            manifest.verify(&folder)?;
            Ok(Output { folder, manifest, reused: true })
        })
    }

    fn result_folder(&self, manifest: &Manifest) -> PathBuf {
        self.folder.join(TASKS).join(manifest.folder_name())
    }

    /// The right to make a task, if no other process has it.
    fn try_turn(&self, manifest: &Manifest) -> Result<Option<Turn>> {
        let Some(path) = self.task_lock(manifest) else { return Ok(Some(Turn { _lock: None })) };
        Ok(FileLock::try_take(&path)?.map(|lock| Turn { _lock: Some(lock) }))
    }

    /// The right to make a task, once no other process has it.
    fn wait_turn(&self, manifest: &Manifest) -> Result<Turn> {
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
    let identity = blake3::hash(&serde_json::to_vec(run)?).to_hex().to_string();
    match fs::read_to_string(&record) {
        Ok(earlier) if earlier.trim() == identity => return Ok(()),
        Ok(_) => {
            for product in products {
                let path = folder.join(product);
                match fs::remove_file(&path) {
                    Err(error) if error.kind() != ErrorKind::NotFound => {
                        return Err(error)
                            .with_context(|| format!("cannot remove {}", path.display()));
                    }
                    _ => {}
                }
            }
        }
        // a new folder: what lies there is not ours
        Err(_) => {}
    }
    write_text(&record, &format!("{identity}\n"))
}

/// Folder of a task at work.
fn unfinished(done: &Path) -> PathBuf {
    done.with_added_extension("partial")
}

/// Keeps a damaged result where it is not mistaken for one.
fn set_aside(folder: &Path, damage: &anyhow::Error) -> Result<()> {
    let aside = folder.with_added_extension("damaged");
    eprintln!(
        "warning: {} is damaged ({damage:#}); it is set aside and made again",
        folder.display()
    );
    if aside.exists() {
        fs::remove_dir_all(&aside)?;
    }
    Ok(fs::rename(folder, &aside)?)
}

#[cfg(test)]
mod tests;
