//! All that was measured of one method.

use std::path::Path;

use ::compression::TrainingReport;
use anyhow::Result;
use metrics::{FigureOfMerit, mean, variance};

use super::infer::{HELD_OUT, MEASURED};
use super::measured::{Inferred, Measured};
use super::report::MethodInputs;
use super::run::SPECTRA;
use super::train::read_report;
use crate::arrays::{Array, read_npz};
use crate::files::read_json;
use crate::lensing::PAIRS;
use crate::runs::{Difference, Ratio, Runs};
use crate::sampling::SAMPLES;

/// A method with all its trainings and posteriors.
pub struct Group {
    /// Its key.
    pub key: String,
    /// The trainings of its compressor, with their wall times.
    pub trainings: Vec<(TrainingReport, f64)>,
    /// Its posteriors.
    pub measured: Vec<Measured>,
    /// Wall times of all summaries and posteriors.
    pub seconds: f64,
    /// Draws of its first posterior.
    pub draws: Array,
    /// Log probabilities of the truths of the simulations held out, of each posterior.
    pub held_out: Vec<Vec<f64>>,
    /// Figures of Merit of the first of these simulations, `[observation][pair]`, of each posterior.
    pub figures: Vec<Vec<f64>>,
}

/// What a method is called.
#[must_use]
pub fn name(key: &str) -> String {
    match key {
        SPECTRA => "spectra, learnt".into(),
        loss => loss.to_uppercase(),
    }
}

