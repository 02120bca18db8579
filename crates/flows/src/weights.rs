//! The weights of any module as named arrays.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor, TensorData};

use crate::error::{Error, Result};

/// A tensor of weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Weight {
    /// Path of the tensor in its module.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its numbers, row by row.
    pub values: Vec<f32>,
}

impl Weight {
    /// The numbers of a tensor.
    ///
    /// # Errors
    /// If the device fails.
    pub(crate) fn of<const D: usize>(name: &str, tensor: Tensor<D>) -> Result<Self> {
        let shape = tensor.dims().to_vec();
        let values = tensor.try_into_vec_as::<f32>();
        let values = values.map_err(|error| Error::Device { reason: format!("{error:?}") })?;
        Ok(Self { name: name.to_owned(), shape, values })
    }

    /// A tensor of its numbers.
    pub(crate) fn into_tensor<const D: usize>(self, device: &Device) -> Tensor<D> {
        Tensor::from_data(TensorData::new(self.values, self.shape), device)
    }
}

#[derive(Default)]
struct Collect {
    path: Vec<String>,
    weights: Vec<Weight>,
    failure: Option<Error>,
}

impl ModuleVisitor for Collect {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        match Weight::of(&self.path.join("."), param.val()) {
            Ok(weight) => self.weights.push(weight),
            Err(error) => self.failure = Some(error),
        }
    }
}

/// All weights of a module, in a fixed order.
///
/// # Errors
/// If the device fails.
pub fn named_weights(module: &impl Module) -> Result<Vec<Weight>> {
    let mut collect = Collect::default();
    module.visit(&mut collect);
    match collect.failure {
        Some(error) => Err(error),
        None => Ok(collect.weights),
    }
}

struct Assign<'a> {
    path: Vec<String>,
    weights: BTreeMap<&'a str, &'a Weight>,
    failure: Option<Error>,
}

impl ModuleMapper for Assign<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.path.join(".");
        let shape = param.val().dims().to_vec();
        let reason = match self.weights.remove(name.as_str()) {
            Some(weight) if weight.shape == shape => {
                let data = TensorData::new(weight.values.clone(), shape);
                return param.map(|before| {
                    let plain = Tensor::from_data(data, &before.device().without_autodiff());
                    if before.is_autodiff() {
                        plain.autodiff().set_require_grad(before.is_require_grad())
                    } else {
                        plain
                    }
                });
            }
            Some(weight) => format!("shape {:?} expected, found {:?}", shape, weight.shape),
            None => "they are missing".to_owned(),
        };
        self.failure.get_or_insert(Error::Weights { name, reason });
        param
    }
}

/// The module with its weights replaced by those of the same names.
///
/// # Errors
/// [`Error::Weights`] if one is missing, superfluous or of another shape.
pub fn load_weights<M: Module>(module: M, weights: &[Weight]) -> Result<M> {
    let named = weights.iter().map(|weight| (weight.name.as_str(), weight)).collect();
    let mut assign = Assign { path: Vec::new(), weights: named, failure: None };
    let module = module.map(&mut assign);
    if let Some(error) = assign.failure {
        return Err(error);
    }
    match assign.weights.into_keys().next() {
        Some(name) => {
            let reason = "the module has no such tensor".to_owned();
            Err(Error::Weights { name: name.to_owned(), reason })
        }
        None => Ok(module),
    }
}
