//! Simulations at draws of the prior, of which methods in one round see the first, and the score
//! that is learnt from them.

use std::ops::ControlFlow;
use std::path::Path;

use anyhow::{Result, ensure};
use burn::tensor::Device;
use flows::training::TrainingSettings;
use ndarray::Array2;
use sbi::marginal_score::{self, MarginalScore};
use sbi::simulations::{Simulations, Store, StorePlan};
use sbi::{FitSettings, Fitting};
use serde::{Deserialize, Serialize};

use super::compressor::COUNT;
use super::profile::MarginalProfile;
use crate::compression::with_fitting;
use crate::files::{read_json, write_json};
use crate::published::Score;
use crate::study::{Workspace, derive_seed};
use full_field::Count;
use full_field::{CompressedMaps, POLICY};
use full_field::{DIM, Prior};

/// File of the simulations.
const POOL: &str = "simulations.npz";
/// File of the learnt score.
const MARGINAL: &str = "marginal.safetensors";
/// File of a [`MarginalReport`].
pub const MARGINAL_REPORT: &str = "marginal.json";
/// Pieces in which simulations are stored while they are made.
const PIECES: u64 = 20;

/// Makes `size` simulations at draws of the prior.
///
/// # Errors
/// If a simulation fails for another reason than its cosmology, more than half of them have no map,
/// or the folder cannot be written.
pub fn make_pool(
    simulator: &CompressedMaps,
    prior: &Prior,
    size: u64,
    seed: u64,
    workspace: &Workspace,
) -> Result<()> {
    let plan = StorePlan {
        label: "pool".into(),
        seed,
        simulations: size,
        shard_size: size.div_ceil(PIECES),
        policy: POLICY,
    };
    let store = Store::create(&workspace.checkpoint("pieces"), simulator, plan)?;
    // What an earlier run has made is not counted by this one.
    let missing = store.missing();
    let made: u64 = missing.iter().map(|piece| store.indices(*piece).count() as u64).sum();
    workspace.resume(usize::try_from(size - made)?);
    store.make(simulator, prior.distribution(), 0..store.shards(), &|_| {
        workspace.advance(1);
        ControlFlow::Continue(())
    })?;
    let pool = store.load()?;
    let count = Count::of_calls(&pool, size);
    ensure!(
        made < size || count == simulator.count(),
        "the simulations record {count:?}, the simulator has counted {:?}",
        simulator.count()
    );
    ensure!(
        2 * count.failures <= count.simulations,
        "{} of {} cosmologies of the prior have no map",
        count.failures,
        count.simulations
    );
    pool.save(&workspace.path(POOL))?;
    write_json(&workspace.path(COUNT), &count)
}

/// The simulations that [`make_pool`] left.
///
/// # Errors
/// If the file is missing or damaged.
pub fn read_pool(folder: &Path) -> Result<Simulations> {
    Ok(Simulations::load(&folder.join(POOL))?)
}

/// What a method sees of a pool: its first `calls`, with or without scores, and what they have
/// cost.
///
/// # Errors
/// If there are fewer, or none of them has a map.
pub fn first_calls(pool: &Simulations, calls: u64, scored: bool) -> Result<(Simulations, Count)> {
    let sources = pool.sources().unwrap_or_default();
    let rows = sources.iter().filter(|source| source.index < calls).count();
    let all = pool.first(rows)?;
    let scores: Option<Array2<f64>> = all.scores().filter(|_| scored).map(|s| s.to_owned());
    let set = Simulations::new(all.theta().to_owned(), all.x().to_owned(), scores)?;
    let count = Count::of_calls(pool, calls);
    let found = count.simulations;
    ensure!(found == calls, "{calls} simulations are wanted, the pool has {found}");
    let gradients = if scored { count.gradients } else { 0 };
    Ok((set, Count { gradients, ..count }))
}

/// What is known of a learnt marginal score.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MarginalReport {
    /// What it was learnt from.
    pub count: Count,
    /// Fresh simulations that it was tested on.
    pub fresh: usize,
    /// Part of the mean square of their scores `[parameter]` that it leaves: the noise of the
    /// latents, and what was not learnt.
    pub residual: [f64; DIM],
    /// Steps of the training until the weights that were kept.
    pub best_step: usize,
}

