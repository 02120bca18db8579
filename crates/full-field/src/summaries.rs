//! What a map is summed up by: band powers of all pairs of bins, and the distribution of pixels.
//!
//! Band powers enter as logarithms of the auto-powers of each bin and as Fisher-transformed
//! correlations of pairs of bins, so that a change of units is a shift of the former and nothing of
//! the latter, and both are nearly normal. Everything about single pixels is in units of the
//! spread of the map itself, so that it does not depend on units either.

use std::fmt;

use lognormal_sim::{BandPowers, OnePoint, Simulator};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Bands of the auto-powers, equal in ln ell.
const BANDS: usize = 4;
/// Least number of simulations per summary, so that their covariance is known.
const SIMULATIONS_PER_SUMMARY: usize = 5;
/// Standard deviation of a normal distribution over its median absolute deviation.
const SD_OVER_MAD: f64 = 1.482_602_218_505_602;
/// Numbers of [`Summary::extremes`] for each bin.
const EXTREMES: usize = 3;
/// The pixel that the most extreme one is compared with, counted from it.
const COMPANION: usize = 4;
/// Correlations nearer to one than this are taken as this far from it.
const LEAST_DECORRELATION: f64 = 1e-9;

/// Sums up the maps of one survey.
pub(crate) struct Summariser {
    powers: BandPowers,
    npix: usize,
    bins: usize,
    /// Pairs of different bins that are compared, with their place among all pairs.
    pairs: Vec<(usize, usize)>,
    /// Power of the shape noise of each bin, in steradians.
    noise: Vec<f64>,
}

impl Summariser {
    /// For comparison with as many `simulations`: fewer bands and pairs where they are few.
    pub fn new(simulator: &Simulator, simulations: usize) -> Result<Self> {
        let (survey, bins) = (simulator.survey(), simulator.bins());
        let limit = simulations / SIMULATIONS_PER_SUMMARY;
        let most = if survey.npix < 16 { 2 } else { BANDS };
        let all = pairs_within(bins, bins);
        let bands = if bins * most + all.len() * most / 2 <= limit { most } else { 2 };
        let reach = (0..bins).rev().find(|&reach| {
            reach == 0 || bins * bands + pairs_within(bins, reach).len() * bands / 2 <= limit
        });
        let pairs = pairs_within(bins, reach.unwrap_or(0));
        let edges = edges(survey.npix, survey.map_size_deg, bands);
        let pixel_area = (survey.pixel_arcmin() / 60.0).to_radians().powi(2);
        Ok(Self {
            powers: BandPowers::new(survey.npix, survey.map_size_deg, &edges)?,
            npix: survey.npix,
            bins,
            pairs,
            noise: simulator.noise_variance().iter().map(|v| v * pixel_area).collect(),
        })
    }

    /// Sums up maps `[bin][y][x]`.
    pub fn summarise(&self, maps: &[f64]) -> Result<Summary> {
        self.check_size(maps)?;
        let powers = self.powers.measure(maps, self.bins)?;
        let pixels = maps.chunks_exact(self.npix * self.npix).map(Pixels::of).collect();
        Ok(Summary { powers, pixels })
    }

    /// Refuses maps of another size than the survey's.
    pub fn check_size(&self, maps: &[f64]) -> Result<()> {
        let (bins, npix) = (self.bins, self.npix);
        let expected = bins * npix * npix;
        if maps.len() == expected {
            return Ok(());
        }
        Err(Error::MapSize { expected, found: maps.len(), bins, npix })
    }

    /// Summaries of the band powers: ln of the auto-powers `[bin][band]`, then Fisher-transformed
    /// correlations `[pair][band]` in bands of twice the width.
    pub fn spectra(&self, powers: &[Vec<f64>]) -> Vec<f64> {
        let mut features = self.auto_spectra(powers);
        for &(i, j) in &self.pairs {
            for band in 0..self.powers.bands().len() / 2 {
                let mean = |i, j| self.wide_band(&powers[self.place(i, j)], band);
                let correlation = mean(i, j) / (mean(i, i) * mean(j, j)).sqrt();
                let bound = 1.0 - LEAST_DECORRELATION;
                features.push(if correlation.is_finite() {
                    correlation.clamp(-bound, bound).atanh()
                } else {
                    0.0
                });
            }
        }
        features
    }

    /// The first of the summaries of the band powers: ln of the auto-powers `[bin][band]`.
    pub fn auto_spectra(&self, powers: &[Vec<f64>]) -> Vec<f64> {
        let autos = (0..self.bins).flat_map(|bin| &powers[self.place(bin, bin)]);
        autos.map(|power| power.max(f64::MIN_POSITIVE).ln()).collect()
    }

