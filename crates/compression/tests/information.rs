//! What summaries know, on models whose posteriors are known.

use std::f64::consts::{E, PI};
use std::ops::ControlFlow;

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use compression::loss::{fisher_information, gnll, gnll_outputs, imnn, mae, mse, vmim};
use compression::{
    Augmentation, Compressor, DensityFamily, FisherSource, Loss, MapShape, MapSource, Maps,
    NetworkConfig, NeuralCompressor, PerceptronConfig, SourceError, TrainingReport,
    TrainingSettings, fit, train,
};
use flows::training::Schedule;
use flows::{FlowConfig, Standardiser};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

const PIXELS: usize = 16;

/// A model of images of 4 x 4 pixels: fills them in and gives the parameters.
struct Toy<F> {
    parameters: usize,
    draw: F,
}

fn rng(index: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(17);
    rng.set_stream(index);
    rng
}

fn normal(rng: &mut ChaCha8Rng) -> f64 {
    StandardNormal.sample(rng)
}

impl<F: Fn(&mut ChaCha8Rng, &mut [f32], &mut [f64]) + Sync> MapSource for Toy<F> {
    fn shape(&self) -> MapShape {
        MapShape::square(1, 4)
    }

    fn parameters_len(&self) -> usize {
        self.parameters
    }

    fn pair(&self, index: u64, map: &mut [f32], theta: &mut [f64]) -> Result<(), SourceError> {
        (self.draw)(&mut rng(index), map, theta);
        Ok(())
    }
}

fn settings(batch: usize, steps: usize) -> TrainingSettings {
    TrainingSettings {
        batch,
        steps,
        validation: 2000,
        evaluate_every: steps / 4,
        learning_rate: 4e-3,
        schedule: Schedule::Cosine,
        ..TrainingSettings::default()
    }
}

fn learn(
    source: &dyn MapSource,
    loss: &Loss,
    settings: &TrainingSettings,
) -> (NeuralCompressor, TrainingReport) {
    let network = NetworkConfig::from(PerceptronConfig::new(vec![32, 32]));
    let observer = &mut |_: &_| ControlFlow::Continue(());
    train(source, &network, loss, settings, &Device::flex(), None, observer).unwrap()
}

/// A one-dimensional density of one layer, trained along.
fn small_vmim(summaries: usize) -> Loss {
    Loss::Vmim {
        summaries: Some(summaries),
        family: DensityFamily::Affine,
        layers: Some(1),
        hidden: Some(vec![32]),
    }
}

/// Maps and parameters that were not trained on.
fn fresh(source: &dyn MapSource, count: usize) -> (Vec<f32>, Vec<f64>) {
    let d = source.parameters_len();
    let (mut maps, mut thetas) = (vec![0.0; count * PIXELS], vec![0.0; count * d]);
    let rows = maps.chunks_exact_mut(PIXELS).zip(thetas.chunks_exact_mut(d));
    for (index, (map, theta)) in rows.enumerate() {
        source.pair((1 << 40) + index as u64, map, theta).unwrap();
    }
    (maps, thetas)
}

fn images(numbers: &[f32]) -> Maps<'_> {
    Maps::new(MapShape::square(1, 4), numbers).unwrap()
}

fn mean_of(map: &[f32]) -> f64 {
    map.iter().map(|x| f64::from(*x)).sum::<f64>() / map.len() as f64
}

/// `theta` normal, pixels normal around it with the standard deviation 2: the posterior given their
/// mean `m` is normal around 0.8 m with the variance 0.2.
fn gaussian() -> Toy<impl Fn(&mut ChaCha8Rng, &mut [f32], &mut [f64]) + Sync> {
    let draw = |rng: &mut ChaCha8Rng, map: &mut [f32], theta: &mut [f64]| {
        theta[0] = normal(rng);
        map.iter_mut().for_each(|x| *x = (theta[0] + 2.0 * normal(rng)) as f32);
    };
    Toy { parameters: 1, draw }
}

