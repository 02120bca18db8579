//! A velocity that carries draws of a normal distribution to draws of a posterior.

use autodiff::tensor::Var;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use flows::{Activation, Mlp, MlpConfig, Standardiser, Weight, load_weights};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::ode::integrate;
use crate::table::table;

/// The network of a velocity, and how its differential equation is solved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VectorFieldSettings {
    /// Width of each hidden layer. Default 3 of 128.
    pub hidden: Vec<usize>,
    /// Nonlinearity. Default SiLU.
    pub activation: Activation,
    /// Frequencies of the sines and cosines of time that the network sees: `pi k t` for `k` from 1
    /// to this number. Default 3.
    pub frequencies: usize,
    /// Standard deviation that is left of the noise at the end, in standard units. Default 1e-4.
    pub sigma_min: f64,
    /// Error tolerated in each step of the solution of the differential equation, in standard
    /// units. Default 1e-4.
    pub tolerance: f64,
}

impl Default for VectorFieldSettings {
    fn default() -> Self {
        Self {
            hidden: vec![128; 3],
            activation: Activation::Silu,
            frequencies: 3,
            sigma_min: 1e-4,
            tolerance: 1e-4,
        }
    }
}

impl VectorFieldSettings {
    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Setting`] with the first field out of its domain.
    pub fn validate(&self) -> Result<()> {
        let check = |valid: bool, field, value: String, expected: &str| {
            let expected = expected.to_owned();
            if valid { Ok(()) } else { Err(Error::Setting { field, value, expected }) }
        };
        let narrowest = self.hidden.iter().copied().min().unwrap_or(0);
        check(narrowest > 0, "hidden", format!("{:?}", self.hidden), "layers of at least 1 unit")?;
        let sigma = self.sigma_min;
        check((0.0..1.0).contains(&sigma), "sigma_min", sigma.to_string(), "from 0 to below 1")?;
        let tolerance = self.tolerance;
        let usable = (1e-6..=0.1).contains(&tolerance);
        check(usable, "tolerance", tolerance.to_string(), "a number from 1e-6 to 0.1")
    }
}

/// `v(t, x, y)` of standardised coordinates `x` of the parameters and observables `y`.
#[derive(Module, Debug)]
pub(crate) struct VectorField {
    network: Mlp,
    #[module(skip)]
    settings: VectorFieldSettings,
    #[module(skip)]
    target: Standardiser,
    #[module(skip)]
    observables: usize,
}

/// Everything about a velocity but its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VectorFieldDescription {
    settings: VectorFieldSettings,
    target: Standardiser,
    observables: usize,
}

impl VectorFieldDescription {
    /// The velocity of this description with these weights.
    pub fn with_weights(self, weights: &[Weight], device: &Device) -> Result<VectorField> {
        let field = VectorField::new(&self.settings, self.target, self.observables, 0, device)?;
        Ok(load_weights(field, weights)?)
    }
}

impl VectorField {
    /// A velocity with random weights.
    pub fn new(
        settings: &VectorFieldSettings,
        target: Standardiser,
        observables: usize,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        settings.validate()?;
        let config = MlpConfig {
            inputs: target.features() + 1 + 2 * settings.frequencies + observables,
            hidden: settings.hidden.clone(),
            outputs: target.features(),
            activation: settings.activation,
        };
        let network = config.init(1.0, &mut ChaCha8Rng::seed_from_u64(seed), device);
        Ok(Self { network, settings: settings.clone(), target, observables })
    }

    /// Everything but its weights.
    pub fn description(&self) -> VectorFieldDescription {
        VectorFieldDescription {
            settings: self.settings.clone(),
            target: self.target.clone(),
            observables: self.observables,
        }
    }

    /// The device of its weights, without differentiation.
    pub fn device(&self) -> Device {
        let devices = self.network.devices();
        devices.into_iter().next().expect("a network has weights").without_autodiff()
    }

    /// Standard deviation that is left of the noise at the end.
    pub fn sigma_min(&self) -> f64 {
        self.settings.sigma_min
    }

    /// What the network sees of each time, `[rows, 1 + 2 frequencies]`.
    fn clock(&self, times: &[f64]) -> Tensor<2> {
        let mut values = Vec::with_capacity(times.len() * (1 + 2 * self.settings.frequencies));
        for time in times {
            values.push(*time);
            for k in 1..=self.settings.frequencies {
                let (sin, cos) = (std::f64::consts::PI * k as f64 * time).sin_cos();
                values.extend([sin, cos]);
            }
        }
        table(&values, 1 + 2 * self.settings.frequencies, &self.device())
    }

    fn inputs(&self, times: &[f64], x: &Var, y: &Var) -> Var {
        let rows = x.dims()[0];
        let clock = match times {
            [_] => self.clock(times).repeat_dim(0, rows),
            _ => self.clock(times),
        };
        Var::concat(&[x, &Var::constant(clock), y])
    }

    /// `v` `[rows, parameter]` at standardised coordinates `x` `[rows, parameter]`, given as many
    /// times and observables `y` `[rows, observable]`, or one time for all.
    pub fn velocity(&self, times: &[f64], x: &Var, y: &Var) -> Var {
        self.network.forward(&self.inputs(times, x, y))
    }

    /// Numbers of parameters and observables.
    pub fn shape(&self) -> [usize; 2] {
        [self.target.features(), self.observables]
    }

    /// Units of the coordinates.
    pub fn target(&self) -> &Standardiser {
        &self.target
    }

    /// One draw per row of `y`, in coordinates, `[row][parameter]`.
    pub fn sample(&self, y: Tensor<2>, rng: &mut ChaCha8Rng) -> Result<Vec<f64>> {
        let (rows, dim) = (y.dims()[0], self.target.features());
        let noise: Vec<f64> = (0..rows * dim).map(|_| StandardNormal.sample(&mut *rng)).collect();
        let (start, y) = (Var::constant(table(&noise, dim, &self.device())), Var::constant(y));
        let end = integrate(
            |time, x| Ok(self.velocity(&[time], x, &y)),
            start,
            [0.0, 1.0],
            self.settings.tolerance,
        )?;
        let end = end.into_value().try_into_vec_as::<f32>();
        let end = end.map_err(|error| flows::Error::Device { reason: format!("{error:?}") })?;
        Ok(self.target.decode(&end))
    }

    /// `ln q(u | y)` `[rows, 1]` of coordinates `u` `[rows, parameter]`.
    ///
    /// With `x(1)` the standardised coordinates and `dx/dt = v`,
    /// `ln q = ln N(x(0); 0, 1) - int_0^1 div v dt - ln |scale|`.
    pub fn log_density(&self, u: &Var, y: &Var) -> Result<Var> {
        let (rows, dim, device) = (u.dims()[0], self.target.features(), self.device());
        let row = |values: &[f64]| Var::constant(table(values, dim, &device));
        let per_unit: Vec<f64> = self.target.scale().iter().map(|scale| 1.0 / scale).collect();
        let x = (u - row(self.target.shift())) * row(&per_unit);
        let nothing = Var::constant(Tensor::zeros([rows, 1], &device));
        let start = integrate(
            |time, state| {
                let inputs = self.inputs(&[time], &state.columns(0..dim), y);
                let (velocity, divergence) = self.network.forward_and_divergence(&inputs);
                Ok(Var::concat(&[&velocity, &divergence]))
            },
            Var::concat(&[&x, &nothing]),
            [1.0, 0.0],
            self.settings.tolerance,
        )?;
        let constant = 0.5 * dim as f64 * (2.0 * std::f64::consts::PI).ln();
        let base = start.columns(0..dim).square().sum(1) * -0.5;
        let shift = (constant + self.target.log_volume()) as f32;
        Ok(base + start.columns(dim..dim + 1) - shift)
    }
}
