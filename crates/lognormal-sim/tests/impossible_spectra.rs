//! Spectra that no field can have are reported with their numbers, not repaired in silence.

use std::sync::Arc;

use lognormal_sim::{
    Cosmology, Error, FieldPower, Fields, LatentDensity, Mixing, MixingMatrices, Modes, Simulator,
    SourcesConfig, Survey, WhitenedDensity,
};

/// Two bins, correlated by `correlation` on the modes with `ell` above `above`, uncorrelated below.
fn power(modes: &Modes, correlation: f64, above: f64) -> Vec<Vec<f64>> {
    let of = |f: &dyn Fn(f64) -> f64| -> Vec<f64> {
        modes.ell().iter().map(|&ell| if ell > 0.0 { f(ell) } else { 0.0 }).collect()
    };
    let cross = |ell: f64| if ell > above { correlation } else { 0.0 };
    vec![of(&|_| 1e-3), of(&|ell| 1e-3 * cross(ell)), of(&|_| 1e-3)]
}

#[test]
fn indefinite_modes_are_counted_and_the_worst_is_named() {
    let modes = Arc::new(Modes::new(16, 5.0));
    let above = modes.ell()[modes.len() - 3];
    let expected: f64 = modes
        .ell()
        .iter()
        .zip(modes.multiplicity())
        .filter(|(ell, _)| **ell > above)
        .map(|x| x.1)
        .sum();
    for kind in [Mixing::Cholesky, Mixing::SymmetricRoot] {
        assert!(MixingMatrices::new(kind, &modes, &power(&modes, 0.999_999, above), 2).is_ok());
        for correlation in [1.0, 1.5, -2.0] {
            let power = power(&modes, correlation, above);
            let error = MixingMatrices::new(kind, &modes, &power, 2).unwrap_err();
            let Error::NotPositiveDefinite { modes: count, ell, eigenvalue } = error else {
                panic!("{kind:?} {correlation}: {error}");
            };
            assert_eq!(count as f64, expected, "{kind:?} {correlation}");
            assert!(ell > above, "{kind:?} {correlation}: {ell}");
            let smallest = 1e-3 * (1.0 - correlation.abs());
            assert!((eigenvalue - smallest).abs() < 1e-15, "{kind:?} {correlation}: {eigenvalue}");
        }
    }
}

#[test]
fn arrays_of_another_grid_and_numbers_that_are_not_finite_are_refused() {
    let modes = Arc::new(Modes::new(16, 5.0));
    let survey = Survey { npix: 16, map_size_deg: 5.0, ..Survey::preset("lsst_y10").unwrap() };
    let good = power(&modes, 0.5, 0.0);
    let field = |gaussian: Vec<Vec<f64>>| FieldPower {
        gaussian,
        shifts: vec![0.01; 2],
        variance: vec![0.1; 2],
    };
    assert!(Fields::new(&survey, modes.clone(), field(good.clone())).is_ok());
    let refused = |gaussian| Fields::new(&survey, modes.clone(), field(gaussian)).err().unwrap();
    assert!(matches!(refused(good[..2].to_vec()), Error::Shape { .. }));
    assert!(matches!(refused(vec![vec![1.0; 4]; 3]), Error::Shape { .. }));
    let mut hole = good;
    hole[1][7] = f64::NAN;
    assert!(matches!(refused(hole), Error::NotFinite { .. }));
}

#[test]
fn a_correlation_below_minus_one_is_refused_with_its_bins() {
    let modes = Arc::new(Modes::new(16, 5.0));
    let error = FieldPower::lognormal(&modes, power(&modes, -0.9, 0.0), vec![0.01; 2]).unwrap_err();
    let Error::LognormalCorrelation { bins, one_plus } = error else { panic!("{error}") };
    assert_eq!(bins, (0, 1));
    assert!(one_plus < 0.0);
}

/// Two bins with the same galaxies: the same field twice.
#[test]
fn a_survey_with_one_bin_twice_is_reported_wherever_it_is_used() {
    let z: Vec<f64> = (0..60).map(|i| 0.05 * f64::from(i)).collect();
    let n: Vec<f64> = z.iter().map(|z| z * z * (-2.0 * z).exp()).collect();
    let survey = Survey {
        npix: 16,
        sources: SourcesConfig::Table { z, n: vec![n.clone(), n], gals_per_arcmin2: vec![10.0; 2] },
        ..Survey::preset("lsst_y10").unwrap()
    };
    let simulator = Simulator::new(survey).unwrap();
    let (point, zeros) = (Cosmology::FIDUCIAL, vec![0.0; simulator.map_len()]);
    let error = simulator.simulate::<f32>(&point, 1, 0, true).unwrap_err();
    assert!(matches!(error, Error::NotPositiveDefinite { modes: 255, .. }), "{error}");
    assert!(simulator.simulate_with_score(&point, 1, 0).is_err());
    assert!(
        LatentDensity::new(&simulator, zeros.clone()).unwrap().evaluate(&point, &zeros).is_err()
    );
    let mut whitened = WhitenedDensity::new(&simulator, zeros.clone()).unwrap();
    let error = whitened.evaluate(&point, &zeros, &mut zeros.clone()).unwrap_err();
    assert!(matches!(error, Error::NotPositiveDefinite { modes: 255, .. }), "{error}");
    assert!(error.is_recoverable());
}