    /// What the summaries of the band powers are, in their order.
    pub fn spectra_names(&self) -> Vec<Statistic> {
        let bands = self.powers.bands();
        let autos = (0..self.bins).flat_map(|bin| {
            bands
                .iter()
                .map(move |band| Statistic::AutoPower { bin, ell: (band.ell_min, band.ell_max) })
        });
        let crosses = self.pairs.iter().flat_map(|&(i, j)| {
            bands.chunks_exact(2).map(move |wide| Statistic::Correlation {
                bins: (i, j),
                ell: (wide[0].ell_min, wide[1].ell_max),
            })
        });
        autos.chain(crosses).collect()
    }

    /// The band powers if bin `k` of the maps were what is bin `order[k]` now.
    pub fn reordered(&self, powers: &[Vec<f64>], order: &[usize]) -> Vec<Vec<f64>> {
        let pairs = (0..self.bins).flat_map(|i| (i..self.bins).map(move |j| (i, j)));
        pairs.map(|(i, j)| powers[self.place(order[i], order[j])].clone()).collect()
    }

    /// The band powers if the noise of the maps were that of the survey rather than `factor` times
    /// its variance; none where more would be taken away than there is.
    pub fn with_noise_of(&self, powers: &[Vec<f64>], factor: f64) -> Option<Vec<Vec<f64>>> {
        let mut changed = powers.to_vec();
        for (bin, noise) in self.noise.iter().enumerate() {
            for power in &mut changed[self.place(bin, bin)] {
                *power -= (factor - 1.0) * noise;
                if *power <= 0.0 {
                    return None;
                }
            }
        }
        Some(changed)
    }

    /// Number of tomographic bins.
    pub fn bins(&self) -> usize {
        self.bins
    }

    /// Whether bins are compared with each other.
    pub fn has_pairs(&self) -> bool {
        !self.pairs.is_empty()
    }

    /// Place of a pair among (0,0), (0,1), ..., (1,1), ...
    fn place(&self, i: usize, j: usize) -> usize {
        let (low, high) = (i.min(j), i.max(j));
        low * self.bins - low * (low + 1) / 2 + high
    }

    /// Mean power of two neighbouring bands.
    fn wide_band(&self, powers: &[f64], band: usize) -> f64 {
        let modes = self.powers.bands()[2 * band..2 * band + 2].iter().map(|band| band.modes);
        let powers = &powers[2 * band..2 * band + 2];
        let sum: f64 = modes.clone().zip(powers).map(|(modes, power)| modes * power).sum();
        sum / modes.sum::<f64>()
    }
}

/// Pairs of different bins that lie at most `reach` apart.
fn pairs_within(bins: usize, reach: usize) -> Vec<(usize, usize)> {
    (0..bins).flat_map(|i| (i + 1..bins.min(i + reach + 1)).map(move |j| (i, j))).collect()
}

/// Edges of `bands` bands from below the fundamental multipole to the Nyquist multipole, half-way
/// between multiples of the former, where no mode can be.
fn edges(npix: usize, map_size_deg: f64, bands: usize) -> Vec<f64> {
    let fundamental = 2.0 * std::f64::consts::PI / map_size_deg.to_radians();
    let (first, last) = (0.5, npix as f64 / 2.0 - 0.5);
    let mut edges = vec![first];
    for band in 1..bands {
        let even = first * (last / first).powf(band as f64 / bands as f64);
        edges.push((even.floor() + 0.5).max(edges[band - 1] + 1.0));
    }
    edges.push(last);
    edges.iter().map(|k| k * fundamental).collect()
}

/// A map, summed up.
#[derive(Clone, Debug)]
pub(crate) struct Summary {
    /// Band powers `[pair][band]`, in steradians.
    pub powers: Vec<Vec<f64>>,
    /// Distribution of the pixels of each bin.
    pub pixels: Vec<Pixels>,
}

impl Summary {
    /// Mean and skewness of each bin.
    pub fn shape(&self) -> Vec<f64> {
        self.pixels.iter().flat_map(|pixels| [pixels.mean, pixels.skewness]).collect()
    }

    /// Logarithms of the largest and the smallest score of each bin, and of how far the farther of
    /// the two stands out.
    pub fn extremes(&self) -> Vec<f64> {
        let logarithms =
            |pixels: &Pixels| [pixels.highest, pixels.lowest, pixels.isolation].map(f64::ln);
        self.pixels.iter().flat_map(logarithms).collect()
    }

    /// [`Summary::extremes`] of the map with the other sign.
    pub fn inverted_extremes(&self) -> Vec<f64> {
        let mut extremes = self.extremes();
        extremes.chunks_exact_mut(EXTREMES).for_each(|bin| bin.swap(0, 1));
        extremes
    }
}

/// What [`Summary::shape`] holds.
pub(crate) fn shape_names(bins: usize) -> Vec<Statistic> {
    (0..bins).flat_map(|bin| [Statistic::Mean { bin }, Statistic::Skewness { bin }]).collect()
}