#[test]
fn a_sufficient_mean_is_found_by_squared_error() {
    let source = gaussian();
    let (compressor, report) = learn(&source, &Loss::Mse, &settings(256, 1200));
    let (maps, _) = fresh(&source, 4000);
    let summaries = compressor.compress(images(&maps)).unwrap();
    let miss = summaries.iter().zip(maps.chunks_exact(PIXELS));
    let miss = miss.map(|(t, map)| (t - 0.8 * mean_of(map)).powi(2)).sum::<f64>() / 4000.0;
    // the squared error of the summary is the posterior variance plus its distance from the mean
    assert!(miss < 0.01 * 0.2, "{miss} more than the posterior variance of 0.2");
    let validation = report.best_point().validation.unwrap();
    assert!((validation - 0.2).abs() < 0.03, "validation loss {validation}");
}

#[test]
fn the_median_is_found_by_absolute_error() {
    // ln theta is normal, pixels normal around it with the standard deviation 2: the posterior given
    // their mean m is log-normal, with the median e^(0.8 m) and the mean e^(0.8 m + 0.1)
    let draw = |rng: &mut ChaCha8Rng, map: &mut [f32], theta: &mut [f64]| {
        let logarithm = normal(rng);
        theta[0] = logarithm.exp();
        map.iter_mut().for_each(|x| *x = (logarithm + 2.0 * normal(rng)) as f32);
    };
    let source = Toy { parameters: 1, draw };
    let (maps, _) = fresh(&source, 4000);
    let mean_excess = |loss: &Loss| {
        let (compressor, _) = learn(&source, loss, &settings(256, 1200));
        let summaries = compressor.compress(images(&maps)).unwrap();
        let medians = maps.chunks_exact(PIXELS).map(|map| (0.8 * mean_of(map)).exp());
        let (found, expected): (Vec<f64>, Vec<f64>) = summaries.into_iter().zip(medians).unzip();
        found.iter().sum::<f64>() / expected.iter().sum::<f64>() - 1.0
    };
    let (median, mean) = (mean_excess(&Loss::Mae), mean_excess(&Loss::Mse));
    assert!(median.abs() < 0.03, "MAE: summaries exceed the medians by {median}");
    assert!((mean - 0.1_f64.exp_m1()).abs() < 0.03, "MSE: summaries exceed the medians by {mean}");
}

#[test]
fn mutual_information_is_found_by_vmim() {
    let source = gaussian();
    let (compressor, _) = learn(&source, &small_vmim(1), &settings(256, 1200));
    let (maps, thetas) = fresh(&source, 4000);
    let truth = thetas.iter().zip(maps.chunks_exact(PIXELS)).map(|(theta, map)| {
        -0.5 * (theta - 0.8 * mean_of(map)).powi(2) / 0.2 - 0.5 * (2.0 * PI * 0.2).ln()
    });
    let lost = lost_information(&compressor, &maps, &thetas, truth);
    let information = 0.5 * 5.0_f64.ln();
    assert!(lost < 0.01 * information, "{lost} of {information} nat are lost");
    assert!(lost > -0.01 * information, "more than there is: {lost}");
}

/// Mean of `ln p(theta | map) - ln q(theta | summary)`.
fn lost_information(
    compressor: &NeuralCompressor,
    maps: &[f32],
    thetas: &[f64],
    truth: impl Iterator<Item = f64>,
) -> f64 {
    let summaries = compressor.compress(images(maps)).unwrap();
    let known = compressor.density().unwrap().log_prob_of(thetas, &summaries).unwrap();
    truth.zip(&known).map(|(truth, known)| truth - known).sum::<f64>() / known.len() as f64
}

