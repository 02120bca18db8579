//! Tells the program which sources it is made from, by a hash of their contents, which knows
//! uncommitted changes and does not depend on whether there is a repository.

use std::fs;
use std::path::{Path, PathBuf};

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = vec![root.join("Cargo.lock"), root.join("Cargo.toml")];
    for folder in ["crates", "xtask/src", "data"] {
        println!("cargo::rerun-if-changed=../{folder}");
        collect(&root.join(folder), &mut files);
    }
    println!("cargo::rerun-if-changed=../Cargo.lock");
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
