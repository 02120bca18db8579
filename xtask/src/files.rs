//! Files that are either whole or absent, with errors that say what to do on the command line.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use taskgraph::files;

/// What to do about an output that cannot be written.
const REMEDY: &str = "choose another output with --out";

/// Writes a file through `fill`; readers see the old content or the new, never a part.
///
/// # Errors
/// If the folder cannot be written or `fill` fails; the old file is then untouched.
pub fn write_atomic(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<&File>) -> Result<()>,
) -> Result<()> {
    Ok(files::write_atomic(path, fill)?)
}

/// Writes text; see [`write_atomic`].
///
/// # Errors
/// If the folder cannot be written.
pub fn write_text(path: &Path, text: &str) -> Result<()> {
    Ok(files::write_text(path, text)?)
}

/// Writes a value as indented JSON; see [`write_atomic`].
///
/// # Errors
/// If the folder cannot be written or the value has no JSON form.
pub fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    Ok(files::write_json(path, value)?)
}

/// Reads a value from a JSON file.
///
/// # Errors
/// If the file cannot be read or does not hold a `T`.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    Ok(files::read_json(path)?)
}

/// Creates the folder if need be and proves, by writing, that results can be stored there.
///
/// # Errors
/// If the folder cannot be created or written.
pub fn require_writable_folder(folder: &Path) -> Result<()> {
    files::require_writable_folder(folder).context(REMEDY)
}

/// As [`require_writable_folder`], for the folder of an output file.
///
/// # Errors
/// If the folder cannot be created or written, or `path` is itself a folder.
pub fn require_writable_file(path: &Path) -> Result<()> {
    files::require_writable_file(path).context(REMEDY)
}
