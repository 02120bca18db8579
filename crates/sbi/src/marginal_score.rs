//! Scores with the noise of the latents taken out.
//!
//! A simulator's score is that of the joint density of observables and latents,
//! `s(x, z, theta) = d/d theta ln p(x, z | theta)`. Its mean over the latents that lead to the same
//! observables is the score of the likelihood,
//!
//! `d/d theta ln p(x | theta) = E[s(x, z, theta) | x, theta]`,
//!
//! and a regression gives means: the network `g(theta, x)` that minimises `E |g(theta, x) - s|²` is
//! the marginal score. In the loss of [`npe`](crate::npe()) and [`nle`](crate::nle()) with a
//! [`ScoreTerm`](crate::ScoreTerm) it takes the place of the noisy scores ([`MarginalScore::replace`]),
//! with the same minimum and less noise on the way.
//!
//! *Shapes.* The network sees parameters in the prior's normal coordinates `[row, parameter]` and
//! standardised observables `[row, observable]`; the scores of each coordinate,
//! `s_u = s_theta d theta / d u`, are learnt in units of their standard deviation. What goes in and
//! comes out are scores of the parameters `[row, parameter]`, per unit of each.
//!
//! *When to use.* A simulator with many latents, whose scores vary mostly with them (then
//! [`MarginalScore::residual`] is near one), and more simulations with scores than the estimator is
//! to be trained with. With likelihoods of six summaries from 100 to 400 simulations, marginal scores
//! lower the published accuracy of a classifier against the truth by 0.03 to 0.11, the simulator's
//! own scores by 0.00 to 0.09 (Zeghal et al. 2024).
//! *When not.* With no other simulations than those of the estimator: the network then knows no more
//! than they do, and follows the noise of the scores that it has seen if it is trained too long. The
//! simulations that it has cost ([`MarginalScore::simulator_calls`]) belong to the price of the
//! result. Without latents the scores have no noise.
//!
//! # References
//! J. Brehmer, G. Louppe, J. Pavez and K. Cranmer, "Mining gold from implicit models to improve
//! likelihood-free inference", PNAS 117 (2020) 5242, arXiv:1805.12244. J. Zeghal et al. 2024,
//! arXiv:2409.17975, on marginal scores in a benchmark.

use std::path::Path;

use autodiff::tensor::{Tape, Var};
use burn::tensor::{Device, Tensor};
use flows::training::{Objective, TrainingReport, TrainingSettings};
use flows::{
    Activation, Mlp, MlpConfig, Scaling, Standardiser, Weight, WeightFile, load_weights,
    named_weights,
};
use ndarray::{Array2, ArrayView2};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::coordinates::Coordinates;
use crate::error::{Error, Result};
use crate::fit::{FitSettings, Fitting, check_set};
use crate::observables::Observables;
use crate::prior::Prior;
use crate::simulations::Simulations;
use crate::table::{coordinates_of_set, encoded_observables, pick, table};

const KIND: &str = "sbi marginal score";
const SCHEMA: u32 = 1;
/// Factor on the initial weights of the last layer: a new network predicts the mean score.
const LAST_LAYER: f64 = 0.1;
/// Rows predicted at a time.
const CHUNK: usize = 4096;

/// The network of a marginal score and its training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MarginalScoreSettings {
    /// Width of each hidden layer. Default two of 256.
    pub hidden: Vec<usize>,
    /// Nonlinearity. Default SiLU.
    pub activation: Activation,
    /// Training, units and members, whose predictions are averaged. Default batches of 256, learning
    /// rate 1e-3.
    pub fit: FitSettings,
}

impl Default for MarginalScoreSettings {
    fn default() -> Self {
        Self {
            hidden: vec![256; 2],
            activation: Activation::default(),
            fit: FitSettings {
                training: TrainingSettings {
                    batch: 256,
                    learning_rate: 1e-3,
                    ..TrainingSettings::default()
                },
                ..FitSettings::default()
            },
        }
    }
}

