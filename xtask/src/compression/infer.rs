//! From summaries to posteriors: one way of inference for all compressors.

use std::ops::Range;
use std::path::Path;

use ::compression::{Compressor, MapSource, Maps, SourceError};
use anyhow::{Context, Result, ensure};
use burn::tensor::Device;
use flows::training::TrainingSettings;
use metrics::{NonFinite, mean, negative_log_probability};
use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;
use sbi::simulations::Simulations;
use sbi::{Estimator, FitSettings, Fitting, NpeSettings, npe};

use super::measured::{Explicit, Inferred, Measured, figures};
use super::profile::InferenceProfile;
use super::train::with_fitting;
use crate::arrays::{Array, Named, read_npz, write_npz};
use crate::files::write_json;
use crate::lensing::{C2stProfile, PAIRS};
use crate::sampling::SAMPLES;
use crate::study::{Workspace, derive_seed};
use full_field::{DIM, Prior};

/// File of the summaries.
const SUMMARIES: &str = "summaries.npz";
/// File of the estimator.
const ESTIMATOR: &str = "estimator.safetensors";
/// File of a [`Measured`].
pub const MEASURED: &str = "measured.json";
/// File of what the posteriors of the simulations held out are worth: `log_probability`
/// `[simulation]` of the truth, and `figures` `[observation, pair]`, their Figures of Merit.
pub const HELD_OUT: &str = "held_out.npz";

/// Draws of each posterior whose Figures of Merit are averaged over many.
const DRAWS_OF_EACH: usize = 500;

/// Maps simulated and compressed at a time.
const PART: u64 = 64;

/// Parameters with the summaries of maps.
pub struct Pairs {
    /// `[map, parameter]`.
    pub theta: Array2<f64>,
    /// `[map, summary]`.
    pub x: Array2<f64>,
}

impl Pairs {
    fn make(
        compressor: &dyn Compressor,
        maps: &dyn MapSource,
        indices: Range<u64>,
    ) -> Result<Self> {
        let (mut theta, mut x) = (Vec::new(), Vec::new());
        let mut start = indices.start;
        while start < indices.end {
            let end = (start + PART).min(indices.end);
            let made: Vec<_> = (start..end)
                .into_par_iter()
                .map(|index| {
                    let (mut theta, mut map) = ([0.0; DIM], vec![0.0; maps.shape().numbers()]);
                    maps.pair(index, &mut map, &mut theta)?;
                    maps.renoise(index, 0, &mut map)?;
                    Ok((theta, map))
                })
                .collect::<Result<Vec<_>, SourceError>>()
                .map_err(anyhow::Error::from_boxed)?;
            let mut pixels = Vec::new();
            // some cosmologies have no map
            let finite = |map: &[f32]| map.iter().all(|pixel| pixel.is_finite());
            for (own, map) in made.into_iter().filter(|(_, map)| finite(map)) {
                theta.extend(own);
                pixels.extend(map);
            }
            x.extend(compressor.compress(Maps::new(maps.shape(), &pixels)?)?);
            start = end;
        }
        let rows = theta.len() / DIM;
        Ok(Self {
            theta: Array2::from_shape_vec((rows, DIM), theta)?,
            x: Array2::from_shape_vec((rows, compressor.summary_len()), x)?,
        })
    }

    fn from_arrays(theta: Array, x: Array) -> Result<Self> {
        let matrix = |array: Array| -> Result<Array2<f64>> {
            let [rows, columns] = array.shape[..] else {
                anyhow::bail!("a matrix is needed, the shape is {:?}", array.shape)
            };
            Ok(Array2::from_shape_vec((rows, columns), array.data)?)
        };
        Ok(Self { theta: matrix(theta)?, x: matrix(x)? })
    }
}

/// Everything that inference reads of a compressor.
pub struct Summaries {
    /// To learn from.
    pub training: Pairs,
    /// Fresh ones.
    pub held_out: Pairs,
    /// The summary of the observation.
    pub observed: Vec<f64>,
}

/// Compresses a fixed set of simulations, and keeps them with the summary of the observation.
///
/// # Errors
/// If the compressor does not fit the maps, or the folder cannot be written.
pub fn summarise(
    compressor: &dyn Compressor,
    maps: &dyn MapSource,
    observed: &[f64],
    profile: &InferenceProfile,
    workspace: &Workspace,
) -> Result<()> {
    let (count, fresh) = (profile.simulations, profile.held_out);
    let training = Pairs::make(compressor, maps, 0..count)?;
    let held_out = Pairs::make(compressor, maps, count..count + fresh)?;
    let flat = |array: &Array2<f64>| -> Vec<f64> { array.iter().copied().collect() };
    let arrays = [
        ("theta", training.theta.shape(), flat(&training.theta)),
        ("x", training.x.shape(), flat(&training.x)),
        ("held_out_theta", held_out.theta.shape(), flat(&held_out.theta)),
        ("held_out_x", held_out.x.shape(), flat(&held_out.x)),
        ("observed", &[observed.len()], observed.to_vec()),
    ];
    let named = arrays.iter().map(|(name, shape, values)| Named::f64(name, shape, values));
    write_npz(&workspace.path(SUMMARIES), named)
}

impl Summaries {
    /// Reads what [`summarise`] left in a folder.
    ///
    /// # Errors
    /// If the file is missing or damaged.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(SUMMARIES);
        let array = |name: &str| read_npz(&path, name);
        let damaged = || path.display().to_string();
        Ok(Self {
            training: Pairs::from_arrays(array("theta")?, array("x")?).with_context(damaged)?,
            held_out: Pairs::from_arrays(array("held_out_theta")?, array("held_out_x")?)
                .with_context(damaged)?,
            observed: array("observed")?.data,
        })
    }
}

