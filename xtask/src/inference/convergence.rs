//! How explicit inference converges: the accuracy of the first draws of chains, and their cost.
//!
//! Two recipes: ours, that of the reference (whitened latents, a start that does not know the truth,
//! an exact split of the normal part), and the published one (latents as they are, started at the
//! truth, trees of depth 6). Prefixes of their chains are judged as published: the draws are
//! resampled to the number that the classifier sees, with a little normal noise.
//!
//! Gradients are those that the chains have counted. The paper counts every draw as 63 of them,
//! each as two simulations, and leaves warm-up out.
//!
//! # References
//! J. Zeghal et al. 2025, arXiv:2409.17975, section 4.1 and its released notebooks.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use metrics::ess_bulk;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use super::judge::Judge;
use crate::arrays::{Array, read_npz};
use crate::lensing::observation_seed;
use crate::sampling::{SAMPLES, SamplerConfig, Target, sample};
use crate::study::{Workspace, derive_seed};
use full_field::Count;
use full_field::DIM;
use full_field::Problem;
use full_field::{
    LatentPosterior, parameters, published_metric, published_settings, true_position,
};

/// File of [`Convergence`]s.
pub const CONVERGENCE: &str = "convergence.json";

/// Simulations that the paper counts for a draw: 63 leapfrog steps, each a gradient that counts as
/// two.
pub const PUBLISHED_PER_DRAW: u64 = 126;

/// Standard deviation of the noise that resampled draws get, in the units of the parameters.
const BANDWIDTH: f64 = 1e-3;

/// Fewest draws of a chain whose effective number can be told.
const FEWEST: usize = 4;

/// A way to sample explicitly.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Recipe {
    /// That of the reference.
    Ours,
    /// The published one.
    Published,
}

/// The first draws of the chains of a recipe, ever more of them.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Convergence {
    /// The recipe.
    pub recipe: Recipe,
    /// Number of chains.
    pub chains: usize,
    /// Gradients of all chains before their first draws: search of starts, first step, warm-up.
    pub before: u64,
    /// The prefixes, shortest first.
    pub points: Vec<Prefix>,
}

/// The first draws of all chains of a recipe.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Prefix {
    /// Draws of all chains together.
    pub draws: usize,
    /// Gradients of these draws.
    pub gradients: u64,
    /// C2ST against the reference.
    pub c2st: f64,
    /// Its standard error.
    pub c2st_error: f64,
    /// Effective draws `[parameter]`.
    pub ess: [f64; DIM],
}

