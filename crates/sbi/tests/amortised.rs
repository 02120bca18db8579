//! Estimators for every observation at once, against posteriors in closed form.

use std::ops::ControlFlow;

use burn::tensor::Device;
use ndarray::{Array2, Axis};
use rand_distr::{Distribution, StandardNormal};
use sbi::prior::{Marginal, Prior};
use sbi::simulations::{Policy, Simulations, simulate};
use sbi::{
    Coordinates, Error, Estimator, Family, FitProgress, Fitting, FmpeSettings, NleSettings,
    NpeSettings, NreSettings, RatioLoss, Sampling, fmpe, nle, npe, nre, simulator,
};

/// Two parameters with standard normal priors, observed with noise 1/2 and correlated gain.
fn simulations(count: u64) -> (Prior, Simulations) {
    let normal = Marginal::Normal { mean: 1.0, sd: 2.0 };
    let prior = Prior::new([("a", normal.clone()), ("b", normal)]).unwrap();
    let simulator = simulator::from_fn(2, 2, |theta, rng| {
        let noise: [f64; 2] = [StandardNormal.sample(rng), StandardNormal.sample(rng)];
        vec![theta[0] + 0.5 * theta[1] + 0.5 * noise[0], theta[1] + noise[1]]
    });
    let progress = |_| ControlFlow::Continue(());
    let set = simulate(&simulator, &prior, 0..count, 3, Policy::default(), &progress).unwrap();
    (prior, set)
}

/// Mean and covariance of the posterior given `x`.
fn exact(x: [f64; 2]) -> ([f64; 2], [f64; 3]) {
    // precision: I / 4 + A' N^-1 A with A = [[1, 1/2], [0, 1]], N = diag(1/4, 1)
    let (a, b, d) = (0.25 + 4.0, 2.0, 0.25 + 1.0 + 1.0);
    let right = [0.25 + 4.0 * x[0], 0.25 + 2.0 * x[0] + x[1]];
    let determinant = a * d - b * b;
    let covariance = [d / determinant, -b / determinant, a / determinant];
    let mean = [
        covariance[0] * right[0] + covariance[1] * right[1],
        covariance[1] * right[0] + covariance[2] * right[1],
    ];
    (mean, covariance)
}

fn moments(theta: &Array2<f64>) -> ([f64; 2], [f64; 3]) {
    let n = theta.nrows() as f64;
    let mean = [0, 1].map(|i| theta.column(i).sum() / n);
    let product = |i: usize, j: usize| {
        theta.rows().into_iter().map(|row| (row[i] - mean[i]) * (row[j] - mean[j])).sum::<f64>() / n
    };
    (mean, [product(0, 0), product(0, 1), product(1, 1)])
}

