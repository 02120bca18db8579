//! The studies by their names, each with its profile.

use std::path::Path;

use anyhow::Result;
use clap::ValueEnum;
use flows::DeviceChoice;
use serde::{Deserialize, Serialize};

use crate::report::Section;
use crate::study::Finished;
use crate::study::Study;
use crate::{compression, gradients, inference, lensing};

/// The studies, in the order in which all of them run.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum StudyName {
    /// Full-field against power-spectrum inference for a simulated observation
    Lensing,
    /// Learning with the scores of the simulator: two moons and Lotka-Volterra (arXiv:2207.05636)
    Gradients,
    /// Networks that compress maps, trained with five losses (arXiv:2407.10877)
    Compression,
    /// Explicit and implicit full-field inference: which needs the fewest simulations?
    /// (arXiv:2409.17975)
    Inference,
}

impl StudyName {
    /// Its name on the command line and in paths.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lensing => "lensing",
            Self::Gradients => "gradients",
            Self::Compression => "compression",
            Self::Inference => "inference",
        }
    }

    /// What readers call it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Lensing => "Cosmology from a tomographic convergence map",
            Self::Gradients => "Do simulator gradients help?",
            Self::Compression => "Which summaries know most?",
            Self::Inference => "Which full-field method needs the fewest simulations?",
        }
    }

    /// Whether its networks can live on a GPU.
    pub fn uses_device(self) -> bool {
        matches!(self, Self::Compression | Self::Inference)
    }

    /// The study in short, from what it left in its folder.
    ///
    /// # Errors
    /// If it is not finished.
    pub fn digest(self, folder: &Path) -> Result<Section> {
        match self {
            Self::Lensing => lensing::digest(folder),
            Self::Gradients => gradients::digest(folder),
            Self::Compression => compression::digest(folder),
            Self::Inference => inference::digest(folder),
        }
    }
}

/// A study that is ready to run.
pub struct Loaded {
    /// Which.
    pub study: StudyName,
    profile: Profile,
}

/// The profile of a study.
enum Profile {
    Lensing(lensing::Profile),
    Gradients(gradients::Profile),
    Compression(Box<compression::Profile>),
    Inference(Box<inference::Profile>),
}

impl Loaded {
    /// A study with a profile by name, or from a TOML file.
    ///
    /// # Errors
    /// If there is no such profile, or it makes no sense.
    pub fn new(study: StudyName, name: &str) -> Result<Self> {
        let profile = match study {
            StudyName::Lensing => Profile::Lensing(lensing::Profile::load(name)?),
            StudyName::Gradients => Profile::Gradients(gradients::Profile::load(name)?),
            StudyName::Compression => {
                Profile::Compression(Box::new(compression::Profile::load(name)?))
            }
            StudyName::Inference => Profile::Inference(Box::new(inference::Profile::load(name)?)),
        };
        Ok(Self { study, profile })
    }

    /// Name of its folder: that of the study and that of the profile.
    pub fn folder_name(&self) -> String {
        let profile = match &self.profile {
            Profile::Lensing(profile) => &profile.name,
            Profile::Gradients(profile) => &profile.name,
            Profile::Compression(profile) => &profile.name,
            Profile::Inference(profile) => &profile.name,
        };
        format!("{}-{profile}", self.study.name())
    }

    /// Runs the study in its folder; a shard ends before the report, with nothing.
    ///
    /// # Errors
    /// Those of the study.
    pub fn run(
        &self,
        study: &Study,
        folder: &Path,
        device: DeviceChoice,
        seed: u64,
    ) -> Result<Option<Finished>> {
        match &self.profile {
            Profile::Lensing(profile) => lensing::run(study, folder, profile, seed),
            Profile::Gradients(profile) => gradients::run(study, folder, profile, seed),
            Profile::Compression(profile) => compression::run(study, folder, profile, device, seed),
            Profile::Inference(profile) => inference::run(study, folder, profile, device, seed),
        }
    }
}
