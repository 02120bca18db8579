//! What users give by mistake: each ends in an error that names it, or in the right result.

use std::ops::ControlFlow;
use std::path::Path;

use burn::tensor::Device;
use flows::WeightFile;
use ndarray::Array2;
use rand_distr::{Distribution, StandardNormal};
use sbi::prior::{Marginal, Prior};
use sbi::simulations::{OnFault, Policy, Simulations, simulate};
use sbi::simulator::{self, Simulator};
use sbi::{
    Error, Estimator, Family, FitProgress, Fitting, FmpeSettings, NleSettings, NpeSettings,
    NreSettings, Warning, fmpe, nle, npe, nre,
};

const METHODS: [&str; 4] = ["npe", "nle", "nre", "fmpe"];

fn prior() -> Prior {
    Prior::new([("a", Marginal::Normal { mean: 0.0, sd: 1.0 })]).unwrap()
}

/// A method with small networks and few steps.
fn fit(method: &str, prior: &Prior, set: &Simulations, steps: usize) -> sbi::Result<Estimator> {
    let mut observer = |_: &FitProgress| ControlFlow::Continue(());
    let device = Device::flex();
    let fitting = &mut Fitting { device: &device, checkpoints: None, observer: &mut observer };
    match method {
        "npe" => {
            let mut settings = NpeSettings::default();
            settings.flow.family = Family::Affine;
            settings.fit.training.max_steps = steps;
            npe(prior, set, &settings, fitting)
        }
        "nle" => {
            let mut settings = NleSettings::default();
            settings.fit.training.max_steps = steps;
            nle(prior, set, &settings, fitting)
        }
        "nre" => {
            let mut settings = NreSettings::default();
            settings.ratio.hidden = vec![32, 32];
            settings.fit.training.max_steps = 4 * steps;
            nre(prior, set, &settings, fitting)
        }
        _ => {
            let mut settings = FmpeSettings::default();
            settings.field.hidden = vec![32, 32];
            settings.field.tolerance = 1e-2;
            settings.fit.training.max_steps = 2 * steps;
            fmpe(prior, set, &settings, fitting)
        }
    }
}

fn simulated(
    simulator: &impl Simulator,
    prior: &Prior,
    count: u64,
    policy: Policy,
) -> sbi::Result<Simulations> {
    simulate(simulator, prior, 0..count, 3, policy, &|_| ControlFlow::Continue(()))
}

/// The parameter with noise of 1/2, three times over or so, as `extra` says.
fn noisy(
    observables: usize,
    extra: impl Fn(usize, f64, f64) -> f64 + Sync,
) -> impl Simulator<Error = std::convert::Infallible> {
    simulator::from_fn(1, observables, move |theta, rng| {
        let noise = StandardNormal.sample_iter(rng).take(observables);
        noise.enumerate().map(|(i, e): (usize, f64)| extra(i, theta[0], e)).collect()
    })
}

/// Mean and standard deviation of draws given an observation.
fn moments(estimator: &Estimator, x: &[f64]) -> (f64, f64) {
    let draws = estimator.posterior(x).unwrap().sample(1000, 1).unwrap().theta;
    (draws.mean().unwrap(), draws.std(1.0))
}

/// Given one observable with noise 1/2: mean 0.8 x, standard deviation 0.2^(1/2).
fn require_exact(estimator: &Estimator, observation: &[f64], what: &str) {
    let (mean, sd) = moments(estimator, observation);
    let expected = (0.8 * observation[0], 0.2f64.sqrt());
    println!("{what}: {mean:.3} {sd:.3}, expected {expected:.3?}");
    assert!((mean - expected.0).abs() < 0.15 && (sd / expected.1 - 1.0).abs() < 0.25, "{what}");
}

