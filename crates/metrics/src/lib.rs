#![doc = include_str!("../README.md")]

pub mod any_float;
mod c2st;
mod calibration;
mod classifier;
mod convergence;
mod distributions;
mod error;
mod figure_of_merit;
mod fixed;
mod float;
mod log_probability;
mod matrix_product;
mod mmd;
mod moments;
mod normal_quantile;
mod p_value;
mod points;
mod predictive;
mod progress;
mod quantile;
mod samples;
mod streams;
mod summary;
mod unit;

pub use c2st::{C2st, C2stConfig, C2stNull, c2st, c2st_null};
pub use calibration::{
    CalibrationSet, CentralCoverage, Coverage, CoverageConfig, EcdfBand, ParameterCoverage,
    ParameterRanks, RankHistogram, Sbc, SbcConfig, Tarp, TarpBootstrap, TarpConfig,
    central_coverage, expected_coverage, sbc, tarp,
};
pub use convergence::{
    ESS_LIMIT, R_HAT_LIMIT, ess_bulk, ess_mean, ess_quantile, ess_tail, mcse_mean, mcse_sd, r_hat,
};
pub use error::{Error, Result};
pub use figure_of_merit::{FigureOfMerit, figure_of_merit};
pub use fixed::FixedColumn;
pub use log_probability::{NegativeLogProbability, NonFinite, negative_log_probability};
pub use mmd::{Mmd, MmdConfig, MmdNull, mmd};
pub use moments::{correlation, covariance, mean, variance};
pub use normal_quantile::normal_quantile;
pub use p_value::PValue;
pub use predictive::{
    MahalanobisCheck, PredictiveCheck, Replications, discrepancy_check, mahalanobis_check,
    predictive_check,
};
pub use progress::Progress;
pub use samples::Samples;
pub use summary::{Doubt, ParameterSummary, summarise, summarise_parameter};
