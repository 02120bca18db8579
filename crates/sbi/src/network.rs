//! What a network estimates, and how it becomes a log density of the parameters.

use autodiff::tensor::Var;
use burn::tensor::{Device, Tensor, TensorData};
use flows::{Flow, FlowDescription, Weight, named_weights};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::ratio::{Ratio, RatioDescription};
use crate::vector_field::{VectorField, VectorFieldDescription};

/// A trained network.
#[derive(Clone, Debug)]
pub(crate) enum Network {
    /// `q(u | y)`.
    Posterior(Flow),
    /// `q(y | u)`.
    Likelihood(Flow),
    /// The velocity that leads to draws of `q(u | y)`.
    VectorField(VectorField),
    /// `ln q(y | u) / q(y)`, up to a function of `y`.
    Ratio(Ratio),
}

/// Everything about a network but its weights.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NetworkDescription {
    /// Of [`Network::Posterior`].
    Posterior(FlowDescription),
    /// Of [`Network::Likelihood`].
    Likelihood(FlowDescription),
    /// Of [`Network::VectorField`].
    VectorField(VectorFieldDescription),
    /// Of [`Network::Ratio`].
    Ratio(RatioDescription),
}

impl Network {
    /// Everything about it but its weights.
    pub fn description(&self) -> NetworkDescription {
        match self {
            Self::Posterior(flow) => NetworkDescription::Posterior(flow.description()),
            Self::Likelihood(flow) => NetworkDescription::Likelihood(flow.description()),
            Self::VectorField(field) => NetworkDescription::VectorField(field.description()),
            Self::Ratio(ratio) => NetworkDescription::Ratio(ratio.description()),
        }
    }

    /// What it estimates.
    pub fn estimates(&self) -> &'static str {
        match self {
            Self::Posterior(_) => "posterior",
            Self::Likelihood(_) => "likelihood",
            Self::VectorField(_) => "velocity",
            Self::Ratio(_) => "ratio",
        }
    }

    /// Its weights by name.
    pub fn weights(&self) -> Result<Vec<Weight>> {
        Ok(match self {
            Self::Posterior(flow) | Self::Likelihood(flow) => named_weights(flow)?,
            Self::VectorField(field) => named_weights(field)?,
            Self::Ratio(ratio) => named_weights(ratio)?,
        })
    }

    /// Numbers of parameters and observables that it is of.
    pub fn shape(&self) -> [usize; 2] {
        match self {
            Self::Posterior(flow) => [flow.target().features(), flow.context().features()],
            Self::Likelihood(flow) => [flow.context().features(), flow.target().features()],
            Self::VectorField(field) => field.shape(),
            Self::Ratio(ratio) => ratio.shape(),
        }
    }

    /// The device of its weights.
    pub fn device(&self) -> Device {
        match self {
            Self::Posterior(flow) | Self::Likelihood(flow) => flow.device(),
            Self::VectorField(field) => field.device(),
            Self::Ratio(ratio) => ratio.device(),
        }
    }

    /// `ln q(u | y)` `[rows, 1]` of coordinates `u` `[rows, parameter]` given observables `y`
    /// `[rows, observable]`; up to a constant, and with a standard normal prior, for likelihoods and
    /// ratios.
    ///
    /// # Errors
    /// If a differential equation cannot be solved.
    pub fn log_density(&self, u: &Var, y: &Tensor<2>) -> Result<Var> {
        let y = Var::constant(y.clone());
        Ok(match self {
            Self::Posterior(flow) => {
                let row = |values: Vec<f64>| {
                    let single: Vec<f32> = values.iter().map(|value| *value as f32).collect();
                    let data = TensorData::new(single, [1, values.len()]);
                    Var::constant(Tensor::from_data(data, &flow.device()))
                };
                let shift = row(flow.target().shift().to_vec());
                let per_unit = row(flow.target().scale().iter().map(|s| 1.0 / s).collect());
                flow.log_density(&((u - shift) * per_unit), &y)
            }
            Self::Likelihood(flow) => flow.log_density(&y, u) + log_prior(u),
            Self::VectorField(field) => field.log_density(u, &y)?,
            Self::Ratio(ratio) => ratio.log_ratio(u, &y) + log_prior(u),
        })
    }

    /// True if it samples.
    pub fn samples(&self) -> bool {
        matches!(self, Self::Posterior(_) | Self::VectorField(_))
    }

    /// One draw of `q(u | y)` per row of `y`, `[row][parameter]`; `None` for a network that does
    /// not sample.
    pub fn sample(&self, y: Tensor<2>, rng: &mut ChaCha8Rng) -> Result<Option<Vec<f64>>> {
        Ok(match self {
            Self::Posterior(flow) => Some(flow.decode_target(flow.sample(y, rng)?)?),
            Self::VectorField(field) => Some(field.sample(y, rng)?),
            Self::Likelihood(_) | Self::Ratio(_) => None,
        })
    }
}

/// Log density of independent standard normals, `[rows, 1]`.
fn log_prior(u: &Var) -> Var {
    let constant = 0.5 * u.dims()[1] as f64 * (2.0 * std::f64::consts::PI).ln();
    u.square().sum(1) * -0.5 - constant as f32
}

impl NetworkDescription {
    /// The network of this description with these weights.
    pub fn with_weights(self, weights: &[Weight], device: &Device) -> Result<Network> {
        Ok(match self {
            Self::Posterior(flow) => Network::Posterior(flow.with_weights(weights, device)?),
            Self::Likelihood(flow) => Network::Likelihood(flow.with_weights(weights, device)?),
            Self::VectorField(field) => Network::VectorField(field.with_weights(weights, device)?),
            Self::Ratio(ratio) => Network::Ratio(ratio.with_weights(weights, device)?),
        })
    }
}
