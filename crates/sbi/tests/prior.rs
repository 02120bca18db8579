//! Priors: densities against other codes, coordinates against their definition, and refusals.

use proptest::prelude::*;
use sbi::prior::{Marginal, Prior};

const LN_SQRT_2PI: f64 = 0.918_938_533_204_672_8;

fn marginals() -> impl Strategy<Value = Marginal> {
    let edge = |side: f64| proptest::option::of(0.1..3.0).prop_map(move |e| e.map(|e| side * e));
    prop_oneof![
        (-1.0..1.0, 0.3..2.0).prop_map(|(mean, sd)| Marginal::Normal { mean, sd }),
        (-1.0..1.0, 0.3..2.0, edge(-1.0), edge(1.0)).prop_map(|(mean, sd, lower, upper)| {
            Marginal::TruncatedNormal { mean, sd, lower, upper }
        }),
        (-3.0..3.0, 0.1..1.0).prop_map(|(location, scale)| Marginal::LogNormal { location, scale }),
        (-3.0..3.0, 0.1..5.0)
            .prop_map(|(lower, width)| Marginal::Uniform { lower, upper: lower + width }),
        (0.1..5.0).prop_map(|sd| Marginal::HalfNormal { sd }),
        (0.1..5.0).prop_map(|rate| Marginal::Exponential { rate }),
        (0.2..50.0, 0.1..5.0).prop_map(|(shape, rate)| Marginal::Gamma { shape, rate }),
        (0.2..50.0, 0.2..50.0).prop_map(|(alpha, beta)| Marginal::Beta { alpha, beta }),
    ]
}

/// Distance to the next edge, relative to the value: what rounding of the value leaves of it.
fn room(marginal: &Marginal, value: f64) -> f64 {
    let (lower, upper) = marginal.support();
    let distance = (value - lower).min(upper - value);
    if value == 0.0 { 1.0 } else { (distance / value.abs()).min(1.0) }
}

proptest! {
    #[test]
    fn in_normal_coordinates_the_prior_is_standard_normal(marginal in marginals(), u in -7.0..7.0) {
        marginal.validate("x").unwrap();
        let (value, derivative) = marginal.at_normal(u);
        let (lower, upper) = marginal.support();
        prop_assert!(lower <= value && value <= upper, "{value}");
        prop_assume!(room(&marginal, value) > 1e-8);
        // N(u; 0, 1) = p(theta) dtheta/du
        let log_normal = -0.5 * u * u - LN_SQRT_2PI;
        let through = marginal.log_density(value) + derivative.ln();
        let tolerance = 1e-11 * (1.0 + u * u) + 1e-14 / room(&marginal, value);
        prop_assert!((through - log_normal).abs() < tolerance, "{through} {log_normal}");
        let back = marginal.to_normal(value);
        let tolerance = 1e-9 + 1e-13 / room(&marginal, value);
        prop_assert!((back - u).abs() < tolerance, "{u} came back as {back}");
    }

    #[test]
    fn derivatives_are_those_of_finite_differences(marginal in marginals(), u in -4.0..4.0) {
        let h = 1e-4;
        let (value, derivative) = marginal.at_normal(u);
        prop_assume!(room(&marginal, value) > 1e-4);
        let difference = (marginal.at_normal(u + h).0 - marginal.at_normal(u - h).0) / (2.0 * h);
        prop_assert!((difference / derivative - 1.0).abs() < 1e-6, "{difference} {derivative}");
        // the density at constant distance from the edges, in units of the local scale
        let (lower, upper) = marginal.support();
        let inside = 3e-4 * (value - lower).min(upper - value);
        let h = (1e-5 * room(&marginal, value) * value.abs().max(1e-3)).min(inside);
        let difference =
            (marginal.log_density(value + h) - marginal.log_density(value - h)) / (2.0 * h);
        let gradient = marginal.gradient(value);
        let tolerance = 1e-6 * gradient.abs() + 1e-6 / derivative;
        prop_assert!((difference - gradient).abs() < tolerance, "{difference} {gradient}");
    }

    #[test]
    fn moments_are_those_of_the_definition(marginal in marginals()) {
        // Trapezoidal rule in u: exact to rounding for smooth functions of u.
        let (mut mean, mut second) = (0.0, 0.0);
        for i in -1600..=1600 {
            let u = 0.005 * f64::from(i);
            let weight = 0.005 * (-0.5 * u * u - LN_SQRT_2PI).exp();
            let value = marginal.at_normal(u).0;
            mean += weight * value;
            second += weight * value * value;
        }
        prop_assert!((marginal.mean() - mean).abs() < 1e-8 * (1.0 + mean.abs()));
        let sd = (second - mean * mean).sqrt();
        prop_assert!((marginal.sd() / sd - 1.0).abs() < 1e-6, "{} {sd}", marginal.sd());
    }
}

