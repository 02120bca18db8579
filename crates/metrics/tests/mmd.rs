//! The maximum mean discrepancy against its definitions, closed forms, simulation, and bad input.

mod generator;

use std::sync::Mutex;

use generator::normals;
use metrics::{Error, Mmd, MmdConfig, mean, mmd, variance};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use serde::Deserialize;

#[derive(Deserialize)]
struct Reference {
    estimates: Vec<Case>,
    errors: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    seed: u64,
    first: usize,
    second: usize,
    columns: usize,
    shift: f64,
    scale: f64,
    bandwidth: Option<f64>,
    #[serde(default)]
    standardise: bool,
    used: Option<f64>,
    squared: Option<f64>,
    biased: Option<f64>,
    error: Option<f64>,
}

impl Case {
    fn run(&self) -> Mmd {
        let first = normals(self.seed, self.first * self.columns);
        let second: Vec<f64> = normals(self.seed + 1, self.second * self.columns)
            .iter()
            .map(|z| self.shift + self.scale * z)
            .collect();
        let config = MmdConfig {
            bandwidth: self.bandwidth,
            standardise: self.standardise,
            permutations: 0,
            seed: 0,
        };
        mmd(&first, &second, self.columns, &config, &|_| ()).unwrap()
    }
}

#[test]
fn agrees_with_the_definitions() {
    let text = include_str!("reference/mmd.json");
    let reference: Reference = serde_json::from_str(text).unwrap();
    for case in reference.estimates.iter().chain(&reference.errors) {
        let found = case.run();
        let pairs = [
            (found.bandwidth, case.used),
            (found.squared, case.squared),
            (found.biased, case.biased),
            (found.error, case.error),
        ];
        for (found, expected) in pairs {
            let error = found - expected.unwrap_or(found);
            assert!(error.abs() < 1e-12, "{found} instead of {expected:?}");
        }
    }
}

fn draws(rng: &mut ChaCha8Rng, count: usize, shift: f64, scale: f64) -> Vec<f64> {
    StandardNormal.sample_iter(rng).take(count).map(|z: f64| shift + scale * z).collect()
}

/// MMD² of N(0, 1) and N(shift, scale²) in each of `dimension` dimensions, from the convolution of
/// the kernel with the three Gaussians of the differences.
fn closed_form(dimension: i32, bandwidth: f64, shift: f64, scale: f64) -> f64 {
    let expectation = |variance: f64, shift: f64| {
        let total = bandwidth.powi(2) + variance;
        ((bandwidth.powi(2) / total).sqrt() * (-0.5 * shift * shift / total).exp()).powi(dimension)
    };
    expectation(2.0, 0.0) + expectation(2.0 * scale * scale, 0.0)
        - 2.0 * expectation(1.0 + scale * scale, shift)
}

#[test]
fn gaussians_have_their_closed_form() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    for (dimension, bandwidth, shift, scale) in [(2, 1.3, 0.3, 0.8), (5, 2.0, 0.0, 1.3)] {
        let first = draws(&mut rng, 3000 * dimension, 0.0, 1.0);
        let second = draws(&mut rng, 2000 * dimension, shift, scale);
        let config =
            MmdConfig { bandwidth: Some(bandwidth), standardise: false, permutations: 0, seed: 0 };
        let found = mmd(&first, &second, dimension, &config, &|_| ()).unwrap();
        let exact = closed_form(dimension as i32, bandwidth, shift, scale);
        assert!((found.squared - exact).abs() < 4.0 * found.error, "{found:?} instead of {exact}");
        assert!(exact > 5.0 * found.error, "{found:?}: no test of {exact}");
    }
}

/// Means and scatter of pulls over many pairs of sets, with and without a difference.
#[test]
fn errors_and_p_values_are_calibrated() {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    for shift in [0.0, 0.7] {
        let exact = closed_form(2, 1.0, shift, 1.0);
        let (mut errors, mut deviations, mut p_values) = (vec![], vec![], vec![]);
        let repetitions = 600;
        for seed in 0..repetitions {
            let first = draws(&mut rng, 2 * 50, 0.0, 1.0);
            let second = draws(&mut rng, 2 * 40, shift, 1.0);
            let config =
                MmdConfig { bandwidth: Some(1.0), standardise: false, permutations: 39, seed };
            let found = mmd(&first, &second, 2, &config, &|_| ()).unwrap();
            deviations.push(found.squared - exact);
            errors.push(found.error);
            p_values.push(found.p_value().unwrap().value);
        }
        let scatter = variance(&deviations).sqrt();
        let bias = mean(&deviations) / scatter * (repetitions as f64).sqrt();
        assert!(bias.abs() < 4.0, "the unbiased estimate is off by {bias} sigma");
        // Terms that are estimated as negative count as zero, which makes errors of equal
        // distributions somewhat too large.
        let ratio = mean(&errors.iter().map(|e| e * e).collect::<Vec<_>>()).sqrt() / scatter;
        let range = if shift == 0.0 { 0.9..1.45 } else { 0.9..1.1 };
        assert!(range.contains(&ratio), "errors are {ratio} of the scatter at shift {shift}");
        let rate = |limit: f64| {
            p_values.iter().filter(|p| **p <= limit).count() as f64 / repetitions as f64
        };
        if shift == 0.0 {
            for limit in [0.05_f64, 0.25, 0.5, 0.9] {
                let error = (limit * (1.0 - limit) / repetitions as f64).sqrt();
                assert!((rate(limit) - limit).abs() < 4.0 * error, "{limit}: {}", rate(limit));
            }
        } else {
            assert!(rate(0.05) > 0.5, "{}", rate(0.05));
        }
    }
}

