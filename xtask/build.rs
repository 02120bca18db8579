//! Tells the program which sources it is made from: their revision, for people, and their hash.
//!
//! The hash is of the contents of the sources alone, so that it knows uncommitted changes and does
//! not depend on whether there is a repository.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = vec![root.join("Cargo.lock"), root.join("Cargo.toml")];
    for folder in ["crates", "xtask/src", "data"] {
        println!("cargo::rerun-if-changed=../{folder}");
        collect(&root.join(folder), &mut files);
    }
    println!("cargo::rerun-if-changed=../Cargo.lock");
    println!("cargo::rerun-if-changed=../.git/logs/HEAD");
    files.sort();
    let mut hasher = blake3::Hasher::new();
    for file in &files {
        let name = file.strip_prefix(&root).unwrap_or(file).to_string_lossy().into_owned();
        let content = fs::read(file).unwrap_or_default();
        hasher.update(name.as_bytes()).update(&(content.len() as u64).to_le_bytes());
        hasher.update(&content);
    }
    let code = hasher.finalize().to_hex();
    println!("cargo::rustc-env=FULLFIELD_CODE={}", &code[..16]);
    println!("cargo::rustc-env=FULLFIELD_REVISION={}", revision(&root));
}

/// Adds the files below `folder` that results may depend on: code and data, not prose and tests.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            let unused = ["tests", "benches", "examples", "target"];
            if !unused.contains(&name.as_str()) {
                collect(&path, files);
            }
        } else if !name.starts_with('.') && !name.ends_with(".md") {
            files.push(path);
        }
    }
}

/// The revision of the repository, marked where files differ from it; empty without one.
fn revision(root: &Path) -> String {
    let git = |words: &[&str]| {
        let output = Command::new("git").arg("-C").arg(root).args(words).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(revision) = git(&["rev-parse", "--short=10", "HEAD"]) else { return String::new() };
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]);
    if changed.is_none_or(|list| !list.is_empty()) { revision + " with changes" } else { revision }
}
