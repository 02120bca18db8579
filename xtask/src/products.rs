//! The files that a run leaves in its folder, beside its tasks.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::files::require_no_input;
use crate::inference::RESULTS;
use crate::sampling::{DIAGNOSTICS, SAMPLES};
use crate::score_noise::NOISE;
use crate::study::STUDY;
use crate::trial::ESTIMATOR;

/// The page.
pub const REPORT: &str = "report.html";
/// The literature of the page.
pub const REFERENCES: &str = "references.bib";
/// What is where.
pub const READ_ME: &str = "README.txt";

/// All that any run leaves. They go when another run begins in the folder
/// ([`Study::begin`](crate::study::Study::begin)).
pub const PRODUCTS: [&str; 9] =
    [REPORT, STUDY, REFERENCES, SAMPLES, DIAGNOSTICS, ESTIMATOR, NOISE, RESULTS, READ_ME];

/// Refuses a folder in which a run would replace one of its own inputs.
///
/// # Errors
/// If it would.
pub fn spare_inputs(folder: &Path, inputs: &[PathBuf]) -> Result<()> {
    PRODUCTS.iter().try_for_each(|product| require_no_input(&folder.join(product), inputs))
}
