//! A training that can be continued.

use std::path::Path;

use burn::module::Module;
use burn::tensor::Device;
use flows::training::Adam;
use flows::{Weight, WeightFile, load_weights, named_weights};
use serde::{Deserialize, Serialize};

use super::CurvePoint;
use super::model::Model;
use super::settings::TrainingSettings;
use super::units::Units;
use crate::error::{Error, Result};
use crate::loss::Loss;
use crate::network::NetworkConfig;
use crate::shape::MapShape;

const KIND: &str = "compressor in training";
const SCHEMA: u32 = 1;

/// Where a training is, but for its weights.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Steps made.
    pub step: usize,
    /// Sum of the losses of the steps since the last evaluation.
    pub loss_sum: f64,
    /// Their number.
    pub loss_count: usize,
    /// Examples left out.
    pub dropped: u64,
    /// Evaluations made.
    pub curve: Vec<CurvePoint>,
    /// Index of the best of them.
    pub best: usize,
}

impl Progress {
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

    /// True when the last `patience` evaluations were no improvement.
    pub fn finished(&self, patience: Option<usize>) -> bool {
        let judged = self.curve.last().is_some_and(|point| point.validation.is_some());
        judged && patience.is_some_and(|patience| self.curve.len() - 1 - self.best >= patience)
    }
}

/// What a training is of: a checkpoint of another one is refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The network.
    pub network: NetworkConfig,
    /// The loss.
    pub loss: Loss,
    /// Shape of the maps.
    pub shape: MapShape,
    /// Units of maps and parameters, by which another source is noticed.
    pub units: Units,
    /// The settings that results depend on.
    pub settings: TrainingSettings,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    identity: Identity,
    progress: Progress,
}

/// All that changes from step to step.
pub struct State {
    /// The model, with differentiation.
    pub model: Model,
    /// The best so far, without.
    pub best: Model,
    /// The optimiser.
    pub adam: Adam,
    /// The rest.
    pub progress: Progress,
}

impl State {
    /// Stores a training.
    ///
    /// # Errors
    /// If the device fails or the file cannot be written.
    pub fn write(&self, path: &Path, identity: &Identity) -> Result<()> {
        let (means, squares) = self.adam.stored(&self.model)?;
        let parts = [
            ("model", named_weights(&self.model.valid())?),
            ("best", named_weights(&self.best)?),
            ("mean", means),
            ("square", squares),
        ];
        let named = parts.into_iter().flat_map(|(prefix, part)| {
            part.into_iter()
                .map(move |weight| Weight { name: format!("{prefix}/{}", weight.name), ..weight })
        });
        let header = Header { identity: identity.clone(), progress: self.progress.clone() };
        Ok(WeightFile { header, weights: named.collect() }.write(path, KIND, SCHEMA)?)
    }

    /// Reads a training; `fresh` makes a model to be filled in.
    ///
    /// # Errors
    /// If the file is damaged or belongs to another training.
    pub fn read(
        path: &Path,
        identity: &Identity,
        fresh: impl Fn() -> Result<Model>,
        device: &Device,
    ) -> Result<Self> {
        let WeightFile { header, weights } = WeightFile::<Header>::read(path, KIND, SCHEMA)?;
        let stored = &header.identity;
        let differences = [
            ("network", stored.network != identity.network),
            ("loss", stored.loss != identity.loss),
            ("shape of the maps", stored.shape != identity.shape),
            ("settings", stored.settings != identity.settings),
            ("maps or parameters", stored.units != identity.units),
        ];
        if let Some((what, _)) = differences.iter().find(|(_, different)| *different) {
            let reason =
                format!("it is of a training with another {what}; remove it to start anew");
            return Err(Error::Format { path: path.to_path_buf(), reason });
        }
        let part = |prefix: &str| -> Vec<Weight> {
            let own = weights.iter().filter_map(|weight| {
                let (own, name) = weight.name.split_once('/')?;
                (own == prefix).then(|| Weight { name: name.to_owned(), ..weight.clone() })
            });
            own.collect()
        };
        let model = load_weights(fresh()?, &part("model"))?.train();
        let (means, squares, steps) = (part("mean"), part("square"), header.progress.step);
        Ok(Self {
            adam: Adam::resume(&model, means, squares, steps, device)?,
            model,
            best: load_weights(fresh()?, &part("best"))?,
            progress: header.progress,
        })
    }
}
