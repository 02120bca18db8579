//! Band powers against closed forms and Gaussian maps made independently.

mod gaussian_maps;

use std::f64::consts::PI;

use gaussian_maps::{draw, multipoles};
use lognormal_sim::{BandPowers, Error};
use proptest::prelude::*;

const N: usize = 16;
const SIDE: f64 = 5.0;

fn default_powers(n: usize) -> BandPowers {
    BandPowers::new(n, SIDE, &BandPowers::default_edges(n, SIDE)).unwrap()
}

fn pixel_area(n: usize) -> f64 {
    (SIDE.to_radians() / n as f64).powi(2)
}

/// A single bright pixel has the same power in all modes: that of white noise of its mean square.
#[test]
fn one_pixel_is_exactly_flat() {
    for n in [8, 10, 16, 30] {
        let mut map = vec![0.0; n * n];
        map[3 * n + 5] = 2.0;
        let white = 4.0 / (n * n) as f64 * pixel_area(n);
        for power in &default_powers(n).measure(&map, 1).unwrap()[0] {
            assert!((power / white - 1.0).abs() < 1e-12, "{power} {white}");
        }
    }
}

/// White noise of variance s² has C_ell = s² times the pixel area.
#[test]
fn white_noise_is_flat_with_its_variance_times_the_pixel_area() {
    let n = 256;
    let level = 0.3f64.powi(2) * pixel_area(n);
    let map = draw(n, SIDE, 1, 7, |_| vec![level]);
    let powers = default_powers(n);
    for (power, band) in powers.measure(&map, 1).unwrap()[0].iter().zip(powers.bands()) {
        let error = (2.0 / band.modes).sqrt();
        assert!((power / level - 1.0).abs() < 4.5 * error, "{power} {level} {band:?}");
    }
}

/// Two waves of amplitudes a and b, a phase φ apart, have the cross power a b cos(φ) A / (2 n) in
/// their band of n modes, and none in the others.
#[test]
fn waves_land_in_their_band_with_their_power() {
    let powers = default_powers(N);
    let fundamental = 2.0 * PI / SIDE.to_radians();
    for (p, q) in [(2, 0), (0, 3), (3, 4), (5, -2)] {
        let wave = |amplitude: f64, phase: f64| -> Vec<f64> {
            let angle =
                |i: usize| 2.0 * PI * (p * (i % N) as i32 + q * (i / N) as i32) as f64 / N as f64;
            (0..N * N).map(|i| amplitude * (angle(i) + phase).cos()).collect()
        };
        let (a, b, phase) = (1.5, 0.7, 0.9);
        let spectra = powers.measure(&[wave(a, 0.0), wave(b, phase)].concat(), 2).unwrap();
        let ell = fundamental * f64::from(p * p + q * q).sqrt();
        let area = SIDE.to_radians().powi(2);
        for (pair, product) in [(0, a * a), (1, a * b * phase.cos()), (2, b * b)] {
            for (power, band) in spectra[pair].iter().zip(powers.bands()) {
                let inside = (band.ell_min..band.ell_max).contains(&ell);
                let exact = if inside { product * area / (2.0 * band.modes) } else { 0.0 };
                assert!((power - exact).abs() < 1e-15, "{pair} {band:?}: {power} {exact}");
            }
        }
    }
}

/// Modes, mean multipoles and averages of a spectrum, against a loop over the full plane.
#[test]
fn modes_are_counted_exactly() {
    let (n, side) = (20, 3.0);
    let powers = BandPowers::new(n, side, &[150.0, 400.0, 1100.0, 1800.0]).unwrap();
    let ell = multipoles(n, side);
    let spectrum = |ell: f64| (1.0 + ell).powf(-1.3);
    let at_classes: Vec<f64> = powers.multipoles().iter().map(|&ell| spectrum(ell)).collect();
    let averages = powers.average(&at_classes).unwrap();
    for (index, band) in powers.bands().iter().enumerate() {
        let inside: Vec<f64> =
            ell.iter().copied().filter(|e| (band.ell_min..band.ell_max).contains(e)).collect();
        let count = inside.len() as f64;
        assert_eq!(band.modes, count);
        let mean = inside.iter().sum::<f64>() / count;
        assert!((band.ell_mean / mean - 1.0).abs() < 1e-13);
        let average = inside.iter().map(|&ell| spectrum(ell)).sum::<f64>() / count;
        assert!((averages[index] / average - 1.0).abs() < 1e-13);
        let (multipoles, weights) = powers.weights(index);
        let weighted: f64 = multipoles.iter().zip(&weights).map(|(&l, w)| w * spectrum(l)).sum();
        assert!((weighted / average - 1.0).abs() < 1e-13);
    }
}

