//! Studies as graphs of tasks whose results are kept.
//!
//! A task is a name, a configuration and the outputs of the tasks it reads. Their hash is its key;
//! its outputs live in `tasks/<name>-<key>/` beside a `manifest.json` that records the key, what
//! went in, what came out and how long it took. The folder appears by a rename when the task is
//! done: what is there is complete. A task whose folder exists is not run again; a change of
//! configuration gives another key and another folder, so that nothing computed is ever lost.
//! A task that was killed finds its own unfinished folder and continues from its checkpoints.

mod checkpoint;
mod lock;
mod manifest;
mod seed;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

pub use checkpoint::{load_checkpoint, save_checkpoint};
pub use manifest::Manifest;
pub use seed::derive_seed;

use crate::files::{read_json, require_writable_folder, write_json};
use lock::FolderLock;

const MANIFEST: &str = "manifest.json";
const CHECKPOINTS: &str = "checkpoints";

/// A folder of task results, held by one process at a time.
pub struct Study {
    folder: PathBuf,
    _lock: FolderLock,
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

/// The unfinished folder of a task at work.
pub struct Workspace {
    folder: PathBuf,
}

impl Workspace {
    /// Path of an output file; every file written here becomes part of the result.
    #[must_use]
    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    /// Path of a checkpoint; checkpoints survive a kill and vanish when the task is done.
    #[must_use]
    pub fn checkpoint(&self, file: &str) -> PathBuf {
        self.folder.join(CHECKPOINTS).join(file)
    }
}

impl Study {
    /// Opens, creating it if need be, the study in `folder`; `fresh` forgets all earlier results.
    ///
    /// # Errors
    /// If the folder cannot be written or another process holds it.
    pub fn open(folder: &Path, fresh: bool) -> Result<Self> {
        require_writable_folder(folder)?;
        let lock = FolderLock::acquire(folder)?;
        let tasks = folder.join("tasks");
        if fresh && tasks.exists() {
            fs::remove_dir_all(&tasks)
                .with_context(|| format!("cannot clear {}", tasks.display()))?;
        }
        fs::create_dir_all(&tasks)?;
        Ok(Self { folder: folder.to_path_buf(), _lock: lock })
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
        let mut manifest = Manifest::plan(name, schema, config, inputs)?;
        let done = self.folder.join("tasks").join(manifest.folder_name());
        if let Some(manifest) = self.find(&done, &manifest.key)? {
            return Ok(Output { folder: done, manifest, reused: true });
        }
        let workspace = Workspace { folder: done.with_extension("partial") };
        fs::create_dir_all(workspace.folder.join(CHECKPOINTS))?;
        let start = Instant::now();
        work(&workspace).with_context(|| format!("task '{name}' failed"))?;
        manifest.seconds = start.elapsed().as_secs_f64();
        fs::remove_dir_all(workspace.folder.join(CHECKPOINTS))?;
        manifest.record_outputs(&workspace.folder)?;
        write_json(&workspace.folder.join(MANIFEST), &manifest)?;
        fs::rename(&workspace.folder, &done)
            .with_context(|| format!("cannot store the result in {}", done.display()))?;
        Ok(Output { folder: done, manifest, reused: false })
    }

    /// A finished task with all its outputs intact; a damaged one is set aside.
    fn find(&self, folder: &Path, key: &str) -> Result<Option<Manifest>> {
        if !folder.is_dir() {
            return Ok(None);
        }
        let intact = read_json::<Manifest>(&folder.join(MANIFEST)).and_then(|manifest| {
            ensure!(manifest.key == key, "its key is {}, not {key}", manifest.key);
            manifest.verify(folder)?;
            Ok(manifest)
        });
        match intact {
            Ok(manifest) => Ok(Some(manifest)),
            Err(damage) => {
                let aside = folder.with_extension("damaged");
                eprintln!(
                    "warning: {} is damaged ({damage:#}); it is set aside and made again",
                    folder.display()
                );
                if aside.exists() {
                    fs::remove_dir_all(&aside)?;
                }
                fs::rename(folder, &aside)?;
                Ok(None)
            }
        }
    }
}

#[cfg(test)]
mod tests;
