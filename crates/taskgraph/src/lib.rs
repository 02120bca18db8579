#![doc = include_str!("../README.md")]

mod checkpoint;
mod error;
pub mod files;
mod lock;
mod manifest;
mod observer;
mod program;
mod seed;
mod shard;
mod stage;
mod study;
mod workspace;

pub use error::{BoxError, Error, Result, chain};
pub use lock::FileLock;
pub use manifest::{FileRecord, Manifest};
pub use observer::{Bar, Observer, Silent};
pub use program::{Program, Runner};
pub use seed::derive_seed;
pub use shard::Shard;
pub use stage::{Crew, Planned};
pub use study::{Output, Seen, State, Study, begin_run};
pub use workspace::Workspace;
