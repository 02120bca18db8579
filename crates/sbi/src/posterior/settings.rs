//! How draws are made, and what is told meanwhile.

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Settings of sampling. Only `direct_budget` matters to networks that sample by themselves, all
/// others to likelihoods and ratios, which are sampled by Markov chains.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SampleSettings {
    /// Draws made, per draw wanted (and at least for 100 of them), before direct sampling is given
    /// up because of leakage. Default 100.
    pub direct_budget: usize,
    /// Draws from the prior among which the posterior is looked for. Default 10 000.
    pub prior_draws: usize,
    /// Points that are led from the prior to the posterior. Default 4000.
    pub points: usize,
    /// Chains, which all move at once; `None` (default) for one per 20 draws, at least 20 and at
    /// most 100.
    pub chains: Option<usize>,
    /// Transitions of each chain that tune its step size and are not draws. Default 50.
    pub warmup: usize,
    /// Transitions per draw. Default 2.
    pub thinning: usize,
    /// At most `2^max_depth - 1` gradients per transition, 1 to 20. Default 7.
    pub max_depth: u32,
    /// Mean acceptance probability the step size is tuned to, in (0, 1). Default 0.8.
    pub target_accept: f64,
    /// Batches of gradients, one of each chain, before sampling is given up. Default 30 000.
    pub max_batches: u64,
}

impl Default for SampleSettings {
    fn default() -> Self {
        Self {
            direct_budget: 100,
            prior_draws: 10_000,
            points: 4000,
            chains: None,
            warmup: 50,
            thinning: 2,
            max_depth: 7,
            target_accept: 0.8,
            max_batches: 30_000,
        }
    }
}

impl SampleSettings {
    /// Chains for a number of draws.
    pub(super) fn chains_for(&self, count: usize) -> usize {
        self.chains.unwrap_or((count / 20).clamp(20, 100))
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Setting`] with the first field out of its domain.
    pub fn validate(&self) -> Result<()> {
        let check = |valid: bool, field, value: String, expected: &str| {
            let expected = expected.to_owned();
            if valid { Ok(()) } else { Err(Error::Setting { field, value, expected }) }
        };
        let counts = [
            ("direct_budget", self.direct_budget),
            ("prior_draws", self.prior_draws),
            ("points", self.points),
            ("thinning", self.thinning),
        ];
        for (field, count) in counts {
            check(count > 0, field, count.to_string(), "at least 1")?;
        }
        if let Some(chains) = self.chains {
            let possible = (1..=10_000).contains(&chains);
            check(possible, "chains", chains.to_string(), "1 to 10000")?;
        }
        let depth = (1..=20).contains(&self.max_depth);
        check(depth, "max_depth", self.max_depth.to_string(), "1 to 20")?;
        let target = self.target_accept > 0.0 && self.target_accept < 1.0;
        let expected = "a number between 0 and 1, both excluded";
        check(target, "target_accept", self.target_accept.to_string(), expected)?;
        check(self.max_batches > 0, "max_batches", self.max_batches.to_string(), "at least 1")
    }
}

/// What sampling is busy with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleStage {
    /// Draws of a network that samples; counted are those within the prior.
    Direct,
    /// Looking for starting points of chains; counted are densities.
    Start,
    /// Climbing to the maximum; counted are densities.
    Maximum,
    /// The chains; counted are transitions, warmup included.
    Chains {
        /// Batches of gradients so far.
        batches: u64,
    },
}

/// How far sampling is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleProgress {
    /// What it is busy with.
    pub stage: SampleStage,
    /// What is done of that.
    pub done: usize,
    /// What is to be done of that, if it is known.
    pub total: Option<usize>,
}

/// Hears of the progress; stops sampling by returning [`ControlFlow::Break`].
pub type SampleObserver<'a> = dyn FnMut(&SampleProgress) -> ControlFlow<()> + 'a;
