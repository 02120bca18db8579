//! Variational mutual information maximisation.

use burn::tensor::Tensor;
use flows::{Activation, Flow, FlowConfig};
use serde::{Deserialize, Serialize};

/// Family of the density of the parameters given the summaries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DensityFamily {
    /// Affine couplings: [`FlowConfig::affine`].
    #[default]
    Affine,
    /// Rational-quadratic spline couplings: [`FlowConfig::spline`].
    Spline,
    /// Autoregressive splines: [`FlowConfig::autoregressive_spline`].
    AutoregressiveSpline,
    /// Masked autoregressive flow: [`FlowConfig::maf`] with networks of 2 x 50.
    Maf,
    /// Smooth couplings: [`FlowConfig::smooth`].
    Smooth,
}

impl DensityFamily {
    /// The flow of `features` features given `context` numbers.
    #[must_use]
    pub fn config(self, features: usize, context: usize) -> FlowConfig {
        match self {
            Self::Affine => FlowConfig::affine(features, context),
            Self::Spline => FlowConfig::spline(features, context),
            Self::AutoregressiveSpline => FlowConfig::autoregressive_spline(features, context),
            Self::Maf => FlowConfig {
                hidden: vec![50, 50],
                activation: Activation::Silu,
                ..FlowConfig::maf(features, context)
            },
            Self::Smooth => FlowConfig::smooth(features, context),
        }
    }
}

/// `-1/n sum_rows ln q(theta | t)` `[1]` of summaries `[row, summary]` and parameters in standard
/// units `[row, parameter]`, in nat, the density that of parameters in standard units.
///
/// The mutual information of parameters and summaries is at least the entropy of the parameters
/// less this loss, with equality where `q` is the posterior given the summaries. So its minimum over
/// network and flow makes the summaries as informative as they can be.
///
/// *When to use.* Summaries that are to keep what the maps know, whatever the shape of the
/// posterior: they are sufficient if network and flow are flexible enough.
/// *When not.* Where steps must be cheap: each trains a flow, too. Where a summary must be an
/// estimate of the parameters: it has no units.
///
/// # References
/// D. Barber and F. Agakov 2003, NIPS 16; N. Jeffrey, J. Alsing and F. Lanusse 2021,
/// arXiv:2009.08459, equations 9 to 11.
#[must_use]
pub fn vmim(flow: &Flow, summaries: Tensor<2>, parameters: Tensor<2>) -> Tensor<1> {
    flow.log_prob(parameters, summaries).mean().neg() - flow.target().log_volume()
}
