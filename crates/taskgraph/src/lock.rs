//! Who may work in a folder, and who works on a task.
//!
//! The system releases a lock however its process ends. Locks reach as far as those of the file
//! system: on a cluster file system that supports them, to all nodes.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use crate::error::{Error, Result};

/// A lock on a file, held until it is dropped.
pub struct FileLock {
    _file: File,
}

impl FileLock {
    /// Takes the folder for one process alone, or says who has it.
    ///
    /// # Errors
    /// If another process works in it, or the folder cannot be written.
    pub fn alone(folder: &Path) -> Result<Self> {
        Self::folder(folder, File::try_lock, "another run")
    }

    /// Takes the folder together with other processes that share it.
    ///
    /// # Errors
    /// If a process that does not share works in it, or the folder cannot be written.
    pub fn shared(folder: &Path) -> Result<Self> {
        Self::folder(folder, File::try_lock_shared, "shards of a run, one of them")
    }

    fn folder(
        folder: &Path,
        lock: impl Fn(&File) -> Result<(), TryLockError>,
        who: &str,
    ) -> Result<Self> {
        let path = folder.join(".lock");
        let mut file = open(&path)?;
        match lock(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                file.read_to_string(&mut holder).map_err(Error::io("read", &path))?;
                let holder = holder.lines().next().unwrap_or("another run").to_owned();
                return Err(Error::InUse { folder: folder.to_owned(), holder });
            }
            Err(TryLockError::Error(error)) => return Err(Error::io("lock", &path)(error)),
        }
        let text = format!("{who} (process {}{})\n", std::process::id(), host());
        file.rewind()
            .and_then(|()| file.write_all(text.as_bytes()))
            .and_then(|()| file.set_len(text.len() as u64))
            .map_err(Error::io("write", &path))?;
        Ok(Self { _file: file })
    }

    /// Takes the file if nobody has it.
    ///
    /// # Errors
    /// If the file cannot be opened or locked.
    pub fn try_take(path: &Path) -> Result<Option<Self>> {
        let file = open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(Error::io("lock", path)(error)),
        }
    }

    /// Takes the file, waiting for whoever has it.
    ///
    /// # Errors
    /// If the file cannot be opened or locked.
    pub fn wait(path: &Path) -> Result<Self> {
        let file = open(path)?;
        file.lock().map_err(Error::io("lock", path))?;
        Ok(Self { _file: file })
    }
}

fn open(path: &Path) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(Error::io("open", path))
}

/// ` on NAME` where the system tells the name of the machine.
fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or(String::new(), |name| format!(" on {}", name.trim()))
}
