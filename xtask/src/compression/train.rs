//! Trainings of networks that compress maps.

use std::ops::ControlFlow;
use std::path::Path;

use ::compression::{
    Loss, MapSource, NetworkConfig, NeuralCompressor, SpectrumCompressor, SpectrumConfig,
    TrainingProgress, TrainingReport, TrainingSettings,
};
use anyhow::Result;
use burn::tensor::Device;
use lognormal_sim::Simulator;
use sbi::{FitProgress, Fitting};

use crate::files::{read_json, write_json};
use crate::study::Workspace;
use full_field::DIM;

/// File of the weights of a network.
const WEIGHTS: &str = "compressor.safetensors";
/// File of a [`TrainingReport`].
const TRAINING: &str = "training.json";

/// Shows the steps of a training in the bar of its stage.
pub fn show_steps<'a>(workspace: &'a Workspace<'_>) -> impl FnMut(usize) + 'a {
    let mut begun = false;
    move |step| {
        // The first step after an interruption is not the first of the training.
        if !begun && step > 1 {
            workspace.resume(step);
        } else {
            workspace.advance(1);
        }
        begun = true;
    }
}

/// Fits networks, with their steps in the bar of the stage and checkpoints in the workspace.
///
/// # Errors
/// If the folder of the checkpoints cannot be made.
pub fn with_fitting<T>(
    device: &Device,
    workspace: &Workspace,
    fit: impl FnOnce(&mut Fitting) -> T,
) -> Result<T> {
    let checkpoints = workspace.checkpoint("networks");
    std::fs::create_dir_all(&checkpoints)?;
    let mut show = show_steps(workspace);
    let mut observer = |progress: &FitProgress| {
        show(progress.training.step);
        ControlFlow::Continue(())
    };
    let observer = &mut observer;
    Ok(fit(&mut Fitting { device, checkpoints: Some(&checkpoints), observer }))
}

/// Trains a network and stores it with the report of its training.
///
/// # Errors
/// If the maps cannot be made, the training goes astray, or the folder cannot be written.
pub fn train(
    maps: &dyn MapSource,
    network: &NetworkConfig,
    loss: &Loss,
    settings: &TrainingSettings,
    device: &Device,
    workspace: &Workspace,
) -> Result<()> {
    let mut show = show_steps(workspace);
    let mut observer = |progress: &TrainingProgress| {
        show(progress.step);
        ControlFlow::Continue(())
    };
    let checkpoint = workspace.checkpoint("training.safetensors");
    let (compressor, report) = ::compression::train(
        maps,
        network,
        loss,
        settings,
        device,
        Some(&checkpoint),
        &mut observer,
    )?;
    compressor.save(&workspace.path(WEIGHTS))?;
    write_json(&workspace.path(TRAINING), &report)
}

/// Reads the report of a training.
///
/// # Errors
/// If the file is missing or damaged.
pub fn read_report(folder: &Path) -> Result<TrainingReport> {
    read_json(&folder.join(TRAINING))
}

/// Reads the network that a training left.
///
/// # Errors
/// If the file is missing or damaged.
pub fn read_network(folder: &Path, device: &Device) -> Result<NeuralCompressor> {
    Ok(NeuralCompressor::load(&folder.join(WEIGHTS), device)?)
}

/// Spectra of the maps of a simulator in so many multipole bins of equal width.
///
/// # Errors
/// If a multipole bin holds no mode.
pub fn spectra(simulator: &Simulator, bins: usize) -> Result<SpectrumCompressor> {
    let survey = simulator.survey();
    let shape = ::compression::MapShape::square(simulator.bins(), survey.npix);
    let pixel = (survey.pixel_arcmin() / 60.0).to_radians();
    let config = SpectrumConfig::linear(shape, pixel, bins);
    Ok(SpectrumCompressor::new(shape, config)?)
}

/// Maps without noise that a training simulates, each counted once, however often it is used;
/// `noises` examples are made of each.
#[must_use]
pub fn simulations(loss: &Loss, settings: &TrainingSettings, noises: u64, steps: usize) -> u64 {
    let fresh = (steps * settings.batch) as u64;
    let examples = settings.examples.unwrap_or(fresh) + settings.validation;
    match loss {
        Loss::Imnn { derivatives_every, .. } => {
            examples + examples.div_ceil(*derivatives_every as u64) * 2 * DIM as u64
        }
        _ => examples.div_ceil(noises),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_counted_once() {
        let finite = TrainingSettings {
            batch: 10,
            examples: Some(100),
            validation: 20,
            ..TrainingSettings::default()
        };
        let fresh = TrainingSettings { examples: None, ..finite.clone() };
        assert_eq!(simulations(&Loss::Mse, &finite, 1, 50), 120);
        assert_eq!(simulations(&Loss::Mse, &finite, 4, 50), 30);
        assert_eq!(simulations(&Loss::Mse, &fresh, 1, 50), 520);
        assert_eq!(simulations(&Loss::imnn(), &finite, 1, 50), 120 * 13);
    }
}
