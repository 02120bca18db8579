//! The SLCP task with distractors: observables of which most tell nothing.
//!
//! *Model* (Lueckmann et al. 2021, arXiv:2101.04653, T.4, as the package sbibm has it). The eight
//! observables of [`Slcp`] and 92 distractors, which do not depend on the parameters, all in a
//! random but fixed order. The distractors are one draw from a mixture, with equal weights, of 20
//! Student t distributions of two degrees of freedom in 92 dimensions: `m + L e / sqrt(g)` with e
//! standard normal and g standard exponential has location m and scale matrix `L L^T`.
//!
//! *Constants.* m ~ N(0, 15^2 I), and `L = 3 (N + diag(exp(n)))`, with the elements of the lower
//! triangular matrix N, its diagonal included, and of the vector n standard normal.
//!
//! *What differs from sbibm.* The constants, that is m and L of each component and the order, are
//! our own: draws of ChaCha8 with seed 42, as sbibm's are stored in files.
//!
//! *Posterior.* Exact: that of [`Slcp`] given its eight observables.

use ndarray::Array2;
use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, Exp1, StandardNormal};

use super::{Slcp, Task, TaskSimulator, require_observation};
use crate::error::{Error, Result};
use crate::prior::Prior;
use crate::simulator::{Simulation, Simulator};

/// Number of observables.
const OBSERVABLES: usize = 100;
/// Those that depend on the parameters.
const INFORMATIVE: usize = 8;
/// Those that do not.
const DISTRACTORS: usize = OBSERVABLES - INFORMATIVE;
/// Components of the mixture.
const COMPONENTS: usize = 20;
/// Standard deviation of the elements of the locations.
const LOCATION_SCALE: f64 = 15.0;
/// Standard deviation of the elements of the factors.
const FACTOR_SCALE: f64 = 3.0;
/// Seed of the constants.
const CONSTANTS_SEED: u64 = 42;

/// Mean and covariance of a Gaussian in the plane, from the eight observables of [`Slcp`] among 92
/// distractors (Lueckmann et al. 2021, arXiv:2101.04653, T.4).
///
/// With `y = (y_1, ..., y_8)` the observables of [`Slcp`] and
/// `(y_9, ..., y_100) ~ 1/20 sum_k t_2(m_k, L_k L_k^T)`, `x: [100]` is y in a fixed random order:
/// `p(theta | x) = p(theta | y_1, ..., y_8)`. t_2 is the Student t distribution of two degrees of
/// freedom in 92 dimensions, k = 1..20, `m_k ~ N(0, 15^2 I)`, and `L_k = 3 (N + diag(exp(n)))` with
/// a lower triangular matrix N and a vector n of standard normals. The m_k, the L_k and the order
/// are drawn once from a seed of our own; sbibm's are others.
#[derive(Clone, Debug)]
pub struct SlcpDistractors {
    slcp: Slcp,
    mixture: Vec<Component>,
    /// Which element of (observables of SLCP, distractors) each observable is.
    order: Vec<usize>,
}

impl Default for SlcpDistractors {
    fn default() -> Self {
        Self::new()
    }
}

impl SlcpDistractors {
    /// The task.
    #[must_use]
    pub fn new() -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(CONSTANTS_SEED);
        let mixture = (0..COMPONENTS).map(|_| Component::new(&mut rng)).collect();
        let mut order: Vec<usize> = (0..OBSERVABLES).collect();
        order.shuffle(&mut rng);
        Self { slcp: Slcp::new(), mixture, order }
    }

    /// The observables `[8]` of [`Slcp`] among `x: [100]`, in the order of that task.
    ///
    /// # Errors
    /// [`Error::Shape`] for an `x` of another length; [`Error::NotFinite`] for one with NaN or
    /// infinities.
    pub fn informative(&self, x: &[f64]) -> Result<Vec<f64>> {
        require_observation(x, OBSERVABLES)?;
        let mut found = vec![0.0; INFORMATIVE];
        for (&value, &element) in x.iter().zip(&self.order) {
            if let Some(place) = found.get_mut(element) {
                *place = value;
            }
        }
        Ok(found)
    }
}

/// A Student t distribution of two degrees of freedom.
#[derive(Clone, Debug)]
struct Component {
    location: Vec<f64>,
    /// Rows of the lower factor of the scale matrix, each up to its diagonal element.
    factor: Vec<Vec<f64>>,
}

impl Component {
    /// A component with constants drawn as in the module.
    fn new(rng: &mut ChaCha8Rng) -> Self {
        let mut normal = || -> f64 { StandardNormal.sample(rng) };
        let location = (0..DISTRACTORS).map(|_| LOCATION_SCALE * normal()).collect();
        let mut factor = Vec::with_capacity(DISTRACTORS);
        for row in 0..DISTRACTORS {
            let mut elements: Vec<f64> = (0..=row).map(|_| FACTOR_SCALE * normal()).collect();
            elements[row] += FACTOR_SCALE * normal().exp();
            factor.push(elements);
        }
        Self { location, factor }
    }

