//! Draws from a posterior of two parameters that may have several modes.
//!
//! Rejection from a mixture: a Student distribution around each mode, shaped by the curvature there,
//! and the prior as a safeguard. As in the reference posteriors of sbibm (Lueckmann et al. 2021,
//! arXiv:2101.04653), the bound of the ratio of posterior to mixture is the largest ratio seen,
//! enlarged; should a larger one turn up later, all draws are made anew with it. What the bound may
//! still miss is rarer than one draw in all that were tried.

use std::f64::consts::PI;

use hmc::{AscentSettings, LogDensity};
use ndarray::Array2;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{ChiSquared, Distribution, StandardNormal};
use rayon::prelude::*;

use super::posterior::{LogLikelihood, Posterior};
use crate::error::{Error, Result};
use crate::prior::Prior;

/// Prior draws from which modes are looked for.
const ASCENTS: usize = 32;
/// Degrees of freedom of the Student distributions.
const FREEDOM: f64 = 4.0;
/// Their scale matrix, in units of the inverse curvature.
const WIDENING: f64 = 1.5;
/// Weight of the prior in the mixture, and least weight of a mode.
const PRIOR_WEIGHT: f64 = 0.1;
const LEAST_WEIGHT: f64 = 0.05;
/// What the largest ratio seen is multiplied by.
const SAFETY: f64 = 1.5;
/// Proposals made at a time, and before the first draw, to find the bound.
const BATCH: u64 = 4096;
/// Most proposals for each draw.
const MOST: u64 = 1000;

/// A Student distribution in the plane.
struct Student {
    centre: [f64; 2],
    /// Lower Cholesky factor (1, 1), (2, 1), (2, 2) of the scale matrix.
    factor: [f64; 3],
    weight: f64,
}

impl Student {
    /// Around a mode: `curvature` is minus the matrix of second derivatives of the log density.
    ///
    /// Where that is not positive definite the unit matrix takes its place, the prior's own.
    fn new(centre: [f64; 2], curvature: [[f64; 2]; 2]) -> Self {
        let [[a, b], [c, d]] = curvature;
        let off = 0.5 * (b + c);
        let determinant = a * d - off * off;
        let definite = a > 0.0 && determinant > 1e-10 * a * d;
        let [xx, xy, yy] = if definite {
            [d, -off, a].map(|element| WIDENING * element / determinant)
        } else {
            [1.0, 0.0, 1.0]
        };
        let first = xx.sqrt();
        let second = xy / first;
        Self { centre, factor: [first, second, (yy - second * second).sqrt()], weight: 0.0 }
    }

    fn determinant_root(&self) -> f64 {
        self.factor[0] * self.factor[2]
    }

    /// Squared distance from the centre, in units of the scale matrix.
    fn square(&self, u: [f64; 2]) -> f64 {
        let first = (u[0] - self.centre[0]) / self.factor[0];
        let second = (u[1] - self.centre[1] - self.factor[1] * first) / self.factor[2];
        first * first + second * second
    }

    fn density(&self, u: [f64; 2]) -> f64 {
        (1.0 + self.square(u) / FREEDOM).powf(-0.5 * FREEDOM - 1.0)
            / (2.0 * PI * self.determinant_root())
    }

    fn draw(&self, rng: &mut ChaCha8Rng, chi_squared: &ChiSquared<f64>) -> [f64; 2] {
        let [e1, e2]: [f64; 2] = [StandardNormal.sample(rng), StandardNormal.sample(rng)];
        let stretch = (FREEDOM / chi_squared.sample(rng)).sqrt();
        let [l11, l21, l22] = self.factor;
        [self.centre[0] + stretch * l11 * e1, self.centre[1] + stretch * (l21 * e1 + l22 * e2)]
    }
}

/// The mixture that is proposed from, in normal coordinates of the prior.
struct Mixture {
    modes: Vec<Student>,
    /// Log posterior density at the highest mode, which keeps ratios within range.
    highest: f64,
    chi_squared: ChiSquared<f64>,
}