#[test]
fn simulations_that_are_not_finite() {
    let simulator = noisy(1, |_, a, e| match a {
        a if a > 1.5 => f64::NAN,
        a if a < -1.8 => f64::INFINITY,
        _ => a + 0.5 * e,
    });
    let error = simulated(&simulator, &prior(), 2000, Policy::default()).unwrap_err();
    assert!(matches!(error, Error::NonFiniteSimulation { .. }), "{error}");
    let keep = Policy { non_finite: OnFault::Keep, ..Policy::default() };
    let kept = simulated(&simulator, &prior(), 2000, keep).unwrap();
    let drop = Policy { non_finite: OnFault::Drop, ..Policy::default() };
    let dropped = simulated(&simulator, &prior(), 2000, drop).unwrap();
    assert_eq!(dropped.len() + kept.non_finite().len(), 2000);
    for method in METHODS {
        let error = fit(method, &prior(), &kept, 10).unwrap_err();
        let row = format!("row {}", kept.non_finite()[0]);
        assert!(matches!(&error, Error::NotFinite { what, .. } if what.contains(&row)), "{error}");
        let estimator = fit(method, &prior(), &dropped, 10).unwrap();
        assert_eq!(estimator.simulator_calls(), 2000, "dropped simulations cost as much");
        let error = estimator.posterior(&[f64::NAN]).unwrap_err();
        assert!(matches!(error, Error::NotFinite { index: 0, .. }), "{error}");
        let error = estimator.posterior(&[1.0, 2.0]).unwrap_err();
        assert!(matches!(error, Error::Shape { .. }), "{error}");
    }
}

#[test]
fn constant_observables() {
    let simulator = noisy(2, |i, a, e| if i == 0 { a + 0.5 * e } else { 7.0 });
    let set = simulated(&simulator, &prior(), 2000, Policy::default()).unwrap();
    for method in METHODS {
        let estimator = fit(method, &prior(), &set, 600).unwrap();
        require_exact(&estimator, &[1.0, 7.0], method);
        // a density of what does not vary does not exist
        let left_out = Warning::LeftOut { observable: 1, value: 7.0, others: 0 };
        let found = estimator.posterior(&[1.0, 7.0]).unwrap().warnings();
        assert_eq!(found.contains(&left_out), method == "nle", "{found:?}");
        let (observable, value, others) = (1, 7.5, 0);
        let contradiction = Warning::Contradiction { observable, value, expected: 7.0, others };
        let found = estimator.posterior(&[1.0, 7.5]).unwrap().warnings();
        assert_eq!(found.last(), Some(&contradiction), "{method}");
    }
    let only = simulated(&noisy(1, |_, _, _| 7.0), &prior(), 100, Policy::default()).unwrap();
    let error = fit("nle", &prior(), &only, 10).unwrap_err();
    assert!(matches!(error, Error::Constant { observables: 1 }), "{error}");
}

#[test]
fn outliers_of_a_million_standard_deviations() {
    // one simulation in 200, to either side
    let simulator = simulator::from_fn(1, 1, |theta, rng| {
        use rand::RngExt;
        let noise: f64 = StandardNormal.sample(rng);
        let outlier = if rng.random::<f64>() < 0.005 { 1e6 * noise.signum() } else { 0.0 };
        vec![theta[0] + 0.5 * noise + outlier]
    });
    let set = simulated(&simulator, &prior(), 4000, Policy::default()).unwrap();
    assert!(set.x().iter().filter(|x| x.abs() > 1e5).count() > 5);
    for method in METHODS {
        let estimator = fit(method, &prior(), &set, 1200).unwrap();
        require_exact(&estimator, &[1.0], method);
        // an outlier tells nothing: the prior
        let (mean, sd) = moments(&estimator, &[1e6]);
        println!("{method}: given an outlier {mean:.3} {sd:.3}");
        assert!(mean.is_finite() && sd.is_finite());
    }
}

