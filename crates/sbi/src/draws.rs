//! Draws from a posterior, and how they were made.

use ndarray::Array2;
use serde::{Deserialize, Serialize};

/// Draws from a posterior.
#[derive(Clone, Debug, PartialEq)]
pub struct Draws {
    /// The draws, `[draw, parameter]`.
    pub theta: Array2<f64>,
    /// How they were made.
    pub sampling: Sampling,
}

/// How draws were made, and what tells whether they can be trusted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sampling {
    /// Independently, from a network that samples.
    Direct {
        /// Draws made.
        proposed: usize,
        /// Fraction of them outside the support of the prior, which were rejected.
        leakage: f64,
    },
    /// By Markov chains over the density that a likelihood or ratio gives.
    Chains {
        /// Number of chains.
        chains: usize,
        /// Those that failed or did not move, whose draws were left out.
        stuck: Vec<usize>,
        /// Transitions of each chain before its first draw.
        warmup: usize,
        /// Batches of gradients, one of each chain that was still running.
        batches: u64,
        /// Gradients of single points.
        gradients: u64,
        /// Trajectories after warmup that were given up because the energy was not conserved.
        divergences: usize,
        /// Independent draws that all transitions after warmup are worth for the centre of the
        /// worst parameter: the least effective sample size of the bulk.
        #[serde(with = "metrics::any_float")]
        effective: f64,
        /// The same for the tails.
        #[serde(with = "metrics::any_float")]
        effective_tails: f64,
        /// Largest rank-normalised split R-hat of the parameters; NaN of fewer than four draws per
        /// chain. Chains do not travel between separated modes:
        /// there it is large although the draws may be right, the share of each mode being that of
        /// the population that the chains started from.
        #[serde(with = "metrics::any_float")]
        r_hat: f64,
    },
}

impl Sampling {
    /// Fraction of the draws that lay outside the support of the prior; zero for chains, which move
    /// within it.
    #[must_use]
    pub fn leakage(&self) -> f64 {
        match self {
            Self::Direct { leakage, .. } => *leakage,
            Self::Chains { .. } => 0.0,
        }
    }
}
