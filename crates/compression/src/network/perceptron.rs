//! A fully connected network.

use burn::module::Module;
use burn::tensor::activation::silu;
use burn::tensor::{Device, Tensor};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::dense::Dense;
use super::{BatchNorm, Normalisation};
use crate::error::{Error, Result};

/// Settings of a fully connected network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PerceptronConfig {
    /// Width of each hidden layer.
    pub hidden: Vec<usize>,
    /// What follows each hidden layer.
    #[serde(default)]
    pub normalisation: Normalisation,
}

/// A fully connected network `[batch, input] -> [batch, output]` with the smooth nonlinearity
/// `x sigmoid(x)`.
#[derive(Module, Debug)]
pub struct Perceptron {
    layers: Vec<Dense>,
    norms: Vec<BatchNorm>,
}

impl PerceptronConfig {
    /// Hidden layers of these widths without normalisation.
    #[must_use]
    pub fn new(hidden: Vec<usize>) -> Self {
        Self { hidden, normalisation: Normalisation::None }
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Setting`] if a layer has no width.
    pub fn validate(&self) -> Result<()> {
        self.hidden.iter().try_for_each(|width| Error::count("hidden", *width))
    }

    pub(super) fn init(
        &self,
        inputs: usize,
        outputs: usize,
        rng: &mut ChaCha8Rng,
        device: &Device,
    ) -> Perceptron {
        let mut widths = vec![inputs];
        widths.extend(&self.hidden);
        widths.push(outputs);
        let layers =
            widths.windows(2).map(|pair| Dense::new(pair[0], pair[1], rng, device)).collect();
        let norms = match self.normalisation {
            Normalisation::Batch => {
                self.hidden.iter().map(|width| BatchNorm::new(*width, 1.0, device)).collect()
            }
            Normalisation::None => Vec::new(),
        };
        Perceptron { layers, norms }
    }
}

impl Perceptron {
    pub(super) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let (last, hidden) = self.layers.split_last().expect("a network has a last layer");
        let mut x = x;
        for (index, layer) in hidden.iter().enumerate() {
            x = layer.forward(x);
            if let Some(norm) = self.norms.get(index) {
                x = norm.forward(x);
            }
            x = silu(x);
        }
        last.forward(x)
    }
}
