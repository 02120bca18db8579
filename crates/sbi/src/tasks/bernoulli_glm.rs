//! A neuron: offset and filter of a Bernoulli generalised linear model from its spikes, raw or
//! reduced to sufficient statistics.
//!
//! *Model* (Lueckmann et al. 2021, arXiv:2101.04653, T.5 and T.6). A stimulus I of 100 standard
//! normal values drives a neuron through a filter f of nine lags and an offset b: it spikes at time
//! t (`y_t = 1`, else 0) with probability `sigmoid(b + sum_j f_j I_(t-j))`.
//!
//! *Observables.* In T.5 the sufficient statistics: the number of spikes, and the sums of the
//! stimulus at lag j over the spikes, j = 0..8. In T.6 the series y itself; the likelihood depends
//! on it through the statistics only, so that score and posterior are those of T.5.
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
use crate::draws::Draws;
use crate::error::{Error, Result};
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

/// Offset and filter of a neuron from sufficient statistics of its spikes.
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

    /// Whether the neuron spikes (1) or not (0) at each time.
    fn spikes(&self, z: &[f64], rng: &mut ChaCha8Rng) -> [f64; STEPS] {
        let weights = self.weights(z);
        let spikes = |row: &[f64; DIM]| rng.random::<f64>() < sigmoid(dot(&weights, row));
        self.design.each_ref().map(spikes).map(f64::from)
    }

    /// The statistics `[10]` of a series of spikes `[time]`.
    fn reduce(&self, spikes: &[f64]) -> Vec<f64> {
        let mut x = vec![0.0; DIM];
        for (row, spike) in self.design.iter().zip(spikes) {
            for (x, element) in x.iter_mut().zip(row) {
                *x += spike * element;
            }
        }
        x
    }

    /// Log likelihood of the series with these statistics and its gradient in the parameters; that
    /// of the statistics, up to a constant.
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
        let x = self.reduce(&self.spikes(theta, rng));
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

/// Offset and filter of a neuron from the series of its spikes (Lueckmann et al. 2021,
/// arXiv:2101.04653, T.6).
///
/// The parameters `z: [10]`, their prior and the stimulus I are those of [`BernoulliGlm`]; its
/// [`weights`](BernoulliGlm::weights) are the (b, f) that z stands for. The observables `y: [100]`
/// are 1 at times with a spike and 0 at others, `p(y_t = 1 | z) = sigmoid(b + sum_j f_j I_(t-j))`.
/// The posterior is that of [`BernoulliGlm`] given the [`statistics`](Self::statistics) of y.
#[derive(Clone, Debug, Default)]
pub struct BernoulliGlmRaw {
    reduced: BernoulliGlm,
}

impl BernoulliGlmRaw {
    /// The task.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The observables `[10]` of [`BernoulliGlm`], sufficient statistics of the series `y: [100]`:
    /// `sum_t y_t`, and `sum_t y_t I_(t-j)` for the lags j = 0..8.
    ///
    /// # Errors
    /// [`Error::Shape`] for a series of another length; [`Error::NotFinite`] for one with NaN or
    /// infinities; [`Error::Reference`] for one with numbers other than 0 and 1.
    pub fn statistics(&self, y: &[f64]) -> Result<Vec<f64>> {
        require_observation(y, STEPS)?;
        match y.iter().position(|&value| value != 0.0 && value != 1.0) {
            None => Ok(self.reduced.reduce(y)),
            Some(t) => {
                let reason =
                    format!("observation[{t}] is {}, expected 1 for a spike or 0 for none", y[t]);
                Err(Error::Reference { reason })
            }
        }
    }
}

impl Simulator for BernoulliGlmRaw {
    type Error = Error;

    fn parameters(&self) -> usize {
        DIM
    }

    fn observables(&self) -> usize {
        STEPS
    }

    fn simulate(&self, theta: &[f64], rng: &mut ChaCha8Rng) -> Result<Simulation> {
        let x = self.reduced.spikes(theta, rng).to_vec();
        let (_, score) = self.reduced.evaluate(&self.reduced.reduce(&x), theta);
        Ok(Simulation { x, score: Some(score) })
    }
}

impl Task for BernoulliGlmRaw {
    fn name(&self) -> &'static str {
        "bernoulli-glm-raw"
    }

    fn description(&self) -> &'static str {
        "Offset and filter of a spiking neuron from its 100 spikes or silences, in whitened \
         coordinates (Lueckmann et al. 2021, arXiv:2101.04653, T.6, with a stimulus of our own)."
    }

    fn prior(&self) -> &Prior {
        &self.reduced.prior
    }

    fn simulator(&self) -> &TaskSimulator {
        self
    }

    fn reference_posterior(&self, x: &[f64], draws: usize, seed: u64) -> Result<Array2<f64>> {
        Ok(self.reference(x, draws, seed)?.theta)
    }

    /// That of [`BernoulliGlm`] given the statistics of the series.
    fn reference(&self, x: &[f64], draws: usize, seed: u64) -> Result<Draws> {
        self.reduced.reference(&self.statistics(x)?, draws, seed)
    }
}

#[cfg(test)]
mod tests {
    use autodiff::assert_gradient;
    use linalg::Cholesky;

    use super::*;

    #[test]
    fn scores_are_gradients_at_fixed_statistics() {
        let task = BernoulliGlm::new();
        for index in 0..5 {
            let z = task.prior.sample(2, index);
            let mut rng = ChaCha8Rng::seed_from_u64(index);
            let Simulation { x, score } = task.simulate(&z, &mut rng).unwrap();
            assert_gradient(|z| task.evaluate(&x, z).0, &z, &score.unwrap(), 1e-6);
        }
    }

