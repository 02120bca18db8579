//! The shape of a map.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Shape of a map `[bin, y, x]`, whose numbers lie row by row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MapShape {
    /// Number of bins (channels).
    pub bins: usize,
    /// Number of rows.
    pub height: usize,
    /// Number of columns.
    pub width: usize,
}

impl MapShape {
    /// `bins` square images of `side` pixels a side.
    #[must_use]
    pub fn square(bins: usize, side: usize) -> Self {
        Self { bins, height: side, width: side }
    }

    /// `numbers` numbers that are no image.
    #[must_use]
    pub fn vector(numbers: usize) -> Self {
        Self { bins: 1, height: 1, width: numbers }
    }

    /// Numbers of a map.
    #[must_use]
    pub fn numbers(&self) -> usize {
        self.bins * self.pixels()
    }

    /// Pixels of an image of one bin.
    #[must_use]
    pub fn pixels(&self) -> usize {
        self.height * self.width
    }

    /// Checks that there is a pixel.
    ///
    /// # Errors
    /// [`Error::Setting`] if a length is zero.
    pub fn validate(&self) -> Result<()> {
        for (setting, value) in
            [("bins", self.bins), ("height", self.height), ("width", self.width)]
        {
            if value == 0 {
                return Err(Error::Setting { setting, value: "0".into(), expected: "at least 1" });
            }
        }
        Ok(())
    }

    /// Number of maps in `maps`, if they are whole and finite.
    pub(crate) fn count(&self, maps: &[f32]) -> Result<usize> {
        let numbers = self.numbers();
        if !maps.len().is_multiple_of(numbers) {
            return Err(Error::Shape {
                what: "maps",
                expected: format!("a multiple of {numbers} numbers ({self})"),
                found: format!("{} numbers", maps.len()),
            });
        }
        match maps.iter().position(|value| !value.is_finite()) {
            Some(at) => Err(Error::NotFinite {
                what: "maps",
                row: at / numbers,
                element: at % numbers,
                value: f64::from(maps[at]),
            }),
            None => Ok(maps.len() / numbers),
        }
    }
}

impl std::fmt::Display for MapShape {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} x {} x {}", self.bins, self.height, self.width)
    }
}
