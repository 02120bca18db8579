//! Learning from the simulator's scores.
//!
//! A differentiable simulator gives, with each simulation, the score of the joint density of
//! observables and latents. Its mean over the latents that lead to the same observables is the
//! score of the marginal density, so that the square of the difference to the network's own score
//! has its minimum where the network's score is right:
//!
//! `loss = -mean ln q + w mean sum_i (d ln q / d u_i - s_i)²`.
//!
//! *When to use.* Few simulations, scores that do not vary much with the latents, a smooth flow.
//! *When not.* Many simulations: the noise of the scores stays, the gain vanishes. Choose `w` such
//! that the second term is a fraction of the first.
//!
//! # References
//! J. Brehmer, G. Louppe, J. Pavez and K. Cranmer, "Mining gold from implicit models to improve
//! likelihood-free inference", PNAS 117 (2020) 5242, arXiv:1805.12244. J. Zeghal et al., "Neural
//! posterior estimation with differentiable simulators", 2022, arXiv:2207.05636, equation 10.

use burn::tensor::Tensor;
use flows::training::Objective;
use flows::{Flow, Score};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::coordinates::Coordinates;
use crate::error::{Error, Result};
use crate::prior::Prior;
use crate::simulations::Simulations;
use crate::table::pick;

/// The weight of the scores in a loss.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreTerm {
    /// `w`, the factor of the squared differences.
    pub weight: f64,
    /// The units of the differences.
    #[serde(default)]
    pub units: ScoreUnits,
}

/// The units in which differences of scores are squared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScoreUnits {
    /// Per unit of the coordinates the network works in: all parameters count alike.
    #[default]
    Coordinates,
    /// Per unit of each parameter, as in the published trainings.
    Parameters,
}

/// The loss of a flow over simulations: the mean negative log density, and scores if wanted.
pub(crate) struct FlowObjective {
    pub target: Tensor<2>,
    pub context: Tensor<2>,
    pub scores: Option<ScoreTable>,
}

/// Scores to learn, with the factor on each difference.
pub(crate) struct ScoreTable {
    pub of: Score,
    pub weight: f64,
    pub scores: Tensor<2>,
    pub factors: Tensor<2>,
}

impl Objective for FlowObjective {
    type Model = Flow;

    fn rows(&self) -> usize {
        self.target.dims()[0]
    }

    fn loss(&self, flow: &Flow, rows: &[usize], _rng: &mut ChaCha8Rng) -> flows::Result<Tensor<1>> {
        let (target, context) = (pick(&self.target, rows), pick(&self.context, rows));
        let Some(table) = &self.scores else {
            return Ok(flow.log_prob(target, context).mean().neg());
        };
        let (log_prob, score) = flow.log_prob_and_score(target, context, table.of);
        let difference = (score - pick(&table.scores, rows)) * pick(&table.factors, rows);
        let penalty = difference.square().sum() * (table.weight / rows.len() as f64);
        Ok(penalty - log_prob.mean())
    }
}

/// The scores of a set in the coordinates of a network, `[row][parameter]`, and the factors that
/// turn differences into the units of the term.
pub(crate) fn scores_in_coordinates(
    set: &Simulations,
    prior: &Prior,
    coordinates: Coordinates,
    with_prior: bool,
    term: &ScoreTerm,
) -> Result<(Vec<f64>, Vec<f64>)> {
    if !(term.weight.is_finite() && term.weight >= 0.0) {
        let (value, expected) = (term.weight.to_string(), "zero or a positive number".into());
        return Err(Error::Setting { field: "score.weight", value, expected });
    }
    let scores = set.scores().ok_or(Error::NoScores)?;
    let (mut converted, mut factors) = (Vec::new(), Vec::new());
    for (theta, score) in set.theta().rows().into_iter().zip(scores.rows()) {
        let u = coordinates.of(prior, &theta.to_vec());
        let (_, slopes) = coordinates.theta(prior, &u);
        let own = coordinates.prior_gradient(prior, &u);
        for ((score, slope), own) in score.iter().zip(&slopes).zip(&own) {
            converted.push(score * slope + if with_prior { *own } else { 0.0 });
            factors.push(match term.units {
                ScoreUnits::Coordinates => 1.0,
                ScoreUnits::Parameters => 1.0 / slope,
            });
        }
    }
    Ok((converted, factors))
}
