//! A Markov chain that can be saved after any transition and continued bit for bit.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::{
    adaptation::Moments,
    decoherence::Decoherence,
    density::{LogDensity, LogDensityError},
    energy_variance::EnergyVariance,
    error::Error,
    fixed_length,
    hamiltonian::{Hamiltonian, Point, Proposal, Scratch},
    metric::Metric,
    microcanonical::{self, Trajectory},
    nuts,
    schedule::Schedule,
    settings::{Kernel, Settings, TrajectoryLength},
    state::{
        ChainState, Gradients, Microcanonical, RandomState, Unadjusted, check_finite, check_length,
        check_metric,
    },
    step_size::{DualAveraging, first_step},
};

/// What a transition was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Adaptation; not a draw from the target.
    Warmup,
    /// A draw from the target.
    Sampling,
}

/// What is known about a transition, beside the position it led to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Draw {
    /// Index of the transition in its chain, warmup included.
    pub index: usize,
    /// Warmup or sampling.
    pub phase: Phase,
    /// Log density of the new state.
    pub log_density: f64,
    /// Energy (`-log density + |momentum|^2 / 2`) of the new state at the end of the transition; of
    /// the microcanonical kernels, whose speed is constant, `-log density`.
    pub energy: f64,
    /// Acceptance statistic in [0, 1]: for NUTS the mean over the trajectory, and also for a
    /// trajectory of MAMS that left the domain of the density. For MCLMC what the mean
    /// acceptance of its single steps would be if they were tested.
    pub accept: f64,
    /// Number of doublings; 0 for kernels other than NUTS.
    pub depth: u32,
    /// Integrator steps, each of which took
    /// [`gradients_per_step`](crate::Integrator::gradients_per_step) gradients (or fewer, if it
    /// failed on the way).
    pub steps: u32,
    /// Whether the trajectory diverged; for MCLMC whether a step was taken back.
    pub divergent: bool,
    /// Step size used, jitter included.
    pub step_size: f64,
}

/// Decoherence over mean time between effective draws: of the adjusted kernel (the factor of the
/// reference implementation of arXiv:2503.01707) and of the unadjusted one (arXiv:2212.08549).
const ADJUSTED_FACTOR: f64 = 0.5;
const UNADJUSTED_FACTOR: f64 = 0.4;

/// In warmup an unadjusted step is taken back if its energy error is this many times that aimed at:
/// the step size is then five times too large, and the chain would leave the target.
const WARMUP_ERROR: f64 = 100.0;

/// Mean number of steps of an adjusted trajectory in the first fast interval, at most.
const EARLY_STEPS: f64 = 10.0;

/// A Markov chain over the coordinates of `D`.
#[derive(Clone)]
pub struct Chain<D> {
    density: D,
    state: ChainState,
    schedule: Schedule,
    start: Point,
    chosen: Proposal,
    /// Other end of a trial step, or the point before a step.
    other: Point,
    tree: nuts::Workspace,
    scratch: Scratch,
}

impl<D: LogDensity> Chain<D> {
    /// Starts a chain at `position: [dim]` with the identity as initial metric.
    ///
    /// Chains of one run share the `seed` and differ in `index`, which selects their stream of
    /// random numbers.
    ///
    /// # Errors
    /// Invalid settings; a position of the wrong length or not finite; [`Error::Start`] if the log
    /// density or its gradient cannot be evaluated there; [`Error::StepSize`], and without a warmup
    /// [`Error::Runaway`]; a fatal error of the density.
    pub fn new(
        density: D,
        position: Vec<f64>,
        settings: Settings,
        seed: u64,
        index: u64,
    ) -> Result<Self, Error<D::Error>> {
        let metric = Metric::identity(density.dim());
        Self::with_metric(density, position, metric, settings, seed, index)
    }

