//! Truths of simulated observations with the posterior draws given each observation.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use crate::convergence::ess_mean;
use crate::error::{Error, Result};
use crate::fixed::{FixedColumn, fixed_columns};
use crate::progress::Progress;

/// Fewer draws have no autocorrelation time.
const MINIMUM_DRAWS: usize = 4;

/// Borrowed arrays of the true parameters `[observation, parameter]` and of posterior draws
/// `[observation, draw, parameter]`, both contiguous, with the names of the parameters.
///
/// Truths must come from the prior that the posteriors were computed with, and observations from
/// the simulator at these truths.
#[derive(Clone, Debug)]
pub struct CalibrationSet<'a> {
    truths: &'a [f64],
    draws: &'a [f64],
    names: Vec<String>,
    stored: usize,
    every: usize,
}

impl<'a> CalibrationSet<'a> {
    /// Views `truths` as `[observations, names.len()]` and `draws` as
    /// `[observations, draws, names.len()]`; the numbers of observations and draws follow.
    ///
    /// # Errors
    /// When there are no parameters, fewer than two observations or four draws of each, lengths
    /// do not fit each other, or a value is not finite.
    pub fn new<S: AsRef<str>>(truths: &'a [f64], draws: &'a [f64], names: &[S]) -> Result<Self> {
        let names: Vec<String> = names.iter().map(|n| n.as_ref().to_owned()).collect();
        let parameters = names.len();
        if parameters == 0 {
            return Err(Error::TooFew { what: "parameters".into(), minimum: 1, found: 0 });
        }
        if !truths.len().is_multiple_of(parameters) {
            return Err(Error::Shape {
                what: "truths [observation, parameter]".into(),
                expected: format!("a multiple of {parameters} values"),
                found: format!("{} values", truths.len()),
            });
        }
        let observations = truths.len() / parameters;
        at_least("observations", 2, observations)?;
        if !draws.len().is_multiple_of(truths.len()) {
            return Err(Error::Shape {
                what: "draws [observation, draw, parameter]".into(),
                expected: format!("a multiple of {observations} x {parameters} values"),
                found: format!("{} values", draws.len()),
            });
        }
        for (what, values) in [("truth of", truths), ("draw of", draws)] {
            if let Some(i) = values.iter().position(|v| !v.is_finite()) {
                return Err(Error::NotFinite {
                    what: format!("{what} {}", names[i % parameters]),
                    index: i / parameters,
                    value: values[i],
                });
            }
        }
        let stored = draws.len() / truths.len();
        Self { truths, draws, names, stored, every: 1 }.checked()
    }

    /// Keeps every `every`-th draw of each observation, from the first on: for draws that are a
    /// Markov chain, whose ranks are uniform only when thinned by their autocorrelation time.
    ///
    /// # Errors
    /// When `every` is zero or leaves fewer than four draws.
    pub fn thinned(self, every: usize) -> Result<Self> {
        if every == 0 {
            return Err(Error::Setting { setting: "every", value: 0.0, expected: "at least 1" });
        }
        Self { every: self.every * every, ..self }.checked()
    }

    fn checked(self) -> Result<Self> {
        at_least("draws of each observation", MINIMUM_DRAWS, self.draws())?;
        Ok(self)
    }

    /// Number of observations.
    #[must_use]
    pub fn observations(&self) -> usize {
        self.truths.len() / self.names.len()
    }

    /// Number of draws of each observation, after thinning.
    #[must_use]
    pub fn draws(&self) -> usize {
        self.stored.div_ceil(self.every)
    }

    /// Names of the parameters.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The true parameters of one observation.
    pub(crate) fn truth(&self, observation: usize) -> &'a [f64] {
        &self.truths[observation * self.names.len()..][..self.names.len()]
    }

    /// The draws of one observation, each with all its parameters.
    pub(crate) fn points(&self, observation: usize) -> impl Iterator<Item = &'a [f64]> + Clone {
        let size = self.stored * self.names.len();
        let draws = &self.draws[observation * size..][..size];
        draws.chunks_exact(self.names.len()).step_by(self.every)
    }

    /// The parameters that have one value in all truths and draws. Nothing can be ranked by them.
    #[must_use]
    pub fn fixed(&self) -> Vec<FixedColumn> {
        let points = (0..self.observations())
            .flat_map(|i| self.points(i).chain(std::iter::once(self.truth(i))));
        fixed_columns(points, self.names.len())
    }

    /// How many independent draws each draw is worth, per parameter: the effective sample size
    /// for the mean over the number of draws, averaged over observations. An observation whose draws
    /// all have the same value of the parameter, as a discrete one may, does not count: there the
    /// rank of the truth is the same however the draws are correlated. One where none counts.
    ///
    /// Near 1 for independent draws. Well below, the ranks of an exact posterior are not uniform:
    /// truths fall outside correlated draws too often, as if the posterior were too narrow.
    ///
    /// `progress` is called, from any thread, after each observation.
    ///
    /// # Errors
    /// None that a valid set can cause.
    pub fn efficiency(&self, progress: &(dyn Fn(Progress) + Sync)) -> Result<Vec<f64>> {
        let (done, total) = (AtomicUsize::new(0), self.observations());
        let per_observation: Vec<Vec<Option<f64>>> = (0..total)
            .into_par_iter()
            .map(|i| {
                let row = (0..self.names.len()).map(|j| self.efficiency_of(i, j)).collect();
                progress(Progress { done: done.fetch_add(1, Ordering::Relaxed) + 1, total });
                row
            })
            .collect::<Result<_>>()?;
        let average = |j: usize| {
            let known: Vec<f64> = per_observation.iter().filter_map(|row| row[j]).collect();
            if known.is_empty() { 1.0 } else { known.iter().sum::<f64>() / known.len() as f64 }
        };
        Ok((0..self.names.len()).map(average).collect())
    }

    /// `None` if all draws are equal.
    fn efficiency_of(&self, observation: usize, parameter: usize) -> Result<Option<f64>> {
        let series: Vec<f64> = self.points(observation).map(|p| p[parameter]).collect();
        if series.iter().all(|x| *x == series[0]) {
            return Ok(None);
        }
        let draws = series.len() as f64;
        Ok(Some(ess_mean(&[series])? / draws))
    }
}

fn at_least(what: &str, minimum: usize, found: usize) -> Result<()> {
    if found < minimum {
        return Err(Error::TooFew { what: what.into(), minimum, found });
    }
    Ok(())
}
