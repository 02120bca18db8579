//! Neural likelihood estimation.
//!
//! A flow `q(x | theta)` is fitted to simulations by `min -E ln q(x | theta)`; the posterior
//! `q(x | theta) p(theta)` of an observation is then sampled by MCMC. The parameters of the
//! simulations may come from anywhere: nothing has to be corrected for their distribution.
//!
//! *When to use.* Several observations of the same parameters, rounds of simulations near an
//! observation, another prior than that of the simulations.
//! *When not.* Many observables (more than about 30): compress them first.
//!
//! # References
//! G. Papamakarios, D. C. Sterratt and I. Murray, "Sequential neural likelihood", AISTATS 2019,
//! arXiv:1805.07226. With scores: see [`ScoreTerm`].

use flows::{Score, Standardiser};
use serde::{Deserialize, Serialize};

use crate::coordinates::Coordinates;
use crate::error::Result;
use crate::estimator::Estimator;
use crate::fit::{FitSettings, Fitting, FlowSettings, check_set};
use crate::network::Network;
use crate::observables::Observables;
use crate::prior::Prior;
use crate::score::{FlowObjective, ScoreTable, ScoreTerm, scores_in_coordinates};
use crate::simulations::Simulations;
use crate::table::{coordinates_of_set, encoded_observables, table};

/// Settings of neural likelihood estimation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NleSettings {
    /// The flow.
    pub flow: FlowSettings,
    /// Training and units.
    pub fit: FitSettings,
    /// Learning from the conditional scores, if wanted.
    pub score: Option<ScoreTerm>,
}

/// Fits the likelihood of the observables to simulations. Networks see the parameters in the normal
/// coordinates of `prior`, whose density becomes part of the posterior.
///
/// # Errors
/// If a setting is out of its domain, the simulations do not fit the prior or are too few, a score
/// is wanted and there is none, or the training fails or is stopped.
pub fn nle(
    prior: &Prior,
    simulations: &Simulations,
    settings: &NleSettings,
    fitting: &mut Fitting<'_>,
) -> Result<Estimator> {
    nle_from(prior, simulations, settings, None, fitting)
}

/// The same, from the weights and with the units of `start`, if it is given.
pub(crate) fn nle_from(
    prior: &Prior,
    simulations: &Simulations,
    settings: &NleSettings,
    start: Option<&Estimator>,
    fitting: &mut Fitting<'_>,
) -> Result<Estimator> {
    check_set(simulations, prior.dim())?;
    let observables = match start {
        Some(start) => start.observables.clone(),
        None => Observables::fit(simulations.x(), settings.fit.scaling)?,
    };
    let coordinates = Coordinates::Normal;
    let (dim, count) = (prior.dim(), observables.len());
    let config = settings.flow.config(count, dim);
    let device = fitting.device.clone();
    let (target, context) = (Standardiser::identity(count), Standardiser::identity(dim));
    let init = |seed| Ok(config.init(target.clone(), context.clone(), seed, &device)?);
    let scores = match &settings.score {
        Some(term) => {
            let (scores, factors) =
                scores_in_coordinates(simulations, prior, coordinates, false, term)?;
            Some(ScoreTable {
                of: Score::Context,
                weight: term.weight,
                scores: table(&scores, dim, &device),
                factors: table(&factors, dim, &device),
            })
        }
        None => None,
    };
    let objective = FlowObjective {
        target: table(&encoded_observables(simulations, &observables)?, count, &device),
        context: table(&coordinates_of_set(simulations, prior, coordinates)?, dim, &device),
        scores,
    };
    let members = match start {
        Some(start) => {
            let flows = start.networks.iter().filter_map(|network| match network {
                Network::Likelihood(flow) => Some(flow.clone()),
                _ => None,
            });
            fitting.train(&objective, &settings.fit, flows.collect())?
        }
        None => fitting.ensemble(&objective, &settings.fit, init)?,
    };
    let (networks, reports) = members
        .into_iter()
        .map(|member| (Network::Likelihood(member.model), member.report))
        .unzip();
    Ok(Estimator {
        prior: prior.clone(),
        coordinates,
        observables,
        networks,
        reports,
        simulator_calls: simulations.calls(),
    })
}
