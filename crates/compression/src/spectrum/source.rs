//! Summaries of one compressor as the maps of another.

use crate::compressor::Compressor;
use crate::error::SourceError;
use crate::shape::MapShape;
use crate::source::MapSource;

/// A source of the summaries of the maps of a source: what a network after a power spectrum, or
/// after any other compressor, is trained on. Its maps are vectors ([`MapShape::vector`]).
///
/// Noise is added to a map before it is compressed, so nothing can be kept between passes but the
/// summaries; each pass has other noise only if [`train`](crate::train) runs on fresh examples.
#[derive(Clone, Debug)]
pub struct SummarySource<S, C> {
    source: S,
    compressor: C,
}

impl<S: MapSource, C: Compressor + Sync> SummarySource<S, C> {
    /// The summaries by `compressor` of the maps of `source`.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the compressor takes other maps.
    pub fn new(source: S, compressor: C) -> crate::Result<Self> {
        let (made, taken) = (source.shape(), compressor.shape());
        if made != taken {
            let (expected, found) = (format!("maps of {taken}"), made.to_string());
            return Err(crate::Error::Shape { what: "source", expected, found });
        }
        Ok(Self { source, compressor })
    }
}

impl<S: MapSource, C: Compressor + Sync> MapSource for SummarySource<S, C> {
    fn shape(&self) -> MapShape {
        MapShape::vector(self.compressor.summary_len())
    }

    fn parameters_len(&self) -> usize {
        self.source.parameters_len()
    }

    fn pair(&self, index: u64, map: &mut [f32], parameters: &mut [f64]) -> Result<(), SourceError> {
        let mut whole = vec![0.0; self.source.shape().numbers()];
        self.source.pair(index, &mut whole, parameters)?;
        self.source.renoise(index, 0, &mut whole)?;
        let summaries = self.compressor.compress(&whole)?;
        map.iter_mut().zip(summaries).for_each(|(to, from)| *to = from as f32);
        Ok(())
    }

    fn symmetric(&self) -> bool {
        false
    }
}
