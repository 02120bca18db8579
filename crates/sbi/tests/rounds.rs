//! Rounds near one observation, against posteriors in closed form; stopped and continued.

use std::f64::consts::{FRAC_PI_2, SQRT_2};
use std::ops::ControlFlow;

use std::time::Instant;

use burn::tensor::Device;
use ndarray::Array2;
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use sbi::prior::{Marginal, Prior};
use sbi::rounds::{
    Method, Rounds, RoundsSettings, RunPlan, SnleSettings, SnpeSettings, SnreSettings,
    TsnpeSettings,
};
use sbi::simulations::Policy;
use sbi::simulator::{self, Simulator};
use sbi::{
    Coordinates, Error, Estimator, Family, FitProgress, Fitting, NleSettings, NpeSettings,
    NreSettings, RatioLoss,
};

fn network(family: Family) -> NpeSettings {
    let mut settings = NpeSettings::default();
    settings.flow.family = family;
    settings.flow.layers = Some(3);
    settings.flow.hidden = Some(vec![32, 32]);
    settings.fit.training.batch = 100;
    settings.fit.training.learning_rate = 2e-3;
    settings.fit.training.patience = Some(15);
    settings.fit.training.max_steps = 1500;
    settings
}

fn snpe(npe: NpeSettings) -> RoundsSettings {
    RoundsSettings::new(Method::Snpe(SnpeSettings { npe, ..SnpeSettings::default() }))
}

fn tsnpe(npe: NpeSettings) -> RoundsSettings {
    RoundsSettings::new(Method::Tsnpe(TsnpeSettings {
        npe,
        draws: 4000,
        budget: 100,
        oversampling: 64,
        ..TsnpeSettings::default()
    }))
}

fn snle(npe: NpeSettings) -> RoundsSettings {
    let nle = NleSettings { flow: npe.flow, fit: npe.fit, ..NleSettings::default() };
    RoundsSettings::new(Method::Snle(SnleSettings { nle, ..SnleSettings::default() }))
}

fn snre(loss: RatioLoss) -> RoundsSettings {
    let mut nre = NreSettings { loss, ..NreSettings::default() };
    nre.ratio.activation = flows::Activation::Silu;
    nre.fit.training.max_steps = 2000;
    RoundsSettings::new(Method::Snre(SnreSettings { nre, ..SnreSettings::default() }))
}

fn plan(rounds: usize, simulations: usize) -> RunPlan {
    RunPlan { rounds, simulations, seed: 11, policy: Policy::default() }
}

/// Runs rounds that nothing stops.
fn run(rounds: &mut Rounds, simulator: &impl Simulator, plan: &RunPlan) {
    let (device, begin) = (Device::flex(), Instant::now());
    let mut observer = |_: &FitProgress| ControlFlow::Continue(());
    let mut fitting = Fitting { device: &device, checkpoints: None, observer: &mut observer };
    let watch = |_| ControlFlow::Continue(());
    rounds.run(simulator, plan, &watch, &mut fitting).unwrap();
    for (round, report) in rounds.reports().iter().enumerate() {
        let steps = report.training[0].curve.last().unwrap().step;
        println!("{round}: {steps} steps, leakage {:?}, {:?}", report.leakage, report.proposal);
    }
    println!("{:?}", begin.elapsed());
}

/// Two parameters, seen through a matrix with noise of 1/20.
fn linear() -> (Prior, impl Simulator) {
    let normal = Marginal::Normal { mean: 0.0, sd: 1.0 };
    let prior = Prior::new([("a", normal.clone()), ("b", normal)]).unwrap();
    let simulator = simulator::from_fn(2, 2, |theta, rng| {
        let noise: [f64; 2] = [StandardNormal.sample(rng), StandardNormal.sample(rng)];
        vec![theta[0] + 0.5 * theta[1] + 0.05 * noise[0], theta[1] + 0.05 * noise[1]]
    });
    (prior, simulator)
}

const LINEAR_OBSERVATION: [f64; 2] = [1.2, 0.8];

