//! How large the study is, and what it compares.

use ::compression::{Loss, NetworkConfig, NonFinite, TrainingSettings};
use anyhow::{Context, Result, ensure};
use sbi::NpeSettings;
use serde::{Deserialize, Serialize};

use super::further::FurtherProfile;
use super::input::CompressorInput;
use crate::lensing::C2stProfile;
use crate::profiles::{self, Profiles};
use crate::sampling::{Sampler, SamplerConfig};
use full_field::DIM;

/// The profiles that come with the program, smallest first.
const PROFILES: Profiles = [
    ("smoke", include_str!("../../../benchmarks/profiles/compression/smoke.toml")),
    ("laptop", include_str!("../../../benchmarks/profiles/compression/laptop.toml")),
    ("paper", include_str!("../../../benchmarks/profiles/compression/paper.toml")),
];

/// What no profile decides.
const DECIDED: [(&str, &str); 2] = [
    ("seed", "the seed of the study decides"),
    ("non_finite", "cosmologies without a map are left out and counted"),
];

/// Sizes of the steps of the study.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Name.
    pub name: String,
    /// Survey: a preset or a TOML file.
    pub survey: String,
    /// Prior: a preset or a TOML file.
    pub prior: String,
    /// Pixels along a side of the maps, over the survey's area.
    pub npix: usize,
    /// Independent trainings of the network with each loss.
    pub runs: usize,
    /// Multipole bins of the spectra whose posterior is learnt as well, without a network before;
    /// left out to leave it out.
    pub spectra: Option<usize>,
    /// Chains of the full-field posterior.
    pub full_field: SamplerConfig,
    /// Chains of the power-spectrum posterior.
    pub power_spectrum: SamplerConfig,
    /// What the network sees.
    #[serde(default)]
    pub input: CompressorInput,
    /// The network, the same for all losses.
    pub network: NetworkConfig,
    /// Its training, for losses that have none of their own.
    pub training: TrainingSettings,
    /// The losses.
    pub method: Vec<MethodProfile>,
    /// How posteriors are learnt from summaries.
    pub inference: InferenceProfile,
    /// Whether the posterior of one loss is calibrated.
    pub calibration: CalibrationProfile,
    /// The classifier that tells posteriors from the full-field one.
    pub c2st: C2stProfile,
    /// Further observations at the same parameters, for which all posteriors are compared; left out
    /// to leave them out.
    pub further: Option<FurtherProfile>,
}

/// A loss that the network is trained with.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MethodProfile {
    /// The loss.
    pub loss: Loss,
    /// Its training, where it differs from the common one.
    pub training: Option<TrainingSettings>,
}

/// How posteriors are learnt from summaries: the same for all.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct InferenceProfile {
    /// Simulations that are compressed and learnt from.
    pub simulations: u64,
    /// Fresh simulations of the mean negative log probability.
    pub held_out: u64,
    /// Trainings of the posterior for each compressor.
    pub repeats: usize,
    /// Draws of each posterior.
    pub draws: usize,
    /// Simulated observations over which Figures of Merit are averaged: the first of those held out.
    pub observations: usize,
    /// The posterior estimator.
    pub npe: NpeSettings,
}

/// Whether a posterior is calibrated, seen on fresh simulations.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationProfile {
    /// The loss.
    pub loss: LossKind,
    /// Simulated observations: the first of those held out.
    pub observations: usize,
    /// Draws of each of their posteriors.
    pub draws: usize,
}

/// A loss without its settings.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LossKind {
    /// [`Loss::Mse`].
    Mse,
    /// [`Loss::Mae`].
    Mae,
    /// [`Loss::Gnll`].
    Gnll,
    /// [`Loss::Vmim`].
    Vmim,
    /// [`Loss::Imnn`].
    Imnn,
}

impl LossKind {
    /// Key, for files and tables.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Mse => "mse",
            Self::Mae => "mae",
            Self::Gnll => "gnll",
            Self::Vmim => "vmim",
            Self::Imnn => "imnn",
        }
    }
}

/// Key of a loss, for files and tables.
#[must_use]
pub fn key(loss: &Loss) -> &'static str {
    let kind = match loss {
        Loss::Mse => LossKind::Mse,
        Loss::Mae => LossKind::Mae,
        Loss::Gnll { .. } => LossKind::Gnll,
        Loss::Vmim { .. } => LossKind::Vmim,
        Loss::Imnn { .. } => LossKind::Imnn,
    };
    kind.key()
}

impl Profile {
    /// A profile by name, or from a TOML file.
    ///
    /// # Errors
    /// If there is no such profile, or it has unknown fields or impossible sizes.
    pub fn load(name: &str) -> Result<Self> {
        profiles::load(name, &PROFILES, Self::from_toml)
    }

