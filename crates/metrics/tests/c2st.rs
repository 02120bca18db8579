//! The classifier two-sample test against scikit-learn, closed forms, threads and bad input.

mod generator;

use std::sync::Mutex;

use generator::{normals, uniforms};
use metrics::{C2stConfig, Error, c2st, c2st_null, mean};
use serde::Deserialize;

#[derive(Deserialize)]
struct Reference {
    accuracies: Vec<Case>,
}

/// Data, and the accuracies that scikit-learn reached over `runs` seeds.
#[derive(Deserialize)]
struct Case {
    seed: u64,
    rows: usize,
    columns: usize,
    shift: f64,
    correlation: f64,
    runs: usize,
    mean: f64,
    sd: f64,
}

impl Case {
    fn sets(&self) -> (Vec<f64>, Vec<f64>) {
        let first = normals(self.seed, self.rows * self.columns);
        let mut second = normals(self.seed + 1, self.rows * self.columns);
        for row in second.chunks_exact_mut(self.columns) {
            let rest = (1.0 - self.correlation.powi(2)).sqrt();
            row[1] = self.correlation * row[0] + rest * row[1];
            row[0] += self.shift;
        }
        (first, second)
    }
}

fn reference() -> Vec<Case> {
    let text = include_str!("reference/c2st.json");
    serde_json::from_str::<Reference>(text).unwrap().accuracies
}

#[test]
fn accuracies_agree_with_scikit_learn() {
    let slow = std::env::var_os("FULLFIELD_SLOW").is_some();
    for case in reference() {
        if !slow && case.columns > 2 {
            println!("skipped {} dimensions: FULLFIELD_SLOW is not set", case.columns);
            continue;
        }
        let (first, second) = case.sets();
        let repetitions = if slow { case.runs } else { 6 };
        let config = C2stConfig { repetitions, null_repetitions: 0, ..C2stConfig::default() };
        let result = c2st(&first, &second, case.columns, &config, &|_| ()).unwrap();
        let scatter = (1.0 / repetitions as f64 + 1.0 / case.runs as f64).sqrt() * case.sd;
        let difference = result.accuracy - case.mean;
        assert!(difference.abs() < 4.0 * scatter, "{result:?} instead of {}", case.mean);
        if case.correlation == 0.0 {
            // No classifier beats Phi(shift / 2) = 0.691 beyond the sampling error.
            assert!(result.accuracy < 0.6915 + 3.0 * result.sampling_error, "{result:?}");
        }
    }
}

fn quick() -> C2stConfig {
    C2stConfig {
        repetitions: 2,
        null_repetitions: 3,
        hidden_per_dimension: 4,
        max_epochs: 40,
        ..C2stConfig::default()
    }
}

#[test]
fn depends_on_the_seed_and_not_on_the_threads() {
    let (first, second) = (normals(1, 400), normals(2, 400));
    let run = |threads, seed| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let config = C2stConfig { seed, ..quick() };
        pool.install(|| c2st(&first, &second, 2, &config, &|_| ()).unwrap())
    };
    assert_eq!(run(1, 7), run(3, 7));
    assert_ne!(run(1, 7), run(1, 8));
}

#[test]
fn same_and_disjoint_sets_and_progress() {
    let first = normals(1, 600);
    let reports = Mutex::new(Vec::new());
    let record = |progress: metrics::Progress| reports.lock().unwrap().push(progress.done);
    let same = c2st(&first, &normals(9, 600), 2, &quick(), &record).unwrap();
    let mut reports = reports.into_inner().unwrap();
    reports.sort_unstable();
    assert_eq!(reports, (1..=25).collect::<Vec<_>>());
    assert!((same.accuracy - 0.5).abs() < 4.0 * same.error, "{same:?}");
    let null = same.null.as_ref().unwrap();
    assert!((null.mean - 0.5).abs() < 0.06, "{null:?}");

    let far: Vec<f64> = normals(9, 600).iter().map(|x| x + 20.0).collect();
    let patient = C2stConfig { max_epochs: 400, ..quick() };
    let disjoint = c2st(&first, &far, 2, &patient, &|_| ()).unwrap();
    assert_eq!(disjoint.accuracy, 1.0);
    assert_eq!(disjoint.p_value().unwrap().value, 0.25);
    let (excess, error) = disjoint.excess().unwrap();
    assert!((excess - 0.5).abs() < 4.0 * error && error < 0.05, "{excess} +- {error}");
}

/// Small and quick, for many trials.
fn tiny() -> C2stConfig {
    C2stConfig {
        repetitions: 1,
        null_repetitions: 9,
        folds: 2,
        hidden_per_dimension: 3,
        max_epochs: 30,
        ..C2stConfig::default()
    }
}

