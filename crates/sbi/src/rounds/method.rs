//! What distinguishes the methods: where a round simulates and how it learns.

use serde::{Deserialize, Serialize};

use super::proposal::{RoundProposal, from_posterior};
use super::snle::SnleSettings;
use super::snpe::{self, SnpeSettings};
use super::snre::SnreSettings;
use super::tsnpe::{self, TsnpeSettings};
use crate::coordinates::Coordinates;
use crate::error::{Error, Result};
use crate::estimator::Estimator;
use crate::fit::Fitting;
use crate::network::Network;
use crate::posterior::{Posterior, SampleSettings};
use crate::prior::Prior;
use crate::simulations::Simulations;

/// A sequential method.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Posterior estimation with atomic proposals (SNPE-C, APT).
    Snpe(SnpeSettings),
    /// Posterior estimation with truncated proposals.
    Tsnpe(TsnpeSettings),
    /// Likelihood estimation.
    Snle(SnleSettings),
    /// Ratio estimation.
    Snre(SnreSettings),
}

impl Method {
    /// Checks every field that is not checked by a training.
    ///
    /// # Errors
    /// [`Error::Setting`] with the first field out of its domain.
    pub fn validate(&self) -> Result<()> {
        match self {
            Self::Snpe(settings) => settings.validate(),
            Self::Tsnpe(settings) => settings.validate(),
            Self::Snle(settings) => settings.validate(),
            Self::Snre(settings) => settings.validate(),
        }
    }

    /// The coordinates in which its networks work.
    pub(super) fn coordinates(&self) -> Coordinates {
        match self {
            Self::Snpe(settings) => settings.npe.coordinates,
            Self::Tsnpe(settings) => settings.npe.coordinates,
            Self::Snle(_) | Self::Snre(_) => Coordinates::Normal,
        }
    }

    /// True if the networks of an estimator are of this method.
    pub(super) fn made(&self, estimator: &Estimator) -> bool {
        let own = |network: &Network| match self {
            Self::Snpe(_) | Self::Tsnpe(_) => matches!(network, Network::Posterior(_)),
            Self::Snle(_) => matches!(network, Network::Likelihood(_)),
            Self::Snre(_) => matches!(network, Network::Ratio(_)),
        };
        estimator.networks.iter().all(own)
    }

    /// Parameters of a round after the first.
    pub(super) fn propose(
        &self,
        prior: &Prior,
        posterior: &Posterior<'_>,
        count: usize,
        seed: u64,
    ) -> Result<RoundProposal> {
        match self {
            Self::Snpe(settings) => {
                let sampling = SampleSettings::default();
                from_posterior(prior, posterior, &sampling, settings.prior_fraction, count, seed)
            }
            Self::Snle(SnleSettings { sampling, prior_fraction, .. })
            | Self::Snre(SnreSettings { sampling, prior_fraction, .. }) => {
                from_posterior(prior, posterior, sampling, *prior_fraction, count, seed)
            }
            Self::Tsnpe(settings) => tsnpe::propose(prior, posterior, settings, count, seed),
        }
    }

    /// Learns from the simulations of all rounds, of which the first `first` are of the first; with
    /// the networks of `start` to begin with, if wanted.
    pub(super) fn train(
        &self,
        prior: &Prior,
        simulations: &Simulations,
        first: usize,
        start: Option<&Estimator>,
        fitting: &mut Fitting<'_>,
    ) -> Result<Estimator> {
        match self {
            Self::Snpe(settings) => {
                snpe::train(prior, simulations, settings, first, start, fitting)
            }
            Self::Tsnpe(settings) => {
                crate::npe::npe_from(prior, simulations, &settings.npe, start, fitting)
            }
            Self::Snle(settings) => {
                crate::nle::nle_from(prior, simulations, &settings.nle, start, fitting)
            }
            Self::Snre(settings) => {
                crate::nre::nre_from(prior, simulations, &settings.nre, start, fitting)
            }
        }
    }
}

/// Refuses a fraction of proposals from the prior that is none.
pub(super) fn check_fraction(fraction: f64) -> Result<()> {
    if (0.0..=1.0).contains(&fraction) {
        return Ok(());
    }
    let (value, expected) = (fraction.to_string(), "a number from 0 to 1".into());
    Err(Error::Setting { field: "prior_fraction", value, expected })
}
