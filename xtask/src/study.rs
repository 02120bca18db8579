//! The studies' task graph: that of `taskgraph`, told who this program is and shown on the terminal.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;
pub use taskgraph::{
    Crew, Error, FileLock, Output, Planned, Seen, Shard, State, Workspace, derive_seed,
};
use taskgraph::{Program, Runner};

use crate::progress::Terminal;

/// A folder of task results.
pub struct Study(taskgraph::Study);

/// This program, as manifests name it.
#[must_use]
pub fn program() -> Program {
    Program {
        version: env!("CARGO_PKG_VERSION").into(),
        revision: env!("FULLFIELD_REVISION").into(),
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
