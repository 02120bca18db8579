//! Maps and their shape.

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

    /// False for numbers in one row, which are no image.
    #[must_use]
    pub fn is_image(&self) -> bool {
        self.height > 1
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
}

impl std::fmt::Display for MapShape {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} x {} x {}", self.bins, self.height, self.width)
    }
}

/// Maps of one shape.
#[derive(Clone, Copy, Debug)]
pub struct Maps<'a> {
    shape: MapShape,
    numbers: &'a [f32],
}

impl<'a> Maps<'a> {
    /// `numbers` `[map][bin][y][x]` of maps of this shape; there may be no map.
    ///
    /// # Errors
    /// [`Error::Setting`] if the shape has no pixel, [`Error::Shape`] if a map is incomplete.
    pub fn new(shape: MapShape, numbers: &'a [f32]) -> Result<Self> {
        shape.validate()?;
        if !numbers.len().is_multiple_of(shape.numbers()) {
            return Err(Error::Shape {
                what: "maps",
                expected: format!("a multiple of {} numbers ({shape})", shape.numbers()),
                found: format!("{} numbers", numbers.len()),
            });
        }
        Ok(Self { shape, numbers })
    }

    /// Shape of a map.
    #[must_use]
    pub fn shape(&self) -> MapShape {
        self.shape
    }

    /// Number of maps.
    #[must_use]
    pub fn count(&self) -> usize {
        self.numbers.len() / self.shape.numbers()
    }

    /// `[map][bin][y][x]`.
    #[must_use]
    pub fn numbers(&self) -> &'a [f32] {
        self.numbers
    }

    /// Each map.
    pub fn iter(&self) -> impl Iterator<Item = &'a [f32]> {
        self.numbers.chunks_exact(self.shape.numbers())
    }

    /// The numbers, if the maps have the shape that a compressor takes and are finite.
    ///
    /// # Errors
    /// [`Error::Shape`] or [`Error::NotFinite`] if they have not or are not.
    pub fn require(self, shape: MapShape) -> Result<&'a [f32]> {
        if self.shape != shape {
            return Err(Error::Shape {
                what: "maps",
                expected: format!("bins, rows and columns {shape}"),
                found: self.shape.to_string(),
            });
        }
        let each = shape.numbers();
        match self.numbers.iter().position(|value| !value.is_finite()) {
            Some(at) => Err(Error::NotFinite {
                what: "maps",
                row: at / each,
                element: at % each,
                value: f64::from(self.numbers[at]),
            }),
            None => Ok(self.numbers),
        }
    }
}
