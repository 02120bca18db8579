//! Learning from the simulator's scores.
//!
//! A differentiable simulator gives, with each simulation, the score of the joint density of
//! observables and latents. Its mean over the latents that lead to the same observables is the
//! score of the marginal density, so that the square of the difference to the network's own score
//! has its minimum where the network's score is right:
//!
//! `loss = -mean ln q + w mean sum_i (d ln q / d u_i - s_i)²`
//!
//! in the coordinates `u` of the parameters. With [`npe`](mod@crate::npe) `q` is a density of the
//! parameters and `s` contains the score of the prior; with [`nle`](mod@crate::nle) `q` is a
//! density of the observables and `s` does not.
//!
//! *Shapes.* Scores come with the simulations, `[simulation, parameter]`: see
//! [`Simulation::score`](crate::simulator::Simulation::score). `s` and `d ln q / d u` are
//! `[row, parameter]`, `ln q` is `[row, 1]`.
//!
//! *When to use.* Few simulations, scores that do not vary much with the latents, a smooth flow.
//! *When not.* Many simulations: the noise of the scores stays, the gain vanishes. Choose `w` such
//! that the second term is a fraction of the first.
//!
//! # References
//! J. Brehmer, G. Louppe, J. Pavez and K. Cranmer, "Mining gold from implicit models to improve
//! likelihood-free inference", PNAS 117 (2020) 5242, arXiv:1805.12244. J. Zeghal et al., "Neural
//! posterior estimation with differentiable simulators", 2022, arXiv:2207.05636, equation 10.

use autodiff::tensor::{Tape, Var};
use burn::tensor::{Device, Tensor};
use flows::training::Objective;
use flows::{Flow, Score};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::setup::Problem;
use crate::table::{pick, table};

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

    fn contains_derivatives(&self) -> bool {
        self.scores.is_some()
    }

    fn loss(
        &self,
        flow: &Flow,
        rows: &[usize],
        tape: &Tape,
        _rng: &mut ChaCha8Rng,
    ) -> flows::Result<Var> {
        let (target, context) = (pick(&self.target, rows), pick(&self.context, rows));
        let Some(table) = &self.scores else {
            return Ok(-flow.log_density(&tape.input(target), &tape.input(context)).mean());
        };
        let (log_prob, score) = flow.log_prob_and_score(target, context, table.of);
        let difference = (score - pick(&table.scores, rows)) * pick(&table.factors, rows);
        let penalty = difference.square().sum() * (table.weight / rows.len() as f64);
        Ok(Var::constant((penalty - log_prob.mean()).reshape([1, 1])))
    }
}

impl ScoreTable {
    /// The scores of a set in the coordinates of a network, if a `term` is wanted: of the joint
    /// density of parameters and observables, with the prior, for a network whose features are the
    /// parameters; of the observables alone for one whose context they are.
    ///
    /// # Errors
    /// If the weight is out of its domain or there are no scores.
    pub fn new(
        term: Option<ScoreTerm>,
        of: Score,
        problem: &Problem<'_>,
        device: &Device,
    ) -> Result<Option<Self>> {
        let Some(term) = term else { return Ok(None) };
        if !(term.weight.is_finite() && term.weight >= 0.0) {
            let (value, expected) = (term.weight.to_string(), "zero or a positive number".into());
            return Err(Error::Setting { field: "score.weight", value, expected });
        }
        let Problem { prior, simulations: set, coordinates, .. } = *problem;
        let scores = set.scores().ok_or(Error::NoScores)?;
        let (mut converted, mut factors) = (Vec::new(), Vec::new());
        for (theta, score) in set.theta().rows().into_iter().zip(scores.rows()) {
            let u = coordinates.of(prior, &theta.to_vec());
            let (_, slopes) = coordinates.theta(prior, &u);
            let own = coordinates.prior_gradient(prior, &u);
            for ((score, slope), own) in score.iter().zip(&slopes).zip(&own) {
                converted.push(match of {
                    Score::Target => score * slope + own,
                    Score::Context => score * slope,
                });
                factors.push(match term.units {
                    ScoreUnits::Coordinates => 1.0,
                    ScoreUnits::Parameters => 1.0 / slope,
                });
            }
        }
        let table = |values: &[f64]| table(values, prior.dim(), device);
        let (scores, factors) = (table(&converted), table(&factors));
        Ok(Some(Self { of, weight: term.weight, scores, factors }))
    }
}

