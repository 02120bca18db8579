//! Fixed and discrete parameters, and constant features: left out and reported, or ranked at random
//! among equals, and never the ruin of the others.

mod generator;

use generator::{normals, uniforms};
use metrics::{
    C2stConfig, CalibrationSet, CoverageConfig, Error, FixedColumn, MmdConfig, SbcConfig,
    TarpConfig, c2st, c2st_null, central_coverage, mahalanobis_check, mmd, sbc, tarp,
};

const OBSERVATIONS: usize = 400;
const DRAWS: usize = 99;

/// The conjugate normal model, beside a parameter that is 0.7 in all truths and draws.
fn beside_a_fixed_one() -> (Vec<f64>, Vec<f64>) {
    let (z, e) = (normals(1, 2 * OBSERVATIONS), normals(2, OBSERVATIONS * DRAWS));
    let mut truths = Vec::new();
    let mut draws = Vec::new();
    for i in 0..OBSERVATIONS {
        truths.extend([z[2 * i], 0.7]);
        let mean = 0.5 * (z[2 * i] + z[2 * i + 1]);
        draws.extend(e[i * DRAWS..][..DRAWS].iter().flat_map(|e| [mean + 0.5_f64.sqrt() * e, 0.7]));
    }
    (truths, draws)
}

fn first_of_two(values: &[f64]) -> Vec<f64> {
    values.iter().step_by(2).copied().collect()
}

#[test]
fn a_fixed_parameter_is_reported_and_changes_nothing() {
    let (truths, draws) = beside_a_fixed_one();
    let set = CalibrationSet::new(&truths, &draws, &["a", "fixed"]).unwrap();
    let (own_truths, own_draws) = (first_of_two(&truths), first_of_two(&draws));
    let own = CalibrationSet::new(&own_truths, &own_draws, &["a"]).unwrap();
    let fixed = vec![FixedColumn { column: 1, value: 0.7 }];
    assert_eq!(set.fixed(), fixed);

    let config = SbcConfig::default();
    let (found, alone) =
        (sbc(&set, &config, &|_| ()).unwrap(), sbc(&own, &config, &|_| ()).unwrap());
    assert_eq!((&found.parameters, found.p_value), (&alone.parameters, alone.p_value));
    assert_eq!((found.fixed.clone(), alone.fixed), (fixed.clone(), vec![]));
    assert!(found.p_value > 0.05 && found.parameters[0].name == "a", "{}", found.p_value);
    let json = serde_json::to_string(&found).unwrap();
    assert_eq!(serde_json::from_str::<metrics::Sbc>(&json).unwrap(), found);

    let config = CoverageConfig::default();
    let found = central_coverage(&set, &config).unwrap();
    assert_eq!(found.parameters, central_coverage(&own, &config).unwrap().parameters);
    assert_eq!(found.fixed, fixed);

    let config = TarpConfig { bootstraps: 0, ..TarpConfig::default() };
    let (found, alone) = (tarp(&set, None, &config).unwrap(), tarp(&own, None, &config).unwrap());
    assert_eq!((&found.coverage, found.p_value), (&alone.coverage, alone.p_value));
    assert_eq!(found.fixed, fixed);
    // references keep their columns
    let references = normals(9, 2 * OBSERVATIONS);
    let found = tarp(&set, Some(&references), &config).unwrap();
    let alone = tarp(&own, Some(&first_of_two(&references)), &config).unwrap();
    assert_eq!(found.coverage, alone.coverage);
}

#[test]
fn a_parameter_fixed_at_another_value_than_the_truth_is_refuted() {
    let (truths, mut draws) = beside_a_fixed_one();
    draws.iter_mut().skip(1).step_by(2).for_each(|x| *x = 0.8);
    let set = CalibrationSet::new(&truths, &draws, &["a", "fixed"]).unwrap();
    let found = sbc(&set, &SbcConfig::default(), &|_| ()).unwrap();
    assert!(found.fixed.is_empty() && found.p_value < 1e-10, "{}", found.p_value);
}

#[test]
fn only_fixed_parameters_are_an_error() {
    let (truths, draws) = (vec![0.7; 20], vec![0.7; 400]);
    let set = CalibrationSet::new(&truths, &draws, &["fixed"]).unwrap();
    assert!(matches!(sbc(&set, &SbcConfig::default(), &|_| ()), Err(Error::Constant { .. })));
    let central = central_coverage(&set, &CoverageConfig::default());
    assert!(matches!(central, Err(Error::Constant { .. })));
    assert!(matches!(tarp(&set, None, &TarpConfig::default()), Err(Error::Constant { .. })));
}

/// A coin k with a fair prior is seen with a probability `flip` of error; posterior draws tell the
/// truth with the probability `claimed`.
fn coin(flip: f64, claimed: f64) -> (Vec<f64>, Vec<f64>) {
    let u = uniforms(5, OBSERVATIONS * (DRAWS + 2));
    let (mut truths, mut draws) = (Vec::new(), Vec::new());
    for row in u.chunks_exact(DRAWS + 2) {
        let k = f64::from(row[0] < 0.5);
        let x = if row[1] < flip { 1.0 - k } else { k };
        truths.push(k);
        draws.extend(row[2..].iter().map(|u| if *u < claimed { x } else { 1.0 - x }));
    }
    (truths, draws)
}

