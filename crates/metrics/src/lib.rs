#![doc = include_str!("../README.md")]

mod c2st;
mod classifier;
mod convergence;
mod error;
mod figure_of_merit;
mod float;
mod matrix_product;
mod moments;
mod normal_quantile;
mod quantile;
mod samples;
mod summary;

pub use c2st::{C2st, C2stConfig, C2stNull, C2stProgress, c2st};
pub use convergence::{ess_bulk, ess_mean, ess_quantile, ess_tail, mcse_mean, mcse_sd, r_hat};
pub use error::{Error, Result};
pub use figure_of_merit::{FigureOfMerit, figure_of_merit};
pub use moments::{correlation, covariance, mean, variance};
pub use normal_quantile::normal_quantile;
pub use samples::Samples;
pub use summary::{ParameterSummary, summarise, summarise_parameter};