/// Log density, probability below, mean and standard deviation by scipy 1.17.
#[test]
fn densities_and_probabilities_are_scipys() {
    let truncated =
        Marginal::TruncatedNormal { mean: 0.2, sd: 0.5, lower: Some(0.0), upper: Some(1.5) };
    #[rustfmt::skip]
    let cases = [
        (Marginal::Normal { mean: 1.0, sd: 2.0 }, 0.3,
            [-1.6733357137646179, 0.3631693488243809, 1.0, 2.0]),
        (truncated, 0.9,
            [-0.7761778349802609, 0.8830668656994354, 0.4725174175930093, 0.3249252739477566]),
        (Marginal::LogNormal { location: -0.125, scale: 0.5 }, 0.9,
            [-0.12120225567735401, 0.5156660128834927, 1.0, 0.5329403500277882]),
        (Marginal::Uniform { lower: -3.0, upper: 1.0 }, -0.5,
            [-1.3862943611198906, 0.625, -1.0, 1.1547005383792515]),
        (Marginal::HalfNormal { sd: 0.7 }, 1.1,
            [-1.1038102862570158, 0.8839168662613449, 0.5585191925620058, 0.4219671924923608]),
        (Marginal::Exponential { rate: 2.5 }, 0.8,
            [-1.083709268125845, 0.8646647167633873, 0.4, 0.4]),
        (Marginal::Gamma { shape: 0.4, rate: 3.0 }, 0.05,
            [1.2902064618978546, 0.5060358722459368, 0.13333333333333333, 0.21081851067789195]),
        (Marginal::Gamma { shape: 120.0, rate: 2.0 }, 66.0,
            [-3.278320270158078, 0.8623881856158686, 60.0, 5.477225575051661]),
        (Marginal::Beta { alpha: 0.5, beta: 0.5 }, 0.97,
            [0.6237786665529448, 0.8891753133955407, 0.5, 0.3535533905932738]),
        (Marginal::Beta { alpha: 30.0, beta: 4.0 }, 0.8,
            [0.7061918557710705, 0.0808127257645497, 0.8823529411764706, 0.054460005868973614]),
    ];
    for (marginal, x, expected) in cases {
        let found = [marginal.log_density(x), marginal.cdf(x), marginal.mean(), marginal.sd()];
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-11, "{marginal:?}: {found} {expected}");
        }
    }
}

