//! Observables with skewed or heavy tails, without variation, and discrete ones; observations where
//! networks know nothing: the right posterior, or a warning that names the observable.

use std::ops::ControlFlow;

use burn::tensor::Device;
use flows::WeightFile;
use ndarray::Array2;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1, StandardNormal};
use sbi::prior::{Marginal, Prior};
use sbi::rounds::{Method, Rounds, RoundsSettings, SnleSettings};
use sbi::simulations::{Policy, Simulations, simulate};
use sbi::simulator::{self, Simulator};
use sbi::{
    Error, Estimator, Family, Feature, FitProgress, Fitting, NleSettings, NpeSettings, NreSettings,
    Tails, Warning, nle, npe, nre,
};

fn normal() -> Prior {
    Prior::new([("a", Marginal::Normal { mean: 0.0, sd: 1.0 })]).unwrap()
}

fn simulated(simulator: &impl Simulator, prior: &Prior, count: u64, seed: u64) -> Simulations {
    let watch = |_| ControlFlow::Continue(());
    simulate(simulator, prior, 0..count, seed, Policy::default(), &watch).unwrap()
}

/// Runs a fit whose progress nobody follows.
fn fitted(fit: impl FnOnce(&mut Fitting<'_>) -> sbi::Result<Estimator>) -> sbi::Result<Estimator> {
    let device = Device::flex();
    let mut observer = |_: &FitProgress| ControlFlow::Continue(());
    fit(&mut Fitting { device: &device, checkpoints: None, observer: &mut observer })
}

/// Likelihoods after a few steps, enough to ask for their warnings.
fn brief() -> NleSettings {
    let mut settings = NleSettings::default();
    settings.fit.training.max_steps = 5;
    settings
}

/// Exponential with the mean `exp(k theta)`.
fn exponential(k: f64) -> impl Simulator {
    simulator::from_fn(1, 1, move |theta: &[f64], rng: &mut ChaCha8Rng| {
        let unit: f64 = Exp1.sample(rng);
        vec![(k * theta[0]).exp() * unit]
    })
}

/// Posterior mean and standard deviation of the exponential's parameter, by quadrature.
fn exact(k: f64, x: f64) -> (f64, f64) {
    let points = (-8000..=10_000).map(|i| 1e-3 * f64::from(i));
    let mut sums = [0.0; 3];
    for a in points {
        let weight = (-0.5 * a * a - k * a - x * (-k * a).exp()).exp();
        for (power, sum) in sums.iter_mut().enumerate() {
            *sum += weight * a.powi(power as i32);
        }
    }
    let mean = sums[1] / sums[0];
    (mean, (sums[2] / sums[0] - mean * mean).sqrt())
}

/// Offsets of the means in standard deviations, and ratios of the standard deviations, given
/// observations up to the 99.9 % quantile of the simulations.
fn errors(estimator: &Estimator, k: f64) -> Vec<(f64, f64, f64)> {
    let largest = if k == 0.5 { 10.0 } else { 20.0 };
    let observations = [0.5, 2.0, 5.0, 10.0, 20.0].into_iter().filter(|x| *x <= largest);
    observations
        .map(|x| {
            let theta = estimator.posterior(&[x]).unwrap().sample(4000, 1).unwrap().theta;
            let (mean, sd) = exact(k, x);
            (x, (theta.mean().unwrap() - mean) / sd, theta.std(1.0) / sd)
        })
        .collect()
}

#[test]
fn likelihoods_know_the_tails_of_skewed_observables() {
    let slow = std::env::var_os("FULLFIELD_SLOW").is_some();
    let mut families = vec![Family::AutoregressiveSpline];
    let mut scales = vec![0.5];
    if slow {
        families.push(Family::Spline);
        scales.push(1.0);
    } else {
        println!("one family, one scale; FULLFIELD_SLOW=1 takes all");
    }
    for k in scales {
        let set = simulated(&exponential(k), &normal(), 3000, 7);
        for family in &families {
            let mut settings = NleSettings::default();
            settings.flow.family = *family;
            let fit = |fitting: &mut Fitting<'_>| nle(&normal(), &set, &settings, fitting);
            let estimator = fitted(fit).unwrap();
            for (x, offset, ratio) in errors(&estimator, k) {
                println!("{family:?}, k = {k}, x = {x}: {offset:+.3} sd, sd x {ratio:.3}");
                let right = offset.abs() < 0.1 && (ratio - 1.0).abs() < 0.15;
                // where hardly a simulation is the likelihood may be wrong, and says so
                let warned = match estimator.posterior(&[x]).unwrap().warnings().as_slice() {
                    [] => false,
                    [Warning::InTail { observable: 0, few: 20, .. }] => true,
                    other => panic!("{other:?}"),
                };
                let beyond = set.x().iter().filter(|other| **other >= x).count();
                assert_eq!(warned, beyond < 20, "{beyond}");
                assert!(right || warned && offset.abs() < 0.6, "{family:?} {k} {x}");
            }
        }
    }
}

#[test]
fn affine_flows_of_one_feature_say_that_they_are_normal() {
    // one parameter, two modes
    let square = simulator::from_fn(1, 1, |theta: &[f64], rng: &mut ChaCha8Rng| {
        let noise: f64 = StandardNormal.sample(rng);
        vec![theta[0] * theta[0] + 0.1 * noise]
    });
    let set = simulated(&square, &normal(), 200, 7);
    let cases = [
        (Family::Maf, true),
        (Family::Affine, true),
        (Family::AutoregressiveSpline, false),
        (Family::Spline, false),
        (Family::Smooth, false),
    ];
    for (family, expected) in cases {
        let mut posterior = NpeSettings::default();
        posterior.flow.family = family;
        posterior.fit.training.max_steps = 5;
        let estimator = fitted(|fitting| npe(&normal(), &set, &posterior, fitting)).unwrap();
        let warning = Warning::OnlyNormal { feature: Feature::Parameter };
        assert_eq!(estimator.warnings().contains(&warning), expected, "{family:?}");
        let mut likelihood = brief();
        likelihood.flow.family = family;
        let estimator = fitted(|fitting| nle(&normal(), &set, &likelihood, fitting)).unwrap();
        let warning = Warning::OnlyNormal { feature: Feature::Observable };
        assert_eq!(estimator.warnings().contains(&warning), expected, "{family:?}");
        assert!(warning.to_string().contains("choose autoregressive-spline"));
    }
}

#[test]
fn observations_where_networks_know_nothing_are_named() {
    let skewed = simulator::from_fn(1, 2, |theta: &[f64], rng: &mut ChaCha8Rng| {
        let unit: f64 = Exp1.sample(rng);
        let noise: f64 = StandardNormal.sample(rng);
        vec![theta[0] + noise, (0.5 * theta[0]).exp() * unit]
    });
    let set = simulated(&skewed, &normal(), 2000, 7);
    let largest = set.x().column(1).iter().copied().fold(0.0, f64::max);
    let warnings = |estimator: &Estimator, x: [f64; 2]| estimator.posterior(&x).unwrap().warnings();
    let outside = |found: &[Warning], value: f64| match found {
        [Warning::OutsideSimulations { observable: 1, value: own, most, .. }] => {
            (*own, *most) == (value, largest)
        }
        _ => false,
    };
    // within the simulations, but far out: outside the box in standard units, inside if Gaussianised
    let far = 0.9 * largest;
    for (tails, blind) in [(Tails::Standard, true), (Tails::Gaussian, false)] {
        let settings = NleSettings { tails, ..brief() };
        let estimator = fitted(|fitting| nle(&normal(), &set, &settings, fitting)).unwrap();
        assert_eq!(warnings(&estimator, [0.0, 0.5]), []);
        match warnings(&estimator, [0.0, far]).as_slice() {
            [Warning::OutsideBox { observable: 1, value, most, .. }] if blind => {
                assert!(*value == far && (3.0..far).contains(most), "{most}");
                assert_eq!(warnings(&estimator, [0.0, 0.99 * most]), []);
            }
            found => {
                let tail = [Warning::InTail { observable: 1, value: far, few: 20 }];
                assert!(found == tail && !blind, "{tails:?}: {found:?}");
            }
        }
        assert!(outside(&warnings(&estimator, [0.0, 3.0 * largest]), 3.0 * largest));
    }
    let mut settings = NpeSettings::default();
    settings.fit.training.max_steps = 5;
    let posterior = fitted(|fitting| npe(&normal(), &set, &settings, fitting)).unwrap();
    let mut settings = NreSettings::default();
    settings.fit.training.max_steps = 5;
    let ratio = fitted(|fitting| nre(&normal(), &set, &settings, fitting)).unwrap();
    for estimator in [posterior, ratio] {
        assert_eq!(warnings(&estimator, [0.0, far]), []);
        assert!(outside(&warnings(&estimator, [0.0, 3.0 * largest]), 3.0 * largest));
    }
}

#[test]
fn discrete_observables_of_likelihoods_are_named() {
    let prior = Prior::new([("p", Marginal::Uniform { lower: 0.0, upper: 1.0 })]).unwrap();
    // yes or no; clipped at zero; a count of many values; continuous
    let simulator = simulator::from_fn(1, 4, |theta: &[f64], rng: &mut ChaCha8Rng| {
        let noise: f64 = StandardNormal.sample(rng);
        let yes = f64::from(rng.random::<f64>() < theta[0]);
        vec![yes, noise.max(0.0), (1000.0 * theta[0]).round(), theta[0] + noise]
    });
    let set = simulated(&simulator, &prior, 1000, 7);
    let estimator = fitted(|fitting| nle(&prior, &set, &brief(), fitting)).unwrap();
    let found = estimator.warnings();
    match found.as_slice() {
        [
            Warning::Discrete { observable: 0, values: 2, share: yes, dequantised: true, .. },
            Warning::Discrete {
                observable: 1,
                common: 0.0,
                share: clipped,
                dequantised: false,
                ..
            },
        ] => assert!((yes - 0.5).abs() < 0.1 && (clipped - 0.5).abs() < 0.1, "{found:?}"),
        _ => panic!("{found:?}"),
    }
    assert!(found[0].to_string().contains("(npe, nre)"), "{}", found[0]);
    let mut settings = NpeSettings::default();
    settings.fit.training.max_steps = 5;
    let estimator = fitted(|fitting| npe(&prior, &set, &settings, fitting)).unwrap();
    assert_eq!(estimator.warnings(), [], "a posterior may depend on anything");
}

#[test]
fn likelihoods_of_yes_and_no_end_and_are_probabilities() {
    let prior = Prior::new([("p", Marginal::Uniform { lower: 0.0, upper: 1.0 })]).unwrap();
    let simulator = simulator::from_fn(1, 1, |theta: &[f64], rng: &mut ChaCha8Rng| {
        vec![f64::from(rng.random::<f64>() < theta[0])]
    });
    let set = simulated(&simulator, &prior, 2000, 7);
    let settings = NleSettings::default();
    let estimator = fitted(|fitting| nle(&prior, &set, &settings, fitting)).unwrap();
    assert_eq!(estimator.reports()[0].end, flows::training::TrainingEnd::Converged);
    let theta = estimator.posterior(&[1.0]).unwrap().sample(4000, 1).unwrap().theta;
    let (mean, sd) = (theta.mean().unwrap(), theta.std(1.0));
    println!("{mean:.3} +- {sd:.3}, expected that of Beta(2, 1), 0.667 +- 0.236");
    assert!((mean - 0.667).abs() < 0.05 && (sd / 0.236 - 1.0).abs() < 0.15);
}

/// The parameter with noise 1/2 and a count that is zero but for parameters above `edge`.
fn rare(edge: f64) -> impl Simulator {
    simulator::from_fn(1, 2, move |theta: &[f64], rng: &mut ChaCha8Rng| {
        let noise: f64 = StandardNormal.sample(rng);
        let count = if theta[0] > edge { rng.random_range(0..3) } else { 0 };
        vec![f64::from(count), theta[0] + 0.5 * noise]
    })
}

#[test]
fn a_count_that_is_zero_in_all_simulations_but_a_few_is_left_out_of_likelihoods() {
    // above 2.9: 2 in a thousand, two thirds of which are not zero
    for (edge, some) in [(9.0, false), (2.9, true)] {
        let set = simulated(&rare(edge), &normal(), 3000, 7);
        let others = set.x().column(0).iter().filter(|count| **count != 0.0).count();
        assert!((others > 0) == some && others < 10, "{others}");
        let mut settings = NleSettings::default();
        settings.fit.training.max_steps = 600;
        let estimator = fitted(|fitting| nle(&normal(), &set, &settings, fitting)).unwrap();
        let posterior = estimator.posterior(&[0.0, 0.8]).unwrap();
        let left_out = Warning::LeftOut { observable: 0, value: 0.0, others };
        assert_eq!(posterior.warnings(), [left_out]);
        let theta = posterior.sample(2000, 1).unwrap().theta;
        let (mean, sd) = (theta.mean().unwrap(), theta.std(1.0));
        println!("{others} others: {mean:.3} +- {sd:.3}, expected 0.640 +- 0.447");
        assert!((mean - 0.64).abs() < 0.1 && (sd / 0.447 - 1.0).abs() < 0.15);
        match estimator.posterior(&[2.0, 0.8]).unwrap().warnings().last() {
            Some(Warning::Contradiction { observable: 0, value: 2.0, others: own, .. }) => {
                assert_eq!(*own, others);
            }
            other => panic!("{other:?}"),
        }
        // its file says the same
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rare.safetensors");
        estimator.save(&path).unwrap();
        let loaded = Estimator::load(&path, &Device::flex()).unwrap();
        assert_eq!(loaded.warnings(), estimator.warnings());
        let at = Array2::from_elem((1, 1), 0.3);
        let height = |estimator: &Estimator| {
            estimator.posterior(&[0.0, 0.8]).unwrap().log_prob(at.view()).unwrap()
        };
        assert_eq!(height(&loaded), height(&estimator));
    }
}

#[test]
fn a_round_in_which_a_constant_observable_varies_begins_anew() {
    let mut settings = SnleSettings::default();
    settings.nle.fit.training.max_steps = 50;
    let settings = RoundsSettings::new(Method::Snle(settings));
    let mut rounds = Rounds::new(&normal(), &[0.0, 0.8], settings).unwrap();
    let seen: Vec<usize> = [9.0, -9.0, 9.0]
        .into_iter()
        .zip(0..)
        .map(|(edge, round)| {
            let set = simulated(&rare(edge), &normal(), 300, round);
            fitted(|fitting| {
                rounds.tell(set, fitting)?;
                rounds.estimator().cloned().ok_or(Error::NoScores)
            })
            .unwrap()
            .observables()
            .seen()
        })
        .collect();
    assert_eq!(seen, [1, 2, 2]);
    let found = rounds.posterior().unwrap().warnings();
    assert!(matches!(found[..], [Warning::Discrete { observable: 0, values: 3, .. }]), "{found:?}");
}

#[test]
fn estimators_of_earlier_files_keep_their_units() {
    let set = simulated(&exponential(0.5), &normal(), 500, 7);
    let settings = NleSettings { tails: Tails::Standard, ..brief() };
    let estimator = fitted(|fitting| nle(&normal(), &set, &settings, fitting)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("earlier.safetensors");
    estimator.save(&path).unwrap();
    let mut file = WeightFile::<serde_json::Value>::read(&path, "sbi estimator", 3).unwrap();
    let units = file.header["observables"].as_object_mut().unwrap();
    for later in ["left_out", "gaussian", "record"] {
        units.remove(later).unwrap();
    }
    file.write(&path, "sbi estimator", 2).unwrap();
    let loaded = Estimator::load(&path, &Device::flex()).unwrap();
    let at = Array2::from_elem((1, 1), 0.3);
    for x in [0.5, 40.0] {
        let height =
            |estimator: &Estimator| estimator.posterior(&[x]).unwrap().log_prob(at.view()).unwrap();
        assert_eq!(height(&loaded), height(&estimator));
    }
    // the range of the simulations is not known, the box is
    let found = loaded.posterior(&[40.0]).unwrap().warnings();
    assert!(matches!(found[..], [Warning::OutsideBox { observable: 0, .. }]), "{found:?}");
}
