//! Random numbers that depend on the seed and the task only.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// The generator of task number `index`.
pub(crate) fn stream(seed: u64, index: usize) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(index as u64);
    rng
}
