//! What simulations hold of each observable, by which observations are judged.

use ndarray::{ArrayView1, ArrayView2};
use serde::{Deserialize, Serialize};

use super::LeftOut;

/// Fraction of the range of the simulations by which an observation may lie outside it: the extremes
/// of a sample are no edges.
const MARGIN: f64 = 0.1;
/// Most values of an observable that is discrete, each taken by many simulations.
const FEW_VALUES: usize = 30;
/// Simulations for each of the few values, at least.
const PER_VALUE: usize = 10;
/// Fraction of the simulations with one value from which on it is no chance.
const COMMON: f64 = 0.1;
/// Simulations from which something can be learnt of a value that is rare, at least.
const LEARNABLE: usize = 10;
/// Fraction of simulations with another value up to which an observable is nearly constant.
const RARE: f64 = 0.01;

/// Simulations that lie as far out as an observation, at most, for it to be in the tail; fewer where
/// they would be more than `RARE` of all.
const FEW: usize = 20;

/// The ranges of observables, and those that are discrete.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    /// Smallest and largest value of each observable.
    pub ranges: Vec<[f64; 2]>,
    /// Values of each observable beyond which, to either side, fewer than `few` simulations lie.
    pub tails: Vec<[f64; 2]>,
    /// See `tails`.
    pub few: usize,
    /// Observables of which many simulations have the very same value.
    pub discrete: Vec<Discrete>,
}

/// An observable with few values, or with one that many simulations have.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Discrete {
    pub observable: usize,
    /// Different values.
    pub values: usize,
    /// The most common of them.
    pub common: f64,
    /// Fraction of the simulations that have it.
    pub share: f64,
    /// Smallest difference of two values.
    pub step: f64,
}

/// How often the values of a column are taken.
struct Counts {
    values: usize,
    common: f64,
    /// Of the most common value.
    count: usize,
    /// Smallest difference of two values; infinite for a single one.
    step: f64,
}

impl Counts {
    fn of(column: ArrayView1<f64>) -> Option<Self> {
        let mut sorted = column.to_vec();
        sorted.sort_by(f64::total_cmp);
        let runs: Vec<&[f64]> = sorted.chunk_by(|a, b| a == b).collect();
        let longest = runs.iter().max_by_key(|run| run.len())?;
        let steps = runs.windows(2).map(|pair| pair[1][0] - pair[0][0]);
        let step = steps.fold(f64::INFINITY, f64::min);
        Some(Self { values: runs.len(), common: longest[0], count: longest.len(), step })
    }
}

impl Record {
    /// Of observables `[simulation, observable]`.
    pub fn of(x: ArrayView2<f64>) -> Self {
        let range = |column: ArrayView1<f64>| {
            column.iter().fold([f64::INFINITY, f64::NEG_INFINITY], |[least, most], value| {
                [least.min(*value), most.max(*value)]
            })
        };
        let few = FEW.min((RARE * x.nrows() as f64) as usize);
        let tails = |column: ArrayView1<f64>| {
            let mut sorted = column.to_vec();
            sorted.sort_by(f64::total_cmp);
            let edge = few.saturating_sub(1).min(sorted.len() - 1);
            [sorted[edge], sorted[sorted.len() - 1 - edge]]
        };
        let discrete = |(observable, column): (usize, ArrayView1<f64>)| {
            let Counts { values, common, count, step } = Counts::of(column)?;
            let share = count as f64 / x.nrows() as f64;
            let few = values <= FEW_VALUES && values * PER_VALUE <= x.nrows();
            let atom = count >= PER_VALUE && share >= COMMON;
            let discrete = values > 1 && (few || atom);
            discrete.then_some(Discrete { observable, values, common, share, step })
        };
        Self {
            ranges: x.columns().into_iter().map(range).collect(),
            tails: x.columns().into_iter().map(tails).collect(),
            few,
            discrete: x.columns().into_iter().enumerate().filter_map(discrete).collect(),
        }
    }

    /// The number that fewer simulations than lie as far out as a value, if they are few.
    pub fn few_beyond(&self, observable: usize, value: f64) -> Option<usize> {
        let [low, high] = *self.tails.get(observable)?;
        (value < low || value > high).then_some(self.few)
    }

    /// The range of an observable, if a value is clearly outside it.
    pub fn range_without(&self, observable: usize, value: f64) -> Option<[f64; 2]> {
        let range @ [least, most] = *self.ranges.get(observable)?;
        let margin = MARGIN * (most - least);
        (value < least - margin || value > most + margin).then_some(range)
    }
}

/// Observables `[simulation, observable]` that are the same in all simulations, or in all but so few
/// that nothing can be learnt from them.
pub(super) fn nearly_constant(x: ArrayView2<f64>) -> Vec<LeftOut> {
    let each = x.columns().into_iter().enumerate();
    each.filter_map(|(observable, column)| {
        let Counts { common, count, .. } = Counts::of(column)?;
        let others = x.nrows() - count;
        let rare = others < LEARNABLE && others as f64 <= RARE * x.nrows() as f64;
        rare.then_some(LeftOut { observable, value: common, others })
    })
    .collect()
}
