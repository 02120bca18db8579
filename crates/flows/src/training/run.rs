//! The loop over batches.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use autodiff::tensor::{Tape, Var};
use burn::module::Module;
use burn::tensor::Device;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::checkpoint::{Identity, Training};
use super::settings::{Batches, Schedule, TrainingSettings};
use super::{CurvePoint, Objective, TrainingEnd, TrainingProgress, TrainingReport};
use crate::error::{Error, Result};

/// Rows of the validation set evaluated at a time; so few stay in a processor's cache.
const VALIDATION_BATCH: usize = 512;
/// Least time between checkpoints.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(20);

/// A trained model.
#[derive(Clone, Debug)]
pub struct Trained<M> {
    /// The model with its best weights, without differentiation.
    pub model: M,
    /// How it came about.
    pub report: TrainingReport,
}

/// Streams of random numbers: the split, an epoch's or step's batch, a validation.
fn rng(seed: u64, purpose: u64, index: usize) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream((purpose << 56) | index as u64);
    rng
}

/// Minimises the objective from the weights of `model`.
///
/// With `checkpoint`, the state is stored in that file now and then, and continued from it when it
/// exists and belongs to the same settings, data, loss and initial weights (told by the loss of the
/// latter); the result is the same to the last bit as without the interruption. `observer` hears of
/// every step and stops the training by returning [`ControlFlow::Break`].
///
/// # Errors
/// If a setting is out of its domain or there are no rows; [`Error::Training`] when a loss or
/// gradient is not finite; [`Error::Stopped`] when the observer asks to stop (after a checkpoint);
/// if a checkpoint cannot be written, or does not belong to this training.
///
/// # Panics
/// If the data of a loss without derivatives are not inputs of its tape: a mistake in the objective.
pub fn train<O: Objective>(
    objective: &O,
    model: O::Model,
    settings: &TrainingSettings,
    checkpoint: Option<&Path>,
    observer: &mut dyn FnMut(&TrainingProgress) -> ControlFlow<()>,
) -> Result<Trained<O::Model>> {
    settings.validate()?;
    let rows = objective.rows();
    if rows == 0 {
        return Err(Error::TooFew { what: "training set", found: 0 });
    }
    let mut order: Vec<usize> = (0..rows).collect();
    order.shuffle(&mut rng(settings.seed, 0, 0));
    // at least one row, where validation is wanted; a single row cannot be split: it is trained on
    let wanted = (rows as f64 * settings.validation).round() as usize;
    let kept = wanted.max(usize::from(settings.validation > 0.0)).min(rows - 1);
    let (validation, training) = order.split_at(kept);
    let batch = settings.batch.min(training.len());
    let epoch_steps = training.len() / batch;
    let every = settings.evaluate_every.unwrap_or(epoch_steps);

    let by_burn = objective.contains_derivatives();
    let stored = match checkpoint {
        Some(path) => {
            let some = &order[..rows.min(VALIDATION_BATCH)];
            let initial_loss = validate(objective, &model.valid(), some, settings.seed)?;
            let initial_loss = initial_loss.filter(|loss| loss.is_finite());
            Some((path, Identity { settings: settings.clone(), rows, initial_loss }))
        }
        None => None,
    };
    let mut now = match stored.as_ref().filter(|(path, _)| path.exists()) {
        Some((path, identity)) => Training::read(path, identity, model)?,
        None => Training::new(model),
    };
    if by_burn {
        now.model = now.model.train();
    }
    let mut saved = Instant::now();
    let store = |now: &Training<O::Model>| match &stored {
        Some((path, identity)) => now.write(path, identity),
        None => Ok(()),
    };
    let mut epoch_order = training.to_vec();
    let mut shuffled_for = usize::MAX;
    let end = loop {
        if now.state.finished(settings) {
            break TrainingEnd::Converged;
        }
        let step = now.state.step;
        if step >= settings.max_steps {
            break TrainingEnd::AllSteps;
        }
        let mut random = rng(settings.seed, 1, step);
        let chosen: Vec<usize> = match settings.batches {
            Batches::Epochs => {
                let (epoch, within) = (step / epoch_steps, step % epoch_steps);
                if shuffled_for != epoch {
                    epoch_order.copy_from_slice(training);
                    epoch_order.shuffle(&mut rng(settings.seed, 2, epoch));
                    shuffled_for = epoch;
                }
                epoch_order[within * batch..(within + 1) * batch].to_vec()
            }
            Batches::WithReplacement => (0..settings.batch)
                .map(|_| training[random.random_range(0..training.len())])
                .collect(),
        };
        let rate = settings.learning_rate_at(step, now.state.plateaus.len());
        let failed = |what, value| Error::Training { what, value, step, learning_rate: rate };
        let tape = if by_burn { Tape::idle() } else { Tape::of_weights() };
        let loss = objective.loss(&now.model, &chosen, &tape, &mut random)?;
        let value = number(&loss)?;
        if !value.is_finite() {
            return Err(failed("loss", value));
        }
        let model = if by_burn {
            let gradients = loss.into_value().backward();
            now.adam.step(now.model, &gradients, rate, settings.clip_norm)
        } else {
            let gradients = tape.weight_gradients(&loss);
            now.adam.step(now.model, &gradients, rate, settings.clip_norm)
        };
        now.model = model.ok_or_else(|| failed("gradient", f64::NAN))?;
        now.state.step += 1;
        if let Schedule::Averaged { steps } = settings.schedule {
            now.average.add(&now.model, now.state.step, steps);
        }
        now.state.loss_sum += value;
        now.state.loss_count += 1;

        let all = now.state.step >= settings.max_steps;
        if now.state.step.is_multiple_of(every) || all {
            let judged = now.judged();
            let point = CurvePoint {
                step: now.state.step,
                epoch: (now.state.step * chosen.len()) as f64 / training.len() as f64,
                training: now.state.loss_sum / now.state.loss_count as f64,
                validation: validate(objective, &judged, validation, settings.seed)?,
                learning_rate: rate,
            };
            if point.validation.is_some_and(|loss| loss.is_nan()) {
                return Err(failed("validation loss", f64::NAN));
            }
            if now.state.record(point) {
                now.best = judged;
            }
            now.state.adapt(settings);
        }
        let progress = TrainingProgress {
            step: now.state.step,
            of: settings.max_steps,
            last: now.state.curve.last().copied(),
        };
        if observer(&progress).is_break() {
            store(&now)?;
            return Err(Error::Stopped { step: now.state.step });
        }
        if checkpoint.is_some() && saved.elapsed() >= CHECKPOINT_INTERVAL {
            store(&now)?;
            saved = Instant::now();
        }
    };
    store(&now)?;
    let report = TrainingReport {
        training_rows: training.len(),
        validation_rows: validation.len(),
        best: now.state.best,
        curve: now.state.curve,
        end,
    };
    Ok(Trained { model: now.best, report })
}

/// Mean loss over the validation rows; the same random numbers every time.
fn validate<O: Objective>(
    objective: &O,
    model: &O::Model,
    rows: &[usize],
    seed: u64,
) -> Result<Option<f64>> {
    if rows.is_empty() {
        return Ok(None);
    }
    let mut random = rng(seed, 3, 0);
    let mut sum = 0.0;
    for part in rows.chunks(VALIDATION_BATCH) {
        let loss = objective.loss(model, part, &Tape::idle(), &mut random)?;
        sum += number(&loss)? * part.len() as f64;
    }
    Ok(Some(sum / rows.len() as f64))
}

fn number(loss: &Var) -> Result<f64> {
    let value = loss.value().clone().inner().try_into_scalar::<f32>();
    value.map(f64::from).map_err(|error| Error::Device { reason: format!("{error:?}") })
}

/// The device of a module's weights, without differentiation.
pub(crate) fn device_of(module: &impl Module) -> Device {
    let device = module.devices().into_iter().next().expect("a model has weights");
    device.without_autodiff()
}
