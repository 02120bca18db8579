//! Lognormal maps of cosmologies from the prior, for networks to learn from.

use compression::{FisherSource, MapShape, MapSource};
use lognormal_sim::{Cosmology, Randomness, Simulator};
use sbi::Coordinates;
use taskgraph::derive_seed;

use crate::prior::{DIM, Prior};

/// What a source reports.
pub type SourceError = Box<dyn std::error::Error + Send + Sync>;

/// Distance of the maps of a pair in standard deviations of the prior: small against the curvature
/// of the maps, large against the rounding of single precision.
const STEP: f64 = 0.1;

/// Maps of the simulator. Everything about map `index` depends on the seed, the index and, its
/// noise, on the pass.
///
/// Where the model has no map (parameters in the far tails of the prior) the map is NaN, for those
/// who use it to leave it out and count it.
pub struct LensingMaps<'a> {
    simulator: &'a Simulator,
    prior: &'a Prior,
    parameters: u64,
    latents: u64,
    noise: u64,
    fiducial: [f64; DIM],
    coordinates: Coordinates,
}

impl<'a> LensingMaps<'a> {
    /// The maps for a purpose: different purposes share no randomness. Information is measured
    /// around the fiducial cosmology.
    pub fn new(simulator: &'a Simulator, prior: &'a Prior, seed: u64, purpose: &str) -> Self {
        let own = |part: &str| derive_seed(seed, &format!("{purpose}-{part}"));
        Self {
            simulator,
            prior,
            parameters: own("parameters"),
            latents: own("latents"),
            noise: own("noise"),
            fiducial: Cosmology::FIDUCIAL.parameters(),
            coordinates: Coordinates::Natural,
        }
    }

    /// The same maps with their parameters in other coordinates.
    #[must_use]
    pub fn with(self, coordinates: Coordinates) -> Self {
        Self { coordinates, ..self }
    }

    fn simulate(
        &self,
        theta: &[f64; DIM],
        index: u64,
        map: &mut [f32],
    ) -> Result<(), lognormal_sim::Error> {
        let made = Cosmology::from_parameters(theta).and_then(|cosmology| {
            self.simulator.simulate_into(&cosmology, self.latents, index, false, map)
        });
        match made {
            Err(error) if error.is_recoverable() => {
                map.fill(f32::NAN);
                Ok(())
            }
            other => other,
        }
    }

    fn add_noise(&self, index: u64, epoch: u64, map: &mut [f32]) {
        let mut randomness = Randomness::new(derive_seed(self.noise, &epoch.to_string()), index);
        let pixels = map.len() / self.simulator.bins();
        for (bin, variance) in map.chunks_exact_mut(pixels).zip(self.simulator.noise_variance()) {
            let sigma = variance.sqrt();
            bin.iter_mut().for_each(|pixel| *pixel += (sigma * randomness.normal()) as f32);
        }
    }
}

impl MapSource for LensingMaps<'_> {
    fn shape(&self) -> MapShape {
        MapShape::square(self.simulator.bins(), self.simulator.survey().npix)
    }

    fn parameters_len(&self) -> usize {
        DIM
    }

    fn pair(&self, index: u64, map: &mut [f32], parameters: &mut [f64]) -> Result<(), SourceError> {
        let theta = self.prior.sample(self.parameters, index);
        parameters.copy_from_slice(&self.coordinates.of(self.prior.distribution(), &theta));
        Ok(self.simulate(&theta, index, map)?)
    }

    fn renoise(&self, index: u64, epoch: u64, map: &mut [f32]) -> Result<(), SourceError> {
        self.add_noise(index, epoch, map);
        Ok(())
    }

    fn fisher(&self) -> Option<&dyn FisherSource> {
        Some(self)
    }
}

