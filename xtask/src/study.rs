//! The studies' task graph: that of `taskgraph`, told who this program is and shown on the terminal.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde::Serialize;
pub use taskgraph::{
    Crew, Error, FileLock, Output, Planned, Seen, Shard, State, Workspace, derive_seed,
};
use taskgraph::{Program, Runner};

use crate::machine::source_tree;
use crate::progress::Terminal;

/// Name of the file that says where the results of a study lie.
pub const STUDY: &str = "study.json";

/// What a study that ran to the end leaves.
pub struct Finished {
    /// The report.
    pub report: PathBuf,
    /// Number of tasks.
    pub tasks: usize,
    /// Those of them that were found done.
    pub reused: usize,
}

/// A folder of task results.
pub struct Study(taskgraph::Study);

/// The revision of the source tree, marked where files differ from it; none without a repository.
fn revision() -> Option<String> {
    let git = |words: &[&str]| {
        let output = Command::new("git").arg("-C").arg(source_tree()).args(words).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let revision = git(&["rev-parse", "--short=10", "HEAD"])?;
    let changed = git(&["status", "--porcelain", "--untracked-files=no"])?;
    Some(if changed.is_empty() { revision } else { revision + " with changes" })
}

/// This program, as manifests name it.
#[must_use]
pub fn program() -> Program {
    Program {
        version: env!("CARGO_PKG_VERSION").into(),
        revision: revision().unwrap_or_default(),
        code: env!("FULLFIELD_CODE").into(),
    }
}

/// What happens to results that are found in the folder of a study.
#[derive(Clone, Copy, Debug, Default)]
pub struct Earlier {
    /// They are forgotten.
    pub fresh: bool,
    /// Those of other sources are made again.
    pub strict: bool,
}

/// As [`Study::begin`], for a folder without tasks.
///
/// # Errors
/// If the folder cannot be written.
pub fn begin_run<C: Serialize>(folder: &Path, run: &C, products: &[&str]) -> Result<()> {
    Ok(taskgraph::begin_run(folder, run, products)?)
}

fn runner(strict: bool) -> Runner {
    Runner { program: program(), strict, observer: Box::new(Terminal) }
}

impl Study {
    /// Opens, creating it if need be, the study in `folder`.
    ///
    /// # Errors
    /// If the folder cannot be written or another process works in it.
    pub fn open(folder: &Path, earlier: Earlier) -> Result<Self> {
        let Earlier { fresh, strict } = earlier;
        Self::opened(taskgraph::Study::open(folder, fresh, runner(strict)))
    }

    /// Opens the study in `folder` as one of several processes that share its tasks.
    ///
    /// # Errors
    /// If the folder cannot be written or a process works there that shares nothing.
    pub fn open_shard(folder: &Path, shard: Shard, strict: bool) -> Result<Self> {
        Self::opened(taskgraph::Study::open_shard(folder, shard, runner(strict)))
    }

    fn opened(study: taskgraph::Result<taskgraph::Study>) -> Result<Self> {
        Ok(Self(study.context("the folder of the results (--out) cannot be used")?))
    }

    /// Looks at the study in `folder`, which other processes may work on.
    #[must_use]
    pub fn look_into(folder: &Path) -> Self {
        Self(taskgraph::Study::look_into(folder, runner(false)))
    }

    /// Says which run this is; see [`taskgraph::Study::begin`].
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn begin<C: Serialize>(&self, run: &C, products: &[&str]) -> Result<()> {
        Ok(self.0.begin(run, products)?)
    }

    /// The output of a task; see [`taskgraph::Study::run`].
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
        Ok(self.0.run(name, schema, config, inputs, work)?)
    }

    /// Plans a task of a stage; see [`taskgraph::Study::plan`].
    ///
    /// # Errors
    /// If the configuration has no JSON form, or two inputs have the same name.
    pub fn plan<'a, C: Serialize>(
        &self,
        name: &str,
        schema: u32,
        config: &C,
        inputs: &[&Output],
        steps: usize,
        work: impl FnOnce(&Workspace) -> Result<()> + Send + 'a,
    ) -> Result<Planned<'a>> {
        Ok(self.0.plan(name, schema, config, inputs, steps, work)?)
    }

    /// The outputs of all tasks of a stage; see [`taskgraph::Study::run_all`].
    ///
    /// # Errors
    /// If tasks fail, naming them, or if the study is only looked at and one is missing.
    pub fn run_all(&self, label: &str, crew: Crew, tasks: Vec<Planned>) -> Result<Vec<Output>> {
        Ok(self.0.run_all(label, crew, tasks)?)
    }

    /// The outputs of all tasks of a stage, or none for a shard, which makes its share only.
    ///
    /// # Errors
    /// As [`Study::run_all`].
    pub fn run_share(
        &self,
        label: &str,
        crew: Crew,
        tasks: Vec<Planned>,
    ) -> Result<Option<Vec<Output>>> {
        Ok(self.0.run_share(label, crew, tasks)?)
    }

    /// The tasks that this process has come across, in that order.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.0.seen()
    }
}
