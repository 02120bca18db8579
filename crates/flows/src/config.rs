//! Everything a user can choose about a flow.

use burn::tensor::Device;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::activation::Activation;
use crate::bijector::Bijector;
use crate::error::{Error, Result};
use crate::flow::Flow;
use crate::standardiser::Standardiser;

/// Settings of a flow. Plain data; the constructors give the families in common use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlowConfig {
    /// Number of features of the density.
    pub features: usize,
    /// Number of features of the context; 0 for an unconditional density.
    pub context: usize,
    /// Which features decide how others move.
    pub structure: Structure,
    /// How a feature moves.
    pub bijector: Bijector,
    /// Number of layers.
    pub layers: usize,
    /// Width of each hidden layer of the networks.
    pub hidden: Vec<usize>,
    /// Nonlinearity of the networks.
    pub activation: Activation,
    /// Factor on the features that go into the networks, 1 in all families. With a smaller one how
    /// features move depends on the others more smoothly, which helps where draws are few.
    #[serde(default = "FlowConfig::unscaled")]
    pub input_scale: f64,
    /// Order of the features between layers.
    pub permutation: Permutation,
    /// Density of the base.
    pub base: Base,
}

/// Which features decide how others move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Structure {
    /// Half of them decide over the other half.
    Coupling,
    /// Each decides over all after it.
    Autoregressive,
}

/// Order of the features between layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Permutation {
    /// Reversed.
    #[default]
    Reverse,
    /// Random, another one after each layer.
    Random {
        /// What the orders depend on.
        seed: u64,
    },
}

/// Density of the base, in standardised units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Base {
    /// Independent standard normals.
    #[default]
    Normal,
    /// Uniform on the box that the bijector maps to itself; data outside have density zero.
    Uniform,
}

impl FlowConfig {
    /// Factor on the initial weights of the last layer of each network, so that a new flow is close
    /// to its base.
    pub(crate) const LAST_LAYER: f64 = 0.1;

    fn unscaled() -> f64 {
        1.0
    }

    fn new(features: usize, context: usize, structure: Structure, bijector: Bijector) -> Self {
        Self {
            features,
            context,
            structure,
            bijector,
            layers: 4,
            hidden: vec![128, 128],
            activation: Activation::Silu,
            input_scale: Self::unscaled(),
            permutation: Permutation::Reverse,
            base: Base::Normal,
        }
    }

    /// Affine couplings (RealNVP): 4 layers of 2 x 128.
    #[must_use]
    pub fn affine(features: usize, context: usize) -> Self {
        Self::new(features, context, Structure::Coupling, Bijector::Affine)
    }

    /// Rational-quadratic spline couplings (NSF): 4 layers of 2 x 128, 8 bins within 5 standard
    /// deviations.
    #[must_use]
    pub fn spline(features: usize, context: usize) -> Self {
        let bijector = Bijector::Spline { bins: 8, bound: 5.0 };
        Self::new(features, context, Structure::Coupling, bijector)
    }

    /// Autoregressive rational-quadratic splines: 3 layers of 2 x 64, 8 bins within 5 standard
    /// deviations.
    #[must_use]
    pub fn autoregressive_spline(features: usize, context: usize) -> Self {
        let bijector = Bijector::Spline { bins: 8, bound: 5.0 };
        Self {
            layers: 3,
            hidden: vec![64, 64],
            ..Self::new(features, context, Structure::Autoregressive, bijector)
        }
    }

    /// Masked autoregressive flow (MAF): 5 layers of 3 x 50 with hyperbolic tangents.
    #[must_use]
    pub fn maf(features: usize, context: usize) -> Self {
        Self {
            layers: 5,
            hidden: vec![50; 3],
            activation: Activation::Tanh,
            ..Self::new(features, context, Structure::Autoregressive, Bijector::Affine)
        }
    }

    /// Smooth couplings: 4 layers of 2 x 128, 16 ramps within 12 standard deviations.
    #[must_use]
    pub fn smooth(features: usize, context: usize) -> Self {
        let bijector = Bijector::Smooth { components: 16, bound: 12.0 };
        Self::new(features, context, Structure::Coupling, bijector)
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Setting`] with the first field out of its domain.
    pub fn validate(&self) -> Result<()> {
        let check = |valid: bool, setting, value: String, expected| {
            if valid { Ok(()) } else { Err(Error::Setting { setting, value, expected }) }
        };
        let count =
            |setting, value: usize| check(value > 0, setting, value.to_string(), "at least 1");
        count("features", self.features)?;
        count("layers", self.layers)?;
        for width in &self.hidden {
            count("hidden", *width)?;
        }
        let scale = self.input_scale;
        let scales = scale.is_finite() && scale > 0.0;
        check(scales, "input_scale", scale.to_string(), "a positive number")?;
        self.bijector.validate()?;
        let needed = self.base == Base::Normal || self.bijector.bound().is_some();
        check(
            needed,
            "base",
            "uniform".into(),
            "normal, or a bijector that maps an interval to itself (spline, smooth)",
        )
    }

    /// A flow with random weights that depend on `seed` only, close to its base density.
    ///
    /// `target` and `context` standardise the features and the context; they become part of the
    /// flow.
    ///
    /// # Errors
    /// If a setting is out of its domain or a standardiser has another width.
    pub fn init(
        &self,
        target: Standardiser,
        context: Standardiser,
        seed: u64,
        device: &Device,
    ) -> Result<Flow> {
        Flow::new(self.clone(), target, context, &mut ChaCha8Rng::seed_from_u64(seed), device)
    }
}
