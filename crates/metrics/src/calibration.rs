//! Is a posterior as wide as it claims? Tests over many simulated observations of known truth.
//!
//! For truths from the prior, observations from the simulator and draws from the exact posterior,
//! truth and draws of one observation are exchangeable. So the rank of the truth among the L draws,
//! by any ordering that treats both alike, is uniform on 0..=L. The tests differ in the ordering:
//! by one parameter ([`sbc`](fn@sbc), [`central_coverage`]), by the posterior density
//! ([`expected_coverage`]), by the distance to a point ([`tarp`](fn@tarp)).

mod coverage;
mod ecdf_band;
mod histogram;
mod rank;
mod sbc;
mod set;
mod tarp;

pub use coverage::{
    CentralCoverage, Coverage, CoverageConfig, ParameterCoverage, central_coverage,
    expected_coverage,
};
pub use ecdf_band::EcdfBand;
pub use histogram::RankHistogram;
pub use sbc::{ParameterRanks, Sbc, SbcConfig, sbc};
pub use set::CalibrationSet;
pub use tarp::{Tarp, TarpBootstrap, TarpConfig, tarp};
