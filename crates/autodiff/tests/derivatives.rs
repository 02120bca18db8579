//! Every function of `Real` and every operator of `Dual`: values equal to those of `f64`,
//! derivatives equal to closed forms and to central differences.

use autodiff::{Dual, GradientCheck, Real, assert_gradient};
use proptest::prelude::*;

type D = Dual<2>;

/// Checks a function of two reals, written once for each number type.
fn check(
    name: &str,
    plain: impl Fn(f64, f64) -> f64,
    dual: impl Fn(D, D) -> D,
    exact: impl Fn(f64, f64) -> [f64; 2],
    [x, y]: [f64; 2],
) {
    let [a, b] = D::variables([x, y]);
    let f = dual(a, b);
    assert_eq!(f.value.to_bits(), plain(x, y).to_bits(), "{name}({x}, {y})");
    for (i, expected) in exact(x, y).into_iter().enumerate() {
        let error = (f.gradient[i] - expected).abs();
        assert!(
            error <= 1e-13 * (0.1 + expected.abs()),
            "d{name}/d{i} at ({x}, {y}): {} instead of {expected}",
            f.gradient[i]
        );
    }
    let report = GradientCheck { tolerance: 3e-6, ..GradientCheck::default() }.run(
        |p| plain(p[0], p[1]),
        &[x, y],
        &f.gradient,
    );
    assert!(report.passes(), "{name}: {report}");
}

macro_rules! functions {
    ($point:expr; $($name:literal: |$x:ident, $y:ident| $body:expr => [$dx:expr, $dy:expr];)*) => {
        $(check($name, |$x: f64, $y: f64| $body, |$x: D, $y: D| $body,
            |$x: f64, $y: f64| [$dx, $dy], $point);)*
    };
}

proptest! {
    /// Over positive arguments of order one, where everything is defined.
    #[test]
    fn functions_and_operators(x in 0.2_f64..2.5, y in 0.2_f64..2.5) {
        use std::f64::consts::FRAC_2_SQRT_PI;
        functions! { [x, y];
            "recip": |x, y| x.recip() + y * 0.0 => [-1.0 / (x * x), 0.0 * y];
            "exp": |x, y| Real::exp(x * y) => [y * (x * y).exp(), x * (x * y).exp()];
            "exp_m1": |x, y| Real::exp_m1(x) + y => [x.exp(), 1.0 + 0.0 * y];
            "ln": |x, y| Real::ln(x * y) => [1.0 / x, 1.0 / y];
            "ln_1p": |x, y| Real::ln_1p(x) * y => [y / (1.0 + x), x.ln_1p()];
            "sqrt": |x, y| Real::sqrt(x) * y => [0.5 * y / x.sqrt(), x.sqrt()];
            "powi": |x, y| Real::powi(x, 3) * Real::powi(y, -2)
                => [3.0 * x * x / (y * y), -2.0 * x.powi(3) / y.powi(3)];
            "powf": |x, y| Real::powf(x, 0.55) + y => [0.55 * x.powf(-0.45), 1.0 + 0.0 * y];
            "pow": |x, y| Real::pow(x, y) => [y * x.powf(y - 1.0), x.powf(y) * x.ln()];
            "sin": |x, y| Real::sin(x) + y => [x.cos(), 1.0 + 0.0 * y];
            "cos": |x, y| Real::cos(x) * y => [-x.sin() * y, x.cos()];
            "sinh": |x, y| Real::sinh(x) * y => [x.cosh() * y, x.sinh()];
            "cosh": |x, y| Real::cosh(x) * y => [x.sinh() * y, x.cosh()];
            "tanh": |x, y| Real::tanh(x) * y => [y / x.cosh().powi(2), x.tanh()];
            "atan": |x, y| Real::atan(x) * y => [y / (1.0 + x * x), x.atan()];
            "asinh": |x, y| Real::asinh(x) * y => [y / (1.0 + x * x).sqrt(), x.asinh()];
            "erf": |x, y| Real::erf(x) * y
                => [y * FRAC_2_SQRT_PI * (-x * x).exp(), libm::erf(x)];
            "erfc": |x, y| Real::erfc(x) * y
                => [-y * FRAC_2_SQRT_PI * (-x * x).exp(), libm::erfc(x)];
            "abs": |x, y| Real::abs(-x) + Real::abs(y) => [1.0 + 0.0 * x, 1.0 + 0.0 * y];
            "+": |x, y| x + y + 2.0 => [1.0 + 0.0 * x, 1.0 + 0.0 * y];
            "-": |x, y| -(x - y) - 2.0 => [-1.0 + 0.0 * x, 1.0 + 0.0 * y];
            "*": |x, y| x * y * 3.0 => [3.0 * y, 3.0 * x];
            "/": |x, y| x / y / 3.0 => [1.0 / (3.0 * y), -x / (3.0 * y * y)];
            "number first": |x, y| (2.0 - x) * (1.0 + 3.0 * y) + 4.0 / x
                => [-(1.0 + 3.0 * y) - 4.0 / (x * x), 3.0 * (2.0 - x)];
            "assignments": |x, y| {
                let mut z = x;
                z += y;
                z *= y;
                z -= x;
                z /= y;
                z += 1.0;
                z *= 2.0;
                z -= 3.0;
                z /= 4.0;
                z
            } => [0.5 - 0.5 / y, 0.5 + 0.5 * x / (y * y)];
            "sum": |x, y| [x, y, x].into_iter().sum() => [2.0 + 0.0 * x, 1.0 + 0.0 * y];
        }
    }

    /// Functions defined everywhere, on both signs.
    #[test]
    fn negative_arguments(x in -3.0_f64..-0.2, y in 0.5_f64..2.0) {
        functions! { [x, y];
            "powi": |x, y| Real::powi(x, 5) * y => [5.0 * x.powi(4) * y, x.powi(5)];
            "tanh": |x, y| Real::tanh(x) * y => [y / x.cosh().powi(2), x.tanh()];
            "asinh": |x, y| Real::asinh(x) * y => [y / (1.0 + x * x).sqrt(), x.asinh()];
            "abs": |x, y| Real::abs(x) * y => [-y + 0.0 * x, -x];
            "exp_m1": |x, y| Real::exp_m1(x) * y => [x.exp() * y, x.exp_m1()];
        }
    }

    /// A composite of many operations has the gradient of its central differences.
    #[test]
    fn composition(x in 0.5_f64..1.5, y in 0.5_f64..1.5) {
        fn f<R: Real>(x: R, y: R) -> R {
            let a = (x * y).exp().ln_1p() / (y.powf(0.3) + 1.0);
            (a.erf() - x.tanh().pow(y)).atan() + a.sqrt().sinh() + (x + y) * 3.0
        }
        let [a, b] = D::variables([x, y]);
        assert_gradient(|p| f(p[0], p[1]), &[x, y], &f(a, b).gradient, 3e-6);
    }
}

