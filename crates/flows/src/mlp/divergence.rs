//! The trace of a network's Jacobian, carried forward with its value.

use autodiff::tensor::Var;

use super::Mlp;

impl Mlp {
    /// Evaluates the network on each row, with the trace of its Jacobian with respect to the first
    /// inputs, of which there are as many as outputs: `[batch, outputs]` and
    /// `sum_k d output_k / d x_k`, `[batch, 1]`.
    ///
    /// The derivatives along each of these inputs are carried forward through the layers, which
    /// costs as much as one more evaluation each. They are variables like any other, so that the
    /// trace can be differentiated with respect to the inputs and the weights.
    ///
    /// # Panics
    /// If there are fewer inputs than outputs.
    #[must_use]
    pub fn forward_and_divergence(&self, x: &Var) -> (Var, Var) {
        let (last, hidden) = self.layers.split_last().expect("a network has a last layer");
        let last_weight = last.acting_weight(x);
        let outputs = last_weight.dims()[1];
        let Some((first, between)) = hidden.split_first() else {
            let diagonal = (0..outputs)
                .map(|k| last_weight.columns(k..k + 1).transpose().columns(k..k + 1))
                .reduce(|sum, entry| sum + entry)
                .expect("a network has outputs");
            return (last.forward(x), diagonal.repeat_rows(x.dims()[0]));
        };
        let (mut value, slope) = self.activation.apply_with_slope(&first.forward(x));
        let weight = first.acting_weight(x).transpose();
        let mut tangents: Vec<Var> =
            (0..outputs).map(|k| &slope * weight.columns(k..k + 1).transpose()).collect();
        for layer in between {
            let (next, slope) = self.activation.apply_with_slope(&layer.forward(&value));
            value = next;
            let weight = layer.acting_weight(x);
            tangents = tangents.iter().map(|tangent| tangent.matmul(&weight) * &slope).collect();
        }
        let trace = tangents
            .iter()
            .enumerate()
            .map(|(k, tangent)| tangent.matmul(&last_weight.columns(k..k + 1)))
            .reduce(|sum, part| sum + part)
            .expect("a network has outputs");
        (last.forward(&value), trace)
    }
}

#[cfg(test)]
mod tests {
    use autodiff::tensor::Tape;
    use burn::tensor::{Device, Tensor, TensorData};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::{Activation, MlpConfig};

    fn numbers(tensor: Tensor<2>) -> Vec<f32> {
        tensor.try_into_vec_as::<f32>().unwrap()
    }

    #[test]
    fn the_trace_is_that_of_the_tape() {
        let device = Device::flex();
        for activation in [Activation::Silu, Activation::Tanh, Activation::Sin, Activation::Relu] {
            for hidden in [vec![], vec![5], vec![8, 6, 7]] {
                let config = MlpConfig { inputs: 4, hidden, outputs: 3, activation };
                let mlp = config.init(1.0, &mut ChaCha8Rng::seed_from_u64(1), &device);
                let values: Vec<f32> = (0..20).map(|i| (i as f32 * 1.7).sin()).collect();
                let x = Tensor::from_data(TensorData::new(values, [5, 4]), &device);
                let (value, trace) = mlp.forward_and_divergence(&Var::constant(x.clone()));
                assert_eq!(
                    numbers(value.into_value()),
                    numbers(mlp.forward(&Var::constant(x.clone())).into_value())
                );
                let mut expected = vec![0.0; 5];
                for k in 0..3 {
                    let tape = Tape::new();
                    let input = tape.input(x.clone());
                    let output = mlp.forward(&input).columns(k..k + 1);
                    let gradient = numbers(tape.gradient(&output, &[&input]).remove(0));
                    for (row, sum) in expected.iter_mut().enumerate() {
                        *sum += gradient[4 * row + k];
                    }
                }
                for (found, expected) in numbers(trace.into_value()).iter().zip(&expected) {
                    assert!((found - expected).abs() < 1e-5, "{activation:?} {found} {expected}");
                }
            }
        }
    }

    #[test]
    fn the_trace_can_be_differentiated() {
        let device = Device::flex();
        let config =
            MlpConfig { inputs: 3, hidden: vec![9, 9], outputs: 2, activation: Activation::Silu };
        let mlp = config.init(1.0, &mut ChaCha8Rng::seed_from_u64(2), &device);
        let at = |x: [f32; 3]| Tensor::<2>::from_data(TensorData::new(x.to_vec(), [1, 3]), &device);
        let trace = |x: [f32; 3]| {
            numbers(mlp.forward_and_divergence(&Var::constant(at(x))).1.into_value())[0]
        };
        let x = [0.3, -0.8, 1.1];
        let tape = Tape::new();
        let input = tape.input(at(x));
        let output = mlp.forward_and_divergence(&input).1;
        let gradient = numbers(tape.gradient(&output, &[&input]).remove(0));
        for i in 0..3 {
            let moved = |by: f32| {
                let mut x = x;
                x[i] += by;
                trace(x)
            };
            let expected = (moved(1e-2) - moved(-1e-2)) / 2e-2;
            assert!((gradient[i] - expected).abs() < 1e-3, "{gradient:?} {expected}");
        }
    }
}
