//! First and second derivatives of flows in double precision against central differences.
//!
//! The weights of a flow are single-precision; a copy of the flow with its weights in double
//! precision goes through the same code and lets differences converge.

mod support;

use autodiff::tensor::{Tape, Var};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{DType, Device, FloatDType, Gradients, Tensor, TensorData};
use flows::{Flow, FlowConfig, NetworkInputs, Transform};
use support::{families, flow, numbers, wave};

const STEP: f64 = 1e-5;
const ROWS: usize = 5;

fn double(values: &[f64], columns: usize) -> Tensor<2> {
    let dims = [values.len() / columns, columns];
    Tensor::from_data(TensorData::new(values.to_vec(), dims), (&Device::flex(), DType::F64))
}

struct ToDouble;

impl ModuleMapper for ToDouble {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|tensor| tensor.cast(FloatDType::F64))
    }
}

/// A fixed direction in the space of weights.
fn direction<const D: usize>(dims: [usize; D], index: usize) -> Tensor<D> {
    let values = wave(dims.iter().product(), index as f64, 1.0);
    Tensor::from_data(TensorData::new(values, dims), (&Device::flex(), DType::F64))
}

/// Moves the weights along the direction.
struct Move {
    by: f64,
    index: usize,
}

impl ModuleMapper for Move {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        self.index += 1;
        let (by, index) = (self.by, self.index);
        param.map(|tensor| {
            let step = direction(tensor.dims(), index) * by;
            tensor + step
        })
    }
}

/// The derivative along the direction.
struct Along<'a> {
    gradients: &'a Gradients,
    index: usize,
    sum: f64,
}

impl ModuleVisitor for Along<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.index += 1;
        let gradient = param.val().grad(self.gradients).expect("every tensor has a gradient");
        let product = gradient * direction(param.val().dims(), self.index);
        self.sum += product.sum().into_data().iter::<f64>().sum::<f64>();
    }
}

/// Compares the derivative of a loss along a direction of all weights with its difference.
fn check(name: &str, flow: &Flow, loss: impl Fn(&Flow) -> Tensor<1>) {
    let tracked = flow.clone().train();
    let gradients = loss(&tracked).backward();
    let mut along = Along { gradients: &gradients, index: 0, sum: 0.0 };
    tracked.visit(&mut along);
    let at = |by: f64| {
        let moved = flow.clone().map(&mut Move { by, index: 0 });
        loss(&moved).into_data().iter::<f64>().sum::<f64>()
    };
    let expected = (at(STEP) - at(-STEP)) / (2.0 * STEP);
    let error = (along.sum - expected).abs() / (1.0 + expected.abs());
    assert!(error < 2e-6, "{name}: {} by differentiation, {expected} by difference", along.sum);
    assert!(expected.abs() > 1e-3, "{name}: nothing to compare");
}

fn in_double(config: &flows::FlowConfig) -> Flow {
    flow(config).map(&mut ToDouble)
}

fn inputs() -> (Tensor<2>, Tensor<2>) {
    (double(&wave(ROWS * 3, 0.0, 2.0), 3), double(&wave(ROWS * 2, 0.2, 1.0), 2))
}

/// `ln q` and its derivatives with respect to features and context.
fn with_scores(flow: &Flow, x: Tensor<2>, context: Tensor<2>) -> [Tensor<2>; 3] {
    let tape = Tape::new();
    let (x, context) = (tape.input(x), tape.input(context));
    let log_prob = flow.log_density(&x, &context);
    let mut scores = tape.gradient(&log_prob, &[&x, &context]).into_iter();
    let mut next = || scores.next().expect("two scores");
    [log_prob.into_value(), next(), next()]
}

