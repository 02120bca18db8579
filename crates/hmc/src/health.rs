//! Chains that must not be used.
//!
//! In high dimension a chain can freeze where the curvature is enormous: its step size has adapted
//! to it, so acceptance is as asked for and nothing diverges, yet it does not move. It shows by
//! comparison: its step size and spread are far below those of the other chains, or its mean is far
//! from theirs, and successive draws are almost equal.
//!
//! What is said here is said of single chains. Chains of which each is healthy need not have
//! converged: that takes R-hat and effective sample sizes of bulk and tails over all of them
//! (Vehtari et al. 2021, arXiv:1903.08008).

use serde::{Deserialize, Serialize};

use crate::{
    chain::{Draw, Phase},
    run::Record,
};

/// Fewest effective draws that tell anything about a chain of 200 draws or more; a tenth of the
/// draws of a shorter one. (A random walk that never returns still scores about 5.)
const FEW_DRAWS: f64 = 20.0;
/// Step size or spread below this fraction of the other chains' means frozen.
const SMALL_FRACTION: f64 = 0.1;
/// Largest distance of the mean from the other chains' in standard deviations.
const FAR: f64 = 4.0;

/// Largest share of the draws of a healthy chain whose trajectories diverged.
///
/// Trajectories diverge where the curvature is too large for the step, as in the neck of a funnel,
/// and the chain stays away from there: Stan and PyMC warn of a single one. They also do, without
/// harm, at the edge of a domain beyond which the density cannot be evaluated. So look at every
/// divergence ([`Health::divergences`]); more than one in a hundred draws are not excused.
pub const MAX_DIVERGENT: f64 = 0.01;

/// Judgement of one chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing speaks against this chain. That the chains have converged, only R-hat and effective
    /// sample sizes of all of them can tell.
    Healthy,
    /// A recorded value, a log density, an energy, an acceptance or a step size is NaN or infinite.
    /// Discard it.
    NotFinite,
    /// It does not move: (nearly) no effective draws, and either a step size or a spread below a
    /// tenth of the other chains', or no other chain to compare with. Discard it.
    Frozen,
    /// (Nearly) no effective draws, but it moves as far as the others: run it longer.
    Slow,
    /// Its mean is more than four standard deviations from that of the other chains: at least one of
    /// them is not at equilibrium, or the target has several modes.
    Separated,
    /// More than [`MAX_DIVERGENT`] of its transitions diverged: it avoids a part of the target.
    Divergent,
}

impl Verdict {
    /// Whether the chain says nothing about the target, not even about where it lies: it is frozen
    /// or has values that are not finite.
    pub fn is_useless(self) -> bool {
        matches!(self, Self::NotFinite | Self::Frozen)
    }
}

/// A verdict with the numbers behind it, all of them finite.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// The judgement.
    pub verdict: Verdict,
    /// Mean acceptance statistic; says nothing about the verdict, which is the point.
    pub mean_accept: f64,
    /// Divergent transitions after warmup.
    pub divergences: usize,
    /// Draws with a number that is NaN or infinite.
    #[serde(default)]
    pub non_finite: usize,
    /// Fewest draws that any recorded value is worth by the correlation `r` of successive draws
    /// alone, `n (1 - r) / (1 + r)`. It tells whether a chain moves; correlations beyond the next
    /// draw are not in it, so it is no effective sample size.
    #[serde(alias = "effective_draws")]
    pub lag_one_draws: f64,
    /// Index of that value; of the first that is not finite, if there is one.
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

/// Judges each chain of a run by its draws after warmup. Chains that are frozen or not finite are no
/// measure for others.
///
/// A value that is the same in all draws of all chains is ignored, and so are values that are not
/// recorded in every draw. Chains without draws are [`Verdict::Frozen`] and worth no draws. The unit
/// of a value does not matter.
pub fn examine(chains: &[Record]) -> Vec<Health> {
    let broken: Vec<Broken> = chains.iter().map(Broken::of).collect();
    let finite: Vec<usize> = (0..chains.len()).filter(|&c| broken[c].draws == 0).collect();
    let recorded = chains.iter().flat_map(|c| &c.values).map(Vec::len).min().unwrap_or(0);
    let column =
        |v: usize| finite.iter().flat_map(|&chain| &chains[chain].values).map(move |row| row[v]);
    let scales: Vec<f64> = (0..recorded)
        .map(|v| scale(column(v).fold(0.0, |largest, x| x.abs().max(largest))))
        .collect();
    let informative: Vec<usize> = (0..recorded)
        .filter(|&v| column(v).next().is_some_and(|first| column(v).any(|x| x != first)))
        .collect();
    let summaries: Vec<Summary> =
        chains.iter().zip(broken).map(|(record, b)| Summary::new(record, b, &scales)).collect();

    let judge = |chain: usize, peers: &[usize]| {
        let others: Vec<&Summary> =
            peers.iter().filter(|&&p| p != chain).map(|&p| &summaries[p]).collect();
        summaries[chain].judge(&others, &informative)
    };
    let first: Vec<Health> = (0..chains.len()).map(|chain| judge(chain, &finite)).collect();
    let moving: Vec<usize> =
        (0..chains.len()).filter(|&c| !first[c].verdict.is_useless()).collect();
    let again = |(chain, health): (usize, Health)| {
        if health.verdict.is_useless() { health } else { judge(chain, &moving) }
    };
    first.into_iter().enumerate().map(again).collect()
}

