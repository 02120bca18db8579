//! `ci`: every check, cheapest first.

use anyhow::Result;

use super::test::cargo;

/// Runs every check and stops at the first that fails.
///
/// # Errors
/// If a check fails.
pub fn run() -> Result<()> {
    super::tidy::run()?;
    cargo(&["fmt", "--all", "--check"], &[])?;
    cargo(&["clippy", "--release", "--workspace", "--all-targets", "--", "-D", "warnings"], &[])?;
    cargo(&["doc", "--release", "--workspace", "--no-deps"], &[("RUSTDOCFLAGS", "-D warnings")])?;
    cargo(&["test", "--release", "--workspace"], &[])
}