#[test]
fn too_few_simulations() {
    let simulator = noisy(1, |_, a, e| a + 0.5 * e);
    for method in METHODS {
        let one = simulated(&simulator, &prior(), 1, Policy::default()).unwrap();
        let error = fit(method, &prior(), &one, 10).unwrap_err();
        assert!(matches!(error, Error::TooFew { minimum: 2, found: 1, .. }), "{method}: {error}");
        let none = Simulations::new(Array2::zeros((0, 1)), Array2::zeros((0, 1)), None).unwrap();
        let error = fit(method, &prior(), &none, 10).unwrap_err();
        assert!(matches!(error, Error::TooFew { found: 0, .. }), "{method}: {error}");
        // fewer than a batch
        for count in [2, 3, 17] {
            let few = simulated(&simulator, &prior(), count, Policy::default()).unwrap();
            let estimator = fit(method, &prior(), &few, 10).unwrap();
            let rows = &estimator.reports()[0];
            assert_eq!((rows.training_rows + rows.validation_rows) as u64, count);
            let (mean, sd) = moments(&estimator, &[0.3]);
            assert!(mean.is_finite() && sd.is_finite() && sd > 0.0, "{method}: {mean} {sd}");
        }
    }
}

#[test]
fn priors_without_width() {
    let marginals = [
        Marginal::Uniform { lower: 1.0, upper: 1.0 },
        Marginal::Normal { mean: 0.0, sd: 0.0 },
        Marginal::LogNormal { location: 0.0, scale: 0.0 },
        Marginal::TruncatedNormal { mean: 0.0, sd: 1.0, lower: Some(0.5), upper: Some(0.5) },
    ];
    for marginal in marginals {
        let error = Prior::new([("flat", marginal.clone())]).unwrap_err();
        assert!(matches!(&error, Error::Prior { parameter, .. } if parameter == "flat"), "{error}");
        let text = serde_json::json!({"parameter": [{"name": "flat", "marginal": marginal}]});
        assert!(serde_json::from_value::<Prior>(text).is_err());
    }
    // parameters outside the prior, or that never vary
    let prior = Prior::new([("a", Marginal::Uniform { lower: 0.0, upper: 1.0 })]).unwrap();
    let x = Array2::from_shape_fn((20, 1), |(row, _)| row as f64);
    for method in METHODS {
        let outside = Simulations::new(Array2::from_elem((20, 1), 2.0), x.clone(), None).unwrap();
        let error = fit(method, &prior, &outside, 10).unwrap_err();
        assert!(matches!(error, Error::NotFinite { .. }), "{method}: {error}");
        let same = Simulations::new(Array2::from_elem((20, 1), 0.5), x.clone(), None).unwrap();
        match fit(method, &prior, &same, 10) {
            Ok(estimator) => assert!(moments(&estimator, &[3.0]).0.is_finite(), "{method}"),
            Err(error) => println!("{method}: {error}"),
        }
    }
}

#[test]
fn observations_far_outside_the_simulations() {
    let prior = Prior::new([("a", Marginal::Uniform { lower: -1.0, upper: 1.0 })]).unwrap();
    let simulator = noisy(1, |_, a, e| a + 0.1 * e);
    let set = simulated(&simulator, &prior, 1000, Policy::default()).unwrap();
    for method in METHODS {
        let estimator = fit(method, &prior, &set, 300).unwrap();
        for x in [1e3, -1e12, f64::MAX] {
            let posterior = estimator.posterior(&[x]).unwrap();
            assert!(posterior.largest_deviation() > 100.0, "{method}");
            match posterior.sample(100, 1) {
                Ok(draws) => assert!(
                    draws.theta.iter().all(|a| (-1.0..=1.0).contains(a)),
                    "{method}: {draws:?}"
                ),
                Err(error) => {
                    println!("{method} at {x:e}: {error}");
                    assert!(matches!(
                        error,
                        Error::Leakage { .. }
                            | Error::NoMass { .. }
                            | Error::Unreached { .. }
                            | Error::Stuck { .. }
                            | Error::Budget { .. }
                            | Error::Transport { .. }
                            | Error::Network(_)
                    ));
                }
            }
            let at = Array2::from_elem((1, 1), 0.2);
            if let Ok(log_prob) = posterior.log_prob(at.view()) {
                assert!(!log_prob[0].is_nan(), "{method} at {x:e}");
            }
        }
    }
}