impl Mixture {
    fn new(posterior: Posterior<'_>, seed: u64) -> Result<Self> {
        let settings = AscentSettings { tolerance: 1e-9, ..AscentSettings::default() };
        let (tops, _) = posterior.climb(seed, ASCENTS, &settings)?;
        let highest = tops[0].log_density;
        let mut modes: Vec<Student> = Vec::new();
        for top in &tops {
            let centre = [top.position[0], top.position[1]];
            if modes.iter().any(|mode| mode.square(centre) < 0.25) {
                continue;
            }
            let mut mode = Student::new(centre, curvature(posterior, centre));
            mode.weight = (top.log_density - highest).exp() * mode.determinant_root();
            modes.push(mode);
        }
        let total: f64 = modes.iter().map(|mode| mode.weight).sum();
        for mode in &mut modes {
            mode.weight = (mode.weight / total).max(LEAST_WEIGHT);
        }
        let total: f64 = modes.iter().map(|mode| mode.weight).sum();
        for mode in &mut modes {
            mode.weight *= (1.0 - PRIOR_WEIGHT) / total;
        }
        let chi_squared = ChiSquared::new(FREEDOM)
            .map_err(|error| Error::Reference { reason: error.to_string() })?;
        Ok(Self { modes, highest, chi_squared })
    }

    fn density(&self, u: [f64; 2]) -> f64 {
        let normal = (-0.5 * (u[0] * u[0] + u[1] * u[1])).exp() / (2.0 * PI);
        let modes: f64 = self.modes.iter().map(|mode| mode.weight * mode.density(u)).sum();
        PRIOR_WEIGHT * normal + modes
    }

    fn draw(&self, rng: &mut ChaCha8Rng) -> [f64; 2] {
        let mut choice = rng.random::<f64>();
        for mode in &self.modes {
            if choice < mode.weight {
                return mode.draw(rng, &self.chi_squared);
            }
            choice -= mode.weight;
        }
        [StandardNormal.sample(rng), StandardNormal.sample(rng)]
    }

    /// Proposal `index`: a uniform number, the point, and its ratio of posterior to mixture.
    fn propose(&self, posterior: Posterior<'_>, seed: u64, index: u64) -> (f64, [f64; 2], f64) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(PROPOSALS + index);
        let uniform = rng.random::<f64>();
        let u = self.draw(&mut rng);
        let mut posterior = posterior;
        let log =
            posterior.log_density_and_gradient(&u, &mut [0.0; 2]).unwrap_or(f64::NEG_INFINITY);
        let ratio = (log - self.highest).exp() / self.density(u);
        (uniform, u, if ratio.is_finite() { ratio } else { 0.0 })
    }
}

/// Stream of the first proposal, beyond those used in looking for modes.
const PROPOSALS: u64 = 1 << 32;

/// Minus the second derivatives of the log density, by differences of its gradient.
fn curvature(posterior: Posterior<'_>, centre: [f64; 2]) -> [[f64; 2]; 2] {
    const STEP: f64 = 1e-5;
    [0, 1].map(|i| {
        let gradient = |side: f64| {
            let mut u = centre;
            u[i] += side * STEP;
            let mut gradient = [0.0; 2];
            let mut posterior = posterior;
            match posterior.log_density_and_gradient(&u, &mut gradient) {
                Ok(_) => gradient,
                Err(_) => [f64::NAN; 2],
            }
        };
        let (above, below) = (gradient(1.0), gradient(-1.0));
        [0, 1].map(|j| (below[j] - above[j]) / (2.0 * STEP))
    })
}

/// Draws `[draw, 2]` from the posterior of a prior and a likelihood of two parameters.
///
/// # Errors
/// [`Error::Reference`] if the likelihood is not defined at any of many prior draws, or fewer than
/// one proposal in a thousand is accepted.
pub fn sample(
    prior: &Prior,
    likelihood: &LogLikelihood<'_>,
    draws: usize,
    seed: u64,
) -> Result<Array2<f64>> {
    let posterior = Posterior { prior, likelihood };
    let mixture = Mixture::new(posterior, seed)?;
    let mut proposals = Vec::new();
    let mut bound = 0.0;
    loop {
        let made = proposals.len() as u64;
        let batch = (made..made + BATCH).into_par_iter();
        proposals.par_extend(batch.map(|index| mixture.propose(posterior, seed, index)));
        let largest = proposals.iter().map(|proposal| proposal.2).fold(0.0, f64::max);
        if largest > bound {
            bound = SAFETY * largest;
        }
        let accepted: Vec<[f64; 2]> = proposals
            .iter()
            .filter(|(uniform, _, ratio)| uniform * bound < *ratio)
            .take(draws)
            .map(|&(_, u, _)| u)
            .collect();
        if accepted.len() == draws {
            let rows: Vec<Vec<f64>> = accepted.iter().map(|u| prior.at_normal(u).0).collect();
            return Ok(Array2::from_shape_fn((draws, 2), |(row, column)| rows[row][column]));
        }
        if proposals.len() as u64 > MOST * draws as u64 + BATCH {
            let (found, tried) = (accepted.len(), proposals.len());
            let reason = format!("only {found} of {tried} proposals are accepted");
            return Err(Error::Reference { reason });
        }
    }
}
