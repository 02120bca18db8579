//! `cargo xtask`: the studies, the tools around the simulator, and the checks of the workspace.

mod arrays;
mod claim;
mod cli;
mod commands;
mod compression;
mod device;
mod files;
mod gradients;
mod inference;
mod input;
mod lensing;
mod literature;
mod machine;
mod map_fit;
mod products;
mod profiles;
mod progress;
mod published;
mod runs;
mod sampling;
mod score_noise;
mod study;
mod survey;
mod tidy;
mod trial;

use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;
use report::{self, plot};

/// Networks make and drop tensors of many kilobytes all the time. The allocator of glibc hands such
/// memory back to the system each time, which took half of the processor time of some trainings.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    match cli::Cli::parse().command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
