//! Sets of simulations: parameters, observables and scores as arrays, with their origin.
//!
//! [`simulate`] makes a set in memory, [`Store`] one on disk that may be larger than memory. Both
//! depend on the seed and the index of each simulation only, not on the number of threads, nor on
//! how the indices are cut into pieces.

mod npz;
mod policy;
mod proposal;
mod run;
mod store;

use ndarray::{Array2, ArrayView2, Axis, CowArray, Ix2, concatenate};
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::error::{Error, Result};

pub use policy::{Dropped, OnFault, Policy, Reason};
pub use proposal::{Proposal, proposal_fn};
pub use run::{Progress, simulate};
pub use store::{Store, StorePlan};

/// Where a simulation came from: everything needed to repeat it with the same proposal and
/// simulator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    /// Seed of the run.
    pub seed: u64,
    /// Index of the simulation in its run.
    pub index: u64,
}

/// A set of simulations.
///
/// Rows belong together: row `i` of every array is one simulation. Parameters are finite; rows of
/// observables and scores that are not finite occur only where [`OnFault::Keep`] asked for them.
#[derive(Clone, Debug, PartialEq)]
pub struct Simulations {
    theta: Array2<f64>,
    x: Array2<f64>,
    scores: Option<Array2<f64>>,
    /// One entry per row, if known.
    sources: Option<Vec<Source>>,
    /// Simulations that were paid for and are not among the rows.
    dropped: Vec<Dropped>,
}

impl Simulations {
    /// A set of simulations made elsewhere: parameters `[simulation, parameter]`, observables
    /// `[simulation, observable]` and, if there are any, conditional scores
    /// `[simulation, parameter]` (see [`Simulation::score`](crate::simulator::Simulation::score)).
    ///
    /// # Errors
    /// [`Error::Shape`] for arrays that do not fit each other; [`Error::NotFinite`] for a NaN or
    /// infinity in any of them: leave such simulations out, and count them.
    pub fn new(theta: Array2<f64>, x: Array2<f64>, scores: Option<Array2<f64>>) -> Result<Self> {
        let set = Self::of(theta, x, scores, None, Vec::new())?;
        let arrays = [("x", Some(set.x.view())), ("scores", set.scores())];
        for (name, array) in arrays {
            for (row, values) in array.iter().flat_map(|array| array.rows()).enumerate() {
                if let Some(index) = values.iter().position(|value| !value.is_finite()) {
                    let what = format!("row {row} of {name}: {name}");
                    return Err(Error::NotFinite { what, index, value: values[index] });
                }
            }
        }
        Ok(set)
    }

    /// Checks that everything fits, and that the parameters are finite.
    fn of(
        theta: Array2<f64>,
        x: Array2<f64>,
        scores: Option<Array2<f64>>,
        sources: Option<Vec<Source>>,
        dropped: Vec<Dropped>,
    ) -> Result<Self> {
        let shape = |what: &str, expected: [usize; 2], found: &[usize]| {
            if expected == found {
                return Ok(());
            }
            let (what, expected, found) = (what.to_owned(), expected.to_vec(), found.to_vec());
            Err(Error::Shape { what, expected, found })
        };
        let rows = theta.nrows();
        shape("x", [rows, x.ncols()], x.shape())?;
        if let Some(scores) = &scores {
            shape("scores", [rows, theta.ncols()], scores.shape())?;
        }
        if let Some(sources) = &sources
            && sources.len() != rows
        {
            let what = "sources".to_owned();
            return Err(Error::Shape { what, expected: vec![rows], found: vec![sources.len()] });
        }
        for (row, values) in theta.rows().into_iter().enumerate() {
            if let Some(index) = values.iter().position(|value| !value.is_finite()) {
                let what = format!("row {row} of theta: theta");
                return Err(Error::NotFinite { what, index, value: values[index] });
            }
        }
        Ok(Self { theta, x, scores, sources, dropped })
    }

    /// Number of simulations in the set.
    #[must_use]
    pub fn len(&self) -> usize {
        self.theta.nrows()
    }

