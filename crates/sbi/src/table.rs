//! Simulations as tensors.

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::coordinates::Coordinates;
use crate::error::{Error, Result};
use crate::observables::Observables;
use crate::prior::Prior;
use crate::simulations::Simulations;

/// Rows of `columns` numbers as a tensor `[row, column]`.
pub(crate) fn table(values: &[f64], columns: usize, device: &Device) -> Tensor<2> {
    let single: Vec<f32> = values.iter().map(|value| *value as f32).collect();
    let rows = values.len().checked_div(columns).unwrap_or(0);
    Tensor::from_data(TensorData::new(single, [rows, columns]), device)
}

/// Some rows of a table.
pub(crate) fn pick(table: &Tensor<2>, rows: &[usize]) -> Tensor<2> {
    let indices: Vec<i32> = rows.iter().map(|row| *row as i32).collect();
    let device = table.device();
    table.clone().select(0, Tensor::<1, Int>::from_ints(indices.as_slice(), &device))
}

/// Coordinates of the parameters of every simulation, `[row][parameter]`.
pub(crate) fn coordinates_of_set(
    simulations: &Simulations,
    prior: &Prior,
    coordinates: Coordinates,
) -> Result<Vec<f64>> {
    let mut all = Vec::with_capacity(simulations.len() * prior.dim());
    for (row, theta) in simulations.theta().rows().into_iter().enumerate() {
        let theta = theta.to_vec();
        let u = coordinates.of(prior, &theta);
        if let Some(index) = u.iter().position(|value| !value.is_finite()) {
            let what = format!("row {row} of theta, which must lie within the prior: theta");
            return Err(Error::NotFinite { what, index, value: theta[index] });
        }
        all.extend(u);
    }
    Ok(all)
}

/// Observables of every simulation as networks see them, `[row][observable]`.
pub(crate) fn encoded_observables(
    simulations: &Simulations,
    observables: &Observables,
) -> Result<Vec<f64>> {
    let x: Vec<f64> = simulations.x().iter().copied().collect();
    observables.encode(&x)
}