    fn from_toml(text: &str) -> Result<Self> {
        let profile: Self = toml::from_str(text)?;
        profiles::refuse_decided(text, &DECIDED)?;
        if profile.input != CompressorInput::Maps {
            profiles::refuse_decided(text, &[("cache_bytes", "statistics are in memory already")])?;
        }
        let own =
            [("full_field", &profile.full_field), ("power_spectrum", &profile.power_spectrum)];
        let further = profile.further.iter().flat_map(|further| {
            [
                ("further.full_field", &further.full_field),
                ("further.power_spectrum", &further.power_spectrum),
            ]
        });
        for (name, run) in own.into_iter().chain(further) {
            ensure!(run.chains > 0, "{name}.chains must be at least 1");
            ensure!(run.draws >= 4, "{name}.draws = {}: at least 4 are needed", run.draws);
        }
        ensure!(profile.runs > 0, "runs must be at least 1");
        ensure!(profile.spectra != Some(0), "spectra must be at least 1, or left out");
        profile.input.validate()?;
        profile.network.validate().context("network")?;
        profile.validate_methods()?;
        profile.inference.validate()?;
        profile.c2st.classifier.validate()?;
        let least = 2 * profile.c2st.classifier.folds;
        let draws = profile.c2st.draws.min(profile.inference.draws);
        ensure!(draws >= least, "{draws} draws for the classifier: at least {least} are needed");
        profile.validate_calibration()?;
        if let Some(further) = &profile.further {
            further.validate(&profile.c2st)?;
        }
        Ok(profile)
    }

    fn validate_methods(&self) -> Result<()> {
        ensure!(!self.method.is_empty(), "there is no method");
        for (index, method) in self.method.iter().enumerate() {
            let name = key(&method.loss);
            let twin = |other: &MethodProfile| key(&other.loss) == name;
            ensure!(!self.method[..index].iter().any(twin), "the loss {name} twice");
            method.loss.validate(DIM).with_context(|| format!("loss {name}"))?;
            let training = self.training(method);
            training.validate().with_context(|| format!("training with {name}"))?;
            let Loss::Imnn { derivatives_every, .. } = method.loss else {
                ensure!(
                    self.input == CompressorInput::Maps || training.examples.is_some(),
                    "statistics (input) are made before the training with {name}: it needs examples"
                );
                let apart = self.input.validate_training(training);
                apart.with_context(|| format!("training with {name}"))?;
                continue;
            };
            let (width, numbers) = (self.last_width(), method.loss.summary_len(DIM));
            ensure!(
                width >= numbers,
                "the network's last {width} channels or units make {numbers} summaries whose \
                 covariance is singular: at least {numbers} are needed for imnn"
            );
            let TrainingSettings { batch, examples, .. } = training;
            let every = derivatives_every;
            let whole = |count: u64| count.is_multiple_of(every as u64);
            ensure!(
                whole(*batch as u64) && examples.is_none_or(whole),
                "derivatives_every = {every} must divide the batch ({batch}) and the examples, so \
                 that each batch has as many derivatives"
            );
        }
        Ok(())
    }

    /// Numbers that the last, linear layer of the network sees.
    fn last_width(&self) -> usize {
        match &self.network {
            NetworkConfig::ResNet(config) => config.last_width(),
            NetworkConfig::Perceptron(config) => config.hidden.last().map_or(usize::MAX, |w| *w),
        }
    }

    fn validate_calibration(&self) -> Result<()> {
        let CalibrationProfile { loss, observations, draws } = &self.calibration;
        ensure!(
            self.method.iter().any(|method| key(&method.loss) == loss.key()),
            "calibration.loss = '{}' is no loss of a method",
            loss.key()
        );
        // some simulations are left out, for their cosmology has no map
        let (held_out, needed) =
            (self.inference.held_out, (*observations as u64 * 11).div_ceil(10));
        ensure!(
            *observations >= 50 && needed <= held_out,
            "calibration.observations = {observations}: at least 50 are needed, and \
             inference.held_out = {held_out} must be a tenth more"
        );
        ensure!(*draws >= 19, "calibration.draws = {draws}: at least 19 are needed");
        Ok(())
    }

    /// Examples from the prior that networks learn from and are validated with, at most.
    #[must_use]
    pub fn examples(&self) -> u64 {
        let everywhere = |method: &&MethodProfile| !matches!(method.loss, Loss::Imnn { .. });
        let each = self.method.iter().filter(everywhere).map(|method| {
            let TrainingSettings { examples, validation, .. } = self.training(method);
            examples.map_or(0, |examples| examples + validation)
        });
        each.max().unwrap_or(0)
    }

    /// The samplers of all explicit posteriors.
    #[must_use]
    pub fn samplers(&self) -> Vec<Sampler> {
        let further = self.further.iter();
        let further = further.flat_map(|further| [&further.full_field, &further.power_spectrum]);
        let own = [&self.full_field, &self.power_spectrum];
        own.into_iter().chain(further).map(|run| run.sampler).collect()
    }

    /// The training with a loss as it is done.
    #[must_use]
    pub fn settings(&self, method: &MethodProfile, seed: u64) -> TrainingSettings {
        let own = self.training(method).clone();
        // statistics are in memory already
        let cache_bytes = if self.input == CompressorInput::Maps { own.cache_bytes } else { 0 };
        // cosmologies of the prior that have no map are left out
        TrainingSettings { seed, non_finite: NonFinite::Drop, cache_bytes, ..own }
    }

