//! What can go wrong, with the numbers that went wrong.

use std::path::PathBuf;

/// Result of the fallible functions of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A number of a prior that makes it no distribution.
    #[error("prior of {parameter}: {field} = {value}, expected {expected}")]
    Prior {
        /// Name of the parameter.
        parameter: String,
        /// Which number of its distribution.
        field: &'static str,
        /// The number given.
        value: f64,
        /// What would be accepted.
        expected: String,
    },
    /// Names of parameters that cannot be used.
    #[error("not a usable prior: {reason}")]
    PriorNames {
        /// What is wrong with them.
        reason: String,
    },
    /// A setting out of its domain.
    #[error("setting `{field}` is {value}, expected {expected}")]
    Setting {
        /// Name of the setting.
        field: &'static str,
        /// The value given.
        value: String,
        /// What would be accepted.
        expected: String,
    },
    /// An array or vector whose shape does not fit.
    #[error("{what} has shape {found:?}, expected {expected:?}")]
    Shape {
        /// Which array.
        what: String,
        /// The shape that fits.
        expected: Vec<usize>,
        /// The shape given.
        found: Vec<usize>,
    },
    /// A NaN or infinity where a number is needed.
    #[error("{what}[{index}] is {value}, which is not finite")]
    NotFinite {
        /// Which vector.
        what: String,
        /// Where in it.
        index: usize,
        /// The value found.
        value: f64,
    },
    /// A simulation gave a NaN or an infinity, and the policy is to stop.
    #[error(
        "simulation {index} at theta = {theta:?} gave {what}[{element}] = {value}; to go on without \
         such simulations choose a policy that drops (and counts) them"
    )]
    NonFiniteSimulation {
        /// Index of the simulation.
        index: u64,
        /// Its parameters.
        theta: Vec<f64>,
        /// `x` or `score`.
        what: &'static str,
        /// Which element of it.
        element: usize,
        /// Its value.
        value: f64,
    },
    /// A simulation failed, and the policy is to stop.
    #[error("simulation {index} at theta = {theta:?} failed: {source}")]
    Simulator {
        /// Index of the simulation.
        index: u64,
        /// Its parameters.
        theta: Vec<f64>,
        /// The simulator's own error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Too little to learn from.
    #[error("{what}: at least {minimum} are needed, found {found}")]
    TooFew {
        /// What is too few.
        what: &'static str,
        /// The smallest accepted number.
        minimum: usize,
        /// The number given.
        found: usize,
    },
    /// No observable varies, so that none has a density.
    #[error(
        "none of the {observables} observables differs between (nearly) all simulations: they have \
         no density and tell nothing of the parameters"
    )]
    Constant {
        /// Number of observables.
        observables: usize,
    },
    /// Scores are wanted, and the simulations have none.
    #[error("the simulations have no scores: use a simulator that returns them, or learn without")]
    NoScores,
    /// A posterior lies almost entirely outside the support of the prior.
    #[error(
        "only {accepted} of {proposed} draws lie within the prior (leakage {:.4}): is the \
         observation far outside the simulations (largest deviation {deviation:.1} standard units)? \
         Simulate more near it, or estimate the posterior in the prior's normal coordinates",
        1.0 - *accepted as f64 / *proposed as f64
    )]
    Leakage {
        /// Draws within the support.
        accepted: usize,
        /// Draws made.
        proposed: usize,
        /// Largest standardised deviation of the observation.
        deviation: f64,
    },
    /// The simulations of an estimator were made near another observation.
    #[error(
        "the simulations of this estimator were made near another observation: x[{index}] = {value}, \
         not {expected}. Run the rounds for this one, or learn from simulations of the prior"
    )]
    OtherObservation {
        /// First observable that differs.
        index: usize,
        /// Its value.
        value: f64,
        /// That of the observation that the simulations were made for.
        expected: f64,
    },
    /// Nowhere that was looked at is the density finite.
    #[error(
        "the posterior has no finite density at any of {tried} points: is the observation far \
         outside the simulations (largest deviation {deviation:.1} standard units)?"
    )]
    NoMass {
        /// Points tried.
        tried: usize,
        /// Largest standardised deviation of the observation.
        deviation: f64,
    },
    /// The posterior is so narrow, or its density so wild, that it is not reached from the prior.
    #[error(
        "after {stages} stages of tempering only the power {reached:.1e} of the likelihood is \
         reached: is the observation far outside the simulations (largest deviation {deviation:.1} \
         standard units)? Simulations near it help"
    )]
    Unreached {
        /// Stages made.
        stages: usize,
        /// The power of the likelihood reached; 1 is the posterior.
        reached: f64,
        /// Largest standardised deviation of the observation.
        deviation: f64,
    },
    /// Chains have spent their budget.
    #[error(
        "{batches} batches of gradients were spent on {done} of {total} transitions: ask for fewer \
         draws, allow more batches, or train a smoother network (a longer training, an ensemble)"
    )]
    Budget {
        /// Batches evaluated.
        batches: u64,
        /// Transitions made by all chains.
        done: usize,
        /// Transitions to make.
        total: usize,
    },
    /// Most chains failed or do not move.
    #[error("{stuck} of {chains} chains are stuck ({reason}): train a smoother network")]
    Stuck {
        /// Chains that failed or do not move.
        stuck: usize,
        /// All chains.
        chains: usize,
        /// Why the first of them failed.
        reason: String,
    },
    /// The density of a posterior has no maximum that could be found.
    #[error(
        "after {evaluations} densities the posterior's density still rises, by {gain:.1e} with the \
         last step of {step:.1e} posterior widths: allow more evaluations, or train a smoother \
         network"
    )]
    Maximum {
        /// Densities and gradients evaluated.
        evaluations: u64,
        /// What the last step gained in log density.
        gain: f64,
        /// Its length, in units of the draws' spread.
        step: f64,
    },
    /// Sampling cannot be done.
    #[error("sampling failed: {0}")]
    Chain(String),
    /// The differential equation of a velocity was not solved.
    #[error(
        "the differential equation of the velocity was not solved: at time {time} a step of \
         {step:e} is still too long for a tolerance of {tolerance:e}; train longer, or raise the \
         tolerance"
    )]
    Transport {
        /// Time, from 0 (noise) to 1 (posterior).
        time: f64,
        /// Last step tried.
        step: f64,
        /// Error tolerated in a step, in standard units.
        tolerance: f64,
    },
    /// A network failed.
    #[cfg(feature = "networks")]
    #[error(transparent)]
    Network(#[from] flows::Error),
    /// The equations of a model's dynamics could not be solved.
    #[error("the solution stops at time {time} of {last} after {steps} steps")]
    Dynamics {
        /// Time reached.
        time: f64,
        /// Time to reach.
        last: f64,
        /// Steps made.
        steps: usize,
    },
    /// A reference posterior could not be sampled, or not be trusted.
    #[error("no reference posterior: {reason}")]
    Reference {
        /// What went wrong, with numbers.
        reason: String,
    },
    /// There is no task of this name.
    #[error("there is no task '{name}'; the tasks are {}", known.join(", "))]
    UnknownTask {
        /// The name given.
        name: String,
        /// The names there are.
        known: Vec<&'static str>,
    },
    /// The observer of a long computation asked to stop.
    #[error("stopped after {done} of {total}")]
    Stopped {
        /// What was done.
        done: u64,
        /// What was to be done.
        total: u64,
    },
    /// The file system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A file that does not hold what it should: damaged, truncated or of another kind.
    #[error("{} cannot be used: {reason}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl Error {
    /// For `map_err`: what was being done to which file when the system refused.
    pub(crate) fn io(
        action: &'static str,
        path: &std::path::Path,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}
