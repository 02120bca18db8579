//! Implicit differentiation against closed forms and central differences of a solver.

use autodiff::{Dual, ImplicitRootError, Real, assert_gradient, implicit_root};

/// Kepler's equation E - e sin E = M.
fn kepler<R: Real>(anomaly: R, e: R, m: R) -> R {
    anomaly - e * anomaly.sin() - m
}

fn solve_kepler(e: f64, m: f64) -> f64 {
    (0..60).fold(m, |x, _| x - kepler(x, e, m) / (1.0 - e * x.cos()))
}

#[test]
fn kepler_equation() {
    let (e, m) = (0.4, 1.1);
    let root = solve_kepler(e, m);
    let [e_dual, m_dual] = Dual::<2>::variables([e, m]);
    let residual = kepler(Dual::constant(root), e_dual, m_dual);
    let slope = kepler(Dual::<1>::variable(root, 0), e.into(), m.into()).gradient[0];
    let x = implicit_root(root, residual, slope, 1e-12).unwrap();
    assert_eq!(x.value, root);
    // Closed form: dE/de = sin E / (1 - e cos E), dE/dM = 1 / (1 - e cos E).
    let denominator = 1.0 - e * root.cos();
    assert!((x.gradient[0] - root.sin() / denominator).abs() < 1e-15);
    assert!((x.gradient[1] - 1.0 / denominator).abs() < 1e-15);
    assert_gradient(|p| solve_kepler(p[0], p[1]), &[e, m], &x.gradient, 1e-7);
}

#[test]
fn plain_numbers_pass_through() {
    assert_eq!(implicit_root(2.0, 0.0, 3.0, 1e-12), Ok(2.0));
}

#[test]
fn refusals() {
    assert_eq!(
        implicit_root(0.0, 0.0, 0.0, 1e-9),
        Err(ImplicitRootError::Singular { root: 0.0, slope: 0.0 })
    );
    assert!(matches!(
        implicit_root(0.0, 0.0, f64::NAN, 1e-9),
        Err(ImplicitRootError::Singular { .. })
    ));
    assert!(matches!(
        implicit_root(0.0, f64::NAN, 1.0, 1e-9),
        Err(ImplicitRootError::NotFinite { .. })
    ));
    assert_eq!(
        implicit_root(1.0, 1e-3, 2.0, 1e-9),
        Err(ImplicitRootError::NotConverged {
            root: 1.0,
            residual: 1e-3,
            step: -5e-4,
            tolerance: 1e-9
        })
    );
}
