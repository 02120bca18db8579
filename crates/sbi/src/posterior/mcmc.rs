//! Draws by Markov chains, for networks that do not sample.
//!
//! A population led from the prior to the posterior gives the chains their starting points, spread
//! over all modes, and their metric. The chains then move by the no-U-turn sampler in the prior's
//! normal coordinates, each in its own thread; what they ask of the networks is answered in batches
//! of all chains.
//!
//! # References
//! M. D. Hoffman and A. Gelman, "The No-U-Turn Sampler", JMLR 15 (2014) 1593, arXiv:1111.4246. A.
//! Vehtari, A. Gelman, D. Simpson, B. Carpenter and P.-C. Bürkner, "Rank-normalization, folding,
//! and localization: an improved R-hat", Bayesian Analysis 16 (2021) 667, arXiv:1903.08008. For the
//! starting points see [`super::tempering`].

use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::Builder;

use hmc::{
    Chain, ChainRun, Kernel, Metric, MetricSettings, Record, RunSettings, Settings, run_chains,
};
use ndarray::Array2;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::convergence::judge;
use super::rendezvous::{Refusal, Seat, rendezvous};
use super::settings::{SampleObserver, SampleProgress, SampleSettings, SampleStage};
use super::tempering::{Population, Sizes, population};
use super::{Draws, Posterior, Sampling};
use crate::error::{Error, Result};

/// Stack of a chain's thread, in bytes; a transition needs a few thousand.
const STACK: usize = 1 << 18;
/// Most coordinates with a full covariance as metric.
const DENSE: usize = 64;
/// Least transitions after warmup by which a chain can be judged.
const JUDGED: usize = 10;

/// What a chain does, the same for all but its start.
struct Plan {
    chain: Settings,
    run: RunSettings,
    metric: Metric,
    seed: u64,
    /// Transitions made by all chains.
    made: AtomicUsize,
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
            run: RunSettings {
                draws: (per_chain * settings.thinning).max(JUDGED),
                ..RunSettings::default()
            },
            metric: metric.clone().with_leading_covariance(dense).unwrap_or(metric),
            seed,
            made: AtomicUsize::new(0),
        }
    }

    /// The life of one chain, whose seat is left at its end.
    fn chain(&self, index: usize, seat: Seat, start: Vec<f64>) -> Outcome {
        let text = |error: hmc::Error<Refusal>| error.to_string();
        let (metric, settings) = (self.metric.clone(), self.chain.clone());
        let chain = Chain::with_metric(seat, start, metric, settings, self.seed, index as u64);
        let mut run = ChainRun::new(chain.map_err(text)?);
        let observer = |event: hmc::Event<'_>| {
            if let hmc::Event::Progress(_) = event {
                self.made.fetch_add(1, Ordering::Relaxed);
            }
            ControlFlow::Continue(())
        };
        let recorder = |_: &mut Seat, u: &[f64]| u.to_vec();
        run_chains(std::slice::from_mut(&mut run), &self.run, &recorder, &observer)
            .map_err(|error| text(error.source))?;
        let state = run.chain.state();
        let (gradients, divergences) = (state.gradients().total(), state.divergences());
        Ok(Finished { record: run.record, gradients, divergences })
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
    let (server, seats) = rendezvous(starts.len(), posterior.estimator.prior.dim());
    let total = starts.len() * (plan.chain.warmup + plan.run.draws);
    let mut batches = 0;
    let evaluate = |u: &[f64]| {
        let done = plan.made.load(Ordering::Relaxed);
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
    let outcomes = std::thread::scope(|scope| {
        let threads: Vec<_> = seats
            .into_iter()
            .zip(starts)
            .enumerate()
            .map(|(index, (seat, start))| {
                let life = move || plan.chain(index, seat, start);
                Builder::new().stack_size(STACK).spawn_scoped(scope, life)
            })
            .collect();
        server.serve(evaluate)?;
        threads
            .into_iter()
            .map(|thread| match thread {
                Ok(thread) => Ok(thread.join().unwrap_or_else(|bug| resume_unwind(bug))),
                Err(error) => Err(Error::Chain(format!("a thread cannot be started: {error}"))),
            })
            .collect::<Result<Vec<_>>>()
    })?;
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
        effective: convergence.effective,
        r_hat: convergence.r_hat,
    };
    Ok(Draws { theta, sampling })
}
