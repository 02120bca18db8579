//! Neural posterior estimation.
//!
//! A flow `q(theta | x)` is fitted to pairs from the joint density by
//! `min -E_{p(theta) p(x | theta)} ln q(theta | x)`, which is the expected Kullback-Leibler
//! divergence from the posterior up to a constant. It serves every observation at once.
//!
//! *When to use.* First: fast to sample, amortised, calibrated by construction of its loss.
//! *When not.* When simulations come from elsewhere than the prior (use rounds with a correction,
//! or the likelihood), or when the posterior is much narrower than the prior and simulations are
//! dear (use rounds).
//!
//! # References
//! G. Papamakarios and I. Murray, "Fast epsilon-free inference of simulation models with Bayesian
//! conditional density estimation", NeurIPS 2016, arXiv:1605.06376. With scores: see
//! [`ScoreTerm`].

use burn::tensor::{Device, Tensor};
use flows::training::Trained;
use flows::{Flow, Scaling, Score, Standardiser};
use serde::{Deserialize, Serialize};

use crate::coordinates::Coordinates;
use crate::error::{Error, Result};
use crate::estimator::Estimator;
use crate::fit::{FitSettings, Fitting, FlowSettings, check_set};
use crate::network::Network;
use crate::observables::Observables;
use crate::prior::Prior;
use crate::score::{FlowObjective, ScoreTable, ScoreTerm, scores_in_coordinates};
use crate::simulations::Simulations;
use crate::table::{coordinates_of_set, encoded_observables, table};

/// Settings of neural posterior estimation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NpeSettings {
    /// The flow.
    pub flow: FlowSettings,
    /// Training and units.
    pub fit: FitSettings,
    /// Coordinates of the parameters.
    pub coordinates: Coordinates,
    /// Learning from scores, if wanted.
    pub score: Option<ScoreTerm>,
}

/// Fits the posterior of the parameters to simulations whose parameters were drawn from `prior`.
///
/// # Errors
/// If a setting is out of its domain, the simulations do not fit the prior or are too few, a score
/// is wanted and there is none, or the training fails or is stopped.
pub fn npe(
    prior: &Prior,
    simulations: &Simulations,
    settings: &NpeSettings,
    fitting: &mut Fitting<'_>,
) -> Result<Estimator> {
    npe_from(prior, simulations, settings, None, fitting)
}

/// The same, from the weights and with the units of `start`, if it is given.
pub(crate) fn npe_from(
    prior: &Prior,
    simulations: &Simulations,
    settings: &NpeSettings,
    start: Option<&Estimator>,
    fitting: &mut Fitting<'_>,
) -> Result<Estimator> {
    let device = fitting.device.clone();
    let prepared = Prepared::new(prior, simulations, settings, start, &device)?;
    let table = |values: &[f64]| table(values, prior.dim(), &device);
    let scores = match &settings.score {
        Some(term) => {
            let (scores, factors) =
                scores_in_coordinates(simulations, prior, settings.coordinates, true, term)?;
            Some(ScoreTable {
                of: Score::Target,
                weight: term.weight,
                scores: table(&scores),
                factors: table(&factors),
            })
        }
        None => None,
    };
    let (target, context) = (prepared.target.clone(), prepared.context.clone());
    let objective = FlowObjective { target, context, scores };
    let members = fitting.train(&objective, &settings.fit, prepared.models.clone())?;
    Ok(prepared.estimator(prior, simulations, members))
}

/// Simulations as flows of the posterior see them, and these flows.
pub(crate) struct Prepared {
    coordinates: Coordinates,
    observables: Observables,
    /// Coordinates of the parameters, `[row][parameter]`.
    pub u: Vec<f64>,
    /// The same in standard units.
    pub target: Tensor<2>,
    /// The observables.
    pub context: Tensor<2>,
    /// A flow for each member of the ensemble, not yet trained.
    pub models: Vec<Flow>,
}

impl Prepared {
    pub fn new(
        prior: &Prior,
        simulations: &Simulations,
        settings: &NpeSettings,
        start: Option<&Estimator>,
        device: &Device,
    ) -> Result<Self> {
        check_set(simulations, prior.dim())?;
        let coordinates = settings.coordinates;
        let u = coordinates_of_set(simulations, prior, coordinates)?;
        let (observables, models) = match start {
            Some(start) => {
                let flows = start.networks.iter().filter_map(|network| match network {
                    Network::Posterior(flow) => Some(flow.clone()),
                    _ => None,
                });
                (start.observables.clone(), flows.collect::<Vec<_>>())
            }
            None => {
                let observables = Observables::fit(simulations.x(), settings.fit.scaling)?;
                let target = Standardiser::fit("parameters", &u, prior.dim(), Scaling::MeanSd)?;
                let context = Standardiser::identity(observables.len());
                let config = settings.flow.config(prior.dim(), observables.len());
                let init = |seed| config.init(target.clone(), context.clone(), seed, device);
                (observables, settings.fit.seeds().map(init).collect::<flows::Result<_>>()?)
            }
        };
        let Some(flow) = models.first() else {
            let (value, expected) = ("0".into(), "at least 1".into());
            return Err(Error::Setting { field: "members", value, expected });
        };
        let target = flow.encode_target(&u)?;
        let context = flow.encode_context(&encoded_observables(simulations, &observables)?)?;
        Ok(Self { coordinates, observables, u, target, context, models })
    }

    /// What the trained flows amount to.
    pub fn estimator(
        self,
        prior: &Prior,
        simulations: &Simulations,
        members: Vec<Trained<Flow>>,
    ) -> Estimator {
        let (networks, reports) = members
            .into_iter()
            .map(|member| (Network::Posterior(member.model), member.report))
            .unzip();
        Estimator {
            prior: prior.clone(),
            coordinates: self.coordinates,
            observables: self.observables,
            networks,
            reports,
            simulator_calls: simulations.calls(),
        }
    }
}
