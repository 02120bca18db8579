//! A simple likelihood with a complex posterior.
//!
//! *Model* (Lueckmann et al. 2021, arXiv:2101.04653, T.3; Papamakarios et al. 2019,
//! arXiv:1805.07226). theta is uniform on `[-3, 3]^5`; x is four independent points of a Gaussian in
//! the plane with mean (theta_1, theta_2), standard deviations theta_3^2 and theta_4^2, and
//! correlation tanh theta_5.
//!
//! *Observables.* Both coordinates of the first point, then of the second, and so on.
//!
//! *Posterior.* Exact, by rejection. With S the scatter matrix of the four points and C their
//! covariance, the mean integrates out and leaves `|C|^(-3/2) exp(-tr(C^-1 S) / 2)`. A uniform prior
//! of the parameters is one of C with density `(s_1 s_2)^(-5/2) / (1 - rho^2)`. The product is the
//! inverse Wishart density of scale S with 5/2 degrees of freedom times `(1 - rho^2)^(1/4)`, which is
//! at most 1.

use autodiff::{Dual, Real};
use ndarray::Array2;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{ChiSquared, Distribution, StandardNormal};

use super::{Task, TaskSimulator, posterior, require_observation};
use crate::error::{Error, Result};
use crate::prior::{Marginal, Prior};
use crate::simulator::{Simulation, Simulator};

/// Number of points.
const POINTS: usize = 4;
/// Largest absolute value of a parameter.
const BOUND: f64 = 3.0;

/// Mean and covariance of a Gaussian in the plane.
#[derive(Clone, Debug)]
pub struct Slcp {
    prior: Prior,
}

impl Default for Slcp {
    fn default() -> Self {
        Self::new()
    }
}

impl Slcp {
    /// The task.
    #[must_use]
    pub fn new() -> Self {
        let marginal = Marginal::Uniform { lower: -BOUND, upper: BOUND };
        let parameters = (1..=5).map(|i| (format!("theta_{i}"), marginal.clone()));
        Self { prior: Prior::new(parameters).expect("constant distributions are valid") }
    }

    /// Log likelihood of the points with its derivatives.
    fn log_likelihood<R: Real>(x: &[f64], theta: [R; 5]) -> R {
        let [m1, m2, root1, root2, t] = theta;
        let (s1, s2) = (root1 * root1, root2 * root2);
        let rho = t.tanh();
        // 1 - tanh^2 = 1 / cosh^2
        let ln_determinant = (s1.ln() + s2.ln() - t.cosh().ln()) * 2.0;
        let inverse = t.cosh() * t.cosh();
        let mut sum = (ln_determinant * 0.5 + (2.0 * std::f64::consts::PI).ln()) * -(POINTS as f64);
        for point in x.chunks(2) {
            let (a, b) = ((m1 - point[0]) / s1, (m2 - point[1]) / s2);
            sum += (a * a - rho * a * b * 2.0 + b * b) * inverse * -0.5;
        }
        sum
    }
}

impl Simulator for Slcp {
    type Error = Error;

    fn parameters(&self) -> usize {
        5
    }

    fn observables(&self) -> usize {
        2 * POINTS
    }

    fn simulate(&self, theta: &[f64], rng: &mut ChaCha8Rng) -> Result<Simulation> {
        let (s1, s2) = (theta[2] * theta[2], theta[3] * theta[3]);
        let rho = theta[4].tanh();
        let rest = theta[4].cosh().recip();
        let mut normal = || -> f64 { StandardNormal.sample(rng) };
        let mut x = Vec::with_capacity(2 * POINTS);
        for _ in 0..POINTS {
            let (a, b) = (normal(), normal());
            x.push(theta[0] + s1 * a);
            x.push(theta[1] + s2 * (rho * a + rest * b));
        }
        let theta = Dual::<5>::variables(std::array::from_fn(|i| theta[i]));
        let score = Self::log_likelihood(&x, theta).gradient.to_vec();
        Ok(Simulation { x, score: Some(score) })
    }
}

impl Task for Slcp {
    fn name(&self) -> &'static str {
        "slcp"
    }

    fn description(&self) -> &'static str {
        "Mean and covariance of a Gaussian from four points: a simple likelihood with a posterior of \
         four modes (Lueckmann et al. 2021, arXiv:2101.04653, T.3)."
    }

    fn prior(&self) -> &Prior {
        &self.prior
    }

    fn simulator(&self) -> &TaskSimulator {
        self
    }

    /// Exact: see the module.
    fn reference_posterior(&self, x: &[f64], draws: usize, seed: u64) -> Result<Array2<f64>> {
        require_observation(x, self.observables())?;
        let points = Scatter::new(x)?;
        posterior::reject(draws, seed, |rng| {
            let theta = points.draw(rng)?;
            self.prior.contains(&theta).then_some(theta)
        })
    }
}

