//! What all methods share: settings of networks and trainings, the observer, ensembles.

use std::ops::ControlFlow;
use std::path::Path;

use burn::tensor::Device;
use flows::training::{Objective, Trained, TrainingProgress, TrainingSettings, train};
use flows::{
    Activation, Bijector, FlowConfig, InitialWeights, NetworkInputs, Permutation, Scaling,
};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::simulations::Simulations;

/// A family of flows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// Affine couplings: [`FlowConfig::affine`].
    Affine,
    /// Rational-quadratic spline couplings: [`FlowConfig::spline`].
    Spline,
    /// Autoregressive splines: [`FlowConfig::autoregressive_spline`].
    #[default]
    AutoregressiveSpline,
    /// Masked autoregressive flow: [`FlowConfig::maf`], whose layers have random orders where there
    /// are more than two features. Faster, and better for likelihoods of many observables; but
    /// outliers among them widen it.
    Maf,
    /// Smooth couplings: [`FlowConfig::smooth`].
    Smooth,
}

/// Settings of a flow; `None` leaves the family's own choice.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FlowSettings {
    /// The family.
    pub family: Family,
    /// Number of layers.
    pub layers: Option<usize>,
    /// Width of each hidden layer.
    pub hidden: Option<Vec<usize>>,
    /// Nonlinearity.
    pub activation: Option<Activation>,
    /// What the networks see of features and context.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inputs: Option<NetworkInputs>,
    /// Initial weights of the networks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial: Option<InitialWeights>,
    /// Order of the features between layers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permutation: Option<Permutation>,
    /// The bijector, where another than the family's is wanted.
    pub bijector: Option<Bijector>,
}

impl FlowSettings {
    /// The flow of `features` features given `context` features.
    #[must_use]
    pub fn config(&self, features: usize, context: usize) -> FlowConfig {
        let own = match self.family {
            Family::Affine => FlowConfig::affine(features, context),
            Family::Spline => FlowConfig::spline(features, context),
            Family::AutoregressiveSpline => FlowConfig::autoregressive_spline(features, context),
            Family::Maf if features > 2 => FlowConfig {
                permutation: Permutation::Random { seed: 0 },
                ..FlowConfig::maf(features, context)
            },
            Family::Maf => FlowConfig::maf(features, context),
            Family::Smooth => FlowConfig::smooth(features, context),
        };
        FlowConfig {
            layers: self.layers.unwrap_or(own.layers),
            hidden: self.hidden.clone().unwrap_or(own.hidden),
            activation: self.activation.unwrap_or(own.activation),
            inputs: self.inputs.unwrap_or(own.inputs),
            initial: self.initial.unwrap_or(own.initial),
            permutation: self.permutation.unwrap_or(own.permutation),
            bijector: self.bijector.unwrap_or(own.bijector),
            ..own
        }
    }
}

/// How networks are fitted to simulations, whatever the method.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FitSettings {
    /// The training of each network.
    pub training: TrainingSettings,
    /// How the units of observables are found. Default robust.
    pub scaling: Scaling,
    /// Networks of the ensemble, which differ by their seeds; densities are averaged. Default 1.
    pub members: usize,
}

impl Default for FitSettings {
    fn default() -> Self {
        Self { training: TrainingSettings::default(), scaling: Scaling::default(), members: 1 }
    }
}

impl FitSettings {
    /// Refuses an ensemble without members.
    pub(crate) fn require_members(&self) -> Result<()> {
        if self.members > 0 {
            return Ok(());
        }
        let (value, expected) = ("0".into(), "at least 1".into());
        Err(Error::Setting { field: "members", value, expected })
    }

    /// The seed of each member of the ensemble.
    pub(crate) fn seeds(&self) -> impl Iterator<Item = u64> {
        let first = self.training.seed;
        (0..self.members).map(move |member| first.wrapping_add(member as u64))
    }
}

/// How far a fit is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FitProgress {
    /// Index of the network at work.
    pub member: usize,
    /// Networks to train.
    pub members: usize,
    /// Its training.
    pub training: TrainingProgress,
}

/// Where a fit runs and whom it tells.
pub struct Fitting<'a> {
    /// The device of the networks.
    pub device: &'a Device,
    /// Folder for checkpoints; a fit that was killed continues from them when repeated with the
    /// same settings and data.
    pub checkpoints: Option<&'a Path>,
    /// Hears of every step; stops the fit by returning [`ControlFlow::Break`].
    pub observer: &'a mut dyn FnMut(&FitProgress) -> ControlFlow<()>,
}

impl Fitting<'_> {
    /// Trains each member of an ensemble from the weights it has.
    pub(crate) fn train<O: Objective>(
        &mut self,
        objective: &O,
        settings: &FitSettings,
        models: Vec<O::Model>,
    ) -> Result<Vec<Trained<O::Model>>> {
        let members = models.len();
        let each = models.into_iter().zip(settings.seeds()).enumerate();
        each.map(|(member, (model, seed))| {
            let training = TrainingSettings { seed, ..settings.training.clone() };
            let path =
                self.checkpoints.map(|folder| folder.join(format!("member-{member}.safetensors")));
            let mut tell = |training: &TrainingProgress| {
                (self.observer)(&FitProgress { member, members, training: *training })
            };
            Ok(train(objective, model, &training, path.as_deref(), &mut tell)?)
        })
        .collect()
    }
}

/// Refuses sets that nothing can be learnt from.
pub(crate) fn check_set(set: &Simulations, parameters: usize) -> Result<()> {
    if set.parameters() != parameters {
        return Err(Error::Shape {
            what: "parameters of the simulations".into(),
            expected: vec![parameters],
            found: vec![set.parameters()],
        });
    }
    if set.len() < 2 {
        return Err(Error::TooFew { what: "simulations", minimum: 2, found: set.len() });
    }
    let Some(&row) = set.non_finite().first() else { return Ok(()) };
    for (name, array) in [("x", Some(set.x())), ("score", set.scores())] {
        let Some(array) = array else { continue };
        if let Some(index) = array.row(row).iter().position(|value| !value.is_finite()) {
            let what = format!("row {row} of the simulations: {name}");
            return Err(Error::NotFinite { what, index, value: array[[row, index]] });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masked_flows_have_random_orders_beyond_two_features() {
        let order = |family, features, permutation| {
            let settings = FlowSettings { family, permutation, ..FlowSettings::default() };
            settings.config(features, 1).permutation
        };
        let random = |order| matches!(order, Permutation::Random { .. });
        assert!(random(order(Family::Maf, 3, None)));
        // a random order of two may be the one before
        assert_eq!(order(Family::Maf, 2, None), Permutation::Reverse);
        assert_eq!(order(Family::Maf, 3, Some(Permutation::Reverse)), Permutation::Reverse);
        assert_eq!(order(Family::Spline, 3, None), Permutation::Reverse);
        assert!(random(order(Family::Spline, 3, Some(Permutation::Random { seed: 1 }))));
    }
}
