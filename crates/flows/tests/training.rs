//! What a training keeps, where it stops and which steps it makes; the devices there are for it.

mod support;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::f64::consts::{LN_2, PI};
use std::ops::ControlFlow;

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use flows::training::{Objective, Schedule, Trained, TrainingSettings, train};
use flows::{Error, Tape, Var};
use rand_chacha::ChaCha8Rng;
use support::{numbers, tensor};

/// A straight line.
#[derive(Module, Debug)]
struct Line {
    slope: Param<Tensor<2>>,
    offset: Param<Tensor<2>>,
}

impl Line {
    /// From slope and offset.
    fn new(weights: [f64; 2]) -> Self {
        let [slope, offset] = weights.map(|weight| Param::from_tensor(tensor(&[weight], 1)));
        Self { slope, offset }
    }

    /// Slope and offset.
    fn weights(&self) -> [f64; 2] {
        [&self.slope, &self.offset].map(|weight| numbers(weight.val())[0])
    }
}

/// The loss of each row: a function of the height of the line at `x`, and of `y`.
type Loss = fn(&Var, &Var) -> Var;

fn squared_error(height: &Var, y: &Var) -> Var {
    (height - y).square()
}

/// Its derivative by the height is `y`, wherever the line is.
fn product(height: &Var, y: &Var) -> Var {
    height * y
}

/// The mean of a loss over rows `[x, y]`.
struct Rows {
    data: Vec<[f64; 2]>,
    loss: Loss,
    /// The rows of each evaluation.
    seen: RefCell<Vec<Vec<usize>>>,
}

impl Rows {
    fn new(data: Vec<[f64; 2]>, loss: Loss) -> Self {
        Self { data, loss, seen: RefCell::default() }
    }
}

impl Objective for Rows {
    type Model = Line;

    fn rows(&self) -> usize {
        self.data.len()
    }

    fn loss(
        &self,
        line: &Line,
        rows: &[usize],
        tape: &Tape,
        _: &mut ChaCha8Rng,
    ) -> flows::Result<Var> {
        self.seen.borrow_mut().push(rows.to_vec());
        let column = |index: usize| {
            let values: Vec<f64> = rows.iter().map(|row| self.data[*row][index]).collect();
            tape.input(tensor(&values, 1))
        };
        let (x, y) = (column(0), column(1));
        let height = x.affine(&x.weights(&line.slope), &x.weights(&line.offset));
        Ok((self.loss)(&height, &y).mean())
    }
}

/// All rows are trained on, for as many steps as are allowed.
fn settings() -> TrainingSettings {
    TrainingSettings {
        validation: 0.0,
        patience: None,
        schedule: Schedule::Constant,
        ..TrainingSettings::default()
    }
}

fn fit(rows: &Rows, start: [f64; 2], settings: &TrainingSettings) -> flows::Result<Trained<Line>> {
    train(rows, Line::new(start), settings, None, &mut |_| ControlFlow::Continue(()))
}

#[test]
fn what_is_not_finite_stops_the_training_at_its_step() {
    const BAD: usize = 3;
    let root: Loss = |height, y| (height * y).sqrt();
    let cases: [(&str, Loss, f64); 3] = [
        ("loss", squared_error, f64::INFINITY),
        ("loss", squared_error, f64::NAN),
        ("gradient", root, 0.0),
    ];
    for (what, loss, bad) in cases {
        let mut steps = BTreeSet::new();
        for seed in 0..5 {
            let mut data = vec![[0.0, 1.0]; 8];
            data[BAD][1] = bad;
            let rows = Rows::new(data, loss);
            let settings = TrainingSettings {
                batch: 1,
                max_steps: 40,
                learning_rate: 0.01,
                schedule: Schedule::Exponential { factor: 0.5, every: 4, floor: 0.0 },
                seed,
                ..settings()
            };
            let error = fit(&rows, [0.0, 1.0], &settings).unwrap_err();
            let Error::Training { what: found, value, step, learning_rate } = error else {
                panic!("{error}")
            };
            let case = format!("{what} with {bad}, seed {seed}: {error}");
            assert_eq!(found, what, "{case}");
            assert!(!value.is_finite(), "{case}");
            // the row is met once, and nothing after it
            let seen = rows.seen.into_inner();
            assert_eq!(seen.iter().position(|rows| rows.contains(&BAD)), Some(step), "{case}");
            assert_eq!(seen.len(), step + 1, "{case}");
            let expected = 0.01 * (-LN_2 * step as f64 / 4.0).exp();
            assert!((learning_rate - expected).abs() < 1e-12, "{case}: not {expected}");
            let words = format!("{what} is {value} at step {step}, learning rate {learning_rate}:");
            assert!(error.to_string().starts_with(&words), "{case}");
            steps.insert(step);
        }
        assert!(steps.len() > 1, "{what}: always at {steps:?}");
    }
}

