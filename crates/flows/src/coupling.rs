//! Coupling layers: some features stay and decide how the others move.
//!
//! The first half of the features, with the context, goes into a network that gives the parameters
//! of a bijector for each of the rest: `y_a = x_a`, `y_b = f(x_b; NN(x_a, context))`. The Jacobian
//! is triangular, `ln |det dy/dx| = sum_b ln df/dx_b`; both directions cost one evaluation of the
//! network.
//!
//! With one feature, the network sees the context only, or a constant where there is none either.
//! [`Structure::Coupling`](crate::Structure::Coupling) asks for it: [`FlowConfig::affine`],
//! [`FlowConfig::spline`], [`FlowConfig::smooth`].
//!
//! *Shapes.* `x` and `y` are `[row, feature]`, the context is `[row, context]`, the log determinant
//! `[row, 1]`; the network gives `[row, moving feature * parameters]`.
//!
//! *When to use.* Many draws, or many features: both directions need the network once, whatever the
//! number of features.
//! *When not.* Where draws are few, and the best density per layer is wanted: a coupling moves half
//! of the features only, an [`autoregressive`](crate::autoregressive) layer all.
//!
//! # References
//! L. Dinh, J. Sohl-Dickstein and S. Bengio, "Density estimation using Real NVP", ICLR 2017,
//! arXiv:1605.08803.

use autodiff::tensor::Var;
use burn::module::Module;
use burn::tensor::Device;
use rand_chacha::ChaCha8Rng;

use crate::bijector::Bijector;
use crate::config::FlowConfig;
use crate::error::Result;
use crate::mlp::{Mlp, MlpConfig};
use crate::transform::{Seen, Transform};

/// One coupling layer.
#[derive(Module, Debug)]
pub(crate) struct Coupling {
    network: Mlp,
    #[module(skip)]
    seen: Seen,
    #[module(skip)]
    bijector: Bijector,
    /// Number of features that stay.
    #[module(skip)]
    kept: usize,
    #[module(skip)]
    features: usize,
}

impl Coupling {
    /// A layer close to the identity.
    pub fn new(config: &FlowConfig, rng: &mut ChaCha8Rng, device: &Device) -> Self {
        let kept = config.features / 2;
        let network = MlpConfig {
            inputs: (kept + config.context).max(1),
            hidden: config.hidden.clone(),
            outputs: (config.features - kept) * config.bijector.parameters(),
            activation: config.activation,
        };
        let network = network.init_masked(config.initial.of_network(), &[], rng, device);
        Self {
            network,
            seen: config.seen(),
            bijector: config.bijector,
            kept,
            features: config.features,
        }
    }

    /// Applies `function` to the moving features, given their parameters.
    fn apply(
        &self,
        x: &Var,
        context: &Var,
        function: impl FnOnce(&Var, &Var) -> Result<(Var, Var)>,
    ) -> Result<(Var, Var)> {
        let stay = x.columns(0..self.kept);
        let input = match self.kept + context.dims()[1] {
            0 => x.beside(x.value().clone().inner().narrow(1, 0, 1).ones_like()),
            _ => self.seen.of(&stay, context),
        };
        let parameters = self.network.forward(&input);
        let (moved, log_derivative) = function(&x.columns(self.kept..self.features), &parameters)?;
        Ok((Var::concat(&[&stay, &moved]), log_derivative.sum(1)))
    }
}

impl Transform for Coupling {
    fn forward_and_log_det(&self, x: &Var, context: &Var) -> (Var, Var) {
        self.apply(x, context, |moving, parameters| Ok(self.bijector.forward(moving, parameters)))
            .expect("bijectors have a value everywhere")
    }

    fn inverse_and_log_det(&self, z: &Var, context: &Var) -> Result<(Var, Var)> {
        self.apply(z, context, |moving, parameters| self.bijector.inverse(moving, parameters))
    }
}
