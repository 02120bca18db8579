//! How close draws are to those of the reference posterior.

use anyhow::Result;
use metrics::{C2st, C2stConfig, c2st, mean, variance};
use serde::{Deserialize, Serialize};

use crate::arrays::Array;
use crate::progress::Progress;
use crate::sampling::thinned;

/// Most draws of each posterior that the classifier sees: as many as in published comparisons.
pub const MOST_DRAWS: usize = 10_000;

/// Draws against those of the reference posterior.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Comparison {
    /// Draws of each posterior that the classifier has seen.
    pub draws: usize,
    /// Accuracy with which a classifier tells them apart.
    pub c2st: C2st,
    /// Each parameter of the reference.
    pub reference: Vec<Moments>,
}

/// Mean and standard deviation of a parameter.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Moments {
    /// Name.
    pub name: String,
    /// Mean.
    pub mean: f64,
    /// Standard deviation.
    pub sd: f64,
}

impl Moments {
    /// Those of each parameter of draws `[draw, parameter]`.
    pub fn of(draws: &Array, names: &[&str]) -> Vec<Self> {
        let column = |i: usize| -> Vec<f64> {
            draws.data.iter().skip(i).step_by(names.len()).copied().collect()
        };
        let one = |(i, name): (usize, &&str)| {
            let values = column(i);
            Self { name: (*name).to_owned(), mean: mean(&values), sd: variance(&values).sqrt() }
        };
        names.iter().enumerate().map(one).collect()
    }
}

/// The classifier: short, with a null from which its floor is read.
pub fn classifier(seed: u64) -> C2stConfig {
    C2stConfig { repetitions: 1, null_repetitions: 2, seed, ..C2stConfig::default() }
}

/// Compares draws `[draw, parameter]`.
///
/// # Errors
/// With too few draws, or draws that are all the same.
pub fn compare(
    draws: &Array,
    reference: &Array,
    names: &[&str],
    config: &C2stConfig,
) -> Result<Comparison> {
    let dim = names.len();
    let count = MOST_DRAWS.min(draws.shape[0]).min(reference.shape[0]);
    let trainings = (config.repetitions + config.null_repetitions) * config.folds;
    let progress = Progress::new("classifiers", trainings);
    let c2st = c2st(
        &thinned(&reference.data, dim, count),
        &thinned(&draws.data, dim, count),
        dim,
        config,
        &|_| progress.step(0, ""),
    )?;
    progress.finish();
    Ok(Comparison { draws: count, c2st, reference: Moments::of(reference, names) })
}
