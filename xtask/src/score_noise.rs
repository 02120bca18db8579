//! How noisy the scores of simulations are, and what makes them less noisy.
//!
//! A score that a simulator gives is the marginal score of the map, which is what learning wants,
//! plus latent noise of mean zero (see `lognormal_sim::ScoreKind`). By the law of total variance
//!
//! `Var(score) = Var(E[score | map]) + E[Var(score | map)]`,
//!
//! where the first term, the signal, is the Fisher information of the map and the same for all
//! estimators. Both are measured without bias: the latents that made a map are an exact draw of
//! their posterior given the map, so a chain that starts from them is in equilibrium at once, and
//! two averages of its draws, far apart, are two estimates of the marginal score with independent
//! errors. Their product averages to the signal, and `(score - first) (score - second)` to the
//! noise.

mod chain;
mod combination;
mod split;
mod story;

use anyhow::{Context, Result, ensure};
use lognormal_sim::{Cosmology, Mixing, Randomness, ScoreKind, Simulator, WhitenedDensity};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use self::chain::{LatentChain, find_step};
use self::combination::combine;
pub use self::split::Measured;
use self::split::{Sample, Split};
pub use self::story::section;
use crate::study::derive_seed;
use full_field::DIM;
pub use full_field::Matrix;

/// File of the measured noise.
pub const NOISE: &str = "score_noise.json";

/// Size of a measurement.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Maps for each of the two mixings of the latents; 16 or more.
    pub maps: usize,
    /// Draws of a chain that are averaged with the true latents, as an estimator.
    pub averaged: usize,
    /// Draws in each of the two averages that the noise is measured against.
    pub reference: usize,
    /// Draws left out before each average, so that its error is independent of what came before.
    pub gap: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { maps: 64, averaged: 4, reference: 6, gap: 3 }
    }
}

impl Settings {
    /// Checks every field.
    ///
    /// # Errors
    /// With the field and its value.
    pub fn validate(&self) -> Result<()> {
        ensure!(self.maps >= 16, "maps = {}: 16 or more are needed", self.maps);
        ensure!(self.averaged > 0, "averaged = 0: at least one draw is needed");
        ensure!(self.reference > 1, "reference = {}: 2 or more are needed", self.reference);
        Ok(())
    }

    /// Maps of a whole measurement.
    #[must_use]
    pub fn steps(&self) -> usize {
        MIXINGS.len() * self.maps
    }
}

/// Both ways to mix latents; each has its own maps.
const MIXINGS: [Mixing; 2] = [Mixing::SymmetricRoot, Mixing::Cholesky];

/// A way to get a score from a simulation.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Estimator {
    /// At fixed latents that the symmetric root mixes: that of the published benchmark.
    SymmetricRoot,
    /// At fixed latents that the Cholesky factor mixes.
    Cholesky,
    /// At a fixed Gaussian field.
    Field,
    /// At fixed whitened latents.
    Whitened,
    /// At fixed whitened latents, with the differences to the scores at fixed latents and at a
    /// fixed field as control variates.
    Combination,
    /// At fixed whitened latents, averaged over the true latents and draws of a chain.
    ChainMean,
}

impl Estimator {
    /// All, the published one first.
    pub const ALL: [Self; 6] = [
        Self::SymmetricRoot,
        Self::Cholesky,
        Self::Field,
        Self::Whitened,
        Self::Combination,
        Self::ChainMean,
    ];
}

/// The noise of one estimator.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct EstimatorNoise {
    /// The estimator.
    pub estimator: Estimator,
    /// Maps it was measured on.
    pub maps: usize,
    /// What a map with its score costs in simulations, where a gradient counts as two.
    pub simulations: f64,
    /// Covariance of the latent noise.
    pub covariance: Matrix,
    /// Standard deviation of the latent noise of each parameter's score.
    pub noise: [Measured; DIM],
    /// It in units of that of the marginal score.
    pub relative: [Measured; DIM],
    /// Variance of the noise in units of that of the marginal score, averaged over six combinations
    /// of parameters whose marginal scores are independent: `tr(F^-1 V) / 6` with the covariances
    /// `F` of the marginal score and `V` of the noise.
    pub per_information: Measured,
    /// Slope of the regression of the score on the marginal score: one without bias.
    pub slope: [Measured; DIM],
    /// Largest mean over the maps of the score minus the marginal score, in standard errors.
    pub largest_deviation: f64,
}

