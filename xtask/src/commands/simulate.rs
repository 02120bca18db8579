//! `simulate`: maps with their parameters and, on request, their scores.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::{ArgAction, Args, ValueEnum};
use lognormal_sim::{Cosmology, ScoreKind, Simulator};
use rayon::prelude::*;
use serde::Serialize;

use crate::arrays::{Named, read_npz, write_npz};
use crate::cli::{Parameters, SurveyArguments};
use crate::files::require_output;
use crate::progress::Progress;
use crate::study::{Earlier, Output, Study, derive_seed};
use full_field::{DIM, Prior};

/// Arguments of `simulate`.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask simulate --params fiducial --npix 64 --count 16 --seed 1 --out maps.npz\n  \
    cargo xtask simulate --prior --npix 64 --count 1000 --score joint --out training.npz\n\n\
    The .npz holds maps [count,bin,y,x] (float32), theta [count,6] and, with --score,\n\
    score [count,6]. Simulation k depends on the seed and k alone, whatever the number of\n\
    threads. A run that was interrupted continues; the same command does it.")]
#[group(id = "point", required = true, multiple = false, args = ["params", "prior"])]
pub struct Arguments {
    /// omega_c,omega_b,sigma_8,h_0,n_s,w_0, or 'fiducial'
    #[arg(long, allow_hyphen_values = true)]
    params: Option<Parameters>,
    /// Draw the parameters from a prior: lsst_y10 or a TOML file
    #[arg(long, num_args = 0..=1, default_missing_value = "lsst_y10", value_name = "PRIOR")]
    prior: Option<String>,
    #[command(flatten)]
    survey: SurveyArguments,
    /// Pixels along a side, over the survey's area [default: the survey's]
    #[arg(long)]
    npix: Option<usize>,
    /// Number of simulations
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,
    /// Seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Add shape noise
    #[arg(long, default_value_t = true, action = ArgAction::Set, value_name = "true|false")]
    noise: bool,
    /// Score to compute: 'conditional' is d log p(map | z, theta) / d theta at the latents z that
    /// made the map; 'joint' adds the gradient of the log prior; 'whitened' has the same mean for
    /// each map as 'conditional' and less noise
    #[arg(long)]
    score: Option<Score>,
    /// Output .npz
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// The two scores of the literature, and one with less noise.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ValueEnum)]
enum Score {
    /// d log p(map, z, theta) / d theta.
    Joint,
    /// d log p(map | z, theta) / d theta.
    Conditional,
    /// d log p(map, x | theta) / d theta at fixed whitened latents x.
    Whitened,
}

/// Values per file of unfinished work.
const CHUNK: usize = 1 << 24;
const CHUNK_FILE: &str = "maps.npz";

/// One simulation: its maps, and its score where asked for (otherwise zero).
type Simulated = (Vec<f32>, [f64; DIM]);

/// Runs the command.
///
/// # Errors
/// If an argument makes no sense, every simulation fails, or the output cannot be written.
pub fn run(arguments: &Arguments) -> Result<()> {
    ensure!(
        arguments.noise || arguments.score.is_none(),
        "--score needs noise: without it the density of a map has no derivative"
    );
    let survey = arguments.survey.load()?.with_npix(arguments.npix)?;
    let prior = Prior::load(arguments.prior.as_deref().unwrap_or("lsst_y10"))?;
    if let Some(parameters) = arguments.params {
        Cosmology::from_parameters(&parameters.0)?;
    }
    let prior_file = arguments.prior.iter().map(PathBuf::from);
    let inputs: Vec<PathBuf> = survey.files().iter().cloned().chain(prior_file).collect();
    require_output(&arguments.out, &["npz"], &inputs)?;
    let simulator = survey.simulator()?;
    let count = arguments.count as usize;
    let thetas: Vec<[f64; DIM]> = match arguments.params {
        Some(parameters) => vec![parameters.0; count],
        None => {
            let seed = derive_seed(arguments.seed, "prior");
            (0..count as u64).map(|index| prior.sample(seed, index)).collect()
        }
    };

    let work = work_folder(&arguments.out);
    let study = Study::open(&work, Earlier::default())?;
    let progress = Progress::new("simulating", count);
    let per_chunk = (CHUNK / simulator.map_len()).max(1);
    let mut chunks = Vec::new();
    for (k, thetas) in thetas.chunks(per_chunk).enumerate() {
        let first = k * per_chunk;
        let run = (arguments.seed, first, arguments.noise, arguments.score);
        let config = (&survey, &prior, run, thetas);
        let chunk = study.run("maps", 1, &config, &[], |workspace| {
            let one = |k: usize, theta: &[f64; DIM]| {
                let simulated = simulate(&simulator, &prior, arguments, theta, (first + k) as u64);
                progress.step(0, "");
                simulated
            };
            let chunk: Vec<Result<Simulated>> =
                thetas.par_iter().enumerate().map(|(k, theta)| one(k, theta)).collect();
            write_chunk(&workspace.path(CHUNK_FILE), first, simulator.map_len(), chunk)
        })?;
        if chunk.reused {
            thetas.iter().for_each(|_| progress.step(0, "found"));
        }
        chunks.push(chunk);
    }
    progress.finish();
    collect(arguments, &simulator, &thetas, &chunks)?;
    drop(study);
    fs::remove_dir_all(&work).with_context(|| format!("cannot remove {}", work.display()))
}

fn simulate(
    simulator: &Simulator,
    prior: &Prior,
    arguments: &Arguments,
    theta: &[f64; DIM],
    index: u64,
) -> Result<Simulated> {
    let cosmology = Cosmology::from_parameters(theta)?;
    let Some(kind) = arguments.score else {
        let maps = simulator.simulate(&cosmology, arguments.seed, index, arguments.noise)?;
        return Ok((maps, [0.0; DIM]));
    };
    let held_fixed = match kind {
        Score::Joint | Score::Conditional => ScoreKind::Latents,
        Score::Whitened => ScoreKind::Whitened,
    };
    let scored = simulator.simulate_scored(held_fixed, &cosmology, arguments.seed, index)?;
    let maps = scored.maps.iter().map(|&pixel| pixel as f32).collect();
    let mut score = scored.score;
    if kind == Score::Joint {
        for (score, prior) in score.iter_mut().zip(prior.gradient(theta)) {
            *score += prior;
        }
    }
    Ok((maps, score))
}

/// Stores a chunk; failed simulations are NaN, counted, and the first is explained.
fn write_chunk(
    path: &Path,
    first: usize,
    map_len: usize,
    chunk: Vec<Result<Simulated>>,
) -> Result<()> {
    let count = chunk.len();
    let (mut maps, mut scores, mut failed) = (Vec::new(), Vec::new(), 0);
    for (k, simulated) in chunk.into_iter().enumerate() {
        let (map, score) = simulated.unwrap_or_else(|error| {
            if failed == 0 {
                eprintln!("warning: simulation {} failed: {error:#}", first + k);
            }
            failed += 1;
            (vec![f32::NAN; map_len], [f64::NAN; DIM])
        });
        maps.extend(map);
        scores.extend(score);
    }
    write_npz(
        path,
        [
            Named::f32("maps", &[count, map_len], &maps),
            Named::f64("score", &[count, DIM], &scores),
            Named::i64("failed", &[1], &[failed]),
        ],
    )
}

/// Joins the chunks to the output.
fn collect(
    arguments: &Arguments,
    simulator: &Simulator,
    thetas: &[[f64; DIM]],
    chunks: &[Output],
) -> Result<()> {
    let count = thetas.len();
    let read = |chunk: &Output, name| Ok(read_npz(&chunk.path(CHUNK_FILE), name)?.data);
    let all = |name| -> Result<Vec<f64>> {
        Ok(chunks.iter().map(|c| read(c, name)).collect::<Result<Vec<_>>>()?.concat())
    };
    let failed = all("failed")?.iter().sum::<f64>() as usize;
    ensure!(failed < count, "every simulation failed, the first for the reason above");
    if failed > 0 {
        eprintln!("warning: {failed} of {count} simulations failed; their maps are NaN");
    }
    let npix = simulator.survey().npix;
    let maps = chunks
        .iter()
        .map(|chunk| Ok(read(chunk, "maps")?.into_iter().map(|pixel| pixel as f32).collect()));
    let scores = all("score")?;
    let mut arrays = vec![
        Named::parts("maps", &[count, simulator.bins(), npix, npix], maps),
        Named::f64("theta", &[count, DIM], thetas.as_flattened()),
    ];
    if arguments.score.is_some() {
        arrays.push(Named::f64("score", &[count, DIM], &scores));
    }
    write_npz(&arguments.out, arrays)
}

/// Where unfinished work is kept: beside the output, hidden.
fn work_folder(out: &Path) -> PathBuf {
    let name = out.file_name().unwrap_or_default().to_string_lossy();
    out.with_file_name(format!(".{name}.work"))
}