#[test]
fn weights_at_which_the_loss_is_nan_stop_the_training_there() {
    // with y = 0 the root changes nothing, but that heights below zero have no loss
    let loss: Loss = |height, y| height + height.sqrt() * y;
    let rows = Rows::new(vec![[0.0, 0.0]; 4], loss);
    let settings = TrainingSettings { learning_rate: 0.1, max_steps: 10, ..settings() };
    // 0.35, 0.25, 0.15, 0.05, -0.05
    let message = fit(&rows, [0.0, 0.35], &settings).unwrap_err().to_string();
    assert!(message.starts_with("loss is NaN at step 4, learning rate 0.1:"), "{message}");
    assert_eq!(rows.seen.into_inner().len(), 5);
}

/// The training rows pull the line past what fits the validation rows best.
#[test]
fn the_weights_of_the_best_evaluation_are_kept() {
    for schedule in [Schedule::Constant, Schedule::Averaged { steps: 5 }] {
        let settings = TrainingSettings {
            validation: 0.3,
            evaluate_every: Some(1),
            max_steps: 25,
            learning_rate: 0.05,
            schedule,
            ..settings()
        };
        // one step tells which rows are for validation
        let rows = Rows::new(vec![[0.0, 1.0]; 10], squared_error);
        let one = TrainingSettings { max_steps: 1, ..settings.clone() };
        fit(&rows, [0.0, 0.0], &one).unwrap();
        let mut data = rows.data;
        let seen = rows.seen.into_inner();
        let [training, validation] = seen.as_slice() else { panic!("{seen:?}") };
        assert_eq!([training.len(), validation.len()], [7, 3]);
        for row in validation {
            data[*row][1] = 0.4;
        }

        let rows = Rows::new(data, squared_error);
        let Trained { model, report } = fit(&rows, [0.0, 0.0], &settings).unwrap();
        assert_eq!([report.training_rows, report.validation_rows], [7, 3]);
        let losses: Vec<f64> =
            report.curve.iter().map(|point| point.validation.expect("there are rows")).collect();
        let least = losses.iter().copied().fold(f64::INFINITY, f64::min);
        assert_eq!(losses[report.best], least, "{schedule:?}: {losses:?}");
        assert!(losses[0] > least + 0.05, "{schedule:?} does not fall: {losses:?}");
        assert!(losses[24] > least + 0.2, "{schedule:?} does not rise: {losses:?}");
        let [_, offset] = model.weights();
        let own = (offset - 0.4).powi(2);
        assert!((own - least).abs() < 1e-6, "{schedule:?}: {own} is kept, {losses:?}");
    }
}

/// The weights after Adam has followed gradients, each shortened to a norm of at most `clip_norm`.
fn adam(start: [f64; 2], gradients: &[[f64; 2]], rate: f64, clip_norm: Option<f64>) -> [f64; 2] {
    let limited = gradients.iter().map(|gradient| {
        let norm = gradient[0].hypot(gradient[1]);
        let scale = clip_norm.map_or(1.0, |largest| (largest / norm).min(1.0));
        gradient.map(|part| scale * part)
    });
    let limited: Vec<[f64; 2]> = limited.collect();
    [0, 1].map(|index| {
        let (mut weight, mut mean, mut square) = (start[index], 0.0_f64, 0.0_f64);
        for (step, gradient) in (1..).zip(&limited) {
            let gradient = gradient[index];
            mean = 0.9 * mean + 0.1 * gradient;
            square = 0.999 * square + 0.001 * gradient * gradient;
            let unbiased_mean = mean / (1.0 - 0.9_f64.powi(step));
            let unbiased_square = square / (1.0 - 0.999_f64.powi(step));
            weight -= rate * unbiased_mean / (unbiased_square.sqrt() + 1e-8);
        }
        weight
    })
}

