//! Draws by chains against the density that they are drawn from, and their cost.

use std::ops::ControlFlow;
use std::time::Instant;

use burn::tensor::Device;
use ndarray::Array2;
use rand_distr::{Distribution, StandardNormal};
use sbi::prior::{Marginal, Prior};
use sbi::simulations::{Policy, simulate};
use sbi::{
    Coordinates, Error, Estimator, Family, FitProgress, Fitting, MapSettings, NleSettings,
    NpeSettings, NreSettings, Posterior, SampleProgress, SampleSettings, SampleStage, Sampling,
    nle, npe, nre, simulator,
};

fn fit(
    prior: &Prior,
    simulator: &impl simulator::Simulator,
    count: u64,
    family: Family,
    steps: usize,
) -> Estimator {
    let progress = |_| ControlFlow::Continue(());
    let set = simulate(simulator, prior, 0..count, 3, Policy::default(), &progress).unwrap();
    let mut settings = NleSettings::default();
    settings.flow.family = family;
    settings.fit.training.max_steps = steps;
    let mut observer = |_: &FitProgress| ControlFlow::Continue(());
    let device = Device::flex();
    let mut fitting = Fitting { device: &device, checkpoints: None, observer: &mut observer };
    nle(prior, &set, &settings, &mut fitting).unwrap()
}

/// Two moons: a half circle of radius 0.1, shifted by |a + b| and a - b: two modes.
fn two_moons(steps: usize) -> Estimator {
    let uniform = Marginal::Uniform { lower: -1.0, upper: 1.0 };
    let prior = Prior::new([("a", uniform.clone()), ("b", uniform)]).unwrap();
    let simulator = simulator::from_fn(2, 2, |theta, rng| {
        use rand::RngExt;
        let angle = std::f64::consts::PI * (rng.random::<f64>() - 0.5);
        let noise: f64 = StandardNormal.sample(rng);
        let radius = 0.1 + 0.01 * noise;
        let root = std::f64::consts::FRAC_1_SQRT_2;
        vec![
            radius * angle.cos() + 0.25 - root * (theta[0] + theta[1]).abs(),
            radius * angle.sin() + root * (theta[1] - theta[0]),
        ]
    });
    fit(&prior, &simulator, 4000, Family::AutoregressiveSpline, steps)
}

/// Weights of the cells of a grid over `[-1, 1]²`, with their centres.
fn quadrature(posterior: &Posterior<'_>, cells: usize) -> (Array2<f64>, Vec<f64>) {
    let centre = |i: usize| -1.0 + (2.0 * i as f64 + 1.0) / cells as f64;
    let centres = Array2::from_shape_fn((cells * cells, 2), |(row, column)| {
        centre(if column == 0 { row / cells } else { row % cells })
    });
    let log_prob = posterior.log_prob(centres.view()).unwrap();
    let largest = log_prob.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = log_prob.iter().map(|value| (value - largest).exp()).collect();
    let sum: f64 = weights.iter().sum();
    (centres, weights.iter().map(|weight| weight / sum).collect())
}

