//! The fixed interpolation over multipoles against direct Limber integration.

use lognormal_sim::{Cosmology, EllInterpolation, Error, Prefactor, Theory};

use crate::{assert_within, extreme_cosmologies, sources, worst};

#[test]
fn interpolated_spectra_agree_with_direct_integration() {
    let ell: Vec<f64> =
        (0..=400).map(|i| 30.0 * (7000.0f64 / 30.0).powf(i as f64 / 400.0)).collect();
    for pixel_arcmin in [2.34375, 9.375] {
        let theory =
            Theory::new(&sources(10.0), pixel_arcmin, 7000.0, Prefactor::Convergence).unwrap();
        let interpolation = EllInterpolation::new(&theory, &ell).unwrap();
        for (row, c) in extreme_cosmologies().iter().enumerate() {
            let direct = theory.spectra(c, &ell).unwrap();
            let nodes = theory.predict(c).unwrap().spectra;
            let difference = nodes
                .iter()
                .zip(&direct)
                .map(|(nodes, direct)| worst(&interpolation.apply(nodes), direct))
                .fold(0.0, f64::max);
            // The first six are draws of the prior. At the corners the oscillations of the spectrum
            // are sharper than the nodes; where baryons outweigh dark matter (far outside what the
            // fit to the transfer function is made for) they are as large as the spectrum.
            let tolerance = match c.omega_b / c.omega_m() {
                _ if row < 6 => 2e-4,
                fraction if fraction < 0.35 => 3e-3,
                fraction if fraction < 0.7 => 2e-2,
                _ => 0.2,
            };
            assert_within(&format!("{pixel_arcmin}', cosmology {row}"), difference, tolerance);
        }
    }
}

#[test]
fn the_adjoint_is_the_transpose() {
    let theory = Theory::new(&sources(10.0), 9.375, 2000.0, Prefactor::Shear).unwrap();
    let ell = [0.0, 1.0, 2.5, 36.0, 101.3, 999.0, 2000.0];
    let interpolation = EllInterpolation::new(&theory, &ell).unwrap();
    let nodes: Vec<f64> = (0..theory.nodes().len()).map(|i| (i as f64 * 0.7).sin() + 1.5).collect();
    let cotangent: Vec<f64> = (0..ell.len()).map(|i| (i as f64 * 1.3).cos()).collect();
    let forward: f64 = interpolation.apply(&nodes).iter().zip(&cotangent).map(|(a, b)| a * b).sum();
    let back: f64 = interpolation.adjoint(&cotangent).iter().zip(&nodes).map(|(a, b)| a * b).sum();
    assert_within("adjoint", (forward / back - 1.0).abs(), 1e-12);
    let spectrum = interpolation.apply(&nodes);
    assert_eq!((spectrum[0], spectrum[1]), (0.0, 0.0), "monopole and dipole vanish");
}

#[test]
fn multipoles_outside_the_nodes_are_refused() {
    let theory = Theory::new(&sources(10.0), 9.375, 2000.0, Prefactor::Convergence).unwrap();
    let last = theory.nodes().last().unwrap();
    for ell in [0.5, -3.0, f64::NAN, last * 1.1] {
        let error = EllInterpolation::new(&theory, &[100.0, ell]).unwrap_err();
        assert!(matches!(error, Error::Config { .. }), "{error}");
        assert!(!error.is_recoverable());
    }
    assert!(theory.spectra(&Cosmology::FIDUCIAL, &[0.3]).is_err());
}
