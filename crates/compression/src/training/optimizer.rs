//! Adam, with the norm of the whole gradient limited.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use flows::{AdamMoments, AdamStep, Weight};

use crate::error::{Error, Result};

/// Moments of the gradient of each tensor of weights, by its path.
#[derive(Clone, Debug, Default)]
pub struct Optimizer {
    moments: BTreeMap<String, AdamMoments>,
}

impl Optimizer {
    /// From stored moments, those of `means` in the order of `squares`.
    pub fn resume(means: Vec<Weight>, squares: Vec<Weight>, device: &Device) -> Self {
        let tensor = |weight: Weight| {
            Tensor::from_data(TensorData::new(weight.values, weight.shape), device)
        };
        let moments = means
            .into_iter()
            .zip(squares)
            .map(|(mean, square)| (mean.name.clone(), (tensor(mean), tensor(square))))
            .collect();
        Self { moments }
    }

    /// Means and mean squares, to be stored.
    pub fn stored(&self) -> Result<(Vec<Weight>, Vec<Weight>)> {
        let weight = |name: &String, tensor: &Tensor<1>| -> Result<Weight> {
            let shape = tensor.dims().to_vec();
            let values = tensor.try_to_vec_as::<f32>();
            let values = values.map_err(|error| Error::Device { reason: format!("{error:?}") })?;
            Ok(Weight { name: name.clone(), shape, values })
        };
        let moments = self.moments.iter();
        let pairs =
            moments.map(|(name, (mean, square))| Ok((weight(name, mean)?, weight(name, square)?)));
        Ok(pairs.collect::<Result<Vec<_>>>()?.into_iter().unzip())
    }

    /// The model after step `t = 1, 2, ...` down the gradient, unless that is not finite.
    pub fn step<M: Module>(
        &mut self,
        model: M,
        gradients: &Gradients,
        learning_rate: f64,
        t: usize,
        clip_norm: Option<f64>,
    ) -> Option<M> {
        let mut square = SquaredNorm { gradients, sum: None };
        model.visit(&mut square);
        let norm = square.sum.map_or(0.0, |sum| f64::from(sum.into_scalar::<f32>())).sqrt();
        if !norm.is_finite() {
            return None;
        }
        let longest = clip_norm.unwrap_or(f64::INFINITY);
        let mut adam = AdamStep::new(learning_rate, t);
        adam.gradient_scale = (longest / norm.max(f64::MIN_POSITIVE)).min(1.0) as f32;
        let mut update = Update { moments: &mut self.moments, adam, gradients, path: Vec::new() };
        Some(model.map(&mut update))
    }
}

struct SquaredNorm<'a> {
    gradients: &'a Gradients,
    sum: Option<Tensor<1>>,
}

impl ModuleVisitor for SquaredNorm<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = param.val();
        if !tensor.is_autodiff() {
            return;
        }
        if let Some(gradient) = tensor.grad(self.gradients) {
            let own = gradient.square().sum();
            self.sum = Some(match self.sum.take() {
                Some(sum) => sum + own,
                None => own,
            });
        }
    }
}

struct Update<'a> {
    moments: &'a mut BTreeMap<String, AdamMoments>,
    adam: AdamStep,
    gradients: &'a Gradients,
    path: Vec<String>,
}

impl ModuleMapper for Update<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let tensor = param.val();
        if !tensor.is_autodiff() {
            return param;
        }
        let Some(gradient) = tensor.grad(self.gradients) else { return param };
        drop(tensor);
        let path = self.path.join(".");
        let moments = self.moments.remove(&path);
        param.map(|weights| {
            let tracked = weights.is_require_grad();
            let (weights, moments) = self.adam.apply(weights, gradient, moments);
            self.moments.insert(path, moments);
            weights.autodiff().set_require_grad(tracked)
        })
    }
}
