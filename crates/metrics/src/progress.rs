//! How far a long computation has come.

/// Parts finished so far, and in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Parts finished: classifiers, rows of a kernel matrix, observations.
    pub done: usize,
    /// Parts to finish.
    pub total: usize,
}
