//! Surveys: named, or from TOML files, with the tables that they look up.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use lognormal_sim::{ShiftConfig, ShiftTable, Simulator, Survey};
use serde::Serialize;

use crate::arrays::{parse_npy, require_finite};
use crate::input::Input;

/// A survey with all that it reads. Serialised, it is its identity: the survey itself and, if it
/// looks its lognormal shifts up, the hash of their table.
#[derive(Clone, Debug, Serialize)]
pub struct SurveyInput {
    #[serde(flatten)]
    survey: Survey,
    #[serde(skip_serializing_if = "Option::is_none")]
    shift_table: Option<Input<ShiftTable>>,
    /// The files that were read.
    #[serde(skip)]
    files: Vec<PathBuf>,
}

impl SurveyInput {
    /// A preset, or the survey of a TOML file; with its table of shifts, which must be given exactly
    /// when the survey looks them up.
    ///
    /// # Errors
    /// If there is no such preset or file, the survey makes no sense, or the table is missing,
    /// superfluous or unusable.
    pub fn load(name: &str, shift_table: Option<&Path>) -> Result<Self> {
        let path = Path::new(name);
        let (survey, mut files) = if path.extension().is_some() || path.is_file() {
            let survey = Survey::from_file(path)
                .with_context(|| format!("survey {} cannot be used", path.display()))?;
            (survey, files_of(path)?)
        } else {
            let survey = Survey::preset(name).with_context(|| {
                format!("--survey {name}: neither a preset nor an existing file")
            })?;
            (survey, Vec::new())
        };
        files.extend(shift_table.map(Path::to_path_buf));
        let shift_table = load_shift_table(&survey, shift_table)?;
        Ok(Self { survey, shift_table, files })
    }

    /// The survey itself.
    #[must_use]
    pub fn survey(&self) -> &Survey {
        &self.survey
    }

    /// The table of shifts, if the survey looks them up.
    #[must_use]
    pub fn shift_table(&self) -> Option<&ShiftTable> {
        self.shift_table.as_deref()
    }

    /// The files that were read.
    #[must_use]
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// The same area with `npix` pixels along a side, if that is given.
    ///
    /// # Errors
    /// If the number of pixels cannot be used.
    pub fn with_npix(self, npix: Option<usize>) -> Result<Self> {
        let Some(npix) = npix else { return Ok(self) };
        ensure!(npix % 2 == 0, "--npix {npix}: an even number of pixels along a side is needed");
        let survey = self.survey.with_npix(npix);
        survey.validate().with_context(|| format!("--npix {npix}"))?;
        Ok(Self { survey, ..self })
    }

    /// The simulator of the survey.
    ///
    /// # Errors
    /// If the survey makes no sense, or the table is for another number of bins.
    pub fn simulator(&self) -> Result<Simulator> {
        let survey = self.survey.clone();
        Ok(match self.shift_table() {
            Some(table) => Simulator::with_shift_table(survey, table.clone())?,
            None => Simulator::new(survey)?,
        })
    }
}

/// The TOML file of a survey and the table of n(z) that it may name.
fn files_of(path: &Path) -> Result<Vec<PathBuf>> {
    let toml: toml::Table = toml::from_str(&std::fs::read_to_string(path)?)?;
    let named = toml.get("sources").and_then(|sources| sources.get("path")?.as_str());
    let table = named.map(|named| path.parent().unwrap_or(Path::new("")).join(named));
    Ok([path.to_path_buf()].into_iter().chain(table).collect())
}

fn load_shift_table(survey: &Survey, path: Option<&Path>) -> Result<Option<Input<ShiftTable>>> {
    match (path, survey.shifts) {
        (None, ShiftConfig::Theory) => Ok(None),
        (Some(path), ShiftConfig::Table | ShiftConfig::AsPublished) => {
            let parse = |bytes: &[u8]| parse_shifts(bytes).context("not a usable table of shifts");
            Ok(Some(Input::read(path, parse)?))
        }
        (None, _) => bail!(
            "survey {} looks its lognormal shifts up: give the table with --shift-table",
            survey.name
        ),
        (Some(path), ShiftConfig::Theory) => bail!(
            "survey {} computes its lognormal shifts: --shift-table {} has no use (did you mean \
             --survey lsst_y10_as_published?)",
            survey.name,
            path.display()
        ),
    }
}

fn parse_shifts(bytes: &[u8]) -> Result<ShiftTable> {
    let array = parse_npy(bytes)?;
    require_finite(&array, "it")?;
    Ok(ShiftTable::from_array(&array.shape, &array.data)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_survey_that_reads_nothing_is_its_own_identity() -> Result<()> {
        let loaded = SurveyInput::load("lsst_y10", None)?;
        let survey = Survey::preset("lsst_y10")?;
        assert_eq!(serde_json::to_vec(&loaded)?, serde_json::to_vec(&survey)?);
        assert!(loaded.files().is_empty());
        Ok(())
    }
}
