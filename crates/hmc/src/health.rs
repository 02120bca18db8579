//! Chains that must not be used.
//!
//! In high dimension a chain can freeze where the curvature is enormous: its step size has adapted
//! to it, so acceptance is as asked for and nothing diverges, yet it does not move. It shows by
//! comparison: its step size and spread are far below those of the other chains, or its mean is far
//! from theirs, and successive draws are almost equal.

use serde::{Deserialize, Serialize};

use crate::{chain::Phase, run::Record};

/// Fewest effective draws that tell anything about a chain of 200 draws or more; a tenth of the
/// draws of a shorter one. (A random walk that never returns still scores about 5.)
const FEW_DRAWS: f64 = 20.0;
/// Step size or spread below this fraction of the other chains' means frozen.
const SMALL_FRACTION: f64 = 0.1;
/// Largest distance of the mean from the other chains' in standard deviations.
const FAR: f64 = 4.0;

/// Judgement of one chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing speaks against it.
    Healthy,
    /// It does not move: (nearly) no effective draws, and either a step size or a spread below a
    /// tenth of the other chains', or no other chain to compare with. Discard it.
    Frozen,
    /// (Nearly) no effective draws, but it moves as far as the others: run it longer.
    Slow,
    /// Its mean is more than four standard deviations from that of the other chains: at least one of
    /// them is not at equilibrium, or the target has several modes.
    Separated,
}

/// A verdict with the numbers behind it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// The judgement.
    pub verdict: Verdict,
    /// Mean acceptance statistic; says nothing about the verdict, which is the point.
    pub mean_accept: f64,
    /// Divergent transitions after warmup.
    pub divergences: usize,
    /// Fewest effective draws of any recorded value, `n (1 - r) / (1 + r)` with `r` the correlation
    /// of successive draws.
    pub effective_draws: f64,
    /// Index of that value.
    pub worst_value: usize,
    /// Mean step size over the median of the other chains'; 1 if there is no other.
    pub step_ratio: f64,
    /// Smallest standard deviation of any value over the median of the other chains'.
    pub spread_ratio: f64,
    /// Largest distance of the mean of any value from another chain's, in units of the larger of the
    /// two standard deviations; the median over the other chains, so that the majority is right.
    pub separation: f64,
    /// Index of that value.
    pub most_separated_value: usize,
}

/// Judges each chain of a run by its draws after warmup. Frozen chains are no measure for others.
///
/// A value that is the same in all draws of all chains is ignored. Chains without draws are
/// [`Verdict::Frozen`] with zero effective draws.
pub fn examine(chains: &[Record]) -> Vec<Health> {
    let summaries: Vec<Summary> = chains.iter().map(Summary::new).collect();
    let values = summaries.iter().map(|s| s.values.len()).max().unwrap_or(0);
    let informative: Vec<usize> = (0..values)
        .filter(|&v| {
            let mut all = chains.iter().flat_map(|chain| &chain.values).map(|draw| draw[v]);
            all.next().is_some_and(|first| all.any(|value| value != first))
        })
        .collect();

    let everyone: Vec<usize> = (0..summaries.len()).collect();
    let judge = |chain: usize, peers: &[usize]| {
        let others: Vec<&Summary> =
            peers.iter().filter(|&&p| p != chain).map(|&p| &summaries[p]).collect();
        summaries[chain].judge(&others, &informative)
    };
    let first: Vec<Health> = everyone.iter().map(|&chain| judge(chain, &everyone)).collect();
    let moving: Vec<usize> =
        everyone.iter().copied().filter(|&c| first[c].verdict != Verdict::Frozen).collect();
    let again = |health: Health, chain| {
        if health.verdict == Verdict::Frozen { health } else { judge(chain, &moving) }
    };
    first.into_iter().zip(everyone).map(|(health, chain)| again(health, chain)).collect()
}

struct Summary {
    draws: f64,
    mean_accept: f64,
    mean_step: f64,
    divergences: usize,
    values: Vec<Value>,
}