    /// The training with a loss, but for what the study decides.
    #[must_use]
    pub fn training<'a>(&'a self, method: &'a MethodProfile) -> &'a TrainingSettings {
        method.training.as_ref().unwrap_or(&self.training)
    }
}

impl InferenceProfile {
    fn validate(&self) -> Result<()> {
        let Self { simulations, held_out, repeats, observations, npe, .. } = self;
        ensure!(*simulations >= 20, "inference.simulations = {simulations}: 20 are needed");
        ensure!(*held_out >= 2, "inference.held_out = {held_out}: at least 2 are needed");
        ensure!(*repeats > 0, "inference.repeats must be at least 1");
        ensure!(
            (2..=*held_out).contains(&(*observations as u64)),
            "inference.observations = {observations}: 2 to held_out = {held_out} are possible"
        );
        ensure!(npe.score.is_none(), "inference.npe.score: summaries have no scores");
        npe.fit.training.validate().context("inference.npe.fit.training")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(profile: &Profile) -> usize {
        let steps = profile.method.iter().map(|method| profile.training(method));
        let examples: usize = steps.map(|training| training.steps * training.batch).sum();
        profile.npix * profile.npix * profile.runs * examples
    }

    #[test]
    fn the_profiles_grow() -> Result<()> {
        let costs = PROFILES
            .iter()
            .map(|(name, _)| {
                let profile = Profile::load(name)?;
                assert_eq!(profile.name, *name);
                Ok(cost(&profile))
            })
            .collect::<Result<Vec<_>>>()?;
        assert!(costs.is_sorted(), "{costs:?}");
        Ok(())
    }

    #[test]
    fn all_but_the_smallest_profile_compare_all_losses() -> Result<()> {
        for (name, _) in &PROFILES[1..] {
            let profile = Profile::load(name)?;
            let keys: Vec<&str> = profile.method.iter().map(|method| key(&method.loss)).collect();
            assert_eq!(keys, ["mse", "mae", "gnll", "vmim", "imnn"], "{name}");
            assert!(profile.calibration.observations >= 200, "{name}");
        }
        Ok(())
    }

    /// Keys of trainings are made of their essential settings.
    #[test]
    fn trainings_that_differ_in_loading_only_have_the_same_key() -> Result<()> {
        let (_, smoke) = PROFILES[0];
        let key = |text: &str| -> Result<String> {
            let profile = Profile::from_toml(text)?;
            let settings = profile.settings(&profile.method[0], 7).essential();
            Ok(serde_json::to_string(&settings)?)
        };
        for (setting, same) in [
            ("loaders = 3", true),
            ("prefetch = 5", true),
            ("cache_bytes = 0", true),
            ("steps = 9", false),
        ] {
            let text = smoke.replace("\nsteps = 400", "").replace(
                "[training]",
                &format!("[training]\n{setting}{}", if same { "\nsteps = 400" } else { "" }),
            );
            assert_eq!(key(&text)? == key(smoke)?, same, "{setting}");
        }
        Ok(())
    }

    #[test]
    fn mistakes_are_named() {
        let message = |name: &str| format!("{:#}", Profile::load(name).unwrap_err());
        assert!(message("desktop").contains("desktop"));
        let (_, laptop) = PROFILES[1];
        for (old, new, expected) in [
            ("npix", "pixels", "pixels"),
            ("runs = ", "runs = 0 # ", "runs"),
            ("loss = \"mae\"", "loss = \"mse\"", "mse twice"),
            ("loss = \"mae\"", "loss = \"map\"", "map"),
            ("held_out = ", "held_out = 1 # ", "held_out = 1"),
            ("observations = 300", "observations = 990", "observations = 990"),
            ("observations = 200", "observations = 2000", "held_out = 1000"),
            ("observations = 5", "observations = 0", "further.observations"),
            ("draws = 250", "draws = 2", "further.full_field.draws = 2: at least 4"),
            ("loss = \"vmim\"", "loss = \"vmin\"", "vmin"),
            ("[training]", "[training]\nseed = 1", "training.seed has no effect"),
            (
                "[training]",
                "[training]\nnon_finite = \"drop\"",
                "training.non_finite has no effect",
            ),
            ("[training]", "[training]\ncache_bytes = 0", "training.cache_bytes has no effect"),
            ("fit.training]", "fit.training]\nseed = 1", "npe.fit.training.seed has no effect"),
            ("[c2st.classifier]", "[c2st.classifier]\nseed = 1", "classifier.seed has no effect"),
            ("derivatives_every = 8", "derivatives_every = 7", "derivatives_every = 7"),
            ("hidden = [256, 128]", "hidden = [256, 5]", "last 5 channels"),
            ("bands = 6", "bands = 0", "bands must"),
            ("bands = 6", "bands = 6\nnoises = 3", "validation = 4000"),
            ("learning_rate = ", "learning_rate = -", "learning_rate"),
        ] {
            let text = laptop.replace(old, new);
            assert_ne!(text, laptop, "{old}");
            let error = Profile::from_toml(&text).expect_err(new);
            assert!(format!("{error:#}").contains(expected), "{error:#}");
        }
    }
}
