//! Fully connected networks, with masks where an order of dependence is wanted.

mod divergence;

use autodiff::tensor::Var;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::activation::Activation;

/// Shape of a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MlpConfig {
    /// Number of inputs.
    pub inputs: usize,
    /// Width of each hidden layer.
    pub hidden: Vec<usize>,
    /// Number of outputs.
    pub outputs: usize,
    /// What follows each hidden layer.
    pub activation: Activation,
}

/// A fully connected network `[batch, inputs] -> [batch, outputs]`, linear at its end.
#[derive(Module, Debug)]
pub struct Mlp {
    layers: Vec<Linear>,
    #[module(skip)]
    activation: Activation,
}

/// `x W + b`.
#[derive(Module, Debug)]
struct Linear {
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<2>>,
    /// Ones where inputs may act on outputs, zeros elsewhere; all may when there is none.
    #[module(skip)]
    mask: Option<Tensor<2>>,
}

impl MlpConfig {
    /// A network with weights and biases uniform in `± 1 / sqrt(inputs of the layer)`, those of the
    /// last layer multiplied by `last`.
    #[must_use]
    pub fn init(&self, last: f64, rng: &mut ChaCha8Rng, device: &Device) -> Mlp {
        self.init_masked(last, &[], rng, device)
    }

    /// The same with a mask `[inputs][outputs]` for each layer, or none.
    pub(crate) fn init_masked(
        &self,
        last: f64,
        masks: &[Vec<f32>],
        rng: &mut ChaCha8Rng,
        device: &Device,
    ) -> Mlp {
        let mut widths = vec![self.inputs];
        widths.extend(&self.hidden);
        widths.push(self.outputs);
        let layers = widths
            .windows(2)
            .enumerate()
            .map(|(index, pair)| {
                let (inputs, outputs) = (pair[0], pair[1]);
                let scale = if index == self.hidden.len() { last } else { 1.0 };
                let bound = scale / (inputs.max(1) as f64).sqrt();
                let mut uniform = |rows: usize| {
                    let values: Vec<f32> = (0..rows * outputs)
                        .map(|_| rng.random_range(-bound..=bound) as f32)
                        .collect();
                    Param::from_data(TensorData::new(values, [rows, outputs]), device)
                };
                let (weight, bias) = (uniform(inputs), uniform(1));
                let mask = masks.get(index).map(|mask| {
                    let data = TensorData::new(mask.clone(), [inputs, outputs]);
                    Tensor::from_data(data, &device.clone().without_autodiff())
                });
                Linear { weight, bias, mask }
            })
            .collect();
        Mlp { layers, activation: self.activation }
    }
}

impl Mlp {
    /// Evaluates the network on each row.
    #[must_use]
    pub fn forward(&self, x: &Var) -> Var {
        let (last, hidden) = self.layers.split_last().expect("a network has a last layer");
        let mut x = x.clone();
        for layer in hidden {
            x = self.activation.apply_to(layer.forward(&x));
        }
        last.forward(&x)
    }
}

impl Linear {
    fn forward(&self, x: &Var) -> Var {
        x.affine(&self.acting_weight(x), &x.weights(&self.bias))
    }

    /// The weights that act on `x`.
    fn acting_weight(&self, x: &Var) -> Var {
        let weight = x.weights(&self.weight);
        match &self.mask {
            Some(mask) => {
                let mask = mask.clone().cast(weight.value().dtype());
                weight * Var::constant(mask)
            }
            None => weight,
        }
    }
}
