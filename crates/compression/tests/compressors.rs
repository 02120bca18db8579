//! Networks, files, trainings that are continued, bad input, spectra and scores.

use std::ops::ControlFlow;
use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Distribution as Random, Tensor, TensorData};
use compression::{
    Augmentation, BatchNorm, Chain, Compressor, Error, FisherSource, Loss, MapShape, MapSource,
    Maps, NetworkConfig, NeuralCompressor, NonFinite, Normalisation, PerceptronConfig,
    ResNetConfig, ScoreCompressor, SourceError, SpectraConfig, SpectrumCompressor, SpectrumConfig,
    SummarySource, TrainingReport, TrainingSettings, fit, train,
};
use flows::{Weight, WeightFile, named_weights};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

const SHAPE: MapShape = MapShape { bins: 2, height: 6, width: 5 };

fn rng(seed: u64, index: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(index);
    rng
}

/// Maps of the usual shape.
fn of(numbers: &[f32]) -> Maps<'_> {
    Maps::new(SHAPE, numbers).unwrap()
}

fn normal(rng: &mut ChaCha8Rng) -> f64 {
    StandardNormal.sample(rng)
}

/// The first bin is theta everywhere; noise of its own in each pass. Some maps may be NaN.
struct Toy {
    bad: Option<u64>,
}

impl MapSource for Toy {
    fn shape(&self) -> MapShape {
        SHAPE
    }

    fn parameters_len(&self) -> usize {
        1
    }

    fn pair(&self, index: u64, map: &mut [f32], theta: &mut [f64]) -> Result<(), SourceError> {
        theta[0] = rng(3, index).random_range(-1.0..1.0);
        map.fill(0.0);
        map[..SHAPE.pixels()].fill(theta[0] as f32);
        if self.bad == Some(index) {
            map[7] = f32::NAN;
        }
        Ok(())
    }

    fn renoise(&self, index: u64, epoch: u64, map: &mut [f32]) -> Result<(), SourceError> {
        let mut rng = rng(1000 + epoch, index);
        map.iter_mut().for_each(|x| *x += normal(&mut rng) as f32);
        Ok(())
    }
}

fn settings() -> TrainingSettings {
    TrainingSettings {
        batch: 8,
        examples: Some(40),
        validation: 12,
        steps: 24,
        evaluate_every: 6,
        learning_rate: 3e-3,
        augmentation: Augmentation::FlipsAndTurns,
        seed: 5,
        ..TrainingSettings::default()
    }
}

fn network() -> NetworkConfig {
    ResNetConfig::narrow(3).into()
}

