//! The rules of the house that can be checked by reading the tree.
//!
//! A rule is a function from a file to what is wrong with it. Rules about source code look at the
//! code alone: comments and test modules (which close a file) may print and name what they like.

mod manifests;
mod prose;
mod source;
mod tree;

use std::path::Path;

use anyhow::Result;

use tree::{SourceFile, read_tree};

/// Everything that is wrong with the tree at `root`, one line each, sorted by place.
///
/// # Errors
/// If the tree cannot be read.
pub fn check(root: &Path) -> Result<Vec<String>> {
    let files = read_tree(root)?;
    let mut problems = Vec::new();
    for file in &files {
        match file.extension() {
            "rs" => source::check(file, &mut problems),
            "md" => prose::check(file, &files, root, &mut problems),
            _ if file.path.ends_with("Cargo.toml") => {
                manifests::check(file, &files, &mut problems)?;
            }
            _ => {}
        }
        prose::forbidden_words(file, &mut problems);
    }
    problems.sort();
    Ok(problems)
}

#[cfg(test)]
mod tests;
