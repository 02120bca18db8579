//! Increasing maps after which an observable is about normal over the simulations.
//!
//! A flow moves what lies in the box of its bijector and is the identity, or linear, beyond; and what
//! it is made of are smooth changes of a normal density, which no number of layers turns into a
//! heavy tail. So the tails are changed before the flow sees them, each observable by itself, by a
//! map that takes quantiles of the simulations to those of N(0, 1). As the map does not depend on
//! the parameters, its derivative cancels in every posterior: what is imprecise about it costs
//! nothing but simplicity of what is left to learn.
//!
//! With `z` the observable in standard units, the map is a function of `t = asinh z`, in which tails
//! of both sides are logarithms. Knots `(t_k, y_k)` are quantiles of the simulations with
//! `y_k = 0, ± 1/2, ± 1, ...` as far as at least five simulations lie beyond, and the smallest and
//! largest simulation with `y = ± Phi^-1(1 - 1 / 2n)`. Between knots it is rational-quadratic, with
//! derivatives that are weighted harmonic means of the slopes on both sides: increasing, with a
//! continuous derivative. Beyond the simulations it is linear in `t`, hence logarithmic in `z`.
//! Values that several knots share become one knot in their middle.
//!
//! *Shapes.* One number in, one out; the derivative is `dy/dz`.
//!
//! *When not.* For observables that lie in the box: standard units are simpler, and leave densities
//! that are normal what they are.
//!
//! # References
//! S. S. Chen and R. A. Gopinath, "Gaussianization", NeurIPS 2000. P. Jaini, I. Kobyzev, Y. Yu and
//! M. Brubaker, "Tails of Lipschitz triangular flows", ICML 2020, arXiv:1907.04481. M. Laszkiewicz,
//! J. Lederer and A. Fischer, "Marginal tail-adaptive normalizing flows", ICML 2022,
//! arXiv:2206.10311. Pieces: J. A. Gregory and R. Delbourgo, IMA J. Numer. Anal. 2 (1982) 123;
//! derivatives: F. N. Fritsch and J. Butland, SIAM J. Sci. Stat. Comput. 5 (1984) 300.

use serde::{Deserialize, Serialize};

use crate::prior::normal::{lower_tail, lower_tail_quantile};

/// Distance of the quantiles in standard deviations of the normal.
const STEP: f64 = 0.5;
/// Simulations that lie beyond the outermost quantile, at least.
const BEYOND: f64 = 5.0;

/// An increasing map of the real line onto itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Knots", into = "Knots")]
pub(super) struct Gaussian {
    knots: Knots,
    /// `dy/dt` at each knot.
    derivatives: Vec<f64>,
}

/// Points that the map goes through; what a file holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Knots {
    t: Vec<f64>,
    y: Vec<f64>,
}

impl From<Gaussian> for Knots {
    fn from(map: Gaussian) -> Self {
        map.knots
    }
}

impl TryFrom<Knots> for Gaussian {
    type Error = String;

    fn try_from(knots: Knots) -> Result<Self, String> {
        let increasing = |values: &[f64]| {
            values.iter().all(|v| v.is_finite()) && values.windows(2).all(|pair| pair[0] < pair[1])
        };
        let Knots { t, y } = &knots;
        if t.len() < 2 || t.len() != y.len() || !increasing(t) || !increasing(y) {
            return Err(format!("no increasing map goes through {knots:?}"));
        }
        let derivatives = derivatives(t, y);
        Ok(Self { knots, derivatives })
    }
}

/// Where a number lies among the knots.
enum Place {
    /// Beyond the first or last, with that knot.
    Beyond(usize),
    /// Between a knot and the next.
    Between(usize),
}

impl Gaussian {
    /// The map for a column of numbers; `None` if all of them are equal.
    pub fn fit(z: &[f64]) -> Option<Self> {
        let mut sorted = z.to_vec();
        sorted.sort_by(f64::total_cmp);
        let count = sorted.len() as f64;
        let last = sorted.len().checked_sub(1)?;
        let quantile = |p: f64| {
            let position = p * last as f64;
            let (below, rest) = (position.floor() as usize, position.fract());
            let above = (below + 1).min(last);
            sorted[below] + rest * (sorted[above] - sorted[below])
        };
        let extreme = -lower_tail_quantile(0.5 / count);
        let steps = (0_i32..).take_while(|k| lower_tail(-STEP * f64::from(*k)) * count >= BEYOND);
        let steps = steps.last().unwrap_or(0);
        let inner = (-steps..=steps).map(|k| STEP * f64::from(k));
        let levels = std::iter::once((sorted[0], -extreme))
            .chain(inner.map(|y| (quantile(lower_tail(y)), y)))
            .chain(std::iter::once((sorted[last], extreme)));
        let (mut t, mut y) = (Vec::<f64>::new(), Vec::<f64>::new());
        let mut shared = 0.0;
        for (z, level) in levels {
            let own = asinh(z);
            match (t.last(), y.last_mut()) {
                (Some(before), Some(y)) if own <= *before => {
                    shared += 1.0;
                    *y += (level - *y) / shared;
                }
                _ => {
                    shared = 1.0;
                    t.push(own);
                    y.push(level);
                }
            }
        }
        Self::try_from(Knots { t, y }).ok()
    }

