//! lognormal-sim

mod error;
mod npy;
mod redshift;
mod survey;

pub use error::{Error, Result};
pub use npy::read_npy;
pub use redshift::{RedshiftDistribution, Smail, Sources};
pub use survey::{
    FieldKind, FieldVariance, Mixing, ShiftConfig, SourcesConfig, Survey,
};
