//! `benchmark`: a study, end to end.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};
use flows::DeviceChoice;

use crate::cli::ResumeArguments;
use crate::study::{Seen, Shard, State, Study, Unfinished};
use crate::{compression, device, gradients, lensing};

/// Arguments of `benchmark`.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask benchmark                     about ten minutes on two cores\n  \
    cargo xtask benchmark --profile smoke     a minute, to see that everything works\n  \
    cargo xtask benchmark --study gradients   another study, twenty minutes on two cores\n  \
    cargo xtask benchmark --study compression  losses compared, half an hour on two cores\n  \
    cargo xtask benchmark --profile paper     hours; stop it and go on at will\n  \
    cargo xtask benchmark --profile paper --shard 0/8    an eighth of the long tasks\n\n\
    The study lies in results/STUDY-PROFILE: report.html, and every intermediate result under\n\
    tasks/. A run that was stopped, even killed, continues with the same command. Shards may run at\n\
    the same time, on machines that share the folder; the command without --shard makes what is\n\
    missing and writes the report.")]
pub struct Arguments {
    /// What to study
    #[arg(long, value_enum, default_value = "lensing")]
    study: StudyName,
    /// Size: smoke, laptop, paper or the path of a TOML file
    #[arg(long, default_value = "laptop", value_name = "NAME|FILE")]
    profile: String,
    /// Seed of everything random
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder of the study (default: results/STUDY-PROFILE)
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Device of the networks of --study compression: cpu, wgpu, or auto for a GPU if there is one
    #[arg(long, default_value = "cpu", value_name = "DEVICE")]
    device: DeviceChoice,
    /// Make only part I (from 0) of N of the long tasks, and no report
    #[arg(long, value_name = "I/N", conflicts_with = "fresh")]
    shard: Option<Shard>,
    /// List the tasks that are done and those that are missing
    #[arg(long, conflicts_with_all = ["shard", "fresh", "resume"])]
    status: bool,
    #[command(flatten)]
    resume: ResumeArguments,
}

/// The studies.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum StudyName {
    /// Full-field against power-spectrum inference for a simulated observation
    Lensing,
    /// Learning with the scores of the simulator: two moons and Lotka-Volterra (arXiv:2207.05636)
    Gradients,
    /// Networks that compress maps, trained with five losses (arXiv:2407.10877)
    Compression,
}

/// What a study that ran to the end leaves.
pub struct Finished {
    /// The report.
    pub report: PathBuf,
    /// Number of tasks.
    pub tasks: usize,
    /// Those of them that were found done.
    pub reused: usize,
}

/// Runs the command.
///
/// # Errors
/// If the profile makes no sense, a task fails, or the folder cannot be written.
pub fn run(arguments: &Arguments) -> Result<()> {
    let begun = Instant::now();
    ensure!(
        arguments.study == StudyName::Compression || arguments.device == DeviceChoice::Cpu,
        "--device has no use without --study compression: the other studies run on the processor"
    );
    match arguments.study {
        StudyName::Lensing => {
            let profile = lensing::Profile::load(&arguments.profile)?;
            let (folder, study) = arguments.open(&profile.name)?;
            let ending = lensing::run(&study, &folder, &profile, arguments.seed);
            arguments.conclude(&folder, &study, ending, begun)
        }
        StudyName::Gradients => {
            let profile = gradients::Profile::load(&arguments.profile)?;
            let (folder, study) = arguments.open(&profile.name)?;
            let ending = gradients::run(&study, &folder, &profile, arguments.seed);
            arguments.conclude(&folder, &study, ending, begun)
        }
        StudyName::Compression => {
            let profile = compression::Profile::load(&arguments.profile)?;
            device::require_program(arguments.device)?;
            let (folder, study) = arguments.open(&profile.name)?;
            let (choice, seed) = (arguments.device, arguments.seed);
            let ending = compression::run(&study, &folder, &profile, choice, seed);
            arguments.conclude(&folder, &study, ending, begun)
        }
    }
}

