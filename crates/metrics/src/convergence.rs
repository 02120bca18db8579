//! R-hat, effective sample sizes and Monte-Carlo standard errors of the chains of one parameter.
//!
//! All functions take the draws as `[chain][draw]`, chains of equal length with at least four
//! draws. Chains are split in two halves, so that a single chain is enough and a drift shows.
//!
//! # References
//! A. Vehtari, A. Gelman, D. Simpson, B. Carpenter, P.-C. Bürkner, "Rank-normalization, folding,
//! and localization: an improved R-hat for assessing convergence of MCMC", Bayesian Analysis 16,
//! 667 (2021), arXiv:1903.08008. C. J. Geyer, "Practical Markov chain Monte Carlo", Statistical
//! Science 7, 473 (1992), for the truncation of the autocorrelations.

use realfft::RealFftPlanner;

use crate::error::{Error, Result};
use crate::moments::{plain_mean as mean, plain_variance as variance};
use crate::normal_quantile::normal_quantile;
use crate::quantile::{quantile_of_sorted, sorted};
use crate::unit::Unit;

/// Rank-normalised split R-hat at and above which chains do not agree, and their draws should not be
/// used: the one limit of this workspace (Vehtari et al. 2021, section 4.1).
pub const R_HAT_LIMIT: f64 = 1.01;

/// Effective sample size, in the bulk and in the tails, below which neither summaries nor R-hat and
/// Monte-Carlo errors themselves can be relied on (Vehtari et al. 2021, section 4.1).
pub const ESS_LIMIT: f64 = 400.0;

const MINIMUM_DRAWS: usize = 4;

/// Refuses chains on which the statistics of this module are not defined.
pub(crate) fn validate(name: &str, chains: &[Vec<f64>]) -> Result<()> {
    let draws = chains.first().map_or(0, Vec::len);
    if draws < MINIMUM_DRAWS {
        return Err(Error::TooFew {
            what: format!("draws per chain of {name}"),
            minimum: MINIMUM_DRAWS,
            found: draws,
        });
    }
    if let Some(chain) = chains.iter().find(|c| c.len() != draws) {
        return Err(Error::Shape {
            what: format!("chains of {name}"),
            expected: format!("{draws} draws each"),
            found: format!("{} draws", chain.len()),
        });
    }
    if let Some((index, &value)) = chains.iter().flatten().enumerate().find(|(_, v)| !v.is_finite())
    {
        return Err(Error::NotFinite { what: name.into(), index, value });
    }
    let value = chains[0][0];
    if chains.iter().flatten().all(|&v| v == value) {
        return Err(Error::Constant { what: name.into(), value });
    }
    Ok(())
}

/// Valid chains in a unit in which they are of the order of one.
pub(crate) fn prepared(name: &str, chains: &[Vec<f64>]) -> Result<(Vec<Vec<f64>>, Unit)> {
    validate(name, chains)?;
    let unit = Unit::of(chains.iter().flatten());
    Ok((unit.measured_chains(chains), unit))
}

/// Rank-normalised split R-hat: the larger of that of the draws and that of their distances to
/// the median, which sees chains of unequal width.
///
/// Near 1 for chains that agree, and to stay below [`R_HAT_LIMIT`]. Infinite when no half of a chain
/// moves but they differ: there is spread between them, and none within. That is a value like others,
/// and above any limit.
///
/// # Errors
/// On chains too short, of unequal length, not finite, or all of one value, which have no spread at
/// all.
pub fn r_hat(chains: &[Vec<f64>]) -> Result<f64> {
    let (chains, _) = prepared("the parameter", chains)?;
    let halves = split(&chains);
    let median = quantile_of_sorted(&sorted(&halves), 0.5);
    let folded = map(&halves, |x| (x - median).abs());
    Ok(plain_r_hat(&rank_normalise(&halves)).max(plain_r_hat(&rank_normalise(&folded))))
}

/// Effective sample size for the centre of the distribution: of the rank-normalised draws.
///
/// # Errors
/// As [`r_hat`].
pub fn ess_bulk(chains: &[Vec<f64>]) -> Result<f64> {
    let (chains, _) = prepared("the parameter", chains)?;
    Ok(ess(&rank_normalise(&split(&chains))))
}

/// Effective sample size for the tails: the smaller of those of the 5 % and 95 % quantiles.
///
/// # Errors
/// As [`r_hat`].
pub fn ess_tail(chains: &[Vec<f64>]) -> Result<f64> {
    Ok(ess_quantile(chains, 0.05)?.min(ess_quantile(chains, 0.95)?))
}

/// Effective sample size for a quantile: of the indicator of lying at or below it.
///
/// # Errors
/// As [`r_hat`], and when `probability` is not between 0 and 1.
pub fn ess_quantile(chains: &[Vec<f64>], probability: f64) -> Result<f64> {
    let (chains, _) = prepared("the parameter", chains)?;
    if !(0.0..=1.0).contains(&probability) {
        return Err(Error::Setting {
            setting: "probability",
            value: probability,
            expected: "between 0 and 1",
        });
    }
    let threshold = quantile_of_sorted(&sorted(&chains), probability);
    Ok(ess(&split(&map(&chains, |x| f64::from(x <= threshold)))))
}

/// Effective sample size for the mean.
///
/// # Errors
/// As [`r_hat`].
pub fn ess_mean(chains: &[Vec<f64>]) -> Result<f64> {
    let (chains, _) = prepared("the parameter", chains)?;
    Ok(ess(&split(&chains)))
}

/// Monte-Carlo standard error of the mean, in the unit of the draws.
///
/// # Errors
/// As [`r_hat`], and when it is too small for a number.
pub fn mcse_mean(chains: &[Vec<f64>]) -> Result<f64> {
    let (chains, unit) = prepared("the parameter", chains)?;
    let ess = ess(&split(&chains));
    unit.size("the error of the mean", (variance(&chains.concat()) / ess).sqrt())
}

