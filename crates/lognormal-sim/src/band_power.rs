//! Binned angular power spectra of square flat-sky maps, with exact counting of their modes.
//!
//! With f_i(k) the discrete Fourier transform of map i over N x N pixels on a sky of area A, the
//! power of pair (i, j) in a band of multipoles is the mean over the modes of the full plane
//! whose |k| lies in it,
//!
//! Ĉ_ij = (A / N⁴) (1/n) Σ_k Re f_i(k) f_j(k)*,
//!
//! so that white noise of variance σ² per pixel has the power σ² times the pixel area. Its
//! expectation is the mean of C_ij(|k|) over the very same modes: [`BandPowers::average`].
//!
//! Maps are taken as periodic, as the simulated ones are; no mask, no pixel window.

use autodiff::Real;
use realfft::num_complex::Complex;

use crate::fourier::Fourier;
use crate::modes::Modes;
use crate::small_matrix::pairs;
use crate::{Error, Result};

/// Classes that lie in no band.
const OUTSIDE: u32 = u32::MAX;

/// One band of multipoles.
#[derive(Clone, Debug, PartialEq)]
pub struct Band {
    /// Lower edge, inclusive.
    pub ell_min: f64,
    /// Upper edge, exclusive.
    pub ell_max: f64,
    /// Mean multipole of the modes.
    pub ell_mean: f64,
    /// Number of modes of the full Fourier plane; k and -k count as two.
    pub modes: f64,
}

/// Measures band powers on maps of one geometry.
#[derive(Clone)]
pub struct BandPowers {
    bands: Vec<Band>,
    modes: Modes,
    /// Band of each class of modes, or [`OUTSIDE`].
    band_of_class: Vec<u32>,
    fourier: Fourier<f64>,
    /// A / N⁴, in steradians.
    norm: f64,
}

impl BandPowers {
    /// Bands between consecutive `ell_edges` on maps of `npix` x `npix` pixels and side
    /// `map_size_deg` degrees.
    ///
    /// # Errors
    /// [`Error::Config`] for an odd `npix`, a side out of range, or edges that are not at least
    /// two increasing positive numbers; [`Error::EmptyBand`] for a band without modes.
    pub fn new(npix: usize, map_size_deg: f64, ell_edges: &[f64]) -> Result<Self> {
        if npix < 8 || !npix.is_multiple_of(2) {
            return Err(Error::config("npix", npix, "an even number of at least 8"));
        }
        if !(map_size_deg > 0.0 && map_size_deg <= 60.0) {
            let expected = "a side of more than 0 and at most 60 degrees";
            return Err(Error::config("map_size_deg", map_size_deg, expected));
        }
        let increasing = ell_edges.windows(2).all(|w| w[0] < w[1]);
        let finite = ell_edges.iter().all(|ell| ell.is_finite() && *ell > 0.0);
        if ell_edges.len() < 2 || !increasing || !finite {
            let expected = "at least two increasing positive multipoles";
            return Err(Error::config("ell_edges", format!("{ell_edges:?}"), expected));
        }
        let modes = Modes::new(npix, map_size_deg);
        let band_of_class = modes
            .ell()
            .iter()
            .map(|ell| match ell_edges.partition_point(|edge| edge <= ell) {
                above if above == 0 || above == ell_edges.len() => OUTSIDE,
                above => above as u32 - 1,
            })
            .collect();
        let pixels = (npix * npix) as f64;
        let mut powers = Self {
            bands: Vec::new(),
            fourier: Fourier::new(npix),
            norm: map_size_deg.to_radians().powi(2) / (pixels * pixels),
            modes,
            band_of_class,
        };
        powers.count_modes(ell_edges)?;
        Ok(powers)
    }

    fn count_modes(&mut self, ell_edges: &[f64]) -> Result<()> {
        let multipoles = self.modes.ell();
        for (index, edges) in ell_edges.windows(2).enumerate() {
            let (mut count, mut sum) = (0.0, 0.0);
            for (class, multiplicity) in self.members(index) {
                count += multiplicity;
                sum += multiplicity * multipoles[class];
            }
            let (ell_min, ell_max) = (edges[0], edges[1]);
            if count == 0.0 {
                return Err(Error::EmptyBand {
                    band: index,
                    ell_min,
                    ell_max,
                    fundamental: multipoles[1],
                    largest: multipoles[multipoles.len() - 1],
                });
            }
            self.bands.push(Band { ell_min, ell_max, ell_mean: sum / count, modes: count });
        }
        Ok(())
    }

    /// Edges from 1.5 times the fundamental multipole to just below the Nyquist multipole, one
    /// fundamental wide at first, then growing by a tenth each: 36 bands for 256 pixels.
    ///
    /// All lie half-way between multiples of the fundamental, where no mode can be, and every
    /// mode between them has its conjugate among them.
    #[must_use]
    pub fn default_edges(npix: usize, map_size_deg: f64) -> Vec<f64> {
        let fundamental = 2.0 * std::f64::consts::PI / map_size_deg.to_radians();
        let last = npix as f64 / 2.0 - 0.5;
        let mut edges = vec![1.5];
        let mut next = 2.5;
        while next < last {
            edges.push(next);
            next = (next + 1.0).max((1.1 * next).floor() + 0.5);
        }
        edges.push(last);
        edges.iter().map(|k| k * fundamental).collect()
    }