#[test]
fn two_narrow_modes_are_drawn_in_their_proportions() {
    let estimator = two_moons(1500);
    let posterior = estimator.posterior(&[0.0, 0.0]).unwrap();
    let begin = Instant::now();
    let draws = posterior.sample(10_000, 5).unwrap();
    println!("10 000 draws of two moons: {:?}, {:?}", begin.elapsed(), draws.sampling);
    let (centres, weights) = quadrature(&posterior, 400);
    // the modes lie on either side of a + b = 0
    type Feature = fn(f64, f64) -> f64;
    let features: [(&str, Feature, f64); 6] = [
        // chains do not cross: the share is that of the population they start from, whose standard
        // deviation over ten seeds is 0.04
        ("share of one mode", |a, b| f64::from(u8::from(a + b > 0.0)), 0.12),
        ("mean |a + b|", |a, b| (a + b).abs(), 0.01),
        ("mean a - b", |a, b| a - b, 0.01),
        ("mean (a + b)²", |a, b| (a + b).powi(2), 0.01),
        ("mean (a - b)²", |a, b| (a - b).powi(2), 0.002),
        ("tail", |a, b| f64::from(u8::from((a - b).abs() > 0.1)), 0.03),
    ];
    for (name, feature, tolerance) in features {
        let rows = draws.theta.rows();
        let found = rows.into_iter().map(|r| feature(r[0], r[1])).sum::<f64>() / 10_000.0;
        let cells = centres.rows().into_iter().zip(&weights);
        let expected: f64 = cells.map(|(c, weight)| weight * feature(c[0], c[1])).sum();
        println!("{name}: {found:.4}, expected {expected:.4}");
        assert!((found - expected).abs() < tolerance, "{name}: {found}, expected {expected}");
    }
}

#[test]
fn ten_parameters() {
    let dim = 10;
    let normal = Marginal::Normal { mean: 0.0, sd: 0.1f64.sqrt() };
    let prior = Prior::new((0..dim).map(|i| (format!("p{i}"), normal.clone()))).unwrap();
    let simulator = simulator::from_fn(dim, dim, |theta, rng| {
        let noise: Vec<f64> = StandardNormal.sample_iter(rng).take(theta.len()).collect();
        theta.iter().zip(noise).map(|(t, e)| t + 0.1f64.sqrt() * e).collect()
    });
    let estimator = fit(&prior, &simulator, 2000, Family::AutoregressiveSpline, 300);
    let x: Vec<f64> = (0..dim).map(|i| 0.3 * (i as f64).cos()).collect();
    let posterior = estimator.posterior(&x).unwrap();
    let begin = Instant::now();
    let draws = posterior.sample(1000, 5).unwrap();
    println!("1000 draws of 10 parameters: {:?}, {:?}", begin.elapsed(), draws.sampling);
    let Sampling::Chains { effective, r_hat, .. } = draws.sampling else { unreachable!() };
    assert!(effective > 500.0 && r_hat < 1.1, "{effective} {r_hat}");
    // mean x / 2 and variance 0.05, up to what 2000 simulations teach
    for (column, x) in draws.theta.columns().into_iter().zip(&x) {
        let (mean, sd) = (column.mean().unwrap(), column.std(1.0));
        assert!(
            (mean - 0.5 * x).abs() < 0.15 && (sd / 0.05f64.sqrt() - 1.0).abs() < 0.3,
            "{mean} {sd}"
        );
    }
}

