#![doc = include_str!("../README.md")]

mod activation;
pub mod autoregressive;
pub mod bijector;
mod config;
pub mod coupling;
mod error;
mod file;
mod flow;
mod mlp;
mod permutation;
mod standardiser;
pub mod training;
mod transform;
mod weights;

pub use activation::Activation;
pub use autodiff::tensor::{DeviceChoice, DeviceError, Tape, Var, open_device};
#[doc(inline)]
pub use bijector::Bijector;
pub use config::{Base, FlowConfig, InitialWeights, NetworkInputs, Permutation, Structure};
pub use error::{Error, Result};
pub use file::{FlowDescription, WeightFile};
pub use flow::{Flow, Score};
pub use mlp::{Mlp, MlpConfig};
pub use standardiser::{Scaling, Standardiser};
pub use transform::Transform;
pub use weights::{Weight, load_weights, named_weights};
