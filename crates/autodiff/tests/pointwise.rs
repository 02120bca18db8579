//! The vectorised single-precision functions against double precision.
#![cfg(feature = "burn")]

use autodiff::tensor::{AdamStep, Tape, Var, mean_step};
use burn::optim::{AdamConfig, Optimizer};
use burn::tensor::{DType, Device, Tensor, TensorData};

fn column(values: &[f64], dtype: DType) -> Tensor<2> {
    let data = TensorData::new(values.to_vec(), [values.len(), 1]);
    Tensor::from_data(data, (&Device::flex(), dtype))
}

fn numbers(tensor: Tensor<2>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

/// Values, first derivatives by the tape, and second derivatives by burn, of a function of each
/// entry; and values without any tracking.
fn orders(f: &dyn Fn(&Var) -> Var, x: &[f64], dtype: DType) -> [Vec<f64>; 4] {
    let plain = f(&Var::constant(column(x, dtype))).into_value();
    let x = column(x, dtype).autodiff().require_grad();
    let tape = Tape::new();
    let input = tape.input(x.clone());
    let value = f(&input);
    let slope = tape.gradient(&value, &[&input]).remove(0);
    let bend = x.grad(&slope.clone().sum().backward()).expect("tracked");
    [value.into_value().inner(), slope.inner(), bend, plain].map(numbers)
}

/// The first derivative by burn alone, and by the tape alone.
fn first_orders(f: &dyn Fn(&Var) -> Var, x: &[f64]) -> [Vec<f64>; 2] {
    let tracked = column(x, DType::F32).autodiff().require_grad();
    let value = f(&Var::constant(tracked.clone())).into_value();
    let by_burn = tracked.grad(&value.sum().backward()).expect("tracked");
    let tape = Tape::new();
    let input = tape.input(column(x, DType::F32));
    [by_burn, tape.gradient(&f(&input), &[&input]).remove(0)].map(numbers)
}

fn check(name: &str, reach: f64, tolerance: f64, f: impl Fn(&Var) -> Var) {
    let count = 4001;
    let x: Vec<f64> = (0..count)
        .map(|i| f64::from(((2.0 * i as f64 / (count - 1) as f64 - 1.0).powi(3) * reach) as f32))
        .collect();
    let found = orders(&f, &x, DType::F32);
    let expected = orders(&f, &x, DType::F64);
    for (order, (found, expected)) in found.iter().zip(&expected).enumerate() {
        for ((x, found), expected) in x.iter().zip(found).zip(expected) {
            let error = (found - expected).abs() / (1.0 + expected.abs());
            assert!(error < tolerance, "{name}({x}), output {order}: {found}, not {expected}");
        }
    }
    for first in first_orders(&f, &x) {
        assert!(first == found[1], "{name}: first derivatives depend on who asks");
    }
}

#[test]
fn functions_and_two_derivatives() {
    check("silu", 60.0, 1e-6, Var::silu);
    check("sigmoid", 60.0, 4e-7, Var::sigmoid);
    check("tanh", 30.0, 6e-7, Var::tanh);
    check("exp", 30.0, 4e-7, Var::exp);
    check("sin", 3000.0, 4e-7, Var::sin);
    check("sin of large numbers", 1e6, 4e-7, Var::sin);
    check("slope of sigmoid", 60.0, 4e-7, |x| x.sigmoid_with_derivative().1);
    check("sigmoid with slope", 60.0, 4e-7, |x| {
        let (value, slope) = x.sigmoid_with_derivative();
        value + slope
    });
}

#[test]
fn relu_has_no_slope_at_zero_and_below() {
    let x = [-3.0, -0.5, 0.0, 0.25, 7.0];
    for first in first_orders(&Var::relu, &x) {
        assert_eq!(first, [0.0, 0.0, 0.0, 1.0, 1.0]);
    }
    let plain = Var::constant(column(&x, DType::F32)).relu();
    assert_eq!(numbers(plain.into_value()), [0.0, 0.0, 0.0, 0.25, 7.0]);
}

#[test]
fn owned_variables_give_the_same() {
    let x: Vec<f64> = (0..100).map(|i| 0.3 * f64::from(i) - 15.0).collect();
    for dtype in [DType::F32, DType::F64] {
        let var = || Var::constant(column(&x, dtype));
        for (owned, borrowed) in [
            (var().into_silu(), var().silu()),
            (var().into_tanh(), var().tanh()),
            (var().into_sin(), var().sin()),
            (var().into_relu(), var().relu()),
        ] {
            assert_eq!(numbers(owned.into_value()), numbers(borrowed.into_value()));
        }
        // on a tape, too, with the same derivatives
        for (owned, borrowed) in [
            (Var::into_silu as fn(Var) -> Var, Var::silu as fn(&Var) -> Var),
            (Var::into_tanh, Var::tanh),
            (Var::into_sin, Var::sin),
            (Var::into_relu, Var::relu),
        ] {
            let on_tape = |f: &dyn Fn(&Var) -> Var| {
                let tape = Tape::new();
                let input = tape.input(column(&x, dtype));
                let value = f(&(&input * 1.5));
                let slope = tape.gradient(&value, &[&input]).remove(0);
                [value.into_value(), slope].map(numbers)
            };
            assert_eq!(on_tape(&|x| owned(x.clone())), on_tape(&|x| borrowed(x)));
        }
    }
    // what others hold is not touched
    let shared = column(&x, DType::F32);
    let changed = Var::constant(shared.clone()).into_silu();
    assert_eq!(numbers(shared), numbers(column(&x, DType::F32)));
    assert_ne!(numbers(changed.into_value()), numbers(column(&x, DType::F32)));
}

#[test]
fn relative_precision_in_the_tails() {
    let x: Vec<f64> = (1..80).map(|i| -f64::from(i)).collect();
    let var = Var::constant(column(&x, DType::F32));
    let (gate, slope) = var.sigmoid_with_derivative();
    for (i, (gate, slope)) in
        numbers(gate.into_value()).into_iter().zip(numbers(slope.into_value())).enumerate()
    {
        let expected = 1.0 / (1.0 + (-x[i]).exp());
        assert!((gate / expected - 1.0).abs() < 1e-6, "sigmoid({}) = {gate}", x[i]);
        let expected = expected / (1.0 + x[i].exp());
        assert!((slope / expected - 1.0).abs() < 1e-6, "its slope {slope}, not {expected}");
    }
    for (x, found) in x.iter().zip(numbers(var.exp().into_value())) {
        assert!((found / x.exp() - 1.0).abs() < 1e-6, "exp({x}) = {found}");
    }
}

#[test]
fn infinities_and_nan() {
    let x = [f64::NEG_INFINITY, -1e30, 1e30, f64::INFINITY, f64::NAN];
    let at = |f: fn(&Var) -> Var| numbers(f(&Var::constant(column(&x, DType::F32))).into_value());
    let sigmoid = at(Var::sigmoid);
    assert!(sigmoid[..2].iter().all(|s| *s < 2e-38), "{sigmoid:?}");
    assert_eq!(sigmoid[2..4], [1.0, 1.0]);
    assert_eq!(at(Var::tanh)[..4], [-1.0, -1.0, 1.0, 1.0]);
    assert_eq!(at(Var::exp)[..4], [0.0, 0.0, f64::INFINITY, f64::INFINITY]);
    assert!(at(Var::silu)[1].abs() < 1e-6);
    for f in [Var::sigmoid, Var::tanh, Var::exp, Var::silu, Var::sin, Var::relu] {
        assert!(at(f)[4].is_nan());
    }
}

fn wave(count: usize, phase: f64) -> Vec<f64> {
    (0..count).map(|i| (1.3 * i as f64 + phase).sin()).collect()
}

/// Five steps by one pass, by tensor operations in double precision, and by burn's own.
#[test]
fn steps_of_adam() {
    let start = wave(200, 0.1);
    let run = |dtype: DType| {
        let mut weights = column(&start, dtype);
        let mut moments = None;
        for t in 1..=5 {
            let gradient = column(&wave(200, t as f64), dtype);
            let step = AdamStep { epsilon: 1e-5, gradient_scale: 0.5, ..AdamStep::new(0.01, t) };
            let (next, kept) = step.apply(weights, gradient, moments);
            (weights, moments) = (next, Some(kept));
        }
        numbers(weights)
    };
    let adam = AdamConfig::new().with_epsilon(1e-5).build();
    let mut weights = column(&start, DType::F32);
    let mut state = None;
    for t in 1..=5 {
        let gradient = column(&wave(200, t as f64), DType::F32) * 0.5;
        (weights, state) = adam.step(0.01, weights, gradient, state);
    }
    let burn = numbers(weights);
    for ((single, double), burn) in run(DType::F32).iter().zip(run(DType::F64)).zip(burn) {
        assert!((single - double).abs() < 2e-7, "{single} {double}");
        assert!((single - burn).abs() < 2e-6, "{single} {burn}");
    }
}

#[test]
fn steps_of_means() {
    let run = |dtype: DType| {
        let mut mean = column(&wave(50, 0.3), dtype).reshape([50]);
        for (step, share) in [0.4, 0.1].into_iter().enumerate() {
            mean = mean_step(mean, column(&wave(50, step as f64), dtype), share);
        }
        numbers(mean.reshape([50, 1]))
    };
    let parts = [wave(50, 0.3), wave(50, 0.0), wave(50, 1.0)];
    let expected =
        (0..50).map(|i| 0.9 * (0.6 * parts[0][i] + 0.4 * parts[1][i]) + 0.1 * parts[2][i]);
    for ((single, double), expected) in run(DType::F32).iter().zip(run(DType::F64)).zip(expected) {
        assert!((single - expected).abs() < 1e-6, "{single} {expected}");
        assert!((double - expected).abs() < 1e-12, "{double} {expected}");
    }
}
