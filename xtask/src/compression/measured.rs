//! What a posterior is worth: its Figures of Merit, and its distance from the explicit one.

use anyhow::{Context, Result};
use flows::training::CurvePoint;
use lognormal_sim::PARAMETERS;
use metrics::{
    C2st, C2stConfig, FigureOfMerit, NegativeLogProbability, Samples, c2st, covariance,
    figure_of_merit, mean,
};
use serde::{Deserialize, Serialize};

use crate::arrays::Array;
use crate::lensing::{C2stProfile, PAIRS};
use crate::sampling::thinned;
use full_field::{DIM, Prior};
use full_field::{cholesky, inverse};

/// The measures of one learnt posterior.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Measured {
    /// Key of the method.
    pub method: String,
    /// Index of the compressor of this method.
    pub run: usize,
    /// Index of the posterior of this compressor.
    pub repeat: usize,
    /// Against the explicit posterior.
    pub judged: Judged,
    /// What is known of learnt posteriors only.
    pub inferred: Inferred,
}

/// A posterior of the observation against the explicit one.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Judged {
    /// Figures of Merit of [`PAIRS`].
    pub figures: Vec<FigureOfMerit>,
    /// Accuracy with which a classifier tells it from the explicit posterior.
    pub c2st: C2st,
    /// Draws of each that the classifier has seen.
    pub draws: usize,
    /// Kullback-Leibler divergence of the explicit posterior from it in nat, both taken as normal
    /// in the coordinates in which the prior is.
    pub divergence: f64,
}

/// What is known of a learnt posterior.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Inferred {
    /// Numbers that a map was compressed into.
    pub summaries: usize,
    /// Simulations that it was learnt from.
    pub simulations: usize,
    /// Kullback-Leibler divergence of the posterior from the prior in nat: the information gained.
    pub gain: f64,
    /// Mean of `-ln q` over draws of the explicit posterior in nat: the divergence of the explicit
    /// posterior plus its unknown entropy, the same for all methods.
    pub cross_entropy: NegativeLogProbability,
    /// Mean of `-ln q` of the truth over fresh simulations from the prior, in nat.
    pub nlp: NegativeLogProbability,
    /// Largest deviation of a summary of the observation from those of the simulations, in their
    /// standard units.
    pub deviation: f64,
    /// Fraction of the draws that lay outside the prior.
    pub leakage: f64,
    /// Learning curve.
    pub curve: Vec<CurvePoint>,
    /// Index in it of the weights that were kept.
    pub best: usize,
}

/// The two posteriors that need no network.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Baselines {
    /// Figures of Merit of the explicit posterior.
    pub explicit: Vec<FigureOfMerit>,
    /// The posterior from power spectra.
    pub power_spectrum: Judged,
}

/// Draws of the explicit posterior, with the test that others are compared by.
pub struct Explicit<'a> {
    /// `[chain, draw, parameter]`.
    pub draws: &'a Array,
    /// The classifier.
    pub c2st: &'a C2stProfile,
}

/// The Figures of Merit of [`PAIRS`] of draws `[chain, draw, parameter]`.
///
/// # Errors
/// With too few draws, or degenerate ones.
pub fn figures(draws: &Array) -> Result<Vec<FigureOfMerit>> {
    let samples = Samples::new(&draws.data, draws.shape[0], &PARAMETERS)?;
    let figures = PAIRS.iter().map(|&(a, b)| Ok(figure_of_merit(&samples, a, b)?));
    figures.collect()
}

impl Explicit<'_> {
    /// The draws, `[draw][parameter]`.
    pub fn rows(&self) -> &[f64] {
        &self.draws.data
    }

    /// Measures draws `[chain, draw, parameter]` of another posterior.
    ///
    /// # Errors
    /// With too few draws, or draws that are all the same.
    pub fn judge(&self, draws: &Array, prior: &Prior, seed: u64) -> Result<Judged> {
        let count = self.c2st.draws.min(self.rows().len() / DIM).min(draws.data.len() / DIM);
        let config = C2stConfig { seed, ..self.c2st.classifier.clone() };
        let (own, other) = (thinned(self.rows(), DIM, count), thinned(&draws.data, DIM, count));
        Ok(Judged {
            figures: figures(draws)?,
            c2st: c2st(&own, &other, DIM, &config, &|_| {})?,
            draws: count,
            divergence: divergence(self.rows(), &draws.data, prior)?,
        })
    }
}

