//! A classifier whose logit is a log ratio of densities.

use autodiff::tensor::Var;
use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use flows::{Activation, Mlp, MlpConfig, Standardiser, Weight, load_weights};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Factor on the initial weights of the last layer: a new network knows of no dependence.
const LAST_LAYER: f64 = 0.1;

/// The network of a ratio.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RatioSettings {
    /// Width of each hidden layer. Default 3 of 48.
    pub hidden: Vec<usize>,
    /// Nonlinearity. Default SiLU: the ratio, which is sampled with its gradient, is smooth.
    pub activation: Activation,
}

impl Default for RatioSettings {
    fn default() -> Self {
        Self { hidden: vec![48; 3], activation: Activation::Silu }
    }
}

/// `f(u, y)`, an estimate of `ln p(y | u) / p(y)` (up to a function of `y`, as the loss has it).
#[derive(Module, Debug)]
pub(crate) struct Ratio {
    network: Mlp,
    #[module(skip)]
    settings: RatioSettings,
    #[module(skip)]
    coordinates: Standardiser,
    #[module(skip)]
    observables: usize,
}

/// Everything about a ratio but its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RatioDescription {
    settings: RatioSettings,
    coordinates: Standardiser,
    observables: usize,
}

impl RatioDescription {
    /// The ratio of this description with these weights.
    pub fn with_weights(self, weights: &[Weight], device: &Device) -> Result<Ratio> {
        let ratio = Ratio::new(&self.settings, self.coordinates, self.observables, 0, device)?;
        Ok(load_weights(ratio, weights)?)
    }
}

impl Ratio {
    /// A ratio with random weights, of parameters in the given units.
    ///
    /// # Errors
    /// If a hidden layer has no unit.
    pub fn new(
        settings: &RatioSettings,
        coordinates: Standardiser,
        observables: usize,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        if settings.hidden.contains(&0) {
            let (value, expected) = (format!("{:?}", settings.hidden), "at least 1 unit per layer");
            return Err(Error::Setting { field: "hidden", value, expected: expected.into() });
        }
        let config = MlpConfig {
            inputs: coordinates.features() + observables,
            hidden: settings.hidden.clone(),
            outputs: 1,
            activation: settings.activation,
        };
        let network = config.init(LAST_LAYER, &mut ChaCha8Rng::seed_from_u64(seed), device);
        Ok(Self { network, settings: settings.clone(), coordinates, observables })
    }

    /// Everything but its weights.
    pub fn description(&self) -> RatioDescription {
        RatioDescription {
            settings: self.settings.clone(),
            coordinates: self.coordinates.clone(),
            observables: self.observables,
        }
    }

    /// Numbers of parameters and observables.
    pub fn shape(&self) -> [usize; 2] {
        [self.coordinates.features(), self.observables]
    }

    /// The device of its weights, without differentiation.
    pub fn device(&self) -> Device {
        let devices = self.devices();
        devices.into_iter().next().expect("a network has weights").without_autodiff()
    }

    /// `f` `[rows, 1]` of coordinates `u` `[rows, parameter]` and observables `y`
    /// `[rows, observable]`.
    pub fn log_ratio(&self, u: &Var, y: &Var) -> Var {
        let row = |values: Vec<f32>| {
            let data = TensorData::new(values, [1, self.coordinates.features()]);
            Var::constant(Tensor::from_data(data, &self.device()))
        };
        let shift = row(self.coordinates.shift().iter().map(|shift| *shift as f32).collect());
        let per_unit = self.coordinates.scale().iter().map(|scale| (1.0 / scale) as f32).collect();
        let standard = (u - shift) * row(per_unit);
        self.network.forward(&Var::concat(&[&standard, y]))
    }
}
