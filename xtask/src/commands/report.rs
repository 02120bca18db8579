//! report
use anyhow::Result;
use clap::Args;
/// Arguments.
#[derive(Args)]
pub struct Arguments {}
/// Runs the command.
///
/// # Errors
/// None.
pub fn run(_arguments: &Arguments) -> Result<()> {
    Ok(())
}
