//! Neural likelihood estimation.
//!
//! A flow `q(x | theta)` is fitted to simulations by `min -E ln q(x | theta)`; the posterior
//! `q(x | theta) p(theta)` of an observation is then sampled by MCMC. The parameters of the
//! simulations may come from anywhere: nothing has to be corrected for their distribution.
//!
//! *Shapes.* As those of [`npe`](mod@crate::npe), the other way round: the flow is a density of
//! observables in standard units `[row, observable]` given the parameters in the prior's normal
//! coordinates `[row, parameter]`, and gives `ln q` `[row, 1]`. Densities of the posterior are
//! known up to a constant.
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
use crate::error::{Error, Result};
use crate::estimator::Estimator;
use crate::fit::{FitSettings, Fitting, FlowSettings};
use crate::network::Network;
use crate::prior::Prior;
use crate::score::{FlowObjective, ScoreTable, ScoreTerm};
use crate::setup::{Kind, Problem};
use crate::simulations::Simulations;
use crate::table::table;

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
/// coordinates of `prior`, whose density becomes part of the posterior. How, and when to use it:
/// see the [module](mod@crate::nle).
///
/// # Errors
/// If a setting is out of its domain, the simulations do not fit the prior or are too few, a score
/// is wanted and there is none, or the training fails or is stopped; [`Error::Constant`] if an
/// observable is the same in all simulations.
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
    let device = fitting.device.clone();
    let coordinates = Coordinates::Normal;
    let problem = Problem { prior, simulations, coordinates, fit: &settings.fit, start };
    let kind = Kind {
        wrap: Network::Likelihood,
        unwrap: |network| match network {
            Network::Likelihood(flow) => Some(flow),
            _ => None,
        },
    };
    let dim = prior.dim();
    let setup = problem.set_up(&kind, |_, observables, seed| {
        let (target, context) = (Standardiser::identity(observables), Standardiser::identity(dim));
        Ok(settings.flow.config(observables, dim).init(target, context, seed, &device)?)
    })?;
    require_variation(simulations)?;
    let objective = FlowObjective {
        target: table(&setup.y, simulations.observables(), &device),
        context: table(&setup.u, dim, &device),
        scores: ScoreTable::new(settings.score, Score::Context, &problem, &device)?,
    };
    setup.train(&objective, fitting)
}

/// Refuses observables that are the same in all simulations.
fn require_variation(simulations: &Simulations) -> Result<()> {
    for (observable, values) in simulations.x().columns().into_iter().enumerate() {
        let first = values[0];
        if values.iter().all(|value| *value == first) {
            return Err(Error::Constant { observable, value: first });
        }
    }
    Ok(())
}
