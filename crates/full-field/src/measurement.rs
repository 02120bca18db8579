//! The band powers of a map beside their theory.

use lognormal_sim::Cosmology;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::problem::Problem;

/// Points of the theory curves.
const CURVE_POINTS: usize = 80;

/// Measured and expected spectra, shape noise subtracted from both.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Measurement {
    /// Mean multipole of each band.
    pub ell: Vec<f64>,
    /// Number of Fourier modes of each band.
    pub modes: Vec<f64>,
    /// The spectra of all pairs of bins.
    pub pairs: Vec<PairMeasurement>,
    /// Multipoles of the theory curves.
    pub curve_ell: Vec<f64>,
}

/// One pair of bins.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct PairMeasurement {
    /// Bins, counted from 0.
    pub bins: (usize, usize),
    /// Band powers of the map.
    pub measured: Vec<f64>,
    /// Their standard deviations at the reference cosmology.
    pub error: Vec<f64>,
    /// Their expectation at the reference cosmology.
    pub expected: Vec<f64>,
    /// C_ell at the multipoles of the curves.
    pub curve: Vec<f64>,
}

/// Measures the spectra of the map of `problem` and predicts them at `cosmology`.
///
/// # Errors
/// If the map does not fit the survey, or the cosmology has no prediction.
pub fn measure(problem: &Problem, cosmology: &Cosmology) -> Result<Measurement> {
    let likelihood = problem.power_spectrum()?;
    let theory = problem.simulator.theory();
    let (measured, expected) = (likelihood.measured(), likelihood.expected(cosmology)?);
    let bands = likelihood.bands();
    let ell: Vec<f64> = bands.iter().map(|band| band.ell_mean).collect();
    let (first, last) = (ell[0], ell[ell.len() - 1]);
    let curve_ell: Vec<f64> = (0..CURVE_POINTS)
        .map(|k| first * (last / first).powf(k as f64 / (CURVE_POINTS - 1) as f64))
        .collect();
    let curves = theory.spectra(cosmology, &curve_ell)?;
    let pairs = theory.pairs();
    let count = pairs.len();
    let errors: Vec<Vec<f64>> = (0..bands.len())
        .map(|band| {
            let expected: Vec<f64> = expected.iter().map(|pair| pair[band]).collect();
            let covariance = likelihood.covariance(band, &expected);
            (0..count).map(|pair| covariance[pair * count + pair].sqrt()).collect()
        })
        .collect();
    let pairs = pairs
        .into_iter()
        .zip(curves)
        .enumerate()
        .map(|(pair, (bins, curve))| {
            let noise = if bins.0 == bins.1 { likelihood.noise()[bins.0] } else { 0.0 };
            let signal = |power: &[f64]| power.iter().map(|p| p - noise).collect();
            PairMeasurement {
                bins,
                measured: signal(&measured[pair]),
                error: errors.iter().map(|band| band[pair]).collect(),
                expected: signal(&expected[pair]),
                curve,
            }
        })
        .collect();
    Ok(Measurement { ell, modes: bands.iter().map(|band| band.modes).collect(), pairs, curve_ell })
}
