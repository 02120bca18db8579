//! Posterior predictive checks and log probabilities against definitions, simulation, bad input.

mod generator;

use generator::normals;
use metrics::{
    Error, NonFinite, PValue, Replications, discrepancy_check, mahalanobis_check,
    negative_log_probability, predictive_check,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Reference {
    observed: Vec<f64>,
    mixing: Vec<f64>,
    distance: f64,
    deviations: Vec<f64>,
    p_value: f64,
}

#[test]
fn mahalanobis_agrees_with_leaving_each_point_out() {
    let text = include_str!("reference/predictive.json");
    let reference: Reference = serde_json::from_str(text).unwrap();
    let replicated: Vec<f64> = normals(21, 450)
        .chunks_exact(3)
        .flat_map(|z| {
            let rows = reference.mixing.chunks_exact(3);
            rows.map(|row| 5.0 + row.iter().zip(z).map(|(m, z)| m * z).sum::<f64>())
                .collect::<Vec<_>>()
        })
        .collect();
    let found = mahalanobis_check(&reference.observed, &replicated).unwrap();
    assert!((found.distance - reference.distance).abs() < 1e-11, "{found:?}");
    for (f, e) in found.deviations.iter().zip(&reference.deviations) {
        assert!((f - e).abs() < 1e-12, "{found:?}");
    }
    assert!((found.p_value.value - reference.p_value).abs() < 1e-14, "{found:?}");
    assert_eq!(found.replications, 150);
}

/// The distance of a replication from the others is what it would be as an observation; and an
/// observation that is astronomically far is as countable as any.
#[test]
fn replications_are_placed_among_the_others() {
    let points = normals(7, 3 * 40);
    let own = Replications::new(&points, 3).unwrap().own_distances();
    for (k, own) in own.iter().enumerate() {
        let others = [&points[..3 * k], &points[3 * k + 3..]].concat();
        let found = mahalanobis_check(&points[3 * k..3 * k + 3], &others).unwrap();
        assert!((found.distance / own - 1.0).abs() < 1e-11, "{own} {found:?}");
    }
    let far = mahalanobis_check(&[1e30, -1e30, 2e30], &points).unwrap();
    assert!((far.p_value.value - 1.0 / 41.0).abs() < 1e-15, "{far:?}");
    let other = Replications::new(&points, 3).unwrap().distance(&[0.0; 2]);
    assert!(matches!(other, Err(Error::Shape { .. })), "{other:?}");
}

#[test]
fn counts_and_ties() {
    let found = predictive_check(2.0, &[1.0, 2.0, 3.0, 4.0]).unwrap();
    let expected = |value: f64| PValue { value, error: (value * (1.0 - value) / 5.0).sqrt() };
    assert_eq!(found.upper, expected(4.0 / 5.0));
    assert_eq!(found.lower, expected(3.0 / 5.0));
    assert_eq!(found.two_sided.value, 1.0);
    assert_eq!(found.replications, 4);
    let far = predictive_check(-1.0, &[1.0; 999]).unwrap();
    assert!((far.two_sided.value - 0.002).abs() < 1e-15, "{far:?}");
    assert!((far.two_sided.error - 0.002).abs() < 1e-5, "{far:?}");
    assert_eq!(far.upper.value, 1.0);
    let zeros = predictive_check(0.0, &[-0.0, 0.0]).unwrap();
    assert_eq!((zeros.upper.value, zeros.lower.value), (1.0, 1.0));
    // The pairs matter, not the two sets.
    let pairs = discrepancy_check(&[1.0, 2.0, 3.0], &[2.0, 3.0, 1.0]).unwrap();
    assert_eq!(pairs.upper.value, 3.0 / 4.0);
}

/// An observation of the distribution of the replications has a uniform p-value, also when that is
/// not Gaussian; the Monte-Carlo error is the scatter over sets of replications.
#[test]
fn p_values_are_uniform_and_their_errors_right() {
    let (repetitions, draws) = (1000, 19);
    let mut small = [[0; 2]; 2];
    for seed in 0..repetitions {
        let values: Vec<f64> =
            normals(1000 + seed, 2 * (draws + 1)).iter().map(|z| z.exp()).collect();
        let (observed, replicated) = values.split_at(2);
        let joint = mahalanobis_check(observed, replicated).unwrap().p_value.value;
        let summary: Vec<f64> = replicated.chunks_exact(2).map(|p| p[0]).collect();
        let single = predictive_check(observed[0], &summary).unwrap().two_sided.value;
        for (small, limit) in small.iter_mut().zip([0.1, 0.5]) {
            small[0] += usize::from(joint <= limit + 1e-12);
            small[1] += usize::from(single <= limit + 1e-12);
        }
    }
    for (small, limit) in small.iter().flatten().zip([0.1_f64, 0.1, 0.5, 0.5]) {
        let rate = *small as f64 / repetitions as f64;
        let error = (limit * (1.0 - limit) / repetitions as f64).sqrt();
        assert!((rate - limit).abs() < 4.0 * error, "{rate} below {limit}");
    }

    let values: Vec<f64> = (0..500)
        .map(|seed| predictive_check(0.5, &normals(seed, 100)).unwrap().upper.value)
        .collect();
    let stated = predictive_check(0.5, &normals(1, 100)).unwrap().upper.error;
    let scatter = metrics::variance(&values).sqrt();
    assert!((stated / scatter - 1.0).abs() < 0.15, "{stated} instead of {scatter}");
    // 1 - Phi(1/2), and the one added to both counts.
    let exact = (1.0 + 100.0 * 0.308_537_5) / 101.0;
    let bias = (metrics::mean(&values) - exact) / scatter * 500_f64.sqrt();
    assert!(bias.abs() < 4.0, "{bias}");
}

#[test]
fn log_probability_has_mean_and_error() {
    let values = normals(5, 400);
    let found = negative_log_probability(&values, NonFinite::Reject).unwrap();
    assert!((found.value + metrics::mean(&values)).abs() < 1e-15);
    assert!((found.error - (metrics::variance(&values) / 400.0).sqrt()).abs() < 1e-15);
    // The entropy of a normal distribution, (1 + ln 2 pi) / 2.
    let densities: Vec<f64> =
        values.iter().map(|z| -0.5 * (z * z + (2.0 * std::f64::consts::PI).ln())).collect();
    let found = negative_log_probability(&densities, NonFinite::Reject).unwrap();
    assert!((found.value - 1.418_938_533).abs() < 4.0 * found.error, "{found:?}");
    assert!((found.error - 0.5_f64.sqrt() / 20.0).abs() < 0.01, "{found:?}");

    let broken = [1.0, f64::NAN, f64::NEG_INFINITY, f64::NEG_INFINITY, 3.0];
    let error = negative_log_probability(&broken, NonFinite::Reject).unwrap_err();
    assert_eq!(error.to_string(), "1 of 5 log probabilities are NaN, 2 infinite");
    let found = negative_log_probability(&broken, NonFinite::Exclude).unwrap();
    assert_eq!((found.value, found.error, found.count, found.excluded), (-2.0, 1.0, 2, 3));
    for values in [&[][..], &[1.0], &[1.0, f64::NAN]] {
        let error = negative_log_probability(values, NonFinite::Exclude).unwrap_err();
        assert!(matches!(error, Error::TooFew { minimum: 2, .. }), "{error}");
    }
}

#[test]
fn bad_input_is_named() {
    assert!(matches!(predictive_check(0.0, &[]), Err(Error::TooFew { .. })));
    assert!(matches!(predictive_check(f64::NAN, &[1.0]), Err(Error::NotFinite { .. })));
    let error = predictive_check(0.0, &[1.0, f64::INFINITY]).unwrap_err();
    assert_eq!(error.to_string(), "replicated value is inf at index 1");
    assert!(matches!(discrepancy_check(&[1.0], &[1.0, 2.0]), Err(Error::Shape { .. })));
    assert!(matches!(discrepancy_check(&[f64::NAN], &[1.0]), Err(Error::NotFinite { .. })));

    let good = normals(1, 20);
    assert!(matches!(mahalanobis_check(&[], &good), Err(Error::TooFew { .. })));
    assert!(matches!(mahalanobis_check(&[0.0; 3], &good), Err(Error::Shape { .. })));
    let few = mahalanobis_check(&[0.0; 5], &good);
    assert!(matches!(few, Err(Error::TooFew { minimum: 7, found: 4, .. })));
    let constant: Vec<f64> = good.iter().flat_map(|x| [*x, 2.0]).collect();
    let error = mahalanobis_check(&[0.0; 2], &constant).unwrap_err();
    assert_eq!(error, Error::Constant { what: "replicated summary 1".into(), value: 2.0 });
    let degenerate: Vec<f64> = good.iter().flat_map(|x| [*x, 1.0 - 3.0 * x]).collect();
    let error = mahalanobis_check(&[0.0; 2], &degenerate).unwrap_err();
    assert!(matches!(error, Error::Singular { index: 1, .. }), "{error}");
}
