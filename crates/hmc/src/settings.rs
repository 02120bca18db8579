//! Everything a user can choose about a chain.

use serde::{Deserialize, Serialize};

use crate::{density::LogDensityError, error::Error, integrator::Integrator};

/// Settings of a chain. Plain data; see [`Settings::default`] for the defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Number of warmup transitions, which adapt the step size and the metric and are not draws
    /// from the target. Default 1000; 0 keeps the initial metric and step size.
    pub warmup: usize,
    /// How a transition uses the trajectory. Default NUTS with trees of depth at most 10.
    pub kernel: Kernel,
    /// How trajectories are integrated. Default leapfrog.
    pub integrator: Integrator,
    /// Which coordinates of the metric adapt.
    pub metric: MetricSettings,
    /// Mean acceptance probability the step size is tuned to, in (0, 1). Default 0.8. After the
    /// first fast interval its symmetric form `2 / (1 + exp |dH|)` is used, which has the same mean
    /// at equilibrium with less noise.
    pub target_accept: f64,
    /// First step size; `None` (default) finds one of the right order by doubling and halving.
    pub initial_step: Option<f64>,
    /// Each transition multiplies the step by a factor uniform in `[1 - jitter, 1 + jitter]`.
    /// In [0, 1), default 0.1.
    pub jitter: f64,
    /// Energy error at which a trajectory counts as divergent. Default 1000.
    pub max_energy_error: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            warmup: 1000,
            kernel: Kernel::default(),
            integrator: Integrator::default(),
            metric: MetricSettings::default(),
            target_accept: 0.8,
            initial_step: None,
            jitter: 0.1,
            max_energy_error: 1000.0,
        }
    }
}

/// How a transition chooses its next state.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Kernel {
    /// No-U-turn sampler: the trajectory doubles until it turns back, the next state is drawn from
    /// all of it.
    Nuts {
        /// At most `2^max_depth - 1` steps per transition; 1 to 20.
        max_depth: u32,
    },
    /// Hamiltonian Monte Carlo: a trajectory of fixed length, whose end is accepted or rejected.
    Hmc {
        /// Length of the trajectory.
        trajectory: TrajectoryLength,
    },
    /// Metropolis-adjusted microcanonical sampling: trajectories of constant speed, whose end is
    /// accepted or rejected. Draws are from the target itself. See [`Settings::mams`].
    Mams {
        /// Mean length of a trajectory as an integration time in standardised coordinates, in which
        /// the root mean square velocity of a coordinate is one (the papers' `L` is `sqrt(dim)` times
        /// it). `None` (default): the size of the target, then half the time between effective draws.
        #[serde(default)]
        length: Option<f64>,
        /// What keeps trajectories from closing on themselves. Default random lengths.
        #[serde(default)]
        refreshment: Refreshment,
    },
    /// Microcanonical Langevin Monte Carlo: one trajectory with noise in its direction and no
    /// Metropolis test. It needs fewest gradients, and its draws have a bias that `energy_variance`
    /// controls. See [`Settings::mclmc`].
    Mclmc {
        /// Time over which the direction is forgotten, as the `length` of `Mams`. `None` (default):
        /// the size of the target, then 0.4 times the time between effective draws.
        #[serde(default)]
        length: Option<f64>,
        /// Variance of the energy error of a step per dimension that the step size is tuned to. On a
        /// normal target the relative bias of a variance is about `0.44 energy_variance^(1/3)` with
        /// the leapfrog integrator. Usual: 5e-4.
        energy_variance: f64,
        /// Steps per transition after warmup, 1 or more; warmup transitions are of one step.
        steps: u32,
    },
}

/// What makes the trajectories of [`Kernel::Mams`] random beside the initial direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refreshment {
    /// The number of steps is uniform from 1 to about twice its mean.
    #[default]
    RandomLength,
    /// The number of steps is fixed and noise is added to the direction between them.
    Langevin,
}

impl Kernel {
    /// Whether trajectories are isokinetic; this needs two dimensions or more.
    pub fn is_microcanonical(&self) -> bool {
        matches!(self, Self::Mams { .. } | Self::Mclmc { .. })
    }
}

impl Default for Kernel {
    fn default() -> Self {
        Self::Nuts { max_depth: 10 }
    }
}

/// Length of a fixed trajectory.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrajectoryLength {
    /// Number of integrator steps.
    Steps(u32),
    /// Integration time in standardised coordinates (a normal target turns back after `pi`); the
    /// number of steps is that time over the step size, rounded, at least 1 and at most 10 000.
    Time(f64),
}

/// Which part of the metric adapts during warmup; the rest keeps its initial values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetricSettings {
    /// The first `dense` coordinates get a full covariance block. Default 0.
    pub dense: usize,
    /// The first so many coordinates adapt, `dense` of them jointly and the others each on its own.
    /// `None` (default): all.
    pub adapted: Option<usize>,
}

impl MetricSettings {
    /// Number of adapting coordinates among `dim`.
    pub fn adapted(&self, dim: usize) -> usize {
        self.adapted.unwrap_or(dim)
    }
}

impl Settings {
    /// Metropolis-adjusted microcanonical sampling as published: acceptance 0.9, the minimal-norm
    /// integrator, everything else tuned (arXiv:2503.01707).
    pub fn mams() -> Self {
        Self {
            kernel: Kernel::Mams { length: None, refreshment: Refreshment::default() },
            integrator: Integrator::MinimalNorm,
            target_accept: 0.9,
            ..Self::default()
        }
    }

