#![doc = include_str!("../README.md")]

mod background;
mod band_power;
mod convergence;
mod cosine_transform;
mod cosmology;
mod density;
mod elementary;
mod ell_interpolation;
mod error;
mod field_power;
mod fields;
mod fourier;
mod growth;
mod halofit;
mod lanes;
mod limber;
mod lognormal_transform;
mod mixing;
mod modes;
mod npy;
mod one_point;
mod pixel;
mod pool;
mod power;
mod power_spectrum_likelihood;
mod quadrature;
mod redshift;
mod shift;
mod shift_table;
mod simulator;
mod small_matrix;
mod spaces;
mod survey;
mod theory;
mod transfer;
mod whitening;

pub use background::{
    HUBBLE_LENGTH, dark_energy_density, expansion_squared, hubble_rate, radial_distance,
    transverse_distance,
};
pub use band_power::{Band, BandPowers};
pub use cosmology::{Cosmology, PARAMETERS};
pub use density::{LatentDensity, LatentGradient, ScoredSimulation};
pub use ell_interpolation::EllInterpolation;
pub use error::{Error, Result};
pub use field_power::FieldPower;
pub use fields::Fields;
pub use fourier::{Fourier, FourierScratch};
pub use growth::Growth;
pub use halofit::{Halofit, NonlinearScale};
pub use mixing::MixingMatrices;
pub use modes::Modes;
pub use npy::read_npy;
pub use one_point::OnePoint;
pub use pixel::Pixel;
pub use power::{MatterPower, PowerBasis};
pub use power_spectrum_likelihood::{CovarianceChoice, PowerSpectrumLikelihood};
pub use redshift::{RedshiftDistribution, Smail, Sources};
pub use shift::lognormal_shift;
pub use shift_table::ShiftTable;
pub use simulator::{Randomness, Simulator};
pub use survey::{FieldKind, FieldVariance, Mixing, ShiftConfig, SourcesConfig, Survey};
pub use theory::{Prediction, Theory};
pub use transfer::TransferFunction;
pub use whitening::WhitenedDensity;
