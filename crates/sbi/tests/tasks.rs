//! What holds for every task: scores, observations, and posteriors that are calibrated.

use std::ops::ControlFlow;

use autodiff::assert_gradient;
use ndarray::Array2;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use sbi::Error;
use sbi::simulations::{Policy, simulate};
use sbi::tasks::two_moons_density::TwoMoonsDensity;
use sbi::tasks::{self, BernoulliGlm, BernoulliGlmRaw, Slcp, SlcpDistractors, Task};

#[test]
fn tasks_are_found_by_name_and_others_are_refused() {
    let all = tasks::all();
    assert_eq!(all.len(), 12);
    for task in &all {
        assert_eq!(tasks::find(task.name()).unwrap().name(), task.name());
        assert!(task.description().contains("arXiv:"));
        assert_eq!(task.prior().dim(), task.simulator().parameters());
    }
    let error = tasks::find("three-moons").err().unwrap();
    assert!(matches!(&error, Error::UnknownTask { known, .. } if known.len() == 12));
    let told = error.to_string();
    let some = "slcp, slcp-distractors, bernoulli-glm, bernoulli-glm-raw, sir";
    assert!(told.contains("'three-moons'") && told.contains(some), "{told}");
}

#[test]
fn observations_are_draws_of_their_seed() {
    for task in tasks::all() {
        let first = task.observation(1).unwrap();
        assert_eq!(first, task.observation(1).unwrap());
        assert_ne!(first.theta, task.observation(2).unwrap().theta);
        assert!(task.prior().contains(&first.theta));
        assert_eq!(first.x.len(), task.simulator().observables());
        assert_ne!(first.theta, task.prior().sample(1, 0), "not a simulation of a training set");
    }
}

#[test]
fn unusable_observations_are_refused() {
    for task in tasks::all() {
        let mut x = task.observation(1).unwrap().x;
        x[0] = f64::NAN;
        let error = task.reference_posterior(&x, 10, 0).unwrap_err();
        assert!(error.to_string().contains("observation[0] is NaN"), "{}: {error}", task.name());
        x.push(1.0);
        let error = task.reference_posterior(&x, 10, 0).unwrap_err();
        assert!(matches!(error, Error::Shape { .. }), "{}: {error}", task.name());
    }
    let impossible = [
        ("two-moons", vec![50.0, 50.0]),
        ("gaussian-linear-uniform", vec![50.0; 10]),
        ("gaussian-mixture", vec![50.0, 50.0]),
        ("bernoulli-glm-raw", vec![0.5; 100]),
        ("sir", vec![-1.0; 10]),
        ("lotka-volterra-latent", vec![0.0; 20]),
    ];
    for (name, x) in impossible {
        let error = tasks::find(name).unwrap().reference_posterior(&x, 10, 0).unwrap_err();
        assert!(matches!(error, Error::Reference { .. }), "{name}: {error}");
    }
}

/// The mean of the score over x at fixed theta is zero, if simulator and score belong together and
/// the support of x does not move (it does for two moons).
#[test]
fn scores_average_to_zero() {
    let n = 4000;
    for task in tasks::all() {
        if task.name() == "two-moons" {
            continue;
        }
        let theta = task.observation(3).unwrap().theta;
        let thetas = Array2::from_shape_fn((n, theta.len()), |(_, i)| theta[i]);
        let quiet = |_| ControlFlow::Continue(());
        let set =
            simulate(task.simulator(), &thetas, 0..n as u64, 1, Policy::default(), &quiet).unwrap();
        for (i, scores) in set.scores().unwrap().columns().into_iter().enumerate() {
            let mean = scores.mean().unwrap();
            let error = scores.std(1.0) / (n as f64).sqrt();
            assert!(error > 0.0, "{}: the score of parameter {i} is constant", task.name());
            assert!(mean.abs() < 5.0 * error, "{}: {i}: {mean} +- {error}", task.name());
        }
    }
}

