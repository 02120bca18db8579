//! The literature of what a run used: keys of `data/references.bib`, one match for each choice.

use ::compression::{DensityFamily, Loss, NetworkConfig};
use flows::Bijector;
use sbi::{Family, FlowSettings};

use crate::sampling::Sampler;
use crate::trial::Method;

/// A choice with literature of its own.
pub trait Cited {
    /// Keys of its literature.
    fn references(&self) -> Vec<&'static str>;
}

impl Cited for Family {
    fn references(&self) -> Vec<&'static str> {
        match self {
            Self::Affine => vec!["dinh2017"],
            Self::Spline => vec!["durkan2019"],
            Self::AutoregressiveSpline => vec!["durkan2019", "papamakarios2017"],
            Self::Maf => vec!["papamakarios2017"],
            Self::Smooth => vec!["koehler2021"],
        }
    }
}

impl Cited for DensityFamily {
    fn references(&self) -> Vec<&'static str> {
        let family = match self {
            Self::Affine => Family::Affine,
            Self::Spline => Family::Spline,
            Self::AutoregressiveSpline => Family::AutoregressiveSpline,
            Self::Maf => Family::Maf,
            Self::Smooth => Family::Smooth,
        };
        family.references()
    }
}

impl Cited for Bijector {
    fn references(&self) -> Vec<&'static str> {
        match self {
            Self::Affine => Vec::new(),
            Self::Spline { .. } => Family::Spline.references(),
            Self::Smooth { .. } | Self::SmoothInverse { .. } => Family::Smooth.references(),
        }
    }
}

impl Cited for FlowSettings {
    fn references(&self) -> Vec<&'static str> {
        let bijector = self.bijector.iter().flat_map(Cited::references);
        self.family.references().into_iter().chain(bijector).collect()
    }
}

impl Cited for Loss {
    fn references(&self) -> Vec<&'static str> {
        match self {
            Self::Mse | Self::Mae | Self::Gnll { .. } => Vec::new(),
            Self::Vmim { family, .. } => {
                std::iter::once("jeffrey2021").chain(family.references()).collect()
            }
            Self::Imnn { .. } => vec!["charnock2018", "makinen2021"],
        }
    }
}

impl Cited for NetworkConfig {
    fn references(&self) -> Vec<&'static str> {
        match self {
            Self::ResNet(_) => vec!["he2016"],
            Self::Perceptron(_) => Vec::new(),
        }
    }
}

impl Cited for Sampler {
    fn references(&self) -> Vec<&'static str> {
        match self {
            Self::Nuts => vec!["hoffman2014", "betancourt2017"],
            Self::Mams => vec!["robnik2023", "robnik2025"],
            Self::Mclmc => vec!["robnik2023"],
        }
    }
}

impl Cited for Method {
    /// Likelihoods and ratios are sampled by the no-U-turn sampler.
    fn references(&self) -> Vec<&'static str> {
        match self {
            Self::Nuts => vec!["hoffman2014"],
            Self::Npe => vec!["papamakarios2016"],
            Self::Nle | Self::Snle => vec!["papamakarios2019", "hoffman2014", "vehtari2021"],
            Self::Nre => vec!["durkan2020", "miller2022", "hoffman2014", "vehtari2021"],
            Self::Fmpe => vec!["wildberger2023"],
            Self::Snpe => vec!["papamakarios2016", "greenberg2019"],
            Self::Tsnpe => vec!["papamakarios2016", "deistler2022"],
            Self::Snre => {
                vec!["hermans2020", "durkan2020", "miller2022", "hoffman2014", "vehtari2021"]
            }
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::report::references::select;

    /// All families of flows.
    pub const FAMILIES: [Family; 5] =
        [Family::Affine, Family::Spline, Family::AutoregressiveSpline, Family::Maf, Family::Smooth];

    /// All samplers of explicit posteriors.
    pub const SAMPLERS: [Sampler; 3] = [Sampler::Nuts, Sampler::Mams, Sampler::Mclmc];

    /// Asserts that of the literature of all choices a report cites that of the one that was used
    /// and no other.
    pub fn assert_cites<T: Cited>(keys: &[&str], used: &T, all: &[T]) {
        let used = used.references();
        for key in all.iter().flat_map(Cited::references) {
            assert_eq!(keys.contains(&key), used.contains(&key), "{key} in {keys:?}");
        }
        assert!(select(keys).is_ok(), "{keys:?}");
    }

    #[test]
    fn every_choice_has_literature_in_the_bibliography() {
        let families = FAMILIES.iter().flat_map(Cited::references);
        let samplers = SAMPLERS.iter().flat_map(Cited::references);
        let losses = [Loss::vmim(), Loss::imnn()];
        let losses = losses.iter().flat_map(Cited::references);
        let keys: Vec<&str> = families.chain(samplers).chain(losses).collect();
        assert!(select(&keys).is_ok(), "{keys:?}");
    }

    #[test]
    fn a_bijector_of_another_family_is_cited_beside_the_family() {
        let bijector = Some(Bijector::Spline { bins: 8, bound: 5.0 });
        let flow = FlowSettings { family: Family::Maf, bijector, ..FlowSettings::default() };
        assert_eq!(flow.references(), ["papamakarios2017", "durkan2019"]);
    }
}
