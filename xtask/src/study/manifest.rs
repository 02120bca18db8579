//! The record that stands beside the outputs of a task.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::{MANIFEST, Output};

/// What a task was made from, and what it made.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Manifest {
    /// Name of the task.
    pub name: String,
    /// Hash of name, schema, configuration and inputs: the identity of the result.
    pub key: String,
    /// Version of the task's method.
    pub schema: u32,
    /// Its configuration.
    pub config: serde_json::Value,
    /// Digests of the outputs it read, by task.
    pub inputs: BTreeMap<String, String>,
    /// Its files.
    pub outputs: BTreeMap<String, FileRecord>,
    /// Wall time of the run that finished it, in seconds.
    pub seconds: f64,
    /// Version of the program.
    pub version: String,
}

/// Size and content hash of a file.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct FileRecord {
    /// Size in bytes.
    pub bytes: u64,
    /// BLAKE3 hash in hexadecimal.
    pub blake3: String,
}

impl FileRecord {
    fn of(path: &Path) -> Result<Self> {
        let mut hasher = blake3::Hasher::new();
        let file =
            fs::File::open(path).with_context(|| format!("{} is missing", path.display()))?;
        hasher.update_reader(file)?;
        Ok(Self { bytes: hasher.count(), blake3: hasher.finalize().to_hex().to_string() })
    }
}

impl Manifest {
    /// The manifest of a task that has yet to run.
    pub(super) fn plan<C: Serialize>(
        name: &str,
        schema: u32,
        config: &C,
        inputs: &[&Output],
    ) -> Result<Self> {
        let config = serde_json::to_value(config)?;
        let mut digests = BTreeMap::new();
        for output in inputs {
            let Self { name: input, .. } = &output.manifest;
            let earlier = digests.insert(input.clone(), output.manifest.digest()?);
            ensure!(earlier.is_none(), "task '{name}' reads two tasks named '{input}'");
        }
        let inputs = digests;
        let identity = serde_json::to_vec(&(name, schema, &config, &inputs))?;
        Ok(Self {
            name: name.to_owned(),
            key: blake3::hash(&identity).to_hex().to_string(),
            schema,
            config,
            inputs,
            outputs: BTreeMap::new(),
            seconds: 0.0,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        })
    }

    /// Name of the folder of the outputs: the task's name and the head of its key.
    pub(super) fn folder_name(&self) -> String {
        format!("{}-{}", self.name, &self.key[..12])
    }

    /// Hash of all outputs; equal outputs have equal digests, whatever made them.
    fn digest(&self) -> Result<String> {
        Ok(blake3::hash(&serde_json::to_vec(&self.outputs)?).to_hex().to_string())
    }

    /// Records every file of the folder.
    pub(super) fn record_outputs(&mut self, folder: &Path) -> Result<()> {
        self.outputs.clear();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name != MANIFEST && !name.starts_with('.') {
                self.outputs.insert(name, FileRecord::of(&entry.path())?);
            }
        }
        Ok(())
    }

    /// Checks that every recorded file is there with its recorded content.
    pub(super) fn verify(&self, folder: &Path) -> Result<()> {
        for (name, recorded) in &self.outputs {
            let found = FileRecord::of(&folder.join(name))?;
            ensure!(found == *recorded, "{name} has changed since it was made");
        }
        Ok(())
    }
}
