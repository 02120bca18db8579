//! Maps that are as likely as a map.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::shape::MapShape;

/// What is done at random to each map, all bins together, before it is trained on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Augmentation {
    /// Nothing.
    None,
    /// Flips left to right and up to down.
    #[default]
    Flips,
    /// Flips, and turns by a right angle where maps are square.
    FlipsAndTurns,
}

/// One of the eight symmetries of the square.
#[derive(Clone, Copy)]
struct Symmetry {
    flip_x: bool,
    flip_y: bool,
    transpose: bool,
}

impl Augmentation {
    /// Flips and turns a map `[bin][y][x]` of an example in a pass: the same way for the same seed,
    /// pass and example.
    pub fn apply(self, shape: MapShape, seed: u64, epoch: u64, index: u64, map: &mut [f32]) {
        self.draw(shape, seed, epoch, index).apply(shape, map);
    }

    fn draw(self, shape: MapShape, seed: u64, epoch: u64, index: u64) -> Symmetry {
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ epoch.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        rng.set_stream(index);
        let bits = if self == Self::None { 0 } else { rng.next_u32() };
        let turns = self == Self::FlipsAndTurns && shape.height == shape.width;
        Symmetry { flip_x: bits & 1 != 0, flip_y: bits & 2 != 0, transpose: turns && bits & 4 != 0 }
    }
}

impl Symmetry {
    /// Applies it to a map.
    fn apply(self, shape: MapShape, map: &mut [f32]) {
        let (height, width) = (shape.height, shape.width);
        for image in map.chunks_exact_mut(shape.pixels()) {
            if self.flip_x {
                image.chunks_exact_mut(width).for_each(<[f32]>::reverse);
            }
            if self.flip_y {
                for y in 0..height / 2 {
                    let (upper, lower) = image.split_at_mut((height - 1 - y) * width);
                    upper[y * width..(y + 1) * width].swap_with_slice(&mut lower[..width]);
                }
            }
            if self.transpose {
                for y in 0..height {
                    for x in 0..y {
                        image.swap(y * width + x, x * width + y);
                    }
                }
            }
        }
    }
}
