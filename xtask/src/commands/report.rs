//! `report`: draws the page of a finished study, of all studies or of a posterior again.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;

use super::{benchmark::all, posterior};
use crate::files::{read_json, require_writable_folder};
use crate::study::STUDY;
use crate::{compression, gradients, inference, lensing};

/// Arguments of `report`.
#[derive(Args)]
#[command(after_help = "Example:\n  cargo xtask report results/lensing-laptop")]
pub struct Arguments {
    /// Folder of the study, or of the page on all studies
    folder: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// If the folder holds no finished study, or cannot be written.
pub fn run(arguments: &Arguments) -> Result<()> {
    let folder = &arguments.folder;
    let path = folder.join(STUDY);
    let inputs: Value = read_json(&path).with_context(|| {
        format!("{} holds no finished study; `cargo xtask benchmark` makes one", folder.display())
    })?;
    require_writable_folder(folder)?;
    let damaged = || format!("{} is not of this version", path.display());
    let path = match inputs.get("study").and_then(Value::as_str) {
        Some(gradients::NAME) => {
            let inputs = serde_json::from_value(inputs).with_context(damaged)?;
            gradients::write_report(folder, &inputs)?
        }
        Some(compression::NAME) => {
            let inputs = serde_json::from_value(inputs).with_context(damaged)?;
            compression::write_report(folder, &inputs)?
        }
        Some(inference::NAME) => {
            let inputs = serde_json::from_value(inputs).with_context(damaged)?;
            inference::write_report(folder, &inputs)?
        }
        Some(all::NAME) => {
            let inputs = serde_json::from_value(inputs).with_context(damaged)?;
            all::write_page(folder, &inputs)?
        }
        Some(lensing::NAME | posterior::NAME) => {
            let inputs = serde_json::from_value(inputs).with_context(damaged)?;
            lensing::write_report(folder, &inputs)?
        }
        Some(other) => bail!("{}: unknown study '{other}'", path.display()),
        None => bail!(
            "{} does not say of which study it is: it is not of this program, or of an earlier \
             version. The command that made {} draws its page, from the results that it finds there",
            path.display(),
            folder.display()
        ),
    };
    eprintln!("report: {}", path.display());
    Ok(())
}
