//! Reversible, volume-preserving integrators of Hamilton's equations.
//!
//! Both work in coordinates `x` standardised by the metric, where the momentum is `p ~ N(0, I)` and
//! the Hamiltonian is `H = -log pi(x) + p.p/2`. Both are symmetric compositions of exact flows, so
//! of second order, and use one gradient per step.

use serde::{Deserialize, Serialize};

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
}

impl Integrator {
    /// Largest step size that makes sense. The rotation returns to itself after `2 pi`; with the
    /// jitter a step stays below a quarter turn.
    pub(crate) fn max_step(self) -> f64 {
        match self {
            Self::Leapfrog => 1e7,
            Self::ExactNormal => 1.4,
        }
    }

    /// The first half kick and the motion of the position: all of a step before the gradient.
    pub(crate) fn start(self, step: f64, x: &mut [f64], p: &mut [f64], gradient: &[f64]) {
        let half = 0.5 * step;
        match self {
            Self::Leapfrog => {
                for ((x, p), &g) in x.iter_mut().zip(p).zip(gradient) {
                    *p += half * g;
                    *x += step * *p;
                }
            }
            Self::ExactNormal => {
                let (sin, cos) = step.sin_cos();
                for ((x, p), &g) in x.iter_mut().zip(p).zip(gradient) {
                    let kicked = *p + half * (g + *x);
                    *p = cos * kicked - sin * *x;
                    *x = cos * *x + sin * kicked;
                }
            }
        }
    }

    /// The second half kick, with the gradient at the new position.
    pub(crate) fn finish(self, step: f64, x: &[f64], p: &mut [f64], gradient: &[f64]) {
        let half = 0.5 * step;
        match self {
            Self::Leapfrog => {
                for (p, &g) in p.iter_mut().zip(gradient) {
                    *p += half * g;
                }
            }
            Self::ExactNormal => {
                for ((p, &x), &g) in p.iter_mut().zip(x).zip(gradient) {
                    *p += half * (g + x);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [Integrator; 2] = [Integrator::Leapfrog, Integrator::ExactNormal];

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
        let (mut x, mut p) = (start[..2].to_vec(), start[2..].to_vec());
        let mut g = gradient(&x);
        for _ in 0..steps {
            integrator.start(step, &mut x, &mut p, &g);
            g = gradient(&x);
            integrator.finish(step, &x, &mut p, &g);
        }
        [x, p].concat()
    }

    const START: [f64; 4] = [0.3, -0.8, 0.9, 0.4];

    #[test]
    fn trajectories_can_be_run_backwards() {
        for integrator in BOTH {
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
        for integrator in BOTH {
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
    fn both_converge_to_the_same_trajectory_with_second_order() {
        let exact = integrate(Integrator::Leapfrog, &START, 1e-5, 100_000);
        for integrator in BOTH {
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
    fn a_standard_normal_is_integrated_exactly() {
        let (mut x, mut p) = (vec![0.7, -1.2], vec![0.1, 2.0]);
        let expected =
            |t: f64, a: f64, b: f64| (a * t.cos() + b * t.sin(), b * t.cos() - a * t.sin());
        for n in 1..=10 {
            let g: Vec<f64> = x.iter().map(|x| -x).collect();
            Integrator::ExactNormal.start(1.3, &mut x, &mut p, &g);
            let g: Vec<f64> = x.iter().map(|x| -x).collect();
            Integrator::ExactNormal.finish(1.3, &x, &mut p, &g);
            for (i, (a, b)) in [(0.7, 0.1), (-1.2, 2.0)].into_iter().enumerate() {
                let (q, v) = expected(1.3 * f64::from(n), a, b);
                assert!((x[i] - q).abs() < 1e-14 && (p[i] - v).abs() < 1e-14);
            }
        }
    }
}
