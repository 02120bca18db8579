//! What comes from outside into a task, known by its content: files that users bring, and data
//! that are part of the program.
//!
//! A task that reads an [`Input`] has it in its configuration. Serialised, an input is the hash of
//! its bytes, so that a file that was changed gives another task, and one that was only moved does
//! not. What is parsed and serialised as a whole (surveys, priors, profiles, maps) is its own
//! identity.

use std::ops::Deref;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Serialize, Serializer};

/// A value with the hash of the bytes it was made of.
#[derive(Clone, Debug)]
pub struct Input<T> {
    value: T,
    hash: blake3::Hash,
}

impl<T> Input<T> {
    /// Reads a file once: what is parsed is what is hashed.
    ///
    /// # Errors
    /// If the file cannot be read or parsed.
    pub fn read(path: &Path, parse: impl FnOnce(&[u8]) -> Result<T>) -> Result<Self> {
        let bytes =
            std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::of(&bytes, parse).with_context(|| path.display().to_string())
    }

    /// Parses data that are part of the program.
    ///
    /// # Errors
    /// Those of `parse`.
    pub fn of(bytes: &[u8], parse: impl FnOnce(&[u8]) -> Result<T>) -> Result<Self> {
        Ok(Self { value: parse(bytes)?, hash: blake3::hash(bytes) })
    }
}

impl<T> Deref for Input<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> Serialize for Input<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.hash.to_hex())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_is_its_content_wherever_it_lies() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let read = |name: &str, content: &str| -> Result<serde_json::Value> {
            let path = folder.path().join(name);
            std::fs::write(&path, content)?;
            let input = Input::read(&path, |bytes| Ok(bytes.to_vec()))?;
            assert_eq!(*input, content.as_bytes());
            Ok(serde_json::to_value(&input)?)
        };
        let first = read("a", "1")?;
        assert_eq!(first, read("b", "1")?, "moved");
        assert_ne!(first, read("a", "2")?, "changed");
        assert_eq!(first, serde_json::to_value(Input::of(b"1", |_| Ok(()))?)?, "embedded");
        let lost = Input::read(&folder.path().join("none"), |_| Ok(())).unwrap_err();
        assert!(format!("{lost:#}").contains("none"), "{lost:#}");
        Ok(())
    }
}
