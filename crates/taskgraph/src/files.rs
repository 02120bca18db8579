//! Files that are either whole or absent: written under a temporary name, flushed, then renamed.
//!
//! Links are followed: the file that a link points to is the one that is replaced, beside itself.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{BoxError, Error, Result};

/// Writes a file through `fill`; readers see the old content or the new, never a part.
///
/// # Errors
/// [`Error::Io`] if the folder cannot be written, [`Error::NotAFile`] or [`Error::Circle`] if `path`
/// leads to no file, [`Error::Fill`] if `fill` fails; the old file is then untouched.
pub fn write_atomic<E: Into<BoxError>>(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<&File>) -> Result<(), E>,
) -> Result<()> {
    let path = &replaceable(path)?;
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

/// Copies a file; see [`write_atomic`].
///
/// # Errors
/// If the file cannot be read or the copy not be written.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    let mut source = File::open(from).map_err(Error::io("read", from))?;
    write_atomic(to, |writer| std::io::copy(&mut source, writer).map(drop))
}

/// Proves that an output file can be written: its folder can, and what is there now, if anything, is
/// a file.
///
/// # Errors
/// If it is otherwise.
pub fn require_writable_file(path: &Path) -> Result<()> {
    require_writable_folder(folder_of(&replaceable(path)?))
}

/// Links that are followed before they are taken for a circle, as by the system.
const MOST_LINKS: usize = 40;

/// The file that a path leads to, links followed, whether or not it exists yet.
///
/// # Errors
/// [`Error::NotAFile`] if it leads to something that would be destroyed, such as a device.
pub fn replaceable(path: &Path) -> Result<PathBuf> {
    match fs::metadata(path) {
        Ok(found) if found.is_file() => path.canonicalize().map_err(Error::io("find", path)),
        Ok(found) => {
            let what = if found.is_dir() { "a folder" } else { "a device, a pipe or a socket" };
            Err(Error::NotAFile { path: path.to_owned(), what })
        }
        Err(_) => follow_to_nothing(path),
    }
}

/// The end of a chain of links where there is nothing yet.
fn follow_to_nothing(path: &Path) -> Result<PathBuf> {
    let mut end = path.to_path_buf();
    for _ in 0..MOST_LINKS {
        match fs::read_link(&end) {
            Ok(next) => end = folder_of(&end).join(next),
            Err(_) => return Ok(end),
        }
    }
    Err(Error::Circle { path: path.to_owned() })
}

/// The folder of a path; `.` for a bare name.
pub fn folder_of(path: &Path) -> &Path {
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

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_stay_links() -> Result<()> {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir()?;
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("far"))?;
        write_text(&path("far/there.npz"), "old")?;
        symlink("far/there.npz", path("there.npz"))?;
        symlink("far/new.npz", path("new.npz"))?;
        symlink("new.npz", path("twice.npz"))?;
        symlink("circle.npz", path("circle.npz"))?;
        for (link, target) in [("there.npz", "far/there.npz"), ("twice.npz", "far/new.npz")] {
            require_writable_file(&path(link))?;
            write_text(&path(link), link)?;
            assert!(fs::symlink_metadata(path(link))?.is_symlink(), "{link} is a link no more");
            assert_eq!(fs::read_to_string(path(target))?, link);
        }
        let circle = require_writable_file(&path("circle.npz")).unwrap_err();
        assert!(chain(&circle).contains("link to itself"), "{circle}");
        Ok(())
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_never_replaced() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let socket = folder.path().join("socket.npz");
        let _listener = std::os::unix::net::UnixListener::bind(&socket)?;
        for refused in [require_writable_file(&socket), write_text(&socket, "no longer a socket")] {
            let message = chain(&refused.unwrap_err());
            assert!(message.contains("not a file that can be replaced"), "{message}");
        }
        let device = chain(&write_text(Path::new("/dev/null"), "").unwrap_err());
        assert!(device.contains("device"), "{device}");
        assert!(!fs::metadata(&socket)?.is_file());
        Ok(())
    }
}
