//! The graphics device against the processor.
//!
//! `cargo test --release --workspace --features flows/wgpu,compression/wgpu --test wgpu -- --nocapture`
//!
//! Where there is no graphics device, each test says so and passes. On a software rasteriser
//! (Mesa's lavapipe) the first run compiles shaders for minutes, so the networks are as small as
//! networks with every kind of layer can be.
#![cfg(feature = "wgpu")]

use std::ops::ControlFlow;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use compression::{
    Compressor, DensityFamily, DeviceChoice, Loss, MapShape, MapSource, Maps, NetworkConfig,
    Normalisation, PerceptronConfig, ResNetConfig, SourceError, SpectraConfig, Stage, Stem,
    TrainingSettings, open_device, train,
};

const SHAPE: MapShape = MapShape { bins: 2, height: 12, width: 10 };
const ROWS: usize = 6;

/// The device, or `None` and a line that says why not.
fn device() -> Option<Device> {
    match open_device(DeviceChoice::Wgpu) {
        Ok(device) => Some(device),
        Err(error) => {
            println!("skipped: {error}");
            None
        }
    }
}

fn wave(count: usize, phase: f32) -> Vec<f32> {
    (0..count).map(|i| (1.7 * i as f32 + phase).sin()).collect()
}

/// A network with a stem, pooling, blocks with and without a shortcut of their own, spectra; one with
/// biases instead of normalisation; and one without convolutions.
fn networks() -> [(&'static str, NetworkConfig); 3] {
    let residual = ResNetConfig {
        stem: Stem { width: 3, kernel: 3, stride: 2, pool: true },
        stages: [3, 4].map(|width| Stage { blocks: 1, width }).to_vec(),
        normalisation: Normalisation::Batch,
        spectra: Some(SpectraConfig { bins: 2, hidden: vec![5] }),
    };
    let biased = ResNetConfig {
        stages: vec![Stage { blocks: 1, width: 3 }],
        normalisation: Normalisation::None,
        spectra: None,
        ..residual.clone()
    };
    let connected = PerceptronConfig { hidden: vec![7], normalisation: Normalisation::Batch };
    [
        ("residual network", residual.into()),
        ("residual network with biases", biased.into()),
        ("perceptron", connected.into()),
    ]
}

struct Collect<'a> {
    gradients: &'a Gradients,
    found: Vec<f64>,
}

impl ModuleVisitor for Collect<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(gradient) = param.val().grad(self.gradients) else { return };
        self.found.extend(gradient.into_data().iter::<f64>());
    }
}

/// Outputs in training, gradients of all weights of a loss of them, and outputs with the running
/// statistics.
fn evaluate(config: &NetworkConfig, device: &Device) -> [Vec<f64>; 3] {
    let network = config.init(SHAPE, 2, 4, device).unwrap().train();
    let count = ROWS * SHAPE.numbers();
    let data = TensorData::new(wave(count, 0.3), [ROWS, SHAPE.bins, SHAPE.height, SHAPE.width]);
    let maps = Tensor::<4>::from_data(data, device);
    let outputs = network.forward(maps.clone().autodiff());
    let weights = TensorData::new(wave(2 * ROWS, 1.1), [ROWS, 2]);
    let weights = Tensor::<2>::from_data(weights, device).autodiff();
    let gradients = (outputs.clone().square() * weights).sum().backward();
    let mut collect = Collect { gradients: &gradients, found: Vec::new() };
    network.visit(&mut collect);
    let numbers = |tensor: Tensor<2>| tensor.into_data().iter::<f64>().collect();
    [numbers(outputs.inner()), collect.found, numbers(network.valid().forward(maps))]
}

fn compare(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    assert!(!expected.is_empty(), "{what}");
    let size = (expected.iter().map(|e| e * e).sum::<f64>() / expected.len() as f64).sqrt();
    for (found, expected) in found.iter().zip(expected) {
        let off = (found - expected).abs();
        assert!(off <= tolerance * (size + expected.abs()), "{what}: {found}, not {expected}");
    }
}

#[test]
fn values_and_gradients_agree() {
    let Some(device) = device() else { return };
    for (name, config) in networks() {
        let (found, expected) = (evaluate(&config, &device), evaluate(&config, &Device::flex()));
        let parts = ["outputs in training", "gradients", "outputs in evaluation"];
        for ((found, expected), part) in found.iter().zip(&expected).zip(parts) {
            compare(&format!("{name}, {part}"), found, expected, 1e-3);
        }
    }
}

/// Maps whose mean is the parameter.
struct Toy;

impl MapSource for Toy {
    fn shape(&self) -> MapShape {
        SHAPE
    }

    fn parameters_len(&self) -> usize {
        1
    }

    fn pair(&self, index: u64, map: &mut [f32], theta: &mut [f64]) -> Result<(), SourceError> {
        theta[0] = (2.3 * index as f64).sin();
        let noise = wave(map.len(), index as f32);
        map.iter_mut().zip(noise).for_each(|(x, noise)| *x = theta[0] as f32 + noise);
        Ok(())
    }
}

#[test]
fn trainings_agree() {
    let Some(device) = device() else { return };
    let settings = TrainingSettings {
        batch: 8,
        examples: Some(16),
        validation: 8,
        steps: 4,
        evaluate_every: 2,
        learning_rate: 1e-3,
        ..TrainingSettings::default()
    };
    let losses = [
        Loss::Mse,
        Loss::Gnll { floor: 1e-3 },
        Loss::Vmim {
            summaries: Some(2),
            family: DensityFamily::Affine,
            layers: Some(2),
            hidden: Some(vec![4]),
        },
    ];
    let maps = wave(3 * SHAPE.numbers(), 0.7);
    for (name, network) in networks() {
        for loss in &losses {
            let run = |device: &Device| {
                let observer = &mut |_: &_| ControlFlow::Continue(());
                let (compressor, report) =
                    train(&Toy, &network, loss, &settings, device, None, observer).unwrap();
                let curve = report.curve.iter();
                let curve = curve.flat_map(|point| [Some(point.training), point.validation]);
                (
                    curve.flatten().collect::<Vec<_>>(),
                    compressor.compress(Maps::new(SHAPE, &maps).unwrap()).unwrap(),
                )
            };
            let ((curve, summaries), (expected_curve, expected)) =
                (run(&device), run(&Device::flex()));
            compare(&format!("{name}, {loss:?}, losses"), &curve, &expected_curve, 1e-3);
            compare(&format!("{name}, {loss:?}, summaries"), &summaries, &expected, 1e-2);
        }
    }
}