/// The size of a study: two sets of 10 000 samples of six parameters.
#[test]
fn large_sets() {
    if std::env::var_os("FULLFIELD_SLOW").is_none() {
        println!("skipped: FULLFIELD_SLOW is not set");
        return;
    }
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let first = draws(&mut rng, 60_000, 0.0, 1.0);
    let config = |permutations| MmdConfig {
        bandwidth: Some(3.0),
        standardise: false,
        permutations,
        seed: 0,
    };
    for (shift, permutations) in [(0.0, 200), (0.05, 0), (0.05, 200)] {
        let second = draws(&mut rng, 60_000, shift, 1.0);
        let start = std::time::Instant::now();
        let found = mmd(&first, &second, 6, &config(permutations), &|_| ()).unwrap();
        let exact = closed_form(6, 3.0, shift, 1.0);
        let p_value = found.p_value();
        println!(
            "{permutations} permutations, {:.1?}: {:e} +- {:e}, exactly {exact:e}, {p_value:?}",
            start.elapsed(),
            found.squared,
            found.error
        );
        assert!((found.squared - exact).abs() < 4.0 * found.error);
        if let Some(p_value) = p_value {
            assert!((shift > 0.0) == (p_value.value < 0.01), "{p_value:?} at shift {shift}");
        }
    }
}

#[test]
fn depends_on_the_seed_and_not_on_the_threads() {
    let (first, second) = (normals(1, 2 * 700), normals(2, 2 * 400));
    let reports = Mutex::new(Vec::new());
    let record = |p: metrics::Progress| reports.lock().unwrap().push((p.done, p.total));
    let run = |threads, seed| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let config = MmdConfig { permutations: 20, seed, ..MmdConfig::default() };
        pool.install(|| mmd(&first, &second, 2, &config, &record).unwrap())
    };
    let one = run(1, 7);
    assert_eq!(one, run(3, 7));
    assert_eq!(reports.lock().unwrap().iter().filter(|r| r.0 == 1100 && r.1 == 1100).count(), 2);
    assert_ne!(one.null, run(1, 8).null);
    assert_eq!(one.squared, run(1, 8).squared);
    let null = one.null.unwrap();
    assert!(null.mean.abs() < 3.0 * null.sd / 20_f64.sqrt(), "{null:?}");
}

/// A change of unit changes nothing; above 2000 points the median is that of a subset.
#[test]
fn standardised_features_have_no_unit() {
    let (first, second) = (normals(1, 2 * 1500), normals(2, 2 * 1500));
    let config = MmdConfig { permutations: 0, ..MmdConfig::default() };
    let run = |factor: f64| {
        let scaled = |x: &[f64]| -> Vec<f64> {
            x.chunks_exact(2).flat_map(|p| [p[0], factor * p[1]]).collect()
        };
        mmd(&scaled(&first), &scaled(&second), 2, &config, &|_| ()).unwrap()
    };
    let (one, million) = (run(1.0), run(1e6));
    assert!((one.squared - million.squared).abs() < 1e-12);
    // The median distance of a standard normal pair in two dimensions: sqrt(2 · 2 ln 2).
    assert!((one.bandwidth - 1.665).abs() < 0.05, "{one:?}");
}

#[test]
fn bad_input_is_named() {
    let good = normals(1, 100);
    let run = |first: &[f64], dimension, config: &MmdConfig| {
        mmd(first, &good, dimension, config, &|_| ()).unwrap_err()
    };
    let default = MmdConfig::default();
    assert!(matches!(run(&good, 3, &default), Error::Shape { .. }));
    assert!(matches!(run(&good[..6], 2, &default), Error::TooFew { minimum: 4, found: 3, .. }));
    assert!(matches!(run(&[], 2, &default), Error::TooFew { .. }));
    let mut bad = good.clone();
    bad[7] = f64::INFINITY;
    let error = run(&bad, 2, &default);
    assert_eq!(error.to_string(), "feature 1 of the first set is inf at index 3");
    let config = MmdConfig { bandwidth: Some(0.0), ..MmdConfig::default() };
    assert_eq!(run(&good, 2, &config).to_string(), "bandwidth = 0: expected positive and finite");
    let ones = [1.0; 100];
    let error = mmd(&ones, &ones, 2, &default, &|_| ()).unwrap_err();
    assert!(matches!(error, Error::Constant { .. }), "{error}");
    let raw = MmdConfig { standardise: false, ..MmdConfig::default() };
    let error = mmd(&ones, &ones, 2, &raw, &|_| ()).unwrap_err();
    assert!(matches!(error, Error::Constant { .. }), "{error}");
}
