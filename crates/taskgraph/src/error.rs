//! What can go wrong, with where and why.

use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};

/// Any error of a task's own work.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Result of the fallible functions of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A study that is only looked at cannot go on where a result is missing.
    #[error("the study is not finished")]
    Unfinished,
    /// The system refuses to read, write, rename or lock a file.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The folder of the results cannot be written.
    #[error("the output folder {} cannot be written; choose another", folder.display())]
    Unwritable {
        /// The folder.
        folder: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file is to be written where something else stands.
    #[error("{} is {what}, not a file that can be replaced", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What stands there.
        what: &'static str,
    },
    /// A link leads back to itself.
    #[error("{} is a link to itself", path.display())]
    Circle {
        /// The link.
        path: PathBuf,
    },
    /// What fills a file failed; the old file is untouched.
    #[error("while writing {}", path.display())]
    Fill {
        /// The file.
        path: PathBuf,
        /// Why.
        source: BoxError,
    },
    /// A file does not hold what it should.
    #[error("{}: not the expected JSON", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// A value that has no JSON form.
    #[error("{what} has no JSON form")]
    NoJson {
        /// The value.
        what: String,
        /// Why.
        source: serde_json::Error,
    },
    /// A state that cannot be stored.
    #[error("the state {} cannot be stored", path.display())]
    State {
        /// Where it was to go.
        path: PathBuf,
        /// Why not.
        source: postcard::Error,
    },
    /// Another process works in the folder.
    #[error("{} is in use by {holder}; wait until it ends or choose another folder", folder.display())]
    InUse {
        /// The folder.
        folder: PathBuf,
        /// Who works there.
        holder: String,
    },
    /// A stored result is not what was stored.
    #[error("{damage}")]
    Damaged {
        /// What is wrong with it.
        damage: String,
    },
    /// A task reads two others of the same name.
    #[error("task '{task}' reads two tasks named '{input}'")]
    SameName {
        /// The task.
        task: String,
        /// The name of both.
        input: String,
    },
    /// A stage lists the same task twice.
    #[error("stage '{stage}' has a task twice")]
    Twice {
        /// The stage.
        stage: String,
    },
    /// A task failed; its checkpoints are kept.
    #[error("task '{task}' failed")]
    Task {
        /// The task.
        task: String,
        /// Why.
        source: BoxError,
    },
    /// Tasks of a stage failed.
    #[error("{}", describe(stage, *tasks, failures))]
    Stage {
        /// The stage.
        stage: String,
        /// Number of its tasks.
        tasks: usize,
        /// Those that failed, by name, each with its whole chain of causes.
        failures: Vec<(String, String)>,
    },
    /// The threads of a stage cannot be started.
    #[error("cannot start worker threads")]
    Threads {
        /// Why not.
        source: rayon::ThreadPoolBuildError,
    },
}

/// Failures of a stage that are described in full.
const DESCRIBED: usize = 5;

fn describe(stage: &str, tasks: usize, failures: &[(String, String)]) -> String {
    let mut text = format!(
        "{} of {tasks} tasks of '{stage}' failed; the results of the others are kept",
        failures.len()
    );
    for (name, reason) in failures.iter().take(DESCRIBED) {
        let _ = write!(text, "\n  {name}: {reason}");
    }
    if failures.len() > DESCRIBED {
        let _ = write!(text, "\n  and {} more", failures.len() - DESCRIBED);
    }
    text
}

impl Error {
    /// Makes an error of the system one of this crate.
    pub(crate) fn io(
        action: &'static str,
        path: impl AsRef<Path>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Io { action, path, source }
    }
}

/// An error with all its causes, in one line.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}