/// A learnt marginal score.
#[derive(Clone, Debug)]
pub struct MarginalScore {
    description: Description,
    networks: Vec<Mlp>,
    device: Device,
}

/// Everything but the weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    prior: Prior,
    observables: Observables,
    /// Units of the coordinates of the parameters.
    coordinates: Standardiser,
    /// Units of the scores of the coordinates.
    scores: Standardiser,
    network: MlpConfig,
    /// One for each network.
    reports: Vec<TrainingReport>,
    simulator_calls: u64,
}

/// Learns the marginal score from simulations with scores. The parameters may come from anywhere
/// within the prior.
///
/// # Errors
/// [`Error::NoScores`]; if a setting is out of its domain, the simulations do not fit the prior or
/// are too few, or the training fails or is stopped.
pub fn fit(
    prior: &Prior,
    simulations: &Simulations,
    settings: &MarginalScoreSettings,
    fitting: &mut Fitting<'_>,
) -> Result<MarginalScore> {
    let device = fitting.device.clone();
    check_set(simulations, prior.dim())?;
    settings.fit.require_members()?;
    if settings.hidden.contains(&0) {
        let value = format!("{:?}", settings.hidden);
        let expected = "at least 1 unit per layer".into();
        return Err(Error::Setting { field: "hidden", value, expected });
    }
    let dim = prior.dim();
    let observables = Observables::fit(simulations.x(), settings.fit.scaling)?;
    let u = coordinates_of_set(simulations, prior, Coordinates::Normal)?;
    let own = in_coordinates(simulations, prior, &u)?;
    let coordinates = Standardiser::fit("parameters", &u, dim, Scaling::MeanSd)?;
    let scores = Standardiser::fit("scores", &own, dim, Scaling::MeanSd)?;
    let network = MlpConfig {
        inputs: dim + observables.len(),
        hidden: settings.hidden.clone(),
        outputs: dim,
        activation: settings.activation,
    };
    let single = |values: Vec<f32>| values.into_iter().map(f64::from).collect::<Vec<_>>();
    let y = encoded_observables(simulations, &observables)?;
    let objective = Regression {
        inputs: Tensor::cat(
            vec![
                table(&single(coordinates.encode("parameters", &u)?), dim, &device),
                table(&y, observables.len(), &device),
            ],
            1,
        ),
        scores: table(&single(scores.encode("scores", &own)?), dim, &device),
    };
    let init = |seed| network.init(LAST_LAYER, &mut ChaCha8Rng::seed_from_u64(seed), &device);
    let models = settings.fit.seeds().map(init).collect();
    let members = fitting.train(&objective, &settings.fit, models)?;
    let (networks, reports) =
        members.into_iter().map(|member| (member.model, member.report)).unzip();
    let (prior, simulator_calls) = (prior.clone(), simulations.calls());
    let description =
        Description { prior, observables, coordinates, scores, network, reports, simulator_calls };
    Ok(MarginalScore { description, networks, device })
}

/// The scores of a set per unit of the normal coordinates `u` `[row][parameter]`.
fn in_coordinates(set: &Simulations, prior: &Prior, u: &[f64]) -> Result<Vec<f64>> {
    let scores = set.scores().ok_or(Error::NoScores)?;
    let rows = scores.rows().into_iter().zip(u.chunks(prior.dim()));
    Ok(rows
        .flat_map(|(score, u)| {
            let (_, slopes) = prior.at_normal(u);
            score.iter().zip(slopes).map(|(score, slope)| score * slope).collect::<Vec<_>>()
        })
        .collect())
}

/// The mean squared difference to the scores, in their units.
struct Regression {
    inputs: Tensor<2>,
    scores: Tensor<2>,
}

impl Objective for Regression {
    type Model = Mlp;

    fn rows(&self) -> usize {
        self.inputs.dims()[0]
    }