/// The chains behind a measurement.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ChainRecord {
    /// Step size.
    pub step: f64,
    /// Mean acceptance.
    pub acceptance: f64,
    /// Gradients per draw, that of its score included.
    pub gradients_per_draw: f64,
    /// Correlation of the latent noise at the true latents with that at the first draw after the
    /// averaged ones and a gap, mean over the parameters: the measurement assumes that it vanishes.
    pub correlation: f64,
}

/// The noise of scores at one cosmology.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreNoise {
    /// Pixels along a side of a map.
    pub npix: usize,
    /// Parameters of the simulations.
    pub parameters: [f64; DIM],
    /// How it was measured.
    pub settings: Settings,
    /// Covariance of the marginal score: the Fisher information of a map.
    pub information: Matrix,
    /// Standard deviation of the marginal score of each parameter.
    pub marginal: [Measured; DIM],
    /// The estimators, in the order of [`Estimator::ALL`].
    pub estimators: Vec<EstimatorNoise>,
    /// The chains.
    pub chains: ChainRecord,
}

impl ScoreNoise {
    /// The noise of an estimator.
    #[must_use]
    pub fn of(&self, estimator: Estimator) -> Option<&EstimatorNoise> {
        self.estimators.iter().find(|noise| noise.estimator == estimator)
    }

    /// How many times fewer simulations than the published estimator an estimator needs for scores
    /// whose average has the same latent noise.
    #[must_use]
    pub fn gain(&self, estimator: Estimator) -> Option<f64> {
        let price = |noise: &EstimatorNoise| noise.per_information.value * noise.simulations;
        Some(price(self.of(Estimator::SymmetricRoot)?) / price(self.of(estimator)?))
    }
}

/// All scores of one map.
struct MapScores {
    mixing: Mixing,
    latents: [f64; DIM],
    field: [f64; DIM],
    whitened: [f64; DIM],
    chain_mean: [f64; DIM],
    /// Two independent estimates of the marginal score.
    reference: [[f64; DIM]; 2],
    /// Score at the first draw of the first of them, and means of both halves of the second.
    separate: [f64; DIM],
    halves: [[f64; DIM]; 2],
    acceptance: f64,
    gradients_per_draw: f64,
}

/// Measures the noise of scores at a cosmology. `progress` is called once for each of
/// [`Settings::steps`] maps. The result depends on simulator, cosmology, settings and seed alone.
///
/// # Errors
/// Settings that make no sense; parameters outside the model's domain or a simulation that fails;
/// a covariance of the marginal score that is not positive, which more maps cure.
pub fn measure(
    simulator: &Simulator,
    parameters: &[f64; DIM],
    settings: &Settings,
    seed: u64,
    progress: &(dyn Fn() + Sync),
) -> Result<ScoreNoise> {
    settings.validate()?;
    let cosmology = Cosmology::from_parameters(parameters)?;
    let step = find_step(simulator, &cosmology, derive_seed(seed, "step"))?;
    let mut maps = Vec::new();
    for mixing in MIXINGS {
        let simulator = simulator.with_mixing(mixing);
        let seed = derive_seed(seed, &format!("{mixing:?}"));
        let scores = (0..settings.maps as u64).into_par_iter().map(|index| {
            let scores = score_map(&simulator, &cosmology, settings, step, (seed, index));
            progress();
            scores.with_context(|| format!("scores of simulation {index} of seed {seed}"))
        });
        maps.extend(scores.collect::<Result<Vec<MapScores>>>()?);
    }
    summarise(simulator, parameters, settings, step, &maps)
}

fn score_map(
    simulator: &Simulator,
    cosmology: &Cosmology,
    settings: &Settings,
    step: f64,
    (seed, index): (u64, u64),
) -> Result<MapScores> {
    let simulated = simulator.simulate_scored(ScoreKind::Latents, cosmology, seed, index)?;
    let field = simulator.simulate_scored(ScoreKind::Field, cosmology, seed, index)?.score;
    let latents: Vec<f64> = Randomness::new(seed, index).normals(simulator.map_len());
    let mut density = WhitenedDensity::new(simulator, simulated.maps)?;
    let white = density.coordinates(cosmology, &latents)?;
    let slice = density.at(cosmology)?;
    let mut chain = LatentChain::start(slice, white, step, derive_seed(seed, "chain"), index)?;

    let whitened = chain.score()?;
    let averaged = chain.scores(settings.averaged)?;
    let mut chain_mean = whitened;
    for score in &averaged {
        add(&mut chain_mean, score);
    }
    chain_mean = chain_mean.map(|sum| sum / (averaged.len() + 1) as f64);
    let mut references = Vec::new();
    for _ in 0..2 {
        chain.skip(settings.gap)?;
        references.push(chain.scores(settings.reference)?);
    }
    let mean = |scores: &[[f64; DIM]]| {
        let mut sum = [0.0; DIM];
        scores.iter().for_each(|score| add(&mut sum, score));
        sum.map(|sum| sum / scores.len() as f64)
    };
    Ok(MapScores {
        mixing: simulator.survey().mixing,
        latents: simulated.score,
        field,
        whitened,
        chain_mean,
        reference: [mean(&references[0]), mean(&references[1])],
        separate: references[0][0],
        halves: [
            mean(&references[1][..settings.reference / 2]),
            mean(&references[1][settings.reference / 2..]),
        ],
        acceptance: chain.acceptance(),
        gradients_per_draw: chain.gradients_per_draw(),
    })
}

