//! Observations of Lotka-Volterra populations with their reference posteriors.

use anyhow::{Context, Result};
use metrics::{C2stConfig, c2st};
use sbi::tasks::{LotkaVolterra, Observation, Task};
use serde::{Deserialize, Serialize};

use super::profile::Populations;
use crate::arrays::{Named, read_npz, write_npz};
use crate::files::{read_json, write_json};
use crate::input::Input;
use crate::study::{Output, Workspace, derive_seed};

/// The published observations, as regenerated from their seeds.
const PUBLISHED: &str = include_str!("../../../tests/reference/lotka_volterra_observations.json");
/// File of the draws.
const DRAWS: &str = "reference.npz";
/// File of the rest.
const REFERENCE: &str = "reference.json";

/// Parameters of the posterior.
pub const NAMES: [&str; 4] = ["α", "β", "γ", "δ"];

/// An observation, and the floor of the classifier test against its reference.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Reference {
    /// Index of the observation.
    pub index: usize,
    /// True if it is a published one.
    pub published: bool,
    /// The parameters it was made with.
    pub theta: Vec<f64>,
    /// The counts: ten of prey, ten of predators.
    pub x: Vec<f64>,
    /// C2ST of two sets of reference draws.
    pub null: f64,
}

/// One of the published observations.
#[derive(Deserialize)]
struct PublishedObservation {
    theta: Vec<f64>,
    /// `[time][population]`.
    y: Vec<[f64; 2]>,
}

/// The published observations by their names.
///
/// # Errors
/// If the program was built with a damaged file.
pub fn published_observations() -> Result<Input<serde_json::Value>> {
    Input::of(PUBLISHED.as_bytes(), |bytes| Ok(serde_json::from_slice(bytes)?))
        .context("the published observations")
}

/// Observation number `index`: one of those published, as long as there are, then one of ours.
fn observation(
    published: &serde_json::Value,
    task: &LotkaVolterra,
    populations: Populations,
    index: usize,
    seed: u64,
) -> Result<(bool, Observation)> {
    let name = match populations {
        Populations::Latent => format!("latent_{index}"),
        Populations::Fixed => format!("fixed_z_{index}"),
    };
    match published.get(&name) {
        Some(value) => {
            let PublishedObservation { theta, y } = PublishedObservation::deserialize(value)
                .with_context(|| format!("published observation {name}"))?;
            let x = (0..2).flat_map(|population| y.iter().map(move |count| count[population]));
            Ok((true, Observation { theta, x: x.collect() }))
        }
        None => {
            let seed = derive_seed(seed, &format!("{}-observation-{index}", task.name()));
            Ok((false, task.observation(seed)?))
        }
    }
}

/// Draws the reference posterior of observation `index`, twice `draws` times: half of the draws are
/// the reference, both halves together give the null of the classifier test.
///
/// # Errors
/// If the chains do not converge, or the folder cannot be written.
pub fn make_reference(
    published: &serde_json::Value,
    populations: Populations,
    index: usize,
    draws: usize,
    classifier: &C2stConfig,
    seed: u64,
    workspace: &Workspace,
) -> Result<()> {
    let task = LotkaVolterra::new(populations.start());
    let (published, Observation { theta, x }) =
        observation(published, &task, populations, index, seed)?;
    let chain_seed = derive_seed(seed, &format!("{}-reference-{index}", task.name()));
    let all = task.reference_posterior(&x, 2 * draws, chain_seed)?;
    // Alternate draws, so that both halves hold all chains in equal parts.
    let half = |parity: usize| -> Vec<f64> {
        all.rows().into_iter().skip(parity).step_by(2).flatten().copied().collect()
    };
    let (first, second) = (half(0), half(1));
    let dim = NAMES.len();
    let null = c2st(&first, &second, dim, classifier, &|_| {})?.accuracy;
    write_npz(&workspace.path(DRAWS), [Named::f64("draws", &[draws, dim], &first)])?;
    write_json(&workspace.path(REFERENCE), &Reference { index, published, theta, x, null })
}

impl Reference {
    /// Reads a reference with its draws `[draw][parameter]`.
    ///
    /// # Errors
    /// If a file is missing or damaged.
    pub fn read(folder: &std::path::Path) -> Result<(Self, Vec<f64>)> {
        let draws = read_npz(&folder.join(DRAWS), "draws")?.data;
        Ok((read_json(&folder.join(REFERENCE))?, draws))
    }

    /// Reads the references of several tasks.
    ///
    /// # Errors
    /// As [`Reference::read`].
    pub fn read_all(outputs: &[Output]) -> Result<Vec<(Self, Vec<f64>)>> {
        outputs.iter().map(|output| Self::read(&output.path(""))).collect()
    }
}
