//! `report`: draws the page of a finished study or posterior again.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;

use crate::files::{read_json, require_writable_folder};
use crate::lensing::{ReportInputs, write_report};

/// Arguments of `report`.
#[derive(Args)]
#[command(after_help = "Example:\n  cargo xtask report results/laptop")]
pub struct Arguments {
    /// Folder of the study
    folder: PathBuf,
}

/// Name of the file that says where the results of a study lie.
pub const STUDY: &str = "study.json";

/// Runs the command.
///
/// # Errors
/// If the folder holds no finished study, or cannot be written.
pub fn run(arguments: &Arguments) -> Result<()> {
    let folder = &arguments.folder;
    let inputs: ReportInputs = read_json(&folder.join(STUDY)).with_context(|| {
        format!("{} holds no finished study; `cargo xtask benchmark` makes one", folder.display())
    })?;
    require_writable_folder(folder)?;
    let path = write_report(folder, &inputs)?;
    eprintln!("report: {}", path.display());
    Ok(())
}
