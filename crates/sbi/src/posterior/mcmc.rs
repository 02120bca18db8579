//! Draws by Markov chains, for networks that do not sample.
//!
//! A population led from the prior to the posterior gives the chains their starting points, spread
//! over all modes, and their metric. The chains then move by the no-U-turn sampler in the prior's
//! normal coordinates, in step with each other; what they ask of the networks is answered in batches
//! of all chains.
//!
//! # References
//! M. D. Hoffman and A. Gelman, "The No-U-Turn Sampler", JMLR 15 (2014) 1593, arXiv:1111.4246. A.
//! Vehtari, A. Gelman, D. Simpson, B. Carpenter and P.-C. Bürkner, "Rank-normalization, folding,
//! and localization: an improved R-hat", Bayesian Analysis 16 (2021) 667, arXiv:1903.08008. For the
//! starting points see [`super::tempering`].

use std::cell::Cell;
use std::rc::Rc;

use hmc::{Chain, Kernel, Metric, MetricSettings, Phase, Record, Settings};
use ndarray::Array2;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::convergence::judge;
use super::lockstep::{Seat, lockstep};
use super::settings::{SampleObserver, SampleProgress, SampleSettings, SampleStage};
use super::tempering::{Population, Sizes, population};
use super::{Draws, Posterior, Sampling};
use crate::error::{Error, Result};

/// Most coordinates with a full covariance as metric.
const DENSE: usize = 64;
/// Least transitions after warmup by which a chain can be judged.
const JUDGED: usize = 10;

/// What a chain does, the same for all but its start.
#[derive(Clone)]
struct Plan {
    chain: Settings,
    /// Transitions of a chain, those of the warmup included.
    transitions: usize,
    metric: Metric,
    seed: u64,
    /// Transitions made by all chains.
    made: Rc<Cell<usize>>,
}

/// What a chain leaves.
struct Finished {
    record: Record,
    gradients: u64,
    divergences: usize,
}

/// How a chain ended: with its draws or the reason why it has none.
type Outcome = std::result::Result<Finished, String>;

/// `count` draws by the chains of `settings`.
pub fn sample(
    posterior: &Posterior<'_>,
    count: usize,
    seed: u64,
    settings: &SampleSettings,
    observer: &mut SampleObserver<'_>,
) -> Result<Draws> {
    settings.validate()?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    // chains have the streams of their indices
    rng.set_stream(u64::MAX);
    let population = starting_points(posterior, settings, &mut rng, observer)?;
    let chains = settings.chains_for(count);
    let starts = population.starts(chains, &mut rng);
    let per_chain = count.div_ceil(chains);
    let plan = Plan::new(settings, &population, per_chain, seed);
    let (outcomes, batches) = run(posterior, &plan, starts, settings.max_batches, observer)?;
    collect(posterior, settings, outcomes, batches, count)
}

/// The population that the chains start from.
fn starting_points(
    posterior: &Posterior<'_>,
    settings: &SampleSettings,
    rng: &mut ChaCha8Rng,
    observer: &mut SampleObserver<'_>,
) -> Result<Population> {
    let dim = posterior.estimator.prior.dim();
    let sizes = Sizes { prior: settings.prior_draws, points: settings.points };
    let mut done = 0;
    let log_densities = |u: &[f64]| {
        if observer(&SampleProgress { stage: SampleStage::Start, done, total: None }).is_break() {
            return Err(Error::Stopped { done: done as u64, total: (done + u.len() / dim) as u64 });
        }
        done += u.len() / dim;
        posterior.log_densities(u)
    };
    let found = population(log_densities, dim, sizes, rng)?
        .ok_or_else(|| posterior.no_mass(settings.prior_draws))?;
    if found.reached < 1.0 {
        let deviation = posterior.largest_deviation();
        return Err(Error::Unreached { stages: found.stages, reached: found.reached, deviation });
    }
    Ok(found)
}

impl Plan {
    fn new(settings: &SampleSettings, from: &Population, per_chain: usize, seed: u64) -> Self {
        let moments = &from.moments;
        let metric = Metric::diagonal(moments.mean.clone(), moments.sd());
        let dense = if moments.mean.len() <= DENSE { moments.covariance.as_slice() } else { &[] };
        Self {
            chain: Settings {
                warmup: settings.warmup,
                kernel: Kernel::Nuts { max_depth: settings.max_depth },
                target_accept: settings.target_accept,
                // that of the population stays: it knows more points than a short warmup
                metric: MetricSettings { dense: 0, adapted: Some(0) },
                ..Settings::default()
            },
            transitions: settings.warmup + (per_chain * settings.thinning).max(JUDGED),
            metric: metric.clone().with_leading_covariance(dense).unwrap_or(metric),
            seed,
            made: Rc::default(),
        }
    }

