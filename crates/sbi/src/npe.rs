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

use flows::{Scaling, Score, Standardiser};
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
    check_set(simulations, prior.dim())?;
    let observables = Observables::fit(simulations.x(), settings.fit.scaling)?;
    let coordinates = settings.coordinates;
    let u = coordinates_of_set(simulations, prior, coordinates)?;
    let dim = prior.dim();
    let target = Standardiser::fit("parameters", &u, dim, Scaling::MeanSd)?;
    let context = Standardiser::identity(observables.len());
    let config = settings.flow.config(dim, observables.len());
    let device = fitting.device.clone();
    let init = |seed| Ok(config.init(target.clone(), context.clone(), seed, &device)?);
    let flow = init(0)?;
    let table = |values: &[f64]| table(values, dim, &device);
    let scores = match &settings.score {
        Some(term) => {
            let (scores, factors) =
                scores_in_coordinates(simulations, prior, coordinates, true, term)?;
            Some(ScoreTable {
                of: Score::Target,
                weight: term.weight,
                scores: table(&scores),
                factors: table(&factors),
            })
        }
        None => None,
    };
    let objective = FlowObjective {
        target: flow.encode_target(&u)?,
        context: flow.encode_context(&encoded_observables(simulations, &observables)?)?,
        scores,
    };
    let members = fitting.ensemble(&objective, &settings.fit, init)?;
    let (networks, reports) =
        members.into_iter().map(|member| (Network::Posterior(member.model), member.report)).unzip();
    Ok(Estimator {
        prior: prior.clone(),
        coordinates,
        observables,
        networks,
        reports,
        simulator_calls: simulations.calls(),
    })
}
