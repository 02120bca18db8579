//! Statistics of maps for a small network to learn from: spectra of the maps and of their squares.
//!
//! The spectra of all pairs of bins hold what a Gaussian field tells. The square of the signal, as a
//! Wiener filter of all bins estimates it, against the maps themselves is a spectrum that holds most
//! of what the bispectrum tells (a skew spectrum), and against other squares part of the trispectrum.
//! All of them are spectra of ten fields: auto spectra enter by their logarithm, cross spectra as
//! correlation coefficients, so that neither varies by orders of magnitude over the prior.
//!
//! *When to use.* Small maps and few processor hours: what a convolutional network learns in hours a
//! fully connected one learns of these numbers in a minute.
//! *When not.* Fields far from normal, of which third and fourth moments say too little.
//!
//! # References
//! M. Schmittfull, T. Baldauf and U. Seljak 2015, arXiv:1411.6595, for spectra of squares that are
//! near-optimal for bispectra.

use std::collections::{BTreeMap, BTreeSet};

use compression::{Compressor, MapShape, Maps, SpectrumCompressor, SpectrumConfig};
use lognormal_sim::{Cosmology, Fourier, Simulator};

use crate::error::Result;

/// Spectra of maps and of their filtered squares.
pub struct SquareSpectra {
    shape: MapShape,
    /// Of the fields: maps, then squares.
    spectra: SpectrumCompressor,
    fourier: Fourier<f64>,
    /// Wiener filters of all bins together.
    filter: WienerFilter,
    /// Multipole bins.
    bands: usize,
}

impl SquareSpectra {
    /// For the maps of a simulator, in `bands` multipole bins of equal width. The filter is that of the
    /// fiducial cosmology.
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
            filter: WienerFilter::new(simulator, pixel)?,
            bands,
        })
    }

    /// The maps, and the squares of the filtered maps less their mean.
    fn fields(&self, map: &[f32]) -> Vec<f32> {
        let (pixels, bins) = (self.shape.pixels(), self.shape.bins);
        let mut scratch = self.fourier.scratch();
        let mut modes = vec![vec![Default::default(); self.fourier.half_len()]; bins];
        for (image, modes) in map.chunks_exact(pixels).zip(&mut modes) {
            let field: Vec<f64> = image.iter().map(|pixel| f64::from(*pixel)).collect();
            self.fourier.forward(&field, modes, &mut scratch);
        }
        let mut fields = map.to_vec();
        let mut field = vec![0.0; pixels];
        for bin in 0..bins {
            let mut own: Vec<_> = (0..self.fourier.half_len())
                .map(|mode| {
                    let row = &self.filter.row(mode, bin);
                    row.iter().zip(&modes).map(|(weight, modes)| modes[mode] * *weight).sum()
                })
                .collect();
            self.fourier.inverse(&mut own, &mut field, &mut scratch);
            let mean = field.iter().map(|value| value * value).sum::<f64>() / pixels as f64;
            fields.extend(field.iter().map(|value| (SCALE * (value * value - mean)) as f32));
        }
        fields
    }
}

/// Squares of convergences are far below one; in these units they are as far from zero as single
/// precision likes.
const SCALE: f64 = 1e3;

/// The linear estimate of the signal of all bins from the maps of all bins, `C (C + N)^-1` of each
/// mode.
struct WienerFilter {
    bins: usize,
    /// Of each distinct wavenumber, `[wavenumber][bin][bin]`.
    matrices: Vec<Vec<f64>>,
    /// The wavenumber of each mode `[kx][ky]` of the half plane; none for the mean.
    places: Vec<Option<usize>>,
    /// What becomes of the mean: nothing is left of it.
    nothing: Vec<f64>,
}

impl WienerFilter {
    /// At the fiducial cosmology.
    fn new(simulator: &Simulator, pixel: f64) -> Result<Self> {
        let (npix, bins) = (simulator.survey().npix, simulator.bins());
        let theory = simulator.theory();
        let unit = 2.0 * std::f64::consts::PI / (npix as f64 * pixel);
        let square = |kx: usize, ky: usize| kx.pow(2) + ky.min(npix - ky).pow(2);
        let all = || (0..=npix / 2).flat_map(|kx| (0..npix).map(move |ky| square(kx, ky)));
        let distinct: BTreeSet<usize> = all().filter(|k2| *k2 > 0).collect();
        let ell: Vec<f64> = distinct.iter().map(|k2| unit * (*k2 as f64).sqrt()).collect();
        let spectra = theory.spectra(&Cosmology::FIDUCIAL, &ell)?;
        let pairs = theory.pairs();
        let matrices = (0..ell.len()).map(|at| {
            let mut signal = vec![0.0; bins * bins];
            for ((i, j), spectrum) in pairs.iter().zip(&spectra) {
                signal[i * bins + j] = spectrum[at];
                signal[j * bins + i] = spectrum[at];
            }
            let mut total = signal.clone();
            for (bin, variance) in simulator.noise_variance().iter().enumerate() {
                total[bin * bins + bin] += variance * pixel * pixel;
            }
            transposed(&solve(total, signal, bins), bins)
        });
        let matrices = matrices.collect();
        let places: BTreeMap<usize, usize> =
            distinct.into_iter().enumerate().map(|(place, k2)| (k2, place)).collect();
        let places = all().map(|k2| places.get(&k2).copied()).collect();
        Ok(Self { bins, matrices, places, nothing: vec![0.0; bins] })
    }

