//! Against numpyro's densities, finite differences, and the definition by cumulative masses.

use std::path::Path;

use anyhow::Result;
use proptest::prelude::*;

use super::*;
use crate::arrays::read_npy;

fn prior() -> Prior {
    Prior::load("lsst_y10").expect("the embedded prior is valid")
}

fn reference(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/reference").join(name)
}

#[test]
fn densities_are_numpyros() -> Result<()> {
    let (thetas, expected) =
        (read_npy(&reference("theta.npy"))?, read_npy(&reference("log_prior_each.npy"))?);
    assert_eq!(thetas.shape, expected.shape);
    for (theta, expected) in thetas.data.chunks(DIM).zip(expected.data.chunks(DIM)) {
        for ((marginal, &x), &expected) in prior().marginals.iter().zip(theta).zip(expected) {
            let found = marginal.log_density(x);
            assert!((found - expected).abs() < 1e-13, "{}: {found} {expected}", marginal.name);
        }
    }
    Ok(())
}

#[test]
fn gradients_are_numpyros() -> Result<()> {
    let rows: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(reference("log_prior_gradient.json"))?)?;
    for row in rows.as_array().expect("a list") {
        let theta: [f64; DIM] = serde_json::from_value(row["theta"].clone())?;
        let expected: [f64; DIM] = serde_json::from_value(row["grad_log_prior"].clone())?;
        for (found, expected) in prior().gradient(&theta).iter().zip(expected) {
            assert!((found - expected).abs() <= 1e-12 * expected.abs(), "{found} {expected}");
        }
    }
    Ok(())
}

#[test]
fn samples_have_the_moments_of_the_truncated_normals() {
    let prior = prior();
    let n = 20_000;
    let draws: Vec<[f64; DIM]> = (0..n).map(|i| prior.sample(3, i)).collect();
    assert_eq!(draws[7], prior.sample(3, 7), "a draw depends on nothing but seed and index");
    // Means and standard deviations of omega_c and w_0 after truncation, by quadrature.
    for (parameter, mean, sd) in [(0, 0.302_6, 0.170_5), (5, -1.110_5, 0.461_1), (2, 0.831, 0.14)] {
        let values = draws.iter().map(|draw| draw[parameter]);
        let m = values.clone().sum::<f64>() / n as f64;
        let v = values.map(|x| (x - m).powi(2)).sum::<f64>() / n as f64;
        assert!((m - mean).abs() < 4.0 * sd / (n as f64).sqrt() + 1e-4, "mean {m} of {parameter}");
        assert!((v.sqrt() / sd - 1.0).abs() < 0.03, "sd {} of {parameter}", v.sqrt());
    }
    assert!(draws.iter().all(|theta| prior.log_density(theta).is_finite()));
}

#[test]
fn outside_the_support_the_density_vanishes() {
    let prior = prior();
    let mut theta = [0.3, 0.05, 0.8, 0.7, 0.96, -1.0];
    assert!(prior.log_density(&theta).is_finite());
    theta[5] = -0.29;
    assert_eq!(prior.log_density(&theta), f64::NEG_INFINITY);
    assert!(prior.to_normal(&theta)[5].is_nan());
}

#[test]
fn impossible_priors_are_named() {
    let text = include_str!("../../../data/priors/lsst_y10.toml");
    for (from, to, expected) in [
        ("sd = 0.2", "sd = -0.2", "omega_c: sd"),
        ("lower = -2.0", "lower = 2.0", "w_0: lower"),
        ("lower = -2.0\nupper = -0.3", "lower = 30.0", "almost nothing"),
        ("name = \"h_0\"", "name = \"hubble\"", "hubble"),
        ("mean = 0.831", "mean = 0.831\nmena = 1.0", "mena"),
    ] {
        let error = Prior::from_toml(&text.replace(from, to)).expect_err(to);
        assert!(format!("{error:#}").contains(expected), "{error:#}");
    }
    let error = Prior::load("lsst_y11").unwrap_err();
    assert!(format!("{error:#}").contains("lsst_y11"));
}

fn edges() -> impl Strategy<Value = Marginal> {
    let upper = proptest::option::of(0.1..3.0);
    let lower = proptest::option::of(-3.0..-0.1);
    (-1.0..1.0, 0.3..2.0, lower, upper).prop_map(|(mean, sd, lower, upper)| Marginal {
        name: "x".into(),
        mean,
        sd,
        lower,
        upper,
    })
}

proptest! {
    #[test]
    fn coordinates_invert_and_carry_the_density(marginal in edges(), u in -8.0..8.0) {
        let (value, derivative) = marginal.at_normal(u);
        let (lower, upper) = marginal.edges();
        prop_assert!(lower <= value && value <= upper);
        // N(u; 0, 1) = p(theta) dtheta/du: in u the prior is standard normal.
        let log_normal = -0.5 * u * u - 0.5 * (2.0 * std::f64::consts::PI).ln();
        let through = marginal.log_density(value) + derivative.ln();
        prop_assert!((through - log_normal).abs() < 1e-11 * (1.0 + u * u), "{through} {log_normal}");
        // The inverse loses what rounding of theta near an edge away from zero takes.
        if u.abs() < 4.0 {
            let back = marginal.to_normal(value);
            prop_assert!((back - u).abs() < 1e-9, "{u} came back as {back}");
        }
    }

    #[test]
    fn derivatives_are_those_of_finite_differences(marginal in edges(), u in -4.0..4.0) {
        let h = 1e-4;
        let difference = (marginal.at_normal(u + h).0 - marginal.at_normal(u - h).0) / (2.0 * h);
        let (_, derivative) = marginal.at_normal(u);
        prop_assert!((difference / derivative - 1.0).abs() < 1e-6, "{difference} {derivative}");
    }

    #[test]
    fn near_a_lower_edge_at_zero_values_keep_their_precision(u in -30.0..-5.0) {
        // omega_c: mass Phi(u) Z is density times distance, to first order in the distance.
        let omega_c = &prior().marginals[0];
        let (value, derivative) = omega_c.at_normal(u);
        let edge = omega_c.mean / omega_c.sd;
        let density = (-0.5 * edge * edge).exp() / (2.0 * std::f64::consts::PI).sqrt();
        let expected = omega_c.sd * 0.5 * libm::erfc(-u / 2f64.sqrt())
            * (0.5 * libm::erfc(-edge / 2f64.sqrt())) / density;
        prop_assert!((value / expected - 1.0).abs() < 10.0 * value.max(1e-13), "{value} {expected}");
        prop_assert!(derivative > 0.0);
    }
}
