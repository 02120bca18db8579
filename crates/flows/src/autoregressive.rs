//! Autoregressive layers: every feature moves, as the features before it decide.
//!
//! A masked network (MADE) gives, in one evaluation, the parameters of feature `i` from features
//! `0..i` and the context: `y_i = f(x_i; NN_i(x_{<i}, context))`. The Jacobian is triangular,
//! `ln |det dy/dx| = sum_i ln df/dx_i`. The inverse needs one evaluation per feature.
//!
//! [`Structure::Autoregressive`](crate::Structure::Autoregressive) asks for it:
//! [`FlowConfig::maf`], [`FlowConfig::autoregressive_spline`].
//!
//! *Shapes.* `x` and `y` are `[row, feature]`, the context is `[row, context]`, the log determinant
//! `[row, 1]`; the network gives `[row, feature * parameters]`.
//!
//! *When to use.* Densities of few or strongly correlated features: it is more expressive per layer
//! than a [`coupling`](crate::coupling).
//! *When not.* Many draws of many features: each feature costs another evaluation of the network.
//!
//! # References
//! M. Germain, K. Gregor, I. Murray and H. Larochelle, "MADE", ICML 2015, arXiv:1502.03509.
//! G. Papamakarios, T. Pavlakou and I. Murray, "Masked autoregressive flow for density
//! estimation", NeurIPS 2017, arXiv:1705.07057.

use autodiff::tensor::Var;
use burn::module::Module;
use burn::tensor::Device;
use rand_chacha::ChaCha8Rng;

use crate::bijector::Bijector;
use crate::config::FlowConfig;
use crate::error::Result;
use crate::mlp::{Mlp, MlpConfig};
use crate::transform::{Seen, Transform};

/// One autoregressive layer.
#[derive(Module, Debug)]
pub(crate) struct Autoregressive {
    network: Mlp,
    #[module(skip)]
    seen: Seen,
    #[module(skip)]
    bijector: Bijector,
    #[module(skip)]
    features: usize,
}

impl Autoregressive {
    /// A layer close to the identity.
    pub fn new(config: &FlowConfig, rng: &mut ChaCha8Rng, device: &Device) -> Self {
        let owners = config.bijector.owners(config.features);
        let network = MlpConfig {
            inputs: config.features + config.context,
            hidden: config.hidden.clone(),
            outputs: owners.len(),
            activation: config.activation,
        };
        let masks = masks(&network, config.features, &owners);
        let network = network.init_masked(config.initial.of_network(), &masks, rng, device);
        Self { network, seen: config.seen(), bijector: config.bijector, features: config.features }
    }

    /// Parameters of every feature, `[batch, feature * parameters]`.
    fn parameters(&self, x: &Var, context: &Var) -> Var {
        self.network.forward(&self.seen.of(x, context))
    }
}

/// A mask `[inputs][outputs]` per layer. The degree of an input is its position, context before
/// all features; hidden units have degrees in turn; a unit acts on those of higher or equal
/// degree, and on outputs of strictly higher degree; `owners` are the features of the outputs.
fn masks(network: &MlpConfig, features: usize, owners: &[usize]) -> Vec<Vec<f32>> {
    let context = network.inputs - features;
    // degree 0: context only; degree i: features up to number i, counted from 1
    let mut before: Vec<usize> = (1..=features).chain(std::iter::repeat_n(0, context)).collect();
    let mut masks = Vec::new();
    for width in &network.hidden {
        let degrees: Vec<usize> = (0..*width).map(|unit| unit % features).collect();
        masks.push(mask(&before, &degrees, |from, to| from <= to));
        before = degrees;
    }
    let outputs: Vec<usize> = owners.iter().map(|feature| feature + 1).collect();
    masks.push(mask(&before, &outputs, |from, to| from < to));
    masks
}

fn mask(from: &[usize], to: &[usize], may_act: impl Fn(usize, usize) -> bool) -> Vec<f32> {
    from.iter()
        .flat_map(|from| to.iter().map(|to| if may_act(*from, *to) { 1.0 } else { 0.0 }))
        .collect()
}

impl Transform for Autoregressive {
    fn forward_and_log_det(&self, x: &Var, context: &Var) -> (Var, Var) {
        let (y, log_derivative) = self.bijector.forward(x, &self.parameters(x, context));
        (y, log_derivative.sum(1))
    }

    fn inverse_and_log_det(&self, z: &Var, context: &Var) -> Result<(Var, Var)> {
        let later = Var::constant(z.value().clone().inner().zeros_like());
        let mut x = later.clone();
        let mut log_det: Option<Var> = None;
        for feature in 0..self.features {
            let parameters = self.parameters(&x, context);
            let own = self.bijector.parameters_of(&parameters, feature, self.features);
            let (next, log_derivative) =
                self.bijector.inverse(&z.columns(feature..feature + 1), &own)?;
            let rest = later.columns(feature + 1..self.features);
            x = Var::concat(&[&x.columns(0..feature), &next, &rest]);
            log_det = Some(match log_det {
                Some(sum) => sum + log_derivative,
                None => log_derivative,
            });
        }
        Ok((x, log_det.expect("a flow has features")))
    }
}
