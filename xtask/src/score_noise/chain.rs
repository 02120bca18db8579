//! Chains over the latents behind a map, at fixed parameters.

use anyhow::{Context, Result};
use hmc::{Chain, Integrator, Kernel, LogDensity, MetricSettings, Settings, TrajectoryLength};
use lognormal_sim::{Cosmology, Randomness, Simulator, WhitenedDensity, WhitenedSlice};

use full_field::DIM;
use full_field::Error as DensityError;

/// A quarter turn: where latents are standard normal, draws are independent.
const TRAJECTORY: f64 = 1.5;
/// Transitions that find the step size.
const WARMUP: usize = 80;
/// The acceptance it is tuned to: high, since a rejected draw repeats the last one.
const TARGET_ACCEPT: f64 = 0.85;

/// The posterior of whitened latents given map and parameters.
struct LatentPosterior<'a> {
    slice: WhitenedSlice<'a>,
    dim: usize,
}

impl LogDensity for LatentPosterior<'_> {
    type Error = DensityError;

    fn dim(&self) -> usize {
        self.dim
    }

    fn log_density_and_gradient(
        &mut self,
        position: &[f64],
        gradient: &mut [f64],
    ) -> Result<f64, DensityError> {
        Ok(self.slice.log_density(position, gradient)?)
    }
}

fn settings(warmup: usize, initial_step: Option<f64>) -> Settings {
    Settings {
        warmup,
        kernel: Kernel::Hmc { trajectory: TrajectoryLength::Time(TRAJECTORY) },
        integrator: Integrator::ExactNormal,
        metric: MetricSettings { dense: 0, adapted: Some(0) },
        target_accept: TARGET_ACCEPT,
        initial_step,
        ..Settings::default()
    }
}

/// The step size that suits the latents of a simulation at these parameters.
///
/// # Errors
/// If the simulation or the chain fails.
pub fn find_step(simulator: &Simulator, cosmology: &Cosmology, seed: u64) -> Result<f64> {
    let map = simulator.simulate(cosmology, seed, 0, true)?;
    let latents: Vec<f64> = Randomness::new(seed, 0).normals(simulator.map_len());
    let mut density = WhitenedDensity::new(simulator, map)?;
    let white = density.coordinates(cosmology, &latents)?;
    let posterior = LatentPosterior { slice: density.at(cosmology)?, dim: white.len() };
    let mut chain = Chain::new(posterior, white, settings(WARMUP, None), seed, 1)
        .context("a chain over latents cannot start")?;
    for _ in 0..WARMUP {
        chain.advance().context("a chain over latents")?;
    }
    Ok(chain.state().step_size())
}

/// A chain in equilibrium: it starts from the latents that made the map, an exact draw, and its
/// step size is fixed.
pub struct LatentChain<'a> {
    chain: Chain<LatentPosterior<'a>>,
    gradient: Vec<f64>,
    accepted: f64,
    transitions: usize,
}

impl<'a> LatentChain<'a> {
    /// A chain from whitened latents.
    ///
    /// # Errors
    /// If the density cannot be evaluated there.
    pub fn start(
        slice: WhitenedSlice<'a>,
        white: Vec<f64>,
        step: f64,
        seed: u64,
        index: u64,
    ) -> Result<Self> {
        let gradient = vec![0.0; white.len()];
        let posterior = LatentPosterior { slice, dim: white.len() };
        let chain = Chain::new(posterior, white, settings(0, Some(step)), seed, index)
            .context("a chain over latents cannot start")?;
        Ok(Self { chain, gradient, accepted: 0.0, transitions: 0 })
    }

    /// The score at the current latents.
    ///
    /// # Errors
    /// If it cannot be evaluated.
    pub fn score(&mut self) -> Result<[f64; DIM]> {
        let (posterior, position) = self.chain.density_and_position();
        Ok(posterior.slice.evaluate(position, &mut self.gradient)?.1)
    }

    /// Transitions without a look at the score.
    ///
    /// # Errors
    /// If the density fails.
    pub fn skip(&mut self, count: usize) -> Result<()> {
        for _ in 0..count {
            self.accepted += self.chain.advance().context("a chain over latents")?.accept;
            self.transitions += 1;
        }
        Ok(())
    }

    /// Scores at the next draws.
    ///
    /// # Errors
    /// If the density fails.
    pub fn scores(&mut self, count: usize) -> Result<Vec<[f64; DIM]>> {
        (0..count)
            .map(|_| {
                self.skip(1)?;
                self.score()
            })
            .collect()
    }

    /// Mean acceptance.
    pub fn acceptance(&self) -> f64 {
        self.accepted / self.transitions as f64
    }

    /// Gradients of a draw with its score.
    pub fn gradients_per_draw(&self) -> f64 {
        self.chain.state().gradients().sampling as f64 / self.transitions as f64 + 1.0
    }
}
