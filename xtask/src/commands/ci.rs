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
    for package in ["autodiff", "sbi", "full-field"] {
        cargo(&["check", "--release", "--package", package, "--no-default-features"], &[])?;
    }
    if has_deny() {
        cargo(&["deny", "check", "licenses", "advisories", "bans"], &[])?;
    } else {
        eprintln!("cargo-deny is not installed: licences and advisories are not checked");
    }
    cargo(&["doc", "--release", "--workspace", "--no-deps"], &[("RUSTDOCFLAGS", "-D warnings")])?;
    cargo(&["test", "--release", "--workspace"], &[])
}

/// Whether cargo-deny is installed.
fn has_deny() -> bool {
    let version = std::process::Command::new("cargo").args(["deny", "--version"]).output();
    version.is_ok_and(|output| output.status.success())
}
