//! The network that makes summaries of maps, the same for all methods.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use ::compression::{
    Chain, Compressor, FisherSource, MapShape, MapSource, NeuralCompressor, NonFinite, SourceError,
    TrainingSettings,
};
use anyhow::Result;
use burn::tensor::Device;
use lognormal_sim::Simulator;

use super::counts::Count;
use super::profile::{CompressorInput, CompressorProfile};
use super::statistics::SquareSpectra;
use crate::arrays::{Named, write_npz};
use crate::compression::{LensingMaps, WEIGHTS, train};
use crate::files::write_json;
use crate::study::{Workspace, derive_seed};

/// File of a [`Count`].
pub const COUNT: &str = "count.json";
/// File of the summary of the observation.
pub const SUMMARY: &str = "summary.npz";

/// Maps that are counted: each index once, however often its map is used or made again.
struct Counted<'a> {
    maps: &'a LensingMaps<'a>,
    /// One more than the largest index; they are used without gaps.
    indices: AtomicU64,
    /// Indices without a map.
    failed: Mutex<BTreeSet<u64>>,
}

impl Counted<'_> {
    fn count(&self) -> Count {
        let failures = self.failed.lock().unwrap_or_else(PoisonError::into_inner).len() as u64;
        let simulations = self.indices.load(Ordering::Relaxed);
        Count { simulations, gradients: 0, failures }
    }
}

impl MapSource for Counted<'_> {
    fn shape(&self) -> MapShape {
        self.maps.shape()
    }

    fn parameters_len(&self) -> usize {
        self.maps.parameters_len()
    }

    fn pair(&self, index: u64, map: &mut [f32], parameters: &mut [f64]) -> Result<(), SourceError> {
        self.indices.fetch_max(index + 1, Ordering::Relaxed);
        MapSource::pair(self.maps, index, map, parameters)?;
        if map.iter().any(|pixel| !pixel.is_finite()) {
            self.failed.lock().unwrap_or_else(PoisonError::into_inner).insert(index);
        }
        Ok(())
    }

    fn renoise(&self, index: u64, epoch: u64, map: &mut [f32]) -> Result<(), SourceError> {
        self.maps.renoise(index, epoch, map)
    }

    fn fisher(&self) -> Option<&dyn FisherSource> {
        self.maps.fisher()
    }
}

/// The statistics of maps. Those of cosmologies without a map are not finite, like the map.
struct Statistics<'a> {
    maps: &'a Counted<'a>,
    statistics: SquareSpectra,
}

impl MapSource for Statistics<'_> {
    fn shape(&self) -> MapShape {
        MapShape::vector(self.statistics.summary_len())
    }

    fn parameters_len(&self) -> usize {
        self.maps.parameters_len()
    }

    fn pair(&self, index: u64, map: &mut [f32], parameters: &mut [f64]) -> Result<(), SourceError> {
        let mut whole = vec![0.0; self.maps.shape().numbers()];
        self.maps.pair(index, &mut whole, parameters)?;
        if whole.iter().any(|pixel| !pixel.is_finite()) {
            map.fill(f32::NAN);
            return Ok(());
        }
        // The noise is that of the first pass in all of them.
        self.maps.renoise(index, 0, &mut whole)?;
        let statistics = self.statistics.compress(&whole)?;
        map.iter_mut().zip(statistics).for_each(|(to, from)| *to = from as f32);
        Ok(())
    }

    fn symmetric(&self) -> bool {
        false
    }
}

/// Trains the compressor, of maps or of their statistics, and counts the simulations that it has
/// seen.
///
/// # Errors
/// If the maps cannot be made, the training goes astray, or the folder cannot be written.
pub fn make_compressor(
    simulator: &Simulator,
    maps: &LensingMaps,
    profile: &CompressorProfile,
    seed: u64,
    device: &Device,
    workspace: &Workspace,
) -> Result<()> {
    let settings = TrainingSettings {
        seed: derive_seed(seed, "compressor"),
        // cosmologies of the prior that have no map
        non_finite: NonFinite::Drop,
        ..profile.training.clone()
    };
    let counted = Counted { maps, indices: AtomicU64::new(0), failed: Mutex::new(BTreeSet::new()) };
    let (network, loss) = (&profile.network, &profile.loss);
    match profile.input {
        CompressorInput::Maps => train(&counted, network, loss, &settings, device, workspace)?,
        CompressorInput::Spectra { bands } => {
            let statistics = SquareSpectra::new(simulator, bands)?;
            let source = Statistics { maps: &counted, statistics };
            train(&source, network, loss, &settings, device, workspace)?;
        }
    }
    write_json(&workspace.path(COUNT), &counted.count())
}

/// Maps to summaries, for any thread.
pub type Summaries = Box<dyn Compressor + Send + Sync>;

/// Reads the compressor that [`make_compressor`] left.
///
/// # Errors
/// If the file is missing or damaged, or the network does not fit the maps.
pub fn read_compressor(
    folder: &Path,
    simulator: &Simulator,
    input: CompressorInput,
    device: &Device,
) -> Result<Summaries> {
    let network = NeuralCompressor::load(&folder.join(WEIGHTS), device)?;
    Ok(match input {
        CompressorInput::Maps => Box::new(network),
        CompressorInput::Spectra { bands } => {
            Box::new(Chain::new(SquareSpectra::new(simulator, bands)?, network)?)
        }
    })
}

/// Compresses the observed map `[bin][y][x]`.
///
/// # Errors
/// If the compressor does not fit the map, or the folder cannot be written.
pub fn summarise(compressor: &dyn Compressor, map: &[f64], workspace: &Workspace) -> Result<()> {
    let single: Vec<f32> = map.iter().map(|pixel| *pixel as f32).collect();
    let summary = compressor.compress(&single)?;
    let named = Named::f64("observed", &[summary.len()], &summary);
    write_npz(&workspace.path(SUMMARY), [named])
}
