//! lognormal-sim

mod background;
mod cosmology;
mod ell_interpolation;
mod error;
mod growth;
mod halofit;
mod limber;
mod npy;
mod power;
mod quadrature;
mod redshift;
mod shift;
mod shift_table;
mod survey;
mod theory;
mod transfer;

pub use error::{Error, Result};
pub use npy::read_npy;
pub use redshift::{RedshiftDistribution, Smail, Sources};
pub use survey::{
    FieldKind, FieldVariance, Mixing, ShiftConfig, SourcesConfig, Survey,
};
pub use background::{
    HUBBLE_LENGTH, dark_energy_density, expansion_squared, hubble_rate, radial_distance,
    transverse_distance,
};
pub use cosmology::{Cosmology, PARAMETERS};
pub use ell_interpolation::EllInterpolation;
pub use growth::Growth;
pub use halofit::{Halofit, NonlinearScale};
pub use power::{MatterPower, PowerBasis};
pub use shift::lognormal_shift;
pub use shift_table::ShiftTable;
pub use theory::{Prediction, Theory};
pub use transfer::TransferFunction;
