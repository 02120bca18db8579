//! Numbers that belong to the weights of a module, such as moments of gradients or means.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::{Device, Tensor};

use crate::error::{Error, Result};
use crate::weights::Weight;

/// A flat tensor for each tensor of weights of a module, by the identity of the weights.
#[derive(Clone, Debug, Default)]
pub struct PerWeight {
    tensors: BTreeMap<ParamId, Tensor<1>>,
}

impl PerWeight {
    /// From what is [stored](Self::stored) of the weights of such a module.
    ///
    /// # Errors
    /// If the module has no weights of such a name and size.
    pub fn read(model: &impl Module, stored: Vec<Weight>, device: &Device) -> Result<Self> {
        let mut of_name: BTreeMap<String, (ParamId, usize)> =
            places(model).into_iter().map(|place| (place.name, (place.id, place.count))).collect();
        let tensors = stored.into_iter().map(|weight| {
            let found = weight.values.len();
            match of_name.remove(&weight.name) {
                Some((id, count)) if found == count => Ok((id, weight.into_tensor(device))),
                Some((_, count)) => {
                    let reason = format!("{count} numbers expected, found {found}");
                    Err(Error::Weights { name: weight.name, reason })
                }
                None => {
                    let reason = "the module has no such tensor".to_owned();
                    Err(Error::Weights { name: weight.name, reason })
                }
            }
        });
        Ok(Self { tensors: tensors.collect::<Result<_>>()? })
    }

    /// The tensors with the names of the weights of their module.
    ///
    /// # Errors
    /// If the device fails.
    pub fn stored(&self, model: &impl Module) -> Result<Vec<Weight>> {
        places(model)
            .into_iter()
            .filter_map(|place| {
                let tensor = self.tensors.get(&place.id)?;
                Some(Weight::of(&place.name, tensor.clone()))
            })
            .collect()
    }

    /// That of some weights.
    #[must_use]
    pub fn get(&self, id: ParamId) -> Option<&Tensor<1>> {
        self.tensors.get(&id)
    }

    /// The same, which is then no longer here.
    pub fn take(&mut self, id: ParamId) -> Option<Tensor<1>> {
        self.tensors.remove(&id)
    }

    /// Sets that of some weights.
    pub fn put(&mut self, id: ParamId, tensor: Tensor<1>) {
        self.tensors.insert(id, tensor);
    }
}

/// A tensor of weights in its module.
struct Place {
    name: String,
    id: ParamId,
    /// Number of its entries.
    count: usize,
}

#[derive(Default)]
struct Collect {
    path: Vec<String>,
    places: Vec<Place>,
}

impl ModuleVisitor for Collect {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let count = param.val().dims().iter().product();
        self.places.push(Place { name: self.path.join("."), id: param.id, count });
    }
}

/// All weights of a module.
fn places(module: &impl Module) -> Vec<Place> {
    let mut collect = Collect::default();
    module.visit(&mut collect);
    collect.places
}