/// Mean of the points, and the Cholesky factor of their scatter matrix
/// `sum (x - mean) (x - mean)^T`.
struct Scatter {
    mean: [f64; 2],
    /// (1, 1), (2, 1) and (2, 2) of the lower factor.
    factor: [f64; 3],
}

impl Scatter {
    fn new(x: &[f64]) -> Result<Self> {
        let mean = [0, 1].map(|i| x.iter().skip(i).step_by(2).sum::<f64>() / POINTS as f64);
        let [mut xx, mut xy, mut yy] = [0.0; 3];
        for point in x.chunks(2) {
            let (a, b) = (point[0] - mean[0], point[1] - mean[1]);
            xx += a * a;
            xy += a * b;
            yy += b * b;
        }
        let first = xx.sqrt();
        let second = xy / first;
        let third = (yy - second * second).sqrt();
        if !(first > 0.0 && third > 0.0 && third.is_finite()) {
            let reason = format!("the points {x:?} lie on a line");
            return Err(Error::Reference { reason });
        }
        Ok(Self { mean, factor: [first, second, third] })
    }

    /// A draw from the posterior under an unbounded prior; `None` if it was rejected.
    fn draw(&self, rng: &mut ChaCha8Rng) -> Option<[f64; 5]> {
        // Bartlett: a Wishart matrix of unit scale is A A^T, so that the covariance is B B^T with
        // B = L A^-T.
        const FREEDOM: f64 = 2.5;
        let mut root_of_chi_squared = |freedom: f64| -> Option<f64> {
            Some(ChiSquared::new(freedom).ok()?.sample(rng).sqrt())
        };
        let (a11, a22) = (root_of_chi_squared(FREEDOM)?, root_of_chi_squared(FREEDOM - 1.0)?);
        let mut normal = || -> f64 { StandardNormal.sample(rng) };
        let a21 = normal();
        let [l11, l21, l22] = self.factor;
        // A^-T = [[1/a11, -a21/(a11 a22)], [0, 1/a22]]
        let (b11, b12) = (l11 / a11, -l11 * a21 / (a11 * a22));
        let (b21, b22) = (l21 / a11, (l22 - l21 * a21 / a11) / a22);
        let (s1, s2) = (b11.hypot(b12), b21.hypot(b22));
        let rho = (b11 * b21 + b12 * b22) / (s1 * s2);
        // |B| / (s1 s2), without the cancellation of 1 - rho^2
        let rest = l11 * l22 / (a11 * a22) / (s1 * s2);
        let (e1, e2) = (normal(), normal());
        if rng.random::<f64>() > rest.sqrt() {
            return None;
        }
        let root = (POINTS as f64).sqrt();
        let mut signed = |value: f64| if rng.random::<bool>() { value } else { -value };
        Some([
            self.mean[0] + (b11 * e1 + b12 * e2) / root,
            self.mean[1] + (b21 * e1 + b22 * e2) / root,
            signed(s1.sqrt()),
            signed(s2.sqrt()),
            (rho / rest).asinh(),
        ])
    }
}

#[cfg(test)]
mod tests {
    use autodiff::assert_gradient;
    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    #[test]
    fn scores_are_gradients_at_fixed_points() {
        let task = Slcp::new();
        for index in 0..5 {
            let theta = task.prior.sample(2, index);
            let mut rng = ChaCha8Rng::seed_from_u64(index);
            let Simulation { x, score } = task.simulate(&theta, &mut rng).unwrap();
            let function =
                |theta: &[f64]| Slcp::log_likelihood(&x, std::array::from_fn(|i| theta[i]));
            assert_gradient(function, &theta, &score.unwrap(), 1e-5);
        }
    }

