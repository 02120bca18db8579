//! Rules about packages: who imports whom, and what each must have.

use anyhow::{Context, Result};

use super::SourceFile;

/// The libraries and the siblings each may import.
const IMPORTS: &[(&str, &[&str])] = &[
    ("linalg", &[]),
    ("report", &[]),
    ("taskgraph", &[]),
    ("autodiff", &[]),
    ("lognormal-sim", &["autodiff"]),
    ("flows", &["autodiff"]),
    ("compression", &["flows", "linalg"]),
    ("sbi", &["autodiff", "flows", "hmc", "linalg", "metrics"]),
    (
        "full-field",
        &["compression", "hmc", "linalg", "lognormal-sim", "metrics", "sbi", "taskgraph"],
    ),
    ("hmc", &["linalg"]),
    ("metrics", &["linalg"]),
];

/// The library that may lift the ban on unsafe code in single modules: routines with the interface
/// of LAPACK. It repeats the other lints of the workspace.
const UNSAFE: &str = "linalg";

/// Applies all rules to a `Cargo.toml`.
pub fn check(file: &SourceFile, files: &[SourceFile], problems: &mut Vec<String>) -> Result<()> {
    let manifest: toml::Table =
        file.text.parse().with_context(|| format!("{} is not TOML", file.path))?;
    let Some(package) = manifest.get("package").and_then(toml::Value::as_table) else {
        return Ok(());
    };
    let mut problem = |text: String| problems.push(format!("{}: {text}", file.path));
    for field in ["license", "description", "edition", "rust-version"] {
        if !package.contains_key(field) {
            problem(format!("the package has no {field}"));
        }
    }
    let lints = manifest.get("lints");
    if file.library() == Some(UNSAFE) {
        let level = lints.and_then(|lints| lints.get("rust")?.get("unsafe_code")?.as_str());
        if level != Some("deny") {
            problem("[lints.rust] unsafe_code = \"deny\" is missing".into());
        }
    } else if lints.and_then(|lints| lints.get("workspace")).is_none() {
        problem("[lints] workspace = true is missing".into());
    }
    let Some(library) = file.library() else { return Ok(()) };
    if package.get("name").and_then(toml::Value::as_str) != Some(library) {
        problem("a crate has the name of its folder".into());
    }
    let readme = format!("crates/{library}/README.md");
    if !files.iter().any(|other| other.path == readme) {
        problem("the crate has no README.md".into());
    }
    let Some((_, allowed)) = IMPORTS.iter().find(|(name, _)| *name == library) else {
        problem(format!("'{library}' is not in the picture of ARCHITECTURE.md"));
        return Ok(());
    };
    let dependencies = manifest.get("dependencies").and_then(toml::Value::as_table);
    for name in dependencies.into_iter().flat_map(toml::Table::keys) {
        let sibling = IMPORTS.iter().any(|(other, _)| other == name);
        if sibling && !allowed.contains(&name.as_str()) {
            problem(format!("{library} must not import {name}"));
        }
        if name == "anyhow" {
            problem("a library has a typed error of its own, not anyhow".into());
        }
    }
    Ok(())
}