fn add(sum: &mut [f64; DIM], score: &[f64; DIM]) {
    for (sum, score) in sum.iter_mut().zip(score) {
        *sum += score;
    }
}

/// From the scores of all maps to the noise of each estimator.
fn summarise(
    simulator: &Simulator,
    parameters: &[f64; DIM],
    settings: &Settings,
    step: f64,
    maps: &[MapScores],
) -> Result<ScoreNoise> {
    let count = maps.len() as f64;
    let mean = |of: &dyn Fn(&MapScores) -> f64| maps.iter().map(of).sum::<f64>() / count;
    let gradients_per_draw = mean(&|map| map.gradients_per_draw);
    let combined = combine(maps);
    let mut estimators = Vec::new();
    let mut signal = None;
    for estimator in Estimator::ALL {
        let samples: Vec<Sample> = maps
            .iter()
            .zip(&combined)
            .map(|(map, combined)| {
                let score = match estimator {
                    Estimator::SymmetricRoot => {
                        (map.mixing == Mixing::SymmetricRoot).then_some(map.latents)
                    }
                    Estimator::Cholesky => (map.mixing == Mixing::Cholesky).then_some(map.latents),
                    Estimator::Field => Some(map.field),
                    Estimator::Whitened => Some(map.whitened),
                    Estimator::Combination => Some(*combined),
                    Estimator::ChainMean => Some(map.chain_mean),
                };
                Sample { score, reference: map.reference }
            })
            .collect();
        let split = Split::new(&samples).context(
            "the covariance of the marginal score is not positive: more maps are needed",
        )?;
        let gradients = match estimator {
            Estimator::SymmetricRoot
            | Estimator::Cholesky
            | Estimator::Field
            | Estimator::Whitened => 1.0,
            Estimator::Combination => 3.0,
            Estimator::ChainMean => 1.0 + settings.averaged as f64 * gradients_per_draw,
        };
        estimators.push(EstimatorNoise {
            estimator,
            maps: samples.iter().filter(|sample| sample.score.is_some()).count(),
            simulations: 1.0 + 2.0 * gradients,
            covariance: split.noise(),
            noise: std::array::from_fn(|k| split.noise_sd(k)),
            relative: std::array::from_fn(|k| split.relative_sd(k)),
            per_information: split.per_information(),
            slope: std::array::from_fn(|k| split.slope(k)),
            largest_deviation: split.largest_deviation(),
        });
        signal = Some((split.signal(), std::array::from_fn(|k| split.signal_sd(k))));
    }
    let (information, marginal) = signal.context("no estimator was measured")?;
    Ok(ScoreNoise {
        npix: simulator.survey().npix,
        parameters: *parameters,
        settings: *settings,
        information,
        marginal,
        estimators,
        chains: ChainRecord {
            step,
            acceptance: mean(&|map| map.acceptance),
            gradients_per_draw,
            correlation: correlation(maps),
        },
    })
}

/// Correlation of the latent noise at the true latents and at a draw after a gap.
fn correlation(maps: &[MapScores]) -> f64 {
    let of = |k: usize| {
        let (mut product, mut squares) = (0.0, 0.0);
        for map in maps {
            let from = |score: &[f64; DIM]| map.halves.map(|half| score[k] - half[k]);
            let (first, later) = (from(&map.whitened), from(&map.separate));
            product += 0.5 * (first[0] * later[1] + first[1] * later[0]);
            squares += 0.5 * (first[0] * first[1] + later[0] * later[1]);
        }
        product / squares
    };
    (0..DIM).map(of).sum::<f64>() / DIM as f64
}