impl Prefix {
    /// Effective draws of the worst parameter.
    #[must_use]
    pub fn worst(&self) -> f64 {
        self.ess.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// Simulations by the accounting of the paper.
    #[must_use]
    pub fn published_simulations(&self) -> u64 {
        PUBLISHED_PER_DRAW * self.draws as u64
    }

    /// What the draws have really cost, with all that came `before` them.
    #[must_use]
    pub fn count(&self, before: u64) -> Count {
        Count::of_gradients(before + self.gradients)
    }
}

/// Samples the observation `problem`, whose parameters are `theta`, by the published recipe.
///
/// # Errors
/// If a chain cannot start or fails.
pub fn sample_as_published(
    problem: &Problem,
    theta: &[f64; DIM],
    config: &SamplerConfig,
    seed: u64,
    workspace: &Workspace,
) -> Result<()> {
    let Problem { simulator, prior, map } = *problem;
    let truth = true_position(simulator, prior, theta, observation_seed(seed), 0);
    let sampled = sample(
        "published recipe",
        workspace,
        config,
        derive_seed(seed, "explicit-published"),
        &Target {
            density: &|| Ok(LatentPosterior::new(simulator, map, prior)?),
            start: &|_, _| Ok((truth.clone(), published_metric(truth.len()), 0)),
            names: &lognormal_sim::PARAMETERS,
            parameters: &|position| parameters(prior, position).to_vec(),
            settings: published_settings(),
        },
    )?;
    sampled.write(workspace)
}

/// Lengths of a chain at which it is judged, `count` at most, geometric up to all of it.
fn lengths(draws: usize, count: usize) -> Vec<usize> {
    let first = (FEWEST + 1).min(draws) as f64;
    let ratio = (draws as f64 / first).ln() / (count.max(2) - 1) as f64;
    let mut found: Vec<usize> =
        (0..count).map(|k| (first * (ratio * k as f64).exp()).round() as usize).collect();
    found.dedup();
    found
}

/// Judges the prefixes of the chains of a recipe, which it left in `folder`.
///
/// # Errors
/// If the draws are missing or damaged, or the classifier fails.
pub fn judge_prefixes(
    recipe: Recipe,
    folder: &Path,
    count: usize,
    judge: &Judge,
    seed: u64,
    workspace: &Workspace,
) -> Result<Convergence> {
    let path = folder.join(SAMPLES);
    let draws = read_npz(&path, "samples")?;
    let (costs, before) = (read_npz(&path, "gradients")?, read_npz(&path, "gradients_before")?);
    let [chains, length, DIM] = draws.shape[..] else {
        anyhow::bail!("{}: draws of shape {:?}", path.display(), draws.shape)
    };
    ensure!(costs.shape == [chains, length], "{}: costs of {:?}", path.display(), costs.shape);
    let mut points = Vec::new();
    for first in lengths(length, count) {
        let rows: Vec<&[f64]> = draws
            .data
            .chunks_exact(length * DIM)
            .flat_map(|chain| chain.chunks_exact(DIM).take(first))
            .collect();
        let own = derive_seed(seed, &format!("prefix-{recipe:?}-{first}"));
        let judged = judge.judge(&resampled(&rows, judge.count(), own), own)?;
        let gradients: f64 =
            costs.data.chunks_exact(length).flat_map(|chain| &chain[..first]).sum();
        points.push(Prefix {
            draws: rows.len(),
            gradients: gradients as u64,
            c2st: judged.c2st,
            c2st_error: judged.c2st_error,
            ess: effective(&draws, first)?,
        });
        workspace.advance(1);
    }
    let before = before.data.iter().sum::<f64>() as u64;
    Ok(Convergence { recipe, chains, before, points })
}

/// Effective draws of each parameter of the first draws of all chains: none where chains have not
/// moved, and at most as many as there are draws.
fn effective(draws: &Array, first: usize) -> Result<[f64; DIM]> {
    let length = draws.shape[1] * DIM;
    let mut found = [0.0; DIM];
    for (i, ess) in found.iter_mut().enumerate() {
        let chains: Vec<Vec<f64>> = draws
            .data
            .chunks_exact(length)
            .map(|chain| chain.iter().skip(i).step_by(DIM).take(first).copied().collect())
            .collect();
        let all = (draws.shape[0] * first) as f64;
        *ess = match ess_bulk(&chains) {
            Ok(own) if own.is_finite() => own.min(all),
            // Chains that have not moved yet.
            Ok(_) | Err(metrics::Error::Constant { .. }) => 0.0,
            Err(error) => return Err(error).with_context(|| format!("parameter {i}")),
        };
    }
    Ok(found)
}

/// `count` of the draws, with replacement and a little noise.
fn resampled(rows: &[&[f64]], count: usize, seed: u64) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..count)
        .flat_map(|_| {
            let row = rows[rng.random_range(0..rows.len())];
            std::array::from_fn::<f64, DIM, _>(|i| {
                let noise: f64 = StandardNormal.sample(&mut rng);
                row[i] + BANDWIDTH * noise
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_grow_to_all_draws() {
        assert_eq!(lengths(500, 3), [5, 50, 500]);
        assert_eq!(lengths(5, 4), [5]);
        let eight = lengths(1000, 8);
        assert_eq!((eight.len(), eight[0], eight[7]), (8, 5, 1000));
        assert!(eight.windows(2).all(|w| w[0] < w[1]));
    }

    #[test]
    fn a_draw_of_63_gradients_costs_what_is_published() {
        let prefix = Prefix {
            draws: 5000,
            gradients: 5000 * 63,
            c2st: 0.6,
            c2st_error: 0.01,
            ess: [544.0, 5000.0, 396.0, 778.0, 1195.0, 657.0],
        };
        assert_eq!(prefix.published_simulations(), 630_000);
        assert_eq!(prefix.count(0).published(), 630_000);
        assert_eq!(prefix.count(1000).published(), 632_000);
        assert_eq!(prefix.worst(), 396.0);
    }

    #[test]
    fn resampled_draws_are_those_there_are() {
        let (a, b) = ([0.0; DIM], [1.0; DIM]);
        let found = resampled(&[&a, &b], 200, 4);
        assert_eq!(found.len(), 200 * DIM);
        assert!(found.iter().all(|x| x.abs() < 0.01 || (x - 1.0).abs() < 0.01));
        let ones = found.iter().filter(|x| **x > 0.5).count();
        assert!((60 * DIM..140 * DIM).contains(&ones));
    }
}
