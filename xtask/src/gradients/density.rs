//! Two moons: a density learnt from draws, with and without their scores.

use anyhow::{Context, Result};
use burn::tensor::Device;
use flows::training::{TrainingSettings, train};
use flows::{Flow, Score, Standardiser};
use metrics::{C2stConfig, NonFinite, c2st, c2st_null, negative_log_probability};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use sbi::tasks::two_moons_density::TwoMoonsDensity;

use super::measured::Measured;
use super::profile::DensityMethod;
use super::training::{DensityObjective, observer, table};
use crate::arrays::{Named, parse_npy, write_npz};
use crate::files::write_json;
use crate::input::Input;
use crate::study::{Workspace, derive_seed};

/// Name of the task in the published tables.
pub const TASK: &str = "two-moons";
/// Name of the file of measures.
pub const MEASURED: &str = "measured.json";
/// Name of the file of a density on a grid, and of draws from it.
pub const PLANE: &str = "plane.npz";
/// Cells of the grid along a side.
pub const CELLS: usize = 96;
/// Edges of the grid along both sides.
pub const EDGES: (f64, f64) = (0.2, 0.9);
/// Draws kept for figures.
const KEPT: usize = 2000;
/// Draws on which scores are compared; each costs a pass through the flow and one through the 2048
/// components of the truth.
const SCORED: usize = 2000;
/// Sets of draws behind the null.
const NULL_SETS: usize = 3;
/// Shift and scale of the published trainings, `(x + shift) * scale`, into the unit square.
const UNIT_SQUARE: [(f64, f64); 2] = [(0.07, 0.8), (-0.16, 1.5)];
/// Standard deviation of the published base density on the unit square, around its centre.
const BASE_SD: f64 = 0.05;

/// What the published networks see beside the features.
const CONTEXT: [f64; 1] = [1.0];

/// Draws that the published trainings learnt from; see `data/published/two_moons.py`.
const PUBLISHED_DRAWS: &[u8] = include_bytes!("../../../data/published/two_moons.npy");
/// How many they are.
pub const PUBLISHED_COUNT: usize = 1000;

/// The draws that the published trainings learnt from, contiguous pairs.
///
/// # Errors
/// If the program was built with a damaged file.
pub fn published_draws() -> Result<Input<Vec<f64>>> {
    Input::of(PUBLISHED_DRAWS, |bytes| Ok(parse_npy(bytes)?.data)).context("the published draws")
}

/// Draws from the truth, contiguous pairs.
fn draws(truth: &TwoMoonsDensity, count: usize, seed: u64) -> Vec<f64> {
    (0..count as u64).flat_map(|index| truth.sample(seed, index)).collect()
}

/// Scores of the truth at contiguous pairs.
fn scores(truth: &TwoMoonsDensity, draws: &[f64]) -> Vec<f64> {
    draws.chunks_exact(2).flat_map(|x| truth.score([x[0], x[1]])).collect()
}

/// The accuracy of the classifier test on sets of draws of the truth.
///
/// # Errors
/// If the classifier's settings are impossible.
pub fn null(count: usize, classifier: &C2stConfig, seed: u64) -> Result<metrics::C2stNull> {
    let truth = TwoMoonsDensity::new();
    let sets: Vec<Vec<f64>> = (0..NULL_SETS)
        .map(|set| draws(&truth, count, derive_seed(seed, &format!("{TASK}-null-{set}"))))
        .collect();
    let sets: Vec<&[f64]> = sets.iter().map(Vec::as_slice).collect();
    Ok(c2st_null(&sets, 2, classifier, &|_| {})?)
}

/// The units of the published trainings, such that the published base is a standard normal.
fn units() -> Result<Standardiser> {
    let (shift, scale) =
        UNIT_SQUARE.iter().map(|(shift, scale)| (0.5 / scale - shift, BASE_SD / scale)).unzip();
    Ok(Standardiser::new(shift, scale)?)
}

/// A point of the study: what is learnt from how many of the published draws.
#[derive(Clone, Copy)]
pub struct Cell<'a> {
    /// The method.
    pub method: &'a DensityMethod,
    /// Factor of the score term.
    pub weight: f64,
    /// Number of draws to learn from.
    pub simulations: usize,
    /// Index of the run.
    pub run: usize,
}