/// Kullback-Leibler divergence from the exact posterior to the normal density with the moments of
/// the draws.
fn divergence_from_exact(theta: &Array2<f64>) -> f64 {
    // precision: I + A' A / s² with A = [[1, 1/2], [0, 1]]
    let inverse = 400.0;
    let (a, b, d) = (1.0 + inverse, 0.5 * inverse, 1.0 + 1.25 * inverse);
    let [x, y] = LINEAR_OBSERVATION;
    let right = [inverse * x, inverse * (0.5 * x + y)];
    let determinant = a * d - b * b;
    let exact = [d / determinant, -b / determinant, a / determinant];
    let mean =
        [exact[0] * right[0] + exact[1] * right[1], exact[1] * right[0] + exact[2] * right[1]];
    let n = theta.nrows() as f64;
    let found = [0, 1].map(|i| theta.column(i).sum() / n);
    let product = |i: usize, j: usize| {
        let each = theta.rows().into_iter().map(|row| (row[i] - found[i]) * (row[j] - found[j]));
        each.sum::<f64>() / n
    };
    let [p, q, r] = [product(0, 0), product(0, 1), product(1, 1)];
    let volume = p * r - q * q;
    let shift = [found[0] - mean[0], found[1] - mean[1]];
    let trace = (r * exact[0] - 2.0 * q * exact[1] + p * exact[2]) / volume;
    let distance = (r * shift[0] * shift[0] - 2.0 * q * shift[0] * shift[1]
        + p * shift[1] * shift[1])
        / volume;
    0.5 * (trace + distance - 2.0 + (volume * determinant).ln())
}

#[test]
fn rounds_come_closer_than_one_round() {
    let (prior, simulator) = linear();
    // likelihoods and ratios scatter: 0.05, 0.01, 0.04 after one, two, three rounds on one processor
    let methods = [
        (snpe(network(Family::Affine)), false, 0.05),
        (tsnpe(network(Family::Affine)), false, 0.05),
        (snle(network(Family::Affine)), true, 0.1),
        (snre(RatioLoss::default()), true, 0.1),
        (snre(RatioLoss::NreB), true, 0.1),
    ];
    for (settings, close_at_once, close) in methods {
        let mut rounds = Rounds::new(&prior, &LINEAR_OBSERVATION, settings).unwrap();
        let mut after = Vec::new();
        for count in 1..=3 {
            run(&mut rounds, &simulator, &plan(count, 500));
            let draws = rounds.posterior().unwrap().sample(4000, 1).unwrap();
            after.push(divergence_from_exact(&draws.theta));
        }
        println!("{after:?}");
        // a likelihood or ratio learnt from prior draws is close already: the gain is within its noise
        if close_at_once {
            assert!(after[0] < 2.0 * close, "{after:?}");
        } else {
            assert!(after[2] < 0.7 * after[0], "{after:?}");
        }
        assert!(after[2] < close, "{after:?}");
        assert_eq!(rounds.estimator().unwrap().simulator_calls(), 1500);
        let leakage = rounds.posterior().unwrap().sample(1, 1).unwrap().sampling.leakage();
        assert_eq!(leakage, 0.0);
        require_own_observation(rounds.estimator().unwrap());
    }
}

/// What was learnt near one observation is refused for another, also from a file.
fn require_own_observation(estimator: &Estimator) {
    let file = tempfile::NamedTempFile::new().unwrap();
    estimator.save(file.path()).unwrap();
    let loaded = Estimator::load(file.path(), &Device::flex()).unwrap();
    assert_eq!(loaded.observation(), Some(LINEAR_OBSERVATION.as_slice()));
    assert!(loaded.posterior(&LINEAR_OBSERVATION).is_ok());
    let mut other = LINEAR_OBSERVATION;
    other[0] += 0.1;
    let error = loaded.posterior(&other).unwrap_err();
    assert!(matches!(error, Error::OtherObservation { index: 0, .. }), "{error}");
}

