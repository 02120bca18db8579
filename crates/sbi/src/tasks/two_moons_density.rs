//! Two moons as a density: a test of density estimation with scores, without parameters.
//!
//! *Definition* (Zeghal et al. 2022, arXiv:2207.05636, and its code): an equal-weight mixture of 2048
//! isotropic Gaussians in the plane. 1024 centres lie on each of two half circles, at angles t evenly
//! spaced from 0 to pi: the outer one (cos t, sin t), the inner one (1 - cos t, 1/2 - sin t). All are
//! divided by 5 and moved by (0.45, 0.45); the standard deviation is 0.01.

use std::f64::consts::PI;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};

/// Centres on each half circle.
const PER_MOON: usize = 1024;
/// Standard deviation of a component.
const SD: f64 = 0.01;

/// The mixture.
#[derive(Clone, Debug)]
pub struct TwoMoonsDensity {
    centres: Vec<[f64; 2]>,
}

impl Default for TwoMoonsDensity {
    fn default() -> Self {
        Self::new()
    }
}

impl TwoMoonsDensity {
    /// The mixture.
    #[must_use]
    pub fn new() -> Self {
        let angle = |i: usize| PI * i as f64 / (PER_MOON - 1) as f64;
        let outer = (0..PER_MOON).map(angle).map(|t| [t.cos(), t.sin()]);
        let inner = (0..PER_MOON).map(angle).map(|t| [1.0 - t.cos(), 0.5 - t.sin()]);
        let place = |centre: [f64; 2]| centre.map(|coordinate| coordinate / 5.0 + 0.45);
        Self { centres: outer.chain(inner).map(place).collect() }
    }

    /// Log density at `x`, and its gradient, the score.
    ///
    /// Both are finite wherever `x` is and its square does not overflow.
    #[must_use]
    pub fn log_density_and_score(&self, x: [f64; 2]) -> (f64, [f64; 2]) {
        let offset = |centre: &[f64; 2]| [(centre[0] - x[0]) / SD, (centre[1] - x[1]) / SD];
        let half_square = |[a, b]: [f64; 2]| 0.5 * (a * a + b * b);
        let nearest =
            self.centres.iter().map(|c| half_square(offset(c))).fold(f64::INFINITY, f64::min);
        let (mut sum, mut first) = (0.0, [0.0; 2]);
        for centre in &self.centres {
            let offset = offset(centre);
            let weight = (nearest - half_square(offset)).exp();
            sum += weight;
            first[0] += weight * offset[0];
            first[1] += weight * offset[1];
        }
        let norm = (self.centres.len() as f64 * 2.0 * PI * SD * SD).ln();
        (sum.ln() - nearest - norm, first.map(|first| first / sum / SD))
    }

    /// Log density at `x`.
    #[must_use]
    pub fn log_density(&self, x: [f64; 2]) -> f64 {
        self.log_density_and_score(x).0
    }

    /// Gradient of the log density at `x`.
    #[must_use]
    pub fn score(&self, x: [f64; 2]) -> [f64; 2] {
        self.log_density_and_score(x).1
    }

    /// Draw number `index` of the stream `seed`.
    #[must_use]
    pub fn sample(&self, seed: u64, index: u64) -> [f64; 2] {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(index);
        let centre = self.centres[rng.random_range(0..self.centres.len())];
        centre.map(|coordinate| {
            let noise: f64 = StandardNormal.sample(&mut rng);
            coordinate + SD * noise
        })
    }
}
