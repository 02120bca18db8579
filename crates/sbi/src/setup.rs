//! What all methods do before and after their training.

use burn::module::Module;
use flows::training::Objective;

use crate::coordinates::Coordinates;
use crate::error::{Error, Result};
use crate::estimator::Estimator;
use crate::fit::{FitSettings, Fitting, check_set};
use crate::network::Network;
use crate::observables::{Observables, Tails};
use crate::prior::Prior;
use crate::simulations::Simulations;
use crate::table::coordinates_of_set;

/// What is to be learnt from.
#[derive(Clone, Copy)]
pub(crate) struct Problem<'a> {
    pub prior: &'a Prior,
    pub simulations: &'a Simulations,
    /// Coordinates of the parameters in which the networks work.
    pub coordinates: Coordinates,
    pub fit: &'a FitSettings,
    /// How tails are brought to networks that are a density of the observables; `None` for others.
    pub tails: Option<Tails>,
    /// Where weights and units come from, if the networks are not to begin anew.
    pub start: Option<&'a Estimator>,
}

/// How a method's networks become those of an estimator, and back.
pub(crate) struct Kind<M> {
    pub wrap: fn(M) -> Network,
    pub unwrap: fn(&Network) -> Option<&M>,
}

/// Simulations as networks see them, and the networks before their training.
pub(crate) struct Setup<'a, M> {
    problem: Problem<'a>,
    wrap: fn(M) -> Network,
    observables: Observables,
    /// Coordinates of the parameters, `[row][parameter]`.
    pub u: Vec<f64>,
    /// Observables as networks see them, `[row][observable that is seen]`.
    pub y: Vec<f64>,
    /// One network for each member of the ensemble, at least one.
    pub models: Vec<M>,
}

impl<'a> Problem<'a> {
    /// Checks the simulations and brings them into the units of the networks, which `init` makes
    /// from the coordinates `[row][parameter]`, the number of observables that they see and a seed.
    /// Where the units of `start` are of no use for these simulations, all begins anew.
    ///
    /// # Errors
    /// If the simulations do not fit the prior, are too few or not finite, lie outside the prior, or
    /// a network cannot be made.
    pub fn set_up<M: Clone>(
        self,
        kind: &Kind<M>,
        init: impl Fn(&[f64], usize, u64) -> Result<M>,
    ) -> Result<Setup<'a, M>> {
        let Self { prior, simulations, fit, .. } = self;
        check_set(simulations, prior.dim())?;
        let u = coordinates_of_set(simulations, prior, self.coordinates)?;
        let start = self.start.filter(|start| start.observables.hold(simulations.x()));
        let (observables, models) = match start {
            Some(start) => {
                let own: Option<Vec<M>> =
                    start.networks.iter().map(|n| (kind.unwrap)(n).cloned()).collect();
                let own = own.ok_or_else(|| {
                    let value = "an estimator with networks of another method".to_owned();
                    Error::Setting { field: "start", value, expected: "one of this method".into() }
                })?;
                let mut observables = start.observables.clone();
                observables.note(simulations.x());
                (observables, own)
            }
            None => {
                fit.require_members()?;
                let x = simulations.x();
                let observables = match self.tails {
                    Some(tails) => {
                        Observables::fit_density(x, fit.scaling, tails, fit.training.seed)?
                    }
                    None => Observables::fit(x, fit.scaling)?,
                };
                let each = fit.seeds().map(|seed| init(&u, observables.seen(), seed));
                let models = each.collect::<Result<_>>()?;
                (observables, models)
            }
        };
        let x = observables.with_noise(simulations.x(), fit.training.seed);
        let y = observables.encode(&x.iter().copied().collect::<Vec<f64>>())?;
        Ok(Setup { problem: self, wrap: kind.wrap, observables, u, y, models })
    }
}

impl<M> Setup<'_, M> {
    /// Number of observables that the networks see.
    pub fn seen(&self) -> usize {
        self.observables.seen()
    }
}

impl<M: Module> Setup<'_, M> {
    /// Trains the networks; the estimator that they amount to.
    ///
    /// # Errors
    /// If the training fails or is stopped.
    pub fn train<O: Objective<Model = M>>(
        self,
        objective: &O,
        fitting: &mut Fitting<'_>,
    ) -> Result<Estimator> {
        let Problem { prior, simulations, coordinates, fit, .. } = self.problem;
        let members = fitting.train(objective, fit, self.models)?;
        let (networks, reports) =
            members.into_iter().map(|member| ((self.wrap)(member.model), member.report)).unzip();
        Ok(Estimator {
            prior: prior.clone(),
            coordinates,
            observables: self.observables,
            networks,
            reports,
            simulator_calls: simulations.calls(),
            observation: None,
        })
    }
}