fn run(
    loss: &Loss,
    settings: &TrainingSettings,
    checkpoint: Option<&Path>,
    stop: Option<usize>,
) -> compression::Result<(NeuralCompressor, TrainingReport)> {
    let mut steps = 0;
    let observer = &mut |_: &_| {
        steps += 1;
        if stop == Some(steps) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let source = Toy { bad: None };
    train(&source, &network(), loss, settings, &Device::flex(), checkpoint, observer)
}

fn maps(count: usize) -> Vec<f32> {
    let mut rng = rng(77, 0);
    (0..count * SHAPE.numbers()).map(|_| normal(&mut rng) as f32).collect()
}

#[test]
fn networks_have_the_known_sizes() {
    let device = Device::flex();
    // torchvision 0.17: 11 689 512 and 21 797 672 weights, of them 513 000 in the last layer
    for (config, expected) in
        [(ResNetConfig::resnet18(), 11_176_512), (ResNetConfig::resnet34(), 21_284_672)]
    {
        let network =
            NetworkConfig::from(config).init(MapShape::square(3, 32), 4, 1, &device).unwrap();
        assert_eq!(network.weights_len().unwrap(), expected + 4 * 513);
    }
    let config = NetworkConfig::from(ResNetConfig::resnet18());
    for (bins, side, rows) in [(5, 64, 2), (3, 50, 1), (1, 1, 2)] {
        let network = config.init(MapShape::square(bins, side), 6, 1, &device).unwrap();
        let maps = Tensor::random([rows, bins, side, side], Random::Default, &device);
        let outputs = network.forward(maps);
        assert_eq!(outputs.dims(), [rows, 6]);
        assert!(!outputs.contains_nan().into_scalar::<bool>());
    }
}

/// Images `[channel][y][x]` of the sides `height` and `width`.
struct Images {
    numbers: Vec<f64>,
    height: usize,
    width: usize,
}

/// A convolution with bias and zeros beyond the edges, as it is defined.
fn convolved(images: &Images, weight: &Weight, bias: &Weight, stride: usize) -> Images {
    let [outputs, inputs, kernel] = [weight.shape[0], weight.shape[1], weight.shape[2]];
    let (height, width) = ((images.height - 1) / stride + 1, (images.width - 1) / stride + 1);
    let mut numbers = Vec::new();
    for output in 0..outputs {
        for at in 0..height * width {
            let (y, x) = (at / width * stride, at % width * stride);
            let mut sum = f64::from(bias.values[output]);
            for term in 0..inputs * kernel * kernel {
                let (input, place) = (term / (kernel * kernel), term % (kernel * kernel));
                let (y, x) = (y + place / kernel, x + place % kernel);
                let (Some(y), Some(x)) = (y.checked_sub(kernel / 2), x.checked_sub(kernel / 2))
                else {
                    continue;
                };
                if y < images.height && x < images.width {
                    let pixel = images.numbers[(input * images.height + y) * images.width + x];
                    let weight = weight.values[output * inputs * kernel * kernel + term];
                    sum += pixel * f64::from(weight);
                }
            }
            numbers.push(sum);
        }
    }
    Images { numbers, height, width }
}

/// The narrow network without normalisation, as it is defined.
fn reference(weights: &[Weight], map: &[f64]) -> Vec<f64> {
    let find = |name: String| {
        let found = weights.iter().find(|weight| weight.name.ends_with(&name));
        found.unwrap_or_else(|| panic!("no {name}"))
    };
    let layer = |images: &Images, name: &str, stride| {
        let (weight, bias) = (find(format!("{name}.weight")), find(format!("{name}.bias")));
        convolved(images, weight, bias, stride)
    };
    let relu = |mut images: Images| {
        images.numbers.iter_mut().for_each(|x| *x = x.max(0.0));
        images
    };
    let map = Images { numbers: map.to_vec(), height: SHAPE.height, width: SHAPE.width };
    let mut images = relu(layer(&map, "stem", 1));
    for block in 0..3 {
        let stride = if block > 0 { 2 } else { 1 };
        let first = relu(layer(&images, &format!("blocks.{block}.first"), stride));
        let mut sum = layer(&first, &format!("blocks.{block}.second"), 1);
        let outer = match block {
            0 => images,
            _ => layer(&images, &format!("blocks.{block}.shortcut"), stride),
        };
        sum.numbers.iter_mut().zip(&outer.numbers).for_each(|(sum, x)| *sum += x);
        images = relu(sum);
    }
    let pixels = images.height * images.width;
    let means = images.numbers.chunks_exact(pixels).map(|image| image.iter().sum::<f64>());
    let means: Vec<f64> = means.map(|sum| sum / pixels as f64).collect();
    let (weight, bias) = (find("head.layers.0.weight".into()), find("head.layers.0.bias".into()));
    let outputs = 0..bias.values.len();
    let output = |at: usize| {
        let terms = means.iter().enumerate();
        let width = bias.values.len();
        let sum: f64 = terms.map(|(i, x)| x * f64::from(weight.values[i * width + at])).sum();
        sum + f64::from(bias.values[at])
    };
    outputs.map(output).collect()
}

#[test]
fn networks_and_their_gradients_are_as_defined() {
    let device = Device::flex();
    let config = ResNetConfig { normalisation: Normalisation::None, ..ResNetConfig::narrow(3) };
    let network = NetworkConfig::from(config).init(SHAPE, 2, 4, &device).unwrap();
    let weights = named_weights(&network).unwrap();
    let input = maps(3);
    let data = TensorData::new(input.clone(), [3, SHAPE.bins, SHAPE.height, SHAPE.width]);
    let tracked = Tensor::<4>::from_data(data, &device).autodiff().require_grad();
    let outputs = network.train().forward(tracked.clone());
    let gradient = tracked.grad(&outputs.clone().sum().backward()).unwrap();
    let gradient = gradient.try_into_vec_as::<f32>().unwrap();
    let outputs = outputs.inner().try_into_vec_as::<f32>().unwrap();
    let direction = self::maps(4).split_off(SHAPE.numbers());
    for row in 0..3 {
        let own = |all: &[f32]| -> Vec<f64> {
            let all = &all[row * SHAPE.numbers()..(row + 1) * SHAPE.numbers()];
            all.iter().map(|x| f64::from(*x)).collect()
        };
        let (map, along, gradient) = (own(&input), own(&direction), own(&gradient));
        let expected = reference(&weights, &map);
        for (found, expected) in outputs[2 * row..].iter().zip(&expected) {
            let size = 1e-5 * (1.0 + expected.abs());
            assert!((f64::from(*found) - expected).abs() < size, "{found} {expected}");
        }
        let shifted = |h: f64| {
            let map: Vec<f64> = map.iter().zip(&along).map(|(x, d)| x + h * d).collect();
            reference(&weights, &map).iter().sum::<f64>()
        };
        let expected = (shifted(1e-7) - shifted(-1e-7)) / 2e-7;
        let found: f64 = gradient.iter().zip(&along).map(|(g, d)| g * d).sum();
        assert!((found - expected).abs() < 1e-4 * (1.0 + expected.abs()), "{found} {expected}");
    }
}

#[test]
fn a_network_may_see_spectra_beside_pixels() {
    let device = Device::flex();
    let plain = ResNetConfig::narrow(3);
    let spectra = Some(SpectraConfig { bins: 2, hidden: vec![8] });
    let network = NetworkConfig::from(ResNetConfig { spectra, ..plain.clone() });
    let weights =
        |config: &NetworkConfig| config.init(SHAPE, 1, 1, &device).unwrap().weights_len().unwrap();
    // 12 means and 6 normalised features to 8, then to 1; 12 means to 1 without
    let (with, without) = (2 * 6 + 19 * 8 + 9, 13);
    assert_eq!(weights(&network) + without, weights(&plain.into()) + with);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("compressor.safetensors");
    let observer = &mut |_: &_| ControlFlow::Continue(());
    let (source, settings) = (Toy { bad: None }, settings());
    let (compressor, _) =
        train(&source, &network, &Loss::Mse, &settings, &device, None, observer).unwrap();
    let expected = compressor.compress(of(&maps(5))).unwrap();
    compressor.save(&path).unwrap();
    let loaded = NeuralCompressor::load(&path, &device).unwrap();
    assert_eq!(loaded.compress(of(&maps(5))).unwrap(), expected);
    assert_eq!(loaded.config(), &network);
}

#[test]
fn batch_norm_learns_the_statistics_of_the_data() {
    let device = Device::flex();
    let norm = BatchNorm::new(2, 1.0, &device).train();
    let mut rng = rng(8, 0);
    let mut batch = |rows: usize| {
        let units = [(3.0, 2.0), (-1.0, 0.5)];
        let values: Vec<f32> = (0..rows * 2 * 9)
            .map(|at| units[at / 9 % 2].0 + units[at / 9 % 2].1 * normal(&mut rng) as f32)
            .collect();
        Tensor::<4>::from_data(TensorData::new(values, [rows, 2, 3, 3]), &device)
    };
    for _ in 0..150 {
        let output = norm.forward(batch(2).autodiff()).inner();
        let size = output.clone().square().mean().into_scalar::<f32>();
        assert!((size - 1.0).abs() < 1e-3, "a batch in training has units of its own: {size}");
        assert!(output.mean().into_scalar::<f32>().abs() < 1e-5);
    }
    let (mean, variance) = norm.statistics();
    let (mean, variance) =
        (mean.try_to_vec_as::<f32>().unwrap(), variance.try_to_vec_as::<f32>().unwrap());
    // about 20 batches of 18 numbers count; unbiased, the variance is 4, biased it were 3.78
    assert!((mean[0] - 3.0).abs() < 0.4 && (mean[1] + 1.0).abs() < 0.1, "{mean:?}");
    assert!((variance[0] / 4.0 - 1.0).abs() < 0.3, "{variance:?}");
    assert!((variance[1] / 0.25 - 1.0).abs() < 0.3, "{variance:?}");

    let norm = norm.valid();
    let rows = batch(10);
    let alone = norm.forward(rows.clone().narrow(0, 3, 1));
    let together = norm.forward(rows).narrow(0, 3, 1);
    assert_eq!(alone.into_data(), together.into_data());
}

#[test]
fn trainings_can_be_continued_and_do_not_depend_on_threads() {
    let folder = tempfile::tempdir().unwrap();
    for (name, loss) in [("mse", Loss::Mse), ("vmim", Loss::vmim())] {
        let path = folder.path().join(format!("{name}.safetensors"));
        let (whole, report) = run(&loss, &settings(), None, None).unwrap();
        let expected = whole.compress(of(&maps(5))).unwrap();
        assert_eq!(report.curve.len(), 4);

        // stopped twice, in the middle of a pass and between evaluations
        for stop in [9, 4] {
            let stopped = run(&loss, &settings(), Some(&path), Some(stop));
            assert!(matches!(stopped, Err(Error::Stopped { .. })));
        }
        let (continued, again) = run(&loss, &settings(), Some(&path), None).unwrap();
        assert_eq!(continued.compress(of(&maps(5))).unwrap(), expected, "{name}");
        assert_eq!((&again.curve, again.best), (&report.curve, report.best));
        assert_eq!(again.timing.steps, 24 - 13);

        let others = [
            TrainingSettings { loaders: 3, prefetch: 1, ..settings() },
            TrainingSettings { cache_bytes: 0, ..settings() },
        ];
        for other in others {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
            let (other, _) = pool.install(|| run(&loss, &other, None, None)).unwrap();
            assert_eq!(other.compress(of(&maps(5))).unwrap(), expected, "{name}");
        }
        let seed = TrainingSettings { seed: 6, ..settings() };
        assert_ne!(
            run(&loss, &seed, None, None).unwrap().0.compress(of(&maps(5))).unwrap(),
            expected
        );

        let refused = run(&loss, &seed, Some(&path), None).unwrap_err().to_string();
        assert!(refused.contains("another settings"), "{refused}");
        let perceptron = PerceptronConfig::new(vec![4]).into();
        let observer = &mut |_: &_| ControlFlow::Continue(());
        let (device, source) = (Device::flex(), Toy { bad: None });
        let refused =
            train(&source, &perceptron, &loss, &settings(), &device, Some(&path), observer);
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("another network"), "{refused}");
    }
}

