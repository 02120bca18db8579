//! Running a simulator many times, in parallel and repeatably.

use std::ops::{ControlFlow, Range};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ndarray::Array2;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rayon::prelude::*;

use super::policy::{Dropped, OnFault, Policy, Reason};
use super::{Proposal, Simulations, Source};
use crate::error::{Error, Result};
use crate::simulator::Simulator;

/// How far a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Simulations made.
    pub done: u64,
    /// Simulations to make.
    pub total: u64,
    /// Of those made, the ones that were not finite.
    pub non_finite: u64,
    /// Of those made, the ones that failed.
    pub failed: u64,
}

/// Offset of the random streams of simulators from those of parameters.
const NOISE: u64 = 1 << 63;

/// One simulation that is to be kept or dropped.
struct Outcome {
    theta: Vec<f64>,
    x: Vec<f64>,
    score: Option<Vec<f64>>,
    fault: Option<Reason>,
}

/// Makes the simulations `indices` of the run `seed`, on all threads of the current rayon pool.
///
/// Simulation `index` has its parameters from `proposal.theta(seed, index)` (a
/// [`Prior`](crate::prior::Prior) draws them from the ChaCha8 stream `index` of `seed`), and its
/// simulator draws from the stream `index + 2^63` of `seed`. The result is therefore the same
/// whatever the number of threads, and that of `0..n` is the concatenation of those of `0..k` and
/// `k..n`.
///
/// `progress` is called, from any thread, after each simulation, and ends the run by returning
/// [`ControlFlow::Break`].
///
/// # Errors
/// [`Error::Simulator`] or [`Error::NonFiniteSimulation`] for the fault of smallest index, where
/// the policy does not drop or keep it; [`Error::Shape`] if the simulator returns vectors of
/// unexpected length, or scores for some simulations only, or takes another number of parameters
/// than the proposal has; [`Error::NotFinite`] for parameters that are not finite; an error of the
/// proposal; [`Error::Stopped`].
pub fn simulate<S, P>(
    simulator: &S,
    proposal: &P,
    indices: Range<u64>,
    seed: u64,
    policy: Policy,
    progress: &(dyn Fn(Progress) -> ControlFlow<()> + Sync),
) -> Result<Simulations>
where
    S: Simulator + ?Sized,
    P: Proposal + ?Sized,
{
    let parameters = simulator.parameters();
    if proposal.parameters() != parameters {
        return Err(Error::Shape {
            what: "parameters of the proposal".into(),
            expected: vec![parameters],
            found: vec![proposal.parameters()],
        });
    }
    if indices.end > NOISE {
        return Err(Error::Setting {
            field: "indices",
            value: format!("{indices:?}"),
            expected: format!("at most {NOISE}"),
        });
    }
    let total = indices.end.saturating_sub(indices.start);
    let (done, non_finite, failed) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let stopped = AtomicBool::new(false);
    // The error of smallest index: simulations after it are skipped, those before it are made.
    let first_error: Mutex<Option<(u64, Error)>> = Mutex::new(None);
    let error_index = AtomicU64::new(u64::MAX);

    let outcomes: Vec<Option<Outcome>> = indices
        .clone()
        .into_par_iter()
        .map(|index| {
            if stopped.load(Ordering::Relaxed) || index > error_index.load(Ordering::Relaxed) {
                return None;
            }
            match one(simulator, proposal, seed, index, policy) {
                Ok(outcome) => {
                    match outcome.fault {
                        Some(Reason::NonFinite) => non_finite.fetch_add(1, Ordering::Relaxed),
                        Some(Reason::Failed) => failed.fetch_add(1, Ordering::Relaxed),
                        None => 0,
                    };
                    let now = Progress {
                        done: done.fetch_add(1, Ordering::Relaxed) + 1,
                        total,
                        non_finite: non_finite.load(Ordering::Relaxed),
                        failed: failed.load(Ordering::Relaxed),
                    };
                    if progress(now).is_break() && now.done < total {
                        stopped.store(true, Ordering::Relaxed);
                    }
                    Some(outcome)
                }
                Err(error) => {
                    error_index.fetch_min(index, Ordering::Relaxed);
                    let mut first =
                        first_error.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                    if first.as_ref().is_none_or(|(other, _)| index < *other) {
                        *first = Some((index, error));
                    }
                    None
                }
            }
        })
        .collect();
    if let Some((_, error)) = first_error.into_inner().unwrap_or_else(|p| p.into_inner()) {
        return Err(error);
    }
    if stopped.into_inner() {
        return Err(Error::Stopped { done: done.into_inner(), total });
    }
    gather(outcomes.into_iter().flatten(), simulator, indices.start, seed, policy)
}