#[derive(Default)]
struct Value {
    mean: f64,
    sd: f64,
    effective_draws: f64,
}

impl Summary {
    fn new(record: &Record) -> Self {
        let sampling: Vec<_> =
            record.draws.iter().filter(|draw| draw.phase == Phase::Sampling).collect();
        let n = sampling.len() as f64;
        let values = record.values.first().map_or(0, Vec::len);
        Self {
            draws: record.values.len() as f64,
            mean_accept: sampling.iter().map(|draw| draw.accept).sum::<f64>() / n,
            mean_step: sampling.iter().map(|draw| draw.step_size).sum::<f64>() / n,
            divergences: sampling.iter().filter(|draw| draw.divergent).count(),
            values: (0..values)
                .map(|v| Value::new(&record.values.iter().map(|d| d[v]).collect::<Vec<_>>()))
                .collect(),
        }
    }

    fn judge(&self, others: &[&Summary], informative: &[usize]) -> Health {
        let of_others = |f: &dyn Fn(&Summary) -> f64| median(others.iter().map(|o| f(o)).collect());
        let mut health = Health {
            verdict: Verdict::Healthy,
            mean_accept: self.mean_accept,
            divergences: self.divergences,
            effective_draws: if self.values.is_empty() { 0.0 } else { self.draws },
            worst_value: 0,
            step_ratio: of_others(&|o| o.mean_step).map_or(1.0, |step| self.mean_step / step),
            spread_ratio: 1.0,
            separation: 0.0,
            most_separated_value: 0,
        };
        for &v in informative.iter().filter(|&&v| v < self.values.len()) {
            let value = &self.values[v];
            if value.effective_draws < health.effective_draws {
                (health.effective_draws, health.worst_value) = (value.effective_draws, v);
            }
            let peers: Vec<&Value> = others.iter().filter_map(|o| o.values.get(v)).collect();
            if let Some(sd) = median(peers.iter().map(|peer| peer.sd).collect()) {
                health.spread_ratio = health.spread_ratio.min(value.sd / sd.max(f64::MIN_POSITIVE));
            }
            let distance = |peer: &&Value| {
                (value.mean - peer.mean).abs() / value.sd.max(peer.sd).max(f64::MIN_POSITIVE)
            };
            let separation = lower_median(peers.iter().map(distance).collect()).unwrap_or(0.0);
            if separation > health.separation {
                (health.separation, health.most_separated_value) = (separation, v);
            }
        }
        let few = health.effective_draws < FEW_DRAWS.min(0.1 * self.draws);
        let small = health.step_ratio < SMALL_FRACTION || health.spread_ratio < SMALL_FRACTION;
        health.verdict = match (few, small || others.is_empty()) {
            _ if self.draws == 0.0 => Verdict::Frozen,
            (true, true) => Verdict::Frozen,
            _ if health.separation > FAR => Verdict::Separated,
            (true, false) => Verdict::Slow,
            (false, _) => Verdict::Healthy,
        };
        health
    }
}

impl Value {
    fn new(draws: &[f64]) -> Self {
        let n = draws.len() as f64;
        let mean = draws.iter().sum::<f64>() / n;
        let squares: f64 = draws.iter().map(|d| (d - mean).powi(2)).sum();
        if squares <= 0.0 {
            return Self { mean, ..Self::default() };
        }
        let products: f64 = draws.windows(2).map(|d| (d[0] - mean) * (d[1] - mean)).sum();
        let correlation = (products / squares).clamp(0.0, 1.0);
        Self {
            mean,
            sd: (squares / (n - 1.0)).sqrt(),
            effective_draws: n * (1.0 - correlation) / (1.0 + correlation),
        }
    }
}

