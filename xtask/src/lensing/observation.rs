//! A simulated observation.

use anyhow::Result;
use lognormal_sim::{Cosmology, Simulator};
use serde::Serialize;

use crate::arrays::{Named, read_npz, write_npz};
use crate::products::PRODUCTS;
use crate::study::{Output, Study, Workspace, derive_seed};
use crate::survey::SurveyInput;
use full_field::Prior;

/// File of the observation: `map`, without noise `field`, both `[bin, y, x]`, and `theta`.
pub const OBSERVATION: &str = "observation.npz";

/// The seed of the latents of the observation, which has the index 0.
#[must_use]
pub fn observation_seed(seed: u64) -> u64 {
    derive_seed(seed, "observation")
}

/// What every study of maps begins with.
pub struct Observed {
    /// The survey.
    pub simulator: Simulator,
    /// The prior.
    pub prior: Prior,
    /// The task that made the map.
    pub observation: Output,
    /// A simulated map `[bin][y][x]` at the fiducial parameters.
    pub map: Vec<f64>,
}

impl Observed {
    /// Loads survey and prior, presets or TOML files, begins the run, and observes the survey with
    /// `npix` pixels along a side. `run` is what else the run depends on: the name of the study, its
    /// profile and its device.
    ///
    /// # Errors
    /// If survey or prior make no sense, or the task fails.
    pub fn new(
        study: &Study,
        run: &impl Serialize,
        (survey, prior): (&str, &str),
        npix: usize,
        seed: u64,
    ) -> Result<Self> {
        let survey = SurveyInput::load(survey, None)?.with_npix(Some(npix))?;
        let (prior, simulator) = (Prior::load(prior)?, survey.simulator()?);
        study.begin(&(run, &survey, &prior, seed), &PRODUCTS)?;
        let truth = Cosmology::FIDUCIAL;
        let config = (&survey, truth.parameters(), seed);
        let observation = study.run("observation", 1, &config, &[], |workspace| {
            observe(&simulator, &truth, seed, workspace)
        })?;
        let map = read_npz(&observation.path(OBSERVATION), "map")?.data;
        Ok(Self { simulator, prior, observation, map })
    }
}

/// Simulates an observation and writes it to the workspace.
///
/// # Errors
/// If the survey cannot be simulated or the folder cannot be written.
fn observe(
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
