//! The unit of the numbers does not matter, over the whole range of double precision: every statistic
//! scales as it should, or is an error; none is NaN, infinite, or zero by underflow.

mod generator;

use generator::normals;
use metrics::{
    C2stConfig, CalibrationSet, Error, MmdConfig, NonFinite, Samples, TarpConfig, c2st,
    correlation, covariance, ess_bulk, ess_mean, ess_tail, figure_of_merit, mahalanobis_check,
    mcse_mean, mcse_sd, mean, mmd, negative_log_probability, r_hat, summarise, tarp, variance,
};
use proptest::prelude::*;

/// Exponents of units that keep numbers of up to ten binary digits exact.
const EXPONENTS: std::ops::Range<i32> = -1074..1014;

/// Whole numbers of the order of a hundred, so that any power of two is an exact unit.
fn whole(seed: u64, count: usize) -> Vec<f64> {
    normals(seed, count).iter().map(|z| (100.0 * z).round()).collect()
}

fn power(exponent: i32) -> f64 {
    // exact for subnormal results too
    let half = exponent / 2;
    2f64.powi(half) * 2f64.powi(exponent - half)
}

fn scaled(values: &[f64], exponent: i32) -> Vec<f64> {
    values.iter().map(|x| x * power(exponent)).collect()
}

/// `value` times 2^exponent in steps, so that only the result may over- or underflow.
fn shifted(value: f64, exponent: i32) -> f64 {
    let third = exponent / 3;
    value * 2f64.powi(third) * 2f64.powi(third) * 2f64.powi(exponent - 2 * third)
}

/// A size is scaled to the last digits, or refused because it is no normal number.
fn check(found: Result<f64, Error>, one: f64, exponent: i32) -> Result<(), TestCaseError> {
    let expected = shifted(one, exponent);
    match found {
        Ok(found) => {
            prop_assert!(found.is_finite(), "{found}");
            prop_assert!((found - expected).abs() <= 1e-13 * expected.abs(), "{found} {expected}");
        }
        Err(Error::OutOfRange { .. }) => prop_assert!(!expected.is_normal(), "{expected}"),
        Err(error) => prop_assert!(false, "{error}"),
    }
    Ok(())
}

