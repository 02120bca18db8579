//! A training that can be continued.

use std::path::Path;

use burn::module::Module;
use serde::{Deserialize, Serialize};

use super::CurvePoint;
use super::adam::Adam;
use super::average::Average;
use super::run::device_of;
use super::settings::{Schedule, TrainingSettings};
use crate::error::{Error, Result};
use crate::file::WeightFile;
use crate::weights::{Weight, load_weights, named_weights};

const KIND: &str = "training checkpoint";
const SCHEMA: u32 = 4;

/// Where a training is, but for its weights.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CheckpointState {
    /// Steps made.
    pub step: usize,
    /// Sum of the losses of the steps since the last evaluation.
    pub loss_sum: f64,
    /// Their number.
    pub loss_count: usize,
    /// Evaluations made.
    pub curve: Vec<CurvePoint>,
    /// Index of the best of them.
    pub best: usize,
    /// Indices of those at which the learning rate was lowered.
    pub plateaus: Vec<usize>,
}

impl CheckpointState {
    /// Adds an evaluation; true if it is the best so far (without validation, always).
    pub fn record(&mut self, point: CurvePoint) -> bool {
        self.loss_sum = 0.0;
        self.loss_count = 0;
        let before = self.curve.get(self.best).and_then(|best| best.validation);
        let better = match (point.validation, before) {
            (Some(new), Some(best)) => new < best,
            _ => true,
        };
        self.curve.push(point);
        if better {
            self.best = self.curve.len() - 1;
        }
        better
    }

    /// Lowers the learning rate if the schedule says so after this evaluation.
    pub fn adapt(&mut self, settings: &TrainingSettings) {
        if let Schedule::Plateau { times, .. } = settings.schedule
            && self.plateaus.len() < times
            && self.waited(settings, 2)
        {
            self.plateaus.push(self.curve.len() - 1);
        }
    }

    /// True when the last evaluations, as many as the settings have patience for, were no
    /// improvement.
    pub fn finished(&self, settings: &TrainingSettings) -> bool {
        self.waited(settings, 1)
    }

    /// True when there was no improvement, neither a lower learning rate, for the patience over a
    /// divisor.
    fn waited(&self, settings: &TrainingSettings, divisor: usize) -> bool {
        let Some((patience, last)) = settings.patience.zip(self.curve.last()) else { return false };
        let since = self.plateaus.last().map_or(self.best, |plateau| self.best.max(*plateau));
        let steps = last.step - self.curve[since].step;
        let by_epochs = settings.evaluate_every.is_none();
        last.validation.is_some()
            && divisor * (self.curve.len() - 1 - since) >= patience
            && (!by_epochs || divisor * steps >= TrainingSettings::PATIENT_STEPS)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Header {
    #[serde(flatten)]
    identity: Identity,
    state: CheckpointState,
}

/// What tells one training from another.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Identity {
    /// How it is trained.
    pub settings: TrainingSettings,
    /// Number of rows.
    pub rows: usize,
    /// Loss of the initial weights, which changes with the data, the loss and the model; `None`
    /// where it is not finite.
    pub initial_loss: Option<f64>,
}

impl Identity {
    /// Relative difference of initial losses that rounding on another machine may make.
    const ROUNDING: f64 = 1e-4;

    fn is_that_of(&self, other: &Self) -> bool {
        let losses_agree = match (self.initial_loss, other.initial_loss) {
            (Some(a), Some(b)) => (a - b).abs() <= Self::ROUNDING * a.abs().max(b.abs()).max(1e-3),
            (a, b) => a == b,
        };
        self.settings == other.settings && self.rows == other.rows && losses_agree
    }
}

/// A training: what changes from step to step.
pub struct Training<M> {
    /// Its progress.
    pub state: CheckpointState,
    /// The weights that are being trained; burn follows them if the loss contains derivatives.
    pub model: M,
    /// The best weights so far, without differentiation.
    pub best: M,
    /// The optimiser.
    pub adam: Adam,
    /// The means of the weights; empty unless the schedule is averaged.
    pub average: Average,
}

impl<M: Module> Training<M> {
    /// Before the first step.
    pub fn new(model: M) -> Self {
        Self {
            state: CheckpointState::default(),
            best: model.valid(),
            model: model.valid(),
            adam: Adam::default(),
            average: Average::default(),
        }
    }

    /// The weights to validate and keep, without differentiation.
    pub fn judged(&self) -> M {
        self.average.of(self.model.valid())
    }

