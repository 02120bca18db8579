//! A Markov chain that can be saved after any transition and continued bit for bit.

use rand::RngExt;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
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
    step_size::{DualAveraging, first_step},
    vector::dot,
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
    settings: Settings,
    random: RandomState,
    position: Vec<f64>,
    gradient: Vec<f64>,
    log_density: f64,
    metric: Metric,
    averaging: DualAveraging,
    /// Moments of the current warmup window; dropped when sampling begins.
    moments: Option<Moments>,
    /// Of the microcanonical kernels only.
    microcanonical: Option<Microcanonical>,
    draws: usize,
    divergences: usize,
    gradients: Gradients,
}

/// What the microcanonical kernels need beside the rest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Microcanonical {
    decoherence: Decoherence,
    /// Of the unadjusted kernel only.
    unadjusted: Option<Unadjusted>,
}

/// What the unadjusted kernel carries on from step to step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Unadjusted {
    /// Direction of motion in standardised coordinates.
    direction: Vec<f64>,
    step: EnergyVariance,
    /// Sum over the draws of the mean squared energy error of a step, and their number.
    squared_errors: f64,
    draws: u64,
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

/// Seed, stream and position of the random numbers (the position in 32-bit words, in two halves).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct RandomState {
    seed: u64,
    stream: u64,
    position: [u64; 2],
}

impl RandomState {
    fn generator(&self) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(self.stream);
        rng.set_word_pos(u128::from(self.position[0]) << 64 | u128::from(self.position[1]));
        rng
    }

    fn set_position(&mut self, rng: &ChaCha8Rng) {
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

    fn validate<E: LogDensityError>(&self, dim: usize) -> Result<(), Error<E>> {
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
    /// density or its gradient cannot be evaluated there; [`Error::StepSize`]; a fatal error of the
    /// density.
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
    /// or be resumed from its state. During warmup also [`Error::StepSize`].
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
            self.state.moments = None;
            if let Some(own) = &mut self.state.microcanonical {
                own.decoherence.end_warmup();
            }
        }
        Ok(())
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

fn check_length<E: LogDensityError>(
    what: &'static str,
    expected: usize,
    found: usize,
) -> Result<(), Error<E>> {
    if found == expected { Ok(()) } else { Err(Error::Dimension { what, expected, found }) }
}

fn check_finite<E: LogDensityError>(what: &'static str, values: &[f64]) -> Result<(), Error<E>> {
    match values.iter().position(|v| !v.is_finite()) {
        None => Ok(()),
        Some(index) => {
            Err(Error::Value { what, index, value: values[index], expected: "a finite number" })
        }
    }
}

fn check_metric<E: LogDensityError>(
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
