//! Training a network on maps that are made while it is trained.

mod augmentation;
mod checkpoint;
mod examples;
mod loader;
mod model;
mod run;
mod settings;
mod units;

use std::ops::ControlFlow;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

pub use augmentation::Augmentation;
pub(crate) use checkpoint::Identity;
pub(crate) use examples::append;
pub(crate) use model::{Model, numbers, upload};
pub use run::train;
pub use settings::{NonFinite, TrainingSettings};
pub(crate) use units::Units;

use crate::error::{Error, Result};
use crate::loss::{FisherInformation, Loss};
use crate::network::NetworkConfig;
use crate::neural::NeuralCompressor;
use crate::shape::Maps;
use crate::source::MemorySource;

/// One evaluation of the losses.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CurvePoint {
    /// Steps made.
    pub step: usize,
    /// Passes through the training examples; of fresh examples each is seen once.
    pub epoch: f64,
    /// Mean loss over the batches since the last point.
    pub training: f64,
    /// Loss over the validation examples, if there are any.
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
    /// Loss of the last batch.
    pub loss: f64,
    /// The last evaluation.
    pub last: Option<CurvePoint>,
    /// Where the time went so far.
    pub timing: Timing,
}

/// Where the time of a training went, since it was started or continued.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timing {
    /// Seconds of training, evaluations included.
    pub seconds: f64,
    /// Seconds in which the network waited for maps, also in evaluations.
    pub waiting: f64,
    /// Seconds of evaluations.
    pub evaluating: f64,
    /// Steps made.
    pub steps: usize,
}

impl Timing {
    /// Fraction of the time in which the network waited for maps.
    #[must_use]
    pub fn waiting_fraction(&self) -> f64 {
        if self.seconds > 0.0 { self.waiting / self.seconds } else { 0.0 }
    }
}

/// How a training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrainingEnd {
    /// The validation loss did not improve any more.
    Converged,
    /// All steps were made.
    AllSteps,
}

/// What happened in a training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingReport {
    /// Learning curve.
    pub curve: Vec<CurvePoint>,
    /// Index in the curve of the weights that were kept.
    pub best: usize,
    /// How it ended.
    pub end: TrainingEnd,
    /// How often an example was left out because it was not finite.
    pub dropped: u64,
    /// Weights of the network.
    pub weights: usize,
    /// What the summaries of the validation examples know, after training with the IMNN loss; in
    /// the units of the parameters.
    pub fisher: Option<FisherInformation>,
    /// Where the time went.
    pub timing: Timing,
}

impl TrainingReport {
    /// The evaluation of the weights that were kept.
    #[must_use]
    pub fn best_point(&self) -> CurvePoint {
        self.curve[self.best]
    }
}

/// Trains a network on given maps with their `parameters` `[map][parameter]`.
///
/// `settings.validation` of the maps, chosen by the seed, are used for validation, and all others
/// for training (`settings.examples` is ignored). By default images are flipped at random: where a
/// flipped image is not as likely, take [`Augmentation::None`]. See [`train`].
///
/// # Errors
/// As [`train`]; if the arrays do not fit each other.
pub fn fit(
    maps: Maps<'_>,
    parameters: &[f64],
    network: &NetworkConfig,
    loss: &Loss,
    settings: &TrainingSettings,
    device: &Device,
) -> Result<(NeuralCompressor, TrainingReport)> {
    let source = MemorySource::new(maps, parameters, settings.seed)?;
    let count = source.count() as u64;
    if count <= settings.validation {
        let (what, minimum) = ("maps beyond those for validation", settings.validation + 1);
        return Err(Error::TooFew { what, minimum, found: count });
    }
    // what is in memory need not be kept a second time
    let settings = TrainingSettings {
        examples: Some(count - settings.validation),
        cache_bytes: 0,
        ..settings.clone()
    };
    let observer = &mut |_: &TrainingProgress| ControlFlow::Continue(());
    train(&source, network, loss, &settings, device, None, observer)
}
