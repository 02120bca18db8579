//! What a compressor is.

use crate::error::{Error, Result};
use crate::shape::{MapShape, Maps};

/// A function from maps to a few numbers each.
pub trait Compressor {
    /// Shape of the maps that it takes.
    fn shape(&self) -> MapShape;

    /// Numbers that it makes of a map.
    fn summary_len(&self) -> usize;

    /// The summaries `[map][summary]` of maps. A map's summary does not depend on the other maps.
    ///
    /// # Errors
    /// If the maps are of another shape or not finite, or a device fails.
    fn compress(&self, maps: Maps<'_>) -> Result<Vec<f64>>;
}

impl<C: Compressor + ?Sized> Compressor for &C {
    fn shape(&self) -> MapShape {
        (**self).shape()
    }

    fn summary_len(&self) -> usize {
        (**self).summary_len()
    }

    fn compress(&self, maps: Maps<'_>) -> Result<Vec<f64>> {
        (**self).compress(maps)
    }
}

/// A compressor of another one's summaries, such as a network of power spectra.
#[derive(Clone, Debug)]
pub struct Chain<A, B> {
    first: A,
    second: B,
}

impl<A: Compressor, B: Compressor> Chain<A, B> {
    /// `second` after `first`. Summaries pass between them in single precision.
    ///
    /// # Errors
    /// [`Error::Shape`] if the second does not take as many numbers as the first makes.
    pub fn new(first: A, second: B) -> Result<Self> {
        let (made, taken) = (first.summary_len(), second.shape().numbers());
        if made != taken {
            let expected = format!("{made} numbers, as the first makes");
            let found = format!("{taken} taken by the second");
            return Err(Error::Shape { what: "chain of compressors", expected, found });
        }
        Ok(Self { first, second })
    }

    /// Its first part.
    pub fn first(&self) -> &A {
        &self.first
    }

    /// Its second part.
    pub fn second(&self) -> &B {
        &self.second
    }
}

impl<A: Compressor, B: Compressor> Compressor for Chain<A, B> {
    fn shape(&self) -> MapShape {
        self.first.shape()
    }

    fn summary_len(&self) -> usize {
        self.second.summary_len()
    }

    fn compress(&self, maps: Maps<'_>) -> Result<Vec<f64>> {
        let between: Vec<f32> = self.first.compress(maps)?.iter().map(|x| *x as f32).collect();
        self.second.compress(Maps::new(self.second.shape(), &between)?)
    }
}
