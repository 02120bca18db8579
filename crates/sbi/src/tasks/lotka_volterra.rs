//! The Lotka-Volterra tasks: rates of two populations from noisy counts at ten times.
//!
//! *Model* (Zeghal et al. 2022, arXiv:2207.05636, and its code; after sbibm's task). Prey u and
//! predators v follow `du/dt = (alpha - beta v) u`, `dv/dt = (delta u - gamma) v` without noise. They
//! are counted at the times 0, 2.1, ..., 18.9: the state, clipped to `[1e-10, 1e4]`, times
//! independent log-normal noise with standard deviation 0.1 of the logarithm. The prior of
//! (alpha, beta, gamma, delta) is log-normal with locations (-0.125, -3, -0.125, -3) and scale 0.5.
//!
//! *Observables.* The ten counts of prey, then the ten of predators. Data are arrays `[time,
//! population]`, as in the published code.

use autodiff::{Dual, Real};
use ndarray::Array2;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::predator_prey::{Rates, log_populations};
use super::{Task, TaskSimulator, posterior, require_array, require_observation};
use crate::draws::Draws;
use crate::error::{Error, Result};
use crate::prior::{Marginal, Prior};
use crate::simulator::{Simulation, Simulator};

/// Number of times at which the populations are counted.
const TIMES: usize = 10;
/// Standard deviation of the logarithm of a count.
const NOISE: f64 = 0.1;
/// Range of the state of which counts are taken.
const RANGE: (f64, f64) = (1e-10, 1e4);
/// Standard deviation of the logarithm of the initial populations where they are latent.
const LATENT_SCALE: f64 = 0.5;

/// Initial populations (prey, predators).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Latent: each log-normal with location ln 3 and scale 0.5; drawn anew in each simulation.
    /// Task `lotka-volterra-latent`.
    Latent,
    /// (10, 1). Task `lotka-volterra-fixed`.
    Fixed,
    /// (30, 1), as in sbibm. Task `lotka-volterra`.
    Benchmark,
}

/// Rates of prey and predators from counts: `x` is the ten counts of prey, then the ten of
/// predators.
#[derive(Clone, Debug)]
pub struct LotkaVolterra {
    start: Start,
    prior: Prior,
    /// The prior of the parameters and, where they are latent, of the initial populations.
    joint: Prior,
}

impl LotkaVolterra {
    /// The task with these initial populations.
    #[must_use]
    pub fn new(start: Start) -> Self {
        let rates = [("alpha", -0.125), ("beta", -3.0), ("gamma", -0.125), ("delta", -3.0)]
            .map(|(name, location)| (name, Marginal::LogNormal { location, scale: 0.5 }));
        let latent = ["prey", "predators"]
            .map(|name| (name, Marginal::LogNormal { location: 3f64.ln(), scale: LATENT_SCALE }));
        let prior = |parameters: Vec<(&str, Marginal)>| {
            Prior::new(parameters).expect("constant distributions are valid")
        };
        let joint = match start {
            Start::Latent => prior([rates.to_vec(), latent.to_vec()].concat()),
            _ => prior(rates.to_vec()),
        };
        Self { start, prior: prior(rates.to_vec()), joint }
    }

    /// The initial populations.
    #[must_use]
    pub fn start(&self) -> Start {
        self.start
    }

    /// Initial populations that are not latent.
    fn known_start(&self) -> Option<[f64; 2]> {
        match self.start {
            Start::Latent => None,
            Start::Fixed => Some([10.0, 1.0]),
            Start::Benchmark => Some([30.0, 1.0]),
        }
    }

    /// Log likelihood of counts given the rates and the initial populations, with its derivatives.
    fn log_likelihood<R: Real>(x: &[f64], theta: [R; 4], start: [R; 2]) -> Result<R> {
        let logs = log_states(theta, start)?;
        let norm = NOISE.ln() + 0.5 * (2.0 * std::f64::consts::PI).ln();
        let mut sum = R::from(0.0);
        for (population, counts) in x.chunks(TIMES).enumerate() {
            for (state, count) in logs.iter().zip(counts) {
                let log = count.ln();
                let residual = (state[population] - log) * NOISE.recip();
                sum += residual * residual * -0.5 - (norm + log);
            }
        }
        Ok(sum)
    }

