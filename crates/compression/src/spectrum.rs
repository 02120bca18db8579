//! Compression into binned auto and cross spectra.

use rustfft::FftPlanner;
use rustfft::num_complex::Complex;
use serde::{Deserialize, Serialize};

use crate::compressor::Compressor;
use crate::error::{Error, Result};
use crate::shape::{MapShape, Maps};

/// Settings of a compression into spectra.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpectrumConfig {
    /// Side of a pixel in radian.
    pub pixel: f64,
    /// Edges of the multipole bins, rising; a mode belongs to a bin from its lower edge up to, not
    /// including, its upper edge.
    pub edges: Vec<f64>,
}

impl SpectrumConfig {
    /// `bins` multipole bins of equal width from the largest wavelength of the map up to the Nyquist
    /// frequency of its pixels.
    #[must_use]
    pub fn linear(shape: MapShape, pixel: f64, bins: usize) -> Self {
        let tau = 2.0 * std::f64::consts::PI;
        let first = 0.999 * tau / (shape.height.max(shape.width) as f64 * pixel);
        let last = 0.5 * tau / pixel * 1.000_001;
        let edge = |i: usize| first + (last - first) * i as f64 / bins.max(1) as f64;
        Self { pixel, edges: (0..=bins).map(edge).collect() }
    }
}

/// Binned spectra of all pairs of bins, `[map][bin][y][x]` to `[map][pair][multipole bin]`.
///
/// With the discrete Fourier transform `f_i(k)` of bin `i` of a map of `N` pixels of the side `p`,
///
/// `C_ij(b) = p^2 / N  < Re f_i(k) f_j(k)^* >`,
///
/// the mean over the modes whose angular frequency `|l| = 2 pi |k| / (side p)` lies in multipole
/// bin `b`. In the flat-sky limit this is the angular power spectrum in steradian, pixel window and
/// noise included.
///
/// *When to use.* Isotropic Gaussian fields, of which spectra in narrow bins lose nothing; a
/// baseline for networks, or their input.
/// *When not.* Fields that are not Gaussian: what their phases know is lost. Masked or curved
/// skies: nothing is corrected for.
///
/// # References
/// The pseudo-spectrum of a flat, unmasked field; e.g. M. Tegmark 1997, Phys. Rev. D 55, 5895,
/// arXiv:astro-ph/9611174.
pub struct SpectrumCompressor {
    shape: MapShape,
    config: SpectrumConfig,
    /// Modes of each multipole bin, as places in the transform.
    modes: Vec<Vec<usize>>,
    rows: std::sync::Arc<dyn rustfft::Fft<f64>>,
    columns: std::sync::Arc<dyn rustfft::Fft<f64>>,
}

impl std::fmt::Debug for SpectrumCompressor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("SpectrumCompressor")
            .field("shape", &self.shape)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// Frequency of place `index` of `count`, in units of the lowest.
fn frequency(index: usize, count: usize) -> f64 {
    if 2 * index > count { index as f64 - count as f64 } else { index as f64 }
}

/// Modes of each multipole bin, as places in the transform.
///
/// # Errors
/// [`Error::TooFew`] if a multipole bin holds no mode.
pub(crate) fn modes(shape: MapShape, config: &SpectrumConfig) -> Result<Vec<Vec<usize>>> {
    let mut modes = vec![Vec::new(); config.edges.len() - 1];
    let unit = 2.0 * std::f64::consts::PI / config.pixel;
    for y in 0..shape.height {
        let ky = unit * frequency(y, shape.height) / shape.height as f64;
        for x in 0..shape.width {
            let kx = unit * frequency(x, shape.width) / shape.width as f64;
            let at = config.edges.partition_point(|edge| *edge <= kx.hypot(ky));
            if at >= 1 && at < config.edges.len() {
                modes[at - 1].push(y * shape.width + x);
            }
        }
    }
    if modes.iter().any(Vec::is_empty) {
        return Err(Error::TooFew { what: "modes of a multipole bin", minimum: 1, found: 0 });
    }
    Ok(modes)
}

impl SpectrumCompressor {
    /// For maps of a shape.
    ///
    /// # Errors
    /// [`Error::Setting`] if the pixel has no size, or the edges do not rise;
    /// [`Error::TooFew`] if a multipole bin holds no mode.
    pub fn new(shape: MapShape, config: SpectrumConfig) -> Result<Self> {
        shape.validate()?;
        let refuse =
            |setting, value: String, expected| Err(Error::Setting { setting, value, expected });
        if !(config.pixel.is_finite() && config.pixel > 0.0) {
            return refuse("pixel", config.pixel.to_string(), "a positive number");
        }
        let rising = config.edges.windows(2).all(|pair| pair[0] < pair[1]);
        if config.edges.len() < 2 || !rising || config.edges[0] < 0.0 {
            let expected = "at least two numbers, rising, not negative";
            return refuse("edges", format!("{:?}", config.edges), expected);
        }
        let modes = modes(shape, &config)?;
        let mut planner = FftPlanner::new();
        let (rows, columns) =
            (planner.plan_fft_forward(shape.width), planner.plan_fft_forward(shape.height));
        Ok(Self { shape, config, modes, rows, columns })
    }

    /// Its settings.
    #[must_use]
    pub fn config(&self) -> &SpectrumConfig {
        &self.config
    }

    fn transform(&self, image: &[f32]) -> Vec<Complex<f64>> {
        let (height, width) = (self.shape.height, self.shape.width);
        let mut field: Vec<_> = image.iter().map(|x| Complex::new(f64::from(*x), 0.0)).collect();
        self.rows.process(&mut field);
        let mut column = vec![Complex::default(); height];
        for x in 0..width {
            for y in 0..height {
                column[y] = field[y * width + x];
            }
            self.columns.process(&mut column);
            for y in 0..height {
                field[y * width + x] = column[y];
            }
        }
        field
    }
}

impl Compressor for SpectrumCompressor {
    fn shape(&self) -> MapShape {
        self.shape
    }

    /// `bins (bins + 1) / 2` spectra of as many numbers as there are multipole bins.
    fn summary_len(&self) -> usize {
        self.shape.bins * (self.shape.bins + 1) / 2 * self.modes.len()
    }

    /// Spectra `[map][pair][multipole bin]`, the pairs in the order 00, 01, .., 11, 12, ...
    fn compress(&self, maps: Maps<'_>) -> Result<Vec<f64>> {
        let count = maps.count();
        let maps = maps.require(self.shape)?;
        let pixels = self.shape.pixels();
        let unit = self.config.pixel.powi(2) / pixels as f64;
        let mut spectra = Vec::with_capacity(count * self.summary_len());
        for map in maps.chunks_exact(self.shape.numbers()) {
            let fields: Vec<_> =
                map.chunks_exact(pixels).map(|image| self.transform(image)).collect();
            for (i, first) in fields.iter().enumerate() {
                for second in &fields[i..] {
                    spectra.extend(self.modes.iter().map(|modes| {
                        let product = |at: &usize| {
                            first[*at].re * second[*at].re + first[*at].im * second[*at].im
                        };
                        unit * modes.iter().map(product).sum::<f64>() / modes.len() as f64
                    }));
                }
            }
        }
        Ok(spectra)
    }
}
