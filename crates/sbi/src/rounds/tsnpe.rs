//! Truncated sequential neural posterior estimation.
//!
//! Each round simulates at draws of the prior, truncated to where the posterior of the rounds
//! before is not negligible:
//!
//! `p~(theta) ∝ p(theta) 1[q(theta | x_o) / p(theta) >= tau]`,
//!
//! with `tau` such that all but a small part (1e-4) of the mass of `q` is in this region. Within it
//! the simulations of all rounds are distributed as the prior, up to constants, and the plain loss
//! learns the posterior. Of all regions that hold as much of `q` this one holds the least of the
//! prior, in whatever coordinates; the published one, `q >= tau`, is the same for a uniform prior.
//!
//! Draws are made by rejection from the prior. Where the region is so small that this costs more
//! than a budget, the rest is made by resampling: of several draws of `q` in the region one is
//! chosen with probability proportional to `p / q`, which approaches draws of `p~` as their number
//! grows. The report says how many were made either way.
//!
//! *Shapes.* As those of [`npe`](mod@crate::npe), for one observation `[observable]`; each round
//! proposes parameters `[simulation, parameter]`.
//!
//! *When to use.* First among sequential methods for posteriors: its loss is plain in every round,
//! there is no leakage to correct, and calibration can be tested within the region.
//! *When not.* The posterior fills most of the prior (one round does as well), or it is so narrow in
//! many dimensions that resampling makes nearly all parameters and rounds approach the posterior
//! slowly: [`Method::Snpe`](super::Method::Snpe) simulates at the posterior itself. A posterior that
//! misses a mode in the first round never simulates there again: give the first round enough.
//!
//! # References
//! M. Deistler, P. J. Goncalves and J. H. Macke, "Truncated proposals for scalable and hassle-free
//! simulation-based inference", NeurIPS 2022, arXiv:2210.04815, algorithm 1.

use ndarray::Array2;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::proposal::{ProposalReport, RoundProposal, seeds};
use crate::coordinates::Coordinates;
use crate::error::{Error, Result};
use crate::npe::NpeSettings;
use crate::posterior::{CHUNK, Posterior};
use crate::prior::Prior;

/// Settings of truncated sequential neural posterior estimation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TsnpeSettings {
    /// The posterior and its training.
    pub npe: NpeSettings,
    /// Mass of the posterior that is negligible. Default 1e-4.
    pub quantile: f64,
    /// Draws of the posterior by which the threshold is found. Default 10 000.
    pub draws: usize,
    /// Draws of the prior looked at per parameter wanted, on average, before the rest is resampled.
    /// Default 500.
    pub budget: usize,
    /// Draws of the posterior among which one is chosen when resampling. Default 256.
    pub oversampling: usize,
}

impl Default for TsnpeSettings {
    fn default() -> Self {
        Self {
            npe: NpeSettings::default(),
            quantile: 1e-4,
            draws: 10_000,
            budget: 500,
            oversampling: 256,
        }
    }
}

impl TsnpeSettings {
    pub(super) fn validate(&self) -> Result<()> {
        let setting = |field, value: String, expected: &str| {
            Err(Error::Setting { field, value, expected: expected.to_owned() })
        };
        if !(0.0..0.5).contains(&self.quantile) {
            return setting("quantile", self.quantile.to_string(), "from 0 to below 0.5");
        }
        let counts =
            [("draws", self.draws), ("budget", self.budget), ("oversampling", self.oversampling)];
        match counts.into_iter().find(|(_, count)| *count == 0) {
            Some((field, _)) => setting(field, "0".into(), "at least 1"),
            None => Ok(()),
        }
    }
}