impl Arguments {
    /// The folder of the study, opened as the arguments ask.
    fn open(&self, profile: &str) -> Result<(PathBuf, Study)> {
        let study = self.study.to_possible_value();
        let study = study.as_ref().map_or("study", |value| value.get_name());
        let folder = self
            .out
            .clone()
            .unwrap_or_else(|| Path::new("results").join(format!("{study}-{profile}")));
        let study = match self.shard {
            _ if self.status => Study::look_into(&folder),
            Some(shard) => Study::open_shard(&folder, shard)?,
            None => Study::open(&folder, self.resume.fresh)?,
        };
        Ok((folder, study))
    }

    /// Says what there is now.
    fn conclude(
        &self,
        folder: &Path,
        study: &Study,
        ending: Result<Option<Finished>>,
        begun: Instant,
    ) -> Result<()> {
        let seen = study.seen();
        if self.status {
            let finished = match ending {
                Ok(_) => true,
                Err(error) if error.is::<Unfinished>() => false,
                Err(error) => return Err(error),
            };
            print!("{}", listing(folder, &seen, finished));
        } else if let Some(Finished { report, tasks, reused }) = ending? {
            eprintln!(
                "report: {} ({:.0} s, {reused} of {tasks} tasks found done)",
                report.display(),
                begun.elapsed().as_secs_f64()
            );
        } else if let Some(shard) = self.shard {
            eprintln!("shard {shard} is done. {}", what_is_missing(&seen));
        }
        Ok(())
    }
}

/// The tasks of a study, a line each.
fn listing(folder: &Path, seen: &[Seen], finished: bool) -> String {
    let mut text = format!("{}\n", folder.display());
    for Seen { name, state } in seen {
        let line = match state {
            State::Done(seconds) => format!("  done    {seconds:>9.1} s  {name}\n"),
            State::Begun => format!("  begun                {name}\n"),
            State::Missing => format!("  missing              {name}\n"),
        };
        text.push_str(&line);
    }
    text.push_str(match finished {
        true => "all tasks are done\n",
        false => "tasks that read missing results are not listed\n",
    });
    text
}

/// Names listed at most.
const NAMED: usize = 10;

/// What other shards have yet to do.
fn what_is_missing(seen: &[Seen]) -> String {
    let missing: Vec<&str> = seen
        .iter()
        .filter(|task| !matches!(task.state, State::Done(_)))
        .map(|task| task.name.as_str())
        .collect();
    if missing.is_empty() {
        return "All long tasks are done: the command without --shard writes the report.".into();
    }
    let named = missing[..missing.len().min(NAMED)].join(", ");
    let rest = match missing.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "Of {} tasks {} are missing: {named}{rest}. When the other shards are done, the command \
         without --shard writes the report.",
        seen.len(),
        missing.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(name: &str, state: State) -> Seen {
        Seen { name: name.into(), state }
    }

    #[test]
    fn what_is_missing_is_named_but_not_without_end() {
        let mut seen = vec![task("a", State::Done(1.0))];
        assert!(what_is_missing(&seen).contains("All long tasks are done"));
        seen.push(task("b", State::Begun));
        seen.extend((0..20).map(|i| task(&format!("c{i}"), State::Missing)));
        let text = what_is_missing(&seen);
        assert!(text.starts_with("Of 22 tasks 21 are missing: b, c0, "), "{text}");
        assert!(text.contains("c8 and 11 more") && !text.contains("c9"), "{text}");
    }

    #[test]
    fn the_listing_has_a_line_for_each_task() {
        let seen = [task("a", State::Done(12.34)), task("b", State::Begun)];
        let text = listing(Path::new("results/x"), &seen, false);
        assert_eq!(
            text,
            "results/x\n  done         12.3 s  a\n  begun                b\n\
             tasks that read missing results are not listed\n"
        );
    }
}