    /// Stores the training.
    ///
    /// # Errors
    /// If the device fails or the file cannot be written.
    pub fn write(&self, path: &Path, identity: &Identity) -> Result<()> {
        let (means, squares) = self.adam.stored(&self.model)?;
        let parts = [
            ("model", named_weights(&self.model)?),
            ("best", named_weights(&self.best)?),
            ("mean", means),
            ("square", squares),
            ("average", self.average.stored(&self.model)?),
        ];
        let weights = parts.into_iter().flat_map(|(prefix, part)| {
            let named = move |weight: Weight| Weight {
                name: format!("{prefix}/{}", weight.name),
                ..weight
            };
            part.into_iter().map(named)
        });
        let header = Header { identity: identity.clone(), state: self.state.clone() };
        WeightFile { header, weights: weights.collect() }.write(path, KIND, SCHEMA)
    }

    /// Reads the training that this is the identity of, of a model like this one.
    ///
    /// # Errors
    /// If the file is damaged or belongs to another training.
    pub fn read(path: &Path, identity: &Identity, like: M) -> Result<Self> {
        let WeightFile { header, weights } = WeightFile::<Header>::read(path, KIND, SCHEMA)?;
        if !header.identity.is_that_of(identity) {
            let reason = "it is of a training with other settings, data, loss or initial weights; \
                          remove it to start anew";
            return Err(Error::Format { path: path.to_path_buf(), reason: reason.into() });
        }
        let part = |prefix: &str| -> Vec<Weight> {
            let part = weights.iter().filter_map(|weight| {
                let (own, name) = weight.name.split_once('/')?;
                (own == prefix).then(|| Weight { name: name.to_owned(), ..weight.clone() })
            });
            part.collect()
        };
        let (like, device) = (like.valid(), device_of(&like));
        let (means, squares, steps) = (part("mean"), part("square"), header.state.step);
        Ok(Self {
            adam: Adam::resume(&like, means, squares, steps, &device)?,
            average: Average::resume(&like, part("average"), &device)?,
            model: load_weights(like.clone(), &part("model"))?,
            best: load_weights(like, &part("best"))?,
            state: header.state,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The step at which a training ends whose loss was best at step 10.
    fn end(settings: &TrainingSettings, between: usize) -> usize {
        let mut state = CheckpointState::default();
        for step in (10..).step_by(between) {
            let validation = Some(step as f64);
            let (epoch, training, learning_rate) = (1.0, 0.0, 1e-3);
            state.record(CurvePoint { step, epoch, training, validation, learning_rate });
            state.adapt(settings);
            if state.finished(settings) {
                return step;
            }
        }
        unreachable!("steps do not end")
    }

    #[test]
    fn plateaus_lower_the_learning_rate_before_training_ends() {
        let schedule = Schedule::Plateau { factor: 0.3, times: 2 };
        let settings = TrainingSettings {
            patience: Some(20),
            evaluate_every: Some(4),
            learning_rate: 1.0,
            schedule,
            ..TrainingSettings::default()
        };
        // half the patience, twice, and all of it
        assert_eq!(end(&settings, 4), 10 + (10 + 10 + 20) * 4);
        let rates = [0, 1, 2].map(|plateaus| settings.learning_rate_at(7, plateaus));
        for (rate, expected) in rates.into_iter().zip([1.0, 0.3, 0.09]) {
            assert!((rate - expected).abs() < 1e-12, "{rates:?}");
        }
        let impatient = TrainingSettings { patience: None, ..settings };
        let mut state = CheckpointState::default();
        for step in 1..100 {
            let (epoch, training, learning_rate) = (1.0, 0.0, 1e-3);
            let validation = Some(step as f64);
            state.record(CurvePoint { step, epoch, training, validation, learning_rate });
            state.adapt(&impatient);
        }
        assert!(state.plateaus.is_empty() && !state.finished(&impatient));
    }

    #[test]
    fn short_epochs_do_not_exhaust_patience() {
        let epochs = TrainingSettings {
            patience: Some(20),
            schedule: Schedule::Constant,
            ..TrainingSettings::default()
        };
        assert_eq!(end(&epochs, 4), 10 + TrainingSettings::PATIENT_STEPS);
        assert_eq!(end(&epochs, 45), 10 + 20 * 45);
        let fixed = TrainingSettings { evaluate_every: Some(4), ..epochs };
        assert_eq!(end(&fixed, 4), 10 + 20 * 4);
    }
}