/// For a task whose likelihood needs no more of the observables than `reduce` leaves, those of
/// `base`: with the same generator, reduced simulations are those of `base`, with the same scores;
/// the posterior given an observation is that of `base` given the reduced one.
fn require_reduction(
    task: &dyn Task,
    base: &dyn Task,
    reduce: impl Fn(&[f64]) -> sbi::Result<Vec<f64>>,
) {
    let name = task.name();
    assert_eq!(task.prior(), base.prior(), "{name}");
    assert_eq!(task.simulator().observables(), 100, "{name}");
    for seed in 0..50 {
        let (full, reduced) = (task.observation(seed).unwrap(), base.observation(seed).unwrap());
        assert_eq!(full.theta, reduced.theta, "{name}");
        assert_eq!(reduce(&full.x).unwrap(), reduced.x, "{name}");
        let scores = [task, base].map(|task| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            task.simulator().simulate(&full.theta, &mut rng).unwrap().score
        });
        assert!(scores[0].is_some() && scores[0] == scores[1], "{name}: {scores:?}");
    }
    for seed in [4, 5] {
        let x = task.observation(seed).unwrap().x;
        let (found, expected) =
            (task.reference(&x, 200, 7), base.reference(&reduce(&x).unwrap(), 200, 7));
        assert_eq!(found.unwrap(), expected.unwrap(), "{name}");
        let draws = task.reference_posterior(&x, 20, 8).unwrap();
        assert_eq!(draws, base.reference_posterior(&reduce(&x).unwrap(), 20, 8).unwrap(), "{name}");
    }
    let error = reduce(&[1.0; 99]).unwrap_err();
    assert!(matches!(error, Error::Shape { .. }), "{name}: {error}");
}

#[test]
fn observables_that_tell_nothing_more_leave_the_posterior() {
    let distractors = SlcpDistractors::new();
    require_reduction(&distractors, &Slcp::new(), |x| distractors.informative(x));
    let raw = BernoulliGlmRaw::new();
    require_reduction(&raw, &BernoulliGlm::new(), |x| raw.statistics(x));
}

#[test]
fn spikes_are_zero_or_one_and_the_first_statistic_counts_them() {
    let task = BernoulliGlmRaw::new();
    for seed in 0..20 {
        let x = task.observation(seed).unwrap().x;
        let spikes = x.iter().filter(|&&value| value == 1.0).count();
        assert_eq!(spikes + x.iter().filter(|&&value| value == 0.0).count(), 100);
        assert_eq!(task.statistics(&x).unwrap()[0], spikes as f64);
    }
}

/// The same generator at other parameters moves eight observables, always the same, and the rest
/// not at all; another seed moves all.
#[test]
fn distractors_do_not_depend_on_the_parameters() {
    let task = SlcpDistractors::new();
    let thetas = [0, 1].map(|index| task.prior().sample(1, index));
    let simulate = |theta: &[f64], seed| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        task.simulator().simulate(theta, &mut rng).unwrap().x
    };
    let moved = |a: &[f64], b: &[f64]| -> Vec<usize> {
        (0..100).filter(|&index| a[index] != b[index]).collect()
    };
    let places = moved(&simulate(&thetas[0], 0), &simulate(&thetas[1], 0));
    assert_eq!(places.len(), 8);
    assert_ne!(places, (0..8).collect::<Vec<_>>(), "the order is not random");
    for seed in 0..200 {
        let [a, b] = thetas.each_ref().map(|theta| simulate(theta, seed));
        assert!(a.iter().chain(&b).all(|value| value.is_finite()), "{a:?} {b:?}");
        assert_eq!(moved(&a, &b), places);
        assert_eq!(a, simulate(&thetas[0], seed));
        assert_eq!(moved(&a, &simulate(&thetas[0], seed + 1)).len(), 100);
    }
}

/// ln p(x | theta) of two moons from the definition: x minus its shift lies on a crescent.
fn two_moons_log_density(x: &[f64], theta: &[f64]) -> f64 {
    let root = 2f64.sqrt();
    let p = x[0] + (theta[0] + theta[1]).abs() / root - 0.25;
    let q = x[1] - (theta[1] - theta[0]) / root;
    if p < 0.0 {
        return f64::NEG_INFINITY;
    }
    let radius = (p * p + q * q).sqrt();
    -0.5 * ((radius - 0.1) / 0.01).powi(2) - radius.ln()
}

#[test]
fn two_moons_score_is_that_of_its_density() {
    let task = tasks::find("two-moons").unwrap();
    for index in 0..20 {
        let theta = task.prior().sample(4, index);
        let mut rng = ChaCha8Rng::seed_from_u64(index);
        let simulation = task.simulator().simulate(&theta, &mut rng).unwrap();
        let check = autodiff::GradientCheck {
            steps: vec![1e-4, 1e-5],
            tolerance: 1e-4,
            ..autodiff::GradientCheck::default()
        };
        let function = |theta: &[f64]| two_moons_log_density(&simulation.x, theta);
        check.run(function, &theta, &simulation.score.unwrap()).assert_passes();
    }
}

