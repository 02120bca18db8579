//! How to train.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Settings of a training. Plain data; see [`TrainingSettings::default`] for the defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingSettings {
    /// Rows per step; fewer where there are fewer. Default 100.
    pub batch: usize,
    /// How rows are chosen. Default by epochs.
    pub batches: Batches,
    /// Fraction of the rows kept for validation, in [0, 1). Without validation the last weights, or
    /// their mean, are kept. Default 0.1.
    pub validation: f64,
    /// Steps between evaluations; `None` (default) for one epoch.
    pub evaluate_every: Option<usize>,
    /// Evaluations without improvement of the validation loss after which training ends. Default 20.
    /// Where evaluations are by epochs, [`TrainingSettings::PATIENT_STEPS`] steps must have passed,
    /// too: those of a small set are over in a few steps, before a plateau is left.
    pub patience: Option<usize>,
    /// Most steps. Default 100 000.
    pub max_steps: usize,
    /// Learning rate of the first step. Default 5e-3.
    pub learning_rate: f64,
    /// How the learning rate changes. Default not at all, with weights averaged over 50 steps.
    pub schedule: Schedule,
    /// Largest norm of the gradient of all weights together; longer ones are shortened. Default 5.
    pub clip_norm: Option<f64>,
    /// What the split, the batches and anything random in the loss depend on.
    pub seed: u64,
}

/// How the rows of a step are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Batches {
    /// Each row once per epoch, in random order; a last, incomplete batch is left out.
    #[default]
    Epochs,
    /// Each row of each batch at random, as in the published trainings with simulator gradients.
    WithReplacement,
}

/// How the learning rate changes with the step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Schedule {
    /// Not at all.
    #[default]
    Constant,
    /// Not at all, but what is validated and kept is the exponentially weighted mean of the weights
    /// over the last steps, in which the noise of the steps averages out (Polyak and Juditsky 1992).
    Averaged {
        /// How many steps; at least 1.
        steps: usize,
    },
    /// By a factor every so many steps, continuously, down to a floor.
    Exponential {
        /// Factor, in (0, 1].
        factor: f64,
        /// Steps after which the factor is reached.
        every: usize,
        /// Least learning rate.
        floor: f64,
    },
    /// Half a cosine down to zero at the last step.
    Cosine,
    /// By a factor whenever the validation loss has not improved for half as long as the settings
    /// have patience; the last time they have all of it, and training ends. Without validation or
    /// patience not at all.
    Plateau {
        /// Factor, in (0, 1].
        factor: f64,
        /// How many times.
        times: usize,
    },
}

impl Default for TrainingSettings {
    fn default() -> Self {
        Self {
            batch: 100,
            batches: Batches::Epochs,
            validation: 0.1,
            evaluate_every: None,
            patience: Some(20),
            max_steps: 100_000,
            learning_rate: 5e-3,
            schedule: Schedule::Averaged { steps: 50 },
            clip_norm: Some(5.0),
            seed: 0,
        }
    }
}

impl TrainingSettings {
    /// Least steps without improvement after which training ends, where evaluations are by epochs.
    pub const PATIENT_STEPS: usize = 200;

    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Setting`] with the first field out of its domain.
    pub fn validate(&self) -> Result<()> {
        let check = |valid: bool, setting, value: String, expected| {
            if valid { Ok(()) } else { Err(Error::Setting { setting, value, expected }) }
        };
        let count = |setting, n: usize| check(n > 0, setting, n.to_string(), "at least 1");
        let positive = |setting, x: f64| {
            check(x.is_finite() && x > 0.0, setting, x.to_string(), "a positive number")
        };
        count("batch", self.batch)?;
        count("max_steps", self.max_steps)?;
        count("evaluate_every", self.evaluate_every.unwrap_or(1))?;
        count("patience", self.patience.unwrap_or(1))?;
        check(
            (0.0..1.0).contains(&self.validation),
            "validation",
            self.validation.to_string(),
            "a fraction from 0 up to, not including, 1",
        )?;
        positive("learning_rate", self.learning_rate)?;
        positive("clip_norm", self.clip_norm.unwrap_or(1.0))?;
        if let Schedule::Exponential { factor, .. } | Schedule::Plateau { factor, .. } =
            self.schedule
        {
            let factor_fits = factor > 0.0 && factor <= 1.0;
            check(factor_fits, "schedule.factor", factor.to_string(), "in (0, 1]")?;
        }
        if let Schedule::Averaged { steps } = self.schedule {
            count("schedule.steps", steps)?;
        }
        if let Schedule::Exponential { every, floor, .. } = self.schedule {
            count("schedule.every", every)?;
            check(floor >= 0.0, "schedule.floor", floor.to_string(), "zero or a positive number")?;
        }
        Ok(())
    }

    /// The learning rate of a step, counted from 0, after so many plateaus.
    #[must_use]
    pub fn learning_rate_at(&self, step: usize, plateaus: usize) -> f64 {
        let first = self.learning_rate;
        match self.schedule {
            Schedule::Constant | Schedule::Averaged { .. } => first,
            Schedule::Exponential { factor, every, floor } => {
                (first * factor.powf(step as f64 / every as f64)).max(floor.min(first))
            }
            Schedule::Plateau { factor, .. } => first * factor.powf(plateaus as f64),
            Schedule::Cosine => {
                let phase = step as f64 / self.max_steps as f64;
                0.5 * first * (1.0 + (std::f64::consts::PI * phase).cos())
            }
        }
    }
}