/// What [`Summary::extremes`] holds.
pub(crate) fn extreme_names(bins: usize) -> Vec<Statistic> {
    let of_bin =
        |bin| [Statistic::Highest { bin }, Statistic::Lowest { bin }, Statistic::Isolation { bin }];
    (0..bins).flat_map(of_bin).collect()
}

/// Distribution of the pixels of one bin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pixels {
    /// Mean over standard deviation.
    pub mean: f64,
    /// Skewness.
    pub skewness: f64,
    /// Median of the pixels and their robust standard deviation.
    pub median: f64,
    /// Median absolute deviation, as the standard deviation of a normal distribution.
    pub spread: f64,
    /// Distance of the largest pixel from the median, in spreads.
    pub highest: f64,
    /// Distance of the smallest pixel from the median, in spreads.
    pub lowest: f64,
    /// Distance of the farthest pixel from the median over that of the fifth farthest.
    pub isolation: f64,
}

impl Pixels {
    /// Of the finite pixels of a map, which is not constant.
    pub fn of(map: &[f64]) -> Self {
        let moments = OnePoint::of(map);
        let (median, spread) = median_and_spread(map);
        let (low, high) = map
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(*x), high.max(*x)));
        let mut distances: Vec<f64> = map.iter().map(|x| (x - median).abs()).collect();
        let rank = distances.len() - 1 - COMPANION.min(distances.len() - 1);
        let companion = *distances.select_nth_unstable_by(rank, f64::total_cmp).1;
        Self {
            isolation: (high - median).max(median - low) / companion,
            mean: moments.mean / moments.variance.sqrt(),
            skewness: moments.skewness,
            median,
            spread,
            highest: (high - median) / spread,
            lowest: (median - low) / spread,
        }
    }
}

/// Median and robust standard deviation of the pixels of a map.
///
/// Where most pixels are equal the spread is that of the others.
pub(crate) fn median_and_spread(map: &[f64]) -> (f64, f64) {
    let mut values = map.to_vec();
    let centre = middle(&mut values);
    for value in &mut values {
        *value = (*value - centre).abs();
    }
    let spread = SD_OVER_MAD * middle(&mut values);
    if spread > 0.0 {
        return (centre, spread);
    }
    values.retain(|value| *value > 0.0);
    let spread = if values.is_empty() { 0.0 } else { SD_OVER_MAD * middle(&mut values) };
    (centre, spread)
}

/// The upper median; the order of the values changes.
fn middle(values: &mut [f64]) -> f64 {
    let half = values.len() / 2;
    *values.select_nth_unstable_by(half, f64::total_cmp).1
}

/// A number that a map is summed up by.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Statistic {
    /// Logarithm of the auto-power of a bin in a band of multipoles.
    AutoPower {
        /// Tomographic bin, from 0.
        bin: usize,
        /// Edges of the band.
        ell: (f64, f64),
    },
    /// Correlation of two bins in a band of multipoles, Fisher-transformed.
    Correlation {
        /// The bins, from 0.
        bins: (usize, usize),
        /// Edges of the band.
        ell: (f64, f64),
    },
    /// Mean of a bin over its standard deviation.
    Mean {
        /// Tomographic bin, from 0.
        bin: usize,
    },
    /// Skewness of the pixels of a bin.
    Skewness {
        /// Tomographic bin, from 0.
        bin: usize,
    },
    /// Logarithm of the distance of the largest pixel of a bin from the median, in robust standard
    /// deviations.
    Highest {
        /// Tomographic bin, from 0.
        bin: usize,
    },
    /// Logarithm of the distance of the smallest pixel of a bin from the median, in robust standard
    /// deviations.
    Lowest {
        /// Tomographic bin, from 0.
        bin: usize,
    },
    /// Logarithm of the distance of the farthest pixel of a bin from the median over that of the
    /// fifth farthest.
    Isolation {
        /// Tomographic bin, from 0.
        bin: usize,
    },
}

impl fmt::Display for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AutoPower { bin, ell: (low, high) } => {
                write!(f, "power of bin {bin} at ell {low:.0} to {high:.0}")
            }
            Self::Correlation { bins: (i, j), ell: (low, high) } => {
                write!(f, "correlation of bins {i} and {j} at ell {low:.0} to {high:.0}")
            }
            Self::Mean { bin } => write!(f, "mean of bin {bin}"),
            Self::Skewness { bin } => write!(f, "skewness of bin {bin}"),
            Self::Highest { bin } => write!(f, "largest pixel of bin {bin}"),
            Self::Lowest { bin } => write!(f, "smallest pixel of bin {bin}"),
            Self::Isolation { bin } => write!(f, "isolation of the farthest pixel of bin {bin}"),
        }
    }
}