    /// The bands of the published power-spectrum analysis (arXiv:2409.17975): 100 to 4950 in
    /// steps of 50. They need a map that reaches that far, such as 256 pixels over 10 degrees.
    #[must_use]
    pub fn published_edges() -> Vec<f64> {
        (0..=97).map(|index| 100.0 + 50.0 * f64::from(index)).collect()
    }

    /// The bands.
    #[must_use]
    pub fn bands(&self) -> &[Band] {
        &self.bands
    }

    /// The distinct multipoles |k| of the map, that [`BandPowers::average`] takes spectra at.
    #[must_use]
    pub fn multipoles(&self) -> &[f64] {
        self.modes.ell()
    }

    /// Classes of modes in a band, each with its number of modes in the full plane.
    fn members(&self, band: usize) -> impl Iterator<Item = (usize, f64)> + '_ {
        let classes = self.band_of_class.iter().zip(self.modes.multiplicity()).enumerate();
        classes
            .filter_map(move |(class, (&of, &count))| (of == band as u32).then_some((class, count)))
    }

    /// Multipoles of the modes of a band with the weights of their mean, which sum to 1.
    #[must_use]
    pub fn weights(&self, band: usize) -> (Vec<f64>, Vec<f64>) {
        let total = self.bands[band].modes;
        self.members(band).map(|(class, count)| (self.modes.ell()[class], count / total)).unzip()
    }

    /// Expectation of the band powers of one pair: the mean over the modes of each band of a
    /// spectrum given at [`BandPowers::multipoles`].
    ///
    /// # Errors
    /// [`Error::Shape`] when the spectrum has another length.
    pub fn average<R: Real>(&self, spectrum: &[R]) -> Result<Vec<R>> {
        if spectrum.len() != self.modes.len() {
            return Err(Error::Shape {
                what: "spectrum at the multipoles of the map".into(),
                expected: format!("[{}]", self.modes.len()),
                found: format!("[{}]", spectrum.len()),
            });
        }
        let mut means = vec![R::from(0.0); self.bands.len()];
        let classes = self.band_of_class.iter().zip(self.modes.multiplicity());
        for (&value, (&band, &count)) in spectrum.iter().zip(classes) {
            if band != OUTSIDE {
                means[band as usize] += value * (count / self.bands[band as usize].modes);
            }
        }
        Ok(means)
    }

    /// Band powers `[pair][band]` of maps `[bin][y][x]`, in steradians; pairs in the order
    /// (0,0), (0,1), ..., (1,1), ...
    ///
    /// # Errors
    /// [`Error::Shape`] when `maps` does not hold `bins` maps of this geometry,
    /// [`Error::NotFinite`] naming the first pixel that is NaN or infinite.
    pub fn measure(&self, maps: &[f64], bins: usize) -> Result<Vec<Vec<f64>>> {
        let n = self.modes.npix();
        if bins == 0 || maps.len() != bins * n * n {
            return Err(Error::Shape {
                what: "map".into(),
                expected: format!("[{bins}, {n}, {n}] = {} values", bins * n * n),
                found: format!("{} values", maps.len()),
            });
        }
        if let Some(i) = maps.iter().position(|pixel| !pixel.is_finite()) {
            let (bin, y, x) = (i / (n * n), i / n % n, i % n);
            return Err(Error::NotFinite { what: format!("map at [bin {bin}, y {y}, x {x}]") });
        }
        let mut scratch = self.fourier.scratch();
        let planes: Vec<Vec<Complex<f64>>> = maps
            .chunks_exact(n * n)
            .map(|map| {
                let mut plane = vec![Complex::default(); self.fourier.half_len()];
                self.fourier.forward(map, &mut plane, &mut scratch);
                plane
            })
            .collect();
        Ok(pairs(bins).into_iter().map(|(i, j)| self.cross(&planes[i], &planes[j])).collect())
    }

    /// Band powers of a pair of half planes `[kx][ky]`.
    fn cross(&self, a: &[Complex<f64>], b: &[Complex<f64>]) -> Vec<f64> {
        let n = self.modes.npix();
        let mut sums = vec![0.0; self.bands.len()];
        for (kx, (a, b)) in a.chunks_exact(n).zip(b.chunks_exact(n)).enumerate() {
            let classes = self.modes.classes(kx);
            let weight = self.modes.column_weight(kx);
            for (ky, (a, b)) in a.iter().zip(b).enumerate() {
                let band = self.band_of_class[classes[ky.min(n - ky)] as usize];
                if band != OUTSIDE {
                    sums[band as usize] += weight * (a.re * b.re + a.im * b.im);
                }
            }
        }
        for (sum, band) in sums.iter_mut().zip(&self.bands) {
            *sum *= self.norm / band.modes;
        }
        sums
    }
}
