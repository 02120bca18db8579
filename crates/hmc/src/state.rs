//! What a chain is made of, apart from the density: everything that is saved.

use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use serde::{Deserialize, Serialize};

use crate::{
    adaptation::Moments,
    chain::Phase,
    decoherence::Decoherence,
    density::LogDensityError,
    energy_variance::EnergyVariance,
    error::Error,
    metric::Metric,
    settings::{Kernel, Settings},
    step_size::DualAveraging,
    vector::dot,
};

/// Number of gradient evaluations of a chain so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gradients {
    /// To check the starting point and find a first step size.
    pub initialisation: u64,
    /// During warmup.
    pub warmup: u64,
    /// During sampling.
    pub sampling: u64,
}

impl Gradients {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.initialisation + self.warmup + self.sampling
    }
}

/// Everything that determines the future of a chain, apart from the density.
///
/// Serialise it in a format that keeps every bit of an `f64` (JSON does with the
/// `float_roundtrip` feature of `serde_json`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChainState {
    pub(crate) settings: Settings,
    pub(crate) random: RandomState,
    pub(crate) position: Vec<f64>,
    pub(crate) gradient: Vec<f64>,
    pub(crate) log_density: f64,
    pub(crate) metric: Metric,
    pub(crate) averaging: DualAveraging,
    /// Moments of the current warmup window; dropped when sampling begins.
    pub(crate) moments: Option<Moments>,
    /// Of the microcanonical kernels only.
    pub(crate) microcanonical: Option<Microcanonical>,
    pub(crate) draws: usize,
    pub(crate) divergences: usize,
    pub(crate) gradients: Gradients,
}

/// What the microcanonical kernels need beside the rest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Microcanonical {
    pub(crate) decoherence: Decoherence,
    /// Of the unadjusted kernel only.
    pub(crate) unadjusted: Option<Unadjusted>,
}

/// What the unadjusted kernel carries on from step to step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Unadjusted {
    /// Direction of motion in standardised coordinates.
    pub(crate) direction: Vec<f64>,
    pub(crate) step: EnergyVariance,
    /// Sum over the draws of the mean squared energy error of a step, and their number.
    pub(crate) squared_errors: f64,
    pub(crate) draws: u64,
}

/// Seed, stream and position of the random numbers (the position in 32-bit words, in two halves).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RandomState {
    pub(crate) seed: u64,
    pub(crate) stream: u64,
    pub(crate) position: [u64; 2],
}

impl RandomState {
    pub(crate) fn generator(&self) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(self.stream);
        rng.set_word_pos(u128::from(self.position[0]) << 64 | u128::from(self.position[1]));
        rng
    }

    pub(crate) fn set_position(&mut self, rng: &ChaCha8Rng) {
        let position = rng.get_word_pos();
        self.position = [(position >> 64) as u64, position as u64];
    }
}

impl ChainState {
    /// Settings the chain was made with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Current position, `[dim]`.
    pub fn position(&self) -> &[f64] {
        &self.position
    }

    /// Gradient of the log density at the current position, `[dim]`.
    pub fn gradient(&self) -> &[f64] {
        &self.gradient
    }

    /// Log density at the current position.
    pub fn log_density(&self) -> f64 {
        self.log_density
    }

    /// Current metric.
    pub fn metric(&self) -> &Metric {
        &self.metric
    }

    /// Current step size, before jitter.
    pub fn step_size(&self) -> f64 {
        if let Some(Microcanonical { unadjusted: Some(unadjusted), .. }) = &self.microcanonical {
            return unadjusted.step.step();
        }
        match self.phase() {
            Phase::Warmup => self.averaging.step(),
            Phase::Sampling => self.averaging.averaged(),
        }
    }

    /// Time over which a microcanonical kernel forgets its direction, in the units of the step size;
    /// `None` for other kernels.
    pub fn decoherence(&self) -> Option<f64> {
        self.microcanonical.as_ref().map(|own| own.decoherence.length())
    }

    /// Variance of the energy error of a step per dimension during sampling, which measures the bias
    /// of [`Kernel::Mclmc`]; `None` for other kernels and before the first draw.
    pub fn energy_variance(&self) -> Option<f64> {
        let unadjusted = self.microcanonical.as_ref()?.unadjusted.as_ref()?;
        let mean = unadjusted.squared_errors / unadjusted.draws as f64;
        (unadjusted.draws > 0).then(|| mean / self.position.len() as f64)
    }

