//! Means of the weights over the last steps.

use autodiff::tensor::mean_step;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};

use super::per_weight::PerWeight;
use crate::error::Result;
use crate::weights::Weight;

/// The exponentially weighted mean of each tensor of weights.
#[derive(Clone, Debug, Default)]
pub struct Average {
    means: PerWeight,
}

impl Average {
    /// From stored means of the weights of a model.
    ///
    /// # Errors
    /// If they are not of such a model.
    pub fn resume(model: &impl Module, means: Vec<Weight>, device: &Device) -> Result<Self> {
        Ok(Self { means: PerWeight::read(model, means, device)? })
    }

    /// The means, flat, to be stored.
    ///
    /// # Errors
    /// If the device fails.
    pub fn stored(&self, model: &impl Module) -> Result<Vec<Weight>> {
        self.means.stored(model)
    }

    /// Adds the weights of `model` after `step` steps to the means over the last `horizon` or, in the
    /// beginning, fewer.
    pub fn add(&mut self, model: &impl Module, step: usize, horizon: usize) {
        let share = (10.0 / (9.0 + step as f64)).max(1.0 / horizon as f64).min(1.0);
        model.visit(&mut Add { means: &mut self.means, share });
    }

    /// The model with the means for weights; itself where there are none.
    #[must_use]
    pub fn of<M: Module>(&self, model: M) -> M {
        model.map(&mut Replace { means: &self.means })
    }
}

struct Add<'a> {
    means: &'a mut PerWeight,
    /// Of the newest weights in the means.
    share: f64,
}

impl ModuleVisitor for Add<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let weights = param.val().inner();
        let mean = match self.means.take(param.id) {
            Some(mean) => mean_step(mean, weights, self.share),
            None => {
                let count = weights.dims().iter().product::<usize>();
                weights.reshape([count])
            }
        };
        self.means.put(param.id, mean);
    }
}

struct Replace<'a> {
    means: &'a PerWeight,
}

impl ModuleMapper for Replace<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(mean) = self.means.get(param.id) else { return param };
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
    use crate::weights::{load_weights, named_weights};

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
        let first = model(1);
        let like_first =
            |seed| load_weights(first.clone(), &named_weights(&model(seed)).unwrap()).unwrap();
        let models = [first.clone(), like_first(2), like_first(3)];
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
        let (device, stored) = (Device::flex(), average.stored(&first).unwrap());
        let other = model(4);
        let resumed = Average::resume(&other, stored.clone(), &device).unwrap();
        assert_eq!(numbers(&resumed.of(other.valid())), numbers(&average.of(first.valid())));
        for wrong in [
            Weight { name: "elsewhere".into(), ..stored[0].clone() },
            Weight { values: vec![1.0; 2], shape: vec![2], ..stored[0].clone() },
        ] {
            let name = wrong.name.clone();
            let error = Average::resume(&other, vec![wrong], &device).unwrap_err();
            assert!(error.to_string().contains(&name), "{error}");
        }
    }
}
