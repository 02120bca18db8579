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
//! *Observables.* A flow acts in a box around the centre of the simulations. Observables that reach
//! beyond it, by skewness or outliers, are Gaussianised first ([`Tails`]); those that are the same
//! in all simulations, or in all but a few, have no density and are left out. What is doubtful
//! about the simulations or an observation, [`Posterior::warnings`] says.
//!
//! *When to use.* Several observations of the same parameters, rounds of simulations near an
//! observation, another prior than that of the simulations.
//! *When not.* Many observables (more than about 30): compress them first. Observables that are
//! discrete, as yes or no, have no density; the likelihood is that of values with noise as wide as
//! the steps between them, where the posterior or the ratio need none.
//!
//! # References
//! G. Papamakarios, D. C. Sterratt and I. Murray, "Sequential neural likelihood", AISTATS 2019,
//! arXiv:1805.07226. With scores: see [`ScoreTerm`].
//!
//! [`Posterior::warnings`]: crate::Posterior::warnings

use flows::{Score, Standardiser};
use serde::{Deserialize, Serialize};

use crate::coordinates::Coordinates;
use crate::error::Result;
use crate::estimator::Estimator;
use crate::fit::{FitSettings, Fitting, FlowSettings};
use crate::network::Network;
use crate::observables::Tails;
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
    /// What becomes of skewed and heavy tails of observables.
    pub tails: Tails,
    /// Learning from the conditional scores, if wanted.
    pub score: Option<ScoreTerm>,
}

/// Fits the likelihood of the observables to simulations. Networks see the parameters in the normal
/// coordinates of `prior`, whose density becomes part of the posterior. How, and when to use it:
/// see the [module](mod@crate::nle).
///
/// # Errors
/// If a setting is out of its domain, the simulations do not fit the prior or are too few, a score
/// is wanted and there is none, or the training fails or is stopped; [`Error::Constant`](crate::Error::Constant) if no
/// observable varies.
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
    let problem = Problem {
        prior,
        simulations,
        coordinates,
        fit: &settings.fit,
        tails: Some(settings.tails),
        start,
    };
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
    let objective = FlowObjective {
        target: table(&setup.y, setup.seen(), &device),
        context: table(&setup.u, dim, &device),
        scores: ScoreTable::new(settings.score, Score::Context, &problem, &device)?,
    };
    setup.train(&objective, fitting)
}
