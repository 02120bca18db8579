//! Units of data, ordinary and odd.

use flows::{Error, Scaling, Standardiser};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};

fn normals(count: usize, mean: f64, sd: f64, seed: u64) -> Vec<f64> {
    let normal = Normal::new(mean, sd).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| normal.sample(&mut rng)).collect()
}

fn close(found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() <= tolerance, "{found}, expected {expected} +- {tolerance}");
}

#[test]
fn both_scalings_find_the_units_of_normal_numbers() {
    let rows: Vec<f64> = normals(20_000, 3.0, 0.2, 1)
        .into_iter()
        .zip(normals(20_000, -1e-9, 1e-12, 2))
        .flat_map(|(a, b)| [a, b])
        .collect();
    for scaling in [Scaling::Robust, Scaling::MeanSd] {
        let units = Standardiser::fit("data", &rows, 2, scaling).unwrap();
        close(units.shift()[0], 3.0, 0.01);
        close(units.scale()[0], 0.2, 0.005);
        close(units.shift()[1], -1e-9, 5e-14);
        close(units.scale()[1], 1e-12, 3e-14);
        close(units.log_volume(), 0.2_f64.ln() + 1e-12_f64.ln(), 0.05);
        let encoded = units.encode("data", &rows).unwrap();
        let mean = encoded.iter().map(|x| f64::from(*x)).sum::<f64>() / encoded.len() as f64;
        close(mean, 0.0, 0.02);
        for (found, expected) in units.decode(&encoded).iter().zip(&rows) {
            close(*found, *expected, 1e-6 * expected.abs());
        }
    }
    let units = Standardiser::fit("data", &rows, 2, Scaling::None).unwrap();
    assert_eq!(units, Standardiser::identity(2));
}

#[test]
fn outliers_of_a_million_standard_deviations_change_nothing() {
    let mut column = normals(2000, 1.0, 1.0, 3);
    let clean = Standardiser::fit("data", &column, 1, Scaling::Robust).unwrap();
    for i in 0..20 {
        column[100 * i] = 1e6 * (1.0 - 2.0 * (i % 2) as f64);
    }
    let units = Standardiser::fit("data", &column, 1, Scaling::Robust).unwrap();
    close(units.shift()[0], clean.shift()[0], 0.02);
    close(units.scale()[0], clean.scale()[0], 0.03);
    assert!(units.encode("data", &column).unwrap().iter().all(|x| x.is_finite()));
}

#[test]
fn large_offsets_cost_no_precision() {
    let column: Vec<f64> = normals(5000, 0.0, 1e-3, 4).into_iter().map(|x| x + 1e8).collect();
    for scaling in [Scaling::Robust, Scaling::MeanSd] {
        let units = Standardiser::fit("data", &column, 1, scaling).unwrap();
        close(units.scale()[0], 1e-3, 5e-5);
        let encoded = units.encode("data", &column).unwrap();
        let sd = (encoded.iter().map(|x| x.powi(2)).sum::<f32>() / encoded.len() as f32).sqrt();
        close(f64::from(sd), 1.0, 0.05);
    }
}

#[test]
fn constant_features_are_shifted_to_zero() {
    for value in [0.0, 3.7, -1e300, 1e-300, 0.1 + 0.2] {
        let column = vec![value; 10];
        for scaling in [Scaling::Robust, Scaling::MeanSd] {
            let units = Standardiser::fit("data", &column, 1, scaling).unwrap();
            assert_eq!(units.scale(), [1.0], "{value}");
            assert!(units.encode("data", &column).unwrap().iter().all(|x| x.abs() < 1e-6));
            assert_eq!(units.decode(&[0.0]), [value]);
        }
    }
}

#[test]
fn mostly_equal_numbers_keep_their_spread() {
    // interquartile range zero, standard deviation not
    let mut column = vec![5.0; 90];
    column.extend(normals(10, 5.0, 2.0, 5));
    let units = Standardiser::fit("data", &column, 1, Scaling::Robust).unwrap();
    let expected = Standardiser::fit("data", &column, 1, Scaling::MeanSd).unwrap();
    assert_eq!(units, expected);
    assert!(units.scale()[0] > 0.1 && units.scale()[0] < 2.0, "{:?}", units.scale());
}

#[test]
fn errors_name_the_place() {
    let fit = |rows: &[f64], n: usize| Standardiser::fit("theta", rows, n, Scaling::Robust);
    let error = fit(&[1.0, 2.0, f64::INFINITY, 4.0], 2).unwrap_err();
    assert!(matches!(error, Error::NotFinite { what: "theta", row: 1, column: 0, .. }), "{error}");
    assert!(matches!(fit(&[1.0; 3], 2).unwrap_err(), Error::Shape { expected: 2, .. }));
    assert!(matches!(fit(&[1.0; 2], 2).unwrap_err(), Error::TooFew { found: 1, .. }));
    assert!(matches!(fit(&[], 2).unwrap_err(), Error::TooFew { found: 0, .. }));
    let new = |shift: f64, scale: f64| Standardiser::new(vec![shift], vec![scale]);
    assert!(matches!(new(f64::NAN, 1.0).unwrap_err(), Error::NotFinite { what: "shift", .. }));
    assert!(new(0.0, 0.0).unwrap_err().to_string().contains("positive"));
    assert!(new(0.0, -1.0).is_err());
    assert!(Standardiser::new(vec![0.0], vec![]).is_err());
    let units = Standardiser::identity(2);
    assert!(matches!(
        units.encode("x", &[0.0, f64::NAN]).unwrap_err(),
        Error::NotFinite { what: "x", row: 0, column: 1, .. }
    ));
}

#[test]
fn spreads_beyond_double_precision_are_refused_or_usable() {
    // the squares overflow: the standard deviation is infinite, the interquartile range is not
    let column = [-1e300, -0.5e300, 0.0, 0.5e300, 1e300];
    let units = Standardiser::fit("data", &column, 1, Scaling::Robust).unwrap();
    assert!(units.encode("data", &column).unwrap().iter().all(|x| x.abs() < 2.0));
    let units = Standardiser::fit("data", &column, 1, Scaling::MeanSd).unwrap();
    assert!(units.scale()[0].is_finite() && units.scale()[0] > 0.0);
}
