//! How far a posterior is from the explicit one, and what such distances mean.

use anyhow::{Context, Result, ensure};
use metrics::{C2stConfig, C2stNull, c2st, c2st_null, mean, variance};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use crate::arrays::Array;
use crate::lensing::C2stProfile;
use crate::sampling::thinned;
use full_field::DIM;
use full_field::cholesky;

/// File of the [`Yardsticks`].
pub const YARDSTICKS: &str = "yardsticks.json";

/// The same yardsticks of the published tests, measured from the released posterior with 10 000 draws
/// of each side: equal posteriors, and a normal distribution with the right mean and covariance.
pub const PUBLISHED_NULL: f64 = 0.511;
/// See [`PUBLISHED_NULL`].
pub const PUBLISHED_GAUSSIAN: f64 = 0.593;

/// Sets of Gaussian draws that are told from the reference.
const GAUSSIANS: u64 = 3;

/// The explicit posterior, for others to be judged by.
pub struct Judge<'a> {
    /// `[chain, draw, parameter]`.
    draws: &'a Array,
    /// As many of them as the classifier sees, evenly spaced.
    thinned: Vec<f64>,
    means: [f64; DIM],
    sds: [f64; DIM],
    c2st: &'a C2stProfile,
}

/// A posterior against the explicit one.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Judged {
    /// Accuracy with which a classifier tells them apart, 0.5 to 1.
    pub c2st: f64,
    /// Its standard error for these draws.
    pub c2st_error: f64,
    /// Distance of the means `[parameter]` in standard deviations of the explicit posterior.
    pub mean_error: [f64; DIM],
    /// Relative difference of the standard deviations `[parameter]`.
    pub width_error: [f64; DIM],
}

impl Judged {
    /// Root mean square of the distances of the means.
    #[must_use]
    pub fn mean_distance(&self) -> f64 {
        root_mean_square(&self.mean_error)
    }

    /// Root mean square of the differences of the widths.
    #[must_use]
    pub fn width_distance(&self) -> f64 {
        root_mean_square(&self.width_error)
    }
}

fn root_mean_square(values: &[f64]) -> f64 {
    (values.iter().map(|value| value * value).sum::<f64>() / values.len() as f64).sqrt()
}

/// Accuracies of the classifier that need no network.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Yardsticks {
    /// Draws of each side in all tests of the study.
    pub draws: usize,
    /// Of chains of the explicit posterior against its other chains: equal posteriors.
    pub null: C2stNull,
    /// Of normal distributions with the mean and the covariance of the explicit posterior.
    pub gaussian: C2stNull,
}

impl<'a> Judge<'a> {
    /// Judges by the draws `[chain, draw, parameter]`.
    ///
    /// # Errors
    /// With fewer draws than the classifier is to see, or draws that are all the same.
    pub fn new(draws: &'a Array, c2st: &'a C2stProfile) -> Result<Self> {
        let available = draws.data.len() / DIM;
        ensure!(
            available >= c2st.draws,
            "the explicit posterior has {available} draws, the classifier is to see {}",
            c2st.draws
        );
        let (means, sds) = moments(&draws.data);
        ensure!(sds.iter().all(|sd| *sd > 0.0), "the draws of the explicit posterior are constant");
        Ok(Self { draws, thinned: thinned(&draws.data, DIM, c2st.draws), means, sds, c2st })
    }

    /// Draws of each side.
    #[must_use]
    pub fn count(&self) -> usize {
        self.c2st.draws
    }

    fn classifier(&self, seed: u64) -> C2stConfig {
        C2stConfig { seed, ..self.c2st.classifier.clone() }
    }

    /// Accuracy and standard error of the classifier on as many draws `[draw][parameter]`.
    fn accuracy(&self, draws: &[f64], seed: u64) -> Result<(f64, f64)> {
        let found = c2st(&self.thinned, draws, DIM, &self.classifier(seed), &|_| {})
            .context("classifier test")?;
        Ok((found.accuracy, found.error))
    }

    /// Judges as many draws `[draw][parameter]` of another posterior.
    ///
    /// # Errors
    /// If their number is another, or the classifier fails.
    pub fn judge(&self, draws: &[f64], seed: u64) -> Result<Judged> {
        let (c2st, c2st_error) = self.accuracy(draws, seed)?;
        let (means, sds) = moments(draws);
        Ok(Judged {
            c2st,
            c2st_error,
            mean_error: std::array::from_fn(|i| (means[i] - self.means[i]) / self.sds[i]),
            width_error: std::array::from_fn(|i| sds[i] / self.sds[i] - 1.0),
        })
    }

    /// What accuracies mean: those of equal posteriors, and of a normal distribution.
    ///
    /// # Errors
    /// With a single chain, too few draws, or draws that are degenerate.
    pub fn yardsticks(&self, seed: u64) -> Result<Yardsticks> {
        let count = self.count();
        let (mut null, mut gaussian) = (Vec::new(), Vec::new());
        for (split, [first, second]) in self.halves()?.into_iter().enumerate() {
            let sets = [thinned(&first, DIM, count), thinned(&second, DIM, count)];
            let sets: Vec<&[f64]> = sets.iter().map(Vec::as_slice).collect();
            let config = self.classifier(seed.wrapping_add(split as u64));
            null.extend(c2st_null(&sets, DIM, &config, &|_| {})?.accuracies);
        }
        for set in 0..GAUSSIANS {
            let draws = self.normal_draws(count, seed, set)?;
            gaussian.push(self.accuracy(&draws, seed.wrapping_add(set))?.0);
        }
        let of = |accuracies: Vec<f64>| C2stNull {
            mean: mean(&accuracies),
            sd: if accuracies.len() > 1 { variance(&accuracies).sqrt() } else { 0.0 },
            accuracies,
        };
        Ok(Yardsticks { draws: count, null: of(null), gaussian: of(gaussian) })
    }