impl FisherSource for LensingMaps<'_> {
    fn fiducial(&self) -> Vec<f64> {
        self.fiducial.to_vec()
    }

    fn steps(&self) -> Vec<f64> {
        self.prior.distribution().sd().iter().map(|sd| STEP * sd).collect()
    }

    fn map(&self, index: u64, epoch: u64, map: &mut [f32]) -> Result<(), SourceError> {
        self.simulate(&self.fiducial, index, map)?;
        self.add_noise(index, epoch, map);
        Ok(())
    }

    fn pair(
        &self,
        index: u64,
        epoch: u64,
        parameter: usize,
        plus: &mut [f32],
        minus: &mut [f32],
    ) -> Result<(), SourceError> {
        let half = 0.5 * self.steps()[parameter];
        for (map, shift) in [(plus, half), (minus, -half)] {
            let mut theta = self.fiducial;
            theta[parameter] += shift;
            self.simulate(&theta, index, map)?;
            self.add_noise(index, epoch, map);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Result;
    use lognormal_sim::Survey;

    #[test]
    fn maps_depend_on_index_and_pass_only() -> Result<()> {
        let simulator = Simulator::new(Survey::preset("lsst_y10")?.with_npix(16))?;
        let prior = Prior::load("lsst_y10")?;
        let source = LensingMaps::new(&simulator, &prior, 3, "training");
        let of = |source: &LensingMaps, index: u64, epoch: Option<u64>| {
            let mut map = vec![0.0_f32; simulator.map_len()];
            let mut theta = [0.0; DIM];
            MapSource::pair(source, index, &mut map, &mut theta).expect("within the prior");
            if let Some(epoch) = epoch {
                source.renoise(index, epoch, &mut map).expect("noise");
            }
            (theta, map)
        };
        let make = |index, epoch| of(&source, index, epoch);
        assert_eq!(make(4, Some(2)), make(4, Some(2)));
        assert_ne!(make(4, Some(2)).1, make(4, Some(3)).1);
        assert_ne!(make(4, None).0, make(5, None).0);
        let other = LensingMaps::new(&simulator, &prior, 3, "inference");
        assert_ne!(of(&other, 4, Some(0)), make(4, Some(0)));

        // in other coordinates the maps are the same
        let normal = LensingMaps::new(&simulator, &prior, 3, "training").with(Coordinates::Normal);
        let (theta, map) = make(4, Some(2));
        let coordinates = prior.distribution().to_normal(&theta);
        assert_eq!(of(&normal, 4, Some(2)), (coordinates.try_into().expect("six"), map));

        // the noise has the variance of the survey
        let pixels = map_difference(&make(4, None).1, &make(4, Some(1)).1);
        for (bin, variance) in pixels.chunks_exact(256).zip(simulator.noise_variance()) {
            let found = bin.iter().map(|x| x * x).sum::<f64>() / 256.0;
            assert!((found / variance - 1.0).abs() < 0.4, "{found} {variance}");
        }
        Ok(())
    }

    fn map_difference(a: &[f32], b: &[f32]) -> Vec<f64> {
        a.iter().zip(b).map(|(a, b)| f64::from(*b) - f64::from(*a)).collect()
    }

    #[test]
    fn pairs_differ_by_the_derivative_of_the_map() -> Result<()> {
        let simulator = Simulator::new(Survey::preset("lsst_y10")?.with_npix(16))?;
        let prior = Prior::load("lsst_y10")?;
        let source = LensingMaps::new(&simulator, &prior, 3, "training");
        let mut maps = [0, 1, 2].map(|_| vec![0.0_f32; simulator.map_len()]);
        let [at, plus, minus] = &mut maps;
        for parameter in 0..DIM {
            FisherSource::map(&source, 7, 1, at).expect("fiducial");
            FisherSource::pair(&source, 7, 1, parameter, plus, minus).expect("near it");
            let (ahead, behind) = (map_difference(at, plus), map_difference(minus, at));
            let size: f64 = ahead.iter().map(|x| x * x).sum();
            let bend: f64 = ahead.iter().zip(&behind).map(|(a, b)| (a - b).powi(2)).sum();
            assert!(size > 0.0 && bend < 0.05 * size, "parameter {parameter}: {bend} {size}");
        }
        Ok(())
    }
}
