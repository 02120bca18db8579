//! Against numpyro's densities and gradients, and what a file may hold.

use std::path::Path;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

use full_field::{DIM, Prior};
use lognormal_sim::read_npy;

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", chain(cause)),
        None => error.to_string(),
    }
}

fn prior() -> Prior {
    Prior::load("lsst_y10").expect("the embedded prior is valid")
}

fn reference(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference").join(name)
}

#[test]
fn densities_are_numpyros() -> Result<()> {
    let (shape, thetas) = read_npy(&reference("theta.npy"))?;
    let (expected_shape, expected) = read_npy(&reference("log_prior_each.npy"))?;
    assert_eq!(shape, expected_shape);
    let prior = prior();
    for (theta, expected) in thetas.chunks(DIM).zip(expected.chunks(DIM)) {
        for ((parameter, &x), &expected) in
            prior.distribution().parameters().iter().zip(theta).zip(expected)
        {
            let found = parameter.marginal.log_density(x);
            assert!((found - expected).abs() < 1e-13, "{}: {found} {expected}", parameter.name);
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
    assert!(draws.iter().all(|theta| prior.distribution().contains(theta)));
}

#[test]
fn impossible_priors_are_named() {
    let text = include_str!("../priors/lsst_y10.toml");
    for (from, to, expected) in [
        ("sd = 0.2", "sd = -0.2", "omega_c: sd"),
        ("lower = -2.0", "lower = 2.0", "w_0: lower"),
        ("lower = -2.0\nupper = -0.3", "lower = 30.0", "almost nothing"),
        ("name = \"h_0\"", "name = \"hubble\"", "hubble"),
        ("mean = 0.831", "mean = 0.831\nmena = 1.0", "mena"),
    ] {
        let error = Prior::from_toml(&text.replace(from, to)).expect_err(to);
        let text = chain(&error);
        assert!(text.contains(expected), "{text}");
    }
    let error = Prior::load("lsst_y11").unwrap_err();
    assert!(error.to_string().contains("lsst_y11"));
}