#[test]
fn files_hold_all_of_a_compressor() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("compressor.safetensors");
    let device = Device::flex();
    for loss in [Loss::gnll(), Loss::vmim()] {
        let (compressor, _) = run(&loss, &settings(), None, None).unwrap();
        let expected = compressor.compress(of(&maps(70))).unwrap();
        // one by one as all together
        let one: Vec<f64> = maps(70)
            .chunks(SHAPE.numbers())
            .flat_map(|map| compressor.compress(of(map)).unwrap())
            .collect();
        let difference = one.iter().zip(&expected).map(|(a, b)| (a - b).abs());
        assert!(difference.fold(0.0, f64::max) < 1e-5);
        compressor.save(&path).unwrap();
        let loaded = NeuralCompressor::load(&path, &device).unwrap();
        assert_eq!(loaded.compress(of(&maps(70))).unwrap(), expected);
        assert_eq!(loaded.density().is_some(), loss == Loss::vmim());
        assert_eq!(loaded.gaussians(of(&maps(1))).unwrap().is_some(), loss == Loss::gnll());
    }
    let mut file = WeightFile::<serde_json::Value>::read(&path, "compressor", 1).unwrap();
    file.header["network"]["res_net"]["stages"][1]["width"] = 7.into();
    file.write(&path, "compressor", 1).unwrap();
    let error = NeuralCompressor::load(&path, &device).unwrap_err().to_string();
    assert!(error.contains("shape"), "{error}");
    let missing = NeuralCompressor::load(&folder.path().join("none"), &device);
    assert!(missing.is_err());
}

