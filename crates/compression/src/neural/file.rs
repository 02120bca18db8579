//! Files of compressors: safetensors with a JSON header.

use std::path::Path;

use burn::tensor::Device;
use flows::{WeightFile, load_weights, named_weights};
use serde::{Deserialize, Serialize};

use super::NeuralCompressor;
use crate::error::{Error, Result};
use crate::loss::Loss;
use crate::network::NetworkConfig;
use crate::shape::MapShape;
use crate::training::{Model, Units};

const KIND: &str = "compressor";
const SCHEMA: u32 = 1;

/// Everything about a compressor but its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    network: NetworkConfig,
    loss: Loss,
    shape: MapShape,
    units: Units,
}

impl NeuralCompressor {
    /// Stores the compressor, with its density if it has one: safetensors with a JSON header of
    /// settings and units.
    ///
    /// # Errors
    /// If the device fails, or the folder cannot be written or is full.
    pub fn save(&self, path: &Path) -> Result<()> {
        let header = Header {
            network: self.network.clone(),
            loss: self.loss.clone(),
            shape: self.shape,
            units: self.units.clone(),
        };
        let weights = named_weights(&self.model)?;
        Ok(WeightFile { header, weights }.write(path, KIND, SCHEMA)?)
    }

    /// Loads a stored compressor; its summaries are those it had, to the last bit.
    ///
    /// # Errors
    /// If the file cannot be read, is damaged, of another kind or of a later schema, or its weights
    /// are not those of the network that it names.
    pub fn load(path: &Path, device: &Device) -> Result<Self> {
        let WeightFile { header, weights } = WeightFile::<Header>::read(path, KIND, SCHEMA)?;
        let wrong =
            |error: Error| Error::Format { path: path.to_path_buf(), reason: error.to_string() };
        let Header { network, loss, shape, units } = header;
        let expected = network.units(shape);
        if units.maps.features() != expected {
            let found = units.maps.features();
            let reason = format!("it has {found} units of maps, not {expected}");
            return Err(Error::Format { path: path.to_path_buf(), reason });
        }
        let device = device.clone().without_autodiff();
        let model = Model::new(&network, &loss, shape, &units.parameters, 0, &device);
        let model = model.map_err(wrong)?;
        let model = load_weights(model, &weights).map_err(Error::from).map_err(wrong)?;
        Ok(Self { network, loss, shape, units, model })
    }
}