/// Makes one simulation.
fn one<S, P>(simulator: &S, proposal: &P, seed: u64, index: u64, policy: Policy) -> Result<Outcome>
where
    S: Simulator + ?Sized,
    P: Proposal + ?Sized,
{
    let shape = |what: &str, expected: usize, found: usize| {
        if expected == found {
            return Ok(());
        }
        let what = format!("{what} of simulation {index}");
        Err(Error::Shape { what, expected: vec![expected], found: vec![found] })
    };
    let theta = proposal.theta(seed, index)?;
    shape("theta", simulator.parameters(), theta.len())?;
    if let Some(i) = theta.iter().position(|value| !value.is_finite()) {
        let what = format!("theta of simulation {index}");
        return Err(Error::NotFinite { what, index: i, value: theta[i] });
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(NOISE + index);
    let simulation = match simulator.simulate(&theta, &mut rng) {
        Ok(simulation) => simulation,
        Err(source) if policy.failed == OnFault::Error => {
            return Err(Error::Simulator { index, theta, source: Box::new(source) });
        }
        Err(_) => {
            let x = vec![f64::NAN; simulator.observables()];
            return Ok(Outcome { theta, x, score: None, fault: Some(Reason::Failed) });
        }
    };
    shape("x", simulator.observables(), simulation.x.len())?;
    if let Some(score) = &simulation.score {
        shape("score", simulator.parameters(), score.len())?;
    }
    let bad = |values: &[f64]| values.iter().position(|value| !value.is_finite());
    let score = simulation.score.as_deref().unwrap_or_default();
    let fault = match (bad(&simulation.x), bad(score)) {
        (Some(element), _) => Some(("x", element, simulation.x[element])),
        (None, Some(element)) => Some(("score", element, score[element])),
        (None, None) => None,
    };
    if let Some((what, element, value)) = fault
        && policy.non_finite == OnFault::Error
    {
        return Err(Error::NonFiniteSimulation { index, theta, what, element, value });
    }
    let fault = fault.map(|_| Reason::NonFinite);
    Ok(Outcome { theta, x: simulation.x, score: simulation.score, fault })
}

/// Makes arrays of the outcomes, in the order of their indices.
fn gather(
    outcomes: impl Iterator<Item = Outcome>,
    simulator: &(impl Simulator + ?Sized),
    first: u64,
    seed: u64,
    policy: Policy,
) -> Result<Simulations> {
    let parameters = simulator.parameters();
    let (mut theta, mut x, mut scores) = (Vec::new(), Vec::new(), Vec::new());
    let (mut sources, mut dropped) = (Vec::new(), Vec::new());
    let mut scored = None;
    for (outcome, index) in outcomes.zip(first..) {
        let source = Source { seed, index };
        // A failed run has no score, whatever the simulator.
        if outcome.fault != Some(Reason::Failed) {
            let has_score = outcome.score.is_some();
            if *scored.get_or_insert(has_score) != has_score {
                let length = |has: bool| vec![if has { parameters } else { 0 }];
                return Err(Error::Shape {
                    what: format!("score of simulation {index}, unlike those before,"),
                    expected: length(!has_score),
                    found: length(has_score),
                });
            }
        }
        let handling = match outcome.fault {
            None => OnFault::Keep,
            Some(Reason::NonFinite) => policy.non_finite,
            Some(Reason::Failed) => policy.failed,
        };
        if let (Some(reason), OnFault::Drop) = (outcome.fault, handling) {
            dropped.push(Dropped { source, reason, row: sources.len() as u64 });
            continue;
        }
        theta.extend(outcome.theta);
        x.extend(outcome.x);
        match outcome.score {
            Some(score) => scores.extend(score),
            None => scores.extend(std::iter::repeat_n(f64::NAN, parameters)),
        }
        sources.push(source);
    }
    let rows = sources.len();
    let array = |what: &str, data: Vec<f64>, columns: usize| {
        let found = vec![data.len()];
        Array2::from_shape_vec((rows, columns), data).map_err(|_| Error::Shape {
            what: what.into(),
            expected: vec![rows, columns],
            found,
        })
    };
    let scores = match scored {
        Some(true) => Some(array("scores", scores, parameters)?),
        _ => None,
    };
    Simulations::of(
        array("theta", theta, parameters)?,
        array("x", x, simulator.observables())?,
        scores,
        Some(sources),
        dropped,
    )
}
