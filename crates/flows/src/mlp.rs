//! Fully connected networks, with masks where an order of dependence is wanted.

mod divergence;

use autodiff::tensor::Var;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
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

/// Where weights and biases begin.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Initial {
    /// Uniform in `± 1 / sqrt(inputs of the layer)`, in the last layer multiplied by a factor.
    Uniform { last: f64 },
    /// Weights normal with variance `1 / inputs of the layer`, without what is beyond two standard
    /// deviations of the normal that is cut, in the last layer multiplied by a factor; biases zero.
    LecunNormal { last: f64 },
}

impl Initial {
    /// Standard deviation of a standard normal that is cut at ± 2.
    const CUT_SD: f64 = 0.879_625_661_034_239_8;

    fn bias(self, inputs: usize, is_last: bool, rng: &mut ChaCha8Rng) -> f64 {
        match self {
            Self::Uniform { .. } => self.weight(inputs, is_last, rng),
            Self::LecunNormal { .. } => 0.0,
        }
    }

    fn weight(self, inputs: usize, is_last: bool, rng: &mut ChaCha8Rng) -> f64 {
        let unit = 1.0 / (inputs as f64).sqrt();
        match self {
            Self::Uniform { last } => {
                let bound = if is_last { last * unit } else { unit };
                rng.random_range(-bound..=bound)
            }
            Self::LecunNormal { last } => {
                let sd = if is_last { last * unit } else { unit } / Self::CUT_SD;
                loop {
                    let z: f64 = StandardNormal.sample(rng);
                    if z.abs() <= 2.0 {
                        return sd * z;
                    }
                }
            }
        }
    }
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
        self.init_masked(Initial::Uniform { last }, &[], rng, device)
    }

    /// A network with such weights, and a mask `[inputs][outputs]` for each layer, or none.
    pub(crate) fn init_masked(
        &self,
        initial: Initial,
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
                let (fan_in, is_last) = (inputs.max(1), index == self.hidden.len());
                let weight = (0..inputs * outputs)
                    .map(|_| initial.weight(fan_in, is_last, rng) as f32)
                    .collect();
                let bias =
                    (0..outputs).map(|_| initial.bias(fan_in, is_last, rng) as f32).collect();
                let param = |values: Vec<f32>, rows: usize| {
                    Param::from_data(TensorData::new(values, [rows, outputs]), device)
                };
                let (weight, bias) = (param(weight, inputs), param(bias, 1));
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

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn lecun_weights_have_variance_one_over_inputs() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let inputs = 25;
        let initial = Initial::LecunNormal { last: 0.5 };
        let mut draws = |is_last: bool| -> Vec<f64> {
            (0..100_000).map(|_| initial.weight(inputs, is_last, &mut rng)).collect()
        };
        let (draws, last) = (draws(false), draws(true));
        let variance = draws.iter().map(|x| x * x).sum::<f64>() / draws.len() as f64;
        assert!((variance * inputs as f64 - 1.0).abs() < 0.02, "{variance}");
        let smaller = last.iter().map(|x| x * x).sum::<f64>() / last.len() as f64;
        assert!((smaller / variance - 0.25).abs() < 0.01, "{smaller} and {variance}");
        let largest = draws.iter().fold(0.0_f64, |largest, x| largest.max(x.abs()));
        let cut = 2.0 / (5.0 * Initial::CUT_SD);
        assert!(largest <= cut && largest > 0.99 * cut, "{largest} of {cut}");
    }
}