/// Learns the marginal score from one pool, and tests it on another.
///
/// # Errors
/// If the training or the test fails, or the folder cannot be written.
pub fn learn_marginal_score(
    prior: &Prior,
    pool: &Path,
    fresh: &Path,
    profile: &MarginalProfile,
    seed: u64,
    device: &Device,
    workspace: &Workspace,
) -> Result<()> {
    let (training, fresh) = (read_pool(pool)?, read_pool(fresh)?);
    let mut settings = profile.network.clone();
    settings.fit = FitSettings {
        training: TrainingSettings {
            seed: derive_seed(seed, "marginal-score"),
            ..settings.fit.training
        },
        ..settings.fit
    };
    let fit = |fitting: &mut Fitting| {
        marginal_score::fit(prior.distribution(), &training, &settings, fitting)
    };
    let score = with_fitting(device, workspace, fit)??;
    let residual = score.residual(&fresh)?;
    score.save(&workspace.path(MARGINAL))?;
    let count: Count = read_json(&pool.join(COUNT))?;
    let report = MarginalReport {
        count,
        fresh: fresh.len(),
        residual: std::array::from_fn(|i| residual[i]),
        best_step: score.reports()[0].best_point().step,
    };
    write_json(&workspace.path(MARGINAL_REPORT), &report)
}

/// Simulations of a pool with the scores that a method is to learn from, and their cost.
///
/// # Errors
/// As [`first_calls`]; if the learnt score is missing or damaged.
pub fn with_score(
    pool: &Path,
    calls: u64,
    score: Score,
    marginal: Option<&Path>,
    device: &Device,
) -> Result<(Simulations, Count)> {
    let (set, count) = first_calls(
        &read_pool(pool)?,
        calls,
        matches!(score, Score::Conditional | Score::Whitened),
    )?;
    match (score, marginal) {
        (Score::Marginal, Some(folder)) => {
            let marginal = MarginalScore::load(&folder.join(MARGINAL), device)?;
            Ok((marginal.replace(&set)?, count))
        }
        (Score::Marginal, None) => anyhow::bail!("no marginal score was learnt"),
        _ => Ok((set, count)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use sbi::simulations::simulate;
    use sbi::simulator::{Simulation, try_from_fn};

    /// Every seventh call or so has no summary.
    #[test]
    fn calls_are_counted_with_those_that_failed() -> Result<()> {
        let prior = Prior::load("lsst_y10")?;
        let calls = AtomicU64::new(0);
        let simulator = try_from_fn(DIM, 2, |theta: &[f64], _: &mut rand_chacha::ChaCha8Rng| {
            calls.fetch_add(1, Ordering::Relaxed);
            let x = if theta[4] > 1.05 { f64::NAN } else { theta[0] };
            let score = Some(vec![x; DIM]);
            Ok::<_, std::convert::Infallible>(Simulation { x: vec![x, 1.0], score })
        });
        let go = &|_| ControlFlow::Continue(());
        let pool = simulate(&simulator, prior.distribution(), 0..60, 3, POLICY, go)?;
        assert_eq!(calls.into_inner(), 60);
        let all = Count::of_calls(&pool, 60);
        assert_eq!((all.simulations, all.gradients + all.failures), (60, 60));
        assert!(all.failures > 1, "{all:?}");
        let mut before = 0;
        for budget in [10, 25, 59, 60] {
            let (set, count) = first_calls(&pool, budget, true)?;
            assert_eq!(count.simulations, budget);
            assert_eq!(set.len() as u64, budget - count.failures);
            assert_eq!(count.gradients, set.len() as u64);
            assert_eq!(count.published(), budget + count.gradients);
            assert!(count.failures >= before && set.scores().is_some());
            before = count.failures;
            let (plain, count) = first_calls(&pool, budget, false)?;
            assert!(plain.scores().is_none() && plain.theta() == set.theta());
            assert_eq!((count.gradients, count.published()), (0, budget));
        }
        assert!(first_calls(&pool, 61, false).is_err());
        Ok(())
    }
}