/// Moments of the posterior of two moons by quadrature on a grid over the prior, at an observation
/// whose crescents the edge of the prior cuts.
#[test]
fn two_moons_posterior_has_the_moments_of_a_grid() {
    let task = tasks::find("two-moons").unwrap();
    let x = [-0.55, 0.6];
    let cells = 1200;
    let at = |i: usize| 2.0 * (i as f64 + 0.5) / f64::from(cells as u32) - 1.0;
    let mut sums = [0.0; 6];
    for i in 0..cells {
        for j in 0..cells {
            let (a, b) = (at(i), at(j));
            let weight = two_moons_log_density(&x, &[a, b]).exp();
            let terms = [1.0, a, b, a * a, b * b, a * b];
            sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += weight * term);
        }
    }
    let n = 20_000;
    let draws = task.reference_posterior(&x, n, 3).unwrap();
    let (a, b) = (draws.column(0), draws.column(1));
    let found = [&a + 0.0, &b + 0.0, &a * &a, &b * &b, &a * &b];
    for (i, values) in found.iter().enumerate() {
        let expected = sums[i + 1] / sums[0];
        let error = values.std(1.0) / f64::from(n as u32).sqrt();
        let mean = values.mean().unwrap();
        assert!((mean - expected).abs() < 4.0 * error + 1e-4, "moment {i}: {mean} {expected}");
    }
}

#[test]
fn gaussian_posteriors_have_their_closed_moments() {
    let n = 20_000;
    let x: Vec<f64> = (0..10).map(|i| 0.25 * f64::from(i) - 1.1).collect();
    let draws = tasks::find("gaussian-linear").unwrap().reference_posterior(&x, n, 1).unwrap();
    let sd = 0.05f64.sqrt();
    for (values, x) in draws.columns().into_iter().zip(&x) {
        let shift = (values.mean().unwrap() - 0.5 * x) / sd;
        assert!(shift.abs() < 4.0 / (n as f64).sqrt(), "{shift}");
        assert!((values.std(1.0) / sd - 1.0).abs() < 0.03);
    }
    let uniform = tasks::find("gaussian-linear-uniform").unwrap();
    let draws = uniform.reference_posterior(&x, n, 1).unwrap();
    for (values, &x) in draws.columns().into_iter().zip(&x) {
        let cells = 4000;
        let at = |i: i32| 2.0 * (f64::from(i) + 0.5) / f64::from(cells) - 1.0;
        let weight = |theta: f64| (-0.5 * (x - theta).powi(2) / 0.1).exp();
        let sum = |power| (0..cells).map(|i| weight(at(i)) * at(i).powi(power)).sum::<f64>();
        let mean = sum(1) / sum(0);
        let sd = (sum(2) / sum(0) - mean * mean).sqrt();
        assert!((values.mean().unwrap() - mean).abs() < 4.0 * sd / (n as f64).sqrt());
        assert!((values.std(1.0) / sd - 1.0).abs() < 0.03);
    }
    // Near a corner of the prior, where the wide component is cut more than the narrow one.
    let x = [9.9, 0.0];
    let draws = tasks::find("gaussian-mixture").unwrap().reference_posterior(&x, n, 1).unwrap();
    let inside = |sd: f64| 0.5 * libm::erfc(-0.1 / sd / 2f64.sqrt());
    let near =
        draws.rows().into_iter().filter(|row| (row[1]).abs() < 0.3).count() as f64 / n as f64;
    let within = |sd: f64| libm::erf(0.3 / sd / 2f64.sqrt());
    let expected =
        (inside(1.0) * within(1.0) + inside(0.1) * within(0.1)) / (inside(1.0) + inside(0.1));
    assert!((near - expected).abs() < 4.0 * 0.5 / (n as f64).sqrt(), "{near} {expected}");
}

