//! Against independent codes: adaptive quadrature and ODE solvers, CCL, jax-cosmo, and the
//! prototype of the lognormal shifts.

use lognormal_sim::{
    Cosmology, Growth, MatterPower, PowerBasis, Prefactor, Theory, TransferFunction, hubble_rate,
    radial_distance, transverse_distance,
};

use crate::{assert_within, cosmologies, reference_array, sources, worst};

#[test]
fn distances_expansion_and_growth_agree_with_exact_integration() {
    let a = reference_array("bg_a");
    let tables =
        ["bg_chi_exact", "bg_H", "bg_D_exact", "bg_f"].map(|name| (name, reference_array(name)));
    for (row, c) in cosmologies().iter().enumerate() {
        let growth = Growth::solve(c);
        let found: [Vec<f64>; 4] = [
            // Today the distance is zero: both sides are offset by 1 Mpc/h.
            a.iter().map(|a| 1.0 + radial_distance(c, 1.0 / a - 1.0)).collect(),
            a.iter().map(|&a| hubble_rate(c, a)).collect(),
            a.iter().map(|&a| growth.factor(a)).collect(),
            a.iter().map(|&a| growth.rate(a)).collect(),
        ];
        for ((name, table), found) in tables.iter().zip(&found) {
            let offset = if *name == "bg_chi_exact" { 1.0 } else { 0.0 };
            let expected: Vec<f64> =
                table[row * a.len()..][..a.len()].iter().map(|x| x + offset).collect();
            // The growth rates of the table come from a coarse grid.
            let tolerance = if *name == "bg_f" { 2e-3 } else { 1e-6 };
            assert_within(&format!("{name}, cosmology {row}"), worst(found, &expected), tolerance);
        }
    }
}

#[test]
fn curved_distances_have_the_closed_forms_of_empty_and_matter_universes() {
    // An (almost) empty open universe: S = (c/H_0) (z + z^2/2) / (1 + z).
    let empty =
        Cosmology { omega_c: 1e-9, omega_b: 1e-9, omega_k: 1.0 - 2e-9, ..Cosmology::FIDUCIAL };
    let z = 1.5;
    let milne = 2997.92458 * (z + 0.5 * z * z) / (1.0 + z);
    assert_within("Milne", (transverse_distance(&empty, z) / milne - 1.0).abs(), 1e-7);
    // Matter and curvature: Mattig's formula, open and closed.
    for omega_m in [0.3f64, 1.4] {
        let c = Cosmology {
            omega_c: omega_m - 0.05,
            omega_b: 0.05,
            omega_k: 1.0 - omega_m,
            ..Cosmology::FIDUCIAL
        };
        let root = (1.0 + omega_m * z).sqrt();
        let mattig = 2.0 * 2997.92458 * (omega_m * z + (omega_m - 2.0) * (root - 1.0))
            / (omega_m * omega_m * (1.0 + z));
        assert_within("Mattig", (transverse_distance(&c, z) / mattig - 1.0).abs(), 1e-8);
    }
}

#[test]
fn growth_in_a_matter_universe_is_the_scale_factor() {
    let c = Cosmology { omega_c: 0.95, omega_b: 0.05, ..Cosmology::FIDUCIAL };
    let growth = Growth::solve(&c);
    for a in [0.01, 0.1, 0.37, 0.9] {
        assert_within("D/a", (growth.factor(a) / a - 1.0).abs(), 1e-6);
        assert_within("f", (growth.rate(a) - 1.0).abs(), 1e-6);
        assert_within("nu", (growth.second_order_ratio(a) * 3.5 - 1.0).abs(), 1e-6);
    }
}

#[test]
fn matter_power_agrees_with_ccl_and_the_transfer_function_with_jax_cosmo() {
    let (k, z) = (reference_array("pk_k"), reference_array("pk_z"));
    let c = Cosmology::FIDUCIAL;
    let power = MatterPower::new(&PowerBasis::new(), &c);
    let grid = |f: &dyn Fn(f64, f64) -> f64| -> Vec<f64> {
        z.iter().flat_map(|&z| k.iter().map(move |&k| f(k, z)).collect::<Vec<_>>()).collect()
    };
    let linear = grid(&|k, z| power.linear(k, z));
    assert_within("linear power", worst(&linear, &reference_array("ccl_eh_pk_lin")), 1e-3);
    let nonlinear = grid(&|k, z| power.nonlinear(k, z).unwrap());
    assert_within("halofit power", worst(&nonlinear, &reference_array("ccl_eh_pk_nl")), 1e-3);

    let table = reference_array("eh_transfer");
    for (row, c) in cosmologies().iter().enumerate() {
        let transfer = TransferFunction::new(c);
        let found: Vec<f64> = k.iter().map(|&k| transfer.at(k)).collect();
        let difference = worst(&found, &table[row * k.len()..][..k.len()]);
        assert_within(&format!("transfer, cosmology {row}"), difference, 1e-12);
    }
}