#[test]
fn bad_input_is_refused() {
    let device = Device::flex();
    let (compressor, _) = run(&Loss::Mse, &settings(), None, None).unwrap();
    let mut bad = maps(2);
    bad[SHAPE.numbers() + 4] = f32::NAN;
    let error = compressor.compress(of(&bad)).unwrap_err();
    assert!(matches!(error, Error::NotFinite { row: 1, element: 4, .. }), "{error}");
    assert!(matches!(Maps::new(SHAPE, &bad[1..]), Err(Error::Shape { .. })));
    // twice as many maps of one bin each
    let bin = MapShape { bins: 1, ..SHAPE };
    let error = compressor.compress(Maps::new(bin, &maps(2)).unwrap()).unwrap_err().to_string();
    assert!(error.contains(&format!("{SHAPE} expected, found {bin}")), "{error}");
    assert!(compressor.compress(of(&[])).unwrap().is_empty());
    let constant = compressor.compress(of(&vec![2.0; SHAPE.numbers()])).unwrap();
    assert!(constant[0].is_finite());

    let few = TrainingSettings { examples: Some(7), ..settings() };
    let error = run(&Loss::Mse, &few, None, None).unwrap_err();
    assert!(matches!(error, Error::TooFew { minimum: 8, found: 7, .. }), "{error}");
    let one = TrainingSettings { batch: 1, ..settings() };
    assert!(matches!(run(&Loss::Mse, &one, None, None), Err(Error::Setting { .. })));
    let loss = Loss::imnn();
    assert!(matches!(run(&loss, &settings(), None, None), Err(Error::NoDerivatives)));
    let loss = Loss::Gnll { floor: 0.0 };
    assert!(matches!(run(&loss, &settings(), None, None), Err(Error::Setting { .. })));
    // the covariance would be let go just where it is far off
    for (strength, closeness) in [(11.0, 0.1), (f64::INFINITY, 0.1), (0.5, 0.1)] {
        let loss = Loss::Imnn { summaries: None, derivatives_every: 1, strength, closeness };
        let error = loss.validate(1).unwrap_err();
        assert!(matches!(error, Error::Setting { setting: "strength", .. }), "{error}");
    }

    let observer = &mut |_: &_| ControlFlow::Continue(());
    let source = Toy { bad: Some(20) };
    let error = train(&source, &network(), &Loss::Mse, &settings(), &device, None, observer);
    let error = error.unwrap_err();
    assert!(matches!(error, Error::Example { index: 20, element: 7, .. }), "{error}");
    let drop = TrainingSettings { non_finite: NonFinite::Drop, ..settings() };
    let (_, report) =
        train(&source, &network(), &Loss::Mse, &drop, &device, None, observer).unwrap();
    // of a batch without any example nothing can be learnt
    let alone = TrainingSettings { batch: 1, steps: 40, ..drop.clone() };
    let perceptron = NetworkConfig::from(PerceptronConfig::new(vec![4]));
    let error = train(&source, &perceptron, &Loss::Mse, &alone, &device, None, observer);
    let error = error.unwrap_err();
    assert!(matches!(error, Error::TooFew { minimum: 1, found: 0, .. }), "{error}");
    // four complete passes and four fifths of one
    assert!((4..=5).contains(&report.dropped), "{}", report.dropped);

    let none = fit(of(&[]), &[], &perceptron, &Loss::Mse, &settings(), &device);
    assert!(matches!(none, Err(Error::TooFew { .. })));
    let theta = [0.5; 20];
    let odd = fit(of(&maps(20)), &theta[1..], &perceptron, &Loss::Mse, &settings(), &device);
    assert!(matches!(odd, Err(Error::Shape { .. })));
    // constant maps and parameters tell nothing, and do no harm
    let constant = vec![1.0; 40 * SHAPE.numbers()];
    let theta = vec![0.5; 40];
    let (constant, _) =
        fit(of(&constant), &theta, &network(), &Loss::Mse, &settings(), &device).unwrap();
    assert!(constant.compress(of(&maps(1))).unwrap()[0].is_finite());
}

