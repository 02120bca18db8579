//! The gradient check accepts right gradients and names the wrong coordinate of others.

use autodiff::{GradientCheck, assert_gradient};

fn f(x: &[f64]) -> f64 {
    x[0].sin() * x[1].exp() + x[2].powi(4)
}

fn gradient(x: &[f64]) -> [f64; 3] {
    [x[0].cos() * x[1].exp(), x[0].sin() * x[1].exp(), 4.0 * x[2].powi(3)]
}

const POINT: [f64; 3] = [0.7, -0.4, 1.3];

#[test]
fn a_right_gradient_converges_as_the_square_of_the_step() {
    let report = GradientCheck { tolerance: 1e-8, ..GradientCheck::default() }.run(
        f,
        &POINT,
        &gradient(&POINT),
    );
    report.assert_passes();
    for c in &report.coordinates {
        let order = c.order.unwrap();
        assert!((order - 2.0).abs() < 0.01, "{c:?}");
    }
    assert!(report.worst_error() < 1e-8);
    assert!(report.to_string().starts_with("gradient of 3 coordinates right to"));
}

#[test]
fn a_wrong_coordinate_is_named_with_its_error() {
    let mut wrong = gradient(&POINT);
    wrong[1] *= 1.001;
    let report = GradientCheck::default().run(f, &POINT, &wrong);
    let failed: Vec<usize> = report.failures().map(|c| c.index).collect();
    assert_eq!(failed, [1]);
    let error = report.coordinates[1].best_error();
    assert!((error - 0.001).abs() < 1e-4, "{error}");
    assert!(report.to_string().contains("coordinate 1 at -0.4"), "{report}");
}

#[test]
fn reaching_the_tolerance_by_crossing_it_is_not_enough() {
    // An error of 1e-3 that a non-smooth term hides at the smallest step only.
    let kinked =
        |x: &[f64]| x[0].sin() + 1e-3 * (x[0] - 1.0).signum() * (x[0] - 1.0).abs().min(1e-4);
    let report = GradientCheck::default().run(kinked, &[1.0], &[1.0_f64.cos() + 1e-3]);
    assert!(report.coordinates[0].best_error() < 1e-6);
    assert!(!report.passes(), "{report}");
}

#[test]
fn failing_functions_and_wrong_lengths_do_not_pass() {
    let report = GradientCheck::default().run(|_| f64::NAN, &[1.0], &[1.0]);
    assert!(!report.passes());
    let report = GradientCheck::default().run(f, &POINT, &[1.0]);
    assert_eq!(report.to_string(), "the gradient has 1 entries, the point 3");
    assert!(!report.passes());
}

#[test]
fn zero_and_small_gradients() {
    assert_gradient(|x| x[0].cos(), &[0.0], &[0.0], 1e-6);
    assert_gradient(|x| x[0] + 0.0 * x[1], &[1e-9, 3.0], &[1.0, 0.0], 1e-6);
    assert_gradient(|x| 1e-30 * x[0].exp(), &[0.5], &[1e-30 * 0.5_f64.exp()], 1e-6);
}

#[test]
#[should_panic(expected = "coordinate 0 at 2: claimed 3e0")]
fn the_assertion_panics_with_the_report() {
    assert_gradient(|x| x[0] * x[0], &[2.0], &[3.0], 1e-6);
}
