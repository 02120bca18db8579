//! Files that are either whole or absent: written under a temporary name, flushed, then renamed.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{BoxError, Error, Result};

/// Writes a file through `fill`; readers see the old content or the new, never a part.
///
/// # Errors
/// [`Error::Io`] if the folder cannot be written, [`Error::Fill`] if `fill` fails; the old file is
/// then untouched.
pub fn write_atomic<E: Into<BoxError>>(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<&File>) -> Result<(), E>,
) -> Result<()> {
    let folder = folder_of(path);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = temporary_in(folder, &format!(".{name}.")).map_err(Error::io("write", path))?;
    let mut writer = BufWriter::new(temporary.as_file());
    fill(&mut writer)
        .map_err(Into::into)
        .and_then(|()| Ok(writer.flush()?))
        .and_then(|()| Ok(temporary.as_file().sync_all()?))
        .map_err(|source| Error::Fill { path: path.to_owned(), source })?;
    drop(writer);
    temporary.persist(path).map_err(|failure| Error::io("write", path)(failure.error))?;
    Ok(())
}

/// Writes text; see [`write_atomic`].
///
/// # Errors
/// If the folder cannot be written.
pub fn write_text(path: &Path, text: &str) -> Result<()> {
    write_atomic(path, |writer| writer.write_all(text.as_bytes()))
}

/// Writes a value as indented JSON; see [`write_atomic`].
///
/// # Errors
/// If the folder cannot be written or the value has no JSON form.
pub fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|source| Error::NoJson { what: path.display().to_string(), source })?;
    write_text(path, &(text + "\n"))
}

/// Reads a value from a JSON file.
///
/// # Errors
/// If the file cannot be read or does not hold a `T`.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read_to_string(path).map_err(Error::io("read", path))?;
    serde_json::from_str(&text).map_err(|source| Error::Json { path: path.to_owned(), source })
}

/// Creates the folder if need be and proves, by writing, that results can be stored there.
///
/// Called before long work, so that hours of sampling do not end in "permission denied".
///
/// # Errors
/// If the folder cannot be created or written.
pub fn require_writable_folder(folder: &Path) -> Result<()> {
    let probe = || -> std::io::Result<()> {
        fs::create_dir_all(folder)?;
        let mut probe = temporary_in(folder, ".probe.")?;
        probe.write_all(b"probe")?;
        probe.flush()
    };
    probe().map_err(|source| Error::Unwritable { folder: folder.to_owned(), source })
}

/// As [`require_writable_folder`], for the folder of an output file.
///
/// # Errors
/// If the folder cannot be created or written, or `path` is itself a folder.
pub fn require_writable_file(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Err(Error::IsFolder { path: path.to_owned() });
    }
    require_writable_folder(folder_of(path))
}

/// The folder of a path; `.` for a bare name.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// A temporary file that becomes an ordinary one: its permissions follow the umask.
fn temporary_in(folder: &Path, prefix: &str) -> std::io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}

#[cfg(test)]
mod tests {
    use anyhow::Result;

    use super::*;
    use crate::error::chain;

    #[test]
    fn a_failed_write_leaves_the_old_file() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("a.txt");
        write_text(&path, "old")?;
        let failed = write_atomic(&path, |writer| {
            writer.write_all(b"half of the ne")?;
            anyhow::bail!("the power went")
        });
        assert!(chain(&failed.unwrap_err()).contains("the power went"));
        assert_eq!(fs::read_to_string(&path)?, "old");
        assert_eq!(fs::read_dir(folder.path())?.count(), 1, "no temporary file is left");
        Ok(())
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_refused_with_advice() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("file");
        write_text(&file, "")?;
        let error = require_writable_folder(&file.join("below")).unwrap_err();
        assert!(chain(&error).contains("choose another"), "{error}");
        assert!(require_writable_file(folder.path()).is_err());
        Ok(require_writable_file(&folder.path().join("new/deep/out.npz"))?)
    }
}
