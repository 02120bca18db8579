//! `task`: an inference problem with a known answer, by a method of choice.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Args;
use flows::DeviceChoice;
use sbi::tasks;

use crate::arrays::Chosen;
use crate::cli::ResumeArguments;
use crate::device;
use crate::products::spare_inputs;
use crate::study::Study;
use crate::trial::{FlowFamily, Inference, Method, Observation, Settings};

/// Arguments of `task`.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask task --list\n  \
    cargo xtask task two-moons --observation-seed 1 --method npe --out results/moons\n  \
    cargo xtask task two-moons --observation-seed 1 --method npe --score-weight 0.01 \\\n      \
        --flow smooth --out results/moons-scores\n  \
    cargo xtask task lotka-volterra-latent --observation y.npy --method nuts --out results/lv\n  \
    cargo xtask task slcp --observation-seed 3 --method snle --budget 2000 --rounds 4 \\\n      \
        --out results/slcp\n\n\
    The folder gets samples.npz (samples [draw,parameter], names), diagnostics.json, report.html\n\
    and, for neural methods, estimator.safetensors. A run that was stopped, even killed, continues\n\
    with the same command. Observations are .npy or .npz files with the observables of the task in\n\
    their order; those of lotka-volterra* are [10,2] (time, prey and predators). FILE#NAME names an\n\
    array of an .npz.")]
pub struct Arguments {
    /// Task; see --list
    #[arg(required_unless_present = "list", value_name = "NAME")]
    name: Option<String>,
    /// List the tasks with their numbers of parameters and observables
    #[arg(long)]
    list: bool,
    /// Observation to infer from (.npy or .npz); or make one with --observation-seed
    #[arg(long, value_name = "FILE", conflicts_with = "observation_seed",
          required_unless_present_any = ["list", "observation_seed"])]
    observation: Option<Chosen>,
    /// Make an observation at parameters drawn from the prior with this seed
    #[arg(long, value_name = "SEED")]
    observation_seed: Option<u64>,
    /// Method
    #[arg(long, value_enum, required_unless_present = "list")]
    method: Option<Method>,
    /// Simulations to make, those of all rounds together
    #[arg(long, default_value_t = 1000, value_name = "N",
          value_parser = clap::value_parser!(u64).range(2..=1_000_000_000))]
    budget: u64,
    /// Rounds of sequential methods, of equal numbers of simulations [default: 5]
    #[arg(long, value_name = "R", value_parser = clap::value_parser!(u64).range(1..=1000))]
    rounds: Option<u64>,
    /// Learn from the scores of the simulator, with this weight in the loss
    #[arg(long, value_name = "W", value_parser = weight)]
    score_weight: Option<f64>,
    /// Family of the flow [default: autoregressive-spline]
    #[arg(long, value_enum, value_name = "FAMILY")]
    flow: Option<FlowFamily>,
    /// Most steps of each training, which ends earlier when the validation loss stops falling
    #[arg(long, default_value_t = 100_000, value_name = "N",
          value_parser = clap::value_parser!(u64).range(1..))]
    steps: u64,
    /// Draws of the posterior
    #[arg(long, default_value_t = 10_000, value_name = "N",
          value_parser = clap::value_parser!(u64).range(100..=100_000_000))]
    draws: u64,
    /// Do not compare with the reference posterior
    #[arg(long)]
    no_reference: bool,
    /// Device of the networks: cpu, wgpu, or auto for a GPU if there is one
    #[arg(long, default_value = "cpu", value_name = "DEVICE")]
    device: DeviceChoice,
    /// Seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder of the results
    #[arg(long, value_name = "DIR", required_unless_present = "list")]
    out: Option<PathBuf>,
    #[command(flatten)]
    resume: ResumeArguments,
}

/// Rounds of sequential methods unless asked otherwise.
const ROUNDS: u64 = 5;

/// The weight of the scores.
fn weight(text: &str) -> Result<f64, String> {
    let weight: f64 = text.parse().map_err(|_| format!("'{text}' is not a number"))?;
    if weight.is_finite() && weight >= 0.0 {
        Ok(weight)
    } else {
        Err("zero or a positive number is needed".to_owned())
    }
}

/// Runs the command.
///
/// # Errors
/// If an argument makes no sense, a step fails, or the folder cannot be written.
pub fn run(arguments: &Arguments) -> Result<()> {
    let (Some(name), Some(method), Some(folder)) =
        (&arguments.name, arguments.method, &arguments.out)
    else {
        list();
        return Ok(());
    };
    let task = tasks::find(name)?;
    let settings = settings(arguments, method)?;
    let observation = match (&arguments.observation, arguments.observation_seed) {
        (Some(chosen), _) => Observation::read(task.as_ref(), chosen)?,
        (None, seed) => Observation::simulate(task.as_ref(), seed.unwrap_or(arguments.seed))?,
    };
    let choice = if method.is_neural() { arguments.device } else { DeviceChoice::Cpu };
    device::require_program(choice)?;
    let device = flows::open_device(choice)?;
    let device_name = if device == flows::open_device(DeviceChoice::Cpu)? { "cpu" } else { "wgpu" };
    let inputs = arguments.observation.iter().map(|chosen| chosen.file().to_path_buf());
    spare_inputs(folder, &inputs.collect::<Vec<_>>())?;
    let study = Study::open(folder, arguments.resume.earlier())?;
    let inference = Inference {
        task: task.as_ref(),
        observation: &observation,
        settings: &settings,
        device: &device,
        device_name,
        compare: !arguments.no_reference,
    };
    let report = inference.run(&study, folder)?;
    eprintln!("report: {}", report.display());
    Ok(())
}

/// Prints the tasks.
fn list() {
    println!("{:<24} {:>10} {:>11}  what it is", "task", "parameters", "observables");
    for task in tasks::all() {
        println!(
            "{:<24} {:>10} {:>11}  {}",
            task.name(),
            task.prior().dim(),
            task.simulator().observables(),
            task.description()
        );
    }
}

/// The settings asked for, if they make sense together.
fn settings(arguments: &Arguments, method: Method) -> Result<Settings> {
    let name = method.name();
    let Arguments { rounds, score_weight, flow, .. } = *arguments;
    ensure!(
        rounds.is_none() || method.is_sequential(),
        "--rounds has no use with the method {name}; snpe, tsnpe, snle and snre have rounds"
    );
    ensure!(
        score_weight.is_none() || method.learns_scores(),
        "--score-weight has no use with the method {name}; npe, nle, tsnpe and snle learn from scores"
    );
    ensure!(
        flow.is_none() || method.has_flow(),
        "--flow has no use with the method {name}, which has none"
    );
    let rounds = if method.is_sequential() { rounds.unwrap_or(ROUNDS) } else { 1 };
    ensure!(
        arguments.budget / rounds >= 2,
        "--budget {} is less than 2 simulations in each of {rounds} rounds",
        arguments.budget
    );
    Ok(Settings {
        method,
        budget: usize::try_from(arguments.budget)?,
        rounds: usize::try_from(rounds)?,
        flow: method.has_flow().then(|| flow.unwrap_or_default()),
        score_weight,
        max_steps: usize::try_from(arguments.steps)?,
        draws: usize::try_from(arguments.draws)?,
        seed: arguments.seed,
    })
}