    /// Starts a chain with an initial metric.
    ///
    /// # Errors
    /// As [`Chain::new`], and if the metric has another dimension than the density, an entry that is
    /// not finite (or a scale that is not positive), or a dense block of another size than the one
    /// that will adapt.
    pub fn with_metric(
        mut density: D,
        position: Vec<f64>,
        metric: Metric,
        settings: Settings,
        seed: u64,
        index: u64,
    ) -> Result<Self, Error<D::Error>> {
        let dim = density.dim();
        settings.validate(dim)?;
        check_length("position", dim, position.len())?;
        check_finite("position", &position)?;
        check_metric(&metric, &settings, dim)?;

        let mut gradient = vec![0.0; dim];
        let log_density = match density.log_density_and_gradient(&position, &mut gradient) {
            Ok(log_density) => log_density,
            Err(error) if error.is_recoverable() => f64::NEG_INFINITY,
            Err(source) => return Err(Error::Density { draw: 0, source }),
        };
        let gradient_norm = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
        if !(log_density.is_finite() && gradient_norm.is_finite()) {
            return Err(Error::Start { log_density, gradient_norm });
        }

        let adapted = settings.metric.adapted(dim);
        let moments = (settings.warmup > 0).then(|| Moments::new(adapted, settings.metric.dense));
        let initial_step = settings.initial_step;
        let mut random = RandomState { seed, stream: index, position: [0; 2] };
        let first_step = initial_step.unwrap_or(1.0);
        let microcanonical = match settings.kernel {
            Kernel::Nuts { .. } | Kernel::Hmc { .. } => None,
            Kernel::Mams { length, .. } => {
                let decoherence = Decoherence::new(length, dim - adapted);
                Some(Microcanonical { decoherence, unadjusted: None })
            }
            Kernel::Mclmc { length, .. } => {
                let mut rng = random.generator();
                let mut point = Point { x: vec![0.0; dim], ..Point::default() };
                point.refresh_direction(&mut rng);
                random.set_position(&rng);
                let unadjusted = Some(Unadjusted {
                    direction: point.p,
                    step: EnergyVariance::new(first_step),
                    squared_errors: 0.0,
                    draws: 0,
                });
                let decoherence = Decoherence::new(length, dim - adapted);
                Some(Microcanonical { decoherence, unadjusted })
            }
        };
        let state = ChainState {
            settings,
            random,
            position,
            gradient,
            log_density,
            metric,
            averaging: DualAveraging::new(first_step),
            moments,
            microcanonical,
            draws: 0,
            divergences: 0,
            gradients: Gradients { initialisation: 1, ..Gradients::default() },
        };
        let mut chain = Self::around(density, state);
        if initial_step.is_none() {
            let mut rng = chain.state.random.generator();
            let gradients = chain.find_step(1.0, &mut rng)?;
            chain.state.gradients.initialisation += gradients;
            chain.state.random.set_position(&rng);
            if chain.state.phase() == Phase::Sampling {
                chain.check_tuned(0)?;
            }
        }
        Ok(chain)
    }

    /// Continues a chain from a saved state; with the same density it goes on exactly as the chain
    /// that was saved would have.
    ///
    /// # Errors
    /// If the state does not fit the density's dimension or contradicts itself.
    pub fn resume(density: D, state: ChainState) -> Result<Self, Error<D::Error>> {
        state.validate(density.dim())?;
        Ok(Self::around(density, state))
    }

    fn around(density: D, state: ChainState) -> Self {
        Self {
            density,
            schedule: Schedule::new(state.settings.warmup),
            state,
            start: Point::default(),
            chosen: Proposal::default(),
            other: Point::default(),
            tree: nuts::Workspace::default(),
            scratch: Scratch::default(),
        }
    }

    /// The current state, to be read or saved.
    pub fn state(&self) -> &ChainState {
        &self.state
    }

    /// The density, for what a recorder may want to compute from a position.
    pub fn density_mut(&mut self) -> &mut D {
        &mut self.density
    }

    /// Density and position together.
    pub fn density_and_position(&mut self) -> (&mut D, &[f64]) {
        (&mut self.density, &self.state.position)
    }