/// Accuracy and null of two sets of one distribution are exchangeable with one repetition: the rank
/// of the accuracy, equal ones in random order, is uniform. More repetitions, and equal accuracies,
/// make the p-value conservative.
#[test]
fn p_values_are_calibrated() {
    let trials = 500;
    let run = |repetitions| -> Vec<metrics::C2st> {
        let one = |trial| {
            let points = normals(500 + trial, 80);
            let config = C2stConfig { repetitions, seed: trial, ..tiny() };
            c2st(&points[..40], &points[40..], 1, &config, &|_| ()).unwrap()
        };
        (0..trials).map(one).collect()
    };
    let check = |found: &[metrics::C2st]| {
        for limit in [0.1, 0.2, 0.5_f64] {
            let small = found.iter().filter(|f| f.p_value().unwrap().value <= limit + 1e-12);
            let rate = small.count() as f64 / trials as f64;
            let error = (limit * (1.0 - limit) / trials as f64).sqrt();
            assert!(rate < limit + 3.0 * error, "{limit}: {rate}");
        }
    };
    let single = run(1);
    check(&single);
    let mut counts = [0; 10];
    for (found, u) in single.iter().zip(uniforms(1, trials as usize)) {
        let null = &found.null.as_ref().unwrap().accuracies;
        let larger = null.iter().filter(|a| **a > found.accuracy).count();
        let equal = null.iter().filter(|a| **a == found.accuracy).count();
        counts[larger + (u * (equal + 1) as f64) as usize] += 1;
    }
    let expected = trials as f64 / 10.0;
    let chi_square: f64 =
        counts.iter().map(|c| (f64::from(*c) - expected).powi(2) / expected).sum();
    // 99.9 % of nine degrees of freedom.
    assert!(chi_square < 27.9, "{chi_square}: {counts:?}");
    check(&run(4));
}

/// Sets of independent draws give the null of permuted labels; chains a higher one, which permuted
/// labels do not see.
#[test]
fn null_of_given_sets() {
    let config =
        C2stConfig { null_repetitions: 28, hidden_per_dimension: 10, max_epochs: 300, ..tiny() };
    let sets: Vec<Vec<f64>> = (0..8).map(|seed| normals(70 + seed, 200)).collect();
    let run = |sets: &[Vec<f64>]| {
        let sets: Vec<&[f64]> = sets.iter().map(Vec::as_slice).collect();
        c2st_null(&sets, 1, &config, &|_| ()).unwrap()
    };
    let null = run(&sets);
    assert_eq!(null.accuracies.len(), 28);
    let found = c2st(&sets[0], &sets[1], 1, &config, &|_| ()).unwrap();
    let permuted = found.null.clone().unwrap();
    let error = (null.sd.powi(2) + permuted.sd.powi(2)).sqrt() / 28_f64.sqrt();
    assert!((null.mean - permuted.mean).abs() < 5.0 * error, "{null:?} {permuted:?}");

    // Chains whose 200 draws are worth about three.
    let chains: Vec<Vec<f64>> = sets
        .iter()
        .map(|set| {
            let mut x = 0.0;
            let step = |z: &f64| {
                x = 0.97 * x + (1.0_f64 - 0.97 * 0.97).sqrt() * z;
                x
            };
            set.iter().map(step).collect()
        })
        .collect();
    let chained = run(&chains);
    assert!(chained.mean > permuted.mean + 0.04, "{chained:?} {permuted:?}");
    let replaced = found.against(chained.clone());
    assert_eq!(replaced.null, Some(chained));
    assert!((mean(&permuted.accuracies) - permuted.mean).abs() < 1e-15);
}

#[test]
fn bad_input_is_named() {
    let (good, config) = (normals(1, 100), quick());
    let run = |first: &[f64], dimension| c2st(first, &good, dimension, &config, &|_| ());
    assert!(matches!(run(&good, 3), Err(Error::Shape { .. })));
    assert!(matches!(run(&good, 0), Err(Error::Shape { .. })));
    assert!(matches!(run(&good[..10], 2), Err(Error::TooFew { minimum: 10, found: 5, .. })));
    let ones = [1.0; 100];
    let same = c2st(&ones, &ones, 2, &config, &|_| ());
    assert!(matches!(same, Err(Error::Constant { .. })));
    let mut bad = good.clone();
    bad[7] = f64::NAN;
    let error = run(&bad, 2).unwrap_err();
    assert_eq!(error.to_string(), "feature 1 of the first set is NaN at index 3");
    let config = C2stConfig { folds: 1, ..quick() };
    let error = c2st(&good, &good, 2, &config, &|_| ()).unwrap_err();
    assert_eq!(error.to_string(), "folds = 1: expected at least 2");
    let null = |sets: &[&[f64]]| c2st_null(sets, 2, &quick(), &|_| ()).unwrap_err();
    assert!(matches!(null(&[&good]), Error::TooFew { minimum: 2, found: 1, .. }));
    assert!(matches!(null(&[&good, &good[..40]]), Error::Shape { .. }));
    assert!(matches!(null(&[&good, &bad]), Error::NotFinite { .. }));
}
