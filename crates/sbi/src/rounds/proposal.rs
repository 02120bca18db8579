//! The parameters of a round.

use std::ops::ControlFlow;

use ndarray::{Array2, ArrayView2};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::draws::Sampling;
use crate::error::Result;
use crate::posterior::{Posterior, SampleProgress, SampleSettings};
use crate::prior::Prior;
use crate::simulations::Proposal;

/// The parameters of a round's simulations.
///
/// As a [`Proposal`] it gives row `index`, whatever the seed.
#[derive(Clone, Debug, PartialEq)]
pub struct RoundProposal {
    pub(super) theta: Array2<f64>,
    pub(super) report: ProposalReport,
}

/// How the parameters of a round were made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ProposalReport {
    /// All are draws of the prior.
    Prior,
    /// Draws of the posterior of the rounds before, except for some of the prior.
    Posterior {
        /// Those that are of the prior.
        from_prior: usize,
        /// How the others were made.
        sampling: Sampling,
    },
    /// Draws of the prior where the posterior of the rounds before is not negligible.
    Truncated {
        /// Log ratio of posterior and prior below which the posterior is negligible.
        log_threshold: f64,
        /// Draws of the prior that were looked at.
        proposed: usize,
        /// Those of them that are among the parameters.
        accepted: usize,
        /// Parameters made by resampling draws of the posterior instead.
        resampled: usize,
        /// Mean effective number of draws among which one was chosen, when some were.
        effective: Option<f64>,
        /// Fraction of the posterior outside the prior.
        leakage: f64,
    },
}

impl RoundProposal {
    /// Draws of the prior.
    pub(super) fn from_prior(prior: &Prior, count: usize, seed: u64) -> Self {
        let rows: Vec<f64> =
            (0..count as u64).flat_map(|index| prior.sample(seed, index)).collect();
        let theta = Array2::from_shape_vec((count, prior.dim()), rows)
            .expect("as many numbers as draws of parameters");
        Self { theta, report: ProposalReport::Prior }
    }

    /// The parameters, `[simulation, parameter]`.
    #[must_use]
    pub fn theta(&self) -> ArrayView2<'_, f64> {
        self.theta.view()
    }

    /// How they were made.
    #[must_use]
    pub fn report(&self) -> &ProposalReport {
        &self.report
    }
}

impl Proposal for RoundProposal {
    fn parameters(&self) -> usize {
        self.theta.ncols()
    }

    fn theta(&self, seed: u64, index: u64) -> Result<Vec<f64>> {
        Proposal::theta(&self.theta, seed, index)
    }
}

/// Seeds of the parts of a proposal, which depend on its seed only.
pub(super) fn seeds<const N: usize>(seed: u64) -> [u64; N] {
    let mut rng = own_stream(seed, 1);
    std::array::from_fn(|_| rng.random())
}

/// The seed of a round of a run.
pub(super) fn seed_of_round(seed: u64, round: usize) -> u64 {
    let mut rng = own_stream(seed, 2);
    // two words for each round
    rng.set_word_pos(2 * round as u128);
    rng.random()
}

/// A stream that simulations do not use: their indices come from the other end.
fn own_stream(seed: u64, purpose: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(u64::MAX - purpose);
    rng
}

/// Draws of the posterior, each replaced by one of the prior with a given probability.
pub(super) fn from_posterior(
    prior: &Prior,
    posterior: &Posterior<'_>,
    sampling: &SampleSettings,
    fraction: f64,
    count: usize,
    seed: u64,
) -> Result<RoundProposal> {
    let [choice, own] = seeds(seed);
    let mut observer = |_: &SampleProgress| ControlFlow::Continue(());
    let draws = posterior.sample_with(count, own, sampling, &mut observer)?;
    let mut theta = draws.theta;
    let mut rng = ChaCha8Rng::seed_from_u64(choice);
    let mut from_prior = 0;
    for (index, mut row) in theta.rows_mut().into_iter().enumerate() {
        if rng.random::<f64>() < fraction {
            row.assign(&ndarray::aview1(&prior.sample(seed, index as u64)));
            from_prior += 1;
        }
    }
    let report = ProposalReport::Posterior { from_prior, sampling: draws.sampling };
    Ok(RoundProposal { theta, report })
}
