//! Adam, with the norm of the whole gradient limited.

use std::collections::BTreeMap;

use autodiff::tensor::{AdamMoments, AdamStep};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor};

use crate::error::Result;
use crate::weights::Weight;

/// The optimiser Adam with the moments of the gradient of each tensor of weights, by its path.
#[derive(Clone, Debug, Default)]
pub struct Adam {
    moments: BTreeMap<String, AdamMoments>,
    steps: usize,
}

impl Adam {
    /// From the stored means and mean squares of gradients, in any order, after some steps.
    #[must_use]
    pub fn resume(means: Vec<Weight>, squares: Vec<Weight>, steps: usize, device: &Device) -> Self {
        let mut squares: BTreeMap<String, Weight> =
            squares.into_iter().map(|square| (square.name.clone(), square)).collect();
        let moments = means.into_iter().filter_map(|mean| {
            let square = squares.remove(&mean.name)?;
            Some((mean.name.clone(), (mean.into_tensor(device), square.into_tensor(device))))
        });
        Self { moments: moments.collect(), steps }
    }

    /// Means and mean squares of the gradients, flat, to be stored.
    ///
    /// # Errors
    /// If the device fails.
    pub fn stored(&self) -> Result<(Vec<Weight>, Vec<Weight>)> {
        let pairs = self.moments.iter().map(|(name, (mean, square))| {
            Ok((Weight::of(name, mean.clone())?, Weight::of(name, square.clone())?))
        });
        Ok(pairs.collect::<Result<Vec<_>>>()?.into_iter().unzip())
    }

    /// The model after one step down the gradient, whose norm over all weights is limited to
    /// `clip_norm`; nothing if the gradient is not finite. Numbers that are not trained, such as the
    /// running statistics of a normalisation, stay as they are.
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
        let step =
            AdamStep { gradient_scale: scale as f32, ..AdamStep::new(learning_rate, self.steps) };
        let mut update = Update { moments: &mut self.moments, gradients, step, path: Vec::new() };
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
    gradients: &'a Gradients,
    step: AdamStep,
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
            let (weights, moments) = self.step.apply(weights, gradient, moments);
            self.moments.insert(path, moments);
            weights.autodiff().set_require_grad(tracked)
        })
    }
}
