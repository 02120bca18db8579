//! How large a study is.

use anyhow::{Result, ensure};
use metrics::C2stConfig;
use serde::{Deserialize, Serialize};

use crate::profiles::{self, Profiles};
use crate::sampling::SamplerConfig;

/// The profiles that come with the program, smallest first.
const PROFILES: Profiles = [
    ("smoke", include_str!("../../../benchmarks/profiles/lensing/smoke.toml")),
    ("laptop", include_str!("../../../benchmarks/profiles/lensing/laptop.toml")),
    ("paper", include_str!("../../../benchmarks/profiles/lensing/paper.toml")),
];

/// Sizes of the steps of the lensing study.
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
    /// Chains of the full-field posterior.
    pub full_field: SamplerConfig,
    /// Chains of the power-spectrum posterior.
    pub power_spectrum: SamplerConfig,
    /// The classifier that tells the posteriors apart.
    pub c2st: C2stProfile,
}

/// Size of the classifier two-sample test.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct C2stProfile {
    /// Most draws of each posterior that are compared, evenly spaced.
    pub draws: usize,
    /// The classifier.
    pub classifier: C2stConfig,
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
        for (name, run) in
            [("full_field", &profile.full_field), ("power_spectrum", &profile.power_spectrum)]
        {
            ensure!(run.chains > 0, "{name}.chains must be at least 1");
            ensure!(run.draws >= 4, "{name}.draws = {}: at least 4 are needed", run.draws);
        }
        profile.c2st.classifier.validate()?;
        Ok(profile)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profiles_grow() -> Result<()> {
        let sizes = PROFILES
            .iter()
            .map(|(name, _)| {
                let profile = Profile::load(name)?;
                assert_eq!(profile.name, *name);
                Ok(profile.npix * profile.npix * profile.full_field.draws)
            })
            .collect::<Result<Vec<_>>>()?;
        assert!(sizes.is_sorted());
        Ok(())
    }

    #[test]
    fn mistakes_are_named() {
        let message = |name: &str| format!("{:#}", Profile::load(name).unwrap_err());
        assert!(message("desktop").contains("desktop"));
        let (_, smoke) = PROFILES[0];
        let error = Profile::from_toml(&smoke.replace("npix", "pixels")).unwrap_err();
        assert!(format!("{error:#}").contains("pixels"), "{error:#}");
    }
}
