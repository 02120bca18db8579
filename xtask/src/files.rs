//! Files that are either whole or absent: written under a temporary name, flushed, then renamed.
//!
//! Links are followed: the file that a link points to is the one that is replaced, beside itself.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Writes a file through `fill`; readers see the old content or the new, never a part.
///
/// # Errors
/// If the folder cannot be written, `path` is no file, or `fill` fails; the old file is then
/// untouched.
pub fn write_atomic(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<&File>) -> Result<()>,
) -> Result<()> {
    let path = &replaceable(path)?;
    let folder = folder_of(path);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = temporary_in(folder, &format!(".{name}."))
        .with_context(|| format!("cannot write {}", path.display()))?;
    let mut writer = BufWriter::new(temporary.as_file());
    fill(&mut writer)
        .and_then(|()| Ok(writer.flush()?))
        .and_then(|()| Ok(temporary.as_file().sync_all()?))
        .with_context(|| format!("while writing {}", path.display()))?;
    drop(writer);
    temporary.persist(path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(())
}

/// Writes text; see [`write_atomic`].
///
/// # Errors
/// If the folder cannot be written.
pub fn write_text(path: &Path, text: &str) -> Result<()> {
    write_atomic(path, |writer| Ok(writer.write_all(text.as_bytes())?))
}

/// Writes a value as indented JSON; see [`write_atomic`].
///
/// # Errors
/// If the folder cannot be written or the value has no JSON form.
pub fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    write_text(path, &(serde_json::to_string_pretty(value)? + "\n"))
}

/// Copies a file; see [`write_atomic`].
///
/// # Errors
/// If the file cannot be read or the copy not be written.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    let mut source =
        File::open(from).with_context(|| format!("cannot read {}", from.display()))?;
    write_atomic(to, |writer| Ok(std::io::copy(&mut source, writer).map(drop)?))
}

/// Reads a value from a JSON file.
///
/// # Errors
/// If the file cannot be read or does not hold a `T`.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text)
        .with_context(|| format!("{}: not the expected JSON", path.display()))
}

/// Creates the folder if need be and proves, by writing, that results can be stored there.
///
/// Called before long work, so that hours of sampling do not end in "permission denied".
///
/// # Errors
/// If the folder cannot be created or written.
pub fn require_writable_folder(folder: &Path) -> Result<()> {
    let advice = || {
        format!(
            "the output folder {} cannot be written; choose another with --out",
            folder.display()
        )
    };
    fs::create_dir_all(folder).with_context(advice)?;
    let mut probe = temporary_in(folder, ".probe.").with_context(advice)?;
    probe.write_all(b"probe").and_then(|()| probe.flush()).with_context(advice)?;
    Ok(())
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
    let target = replaceable(path).context("--out")?;
    require_no_input(&target, inputs)?;
    require_writable_folder(folder_of(&target))
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

/// Links that are followed before they are taken for a circle, as by the system.
const MOST_LINKS: usize = 40;

/// The file that a path leads to, links followed, whether or not it exists yet.
///
/// # Errors
/// If it leads to something that is not a file and would be destroyed, such as a device.
fn replaceable(path: &Path) -> Result<PathBuf> {
    match fs::metadata(path) {
        Ok(found) if found.is_file() => Ok(path.canonicalize()?),
        Ok(found) => {
            let what = if found.is_dir() { "a folder" } else { "a device, a pipe or a socket" };
            bail!("{} is {what}, not a file that can be replaced", path.display())
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
    bail!("{} is a link to itself", path.display())
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
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("a.txt");
        write_text(&path, "old")?;
        let failed = write_atomic(&path, |writer| {
            writer.write_all(b"half of the ne")?;
            anyhow::bail!("the power went")
        });
        assert!(format!("{:#}", failed.unwrap_err()).contains("the power went"));
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
        assert!(format!("{error:#}").contains("--out"), "{error:#}");
        assert!(require_output(folder.path(), &["npz"], &[]).is_err());
        require_output(&folder.path().join("new/deep/out.npz"), &["npz"], &[])
    }

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
            require_output(&path(link), &["npz"], &[])?;
            write_text(&path(link), link)?;
            assert!(fs::symlink_metadata(path(link))?.is_symlink(), "{link} is a link no more");
            assert_eq!(fs::read_to_string(path(target))?, link);
        }
        let circle = require_output(&path("circle.npz"), &["npz"], &[]).unwrap_err();
        assert!(format!("{circle:#}").contains("link to itself"), "{circle:#}");
        let input = [path("far/there.npz")];
        let input = require_output(&path("there.npz"), &["npz"], &input).unwrap_err();
        assert!(format!("{input:#}").contains("would replace the input"), "{input:#}");
        Ok(())
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_never_replaced() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let socket = folder.path().join("socket.npz");
        let _listener = std::os::unix::net::UnixListener::bind(&socket)?;
        for refused in
            [require_output(&socket, &["npz"], &[]), write_text(&socket, "no longer a socket")]
        {
            let message = format!("{:#}", refused.unwrap_err());
            assert!(message.contains("not a file that can be replaced"), "{message}");
        }
        let device = format!("{:#}", write_text(Path::new("/dev/null"), "").unwrap_err());
        assert!(device.contains("device"), "{device}");
        assert!(!fs::metadata(&socket)?.is_file());
        Ok(())
    }
}