/// Rewrites an estimator's file.
fn edit(path: &Path, change: impl FnOnce(&mut WeightFile<serde_json::Value>)) {
    let mut file = WeightFile::read(path, "sbi estimator", 3).unwrap();
    change(&mut file);
    file.write(path, "sbi estimator", 3).unwrap();
}

#[test]
fn estimator_files() {
    let simulator = noisy(1, |_, a, e| a + 0.5 * e);
    let set = simulated(&simulator, &prior(), 100, Policy::default()).unwrap();
    let device = Device::flex();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for method in METHODS {
        let estimator = fit(method, &prior(), &set, 5).unwrap();
        estimator.save(&path(method)).unwrap();
        assert!(Estimator::load(&path(method), &device).is_ok());
    }
    let refused = |path: &Path, expected: &str| {
        let error = Estimator::load(path, &device).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(error.contains(&path.display().to_string()), "the file is named: {error}");
    };
    refused(&path("none"), "No such file");

    // damaged: cut, emptied, bytes changed
    let whole = std::fs::read(path("npe")).unwrap();
    let broken = path("broken");
    for length in [0, 4, 100, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&broken, &whole[..length]).unwrap();
        refused(&broken, "damaged");
    }
    let mut bytes = whole.clone();
    let last = bytes.len() - 4;
    bytes[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(&broken, &bytes).unwrap();
    refused(&broken, "NaN");
    let mut bytes = whole.clone();
    bytes[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    std::fs::write(&broken, &bytes).unwrap();
    refused(&broken, "damaged");

    // of a later version, and of another kind
    std::fs::write(&broken, &whole).unwrap();
    let file = WeightFile::<serde_json::Value>::read(&broken, "sbi estimator", 3).unwrap();
    file.write(&broken, "sbi estimator", 4).unwrap();
    refused(&broken, "schema 4");
    file.write(&broken, "flow", 1).unwrap();
    refused(&broken, "a flow, not a sbi estimator");

    // networks of several kinds, of other shapes, too few, without weights
    let ratio = WeightFile::<serde_json::Value>::read(&path("nre"), "sbi estimator", 3).unwrap();
    std::fs::write(&broken, &whole).unwrap();
    edit(&broken, |file| {
        let description = ratio.header["networks"][0].clone();
        file.header["networks"].as_array_mut().unwrap().push(description);
        for weight in ratio.weights.clone() {
            let name = weight.name.replacen("0/", "1/", 1);
            file.weights.push(flows::Weight { name, ..weight });
        }
    });
    refused(&broken, "network 1 estimates a ratio, network 0 a posterior");
    std::fs::write(&broken, &whole).unwrap();
    edit(&broken, |file| {
        let parameter = file.header["prior"]["parameter"][0].clone();
        let mut second = parameter;
        second["name"] = "b".into();
        file.header["prior"]["parameter"].as_array_mut().unwrap().push(second);
    });
    refused(&broken, "[1, 1]");
    std::fs::write(&broken, &whole).unwrap();
    edit(&broken, |file| file.header["networks"] = serde_json::json!([]));
    refused(&broken, "no network");
    std::fs::write(&broken, &whole).unwrap();
    edit(&broken, |file| {
        file.header["observables"]["constant"] = serde_json::json!([[9, 1.0]]);
    });
    refused(&broken, "other observables");
    std::fs::write(&broken, &whole).unwrap();
    edit(&broken, |file| file.header["observation"] = serde_json::json!([0.5, 1.0, 2.0]));
    refused(&broken, "another length");
    std::fs::write(&broken, &whole).unwrap();
    edit(&broken, |file| file.weights.truncate(1));
    refused(&broken, "missing");
    std::fs::write(&broken, &whole).unwrap();
    edit(&broken, |file| {
        file.header["observables"]["standardiser"]["scale"] = serde_json::json!([0.0]);
    });
    refused(&broken, "scale");
}