    /// The probability of a series time by time, and the score of its simulation.
    #[test]
    fn the_likelihood_is_that_of_the_series() {
        let task = BernoulliGlmRaw::new();
        let ln_sigmoid = |drive: f64| -(-drive).exp().ln_1p();
        let log_probability = |y: &[f64], z: &[f64]| -> f64 {
            let weights = task.reduced.weights(z);
            let times = task.reduced.design.iter().zip(y);
            times
                .map(|(row, y)| {
                    let drive = dot(&weights, row);
                    y * ln_sigmoid(drive) + (1.0 - y) * ln_sigmoid(-drive)
                })
                .sum()
        };
        for index in 0..5 {
            let z = task.prior().sample(2, index);
            let mut rng = ChaCha8Rng::seed_from_u64(index);
            let Simulation { x, score } = task.simulate(&z, &mut rng).unwrap();
            assert_gradient(|z| log_probability(&x, z), &z, &score.unwrap(), 1e-6);
            let statistics = task.statistics(&x).unwrap();
            for other in 0..5 {
                let z = task.prior().sample(3, other);
                let expected = log_probability(&x, &z);
                let (found, _) = task.reduced.evaluate(&statistics, &z);
                assert!((found - expected).abs() < 1e-11 * (1.0 - expected), "{found} {expected}");
            }
        }
    }

    #[test]
    fn whitened_parameters_give_the_published_prior() {
        let task = BernoulliGlm::new();
        // F as in the definition, by matrix products.
        let first = |i: usize, j: usize| match i.checked_sub(j) {
            Some(0) => 1.0,
            Some(1) => -1.0,
            _ => 0.0,
        };
        let f = |i: usize, j: usize| -> f64 {
            let square: f64 = (0..LAGS).map(|k| first(i, k) * first(k, j)).sum();
            square + if i == j { (i as f64 / LAGS as f64).sqrt() } else { 0.0 }
        };
        let z = [1.0, -0.5, 0.3, 2.0, 0.1, -1.0, 0.7, 0.2, -0.3, 0.9];
        let weights = task.weights(&z);
        assert!((weights[0] - 2f64.sqrt()).abs() < 1e-15);
        for i in 0..LAGS {
            let back: f64 = (0..LAGS).map(|j| f(i, j) * weights[j + 1]).sum();
            assert!((back - z[i + 1]).abs() < 1e-12, "{i}: {back} {}", z[i + 1]);
        }
    }

    /// Importance sampling with a widened Laplace approximation, which knows nothing of chains.
    #[test]
    fn the_posterior_has_the_moments_of_importance_sampling() {
        let task = BernoulliGlm::new();
        let x = task.observation(4).unwrap().x;
        let target = |z: &[f64]| {
            let (value, mut gradient) = task.evaluate(&x, z);
            gradient.iter_mut().zip(z).for_each(|(g, z)| *g -= z);
            (value - 0.5 * z.iter().map(|z| z * z).sum::<f64>(), gradient)
        };
        let curvature = |z: &[f64]| -> Vec<f64> {
            let h = 1e-5;
            let row = |j: usize| {
                let at = |side: f64| {
                    let mut moved = z.to_vec();
                    moved[j] += side * h;
                    target(&moved).1
                };
                let (above, below) = (at(1.0), at(-1.0));
                (0..DIM).map(move |i| (below[i] - above[i]) / (2.0 * h))
            };
            (0..DIM).flat_map(row).collect()
        };
        let factor = |matrix: &[f64]| Cholesky::new(matrix, DIM, 0.0).unwrap();
        let mut peak = vec![0.0; DIM];
        for _ in 0..20 {
            let mut step = target(&peak).1;
            factor(&curvature(&peak)).solve(&mut step).unwrap();
            peak.iter_mut().zip(step).for_each(|(z, step)| *z += step);
        }
        let spread = factor(&factor(&curvature(&peak)).inverse().unwrap()).lower();
        let widening = 1.1;
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let (mut logs, mut points) = (Vec::new(), Vec::new());
        for _ in 0..40_000 {
            let e: Vec<f64> = StandardNormal.sample_iter(&mut rng).take(DIM).collect();
            let offsets = spread
                .chunks_exact(DIM)
                .map(|row| row.iter().zip(&e).map(|(l, e)| l * e).sum::<f64>());
            let z: Vec<f64> =
                peak.iter().zip(offsets).map(|(peak, offset)| peak + widening * offset).collect();
            logs.push(target(&z).0 + 0.5 * e.iter().map(|e| e * e).sum::<f64>());
            points.push(z);
        }
        let top = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = logs.iter().map(|log| (log - top).exp()).collect();
        let total: f64 = weights.iter().sum();
        let effective = total * total / weights.iter().map(|w| w * w).sum::<f64>();
        assert!(effective > 5000.0, "{effective} effective draws");
        let draws = task.reference_posterior(&x, 4000, 1).unwrap();
        for i in 0..DIM {
            let moment = |power: i32| -> f64 {
                let terms = weights.iter().zip(&points).map(|(w, z)| w * z[i].powi(power));
                terms.sum::<f64>() / total
            };
            let mean = moment(1);
            let sd = (moment(2) - mean * mean).sqrt();
            let found = draws.column(i);
            let shift = (found.mean().unwrap() - mean) / sd;
            assert!(shift.abs() < 0.09, "parameter {i}: shift {shift} sd");
            let ratio = found.std(1.0) / sd;
            assert!((ratio - 1.0).abs() < 0.06, "parameter {i}: ratio of sd {ratio}");
        }
    }
}
