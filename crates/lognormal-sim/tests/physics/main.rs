//! Background, matter power, spectra and lognormal shifts against independent codes, their
//! derivatives against differences, and the fixed interpolation against direct integration.

mod derivatives;
mod domain;
mod extensions;
mod interpolation;
mod prefactor;
mod reference;
mod thin_sources;

use std::path::PathBuf;

use lognormal_sim::{Cosmology, RedshiftDistribution, Sources, read_npy};

/// A reference array, flattened, by file name without extension.
fn reference_array(name: &str) -> Vec<f64> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/reference")
        .join(format!("{name}.npy"));
    read_npy(&path).unwrap().1
}

/// The six cosmologies of the reference tables.
fn cosmologies() -> Vec<Cosmology> {
    reference_array("theta")
        .chunks_exact(6)
        .map(|row| Cosmology::from_parameters(row.try_into().unwrap()).unwrap())
        .collect()
}

/// The five source bins used for the reference spectra, cut at redshift `z_max`.
fn sources(z_max: f64) -> Sources {
    let table = reference_array("nz_fine_ccl");
    let rows: Vec<&[f64]> = table.chunks_exact(table.len() / 6).collect();
    let kept = rows[0].partition_point(|&z| z <= z_max);
    let bins: Vec<_> = rows[1..]
        .iter()
        .map(|n| RedshiftDistribution::from_table(&rows[0][..kept], &n[..kept]).unwrap())
        .collect();
    Sources { gals_per_arcmin2: vec![5.4; bins.len()], bins, edges: Vec::new() }
}

/// Extreme cosmologies at the corners of the prior and beyond.
fn corners() -> Vec<Cosmology> {
    let corners = [
        [0.01, 0.0492, 0.831, 0.6727, 0.9645, -1.0],
        [0.03, 0.06, 0.45, 0.5, 0.75, -0.3],
        [0.9, 0.03, 1.3, 0.85, 1.15, -2.0],
        [1.0, 0.0492, 0.5, 0.6, 0.8, -0.31],
        [0.05, 0.03, 1.2, 0.8, 1.2, -1.9],
        [0.7, 0.07, 1.2, 0.6, 0.75, -0.4],
        [0.12, 0.06, 0.35, 0.6, 0.9, -0.6],
    ];
    corners.iter().map(|p| Cosmology::from_parameters(p).unwrap()).collect()
}

/// Cosmologies over the prior and at its corners: those of the tables and extreme ones.
fn extreme_cosmologies() -> Vec<Cosmology> {
    cosmologies().into_iter().chain(corners()).collect()
}

/// Largest relative difference of two arrays.
fn worst(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).map(|(f, e)| (f / e - 1.0).abs()).fold(0.0, f64::max)
}

#[track_caller]
fn assert_within(what: &str, worst: f64, tolerance: f64) {
    println!("{what}: largest relative difference {worst:.2e} (tolerance {tolerance:.0e})");
    assert!(worst < tolerance, "{what}: {worst:e} is above {tolerance:e}");
}
