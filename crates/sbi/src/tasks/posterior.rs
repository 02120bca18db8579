//! Draws from posteriors: by rejection where exact draws exist, by the no-U-turn sampler otherwise.

use std::ops::ControlFlow;

use hmc::{
    Chain, ChainRun, LogDensity, LogDensityError, MetricSettings, Record, RunSettings, Settings,
    Verdict,
};
use ndarray::Array2;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rayon::prelude::*;

use crate::draws::{Draws, Sampling};
use crate::error::{Error, Result};
use crate::mixing::Mixing;
use crate::prior::Prior;

/// A log likelihood at `theta: [parameter]` with its gradient `[parameter]`; an error where it is
/// not defined, which is taken to be impossible.
pub type LogLikelihood<'a> = dyn Fn(&[f64]) -> Result<(f64, Vec<f64>)> + Sync + 'a;

/// Independent chains.
const CHAINS: usize = 4;
/// Warmup transitions of each.
const WARMUP: usize = 1000;
/// Transitions per draw that is kept.
const THINNING: usize = 2;
/// Fewest transitions by which a chain is judged.
const MIN_TRANSITIONS: usize = 500;
/// How often chains are made twice as long in search of convergence.
const MAX_DOUBLINGS: u32 = 3;
/// Prior draws from which chains look for a start, and the best of them from which they climb.
const CANDIDATES: u64 = 512;
const ASCENTS: usize = 16;
/// A maximum that is lower than the highest by more than this is left out of the posterior.
const NEGLIGIBLE: f64 = 10.0;

/// A posterior in the normal coordinates of its prior.
#[derive(Clone, Copy)]
pub struct Posterior<'a> {
    /// The prior.
    pub prior: &'a Prior,
    /// The likelihood.
    pub likelihood: &'a LogLikelihood<'a>,
}

impl Posterior<'_> {
    /// Climbs from the likeliest `ascents` of many prior draws and gives what is at most ten below
    /// the highest in log density, the highest first; with them, the gradients that it took.
    ///
    /// # Errors
    /// [`Error::Reference`] if the likelihood is not defined at any of the draws.
    pub fn climb(
        self,
        seed: u64,
        ascents: usize,
        settings: &hmc::AscentSettings,
    ) -> Result<(Vec<hmc::Ascent>, u64)> {
        let candidate = |index: u64| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(index + CHAINS as u64);
            let u = self.prior.to_normal(&self.prior.draw(&mut rng));
            let mut posterior = self;
            let height = posterior.log_density_and_gradient(&u, &mut vec![0.0; u.len()]).ok()?;
            height.is_finite().then_some((height, u))
        };
        let mut candidates: Vec<(f64, Vec<f64>)> =
            (0..CANDIDATES).into_par_iter().filter_map(candidate).collect();
        candidates.sort_by(|a, b| b.0.total_cmp(&a.0));
        candidates.truncate(ascents);
        let climb = |(_, u)| {
            let mut posterior = self;
            hmc::ascend(&mut posterior, u, settings, |_, _| true).ok()
        };
        let mut tops: Vec<hmc::Ascent> = candidates.into_par_iter().filter_map(climb).collect();
        let gradients = CANDIDATES + tops.iter().map(|top| top.gradients).sum::<u64>();
        tops.sort_by(|a, b| b.log_density.total_cmp(&a.log_density));
        let Some(highest) = tops.first().map(|top| top.log_density) else {
            let reason = format!("the likelihood is defined at none of {CANDIDATES} prior draws");
            return Err(Error::Reference { reason });
        };
        tops.retain(|top| top.log_density > highest - NEGLIGIBLE);
        Ok((tops, gradients))
    }
}

/// The likelihood is not defined at a point; the sampler steps around it.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Undefined(Error);

impl LogDensityError for Undefined {
    fn is_recoverable(&self) -> bool {
        true
    }
}

impl LogDensity for Posterior<'_> {
    type Error = Undefined;

    fn dim(&self) -> usize {
        self.prior.dim()
    }

    fn log_density_and_gradient(
        &mut self,
        u: &[f64],
        gradient: &mut [f64],
    ) -> std::result::Result<f64, Undefined> {
        let (theta, slope) = self.prior.at_normal(u);
        let (value, score) = (self.likelihood)(&theta).map_err(Undefined)?;
        for (i, gradient) in gradient.iter_mut().enumerate() {
            *gradient = score[i] * slope[i] - u[i];
        }
        Ok(value - 0.5 * u.iter().map(|u| u * u).sum::<f64>())
    }
}