    /// Makes one transition.
    ///
    /// # Errors
    /// A fatal error of the density; the chain stays valid, and once the cause is gone it can go on
    /// or be resumed from its state. During warmup also [`Error::StepSize`], and at its end
    /// [`Error::Runaway`].
    pub fn advance(&mut self) -> Result<Draw, Error<D::Error>> {
        let draw = self.state.draws;
        let phase = self.state.phase();
        let mut rng = self.state.random.generator();
        let jitter = self.state.settings.jitter * (2.0 * rng.random::<f64>() - 1.0);
        let base_step = self.state.step_size();
        let step_size = base_step * (1.0 + jitter);
        let kernel = self.state.settings.kernel;

        self.standardise();
        match (kernel, &self.state.microcanonical) {
            (Kernel::Mclmc { .. }, Some(Microcanonical { unadjusted: Some(own), .. })) => {
                self.start.p.clone_from(&own.direction);
            }
            (Kernel::Mams { .. }, _) => self.start.refresh_direction(&mut rng),
            _ => self.start.refresh_momentum(&mut rng),
        }
        let length = self.state.decoherence().unwrap_or(1.0);
        let dim = self.state.position.len();
        let max_energy_error = self.state.settings.max_energy_error;
        let mut dynamics = Hamiltonian {
            density: &mut self.density,
            metric: &self.state.metric,
            integrator: self.state.settings.integrator,
            scratch: &mut self.scratch,
            gradients: 0,
        };
        let outcome = match kernel {
            Kernel::Nuts { max_depth } => nuts::transition(
                &mut dynamics,
                &mut self.start,
                &mut self.chosen,
                &mut self.tree,
                (step_size, max_depth, max_energy_error),
                &mut rng,
            ),
            Kernel::Hmc { trajectory } => {
                let steps = match trajectory {
                    TrajectoryLength::Steps(steps) => steps,
                    TrajectoryLength::Time(time) => {
                        (time / base_step).round().clamp(1.0, 1e4) as u32
                    }
                };
                fixed_length::transition(
                    &mut dynamics,
                    &mut self.start,
                    &mut self.chosen,
                    (step_size, steps, max_energy_error),
                    &mut rng,
                )
            }
            Kernel::Mams { refreshment, .. } => {
                let early = self.schedule.is_initial(draw);
                let mean_steps = length / base_step;
                let mean_steps = if early { mean_steps.min(EARLY_STEPS) } else { mean_steps };
                let step = step_size;
                microcanonical::adjusted(
                    &mut dynamics,
                    &mut self.start,
                    &mut self.chosen,
                    Trajectory { step, mean_steps, refreshment, max_energy_error },
                    &mut rng,
                )
            }
            Kernel::Mclmc { energy_variance, steps, .. } => {
                let (steps, bound) = match phase {
                    Phase::Warmup => (1, WARMUP_ERROR * error_scale(energy_variance, dim)),
                    Phase::Sampling => (steps, max_energy_error),
                };
                microcanonical::unadjusted(
                    &mut dynamics,
                    &mut self.start,
                    &mut self.other,
                    (step_size, steps, length, bound.min(max_energy_error)),
                    &mut rng,
                )
                .inspect(|_| self.chosen.take(&self.start, -self.start.log_density))
            }
        };
        let gradients = dynamics.gradients;
        match phase {
            Phase::Warmup => self.state.gradients.warmup += gradients,
            Phase::Sampling => self.state.gradients.sampling += gradients,
        }
        let outcome = outcome.map_err(|source| Error::Density { draw, source })?;

        if outcome.moved {
            self.state.log_density = self.chosen.log_density;
            self.state.metric.position(&self.chosen.x, &mut self.state.position);
            self.state.metric.push_gradient(&self.chosen.g, &mut self.state.gradient);
        }
        if let Some(Microcanonical { unadjusted: Some(own), .. }) = &mut self.state.microcanonical {
            own.direction.clone_from(&self.start.p);
            if phase == Phase::Sampling {
                own.squared_errors += outcome.squared_error;
                own.draws += 1;
            }
        }
        match phase {
            Phase::Warmup => self.adapt(draw, step_size, &outcome, &mut rng)?,
            Phase::Sampling => self.state.divergences += usize::from(outcome.divergent),
        }
        self.state.draws += 1;
        self.state.random.set_position(&rng);
        Ok(Draw {
            index: draw,
            phase,
            log_density: self.state.log_density,
            energy: self.chosen.energy,
            accept: outcome.accept,
            depth: outcome.depth,
            steps: outcome.steps,
            divergent: outcome.divergent,
            step_size,
        })
    }

    /// Sets the starting point of a trajectory to the current position.
    fn standardise(&mut self) {
        let dim = self.state.position.len();
        self.start.x.resize(dim, 0.0);
        self.start.g.resize(dim, 0.0);
        self.state.metric.standardise(&self.state.position, &mut self.start.x);
        self.state.metric.pull_gradient(&self.state.gradient, &mut self.start.g);
        self.start.log_density = self.state.log_density;
    }

    /// Restarts the step size adaptation from a step of the right order and returns the number of
    /// gradients that took.
    fn find_step(&mut self, guess: f64, rng: &mut ChaCha8Rng) -> Result<u64, Error<D::Error>> {
        self.standardise();
        let Settings { kernel, integrator, target_accept, .. } = self.state.settings;
        // what a single step may lose, and without a test of it also gain
        let dim = self.state.position.len();
        let (threshold, tested) = match kernel {
            Kernel::Mclmc { energy_variance, .. } => (-error_scale(energy_variance, dim), false),
            _ => (target_accept.ln(), true),
        };
        let mut dynamics = Hamiltonian {
            density: &mut self.density,
            metric: &self.state.metric,
            integrator,
            scratch: &mut self.scratch,
            gradients: 0,
        };
        let (start, end) = (&mut self.start, &mut self.other);
        let step = first_step(guess, integrator.max_step(), threshold, |step| {
            if kernel.is_microcanonical() {
                start.refresh_direction(rng);
                end.copy_from(start);
                let gain = -dynamics.isokinetic_step(end, step)?;
                return Ok(if tested { gain } else { -gain.abs() });
            }
            start.refresh_momentum(rng);
            end.copy_from(start);
            Ok(start.energy() - dynamics.step(end, step)?)
        })
        .map_err(|source| Error::Density { draw: self.state.draws, source })?
        .ok_or(Error::StepSize { step: 1e-12 })?;
        self.state.averaging = DualAveraging::new(step);
        if let Some(Microcanonical { unadjusted: Some(own), .. }) = &mut self.state.microcanonical {
            // on the safe side of where the error crossed the threshold
            own.step = EnergyVariance::new(0.5 * step);
        }
        Ok(dynamics.gradients)
    }

