//! Rules about words: what documents name exists, and nothing is left unfinished.

use std::path::Path;

use super::SourceFile;

/// Marks of unfinished work, written apart so that this file does not hold them.
const FORBIDDEN: [&str; 6] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X:"),
    concat!("HA", "CK:"),
    concat!("to", "do!("),
    concat!("unimple", "mented!("),
];

/// Folders of the tree; a path in a document begins with one of them.
const FOLDERS: [&str; 7] = ["crates/", "xtask/", "benchmarks/", "data/", "tests/", "docs/", ".ci/"];

/// Checks that a document names only files that exist.
pub fn check(file: &SourceFile, files: &[SourceFile], root: &Path, problems: &mut Vec<String>) {
    let folder = Path::new(&file.path).parent().unwrap_or(Path::new(""));
    let exists = |path: &Path| root.join(path).exists();
    for (number, line) in file.text.lines().zip(1..).map(|(line, number)| (number, line)) {
        for target in links(line) {
            if !exists(&folder.join(target)) {
                problems.push(format!("{}:{number}: link to missing {target}", file.path));
            }
        }
        for name in quoted_paths(line) {
            let known = exists(Path::new(name))
                || exists(&folder.join(name))
                || files.iter().any(|other| other.path.ends_with(&format!("/{name}")));
            if !known {
                problems.push(format!("{}:{number}: names missing {name}", file.path));
            }
        }
    }
}

/// Targets of Markdown links within the tree.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .map(|target| target.split('#').next().unwrap_or(""))
        .filter(|target| !target.is_empty() && !target.contains("://"))
        .filter(|target| !target.starts_with("mailto:"))
}

/// Words in backquotes that are paths in the tree, not patterns and not commands.
fn quoted_paths(line: &str) -> impl Iterator<Item = &str> {
    line.split('`')
        .skip(1)
        .step_by(2)
        .filter(|word| FOLDERS.iter().any(|folder| word.starts_with(folder)))
        .filter(|word| !word.contains(|c: char| c.is_whitespace() || "*<>{}$…".contains(c)))
}

/// Checks that nothing is marked as unfinished.
pub fn forbidden_words(file: &SourceFile, problems: &mut Vec<String>) {
    for (line, number) in file.text.lines().zip(1..) {
        if let Some(word) = FORBIDDEN.iter().find(|word| line.contains(**word)) {
            problems.push(format!("{}:{number}: {word}: finish it or drop it", file.path));
        }
    }
}