    /// Number of transitions made, warmup included.
    pub fn draws(&self) -> usize {
        self.draws
    }

    /// What the next transition is for.
    pub fn phase(&self) -> Phase {
        if self.draws < self.settings.warmup { Phase::Warmup } else { Phase::Sampling }
    }

    /// Number of divergent transitions after warmup.
    pub fn divergences(&self) -> usize {
        self.divergences
    }

    /// Number of gradient evaluations so far.
    pub fn gradients(&self) -> Gradients {
        self.gradients
    }

    pub(crate) fn validate<E: LogDensityError>(&self, dim: usize) -> Result<(), Error<E>> {
        self.settings.validate(dim)?;
        check_length("position", dim, self.position.len())?;
        check_length("gradient", dim, self.gradient.len())?;
        check_finite("position", &self.position)?;
        check_finite("gradient", &self.gradient)?;
        check_metric(&self.metric, &self.settings, dim)?;
        let inconsistent = |reason: String| Err(Error::State { reason });
        if !self.log_density.is_finite() {
            return inconsistent(format!("log density {}", self.log_density));
        }
        let step = self.step_size();
        if !(step.is_finite() && step > 0.0) {
            return inconsistent(format!("step size {step}"));
        }
        let (adapted, dense) = (self.settings.metric.adapted(dim), self.settings.metric.dense);
        if self.moments.as_ref().is_some_and(|moments| !moments.has_shape(adapted, dense)) {
            return inconsistent(format!(
                "moments are not of {adapted} coordinates, {dense} dense"
            ));
        }
        if (self.phase() == Phase::Warmup) != self.moments.is_some() {
            return inconsistent(format!("{} transitions do not fit the moments", self.draws));
        }
        if !self.microcanonical_is_consistent(dim) {
            return inconsistent(format!("direction or decoherence do not fit {dim} coordinates"));
        }
        Ok(())
    }

    fn microcanonical_is_consistent(&self, dim: usize) -> bool {
        let kernel = &self.settings.kernel;
        let Some(Microcanonical { decoherence, unadjusted }) = &self.microcanonical else {
            return !kernel.is_microcanonical();
        };
        let unit = |own: &Unadjusted| {
            let length = dot(&own.direction, &own.direction);
            own.direction.len() == dim && (length - 1.0).abs() < 1e-6 && own.step.is_consistent()
        };
        kernel.is_microcanonical()
            && decoherence.is_consistent(dim - self.settings.metric.adapted(dim))
            && unadjusted.is_some() == matches!(kernel, Kernel::Mclmc { .. })
            && unadjusted.as_ref().is_none_or(unit)
    }
}

pub(crate) fn check_length<E: LogDensityError>(
    what: &'static str,
    expected: usize,
    found: usize,
) -> Result<(), Error<E>> {
    if found == expected { Ok(()) } else { Err(Error::Dimension { what, expected, found }) }
}

pub(crate) fn check_finite<E: LogDensityError>(
    what: &'static str,
    values: &[f64],
) -> Result<(), Error<E>> {
    match values.iter().position(|v| !v.is_finite()) {
        None => Ok(()),
        Some(index) => {
            Err(Error::Value { what, index, value: values[index], expected: "a finite number" })
        }
    }
}

pub(crate) fn check_metric<E: LogDensityError>(
    metric: &Metric,
    settings: &Settings,
    dim: usize,
) -> Result<(), Error<E>> {
    check_length("metric", dim, metric.dim())?;
    if !metric.is_consistent() {
        return Err(Error::State { reason: "lengths within the metric differ".into() });
    }
    if let Some((what, index, value)) = metric.invalid_entry() {
        let expected = "a finite number, positive for a scale";
        return Err(Error::Value { what, index, value, expected });
    }
    let adapts = settings.metric.adapted(dim) > 0;
    if adapts && metric.dense() > 0 && metric.dense() != settings.metric.dense {
        return Err(Error::Setting {
            field: "metric.dense",
            value: settings.metric.dense.to_string(),
            expected: "the size of the dense block of the initial metric",
        });
    }
    Ok(())
}
