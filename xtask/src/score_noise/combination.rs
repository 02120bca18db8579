//! Control variates from the other scores.
//!
//! The difference of two scores of one simulation has mean zero given its map, so any multiple of
//! it may be subtracted from a score. The multiples that leave the least noise are found by least
//! squares, for each parameter on its own, on one half of the maps for the other half: a multiple
//! that knows its own map would be biased.

use super::MapScores;
use full_field::DIM;

/// The whitened score of each map less its best multiples of the differences to the scores at fixed
/// latents and at a fixed field.
pub fn combine(maps: &[MapScores]) -> Vec<[f64; DIM]> {
    let multiples = [0, 1].map(|half| {
        std::array::from_fn(|k| {
            let others = maps.iter().skip(1 - half).step_by(2);
            least_squares(others.map(|map| (controls(map, k), error(map, k))))
        })
    });
    let combined = |(index, map): (usize, &MapScores)| {
        std::array::from_fn(|k| {
            let multiples: &[[f64; 2]; DIM] = &multiples[index % 2];
            let [a, b] = controls(map, k);
            map.whitened[k] - multiples[k][0] * a - multiples[k][1] * b
        })
    };
    maps.iter().enumerate().map(combined).collect()
}

fn controls(map: &MapScores, k: usize) -> [f64; 2] {
    [map.latents[k] - map.whitened[k], map.field[k] - map.whitened[k]]
}

fn error(map: &MapScores, k: usize) -> f64 {
    map.whitened[k] - 0.5 * (map.reference[0][k] + map.reference[1][k])
}

/// Multiples of two controls that leave least of a value; zero where the controls vanish.
fn least_squares(rows: impl Iterator<Item = ([f64; 2], f64)>) -> [f64; 2] {
    let (mut aa, mut ab, mut bb, mut ay, mut by) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for ([a, b], y) in rows {
        aa += a * a;
        ab += a * b;
        bb += b * b;
        ay += a * y;
        by += b * y;
    }
    let determinant = aa * bb - ab * ab;
    if determinant <= 1e-12 * aa * bb {
        return [0.0; 2];
    }
    [(ay * bb - by * ab) / determinant, (by * aa - ay * ab) / determinant]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn least_squares_finds_what_made_the_values() {
        let rows = (0..9).map(|k| {
            let (a, b) = ((k as f64).sin(), (k as f64 * 1.7).cos());
            ([a, b], 0.3 * a - 1.2 * b)
        });
        let [first, second] = least_squares(rows);
        assert!((first - 0.3).abs() < 1e-12 && (second + 1.2).abs() < 1e-12);
        assert_eq!(least_squares([([0.0, 1.0], 2.0)].into_iter()), [0.0; 2]);
    }
}
