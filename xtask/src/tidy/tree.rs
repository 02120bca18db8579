//! The hand-written files of the tree.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Folders that hold nothing hand-written.
const SKIPPED: [&str; 3] = ["target", "results", ".git"];
/// Kinds of files that are read.
const READ: [&str; 4] = ["rs", "md", "toml", "sh"];

/// A text file of the tree.
pub struct SourceFile {
    /// Path from the root, with forward slashes.
    pub path: String,
    /// Content.
    pub text: String,
}

impl SourceFile {
    /// What follows the last dot of the name.
    pub fn extension(&self) -> &str {
        self.path.rsplit_once('.').map_or("", |(_, extension)| extension)
    }

    /// Name of the crate under `crates/` that the file belongs to.
    pub fn library(&self) -> Option<&str> {
        self.path.strip_prefix("crates/")?.split('/').next()
    }

    /// True for the code of a library, as opposed to its tests, benches and examples.
    pub fn is_library_source(&self) -> bool {
        let inside =
            self.library().and_then(|name| self.path.strip_prefix("crates/")?.strip_prefix(name));
        inside.is_some_and(|rest| rest.starts_with("/src/")) && !self.is_test()
    }

    /// True for a file that is compiled for tests only.
    pub fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }

    /// The lines of code, numbered from 1: comments and the closing test module left out.
    pub fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().zip(1..).map(|(line, number)| (number, line));
        lines
            .take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

/// Reads every hand-written text file below `root`.
pub fn read_tree(root: &Path) -> Result<Vec<SourceFile>> {
    let mut files = Vec::new();
    visit(root, "", &mut files)?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn visit(folder: &Path, prefix: &str, files: &mut Vec<SourceFile>) -> Result<()> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        if entry.file_type()?.is_dir() {
            if !SKIPPED.contains(&name.as_str()) {
                visit(&entry.path(), &format!("{path}/"), files)?;
            }
        } else if READ.iter().any(|kind| name.ends_with(&format!(".{kind}"))) {
            let text = fs::read_to_string(entry.path())
                .with_context(|| format!("{path} is not readable text"))?;
            files.push(SourceFile { path, text });
        }
    }
    Ok(())
}
