//! What a method leaves: networks with everything needed to use them, in one file.

use std::path::Path;

use burn::tensor::Device;
use flows::training::TrainingReport;
use flows::{Bijector, Flow, Weight, WeightFile};
use serde::{Deserialize, Serialize};

use crate::coordinates::Coordinates;
use crate::error::{Error, Result};
use crate::network::{Network, NetworkDescription};
use crate::observables::Observables;
use crate::posterior::Posterior;
use crate::prior::Prior;
use crate::warning::{Feature, Warning};

const KIND: &str = "sbi estimator";
const SCHEMA: u32 = 3;

/// The outcome of a method: an ensemble of networks, the prior, the units, the trainings.
///
/// [`Estimator::posterior`] applies it to an observation. [`Estimator::save`] stores all of it in one
/// file that [`Estimator::load`] reads anywhere.
#[derive(Clone, Debug)]
pub struct Estimator {
    pub(crate) prior: Prior,
    pub(crate) coordinates: Coordinates,
    pub(crate) observables: Observables,
    pub(crate) networks: Vec<Network>,
    pub(crate) reports: Vec<TrainingReport>,
    pub(crate) simulator_calls: u64,
    /// The observation near which simulations were made, after rounds.
    pub(crate) observation: Option<Vec<f64>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    prior: Prior,
    coordinates: Coordinates,
    observables: Observables,
    networks: Vec<NetworkDescription>,
    reports: Vec<TrainingReport>,
    simulator_calls: u64,
    #[serde(default)]
    observation: Option<Vec<f64>>,
}

impl Estimator {
    /// The prior.
    #[must_use]
    pub fn prior(&self) -> &Prior {
        &self.prior
    }

    /// The training of each network.
    #[must_use]
    pub fn reports(&self) -> &[TrainingReport] {
        &self.reports
    }

    /// Calls of the simulator that the networks have cost.
    #[must_use]
    pub fn simulator_calls(&self) -> u64 {
        self.simulator_calls
    }

    /// Units of the observables.
    #[must_use]
    pub fn observables(&self) -> &Observables {
        &self.observables
    }

    /// The only observation that the estimator can be used for, where its simulations were made near
    /// one ([`Rounds`](crate::rounds::Rounds) after the first); `None` if it is good for all.
    #[must_use]
    pub fn observation(&self) -> Option<&[f64]> {
        self.observation.as_deref()
    }

    /// What is doubtful about it, whatever the observation.
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        let only_normal =
            |flow: &Flow| flow.config().features == 1 && flow.config().bijector == Bijector::Affine;
        match &self.networks[0] {
            Network::Posterior(flow) if only_normal(flow) => {
                warnings.push(Warning::OnlyNormal { feature: Feature::Parameter });
            }
            Network::Likelihood(flow) => {
                if only_normal(flow) {
                    warnings.push(Warning::OnlyNormal { feature: Feature::Observable });
                }
                warnings.extend(self.observables.without_density());
            }
            _ => {}
        }
        warnings
    }

    /// Half width of the box in which a likelihood acts, if there is one.
    pub(crate) fn bound(&self) -> Option<f64> {
        match &self.networks[0] {
            Network::Likelihood(flow) => flow.config().bijector.bound(),
            _ => None,
        }
    }

    /// The posterior of the parameters given the observation `x: [observable]`.
    ///
    /// # Errors
    /// If the observation has another number of observables or is not finite;
    /// [`Error::OtherObservation`] if the estimator was made for another.
    pub fn posterior(&self, x: &[f64]) -> Result<Posterior<'_>> {
        Posterior::new(self, x)
    }

    /// Stores everything in one file: safetensors with a JSON header.
    ///
    /// # Errors
    /// If the device fails or the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let mut weights = Vec::new();
        for (index, network) in self.networks.iter().enumerate() {
            for weight in network.weights()? {
                weights.push(Weight { name: format!("{index}/{}", weight.name), ..weight });
            }
        }
        let header = Header {
            prior: self.prior.clone(),
            coordinates: self.coordinates,
            observables: self.observables.clone(),
            networks: self.networks.iter().map(Network::description).collect(),
            reports: self.reports.clone(),
            simulator_calls: self.simulator_calls,
            observation: self.observation.clone(),
        };
        Ok(WeightFile { header, weights }.write(path, KIND, SCHEMA)?)
    }

    /// Reads what [`Estimator::save`] stored; densities are those they were, to the last bit.
    ///
    /// # Errors
    /// If the file cannot be read, is damaged, of another kind or of a later schema, or holds networks
    /// that do not fit each other, the prior or the units.
    pub fn load(path: &Path, device: &Device) -> Result<Self> {
        let WeightFile { header, weights } = WeightFile::<Header>::read(path, KIND, SCHEMA)?;
        let damaged = |reason: String| Error::File { path: path.to_path_buf(), reason };
        let networks = header
            .networks
            .into_iter()
            .enumerate()
            .map(|(index, network)| {
                let own = weights.iter().filter_map(|weight| {
                    let (of, name) = weight.name.split_once('/')?;
                    let own = of == index.to_string();
                    own.then(|| Weight { name: name.to_owned(), ..weight.clone() })
                });
                network.with_weights(&own.collect::<Vec<_>>(), device)
            })
            .collect::<Result<Vec<_>>>()
            .map_err(|error| damaged(error.to_string()))?;
        let Some(first) = networks.first() else {
            return Err(damaged("it holds no network".into()));
        };
        let expected = [header.prior.dim(), header.observables.seen()];
        if !header.observables.is_consistent() {
            return Err(damaged("its units are of other observables than it has".into()));
        }
        if header.observation.as_ref().is_some_and(|own| own.len() != header.observables.len()) {
            return Err(damaged(
                "its observation is of another length than the observables".into(),
            ));
        }
        for (index, network) in networks.iter().enumerate() {
            if std::mem::discriminant(network) != std::mem::discriminant(first) {
                return Err(damaged(format!(
                    "network {index} estimates a {}, network 0 a {}: an ensemble is of one kind",
                    network.estimates(),
                    first.estimates()
                )));
            }
            if network.shape() != expected {
                return Err(damaged(format!(
                    "network {index} is of {:?} parameters and observables, prior and units are of \
                     {expected:?}",
                    network.shape()
                )));
            }
        }
        Ok(Self {
            prior: header.prior,
            coordinates: header.coordinates,
            observables: header.observables,
            networks,
            reports: header.reports,
            simulator_calls: header.simulator_calls,
            observation: header.observation,
        })
    }
}
