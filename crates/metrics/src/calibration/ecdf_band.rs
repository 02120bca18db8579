//! Simultaneous confidence bands for the empirical distribution function of uniform numbers, and
//! the exact test that goes with them.

use serde::{Deserialize, Serialize};

use crate::distributions::{binomial_at_least, binomial_at_most};
use crate::error::{Error, Result};
use crate::points::setting;

use super::rank::check_levels;

/// Halvings of the interval for the pointwise level; its relative accuracy is then below 1e-7.
const BISECTIONS: usize = 30;

/// Pointwise levels below which the sum over all paths has no digit left.
const SMALLEST_EXACT: f64 = 1e-9;

/// Largest relative rounding error of a binomial probability.
const ROUNDING: f64 = 1e-9;

/// The band that the empirical distribution function of `observations` independent uniform numbers
/// leaves nowhere among `levels`, with probability `coverage`.
///
/// Each pointwise interval is the central one of the binomial distribution of the number of
/// observations below the level; their common pointwise level is as large as the simultaneous
/// confidence allows. The probability of staying inside is computed, not simulated: numbers of
/// observations between neighbouring levels are independent Poisson numbers conditioned on their
/// sum, so that it is a product of banded convolutions. Time grows with the number of levels times
/// that of observations.
///
/// # References
/// T. Säilynoja, P.-C. Bürkner, A. Vehtari, "Graphical test for discrete uniformity and its
/// applications in goodness of fit evaluation and multiple sample comparison", Statistics and
/// Computing 32, 32 (2022), arXiv:2103.10522, section 2.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EcdfBand {
    /// Number of uniform numbers.
    pub observations: usize,
    /// The probability that was asked for.
    pub confidence: f64,
    /// The probability of staying inside everywhere: at least `confidence`, and more where the
    /// observations are few.
    pub coverage: f64,
    /// Probability of leaving each pointwise interval.
    pub pointwise: f64,
    /// Where the distribution function is evaluated; its expectation there.
    pub levels: Vec<f64>,
    /// Smallest accepted value at each level.
    pub lower: Vec<f64>,
    /// Largest accepted value at each level.
    pub upper: Vec<f64>,
}

impl EcdfBand {
    /// The band for `observations` numbers at rising `levels` inside (0, 1).
    ///
    /// # Errors
    /// When there are no observations or levels, levels do not rise or are outside (0, 1), or
    /// `confidence` is.
    pub fn new(observations: usize, levels: &[f64], confidence: f64) -> Result<Self> {
        let inside = confidence > 0.0 && confidence < 1.0;
        setting(inside, "confidence", confidence, "between 0 and 1")?;
        let paths = Paths::new(observations, levels)?;
        // Bonferroni's inequality makes the lower end safe.
        let mut safe = (1.0 - confidence) / levels.len() as f64;
        let mut limits = paths.limits(safe);
        let mut coverage = paths.probability_inside(&limits);
        let mut beyond: f64 = 1.0;
        for _ in 0..BISECTIONS {
            let middle = (safe * beyond).sqrt();
            let wanted = paths.limits(middle);
            let inside =
                if wanted == limits { coverage } else { paths.probability_inside(&wanted) };
            if inside >= confidence {
                (safe, limits, coverage) = (middle, wanted, inside);
            } else {
                beyond = middle;
            }
        }
        let share = |count: usize| count as f64 / observations as f64;
        Ok(Self {
            observations,
            confidence,
            coverage,
            pointwise: safe,
            levels: levels.to_vec(),
            lower: limits.iter().map(|l| share(l.0)).collect(),
            upper: limits.iter().map(|l| share(l.1)).collect(),
        })
    }

    /// Probability that the distribution function of uniform numbers lies somewhere as far out,
    /// in units of pointwise probability, as one with these `counts` of observations below each
    /// level does where it is farthest out.
    ///
    /// Exact down to about 1e-9. Below, the upper bound by Bonferroni's inequality, at most as
    /// many times too large as there are levels; zero where that is below the smallest number.
    ///
    /// # Errors
    /// When there is not one count per level, or counts fall or are above the number of
    /// observations.
    pub fn p_value(&self, counts: &[usize]) -> Result<f64> {
        let rising = counts.windows(2).all(|pair| pair[0] <= pair[1]);
        let last = counts.last().copied().unwrap_or(0);
        if counts.len() != self.levels.len() || !rising || last > self.observations {
            return Err(Error::Shape {
                what: "counts below each level".into(),
                expected: format!(
                    "{} rising numbers up to {}",
                    self.levels.len(),
                    self.observations
                ),
                found: format!("{counts:?}"),
            });
        }
        let paths = Paths::new(self.observations, &self.levels)?;
        let farthest = paths.pointwise(counts);
        if farthest < SMALLEST_EXACT {
            return Ok((farthest * self.levels.len() as f64).min(1.0));
        }
        // A path that is as far out is no longer inside; equal probabilities, as those of
        // mirrored counts at mirrored levels, differ by rounding. At the farthest level alone, half
        // of the two-sided probability is found.
        let inside = paths.probability_inside(&paths.limits(farthest * (1.0 + ROUNDING)));
        Ok((1.0 - inside).clamp(0.5 * farthest, 1.0))
    }
}

