//! What is observed: brought by the user, or made at parameters that are then known.

use anyhow::{Context, Result};
use sbi::tasks::Task;
use serde::{Deserialize, Serialize};

use crate::arrays::Chosen;

/// An observation of a task.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Observation {
    /// Where it came from, in words.
    pub origin: String,
    /// The observables, `[observable]`.
    pub x: Vec<f64>,
    /// The parameters it was made at, if they are known.
    pub truth: Option<Vec<f64>>,
}

impl Observation {
    /// Reads an array of the shape that the task documents.
    ///
    /// # Errors
    /// If the file is unusable, of another shape, or holds NaN or infinities.
    pub fn read(task: &dyn Task, chosen: &Chosen) -> Result<Self> {
        let array = chosen.read(&["x", "observation"])?;
        let x = task
            .arrange(&array.shape, array.data)
            .with_context(|| format!("{chosen} is no observation of the task {}", task.name()))?;
        Ok(Self { origin: chosen.to_string(), x, truth: None })
    }

    /// Simulates one at parameters from the prior.
    ///
    /// # Errors
    /// If the simulator fails there.
    pub fn simulate(task: &dyn Task, seed: u64) -> Result<Self> {
        let made = task
            .observation(seed)
            .with_context(|| format!("--observation-seed {seed} gives no observation"))?;
        Ok(Self { origin: format!("seed {seed}"), x: made.x, truth: Some(made.theta) })
    }
}