#[test]
fn spectra_agree_with_ccl_at_the_fiducial_cosmology() {
    let ell = reference_array("cl_ell_log60");
    let theory = Theory::new(&sources(10.0), 2.34, 20_000.0, Prefactor::Shear).unwrap();
    let found = theory.spectra(&Cosmology::FIDUCIAL, &ell).unwrap().concat();
    assert_within("C_ell, CCL", worst(&found, &reference_array("ccl_eh_cl_log60")), 1e-3);
}

/// jax-cosmo normalises over a limited range of k: compared at the sigma_8 its spectra have.
#[test]
fn spectra_agree_with_jax_cosmo_at_every_cosmology() {
    let ell = reference_array("cl_ell_log60");
    let (table, sigma) = (reference_array("cl_log60"), reference_array("sigma8_check"));
    let theory = Theory::new(&sources(10.0), 2.34, 20_000.0, Prefactor::Shear).unwrap();
    for (row, c) in cosmologies().iter().enumerate() {
        let c = Cosmology { sigma_8: sigma[4 * row + 1], ..*c };
        let found = theory.spectra(&c, &ell).unwrap().concat();
        let expected = &table[row * found.len()..][..found.len()];
        assert_within(&format!("C_ell, jax-cosmo {row}"), worst(&found, expected), 3e-3);
    }
}

#[test]
fn shifts_and_cumulants_agree_with_the_prototype() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/reference/shift_reference.json");
    let json: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let theory = Theory::new(&sources(5.0), 2.34, 7000.0, Prefactor::Shear).unwrap();
    let mut largest = [0.0f64; 3];
    for node in json["nodes"].as_array().unwrap() {
        let number = |name: &str| node[name].as_f64().unwrap();
        let numbers = |name: &str| -> Vec<f64> {
            node[name].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
        };
        let c = Cosmology {
            omega_c: number("Omega_m") - 0.0492,
            omega_b: 0.0492,
            sigma_8: number("sigma_8"),
            w_0: number("w0"),
            ..Cosmology::FIDUCIAL
        };
        let cumulants = theory.cumulants(&c).unwrap();
        let found = [
            theory.predict(&c).unwrap().shifts,
            cumulants.iter().map(|k| k[0]).collect(),
            cumulants.iter().map(|k| k[1]).collect(),
        ];
        let names = ["lambda_standard", "kappa2_standard", "kappa3_standard"];
        for i in 0..3 {
            largest[i] = largest[i].max(worst(&found[i], &numbers(names[i])));
        }
    }
    assert_within("shift", largest[0], 1e-3);
    assert_within("kappa_2", largest[1], 2e-3);
    assert_within("kappa_3", largest[2], 2e-3);
}

#[test]
fn log_slopes_of_the_shifts_at_the_fiducial_cosmology() {
    let theory = Theory::new(&sources(5.0), 2.34, 7000.0, Prefactor::Shear).unwrap();
    let c = Cosmology::FIDUCIAL.with_derivatives();
    let shifts = theory.predict(&c).unwrap().shifts;
    // dln lambda / d(Omega_m, sigma_8, w_0) of the prototype, two decimals, bins 1 to 5.
    let expected = [
        (0, [2.71, 2.42, 2.13, 1.80, 1.30]),
        (2, [0.44, 0.34, 0.28, 0.22, 0.13]),
        (5, [-0.20, -0.29, -0.33, -0.35, -0.31]),
    ];
    let standard = [0.00521, 0.01516, 0.02865, 0.04961, 0.09753];
    for (bin, shift) in shifts.iter().enumerate() {
        assert!((shift.value - standard[bin]).abs() < 0.6e-5, "{bin}: {shift:?}");
        for (parameter, slopes) in expected {
            let slope = shift.gradient[parameter] / shift.value;
            assert!((slope - slopes[bin]).abs() < 0.02, "bin {bin}: {slope} {}", slopes[bin]);
        }
    }
}
