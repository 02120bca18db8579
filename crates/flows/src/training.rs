//! Fitting networks: batches, Adam, validation, early stopping, checkpoints.
//!
//! An [`Objective`] is a model's loss over the rows of a data set. [`train`] minimises it: it
//! keeps part of the rows for validation, restores the weights of the best evaluation, and can be
//! killed and repeated with the same checkpoint.
//!
//! # References
//! D. P. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015,
//! arXiv:1412.6980.
//! B. T. Polyak and A. B. Juditsky, "Acceleration of stochastic approximation by averaging", SIAM
//! Journal on Control and Optimization 30, 838, 1992.

mod adam;
mod average;
mod checkpoint;
mod per_weight;
mod run;
mod settings;

use autodiff::tensor::{Tape, Var};
use burn::module::Module;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

pub use adam::{Adam, GradientOf};
pub use run::{Trained, train};
pub use settings::{Batches, Schedule, TrainingSettings};

use crate::error::Result;

/// A model's loss over the rows of a data set.
pub trait Objective {
    /// What is trained.
    type Model: Module;

    /// Number of rows.
    fn rows(&self) -> usize;

    /// True if derivatives are part of the loss, as scores are. Burn then follows the weights through
    /// them, which takes longer; other losses are differentiated by the tape.
    fn contains_derivatives(&self) -> bool {
        false
    }

    /// Mean loss `[1, 1]` over some of the rows; `rng` decides over anything random in it. The data
    /// enter as inputs of `tape`, which records the weights that they meet.
    ///
    /// # Errors
    /// If the loss cannot be evaluated.
    fn loss(
        &self,
        model: &Self::Model,
        rows: &[usize],
        tape: &Tape,
        rng: &mut ChaCha8Rng,
    ) -> Result<Var>;
}

/// One evaluation of the losses.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// Steps made.
    pub step: usize,
    /// Passes through the training rows.
    pub epoch: f64,
    /// Mean loss over the batches since the last point.
    pub training: f64,
    /// Loss over the validation rows, if there are any.
    pub validation: Option<f64>,
    /// Learning rate of the last step.
    pub learning_rate: f64,
}

/// How far a training is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrainingProgress {
    /// Steps made.
    pub step: usize,
    /// Most steps that there can be.
    pub of: usize,
    /// The last evaluation.
    pub last: Option<CurvePoint>,
}

/// How a training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrainingEnd {
    /// The validation loss did not improve any more.
    Converged,
    /// The largest number of steps was reached; more might improve the result.
    AllSteps,
}

/// What happened in a training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingReport {
    /// Rows trained on.
    pub training_rows: usize,
    /// Rows kept for validation.
    pub validation_rows: usize,
    /// Learning curve.
    pub curve: Vec<CurvePoint>,
    /// Index in the curve of the weights that were kept.
    pub best: usize,
    /// How it ended.
    pub end: TrainingEnd,
}

impl TrainingReport {
    /// The evaluation of the weights that were kept.
    #[must_use]
    pub fn best_point(&self) -> CurvePoint {
        self.curve[self.best]
    }
}
