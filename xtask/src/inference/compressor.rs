//! The network that makes summaries of maps, the same for all methods.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use ::compression::{
    Compressor, FisherSource, MapShape, MapSource, Maps, NonFinite, SourceError, TrainingSettings,
};
use anyhow::Result;
use burn::tensor::Device;
use lognormal_sim::Simulator;

use super::profile::CompressorProfile;
use crate::arrays::{Named, write_npz};
use crate::compression::train;
use crate::files::write_json;
use crate::study::{Workspace, derive_seed};
use full_field::Count;
use full_field::LensingMaps;

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
    let source = profile.input.source(&counted, simulator)?;
    train(&*source, &profile.network, &profile.loss, &settings, device, workspace)?;
    write_json(&workspace.path(COUNT), &counted.count())
}

/// Compresses the observed map `[bin][y][x]`.
///
/// # Errors
/// If the compressor does not fit the map, or the folder cannot be written.
pub fn summarise(compressor: &dyn Compressor, map: &[f64], workspace: &Workspace) -> Result<()> {
    let single: Vec<f32> = map.iter().map(|pixel| *pixel as f32).collect();
    let summary = compressor.compress(Maps::new(compressor.shape(), &single)?)?;
    let named = Named::f64("observed", &[summary.len()], &summary);
    write_npz(&workspace.path(SUMMARY), [named])
}
