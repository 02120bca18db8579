//! Where maps with known parameters come from.

mod memory;
mod summaries;

pub use memory::MemorySource;
pub use summaries::SummarySource;

use crate::error::SourceError;
use crate::shape::MapShape;

/// Maps with their parameters, made when they are asked for.
///
/// Shared by threads. The same index (and pass) must give the same numbers whenever it is asked
/// for, so that a training can be repeated and continued.
pub trait MapSource: Sync {
    /// Shape of the maps.
    fn shape(&self) -> MapShape;

    /// Number of parameters of a map.
    fn parameters_len(&self) -> usize;

    /// Fills in the map `[bin][y][x]` and the parameters of example `index`, without the noise that
    /// [`renoise`](MapSource::renoise) adds.
    ///
    /// # Errors
    /// If it cannot be made; the training stops.
    fn pair(&self, index: u64, map: &mut [f32], parameters: &mut [f64]) -> Result<(), SourceError>;

    /// Adds noise to the map of example `index`, other noise in each pass `epoch`. Called after
    /// each [`pair`](MapSource::pair), whose result may have been kept. By default it adds none.
    ///
    /// # Errors
    /// If it cannot be made; the training stops.
    fn renoise(&self, index: u64, epoch: u64, map: &mut [f32]) -> Result<(), SourceError> {
        let _ = (index, epoch, map);
        Ok(())
    }

    /// True if a flipped (and, where they are square, turned) map is as likely as the map;
    /// augmentation is left out where it is not. By default true for images, false for numbers in
    /// one row.
    fn symmetric(&self) -> bool {
        self.shape().is_image()
    }

    /// Maps at and around one set of parameters, for the loss that needs derivatives.
    fn fisher(&self) -> Option<&dyn FisherSource> {
        None
    }
}

impl<S: MapSource + ?Sized> MapSource for &S {
    fn shape(&self) -> MapShape {
        (**self).shape()
    }

    fn parameters_len(&self) -> usize {
        (**self).parameters_len()
    }

    fn pair(&self, index: u64, map: &mut [f32], parameters: &mut [f64]) -> Result<(), SourceError> {
        (**self).pair(index, map, parameters)
    }

    fn renoise(&self, index: u64, epoch: u64, map: &mut [f32]) -> Result<(), SourceError> {
        (**self).renoise(index, epoch, map)
    }

    fn symmetric(&self) -> bool {
        (**self).symmetric()
    }

    fn fisher(&self) -> Option<&dyn FisherSource> {
        (**self).fisher()
    }
}

/// Maps at and around fiducial parameters.
///
/// Where a simulator gives derivatives of a map, a shifted pair is the map plus and minus half a
/// step along its derivative.
pub trait FisherSource: Sync {
    /// The parameters around which information is measured.
    fn fiducial(&self) -> Vec<f64>;

    /// Distance between the two maps of a pair, for each parameter, positive.
    fn steps(&self) -> Vec<f64>;

    /// Fills in map `index` at the fiducial parameters, with the noise of pass `epoch`.
    ///
    /// # Errors
    /// If it cannot be made; the training stops.
    fn map(&self, index: u64, epoch: u64, map: &mut [f32]) -> Result<(), SourceError>;

    /// Fills in the maps with half a step more and half a step less of one parameter, made of the
    /// same random numbers as [`map`](FisherSource::map).
    ///
    /// # Errors
    /// If they cannot be made; the training stops.
    fn pair(
        &self,
        index: u64,
        epoch: u64,
        parameter: usize,
        plus: &mut [f32],
        minus: &mut [f32],
    ) -> Result<(), SourceError>;
}