/// Monte-Carlo standard error of the standard deviation, in the unit of the draws: that of the
/// mean squared deviation, carried through the square root.
///
/// # Errors
/// As [`mcse_mean`].
pub fn mcse_sd(chains: &[Vec<f64>]) -> Result<f64> {
    let (chains, unit) = prepared("the parameter", chains)?;
    let centre = mean(&chains.concat());
    let squares = map(&chains, |x| (x - centre).powi(2));
    let second = mean(&squares.concat());
    let fourth = mean(&map(&squares, |s| s * s).concat());
    let variance_of_second = (fourth - second * second).max(0.0) / ess(&split(&squares));
    unit.size("the error of the standard deviation", (variance_of_second / (4.0 * second)).sqrt())
}

fn map(chains: &[Vec<f64>], f: impl Fn(f64) -> f64) -> Vec<Vec<f64>> {
    chains.iter().map(|chain| chain.iter().map(|&x| f(x)).collect()).collect()
}

/// First and last halves of every chain; the middle draw of an odd number is left out.
fn split(chains: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let half = chains[0].len() / 2;
    let first = chains.iter().map(|chain| chain[..half].to_vec());
    let last = chains.iter().map(|chain| chain[chain.len() - half..].to_vec());
    first.chain(last).collect()
}

/// Replaces each draw by the normal quantile of its rank among all draws, ties sharing their mean
/// rank: z = Phi^-1((rank - 3/8) / (n + 1/4)).
fn rank_normalise(chains: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let pooled = chains.concat();
    let n = pooled.len();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_unstable_by(|&i, &j| pooled[i].total_cmp(&pooled[j]));
    let mut z = vec![0.0; n];
    let mut first = 0;
    for ties in order.chunk_by(|&i, &j| pooled[i] == pooled[j]) {
        let rank = first as f64 + 0.5 * (ties.len() as f64 + 1.0);
        let value = normal_quantile((rank - 0.375) / (n as f64 + 0.25));
        for &i in ties {
            z[i] = value;
        }
        first += ties.len();
    }
    z.chunks_exact(chains[0].len()).map(<[f64]>::to_vec).collect()
}

/// sqrt of (within-chain + between-chain variance) over within-chain variance.
fn plain_r_hat(chains: &[Vec<f64>]) -> f64 {
    let draws = chains[0].len() as f64;
    let between = variance(&chains.iter().map(|c| mean(c)).collect::<Vec<_>>());
    let within = mean(&chains.iter().map(|c| variance(c)).collect::<Vec<_>>());
    if chains.iter().all(|chain| chain.iter().all(|x| *x == chain[0])) {
        return if between == 0.0 { 1.0 } else { f64::INFINITY };
    }
    (between / within + (draws - 1.0) / draws).sqrt()
}

/// Effective sample size of chains taken as they are (already split), from their autocorrelations
/// combined over chains and truncated by Geyer's initial monotone sequence.
fn ess(chains: &[Vec<f64>]) -> f64 {
    let draws = chains[0].len();
    let total = (chains.len() * draws) as f64;
    let (lowest, highest) = chains
        .iter()
        .flatten()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &x| (l.min(x), h.max(x)));
    if highest == lowest {
        return total;
    }
    let n = draws as f64;
    let covariance = mean_autocovariance(chains);
    let within = covariance[0] * n / (n - 1.0);
    let between = variance(&chains.iter().map(|c| mean(c)).collect::<Vec<_>>());
    let marginal = covariance[0] + between;
    let correlation = |lag: usize| 1.0 - (within - covariance[lag]) / marginal;

    // Sums over neighbouring even and odd lags are positive and falling for a reversible chain:
    // keep pairs while positive; of the pair that ends the sequence only the even lag counts.
    let mut rho = Vec::new();
    let (mut even, mut odd) = (1.0, correlation(1));
    while even + odd > 0.0 && rho.len() + 4 < draws {
        rho.extend([even, odd]);
        even = correlation(rho.len());
        odd = correlation(rho.len() + 1);
    }
    for t in (2..rho.len()).step_by(2) {
        let previous = rho[t - 2] + rho[t - 1];
        if rho[t] + rho[t + 1] > previous {
            rho[t] = 0.5 * previous;
            rho[t + 1] = rho[t];
        }
    }
    let last = even.max(0.0);
    let time = -1.0 + 2.0 * rho.iter().sum::<f64>() + last;
    total / time.max(total.log10().recip())
}

/// Autocovariance at every lag, normalised by the number of draws, averaged over chains.
fn mean_autocovariance(chains: &[Vec<f64>]) -> Vec<f64> {
    let draws = chains[0].len();
    let padded = (2 * draws).next_power_of_two();
    let mut planner = RealFftPlanner::<f64>::new();
    let (forward, backward) = (planner.plan_fft_forward(padded), planner.plan_fft_inverse(padded));
    let mut signal = forward.make_input_vec();
    let mut spectrum = forward.make_output_vec();
    let mut sum = vec![0.0; draws];
    for chain in chains {
        let centre = mean(chain);
        signal.fill(0.0);
        for (s, x) in signal.iter_mut().zip(chain) {
            *s = x - centre;
        }
        forward.process(&mut signal, &mut spectrum).expect("buffers made by the plan fit it");
        for s in &mut spectrum {
            *s = s.norm_sqr().into();
        }
        backward.process(&mut spectrum, &mut signal).expect("a power spectrum is real");
        for (total, s) in sum.iter_mut().zip(&signal) {
            *total += s / (padded * draws * chains.len()) as f64;
        }
    }
    sum
}