/// Values whose probability below them is Phi(u), from 60-digit arithmetic (mpmath).
#[test]
fn values_far_in_the_tails_keep_their_relative_precision() {
    let slim = Marginal::Gamma { shape: 0.4, rate: 1.0 };
    let wide = Marginal::Gamma { shape: 120.0, rate: 1.0 };
    let exponential = Marginal::Exponential { rate: 2.5 };
    let cases = [
        (&slim, -12.0, 9.863_567_604_178_226e-83),
        (&slim, -8.0, 7.157_733_936_406_09e-39),
        (&wide, 8.0, 229.669_742_666_326_75),
        (&wide, 12.0, 302.696_846_363_566_1),
        (&wide, 30.0, 796.388_265_154_313),
        (&exponential, -12.0, 7.105_928_448_310_716e-34),
        (&exponential, -8.0, 2.488_384_229_708_715e-16),
        (&exponential, 8.0, 14.005_374_863_965_82),
        (&exponential, 30.0, 181.728_497_582_537_28),
    ];
    for (marginal, u, expected) in cases {
        let (value, derivative) = marginal.at_normal(u);
        assert!((value / expected - 1.0).abs() < 1e-11, "{marginal:?} at {u}: {value:e}");
        assert!((marginal.to_normal(value) - u).abs() < 1e-10, "{marginal:?} at {u}");
        let log_normal = -0.5 * u * u - LN_SQRT_2PI;
        let through = marginal.log_density(value) + derivative.ln();
        assert!((through - log_normal).abs() < 1e-9, "{marginal:?} at {u}: {through}");
    }
    // A truncated normal with its edge at zero: to first order mass is density times distance.
    let marginal =
        Marginal::TruncatedNormal { mean: 0.2664, sd: 0.2, lower: Some(0.0), upper: None };
    for u in [-30.0, -12.0, -7.0] {
        let tail = 0.5 * libm::erfc(-u / 2f64.sqrt());
        let expected = tail / marginal.log_density(0.0).exp();
        let value = marginal.at_normal(u).0;
        assert!((value / expected - 1.0).abs() < 10.0 * value.max(1e-13), "{value} {expected}");
    }
}

#[test]
fn outside_the_support_the_density_vanishes() {
    let cases = [
        (Marginal::Uniform { lower: -1.0, upper: 1.0 }, [-1.000_001, 1.5]),
        (Marginal::LogNormal { location: 0.0, scale: 1.0 }, [0.0, -0.1]),
        (Marginal::Beta { alpha: 0.5, beta: 2.0 }, [0.0, 1.0]),
        (Marginal::HalfNormal { sd: 1.0 }, [-1e-9, -1.0]),
        (Marginal::Normal { mean: 0.0, sd: 1.0 }, [f64::INFINITY, f64::NAN]),
    ];
    for (marginal, outside) in cases {
        for value in outside {
            assert_eq!(marginal.log_density(value), f64::NEG_INFINITY, "{marginal:?} {value}");
            assert!(!marginal.contains(value) && marginal.to_normal(value).is_nan());
        }
    }
    let edge = Marginal::Uniform { lower: -1.0, upper: 1.0 };
    assert_eq!(edge.to_normal(-1.0), f64::NEG_INFINITY);
    assert_eq!((edge.cdf(-1.0), edge.cdf(2.0)), (0.0, 1.0));
}

#[test]
fn numbers_that_make_no_distribution_are_named() {
    let infinite = f64::INFINITY;
    let cases = [
        (Marginal::Normal { mean: f64::NAN, sd: 1.0 }, "prior of x: mean = NaN"),
        (Marginal::Normal { mean: 0.0, sd: 0.0 }, "prior of x: sd = 0,"),
        (
            Marginal::Uniform { lower: 2.0, upper: 2.0 },
            "prior of x: lower = 2, expected a number below upper = 2",
        ),
        (Marginal::Uniform { lower: -infinite, upper: 2.0 }, "lower = -inf"),
        (Marginal::Uniform { lower: -1.5e308, upper: 1.5e308 }, "finite width"),
        (Marginal::LogNormal { location: 0.0, scale: -0.5 }, "scale = -0.5"),
        (Marginal::Exponential { rate: infinite }, "rate = inf"),
        (Marginal::HalfNormal { sd: -1.0 }, "sd = -1"),
        (Marginal::Gamma { shape: 0.0, rate: 1.0 }, "shape = 0,"),
        (Marginal::Beta { alpha: 1.0, beta: f64::NAN }, "beta = NaN"),
        (
            Marginal::TruncatedNormal { mean: 0.0, sd: 1.0, lower: Some(30.0), upper: None },
            "almost nothing of the normal distribution with mean 0 and sd 1",
        ),
        (
            Marginal::TruncatedNormal { mean: 0.0, sd: 1.0, lower: Some(1.0), upper: Some(1.0) },
            "lower = 1, expected a number below upper = 1",
        ),
        (
            Marginal::TruncatedNormal { mean: 0.0, sd: 1.0, lower: None, upper: Some(f64::NAN) },
            "upper = NaN",
        ),
    ];
    for (marginal, expected) in cases {
        let message = Prior::new([("x", marginal)]).unwrap_err().to_string();
        assert!(message.contains(expected), "'{message}' does not say '{expected}'");
    }
    let unit = || Marginal::Normal { mean: 0.0, sd: 1.0 };
    let twice = Prior::new([("a", unit()), ("b", unit()), ("a", unit())]).unwrap_err();
    assert!(twice.to_string().contains("'a' occurs twice"), "{twice}");
    assert!(Prior::new([("", unit())]).unwrap_err().to_string().contains("empty name"));
    let none: [(&str, Marginal); 0] = [];
    assert!(Prior::new(none).unwrap_err().to_string().contains("no parameter"));
}