/// What of a chain is NaN or infinite.
#[derive(Clone, Copy)]
struct Broken {
    /// Draws with such a number.
    draws: usize,
    /// Index of the first recorded value that is.
    first_value: Option<usize>,
}

impl Broken {
    fn of(record: &Record) -> Self {
        let of_row = |row: &Vec<f64>| row.iter().position(|x| !x.is_finite());
        let of_draw = |draw: &&Draw| {
            let numbers = [draw.log_density, draw.energy, draw.accept, draw.step_size];
            draw.phase == Phase::Sampling && !numbers.iter().all(|x| x.is_finite())
        };
        let rows = record.values.iter().filter(|row| of_row(row).is_some()).count();
        Self {
            draws: rows.max(record.draws.iter().filter(of_draw).count()),
            first_value: record.values.iter().find_map(of_row),
        }
    }
}

/// A power of two that brings numbers up to `largest` to the order of one, exactly.
fn scale(largest: f64) -> f64 {
    let exponent = ((largest.to_bits() >> 52) as i64 - 1023).clamp(-1022, 1022);
    f64::from_bits(((1023 - exponent) as u64) << 52)
}

struct Summary {
    draws: f64,
    mean_accept: f64,
    mean_step: f64,
    divergences: usize,
    broken: Broken,
    /// In units of the scales; none of a chain without draws.
    values: Vec<Value>,
}

#[derive(Default)]
struct Value {
    mean: f64,
    sd: f64,
    lag_one_draws: f64,
}

impl Summary {
    fn new(record: &Record, broken: Broken, scales: &[f64]) -> Self {
        let sampling: Vec<_> =
            record.draws.iter().filter(|draw| draw.phase == Phase::Sampling).collect();
        let values = if record.values.is_empty() { 0 } else { scales.len() };
        let series =
            |v: usize| record.values.iter().map(|row| row[v] * scales[v]).collect::<Vec<f64>>();
        Self {
            draws: record.values.len() as f64,
            mean_accept: mean_of_finite(sampling.iter().map(|draw| draw.accept)),
            mean_step: mean_of_finite(sampling.iter().map(|draw| draw.step_size)),
            divergences: sampling.iter().filter(|draw| draw.divergent).count(),
            broken,
            values: (0..values).map(|v| Value::new(&series(v))).collect(),
        }
    }

    fn judge(&self, others: &[&Summary], informative: &[usize]) -> Health {
        let mut health = Health {
            verdict: Verdict::NotFinite,
            mean_accept: self.mean_accept,
            divergences: self.divergences,
            non_finite: self.broken.draws,
            lag_one_draws: 0.0,
            worst_value: self.broken.first_value.unwrap_or(0),
            step_ratio: 1.0,
            spread_ratio: 1.0,
            separation: 0.0,
            most_separated_value: 0,
        };
        if self.broken.draws > 0 {
            return health;
        }
        if let Some(step) = median(others.iter().map(|other| other.mean_step).collect()) {
            health.step_ratio = ratio(self.mean_step, step);
        }
        if !self.values.is_empty() {
            health.lag_one_draws = self.draws;
        }
        for &v in informative.iter().filter(|&&v| v < self.values.len()) {
            let value = &self.values[v];
            if value.lag_one_draws < health.lag_one_draws {
                (health.lag_one_draws, health.worst_value) = (value.lag_one_draws, v);
            }
            let peers: Vec<&Value> = others.iter().filter_map(|o| o.values.get(v)).collect();
            if let Some(sd) = median(peers.iter().map(|peer| peer.sd).collect()) {
                health.spread_ratio = health.spread_ratio.min(ratio(value.sd, sd));
            }
            let distance =
                |peer: &&Value| ratio((value.mean - peer.mean).abs(), value.sd.max(peer.sd));
            let separation = lower_median(peers.iter().map(distance).collect()).unwrap_or(0.0);
            if separation > health.separation {
                (health.separation, health.most_separated_value) = (separation, v);
            }
        }
        let few = health.lag_one_draws < FEW_DRAWS.min(0.1 * self.draws);
        let small = health.step_ratio < SMALL_FRACTION || health.spread_ratio < SMALL_FRACTION;
        health.verdict = match (few, small || others.is_empty()) {
            _ if self.draws == 0.0 => Verdict::Frozen,
            (true, true) => Verdict::Frozen,
            _ if health.separation > FAR => Verdict::Separated,
            (true, false) => Verdict::Slow,
            _ if self.divergences as f64 > MAX_DIVERGENT * self.draws => Verdict::Divergent,
            (false, _) => Verdict::Healthy,
        };
        health
    }
}