/// Mean and covariance of the band powers of correlated Gaussian maps with steep spectra. Within
/// a band the spectra vary, so the exact covariance sums over its modes.
#[test]
fn estimates_are_unbiased_with_the_gaussian_covariance() {
    let draws = 3000;
    let covariance = |ell: f64| {
        let power = if ell == 0.0 { 0.0 } else { 1e-6 * (ell / 300.0).powf(-1.5) };
        [power, 0.6 * power, 0.6 * power, 2.0 * power]
    };
    let ell = multipoles(N, SIDE);
    let powers = default_powers(N);
    let samples: Vec<Vec<Vec<f64>>> = (0..draws)
        .map(|seed| {
            let maps = draw(N, SIDE, 2, seed, |mode| covariance(ell[mode]).to_vec());
            powers.measure(&maps, 2).unwrap()
        })
        .collect();
    let pairs = [(0, 0), (0, 1), (1, 1)];
    for (b, band) in powers.bands().iter().enumerate() {
        let inside: Vec<[f64; 4]> = ell
            .iter()
            .filter(|e| (band.ell_min..band.ell_max).contains(*e))
            .map(|&e| covariance(e))
            .collect();
        let n = band.modes;
        let mean = |a: usize| samples.iter().map(|s| s[a][b]).sum::<f64>() / draws as f64;
        let means = [mean(0), mean(1), mean(2)];
        for (a, &(i, j)) in pairs.iter().enumerate() {
            let expected = inside.iter().map(|c| c[2 * i + j]).sum::<f64>() / n;
            for (d, &(k, l)) in pairs.iter().enumerate() {
                let terms =
                    |c: &[f64; 4]| c[2 * i + k] * c[2 * j + l] + c[2 * i + l] * c[2 * j + k];
                let exact = inside.iter().map(terms).sum::<f64>() / (n * n);
                let products: Vec<f64> =
                    samples.iter().map(|s| (s[a][b] - means[a]) * (s[d][b] - means[d])).collect();
                let found = products.iter().sum::<f64>() / draws as f64;
                let scatter = products.iter().map(|p| (p - found).powi(2)).sum::<f64>();
                let error = scatter.sqrt() / draws as f64;
                assert!((found - exact).abs() < 4.5 * error, "{band:?} {a} {d}: {found} {exact}");
                if a == d {
                    let error = (exact / draws as f64).sqrt();
                    assert!((means[a] - expected).abs() < 4.5 * error, "{band:?} {a}");
                }
            }
        }
    }
}

#[test]
fn default_edges_cover_the_modes_below_nyquist() {
    let powers = BandPowers::new(256, 10.0, &BandPowers::default_edges(256, 10.0)).unwrap();
    assert_eq!(powers.bands().len(), 36);
    for n in [8, 10, 32, 64, 100] {
        let powers = default_powers(n);
        let bands = powers.bands();
        let fundamental = 2.0 * PI / SIDE.to_radians();
        let last = bands[bands.len() - 1].ell_max / fundamental;
        assert!((bands[0].ell_min / fundamental - 1.5).abs() < 1e-12);
        assert!((last - (n as f64 / 2.0 - 0.5)).abs() < 1e-9);
        assert!(bands.iter().all(|band| band.modes >= 12.0 && band.modes % 2.0 == 0.0));
    }
    let published = BandPowers::new(256, 10.0, &BandPowers::published_edges()).unwrap();
    assert_eq!(published.bands().len(), 97);
}

#[test]
fn impossible_bands_and_maps_are_refused() {
    let refused = |npix, side, edges: &[f64]| BandPowers::new(npix, side, edges).err().unwrap();
    assert!(refused(9, 5.0, &[100.0, 200.0]).to_string().contains("npix = 9"));
    assert!(refused(16, f64::NAN, &[100.0, 200.0]).to_string().contains("map_size_deg = NaN"));
    for edges in [&[100.0][..], &[200.0, 100.0], &[0.0, 100.0], &[100.0, f64::NAN]] {
        assert!(refused(16, 5.0, edges).to_string().contains("increasing positive"));
    }
    // Modes of a 5 degree map start at 72.
    let empty = refused(16, 5.0, &[100.0, 200.0, 201.0, 300.0]);
    assert!(matches!(empty, Error::EmptyBand { band: 1, .. }), "{empty}");
    assert!(empty.to_string().contains("band 1 (ell 200..201)"), "{empty}");
    assert!(BandPowers::new(64, 10.0, &BandPowers::published_edges()).is_err());

    let powers = default_powers(N);
    let wrong = powers.measure(&[0.0; 100], 1).unwrap_err().to_string();
    assert!(wrong.contains("100 values, expected") || wrong.contains("[1, 16, 16]"), "{wrong}");
    assert!(powers.measure(&[], 0).is_err());
    let mut map = vec![0.0; N * N];
    map[2 * N + 3] = f64::INFINITY;
    let infinite = powers.measure(&map, 1).unwrap_err().to_string();
    assert!(infinite.contains("[bin 0, y 2, x 3]"), "{infinite}");
    assert!(powers.average(&[1.0]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Translations, reflections and transpositions of the sky change nothing; the powers of a
    /// sum of maps follow from their auto and cross powers.
    #[test]
    fn symmetries_and_bilinearity(seed in 0u64..10_000, dx in 0..N, dy in 0..N, scale in -3.0f64..3.0) {
        let maps = draw(N, SIDE, 2, seed, |_| vec![1.0, 0.3, 0.3, 0.5]);
        let powers = default_powers(N);
        let reference = powers.measure(&maps, 2).unwrap();
        let moved = |index: fn(usize, usize, usize, usize) -> usize| -> Vec<f64> {
            let pixel = |i: usize| index(i / N % N, i % N, dy, dx);
            (0..2 * N * N).map(|i| maps[i / (N * N) * N * N + pixel(i)]).collect()
        };
        for other in [
            moved(|y, x, dy, dx| (y + dy) % N * N + (x + dx) % N),
            moved(|y, x, _, _| y * N + (N - x) % N),
            moved(|y, x, _, _| x * N + y),
        ] {
            for (a, b) in powers.measure(&other, 2).unwrap().iter().zip(&reference) {
                for (a, b) in a.iter().zip(b) {
                    prop_assert!((a - b).abs() < 1e-11, "{} {}", a, b);
                }
            }
        }
        let (first, second) = maps.split_at(N * N);
        let sum: Vec<f64> = first.iter().zip(second).map(|(a, b)| a + scale * b).collect();
        let power = powers.measure(&sum, 1).unwrap();
        for b in 0..powers.bands().len() {
            let expected = reference[0][b] + 2.0 * scale * reference[1][b]
                + scale * scale * reference[2][b];
            prop_assert!((power[0][b] - expected).abs() < 1e-10);
        }
    }
}
