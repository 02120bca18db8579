//! `tidy`: the structure of the source tree.

use anyhow::{Result, bail};

use crate::machine::source_tree;
use crate::tidy::check;

/// Checks the tree and lists what is wrong.
///
/// # Errors
/// If anything is wrong.
pub fn run() -> Result<()> {
    let problems = check(source_tree())?;
    for problem in &problems {
        eprintln!("{problem}");
    }
    match problems.len() {
        0 => Ok(()),
        count => bail!("tidy found {count} problem(s)"),
    }
}