    fn loss(
        &self,
        network: &Mlp,
        rows: &[usize],
        tape: &Tape,
        _rng: &mut ChaCha8Rng,
    ) -> flows::Result<Var> {
        let found = network.forward(&tape.input(pick(&self.inputs, rows)));
        Ok((found - Var::constant(pick(&self.scores, rows))).square().mean())
    }
}

impl MarginalScore {
    /// `d/d theta ln p(x | theta)` `[row, parameter]` for rows `theta: [row, parameter]` within the
    /// prior and `x: [row, observable]`.
    ///
    /// # Errors
    /// If the numbers of rows or columns do not fit, a number is not finite, parameters lie outside
    /// the prior or at an edge of it, or the device fails.
    pub fn predict(&self, theta: ArrayView2<f64>, x: ArrayView2<f64>) -> Result<Array2<f64>> {
        let Description { prior, observables, coordinates, scores, .. } = &self.description;
        let dim = prior.dim();
        for (what, found, columns) in
            [("theta", theta.shape(), dim), ("x", x.shape(), observables.len())]
        {
            let expected = vec![theta.nrows(), columns];
            if found != expected {
                return Err(Error::Shape { what: what.into(), expected, found: found.to_vec() });
            }
        }
        let set = Simulations::new(theta.to_owned(), x.to_owned(), None)?;
        let u = coordinates_of_set(&set, prior, Coordinates::Normal)?;
        let y = encoded_observables(&set, observables)?;
        let standard: Vec<f64> =
            coordinates.encode("parameters", &u)?.into_iter().map(f64::from).collect();
        let mut sums = vec![0.0; u.len()];
        let parts = standard.chunks(CHUNK * dim).zip(y.chunks(CHUNK * observables.len()));
        for (part, (u, y)) in parts.enumerate() {
            let tables =
                vec![table(u, dim, &self.device), table(y, observables.len(), &self.device)];
            let inputs = Var::constant(Tensor::cat(tables, 1));
            for network in &self.networks {
                let found = network.forward(&inputs).into_value().try_into_vec_as::<f32>();
                let found =
                    found.map_err(|error| flows::Error::Device { reason: format!("{error:?}") })?;
                let own = &mut sums[part * CHUNK * dim..];
                own.iter_mut().zip(scores.decode(&found)).for_each(|(sum, score)| *sum += score);
            }
        }
        let members = self.networks.len() as f64;
        let per_theta = sums.chunks(dim).zip(u.chunks(dim)).flat_map(|(sums, u)| {
            let (_, slopes) = prior.at_normal(u);
            sums.iter().zip(slopes).map(|(sum, slope)| sum / members / slope).collect::<Vec<_>>()
        });
        Ok(Array2::from_shape_vec((theta.nrows(), dim), per_theta.collect())
            .expect("a score for each parameter"))
    }

    /// The simulations with marginal scores in place of those they have, if any.
    ///
    /// # Errors
    /// As [`MarginalScore::predict`].
    pub fn replace(&self, simulations: &Simulations) -> Result<Simulations> {
        let scores = self.predict(simulations.theta(), simulations.x())?;
        simulations.clone().with_scores(scores)
    }

    /// Part of the mean square of the scores of simulations, per normal coordinate of each parameter,
    /// that the marginal scores leave `[parameter]`: with simulations that were not trained on, the
    /// part that is due to the latents, and to what was not learnt. Near 0 for a simulator whose
    /// latents do not matter.
    ///
    /// # Errors
    /// As [`MarginalScore::predict`]; [`Error::NoScores`].
    pub fn residual(&self, simulations: &Simulations) -> Result<Vec<f64>> {
        let prior = &self.description.prior;
        let u = coordinates_of_set(simulations, prior, Coordinates::Normal)?;
        let noisy = in_coordinates(simulations, prior, &u)?;
        let smooth = in_coordinates(&self.replace(simulations)?, prior, &u)?;
        let dim = prior.dim();
        Ok((0..dim)
            .map(|parameter| {
                let column = |values: &[f64]| -> Vec<f64> {
                    values.iter().skip(parameter).step_by(dim).copied().collect()
                };
                let (noisy, smooth) = (column(&noisy), column(&smooth));
                let left: f64 = noisy.iter().zip(&smooth).map(|(a, b)| (a - b).powi(2)).sum();
                left / noisy.iter().map(|score| score * score).sum::<f64>().max(f64::MIN_POSITIVE)
            })
            .collect())
    }

