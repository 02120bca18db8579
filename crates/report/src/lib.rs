#![doc = include_str!("../README.md")]

mod html;
pub mod plot;
pub mod references;
pub mod summary;
pub mod words;

pub use references::Reference;

use crate::plot::error::PlotError;

/// A whole report.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Title of the study.
    pub title: String,
    /// A sentence below the title.
    pub subtitle: String,
    /// What identifies the run: date, seed, version, revision, survey, machine.
    pub facts: Vec<(String, String)>,
    /// The body.
    pub sections: Vec<Section>,
    /// Literature that the run used.
    pub references: Vec<Reference>,
}

/// A section of a report; its parts are set in the order of the fields.
#[derive(Debug, Clone, Default)]
pub struct Section {
    /// Heading.
    pub heading: String,
    /// A page with more: its name, and its path relative to the report.
    pub link: Option<(String, String)>,
    /// Text, one entry per paragraph.
    pub paragraphs: Vec<String>,
    /// What the reader should beware of.
    pub warnings: Vec<String>,
    /// Judgements of diagnostics.
    pub verdicts: Vec<Verdict>,
    /// Figures.
    pub figures: Vec<Figure>,
    /// Tables.
    pub tables: Vec<Table>,
}

/// A figure with its caption.
#[derive(Debug, Clone)]
pub struct Figure {
    /// The drawing as SVG. What cannot be drawn costs nobody the rest of the report: the reason
    /// stands in its place.
    pub drawing: Result<String, PlotError>,
    /// What it shows.
    pub caption: String,
}

/// A table; the first column holds names, the others numbers.
#[derive(Debug, Clone, Default)]
pub struct Table {
    /// What it shows.
    pub caption: String,
    /// Heads of the columns.
    pub columns: Vec<String>,
    /// Cells, row by row.
    pub rows: Vec<Vec<String>>,
}

/// How well a check turned out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// As it should be.
    Good,
    /// Usable with care.
    Doubtful,
    /// Not to be relied on.
    Bad,
}

/// The outcome of a check in one line.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// How well it turned out.
    pub grade: Grade,
    /// The finding, with its numbers.
    pub text: String,
}
