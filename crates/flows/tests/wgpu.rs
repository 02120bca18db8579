//! The graphics device against the processor.
//!
//! `cargo test --release --workspace --features flows/wgpu,compression/wgpu --test wgpu -- --nocapture`
//!
//! Where there is no graphics device, each test says so and passes. On a software rasteriser
//! (Mesa's lavapipe) the first run compiles shaders for minutes.
#![cfg(feature = "wgpu")]

mod support;

use std::ops::ControlFlow;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor};
use flows::training::{Objective, TrainingSettings, train};
use flows::{Base, DeviceChoice, Flow, FlowConfig, Score, Tape, Var, named_weights, open_device};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use support::{families, flow, numbers, tensor, wave};

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

/// The same flow elsewhere.
fn there(flow: &Flow, device: &Device) -> Flow {
    flow.description().with_weights(&named_weights(flow).unwrap(), device).unwrap()
}

fn inputs(device: &Device) -> (Tensor<2>, Tensor<2>) {
    let (x, context) = (tensor(&wave(96, 0.0, 1.5), 3), tensor(&wave(64, 0.2, 1.0), 2));
    (x.to_device(device), context.to_device(device))
}

fn compare(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let size = (expected.iter().map(|e| e * e).sum::<f64>() / expected.len() as f64).sqrt();
    for (found, expected) in found.iter().zip(expected) {
        let off = (found - expected).abs();
        assert!(off <= tolerance * (size + expected.abs()), "{what}: {found}, not {expected}");
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

/// `ln q`, the score, and the gradient of a loss of both.
fn evaluate(flow: &Flow, device: &Device) -> [Vec<f64>; 3] {
    let flow = flow.clone().train();
    let (x, context) = inputs(device);
    let (log_prob, score) = flow.log_prob_and_score(x, context, Score::Target);
    let loss = score.clone().square().sum_dim(1).mean() * 1e-2 - log_prob.clone().mean();
    let gradients = loss.backward();
    let mut collect = Collect { gradients: &gradients, found: Vec::new() };
    flow.visit(&mut collect);
    [numbers(log_prob.inner()), numbers(score.inner()), collect.found]
}

#[test]
fn a_device_can_be_opened_again() {
    let first = open_device(DeviceChoice::Wgpu);
    assert_eq!(open_device(DeviceChoice::Wgpu), first);
}

#[test]
fn values_gradients_and_draws_agree() {
    let Some(device) = device() else { return };
    for (name, config) in families(3, 2) {
        let near = flow(&config);
        let far = there(&near, &device);
        let expected = evaluate(&near, &Device::flex());
        let found = evaluate(&far, &device);
        let parts = [("log density", 1e-4), ("score", 1e-3), ("gradient", 2e-3)];
        for ((found, expected), (part, tolerance)) in found.iter().zip(&expected).zip(parts) {
            compare(&format!("{name}, {part}"), found, expected, tolerance);
        }
        let draw = |flow: &Flow| {
            flow.samples(&[2.1, 3.3], 200, &mut ChaCha8Rng::seed_from_u64(5)).unwrap()
        };
        compare(&format!("{name}, draws"), &draw(&far), &draw(&near), 1e-3);
    }
}

#[test]
fn unconditional_flows_agree() {
    let Some(device) = device() else { return };
    for (name, config) in families(1, 0).into_iter().chain(families(2, 0)) {
        let near = flow(&config);
        let far = there(&near, &device);
        let x = support::features(&near, 40);
        let (found, expected) =
            (far.log_prob_of(&x, &[]).unwrap(), near.log_prob_of(&x, &[]).unwrap());
        compare(name, &found, &expected, 1e-4);
    }
}

/// `-mean ln q` of all rows, with the size of the score added if wanted.
struct Batch {
    x: Tensor<2>,
    context: Tensor<2>,
    with_score: bool,
}

impl Objective for Batch {
    type Model = Flow;

    fn rows(&self) -> usize {
        self.x.dims()[0]
    }

    fn contains_derivatives(&self) -> bool {
        self.with_score
    }

    fn loss(
        &self,
        flow: &Flow,
        _: &[usize],
        tape: &Tape,
        _: &mut ChaCha8Rng,
    ) -> flows::Result<Var> {
        let (x, context) = (self.x.clone(), self.context.clone());
        if !self.with_score {
            return Ok(-flow.log_density(&tape.input(x), &tape.input(context)).mean());
        }
        let (log_prob, score) = flow.log_prob_and_score(x, context, Score::Target);
        let loss = score.square().sum_dim(1).mean() * 1e-2 - log_prob.mean();
        Ok(Var::constant(loss.reshape([1, 1])))
    }
}

/// The losses of a training, and that of the mean weights at its end.
fn losses(config: &FlowConfig, device: &Device, steps: usize, with_score: bool) -> Vec<f64> {
    let (x, context) = inputs(device);
    let batch = Batch { x, context, with_score };
    let settings = TrainingSettings {
        batch: batch.rows(),
        validation: 0.0,
        evaluate_every: Some(1),
        max_steps: steps,
        learning_rate: 1e-3,
        ..TrainingSettings::default()
    };
    let go_on = &mut |_: &_| ControlFlow::Continue(());
    let trained = train(&batch, there(&flow(config), device), &settings, None, go_on).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let end = batch.loss(&trained.model, &[], &Tape::idle(), &mut rng).unwrap();
    let losses = trained.report.curve.iter().map(|point| point.training);
    losses.chain(numbers(end.into_value())).collect()
}

#[test]
fn training_agrees() {
    let Some(device) = device() else { return };
    for (name, config) in families(3, 2) {
        if config.base == Base::Uniform {
            continue;
        }
        for (steps, with_score) in [(20, false), (3, true)] {
            let found = losses(&config, &device, steps, with_score);
            let expected = losses(&config, &Device::flex(), steps, with_score);
            println!("{name}, score {with_score}: {:?}", found.last());
            compare(&format!("{name}, losses"), &found, &expected, 2e-3);
            assert!(found[steps] < found[0], "{name}: {found:?}");
        }
    }
}
