//! All studies in turn, and the page that tells them together.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::studies::{Loaded, StudyName};
use super::{Arguments, conclude};
use crate::files::{require_writable_folder, write_json, write_text};
use crate::machine::machine;
use crate::products::{PRODUCTS, REPORT};
use crate::report::{Report, Section};
use crate::study::STUDY;
use crate::study::{FileLock, begin_run};

/// Name of the page in its file.
pub const NAME: &str = "all";

/// What the page is drawn from; kept as `study.json` beside it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PageInputs {
    /// [`NAME`].
    study: String,
    /// What identifies the run.
    facts: Vec<(String, String)>,
    /// The studies in their order.
    entries: Vec<Entry>,
}

/// A study on the page.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    study: StudyName,
    /// Its folder, seen from that of the page.
    folder: PathBuf,
    state: State,
}

/// What has become of a study.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    /// It is finished.
    Done,
    /// It failed, for this reason.
    Failed(String),
    /// Its turn has not come.
    Waiting,
}

/// Runs every study in its folder below that of the arguments, and writes one page on all of them
/// after each; a study that fails stops no other.
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
        let mut folders = studies.iter().map(|study| (study, parent.join(study.folder_name())));
        return folders.try_for_each(|(study, folder)| conclude(arguments, study, &folder));
    }
    let folder = parent.join(format!("{NAME}-{}", arguments.profile));
    require_writable_folder(&folder)?;
    let _lock = FileLock::alone(&folder)?;
    begin_run(&folder, &(NAME, &arguments.profile, arguments.seed), &PRODUCTS)?;
    let mut inputs = PageInputs {
        study: NAME.to_owned(),
        facts: vec![
            ("profile".into(), arguments.profile.clone()),
            ("seed".into(), arguments.seed.to_string()),
            ("version".into(), env!("CARGO_PKG_VERSION").into()),
            ("machine".into(), machine()),
        ],
        entries: studies
            .iter()
            .map(|study| Entry {
                study: study.study,
                folder: Path::new("..").join(study.folder_name()),
                state: State::Waiting,
            })
            .collect(),
    };
    for (place, study) in studies.iter().enumerate() {
        let name = study.study.name();
        eprintln!("study {name} ({} of {})", place + 1, studies.len());
        inputs.entries[place].state =
            match conclude(arguments, study, &parent.join(study.folder_name())) {
                Ok(()) => State::Done,
                Err(error) => {
                    eprintln!("study {name} failed: {error:#}");
                    State::Failed(format!("{error:#}"))
                }
            };
        write_json(&folder.join(STUDY), &inputs)?;
        write_page(&folder, &inputs)?;
    }
    eprintln!("all studies: {}", folder.join(REPORT).display());
    let failed: Vec<&str> = inputs
        .entries
        .iter()
        .filter(|entry| matches!(entry.state, State::Failed(_)))
        .map(|entry| entry.study.name())
        .collect();
    if !failed.is_empty() {
        bail!("{} of {} studies failed: {}", failed.len(), studies.len(), failed.join(", "));
    }
    Ok(())
}

/// Draws the page on all studies, `report.html` in `folder`.
///
/// # Errors
/// If the page cannot be written.
pub fn write_page(folder: &Path, inputs: &PageInputs) -> Result<PathBuf> {
    let report = Report {
        title: "Full-field inference for weak lensing: all studies".into(),
        subtitle:
            "Of each study the question, the answer from its own results, and the key figure \
                   or table"
                .into(),
        facts: inputs.facts.clone(),
        sections: inputs.entries.iter().map(|entry| section(folder, entry)).collect(),
        references: Vec::new(),
    };
    let path = folder.join("report.html");
    write_text(&path, &report.html())?;
    Ok(path)
}

/// A study on the page in `folder`.
fn section(folder: &Path, entry: &Entry) -> Section {
    let Entry { study, folder: own, state } = entry;
    let link = Some(("The whole report".to_owned(), format!("{}/report.html", own.display())));
    let found = match state {
        State::Waiting => {
            Section { paragraphs: vec!["This study has not run yet.".into()], ..Section::default() }
        }
        State::Failed(reason) => {
            Section { warnings: vec![format!("This study failed: {reason}")], ..Section::default() }
        }
        State::Done => match study.digest(&folder.join(own)) {
            Ok(digest) => Section { link, ..digest },
            Err(error) => Section {
                link,
                warnings: vec![format!("Its results cannot be told in short: {error:#}")],
                ..Section::default()
            },
        },
    };
    Section { heading: study.title().into(), ..found }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_study_that_failed_is_told_with_its_reason() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let of = |state: State| {
            let (study, own) = (StudyName::Gradients, PathBuf::from("../gradients-x"));
            section(folder.path(), &Entry { study, folder: own, state })
        };
        let failed = of(State::Failed("no space <left>".into()));
        assert!(failed.warnings[0].contains("no space <left>") && failed.link.is_none());
        assert_eq!(failed.heading, StudyName::Gradients.title());
        assert!(of(State::Waiting).paragraphs[0].contains("not run yet"));
        let lost = of(State::Done);
        assert!(lost.warnings[0].contains("study.json") && lost.link.is_some(), "{lost:?}");
        Ok(())
    }
}
