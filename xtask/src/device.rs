//! The device that networks are on, and a program that can reach it.
//!
//! GPU support multiplies the time of the build by four, so that it is left out until it is asked
//! for: then the program builds itself again with it and goes on as that.

use std::ffi::OsString;
use std::process::Command;

use anyhow::{Context, Result};
use burn::tensor::Device;
use flows::{DeviceChoice, open_device};

use crate::machine::source_tree;
use crate::study::Crew;

/// Where a study trains its networks.
pub struct NetworkDevice {
    /// The device.
    pub device: Device,
    /// Its name in what results depend on: `cpu` or `wgpu`.
    pub name: &'static str,
    /// How many networks are trained at a time.
    pub crew: Crew,
}

impl NetworkDevice {
    /// Opens the device that was chosen.
    ///
    /// # Errors
    /// If there is none.
    pub fn open(choice: DeviceChoice) -> Result<Self> {
        let device = open_device(choice)?;
        Ok(if device == open_device(DeviceChoice::Cpu)? {
            Self { device, name: "cpu", crew: Crew::one_per_thread() }
        } else {
            // one network at a time keeps a graphics processor busy
            Self { device, name: "wgpu", crew: Crew::SideBySide(1) }
        })
    }
}

/// Goes on only in a program that can serve the choice. If this one cannot, it is built with GPU
/// support and started with the same arguments in place of this one, so that nothing may have been
/// begun before.
///
/// # Errors
/// If cargo cannot be started.
pub fn require_program(choice: DeviceChoice) -> Result<()> {
    if is_served(choice, cfg!(feature = "wgpu")) {
        return Ok(());
    }
    eprintln!(
        "building with GPU support (feature wgpu): the first time takes about 20 minutes of \
         processor time"
    );
    become_program(rebuilding(std::env::args_os().skip(1)))
}

/// True if a program with or without GPU support can serve the choice.
fn is_served(choice: DeviceChoice, gpu: bool) -> bool {
    gpu || choice == DeviceChoice::Cpu
}

/// The command that builds the program with GPU support and runs it.
fn rebuilding(arguments: impl Iterator<Item = OsString>) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["run", "--release", "--package", "xtask", "--features", "wgpu"]);
    command.arg("--manifest-path").arg(source_tree().join("Cargo.toml"));
    command.arg("--").args(arguments);
    command
}

/// Replaces this process.
#[cfg(unix)]
fn become_program(mut command: Command) -> Result<()> {
    use std::os::unix::process::CommandExt;
    Err(command.exec()).with_context(|| format!("cannot start {command:?}"))
}

/// Runs the other program to its end and ends as it does.
#[cfg(not(unix))]
fn become_program(mut command: Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    std::process::exit(status.code().unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_gpu_needs_another_program_and_only_once() {
        for (choice, without) in
            [(DeviceChoice::Cpu, true), (DeviceChoice::Wgpu, false), (DeviceChoice::Auto, false)]
        {
            assert_eq!(is_served(choice, false), without, "{choice:?}");
            assert!(is_served(choice, true), "{choice:?}");
        }
    }

    #[test]
    fn the_other_program_has_the_feature_and_the_same_arguments() {
        let words = ["task", "two-moons", "--device", "wgpu", "--out", "a b"];
        let command = rebuilding(words.iter().map(OsString::from));
        let arguments: Vec<String> =
            command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
        let at = arguments.iter().position(|word| word == "--").expect("a separator");
        assert!(arguments[..at].windows(2).any(|pair| pair == ["--features", "wgpu"]));
        assert!(arguments[..at].contains(&"--release".to_owned()));
        assert_eq!(arguments[at + 1..], words);
    }
}
