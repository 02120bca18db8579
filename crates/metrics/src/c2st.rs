//! Classifier two-sample test: how well a trained classifier tells two sets of samples apart.

use std::sync::atomic::{AtomicUsize, Ordering};

use rand::seq::SliceRandom;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::classifier::{Classifier, Shape};
use crate::error::{Error, Result};
use crate::fixed::{FixedColumn, fixed_columns, free_columns, pick};
use crate::moments::{mean, variance};
use crate::p_value::PValue;
use crate::points::{Standard, count_points};
use crate::progress::Progress;
use crate::streams::stream;

/// How to run the test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct C2stConfig {
    /// Cross-validations of the two sets, each with its own folds and starting weights.
    pub repetitions: usize,
    /// Cross-validations with permuted labels, which give the null; may be zero.
    pub null_repetitions: usize,
    /// Parts into which the samples are cut for cross-validation.
    pub folds: usize,
    /// Units of each of the two hidden layers, per dimension of the samples.
    pub hidden_per_dimension: usize,
    /// Training stops when the loss has not improved by this much for more than ten epochs.
    pub tolerance: f64,
    /// Largest number of epochs.
    pub max_epochs: usize,
    /// Seed of folds, starting weights, order of the samples and permutations.
    pub seed: u64,
}

impl Default for C2stConfig {
    fn default() -> Self {
        Self {
            repetitions: 5,
            null_repetitions: 10,
            folds: 5,
            hidden_per_dimension: 10,
            tolerance: 1e-4,
            max_epochs: 10_000,
            seed: 0,
        }
    }
}

impl C2stConfig {
    /// Refuses settings outside their range.
    ///
    /// # Errors
    /// [`Error::Setting`] naming the first such setting.
    pub fn validate(&self) -> Result<()> {
        let counts = [
            ("repetitions", self.repetitions, 1, "at least 1"),
            ("folds", self.folds, 2, "at least 2"),
            ("hidden_per_dimension", self.hidden_per_dimension, 1, "at least 1"),
            ("max_epochs", self.max_epochs, 1, "at least 1"),
        ];
        for (setting, value, minimum, expected) in counts {
            if value < minimum {
                return Err(Error::Setting { setting, value: value as f64, expected });
            }
        }
        if !(self.tolerance > 0.0 && self.tolerance.is_finite()) {
            return Err(Error::Setting {
                setting: "tolerance",
                value: self.tolerance,
                expected: "positive and finite",
            });
        }
        Ok(())
    }
}

/// Accuracies that two sets of these sizes and of the same distribution give: the floor of the
/// accuracy at these numbers of samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct C2stNull {
    /// Mean accuracy.
    pub mean: f64,
    /// Standard deviation of the accuracy of one cross-validation; zero for a single one.
    pub sd: f64,
    /// Accuracy of each permutation, or pair of sets.
    pub accuracies: Vec<f64>,
}

impl C2stNull {
    fn of(accuracies: Vec<f64>) -> Self {
        Self { mean: mean(&accuracies), sd: sd(&accuracies), accuracies }
    }
}

fn sd(values: &[f64]) -> f64 {
    if values.len() > 1 { variance(values).sqrt() } else { 0.0 }
}

/// The outcome of a classifier two-sample test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct C2st {
    /// Mean accuracy over the repetitions: 1/2 for indistinguishable sets of equal size, 1 for
    /// sets that do not overlap.
    pub accuracy: f64,
    /// Its standard error: `repetition_error` and `sampling_error` in quadrature.
    pub error: f64,
    /// Scatter of the repetitions over the square root of their number, from folds and starting
    /// weights; zero for a single repetition.
    pub repetition_error: f64,
    /// Binomial error sqrt(a (1 - a) / n) of an accuracy a measured on all n samples: the part
    /// that no repetition on the same samples removes.
    pub sampling_error: f64,
    /// Accuracy of each repetition.
    pub accuracies: Vec<f64>,
    /// The null, when it was asked for.
    pub null: Option<C2stNull>,
    /// Features that have the same value in both sets, which were left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fixed: Vec<FixedColumn>,
}

impl C2st {
    /// Replaces the null, by one of [`c2st_null`].
    #[must_use]
    pub fn against(self, null: C2stNull) -> Self {
        Self { null: Some(null), ..self }
    }

    /// Accuracy less the mean of the null, and its standard error: how far above the floor of
    /// these numbers of samples the classifier gets.
    #[must_use]
    pub fn excess(&self) -> Option<(f64, f64)> {
        let null = self.null.as_ref()?;
        let error_of_mean = null.sd / (null.accuracies.len() as f64).sqrt();
        Some((self.accuracy - null.mean, self.error.hypot(error_of_mean)))
    }

    /// Probability of so large an accuracy under the null by the permutation test,
    /// (1 + number of null accuracies at least as large) / (1 + their number).
    ///
    /// Exact for one repetition, up to equal accuracies, which count as at least as large. The
    /// mean of several repetitions scatters less than the single cross-validations of the null, so
    /// that small values are then conservative: too large.
    #[must_use]
    pub fn p_value(&self) -> Option<PValue> {
        let null = self.null.as_ref()?;
        let beyond = null.accuracies.iter().filter(|a| **a >= self.accuracy).count();
        Some(PValue::of_counts(beyond, null.accuracies.len()))
    }
}

