//! The two look-ups of a table of lognormal shifts.

use std::path::PathBuf;

use lognormal_sim::{Cosmology, ShiftConfig, ShiftTable, read_npy};

const SHAPE: [usize; 5] = [3, 4, 5, 2, 5];

fn at(omega_m: f64, sigma_8: f64, w_0: f64) -> Cosmology {
    let omega_b = 0.04;
    Cosmology { omega_c: omega_m - omega_b, omega_b, sigma_8, w_0, ..Cosmology::FIDUCIAL }
}

/// Multilinear, so that trilinear interpolation must be exact.
fn multilinear(omega_m: f64, sigma_8: f64, w_0: f64, bin: usize) -> f64 {
    (1.0 + bin as f64) * (2.0 + omega_m) * (1.0 + sigma_8 * (3.0 + w_0))
}

fn synthetic() -> Vec<f64> {
    let mut values = Vec::new();
    for s in 0..SHAPE[0] {
        for m in 0..SHAPE[1] {
            for w in 0..SHAPE[2] {
                for bin in 0..SHAPE[3] {
                    let (s, m, w) =
                        (0.4 + 0.3 * s as f64, 0.1 + 0.2 * m as f64, -2.0 + 0.4 * w as f64);
                    values.extend([m, s, w, bin as f64, multilinear(m, s, w, bin)]);
                }
            }
        }
    }
    values
}

#[test]
fn correct_look_up_is_exact_for_multilinear_shifts_with_their_derivatives() {
    let table = ShiftTable::from_array(&SHAPE, &synthetic()).unwrap();
    assert_eq!(table.bins(), 2);
    for (m, s, w) in [(0.1, 0.4, -2.0), (0.33, 0.93, -0.7), (0.7, 1.0, -0.4), (0.45, 0.55, -1.23)] {
        let shifts = table.shifts(ShiftConfig::Table, &at(m, s, w)).unwrap();
        for (bin, shift) in shifts.iter().enumerate() {
            let exact = multilinear(m, s, w, bin);
            assert!((shift / exact - 1.0).abs() < 1e-13, "{shift} {exact}");
        }
    }
    let (m, s, w) = (0.33, 0.93, -0.7);
    let dual = table.shifts(ShiftConfig::Table, &at(m, s, w).with_derivatives()).unwrap()[1];
    let by_omega_m = 2.0 * (1.0 + s * (3.0 + w));
    let exact =
        [by_omega_m, by_omega_m, 2.0 * (2.0 + m) * (3.0 + w), 0.0, 0.0, 2.0 * (2.0 + m) * s];
    for (found, exact) in dual.gradient.iter().zip(exact) {
        assert!((found - exact).abs() < 1e-11, "{found} {exact}");
    }
}

/// At the middle of every axis the index errors vanish, and swapping the axes does nothing to a
/// point at the middle of both; at the ends the look-up saturates.
#[test]
fn published_look_up_is_off_by_half_a_cell_at_the_ends_and_swaps_axes() {
    let table = ShiftTable::from_array(&SHAPE, &synthetic()).unwrap();
    let published = |m, s, w| table.shifts(ShiftConfig::AsPublished, &at(m, s, w)).unwrap()[0];
    let correct = |m, s, w| table.shifts(ShiftConfig::Table, &at(m, s, w)).unwrap()[0];
    assert!((published(0.4, 0.7, -1.2) - correct(0.4, 0.7, -1.2)).abs() < 1e-12);
    // A fraction u of an axis of n nodes is read at index n u - 1/2, on the other's axis:
    // Ω_m at u = 1/2 + 1/6 lands on index 1.5 of 0..2 in σ_8.
    let (m, s, w) = (0.4 + 0.1, 0.7, -1.2);
    assert!((published(m, s, w) - correct(0.4, 0.85, -1.2)).abs() < 1e-12);
    // The outer half cell is constant: no derivative.
    assert_eq!(published(0.11, 0.7, -1.2), published(0.15, 0.7, -1.2));
    let edge = table.shifts(ShiftConfig::AsPublished, &at(0.11, 0.7, -1.2).with_derivatives());
    assert_eq!(edge.unwrap()[0].gradient[0], 0.0);
}

#[test]
fn outside_the_grid_shifts_are_constant() {
    let table = ShiftTable::from_array(&SHAPE, &synthetic()).unwrap();
    for model in [ShiftConfig::Table, ShiftConfig::AsPublished] {
        let shift = |m, s, w| table.shifts(model, &at(m, s, w)).unwrap()[0];
        let outside = [shift(0.05, 0.7, -1.0), shift(0.95, 1.7, 0.0)];
        let edge = [shift(0.1, 0.7, -1.0), shift(0.7, 1.0, -0.4)];
        for (outside, edge) in outside.into_iter().zip(edge) {
            assert!((outside / edge - 1.0).abs() < 1e-14, "{outside} {edge}");
        }
    }
}

#[test]
fn unusable_tables_and_points_are_refused() {
    let good = synthetic();
    let refused = |shape: &[usize], values: &[f64]| {
        ShiftTable::from_array(shape, values).unwrap_err().to_string()
    };
    assert!(refused(&[8, 8, 8, 5], &good).contains("[8, 8, 8, 5]"));
    assert!(refused(&SHAPE, &good[5..]).contains("shift table has shape"));
    // The axes in the order in which they are often believed to be.
    assert!(refused(&[4, 3, 5, 2, 5], &good).contains("regular grid"));
    let mut negative = good.clone();
    negative[9] = -1.0;
    assert!(refused(&SHAPE, &negative).contains("shift at [0, 0, 0, 1] = -1"));

    let table = ShiftTable::from_array(&SHAPE, &good).unwrap();
    let error = table.shifts(ShiftConfig::Table, &at(f64::NAN, 0.8, -1.0)).unwrap_err();
    assert!(error.is_recoverable(), "{error}");
    assert!(table.shifts(ShiftConfig::Theory, &at(0.3, 0.8, -1.0)).is_err());
}

/// The published table itself, looked up by the published code and by scipy's trilinear
/// interpolation at six cosmologies.
#[test]
fn both_look_ups_of_the_published_table_agree_with_the_reference() {
    let Some(folder) = std::env::var_os("FULLFIELD_PEER_DATA") else {
        println!("skipped: FULLFIELD_PEER_DATA, the folder of the published data, is not set");
        return;
    };
    let name = "full_field/lognormal_shifts_LSSTY10_om_s8_w_bin.npy";
    let table = ShiftTable::read(&PathBuf::from(folder).join(name)).unwrap();
    let reference = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference");
    let read = |name: &str| read_npy(&reference.join(name)).unwrap().1;
    let theta = read("theta.npy");
    for (file, model) in
        [("shift.npy", ShiftConfig::AsPublished), ("shift_correct.npy", ShiftConfig::Table)]
    {
        for (theta, expected) in theta.chunks(6).zip(read(file).chunks(5)) {
            let cosmology = at(theta[0] + theta[1], theta[2], theta[5]);
            let shifts = table.shifts(model, &cosmology).unwrap();
            for (found, expected) in shifts.iter().zip(expected) {
                assert!((found / expected - 1.0).abs() < 1e-12, "{file}: {found} {expected}");
            }
        }
    }
}
