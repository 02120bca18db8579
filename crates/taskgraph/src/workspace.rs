//! What a task works in.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::checkpoint;
use crate::error::Result;
use crate::manifest::CHECKPOINTS;
use crate::observer::{Bar, Observer};

/// The unfinished folder of a task at work, and its part of the progress bar of its stage.
pub struct Workspace<'a> {
    pub(crate) folder: PathBuf,
    pub(crate) steps: Option<Steps<'a>>,
    pub(crate) observer: &'a dyn Observer,
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

    /// Stores a state bit for bit (floats included) as a checkpoint; the one before it is kept.
    ///
    /// # Errors
    /// If the state cannot be stored.
    pub fn save<T: Serialize>(&self, file: &str, state: &T) -> Result<()> {
        checkpoint::save(&self.checkpoint(file), state)
    }

    /// The state last stored as a checkpoint, or the one before it if the last is damaged, which
    /// the observer is told; none if there is neither.
    #[must_use]
    pub fn load<T: DeserializeOwned>(&self, file: &str) -> Option<T> {
        checkpoint::load(&self.checkpoint(file), |damage| self.observer.remark(damage))
    }

    /// Shows `count` more of the task's steps as done. Steps that are never shown are added when
    /// the task is done; without a common bar this does nothing.
    pub fn advance(&self, count: usize) {
        self.steps.iter().for_each(|steps| steps.take(count, |bar, n| bar.advance(n)));
    }

    /// Shows `count` steps as done by an earlier run, so that they do not flatter the rate.
    pub fn resume(&self, count: usize) {
        self.steps.iter().for_each(|steps| steps.take(count, |bar, n| bar.skip(n)));
    }
}

/// The steps of one task among those of its stage.
pub struct Steps<'a> {
    bar: &'a dyn Bar,
    total: usize,
    taken: AtomicUsize,
}

impl<'a> Steps<'a> {
    /// `total` steps of the bar.
    pub fn new(bar: &'a dyn Bar, total: usize) -> Self {
        Self { bar, total, taken: AtomicUsize::new(0) }
    }

    /// Takes at most what is left.
    fn take(&self, count: usize, show: impl Fn(&dyn Bar, usize)) {
        let before = self.taken.fetch_add(count, Ordering::Relaxed);
        let left = self.total.saturating_sub(before);
        show(self.bar, count.min(left));
    }

    /// Takes all that is left.
    pub fn complete(&self) {
        self.take(self.total, |bar, n| bar.advance(n));
    }
}