/// Mean and covariance in the coordinates in which the prior is normal.
fn moments(draws: &[f64], prior: &Prior) -> Result<([f64; DIM], [[f64; DIM]; DIM])> {
    let prior = prior.distribution();
    let normal: Vec<f64> = draws.chunks_exact(DIM).flat_map(|row| prior.to_normal(row)).collect();
    let means = std::array::from_fn(|i| {
        mean(&normal.iter().skip(i).step_by(DIM).copied().collect::<Vec<f64>>())
    });
    let covariances = covariance(&Samples::new(&normal, 1, &PARAMETERS)?)?;
    let covariances = std::array::from_fn(|i| std::array::from_fn(|j| covariances[i][j]));
    Ok((means, covariances))
}

/// Divergence of draws `p` from draws `q`, both `[draw][parameter]`, in nat:
/// `(tr C_q^-1 C_p + d^T C_q^-1 d - n + ln det C_q / det C_p) / 2`, `d` the distance of the means.
fn divergence(p: &[f64], q: &[f64], prior: &Prior) -> Result<f64> {
    let ((p_mean, p_covariance), (q_mean, q_covariance)) = (moments(p, prior)?, moments(q, prior)?);
    let factor = |covariance| cholesky(covariance).context("the draws are degenerate");
    let (p_factor, q_factor) = (factor(&p_covariance)?, factor(&q_covariance)?);
    let inverse = inverse(&q_covariance).context("the draws are degenerate")?;
    let mut sum = -(DIM as f64);
    for i in 0..DIM {
        for j in 0..DIM {
            let (a, b) = (q_mean[i] - p_mean[i], q_mean[j] - p_mean[j]);
            sum += inverse[i][j] * (p_covariance[i][j] + a * b);
        }
        sum += 2.0 * (q_factor[i][i] / p_factor[i][i]).ln();
    }
    Ok(0.5 * sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_divergence_is_that_of_normal_distributions() -> Result<()> {
        let prior = Prior::load("lsst_y10")?;
        let draws: Vec<f64> = (0..4000).flat_map(|i| prior.sample(5, i)).collect();
        assert!(divergence(&draws, &draws, &prior)?.abs() < 1e-12);
        // half as wide in one of the normal coordinates, and moved by one standard deviation
        let distribution = prior.distribution();
        let other: Vec<f64> = draws
            .chunks_exact(DIM)
            .flat_map(|row| {
                let mut u = distribution.to_normal(row);
                u[2] = 0.5 * u[2] + 1.0;
                distribution.at_normal(&u).0
            })
            .collect();
        let expected = 0.5 * (4.0 + 4.0 - 1.0) + 0.5_f64.ln();
        let found = divergence(&draws, &other, &prior)?;
        assert!((found - expected).abs() < 0.4, "{found} {expected}");
        let expected = 0.5 * (0.25 + 1.0 - 1.0) - 0.5_f64.ln();
        let found = divergence(&other, &draws, &prior)?;
        assert!((found - expected).abs() < 0.1, "{found} {expected}");
        Ok(())
    }

    #[test]
    fn figures_are_those_of_the_published_pairs() -> Result<()> {
        let prior = Prior::load("lsst_y10")?;
        let data: Vec<f64> = (0..4000).flat_map(|i| prior.sample(5, i)).collect();
        let draws = Array { shape: vec![2, 2000, DIM], data };
        let sd = prior.distribution().sd();
        for (found, (a, b)) in figures(&draws)?.iter().zip(PAIRS) {
            let expected = 1.0 / (sd[a] * sd[b]);
            assert!((found.value / expected - 1.0).abs() < 0.1, "{found:?} {expected}");
        }
        Ok(())
    }
}