/// `theta` is normal around `m` with the standard deviation `e^u`, `m` standard normal and `u` uniform
/// in ±1.5; pixels of the left half are normal around `m`, those of the right half around `u`, with the
/// standard deviation 0.3. The posterior mean is `m`'s, which knows nothing of `u`.
fn scale_mixture() -> Toy<impl Fn(&mut ChaCha8Rng, &mut [f32], &mut [f64]) + Sync> {
    let draw = |rng: &mut ChaCha8Rng, map: &mut [f32], theta: &mut [f64]| {
        let (m, u): (f64, f64) = (normal(rng), rng.random_range(-1.5..1.5));
        theta[0] = m + u.exp() * normal(rng);
        for (index, x) in map.iter_mut().enumerate() {
            *x = ([m, u][index % 4 / 2] + 0.3 * normal(rng)) as f32;
        }
    };
    Toy { parameters: 1, draw }
}

/// Variance of the mean of half of its pixels.
const HALF: f64 = 0.09 / 8.0;

/// Means of the left and the right half.
fn halves(map: &[f32]) -> [f64; 2] {
    [0, 1].map(|half| {
        let own = map.iter().enumerate().filter(|(index, _)| index % 4 / 2 == half);
        own.map(|(_, x)| f64::from(*x)).sum::<f64>() / 8.0
    })
}

/// `ln p(theta | halves)` of the scale mixture by a sum over `u`, with what is known of both.
fn scale_mixture_log_density(theta: f64, left: Option<f64>, right: Option<f64>) -> f64 {
    let (mean, spread) = match left {
        Some(left) => (left / (1.0 + HALF), HALF / (1.0 + HALF)),
        None => (0.0, 1.0),
    };
    let (mut sum, mut norm) = (0.0, 0.0);
    for step in 0..600 {
        let u = -1.5 + 3.0 * (f64::from(step) + 0.5) / 600.0;
        let weight = right.map_or(1.0, |right| (-0.5 * (right - u).powi(2) / HALF).exp());
        let variance = spread + (2.0 * u).exp();
        norm += weight;
        sum += weight * (-0.5 * (theta - mean).powi(2) / variance).exp()
            / (2.0 * PI * variance).sqrt();
    }
    (sum / norm).ln()
}

#[test]
fn what_a_mean_cannot_hold_is_kept_by_vmim_and_lost_by_squared_error() {
    let source = scale_mixture();
    let settings = TrainingSettings {
        clip_norm: Some(1.0),
        augmentation: Augmentation::None,
        ..settings(256, 1600)
    };
    let tested = 4000;
    let (maps, thetas) = fresh(&source, 40_000);
    let (test_maps, test_thetas) = (&maps[..tested * PIXELS], &thetas[..tested]);
    let log_density = |known: &dyn Fn([f64; 2]) -> [Option<f64>; 2]| -> Vec<f64> {
        let rows = test_thetas.iter().zip(test_maps.chunks_exact(PIXELS));
        rows.map(|(theta, map)| {
            let [left, right] = known(halves(map));
            scale_mixture_log_density(*theta, left, right)
        })
        .collect()
    };
    let posterior = log_density(&|[left, right]| [Some(left), Some(right)]);
    let given_mean = log_density(&|[left, _]| [Some(left), None]);
    let prior = log_density(&|_| [None, None]);
    let mean_less = |other: &[f64]| {
        posterior.iter().zip(other).map(|(p, q)| p - q).sum::<f64>() / tested as f64
    };
    let (information, beyond_mean) = (mean_less(&prior), mean_less(&given_mean));
    assert!(beyond_mean > 0.2, "{beyond_mean} of {information} nat are not in the mean");

    let (vmim, _) = learn(&source, &small_vmim(2), &settings);
    let lost = lost_information(&vmim, test_maps, test_thetas, posterior.iter().copied());
    println!("VMIM loses {lost} of {information} nat, {beyond_mean} of them not in the mean");
    assert!(lost.abs() < 0.01 * information, "VMIM loses {lost} of {information} nat");

    // the summary of squared error is the posterior mean ...
    let (mse, _) = learn(&source, &Loss::Mse, &settings);
    let summaries = mse.compress(images(&maps)).unwrap();
    let miss = |(t, map): (&f64, &[f32])| (t - halves(map)[0] / (1.0 + HALF)).powi(2);
    let misses = summaries.iter().zip(maps.chunks_exact(PIXELS)).map(miss);
    let miss = misses.sum::<f64>() / summaries.len() as f64;
    assert!(miss < 0.03, "squared distance {miss} from the posterior mean");
    // ... and a density given it knows no more than the mean does
    let summaries: Vec<f32> = summaries.iter().map(|t| *t as f32).collect();
    let (test, rest) = summaries.split_at(tested);
    let vectors = |numbers| Maps::new(MapShape::vector(1), numbers).unwrap();
    let density = Loss::Vmim {
        summaries: Some(1),
        family: DensityFamily::Spline,
        layers: Some(2),
        hidden: Some(vec![32]),
    };
    let network = NetworkConfig::from(PerceptronConfig::new(vec![16]));
    let device = Device::flex();
    let (second, _) =
        fit(vectors(rest), &thetas[tested..], &network, &density, &settings, &device).unwrap();
    let again = second.compress(vectors(test)).unwrap();
    let known = second.density().unwrap().log_prob_of(test_thetas, &again).unwrap();
    let lost = mean_less(&known);
    println!("squared error loses {lost} nat");
    assert!(lost > 0.98 * beyond_mean, "squared error loses {lost} of {beyond_mean} nat");
    assert!(lost < 1.2 * beyond_mean, "it loses no more: {lost} of {beyond_mean} nat");
}