#[test]
fn the_norm_of_the_gradient_of_all_weights_is_limited() {
    const RATE: f64 = 0.05;
    // the gradient of a row is [x y, y]: one is huge, one is short, the others are in between
    let data = [[0.5, 1.0], [-1.0, 0.8], [2.0, 400.0], [0.3, -0.6], [1.5, 1.2], [-0.7, 0.9]];
    let start = [0.3, -0.2];
    let [free, limited] = [None, Some(1.0)].map(|clip_norm| {
        let rows = Rows::new(data.to_vec(), product);
        let settings = TrainingSettings {
            batch: 1,
            max_steps: 18,
            learning_rate: RATE,
            clip_norm,
            ..settings()
        };
        let found = fit(&rows, start, &settings).unwrap().model.weights();
        let seen = rows.seen.into_inner();
        assert_eq!(seen.len(), 18);
        let gradient = |rows: &Vec<usize>| {
            let [x, y] = data[rows[0]];
            [x * y, y]
        };
        let gradients: Vec<[f64; 2]> = seen.iter().map(gradient).collect();
        let expected = adam(start, &gradients, RATE, clip_norm);
        for (found, expected) in found.into_iter().zip(expected) {
            let off = (found - expected).abs();
            assert!(off < 1e-4, "{clip_norm:?}: {found} instead of {expected}");
        }
        found
    });
    assert!((free[1] - limited[1]).abs() > 0.05, "{free:?} and {limited:?}");
}

#[test]
fn learning_rates_are_those_of_the_schedule() {
    const STEPS: usize = 40;
    const FIRST: f64 = 0.1;
    const FLOOR: f64 = 0.02;
    let exponential = Schedule::Exponential { factor: 0.5, every: 10, floor: FLOOR };
    type Rate = fn(usize) -> f64;
    let cases: [(Schedule, Rate); 2] = [
        (exponential, |step| (FIRST * (-LN_2 * step as f64 / 10.0).exp()).max(FLOOR)),
        (Schedule::Cosine, |step| FIRST * (0.5 * PI * step as f64 / STEPS as f64).cos().powi(2)),
    ];
    for (schedule, rate) in cases {
        let rows = Rows::new(vec![[0.0, 1.0]; 4], product);
        let settings = TrainingSettings {
            evaluate_every: Some(5),
            max_steps: STEPS,
            learning_rate: FIRST,
            schedule,
            ..settings()
        };
        let Trained { model, report } = fit(&rows, [0.0, 0.0], &settings).unwrap();
        let evaluated: Vec<usize> = report.curve.iter().map(|point| point.step).collect();
        assert_eq!(evaluated, [5, 10, 15, 20, 25, 30, 35, 40]);
        for point in &report.curve {
            // that of the last step, and steps are counted from 0
            let (found, expected) = (point.learning_rate, rate(point.step - 1));
            let off = (found - expected).abs();
            assert!(off < 1e-12, "{schedule:?}, {point:?}: not {expected}");
        }
        // the gradient is always 1, so that a step is as long as its learning rate
        let [_, offset] = model.weights();
        let path: f64 = (0..STEPS).map(rate).sum();
        assert!((offset + path).abs() < 1e-4, "{schedule:?}: {offset}, not {}", -path);
    }
}

#[cfg(not(feature = "wgpu"))]
#[test]
fn a_device_that_is_not_built_in_is_refused_with_what_to_do() {
    use burn::tensor::Device;
    use flows::{DeviceChoice, DeviceError, open_device};

    let error = open_device(DeviceChoice::Wgpu).unwrap_err();
    assert_eq!(error, DeviceError::NotBuilt);
    let message = error.to_string();
    assert_eq!(message.lines().count(), 1, "{message}");
    for part in ["without the feature `wgpu`", "build it with it", "use the cpu"] {
        assert!(message.contains(part), "'{part}' is not in {message}");
    }
    assert_eq!(open_device(DeviceChoice::Auto), Ok(Device::flex()));
}