impl Group {
    /// Reads what a method left; paths are relative to `folder`.
    ///
    /// # Errors
    /// If a result is missing or damaged.
    pub fn read(folder: &Path, inputs: &MethodInputs) -> Result<Self> {
        let MethodInputs { key, compressors, summaries, posteriors } = inputs;
        let folders: Vec<_> = posteriors.iter().map(|(path, _)| folder.join(path)).collect();
        let first = folders.first().map_or(folder, |path| path.as_path());
        let held_out = |name: &str| -> Result<Vec<Vec<f64>>> {
            folders.iter().map(|path| Ok(read_npz(&path.join(HELD_OUT), name)?.data)).collect()
        };
        Ok(Self {
            key: key.clone(),
            trainings: compressors
                .iter()
                .map(|(path, seconds)| Ok((read_report(&folder.join(path))?, *seconds)))
                .collect::<Result<_>>()?,
            measured: folders
                .iter()
                .map(|path| read_json(&path.join(MEASURED)))
                .collect::<Result<_>>()?,
            seconds: summaries.iter().chain(posteriors).map(|(_, seconds)| seconds).sum(),
            draws: read_npz(&first.join(SAMPLES), "samples")?,
            held_out: held_out("log_probability")?,
            figures: held_out("figures")?,
        })
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> String {
        name(&self.key)
    }

    fn runs(&self, value: impl Fn(&Measured) -> f64) -> Runs {
        Runs::of(&self.measured.iter().map(value).collect::<Vec<f64>>())
    }

    /// The Figure of Merit of a pair of parameters.
    #[must_use]
    pub fn figure(&self, pair: usize) -> Runs {
        self.runs(|one| one.judged.figures[pair].value)
    }

    /// The same in units of that of another posterior.
    #[must_use]
    pub fn relative(&self, pair: usize, to: &[FigureOfMerit]) -> Runs {
        self.runs(|one| one.judged.figures[pair].value / to[pair].value)
    }

    /// C2ST against the explicit posterior.
    #[must_use]
    pub fn c2st(&self) -> Runs {
        self.runs(|one| one.judged.c2st.accuracy)
    }

    /// Divergence of the explicit posterior.
    #[must_use]
    pub fn divergence(&self) -> Runs {
        self.runs(|one| one.judged.divergence)
    }

    /// A measure of learnt posteriors.
    #[must_use]
    pub fn inferred(&self, value: impl Fn(&Inferred) -> f64) -> Runs {
        self.runs(|one| value(&one.inferred))
    }

    /// Standard error of the mean C2ST: that of its runs, but at least that of the tests.
    #[must_use]
    pub fn c2st_error(&self) -> f64 {
        let count = self.measured.len() as f64;
        let test: Vec<f64> = self.measured.iter().map(|one| one.judged.c2st.error).collect();
        self.c2st().error().unwrap_or(0.0).max(mean(&test) / count.sqrt())
    }

    /// By how much its mean C2ST is above that of another method.
    #[must_use]
    pub fn farther_than(&self, other: &Self) -> Difference {
        let value = self.c2st().spread.mean - other.c2st().spread.mean;
        Difference::new(value, self.c2st_error().hypot(other.c2st_error()))
    }

    /// By how much its negative log probability is above that of another method on the same
    /// simulations: those to which both give a finite one. The error is that of the mean over the
    /// simulations and, if there are several runs, of their scatter.
    #[must_use]
    pub fn nlp_above(&self, other: &Self) -> Option<Difference> {
        let pairs = self.held_out.iter().zip(&other.held_out);
        paired(
            pairs.map(|(own, other)| {
                own.iter().zip(other).map(|(own, other)| other - own).collect()
            }),
        )
    }

    /// Its Figure of Merit of a pair over that of another method, the geometric mean over the same
    /// simulated observations, with the error as in [`Group::nlp_above`].
    #[must_use]
    pub fn mean_figure_over(&self, other: &Self, pair: usize) -> Option<Ratio> {
        let pairs = self.figures.iter().zip(&other.figures);
        let logarithm = paired(pairs.map(|(own, other)| {
            let both = own.iter().zip(other).skip(pair).step_by(PAIRS.len());
            both.map(|(own, other)| (own / other).ln()).collect()
        }))?;
        Some(Ratio::of_logarithm(logarithm))
    }
}

/// Mean of the finite differences between two methods, a list of each run. The error is that of the
/// mean over a list and, if there are several, of their scatter.
fn paired(runs: impl Iterator<Item = Vec<f64>>) -> Option<Difference> {
    let runs: Vec<Vec<f64>> =
        runs.map(|run| run.into_iter().filter(|value| value.is_finite()).collect()).collect();
    if runs.iter().any(|run| run.len() < 2) {
        return None;
    }
    let means = Runs::of(&runs.iter().map(|run| mean(run)).collect::<Vec<f64>>());
    let first = runs.first()?;
    let sampling = (variance(first) / first.len() as f64).sqrt();
    let error = sampling.hypot(means.error().unwrap_or(0.0));
    Some(Difference::new(means.spread.mean, error))
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use flows::training::CurvePoint;
    use metrics::{C2st, NegativeLogProbability};

    use crate::runs::{CLEAR, Sign};

    /// A method with the given Figure of Merit and C2ST in each run.
    pub fn group(key: &str, runs: &[(f64, f64)], log_probability: f64) -> Group {
        let figure = |value| FigureOfMerit { value, error: 0.0 };
        let mean_of = |value| NegativeLogProbability { value, error: 0.1, count: 9, excluded: 0 };
        let one = |(run, &(value, accuracy)): (usize, &(f64, f64))| Measured {
            method: key.into(),
            run,
            repeat: 0,
            judged: super::super::measured::Judged {
                figures: vec![figure(value), figure(value), figure(value)],
                c2st: C2st {
                    accuracy,
                    error: 0.01,
                    repetition_error: 0.0,
                    sampling_error: 0.01,
                    accuracies: vec![accuracy],
                    null: None,
                    fixed: Vec::new(),
                },
                draws: 100,
                divergence: 0.3,
            },
            inferred: Inferred {
                summaries: 6,
                simulations: 100,
                gain: 2.0,
                cross_entropy: mean_of(1.0),
                nlp: mean_of(-log_probability),
                deviation: 1.0,
                leakage: 0.0,
                curve: vec![CurvePoint {
                    step: 1,
                    epoch: 1.0,
                    training: 1.0,
                    validation: None,
                    learning_rate: 1e-3,
                }],
                best: 0,
            },
        };
        let noise = |i: usize| 0.001 * ((7 * i) % 5) as f64;
        Group {
            key: key.into(),
            trainings: Vec::new(),
            measured: runs.iter().enumerate().map(one).collect(),
            seconds: 1.0,
            draws: Array { shape: vec![1, 0, 6], data: Vec::new() },
            held_out: runs
                .iter()
                .map(|_| (0..9).map(|i| log_probability + noise(i) * log_probability).collect())
                .collect(),
            figures: runs
                .iter()
                .map(|(figure, _)| (0..9).map(|i| figure * (1.0 + noise(i))).collect())
                .collect(),
        }
    }

    #[test]
    fn methods_are_compared_on_the_same_simulations() {
        let (good, bad) = (group("vmim", &[(9.0, 0.5)], 2.0), group("mse", &[(8.0, 0.6)], 1.0));
        let difference = bad.nlp_above(&good).expect("finite");
        assert!((difference.value - 1.0).abs() < 0.01);
        assert!(difference.error.is_some_and(|error| error < 0.01));
        assert_eq!(difference.sign(CLEAR), Sign::Above);
        assert_eq!(good.nlp_above(&bad).expect("finite").sign(CLEAR), Sign::Below);
        assert_eq!(good.nlp_above(&good).expect("finite").sign(CLEAR), Sign::Unclear);
        let mut broken = group("mae", &[(9.0, 0.5)], 2.0);
        broken.held_out[0].fill(f64::NEG_INFINITY);
        assert_eq!(broken.nlp_above(&good), None);
        let ratio = good.mean_figure_over(&bad, 1).expect("finite");
        assert!((ratio.value - 9.0 / 8.0).abs() < 1e-9, "{ratio:?}");
        assert!(ratio.error.is_some_and(|error| error < 1e-9), "{ratio:?}");
    }

    #[test]
    fn one_run_has_at_least_the_error_of_its_test() {
        assert!((group("mse", &[(8.0, 0.6)], 1.0).c2st_error() - 0.01).abs() < 1e-12);
        let scattered = group("mse", &[(8.0, 0.6), (8.0, 0.7)], 1.0);
        assert!((scattered.c2st_error() - 0.05).abs() < 1e-12);
    }
}
