//! Summaries of one compressor as the maps of another.

use super::{FisherSource, MapSource};
use crate::compressor::Compressor;
use crate::error::{Error, Result, SourceError};
use crate::shape::{MapShape, Maps};

/// A source of the summaries of the maps of a source: what a network after a power spectrum, or
/// after any other compressor, is trained on. Its maps are vectors ([`MapShape::vector`]).
///
/// Noise is added to a map before it is compressed, so its summaries are the same in all passes of
/// a training. Instead a map may be used several times with different noise
/// ([`with_noises`](Self::with_noises)). The summaries of a map that is not finite are not finite.
#[derive(Clone, Debug)]
pub struct SummarySource<S, C> {
    source: S,
    compressor: C,
    noises: u64,
}

impl<S: MapSource, C: Compressor + Sync> SummarySource<S, C> {
    /// The summaries by `compressor` of the maps of `source`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the compressor takes other maps.
    pub fn new(source: S, compressor: C) -> Result<Self> {
        let (made, taken) = (source.shape(), compressor.shape());
        if made != taken {
            let (expected, found) = (format!("maps of {taken}"), made.to_string());
            return Err(Error::Shape { what: "source", expected, found });
        }
        Ok(Self { source, compressor, noises: 1 })
    }

    /// Makes `noises` examples in a row of each map, each with noise of its own: example `index` is
    /// map `index / noises` with the noise of pass `index % noises`.
    ///
    /// # Errors
    /// [`Error::Setting`] if there are none.
    pub fn with_noises(self, noises: u64) -> Result<Self> {
        if noises == 0 {
            let (setting, value) = ("noises", "0".into());
            return Err(Error::Setting { setting, value, expected: "at least 1" });
        }
        Ok(Self { noises, ..self })
    }

    fn compress(&self, map: &[f32], summaries: &mut [f32]) -> Result<()> {
        if map.iter().any(|pixel| !pixel.is_finite()) {
            summaries.fill(f32::NAN);
            return Ok(());
        }
        let made = self.compressor.compress(Maps::new(self.compressor.shape(), map)?)?;
        summaries.iter_mut().zip(made).for_each(|(to, from)| *to = from as f32);
        Ok(())
    }
}

impl<S: MapSource, C: Compressor + Sync> MapSource for SummarySource<S, C> {
    fn shape(&self) -> MapShape {
        MapShape::vector(self.compressor.summary_len())
    }

    fn parameters_len(&self) -> usize {
        self.source.parameters_len()
    }

    fn pair(
        &self,
        index: u64,
        map: &mut [f32],
        parameters: &mut [f64],
    ) -> std::result::Result<(), SourceError> {
        let (map_index, pass) = (index / self.noises, index % self.noises);
        let mut whole = vec![0.0; self.source.shape().numbers()];
        self.source.pair(map_index, &mut whole, parameters)?;
        self.source.renoise(map_index, pass, &mut whole)?;
        Ok(self.compress(&whole, map)?)
    }

    fn fisher(&self) -> Option<&dyn FisherSource> {
        self.source.fisher().map(|_| self as &dyn FisherSource)
    }
}

/// Summaries at and around the fiducial parameters, if the source of the maps has maps there.
impl<S: MapSource, C: Compressor + Sync> FisherSource for SummarySource<S, C> {
    fn fiducial(&self) -> Vec<f64> {
        self.source.fisher().map_or_else(Vec::new, FisherSource::fiducial)
    }

    fn steps(&self) -> Vec<f64> {
        self.source.fisher().map_or_else(Vec::new, FisherSource::steps)
    }

    fn map(&self, index: u64, epoch: u64, map: &mut [f32]) -> std::result::Result<(), SourceError> {
        let fisher = self.source.fisher().ok_or(Error::NoDerivatives)?;
        let mut whole = vec![0.0; self.source.shape().numbers()];
        fisher.map(index, epoch, &mut whole)?;
        Ok(self.compress(&whole, map)?)
    }

    fn pair(
        &self,
        index: u64,
        epoch: u64,
        parameter: usize,
        plus: &mut [f32],
        minus: &mut [f32],
    ) -> std::result::Result<(), SourceError> {
        let fisher = self.source.fisher().ok_or(Error::NoDerivatives)?;
        let mut above = vec![0.0; self.source.shape().numbers()];
        let mut below = above.clone();
        fisher.pair(index, epoch, parameter, &mut above, &mut below)?;
        self.compress(&above, plus)?;
        Ok(self.compress(&below, minus)?)
    }
}
