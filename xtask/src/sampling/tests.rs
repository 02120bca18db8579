//! What the choice of a sampler means.

use std::convert::Infallible;

use super::*;
use full_field::{full_field_settings, power_spectrum_settings};

fn config(sampler: Sampler) -> SamplerConfig {
    SamplerConfig { sampler, target_accept: sampler.target_accept(), ..SamplerConfig::default() }
}

#[test]
fn every_sampler_has_usable_settings_and_keeps_what_suits_the_posterior() {
    for initial in [full_field_settings(), power_spectrum_settings()] {
        for &sampler in Sampler::value_variants() {
            let settings = config(sampler).settings(&initial, 6);
            settings.validate::<Infallible>(6).unwrap();
            assert_eq!(settings.integrator, initial.integrator);
            assert_eq!(settings.metric, initial.metric);
            assert_eq!(settings.kernel.is_microcanonical(), sampler != Sampler::Nuts);
        }
    }
    let nuts = config(Sampler::Nuts).settings(&full_field_settings(), 5126);
    assert_eq!((nuts.kernel, nuts.warmup), (Kernel::Nuts { max_depth: 6 }, 300));
    let mclmc = config(Sampler::Mclmc).settings(&full_field_settings(), 5126);
    assert_eq!(mclmc.warmup, 300 * MCLMC_STEPS as usize);
    let Kernel::Mclmc { energy_variance, .. } = mclmc.kernel else { panic!("{mclmc:?}") };
    assert!(((energy_variance * 5126.0).sqrt() / MCLMC_ENERGY_ERROR - 1.0).abs() < 1e-12);
}

/// Studies are keyed by their configuration: those of the default sampler must stay what they were.
#[test]
fn only_another_sampler_is_written() {
    let text = |sampler| toml::to_string(&config(sampler)).unwrap();
    assert!(!text(Sampler::Nuts).contains("sampler"));
    assert!(text(Sampler::Mams).contains("sampler = \"mams\""));
    for &sampler in Sampler::value_variants() {
        let read: SamplerConfig = toml::from_str(&text(sampler)).unwrap();
        assert_eq!(read, config(sampler));
    }
}
