//! The loop over batches.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use burn::module::Module;
use burn::tensor::Device;
use flows::training::Adam;

use super::checkpoint::{Identity, Progress, State};
use super::examples::{Batch, Examples, Scratch};
use super::loader::Loaders;
use super::model::{Model, numbers, upload};
use super::settings::TrainingSettings;
use super::units::Units;
use super::{CurvePoint, Timing, TrainingEnd, TrainingProgress, TrainingReport};
use crate::error::{Error, Result};
use crate::loss::{FisherInformation, Loss, fisher_information};
use crate::network::NetworkConfig;
use crate::neural::NeuralCompressor;
use crate::source::MapSource;

/// Validation examples evaluated at a time.
const PART: u64 = 64;
/// Least time between checkpoints.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(30);

/// Trains a network on the maps of a source.
///
/// The first `settings.validation` examples of the source are kept for validation; the weights of
/// the best evaluation are returned. Maps are made by other threads while the network is trained;
/// the result depends neither on their number nor on what is kept in memory.
///
/// With `checkpoint`, the training is stored in that file now and then, and continued from it when
/// it exists; the result is the same to the last bit as without the interruption. `observer` hears
/// of every step and stops the training by returning [`ControlFlow::Break`].
///
/// # Errors
/// If a setting is out of its domain, or there are too few examples; [`Error::Source`] and
/// [`Error::Example`] if the source fails or makes a number that is not finite;
/// [`Error::NoDerivatives`] if it has none and the loss needs them; [`Error::Training`] when a loss
/// or a gradient is not finite; [`Error::Stopped`] when the observer asks to stop (after a
/// checkpoint); [`Error::Format`] if the checkpoint belongs to another training.
pub fn train(
    source: &dyn MapSource,
    network: &NetworkConfig,
    loss: &Loss,
    settings: &TrainingSettings,
    device: &Device,
    checkpoint: Option<&Path>,
    observer: &mut dyn FnMut(&TrainingProgress) -> ControlFlow<()>,
) -> Result<(NeuralCompressor, TrainingReport)> {
    settings.validate()?;
    network.validate()?;
    loss.validate(source.parameters_len())?;
    settings.validate_for(loss, source.parameters_len())?;
    if network.normalises_batches() && settings.batch < 2 {
        let (setting, value) = ("batch", settings.batch.to_string());
        let expected = "at least 2, for batch normalisation";
        return Err(Error::Setting { setting, value, expected });
    }
    let examples = Examples::new(source, loss, settings)?;
    let units = Units::learn(&examples, network)?;
    let identity = Identity {
        network: network.clone(),
        loss: loss.clone(),
        shape: examples.shape(),
        units,
        settings: settings.essential(),
    };
    let run = Run { examples: &examples, loss, settings, identity: &identity, checkpoint };
    let device = device.clone().without_autodiff();
    let fresh = || {
        let parameters = &identity.units.parameters;
        Model::new(network, loss, examples.shape(), parameters, settings.seed, &device)
    };
    let mut state = match checkpoint.filter(|path| path.exists()) {
        Some(path) => State::read(path, &identity, fresh, &device)?,
        None => State {
            model: fresh()?.train(),
            best: fresh()?,
            adam: Adam::default(),
            progress: Progress::default(),
        },
    };
    let mut timing = Timing::default();
    let end = run.go(&mut state, &mut timing, observer)?;
    run.store(&state)?;

    let State { best, progress, .. } = state;
    let fisher = run.fisher(&best)?;
    let report = TrainingReport {
        curve: progress.curve,
        best: progress.best,
        end,
        dropped: progress.dropped,
        weights: best.network.weights_len()?,
        fisher,
        timing,
    };
    Ok((NeuralCompressor::new(network.clone(), loss.clone(), &identity, best), report))
}

struct Run<'a> {
    examples: &'a Examples<'a>,
    loss: &'a Loss,
    settings: &'a TrainingSettings,
    identity: &'a Identity,
    checkpoint: Option<&'a Path>,
}

/// Outputs of a network for the validation examples.
#[derive(Default)]
struct Outputs {
    examples: Vec<f64>,
    shifted: Vec<f64>,
    targets: Vec<f64>,
    count: usize,
    /// Time in which the network waited for maps.
    waited: Duration,
}