#[test]
fn gnll_finds_mean_and_covariance() {
    // the mean of the left half is normal around a + b, that of the right half around a - b / 2,
    // both with the variance 1/2: precision 1 + 2 (1 + 1), 2 (1 - 1/2); 1 + 2 (1 + 1/4)
    let draw = |rng: &mut ChaCha8Rng, map: &mut [f32], theta: &mut [f64]| {
        theta.iter_mut().for_each(|t| *t = normal(rng));
        for (index, x) in map.iter_mut().enumerate() {
            let centre = [theta[0] + theta[1], theta[0] - 0.5 * theta[1]][index % 4 / 2];
            *x = (centre + 2.0 * normal(rng)) as f32;
        }
    };
    let source = Toy { parameters: 2, draw };
    let settings = TrainingSettings { augmentation: Augmentation::None, ..settings(256, 1600) };
    let (compressor, _) = learn(&source, &Loss::gnll(), &settings);
    let (maps, _) = fresh(&source, 1000);
    let det = 5.0 * 3.5 - 1.0;
    let expected = [3.5 / det, -1.0 / det, -1.0 / det, 5.0 / det];
    let found = compressor.gaussians(images(&maps)).unwrap().unwrap();
    let summaries = compressor.compress(images(&maps)).unwrap();
    let (mut covariance, mut miss) = ([0.0; 4], 0.0);
    for ((gaussian, map), summary) in
        found.iter().zip(maps.chunks_exact(PIXELS)).zip(summaries.chunks_exact(2))
    {
        assert_eq!(gaussian.mean, summary);
        let half = |right: usize| {
            let own = map.iter().enumerate().filter(|(i, _)| i % 4 / 2 == right);
            own.map(|(_, x)| f64::from(*x)).sum::<f64>() / 8.0
        };
        let data = [2.0 * (half(0) + half(1)), 2.0 * (half(0) - 0.5 * half(1))];
        for i in 0..2 {
            let mean = expected[2 * i] * data[0] + expected[2 * i + 1] * data[1];
            miss += (mean - gaussian.mean[i]).powi(2) / 2000.0;
        }
        for (sum, value) in covariance.iter_mut().zip(&gaussian.covariance) {
            *sum += value / 1000.0;
        }
    }
    assert!(miss < 0.02 * 0.25, "squared distance {miss} from the posterior means");
    for (found, expected) in covariance.iter().zip(expected) {
        assert!((found - expected).abs() < 0.04 * 0.3, "{covariance:?}, expected {expected}");
    }
}

