//! The command line: what can be asked, and the arguments that several commands share.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use lognormal_sim::Cosmology;

use crate::commands::{
    benchmark, ci, density, posterior, report, scores, simulate, spectra, task, test, tidy,
};
use crate::sampling::Sampler;
use crate::study::Earlier;
use crate::survey::SurveyInput;

/// Full-field inference for weak lensing: simulate tomographic convergence maps, and draw the
/// posterior of the cosmological parameters from every pixel of them.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    version,
    after_help = "Start with:\n  \
        cargo xtask benchmark --study lensing    an observation, two posteriors, a report (10 minutes)\n  \
        cargo xtask benchmark              the same, then the studies of three papers (two hours)\n  \
        cargo xtask benchmark --profile smoke    all of them, tiny (ten minutes)\n  \
        cargo xtask test                   all tests\n\n\
        Parameters are omega_c, omega_b, sigma_8, h_0, n_s, w_0, in this order, everywhere.\n\
        Exit codes: 0 done, 1 failed, 2 the command line makes no sense. NO_COLOR is respected."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be asked.
#[derive(Subcommand)]
pub enum Command {
    /// Run all studies, or one, end to end and write their reports
    Benchmark(benchmark::Arguments),
    /// Simulate maps, with their parameters and scores, to an .npz
    Simulate(simulate::Arguments),
    /// Angular power spectra and lognormal shifts, with derivatives, to .npz or .csv
    Spectra(spectra::Arguments),
    /// Log densities and gradients at given latents, for validation against other codes
    Density(density::Arguments),
    /// How noisy the scores of simulations are, by what they hold fixed
    Scores(scores::Arguments),
    /// Posterior of a map of yours, from the full field or from its power spectra
    Posterior(posterior::Arguments),
    /// Infer the parameters of a problem with a known answer, by a method of choice
    Task(task::Arguments),
    /// Draw the report of a finished study or posterior again
    Report(report::Arguments),
    /// Run the tests of the workspace
    Test(test::Arguments),
    /// Run every check: format, lints, documentation, structure, tests
    Ci,
    /// Check the structure of the source tree
    Tidy,
}

impl Command {
    /// Does it.
    ///
    /// # Errors
    /// Those of the command.
    pub fn run(self) -> Result<()> {
        match self {
            Self::Benchmark(arguments) => benchmark::run(&arguments),
            Self::Simulate(arguments) => simulate::run(&arguments),
            Self::Spectra(arguments) => spectra::run(&arguments),
            Self::Density(arguments) => density::run(&arguments),
            Self::Scores(arguments) => scores::run(&arguments),
            Self::Posterior(arguments) => posterior::run(&arguments),
            Self::Task(arguments) => task::run(&arguments),
            Self::Report(arguments) => report::run(&arguments),
            Self::Test(arguments) => test::run(&arguments),
            Self::Ci => ci::run(),
            Self::Tidy => tidy::run(),
        }
    }
}

/// Six cosmological parameters as text: `0.2664,0.0492,0.831,0.6727,0.9645,-1` or `fiducial`.
#[derive(Clone, Copy, Debug)]
pub struct Parameters(pub [f64; 6]);

impl FromStr for Parameters {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "fiducial" {
            return Ok(Self(Cosmology::FIDUCIAL.parameters()));
        }
        let numbers = text
            .split(',')
            .map(|word| word.trim().parse().map_err(|_| format!("'{word}' is not a number")))
            .collect::<Result<Vec<f64>, _>>()?;
        let count = numbers.len();
        numbers.try_into().map(Self).map_err(|_| {
            format!(
                "{count} number(s) given; omega_c,omega_b,sigma_8,h_0,n_s,w_0 or 'fiducial' needed"
            )
        })
    }
}

/// The survey to work on.
#[derive(Args, Clone, Debug)]
pub struct SurveyArguments {
    /// Survey: a preset (lsst_y10, lsst_y10_as_published) or the path of a TOML file
    #[arg(long, default_value = "lsst_y10", value_name = "PRESET|FILE")]
    pub survey: String,
    /// Table of lognormal shifts (.npy), for surveys that look them up
    #[arg(long, value_name = "FILE")]
    pub shift_table: Option<PathBuf>,
}

impl SurveyArguments {
    /// The survey asked for, with what it reads.
    ///
    /// # Errors
    /// As [`SurveyInput::load`].
    pub fn load(&self) -> Result<SurveyInput> {
        SurveyInput::load(&self.survey, self.shift_table.as_deref())
    }
}

/// How the samplers run.
#[derive(Args, Clone, Debug)]
pub struct SamplerArguments {
    /// Sampler
    #[arg(long, value_enum, default_value = "nuts")]
    pub sampler: Sampler,
    /// Independent chains
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    pub chains: u32,
    /// Iterations of warm-up of each chain
    #[arg(long, default_value_t = 300)]
    pub warmup: u32,
    /// Draws kept of each chain
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(4..))]
    pub draws: u32,
    /// Deepest tree of NUTS: at most 2^DEPTH - 1 gradients per draw
    #[arg(long, default_value_t = 6, value_name = "DEPTH",
          value_parser = clap::value_parser!(u32).range(1..=15))]
    pub max_depth: u32,
}

/// What happens to earlier results in the same folder.
#[derive(Args, Clone, Debug)]
pub struct ResumeArguments {
    /// Forget what is already there
    #[arg(long)]
    pub fresh: bool,
    /// Make again what other revisions of the sources have made, instead of reusing it
    #[arg(long, conflicts_with = "fresh")]
    pub strict: bool,
}

impl ResumeArguments {
    /// What happens to earlier results.
    #[must_use]
    pub fn earlier(&self) -> Earlier {
        Earlier { fresh: self.fresh, strict: self.strict }
    }
}