fn lower_median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied()
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).map(|&upper| 0.5 * (upper + values[(values.len() - 1) / 2]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::Draw;

    /// Two values: an autoregression with the given coefficient, sd and mean, and a constant.
    fn record(seed: u64, r: f64, sd: f64, mean: f64, step_size: f64, draws: usize) -> Record {
        use rand_chacha::rand_core::SeedableRng;
        use rand_distr::{Distribution, StandardNormal};
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let draw = Draw {
            index: 0,
            phase: Phase::Sampling,
            log_density: 0.0,
            energy: 0.0,
            accept: 0.82,
            depth: 6,
            steps: 63,
            divergent: false,
            step_size,
        };
        let mut x = 0.0;
        let mut next = || {
            let noise: f64 = StandardNormal.sample(&mut rng);
            x = r * x + (1.0 - r * r).sqrt() * noise;
            vec![mean + sd * x, 7.0]
        };
        Record { draws: vec![draw; draws], values: (0..draws).map(|_| next()).collect() }
    }

    fn verdicts(chains: &[Record]) -> Vec<Verdict> {
        examine(chains).iter().map(|health| health.verdict).collect()
    }

    use Verdict::{Frozen, Healthy, Separated, Slow};

    #[test]
    fn good_chains_are_healthy() {
        let good = |seed| record(seed, 0.6, 0.03, 0.27, 0.07, 300);
        let all = [good(1), good(2), good(3), good(4)];
        assert_eq!(verdicts(&all), [Healthy; 4]);
        assert_eq!(verdicts(&all[..1]), [Healthy]);
        let health = &examine(&all)[0];
        assert!((health.mean_accept - 0.82).abs() < 1e-12);
        assert!(health.separation < 1.0 && health.spread_ratio > 0.5, "{health:?}");
        // n (1 - r) / (1 + r) = 75
        assert!((40.0..120.0).contains(&health.effective_draws), "{health:?}");
    }

    #[test]
    fn a_chain_frozen_with_healthy_acceptance_is_found() {
        let good = |seed| record(seed, 0.6, 0.03, 0.27, 0.07, 300);
        let frozen = || record(9, 0.9999, 1e-10, 3e-10, 1e-4, 300);
        assert_eq!(verdicts(&[good(1), frozen(), good(2)]), [Healthy, Frozen, Healthy]);
        assert_eq!(verdicts(&[good(1), frozen()]), [Healthy, Frozen]);
        assert_eq!(verdicts(&[frozen()]), [Frozen]);
        let health = &examine(&[good(1), frozen()])[1];
        assert!(health.step_ratio < 2e-3 && health.spread_ratio < 1e-6, "{health:?}");
    }

    #[test]
    fn chains_all_frozen_at_different_places_are_not_healthy() {
        let frozen = |seed, mean| record(seed, 0.99999, 1e-6, mean, 1e-4, 300);
        let all = [frozen(1, 0.1), frozen(2, 0.2), frozen(3, 0.5)];
        assert!(verdicts(&all).iter().all(|&verdict| verdict != Healthy));
    }

    #[test]
    fn a_mode_apart_is_separated_and_a_slow_chain_is_slow() {
        let good = |seed, mean| record(seed, 0.6, 0.03, mean, 0.07, 300);
        let apart = [good(1, 0.27), good(2, 0.27), good(3, 0.6)];
        assert_eq!(verdicts(&apart), [Healthy, Healthy, Separated]);
        let slow = record(4, 0.995, 0.03, 0.27, 0.07, 300);
        let health = &examine(&[good(1, 0.27), good(2, 0.27), slow])[2];
        assert_eq!(health.verdict, Slow, "{health:?}");
    }

    #[test]
    fn motionless_or_empty_chains_are_frozen() {
        let good = record(1, 0.6, 0.03, 0.27, 0.07, 100);
        let still = record(2, 0.0, 0.0, 0.27, 0.07, 100);
        assert_eq!(verdicts(&[good.clone(), still])[1], Frozen);
        assert_eq!(verdicts(&[good, Record::default()])[1], Frozen);
        assert_eq!(verdicts(&[]), []);
    }
}
