//! A neuron: offset and filter of a Bernoulli generalised linear model from spike counts.
//!
//! *Model* (Lueckmann et al. 2021, arXiv:2101.04653, T.5). A stimulus I of 100 standard normal values
//! drives a neuron through a filter f of nine lags and an offset b: it spikes at time t with
//! probability `sigmoid(b + sum_j f_j I_(t-j))`. Observed are the sufficient statistics: the number of
//! spikes, and the sums of the stimulus at lag j over the spikes, j = 0..8.
//!
//! *Prior.* b ~ N(0, 2), and f ~ N(0, (F^T F)^-1) is smooth: `F = D D + diag(sqrt(i / 9))`, i = 0..8,
//! with D the matrix of first differences (1 on the diagonal, -1 below it).
//!
//! *What differs from sbibm.* The parameters of this task are the coordinates in which that prior is
//! standard normal: `z_1 = b / sqrt(2)`, `(z_2, ..., z_10) = F f`; [`BernoulliGlm::weights`] gives
//! (b, f). That is a linear change of variables with constant Jacobian. And the stimulus is our own:
//! draws of ChaCha8 with seed 42, as sbibm's is stored in a file.

use ndarray::Array2;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};

use super::{Task, TaskSimulator, posterior, require_observation};
use crate::error::{Error, Result};
use crate::posterior::Draws;
use crate::prior::{Marginal, Prior};
use crate::simulator::{Simulation, Simulator};

/// Number of parameters and of statistics.
const DIM: usize = 10;
/// Lags of the filter.
const LAGS: usize = DIM - 1;
/// Time steps.
const STEPS: usize = 100;
/// Seed of the stimulus.
const STIMULUS_SEED: u64 = 42;

/// Offset and filter of a neuron.
#[derive(Clone, Debug)]
pub struct BernoulliGlm {
    prior: Prior,
    /// What multiplies the weights (b, f) at each time.
    design: [[f64; DIM]; STEPS],
    /// The weights that each parameter stands for.
    columns: [[f64; DIM]; DIM],
}

impl Default for BernoulliGlm {
    fn default() -> Self {
        Self::new()
    }
}

impl BernoulliGlm {
    /// The task.
    #[must_use]
    pub fn new() -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(STIMULUS_SEED);
        let stimulus: [f64; STEPS] = std::array::from_fn(|_| StandardNormal.sample(&mut rng));
        let mut design = [[0.0; DIM]; STEPS];
        for (t, row) in design.iter_mut().enumerate() {
            row[0] = 1.0;
            for (j, element) in row[1..].iter_mut().enumerate().take(t + 1) {
                *element = stimulus[t - j];
            }
        }
        let normal = Marginal::Normal { mean: 0.0, sd: 1.0 };
        let parameters = (1..=DIM).map(|i| (format!("z_{i}"), normal.clone()));
        let prior = Prior::new(parameters).expect("constant distributions are valid");
        Self { prior, design, columns: std::array::from_fn(column) }
    }

    /// Offset and filter (b, f_0, ..., f_8) that the parameters `z: [10]` stand for.
    #[must_use]
    pub fn weights(&self, z: &[f64]) -> [f64; DIM] {
        let mut weights = [0.0; DIM];
        for (column, z) in self.columns.iter().zip(z) {
            for (weight, element) in weights.iter_mut().zip(column) {
                *weight += z * element;
            }
        }
        weights
    }

    /// Log likelihood of the statistics, up to a constant, and its gradient in the parameters.
    fn evaluate(&self, x: &[f64], z: &[f64]) -> (f64, Vec<f64>) {
        let weights = self.weights(z);
        let mut value: f64 = weights.iter().zip(x).map(|(weight, x)| weight * x).sum();
        let mut residual: [f64; DIM] = std::array::from_fn(|i| x[i]);
        for row in &self.design {
            let drive = dot(&weights, row);
            // ln(1 + exp(drive)) without overflow
            value -= drive.max(0.0) + (-drive.abs()).exp().ln_1p();
            let probability = sigmoid(drive);
            for (residual, element) in residual.iter_mut().zip(row) {
                *residual -= probability * element;
            }
        }
        (value, self.columns.iter().map(|column| dot(column, &residual)).collect())
    }
}

fn dot(a: &[f64; DIM], b: &[f64; DIM]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn sigmoid(drive: f64) -> f64 {
    (1.0 + (-drive).exp()).recip()
}

/// The weights that a unit of parameter `index` stands for: the offset sqrt(2), or a column of the
/// inverse of F by forward substitution.
fn column(index: usize) -> [f64; DIM] {
    let mut weights = [0.0; DIM];
    if index == 0 {
        weights[0] = 2f64.sqrt();
        return weights;
    }
    // F: the second differences (1, -2, 1) down from the diagonal, plus a growing diagonal.
    for i in 0..LAGS {
        let diagonal = 1.0 + (i as f64 / LAGS as f64).sqrt();
        let mut rest = if i + 1 == index { 1.0 } else { 0.0 };
        if i >= 1 {
            rest += 2.0 * weights[i];
        }
        if i >= 2 {
            rest -= weights[i - 1];
        }
        weights[i + 1] = rest / diagonal;
    }
    weights
}

impl Simulator for BernoulliGlm {
    type Error = Error;

    fn parameters(&self) -> usize {
        DIM
    }

    fn observables(&self) -> usize {
        DIM
    }

    fn simulate(&self, theta: &[f64], rng: &mut ChaCha8Rng) -> Result<Simulation> {
        let weights = self.weights(theta);
        let mut x = vec![0.0; DIM];
        for row in &self.design {
            if rng.random::<f64>() < sigmoid(dot(&weights, row)) {
                for (x, element) in x.iter_mut().zip(row) {
                    *x += element;
                }
            }
        }
        let (_, score) = self.evaluate(&x, theta);
        Ok(Simulation { x, score: Some(score) })
    }
}

impl Task for BernoulliGlm {
    fn name(&self) -> &'static str {
        "bernoulli-glm"
    }

    fn description(&self) -> &'static str {
        "Offset and filter of a spiking neuron, in whitened coordinates (Lueckmann et al. 2021, \
         arXiv:2101.04653, T.5, with a stimulus of our own)."
    }

    fn prior(&self) -> &Prior {
        &self.prior
    }

    fn simulator(&self) -> &TaskSimulator {
        self
    }

    fn reference_posterior(&self, x: &[f64], draws: usize, seed: u64) -> Result<Array2<f64>> {
        Ok(self.reference(x, draws, seed)?.theta)
    }

    /// By the no-U-turn sampler; the log posterior is concave.
    fn reference(&self, x: &[f64], draws: usize, seed: u64) -> Result<Draws> {
        require_observation(x, DIM)?;
        let likelihood = |theta: &[f64]| Ok(self.evaluate(x, theta));
        posterior::sample_draws(&self.prior, &likelihood, DIM, draws, seed)
    }
}