/// Smallest and largest accepted count at a level.
type Limits = (usize, usize);

/// Paths of the number of uniform numbers below rising levels.
struct Paths<'a> {
    observations: usize,
    levels: &'a [f64],
    /// ln k! for k up to the number of observations.
    ln_factorials: Vec<f64>,
}

impl<'a> Paths<'a> {
    fn new(observations: usize, levels: &'a [f64]) -> Result<Self> {
        if observations == 0 {
            return Err(Error::TooFew { what: "observations".into(), minimum: 1, found: 0 });
        }
        check_levels(levels)?;
        let ln_factorials = (0..=observations).map(|k| libm::lgamma(k as f64 + 1.0)).collect();
        Ok(Self { observations, levels, ln_factorials })
    }

    /// Two-sided probability of a count as far out as `count`, below the median or above it.
    fn two_sided(&self, count: usize, level: f64) -> f64 {
        let below = binomial_at_most(count, self.observations, level);
        let above = binomial_at_least(count, self.observations, level);
        (2.0 * below.min(above)).min(1.0)
    }

    /// The smallest two-sided probability along a path.
    fn pointwise(&self, counts: &[usize]) -> f64 {
        let pairs = counts.iter().zip(self.levels);
        pairs.map(|(count, level)| self.two_sided(*count, *level)).fold(1.0, f64::min)
    }

    /// At each level, the counts of two-sided probability above `pointwise`.
    fn limits(&self, pointwise: f64) -> Vec<Limits> {
        let n = self.observations;
        let limits = |&level: &f64| {
            let lower = first_true(n, |c| 2.0 * binomial_at_most(c, n, level) > pointwise);
            let lost = first_true(n, |c| 2.0 * binomial_at_least(c + 1, n, level) <= pointwise);
            (lower, lost)
        };
        self.levels.iter().map(limits).collect()
    }

    /// Probability that a path of uniform numbers keeps to the limits at all levels.
    fn probability_inside(&self, limits: &[Limits]) -> f64 {
        let n = self.observations;
        let mut previous = (0, 0);
        let mut weights = vec![1.0];
        let mut level = 0.0;
        for (&next, &next_level) in limits.iter().zip(self.levels) {
            let mean = n as f64 * (next_level - level);
            let steps = self.poisson(mean, next.1.saturating_sub(previous.0));
            let mut sums = vec![0.0; next.1 - next.0 + 1];
            for (count, weight) in (previous.0..).zip(&weights) {
                let first = next.0.max(count);
                if first > next.1 {
                    break;
                }
                let targets = &mut sums[first - next.0..];
                for (sum, step) in targets.iter_mut().zip(&steps[first - count..]) {
                    *sum += weight * step;
                }
            }
            (weights, previous, level) = (sums, next, next_level);
        }
        let rest = self.poisson(n as f64 * (1.0 - level), n - previous.0);
        let ends = weights.iter().zip(rest.iter().rev());
        let joint: f64 = ends.map(|(weight, rest)| weight * rest).sum();
        joint / self.poisson_at(n as f64, n)
    }

    /// Poisson probabilities of 0..=`largest` for a mean above zero.
    fn poisson(&self, mean: f64, largest: usize) -> Vec<f64> {
        (0..=largest).map(|count| self.poisson_at(mean, count)).collect()
    }

    fn poisson_at(&self, mean: f64, count: usize) -> f64 {
        (count as f64 * mean.ln() - mean - self.ln_factorials[count]).exp()
    }
}

/// The smallest number in 0..=`last` of which a rising condition holds; `last` if of none.
fn first_true(last: usize, condition: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, last);
    while low < high {
        let middle = low + (high - low) / 2;
        if condition(middle) { high = middle } else { low = middle + 1 }
    }
    low
}