    /// A draw `[distractor]`.
    fn draw(&self, rng: &mut ChaCha8Rng) -> Vec<f64> {
        let e: Vec<f64> = StandardNormal.sample_iter(&mut *rng).take(DISTRACTORS).collect();
        // half of chi squared with two degrees of freedom, never zero
        let g: f64 = Exp1.sample(rng);
        let scale = g.sqrt().recip();
        let rows = self.location.iter().zip(&self.factor);
        rows.map(|(location, row)| {
            location + scale * row.iter().zip(&e).map(|(element, e)| element * e).sum::<f64>()
        })
        .collect()
    }
}

impl Simulator for SlcpDistractors {
    type Error = Error;

    fn parameters(&self) -> usize {
        self.slcp.parameters()
    }

    fn observables(&self) -> usize {
        OBSERVABLES
    }

    /// The simulation of [`Slcp`] with the same generator, and then the distractors, of which the
    /// score knows nothing.
    fn simulate(&self, theta: &[f64], rng: &mut ChaCha8Rng) -> Result<Simulation> {
        let Simulation { x: mut y, score } = self.slcp.simulate(theta, rng)?;
        let component = &self.mixture[rng.random_range(0..COMPONENTS)];
        y.extend(component.draw(rng));
        let x = self.order.iter().map(|&element| y[element]).collect();
        Ok(Simulation { x, score })
    }
}

impl Task for SlcpDistractors {
    fn name(&self) -> &'static str {
        "slcp-distractors"
    }

    fn description(&self) -> &'static str {
        "The observables of slcp in a fixed random order with 92 distractors, which do not depend \
         on the parameters (Lueckmann et al. 2021, arXiv:2101.04653, T.4, with random constants of \
         our own)."
    }

    fn prior(&self) -> &Prior {
        self.slcp.prior()
    }

    fn simulator(&self) -> &TaskSimulator {
        self
    }

    /// Exact: that of [`Slcp`].
    fn reference_posterior(&self, x: &[f64], draws: usize, seed: u64) -> Result<Array2<f64>> {
        self.slcp.reference_posterior(&self.informative(x)?, draws, seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean and standard deviation.
    fn moments(values: &[f64]) -> (f64, f64) {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        (mean, (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt())
    }

    #[test]
    fn constants_have_the_documented_moments() {
        let task = SlcpDistractors::new();
        let (mut locations, mut below, mut diagonal) = (Vec::new(), Vec::new(), Vec::new());
        for component in &task.mixture {
            locations.extend_from_slice(&component.location);
            for (index, row) in component.factor.iter().enumerate() {
                assert_eq!(row.len(), index + 1);
                below.extend_from_slice(&row[..index]);
                diagonal.push(row[index]);
            }
        }
        assert_eq!((task.mixture.len(), locations.len(), diagonal.len()), (20, 1840, 1840));
        // Tolerances are four standard errors.
        let (mean, sd) = moments(&locations);
        assert!(mean.abs() < 1.4 && (sd / 15.0 - 1.0).abs() < 0.066, "{mean} {sd}");
        let (mean, sd) = moments(&below);
        assert!(mean.abs() < 0.042 && (sd / 3.0 - 1.0).abs() < 0.01, "{mean} {sd}");
        // 3 (n + exp n'): mean 3 sqrt(e), variance 9 (1 + e (e - 1))
        let e = std::f64::consts::E;
        let (mean, _) = moments(&diagonal);
        let error = 3.0 * (1.0 + e * (e - 1.0)).sqrt() / 1840f64.sqrt();
        assert!((mean - 3.0 * e.sqrt()).abs() < 4.0 * error, "{mean} +- {error}");
        let mut sorted = task.order.clone();
        sorted.sort_unstable();
        assert!(sorted.iter().copied().eq(0..100) && sorted != task.order, "{:?}", task.order);
    }

    /// The square distance of k distractors from their location, in units of the scale matrix, is
    /// that of k standard normals over an exponential: P(d^2 < c) = (1 + 2 / c)^(-k / 2).
    #[test]
    fn distractors_are_student_t_of_two_degrees_of_freedom() {
        let task = SlcpDistractors::new();
        let (n, k) = (20_000_u32, 5_usize);
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for component in &task.mixture[..3] {
            let mut square = || -> f64 {
                let x = component.draw(&mut rng);
                assert_eq!(x.len(), DISTRACTORS);
                // forward substitution
                let mut e: Vec<f64> = Vec::new();
                for (index, row) in component.factor[..k].iter().enumerate() {
                    let known: f64 = row.iter().zip(&e).map(|(element, e)| element * e).sum();
                    e.push((x[index] - component.location[index] - known) / row[index]);
                }
                e.iter().map(|e| e * e).sum()
            };
            let squares: Vec<f64> = (0..n).map(|_| square()).collect();
            for c in [1.0, 5.0, 50.0] {
                let below = squares.iter().filter(|&&square| square < c).count() as f64;
                let (found, expected) =
                    (below / f64::from(n), (1.0 + 2.0 / c).powf(-0.5 * k as f64));
                let error = (expected * (1.0 - expected) / f64::from(n)).sqrt();
                assert!((found - expected).abs() < 4.0 * error, "{c}: {found} {expected}");
            }
        }
    }
}
