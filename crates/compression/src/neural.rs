//! The trained compressor.

mod file;

use burn::tensor::Device;
use flows::{Flow, Standardiser};

use crate::compressor::Compressor;
use crate::error::{Error, Result};
use crate::loss::{Loss, gnll_moments};
use crate::network::{Network, NetworkConfig};
use crate::shape::{MapShape, Maps};
use crate::training::{Identity, Model, Units, append, numbers, upload};

/// Maps evaluated at a time.
const PART: usize = 64;

/// A trained network with its units.
///
/// After training with MSE, MAE or GNLL a summary is an estimate of the parameters in their own
/// units; after VMIM or IMNN it is a vector without meaning of its own. A constant map is a map like
/// any other: its summary is finite. A bin that was constant in all training maps keeps its units,
/// and tells nothing.
#[derive(Clone, Debug)]
pub struct NeuralCompressor {
    network: NetworkConfig,
    loss: Loss,
    shape: MapShape,
    units: Units,
    model: Model,
}

/// A normal distribution of the parameters, in their own units.
#[derive(Clone, Debug, PartialEq)]
pub struct Gaussian {
    /// Mean `[parameter]`.
    pub mean: Vec<f64>,
    /// Covariance `[parameter][parameter]`.
    pub covariance: Vec<f64>,
}

impl NeuralCompressor {
    pub(crate) fn new(
        network: NetworkConfig,
        loss: Loss,
        identity: &Identity,
        model: Model,
    ) -> Self {
        Self { network, loss, shape: identity.shape, units: identity.units.clone(), model }
    }

    /// Settings of the network.
    #[must_use]
    pub fn config(&self) -> &NetworkConfig {
        &self.network
    }

    /// What it was trained for.
    #[must_use]
    pub fn loss(&self) -> &Loss {
        &self.loss
    }

    /// Number of parameters of a map.
    #[must_use]
    pub fn parameters_len(&self) -> usize {
        self.units.parameters.features()
    }

    /// Units of the parameters.
    #[must_use]
    pub fn parameter_units(&self) -> &Standardiser {
        &self.units.parameters
    }

    /// Units of the pixels of each bin (of each number for a fully connected network).
    #[must_use]
    pub fn map_units(&self) -> &Standardiser {
        &self.units.maps
    }

    /// The network itself, of standardised maps.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.model.network
    }

    /// The density of the parameters (in their own units) given the summary that was trained along,
    /// after VMIM.
    #[must_use]
    pub fn density(&self) -> Option<&Flow> {
        self.model.flow.as_ref()
    }

    /// The device that it is on.
    #[must_use]
    pub fn device(&self) -> Device {
        self.model.device()
    }

    /// The posterior that GNLL learnt, for each map; `None` after other losses.
    ///
    /// # Errors
    /// If the maps are of another shape or not finite, or the device fails.
    pub fn gaussians(&self, maps: Maps<'_>) -> Result<Option<Vec<Gaussian>>> {
        let Loss::Gnll { floor } = self.loss else { return Ok(None) };
        let d = self.parameters_len();
        let (shift, scale) = (self.units.parameters.shift(), self.units.parameters.scale());
        let outputs = self.outputs(maps)?;
        let gaussian = |row: &[f64]| {
            let (mean, covariance) = gnll_moments(row, d, floor)?;
            let mean = mean.iter().zip(shift.iter().zip(scale));
            Ok(Gaussian {
                mean: mean.map(|(mean, (shift, scale))| mean * scale + shift).collect(),
                covariance: covariance
                    .iter()
                    .enumerate()
                    .map(|(at, c)| c * scale[at / d] * scale[at % d])
                    .collect(),
            })
        };
        let rows = outputs.chunks_exact(self.loss.outputs(d));
        rows.map(gaussian).collect::<Result<Vec<_>>>().map(Some)
    }

    /// Outputs of the network, `[map][output]`.
    fn outputs(&self, maps: Maps<'_>) -> Result<Vec<f64>> {
        let maps = maps.require(self.shape)?;
        let mut found = Vec::new();
        let device = self.device();
        let numbers_of_map = self.shape.numbers();
        for part in maps.chunks(PART * numbers_of_map) {
            let mut standard = Vec::with_capacity(part.len());
            for map in part.chunks_exact(numbers_of_map) {
                append(&self.units.maps, map, &mut standard);
            }
            let outputs = self.model.network.forward(upload(standard, self.shape, &device));
            found.extend(numbers(outputs)?);
        }
        match found.iter().position(|value| !value.is_finite()) {
            Some(at) => {
                let width = self.loss.outputs(self.parameters_len());
                let (row, element, value) = (at / width, at % width, found[at]);
                Err(Error::NotFinite { what: "summaries", row, element, value })
            }
            None => Ok(found),
        }
    }
}

impl Compressor for NeuralCompressor {
    fn shape(&self) -> MapShape {
        self.shape
    }

    fn summary_len(&self) -> usize {
        self.loss.summary_len(self.parameters_len())
    }

    fn compress(&self, maps: Maps<'_>) -> Result<Vec<f64>> {
        let d = self.parameters_len();
        let outputs = self.outputs(maps)?;
        if matches!(self.loss, Loss::Vmim { .. } | Loss::Imnn { .. }) {
            return Ok(outputs);
        }
        let (shift, scale) = (self.units.parameters.shift(), self.units.parameters.scale());
        let rows = outputs.chunks_exact(self.loss.outputs(d));
        let estimates = rows.flat_map(|row| {
            row[..d]
                .iter()
                .zip(shift.iter().zip(scale))
                .map(|(t, (shift, scale))| t * scale + shift)
        });
        Ok(estimates.collect())
    }
}
