//! `benchmark`: a study end to end, or all of them.

pub mod all;
mod studies;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Result, ensure};
use clap::Args;
use flows::DeviceChoice;

use crate::cli::ResumeArguments;
use crate::device;
use crate::study::{Error, Finished, Seen, Shard, State, Study};
use studies::{Loaded, StudyName};

/// Arguments of `benchmark`.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask benchmark                     all studies, two hours on two cores; the first report\n  \
                                              after ten minutes\n  \
    cargo xtask benchmark --profile smoke     all of them, tiny: ten minutes\n  \
    cargo xtask benchmark --study lensing     one study: ten minutes on two cores\n  \
    cargo xtask benchmark --study gradients   twenty minutes\n  \
    cargo xtask benchmark --study compression    losses compared, half an hour\n  \
    cargo xtask benchmark --study inference   methods compared, three quarters of an hour\n  \
    cargo xtask benchmark --study lensing --profile paper     hours; stop it and go on at will\n  \
    cargo xtask benchmark --study inference --profile paper --shard 0/8    an eighth of the long tasks\n\n\
    A study lies in results/STUDY-PROFILE: report.html, and every intermediate result under tasks/;\n\
    the page on all studies is results/all-PROFILE/report.html. A run that was stopped, even killed,\n\
    continues with the same command. Shards may run at the same time, on machines that share the\n\
    folder; the command without --shard makes what is missing and writes the report.")]
pub struct Arguments {
    /// What to study [default: all studies, one after the other]
    #[arg(long, value_enum)]
    study: Option<StudyName>,
    /// Size: smoke, laptop, paper or, of one study, the path of a TOML file
    #[arg(long, default_value = "laptop", value_name = "NAME|FILE")]
    profile: String,
    /// Seed of everything random
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder of the study (default: results/STUDY-PROFILE); without --study the folder of the
    /// folders of all studies (default: results)
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Device of the networks of --study compression and --study inference: cpu, wgpu, or auto for a
    /// GPU if there is one
    #[arg(long, default_value = "cpu", value_name = "DEVICE")]
    device: DeviceChoice,
    /// Make only part I (from 0) of N of the long tasks, and no report
    #[arg(long, value_name = "I/N", conflicts_with = "fresh")]
    shard: Option<Shard>,
    /// List the tasks that are done and those that are missing
    #[arg(long, conflicts_with_all = ["shard", "fresh"])]
    status: bool,
    #[command(flatten)]
    resume: ResumeArguments,
}

/// Runs the command.
///
/// # Errors
/// If the profile makes no sense, a task fails, or the folder cannot be written.
pub fn run(arguments: &Arguments) -> Result<()> {
    ensure!(
        arguments.device == DeviceChoice::Cpu
            || arguments.study.is_some_and(StudyName::uses_device),
        "--device has no use without --study compression or --study inference: the other studies \
         run on the processor"
    );
    let Some(study) = arguments.study else { return all::run_all(arguments) };
    let study = Loaded::new(study, &arguments.profile)?;
    if !arguments.status {
        device::require_program(arguments.device)?;
    }
    let folder =
        arguments.out.clone().unwrap_or_else(|| Path::new("results").join(study.folder_name()));
    conclude(arguments, &study, &folder)
}

/// Runs a study in its folder, as the arguments ask, and says what there is now.
fn conclude(arguments: &Arguments, loaded: &Loaded, folder: &Path) -> Result<()> {
    let begun = Instant::now();
    let study = open(arguments, folder)?;
    let ending = loaded.run(&study, folder, arguments.device, arguments.seed);
    let seen = study.seen();
    if arguments.status {
        let finished = match ending {
            Ok(_) => true,
            Err(error) if matches!(error.downcast_ref(), Some(Error::Unfinished)) => false,
            Err(error) => return Err(error),
        };
        print!("{}", listing(folder, &seen, finished));
    } else if let Some(Finished { report, tasks, reused }) = ending? {
        eprintln!(
            "report: {} ({:.0} s, {reused} of {tasks} tasks found done)",
            report.display(),
            begun.elapsed().as_secs_f64()
        );
    } else if let Some(shard) = arguments.shard {
        eprintln!("shard {shard} is done. {}", what_is_missing(&seen));
    }
    Ok(())
}

/// The folder of a study, opened as the arguments ask.
fn open(arguments: &Arguments, folder: &Path) -> Result<Study> {
    Ok(match arguments.shard {
        _ if arguments.status => Study::look_into(folder),
        Some(shard) => Study::open_shard(folder, shard, arguments.resume.strict)?,
        None => Study::open(folder, arguments.resume.earlier())?,
    })
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