/// Panics for an example.
struct Panicking;

impl MapSource for Panicking {
    fn shape(&self) -> MapShape {
        SHAPE
    }

    fn parameters_len(&self) -> usize {
        1
    }

    fn pair(&self, index: u64, map: &mut [f32], theta: &mut [f64]) -> Result<(), SourceError> {
        Toy { bad: None }.pair(index, map, theta)
    }

    fn renoise(&self, index: u64, epoch: u64, _: &mut [f32]) -> Result<(), SourceError> {
        assert!(index != 20 || epoch == 0, "example {index} is beyond me");
        Ok(())
    }
}

#[test]
fn a_source_that_panics_ends_the_training_with_an_error() {
    let observer = &mut |_: &_| ControlFlow::Continue(());
    let (device, network) = (Device::flex(), network());
    for loaders in [1, 3] {
        let settings = TrainingSettings { loaders, ..settings() };
        let error = train(&Panicking, &network, &Loss::Mse, &settings, &device, None, observer);
        let error = error.unwrap_err();
        assert!(matches!(&error, Error::SourcePanicked { .. }), "{error}");
        assert!(error.to_string().contains("example 20 is beyond me"), "{error}");
    }
}

#[test]
fn numbers_in_a_row_are_not_flipped() {
    let shape = MapShape::vector(3);
    let theta: Vec<f64> = (0..60).map(|index| rng(4, index).random_range(-1.0..1.0)).collect();
    let maps: Vec<f32> = theta.iter().flat_map(|t| [*t as f32, 7.0 * *t as f32, 0.5]).collect();
    let curve = |augmentation| {
        let settings = TrainingSettings { augmentation, ..settings() };
        let network = PerceptronConfig::new(vec![4]).into();
        let maps = Maps::new(shape, &maps).unwrap();
        fit(maps, &theta, &network, &Loss::Mse, &settings, &Device::flex()).unwrap().1.curve
    };
    assert_eq!(curve(Augmentation::Flips), curve(Augmentation::None));
}