    /// Log likelihood and gradient in the variables of the joint prior.
    fn evaluate(&self, x: &[f64], point: &[f64]) -> Result<(f64, Vec<f64>)> {
        let theta = |i: usize| point[i];
        match self.known_start() {
            Some(start) => {
                let rates = Dual::<4>::variables(std::array::from_fn(theta));
                let result = Self::log_likelihood(x, rates, start.map(Dual::constant))?;
                Ok((result.value, result.gradient.to_vec()))
            }
            None => {
                let [a, b, g, d, prey, predators] =
                    Dual::<6>::variables(std::array::from_fn(theta));
                let result = Self::log_likelihood(x, [a, b, g, d], [prey, predators])?;
                Ok((result.value, result.gradient.to_vec()))
            }
        }
    }
}

/// Logarithms of the clipped states (prey, predators) at the times of the counts.
fn log_states<R: Real>(theta: [R; 4], start: [R; 2]) -> Result<Vec<[R; 2]>> {
    let [growth, loss, decay, gain] = theta;
    let times: [f64; TIMES] = std::array::from_fn(|i| 2.1 * i as f64);
    let start = start.map(Real::ln);
    let mut logs = log_populations(&Rates { growth, loss, decay, gain }, start, &times)?;
    let (lower, upper) = (RANGE.0.ln(), RANGE.1.ln());
    for log in logs.iter_mut().flatten() {
        let clipped = log.value().clamp(lower, upper);
        if clipped != log.value() {
            *log = R::from(clipped);
        }
    }
    Ok(logs)
}

impl Simulator for LotkaVolterra {
    type Error = Error;

    fn parameters(&self) -> usize {
        4
    }

    fn observables(&self) -> usize {
        2 * TIMES
    }

    fn simulate(&self, theta: &[f64], rng: &mut ChaCha8Rng) -> Result<Simulation> {
        let mut normal = || -> f64 { StandardNormal.sample(rng) };
        let start = self
            .known_start()
            .unwrap_or_else(|| [(); 2].map(|()| (3f64.ln() + LATENT_SCALE * normal()).exp()));
        let rates = Dual::<4>::variables(std::array::from_fn(|i| theta[i]));
        let logs = log_states(rates, start.map(Dual::constant))?;
        let mut x = Vec::with_capacity(2 * TIMES);
        let mut score = vec![0.0; 4];
        for population in 0..2 {
            for state in &logs {
                let noise = normal();
                let log = state[population];
                x.push((log.value + NOISE * noise).exp());
                // d/d theta of -(ln x - log)^2 / (2 sigma^2) at fixed x
                for (score, slope) in score.iter_mut().zip(log.gradient) {
                    *score += noise / NOISE * slope;
                }
            }
        }
        Ok(Simulation { x, score: Some(score) })
    }
}

impl Task for LotkaVolterra {
    fn name(&self) -> &'static str {
        match self.start {
            Start::Latent => "lotka-volterra-latent",
            Start::Fixed => "lotka-volterra-fixed",
            Start::Benchmark => "lotka-volterra",
        }
    }

    fn description(&self) -> &'static str {
        match self.start {
            Start::Latent => {
                "Rates of prey and predators from ten noisy counts of each; initial populations are \
                 latent (Zeghal et al. 2022, arXiv:2207.05636)."
            }
            Start::Fixed => {
                "Rates of prey and predators from ten noisy counts of each; initial populations are \
                 10 and 1 (Zeghal et al. 2022, arXiv:2207.05636)."
            }
            Start::Benchmark => {
                "Rates of prey and predators from ten noisy counts of each; initial populations are \
                 30 and 1 (Lueckmann et al. 2021, arXiv:2101.04653, T.10)."
            }
        }
    }

    fn prior(&self) -> &Prior {
        &self.prior
    }

    fn simulator(&self) -> &TaskSimulator {
        self
    }

    /// Counts `[10, 2]` (time, population) with prey first, or the 20 observables as they are.
    fn arrange(&self, shape: &[usize], values: Vec<f64>) -> Result<Vec<f64>> {
        require_array(shape, &values, &[TIMES, 2])?;
        match shape {
            [n] if *n == 2 * TIMES => Ok(values),
            [TIMES, 2] => Ok((0..2 * TIMES).map(|i| values[2 * (i % TIMES) + i / TIMES]).collect()),
            _ => Err(Error::Shape {
                what: "observation (time, population)".into(),
                expected: vec![TIMES, 2],
                found: shape.to_vec(),
            }),
        }
    }

    fn reference_posterior(&self, x: &[f64], draws: usize, seed: u64) -> Result<Array2<f64>> {
        Ok(self.reference(x, draws, seed)?.theta)
    }

    /// By the no-U-turn sampler in the normal coordinates of the parameters and, if latent, of the
    /// initial populations.
    fn reference(&self, x: &[f64], draws: usize, seed: u64) -> Result<Draws> {
        require_observation(x, self.observables())?;
        if let Some(index) = x.iter().position(|&count| count <= 0.0) {
            let reason = format!("count {index} is {}, and counts are positive", x[index]);
            return Err(Error::Reference { reason });
        }
        let likelihood = |point: &[f64]| self.evaluate(x, point);
        posterior::sample_draws(&self.joint, &likelihood, 4, draws, seed)
    }
}