#[test]
fn scores_are_derivatives_of_the_density() {
    let mapped = families(3, 2).into_iter().filter(|(_, config)| config.bijector.bound().is_some());
    let mapped = mapped.map(|(name, config)| {
        (name, FlowConfig { inputs: NetworkInputs::UnitIntervalAndContext, ..config })
    });
    for (name, config) in families(3, 2).into_iter().chain(mapped) {
        let flow = in_double(&config);
        let (x, context) = inputs();
        let [_, of_x, of_context] = with_scores(&flow, x.clone(), context.clone());
        let at = |x: Tensor<2>, context: Tensor<2>| numbers(flow.log_prob(x, context));
        for (which, score) in [of_x, of_context].into_iter().enumerate() {
            let columns = score.dims()[1];
            for (i, score) in numbers(score).into_iter().enumerate() {
                let shifted = |by: f64| {
                    let mut step = vec![0.0; ROWS * columns];
                    step[i] = by;
                    let step = double(&step, columns);
                    match which {
                        0 => at(x.clone() + step, context.clone()),
                        _ => at(x.clone(), context.clone() + step),
                    }
                };
                let row = i / columns;
                let expected = (shifted(STEP)[row] - shifted(-STEP)[row]) / (2.0 * STEP);
                let error = (score - expected).abs() / (1.0 + expected.abs());
                assert!(error < 1e-7, "{name}, score {which}: {score} {expected}");
            }
        }
    }
}

#[test]
fn the_density_is_differentiable_in_the_weights() {
    for (name, config) in families(3, 2) {
        check(name, &in_double(&config), |flow| {
            let (x, context) = inputs();
            let log_prob = flow.log_prob(x, context);
            (log_prob * double(&wave(ROWS, 0.7, 1.0), 1)).sum()
        });
    }
}

#[test]
fn scores_are_differentiable_in_the_weights() {
    for (name, config) in families(3, 2) {
        let flow = in_double(&config);
        for which in [1, 2] {
            check(&format!("{name}, score {which}"), &flow, |flow| {
                let (x, context) = inputs();
                with_scores(flow, x, context)[which].clone().square().sum()
            });
        }
    }
}

/// Where the samples go, and how fast they move with the base and with the context.
#[test]
fn samples_are_differentiable_twice() {
    for (name, config) in families(3, 2) {
        let flow = in_double(&config);
        let weight = || Var::constant(double(&wave(ROWS * 3, 0.4, 1.0), 3));
        let inverse = |flow: &Flow, z: &Var, context: &Var| {
            let (x, log_det) = flow.inverse_and_log_det(z, context).unwrap();
            (x * weight()).sum(1) + log_det
        };
        check(&format!("{name}, samples"), &flow, |flow| {
            let (z, context) = inputs();
            inverse(flow, &Var::constant(z), &Var::constant(context)).into_value().sum()
        });
        for which in [0, 1] {
            check(&format!("{name}, derivative {which} of samples"), &flow, |flow| {
                let (z, context) = inputs();
                let tape = Tape::new();
                let inputs = [tape.input(z), tape.input(context)];
                let moved = inverse(flow, &inputs[0], &inputs[1]);
                tape.gradient(&moved, &[&inputs[which]]).remove(0).square().sum()
            });
        }
    }
}

/// The vectorised single-precision functions of training give the gradients of double precision.
#[test]
fn single_precision_follows_double() {
    for (name, config) in families(3, 2) {
        let gradient = |flow: Flow, x: Tensor<2>, context: Tensor<2>| {
            let flow = flow.train();
            let [log_prob, score, _] = with_scores(&flow, x, context);
            let gradients = (score.square().sum() - log_prob.sum()).backward();
            let mut all = Collect { gradients: &gradients, found: Vec::new() };
            flow.visit(&mut all);
            all.found
        };
        let (x, context) = inputs();
        let single = |tensor: &Tensor<2>| tensor.clone().cast(FloatDType::F32);
        let found = gradient(flow(&config), single(&x), single(&context));
        let expected = gradient(in_double(&config), x, context);
        let size = (expected.iter().map(|g| g * g).sum::<f64>() / expected.len() as f64).sqrt();
        let off = found.iter().zip(&expected).map(|(f, e)| (f - e).powi(2)).sum::<f64>();
        let off = (off / expected.len() as f64).sqrt();
        assert!(off < 1e-3 * size, "{name}: gradients of size {size} differ by {off}");
    }
}

struct Collect<'a> {
    gradients: &'a Gradients,
    found: Vec<f64>,
}

impl ModuleVisitor for Collect<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let gradient = param.val().grad(self.gradients).expect("every tensor has a gradient");
        self.found.extend(gradient.into_data().iter::<f64>());
    }
}
