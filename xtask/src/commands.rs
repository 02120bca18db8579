//! One file per command.

pub mod benchmark;
pub mod ci;
pub mod density;
pub mod posterior;
pub mod report;
pub mod scores;
pub mod simulate;
pub mod spectra;
pub mod task;
pub mod test;
pub mod tidy;