fn fit(run: impl FnOnce(&mut Fitting<'_>) -> sbi::Result<Estimator>) -> Estimator {
    let mut observer = |_: &FitProgress| ControlFlow::Continue(());
    let device = Device::flex();
    run(&mut Fitting { device: &device, checkpoints: None, observer: &mut observer }).unwrap()
}

fn compare(estimator: &Estimator, tolerance: f64) {
    for x in [[0.0, 0.0], [3.0, 2.0], [-2.0, 1.5]] {
        let draws = estimator.posterior(&x).unwrap().sample(4000, 1).unwrap();
        let (mean, covariance) = moments(&draws.theta);
        let (expected, spread) = exact(x);
        for i in 0..2 {
            let sd = spread[2 * i].sqrt();
            assert!((mean[i] - expected[i]).abs() < tolerance * sd, "{mean:?} {expected:?}");
            let ratio = covariance[2 * i].sqrt() / sd;
            assert!((ratio - 1.0).abs() < tolerance, "{covariance:?} {spread:?}");
        }
    }
}

#[test]
fn posterior_estimation() {
    let (prior, set) = simulations(4000);
    for coordinates in [Coordinates::Normal, Coordinates::Natural] {
        for family in [Family::Affine, Family::AutoregressiveSpline] {
            let mut settings = NpeSettings { coordinates, ..NpeSettings::default() };
            settings.flow.family = family;
            settings.fit.training.max_steps = 1500;
            let begin = std::time::Instant::now();
            let estimator = fit(|fitting| npe(&prior, &set, &settings, fitting));
            println!("{family:?} {:?}: {:?}", begin.elapsed(), estimator.reports()[0].best_point());
            compare(&estimator, 0.15);
            let draws = estimator.posterior(&[0.0, 0.0]).unwrap().sample(10, 1).unwrap();
            assert!(matches!(draws.sampling, Sampling::Direct { leakage: 0.0, .. }));
        }
    }
}

#[test]
fn densities_of_pairs_are_those_of_each_posterior() {
    let (prior, set) = simulations(400);
    let settings = NpeSettings {
        fit: sbi::FitSettings {
            members: 2,
            training: flows::training::TrainingSettings { max_steps: 20, ..Default::default() },
            ..Default::default()
        },
        ..NpeSettings::default()
    };
    let estimator = fit(|fitting| npe(&prior, &set, &settings, fitting));
    let few = set.first(7).unwrap();
    let all = estimator.log_prob(few.theta(), few.x()).unwrap();
    for (row, found) in all.iter().enumerate() {
        let theta = few.theta().row(row).insert_axis(ndarray::Axis(0)).to_owned();
        let posterior = estimator.posterior(&few.x().row(row).to_vec()).unwrap();
        let expected = posterior.log_prob(theta.view()).unwrap()[0];
        assert!((found - expected).abs() < 1e-4, "{row}: {found} {expected}");
    }
    let error = estimator.log_prob(few.theta(), set.x()).unwrap_err();
    assert!(error.to_string().contains("400"), "{error}");
}

#[test]
fn likelihood_estimation() {
    let (prior, set) = simulations(4000);
    for (family, tolerance) in [(Family::Affine, 0.15), (Family::AutoregressiveSpline, 0.35)] {
        let mut settings = NleSettings::default();
        settings.flow.family = family;
        settings.fit.training.max_steps = 1500;
        let begin = std::time::Instant::now();
        let estimator = fit(|fitting| nle(&prior, &set, &settings, fitting));
        println!("{family:?} {:?}: {:?}", begin.elapsed(), estimator.reports()[0].best_point());
        let begin = std::time::Instant::now();
        compare(&estimator, tolerance);
        println!("sampling {:?}", begin.elapsed());
        let posterior = estimator.posterior(&[0.0, 0.0]).unwrap();
        let draws = posterior.sample(1000, 1).unwrap();
        println!("{:?}", draws.sampling);
        assert_eq!(draws, posterior.sample(1000, 1).unwrap());
        let Sampling::Chains { stuck, effective, r_hat, divergences, .. } = draws.sampling else {
            panic!("a likelihood does not sample by itself")
        };
        assert!(stuck.is_empty() && effective > 1000.0 && r_hat < 1.1, "{effective} {r_hat}");
        assert!(divergences < 10, "{divergences}");
    }
}

#[test]
fn ratio_estimation() {
    let (prior, set) = simulations(4000);
    for loss in [RatioLoss::NreB, RatioLoss::default()] {
        let mut settings = NreSettings { loss, ..NreSettings::default() };
        settings.ratio.activation = flows::Activation::Silu;
        settings.fit.training.max_steps = 4000;
        let begin = std::time::Instant::now();
        let estimator = fit(|fitting| nre(&prior, &set, &settings, fitting));
        println!("{loss:?} {:?}: {:?}", begin.elapsed(), estimator.reports()[0].best_point());
        compare(&estimator, 0.25);
    }
}

/// The square of a parameter is seen: both signs are as likely.
#[test]
fn ratios_have_two_modes() {
    let prior = Prior::new([("a", Marginal::Uniform { lower: -2.0, upper: 2.0 })]).unwrap();
    let simulator = simulator::from_fn(1, 1, |theta, rng| {
        let noise: f64 = StandardNormal.sample(rng);
        vec![theta[0] * theta[0] + 0.2 * noise]
    });
    let progress = |_| ControlFlow::Continue(());
    let set = simulate(&simulator, &prior, 0..4000, 5, Policy::default(), &progress).unwrap();
    let mut settings = NreSettings::default();
    settings.fit.training.max_steps = 3000;
    let estimator = fit(|fitting| nre(&prior, &set, &settings, fitting));
    let posterior = estimator.posterior(&[1.0]).unwrap();
    let draws = posterior.sample(3000, 1).unwrap().theta;
    // the exact posterior by quadrature
    let nodes = Array2::from_shape_fn((4001, 1), |(row, _)| -2.0 + 1e-3 * row as f64);
    let weights: Vec<f64> =
        nodes.iter().map(|a| (-0.5 * ((a * a - 1.0) / 0.2).powi(2)).exp()).collect();
    let total: f64 = weights.iter().sum();
    let expected: f64 = nodes.iter().zip(&weights).map(|(a, w)| a.abs() * w).sum::<f64>() / total;
    let found = draws.iter().map(|a| a.abs()).sum::<f64>() / 3000.0;
    let positive = draws.iter().filter(|a| **a > 0.0).count();
    println!("{found} {expected} {positive}");
    assert!((found - expected).abs() < 0.02, "{found} {expected}");
    assert!((1200..1800).contains(&positive), "{positive}");
    // contrastive ratios are normalised
    let log_prob = posterior.log_prob(nodes.view()).unwrap();
    let integral = log_prob.iter().map(|value| value.exp() * 1e-3).sum::<f64>();
    assert!((integral - 1.0).abs() < 0.1, "{integral}");
}

/// Stopped within the second member of an ensemble, and repeated: the same file.
#[test]
fn a_stopped_training_continues_to_the_same_bits() {
    let (prior, set) = simulations(400);
    let mut settings = NpeSettings::default();
    settings.flow.family = Family::Affine;
    settings.fit.members = 2;
    settings.fit.training.batch = 50;
    settings.fit.training.max_steps = 60;
    let (device, folder) = (Device::flex(), tempfile::tempdir().unwrap());
    let (whole, again) = (folder.path().join("whole"), folder.path().join("again"));
    fit(|fitting| npe(&prior, &set, &settings, fitting)).save(&whole).unwrap();

    let mut steps = 0;
    let mut stop = |_: &FitProgress| {
        steps += 1;
        if steps == 95 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let checkpoints = Some(folder.path());
    let mut fitting = Fitting { device: &device, checkpoints, observer: &mut stop };
    let error = npe(&prior, &set, &settings, &mut fitting).unwrap_err();
    assert!(matches!(error, Error::Network(flows::Error::Stopped { step: 35 })), "{error}");
    let mut seen = Vec::new();
    let mut watch = |progress: &FitProgress| {
        seen.push((progress.member, progress.training.step));
        ControlFlow::Continue(())
    };
    let mut fitting = Fitting { device: &device, checkpoints, observer: &mut watch };
    npe(&prior, &set, &settings, &mut fitting).unwrap().save(&again).unwrap();
    assert_eq!(seen.first(), Some(&(1, 36)), "nothing is done twice");
    assert_eq!(std::fs::read(whole).unwrap(), std::fs::read(again).unwrap());

    // the checkpoints of other simulations are not taken for one's own
    let mut quiet = |_: &FitProgress| ControlFlow::Continue(());
    let mut fitting = Fitting { device: &device, checkpoints, observer: &mut quiet };
    let fewer = set.first(399).unwrap();
    assert!(npe(&prior, &fewer, &settings, &mut fitting).is_err());
    // nor those of as many other ones, neither those of another loss
    let mut theta = set.theta().to_owned();
    theta.column_mut(0).mapv_inplace(|x| -x);
    let other = Simulations::new(theta, set.x().to_owned(), None).unwrap();
    let mut fitting = Fitting { device: &device, checkpoints, observer: &mut quiet };
    let error = npe(&prior, &other, &settings, &mut fitting).unwrap_err().to_string();
    assert!(error.contains("other settings, data, loss"), "{error}");
}

/// Draws, densities and their integral agree with the closed form and with each other.
#[test]
fn flow_matching() {
    let (prior, set) = simulations(4000);
    let mut settings = FmpeSettings::default();
    settings.field.hidden = vec![64, 64, 64];
    settings.fit.training.max_steps = 1500;
    let estimator = fit(|fitting| fmpe(&prior, &set, &settings, fitting));
    compare(&estimator, 0.15);

    let x = [3.0, 2.0];
    let posterior = estimator.posterior(&x).unwrap();
    let (mean, [aa, ab, bb]) = exact(x);
    // a grid of half widths of 6 standard deviations, with moments by the trapezoidal rule
    let nodes = 49;
    let at = |i: usize, k: usize| {
        let sd = [aa, bb][i].sqrt();
        mean[i] + sd * 12.0 * (k as f64 / (nodes - 1) as f64 - 0.5)
    };
    let grid = Array2::from_shape_fn((nodes * nodes, 2), |(row, i)| {
        at(i, if i == 0 { row / nodes } else { row % nodes })
    });
    let cell = (at(0, 1) - at(0, 0)) * (at(1, 1) - at(1, 0));
    let log_prob = posterior.log_prob(grid.view()).unwrap();
    let weights: Vec<f64> = log_prob.iter().map(|value| value.exp() * cell).collect();
    let total: f64 = weights.iter().sum();
    assert!((total - 1.0).abs() < 0.01, "{total}");

    let draws = posterior.sample(4000, 2).unwrap().theta;
    let (found, spread) = moments(&draws);
    for i in 0..2 {
        let of = |f: &dyn Fn(f64) -> f64| {
            grid.column(i).iter().zip(&weights).map(|(value, weight)| weight * f(*value)).sum()
        };
        let centre: f64 = of(&|value| value);
        let variance: f64 = of(&|value| (value - centre).powi(2));
        let sd = variance.sqrt();
        assert!((found[i] - centre).abs() < 0.06 * sd, "{found:?} {centre}");
        assert!((spread[2 * i].sqrt() / sd - 1.0).abs() < 0.04, "{spread:?} {variance}");
    }

    // expected log density under the truth: at most that of the truth, by little
    let determinant = aa * bb - ab * ab;
    let entropy = 1.0 + (2.0 * std::f64::consts::PI).ln() + 0.5 * determinant.ln();
    let own = -mean_of(&posterior.log_prob(draws.view()).unwrap());
    assert!((own - entropy).abs() < 0.12, "{own} {entropy}");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fmpe.safetensors");
    estimator.save(&path).unwrap();
    let loaded = Estimator::load(&path, &Device::flex()).unwrap();
    let again = loaded.posterior(&x).unwrap();
    assert_eq!(again.sample(5, 3).unwrap(), posterior.sample(5, 3).unwrap());
    let few = grid.view().split_at(Axis(0), 9).0;
    assert_eq!(again.log_prob(few).unwrap(), posterior.log_prob(few).unwrap());
}

fn mean_of(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[test]
fn flow_matching_within_a_box() {
    // uniform on [0, 1], seen with noise 0.2: the posterior is a normal density cut at 0
    let prior = Prior::new([("a", Marginal::Uniform { lower: 0.0, upper: 1.0 })]).unwrap();
    let simulator = simulator::from_fn(1, 1, |theta, rng| {
        let noise: f64 = StandardNormal.sample(rng);
        vec![theta[0] + 0.2 * noise]
    });
    let progress = |_| ControlFlow::Continue(());
    let set = simulate(&simulator, &prior, 0..4000, 5, Policy::default(), &progress).unwrap();
    let cut = Marginal::TruncatedNormal { mean: 0.0, sd: 0.2, lower: Some(0.0), upper: Some(1.0) };
    for coordinates in [Coordinates::Normal, Coordinates::Natural] {
        let mut settings = FmpeSettings { coordinates, ..FmpeSettings::default() };
        settings.field.hidden = vec![64, 64];
        settings.field.tolerance = 1e-3;
        settings.fit.members = 2;
        settings.fit.training.max_steps = 1000;
        let estimator = fit(|fitting| fmpe(&prior, &set, &settings, fitting));
        let draws = estimator.posterior(&[0.0]).unwrap().sample(3000, 1).unwrap();
        let Sampling::Direct { leakage, proposed } = draws.sampling else {
            panic!("a velocity samples by itself")
        };
        let mut values: Vec<f64> = draws.theta.iter().copied().collect();
        values.sort_by(f64::total_cmp);
        // without coordinates that know the edge, what leaks is missing near it
        let tolerance = match coordinates {
            Coordinates::Normal => {
                assert_eq!((leakage, proposed), (0.0, 3000));
                0.06
            }
            Coordinates::Natural => {
                assert!((0.01..0.5).contains(&leakage), "{leakage}");
                0.2
            }
        };
        for level in [0.25, 0.5, 0.75, 0.9] {
            let found = values[(level * 3000.0) as usize];
            assert!((cut.cdf(found) - level).abs() < tolerance, "{coordinates:?} {level} {found}");
        }
    }
}
