//! A simulated observation.

use anyhow::Result;
use lognormal_sim::{Cosmology, Simulator};

use crate::arrays::{Named, write_npz};
use crate::study::{Workspace, derive_seed};

/// File of the observation: `map`, without noise `field`, both `[bin, y, x]`, and `theta`.
pub const OBSERVATION: &str = "observation.npz";

/// The seed of the latents of the observation, which has the index 0.
#[must_use]
pub fn observation_seed(seed: u64) -> u64 {
    derive_seed(seed, "observation")
}

/// Simulates an observation and writes it to the workspace.
///
/// # Errors
/// If the survey cannot be simulated or the folder cannot be written.
pub fn observe(
    simulator: &Simulator,
    truth: &Cosmology,
    seed: u64,
    workspace: &Workspace,
) -> Result<()> {
    let seed = observation_seed(seed);
    let map: Vec<f64> = simulator.simulate(truth, seed, 0, true)?;
    let field: Vec<f64> = simulator.simulate(truth, seed, 0, false)?;
    let npix = simulator.survey().npix;
    let shape = [simulator.bins(), npix, npix];
    let theta = truth.parameters();
    write_npz(
        &workspace.path(OBSERVATION),
        [
            Named::f64("map", &shape, &map),
            Named::f64("field", &shape, &field),
            Named::f64("theta", &[theta.len()], &theta),
        ],
    )
}
