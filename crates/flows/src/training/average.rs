//! Means of the weights over the last steps.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};

use crate::error::Result;
use crate::weights::Weight;

/// The exponentially weighted mean of each tensor of weights, flat, by its path.
#[derive(Clone, Debug, Default)]
pub struct Average {
    means: BTreeMap<String, Tensor<1>>,
}

impl Average {
    /// From stored means.
    pub fn resume(means: Vec<Weight>, device: &Device) -> Self {
        let means = means.into_iter().map(|mean| (mean.name.clone(), mean.into_tensor(device)));
        Self { means: means.collect() }
    }

    /// The means, to be stored.
    ///
    /// # Errors
    /// If the device fails.
    pub fn stored(&self) -> Result<Vec<Weight>> {
        self.means.iter().map(|(name, mean)| Weight::of(name, mean.clone())).collect()
    }

    /// Adds the weights of `model` after `step` steps to the means over the last `horizon` or, in the
    /// beginning, fewer.
    pub fn add(&mut self, model: &impl Module, step: usize, horizon: usize) {
        let share = (10.0 / (9.0 + step as f64)).max(1.0 / horizon as f64).min(1.0);
        model.visit(&mut Add { means: &mut self.means, share, path: Vec::new() });
    }

    /// The model with the means for weights; itself where there are none.
    #[must_use]
    pub fn of<M: Module>(&self, model: M) -> M {
        model.map(&mut Replace { means: &self.means, path: Vec::new() })
    }
}

struct Add<'a> {
    means: &'a mut BTreeMap<String, Tensor<1>>,
    /// Of the newest weights in the means.
    share: f64,
    path: Vec<String>,
}

impl ModuleVisitor for Add<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = param.val();
        if !tensor.is_autodiff() {
            return;
        }
        let count = tensor.dims().iter().product::<usize>();
        let weights = tensor.inner().reshape([count]);
        let path = self.path.join(".");
        let mean = match self.means.remove(&path) {
            Some(mean) => mean.clone() + (weights - mean) * self.share,
            None => weights,
        };
        self.means.insert(path, mean);
    }
}

struct Replace<'a> {
    means: &'a BTreeMap<String, Tensor<1>>,
    path: Vec<String>,
}

impl ModuleMapper for Replace<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(mean) = self.means.get(&self.path.join(".")) else { return param };
        let mean = mean.clone();
        param.map(|weights| mean.reshape(weights.dims()))
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::mlp::{Mlp, MlpConfig};
    use crate::weights::named_weights;

    fn model(seed: u64) -> Mlp {
        let config =
            MlpConfig { inputs: 2, hidden: vec![3], outputs: 1, activation: Default::default() };
        config.init(1.0, &mut ChaCha8Rng::seed_from_u64(seed), &Device::flex()).train()
    }

    fn numbers(model: &Mlp) -> Vec<f32> {
        named_weights(model).unwrap().into_iter().flat_map(|weight| weight.values).collect()
    }

    #[test]
    fn means_follow_the_weights_within_the_horizon() {
        let models = [1, 2, 3].map(model);
        let values = models.each_ref().map(numbers);
        let mut average = Average::default();
        assert_eq!(numbers(&average.of(models[0].valid())), values[0]);
        average.add(&models[0], 1, 4);
        average.add(&models[1], 20, 4);
        average.add(&models[2], 1000, 4);
        // 10 / 29 of the second, then a quarter of the third
        let share = 10.0 / 29.0;
        let found = numbers(&average.of(models[2].valid()));
        for (index, found) in found.into_iter().enumerate() {
            let [first, second, third] = values.each_ref().map(|values| values[index]);
            let expected = 0.75 * (first * (1.0 - share) + second * share) + 0.25 * third;
            assert!((found - expected).abs() < 1e-6, "{found} instead of {expected}");
        }
        let device = Device::flex();
        let resumed = Average::resume(average.stored().unwrap(), &device);
        assert_eq!(
            numbers(&resumed.of(models[0].valid())),
            numbers(&average.of(models[1].valid()))
        );
    }
}
