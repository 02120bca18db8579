//! Rules about Rust code.

use super::SourceFile;

/// Longest file that is still written, and read, by hand.
const MAX_LINES: usize = 800;

/// How a module says what it is for: in place, or with its README.
const OPENINGS: [&str; 2] = ["//!", "#![doc = include_str!"];

/// What a library must not contain, and why.
const FORBIDDEN_IN_LIBRARIES: [(&str, &str); 8] = [
    ("println!", "a library prints nothing: give progress to a callback"),
    ("print!", "a library prints nothing: give progress to a callback"),
    ("eprintln!", "a library prints nothing: give progress to a callback"),
    ("eprint!", "a library prints nothing: give progress to a callback"),
    ("dbg!", "a library prints nothing"),
    ("std::env", "a library reads no environment: take an argument"),
    ("indicatif", "a library draws no bars: give progress to a callback"),
    ("anyhow", "a library has a typed error of its own"),
];

/// Words of the field that the general-purpose libraries must not know.
const COSMOLOGY: [&str; 7] =
    ["cosmolog", "omega_c", "omega_m", "sigma_8", "convergence map", "lensing", "redshift"];
const GENERAL: [&str; 6] = ["flows", "sbi", "hmc", "linalg", "metrics", "autodiff"];

/// Applies all rules to a file.
pub fn check(file: &SourceFile, problems: &mut Vec<String>) {
    let path = &file.path;
    if !OPENINGS.iter().any(|opening| file.text.starts_with(opening)) {
        problems.push(format!("{path}:1: a module opens with //! and says what it is for"));
    }
    let lines = file.text.lines().count();
    if lines > MAX_LINES {
        problems.push(format!("{path}: {lines} lines; at most {MAX_LINES}, split it by idea"));
    }
    if path.ends_with("/utils.rs") || path.ends_with("/util.rs") || path.ends_with("/helpers.rs") {
        problems.push(format!("{path}: name the file after what it is for"));
    }
    for (number, line) in file.text.lines().zip(1..).map(|(line, number)| (number, line)) {
        if line.trim_start().starts_with(concat!("#[", "ignore")) {
            problems.push(format!("{path}:{number}: a test is never ignored"));
        }
    }
    if file.is_library_source() {
        library(file, problems);
    }
    let command = ["xtask/src/commands", "xtask/src/cli.rs", "xtask/src/main.rs"];
    if path.starts_with("xtask/src/") && !command.iter().any(|start| path.starts_with(start)) {
        for (number, line) in
            file.code().filter(|(_, line)| line.contains(concat!("crate::", "commands")))
        {
            let line = line.trim();
            problems.push(format!("{path}:{number}: {line}: studies know no command"));
        }
    }
}

fn library(file: &SourceFile, problems: &mut Vec<String>) {
    for (number, line) in file.code() {
        // One problem per line: `println!` also contains `print!`'s letters.
        let found = FORBIDDEN_IN_LIBRARIES.iter().find(|(word, _)| contains_word(line, word));
        if let Some((word, reason)) = found {
            problems.push(format!("{}:{number}: {word}: {reason}", file.path));
        }
    }
    if file.library().is_some_and(|name| GENERAL.contains(&name)) {
        for (number, line) in file.text.lines().zip(1..).map(|(line, number)| (number, line)) {
            let lower = line.to_lowercase();
            if let Some(word) = COSMOLOGY.iter().find(|word| lower.contains(**word)) {
                problems.push(format!(
                    "{}:{number}: '{word}': this library knows no cosmology",
                    file.path
                ));
            }
        }
    }
}

/// `word` with no letter, digit or underscore before it.
fn contains_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        !line[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_')
    })
}
