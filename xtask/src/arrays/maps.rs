//! Maps as people bring them.

use anyhow::{Result, bail, ensure};

use super::{Array, Chosen};

/// Names under which maps are looked for in an `.npz`.
pub const MAPS: [&str; 2] = ["map", "maps"];
/// Names under which latents are looked for in an `.npz`.
pub const LATENTS: [&str; 2] = ["latent", "latents"];

/// Reads square maps of all bins, `[bin, y, x]`, `[y, x, bin]` or one of these behind an axis of
/// length one, and gives them as `[bin, y, x]` with the number of pixels along a side. `usual` are
/// names to look for in an `.npz` unless the user named one.
///
/// # Errors
/// If the file is unusable, the shape is not that of `bins` square maps with an even number of
/// pixels, or a value is not finite.
pub fn read_map(chosen: &Chosen, usual: &[&str], bins: usize) -> Result<(usize, Vec<f64>)> {
    let Array { shape, data } = chosen.read_finite(usual)?;
    let (npix, data) = match shape[..] {
        [b, y, x] | [1, b, y, x] if b == bins && y == x => (x, data),
        [y, x, b] | [1, y, x, b] if b == bins && y == x => (x, bins_first(&data, bins)),
        [y, x] if bins == 1 && y == x => (x, data),
        [count, b, y, x] if count > 1 && (b == bins && y == x || x == bins && b == y) => bail!(
            "{chosen} holds {count} sets of maps, [{count}, {b}, {y}, {x}]: choose one by its \
             number, from 0, as {}",
            chosen.entry_of(usual, count - 1)?
        ),
        _ => bail!(
            "{chosen} has shape {shape:?}; this survey has {bins} tomographic bin(s), so \
             [{bins}, npix, npix] or [npix, npix, {bins}] is needed"
        ),
    };
    ensure!(
        npix >= 2 && npix % 2 == 0,
        "{chosen} has {npix} x {npix} pixels; an even number of pixels along a side is needed"
    );
    Ok((npix, data))
}

/// `[y, x, bin]` to `[bin, y, x]`.
fn bins_first(data: &[f64], bins: usize) -> Vec<f64> {
    (0..bins).flat_map(|bin| data.iter().skip(bin).step_by(bins).copied()).collect()
}
