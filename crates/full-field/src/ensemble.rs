//! Simulated maps as what an observed map is compared with.

use lognormal_sim::{Cosmology, PARAMETERS, Simulator};
use metrics::{PValue, Replications};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::summaries::{Statistic, Summariser, Summary, extreme_names, shape_names};

/// Number of cosmological parameters.
pub(crate) const DIM: usize = PARAMETERS.len();

/// Deviations that a comparison names.
const NAMED: usize = 3;
/// Share of simulated maps that lie nearer than what is called their usual distance.
const USUAL: f64 = 0.95;

/// Distance beyond which a map is far, in units of the largest distance of simulated maps.
const FAR: f64 = 1.5;

/// Maps simulated at draws of the parameters, with shape noise, summed up.
pub(crate) struct Ensemble {
    pub summariser: Summariser,
    /// Band powers of all bins, and the correlations of bins.
    pub spectra: Cloud,
    /// Band powers of each bin alone.
    pub auto_spectra: Cloud,
    /// Means and skewnesses.
    pub shape: Cloud,
    /// The most extreme pixels.
    pub extremes: Cloud,
    /// Largest scores above and below the median in any simulated map, `[bin]`.
    pub farthest: Vec<(f64, f64)>,
}

impl Ensemble {
    /// Simulates one map at each of the `draws`; draws at which there is no simulation are left
    /// out. Simulation `k` has the random numbers of `(seed, k)`. Nothing where fewer than half of
    /// the draws can be simulated.
    ///
    /// # Errors
    /// A draw that is not finite, an unusable survey, or too few simulations for their covariance.
    pub fn simulate(
        simulator: &Simulator,
        draws: &[[f64; DIM]],
        what: &'static str,
        seed: u64,
    ) -> Result<Option<Self>> {
        check_finite(draws, what)?;
        let summariser = Summariser::new(simulator, draws.len())?;
        let simulated = draws.par_iter().enumerate().map(|(index, theta)| {
            let maps = Cosmology::from_parameters(theta).and_then(|cosmology| {
                simulator.simulate::<f64>(&cosmology, seed, index as u64, true)
            });
            match maps {
                Ok(maps) if maps.iter().all(|x| x.is_finite()) => {
                    summariser.summarise(&maps).map(Some)
                }
                Ok(_) => Ok(None),
                Err(error) if error.is_recoverable() => Ok(None),
                Err(error) => Err(error.into()),
            }
        });
        let summaries = simulated.collect::<Result<Vec<Option<Summary>>>>()?;
        let summaries: Vec<Summary> = summaries.into_iter().flatten().collect();
        if 2 * summaries.len() < draws.len() {
            return Ok(None);
        }
        let bins = summariser.bins();
        let names = summariser.spectra_names();
        let auto_names = names.iter().filter(|name| matches!(name, Statistic::AutoPower { .. }));
        let auto_names = auto_names.copied().collect();
        let cloud = |names, features: &dyn Fn(&Summary) -> Vec<f64>| {
            Cloud::new(names, summaries.iter().flat_map(features).collect())
        };
        Ok(Some(Self {
            spectra: cloud(names, &|summary| summariser.spectra(&summary.powers))?,
            auto_spectra: cloud(auto_names, &|s| summariser.auto_spectra(&s.powers))?,
            shape: cloud(shape_names(bins), &Summary::shape)?,
            extremes: cloud(extreme_names(bins), &Summary::extremes)?,
            farthest: (0..bins)
                .map(|bin| {
                    let pixels = summaries.iter().map(|summary| summary.pixels[bin]);
                    pixels.fold((0.0, 0.0), |(high, low): (f64, f64), pixels| {
                        (high.max(pixels.highest), low.max(pixels.lowest))
                    })
                })
                .collect(),
            summariser,
        }))
    }
}

