//! Rounds as files.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{RoundReport, RoundsSettings};
use crate::error::{Error, Result};
use crate::estimator::Estimator;
use crate::prior::Prior;
use crate::simulations::Simulations;

/// Version of the format of folders.
const FORMAT: u32 = 1;
const MANIFEST: &str = "rounds.json";
const SIMULATIONS: &str = "simulations.npz";
const REPORT: &str = "report.json";
const ESTIMATOR: &str = "estimator.safetensors";
const CHECKPOINTS: &str = "checkpoints";
const SHARDS: &str = "shards";

/// What all rounds of a folder have in common.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format: u32,
    prior: Prior,
    observation: Vec<f64>,
    settings: RoundsSettings,
}

/// A folder of rounds.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

/// Name of the folder of a round.
pub(super) fn name(round: usize) -> String {
    format!("round-{round:03}")
}

/// Makes a folder if it is not there.
pub(super) fn make(path: PathBuf) -> Result<PathBuf> {
    fs::create_dir_all(&path).map_err(Error::io("create", &path))?;
    Ok(path)
}

impl Folder {
    /// Begins a folder, or checks that it is of the same inference.
    pub fn open(
        path: &Path,
        prior: &Prior,
        observation: &[f64],
        settings: &RoundsSettings,
    ) -> Result<Self> {
        make(path.to_owned())?;
        let manifest = Manifest {
            format: FORMAT,
            prior: prior.clone(),
            observation: observation.to_vec(),
            settings: settings.clone(),
        };
        let file = path.join(MANIFEST);
        if !file.exists() {
            write(&file, &manifest)?;
            return Ok(Self { path: path.to_owned() });
        }
        let bad = |reason: String| Err(Error::File { path: file.clone(), reason });
        let format = read::<serde_json::Value>(&file)?;
        let format = format.get("format").and_then(serde_json::Value::as_u64);
        if format != Some(u64::from(FORMAT)) {
            return bad(format!("its format is {format:?}, expected {FORMAT}"));
        }
        let found: Manifest = read(&file)?;
        let differs = [
            ("prior", found.prior != manifest.prior),
            ("observation", found.observation != manifest.observation),
            ("settings", found.settings != manifest.settings),
        ];
        match differs.into_iter().find(|(_, differs)| *differs) {
            Some((what, _)) => bad(format!(
                "it describes rounds with another {what}; use another folder, or the {what} in it"
            )),
            None => Ok(Self { path: path.to_owned() }),
        }
    }

    fn of(&self, round: usize) -> PathBuf {
        self.path.join(name(round))
    }

    /// The simulations of a round and its report, if they are there.
    pub fn round(&self, round: usize) -> Result<Option<(Simulations, RoundReport)>> {
        let folder = self.of(round);
        let simulations = folder.join(SIMULATIONS);
        if !simulations.is_file() {
            return Ok(None);
        }
        Ok(Some((Simulations::load(&simulations)?, read(&folder.join(REPORT))?)))
    }

    /// Where what was learnt in a round is stored.
    pub fn estimator_path(&self, round: usize) -> PathBuf {
        self.of(round).join(ESTIMATOR)
    }

    /// What was learnt in a round, if that was finished.
    pub fn estimator(&self, round: usize, device: &Device) -> Result<Option<Estimator>> {
        let path = self.estimator_path(round);
        if path.is_file() { Estimator::load(&path, device).map(Some) } else { Ok(None) }
    }

    /// Stores the simulations of a round.
    pub fn begin_round(
        &self,
        round: usize,
        simulations: &Simulations,
        report: &RoundReport,
    ) -> Result<()> {
        let folder = make(self.of(round))?;
        // the simulations last: a round exists when they do
        write(&folder.join(REPORT), report)?;
        simulations.save(&folder.join(SIMULATIONS))?;
        remove(&folder.join(SHARDS))
    }

    /// Stores what was learnt in a round.
    pub fn finish_round(
        &self,
        round: usize,
        report: &RoundReport,
        estimator: &Estimator,
    ) -> Result<()> {
        let folder = self.of(round);
        // the estimator last: a round is finished when it exists
        write(&folder.join(REPORT), report)?;
        estimator.save(&self.estimator_path(round))?;
        remove(&folder.join(CHECKPOINTS))
    }

    /// Where a round's training stores its state.
    pub fn checkpoints(&self, round: usize) -> Result<PathBuf> {
        make(self.of(round).join(CHECKPOINTS))
    }

    /// Where a round's simulations are collected while they are made.
    pub fn shards(&self, round: usize) -> PathBuf {
        self.of(round).join(SHARDS)
    }
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(Error::io("remove", folder))?;
    }
    Ok(())
}

/// Writes JSON under a temporary name first, so that there is never half a file.
fn write(path: &Path, content: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(content)
        .map_err(|error| Error::io("write", path)(error.into()))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut temporary =
        tempfile::NamedTempFile::new_in(folder).map_err(Error::io("write", path))?;
    writeln!(temporary, "{text}")
        .and_then(|()| temporary.as_file().sync_all())
        .map_err(Error::io("write", path))?;
    temporary.persist(path).map_err(|error| Error::io("write", path)(error.error))?;
    Ok(())
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read_to_string(path).map_err(Error::io("read", path))?;
    serde_json::from_str(&text)
        .map_err(|error| Error::File { path: path.to_owned(), reason: format!("damaged: {error}") })
}