fn derivative(x: f64, f: impl Fn(Dual<1>) -> Dual<1>) -> f64 {
    f(Dual::variable(x, 0)).gradient[0]
}

#[test]
fn exponent_zero_is_the_constant_one() {
    for x in [-1.5, 0.0, 2.0] {
        let p = Dual::<1>::variable(x, 0).powi(0);
        assert_eq!((p.value, p.gradient[0]), (1.0, 0.0));
    }
    let p = Dual::<1>::variable(0.0, 0).powf(0.0);
    assert_eq!((p.value, p.gradient[0]), (1.0, 0.0));
}

#[test]
fn powers_at_zero() {
    assert_eq!(derivative(0.0, |x| x.powi(1)), 1.0);
    assert_eq!(derivative(0.0, |x| x.powi(2)), 0.0);
    assert_eq!(derivative(0.0, |x| x.powf(1.0)), 1.0);
    assert_eq!(derivative(0.0, |x| x.powf(1.5)), 0.0);
    assert_eq!(derivative(0.0, |x| x.powf(0.5)), f64::INFINITY);
    assert_eq!(derivative(0.0, Real::sqrt), f64::INFINITY);
    assert_eq!(derivative(2.0, |x| x.powi(i32::MIN)), 0.0);
}

/// erfc(10) from the asymptotic series, 2.0884875837625447e-45 (Abramowitz & Stegun, table 7.3).
#[test]
fn error_function_tails() {
    let x = Dual::<1>::variable(10.0, 0);
    let tail = x.erfc();
    assert!((tail.value / 2.088_487_583_762_545e-45 - 1.0).abs() < 1e-14);
    let slope = -std::f64::consts::FRAC_2_SQRT_PI * (-100.0_f64).exp();
    assert!((tail.gradient[0] / slope - 1.0).abs() < 1e-14);
    assert_eq!(x.erf().value, 1.0);
    assert_eq!(derivative(40.0, Real::erf), 0.0);
    assert_eq!(derivative(-40.0, Real::erfc), 0.0);
}

#[test]
fn hyperbolic_tangent_tail_keeps_its_precision() {
    let expected = 4.0 * (-60.0_f64).exp();
    assert!((derivative(30.0, Real::tanh) / expected - 1.0).abs() < 1e-14);
    assert_eq!(derivative(1e4, Real::tanh), 0.0);
}

#[test]
fn finiteness_looks_at_derivatives() {
    assert!(Real::is_finite(Dual::<1>::variable(1.0, 0)));
    assert!(!Real::is_finite(Dual::<1>::variable(0.0, 0).sqrt()));
    assert!(!Real::is_finite(Dual::<1>::constant(f64::NAN)));
}
