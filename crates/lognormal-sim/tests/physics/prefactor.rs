//! The full-sky factors of convergence and of shear.

use lognormal_sim::{
    Cosmology, EllInterpolation, Prefactor, RedshiftDistribution, Sources, Theory,
};

use crate::{assert_within, reference_array, worst};

/// n(z) of a bin around redshift 0.8.
fn sources() -> Sources {
    let z: Vec<f64> = (0..=200).map(|i| 0.01 * f64::from(i)).collect();
    let n: Vec<f64> = z.iter().map(|z| (-0.5 * ((z - 0.8) / 0.2f64).powi(2)).exp()).collect();
    let bins = vec![RedshiftDistribution::from_table(&z, &n).unwrap()];
    Sources { bins, gals_per_arcmin2: vec![1.0], edges: Vec::new() }
}

fn theory(prefactor: Prefactor) -> Theory {
    Theory::new(&sources(), 9.375, 2000.0, prefactor).unwrap()
}

/// Rows of the table: ell, C_ell of convergence, C_ell of shear, by CCL.
#[test]
fn low_multipoles_of_convergence_and_shear_agree_with_ccl() {
    let table = reference_array("ccl_prefactor");
    let rows: Vec<&[f64]> = table.chunks_exact(table.len() / 3).collect();
    for (prefactor, expected) in [(Prefactor::Convergence, rows[1]), (Prefactor::Shear, rows[2])] {
        let found = theory(prefactor).spectra(&Cosmology::FIDUCIAL, rows[0]).unwrap().concat();
        assert_within(&format!("{prefactor:?}"), worst(&found, expected), 1e-3);
    }
}

/// (l+2)!/(l-2)! over [l(l+1)]^2, of direct and of interpolated spectra.
#[test]
fn shear_falls_short_of_convergence_by_two_over_l_l_plus_one() {
    let ell = [1.0, 2.0, 3.0, 10.0, 36.0, 100.0, 1000.0];
    let of = |prefactor| {
        let theory = theory(prefactor);
        let nodes = theory.predict(&Cosmology::FIDUCIAL).unwrap().spectra;
        let interpolated = EllInterpolation::new(&theory, &ell).unwrap().apply(&nodes[0]);
        [theory.spectra(&Cosmology::FIDUCIAL, &ell).unwrap().concat(), interpolated]
    };
    for (convergence, shear) in of(Prefactor::Convergence).iter().zip(of(Prefactor::Shear)) {
        for ((convergence, shear), ell) in convergence.iter().zip(shear).zip(ell) {
            let expected = 1.0 - 2.0 / (ell * (ell + 1.0));
            assert!((shear / convergence - expected).abs() < 1e-13, "{ell}: {shear} {convergence}");
        }
    }
}

/// Zero at the monopole; convergence has a dipole, shear none; neither is ever negative.
#[test]
fn no_multipole_has_negative_power() {
    let ell = [0.0, 1.0, 1.2, 1.9, 2.0, 6.0];
    for (prefactor, dipole) in [(Prefactor::Convergence, true), (Prefactor::Shear, false)] {
        let theory = theory(prefactor);
        let cl = theory.spectra(&Cosmology::FIDUCIAL, &ell).unwrap().concat();
        assert_eq!(cl[0], 0.0);
        assert_eq!(cl[1] > 0.0, dipole);
        assert!(cl[1..].iter().all(|&c| c >= 0.0 && c.is_finite()), "{cl:?}");
        for below in [-1.0, 0.5, 0.999] {
            assert!(theory.spectra(&Cosmology::FIDUCIAL, &[below]).is_err(), "{below}");
        }
    }
}