impl Run<'_> {
    fn store(&self, state: &State) -> Result<()> {
        self.checkpoint.map_or(Ok(()), |path| state.write(path, self.identity))
    }

    fn loaders(&self) -> Loaders {
        Loaders { threads: self.settings.loaders, ahead: self.settings.prefetch }
    }

    fn finished(&self, state: &State) -> Option<TrainingEnd> {
        if state.progress.finished(self.settings.patience) {
            return Some(TrainingEnd::Converged);
        }
        (state.progress.step >= self.settings.steps).then_some(TrainingEnd::AllSteps)
    }

    /// All steps that are left.
    fn go(
        &self,
        state: &mut State,
        timing: &mut Timing,
        observer: &mut dyn FnMut(&TrainingProgress) -> ControlFlow<()>,
    ) -> Result<TrainingEnd> {
        if let Some(end) = self.finished(state) {
            return Ok(end);
        }
        let started = Instant::now();
        let mut stored = Instant::now();
        let units = &self.identity.units;
        let make =
            |scratch: &mut Scratch, step: usize| self.examples.training(step, units, scratch);
        let mut end = None;
        let steps = state.progress.step..self.settings.steps;
        self.loaders().stream(steps, Scratch::default, make, |batch, waited| {
            let value = self.step(state, batch)?;
            let point = self.evaluate_if_due(state, timing)?;
            timing.steps += 1;
            timing.waiting += waited.as_secs_f64();
            timing.seconds = started.elapsed().as_secs_f64();
            let progress = TrainingProgress {
                step: state.progress.step,
                of: self.settings.steps,
                loss: value,
                last: point.or(state.progress.curve.last().copied()),
                timing: *timing,
            };
            if observer(&progress).is_break() {
                self.store(state)?;
                return Err(Error::Stopped { step: state.progress.step });
            }
            if self.checkpoint.is_some() && stored.elapsed() >= CHECKPOINT_INTERVAL {
                self.store(state)?;
                stored = Instant::now();
            }
            end = self.finished(state);
            Ok(if end.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(end.unwrap_or(TrainingEnd::AllSteps))
    }

    /// One step; the loss before it.
    fn step(&self, state: &mut State, batch: Batch) -> Result<f64> {
        let step = state.progress.step;
        let learning_rate = self.settings.learning_rate_at(step);
        state.progress.dropped += batch.dropped;
        let found = batch.examples as u64;
        let minimum = if self.identity.network.normalises_batches() { 2 } else { 1 };
        if found < minimum {
            return Err(Error::TooFew { what: "finite examples of a batch", minimum, found });
        }
        let (shape, parameters) = (self.examples.shape(), self.examples.parameters());
        let (value, loss) = state.model.loss(self.loss, shape, parameters, batch)?;
        let failed = |what, value| Error::Training { what, value, step, learning_rate };
        if !value.is_finite() {
            return Err(failed("loss", value));
        }
        let gradients = loss.backward();
        let clip = self.settings.clip_norm;
        // `clone` shares the weights, which the step replaces
        let after = state.adam.step(state.model.clone(), &gradients, learning_rate, clip);
        state.model = after.ok_or_else(|| failed("gradient", f64::NAN))?;
        state.progress.step += 1;
        state.progress.loss_sum += value;
        state.progress.loss_count += 1;
        Ok(value)
    }

    fn evaluate_if_due(
        &self,
        state: &mut State,
        timing: &mut Timing,
    ) -> Result<Option<CurvePoint>> {
        let step = state.progress.step;
        if !step.is_multiple_of(self.settings.evaluate_every) && step < self.settings.steps {
            return Ok(None);
        }
        let started = Instant::now();
        let model = state.model.valid();
        let seen = step as f64 * self.settings.batch as f64;
        let point = CurvePoint {
            step,
            epoch: self.settings.examples.map_or(0.0, |examples| seen / examples as f64),
            training: state.progress.loss_sum / state.progress.loss_count as f64,
            validation: self.validate(&model, timing)?,
            learning_rate: self.settings.learning_rate_at(step - 1),
        };
        if let Some(value) = point.validation.filter(|loss| !loss.is_finite()) {
            let (what, learning_rate) = ("validation loss", point.learning_rate);
            return Err(Error::Training { what, value, step, learning_rate });
        }
        if state.progress.record(point) {
            state.best = model;
        }
        timing.evaluating += started.elapsed().as_secs_f64();
        Ok(Some(point))
    }

    /// Outputs for all validation examples.
    fn outputs(&self, model: &Model) -> Result<Outputs> {
        let mut found = Outputs::default();
        let (units, total) = (&self.identity.units, self.settings.validation);
        let (shape, device) = (self.examples.shape(), model.device());
        let parts = total.div_ceil(PART) as usize;
        let make = |_: &mut (), part: usize| {
            let start = part as u64 * PART;
            self.examples.validation(start..(start + PART).min(total), units)
        };
        self.loaders().stream(
            0..parts,
            || (),
            make,
            |batch, waited| {
                found.waited += waited;
                if !batch.maps.is_empty() {
                    let outputs = model.network.forward(upload(batch.maps, shape, &device));
                    let [_, width] = outputs.dims();
                    let outputs = numbers(outputs)?;
                    let (examples, shifted) = outputs.split_at(batch.examples * width);
                    found.examples.extend(examples);
                    found.shifted.extend(shifted);
                    found.targets.extend(batch.parameters.into_iter().map(f64::from));
                    found.count += batch.examples;
                }
                Ok(ControlFlow::Continue(()))
            },
        )?;
        found.examples.append(&mut found.shifted);
        Ok(found)
    }

    /// Loss over the validation examples.
    fn validate(&self, model: &Model, timing: &mut Timing) -> Result<Option<f64>> {
        if self.settings.validation == 0 {
            return Ok(None);
        }
        let Outputs { examples, targets, count, waited, .. } = self.outputs(model)?;
        timing.waiting += waited.as_secs_f64();
        if count == 0 {
            let what = "finite validation examples";
            return Err(Error::TooFew { what, minimum: 1, found: 0 });
        }
        let parameters = self.examples.parameters();
        Ok(Some(model.loss_of(self.loss, &examples, &targets, parameters, count)?))
    }

    /// What the summaries of the validation examples know, for the loss that asks for it.
    fn fisher(&self, model: &Model) -> Result<Option<FisherInformation>> {
        let Some(source) = self.examples.fisher().filter(|_| self.settings.validation > 0) else {
            return Ok(None);
        };
        let Outputs { examples, count, .. } = self.outputs(model)?;
        let summaries = self.loss.summary_len(self.examples.parameters());
        Ok(Some(fisher_information(&examples, count, summaries, &source.steps())?))
    }
}
