//! All studies in turn, and the page that tells them together.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;

use super::studies::{Loaded, StudyName};
use super::{Arguments, conclude};
use crate::files::{require_writable_folder, write_text};
use crate::machine::machine;
use crate::report::{Report, Section};
use crate::study::FileLock;

/// What has become of a study.
enum State {
    /// It is finished.
    Done,
    /// It failed, for this reason.
    Failed(String),
    /// Its turn has not come.
    Waiting,
}

/// Runs every study in its folder below `parent`, and writes one page on all of them after each; a
/// study that fails stops no other.
///
/// # Errors
/// If a profile makes no sense, the folder cannot be written, or, in the end, if a study failed.
pub fn run_all(arguments: &Arguments) -> Result<()> {
    ensure!(
        arguments.shard.is_none(),
        "--shard divides the tasks of one study: give --study with it"
    );
    let parent = arguments.out.clone().unwrap_or_else(|| PathBuf::from("results"));
    let studies = StudyName::value_variants()
        .iter()
        .map(|&study| Loaded::new(study, &arguments.profile))
        .collect::<Result<Vec<_>>>()
        .context("without --study the profile is smoke, laptop or paper")?;
    if arguments.status {
        for study in &studies {
            let folder = parent.join(study.folder_name());
            conclude(arguments, study, &folder)?;
        }
        return Ok(());
    }
    let folder = parent.join(format!("all-{}", arguments.profile));
    require_writable_folder(&folder)?;
    let _lock = FileLock::alone(&folder)?;
    let mut states: Vec<State> = studies.iter().map(|_| State::Waiting).collect();
    let mut page = PathBuf::new();
    for (place, study) in studies.iter().enumerate() {
        let own = parent.join(study.folder_name());
        eprintln!("study {} ({} of {})", study.study.name(), place + 1, studies.len());
        states[place] = match conclude(arguments, study, &own) {
            Ok(()) => State::Done,
            Err(error) => {
                eprintln!("study {} failed: {error:#}", study.study.name());
                State::Failed(format!("{error:#}"))
            }
        };
        page = write_page(&folder, arguments, &studies, &states)?;
    }
    eprintln!("all studies: {}", page.display());
    let failed: Vec<&str> = studies
        .iter()
        .zip(&states)
        .filter(|(_, state)| matches!(state, State::Failed(_)))
        .map(|(study, _)| study.study.name())
        .collect();
    if !failed.is_empty() {
        bail!("of {} studies {} failed: {}", studies.len(), failed.len(), failed.join(", "));
    }
    Ok(())
}

/// Writes the page on all studies.
fn write_page(
    folder: &Path,
    arguments: &Arguments,
    studies: &[Loaded],
    states: &[State],
) -> Result<PathBuf> {
    let sections = studies.iter().zip(states).map(|(study, state)| {
        section(study.study, &format!("../{}", study.folder_name()), folder, state)
    });
    let report = Report {
        title: "Full-field inference for weak lensing: all studies".into(),
        subtitle: "Each study's question, its answer from its own results, and its key figure or \
                   table"
            .into(),
        facts: vec![
            ("profile".into(), arguments.profile.clone()),
            ("seed".into(), arguments.seed.to_string()),
            ("version".into(), env!("CARGO_PKG_VERSION").into()),
            ("machine".into(), machine()),
        ],
        sections: sections.collect(),
        references: Vec::new(),
    };
    let path = folder.join("report.html");
    write_text(&path, &report.html())?;
    Ok(path)
}

/// A study on the page; `relative` is the path of its folder from the page.
fn section(study: StudyName, relative: &str, folder: &Path, state: &State) -> Section {
    let link = Some(("the whole report".to_owned(), format!("{relative}/report.html")));
    let own = match state {
        State::Waiting => {
            Section { paragraphs: vec!["This study has not run yet.".into()], ..Section::default() }
        }
        State::Failed(reason) => {
            Section { warnings: vec![format!("This study failed: {reason}")], ..Section::default() }
        }
        State::Done => match study.digest(&folder.join(relative)) {
            Ok(digest) => Section { link, ..digest },
            Err(error) => Section {
                link,
                warnings: vec![format!("Its results cannot be told in short: {error:#}")],
                ..Section::default()
            },
        },
    };
    Section { heading: study.title().into(), ..own }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_study_that_failed_is_told_with_its_reason() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let of =
            |state: &State| section(StudyName::Gradients, "../gradients-x", folder.path(), state);
        let failed = of(&State::Failed("no space <left>".into()));
        assert!(failed.warnings[0].contains("no space <left>") && failed.link.is_none());
        assert_eq!(failed.heading, StudyName::Gradients.title());
        assert!(of(&State::Waiting).paragraphs[0].contains("not run yet"));
        let lost = of(&State::Done);
        assert!(lost.warnings[0].contains("study.json") && lost.link.is_some(), "{lost:?}");
        Ok(())
    }
}