    /// The chains in two halves, in up to three ways: the first chain with others in turn.
    fn halves(&self) -> Result<Vec<[Vec<f64>; 2]>> {
        let (chains, length) = (self.draws.shape[0], self.draws.shape[1] * DIM);
        ensure!(
            chains >= 2 && chains.is_multiple_of(2),
            "{chains} chains of the explicit posterior: an even number is needed, for two halves"
        );
        let ways = if chains == 2 { 1 } else { 3.min(chains - 1) };
        let half = chains / 2;
        Ok((0..ways)
            .map(|way| {
                let partners: Vec<usize> =
                    (0..half - 1).map(|k| 1 + (way + k) % (chains - 1)).collect();
                let (mut first, mut second) = (Vec::new(), Vec::new());
                for (chain, draws) in self.draws.data.chunks_exact(length).enumerate() {
                    let side = chain == 0 || partners.contains(&chain);
                    (if side { &mut first } else { &mut second }).extend_from_slice(draws);
                }
                [first, second]
            })
            .collect())
    }

    /// Draws `[draw][parameter]` of the normal distribution of the same mean and covariance.
    fn normal_draws(&self, count: usize, seed: u64, stream: u64) -> Result<Vec<f64>> {
        let names = lognormal_sim::PARAMETERS;
        let samples = metrics::Samples::new(&self.draws.data, self.draws.shape[0], &names)?;
        let covariance = metrics::covariance(&samples)?;
        let covariance = std::array::from_fn(|i| std::array::from_fn(|j| covariance[i][j]));
        let factor = cholesky(&covariance).context("the draws are degenerate")?;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Ok((0..count)
            .flat_map(|_| {
                let normal: [f64; DIM] = std::array::from_fn(|_| StandardNormal.sample(&mut rng));
                std::array::from_fn::<f64, DIM, _>(|i| {
                    self.means[i] + (0..=i).map(|k| factor[i][k] * normal[k]).sum::<f64>()
                })
            })
            .collect())
    }
}

/// Means and standard deviations of draws `[draw][parameter]`.
fn moments(draws: &[f64]) -> ([f64; DIM], [f64; DIM]) {
    let column = |i: usize| -> Vec<f64> { draws.iter().skip(i).step_by(DIM).copied().collect() };
    let means = std::array::from_fn(|i| mean(&column(i)));
    let sds = std::array::from_fn(|i| variance(&column(i)).sqrt());
    (means, sds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chains(count: usize, draws: usize) -> Array {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let data = (0..count * draws * DIM).map(|_| StandardNormal.sample(&mut rng)).collect();
        Array { shape: vec![count, draws, DIM], data }
    }

    fn profile(draws: usize) -> C2stProfile {
        let classifier =
            C2stConfig { repetitions: 1, null_repetitions: 0, ..C2stConfig::default() };
        C2stProfile { draws, classifier }
    }

    #[test]
    fn distances_are_in_standard_deviations_of_the_reference() -> Result<()> {
        let (reference, profile) = (chains(4, 50), profile(100));
        let judge = Judge::new(&reference, &profile)?;
        let moved: Vec<f64> = judge.thinned.iter().map(|x| 2.0 * x + 0.5).collect();
        let (means, sds) = moments(&judge.thinned);
        let judged = judge.judge(&moved, 1)?;
        for i in 0..DIM {
            let mean = (2.0 * means[i] + 0.5 - judge.means[i]) / judge.sds[i];
            assert!((judged.mean_error[i] - mean).abs() < 1e-9);
            assert!((judged.width_error[i] - (2.0 * sds[i] / judge.sds[i] - 1.0)).abs() < 1e-9);
        }
        assert!(judged.width_distance() > 0.8 && judged.c2st > 0.6, "{judged:?}");
        Ok(())
    }

    #[test]
    fn every_split_has_half_of_the_chains_on_each_side() -> Result<()> {
        for (count, ways) in [(2, 1), (4, 3), (6, 3)] {
            let (reference, profile) = (chains(count, 10), profile(20));
            let halves = Judge::new(&reference, &profile)?.halves()?;
            assert_eq!(halves.len(), ways);
            for [first, second] in &halves {
                assert_eq!((first.len(), second.len()), (count * 5 * DIM, count * 5 * DIM));
            }
            let firsts: Vec<_> = halves.iter().map(|[first, _]| first).collect();
            assert!(firsts.windows(2).all(|w| w[0] != w[1]), "no split twice");
        }
        let (reference, profile) = (chains(3, 10), profile(20));
        assert!(Judge::new(&reference, &profile)?.halves().is_err());
        Ok(())
    }

    #[test]
    fn a_normal_posterior_is_not_told_from_its_yardsticks() -> Result<()> {
        let (reference, profile) = (chains(4, 150), profile(300));
        let found = Judge::new(&reference, &profile)?.yardsticks(3)?;
        assert_eq!((found.null.accuracies.len(), found.gaussian.accuracies.len()), (3, 3));
        for accuracy in [found.null.mean, found.gaussian.mean] {
            assert!((0.42..0.58).contains(&accuracy), "{found:?}");
        }
        Ok(())
    }
}
