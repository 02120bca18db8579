//! Orders of the features between the layers of a flow.

use autodiff::tensor::Var;
use burn::tensor::{Device, Int, Tensor};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::config::Permutation;

/// A fixed order of columns with its inverse.
#[derive(Clone, Debug)]
pub struct Order {
    order: Tensor<1, Int>,
    inverse: Tensor<1, Int>,
}

impl Order {
    /// The order that `permutation` asks for among `features` after the layer `layer`.
    pub fn new(permutation: Permutation, features: usize, layer: usize, device: &Device) -> Self {
        let mut order: Vec<usize> = (0..features).rev().collect();
        if let Permutation::Random { seed } = permutation {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(layer as u64);
            order.shuffle(&mut rng);
        }
        let mut inverse = vec![0; features];
        for (to, from) in order.iter().enumerate() {
            inverse[*from] = to;
        }
        let device = device.clone().without_autodiff();
        let indices = |list: Vec<usize>| {
            let list: Vec<i32> = list.into_iter().map(|i| i as i32).collect();
            Tensor::from_ints(list.as_slice(), &device)
        };
        Self { order: indices(order), inverse: indices(inverse) }
    }

    /// Rearranges the columns.
    pub fn forward(&self, x: &Var) -> Var {
        x.permute_columns(&self.order, &self.inverse)
    }

    /// Undoes [`Order::forward`].
    pub fn inverse(&self, x: &Var) -> Var {
        x.permute_columns(&self.inverse, &self.order)
    }
}