    fn place(&self, t: f64) -> Place {
        let knots = &self.knots.t;
        match knots.partition_point(|knot| *knot <= t) {
            0 => Place::Beyond(0),
            above if above == knots.len() => Place::Beyond(above - 1),
            above => Place::Between(above - 1),
        }
    }

    /// `y` and `dy/dt` at `t`.
    fn at(&self, t: f64) -> (f64, f64) {
        let Self { knots, derivatives } = self;
        match self.place(t) {
            Place::Beyond(k) => (knots.y[k] + derivatives[k] * (t - knots.t[k]), derivatives[k]),
            Place::Between(k) => {
                let width = knots.t[k + 1] - knots.t[k];
                let height = knots.y[k + 1] - knots.y[k];
                let (slope, left, right) = (height / width, derivatives[k], derivatives[k + 1]);
                let u = (t - knots.t[k]) / width;
                let (rest, mixed) = (1.0 - u, u * (1.0 - u));
                let below = slope + (left + right - 2.0 * slope) * mixed;
                let value = knots.y[k] + height * (slope * u * u + left * mixed) / below;
                let above = right * u * u + 2.0 * slope * mixed + left * rest * rest;
                (value, (slope / below).powi(2) * above)
            }
        }
    }

    /// `y` at `z`.
    pub fn forward(&self, z: f64) -> f64 {
        self.at(asinh(z)).0
    }

    /// `ln dy/dz` at `z`.
    pub fn log_derivative(&self, z: f64) -> f64 {
        // dt/dz = 1 / sqrt(1 + z²)
        self.at(asinh(z)).1.ln() - 1.0f64.hypot(z).ln()
    }
}

/// `asinh z`, finite for every finite `z`: that of the standard library overflows beyond 9e307.
fn asinh(z: f64) -> f64 {
    if z.abs() < 1e150 { z.asinh() } else { (z.abs().ln() + std::f64::consts::LN_2).copysign(z) }
}

/// `dy/dt` at knots: weighted harmonic means of the slopes on both sides, and the slopes themselves
/// at the ends.
fn derivatives(t: &[f64], y: &[f64]) -> Vec<f64> {
    let widths: Vec<f64> = t.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let slopes: Vec<f64> =
        y.windows(2).zip(&widths).map(|(pair, width)| (pair[1] - pair[0]) / width).collect();
    let inner = widths.windows(2).zip(slopes.windows(2)).map(|(width, slope)| {
        let weights = [width[0] + 2.0 * width[1], 2.0 * width[0] + width[1]];
        (weights[0] + weights[1]) / (weights[0] / slope[0] + weights[1] / slope[1])
    });
    let ends = [slopes[0], slopes[slopes.len() - 1]];
    std::iter::once(ends[0]).chain(inner).chain(std::iter::once(ends[1])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Quantiles of an exponential distribution.
    fn exponential(count: usize) -> Vec<f64> {
        (0..count).map(|i| -(1.0 - (i as f64 + 0.5) / count as f64).ln()).collect()
    }

    #[test]
    fn quantiles_become_those_of_the_normal() {
        let map = Gaussian::fit(&exponential(3000)).unwrap();
        for y in [-2.2f64, -1.3, -0.4, 0.0, 0.7, 1.6, 2.4] {
            let z = -lower_tail(-y).ln();
            assert!((map.forward(z) - y).abs() < 0.02, "{y}: {}", map.forward(z));
        }
    }

    #[test]
    fn it_increases_without_end_and_the_derivative_is_its_own() {
        let columns = [
            exponential(1000),
            exponential(1000).iter().map(|z| z.exp().powi(3)).collect(),
            (0..500).map(|i| if i < 450 { 0.0 } else { f64::from(i) }).collect(),
            vec![0.0, 1e12, -3.0],
        ];
        for column in columns {
            let map = Gaussian::fit(&column).unwrap();
            let values: Vec<f64> =
                (-400..=400).map(|k| map.forward((0.05 * f64::from(k)).sinh())).collect();
            assert!(values.windows(2).all(|pair| pair[0] < pair[1]));
            assert!(map.forward(f64::MAX).is_finite() && map.forward(f64::MIN).is_finite());
            for z in [-1e4, -3.0, -0.2, 0.1, 0.77, 4.0, 31.0, 1e5] {
                let h = 1e-6 * (1.0 + f64::abs(z));
                let expected = ((map.forward(z + h) - map.forward(z - h)) / (2.0 * h)).ln();
                let found = map.log_derivative(z);
                assert!((found - expected).abs() < 1e-4, "{z}: {found} {expected}");
            }
        }
    }

    #[test]
    fn what_no_map_goes_through_is_refused() {
        assert!(Gaussian::fit(&[2.0; 30]).is_none() && Gaussian::fit(&[]).is_none());
        for (t, y) in [(vec![0.0], vec![0.0]), (vec![0.0, 0.0], vec![0.0, 1.0])] {
            assert!(Gaussian::try_from(Knots { t, y }).is_err());
        }
    }
}
