//! What a network that makes summaries of maps sees of them.

use std::path::Path;

use ::compression::{
    Chain, Compressor, MapSource, NeuralCompressor, SummarySource, TrainingSettings,
};
use anyhow::{Result, ensure};
use burn::tensor::Device;
use lognormal_sim::Simulator;
use serde::{Deserialize, Serialize};

use super::train::read_network;
use full_field::SquareSpectra;

/// What a network that makes summaries sees.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum CompressorInput {
    /// The maps.
    #[default]
    Maps,
    /// [`SquareSpectra`].
    Spectra {
        /// Multipole bins.
        bands: usize,
        /// Examples made of each map, with different noise.
        #[serde(default = "one")]
        noises: u64,
    },
}

fn one() -> u64 {
    1
}

/// Maps to summaries, for any thread.
pub type Summaries = Box<dyn Compressor + Send + Sync>;

impl CompressorInput {
    /// Checks every field.
    ///
    /// # Errors
    /// If one is zero.
    pub fn validate(self) -> Result<()> {
        let Self::Spectra { bands, noises } = self else { return Ok(()) };
        ensure!(bands > 0, "input.spectra.bands must be at least 1");
        ensure!(noises > 0, "input.spectra.noises must be at least 1");
        Ok(())
    }

    /// Checks that a training validates on maps that it does not learn from.
    ///
    /// # Errors
    /// If examples of one map would be on both sides.
    pub fn validate_training(self, training: &TrainingSettings) -> Result<()> {
        let (noises, validation) = (self.noises(), training.validation);
        ensure!(
            validation.is_multiple_of(noises),
            "validation = {validation} must be a multiple of input.spectra.noises = {noises}: \
             otherwise examples of one map are learnt from and validated with"
        );
        Ok(())
    }

    /// Examples made of each map.
    #[must_use]
    pub fn noises(self) -> u64 {
        match self {
            Self::Maps => 1,
            Self::Spectra { noises, .. } => noises,
        }
    }

    /// The same with one example of each map.
    #[must_use]
    pub fn with_one_noise(self) -> Self {
        match self {
            Self::Maps => Self::Maps,
            Self::Spectra { bands, .. } => Self::Spectra { bands, noises: 1 },
        }
    }

    /// What the network sees of the maps of a source.
    ///
    /// # Errors
    /// If the maps have no such statistics.
    pub fn source<'a>(
        self,
        maps: &'a dyn MapSource,
        simulator: &Simulator,
    ) -> Result<Box<dyn MapSource + 'a>> {
        Ok(match self {
            Self::Maps => Box::new(maps),
            Self::Spectra { bands, noises } => {
                let statistics = SquareSpectra::new(simulator, bands)?;
                let source = SummarySource::new(maps, statistics)?;
                Box::new(source.with_noises(noises)?)
            }
        })
    }

    /// Reads the network that a training left in a folder, to be used on maps.
    ///
    /// # Errors
    /// If the file is missing or damaged, or the network does not fit the maps.
    pub fn read(self, folder: &Path, simulator: &Simulator, device: &Device) -> Result<Summaries> {
        self.before(read_network(folder, device)?, simulator)
    }

    /// A network, to be used on maps.
    ///
    /// # Errors
    /// If the network does not fit the maps.
    pub fn before(self, network: NeuralCompressor, simulator: &Simulator) -> Result<Summaries> {
        Ok(match self {
            Self::Maps => Box::new(network),
            Self::Spectra { bands, .. } => {
                Box::new(Chain::new(SquareSpectra::new(simulator, bands)?, network)?)
            }
        })
    }

    /// In words, for a report.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Maps => "the maps, as in the paper",
            Self::Spectra { .. } => {
                "spectra of the maps and of the squares of the Wiener-filtered maps (the paper's \
                 sees the maps themselves)"
            }
        }
    }

    /// Key of the literature that it is from, if it is not the maps.
    #[must_use]
    pub fn reference(self) -> Option<&'static str> {
        (self != Self::Maps).then_some("schmittfull2015")
    }
}