    /// True without simulations.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of parameters.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.theta.ncols()
    }

    /// Number of observables.
    #[must_use]
    pub fn observables(&self) -> usize {
        self.x.ncols()
    }

    /// Parameters, `[simulation, parameter]`.
    #[must_use]
    pub fn theta(&self) -> ArrayView2<'_, f64> {
        self.theta.view()
    }

    /// Observables, `[simulation, observable]`.
    #[must_use]
    pub fn x(&self) -> ArrayView2<'_, f64> {
        self.x.view()
    }

    /// Conditional joint scores, `[simulation, parameter]`, without the prior.
    #[must_use]
    pub fn scores(&self) -> Option<ArrayView2<'_, f64>> {
        self.scores.as_ref().map(|scores| scores.view())
    }

    /// The same simulations with other scores `[simulation, parameter]` of the same kind: those that
    /// were made with noise taken out, see [`marginal_score`](crate::marginal_score).
    ///
    /// # Errors
    /// [`Error::Shape`] for scores that do not fit, [`Error::NotFinite`] for a NaN or infinity.
    pub fn with_scores(mut self, scores: Array2<f64>) -> Result<Self> {
        if scores.shape() != self.theta.shape() {
            let (expected, found) = (self.theta.shape().to_vec(), scores.shape().to_vec());
            return Err(Error::Shape { what: "scores".into(), expected, found });
        }
        for (row, values) in scores.rows().into_iter().enumerate() {
            if let Some(index) = values.iter().position(|value| !value.is_finite()) {
                let what = format!("row {row} of scores: scores");
                return Err(Error::NotFinite { what, index, value: values[index] });
            }
        }
        self.scores = Some(scores);
        Ok(self)
    }

    /// Seed and index of each simulation; `None` for simulations made elsewhere.
    #[must_use]
    pub fn sources(&self) -> Option<&[Source]> {
        self.sources.as_deref()
    }

    /// Simulations that were made and are not in the set, in the order in which they were made.
    #[must_use]
    pub fn dropped(&self) -> &[Dropped] {
        &self.dropped
    }

    /// Number of calls of the simulator that this set has cost.
    #[must_use]
    pub fn calls(&self) -> u64 {
        (self.len() + self.dropped.len()) as u64
    }

    /// Rows whose observables or score are not finite; none unless they were kept on purpose.
    #[must_use]
    pub fn non_finite(&self) -> Vec<usize> {
        let finite = |array: ArrayView2<f64>, row: usize| {
            array.row(row).iter().all(|value| value.is_finite())
        };
        (0..self.len())
            .filter(|&row| {
                !finite(self.x(), row) || self.scores().is_some_and(|scores| !finite(scores, row))
            })
            .collect()
    }

    /// The first `n` simulations, with those dropped before the last of them.
    ///
    /// # Errors
    /// [`Error::Setting`] if there are fewer.
    pub fn first(&self, n: usize) -> Result<Self> {
        if n > self.len() {
            return Err(Error::Setting {
                field: "n",
                value: n.to_string(),
                expected: format!("at most {}, the simulations there are", self.len()),
            });
        }
        let dropped = self.dropped.iter().filter(|dropped| dropped.row < n as u64);
        let head = |array: &Array2<f64>| array.view().split_at(Axis(0), n).0.to_owned();
        Ok(Self {
            theta: head(&self.theta),
            x: head(&self.x),
            scores: self.scores.as_ref().map(head),
            sources: self.sources.as_ref().map(|sources| sources[..n].to_vec()),
            dropped: dropped.copied().collect(),
        })
    }

    /// The simulations in the given rows, in that order; dropped ones are not carried over.
    ///
    /// # Errors
    /// [`Error::Setting`] for a row that does not exist.
    pub fn select(&self, rows: &[usize]) -> Result<Self> {
        if let Some(row) = rows.iter().find(|&&row| row >= self.len()) {
            return Err(Error::Setting {
                field: "row",
                value: row.to_string(),
                expected: format!("below {}, the simulations there are", self.len()),
            });
        }
        Ok(Self {
            theta: self.theta.select(Axis(0), rows),
            x: self.x.select(Axis(0), rows),
            scores: self.scores.as_ref().map(|scores| scores.select(Axis(0), rows)),
            sources: self
                .sources
                .as_ref()
                .map(|sources| rows.iter().map(|&row| sources[row]).collect()),
            dropped: Vec::new(),
        })
    }

    /// Two disjoint parts drawn at random: one of `round(fraction * len)` simulations, the other of
    /// the rest. Dropped simulations are not carried over.
    ///
    /// # Errors
    /// [`Error::Setting`] for a fraction outside 0 to 1.
    pub fn split(&self, fraction: f64, seed: u64) -> Result<(Self, Self)> {
        if !(0.0..=1.0).contains(&fraction) {
            return Err(Error::Setting {
                field: "fraction",
                value: fraction.to_string(),
                expected: "a number from 0 to 1".into(),
            });
        }
        let mut rows: Vec<usize> = (0..self.len()).collect();
        rows.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        let (first, second) = rows.split_at((fraction * self.len() as f64).round() as usize);
        Ok((self.select(first)?, self.select(second)?))
    }

    /// All simulations of several sets, in order. Sources are known if they are in every set. Failed
    /// simulations have no score; a set of nothing else fits others with scores and others without.
    ///
    /// # Errors
    /// [`Error::Setting`] without a set; [`Error::Shape`] for sets of different shape, of which
    /// some have scores and some have none included.
    pub fn concat<'a>(sets: impl IntoIterator<Item = &'a Self>) -> Result<Self> {
        let sets: Vec<&Self> = sets.into_iter().collect();
        let Some(first) = sets.first() else {
            let (value, expected) = ("0".into(), "at least one set of simulations".into());
            return Err(Error::Setting { field: "sets", value, expected });
        };
        let scored = sets.iter().any(|set| set.scores.is_some());
        let columns = |set: &Self| {
            let has_scores = set.scores.is_some() || (scored && set.all_failed());
            let scores = if has_scores { set.parameters() } else { 0 };
            vec![set.parameters(), set.observables(), scores]
        };
        if let Some(other) = sets.iter().find(|set| columns(set) != columns(first)) {
            return Err(Error::Shape {
                what: "a set of simulations (columns of theta, x, scores)".into(),
                expected: columns(first),
                found: columns(other),
            });
        }
        let join = |array: &dyn Fn(&'a Self) -> CowArray<'a, f64, Ix2>| {
            let parts: Vec<_> = sets.iter().map(|set| array(set)).collect();
            let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
            concatenate(Axis(0), &views).expect("arrays of as many columns")
        };
        let no_score = |set: &Self| Array2::from_elem((set.len(), set.parameters()), f64::NAN);
        let mut dropped = Vec::new();
        let mut before = 0;
        for set in &sets {
            let moved = |dropped: &Dropped| Dropped { row: before + dropped.row, ..*dropped };
            dropped.extend(set.dropped.iter().map(moved));
            before += set.len() as u64;
        }
        let known = sets.iter().all(|set| set.sources.is_some());
        let sources = sets.iter().filter_map(|set| set.sources()).flatten().copied();
        Ok(Self {
            theta: join(&|set| set.theta().into()),
            x: join(&|set| set.x().into()),
            scores: scored.then(|| {
                join(&|set| set.scores().map_or_else(|| no_score(set).into(), Into::into))
            }),
            sources: known.then(|| sources.collect()),
            dropped,
        })
    }

    /// True if no simulation of the set came to an end, so that none could have a score.
    fn all_failed(&self) -> bool {
        self.x.rows().into_iter().all(|row| row.iter().all(|value| value.is_nan()))
    }

    /// Adds the simulations of another set after those of this one.
    ///
    /// # Errors
    /// As [`Simulations::concat`]; this set is then unchanged.
    pub fn append(&mut self, other: &Self) -> Result<()> {
        *self = Self::concat([&*self, other])?;
        Ok(())
    }
}