fn check_finite(draws: &[[f64; DIM]], what: &'static str) -> Result<()> {
    for (index, draw) in draws.iter().enumerate() {
        if let Some(k) = draw.iter().position(|value| !value.is_finite()) {
            let (parameter, value) = (PARAMETERS[k], draw[k]);
            return Err(Error::NotFinite { what, index, parameter, value });
        }
    }
    Ok(())
}

/// Some statistics of all simulated maps.
pub(crate) struct Cloud {
    names: Vec<Statistic>,
    replications: Replications,
    /// Distances of the simulated maps from the others, in rising order.
    own: Vec<f64>,
}

impl Cloud {
    fn new(names: Vec<Statistic>, values: Vec<f64>) -> Result<Self> {
        let replications = Replications::new(&values, names.len())?;
        let mut own = replications.own_distances();
        own.sort_unstable_by(f64::total_cmp);
        Ok(Self { names, replications, own })
    }

    /// Distance of a map from the simulated ones.
    pub fn distance(&self, observed: &[f64]) -> Result<f64> {
        Ok(self.replications.distance(observed)?)
    }

    /// The distance that most simulated maps do not reach.
    fn usual(&self) -> f64 {
        self.own[((self.own.len() - 1) as f64 * USUAL) as usize]
    }

    /// The largest distance of any simulated map.
    pub fn largest(&self) -> f64 {
        self.own[self.own.len() - 1]
    }

    /// Compares a map with the simulated ones.
    pub fn compare(&self, observed: &[f64]) -> Result<Comparison> {
        let check = self.replications.check(observed)?;
        let mut deviations: Vec<Deviation> = self
            .names
            .iter()
            .zip(&check.deviations)
            .map(|(&statistic, &sigmas)| Deviation { statistic, sigmas })
            .collect();
        deviations.sort_by(|a, b| b.sigmas.abs().total_cmp(&a.sigmas.abs()));
        deviations.truncate(NAMED);
        Ok(Comparison {
            p_value: check.p_value,
            distance: check.distance,
            usual: self.usual(),
            largest: self.largest(),
            simulations: check.replications,
            deviations,
        })
    }
}

/// An observed map among simulated ones, by some of its statistics together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Probability of a simulated map as far from all others, or farther. It is exact for a map
    /// that was made as the simulated ones are, and never below 1 / (simulations + 1).
    pub p_value: PValue,
    /// Mahalanobis distance from the mean of the simulated maps.
    pub distance: f64,
    /// Distance that 95 % of the simulated maps do not reach.
    pub usual: f64,
    /// Largest distance of any simulated map.
    pub largest: f64,
    /// Number of simulated maps.
    pub simulations: usize,
    /// The statistics that deviate most, the most deviant first.
    pub deviations: Vec<Deviation>,
}

/// How far a statistic of the map lies from the mean of the simulated ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deviation {
    /// Which.
    pub statistic: Statistic,
    /// In standard deviations of the simulated ones.
    pub sigmas: f64,
}

impl Comparison {
    /// Whether the map differs, at this probability to say so of one that does not, or the smallest
    /// one that the simulations resolve.
    pub(crate) fn differs(&self, false_alarms: f64) -> bool {
        self.p_value.value <= false_alarms.max(1.0 / (self.simulations as f64 + 1.0))
    }

    /// Whether it lies far beyond all simulated maps.
    pub(crate) fn is_far(&self) -> bool {
        self.distance > FAR * self.largest
    }
}

impl std::fmt::Display for Comparison {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { p_value, distance, usual, largest, simulations, deviations } = self;
        let deviations: Vec<String> = deviations
            .iter()
            .map(|Deviation { statistic, sigmas }| format!("{statistic} by {sigmas:+.1} sd"))
            .collect();
        write!(
            f,
            "distance {distance:.1} from {simulations} simulated maps, of which 95 % lie within \
             {usual:.1} and all within {largest:.1} (p = {:.3}); most deviant: {}",
            p_value.value,
            deviations.join(", ")
        )
    }
}