/// Draws of the truncated prior.
pub(super) fn propose(
    prior: &Prior,
    posterior: &Posterior<'_>,
    settings: &TsnpeSettings,
    count: usize,
    seed: u64,
) -> Result<RoundProposal> {
    let [support, rejection, resampling] = seeds(seed);
    let mut region = Region {
        prior,
        posterior,
        coordinates: settings.npe.coordinates,
        log_threshold: f64::NEG_INFINITY,
    };
    let draws = posterior.sample(settings.draws, support)?;
    let leakage = draws.sampling.leakage();
    let mut log_ratios =
        region.log_ratios(draws.theta.rows().into_iter().map(|row| row.to_vec()))?;
    log_ratios.retain(|value| value.is_finite());
    log_ratios.sort_by(f64::total_cmp);
    let rank = (settings.quantile * log_ratios.len() as f64) as usize;
    let Some(log_threshold) = log_ratios.get(rank).copied() else {
        return Err(posterior.no_mass(settings.draws));
    };
    region.log_threshold = log_threshold;
    let budget = settings.budget.saturating_mul(count);
    let (mut theta, proposed) = region.by_rejection(count, budget, rejection)?;
    let accepted = theta.len();
    let resampled = count - accepted;
    let effective = if resampled > 0 {
        let (rest, effective) =
            region.by_resampling(resampled, settings.oversampling, resampling)?;
        theta.extend(rest);
        Some(effective)
    } else {
        None
    };
    let theta = Array2::from_shape_vec((count, prior.dim()), theta.concat())
        .expect("as many numbers as draws of parameters");
    let report = ProposalReport::Truncated {
        log_threshold,
        proposed,
        accepted,
        resampled,
        effective,
        leakage,
    };
    Ok(RoundProposal { theta, report })
}

/// Where a posterior is not negligible.
struct Region<'a> {
    prior: &'a Prior,
    posterior: &'a Posterior<'a>,
    coordinates: Coordinates,
    log_threshold: f64,
}

impl Region<'_> {
    /// `ln q(theta | x_o) / p(theta)`, the same in all coordinates.
    fn log_ratios(&self, theta: impl Iterator<Item = Vec<f64>>) -> Result<Vec<f64>> {
        let u: Vec<f64> = theta.flat_map(|row| self.coordinates.of(self.prior, &row)).collect();
        let mut log_ratios = self.posterior.log_densities(&u)?;
        for (value, u) in log_ratios.iter_mut().zip(u.chunks(self.prior.dim())) {
            *value -= self.coordinates.log_prior(self.prior, u);
        }
        Ok(log_ratios)
    }

    /// Draws of the prior within the region, at most `count`, and how many were looked at, at most
    /// `budget`.
    fn by_rejection(
        &self,
        count: usize,
        budget: usize,
        seed: u64,
    ) -> Result<(Vec<Vec<f64>>, usize)> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (mut accepted, mut proposed) = (Vec::with_capacity(count), 0);
        while proposed < budget {
            let rows = CHUNK.min(budget - proposed);
            let drawn: Vec<Vec<f64>> = (0..rows).map(|_| self.prior.draw(&mut rng)).collect();
            let log_ratios = self.log_ratios(drawn.iter().cloned())?;
            for (theta, log_ratio) in drawn.into_iter().zip(log_ratios) {
                proposed += 1;
                if log_ratio >= self.log_threshold {
                    accepted.push(theta);
                }
                if accepted.len() == count {
                    return Ok((accepted, proposed));
                }
            }
        }
        Ok((accepted, proposed))
    }

    /// `count` draws, each chosen among `among` draws of the posterior, and the mean effective
    /// number of those.
    fn by_resampling(&self, count: usize, among: usize, seed: u64) -> Result<(Vec<Vec<f64>>, f64)> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut chosen = Vec::with_capacity(count);
        let mut effective = 0.0;
        let groups = (CHUNK / among).max(1);
        while chosen.len() < count {
            let now = groups.min(count - chosen.len());
            let draws = self.posterior.sample(now * among, rng.random())?.theta;
            let log_ratios = self.log_ratios(draws.rows().into_iter().map(|row| row.to_vec()))?;
            for (group, log_ratios) in log_ratios.chunks(among).enumerate() {
                // relative to the largest weight there can be within the region
                let weight = |log_ratio: &f64| match *log_ratio >= self.log_threshold {
                    true => (self.log_threshold - log_ratio).exp(),
                    false => 0.0,
                };
                let weights: Vec<f64> = log_ratios.iter().map(weight).collect();
                let sum: f64 = weights.iter().sum();
                if sum <= 0.0 {
                    // as drawn: the region holds nearly all of the posterior
                    chosen.push(draws.row(group * among).to_vec());
                    effective += 1.0;
                    continue;
                }
                let squares: f64 = weights.iter().map(|weight| weight * weight).sum();
                effective += sum * sum / squares;
                let mut left = rng.random::<f64>() * sum;
                let within = weights.iter().position(|weight| {
                    left -= weight;
                    left < 0.0
                });
                let row = group * among + within.unwrap_or(among - 1);
                chosen.push(draws.row(row).to_vec());
            }
        }
        Ok((chosen, effective / count as f64))
    }
}