impl Value {
    /// Of draws of which the largest is of the order of one.
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
            lag_one_draws: n * (1.0 - correlation) / (1.0 + correlation),
        }
    }
}

/// Of non-negative finite numbers: finite, and zero for nothing over nothing.
fn ratio(value: f64, of: f64) -> f64 {
    (value / of.max(f64::MIN_POSITIVE)).min(f64::MAX)
}

/// Zero of nothing.
fn mean_of_finite(values: impl Iterator<Item = f64>) -> f64 {
    let (count, sum) = values
        .filter(|value| value.is_finite())
        .fold((0.0, 0.0), |(count, sum), value| (count + 1.0, sum + value));
    if count > 0.0 { sum / count } else { 0.0 }
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

    use Verdict::{Divergent, Frozen, Healthy, NotFinite, Separated, Slow};

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
        assert!((40.0..120.0).contains(&health.lag_one_draws), "{health:?}");
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

    #[test]
    fn a_chain_with_a_number_that_is_not_finite_is_never_healthy() {
        let good = |seed| record(seed, 0.6, 0.03, 0.27, 0.07, 2000);
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let mut value = good(1);
            value.values.iter_mut().step_by(4).for_each(|row| row[0] = bad);
            // the first draw or all of them, in a value that is otherwise a constant
            let (mut first, mut all) = (good(2), good(3));
            first.values[0][1] = bad;
            all.values.iter_mut().for_each(|row| row[1] = bad);
            let broken: [fn(&mut Draw, f64); 4] = [
                |draw, bad| draw.log_density = bad,
                |draw, bad| draw.energy = bad,
                |draw, bad| draw.accept = bad,
                |draw, bad| draw.step_size = bad,
            ];
            let draws = broken.map(|spoil| {
                let mut record = good(4);
                spoil(&mut record.draws[1000], bad);
                record
            });
            for chain in [value.clone(), first, all.clone()].into_iter().chain(draws) {
                assert_eq!(verdicts(std::slice::from_ref(&chain)), [NotFinite]);
                // and the others are judged as if it were not there
                let all = examine(&[chain, good(5), good(6)]);
                assert_eq!(all[0].verdict, NotFinite);
                assert_eq!(all[1..], examine(&[good(5), good(6)]));
            }
            let health = &examine(&[value, good(5)])[0];
            assert_eq!((health.non_finite, health.worst_value), (500, 0));
            let health = &examine(&[all])[0];
            assert_eq!((health.non_finite, health.worst_value), (2000, 1));
        }
    }

    #[test]
    fn more_than_one_divergence_in_a_hundred_draws_is_not_healthy() {
        let chain = |divergences: usize| {
            let mut record = record(1, 0.6, 0.03, 0.27, 0.07, 300);
            record.draws.iter_mut().take(divergences).for_each(|draw| draw.divergent = true);
            record
        };
        assert_eq!(verdicts(&[chain(3)]), [Healthy]);
        assert_eq!(verdicts(&[chain(4)]), [Divergent]);
        assert_eq!(examine(&[chain(4)])[0].divergences, 4);
    }

    #[test]
    fn verdicts_do_not_depend_on_the_unit() {
        let chains = |unit: f64| {
            let chain = |seed, r, mean| record(seed, r, 0.03 * unit, mean * unit, 0.07, 300);
            [chain(1, 0.6, 0.27), chain(2, 0.6, 0.27), chain(3, 0.6, 0.6), chain(4, 0.995, 0.27)]
        };
        let expected = examine(&chains(1.0));
        assert_eq!(expected.iter().map(|h| h.verdict).collect::<Vec<_>>()[2..], [Separated, Slow]);
        for exponent in [-1000, -600, 600, 1023] {
            assert_eq!(examine(&chains(2f64.powi(exponent))), expected, "{exponent}");
        }
    }

    #[test]
    fn values_that_some_draws_lack_are_ignored() {
        let good = |seed| record(seed, 0.6, 0.03, 0.27, 0.07, 300);
        let mut ragged = good(2);
        ragged.values[7].truncate(1);
        assert_eq!(verdicts(&[good(1), ragged]), [Healthy; 2]);
    }
}
