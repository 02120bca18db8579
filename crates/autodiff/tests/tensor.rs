//! First and second derivatives of every tensor operation against central differences.
#![cfg(feature = "burn")]

use autodiff::tensor::{RootError, RootSettings, Tape, Var, implicit_root};
use burn::module::Param;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};

const ROWS: usize = 3;
const COLUMNS: usize = 4;
const STEP: f64 = 1e-5;
const TOLERANCE: f64 = 2e-8;

fn matrix(values: &[f64], dims: [usize; 2]) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values.to_vec(), dims), (&Device::flex(), DType::F64))
}

fn numbers(tensor: Tensor<2>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

/// Numbers between -1 and 1 that are no special points of any function here.
fn wave(count: usize, phase: f64) -> Vec<f64> {
    (0..count).map(|i| (1.7 * i as f64 + phase).sin() * 0.93).collect()
}

/// A loss that contains a derivative: `sum (d f(x w) / dx - s)²` with fixed numbers `s`; its value,
/// the derivative itself, and burn's gradient of the loss with respect to `w`.
fn loss(
    f: &dyn Fn(&Var) -> Var,
    x: &[f64],
    w: &[f64],
    dims: [usize; 2],
) -> (f64, Vec<f64>, Vec<f64>) {
    let weights = matrix(w, dims).autodiff().require_grad();
    let tape = Tape::new();
    let input = tape.input(matrix(x, dims));
    let output = f(&(&input * &Var::constant(weights.clone())));
    let weight_of_output =
        Var::constant(matrix(&wave(output.dims().iter().product(), 0.4), output.dims()));
    let derivative = tape.gradient(&(&output * &weight_of_output), &[&input]).remove(0);
    let target = matrix(&wave(x.len(), 2.0), dims);
    let loss = (derivative.clone() - target).square().sum();
    let value = loss.clone().into_data().iter::<f64>().sum();
    let gradient = weights.grad(&loss.backward()).expect("the weights are used");
    (value, numbers(derivative.inner()), numbers(gradient))
}

fn output_sum(f: &dyn Fn(&Var) -> Var, x: &[f64], w: &[f64], dims: [usize; 2]) -> f64 {
    let output = f(&Var::constant(matrix(x, dims) * matrix(w, dims))).into_value();
    let weight = matrix(&wave(output.dims().iter().product(), 0.4), output.dims());
    numbers(output * weight).iter().sum()
}

fn central(f: impl Fn(f64) -> f64) -> f64 {
    (f(STEP) - f(-STEP)) / (2.0 * STEP)
}

fn shifted(values: &[f64], index: usize, by: f64) -> Vec<f64> {
    let mut values = values.to_vec();
    values[index] += by;
    values
}

fn check_on(name: &str, x: &[f64], f: &dyn Fn(&Var) -> Var) {
    let dims = [ROWS, COLUMNS];
    let w: Vec<f64> = wave(x.len(), 1.0).iter().map(|v| 1.0 + 0.1 * v).collect();
    let (_, first, second) = loss(f, x, &w, dims);
    let close = |found: f64, expected: f64, order: &str, i: usize| {
        let error = (found - expected).abs() / (1.0 + expected.abs());
        assert!(
            error < TOLERANCE,
            "{name}, {order} derivative {i}: {found}, difference {expected}"
        );
    };
    for i in 0..x.len() {
        let expected = central(|h| output_sum(f, &shifted(x, i, h), &w, dims));
        close(first[i], expected, "first", i);
        let expected = central(|h| loss(f, x, &shifted(&w, i, h), dims).0);
        close(second[i], expected, "second", i);
    }
}

fn check(name: &str, f: impl Fn(&Var) -> Var) {
    check_on(name, &wave(ROWS * COLUMNS, 0.3), &f);
}

/// For functions of positive or bounded arguments: entries between 0.1 and 0.9.
fn check_positive(name: &str, f: impl Fn(&Var) -> Var) {
    let x: Vec<f64> = wave(ROWS * COLUMNS, 0.3).iter().map(|v| 0.45 + 0.35 * v).collect();
    check_on(name, &x, &f);
}

fn other(rows: usize, columns: usize) -> Var {
    Var::constant(matrix(&wave(rows * columns, 5.0), [rows, columns]))
}

#[test]
fn elementary_functions() {
    check("exp", Var::exp);
    check("sin", Var::sin);
    check("tanh", Var::tanh);
    check("sigmoid", Var::sigmoid);
    check("log_sigmoid", Var::log_sigmoid);
    check("softplus", Var::softplus);
    check("silu", Var::silu);
    check("relu", |x| x.square() * x.relu());
    check("square", |x| x.square() * x);
    check("softmax", Var::softmax);
    check("log_sum_exp", Var::log_sum_exp);
    check("clamp", |x| x.square() * x.clamp(-0.5, 0.5));
    check_positive("ln", Var::ln);
    check_positive("sqrt", Var::sqrt);
    check_positive("recip", Var::recip);
    check_positive("logit", Var::logit);
}

#[test]
fn arithmetic_with_repetition() {
    check("x + x²", |x| x + x.square() * x);
    check("row", |x| x.square() * other(1, COLUMNS) - other(1, COLUMNS));
    check("column", |x| (x.sin() + other(ROWS, 1)) * x);
    check("own column", |x| x * x.columns(1..2).exp());
    check("own row", |x| x.sin() * x.sum(0));
    check("quotient", |x| x.exp() / (x.square() + 1.5));
    check("by a column", |x| x.sin() / x.columns(0..1).exp());
    check("numbers", |x| ((x * 3.0 - 1.0) / 2.0).sin());
    check("negative", |x| -x.exp());
}

#[test]
fn products_and_sums() {
    check("matmul", |x| x.tanh().matmul(&other(COLUMNS, 5)).tanh());
    check("matmul of two variables", |x| x.tanh().matmul(&x.transpose().sin()));
    check("affine", |x| x.sin().affine(&other(COLUMNS, 5), &other(1, 5)).tanh());
    check("affine in the weights", |w| other(5, ROWS).affine(&w.sin(), &other(1, COLUMNS)).tanh());
    check("affine in the bias", |b| other(5, 2).affine(&other(2, COLUMNS), &b.sin().sum(0)).tanh());
    check("mean", |x| x.exp().mean().square());
    check("sum of columns", |x| x.exp().sum(1).square());
    check("sum of rows", |x| x.exp().sum(0).square());
    check("cumulative sum", |x| x.exp().cumulative_sum().square());
}

#[test]
fn parts_and_rearrangements() {
    let device = Device::flex();
    check("columns", |x| x.columns(1..3).exp());
    check("no columns", |x| Var::concat(&[&x.columns(2..2), &x.exp(), &x.columns(0..0)]).tanh());
    check("all columns", |x| x.exp().columns(0..COLUMNS).tanh());
    check("columns that meet", |x| x.columns(0..1).exp() + x.columns(1..2) * x.columns(3..4).sin());
    check("columns that overlap", |x| x.columns(0..3).exp() * x.columns(1..4).sin());
    check("columns and all", |x| x.columns(0..1).exp() * x.sin() + x * x.columns(3..4).sin());
    check("concat", |x| Var::concat(&[&x.columns(2..4).exp(), &x.sin(), &other(ROWS, 1)]).tanh());
    check("reshape", |x| x.exp().reshape([2, 6]).softmax());
    check("transpose", |x| x.exp().transpose().softmax());
    check("repeat_rows", |x| x.exp().repeat_rows(3).softmax());
    let order = Tensor::<1, Int>::from_ints([2, 0, 3, 1], &device);
    let inverse = Tensor::<1, Int>::from_ints([1, 3, 0, 2], &device);
    check("permute_columns", |x| x.sin().permute_columns(&order, &inverse).softmax());
    let indices = Tensor::<2, Int>::from_ints([[1, 1], [0, 3], [2, 0]], &device);
    check("gather", |x| x.exp().gather(indices.clone()).square());
    let mask = matrix(&wave(ROWS * COLUMNS, 0.9), [ROWS, COLUMNS]).greater_elem(0.0);
    check("or_else", |x| x.exp().or_else(mask.clone(), &x.sin()));
}

/// `y = x + a x³` for x in [-3, 3].
fn cubic(x: &Var, parameters: &[Var]) -> (Var, Var) {
    let a = &parameters[0];
    (x + a * (x.square() * x), (a * x.square()) * 3.0 + 1.0)
}

#[test]
fn implicit_roots_to_second_order() {
    let solve = |y: &Var, a: Var| {
        let settings = RootSettings { tolerance: 1e-12, ..RootSettings::default() };
        implicit_root(cubic, &[a], y, [-3.0, 3.0], settings).unwrap()
    };
    check("root, as a function of its target", |y| solve(y, other(ROWS, COLUMNS).exp()));
    check("root, as a function of a parameter", |a| solve(&other(ROWS, COLUMNS), a.exp()));
}

#[test]
fn implicit_roots_of_a_steep_function() {
    // tanh(40 x) defeats plain Newton from the middle of the bracket
    let steep = |x: &Var, _: &[Var]| {
        let value = (x * 40.0 - 13.0).tanh();
        let slope = (-value.square() + 1.0) * 40.0;
        (value + x * 0.01, slope + 0.01)
    };
    let expected = wave(ROWS * COLUMNS, 0.0);
    let target = steep(&Var::constant(matrix(&expected, [ROWS, COLUMNS])), &[]).0;
    let found = implicit_root(steep, &[], &target, [-2.0, 2.0], RootSettings::default()).unwrap();
    for (found, expected) in numbers(found.into_value()).iter().zip(&expected) {
        assert!((found - expected).abs() < 1e-6, "{found} {expected}");
    }
}

#[test]
fn implicit_roots_that_do_not_exist() {
    let target = Var::constant(matrix(&[f64::NAN, 0.5, 0.1], [3, 1]));
    let a = Var::constant(matrix(&[1.0], [1, 1]));
    let solve = |target: &Var, settings| {
        implicit_root(cubic, std::slice::from_ref(&a), target, [-3.0, 3.0], settings)
    };
    let error = solve(&target, RootSettings::default()).unwrap_err();
    assert!(matches!(error, RootError::NotFinite { count: 1, of: 3, .. }), "{error}");
    let target = Var::constant(matrix(&[0.3], [1, 1]));
    let error =
        solve(&target, RootSettings { iterations: 1, ..RootSettings::default() }).unwrap_err();
    assert!(matches!(error, RootError::NoConvergence { iterations: 1, .. }), "{error}");
}

#[test]
fn unused_inputs_have_zero_derivatives() {
    let tape = Tape::new();
    let used = tape.input(matrix(&[1.0, 2.0], [1, 2]));
    let unused = tape.input(matrix(&[1.0, 2.0], [1, 2]));
    let gradients = tape.gradient(&used.square(), &[&used, &unused]);
    assert_eq!(numbers(gradients[0].clone()), [2.0, 4.0]);
    assert_eq!(numbers(gradients[1].clone()), [0.0, 0.0]);
}

#[test]
fn tapes_of_weights_differentiate_with_respect_to_them() {
    let param = |values: &[f64], dims| Param::from_tensor(matrix(values, dims));
    let weight = param(&wave(2 * COLUMNS, 0.1), [2, COLUMNS]);
    let (bias, unused) = (param(&wave(COLUMNS, 0.7), [1, COLUMNS]), param(&[1.0], [1, 1]));
    let x = matrix(&wave(ROWS * 2, 0.2), [ROWS, 2]);
    // the weights are used twice
    let loss = |x: &Var, w: &Var, b: &Var| {
        let y = x.affine(w, b).tanh();
        (&y * x.matmul(w)).mean() + y.sum(0).sum(1)
    };
    let tape = Tape::of_weights();
    let input = tape.input(x.clone());
    let output = loss(&input, &input.weights(&weight), &input.weights(&bias));
    let gradients = tape.weight_gradients(&output);
    assert!(gradients.of(&unused).is_none());
    let value = |w: &[f64], b: &[f64]| {
        let (w, b) = (matrix(w, [2, COLUMNS]), matrix(b, [1, COLUMNS]));
        let output = loss(&Var::constant(x.clone()), &Var::constant(w), &Var::constant(b));
        numbers(output.into_value())[0]
    };
    let (w, b) = (numbers(weight.val()), numbers(bias.val()));
    for (i, found) in numbers(gradients.of(&weight).unwrap()).into_iter().enumerate() {
        let expected = central(|h| value(&shifted(&w, i, h), &b));
        assert!((found - expected).abs() < TOLERANCE, "weight {i}: {found} {expected}");
    }
    for (i, found) in numbers(gradients.of(&bias).unwrap()).into_iter().enumerate() {
        let expected = central(|h| value(&w, &shifted(&b, i, h)));
        assert!((found - expected).abs() < TOLERANCE, "bias {i}: {found} {expected}");
    }
    // weights are constants of tapes of inputs only, and idle tapes record nothing
    let tape = Tape::new();
    let input = tape.input(x.clone());
    let beside = input.beside(x.clone());
    let output = loss(&(&input + &beside), &input.weights(&weight), &input.weights(&bias));
    let both = tape.gradient(&output, &[&input, &beside]);
    assert_eq!(numbers(both[0].clone()), numbers(both[1].clone()));
    let idle = Tape::idle().input(x);
    assert_eq!(format!("{idle:?}"), "Var[3, 2] (constant)");
}

#[test]
#[should_panic(expected = "no weights were recorded")]
fn losses_without_recorded_weights_are_a_mistake() {
    let tape = Tape::of_weights();
    let _ = tape.weight_gradients(&Var::constant(matrix(&[1.0], [1, 1])));
}

#[test]
fn tails_stay_finite() {
    let tape = Tape::new();
    let x = tape.input(matrix(&[-800.0, 800.0], [1, 2]));
    for (output, value, slope) in [
        (x.softplus(), [0.0, 800.0], [0.0, 1.0]),
        (x.log_sigmoid(), [-800.0, 0.0], [1.0, 0.0]),
        (x.silu(), [0.0, 800.0], [0.0, 1.0]),
        (x.tanh(), [-1.0, 1.0], [0.0, 0.0]),
    ] {
        assert_eq!(numbers(output.value().clone()), value);
        assert_eq!(numbers(tape.gradient(&output, &[&x]).remove(0)), slope);
    }
}