/// Draws `[draw, parameter]` from the posterior of `prior` and `likelihood` by the no-U-turn
/// sampler; the first `keep` parameters of the prior are kept.
///
/// Four chains, each started at a maximum found by climbing from the likeliest of many prior draws
/// (chains start from different ones where they are comparable in height), 1000 transitions of
/// warmup with a dense metric, then two transitions per draw, and 500 at least. Chains that cannot
/// be trusted yet go on to twice their length, three times at most; the draws are spread over all of
/// it.
///
/// # Errors
/// [`Error::Reference`] if no chain can start, or to the end a chain is not [`Verdict::Healthy`], or
/// R-hat is not below [`metrics::R_HAT_LIMIT`], or effective draws are fewer than
/// [`metrics::ESS_LIMIT`], of any parameter.
pub fn sample_draws(
    prior: &Prior,
    likelihood: &LogLikelihood<'_>,
    keep: usize,
    draws: usize,
    seed: u64,
) -> Result<Draws> {
    let refuse = |reason: String| Error::Reference { reason };
    let posterior = Posterior { prior, likelihood };
    let dim = prior.dim();
    let settings = Settings {
        warmup: WARMUP,
        metric: MetricSettings { dense: dim, adapted: None },
        ..Settings::default()
    };
    let (starts, mut gradients) = starts(posterior, seed)?;
    let mut chains = Vec::with_capacity(CHAINS);
    for index in 0..CHAINS {
        let start = starts[index % starts.len()].clone();
        let chain = Chain::new(posterior, start, settings.clone(), seed, index as u64)
            .map_err(|error| refuse(error.to_string()))?;
        chains.push(ChainRun::new(chain));
    }
    let per_chain = draws.div_ceil(CHAINS).max(1);
    let shortest = (per_chain * THINNING).max(MIN_TRANSITIONS);
    let record = |_: &mut Posterior<'_>, u: &[f64]| u.to_vec();
    let mut doublings = 0;
    let (records, spacing) = loop {
        let transitions = shortest << doublings;
        let run = RunSettings {
            draws: transitions,
            threads: rayon::current_num_threads(),
            checkpoint_every: 0,
        };
        hmc::run_chains(&mut chains, &run, &record, &|_| ControlFlow::Continue(()))
            .map_err(|error| refuse(error.to_string()))?;
        let records: Vec<Record> = chains.iter().map(|run| run.record.clone()).collect();
        match require_convergence(&records, prior) {
            Ok(()) => break (records, transitions / per_chain),
            Err(error) if doublings == MAX_DOUBLINGS => return Err(error),
            Err(_) => doublings += 1,
        }
    };
    let of_chains: Vec<u64> =
        chains.iter().map(|run| run.chain.state().gradients().total()).collect();
    gradients += of_chains.iter().sum::<u64>();
    let health = hmc::examine(&records);
    let mixing = Mixing::of(&records.iter().collect::<Vec<_>>());
    let sampling = Sampling::Chains {
        chains: CHAINS,
        stuck: Vec::new(),
        warmup: WARMUP,
        // as if the chains had waited for each other
        batches: of_chains.into_iter().max().unwrap_or(0),
        gradients,
        divergences: health.iter().map(|health| health.divergences).sum(),
        effective: mixing.bulk,
        effective_tails: mixing.tails,
        r_hat: mixing.r_hat,
    };

    let kept = |row: usize| {
        let values = &records[row % CHAINS].values;
        prior.at_normal(&values[(row / CHAINS + 1) * spacing - 1]).0
    };
    let rows: Vec<Vec<f64>> = (0..draws).map(kept).collect();
    let theta = Array2::from_shape_fn((draws, keep), |(row, column)| rows[row][column]);
    Ok(Draws { theta, sampling })
}

/// Positions to start chains from, in normal coordinates, the highest first: points apart from each
/// other and at most ten below the highest in log density. With them, the gradients that it took to
/// find them.
fn starts(posterior: Posterior<'_>, seed: u64) -> Result<(Vec<Vec<f64>>, u64)> {
    let (tops, gradients) = posterior.climb(seed, ASCENTS, &hmc::AscentSettings::default())?;
    let mut distinct: Vec<Vec<f64>> = Vec::new();
    for top in tops {
        let apart = |other: &Vec<f64>| {
            let square: f64 = other.iter().zip(&top.position).map(|(a, b)| (a - b).powi(2)).sum();
            square > 1e-2
        };
        if distinct.iter().all(apart) {
            distinct.push(top.position);
        }
    }
    Ok((distinct, gradients))
}

/// Refuses chains that have not converged to one distribution.
fn require_convergence(records: &[Record], prior: &Prior) -> Result<()> {
    let refuse = |reason: String| Err(Error::Reference { reason });
    let name = |value: usize| prior.names()[value].to_owned();
    for (chain, health) in hmc::examine(records).into_iter().enumerate() {
        if health.verdict != Verdict::Healthy {
            return refuse(format!(
                "chain {chain} is {:?}: {:.0} of its draws of {} move, its mean of {} is {:.1} \
                 standard deviations from the others', {} of its {} transitions diverge",
                health.verdict,
                health.lag_one_draws,
                name(health.worst_value),
                name(health.most_separated_value),
                health.separation,
                health.divergences,
                records[chain].values.len(),
            ));
        }
    }
    match Mixing::of(&records.iter().collect::<Vec<_>>()).doubts().first() {
        Some(doubt) => refuse(format!("the worst parameter: {doubt}")),
        None => Ok(()),
    }
}

/// Tries exact draws until enough of them are possible.
///
/// # Errors
/// [`Error::Reference`] if fewer than one in a million are.
pub fn reject<const N: usize>(
    draws: usize,
    seed: u64,
    mut attempt: impl FnMut(&mut ChaCha8Rng) -> Option<[f64; N]>,
) -> Result<Array2<f64>> {
    const FEWEST: usize = 1_000_000;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut rows = Vec::with_capacity(draws * N);
    let mut attempts = 0;
    while rows.len() < draws * N {
        attempts += 1;
        if let Some(row) = attempt(&mut rng) {
            rows.extend(row);
        } else if attempts > FEWEST * (rows.len() / N + 1) {
            let reason = format!(
                "only {} of {attempts} draws from the likelihood are within the prior: the \
                 observation is far from everything the prior allows",
                rows.len() / N
            );
            return Err(Error::Reference { reason });
        }
    }
    Ok(Array2::from_shape_fn((draws, N), |(row, column)| rows[row * N + column]))
}
