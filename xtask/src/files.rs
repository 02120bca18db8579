//! Files that are either whole or absent, with errors that say what to do on the command line.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
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

/// Copies a file; see [`write_atomic`].
///
/// # Errors
/// If the file cannot be read or the copy not be written.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    Ok(files::copy(from, to)?)
}

/// Proves, before long work, that the file asked for with --out can be written and that nobody
/// loses anything by it: its name ends in one of `extensions`, it is none of `inputs`, and what is
/// there now, if anything, is a file.
///
/// # Errors
/// If it is otherwise, or the folder of the file cannot be created or written.
pub fn require_output(path: &Path, extensions: &[&str], inputs: &[PathBuf]) -> Result<()> {
    ensure!(
        !path.is_dir(),
        "the output {} is a folder; give the name of a file with --out",
        path.display()
    );
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    ensure!(
        extensions.iter().any(|allowed| extension.eq_ignore_ascii_case(allowed)),
        "--out {}: the name of the output must end in .{}",
        path.display(),
        extensions.join(" or .")
    );
    let target = files::replaceable(path).context("--out")?;
    require_no_input(&target, inputs)?;
    require_writable_folder(files::folder_of(&target))
}

/// Refuses a path that leads to the same file as one of `inputs`.
///
/// # Errors
/// If it does.
pub fn require_no_input(path: &Path, inputs: &[PathBuf]) -> Result<()> {
    let Ok(found) = path.canonicalize() else { return Ok(()) };
    for input in inputs {
        ensure!(
            input.canonicalize().ok().as_ref() != Some(&found),
            "the output {} would replace the input {}; choose another with --out",
            path.display(),
            input.display()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_say_another_format_are_refused_with_those_that_are_allowed() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let message = |name: &str| {
            let refused = require_output(&folder.path().join(name), &["npz", "csv"], &[]);
            format!("{:#}", refused.expect_err(name))
        };
        for name in ["a.txt", "a.npy", "a", "npz", ".npz"] {
            assert!(message(name).contains("must end in .npz or .csv"), "{}", message(name));
        }
        for name in ["a.npz", "a.CSV", "b.c.npz"] {
            require_output(&folder.path().join(name), &["npz", "csv"], &[])?;
        }
        Ok(())
    }

    #[cfg(unix)]
    #[test]
    fn an_input_is_never_an_output_even_by_a_link() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let (file, link) = (folder.path().join("a.npz"), folder.path().join("b.npz"));
        write_text(&file, "")?;
        std::os::unix::fs::symlink(&file, &link)?;
        let refused = require_output(&link, &["npz"], &[file]).unwrap_err();
        assert!(format!("{refused:#}").contains("would replace the input"), "{refused:#}");
        Ok(())
    }
}
