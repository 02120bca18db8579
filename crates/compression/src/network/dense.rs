//! A fully connected layer.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// `x W + b`.
#[derive(Module, Debug)]
pub struct Dense {
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<2>>,
}

impl Dense {
    /// Weights and biases uniform in `± 1 / sqrt(inputs)`.
    pub fn new(inputs: usize, outputs: usize, rng: &mut ChaCha8Rng, device: &Device) -> Self {
        let bound = 1.0 / (inputs as f64).sqrt();
        let mut uniform = |rows: usize| {
            let values: Vec<f32> =
                (0..rows * outputs).map(|_| rng.random_range(-bound..=bound) as f32).collect();
            Param::from_data(TensorData::new(values, [rows, outputs]), device)
        };
        Self { weight: uniform(inputs), bias: uniform(1) }
    }

    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        x.matmul(self.weight.val()) + self.bias.val()
    }
}