#[test]
fn augmentation_is_a_symmetry_of_the_square() {
    let shape = MapShape::square(2, 3);
    let map: Vec<f32> = (0..18).map(|x| x as f32).collect();
    let seen = |augmentation: Augmentation| {
        let mut seen: Vec<Vec<f32>> = Vec::new();
        for index in 0..100 {
            let mut own = map.clone();
            augmentation.apply(shape, 1, 4, index, &mut own);
            // both bins in the same way, and the centre stays
            assert!((0..9).all(|pixel| own[pixel] + 9.0 == own[9 + pixel]) && own[4] == 4.0);
            // neighbours of the centre stay its neighbours
            assert!([1, 3, 5, 7].iter().all(|pixel| own[*pixel] as usize % 2 == 1));
            if !seen.contains(&own) {
                seen.push(own);
            }
        }
        seen.len()
    };
    assert_eq!(seen(Augmentation::None), 1);
    assert_eq!(seen(Augmentation::Flips), 4);
    assert_eq!(seen(Augmentation::FlipsAndTurns), 8);
}

#[test]
fn spectra_of_waves_and_of_noise() {
    let shape = MapShape { bins: 2, height: 8, width: 16 };
    let pixel = 0.01;
    let tau = 2.0 * std::f64::consts::PI;
    // the lowest mode along x, and the lowest along y
    let (low, high) = (tau / 0.16, tau / 0.08);
    let edges = vec![0.5 * low, 1.5 * low, 1.01 * high];
    let spectra = SpectrumCompressor::new(shape, SpectrumConfig { pixel, edges }).unwrap();
    assert_eq!(spectra.summary_len(), 6);
    let mut map = vec![0.0; 256];
    for y in 0..8 {
        for x in 0..16 {
            let wave = (tau * f64::from(x) / 16.0).cos();
            map[y * 16 + x as usize] = (3.0 + 2.0 * wave) as f32;
            map[128 + y * 16 + x as usize] = (5.0 * (tau * y as f64 / 8.0).sin() - wave) as f32;
        }
    }
    let found = spectra.compress(Maps::new(shape, &map).unwrap()).unwrap();
    // a cosine of amplitude a is two modes of |f| = a N / 2; bin 0 holds these two, bin 1 those of
    // twice the frequency along x and of the lowest along y
    let unit = pixel * pixel * 128.0 / 4.0;
    for (found, expected) in found.iter().zip([4.0, 0.0, -2.0, 0.0, 1.0, 25.0 * 2.0 / 4.0]) {
        assert!((found - expected * unit).abs() < 1e-6 * unit * 30.0, "{found} {expected}");
    }

    let shape = MapShape::square(1, 16);
    let config = SpectrumConfig::linear(shape, pixel, 3);
    let spectra = SpectrumCompressor::new(shape, config).unwrap();
    let mut rng = rng(9, 0);
    let maps: Vec<f32> = (0..400 * 256).map(|_| 2.0 * normal(&mut rng) as f32).collect();
    let found = spectra.compress(Maps::new(shape, &maps).unwrap()).unwrap();
    for bin in 0..3 {
        let mean = found.iter().skip(bin).step_by(3).sum::<f64>() / 400.0;
        assert!((mean / (4.0 * pixel * pixel) - 1.0).abs() < 0.02, "white noise: {mean}");
    }
    let empty = SpectrumConfig { pixel, edges: vec![0.1, 0.2] };
    assert!(matches!(SpectrumCompressor::new(shape, empty), Err(Error::TooFew { .. })));
}

#[test]
fn a_network_after_a_spectrum() {
    let source = Toy { bad: None };
    let config = SpectrumConfig::linear(SHAPE, 1.0, 2);
    let spectra = SpectrumCompressor::new(SHAPE, config.clone()).unwrap();
    let source = SummarySource::new(source, spectra).unwrap();
    let network = PerceptronConfig::new(vec![8]).into();
    let observer = &mut |_: &_| ControlFlow::Continue(());
    let (second, _) =
        train(&source, &network, &Loss::Mse, &settings(), &Device::flex(), None, observer).unwrap();
    let first = SpectrumCompressor::new(SHAPE, config).unwrap();
    let both = Chain::new(first, second).unwrap();
    assert_eq!((both.shape(), both.summary_len()), (SHAPE, 1));
    assert_eq!(both.compress(of(&maps(4))).unwrap().len(), 4);
}

