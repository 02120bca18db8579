//! The record that stands beside the outputs of a task.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::program::Program;

/// Name of the file of a manifest.
pub(crate) const MANIFEST: &str = "manifest.json";
/// Folder of the checkpoints of a task at work.
pub(crate) const CHECKPOINTS: &str = "checkpoints";

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
    /// When it was finished, as in RFC 3339.
    #[serde(default)]
    pub date: String,
    /// The program that made it.
    #[serde(flatten)]
    pub program: Program,
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
        let file = fs::File::open(path).map_err(Error::io("open", path))?;
        hasher.update_reader(file).map_err(Error::io("read", path))?;
        Ok(Self { bytes: hasher.count(), blake3: hasher.finalize().to_hex().to_string() })
    }
}

impl Manifest {
    /// The manifest of a task that has yet to run.
    pub(crate) fn plan<C: Serialize>(
        name: &str,
        schema: u32,
        config: &C,
        inputs: &[&Self],
        program: &Program,
    ) -> Result<Self> {
        let no_json = |source| Error::NoJson { what: format!("configuration of '{name}'"), source };
        let config = serde_json::to_value(config).map_err(no_json)?;
        let mut digests = BTreeMap::new();
        for manifest in inputs {
            let input = &manifest.name;
            if digests.insert(input.clone(), manifest.digest()?).is_some() {
                return Err(Error::SameName { task: name.to_owned(), input: input.clone() });
            }
        }
        let inputs = digests;
        let identity = serde_json::to_vec(&(name, schema, &config, &inputs)).map_err(no_json)?;
        Ok(Self {
            name: name.to_owned(),
            key: blake3::hash(&identity).to_hex().to_string(),
            schema,
            config,
            inputs,
            outputs: BTreeMap::new(),
            seconds: 0.0,
            date: String::new(),
            program: program.clone(),
        })
    }

    /// Name of the folder of the outputs: the task's name and the head of its key.
    pub(crate) fn folder_name(&self) -> String {
        format!("{}-{}", self.name, &self.key[..12])
    }

    /// Hash of all outputs; equal outputs have equal digests, whatever made them.
    fn digest(&self) -> Result<String> {
        let outputs = serde_json::to_vec(&self.outputs).map_err(|source| Error::NoJson {
            what: format!("manifest of '{}'", self.name),
            source,
        })?;
        Ok(blake3::hash(&outputs).to_hex().to_string())
    }

    /// Records every file of the folder.
    pub(crate) fn record_outputs(&mut self, folder: &Path) -> Result<()> {
        self.outputs.clear();
        for entry in fs::read_dir(folder).map_err(Error::io("read", folder))? {
            let entry = entry.map_err(Error::io("read", folder))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name != MANIFEST && !name.starts_with('.') {
                self.outputs.insert(name, FileRecord::of(&entry.path())?);
            }
        }
        Ok(())
    }

    /// Checks that every recorded file is there with its recorded content.
    pub(crate) fn verify(&self, folder: &Path) -> Result<()> {
        for (name, recorded) in &self.outputs {
            let found = FileRecord::of(&folder.join(name))?;
            if found != *recorded {
                return Err(Error::Damaged {
                    damage: format!("{name} has changed since it was made"),
                });
            }
        }
        Ok(())
    }
}