    /// Unadjusted microcanonical Langevin Monte Carlo as published: variance of the energy error 5e-4
    /// per dimension, the minimal-norm integrator, everything else tuned in 2000 steps
    /// (arXiv:2212.08549). Each draw is one step.
    pub fn mclmc() -> Self {
        Self {
            kernel: Kernel::Mclmc { length: None, energy_variance: 5e-4, steps: 1 },
            integrator: Integrator::MinimalNorm,
            warmup: 2000,
            jitter: 0.0,
            ..Self::default()
        }
    }

    /// Checks every field for a target with `dim` coordinates.
    ///
    /// # Errors
    /// [`Error::Setting`] with the first field out of its domain.
    pub fn validate<E: LogDensityError>(&self, dim: usize) -> Result<(), Error<E>> {
        let check = |valid: bool, field, value: String, expected| {
            if valid { Ok(()) } else { Err(Error::Setting { field, value, expected }) }
        };
        let positive = |v: f64| v.is_finite() && v > 0.0;
        check(
            self.target_accept > 0.0 && self.target_accept < 1.0,
            "target_accept",
            self.target_accept.to_string(),
            "a number between 0 and 1, both excluded",
        )?;
        check(
            self.initial_step.is_none_or(positive),
            "initial_step",
            format!("{:?}", self.initial_step),
            "a positive number",
        )?;
        check(
            (0.0..1.0).contains(&self.jitter),
            "jitter",
            self.jitter.to_string(),
            "a number from 0 up to, not including, 1",
        )?;
        check(
            positive(self.max_energy_error),
            "max_energy_error",
            self.max_energy_error.to_string(),
            "a positive number",
        )?;
        check(
            self.metric.adapted(dim) <= dim,
            "metric.adapted",
            self.metric.adapted(dim).to_string(),
            "at most the number of coordinates",
        )?;
        check(
            self.metric.dense <= self.metric.adapted(dim),
            "metric.dense",
            self.metric.dense.to_string(),
            "at most the number of adapted coordinates",
        )?;
        check(
            dim >= 2 || !self.kernel.is_microcanonical(),
            "kernel",
            format!("{:?} in {dim} dimension(s)", self.kernel),
            "two dimensions or more for a microcanonical kernel",
        )?;
        match self.kernel {
            Kernel::Nuts { max_depth } => check(
                (1..=20).contains(&max_depth),
                "kernel.nuts.max_depth",
                max_depth.to_string(),
                "1 to 20",
            ),
            Kernel::Hmc { trajectory: TrajectoryLength::Steps(n) } => {
                check(n > 0, "kernel.hmc.trajectory.steps", n.to_string(), "at least 1")
            }
            Kernel::Hmc { trajectory: TrajectoryLength::Time(t) } => {
                check(positive(t), "kernel.hmc.trajectory.time", t.to_string(), "a positive number")
            }
            Kernel::Mams { length, .. } => check(
                length.is_none_or(positive),
                "kernel.mams.length",
                format!("{length:?}"),
                "a positive number",
            ),
            Kernel::Mclmc { length, energy_variance, steps } => {
                check(
                    length.is_none_or(positive),
                    "kernel.mclmc.length",
                    format!("{length:?}"),
                    "a positive number",
                )?;
                check(
                    positive(energy_variance),
                    "kernel.mclmc.energy_variance",
                    energy_variance.to_string(),
                    "a positive number",
                )?;
                check(steps > 0, "kernel.mclmc.steps", steps.to_string(), "at least 1")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn message(change: impl FnOnce(&mut Settings)) -> String {
        let mut settings = Settings::default();
        change(&mut settings);
        settings.validate::<Infallible>(5).unwrap_err().to_string()
    }

    #[test]
    fn errors_name_field_and_value() {
        Settings::default().validate::<Infallible>(5).unwrap();
        assert!(message(|s| s.target_accept = 1.5).contains("`target_accept` is 1.5"));
        assert!(message(|s| s.initial_step = Some(f64::NAN)).contains("initial_step"));
        assert!(message(|s| s.jitter = 1.0).contains("jitter"));
        assert!(message(|s| s.max_energy_error = f64::NAN).contains("max_energy_error"));
        assert!(message(|s| s.metric.adapted = Some(6)).contains("`metric.adapted` is 6"));
        assert!(message(|s| s.metric.dense = 6).contains("`metric.dense` is 6"));
        assert!(message(|s| s.kernel = Kernel::Nuts { max_depth: 0 }).contains("max_depth"));
        let zero_time = Kernel::Hmc { trajectory: TrajectoryLength::Time(0.0) };
        assert!(message(|s| s.kernel = zero_time).contains("time"));
        let no_steps = Kernel::Hmc { trajectory: TrajectoryLength::Steps(0) };
        assert!(message(|s| s.kernel = no_steps).contains("steps"));
        let refreshment = Refreshment::Langevin;
        let mams = Kernel::Mams { length: Some(0.0), refreshment };
        assert!(message(|s| s.kernel = mams).contains("`kernel.mams.length` is Some(0.0)"));
        let mclmc = |length, energy_variance, steps| {
            message(|s| s.kernel = Kernel::Mclmc { length, energy_variance, steps })
        };
        assert!(mclmc(Some(f64::NAN), 1e-3, 1).contains("mclmc.length"));
        assert!(mclmc(None, -1.0, 1).contains("`kernel.mclmc.energy_variance` is -1"));
        assert!(mclmc(None, 1e-3, 0).contains("mclmc.steps"));
        let line = Settings::mams().validate::<Infallible>(1).unwrap_err().to_string();
        assert!(line.contains("in 1 dimension(s)"), "{line}");
        Settings::mclmc().validate::<Infallible>(2).unwrap();
    }
}