    /// The life of one chain.
    fn chain(self, index: usize, seat: Seat<'_>, start: Vec<f64>) -> Outcome {
        let chain =
            Chain::with_metric(seat, start, self.metric, self.chain, self.seed, index as u64);
        let mut chain = chain.map_err(|error| error.to_string())?;
        let mut record = Record::default();
        for _ in 0..self.transitions {
            let draw = chain.advance().map_err(|error| error.to_string())?;
            record.draws.push(draw);
            if draw.phase == Phase::Sampling {
                record.values.push(chain.state().position().to_vec());
            }
            self.made.set(self.made.get() + 1);
        }
        let state = chain.state();
        let (gradients, divergences) = (state.gradients().total(), state.divergences());
        Ok(Finished { record, gradients, divergences })
    }
}

/// Runs a chain from each start: how each ended, and the number of batches that took.
fn run(
    posterior: &Posterior<'_>,
    plan: &Plan,
    starts: Vec<Vec<f64>>,
    max_batches: u64,
    observer: &mut SampleObserver<'_>,
) -> Result<(Vec<Outcome>, u64)> {
    let total = starts.len() * plan.transitions;
    let mut batches = 0;
    let evaluate = |u: &[f64]| {
        let done = plan.made.get();
        if batches >= max_batches {
            return Err(Error::Budget { batches, done, total });
        }
        let stage = SampleStage::Chains { batches };
        if observer(&SampleProgress { stage, done, total: Some(total) }).is_break() {
            return Err(Error::Stopped { done: done as u64, total: total as u64 });
        }
        batches += 1;
        posterior.log_density_and_gradient(u)
    };
    let lives = starts.into_iter().enumerate().map(|(index, start)| {
        let plan = plan.clone();
        move |seat: Seat<'_>| plan.chain(index, seat, start)
    });
    let outcomes = lockstep(lives, posterior.estimator.prior.dim(), evaluate)?;
    Ok((outcomes, batches))
}

/// Draws of all usable chains, one of each in turn.
fn collect(
    posterior: &Posterior<'_>,
    settings: &SampleSettings,
    outcomes: Vec<Outcome>,
    batches: u64,
    count: usize,
) -> Result<Draws> {
    let (mut gradients, mut divergences) = (0, 0);
    let mut first_reason = None;
    let chains = outcomes.len();
    let records: Vec<Record> = outcomes
        .into_iter()
        .map(|outcome| match outcome {
            Ok(finished) => {
                gradients += finished.gradients;
                divergences += finished.divergences;
                finished.record
            }
            Err(reason) => {
                first_reason.get_or_insert(reason);
                Record::default()
            }
        })
        .collect();
    let convergence = judge(&records);
    let stuck: Vec<usize> = (0..chains).filter(|&index| !convergence.usable[index]).collect();
    if 2 * stuck.len() > chains {
        let reason = first_reason.unwrap_or_else(|| "they do not move".into());
        return Err(Error::Stuck { stuck: stuck.len(), chains, reason });
    }
    let usable: Vec<&[Vec<f64>]> = records
        .iter()
        .zip(&convergence.usable)
        .filter_map(|(record, usable)| usable.then_some(record.values.as_slice()))
        .collect();
    let prior = &posterior.estimator.prior;
    // the draws of stuck chains are made up for by the others, with less thinning
    let per_chain = count.div_ceil(usable.len());
    let mut theta = Vec::with_capacity(count * prior.dim());
    for index in 0..count {
        let (turn, chain) = (index / usable.len(), usable[index % usable.len()]);
        let draw = ((turn + 1) * chain.len()).div_ceil(per_chain) - 1;
        theta.extend(prior.at_normal(&chain[draw]).0);
    }
    let theta = Array2::from_shape_vec((count, prior.dim()), theta)
        .expect("as many numbers as draws of parameters");
    let sampling = Sampling::Chains {
        chains,
        stuck,
        warmup: settings.warmup,
        batches,
        gradients,
        divergences,
        effective: convergence.mixing.bulk,
        effective_tails: convergence.mixing.tails,
        r_hat: convergence.mixing.r_hat,
    };
    Ok(Draws { theta, sampling })
}
