//! Maps that are all in memory.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::MapSource;
use crate::error::{Error, Result, SourceError};
use crate::shape::{MapShape, Maps};

/// Given maps with given parameters, in a random order.
#[derive(Clone, Debug)]
pub struct MemorySource<'a> {
    maps: Maps<'a>,
    parameters: &'a [f64],
    order: Vec<usize>,
}

impl<'a> MemorySource<'a> {
    /// Takes maps with their `parameters` `[map][parameter]`; `seed` decides over their order, and
    /// so over which of them are used for validation. Numbers that are not finite are found when
    /// they are used.
    ///
    /// # Errors
    /// If there are no maps or no parameters, or a row is incomplete.
    pub fn new(maps: Maps<'a>, parameters: &'a [f64], seed: u64) -> Result<Self> {
        let count = maps.count();
        if count == 0 || parameters.is_empty() {
            return Err(Error::TooFew { what: "maps with parameters", minimum: 1, found: 0 });
        }
        if !parameters.len().is_multiple_of(count) {
            return Err(Error::Shape {
                what: "parameters of maps",
                expected: format!("as many for each of {count} maps"),
                found: format!("{} numbers", parameters.len()),
            });
        }
        let mut order: Vec<usize> = (0..count).collect();
        order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        Ok(Self { maps, parameters, order })
    }

    /// Number of maps.
    #[must_use]
    pub fn count(&self) -> usize {
        self.order.len()
    }
}

impl MapSource for MemorySource<'_> {
    fn shape(&self) -> MapShape {
        self.maps.shape()
    }

    fn parameters_len(&self) -> usize {
        self.parameters.len() / self.order.len()
    }

    fn pair(
        &self,
        index: u64,
        map: &mut [f32],
        parameters: &mut [f64],
    ) -> std::result::Result<(), SourceError> {
        let count = self.order.len();
        let row = usize::try_from(index).ok().and_then(|index| self.order.get(index));
        let row = row.ok_or_else(|| format!("there are only {count} maps"))?;
        map.copy_from_slice(&self.maps.numbers()[row * map.len()..(row + 1) * map.len()]);
        let d = parameters.len();
        parameters.copy_from_slice(&self.parameters[row * d..(row + 1) * d]);
        Ok(())
    }
}