#[cfg(test)]
mod tests {
    use burn::module::{Module, ModuleVisitor, Param};
    use burn::tensor::Gradients;
    use flows::{FlowConfig, Standardiser, Weight, load_weights, named_weights};
    use rand::SeedableRng;
    use rand_distr::{Distribution, StandardNormal};

    use super::*;

    /// The gradients of all weights, in their order.
    struct Collect<'a> {
        gradients: &'a Gradients,
        flat: Vec<f64>,
    }

    impl ModuleVisitor for Collect<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            match param.val().grad(self.gradients) {
                Some(gradient) => {
                    let values = gradient.try_into_vec_as::<f32>().unwrap();
                    self.flat.extend(values.into_iter().map(f64::from));
                }
                None => {
                    let count = param.val().dims().iter().product::<usize>();
                    self.flat.extend(vec![0.0; count]);
                }
            }
        }
    }

    /// The same weights, moved along a direction.
    fn moved(flow: &Flow, weights: &[Weight], direction: &[f64], by: f64) -> Flow {
        let mut steps = direction.iter();
        let along = |weight: &Weight| {
            let values = weight.values.iter().zip(&mut steps);
            let values = values.map(|(value, step)| (f64::from(*value) + by * step) as f32);
            Weight { values: values.collect(), ..weight.clone() }
        };
        let weights: Vec<Weight> = weights.iter().map(along).collect();
        load_weights(flow.clone(), &weights).unwrap()
    }

    #[test]
    fn gradients_of_the_loss_are_its_derivatives() {
        let device = Device::flex();
        let (rows, dim, count) = (40, 2, 3);
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let mut random = |columns: usize| {
            let values: Vec<f64> =
                StandardNormal.sample_iter(&mut rng).take(rows * columns).collect();
            table(&values, columns, &device)
        };
        let (u, y, scores) = (random(dim), random(count), random(dim));
        let factors = random(dim).abs() + 0.5;
        for (of, target, context) in [(Score::Context, &y, &u), (Score::Target, &u, &y)] {
            let widths = [target.dims()[1], context.dims()[1]];
            let config = FlowConfig {
                layers: 2,
                hidden: vec![8],
                ..FlowConfig::affine(widths[0], widths[1])
            };
            let units = widths.map(Standardiser::identity);
            let flow = config.init(units[0].clone(), units[1].clone(), 3, &device).unwrap();
            // away from the initial weights, which know of no dependence
            let weights = named_weights(&flow).unwrap();
            let count: usize = weights.iter().map(|weight| weight.values.len()).sum();
            let mut rng = ChaCha8Rng::seed_from_u64(5);
            let start: Vec<f64> = StandardNormal.sample_iter(&mut rng).take(count).collect();
            let flow = moved(&flow, &weights, &start, 0.3);
            let weights = named_weights(&flow).unwrap();
            let scores =
                ScoreTable { of, weight: 0.7, scores: scores.clone(), factors: factors.clone() };
            let objective = FlowObjective {
                target: target.clone(),
                context: context.clone(),
                scores: Some(scores),
            };
            let all: Vec<usize> = (0..rows).collect();
            let mut unused = ChaCha8Rng::seed_from_u64(0);
            let trained = flow.clone().train();
            let idle = Tape::idle();
            let loss = objective.loss(&trained, &all, &idle, &mut unused).unwrap();
            let gradients = loss.into_value().backward();
            let mut found = Collect { gradients: &gradients, flat: Vec::new() };
            trained.visit(&mut found);
            assert_eq!(found.flat.len(), count);
            let norm = found.flat.iter().map(|g| g * g).sum::<f64>().sqrt();
            for _ in 0..6 {
                let direction: Vec<f64> =
                    StandardNormal.sample_iter(&mut rng).take(count).collect();
                let length = direction.iter().map(|d: &f64| d * d).sum::<f64>().sqrt();
                let direction: Vec<f64> = direction.iter().map(|d| d / length).collect();
                let mut loss = |by: f64| {
                    let flow = moved(&flow, &weights, &direction, by);
                    let loss = objective.loss(&flow, &all, &idle, &mut unused).unwrap();
                    f64::from(loss.into_value().into_scalar::<f32>())
                };
                let mut slope = |h: f64| (loss(h) - loss(-h)) / (2.0 * h);
                let expected = (4.0 * slope(5e-3) - slope(1e-2)) / 3.0;
                let along: f64 = found.flat.iter().zip(&direction).map(|(g, d)| g * d).sum();
                let tolerance = 5e-3 * expected.abs() + 2e-4 * norm;
                assert!((along - expected).abs() < tolerance, "{of:?}: {along} {expected} {norm}");
            }
        }
    }
}
