//! Adam, with the norm of the whole gradient limited.

use autodiff::tensor::{AdamStep, WeightGradients};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor};

use super::per_weight::PerWeight;
use crate::error::Result;
use crate::weights::Weight;

/// The gradient of a loss, by the weights of a module.
pub trait GradientOf {
    /// The derivative with respect to these weights; `None` if they are not trained.
    fn of<const D: usize>(&self, weights: &Param<Tensor<D>>) -> Option<Tensor<D>>;
}

/// As burn's `backward` finds it, of weights that it tracks.
impl GradientOf for Gradients {
    fn of<const D: usize>(&self, weights: &Param<Tensor<D>>) -> Option<Tensor<D>> {
        let weights = weights.val();
        if weights.is_autodiff() { weights.grad(self) } else { None }
    }
}

/// As a tape of weights finds it.
impl GradientOf for WeightGradients {
    fn of<const D: usize>(&self, weights: &Param<Tensor<D>>) -> Option<Tensor<D>> {
        Self::of(self, weights)
    }
}

/// The optimiser Adam with the moments of the gradient of each tensor of weights.
#[derive(Clone, Debug, Default)]
pub struct Adam {
    means: PerWeight,
    squares: PerWeight,
    steps: usize,
}

impl Adam {
    /// From the stored means and mean squares of the gradients of a model, after some steps.
    ///
    /// # Errors
    /// If they are not of the weights of such a model.
    pub fn resume(
        model: &impl Module,
        means: Vec<Weight>,
        squares: Vec<Weight>,
        steps: usize,
        device: &Device,
    ) -> Result<Self> {
        let read = |stored| PerWeight::read(model, stored, device);
        Ok(Self { means: read(means)?, squares: read(squares)?, steps })
    }

    /// Means and mean squares of the gradients of a model, flat, to be stored.
    ///
    /// # Errors
    /// If the device fails.
    pub fn stored(&self, model: &impl Module) -> Result<(Vec<Weight>, Vec<Weight>)> {
        Ok((self.means.stored(model)?, self.squares.stored(model)?))
    }

    /// The model after one step down the gradient, whose norm over all weights is limited to
    /// `clip_norm`; nothing if the gradient is not finite. Numbers that are not trained, such as the
    /// running statistics of a normalisation, stay as they are.
    pub fn step<M: Module>(
        &mut self,
        model: M,
        gradients: &impl GradientOf,
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
        Some(model.map(&mut Update { adam: self, gradients, step }))
    }
}

struct SquaredNorm<'a, G> {
    gradients: &'a G,
    sum: Option<Tensor<1>>,
}

impl<G: GradientOf> ModuleVisitor for SquaredNorm<'_, G> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.of(param) {
            let own = gradient.square().sum();
            self.sum = Some(match self.sum.take() {
                Some(sum) => sum + own,
                None => own,
            });
        }
    }
}

struct Update<'a, G> {
    adam: &'a mut Adam,
    gradients: &'a G,
    step: AdamStep,
}

impl<G: GradientOf> ModuleMapper for Update<'_, G> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(gradient) = self.gradients.of(&param) else { return param };
        let id = param.id;
        let moments = self.adam.means.take(id).zip(self.adam.squares.take(id));
        param.map(|weights| {
            let (by_burn, tracked) = (weights.is_autodiff(), weights.is_require_grad());
            let (weights, (mean, square)) = self.step.apply(weights, gradient, moments);
            self.adam.means.put(id, mean);
            self.adam.squares.put(id, square);
            if by_burn { weights.autodiff().set_require_grad(tracked) } else { weights }
        })
    }
}