/// Pixels normal around 0.3 with the variance 1.5, and derivatives by both; the random numbers of a
/// pair are those of its map.
struct Normals;

impl Normals {
    fn draw(index: u64, mean: f64, variance: f64, map: &mut [f32]) {
        let mut rng = rng(index);
        map.iter_mut().for_each(|x| *x = (mean + variance.sqrt() * normal(&mut rng)) as f32);
    }
}

impl FisherSource for Normals {
    fn fiducial(&self) -> Vec<f64> {
        vec![0.3, 1.5]
    }

    fn steps(&self) -> Vec<f64> {
        vec![0.2, 0.2]
    }

    fn map(&self, index: u64, _: u64, map: &mut [f32]) -> Result<(), SourceError> {
        Self::draw(index, 0.3, 1.5, map);
        Ok(())
    }

    fn pair(
        &self,
        index: u64,
        _: u64,
        parameter: usize,
        plus: &mut [f32],
        minus: &mut [f32],
    ) -> Result<(), SourceError> {
        for (half, map) in [(0.1, plus), (-0.1, minus)] {
            let shift = [half * f64::from(parameter == 0), half * f64::from(parameter == 1)];
            Self::draw(index, 0.3 + shift[0], 1.5 + shift[1], map);
        }
        Ok(())
    }
}

impl MapSource for Normals {
    fn shape(&self) -> MapShape {
        MapShape::square(1, 4)
    }

    fn parameters_len(&self) -> usize {
        2
    }

    fn pair(&self, _: u64, _: &mut [f32], _: &mut [f64]) -> Result<(), SourceError> {
        Err("maps at the fiducial parameters only".into())
    }

    fn fisher(&self) -> Option<&dyn FisherSource> {
        Some(self)
    }
}

#[test]
fn imnn_finds_the_fisher_information() {
    let loss = Loss::Imnn { summaries: None, derivatives_every: 2, strength: 10.0, closeness: 0.1 };
    let settings = TrainingSettings { validation: 20_000, ..settings(512, 800) };
    let (_, report) = learn(&Normals, &loss, &settings);
    let found = report.fisher.unwrap();
    // n / v and n / (2 v^2)
    let (mean, variance) = (16.0 / 1.5, 16.0 / (2.0 * 1.5 * 1.5));
    let ratios = [found.fisher[0] / mean, found.fisher[3] / variance];
    assert!(ratios.iter().all(|r| (r - 1.0).abs() < 0.02), "{ratios:?} of the information");
    let size = (mean * variance).sqrt();
    assert!(found.fisher[1].abs() < 0.03 * size, "{:?}", found.fisher);
    let log_det = found.log_det().unwrap();
    assert!((log_det - (mean * variance).ln()).abs() < 0.03, "ln det F = {log_det}");
    // summaries of order one, as the loss asks for
    for (found, unit) in found.covariance.iter().zip([1.0, 0.0, 0.0, 1.0]) {
        assert!((found - unit).abs() < 0.15, "{:?}", found);
    }
}

#[test]
fn every_batch_of_a_finite_set_has_derivatives() {
    let loss = Loss::Imnn { summaries: None, derivatives_every: 8, strength: 10.0, closeness: 0.1 };
    let settings = TrainingSettings { examples: Some(64), validation: 1024, ..settings(16, 40) };
    let (_, report) = learn(&Normals, &loss, &settings);
    assert!(report.fisher.unwrap().log_det().unwrap().is_finite());
}

/// Largest difference of a gradient from central differences, relative to the largest derivative.
fn miss(outputs: &[f64], gradient: &[f64], value: impl Fn(&[f64]) -> f64) -> f64 {
    let largest = gradient.iter().fold(0.0_f64, |a, g| a.max(g.abs()));
    let differences = (0..outputs.len()).map(|at| {
        let h = 1e-5;
        let shifted = |by: f64| {
            let mut outputs = outputs.to_vec();
            outputs[at] += by;
            value(&outputs)
        };
        ((shifted(h) - shifted(-h)) / (2.0 * h) - gradient[at]).abs()
    });
    differences.fold(0.0, f64::max) / largest
}

