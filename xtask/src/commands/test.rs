//! `test`: the tests of the workspace.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::machine::source_tree;

/// Arguments of `test`.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask test                      everything\n  \
    cargo xtask test shift                tests with 'shift' in their name\n  \
    cargo xtask test -p hmc -- --nocapture    one crate; after -- for the test programs\n\n\
    FULLFIELD_SLOW=1 adds the slow tests; FULLFIELD_PEER_DATA=DIR those that need published data.")]
pub struct Arguments {
    /// Test only this crate (may be repeated)
    #[arg(short, long, value_name = "CRATE")]
    package: Vec<String>,
    /// Part of the names of the tests to run
    filter: Option<String>,
    /// Passed to the test programs
    #[arg(last = true)]
    rest: Vec<String>,
}

/// Runs the tests, optimised as `cargo xtask` itself is, so that nothing is compiled twice.
///
/// # Errors
/// If a test fails.
pub fn run(arguments: &Arguments) -> Result<()> {
    let mut words = vec!["test", "--release"];
    if arguments.package.is_empty() {
        words.push("--workspace");
    }
    for package in &arguments.package {
        words.extend(["--package", package]);
    }
    words.extend(arguments.filter.as_deref());
    if !arguments.rest.is_empty() {
        words.push("--");
        words.extend(arguments.rest.iter().map(String::as_str));
    }
    cargo(&words, &[])
}

/// Runs cargo in the root of the source tree, showing the command.
///
/// # Errors
/// If it cannot be started or reports failure.
pub fn cargo(words: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let shown = words.join(" ");
    eprintln!("$ cargo {shown}");
    let status = Command::new(cargo)
        .args(words)
        .envs(environment.iter().copied())
        .current_dir(source_tree())
        .status()
        .with_context(|| format!("cannot start cargo {shown}"))?;
    ensure!(status.success(), "cargo {shown} failed");
    Ok(())
}
