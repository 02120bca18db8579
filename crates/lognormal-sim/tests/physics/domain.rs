//! Where the model is defined, and that it stays finite there.

use autodiff::Real;
use lognormal_sim::{Cosmology, Error, PARAMETERS, Prefactor, Theory};
use proptest::prelude::*;

use crate::sources;

#[test]
fn each_impossible_parameter_is_named() {
    let fiducial = Cosmology::FIDUCIAL.parameters();
    let cases = [
        (0, 0.0),
        (0, -0.1),
        (0, 2.0),
        (1, 0.0),
        (1, 0.6),
        (2, 0.0),
        (2, -1.0),
        (2, 4.0),
        (3, 0.0),
        (3, 10.0),
        (4, 0.0),
        (4, 5.0),
        (5, 0.0),
        (5, -0.05),
        (5, -4.0),
    ];
    let not_numbers =
        (0..6).flat_map(|i| [(i, f64::NAN), (i, f64::INFINITY), (i, f64::NEG_INFINITY)]);
    for (index, bad) in cases.into_iter().chain(not_numbers) {
        let mut parameters = fiducial;
        parameters[index] = bad;
        let error = Cosmology::from_parameters(&parameters).unwrap_err();
        assert!(error.is_recoverable());
        match &error {
            Error::Parameter { name, value, .. } => {
                assert_eq!(*name, PARAMETERS[index]);
                assert!(*value == bad || bad.is_nan());
            }
            other => panic!("{other}"),
        }
        assert!(error.to_string().contains(PARAMETERS[index]), "{error}");
    }
}

#[test]
fn a_universe_that_bounces_is_refused() {
    let c =
        Cosmology { omega_c: 0.05, omega_b: 0.01, omega_k: -0.4, w_0: -0.2, ..Cosmology::FIDUCIAL };
    assert!(c.validate().is_ok());
    let c =
        Cosmology { omega_c: 1e-3, omega_b: 1e-3, omega_k: -0.4, w_0: -1.0, ..Cosmology::FIDUCIAL };
    assert!(matches!(c.validate(), Err(Error::Parameter { name: "omega_k", .. })));
}

#[test]
fn a_survey_that_cannot_be_predicted_is_refused() {
    let mut none = sources(10.0);
    none.bins.clear();
    assert!(Theory::new(&none, 2.34, 7000.0, Prefactor::Convergence).is_err());
    for (pixel, ell_max) in [(0.0, 7000.0), (f64::NAN, 7000.0), (2.0, 0.0), (2.0, f64::NAN)] {
        assert!(Theory::new(&sources(10.0), pixel, ell_max, Prefactor::Convergence).is_err());
    }
}

#[test]
fn curvature_and_running_dark_energy_are_supported() {
    let theory = Theory::new(&sources(10.0), 9.375, 2000.0, Prefactor::Convergence).unwrap();
    let flat = theory.predict(&Cosmology::FIDUCIAL).unwrap();
    // Continuous at zero curvature, and different away from it.
    for (omega_k, low, high) in
        [(1e-9, 0.0, 1e-7), (-1e-9, 0.0, 1e-7), (0.1, 1e-3, 0.5), (-0.1, 1e-3, 0.5)]
    {
        let c = Cosmology { omega_k, ..Cosmology::FIDUCIAL };
        let curved = theory.predict(&c).unwrap();
        let change = (curved.spectra[14][20] / flat.spectra[14][20] - 1.0).abs();
        assert!(change > low && change < high, "{omega_k}: {change}");
    }
    let running = Cosmology { w_a: 0.3, ..Cosmology::FIDUCIAL };
    assert!(theory.predict(&running.with_derivatives()).unwrap().shifts[0].is_finite());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Over the whole domain spectra and shifts are positive and finite with their derivatives.
    #[test]
    fn predictions_are_finite_over_the_domain(
        omega_c in 0.0005f64..1.2, omega_b in 0.005f64..0.12, sigma_8 in 0.05f64..2.0,
        h in 0.3f64..1.2, n_s in 0.5f64..1.4, w_0 in -2.9f64..-0.15,
    ) {
        let theory = Theory::new(&sources(10.0), 9.375, 2000.0, Prefactor::Convergence).unwrap();
        let c = Cosmology::from_parameters(&[omega_c, omega_b, sigma_8, h, n_s, w_0]).unwrap();
        let prediction = theory.predict(&c.with_derivatives()).unwrap();
        for value in prediction.spectra.iter().flatten().chain(&prediction.shifts) {
            prop_assert!(value.value() > 0.0 && value.is_finite());
        }
    }
}
