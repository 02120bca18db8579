//! The simulator of all methods: a map of the survey, and its summary.

use std::sync::atomic::{AtomicU64, Ordering};

use compression::{Compressor, Maps};
use lognormal_sim::{Cosmology, ScoreKind, Simulator as MapSimulator};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use sbi::simulations::{OnFault, Policy};
use sbi::simulator::{Simulation, Simulator};

use crate::counts::Count;
use crate::prior::DIM;

/// Cosmologies of the prior that have no map have a summary that is not finite: such simulations are
/// left out and counted. A failure of any other kind ends the study.
pub const POLICY: Policy = Policy { non_finite: OnFault::Drop, failed: OnFault::Error };

/// Why there is no summary.
#[derive(Debug, thiserror::Error)]
pub enum SimulationError {
    /// The survey cannot be simulated.
    #[error(transparent)]
    Map(#[from] lognormal_sim::Error),
    /// The map cannot be compressed.
    #[error(transparent)]
    Compression(#[from] compression::Error),
}

/// Maps of a survey, compressed; every call is counted.
pub struct CompressedMaps<'a> {
    maps: &'a MapSimulator,
    compressor: &'a (dyn Compressor + Sync),
    /// What the scores of simulations hold fixed, if they have scores.
    scored: Option<ScoreKind>,
    simulations: AtomicU64,
    gradients: AtomicU64,
    failures: AtomicU64,
}

impl<'a> CompressedMaps<'a> {
    /// Summaries without scores.
    pub fn new(maps: &'a MapSimulator, compressor: &'a (dyn Compressor + Sync)) -> Self {
        let [simulations, gradients, failures] = std::array::from_fn(|_| AtomicU64::new(0));
        Self { maps, compressor, scored: None, simulations, gradients, failures }
    }

    /// Summaries with scores of the maps that hold latents of some kind fixed.
    pub fn with_scores(
        maps: &'a MapSimulator,
        compressor: &'a (dyn Compressor + Sync),
        kind: ScoreKind,
    ) -> Self {
        Self { scored: Some(kind), ..Self::new(maps, compressor) }
    }

    /// What was simulated so far.
    pub fn count(&self) -> Count {
        Count {
            simulations: self.simulations.load(Ordering::Relaxed),
            gradients: self.gradients.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
        }
    }

    /// A noisy map, with its score if it is wanted.
    fn map(&self, theta: &[f64], seed: u64) -> lognormal_sim::Result<(Vec<f32>, Option<Vec<f64>>)> {
        let cosmology = Cosmology::from_parameters(&std::array::from_fn(|i| theta[i]))?;
        let Some(kind) = self.scored else {
            return Ok((self.maps.simulate(&cosmology, seed, 0, true)?, None));
        };
        let made = self.maps.simulate_scored(kind, &cosmology, seed, 0)?;
        self.gradients.fetch_add(1, Ordering::Relaxed);
        Ok((made.maps.iter().map(|pixel| *pixel as f32).collect(), Some(made.score.to_vec())))
    }
}

impl Simulator for CompressedMaps<'_> {
    type Error = SimulationError;

    fn parameters(&self) -> usize {
        DIM
    }

    fn observables(&self) -> usize {
        self.compressor.summary_len()
    }

    fn simulate(&self, theta: &[f64], rng: &mut ChaCha8Rng) -> Result<Simulation, SimulationError> {
        self.simulations.fetch_add(1, Ordering::Relaxed);
        match self.map(theta, rng.random()) {
            Ok((map, score)) => {
                let map = Maps::new(self.compressor.shape(), &map)?;
                Ok(Simulation { x: self.compressor.compress(map)?, score })
            }
            Err(error) if error.is_recoverable() => {
                self.failures.fetch_add(1, Ordering::Relaxed);
                let score = self.scored.map(|_| vec![f64::NAN; DIM]);
                Ok(Simulation { x: vec![f64::NAN; self.observables()], score })
            }
            Err(error) => Err(error.into()),
        }
    }
}