/// What posteriors of all compressors have in common.
pub struct Inference<'a> {
    /// Sizes.
    pub profile: &'a InferenceProfile,
    /// The prior.
    pub prior: &'a Prior,
    /// The explicit posterior, with its classifier.
    pub explicit: &'a Explicit<'a>,
    /// Device of the networks.
    pub device: &'a Device,
    /// Seed of the study.
    pub seed: u64,
}

/// Which posterior.
#[derive(Clone, Debug)]
pub struct Cell {
    /// Key of the method.
    pub method: String,
    /// Index of the compressor of this method.
    pub run: usize,
    /// Index of the posterior of this compressor.
    pub repeat: usize,
}

impl Inference<'_> {
    /// Learns a posterior from summaries, and measures it.
    ///
    /// # Errors
    /// If the training or a test fails, or the folder cannot be written.
    pub fn infer(&self, cell: &Cell, summaries: &Summaries, workspace: &Workspace) -> Result<()> {
        let Cell { method, run, repeat } = cell;
        let purpose = |what: &str| derive_seed(self.seed, &format!("{what}-{run}-{repeat}"));
        let estimator = self.fit(summaries, purpose("npe"), workspace)?;
        estimator.save(&workspace.path(ESTIMATOR))?;

        let posterior = estimator.posterior(&summaries.observed)?;
        let count = self.profile.draws;
        let drawn = posterior.sample(count, purpose("draws"))?;
        let draws: Vec<f64> = drawn.theta.iter().copied().collect();
        write_npz(&workspace.path(SAMPLES), [Named::f64("samples", &[1, count, DIM], &draws)])?;
        let array = Array { shape: vec![1, count, DIM], data: draws };
        let judged = self.explicit.judge(&array, self.prior, purpose("classifier"))?;

        let densities = posterior.log_prob(drawn.theta.view())?;
        let prior = self.prior.distribution();
        let gains: Vec<f64> = drawn
            .theta
            .rows()
            .into_iter()
            .zip(&densities)
            .map(|(theta, density)| density - prior.log_density(&theta.to_vec()))
            .collect();
        ensure!(gains.iter().all(|gain| gain.is_finite()), "a draw of {method} has no density");
        let explicit = self.explicit.rows();
        let view = ArrayView2::from_shape((explicit.len() / DIM, DIM), explicit)?;
        let cross = negative_log_probability(&posterior.log_prob(view)?, NonFinite::Exclude)?;
        let fresh = &summaries.held_out;
        let log_probabilities = estimator.log_prob(fresh.theta.view(), fresh.x.view())?;
        let fresh_figures = self.figures_of_each(&estimator, fresh, purpose("draws-of-each"))?;
        write_npz(
            &workspace.path(HELD_OUT),
            [
                Named::f64("log_probability", &[log_probabilities.len()], &log_probabilities),
                Named::f64(
                    "figures",
                    &[fresh_figures.len() / PAIRS.len(), PAIRS.len()],
                    &fresh_figures,
                ),
            ],
        )?;
        let report = &estimator.reports()[0];
        let measured = Measured {
            method: method.clone(),
            run: *run,
            repeat: *repeat,
            judged,
            inferred: Inferred {
                summaries: summaries.observed.len(),
                simulations: summaries.training.theta.nrows(),
                gain: mean(&gains),
                cross_entropy: cross,
                nlp: negative_log_probability(&log_probabilities, NonFinite::Exclude)?,
                deviation: posterior.largest_deviation(),
                leakage: drawn.sampling.leakage(),
                curve: report.curve.clone(),
                best: report.best,
            },
        };
        write_json(&workspace.path(MEASURED), &measured)
    }

    /// Figures of Merit of the posteriors of the first simulations, `[observation][pair]`.
    fn figures_of_each(&self, estimator: &Estimator, fresh: &Pairs, seed: u64) -> Result<Vec<f64>> {
        let mut all = Vec::new();
        for (x, index) in fresh.x.rows().into_iter().zip(0..self.profile.observations as u64) {
            let seed = derive_seed(seed, &index.to_string());
            let drawn = estimator.posterior(&x.to_vec())?.sample(DRAWS_OF_EACH, seed)?;
            let data = drawn.theta.iter().copied().collect();
            let array = Array { shape: vec![1, DRAWS_OF_EACH, DIM], data };
            all.extend(figures(&array)?.iter().map(|figure| figure.value));
        }
        Ok(all)
    }

    fn fit(&self, summaries: &Summaries, seed: u64, workspace: &Workspace) -> Result<Estimator> {
        let NpeSettings { flow, fit, coordinates, .. } = self.profile.npe.clone();
        let training = TrainingSettings { seed, ..fit.training.clone() };
        let settings =
            NpeSettings { flow, fit: FitSettings { training, ..fit }, coordinates, score: None };
        let Pairs { theta, x } = &summaries.training;
        let set = Simulations::new(theta.clone(), x.clone(), None)?;
        let prior = self.prior.distribution();
        let fit = |fitting: &mut Fitting| npe(prior, &set, &settings, fitting);
        Ok(with_fitting(self.device, workspace, fit)??)
    }
}

/// Reads the estimator that [`Inference::infer`] left in a folder.
///
/// # Errors
/// If the file is missing or damaged.
pub fn read_estimator(folder: &Path, device: &Device) -> Result<Estimator> {
    Ok(Estimator::load(&folder.join(ESTIMATOR), device)?)
}

/// The explicit posterior with the test that others are compared by.
pub fn explicit<'a>(draws: &'a Array, c2st: &'a C2stProfile) -> Explicit<'a> {
    Explicit { draws, c2st }
}