#[test]
fn gradients_of_losses_are_those_of_differences() {
    let mut rng = rng(5);
    let mut draws = |count: usize| -> Vec<f64> { (0..count).map(|_| normal(&mut rng)).collect() };
    let targets = draws(7 * 3);
    let outputs = draws(7 * 3);
    let found = mse(&outputs, &targets, 3).unwrap();
    assert!(miss(&outputs, &found.gradient, |t| mse(t, &targets, 3).unwrap().value) < 1e-8);
    let found = mae(&outputs, &targets, 3).unwrap();
    assert!(miss(&outputs, &found.gradient, |t| mae(t, &targets, 3).unwrap().value) < 1e-8);
    let outputs = draws(7 * gnll_outputs(3));
    let value = |t: &[f64]| gnll(t, &targets, 3, 0.1).unwrap();
    assert!(miss(&outputs, &value(&outputs).gradient, |t| value(t).value) < 1e-7);

    // far from the unit covariance the weight of the distance is constant
    let outputs: Vec<f64> = draws((20 + 3 * 4) * 3).iter().map(|t| 4.0 * t).collect();
    let value = |t: &[f64]| imnn(t, 20, 3, &[0.3, 0.7], 10.0, 0.1).unwrap();
    let found = value(&outputs);
    assert!(miss(&outputs, &found.gradient, |t| value(t).value) < 1e-7);
    // and without it
    let value = |t: &[f64]| fisher_information(t, 20, 3, &[0.3, 0.7]).unwrap();
    let scaled: Vec<f64> = outputs.iter().map(|t| t * E).collect();
    let (first, second) = (value(&outputs).log_det().unwrap(), value(&scaled).log_det().unwrap());
    assert!((first - second).abs() < 1e-9, "units of summaries change the information");
}

#[test]
fn the_gradient_of_vmim_is_that_of_differences() {
    let device = Device::flex();
    let unit = Standardiser::identity;
    let scale = Standardiser::new(vec![1.0, 2.0], vec![3.0, 0.5]).unwrap();
    let config = FlowConfig { hidden: vec![16], ..FlowConfig::affine(2, 3) };
    let flow = config.init(scale, unit(3), 1, &device).unwrap();
    let same = config.init(unit(2), unit(3), 1, &device).unwrap();
    let mut rng = rng(6);
    let mut rows = |columns: usize| {
        let values: Vec<f32> = (0..4 * columns).map(|_| normal(&mut rng) as f32).collect();
        Tensor::<2>::from_data(TensorData::new(values, [4, columns]), &device)
    };
    let (summaries, parameters) = (rows(3), rows(2));
    let value = |summaries: Tensor<2>| {
        f64::from(vmim(&flow, summaries, parameters.clone()).into_scalar::<f32>())
    };
    // units of the parameters do not matter
    let standard = vmim(&same, summaries.clone(), parameters.clone()).into_scalar::<f32>();
    assert!((value(summaries.clone()) - f64::from(standard)).abs() < 1e-5);

    let tracked = summaries.clone().autodiff().require_grad();
    let loss = vmim(&flow.clone().train(), tracked.clone(), parameters.clone().autodiff());
    let gradient = tracked.grad(&loss.backward()).unwrap();
    let along = rows(3);
    let found = f64::from((gradient * along.clone()).sum().into_scalar::<f32>());
    let shifted = |h: f64| value(summaries.clone() + along.clone() * h);
    let expected = (shifted(0.03) - shifted(-0.03)) / 0.06;
    assert!(expected.abs() > 1e-3, "a derivative that tells something: {expected}");
    assert!((found - expected).abs() < 0.01 * expected.abs() + 1e-4, "{found} {expected}");
}
