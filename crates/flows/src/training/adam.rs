//! Adam, with the norm of the whole gradient limited.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Gradients, Tensor};

const DECAY_MEAN: f64 = 0.9;
const DECAY_SQUARE: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// Moments of the gradient of each tensor of weights, by its path.
#[derive(Clone, Debug, Default)]
pub struct Adam {
    moments: BTreeMap<String, (Tensor<1>, Tensor<1>)>,
    steps: i32,
}

impl Adam {
    /// Moments from a checkpoint.
    pub fn resume(moments: BTreeMap<String, (Tensor<1>, Tensor<1>)>, steps: usize) -> Self {
        Self { moments, steps: steps as i32 }
    }

    /// Mean and mean square of the gradient of each tensor, flat, by its path.
    pub fn moments(&self) -> &BTreeMap<String, (Tensor<1>, Tensor<1>)> {
        &self.moments
    }

    /// The model after one step down the gradient, unless the gradient is not finite.
    pub fn step<M: Module>(
        &mut self,
        model: M,
        gradients: &Gradients,
        learning_rate: f64,
        clip_norm: Option<f64>,
    ) -> Option<M> {
        let mut square = SquaredNorm { gradients, sum: None };
        model.visit(&mut square);
        let norm = square.sum.map_or(0.0, |sum| f64::from(sum.into_scalar::<f32>())).sqrt();
        if !norm.is_finite() {
            return None;
        }
        self.steps += 1;
        let scale =
            clip_norm.map_or(1.0, |largest| (largest / norm.max(f64::MIN_POSITIVE)).min(1.0));
        let rate = learning_rate / (1.0 - DECAY_MEAN.powi(self.steps));
        let correction = 1.0 / (1.0 - DECAY_SQUARE.powi(self.steps)).sqrt();
        let mut update =
            Update { adam: self, gradients, scale, rate, correction, path: Vec::new() };
        Some(model.map(&mut update))
    }
}

struct SquaredNorm<'a> {
    gradients: &'a Gradients,
    sum: Option<Tensor<1>>,
}

impl ModuleVisitor for SquaredNorm<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = param.val().grad(self.gradients) {
            let own = gradient.square().sum();
            self.sum = Some(match self.sum.take() {
                Some(sum) => sum + own,
                None => own,
            });
        }
    }
}

struct Update<'a> {
    adam: &'a mut Adam,
    gradients: &'a Gradients,
    scale: f64,
    rate: f64,
    correction: f64,
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
        let Some(gradient) = param.val().grad(self.gradients) else { return param };
        let dims = gradient.dims();
        let count = dims.iter().product::<usize>();
        let gradient = gradient.reshape([count]) * self.scale;
        let fresh = gradient.clone().square() * (1.0 - DECAY_SQUARE);
        let gradient = gradient * (1.0 - DECAY_MEAN);
        let path = self.path.join(".");
        let (mean, square) = match self.adam.moments.remove(&path) {
            Some((mean, square)) => (mean * DECAY_MEAN + gradient, square * DECAY_SQUARE + fresh),
            None => (gradient, fresh),
        };
        let size = square.clone().sqrt() * self.correction + EPSILON;
        let step = (mean.clone() * self.rate / size).reshape(dims);
        self.adam.moments.insert(path, (mean, square));
        param.map(|weights| {
            let tracked = weights.is_require_grad();
            (weights.inner() - step).autodiff().set_require_grad(tracked)
        })
    }
}
