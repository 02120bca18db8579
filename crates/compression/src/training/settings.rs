//! How to train.

use flows::training::Schedule;
use serde::{Deserialize, Serialize};

use super::Augmentation;
use crate::error::{Error, Result};
use crate::loss::Loss;

/// What happens to maps and parameters that are not finite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NonFinite {
    /// They end the training with an error.
    #[default]
    Refuse,
    /// They are left out and counted; batches are smaller by them.
    Drop,
}

/// Settings of a training. Plain data; see [`TrainingSettings::default`] for the defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingSettings {
    /// Examples per step. Default 128.
    pub batch: usize,
    /// Training examples, gone through again and again in random order (a last, incomplete batch
    /// of a pass is left out); `None` (default) for fresh examples in every batch.
    pub examples: Option<u64>,
    /// Validation examples: the first ones of the source, never trained on. Without, the last
    /// weights are kept. Default 1000.
    pub validation: u64,
    /// Most steps. Default 20 000.
    pub steps: usize,
    /// Steps between evaluations. Default 500.
    pub evaluate_every: usize,
    /// Evaluations without improvement of the validation loss after which training ends; `None`
    /// (default) for never.
    pub patience: Option<usize>,
    /// Learning rate of the first step. Default 1e-3.
    pub learning_rate: f64,
    /// How the learning rate changes: not on plateaus, nor with averaged weights. Default: times 0.7
    /// every 2000 steps.
    pub schedule: Schedule,
    /// Largest norm of the gradient of all weights together; longer ones are shortened. Default 5.
    pub clip_norm: Option<f64>,
    /// Flips and turns of the maps. Default flips.
    pub augmentation: Augmentation,
    /// What happens to maps and parameters that are not finite. Default: an error.
    pub non_finite: NonFinite,
    /// Threads that make maps. No result depends on their number. Default 1.
    pub loaders: usize,
    /// Batches that each of them may be ahead. Default 2.
    pub prefetch: usize,
    /// Bytes of memory for maps to be used again, before noise: all of the examples are kept if
    /// they fit, else only those for validation if these fit. Default 1 GiB.
    pub cache_bytes: u64,
    /// What initial weights, batches and flips depend on.
    pub seed: u64,
}

impl Default for TrainingSettings {
    fn default() -> Self {
        Self {
            batch: 128,
            examples: None,
            validation: 1000,
            steps: 20_000,
            evaluate_every: 500,
            patience: None,
            learning_rate: 1e-3,
            schedule: Schedule::Exponential { factor: 0.7, every: 2000, floor: 0.0 },
            clip_norm: Some(5.0),
            augmentation: Augmentation::Flips,
            non_finite: NonFinite::Refuse,
            loaders: 1,
            prefetch: 2,
            cache_bytes: 1 << 30,
            seed: 0,
        }
    }
}

impl TrainingSettings {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Setting`] with the first field out of its domain; [`Error::TooFew`] if there are
    /// fewer examples than a batch has.
    pub fn validate(&self) -> Result<()> {
        Error::count("batch", self.batch)?;
        Error::count("steps", self.steps)?;
        Error::count("evaluate_every", self.evaluate_every)?;
        Error::count("loaders", self.loaders)?;
        Error::count("prefetch", self.prefetch)?;
        if let Some(found) = self.examples
            && found < self.batch as u64
        {
            let minimum = self.batch as u64;
            return Err(Error::TooFew { what: "training examples", minimum, found });
        }
        let refused = match self.schedule {
            Schedule::Plateau { .. } => Some("plateau"),
            Schedule::Averaged { .. } => Some("averaged"),
            Schedule::Constant | Schedule::Exponential { .. } | Schedule::Cosine => None,
        };
        if let Some(value) = refused {
            let expected = "constant, exponential or cosine";
            return Err(Error::Setting { setting: "schedule", value: value.into(), expected });
        }
        Ok(self.optimiser().validate()?)
    }

    /// Checks what a loss needs: for derivatives, as many pairs of shifted maps in each batch, and
    /// enough examples for a covariance.
    ///
    /// # Errors
    /// [`Error::Setting`] or [`Error::TooFew`] if it does not have that.
    pub(super) fn validate_for(&self, loss: &Loss, parameters: usize) -> Result<()> {
        let Loss::Imnn { derivatives_every: every, .. } = loss else { return Ok(()) };
        let divides = |count: u64| count.is_multiple_of(*every as u64);
        if !divides(self.batch as u64) || !self.examples.is_none_or(divides) {
            let (setting, value) = ("derivatives_every", every.to_string());
            let expected = "a divisor of the batch and of the number of examples";
            return Err(Error::Setting { setting, value, expected });
        }
        let minimum = loss.summary_len(parameters) as u64 + 2;
        let counts =
            [("examples of a batch", self.batch as u64), ("validation examples", self.validation)];
        match counts.into_iter().find(|(_, count)| (1..minimum).contains(count)) {
            Some((what, found)) => Err(Error::TooFew { what, minimum, found }),
            None => Ok(()),
        }
    }

    /// The learning rate of a step, counted from 0.
    #[must_use]
    pub fn learning_rate_at(&self, step: usize) -> f64 {
        self.optimiser().learning_rate_at(step, 0)
    }

    /// What it has in common with the training of a flow.
    fn optimiser(&self) -> flows::training::TrainingSettings {
        flows::training::TrainingSettings {
            max_steps: self.steps,
            patience: self.patience,
            learning_rate: self.learning_rate,
            schedule: self.schedule,
            clip_norm: self.clip_norm,
            ..flows::training::TrainingSettings::default()
        }
    }

    /// The same without what no result depends on: loaders, prefetch and cache are the default ones.
    /// Trainings whose essential settings are equal give equal networks.
    #[must_use]
    pub fn essential(&self) -> Self {
        let own = Self::default();
        Self {
            loaders: own.loaders,
            prefetch: own.prefetch,
            cache_bytes: own.cache_bytes,
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_that_judge_weights_otherwise_are_refused() {
        assert!(TrainingSettings::default().validate().is_ok());
        let refused = [
            (Schedule::Plateau { factor: 0.3, times: 2 }, "plateau"),
            (Schedule::Averaged { steps: 50 }, "averaged"),
        ];
        for (schedule, name) in refused {
            let settings = TrainingSettings { schedule, ..TrainingSettings::default() };
            let message = settings.validate().expect_err("refused").to_string();
            let expected = format!("schedule = {name}: expected constant");
            assert!(message.contains(&expected), "{message}");
        }
    }
}
