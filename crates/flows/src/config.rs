//! Everything a user can choose about a flow.

use burn::tensor::Device;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::activation::Activation;
use crate::bijector::Bijector;
use crate::error::{Error, Result};
use crate::flow::Flow;
use crate::mlp::Initial;
use crate::standardiser::Standardiser;
use crate::transform::Seen;

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
    /// What the networks see of features and context.
    #[serde(default)]
    pub inputs: NetworkInputs,
    /// Initial weights of the networks.
    #[serde(default)]
    pub initial: InitialWeights,
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

/// What the networks see of features and context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NetworkInputs {
    /// Both in standard units.
    #[default]
    Standard,
    /// The features mapped from the interval of the bijector to [0, 1]. How features move then depends
    /// on the others more smoothly, which helps where draws are few.
    UnitInterval,
    /// The context, too, from the same interval.
    UnitIntervalAndContext,
}

/// Initial weights of the networks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InitialWeights {
    /// Weights and biases uniform in `± 1 / sqrt(inputs of the layer)`, those of the last layer times
    /// 0.1: a new flow is close to its base.
    #[default]
    NearIdentity,
    /// Weights normal with variance `1 / inputs of the layer`, cut at two standard deviations (LeCun et
    /// al. 1998), those of the last layer times 0.3, and biases zero: a new flow is less close to its
    /// base, its networks vary more.
    LecunNormal,
}

impl InitialWeights {
    /// How a network with them begins.
    pub(crate) fn of_network(self) -> Initial {
        match self {
            Self::NearIdentity => Initial::Uniform { last: 0.1 },
            Self::LecunNormal => Initial::LecunNormal { last: 0.3 },
        }
    }
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
    fn new(features: usize, context: usize, structure: Structure, bijector: Bijector) -> Self {
        Self {
            features,
            context,
            structure,
            bijector,
            layers: 4,
            hidden: vec![128, 128],
            activation: Activation::Silu,
            inputs: NetworkInputs::default(),
            initial: InitialWeights::default(),
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
        self.bijector.validate()?;
        let bounded = self.bijector.bound().is_some();
        check(
            bounded || self.base == Base::Normal,
            "base",
            "uniform".into(),
            "normal, or a bijector that maps an interval to itself (spline, smooth)",
        )?;
        check(
            bounded || self.inputs == NetworkInputs::Standard,
            "inputs",
            "unit_interval or unit_interval_and_context".into(),
            "standard, or a bijector that maps an interval to itself (spline, smooth)",
        )
    }

    /// What the networks see.
    pub(crate) fn seen(&self) -> Seen {
        let bound = self.bijector.bound();
        match self.inputs {
            NetworkInputs::Standard => Seen { features: None, context: None },
            NetworkInputs::UnitInterval => Seen { features: bound, context: None },
            NetworkInputs::UnitIntervalAndContext => Seen { features: bound, context: bound },
        }
    }

    /// A flow with random weights that depend on `seed` only; `initial` says how close it is to its
    /// base density.
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
