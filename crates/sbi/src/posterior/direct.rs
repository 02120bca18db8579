//! Independent draws from networks that sample.

use ndarray::Array2;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::settings::{SampleObserver, SampleProgress, SampleSettings, SampleStage};
use super::{CHUNK, Draws, Posterior, Sampling};
use crate::error::{Error, Result};

/// Draws until `count` lie within the support of the prior.
pub fn sample(
    posterior: &Posterior<'_>,
    count: usize,
    seed: u64,
    settings: &SampleSettings,
    observer: &mut SampleObserver<'_>,
) -> Result<Draws> {
    let estimator = posterior.estimator;
    let (prior, dim) = (&estimator.prior, estimator.prior.dim());
    let networks = &estimator.networks;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut accepted: Vec<Vec<f64>> = Vec::with_capacity(count);
    let mut proposed = 0;
    while accepted.len() < count {
        let done = accepted.len();
        let progress = SampleProgress { stage: SampleStage::Direct, done, total: Some(count) };
        if observer(&progress).is_break() {
            return Err(Error::Stopped { done: done as u64, total: count as u64 });
        }
        let missing = (count - accepted.len()) as f64;
        let rate = (accepted.len() as f64 / proposed.max(1) as f64).max(0.05);
        let rows = if proposed == 0 { missing } else { missing / rate };
        let rows = (rows.ceil() as usize).clamp(1, CHUNK);
        // each draw comes from a member at random
        let members: Vec<usize> = (0..rows).map(|_| rng.random_range(0..networks.len())).collect();
        let mut of_member = Vec::with_capacity(networks.len());
        for (index, network) in networks.iter().enumerate() {
            let own = members.iter().filter(|member| **member == index).count();
            let context = posterior.y.clone().repeat_dim(0, own);
            let u = if own > 0 { network.sample(context, &mut rng)? } else { None };
            of_member.push(u.unwrap_or_default().into_iter());
        }
        for member in members {
            let u: Vec<f64> = of_member[member].by_ref().take(dim).collect();
            let (theta, _) = estimator.coordinates.theta(prior, &u);
            // what lies beyond the prior by rounding, at an edge, has no coordinates
            let inside = prior.contains(&theta)
                && estimator.coordinates.of(prior, &theta).iter().all(|u| u.is_finite());
            if inside {
                accepted.push(theta);
            }
        }
        proposed += rows;
        if accepted.len() < count && proposed >= settings.direct_budget * count.max(100) {
            let (accepted, deviation) = (accepted.len(), posterior.largest_deviation());
            return Err(Error::Leakage { accepted, proposed, deviation });
        }
    }
    let leakage = 1.0 - accepted.len() as f64 / proposed.max(1) as f64;
    accepted.truncate(count);
    let theta = Array2::from_shape_vec((count, dim), accepted.concat())
        .expect("as many numbers as draws of parameters");
    Ok(Draws { theta, sampling: Sampling::Direct { proposed, leakage } })
}