    /// Everything that a warmup transition with steps of `step_size` teaches.
    fn adapt(
        &mut self,
        draw: usize,
        step_size: f64,
        outcome: &nuts::Outcome,
        rng: &mut ChaCha8Rng,
    ) -> Result<(), Error<D::Error>> {
        let settings = &self.state.settings;
        let dim = self.state.position.len();
        let max_step = settings.integrator.max_step();
        let (adapted, dense) = (settings.metric.adapted(dim), settings.metric.dense);
        match (settings.kernel, &mut self.state.microcanonical) {
            (
                Kernel::Mclmc { energy_variance, .. },
                Some(Microcanonical { unadjusted: Some(own), .. }),
            ) => {
                if outcome.divergent {
                    own.step.fail(step_size);
                } else {
                    let ratio = outcome.squared_error / (dim as f64 * energy_variance);
                    own.step.update(ratio, step_size, max_step);
                }
            }
            _ => {
                // on the way to the typical set every step gains: no reason for a smaller one
                let initial = self.schedule.is_initial(draw);
                let accept = if initial { outcome.accept } else { outcome.symmetric_accept };
                self.state.averaging.update(accept, settings.target_accept, max_step);
            }
        }
        if let Some(own) = &mut self.state.microcanonical
            && self.schedule.is_slow(draw)
        {
            let last = self.schedule.is_in_last_window(draw);
            own.decoherence.add(&self.chosen.x, dense, last);
        }
        if self.schedule.ends_window(draw) {
            self.tune_decoherence(draw);
        }
        if let Some(moments) = &mut self.state.moments
            && adapted > 0
        {
            if self.schedule.is_slow(draw) {
                moments.add(&self.state.position, &self.state.gradient);
            }
            if self.schedule.ends_window(draw) {
                moments.update(&mut self.state.metric);
                *moments = Moments::new(adapted, dense);
                let guess = match self.state.settings.kernel {
                    Kernel::Mclmc { .. } => self.state.step_size(),
                    _ => self.state.averaging.averaged(),
                };
                self.state.gradients.warmup += self.find_step(guess, rng)?;
            }
        }
        if self.schedule.ends_warmup(draw) {
            self.check_tuned(draw)?;
            self.state.moments = None;
            if let Some(own) = &mut self.state.microcanonical {
                own.decoherence.end_warmup();
            }
        }
        Ok(())
    }

    /// Refuses to sample with a step size that grew without bound.
    fn check_tuned(&self, draw: usize) -> Result<(), Error<D::Error>> {
        let step = match self.state.settings.kernel {
            Kernel::Mclmc { .. } => self.state.step_size(),
            _ => self.state.averaging.averaged(),
        };
        let ran_away = self.state.settings.integrator.ran_away(step);
        if ran_away { Err(Error::Runaway { draw, step }) } else { Ok(()) }
    }

    /// At the end of a slow window.
    fn tune_decoherence(&mut self, draw: usize) {
        let dim = self.state.position.len();
        let step = self.state.step_size();
        let Some(Microcanonical { decoherence, unadjusted }) = &mut self.state.microcanonical
        else {
            return;
        };
        let used = decoherence.length();
        decoherence.end_window(dim);
        if self.schedule.ends_last_window(draw) {
            match unadjusted {
                None => decoherence.end_tuning(ADJUSTED_FACTOR, used),
                Some(_) => decoherence.end_tuning(UNADJUSTED_FACTOR, step),
            }
        }
    }
}

/// Root mean square energy error of a step at a given variance per dimension.
fn error_scale(energy_variance: f64, dim: usize) -> f64 {
    (energy_variance * dim as f64).sqrt()
}

/// A line, not the vectors.
impl<D> std::fmt::Debug for Chain<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chain")
            .field("dim", &self.state.position.len())
            .field("draws", &self.state.draws)
            .field("step_size", &self.state.step_size())
            .field("gradients", &self.state.gradients)
            .finish_non_exhaustive()
    }
}