#[test]
fn discrete_parameters_are_ranked_at_random_among_equals() {
    // sharp enough that most observations have nothing but equal draws
    for (flip, right) in [(0.2, true), (0.001, true), (0.2, false)] {
        let (truths, draws) = coin(flip, if right { 1.0 - flip } else { 0.999 });
        let set = CalibrationSet::new(&truths, &draws, &["k"]).unwrap();
        let ranks = sbc(&set, &SbcConfig::default(), &|_| ()).unwrap();
        let central = central_coverage(&set, &CoverageConfig::default()).unwrap();
        let config = TarpConfig { bootstraps: 0, ..TarpConfig::default() };
        let balls = tarp(&set, None, &config).unwrap();
        let p_values = [ranks.p_value, central.parameters[0].coverage.p_value, balls.p_value];
        if right {
            assert!(p_values.iter().all(|p| *p > 0.01), "{flip}: {p_values:?}");
        } else {
            assert!(p_values[0] < 1e-6, "{flip}: {p_values:?}");
        }
        assert!((ranks.parameters[0].efficiency - 1.0).abs() < 0.15, "{ranks:?}");
        assert!(ranks.parameters[0].ties >= OBSERVATIONS * 3 / 4);
    }
}

fn quick() -> C2stConfig {
    C2stConfig { repetitions: 2, null_repetitions: 3, ..C2stConfig::default() }
}

/// The first of two features, the second constant.
fn with_constant(values: &[f64], constant: f64) -> Vec<f64> {
    values.iter().flat_map(|x| [*x, constant]).collect()
}

#[test]
fn ones_against_zeros_are_told_apart() {
    for dimension in [1, 2] {
        let found = c2st(&[1.0; 100], &[0.0; 100], dimension, &quick(), &|_| ()).unwrap();
        assert_eq!((found.accuracy, found.error), (1.0, 0.0));
        assert!(found.fixed.is_empty());
        let config = MmdConfig::default();
        let found = mmd(&[1.0; 100], &[0.0; 100], dimension, &config, &|_| ()).unwrap();
        assert!(found.squared > 0.5 && found.p_value().unwrap().value < 0.01, "{found:?}");
    }
    let (a, b) = (normals(3, 100), normals(4, 100));
    // constants that differ, a constant against a free feature, and the other way round
    let free: Vec<f64> = b.iter().zip(normals(5, 100)).flat_map(|(x, y)| [*x, y]).collect();
    let differing = c2st(&with_constant(&a, 0.7), &with_constant(&b, 0.8), 2, &quick(), &|_| ());
    assert!(differing.unwrap().accuracy > 0.98);
    for (first, second) in [(&with_constant(&a, 0.0), &free), (&free, &with_constant(&a, 0.0))] {
        let found = c2st(first, second, 2, &quick(), &|_| ()).unwrap();
        assert!(found.accuracy > 0.8, "{}", found.accuracy);
    }
}

#[test]
fn a_feature_constant_in_both_sets_is_reported_and_changes_nothing() {
    let (a, b) = (normals(3, 100), normals(4, 100));
    let (c, d) = (with_constant(&a, 0.7), with_constant(&b, 0.7));
    let fixed = vec![FixedColumn { column: 1, value: 0.7 }];
    let (found, alone) =
        (c2st(&c, &d, 2, &quick(), &|_| ()).unwrap(), c2st(&a, &b, 1, &quick(), &|_| ()).unwrap());
    assert_eq!(found.fixed, fixed);
    assert_eq!(metrics::C2st { fixed: vec![], ..found }, alone);
    let null = |sets: &[&[f64]], dimension| c2st_null(sets, dimension, &quick(), &|_| ()).unwrap();
    assert_eq!(null(&[&c, &d], 2), null(&[&a, &b], 1));

    let config = MmdConfig::default();
    let (found, alone) =
        (mmd(&c, &d, 2, &config, &|_| ()).unwrap(), mmd(&a, &b, 1, &config, &|_| ()).unwrap());
    assert_eq!(found.fixed, fixed);
    assert_eq!(metrics::Mmd { fixed: vec![], ..found }, alone);

    let found = mahalanobis_check(&[0.3, 0.7], &c).unwrap();
    let alone = mahalanobis_check(&[0.3], &a).unwrap();
    assert_eq!((found.distance, found.p_value), (alone.distance, alone.p_value));
    assert_eq!(found.deviations, [alone.deviations[0], 0.0]);
    assert_eq!(found.fixed, fixed);
}

#[test]
fn a_median_distance_of_discrete_features_is_that_of_different_points() {
    // nine of ten points at zero, so that most pairs coincide
    let points =
        |one: f64| -> Vec<f64> { (0..50).map(|i| if i % 10 == 0 { one } else { 0.0 }).collect() };
    let config = MmdConfig { standardise: false, ..MmdConfig::default() };
    let found = mmd(&points(3.0), &points(3.0), 1, &config, &|_| ()).unwrap();
    assert_eq!(found.bandwidth, 3.0);
    assert!(found.p_value().unwrap().value > 0.5);
}