/// A place is scaled as well as its neighbours can be told apart.
fn check_place(found: f64, one: f64, exponent: i32) -> Result<(), TestCaseError> {
    let expected = shifted(one, exponent);
    prop_assert!((found - expected).abs() <= 1e-13 * expected.abs() + 5e-324, "{found} {expected}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn chains(seed in 0_u64..500, k in EXPONENTS) {
        let one: Vec<Vec<f64>> = (0..3).map(|c| whole(3 * seed + c, 60)).collect();
        let chains: Vec<Vec<f64>> = one.iter().map(|chain| scaled(chain, k)).collect();
        for statistic in [r_hat, ess_bulk, ess_tail, ess_mean] {
            prop_assert_eq!(statistic(&chains), statistic(&one));
        }
        for statistic in [mcse_mean, mcse_sd] {
            check(statistic(&chains), statistic(&one).unwrap(), k)?;
        }
        let (all, all_one) = (chains.concat(), one.concat());
        check_place(mean(&all), mean(&all_one), k)?;
        let (found, expected) = (variance(&all), shifted(variance(&all_one), 2 * k));
        prop_assert!(found == expected || (found - expected).abs() <= 1e-13 * expected + 5e-324);
    }

    #[test]
    fn parameters_in_different_units(seed in 0_u64..500, k in EXPONENTS, l in EXPONENTS) {
        let one = whole(seed, 240);
        let units = [k, l].map(power);
        let values: Vec<f64> = one.chunks_exact(2).flat_map(|p| [p[0] * units[0], p[1] * units[1]]).collect();
        let view = |values| Samples::new(values, 2, &["a", "b"]).unwrap();
        let (samples, samples_one) = (view(&values), view(&one));
        prop_assert_eq!(correlation(&samples), correlation(&samples_one));
        let merit = figure_of_merit(&samples_one, 0, 1).unwrap();
        match figure_of_merit(&samples, 0, 1) {
            Ok(found) => {
                check(Ok(found.value), merit.value, -(k + l))?;
                check(Ok(found.error), merit.error, -(k + l))?;
            }
            // Refused if either of the two is no normal number.
            Err(Error::OutOfRange { .. }) => {
                let both = [merit.value, merit.error].map(|one| shifted(one, -(k + l)));
                prop_assert!(both.iter().any(|one| !one.is_normal()), "{:?}", both);
            }
            Err(error) => prop_assert!(false, "{}", error),
        }
        if let Ok(found) = covariance(&samples) {
            let expected = covariance(&samples_one).unwrap();
            for (i, (row, one)) in found.iter().zip(&expected).enumerate() {
                for (j, (entry, one)) in row.iter().zip(one).enumerate() {
                    check_place(*entry, *one, [k, l][i] + [k, l][j])?;
                }
            }
        } else {
            prop_assert!(!(-500..500).contains(&k) || !(-500..500).contains(&l));
        }
        match summarise(&samples) {
            Ok(rows) => {
                for ((row, one), k) in rows.iter().zip(summarise(&samples_one).unwrap()).zip([k, l]) {
                    check(Ok(row.sd), one.sd, k)?;
                    for (place, one) in [(row.mean, one.mean), (row.q16, one.q16), (row.q50, one.q50), (row.q84, one.q84)] {
                        check_place(place, one, k)?;
                    }
                }
            }
            Err(error) => {
                let expected = matches!(error, Error::OutOfRange { .. }) && k.min(l) < -1010;
                prop_assert!(expected, "{}", error);
            }
        }
    }

    #[test]
    fn two_sets(seed in 0_u64..100, k in EXPONENTS, l in EXPONENTS) {
        let pair = |seed| {
            let one = whole(seed, 80);
            let units = [k, l].map(power);
            let values: Vec<f64> =
                one.chunks_exact(2).flat_map(|p| [p[0] * units[0], p[1] * units[1]]).collect();
            (one, values)
        };
        let ((first_one, first), (second_one, second)) = (pair(2 * seed), pair(2 * seed + 1));
        let config = MmdConfig { permutations: 5, ..MmdConfig::default() };
        let run = |a: &[f64], b: &[f64]| mmd(a, b, 2, &config, &|_| ()).unwrap();
        prop_assert_eq!(run(&first, &second), run(&first_one, &second_one));
        let config = C2stConfig { repetitions: 1, null_repetitions: 0, max_epochs: 3, ..C2stConfig::default() };
        let run = |a: &[f64], b: &[f64]| c2st(a, b, 2, &config, &|_| ()).unwrap();
        prop_assert_eq!(run(&first, &second), run(&first_one, &second_one));
        let run = |a: &[f64], b: &[f64]| mahalanobis_check(&a[..2], b).unwrap();
        prop_assert_eq!(run(&first, &second), run(&first_one, &second_one));
        // one unit, not standardised
        let raw = MmdConfig { standardise: false, permutations: 0, ..MmdConfig::default() };
        let run = |a: &[f64], b: &[f64]| mmd(a, b, 2, &raw, &|_| ());
        let expected = run(&first_one, &second_one).unwrap();
        match run(&scaled(&first_one, k), &scaled(&second_one, k)) {
            Ok(found) => {
                prop_assert_eq!(found.squared, expected.squared);
                check(Ok(found.bandwidth), expected.bandwidth, k)?;
            }
            Err(error) => prop_assert!(matches!(error, Error::OutOfRange { .. }) && k < -1010, "{error}"),
        }
    }

    #[test]
    fn calibration_and_log_probabilities(seed in 0_u64..100, k in EXPONENTS) {
        let (truths, draws) = (whole(seed, 60), whole(seed + 1, 60 * 20));
        let (truths_k, draws_k) = (scaled(&truths, k), scaled(&draws, k));
        let set = CalibrationSet::new(&truths, &draws, &["a", "b"]).unwrap();
        let set_k = CalibrationSet::new(&truths_k, &draws_k, &["a", "b"]).unwrap();
        prop_assert_eq!(set.efficiency(&|_| ()).unwrap(), set_k.efficiency(&|_| ()).unwrap());
        let config = TarpConfig { bootstraps: 0, levels: vec![0.5], ..TarpConfig::default() };
        let zero = vec![0.0; 60];
        let run = |set| tarp(set, Some(&zero), &config).unwrap();
        if k > -1000 {
            prop_assert_eq!(run(&set).coverage, run(&set_k).coverage);
        }
        let run = |l: &[f64]| negative_log_probability(l, NonFinite::Reject);
        let one = run(&truths).unwrap();
        check(run(&truths_k).map(|l| l.error), one.error, k)?;
    }
}

#[test]
fn a_far_value_is_an_error_and_no_infinite_distance() {
    let (small, large) = (scaled(&whole(1, 40), -1000), [shifted(1.0, 1000)]);
    assert!(matches!(mahalanobis_check(&large, &small), Err(Error::NotFinite { .. })));
    let config = MmdConfig { bandwidth: Some(1e-300), standardise: false, ..MmdConfig::default() };
    let error = mmd(&scaled(&whole(1, 40), 900), &whole(2, 40), 1, &config, &|_| ()).unwrap_err();
    assert!(matches!(error, Error::Setting { setting: "bandwidth", .. }), "{error}");
}