#[test]
fn the_edge_of_a_uniform_prior() {
    // uniform on [0, 1], seen with noise 0.1: a normal density cut at 0
    let prior = Prior::new([("a", Marginal::Uniform { lower: 0.0, upper: 1.0 })]).unwrap();
    let simulator = simulator::from_fn(1, 1, |theta, rng| {
        let noise: f64 = StandardNormal.sample(rng);
        vec![theta[0] + 0.1 * noise]
    });
    let exact =
        Marginal::TruncatedNormal { mean: 0.02, sd: 0.1, lower: Some(0.0), upper: Some(1.0) };
    for coordinates in [Coordinates::Normal, Coordinates::Natural] {
        let npe = NpeSettings { coordinates, ..network(Family::AutoregressiveSpline) };
        let combined = Method::Snpe(SnpeSettings {
            npe: npe.clone(),
            combined: true,
            ..SnpeSettings::default()
        });
        let mut leakages = Vec::new();
        for settings in [snpe(npe.clone()), RoundsSettings::new(combined), tsnpe(npe)] {
            let mut rounds = Rounds::new(&prior, &[0.02], settings).unwrap();
            run(&mut rounds, &simulator, &plan(3, 300));
            let draws = rounds.posterior().unwrap().sample(3000, 1).unwrap();
            let mut values: Vec<f64> = draws.theta.iter().copied().collect();
            values.sort_by(f64::total_cmp);
            assert!(values[0] >= 0.0);
            let found: Vec<f64> = [0.1, 0.25, 0.5, 0.75, 0.9]
                .map(|level| exact.cdf(values[(level * 3000.0) as usize]) - level)
                .to_vec();
            println!("{coordinates:?} {found:?}");
            let largest = found.iter().fold(0f64, |largest, value| largest.max(value.abs()));
            let leakage = rounds.reports()[2].leakage.unwrap();
            match coordinates {
                Coordinates::Normal => assert!(largest < 0.1 && leakage == 0.0, "{found:?}"),
                Coordinates::Natural => assert!(largest < 0.25 && leakage > 0.0, "{found:?}"),
            }
            leakages.push(leakage);
        }
        if coordinates == Coordinates::Natural {
            // atoms do not hold what is outside the prior; plain losses do
            assert!(leakages[1] < leakages[0] && leakages[2] < leakages[0], "{leakages:?}");
        }
    }
}

/// The two moons of the benchmark, uniform on [-1, 1]², observed at 0.
fn two_moons() -> (Prior, impl Simulator) {
    let uniform = Marginal::Uniform { lower: -1.0, upper: 1.0 };
    let prior = Prior::new([("a", uniform.clone()), ("b", uniform)]).unwrap();
    let simulator = simulator::from_fn(2, 2, |theta, rng| {
        let angle = rng.random_range(-FRAC_PI_2..FRAC_PI_2);
        let noise: f64 = StandardNormal.sample(rng);
        let radius = 0.1 + 0.01 * noise;
        vec![
            radius * angle.cos() + 0.25 - (theta[0] + theta[1]).abs() / SQRT_2,
            radius * angle.sin() + (theta[1] - theta[0]) / SQRT_2,
        ]
    });
    (prior, simulator)
}

#[test]
fn both_moons_stay() {
    let (prior, simulator) = two_moons();
    for settings in [
        snpe(network(Family::AutoregressiveSpline)),
        tsnpe(network(Family::AutoregressiveSpline)),
        snle(network(Family::AutoregressiveSpline)),
        snre(RatioLoss::default()),
    ] {
        let mut rounds = Rounds::new(&prior, &[0.0, 0.0], settings).unwrap();
        run(&mut rounds, &simulator, &plan(3, 500));
        let draws = rounds.posterior().unwrap().sample(2000, 1).unwrap().theta;
        let upper = draws.rows().into_iter().filter(|row| row[0] + row[1] > 0.0).count();
        // distance from the centre of the own crescent, whose radius is 0.1
        let mut radii: Vec<f64> = draws
            .rows()
            .into_iter()
            .map(|row| {
                let x = (row[0] + row[1]).abs() / SQRT_2 - 0.25;
                x.hypot((row[1] - row[0]) / SQRT_2)
            })
            .collect();
        radii.sort_by(f64::total_cmp);
        let quantiles = [0.1, 0.5, 0.9].map(|level| radii[(level * 2000.0) as usize]);
        println!("{upper} {quantiles:?}");
        assert!((600..1400).contains(&upper), "{upper}");
        assert!((quantiles[1] - 0.1).abs() < 0.02 && quantiles[2] < 0.2, "{quantiles:?}");
    }
}