fn mixed() -> Prior {
    Prior::new([
        ("a", Marginal::LogNormal { location: -0.125, scale: 0.5 }),
        ("b", Marginal::Uniform { lower: -1.0, upper: 3.0 }),
        ("c", Marginal::Gamma { shape: 2.0, rate: 4.0 }),
    ])
    .unwrap()
}

#[test]
fn draws_have_the_moments_and_depend_on_seed_and_index_only() {
    let prior = mixed();
    let n = 20_000;
    let draws: Vec<Vec<f64>> = (0..n).map(|i| prior.sample(5, i)).collect();
    assert_eq!(draws[7], prior.sample(5, 7));
    assert_ne!(draws[7], prior.sample(6, 7));
    for (i, (mean, sd)) in prior.mean().into_iter().zip(prior.sd()).enumerate() {
        let m = draws.iter().map(|draw| draw[i]).sum::<f64>() / n as f64;
        let v = draws.iter().map(|draw| (draw[i] - m).powi(2)).sum::<f64>() / n as f64;
        assert!((m - mean).abs() < 4.0 * sd / (n as f64).sqrt(), "mean of {i}: {m} {mean}");
        assert!((v.sqrt() / sd - 1.0).abs() < 0.03, "sd of {i}: {} {sd}", v.sqrt());
    }
    assert!(draws.iter().all(|theta| prior.contains(theta)));
}

#[test]
fn a_prior_is_the_product_of_its_marginals() {
    let prior = mixed();
    assert_eq!(prior.names(), ["a", "b", "c"]);
    assert_eq!(prior.support()[1], (-1.0, 3.0));
    let theta = [0.9, 0.5, 0.3];
    let each = |f: &dyn Fn(&Marginal, f64) -> f64| -> Vec<f64> {
        prior.parameters().iter().zip(theta).map(|(p, x)| f(&p.marginal, x)).collect()
    };
    let sum: f64 = each(&|marginal, x| marginal.log_density(x)).iter().sum();
    assert!((prior.log_density(&theta) - sum).abs() < 1e-14);
    assert_eq!(prior.log_density(&[0.9, 4.0, 0.3]), f64::NEG_INFINITY);
    assert_eq!(prior.gradient(&theta), each(&|marginal, x| marginal.gradient(x)));
    let u = prior.to_normal(&theta);
    let (back, slope) = prior.at_normal(&u);
    for (back, theta) in back.iter().zip(theta) {
        assert!((back - theta).abs() < 1e-12);
    }
    let log_jacobian: f64 = slope.iter().map(|slope| slope.ln()).sum();
    assert!((prior.log_jacobian(&u) - log_jacobian).abs() < 1e-13);
}

#[test]
fn serialised_priors_come_back_and_bad_ones_are_refused() {
    let prior = mixed();
    let text = serde_json::to_string(&prior).unwrap();
    assert!(
        text.contains(r#"{"name":"a","marginal":{"log_normal":{"location":-0.125,"scale":0.5}}}"#)
    );
    assert_eq!(serde_json::from_str::<Prior>(&text).unwrap(), prior);
    for (from, to, expected) in [
        ("\"scale\":0.5", "\"scale\":-0.5", "prior of a: scale = -0.5"),
        ("\"scale\"", "\"scala\"", "scala"),
        ("\"name\":\"b\"", "\"name\":\"a\"", "'a' occurs twice"),
        ("log_normal", "lognormal", "lognormal"),
    ] {
        let error = serde_json::from_str::<Prior>(&text.replace(from, to)).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}