#[test]
fn examples_of_summaries_share_maps_and_differ_in_noise() {
    let source = |bad: Option<u64>| {
        let config = SpectrumConfig::linear(SHAPE, 1.0, 2);
        let spectra = SpectrumCompressor::new(SHAPE, config).unwrap();
        SummarySource::new(Toy { bad }, spectra).unwrap()
    };
    fn example(source: &dyn MapSource, index: u64) -> (Vec<f32>, f64) {
        let (mut summaries, mut theta) = (vec![0.0; source.shape().numbers()], [0.0]);
        source.pair(index, &mut summaries, &mut theta).unwrap();
        (summaries, theta[0])
    }
    let plain = source(None);
    let several = source(None).with_noises(3).unwrap();
    // of the same map; the first with the noise of a source of one
    assert_eq!(example(&several, 6), example(&plain, 2));
    assert_eq!(example(&several, 7).1, example(&plain, 2).1);
    assert_ne!(example(&several, 7).0, example(&several, 6).0);
    let bad = source(Some(2)).with_noises(3).unwrap();
    assert!(example(&bad, 8).0.iter().all(|summary| summary.is_nan()));
    assert!(example(&bad, 9).0.iter().all(|summary| summary.is_finite()));
    assert!(matches!(source(None).with_noises(0), Err(Error::Setting { setting: "noises", .. })));
    assert!(bad.fisher().is_none(), "the maps have none");
}

#[test]
fn information_of_summaries_is_that_of_the_compressed_maps() {
    // the map of a linear model, and the square of each pixel
    struct Linear;
    impl MapSource for Linear {
        fn shape(&self) -> MapShape {
            MapShape::vector(2)
        }
        fn parameters_len(&self) -> usize {
            1
        }
        fn pair(&self, _: u64, _: &mut [f32], _: &mut [f64]) -> Result<(), SourceError> {
            Err("unused".into())
        }
        fn fisher(&self) -> Option<&dyn FisherSource> {
            Some(self)
        }
    }
    impl FisherSource for Linear {
        fn fiducial(&self) -> Vec<f64> {
            vec![1.0]
        }
        fn steps(&self) -> Vec<f64> {
            vec![0.5]
        }
        fn map(&self, index: u64, epoch: u64, map: &mut [f32]) -> Result<(), SourceError> {
            map.copy_from_slice(&[index as f32, epoch as f32]);
            Ok(())
        }
        fn pair(
            &self,
            index: u64,
            _: u64,
            _: usize,
            plus: &mut [f32],
            minus: &mut [f32],
        ) -> Result<(), SourceError> {
            plus.fill(index as f32 + 0.25);
            minus.fill(index as f32 - 0.25);
            Ok(())
        }
    }
    struct Squares;
    impl Compressor for Squares {
        fn shape(&self) -> MapShape {
            MapShape::vector(2)
        }
        fn summary_len(&self) -> usize {
            2
        }
        fn compress(&self, maps: Maps<'_>) -> compression::Result<Vec<f64>> {
            Ok(maps.numbers().iter().map(|x| f64::from(x * x)).collect())
        }
    }
    let source = SummarySource::new(Linear, Squares).unwrap();
    let fisher = source.fisher().expect("the maps have it");
    assert_eq!((fisher.fiducial(), fisher.steps()), (vec![1.0], vec![0.5]));
    let (mut plus, mut minus) = ([0.0; 2], [0.0; 2]);
    fisher.map(3, 2, &mut plus).unwrap();
    assert_eq!(plus, [9.0, 4.0]);
    fisher.pair(3, 2, 0, &mut plus, &mut minus).unwrap();
    assert_eq!((plus, minus), ([3.25 * 3.25; 2], [2.75 * 2.75; 2]));
}