    /// The weights of the maps in the estimate of a bin at a mode.
    fn row(&self, mode: usize, bin: usize) -> &[f64] {
        let row = bin * self.bins..(bin + 1) * self.bins;
        self.places[mode].map_or(&self.nothing, |place| &self.matrices[place][row])
    }
}

/// `A^-1 B` of square matrices `[row][column]`, `A` positive definite.
fn solve(mut a: Vec<f64>, mut b: Vec<f64>, n: usize) -> Vec<f64> {
    for pivot in 0..n {
        let scale = 1.0 / a[pivot * n + pivot];
        for column in 0..n {
            a[pivot * n + column] *= scale;
            b[pivot * n + column] *= scale;
        }
        for row in (0..n).filter(|row| *row != pivot) {
            let factor = a[row * n + pivot];
            for column in 0..n {
                a[row * n + column] -= factor * a[pivot * n + column];
                b[row * n + column] -= factor * b[pivot * n + column];
            }
        }
    }
    b
}

fn transposed(a: &[f64], n: usize) -> Vec<f64> {
    (0..n * n).map(|at| a[(at % n) * n + at / n]).collect()
}

impl Compressor for SquareSpectra {
    fn shape(&self) -> MapShape {
        self.shape
    }

    fn summary_len(&self) -> usize {
        self.spectra.summary_len()
    }

    fn compress(&self, maps: Maps<'_>) -> compression::Result<Vec<f64>> {
        let fields = 2 * self.shape.bins;
        let mut statistics = Vec::new();
        for map in maps.require(self.shape)?.chunks_exact(self.shape.numbers()) {
            let both = self.fields(map);
            let spectra = self.spectra.compress(Maps::new(self.spectra.shape(), &both)?)?;
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
    fn a_filter_times_signal_and_noise_is_the_signal() {
        let (signal, total) = (vec![2.0, 0.5, 0.5, 1.0], vec![3.0, 0.5, 0.5, 5.0]);
        let filter = transposed(&solve(total.clone(), signal.clone(), 2), 2);
        for (row, column) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let product: f64 = (0..2).map(|k| filter[row * 2 + k] * total[k * 2 + column]).sum();
            assert!((product - signal[row * 2 + column]).abs() < 1e-12);
        }
    }

    #[test]
    fn squares_of_a_skewed_field_correlate_with_it() -> Result<()> {
        let simulator = Simulator::new(Survey::preset("lsst_y10")?.with_npix(32))?;
        let statistics = SquareSpectra::new(&simulator, 3)?;
        assert_eq!(statistics.summary_len(), 55 * 3);
        let mut sums = vec![0.0; statistics.summary_len()];
        for index in 0..8 {
            let map: Vec<f32> = simulator.simulate(&Cosmology::FIDUCIAL, 2, index, true)?;
            let found = statistics.compress(Maps::new(statistics.shape(), &map)?)?;
            assert!(found.iter().all(|value| value.is_finite()));
            sums.iter_mut().zip(found).for_each(|(sum, value)| *sum += value / 8.0);
        }
        // Pair (4, 9): the last bin with its own square. Rows of the triangle have 10, 9, .. pairs.
        let pair = |i: usize, j: usize| (0..i).map(|k| 10 - k).sum::<usize>() + j - i;
        assert!(sums[3 * pair(4, 9)] > 0.1, "{}", sums[3 * pair(4, 9)]);
        // Nothing is left of the mean; elsewhere no bin is trusted more than entirely.
        assert_eq!(statistics.filter.row(0, 2), [0.0; 5]);
        for mode in 1..statistics.fourier.half_len() {
            let own = (0..5).map(|bin| statistics.filter.row(mode, bin)[bin]);
            assert!(
                own.clone().all(|weight| (0.0..1.0).contains(&weight)),
                "{:?}",
                own.collect::<Vec<_>>()
            );
        }
        Ok(())
    }
}