    /// The training of each network. The loss is the part of the variance of the scores that is not
    /// explained, averaged over the parameters.
    #[must_use]
    pub fn reports(&self) -> &[TrainingReport] {
        &self.description.reports
    }

    /// Calls of the simulator that the networks have cost.
    #[must_use]
    pub fn simulator_calls(&self) -> u64 {
        self.description.simulator_calls
    }

    /// Stores everything in one file: safetensors with a JSON header.
    ///
    /// # Errors
    /// If the device fails or the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let mut weights = Vec::new();
        for (index, network) in self.networks.iter().enumerate() {
            for weight in named_weights(network)? {
                weights.push(Weight { name: format!("{index}/{}", weight.name), ..weight });
            }
        }
        Ok(WeightFile { header: self.description.clone(), weights }.write(path, KIND, SCHEMA)?)
    }

    /// Reads what [`MarginalScore::save`] stored.
    ///
    /// # Errors
    /// If the file cannot be read, is damaged, of another kind or of a later schema.
    pub fn load(path: &Path, device: &Device) -> Result<Self> {
        let WeightFile { header: description, weights } =
            WeightFile::<Description>::read(path, KIND, SCHEMA)?;
        let damaged = |reason: String| Error::File { path: path.to_path_buf(), reason };
        let (dim, network) = (description.prior.dim(), &description.network);
        let shapes = [
            description.coordinates.features(),
            description.scores.features(),
            network.outputs,
            network.inputs.wrapping_sub(description.observables.len()),
        ];
        if shapes != [dim; 4] || description.reports.is_empty() {
            return Err(damaged(format!("its parts are of {shapes:?} parameters, not {dim}")));
        }
        let networks = (0..description.reports.len())
            .map(|index| {
                let prefix = format!("{index}/");
                let own = weights.iter().filter_map(|weight| {
                    let name = weight.name.strip_prefix(&prefix)?.to_owned();
                    Some(Weight { name, ..weight.clone() })
                });
                let new = network.init(LAST_LAYER, &mut ChaCha8Rng::seed_from_u64(0), device);
                load_weights(new, &own.collect::<Vec<_>>())
            })
            .collect::<flows::Result<_>>()
            .map_err(|error| damaged(error.to_string()))?;
        Ok(Self { description, networks, device: device.clone() })
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::ops::ControlFlow;

    use rand_distr::{Distribution, StandardNormal};

    use super::*;
    use crate::fit::FitProgress;
    use crate::prior::Marginal;
    use crate::simulations::{Policy, simulate};
    use crate::simulator::{Simulation, try_from_fn};

    const LATENT: f64 = 0.4;
    const NOISE: f64 = 0.3;

    /// `theta` of a log-normal prior, latent `z ~ N(theta, 0.4²)`, `x ~ N(z, 0.3²)`: the score with
    /// the latent is `(z - theta) / 0.4²`, that without `(x - theta) / (0.4² + 0.3²)`.
    fn simulations(count: u64, seed: u64) -> (Prior, Simulations) {
        let marginal = Marginal::LogNormal { location: 0.0, scale: 0.3 };
        let prior = Prior::new([("a", marginal)]).unwrap();
        let simulator = try_from_fn(1, 1, |theta: &[f64], rng: &mut ChaCha8Rng| {
            let noise: [f64; 2] = [StandardNormal.sample(rng), StandardNormal.sample(rng)];
            let z = theta[0] + LATENT * noise[0];
            let score = Some(vec![(z - theta[0]) / LATENT.powi(2)]);
            Ok::<_, Infallible>(Simulation { x: vec![z + NOISE * noise[1]], score })
        });
        let quiet = |_| ControlFlow::Continue(());
        let set = simulate(&simulator, &prior, 0..count, seed, Policy::default(), &quiet);
        (prior, set.unwrap())
    }

    fn learn(prior: &Prior, set: &Simulations, members: usize) -> Result<MarginalScore> {
        let mut settings = MarginalScoreSettings { hidden: vec![32, 32], ..Default::default() };
        settings.fit.training.max_steps = 1500;
        settings.fit.members = members;
        let device = Device::flex();
        let mut observer = |_: &FitProgress| ControlFlow::Continue(());
        let mut fitting = Fitting { device: &device, checkpoints: None, observer: &mut observer };
        fit(prior, set, &settings, &mut fitting)
    }

    /// Root of the mean squared error of scores, in units of the spread of the exact ones.
    fn error(set: &Simulations) -> f64 {
        let rows = set.scores().unwrap();
        let each = rows.iter().zip(set.theta()).zip(set.x()).map(|((score, theta), x)| {
            (score - (x - theta) / (LATENT.powi(2) + NOISE.powi(2))).powi(2)
        });
        (each.sum::<f64>() / set.len() as f64 * (LATENT.powi(2) + NOISE.powi(2))).sqrt()
    }

    #[test]
    fn the_closed_form_is_found() {
        let (prior, set) = simulations(5000, 1);
        let learnt = learn(&prior, &set, 2).unwrap();
        assert_eq!((learnt.reports().len(), learnt.simulator_calls()), (2, 5000));
        let (_, fresh) = simulations(2000, 2);
        let smooth = learnt.replace(&fresh).unwrap();
        // the latent's part of the variance of the scores: 0.3² / (0.3² + 0.4²)
        let (noisy, found) = (error(&fresh), error(&smooth));
        assert!((noisy - 0.75).abs() < 0.05 && found < 0.1, "{noisy} {found}");
        let residual = learnt.residual(&fresh).unwrap()[0];
        assert!((residual - 0.36).abs() < 0.04, "{residual}");
        assert_eq!((smooth.theta(), smooth.x()), (fresh.theta(), fresh.x()));
        assert_eq!(smooth.sources(), fresh.sources());

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("score.safetensors");
        learnt.save(&path).unwrap();
        let loaded = MarginalScore::load(&path, &Device::flex()).unwrap();
        assert_eq!(loaded.replace(&fresh).unwrap(), smooth);
        assert!(crate::Estimator::load(&path, &Device::flex()).is_err());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let (prior, set) = simulations(60, 1);
        let learnt = learn(&prior, &set, 1).unwrap();
        let bare = Simulations::new(set.theta().to_owned(), set.x().to_owned(), None).unwrap();
        assert!(matches!(learn(&prior, &bare, 1), Err(Error::NoScores)));
        assert!(matches!(learn(&prior, &set, 0), Err(Error::Setting { field: "members", .. })));
        // without scores before, with scores after
        assert!(learnt.replace(&bare).unwrap().scores().is_some());
        let two = set.first(2).unwrap();
        assert!(matches!(learnt.predict(set.theta(), two.x()), Err(Error::Shape { .. })));
        let outside = Array2::from_elem((2, 1), -1.0);
        assert!(matches!(learnt.predict(outside.view(), two.x()), Err(Error::NotFinite { .. })));
        let wrong = Array2::zeros((3, 1));
        assert!(matches!(two.clone().with_scores(wrong), Err(Error::Shape { .. })));
        let wrong = Array2::from_elem((2, 1), f64::NAN);
        assert!(matches!(two.with_scores(wrong), Err(Error::NotFinite { .. })));
    }
}
