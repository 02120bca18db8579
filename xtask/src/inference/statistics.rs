//! Statistics of maps for a small network to learn from: spectra of the maps and of their squares.
//!
//! The spectra of all pairs of bins hold what a Gaussian field tells. The square of a map that was
//! filtered to show its signal, against the map itself, is a spectrum that holds most of what the
//! bispectrum tells (a skew spectrum), and against other squares part of the trispectrum. All of them
//! are spectra of ten fields: auto spectra enter by their logarithm, cross spectra as correlation
//! coefficients, so that neither varies by orders of magnitude over the prior.
//!
//! *When to use.* Small maps and few processor hours: what a convolutional network learns in hours a
//! fully connected one learns of these numbers in a minute.
//! *When not.* Fields far from normal, of which third and fourth moments say too little.
//!
//! # References
//! M. Schmittfull, T. Baldauf and U. Seljak 2015, arXiv:1411.6595, for spectra of squares that are
//! near-optimal for bispectra.

use std::collections::BTreeMap;

use ::compression::{Compressor, MapShape, SpectrumCompressor, SpectrumConfig};
use anyhow::Result;
use lognormal_sim::{Cosmology, Fourier, Simulator};

/// Spectra of maps and of their filtered squares.
pub struct SquareSpectra {
    shape: MapShape,
    /// Of the fields: maps, then squares.
    spectra: SpectrumCompressor,
    fourier: Fourier<f64>,
    /// Wiener filter of each bin, `[bin][kx][ky]`.
    filters: Vec<Vec<f64>>,
    /// Multipole bins.
    bands: usize,
}

impl SquareSpectra {
    /// For the maps of a simulator, in `bands` multipole bins of equal width. The filter of each bin
    /// is signal over signal and noise at the fiducial cosmology.
    ///
    /// # Errors
    /// If a multipole bin holds no mode, or there are no spectra at the fiducial cosmology.
    pub fn new(simulator: &Simulator, bands: usize) -> Result<Self> {
        let survey = simulator.survey();
        let (npix, bins) = (survey.npix, simulator.bins());
        let pixel = (survey.pixel_arcmin() / 60.0).to_radians();
        let fields = MapShape::square(2 * bins, npix);
        let config = SpectrumConfig::linear(fields, pixel, bands);
        Ok(Self {
            shape: MapShape::square(bins, npix),
            spectra: SpectrumCompressor::new(fields, config)?,
            fourier: Fourier::new(npix),
            filters: wiener_filters(simulator, pixel)?,
            bands,
        })
    }

    /// The maps, and the squares of the filtered maps less their mean.
    fn fields(&self, map: &[f32]) -> Vec<f32> {
        let pixels = self.shape.pixels();
        let mut scratch = self.fourier.scratch();
        let mut modes = vec![Default::default(); self.fourier.half_len()];
        let mut fields = map.to_vec();
        for (image, filter) in map.chunks_exact(pixels).zip(&self.filters) {
            let mut field: Vec<f64> = image.iter().map(|pixel| f64::from(*pixel)).collect();
            self.fourier.forward(&field, &mut modes, &mut scratch);
            modes.iter_mut().zip(filter).for_each(|(mode, weight)| *mode *= *weight);
            self.fourier.inverse(&mut modes, &mut field, &mut scratch);
            let squares: Vec<f64> = field.iter().map(|value| value * value).collect();
            let mean = squares.iter().sum::<f64>() / pixels as f64;
            fields.extend(squares.iter().map(|square| (SCALE * (square - mean)) as f32));
        }
        fields
    }
}

/// Squares of convergences are far below one; in these units they are as far from zero as single
/// precision likes.
const SCALE: f64 = 1e3;

/// Signal over signal and noise of each bin at the modes `[kx][ky]` of the half plane.
fn wiener_filters(simulator: &Simulator, pixel: f64) -> Result<Vec<Vec<f64>>> {
    let npix = simulator.survey().npix;
    let theory = simulator.theory();
    let unit = 2.0 * std::f64::consts::PI / (npix as f64 * pixel);
    let square = |kx: usize, ky: usize| kx.pow(2) + ky.min(npix - ky).pow(2);
    let all = || (0..=npix / 2).flat_map(|kx| (0..npix).map(move |ky| square(kx, ky)));
    let mut places: BTreeMap<usize, usize> = all().filter(|k2| *k2 > 0).map(|k2| (k2, 0)).collect();
    places.values_mut().enumerate().for_each(|(place, slot)| *slot = place);
    let ell: Vec<f64> = places.keys().map(|k2| unit * (*k2 as f64).sqrt()).collect();
    let spectra = theory.spectra(&Cosmology::FIDUCIAL, &ell)?;
    let own = theory.pairs().into_iter().zip(spectra).filter(|((a, b), _)| a == b);
    Ok(own
        .zip(simulator.noise_variance())
        .map(|((_, signal), variance)| {
            let noise = variance * pixel * pixel;
            let weight = |k2: usize| {
                places.get(&k2).map_or(0.0, |place| signal[*place] / (signal[*place] + noise))
            };
            all().map(weight).collect()
        })
        .collect())
}

impl Compressor for SquareSpectra {
    fn shape(&self) -> MapShape {
        self.shape
    }

    fn summary_len(&self) -> usize {
        self.spectra.summary_len()
    }

    fn compress(&self, maps: &[f32]) -> ::compression::Result<Vec<f64>> {
        let fields = 2 * self.shape.bins;
        let mut statistics = Vec::new();
        for map in maps.chunks_exact(self.shape.numbers()) {
            let spectra = self.spectra.compress(&self.fields(map))?;
            // Pairs of fields (i, j) with i <= j, row by row.
            let pair = |i: usize, j: usize| {
                let place = i * fields - i * i.saturating_sub(1) / 2 + j - i;
                &spectra[place * self.bands..(place + 1) * self.bands]
            };
            let own = |k: usize, band: usize| pair(k, k)[band].max(f64::MIN_POSITIVE);
            for i in 0..fields {
                for j in i..fields {
                    let cross = pair(i, j).iter().enumerate();
                    statistics.extend(cross.map(|(band, value)| match i == j {
                        true => own(i, band).ln(),
                        false => value / (own(i, band) * own(j, band)).sqrt(),
                    }));
                }
            }
        }
        Ok(statistics)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lognormal_sim::Survey;

    #[test]
    fn squares_of_a_skewed_field_correlate_with_it() -> Result<()> {
        let simulator = Simulator::new(Survey::preset("lsst_y10")?.with_npix(32))?;
        let statistics = SquareSpectra::new(&simulator, 3)?;
        assert_eq!(statistics.summary_len(), 55 * 3);
        let mut sums = vec![0.0; statistics.summary_len()];
        for index in 0..8 {
            let map: Vec<f32> = simulator.simulate(&Cosmology::FIDUCIAL, 2, index, true)?;
            let found = statistics.compress(&map)?;
            assert!(found.iter().all(|value| value.is_finite()));
            sums.iter_mut().zip(found).for_each(|(sum, value)| *sum += value / 8.0);
        }
        // Pair (4, 9): the last bin with its own square. Rows of the triangle have 10, 9, .. pairs.
        let pair = |i: usize, j: usize| (0..i).map(|k| 10 - k).sum::<usize>() + j - i;
        assert!(sums[3 * pair(4, 9)] > 0.1, "{}", sums[3 * pair(4, 9)]);
        // Filters are between nought and one, and nought for the mean.
        for filter in &statistics.filters {
            assert!(filter.iter().all(|weight| (0.0..1.0).contains(weight)) && filter[0] == 0.0);
        }
        Ok(())
    }
}
