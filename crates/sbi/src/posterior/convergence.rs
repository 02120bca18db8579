//! Whether chains agree, and which of them are of no use.

use hmc::{Record, examine};

use crate::mixing::Mixing;

/// What the draws of several chains say about them.
#[derive(Clone, Debug, PartialEq)]
pub struct Convergence {
    /// Whether each chain may be used.
    pub usable: Vec<bool>,
    /// What the usable chains say together.
    pub mixing: Mixing,
}

/// Judges chains by their draws after warmup.
pub fn judge(records: &[Record]) -> Convergence {
    let usable: Vec<bool> = examine(records).iter().map(|h| !h.verdict.is_useless()).collect();
    let chains: Vec<&Record> = records
        .iter()
        .zip(&usable)
        .filter_map(|(record, usable)| usable.then_some(record))
        .collect();
    Convergence { mixing: Mixing::of(&chains), usable }
}
