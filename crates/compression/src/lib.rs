#![doc = include_str!("../README.md")]

mod compressor;
mod error;
mod linear;
pub mod loss;
mod network;
mod neural;
mod score;
mod shape;
mod source;
mod spectrum;
mod training;

pub use compressor::{Chain, Compressor};
pub use error::{Error, Result, SourceError};
pub use flows::{DeviceChoice, DeviceError, open_device};
pub use loss::{DensityFamily, Loss};
pub use network::{
    BatchNorm, Network, NetworkConfig, Normalisation, Perceptron, PerceptronConfig, ResNet,
    ResNetConfig, SpectraConfig, Stage, Stem,
};
pub use neural::{Gaussian, NeuralCompressor};
pub use score::ScoreCompressor;
pub use shape::{MapShape, Maps};
pub use source::{FisherSource, MapSource, MemorySource, SummarySource};
pub use spectrum::{SpectrumCompressor, SpectrumConfig};
pub use training::{
    Augmentation, CurvePoint, NonFinite, Timing, TrainingEnd, TrainingProgress, TrainingReport,
    TrainingSettings, fit, train,
};
