//! Networks from maps to numbers.

mod band_powers;
mod batch_norm;
mod convolution;
mod dense;
mod perceptron;
mod resnet;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

pub use batch_norm::BatchNorm;
pub use perceptron::{Perceptron, PerceptronConfig};
pub use resnet::{ResNet, ResNetConfig, SpectraConfig, Stage, Stem};

use crate::error::{Error, Result};
use crate::shape::MapShape;

/// What follows each convolution or hidden layer, before the nonlinearity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normalisation {
    /// Batch normalisation: [`BatchNorm`].
    #[default]
    Batch,
    /// None; layers have biases instead.
    None,
}

/// Settings of a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NetworkConfig {
    /// A residual network of the images.
    ResNet(ResNetConfig),
    /// A fully connected network of all numbers of the map, for summaries and small images.
    Perceptron(PerceptronConfig),
}

impl From<ResNetConfig> for NetworkConfig {
    fn from(config: ResNetConfig) -> Self {
        Self::ResNet(config)
    }
}

impl From<PerceptronConfig> for NetworkConfig {
    fn from(config: PerceptronConfig) -> Self {
        Self::Perceptron(config)
    }
}

impl NetworkConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Setting`] with the first field out of its domain.
    pub fn validate(&self) -> Result<()> {
        match self {
            Self::ResNet(config) => config.validate(),
            Self::Perceptron(config) => config.validate(),
        }
    }

    /// A network of maps of `shape` with random weights that depend on `seed` only.
    ///
    /// # Errors
    /// If a setting, the shape or the number of outputs is out of its domain.
    pub fn init(
        &self,
        shape: MapShape,
        outputs: usize,
        seed: u64,
        device: &Device,
    ) -> Result<Network> {
        self.validate()?;
        shape.validate()?;
        Error::count("outputs", outputs)?;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        Ok(match self {
            Self::ResNet(config) => Network::ResNet(config.init(shape, outputs, &mut rng, device)?),
            Self::Perceptron(config) => {
                Network::Perceptron(config.init(shape.numbers(), outputs, &mut rng, device))
            }
        })
    }

    /// Numbers that share a unit: those of a bin for a network of images, else each its own.
    pub(crate) fn units(&self, shape: MapShape) -> usize {
        match self {
            Self::ResNet(_) => shape.bins,
            Self::Perceptron(_) => shape.numbers(),
        }
    }

    /// True if batches of one cannot be trained on.
    pub(crate) fn normalises_batches(&self) -> bool {
        let normalisation = match self {
            Self::ResNet(config) => config.normalisation,
            Self::Perceptron(config) => config.normalisation,
        };
        normalisation == Normalisation::Batch
    }
}

/// A network `[batch, bin, y, x] -> [batch, output]`.
///
/// On a device with differentiation batch normalisation uses (and learns) the statistics of the
/// batch; without, those it has learnt.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one network, not many")]
pub enum Network {
    /// A residual network.
    ResNet(ResNet),
    /// A fully connected network.
    Perceptron(Perceptron),
}

impl Network {
    /// Number of weights, without the running statistics of batch normalisation.
    ///
    /// # Errors
    /// If the device fails.
    pub fn weights_len(&self) -> Result<usize> {
        let weights = flows::named_weights(self)?.into_iter();
        let learnt = weights.filter(|weight| !batch_norm::is_statistic(&weight.name));
        Ok(learnt.map(|weight| weight.values.len()).sum())
    }

    /// Evaluates the network on standardised maps.
    #[must_use]
    pub fn forward(&self, maps: Tensor<4>) -> Tensor<2> {
        match self {
            Self::ResNet(network) => network.forward(maps),
            Self::Perceptron(network) => network.forward(maps.flatten(1, 3)),
        }
    }
}
