//! Neural posterior estimation.
//!
//! A flow `q(theta | x)` is fitted to pairs from the joint density by
//! `min -E_{p(theta) p(x | theta)} ln q(theta | x)`, which is the expected Kullback-Leibler
//! divergence from the posterior up to a constant. It serves every observation at once.
//!
//! *Shapes.* In go parameters `[simulation, parameter]` and observables `[simulation, observable]`,
//! as [`Simulations`]. The flow sees coordinates of the parameters `[row, parameter]` given
//! observables in standard units `[row, observable]`, and gives `ln q` `[row, 1]`. Out comes an
//! [`Estimator`]: for each observation `[observable]`, draws `[draw, parameter]` and densities.
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

use burn::tensor::Device;
use flows::{Flow, Scaling, Score, Standardiser};
use serde::{Deserialize, Serialize};

use crate::coordinates::Coordinates;
use crate::error::Result;
use crate::estimator::Estimator;
use crate::fit::{FitSettings, Fitting, FlowSettings};
use crate::network::Network;
use crate::prior::Prior;
use crate::score::{FlowObjective, ScoreTable, ScoreTerm};
use crate::setup::{Kind, Problem, Setup};
use crate::simulations::Simulations;

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
/// How, and when to use it: see the [module](mod@crate::npe).
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
    let NpeSettings { fit, coordinates, .. } = settings;
    let problem =
        Problem { prior, simulations, coordinates: *coordinates, fit, tails: None, start };
    let setup = set_up(problem, &settings.flow, fitting.device)?;
    let flow = &setup.models[0];
    let objective = FlowObjective {
        target: flow.encode_target(&setup.u)?,
        context: flow.encode_context(&setup.y)?,
        scores: ScoreTable::new(settings.score, Score::Target, &problem, fitting.device)?,
    };
    setup.train(&objective, fitting)
}

/// Simulations as flows of the posterior see them, and these flows.
pub(crate) fn set_up<'a>(
    problem: Problem<'a>,
    flow: &FlowSettings,
    device: &Device,
) -> Result<Setup<'a, Flow>> {
    let kind = Kind {
        wrap: Network::Posterior,
        unwrap: |network| match network {
            Network::Posterior(flow) => Some(flow),
            _ => None,
        },
    };
    problem.set_up(&kind, |u, observables, seed| {
        let dim = problem.prior.dim();
        let target = Standardiser::fit("parameters", u, dim, Scaling::MeanSd)?;
        let context = Standardiser::identity(observables);
        Ok(flow.config(dim, observables).init(target, context, seed, device)?)
    })
}
