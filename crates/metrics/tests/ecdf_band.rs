//! Simultaneous bands against an independent recursion, against simulation, and on bad input.

mod generator;

use generator::uniforms;
use metrics::{EcdfBand, Error};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

#[derive(Deserialize)]
struct Reference {
    bands: Vec<Band>,
}

#[derive(Deserialize)]
struct Band {
    observations: usize,
    levels: Vec<f64>,
    confidence: f64,
    coverage: f64,
    pointwise: f64,
    lower: Vec<usize>,
    upper: Vec<usize>,
    paths: Vec<Path>,
}

#[derive(Deserialize)]
struct Path {
    counts: Vec<usize>,
    p_value: f64,
}

#[test]
fn agrees_with_the_recursion_over_binomial_numbers() {
    let text = include_str!("reference/calibration.json");
    for case in serde_json::from_str::<Reference>(text).unwrap().bands {
        let band = EcdfBand::new(case.observations, &case.levels, case.confidence).unwrap();
        assert!((band.coverage - case.coverage).abs() < 1e-11, "{band:?}");
        assert!((band.pointwise / case.pointwise - 1.0).abs() < 1e-6, "{band:?}");
        let counts = |ends: &[f64]| -> Vec<usize> {
            ends.iter().map(|e| (e * case.observations as f64).round() as usize).collect()
        };
        assert_eq!(counts(&band.lower), case.lower);
        assert_eq!(counts(&band.upper), case.upper);
        for path in case.paths {
            let p_value = band.p_value(&path.counts).unwrap();
            assert!((p_value - path.p_value).abs() < 1e-10, "{p_value}, not {}", path.p_value);
        }
    }
}

/// Counts of uniform numbers below each level.
fn random_counts(rng: &mut ChaCha8Rng, observations: usize, levels: &[f64]) -> Vec<usize> {
    let numbers: Vec<f64> = (0..observations).map(|_| rng.random()).collect();
    levels.iter().map(|l| numbers.iter().filter(|u| *u < l).count()).collect()
}

#[test]
fn uniform_numbers_stay_inside_as_often_as_stated() {
    let levels: Vec<f64> = (1..20).map(|k| f64::from(k) / 20.0).collect();
    let (observations, trials) = (200, 20_000);
    let band = EcdfBand::new(observations, &levels, 0.95).unwrap();
    assert!((0.95..0.953).contains(&band.coverage), "{band:?}");
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let (mut inside, mut pointwise) = (0, 0);
    let mut small = [0; 3];
    for trial in 0..trials {
        let counts = random_counts(&mut rng, observations, &levels);
        let ecdf = |k: usize| counts[k] as f64 / observations as f64;
        let kept = |k: &usize| (band.lower[*k]..=band.upper[*k]).contains(&ecdf(*k));
        let all = (0..levels.len()).all(|k| kept(&k));
        inside += usize::from(all);
        pointwise += usize::from(kept(&9));
        if trial < 2000 {
            let p_value = band.p_value(&counts).unwrap();
            assert_eq!(all, p_value > 1.0 - band.coverage, "{counts:?}: {p_value}");
            for (small, limit) in small.iter_mut().zip([0.05, 0.2, 0.5]) {
                *small += usize::from(p_value <= limit);
            }
        }
    }
    let rate = inside as f64 / trials as f64;
    let error = (0.95 * 0.05 / trials as f64).sqrt();
    assert!((rate - band.coverage).abs() < 4.0 * error, "{rate} instead of {}", band.coverage);
    // Each level on its own is kept to more often.
    assert!(pointwise as f64 / trials as f64 > 0.985, "{pointwise}");
    // The p-value is uniform up to its steps, which make it too large rather than too small.
    for (small, limit) in small.into_iter().zip([0.05, 0.2, 0.5]) {
        let rate = small as f64 / 2000.0;
        let error = (limit * (1.0 - limit) / 2000.0_f64).sqrt();
        assert!(rate < limit + 4.0 * error && rate > 0.9 * limit - 4.0 * error, "{rate}: {limit}");
    }
}

#[test]
fn large_numbers_and_far_paths() {
    let levels: Vec<f64> = (1..100).map(|k| f64::from(k) / 100.0).collect();
    let band = EcdfBand::new(10_000, &levels, 0.95).unwrap();
    assert!((0.95..0.951).contains(&band.coverage), "{}", band.coverage);
    // Kolmogorov's limit: the distance of 95 % of all paths is below 1.358 / sqrt(n).
    let half_width = 0.5 * (band.upper[49] - band.lower[49]);
    assert!((half_width * 100.0 - 1.5).abs() < 0.1, "{half_width}");

    // Far outside, the p-value is a bound above the probability at one level alone.
    let numbers: Vec<f64> = uniforms(3, 10_000).iter().map(|u| u.powf(1.2)).collect();
    let counts: Vec<usize> =
        levels.iter().map(|l| numbers.iter().filter(|u| *u < l).count()).collect();
    let p_value = band.p_value(&counts).unwrap();
    assert!(p_value > 0.0 && p_value < 1e-9, "{p_value}");
    let mut nowhere = vec![0; levels.len()];
    assert_eq!(band.p_value(&nowhere), Ok(0.0));
    nowhere.fill(10_000);
    assert_eq!(band.p_value(&nowhere), Ok(0.0));
}

#[test]
fn bad_input_is_named() {
    assert!(matches!(EcdfBand::new(0, &[0.5], 0.95), Err(Error::TooFew { .. })));
    assert!(matches!(EcdfBand::new(10, &[], 0.95), Err(Error::TooFew { .. })));
    assert!(matches!(EcdfBand::new(10, &[0.5], 1.0), Err(Error::Setting { .. })));
    for levels in [vec![0.5, 0.5], vec![0.0, 0.5], vec![0.5, 1.0], vec![f64::NAN]] {
        let error = EcdfBand::new(10, &levels, 0.95).unwrap_err();
        assert!(error.to_string().contains("rising, between 0 and 1"), "{error}");
    }
    let band = EcdfBand::new(10, &[0.3, 0.6], 0.95).unwrap();
    for counts in [vec![1], vec![2, 1], vec![1, 11]] {
        assert!(matches!(band.p_value(&counts), Err(Error::Shape { .. })), "{counts:?}");
    }
}