#[test]
fn sampling_stops_when_asked_or_spent() {
    let normal = Marginal::Normal { mean: 0.0, sd: 1.0 };
    let prior = Prior::new([("a", normal)]).unwrap();
    let simulator = simulator::from_fn(1, 1, |theta, rng| {
        let noise: f64 = StandardNormal.sample(rng);
        vec![theta[0] + noise]
    });
    let estimator = fit(&prior, &simulator, 300, Family::AutoregressiveSpline, 50);
    let posterior = estimator.posterior(&[0.5]).unwrap();
    let small =
        SampleSettings { chains: Some(8), prior_draws: 200, points: 100, ..Default::default() };
    let goes_on = &mut |_: &SampleProgress| ControlFlow::Continue(());

    let mut seen = Vec::new();
    let mut watch = |progress: &SampleProgress| {
        seen.push(*progress);
        ControlFlow::Continue(())
    };
    posterior.sample_with(20, 1, &small, &mut watch).unwrap();
    assert_eq!(seen[0].stage, SampleStage::Start);
    let last = seen.last().unwrap();
    assert!(matches!(last.stage, SampleStage::Chains { batches } if batches > 60), "{last:?}");
    assert!(last.total == Some(8 * 60) && last.done > 400, "{last:?}");

    for limit in [2, 100] {
        let mut calls = 0;
        let mut stop = |_: &SampleProgress| {
            calls += 1;
            if calls == limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let error = posterior.sample_with(1000, 1, &small, &mut stop).unwrap_err();
        assert!(matches!(error, Error::Stopped { .. }), "{error}");
    }
    let spent = SampleSettings { max_batches: 70, ..small.clone() };
    let error = posterior.sample_with(1000, 1, &spent, goes_on).unwrap_err();
    assert!(matches!(error, Error::Budget { batches: 70, done: 1.., .. }), "{error}");
    let error = SampleSettings { chains: Some(0), ..small.clone() };
    let error = posterior.sample_with(10, 1, &error, goes_on).unwrap_err();
    assert!(matches!(error, Error::Setting { field: "chains", .. }), "{error}");

    for count in [0, 1, 7, 9] {
        let draws = posterior.sample_with(count, 1, &small, goes_on).unwrap();
        assert_eq!(draws.theta.dim(), (count, 1));
        assert!(matches!(draws.sampling, Sampling::Chains { chains: 8, .. }));
    }
}

/// A log-normal parameter, its logarithm seen with noise: posterior and its maximum in closed form.
#[test]
fn the_maximum_is_that_of_the_parameters() {
    let (spread, noise) = (0.8f64, 0.5f64);
    let marginal = Marginal::LogNormal { location: 0.0, scale: spread };
    let prior = Prior::new([("a", marginal.clone()), ("b", marginal)]).unwrap();
    let simulator = simulator::from_fn(2, 2, |theta, rng| {
        let noises: [f64; 2] = [StandardNormal.sample(rng), StandardNormal.sample(rng)];
        vec![theta[0].ln() + noise * noises[0], theta[1].ln() + noise * noises[1]]
    });
    let progress = |_| ControlFlow::Continue(());
    let set = simulate(&simulator, &prior, 0..4000, 3, Policy::default(), &progress).unwrap();
    let device = Device::flex();
    let mut observer = |_: &FitProgress| ControlFlow::Continue(());
    let mut fitting = Fitting { device: &device, checkpoints: None, observer: &mut observer };
    let mut estimators = Vec::new();
    for coordinates in [Coordinates::Normal, Coordinates::Natural] {
        let mut settings = NpeSettings { coordinates, ..NpeSettings::default() };
        if coordinates == Coordinates::Normal {
            settings.flow.family = Family::Affine;
        }
        settings.fit.training.max_steps = 1200;
        estimators.push(("npe", npe(&prior, &set, &settings, &mut fitting).unwrap()));
    }
    let mut settings = NleSettings::default();
    settings.flow.family = Family::Affine;
    settings.fit.training.max_steps = 1200;
    estimators.push(("nle", nle(&prior, &set, &settings, &mut fitting).unwrap()));
    let mut settings = NreSettings::default();
    settings.ratio.activation = flows::Activation::Silu;
    settings.fit.training.max_steps = 3000;
    estimators.push(("nre", nre(&prior, &set, &settings, &mut fitting).unwrap()));

    let x = [0.6, -0.4];
    let variance = 1.0 / (1.0 / spread.powi(2) + 1.0 / noise.powi(2));
    for (name, estimator) in &estimators {
        let posterior = estimator.posterior(&x).unwrap();
        let begin = Instant::now();
        let maximum = posterior.map(1).unwrap();
        println!("{name} {:?}: {maximum:?}", begin.elapsed());
        assert_eq!(maximum, posterior.map(1).unwrap());
        for (found, x) in maximum.theta.iter().zip(x) {
            // of ln theta the posterior is normal; the density of theta peaks a variance below
            let expected = x * variance / noise.powi(2) - variance;
            let off = (found.ln() - expected) / variance.sqrt();
            assert!(off.abs() < 0.35, "{name}: {found}, {off} sd from {}", expected.exp());
        }
        // no draw is higher, nor any point around
        let draws = posterior.sample(2000, 7).unwrap().theta;
        let highest = posterior.log_prob(draws.view()).unwrap().into_iter().fold(-1e9, f64::max);
        assert!(maximum.log_prob > highest - 1e-3, "{name}: {highest} {maximum:?}");
        let around = Array2::from_shape_fn((400, 2), |(row, column)| {
            let angle = row as f64 * 2.4;
            let by = if column == 0 { angle.cos() } else { angle.sin() };
            maximum.theta[column] * (1.0 + 0.1 * by * (row as f64 / 400.0))
        });
        let highest = posterior.log_prob(around.view()).unwrap().into_iter().fold(-1e9, f64::max);
        assert!(maximum.log_prob > highest - 1e-3, "{name}: {highest} {maximum:?}");
        assert!(maximum.at_edge.is_empty());
    }
    // given up, stopped, and impossible settings
    let posterior = estimators[0].1.posterior(&x).unwrap();
    let goes_on = &mut |_: &SampleProgress| ControlFlow::Continue(());
    let few = MapSettings { max_evaluations: 1, ..MapSettings::default() };
    let error = posterior.map_with(1, &few, goes_on).unwrap_err();
    assert!(matches!(error, Error::Maximum { evaluations: 1.., .. }), "{error}");
    let mut stop = |progress: &SampleProgress| match progress.stage {
        SampleStage::Maximum => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    let error = posterior.map_with(1, &MapSettings::default(), &mut stop).unwrap_err();
    assert!(matches!(error, Error::Stopped { .. }), "{error}");
    let none = MapSettings { climbs: 0, ..MapSettings::default() };
    let error = posterior.map_with(1, &none, goes_on).unwrap_err();
    assert!(matches!(error, Error::Setting { field: "climbs", .. }), "{error}");
}

#[test]
fn the_maximum_of_two_moons_is_on_a_moon() {
    let estimator = two_moons(1500);
    let posterior = estimator.posterior(&[0.0, 0.0]).unwrap();
    let begin = Instant::now();
    let maximum = posterior.map(3).unwrap();
    println!("{:?}: {maximum:?}", begin.elapsed());
    // the crescents have radius 0.1 around |a + b| = 0.25 sqrt(2), a = b
    let root = std::f64::consts::FRAC_1_SQRT_2;
    let (a, b) = (maximum.theta[0], maximum.theta[1]);
    let radius = (root * (a + b).abs() - 0.25).hypot(root * (b - a));
    assert!((radius - 0.1).abs() < 0.03, "{radius}");
    let (centres, _) = quadrature(&posterior, 400);
    let highest = posterior.log_prob(centres.view()).unwrap().into_iter().fold(-1e9, f64::max);
    assert!(maximum.log_prob > highest - 0.05, "{highest} {maximum:?}");
}

/// A density that rises towards an edge of the prior.
#[test]
fn a_maximum_at_an_edge_is_told() {
    let uniform = Marginal::Uniform { lower: 0.0, upper: 1.0 };
    let prior = Prior::new([("a", uniform)]).unwrap();
    let simulator = simulator::from_fn(1, 1, |theta, rng| {
        let noise: f64 = StandardNormal.sample(rng);
        vec![theta[0] + 0.3 * noise]
    });
    let estimator = fit(&prior, &simulator, 2000, Family::Affine, 600);
    let maximum = estimator.posterior(&[1.4]).unwrap().map(1).unwrap();
    println!("{maximum:?}");
    assert!(maximum.theta[0] > 0.95 && maximum.theta[0] <= 1.0, "{maximum:?}");
    assert_eq!(maximum.at_edge, [0]);
    let inside = estimator.posterior(&[0.5]).unwrap().map(1).unwrap();
    assert!((inside.theta[0] - 0.5).abs() < 0.1 && inside.at_edge.is_empty(), "{inside:?}");
}