    /// The density of points in the plane, by the textbook formula with a covariance matrix.
    #[test]
    fn the_likelihood_is_that_of_the_covariance() {
        let theta = [0.7, -2.9, -1.0, -0.9, 0.6];
        let x = [0.1, -2.0, 1.3, -3.0, 0.2, -2.5, -0.4, -3.3];
        let (s1, s2, rho): (f64, f64, f64) = (1.0, 0.81, 0.6f64.tanh());
        let (xx, xy, yy) = (s1 * s1, rho * s1 * s2, s2 * s2);
        let determinant = xx * yy - xy * xy;
        let expected: f64 = x
            .chunks(2)
            .map(|point| {
                let (a, b) = (point[0] - theta[0], point[1] - theta[1]);
                let square = (yy * a * a - 2.0 * xy * a * b + xx * b * b) / determinant;
                -0.5 * square - 0.5 * determinant.ln() - (2.0 * std::f64::consts::PI).ln()
            })
            .sum();
        let found = Slcp::log_likelihood(&x, theta);
        assert!((found - expected).abs() < 1e-12, "{found} {expected}");
    }

    /// Mass that a Gaussian in the plane leaves between the edges of the prior of its mean.
    fn mass_in_box(mean: [f64; 2], sd: [f64; 2], rho: f64) -> f64 {
        let below = |z: f64| 0.5 * libm::erfc(-z / 2f64.sqrt());
        let edges = |i: usize| [-BOUND, BOUND].map(|edge| (edge - mean[i]) / sd[i]);
        if [edges(0), edges(1)].as_flattened().iter().all(|edge| edge.abs() > 6.0) {
            return 1.0;
        }
        let [low, high] = edges(0).map(|edge| edge.clamp(-6.0, 6.0));
        let width = (high - low) / 32.0;
        let strip = |i: i32| {
            let z = low + (f64::from(i) + 0.5) * width;
            let [low, high] =
                edges(1).map(|edge| below((edge - rho * z) / (1.0 - rho * rho).sqrt()));
            width * (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt() * (high - low)
        };
        (0..32).map(strip).sum()
    }

    /// Moments of (|theta_3|, |theta_4|, theta_5) by quadrature on a grid.
    #[test]
    fn the_posterior_has_the_moments_of_a_grid() {
        let task = Slcp::new();
        let x = [0.9, -1.1, 0.2, -0.3, -0.5, -1.6, 0.6, -0.8];
        let n = POINTS as f64;
        let mean = |i: usize| x.iter().skip(i).step_by(2).sum::<f64>() / n;
        let (m1, m2) = (mean(0), mean(1));
        let sum =
            |f: &dyn Fn(f64, f64) -> f64| x.chunks(2).map(|p| f(p[0] - m1, p[1] - m2)).sum::<f64>();
        let (xx, xy, yy) = (sum(&|a, _| a * a), sum(&|a, b| a * b), sum(&|_, b| b * b));
        let cells = 60;
        let at = |i: usize| (i as f64 + 0.5) / cells as f64;
        let (mut total, mut first, mut second) = (0.0, [0.0; 3], [0.0; 3]);
        for i in 0..cells {
            for j in 0..cells {
                for k in 0..cells {
                    let (r1, r2, t) = (3.0 * at(i), 3.0 * at(j), 6.0 * at(k) - 3.0);
                    let (s1, s2, rho) = (r1 * r1, r2 * r2, t.tanh());
                    let rest = 1.0 - rho * rho;
                    let square =
                        (xx / (s1 * s1) - 2.0 * rho * xy / (s1 * s2) + yy / (s2 * s2)) / rest;
                    // |covariance|^(-(n - 1) / 2), and what the edges leave of the mean
                    let weight = (-0.5 * square).exp()
                        * (s1 * s2 * rest.sqrt()).powf(1.0 - n)
                        * mass_in_box([m1, m2], [0.5 * s1, 0.5 * s2], rho);
                    total += weight;
                    for (index, value) in [r1, r2, t].into_iter().enumerate() {
                        first[index] += weight * value;
                        second[index] += weight * value * value;
                    }
                }
            }
        }
        let draws = task.reference_posterior(&x, 100_000, 1).unwrap();
        for index in 0..3 {
            let values = draws.column(index + 2);
            let values = values.mapv(|value| if index < 2 { value.abs() } else { value });
            let mean = first[index] / total;
            let sd = (second[index] / total - mean * mean).sqrt();
            let found = values.mean().unwrap();
            assert!((found - mean).abs() < 0.015 * sd, "{index}: mean {found}, expected {mean}");
            assert!((values.std(1.0) / sd - 1.0).abs() < 0.02, "{index}: {} {sd}", values.std(1.0));
        }
        for column in [2, 3] {
            let negative = draws.column(column).iter().filter(|&&value| value < 0.0).count();
            assert!((49_300..50_700).contains(&negative), "{negative}");
        }
    }
}
