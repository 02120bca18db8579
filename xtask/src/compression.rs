//! The study of compression: which loss makes the summaries that know most?
//!
//! After "Optimal neural summarization for full-field weak lensing cosmological implicit inference"
//! (arXiv:2407.10877). One network is trained with several losses on lognormal maps; one way of
//! inference, the same for all, makes a posterior of each set of summaries; the explicit full-field
//! posterior of the same observation says what could be known.
//!
//! `observation` -> `full-field` and `power-spectrum` -> `baselines`; where networks see statistics,
//! `statistics` of the maps for training and inference; for each loss and run `compressor` ->
//! `summaries` -> `posterior`, which reads `full-field`; `calibration`; for further observations
//! `full-field-k` and `power-spectrum-k`, which `further-k` compares all posteriors with -> report.

mod calibration;
mod figures;
mod further;
mod group;
mod infer;
mod input;
mod measured;
mod prepared;
mod profile;
mod report;
mod run;
mod several;
mod story;
mod tables;
mod train;

pub use input::CompressorInput;
pub use profile::Profile;
pub use report::{NAME, digest, write_report};
pub use run::run;
pub use train::{show_steps, train, with_fitting};
