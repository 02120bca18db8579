//! Which program made a result, and how it treats those of others.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::observer::{Observer, Silent};

/// The program that makes results.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Program {
    /// Its version.
    pub version: String,
    /// The revision of its sources, for people; empty where none is known.
    #[serde(default)]
    pub revision: String,
    /// A hash of its sources: programs with the same one give the same results.
    #[serde(default)]
    pub code: String,
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let revision = if self.revision.is_empty() { "unknown" } else { &self.revision };
        f.write_str(revision)
    }
}

/// How a study is run.
pub struct Runner {
    /// The program.
    pub program: Program,
    /// Make results of other programs again, instead of reusing them with a remark.
    pub strict: bool,
    /// Who is told how it goes on.
    pub observer: Box<dyn Observer>,
}

impl Default for Runner {
    /// A program of no known version that tells nobody.
    fn default() -> Self {
        Self { program: Program::default(), strict: false, observer: Box::new(Silent) }
    }
}
