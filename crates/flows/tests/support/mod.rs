//! Flows of every family, and numbers to try them on.
#![allow(dead_code, reason = "each test binary uses some of it")]

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Tensor, TensorData};
use flows::{
    Activation, Base, Bijector, Flow, FlowConfig, NetworkInputs, Permutation, Standardiser,
    Structure,
};

/// A small flow of every family; all activations smooth, so that differences converge.
pub fn families(features: usize, context: usize) -> Vec<(&'static str, FlowConfig)> {
    let small = |config: FlowConfig| FlowConfig {
        layers: 3,
        hidden: vec![16, 16],
        activation: Activation::Tanh,
        ..config
    };
    let spline = Bijector::Spline { bins: 5, bound: 4.0 };
    let smooth = Bijector::Smooth { components: 4, bound: 6.0 };
    let inverse = Bijector::SmoothInverse { components: 4, bound: 6.0 };
    let uniform = |config: FlowConfig| FlowConfig { base: Base::Uniform, ..small(config) };
    vec![
        ("affine", small(FlowConfig::affine(features, context))),
        ("spline", small(FlowConfig { bijector: spline, ..FlowConfig::spline(features, context) })),
        ("maf", small(FlowConfig::maf(features, context))),
        (
            "autoregressive spline",
            small(FlowConfig {
                bijector: spline,
                permutation: Permutation::Random { seed: 3 },
                ..FlowConfig::autoregressive_spline(features, context)
            }),
        ),
        ("smooth", small(FlowConfig { bijector: smooth, ..FlowConfig::smooth(features, context) })),
        (
            "smooth inverse",
            small(FlowConfig {
                bijector: inverse,
                inputs: NetworkInputs::UnitInterval,
                ..FlowConfig::smooth(features, context)
            }),
        ),
        (
            "autoregressive smooth",
            small(FlowConfig {
                structure: Structure::Autoregressive,
                inputs: NetworkInputs::UnitInterval,
                bijector: smooth,
                ..FlowConfig::smooth(features, context)
            }),
        ),
        (
            "uniform spline",
            uniform(FlowConfig { bijector: spline, ..FlowConfig::spline(features, context) }),
        ),
        (
            "uniform smooth",
            uniform(FlowConfig { bijector: smooth, ..FlowConfig::smooth(features, context) }),
        ),
    ]
}

struct Amplify(f64);

impl ModuleMapper for Amplify {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|tensor| tensor.mul_scalar(self.0))
    }
}

/// Odd units.
pub fn units(features: usize, shift: f64) -> Standardiser {
    let shifts = (0..features).map(|i| shift + i as f64).collect();
    Standardiser::new(shifts, (0..features).map(|i| 0.5 + 0.7 * i as f64).collect()).unwrap()
}

/// A flow far from the identity, in odd units.
pub fn flow(config: &FlowConfig) -> Flow {
    let (target, context) = (units(config.features, -1.0), units(config.context, 2.0));
    config.init(target, context, 7, &Device::flex()).unwrap().map(&mut Amplify(2.5))
}

pub fn wave(count: usize, phase: f64, size: f64) -> Vec<f64> {
    (0..count).map(|i| (2.3 * i as f64 + phase).sin() * size).collect()
}

pub fn tensor(values: &[f64], columns: usize) -> Tensor<2> {
    let values: Vec<f32> = values.iter().map(|v| *v as f32).collect();
    let rows = values.len() / columns;
    Tensor::from_data(TensorData::new(values, [rows, columns]), &Device::flex())
}

pub fn numbers(tensor: Tensor<2>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

/// `rows` rows of features in their own units, within the support of every family.
pub fn features(flow: &Flow, rows: usize) -> Vec<f64> {
    let columns = flow.config().features;
    let standard: Vec<f32> = wave(rows * columns, 0.0, 2.2).iter().map(|x| *x as f32).collect();
    flow.target().decode(&standard)
}