#[test]
fn scores_of_a_linear_model() {
    // x = a + b theta + noise of covariance C: the estimate of generalised least squares
    let (d, n) = (2, 5);
    let mut rng = rng(4, 0);
    let mut draws = |count: usize| -> Vec<f64> { (0..count).map(|_| normal(&mut rng)).collect() };
    let (mean, slopes, root) = (draws(n), draws(d * n), draws(n * n));
    let covariance: Vec<f64> = (0..n * n)
        .map(|at| {
            let (i, j) = (at / n, at % n);
            let product: f64 = (0..n).map(|k| root[i * n + k] * root[j * n + k]).sum();
            product + f64::from(u8::from(i == j))
        })
        .collect();
    let fiducial = [0.4, -1.0];
    let shape = MapShape::vector(n);
    let score = ScoreCompressor::new(shape, &fiducial, &mean, &covariance, &slopes).unwrap();
    // without noise it is exact
    let map: Vec<f32> =
        (0..n).map(|i| (mean[i] + 0.3 * slopes[i] - 0.8 * slopes[n + i]) as f32).collect();
    let found = score.compress(Maps::new(shape, &map).unwrap()).unwrap();
    assert!((found[0] - 0.7).abs() < 1e-5 && (found[1] + 1.8).abs() < 1e-5, "{found:?}");
    // with noise its covariance is the inverse of the Fisher matrix
    let (mut sum, count) = ([0.0; 3], 20_000);
    for _ in 0..count {
        let (a, b) = (draws(n), draws(n));
        let noise = |i: usize| (0..n).map(|k| root[i * n + k] * a[k]).sum::<f64>() + b[i];
        let map: Vec<f32> = (0..n).map(|i| (mean[i] + noise(i)) as f32).collect();
        let found = score.compress(Maps::new(shape, &map).unwrap()).unwrap();
        let off = [found[0] - fiducial[0], found[1] - fiducial[1]];
        sum = [sum[0] + off[0] * off[0], sum[1] + off[0] * off[1], sum[2] + off[1] * off[1]];
    }
    let f = score.fisher();
    let det = f[0] * f[3] - f[1] * f[2];
    let expected = [f[3] / det, -f[1] / det, f[0] / det];
    let scale = (expected[0] * expected[2]).sqrt();
    for (sum, expected) in sum.iter().zip(expected) {
        assert!((sum / f64::from(count) - expected).abs() < 0.04 * scale, "{sum} {expected}");
    }
    let singular = vec![1.0; n * n];
    let error = ScoreCompressor::new(shape, &fiducial, &mean, &singular, &slopes).unwrap_err();
    assert!(matches!(error, Error::Singular { size: 5, .. }), "{error}");
}

#[test]
fn settings_are_read_with_their_defaults() {
    let loss = |text: &str| serde_json::from_str::<Loss>(text);
    assert_eq!(loss(r#""mse""#).unwrap(), Loss::Mse);
    assert_eq!(loss(r#"{"gnll": {}}"#).unwrap(), Loss::gnll());
    assert_eq!(loss(r#"{"vmim": {}}"#).unwrap(), Loss::vmim());
    assert_eq!(loss(r#"{"imnn": {}}"#).unwrap(), Loss::imnn());
    assert!(loss(r#"{"vmim": {"layer": 3}}"#).is_err());
    let read = serde_json::from_str::<TrainingSettings>(r#"{"batch": 128}"#);
    assert_eq!(read.unwrap(), TrainingSettings::default());
    assert!(serde_json::from_str::<TrainingSettings>(r#"{"batches": 128}"#).is_err());
}

/// White noise of the size of a tomographic survey's map, whose amplitude is the parameter.
struct Survey;

impl MapSource for Survey {
    fn shape(&self) -> MapShape {
        MapShape::square(5, 64)
    }

    fn parameters_len(&self) -> usize {
        1
    }

    fn pair(&self, index: u64, map: &mut [f32], theta: &mut [f64]) -> Result<(), SourceError> {
        let mut rng = rng(2, index);
        theta[0] = rng.random_range(0.5..1.5);
        map.iter_mut().for_each(|x| *x = (theta[0] * normal(&mut rng)) as f32);
        Ok(())
    }
}

/// Bytes of memory in use, where the system tells.
fn resident() -> Option<u64> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    pages.split(' ').nth(1)?.parse::<u64>().ok().map(|pages| 4096 * pages)
}

#[test]
fn long_trainings_neither_wait_nor_grow() {
    if std::env::var_os("FULLFIELD_SLOW").is_none() {
        println!("skipped: set FULLFIELD_SLOW=1 to train a ResNet-18");
        return;
    }
    let settings = TrainingSettings {
        batch: 16,
        validation: 64,
        steps: 120,
        evaluate_every: 40,
        ..TrainingSettings::default()
    };
    let mut sizes = Vec::new();
    let observer = &mut |_: &_| {
        sizes.extend(resident());
        ControlFlow::Continue(())
    };
    let network = ResNetConfig::resnet18().into();
    let (_, report) =
        train(&Survey, &network, &Loss::Mse, &settings, &Device::flex(), None, observer).unwrap();
    let timing = report.timing;
    println!("{timing:?}, {:.4} waiting, {:?}", timing.waiting_fraction(), report.curve);
    assert!(timing.waiting_fraction() < 0.1, "{timing:?}");
    if let (Some(first), Some(last)) = (sizes.get(41), sizes.last()) {
        println!("{} MB after 42 steps, {} MB at the end", first >> 20, last >> 20);
        assert!(*last < first + (50 << 20), "{first} bytes have become {last}");
    }
}
