//! What a task works in.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::CHECKPOINTS;
use crate::progress::Progress;

/// The unfinished folder of a task at work, and its part of the progress bar of its stage.
pub struct Workspace<'a> {
    pub(super) folder: PathBuf,
    pub(super) steps: Option<Steps<'a>>,
}

impl Workspace<'_> {
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

    /// Shows `count` more of the task's steps as done. Steps that are never shown are added when
    /// the task is done; without a common bar this does nothing.
    pub fn advance(&self, count: usize) {
        self.steps.iter().for_each(|steps| steps.take(count, Progress::advance));
    }

    /// Shows `count` steps as done by an earlier run, so that they do not flatter the rate.
    pub fn resume(&self, count: usize) {
        self.steps.iter().for_each(|steps| steps.take(count, Progress::skip));
    }
}

/// The steps of one task among those of its stage.
pub struct Steps<'a> {
    progress: &'a Progress,
    total: usize,
    taken: AtomicUsize,
}

impl<'a> Steps<'a> {
    /// `total` steps of the bar.
    pub fn new(progress: &'a Progress, total: usize) -> Self {
        Self { progress, total, taken: AtomicUsize::new(0) }
    }

    /// Takes at most what is left.
    fn take(&self, count: usize, show: impl Fn(&Progress, usize)) {
        let before = self.taken.fetch_add(count, Ordering::Relaxed);
        let left = self.total.saturating_sub(before);
        show(self.progress, count.min(left));
    }

    /// Takes all that is left.
    pub fn complete(&self) {
        self.take(self.total, Progress::advance);
    }
}