/// Trains classifiers to tell `first` from `second`, both `[sample, dimension]` contiguous, and
/// returns their cross-validated accuracy with its error and its null.
///
/// As in the published benchmarks of simulation-based inference: both sets are standardised with
/// the mean and standard deviation of `first` (of both, for a feature that is constant in `first`
/// alone); features that have one value in both sets are left out; the classifier has two hidden layers of
/// `10 * dimension` ReLU units with the defaults of scikit-learn's `MLPClassifier`; the accuracy is
/// that of shuffled five-fold cross-validation. Folds are trained in parallel; the result depends
/// on the seed only.
///
/// *Domain of validity.* Samples must be independent: thin chains by their autocorrelation time
/// first. The accuracy is a lower bound of what the best classifier reaches, and grows with the
/// number of samples: compare accuracies at equal numbers only, and against the null. Sets of
/// unequal size have a null above 1/2, the fraction of the larger set.
///
/// `progress` is called, from any thread, after each classifier.
///
/// # References
/// D. Lopez-Paz and M. Oquab, "Revisiting classifier two-sample tests", ICLR 2017,
/// arXiv:1610.06545. J.-M. Lueckmann et al., "Benchmarking simulation-based inference",
/// AISTATS 2021, arXiv:2101.04653.
///
/// # Errors
/// When the lengths are no multiples of `dimension`, a set has fewer than two samples per fold, a
/// value is not finite or 1e38 standard deviations away, all features have one value, a setting is
/// out of range, or a training diverges.
pub fn c2st(
    first: &[f64],
    second: &[f64],
    dimension: usize,
    config: &C2stConfig,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<C2st> {
    config.validate()?;
    let counts = [
        count_points("first set", first, dimension, 2 * config.folds)?,
        count_points("second set", second, dimension, 2 * config.folds)?,
    ];
    let Rows { values, dimension, fixed } = standardise(first, second, dimension)?;
    let trial = |permuted| Trial { rows: &values, dimension, counts, permuted };
    let mut trials = vec![trial(false); config.repetitions];
    trials.extend(vec![trial(true); config.null_repetitions]);
    let mut accuracies = cross_validate(&trials, config, progress)?;
    let null = accuracies.split_off(config.repetitions);
    Ok(C2st { fixed, ..outcome(accuracies, null, counts[0] + counts[1]) })
}

/// The null from independent sets of draws of one distribution, each `[sample, dimension]`
/// contiguous and of the same size: one cross-validation of every pair of them.
///
/// Other than permuted labels, this keeps what the draws have in common with those to be tested:
/// the autocorrelation of chains, the ties of a resampled set. Give sets of the size of those to be
/// tested, and made in the same way, then use [`C2st::against`]. Pairs share sets, so that the
/// standard deviation is that of fewer independent values than there are pairs.
///
/// `progress` is called, from any thread, after each classifier.
///
/// # Errors
/// As [`c2st`], with fewer than two sets, and when their sizes differ.
pub fn c2st_null(
    sets: &[&[f64]],
    dimension: usize,
    config: &C2stConfig,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<C2stNull> {
    config.validate()?;
    if sets.len() < 2 {
        let what = "sets of draws for the null".into();
        return Err(Error::TooFew { what, minimum: 2, found: sets.len() });
    }
    let mut count = 0;
    for (i, set) in sets.iter().enumerate() {
        let what = format!("set {i} of the null");
        let found = count_points(&what, set, dimension, 2 * config.folds)?;
        if i > 0 && found != count {
            return Err(Error::Shape {
                what,
                expected: format!("{count} samples, as in set 0"),
                found: format!("{found} samples"),
            });
        }
        count = found;
    }
    let pairs = (0..sets.len()).flat_map(|i| (i + 1..sets.len()).map(move |j| (i, j)));
    let rows: Vec<Rows> =
        pairs.map(|(i, j)| standardise(sets[i], sets[j], dimension)).collect::<Result<_>>()?;
    let trials: Vec<Trial> = rows
        .iter()
        .map(|Rows { values, dimension, .. }| Trial {
            rows: values,
            dimension: *dimension,
            counts: [count; 2],
            permuted: false,
        })
        .collect();
    Ok(C2stNull::of(cross_validate(&trials, config, progress)?))
}

/// Both sets in units of the first, one after the other, and whether to permute their labels.
#[derive(Clone, Copy)]
struct Trial<'a> {
    rows: &'a [f32],
    dimension: usize,
    counts: [usize; 2],
    permuted: bool,
}

/// The cross-validated accuracy of every trial.
fn cross_validate(
    trials: &[Trial],
    config: &C2stConfig,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Vec<f64>> {
    let total = trials.len() * config.folds;
    let done = AtomicUsize::new(0);
    let scores: Vec<f64> = (0..total)
        .into_par_iter()
        .map(|task| {
            let (index, fold) = (task / config.folds, task % config.folds);
            let score = fold_accuracy(&trials[index], config, index, fold)?;
            progress(Progress { done: done.fetch_add(1, Ordering::Relaxed) + 1, total });
            Ok(score)
        })
        .collect::<Result<_>>()?;
    Ok(scores.chunks_exact(config.folds).map(mean).collect())
}

fn outcome(accuracies: Vec<f64>, null: Vec<f64>, samples: usize) -> C2st {
    let accuracy = mean(&accuracies);
    let repetition_error = sd(&accuracies) / (accuracies.len() as f64).sqrt();
    let sampling_error = (accuracy * (1.0 - accuracy) / samples as f64).sqrt();
    C2st {
        accuracy,
        error: repetition_error.hypot(sampling_error),
        repetition_error,
        sampling_error,
        accuracies,
        null: (!null.is_empty()).then(|| C2stNull::of(null)),
        fixed: Vec::new(),
    }
}

/// What the classifier sees.
struct Rows {
    /// Both sets, one after the other, `[sample, dimension]`.
    values: Vec<f32>,
    /// Features that are left.
    dimension: usize,
    /// Features that are not.
    fixed: Vec<FixedColumn>,
}

/// Both sets in units of the standard deviation of the first, or of both together for a feature that
/// is constant in the first.
fn standardise(first: &[f64], second: &[f64], dimension: usize) -> Result<Rows> {
    let rows = || first.chunks_exact(dimension).chain(second.chunks_exact(dimension));
    let fixed = fixed_columns(rows(), dimension);
    let free = free_columns(&fixed, dimension);
    if free.is_empty() {
        let what = "every feature of both sets".into();
        return Err(Error::Constant { what, value: fixed[0].value });
    }
    let standards = free
        .iter()
        .map(|&j| {
            let own: Vec<f64> = first.iter().skip(j).step_by(dimension).copied().collect();
            let constant = own.iter().all(|x| *x == own[0]);
            let values = if constant { rows().map(|row| row[j]).collect() } else { own };
            Standard::of(&format!("feature {j} of the first set"), &values)
        })
        .collect::<Result<Vec<_>>>()?;
    let kept = [first, second].map(|set| pick(set, dimension, &free));
    let values: Vec<f32> = kept
        .iter()
        .flatten()
        .zip(standards.iter().cycle())
        .map(|(x, standard)| standard.deviation(*x) as f32)
        .collect();
    if let Some(index) = values.iter().position(|x| !x.is_finite()) {
        let (row, column) = (index / free.len(), free[index % free.len()]);
        let value = rows().nth(row).map_or(f64::NAN, |row| row[column]);
        let what = format!("too far from the first set: feature {column} of both sets");
        return Err(Error::NotFinite { what, index: row, value });
    }
    Ok(Rows { values, dimension: free.len(), fixed })
}

/// The positions, in the shuffled order, of the samples that `fold` keeps for testing.
fn fold_range(samples: usize, folds: usize, fold: usize) -> std::ops::Range<usize> {
    let start = |f: usize| f * (samples / folds) + f.min(samples % folds);
    start(fold)..start(fold + 1)
}

/// Trains on all but one fold and returns the fraction of right answers in that fold.
fn fold_accuracy(trial: &Trial, config: &C2stConfig, index: usize, fold: usize) -> Result<f64> {
    let Trial { rows, dimension, counts, permuted } = *trial;
    // Streams: one per trial for labels and folds, one per classifier.
    let stream = |index| stream(config.seed, index);
    let mut rng = stream(index * (config.folds + 1));
    let samples = counts[0] + counts[1];
    let mut labels = vec![0.0_f32; samples];
    labels[counts[0]..].fill(1.0);
    if permuted {
        labels.shuffle(&mut rng);
    }
    let mut order: Vec<usize> = (0..samples).collect();
    order.shuffle(&mut rng);
    let range = fold_range(samples, config.folds, fold);
    let gather = |indices: &[usize]| -> (Vec<f32>, Vec<f32>) {
        let rows = indices.iter().flat_map(|i| &rows[i * dimension..(i + 1) * dimension]);
        (rows.copied().collect(), indices.iter().map(|i| labels[*i]).collect())
    };
    let (test_rows, test_labels) = gather(&order[range.clone()]);
    order.drain(range);
    let (train_rows, train_labels) = gather(&order);

    let mut rng = stream(index * (config.folds + 1) + 1 + fold);
    let shape = Shape::new(dimension, config.hidden_per_dimension * dimension);
    let mut classifier = Classifier::random(shape, &mut rng);
    let losses = classifier.train(
        &train_rows,
        &train_labels,
        config.tolerance,
        config.max_epochs,
        |order| order.shuffle(&mut rng),
    );
    if losses.last().is_some_and(|loss| !loss.is_finite()) {
        return Err(Error::Diverged { trial: index, fold, epoch: losses.len() });
    }
    let classes = classifier.predict(&test_rows);
    let right =
        classes.iter().zip(&test_labels).filter(|(class, label)| **class == (**label > 0.5));
    Ok(right.count() as f64 / test_labels.len() as f64)
}
