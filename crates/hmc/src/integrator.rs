//! Reversible, volume-preserving integrators of Hamilton's equations.
//!
//! All work in coordinates `x` standardised by the metric, where the momentum is `p ~ N(0, I)` and
//! the Hamiltonian is `H = -log pi(x) + p.p/2`. All are symmetric compositions of exact flows, so of
//! second order: kicks, which change the momentum at a fixed position, with drifts between them.
//!
//! The microcanonical samplers compose their own kicks and drifts by the same coefficients.

use serde::{Deserialize, Serialize};

use crate::{hamiltonian::Point, vector::dot};

/// How the Hamiltonian is split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Integrator {
    /// `H = [-log pi(x)] + [p.p/2]`: half kick, drift, half kick. No assumption on the target.
    ///
    /// Reference: Neal 2011, *MCMC using Hamiltonian dynamics*, section 2.3 (arXiv:1206.1901).
    #[default]
    Leapfrog,
    /// `H = [-log pi(x) - x.x/2] + [(x.x + p.p)/2]`: the second part, a standard normal, is solved
    /// exactly by a rotation of `(x, p)` through an angle equal to the step; the kicks see only the
    /// remainder. Exact on a standard normal in any number of dimensions, and its error grows with
    /// the *departure* from normality alone, so it suits thousands of nearly normal latents.
    ///
    /// The metric must bring the target close to `N(0, I)`: scale *and* location matter here.
    ///
    /// Reference: Shahbaba, Lan, Johnson & Neal 2014, *Split Hamiltonian Monte Carlo*, section 2
    /// (arXiv:1106.5941).
    ExactNormal,
    /// The split of `Leapfrog` with two gradients per step: kicks of `b`, `1 - 2 b` and `b` steps
    /// about two drifts of half a step. `b = 0.1932` makes the norm of the error smallest; it is then
    /// about a third of that of two leapfrog steps of half the size.
    ///
    /// Reference: McLachlan 1995, *On the numerical integration of ordinary differential equations
    /// by symmetric composition methods* (SIAM J. Sci. Comput. 16, 151); Omelyan, Mryglod & Folk
    /// 2002 (arXiv:cond-mat/0110585).
    MinimalNorm,
}

/// Kick of the minimal-norm integrator, in steps: the root near 0.19 of the derivative of the norm of
/// the two leading error terms.
const MINIMAL_NORM: f64 = 0.193_183_327_503_783_6;

impl Integrator {
    /// Gradients that a step takes.
    pub fn gradients_per_step(self) -> u32 {
        self.kicks().len() as u32 - 1
    }