#[cfg(test)]
mod tests {
    use autodiff::assert_gradient;
    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    #[test]
    fn scores_are_gradients_at_fixed_counts_and_latents() {
        for start in [Start::Latent, Start::Fixed, Start::Benchmark] {
            let task = LotkaVolterra::new(start);
            for index in 0..5 {
                let theta = task.prior.sample(1, index);
                let mut rng = ChaCha8Rng::seed_from_u64(index);
                let Simulation { x, score } = task.simulate(&theta, &mut rng).unwrap();
                // The latents are the first that the generator gives.
                let mut rng = ChaCha8Rng::seed_from_u64(index);
                let mut latent = || {
                    (3f64.ln() + 0.5 * Distribution::<f64>::sample(&StandardNormal, &mut rng)).exp()
                };
                let z = task.known_start().unwrap_or_else(|| [latent(), latent()]);
                let function = |theta: &[f64]| {
                    let theta = std::array::from_fn(|i| theta[i]);
                    LotkaVolterra::log_likelihood(&x, theta, z).unwrap_or(f64::NAN)
                };
                let check = autodiff::GradientCheck {
                    steps: vec![1e-3, 1e-4, 1e-5],
                    smallest_coordinate: 1e-3,
                    tolerance: 1e-4,
                    noise: 1e-9,
                };
                check.run(function, &theta, &score.unwrap()).assert_passes();
            }
        }
    }

    #[test]
    fn the_likelihoods_gradient_is_right_in_the_latents_too() {
        let task = LotkaVolterra::new(Start::Latent);
        let x = task.observation(3).unwrap().x;
        let point = [0.9, 0.05, 0.8, 0.05, 3.0, 3.5];
        let (_, gradient) = task.evaluate(&x, &point).unwrap();
        let function =
            |point: &[f64]| task.evaluate(&x, point).map_or(f64::NAN, |(value, _)| value);
        assert_gradient(function, &point, &gradient, 1e-5);
    }

    #[test]
    fn states_are_clipped_and_then_carry_no_derivative() {
        // Prey that grows alone passes 1e4, predators that starve fall below 1e-10.
        let theta = Dual::<4>::variables([1.0, 1e-9, 3.0, 1e-9]);
        let logs = log_states(theta, [30.0, 1.0].map(Dual::constant)).unwrap();
        let [prey, predators] = logs[9];
        assert_eq!((prey.value, predators.value), (1e4f64.ln(), 1e-10f64.ln()));
        assert_eq!((prey.gradient, predators.gradient), ([0.0; 4], [0.0; 4]));
        assert!((logs[1][0].value - (30f64.ln() + 2.1)).abs() < 1e-5);
    }

    #[test]
    fn counts_have_log_normal_noise_of_a_tenth() {
        let task = LotkaVolterra::new(Start::Fixed);
        let theta = [0.6, 0.03, 1.6, 0.017];
        let states = log_states(theta, [10.0, 1.0]).unwrap();
        let (mut mean, mut square) = (0.0, 0.0);
        let n = 2000;
        for index in 0..n {
            let mut rng = ChaCha8Rng::seed_from_u64(index);
            let x = task.simulate(&theta, &mut rng).unwrap().x;
            // Prey come first.
            for (residual, i) in [(x[3].ln() - states[3][0], 0), (x[13].ln() - states[3][1], 1)] {
                mean += residual / (2 * n) as f64;
                square += residual * residual / (2 * n) as f64;
                assert!(residual.abs() < 0.6, "{i} {residual}");
            }
        }
        assert!(mean.abs() < 4.0 * 0.1 / (2.0 * n as f64).sqrt(), "{mean}");
        assert!((square.sqrt() / 0.1 - 1.0).abs() < 0.05, "{}", square.sqrt());
    }
}
