//! Simulations on disk, in pieces: for sets larger than memory, long runs and many machines.
//!
//! A store is a folder with `manifest.json` and one `.npz` per shard. A shard is made of the
//! simulations of a range of indices, appears whole or not at all, and depends on nothing but the
//! manifest and its own range: whoever finds one missing can make it.

use std::fs;
use std::io::Write;
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use super::{Policy, Progress, Proposal, Simulations, Source, simulate};
use crate::error::{Error, Result};
use crate::simulator::Simulator;

/// Name of the file that describes a store.
const MANIFEST: &str = "manifest.json";
/// Version of the format of stores.
const FORMAT: u32 = 1;

/// What a [`Store`] is to hold.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StorePlan {
    /// What is simulated: anything that tells this simulator and proposal from others, as a name or
    /// a hash of a configuration. A store is continued only under the same label.
    pub label: String,
    /// Seed of all simulations.
    pub seed: u64,
    /// Number of simulations to make.
    pub simulations: u64,
    /// Simulations per shard (the last may have fewer).
    pub shard_size: u64,
    /// What becomes of simulations that fail or are not finite.
    #[serde(default)]
    pub policy: Policy,
}

impl StorePlan {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Setting`] with the first field out of its domain.
    pub fn validate(&self) -> Result<()> {
        for (field, value) in [("simulations", self.simulations), ("shard_size", self.shard_size)] {
            if value == 0 {
                let (value, expected) = ("0".into(), "at least 1".into());
                return Err(Error::Setting { field, value, expected });
            }
        }
        Ok(())
    }
}

/// Content of the manifest.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format: u32,
    parameters: usize,
    observables: usize,
    plan: StorePlan,
}

/// What decides whether the rest of the manifest can be understood.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

/// A folder of simulations.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
    manifest: Manifest,
}

impl Store {
    /// Begins a store in `folder`, or continues the one that is there. No simulation is made yet:
    /// that is [`Store::make`].
    ///
    /// # Errors
    /// [`Error::Setting`] for an invalid plan; [`Error::File`] if the folder holds a store of
    /// another plan or simulator; [`Error::Io`] if it cannot be written.
    pub fn create<S>(folder: &Path, simulator: &S, plan: StorePlan) -> Result<Self>
    where
        S: Simulator + ?Sized,
    {
        plan.validate()?;
        let (parameters, observables) = (simulator.parameters(), simulator.observables());
        let manifest = Manifest { format: FORMAT, parameters, observables, plan };
        fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        let path = folder.join(MANIFEST);
        if path.exists() {
            let store = Self::open(folder)?;
            if store.manifest != manifest {
                let reason = format!(
                    "it describes other simulations than those asked for: {} instead of {}",
                    line(&store.manifest),
                    line(&manifest)
                );
                return Err(Error::File { path, reason });
            }
            return Ok(store);
        }
        let text = serde_json::to_string_pretty(&manifest)
            .map_err(|error| Error::io("write", &path)(error.into()))?;
        let mut temporary =
            tempfile::NamedTempFile::new_in(folder).map_err(Error::io("write", &path))?;
        writeln!(temporary, "{text}")
            .and_then(|()| temporary.as_file().sync_all())
            .map_err(Error::io("write", &path))?;
        temporary.persist(&path).map_err(|error| Error::io("write", &path)(error.error))?;
        Ok(Self { folder: folder.to_owned(), manifest })
    }

    /// Opens the store in `folder`, complete or not.
    ///
    /// # Errors
    /// [`Error::Io`] if there is no manifest; [`Error::File`] if it is not one of this format.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(MANIFEST);
        let text = fs::read_to_string(&path).map_err(Error::io("read", &path))?;
        let bad = |reason: String| Error::File { path: path.clone(), reason };
        let damaged = |error| bad(format!("it is no manifest of simulations ({error})"));
        let Format { format } = serde_json::from_str(&text).map_err(damaged)?;
        if format != FORMAT {
            return Err(bad(format!("it has format {format}, expected {FORMAT}")));
        }
        let manifest: Manifest = serde_json::from_str(&text).map_err(damaged)?;
        manifest.plan.validate().map_err(|error| bad(error.to_string()))?;
        Ok(Self { folder: folder.to_owned(), manifest })
    }

    /// What the store is to hold.
    #[must_use]
    pub fn plan(&self) -> &StorePlan {
        &self.manifest.plan
    }

    /// Number of parameters.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.manifest.parameters
    }

    /// Number of observables.
    #[must_use]
    pub fn observables(&self) -> usize {
        self.manifest.observables
    }

    /// Number of shards of the complete store.
    #[must_use]
    pub fn shards(&self) -> u64 {
        self.plan().simulations.div_ceil(self.plan().shard_size)
    }

    /// Indices of the simulations of a shard.
    #[must_use]
    pub fn indices(&self, shard: u64) -> Range<u64> {
        let StorePlan { simulations, shard_size, .. } = *self.plan();
        let edge = |shard: u64| shard.saturating_mul(shard_size).min(simulations);
        edge(shard)..edge(shard.saturating_add(1))
    }

    /// File of a shard.
    #[must_use]
    pub fn path(&self, shard: u64) -> PathBuf {
        self.folder.join(format!("shard-{shard:06}.npz"))
    }

    /// The shards whose files are not there.
    #[must_use]
    pub fn missing(&self) -> Vec<u64> {
        (0..self.shards()).filter(|&shard| !self.path(shard).is_file()).collect()
    }

    /// Makes those of `shards` that are missing, one after the other, each on all threads of the
    /// current rayon pool. `0..store.shards()` completes the store; machines that share the folder
    /// take a part each.
    ///
    /// `progress` counts the simulations of this call; see [`simulate`].
    ///
    /// # Errors
    /// Those of [`simulate`], of the first shard that fails; the shards before it are kept.
    /// [`Error::Setting`] for a shard that does not exist; [`Error::Shape`] for a simulator of
    /// another shape than the store's; [`Error::Io`] if a file cannot be written.
    pub fn make<S, P>(
        &self,
        simulator: &S,
        proposal: &P,
        shards: impl IntoIterator<Item = u64>,
        progress: &(dyn Fn(Progress) -> ControlFlow<()> + Sync),
    ) -> Result<()>
    where
        S: Simulator + ?Sized,
        P: Proposal + ?Sized,
    {
        self.require_shape("simulator", simulator.parameters(), simulator.observables())?;
        let mut wanted = Vec::new();
        for shard in shards {
            self.require_shard(shard)?;
            if !self.path(shard).is_file() {
                wanted.push(shard);
            }
        }
        let size = |shard: u64| self.indices(shard).end - self.indices(shard).start;
        let total = wanted.iter().map(|&shard| size(shard)).sum();
        let mut before = Progress { total, ..Progress::default() };
        for shard in wanted {
            let (non_finite, failed) = (AtomicU64::new(0), AtomicU64::new(0));
            let observe = |now: Progress| {
                non_finite.fetch_max(now.non_finite, Ordering::Relaxed);
                failed.fetch_max(now.failed, Ordering::Relaxed);
                progress(Progress {
                    done: before.done + now.done,
                    total,
                    non_finite: before.non_finite + now.non_finite,
                    failed: before.failed + now.failed,
                })
            };
            let StorePlan { seed, policy, .. } = *self.plan();
            let made = simulate(simulator, proposal, self.indices(shard), seed, policy, &observe);
            let set = made.map_err(|error| match error {
                Error::Stopped { done, .. } => Error::Stopped { done: before.done + done, total },
                other => other,
            })?;
            set.save(&self.path(shard))?;
            before.done += size(shard);
            before.non_finite += non_finite.into_inner();
            before.failed += failed.into_inner();
        }
        Ok(())
    }

    /// Reads a shard.
    ///
    /// # Errors
    /// [`Error::Setting`] for a shard that does not exist; [`Error::File`] if its file is missing,
    /// truncated, damaged, or holds anything but the simulations of this shard.
    pub fn read(&self, shard: u64) -> Result<Simulations> {
        self.require_shard(shard)?;
        let path = self.path(shard);
        let bad = |reason: String| Error::File { path: path.clone(), reason };
        if !path.is_file() {
            let (missing, all) = (self.missing().len(), self.shards());
            return Err(bad(format!(
                "this shard is missing ({missing} of {all} are); make the missing shards first"
            )));
        }
        let advice = "delete it and make the missing shards again";
        let set = Simulations::load(&path).map_err(|error| match error {
            Error::File { reason, .. } => bad(format!("{reason}; {advice}")),
            other => bad(format!("{other}; {advice}")),
        })?;
        let what = path.display().to_string();
        self.require_shape(&what, set.parameters(), set.observables())?;
        let indices = self.indices(shard);
        let (seed, expected) = (self.plan().seed, indices.end - indices.start);
        let belongs = |source: &Source| source.seed == seed && indices.contains(&source.index);
        let ours = set.sources().is_some_and(|sources| sources.iter().all(belongs))
            && set.dropped().iter().all(|dropped| belongs(&dropped.source));
        if !ours || set.calls() != expected {
            return Err(bad(format!(
                "it holds {} simulations, which are not the {expected} of indices {indices:?} of \
                 seed {seed}; {advice}",
                set.calls()
            )));
        }
        Ok(set)
    }

    /// All shards in order, each read when its turn comes.
    pub fn iter(&self) -> impl Iterator<Item = Result<Simulations>> + '_ {
        (0..self.shards()).map(|shard| self.read(shard))
    }

    /// The first `n` simulations that were kept.
    ///
    /// # Errors
    /// As [`Store::read`], and [`Error::Setting`] if there are fewer.
    pub fn first(&self, n: usize) -> Result<Simulations> {
        let mut sets = Vec::new();
        let mut rows = 0;
        for set in self.iter() {
            if rows >= n && !sets.is_empty() {
                break;
            }
            let set = set?;
            rows += set.len();
            sets.push(set);
        }
        Simulations::concat(&sets)?.first(n)
    }

    /// All simulations, in memory.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub fn load(&self) -> Result<Simulations> {
        Simulations::concat(&self.iter().collect::<Result<Vec<_>>>()?)
    }

    fn require_shard(&self, shard: u64) -> Result<()> {
        if shard < self.shards() {
            return Ok(());
        }
        Err(Error::Setting {
            field: "shard",
            value: shard.to_string(),
            expected: format!("below {}, the number of shards", self.shards()),
        })
    }

    fn require_shape(&self, what: &str, parameters: usize, observables: usize) -> Result<()> {
        let (expected, found) =
            (vec![self.parameters(), self.observables()], vec![parameters, observables]);
        if expected == found {
            return Ok(());
        }
        let what = format!("{what} (parameters, observables)");
        Err(Error::Shape { what, expected, found })
    }
}

/// A manifest on one line, for messages.
fn line(manifest: &Manifest) -> String {
    serde_json::to_string(manifest).unwrap_or_default()
}
