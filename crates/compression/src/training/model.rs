//! What is trained: a network, and a density where the loss has one.

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use flows::{Flow, Standardiser};

use super::examples::Batch;
use crate::error::{Error, Result};
use crate::loss::{Loss, Rows, vmim};
use crate::network::{Network, NetworkConfig};
use crate::shape::MapShape;

/// A network with the density of the parameters given its outputs.
#[derive(Module, Debug)]
pub struct Model {
    pub network: Network,
    pub flow: Option<Flow>,
}

/// Stream of the initial weights of the density.
const DENSITY: u64 = 0x5eed_0f0d_e251_7a11;

impl Model {
    /// Random weights that depend on `seed` only.
    pub fn new(
        network: &NetworkConfig,
        loss: &Loss,
        shape: MapShape,
        parameters: &Standardiser,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        let d = parameters.features();
        loss.validate(d)?;
        let network = network.init(shape, loss.outputs(d), seed, device)?;
        let flow = loss.density(d).map(|config| {
            let context = Standardiser::identity(config.context);
            config.init(parameters.clone(), context, seed ^ DENSITY, device)
        });
        Ok(Self { network, flow: flow.transpose()? })
    }

    /// Its device, without differentiation.
    pub fn device(&self) -> Device {
        let devices = self.network.devices();
        devices.into_iter().next().expect("a network has weights").without_autodiff()
    }

    /// The loss of a batch, as a number, and as a tensor whose gradient is that of the loss.
    pub fn loss(
        &self,
        loss: &Loss,
        shape: MapShape,
        parameters: usize,
        batch: Batch,
    ) -> Result<(f64, Tensor<1>)> {
        let device = self.device();
        let Batch { maps, parameters: targets, examples, .. } = batch;
        let maps = upload(maps, shape, &device).autodiff();
        let outputs = self.network.forward(maps);
        if let Some(flow) = &self.flow {
            let targets = rows(targets, parameters, &device).autodiff();
            let loss = vmim(flow, outputs, targets);
            return Ok((scalar(loss.clone().inner())?, loss));
        }
        let numbers = numbers(outputs.clone().inner())?;
        let targets: Vec<f64> = targets.into_iter().map(f64::from).collect();
        let data = Rows { outputs: &numbers, targets: &targets, parameters, examples };
        let found = loss.evaluate(&data)?.expect("a loss without density is in closed form");
        let gradient: Vec<f32> = found.gradient.iter().map(|g| *g as f32).collect();
        let [_, width] = outputs.dims();
        let gradient = rows(gradient, width, &device).autodiff();
        Ok((found.value, (outputs * gradient).sum()))
    }

    /// The loss of outputs that are known already; for a model without differentiation.
    pub fn loss_of(
        &self,
        loss: &Loss,
        outputs: &[f64],
        targets: &[f64],
        parameters: usize,
        examples: usize,
    ) -> Result<f64> {
        if let Some(flow) = &self.flow {
            let device = self.device();
            let single = |values: &[f64]| values.iter().map(|x| *x as f32).collect::<Vec<_>>();
            let width = outputs.len() / examples.max(1);
            let outputs = rows(single(outputs), width, &device);
            return scalar(vmim(flow, outputs, rows(single(targets), parameters, &device)));
        }
        let data = Rows { outputs, targets, parameters, examples };
        Ok(loss.evaluate(&data)?.expect("a loss without density is in closed form").value)
    }
}

/// Maps `[map][bin][y][x]` on a device.
pub fn upload(maps: Vec<f32>, shape: MapShape, device: &Device) -> Tensor<4> {
    let MapShape { bins, height, width } = shape;
    let count = maps.len() / shape.numbers();
    Tensor::from_data(TensorData::new(maps, [count, bins, height, width]), device)
}

fn rows(values: Vec<f32>, width: usize, device: &Device) -> Tensor<2> {
    let count = values.len() / width;
    Tensor::from_data(TensorData::new(values, [count, width]), device)
}

/// The numbers of a tensor.
pub fn numbers(tensor: Tensor<2>) -> Result<Vec<f64>> {
    let values = tensor.try_into_vec_as::<f32>().map_err(device_failure)?;
    Ok(values.into_iter().map(f64::from).collect())
}

fn scalar(tensor: Tensor<1>) -> Result<f64> {
    tensor.try_into_scalar::<f32>().map(f64::from).map_err(device_failure)
}

fn device_failure(error: impl std::fmt::Debug) -> Error {
    Error::Device { reason: format!("{error:?}") }
}