/// Trains one density on the first of the published draws, measures it with `count` draws of either side, and draws it.
///
/// # Errors
/// If the training or a test fails, or the folder cannot be written.
pub fn learn_density(
    cell: Cell,
    published: &[f64],
    count: usize,
    classifier: &C2stConfig,
    seed: u64,
    device: &Device,
    workspace: &Workspace,
) -> Result<()> {
    let Cell { method, weight, simulations, run } = cell;
    let purpose = |what: &str| derive_seed(seed, &format!("{TASK}-{what}-{run}"));
    let truth = TwoMoonsDensity::new();
    let data = &published[..published.len().min(2 * simulations)];
    let training = TrainingSettings { seed: purpose("training"), ..method.training.clone() };
    let config = method.flow.config(2, CONTEXT.len());
    let context = Standardiser::identity(CONTEXT.len());
    let flow = config.init(units()?, context, purpose("weights"), device)?;
    let objective = DensityObjective {
        draws: flow.encode_target(data)?,
        context: table(&CONTEXT, CONTEXT.len(), device),
        scores: table(&scores(&truth, data), 2, device),
        weight,
    };
    let checkpoint = workspace.checkpoint("training.safetensors");
    let trained = train(&objective, flow, &training, Some(&checkpoint), &mut observer(workspace))?;
    let flow = &trained.model;

    let fresh = draws(&truth, count, derive_seed(seed, &format!("{TASK}-fresh")));
    let mut rng = ChaCha8Rng::seed_from_u64(purpose("draws"));
    let own = flow.samples(&CONTEXT, count, &mut rng)?;
    let accuracy = c2st(&fresh, &own, 2, classifier, &|_| {}).context("classifier test")?.accuracy;
    let nlp = negative_log_probability(&flow.log_prob_of(&fresh, &CONTEXT)?, NonFinite::Exclude)?;
    let steps = trained.report.curve.last().map_or(0, |point| point.step);
    let measured = Measured {
        task: TASK.into(),
        method: method.grid.name.clone(),
        weight,
        simulations,
        run,
        c2st: vec![accuracy],
        nlp: Some(nlp.value),
        nlp_excluded: nlp.excluded,
        score_error: Some(score_error(flow, &truth, &fresh[..2 * SCORED.min(count)])?),
        curve: trained.report.curve,
        steps,
    };
    write_json(&workspace.path(MEASURED), &measured)?;
    if run > 0 {
        return Ok(());
    }
    let grid = grid();
    let density: Vec<f64> = flow.log_prob_of(&grid, &CONTEXT)?.into_iter().map(f64::exp).collect();
    let kept = &own[..2 * KEPT.min(count)];
    write_npz(
        &workspace.path(PLANE),
        [
            Named::f64("density", &[CELLS, CELLS], &density),
            Named::f64("draws", &[kept.len() / 2, 2], kept),
        ],
    )
}

/// Centres of the cells of the grid, row by row.
fn grid() -> Vec<f64> {
    let step = (EDGES.1 - EDGES.0) / CELLS as f64;
    let at = |index: usize| EDGES.0 + (index as f64 + 0.5) * step;
    (0..CELLS * CELLS).flat_map(|cell| [at(cell % CELLS), at(cell / CELLS)]).collect()
}

/// The true density on the grid.
pub fn true_density() -> Vec<f64> {
    let truth = TwoMoonsDensity::new();
    grid().chunks_exact(2).map(|x| truth.log_density([x[0], x[1]]).exp()).collect()
}

/// Root mean square of the difference of the scores over that of the true one.
fn score_error(flow: &Flow, truth: &TwoMoonsDensity, draws: &[f64]) -> Result<f64> {
    let expected = scores(truth, draws);
    let rows = draws.len() / 2;
    let device = flow.device();
    let context = table(&CONTEXT, CONTEXT.len(), &device).repeat_dim(0, rows);
    let (_, found) = flow.log_prob_and_score(flow.encode_target(draws)?, context, Score::Target);
    let found = found
        .try_into_vec_as::<f32>()
        .map_err(|error| flows::Error::Device { reason: format!("{error:?}") })?;
    let difference: f64 =
        found.iter().zip(&expected).map(|(a, b)| (f64::from(*a) - b).powi(2)).sum();
    let square: f64 = expected.iter().map(|b| b * b).sum();
    Ok((difference / square).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_units_are_those_of_the_base() -> Result<()> {
        let units = units()?;
        // The centre of the unit square is the origin, its edge is ten standard deviations away.
        for (corner, expected) in [(0.5, 0.0), (1.0, 10.0), (0.0, -10.0)] {
            let x: Vec<f64> =
                UNIT_SQUARE.iter().map(|(shift, scale)| corner / scale - shift).collect();
            for z in units.encode("corner", &x)? {
                assert!((f64::from(z) - expected).abs() < 1e-5, "{corner}: {z}");
            }
        }
        Ok(())
    }

    /// Their mean log density is that of draws of the truth, the entropy, within 4 standard errors.
    #[test]
    fn the_published_draws_are_draws_of_the_truth() -> Result<()> {
        let truth = TwoMoonsDensity::new();
        let levels = |draws: &[f64]| -> Vec<f64> {
            draws.chunks_exact(2).map(|x| truth.log_density([x[0], x[1]])).collect()
        };
        let published = published_draws()?;
        let published = &published[..2 * PUBLISHED_COUNT];
        let (published, own) = (levels(published), levels(&draws(&truth, 20_000, 1)));
        assert_eq!(published.len(), PUBLISHED_COUNT);
        let mean = |levels: &[f64]| levels.iter().sum::<f64>() / levels.len() as f64;
        let square: f64 = own.iter().map(|level| (level - mean(&own)).powi(2)).sum();
        let error = (square / own.len() as f64 / PUBLISHED_COUNT as f64).sqrt();
        assert!((mean(&published) - mean(&own)).abs() < 4.0 * error, "{error}");
        Ok(())
    }

    #[test]
    fn the_grid_holds_the_density() {
        let cell = (EDGES.1 - EDGES.0) / CELLS as f64;
        let mass: f64 = true_density().iter().sum::<f64>() * cell * cell;
        assert!((mass - 1.0).abs() < 0.01, "{mass}");
    }
}