    /// Lengths of the kicks in steps, symmetric; between two of them is a drift.
    pub(crate) fn kicks(self) -> &'static [f64] {
        match self {
            Self::Leapfrog | Self::ExactNormal => &[0.5, 0.5],
            Self::MinimalNorm => &[MINIMAL_NORM, 1.0 - 2.0 * MINIMAL_NORM, MINIMAL_NORM],
        }
    }

    /// Length of a drift in steps.
    pub(crate) fn drift_length(self) -> f64 {
        1.0 / f64::from(self.gradients_per_step())
    }

    /// Largest step size that makes sense. The rotation returns to itself after `2 pi`; with the
    /// jitter a step stays below a quarter turn.
    pub(crate) fn max_step(self) -> f64 {
        match self {
            Self::Leapfrog | Self::MinimalNorm => 1e7,
            Self::ExactNormal => 1.4,
        }
    }

    /// Whether a tuned `step` has grown to a bound that only a density without a scale lets it reach.
    /// The bound of the rotation is of another kind: a normal target reaches it.
    pub(crate) fn ran_away(self, step: f64) -> bool {
        !matches!(self, Self::ExactNormal) && step >= 0.5 * self.max_step()
    }

    /// Moves `point` by one step; `evaluate` renews its log density and gradient.
    ///
    /// Where the log density (or the gradient, within a step) is not finite the point stays there,
    /// with a log density that is not finite.
    pub(crate) fn advance<E>(
        self,
        step: f64,
        point: &mut Point,
        mut evaluate: impl FnMut(&mut Point) -> Result<(), E>,
    ) -> Result<(), E> {
        let (first, rest) = (self.kicks()[0], &self.kicks()[1..]);
        self.kick(first * step, point);
        for (i, kick) in rest.iter().enumerate() {
            self.drift(self.drift_length() * step, point);
            evaluate(point)?;
            if i + 1 < rest.len() && !dot(&point.g, &point.g).is_finite() {
                point.log_density = f64::NEG_INFINITY;
            }
            if !point.log_density.is_finite() {
                return Ok(());
            }
            self.kick(kick * step, point);
        }
        Ok(())
    }

    fn kick(self, time: f64, point: &mut Point) {
        let Point { x, p, g, .. } = point;
        match self {
            Self::Leapfrog | Self::MinimalNorm => {
                for (p, &g) in p.iter_mut().zip(&*g) {
                    *p += time * g;
                }
            }
            Self::ExactNormal => {
                for ((p, &x), &g) in p.iter_mut().zip(&*x).zip(&*g) {
                    *p += time * (g + x);
                }
            }
        }
    }

    fn drift(self, time: f64, point: &mut Point) {
        let Point { x, p, .. } = point;
        match self {
            Self::Leapfrog | Self::MinimalNorm => {
                for (x, &p) in x.iter_mut().zip(&*p) {
                    *x += time * p;
                }
            }
            Self::ExactNormal => {
                let (sin, cos) = time.sin_cos();
                for (x, p) in x.iter_mut().zip(p) {
                    let kicked = *p;
                    *p = cos * kicked - sin * *x;
                    *x = cos * *x + sin * kicked;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    const ALL: [Integrator; 3] =
        [Integrator::Leapfrog, Integrator::ExactNormal, Integrator::MinimalNorm];

    /// `log pi = -sum cosh(x_i) - (x_0 - x_1)^2 / 2`: neither normal nor separable.
    fn log_density(x: &[f64]) -> f64 {
        -x.iter().map(|x| x.cosh()).sum::<f64>() - 0.5 * (x[0] - x[1]).powi(2)
    }

    fn gradient(x: &[f64]) -> Vec<f64> {
        vec![-x[0].sinh() - x[0] + x[1], -x[1].sinh() - x[1] + x[0]]
    }

    fn energy(state: &[f64]) -> f64 {
        0.5 * state[2..].iter().map(|p| p * p).sum::<f64>() - log_density(&state[..2])
    }

    /// Integrates `(x_0, x_1, p_0, p_1)`.
    fn integrate(integrator: Integrator, start: &[f64], step: f64, steps: usize) -> Vec<f64> {
        let (x, p) = (start[..2].to_vec(), start[2..].to_vec());
        let mut point = Point { g: gradient(&x), log_density: log_density(&x), x, p };
        for _ in 0..steps {
            let evaluate = |point: &mut Point| {
                point.g = gradient(&point.x);
                point.log_density = log_density(&point.x);
                Ok::<(), Infallible>(())
            };
            integrator.advance(step, &mut point, evaluate).unwrap();
        }
        [point.x, point.p].concat()
    }

    const START: [f64; 4] = [0.3, -0.8, 0.9, 0.4];

    #[test]
    fn trajectories_can_be_run_backwards() {
        for integrator in ALL {
            let end = integrate(integrator, &START, 0.1, 50);
            let by_negative_step = integrate(integrator, &end, -0.1, 50);
            let reversed = [end[0], end[1], -end[2], -end[3]];
            let mut by_momentum_flip = integrate(integrator, &reversed, 0.1, 50);
            by_momentum_flip[2] *= -1.0;
            by_momentum_flip[3] *= -1.0;
            for i in 0..4 {
                assert!((by_negative_step[i] - START[i]).abs() < 1e-12, "{integrator:?}");
                assert!((by_momentum_flip[i] - START[i]).abs() < 1e-12, "{integrator:?}");
            }
        }
    }

    #[test]
    fn volume_is_preserved() {
        for integrator in ALL {
            let h = 1e-5;
            let column = |j: usize| {
                let moved = |sign: f64| {
                    let mut start = START;
                    start[j] += sign * h;
                    integrate(integrator, &start, 0.3, 7)
                };
                let (up, down) = (moved(1.0), moved(-1.0));
                (0..4).map(|i| (up[i] - down[i]) / (2.0 * h)).collect::<Vec<_>>()
            };
            let jacobian: Vec<Vec<f64>> = (0..4).map(column).collect();
            let determinant = determinant(jacobian);
            assert!((determinant - 1.0).abs() < 1e-8, "{integrator:?}: {determinant}");
        }
    }

    /// By elimination without pivoting.
    fn determinant(mut m: Vec<Vec<f64>>) -> f64 {
        for k in 0..m.len() {
            for i in k + 1..m.len() {
                let factor = m[i][k] / m[k][k];
                let pivot_row = m[k].clone();
                for (entry, pivot) in m[i].iter_mut().zip(pivot_row) {
                    *entry -= factor * pivot;
                }
            }
        }
        (0..m.len()).map(|k| m[k][k]).product()
    }

    #[test]
    fn all_converge_to_the_same_trajectory_with_second_order() {
        let exact = integrate(Integrator::Leapfrog, &START, 1e-5, 100_000);
        for integrator in ALL {
            let errors = [10, 20, 40, 80].map(|steps| {
                let end = integrate(integrator, &START, 1.0 / steps as f64, steps);
                let distance =
                    end.iter().zip(&exact).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
                (distance, (energy(&end) - energy(&START)).abs())
            });
            for pair in errors.windows(2) {
                let (distance, energy) = (pair[0].0 / pair[1].0, pair[0].1 / pair[1].1);
                assert!((distance - 4.0).abs() < 0.3, "{integrator:?}: {errors:?}");
                assert!((energy - 4.0).abs() < 0.5, "{integrator:?}: {errors:?}");
            }
        }
    }

    #[test]
    fn minimal_norm_is_worth_its_second_gradient() {
        let exact = integrate(Integrator::Leapfrog, &START, 1e-4, 10_000);
        let distance = |integrator, step: f64, steps| {
            let end = integrate(integrator, &START, step, steps);
            end.iter().zip(&exact).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
        };
        let (two, one) =
            (distance(Integrator::Leapfrog, 0.05, 20), distance(Integrator::MinimalNorm, 0.1, 10));
        assert!(one < 0.5 * two, "{one} {two}");
    }

    #[test]
    fn a_standard_normal_is_integrated_exactly() {
        let turn = |t: f64, a: f64, b: f64| (a * t.cos() + b * t.sin(), b * t.cos() - a * t.sin());
        let (x, p) = (vec![0.7, -1.2], vec![0.1, 2.0]);
        let mut point = Point { g: x.iter().map(|x| -x).collect(), x, p, log_density: 0.0 };
        for n in 1..=10 {
            let evaluate = |point: &mut Point| {
                point.g = point.x.iter().map(|x| -x).collect();
                Ok::<(), Infallible>(())
            };
            Integrator::ExactNormal.advance(1.3, &mut point, evaluate).unwrap();
            for (i, (a, b)) in [(0.7, 0.1), (-1.2, 2.0)].into_iter().enumerate() {
                let (q, v) = turn(1.3 * f64::from(n), a, b);
                assert!((point.x[i] - q).abs() < 1e-14 && (point.p[i] - v).abs() < 1e-14);
            }
        }
    }
}
