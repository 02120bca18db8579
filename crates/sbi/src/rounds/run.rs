//! Whole rounds with a simulator at hand.

use std::ops::ControlFlow;

use super::Rounds;
use super::files::name;
use super::proposal::seed_of_round;
use crate::error::{Error, Result};
use crate::estimator::Estimator;
use crate::fit::Fitting;
use crate::simulations::{Policy, Progress, Store, StorePlan, simulate};
use crate::simulator::Simulator;

/// Pieces in which a round's simulations are stored while they are made.
const SHARDS: u64 = 20;

/// What [`Rounds::run`] is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunPlan {
    /// Rounds in all, those that are finished included.
    pub rounds: usize,
    /// Simulations of each round.
    pub simulations: usize,
    /// What everything random in proposals and simulations depends on.
    pub seed: u64,
    /// What becomes of simulations that fail or are not finite.
    pub policy: Policy,
}

impl Rounds {
    /// Simulates and learns until `plan.rounds` rounds are finished.
    ///
    /// In a folder ([`Rounds::open`]) nothing that was done is done again: simulations are stored in
    /// pieces while they are made, and the training in checkpoints. The result is the same as
    /// without an interruption. `progress` hears of each simulation of a round; it stops the run by
    /// returning [`ControlFlow::Break`], as the observer of `fitting` does.
    ///
    /// # Errors
    /// Those of [`Rounds::proposal`], [`simulate`] and [`Rounds::tell`]; [`Error::Setting`] for no
    /// rounds.
    pub fn run<S: Simulator + ?Sized>(
        &mut self,
        simulator: &S,
        plan: &RunPlan,
        progress: &(dyn Fn(Progress) -> ControlFlow<()> + Sync),
        fitting: &mut Fitting<'_>,
    ) -> Result<&Estimator> {
        let expected = vec![self.prior.dim(), self.observation.len()];
        let found = vec![simulator.parameters(), simulator.observables()];
        if expected != found {
            let what = "simulator (parameters, observables)".into();
            return Err(Error::Shape { what, expected, found });
        }
        self.finish(fitting)?;
        while self.simulations.len() < plan.rounds {
            let round = self.simulations.len();
            // another seed for each round, so that no two share their noise
            let seed = seed_of_round(plan.seed, round);
            let proposal = self.proposal(plan.simulations, seed)?;
            let simulations = match &self.folder {
                None => {
                    let indices = 0..plan.simulations as u64;
                    simulate(simulator, &proposal, indices, seed, plan.policy, progress)?
                }
                Some(folder) => {
                    let simulations = plan.simulations as u64;
                    let store = StorePlan {
                        label: name(round),
                        seed,
                        simulations,
                        shard_size: simulations.div_ceil(SHARDS),
                        policy: plan.policy,
                    };
                    let store = Store::create(&folder.shards(round), simulator, store)?;
                    store.make(simulator, &proposal, 0..store.shards(), progress)?;
                    store.load()?
                }
            };
            self.tell(simulations, fitting)?;
        }
        self.estimator.as_ref().ok_or_else(|| {
            let expected = "at least 1".into();
            Error::Setting { field: "rounds", value: plan.rounds.to_string(), expected }
        })
    }
}