/// Ranks of the true parameters among posterior draws are uniform, if prior, simulator and
/// posterior belong together: mean and variance of the ranks, over parameters and observations.
fn require_calibration(task: &dyn Task, observations: u64, draws: usize) {
    let dim = task.prior().dim();
    let mut ranks = vec![Vec::new(); dim];
    for seed in 0..observations {
        let observation = task.observation(1000 + seed).unwrap();
        let posterior = task.reference_posterior(&observation.x, draws, seed).unwrap();
        assert_eq!(posterior.dim(), (draws, dim));
        for (i, ranks) in ranks.iter_mut().enumerate() {
            let below = posterior.column(i).iter().filter(|&&v| v < observation.theta[i]).count();
            ranks.push((below as f64 + 0.5) / (draws + 1) as f64);
        }
    }
    let n = observations as f64;
    for (i, ranks) in ranks.iter().enumerate() {
        let mean = ranks.iter().sum::<f64>() / n;
        let spread = ranks.iter().map(|rank| (rank - 0.5).powi(2)).sum::<f64>() / n;
        // A uniform rank has variance 1/12, its square distance from the middle variance 1/180.
        let (shift, excess) =
            ((mean - 0.5) * (12.0 * n).sqrt(), (spread - 1.0 / 12.0) * (180.0 * n).sqrt());
        let name = task.name();
        assert!(shift.abs() < 4.0, "{name}, parameter {i}: ranks are off by {shift} sigma");
        assert!(excess.abs() < 4.0, "{name}, parameter {i}: spread is off by {excess} sigma");
    }
}

#[test]
fn exact_posteriors_are_calibrated() {
    let names =
        ["two-moons", "gaussian-linear", "gaussian-linear-uniform", "gaussian-mixture", "slcp"];
    for name in names {
        require_calibration(tasks::find(name).unwrap().as_ref(), 1000, 100);
    }
}

#[test]
fn sampled_posteriors_are_calibrated() {
    let slow = std::env::var_os("FULLFIELD_SLOW").is_some();
    let mut cases = vec![("sir", 40), ("bernoulli-glm", 8)];
    if slow {
        cases = vec![("sir", 200), ("bernoulli-glm", 100)];
        cases.extend([("lotka-volterra", 40), ("lotka-volterra-latent", 40)]);
    } else {
        println!("few observations; FULLFIELD_SLOW=1 takes more, and lotka-volterra");
    }
    for (name, observations) in cases {
        require_calibration(tasks::find(name).unwrap().as_ref(), observations, 100);
        println!("{name}: ranks in {observations} posteriors are uniform");
    }
}

#[test]
fn two_moons_density_is_normalised_and_has_its_score() {
    let density = TwoMoonsDensity::new();
    // The support is within [0, 1]^2 up to a hundred standard deviations.
    let cells = 400;
    let cell = 1.0 / f64::from(cells);
    let at = |i: i32| (f64::from(i) + 0.5) * cell;
    let mut total = 0.0;
    for i in (0..cells).step_by(2) {
        for j in (0..cells).step_by(2) {
            total += density.log_density([at(i), at(j)]).exp() * 4.0 * cell * cell;
        }
    }
    assert!((total - 1.0).abs() < 1e-3, "{total}");
    for index in 0..20 {
        let x = density.sample(1, index);
        assert_eq!(x, density.sample(1, index));
        let score = density.score(x);
        let function = |x: &[f64]| density.log_density([x[0], x[1]]);
        let check = autodiff::GradientCheck {
            steps: vec![1e-3, 1e-4, 1e-5],
            tolerance: 1e-5,
            ..autodiff::GradientCheck::default()
        };
        check.run(function, &x, &score).assert_passes();
    }
    // Far from everything the nearest component is all there is.
    let (log, score) = density.log_density_and_score([100.0, 0.45]);
    assert!(log.is_finite() && log < -1e7 && (score[0] + 99.35 / 1e-4).abs() < 1e4, "{score:?}");
    // Means of the two half circles: x (1/2) and y (1/4 on average) before scaling.
    let n = 20_000;
    let mean = |i: usize| (0..n).map(|k| density.sample(2, k)[i]).sum::<f64>() / n as f64;
    assert!((mean(0) - (0.5 / 5.0 + 0.45)).abs() < 0.005, "{}", mean(0));
    assert!((mean(1) - (0.25 / 5.0 + 0.45)).abs() < 0.003, "{}", mean(1));
}

#[test]
fn two_moons_score_averages_to_zero() {
    let density = TwoMoonsDensity::new();
    let n = 2000;
    for i in 0..2 {
        let scores: Vec<f64> = (0..n).map(|k| density.score(density.sample(3, k))[i]).collect();
        let mean = scores.iter().sum::<f64>() / n as f64;
        let sd = (scores.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / n as f64).sqrt();
        assert!(mean.abs() < 4.0 * sd / (n as f64).sqrt(), "{mean} {sd}");
    }
    let point = density.sample(3, 0);
    assert_gradient(
        |x| density.log_density([x[0], x[1]]) * 1e-3,
        &point,
        &density.score(point).map(|s| s * 1e-3),
        1e-3,
    );
}
