//! Auto and cross spectra as features of a network.
//!
//! With the discrete Fourier transform `f_i(k)` of bin `i`, and `P_ij(b)` the mean of
//! `Re f_i(k) f_j(k)^*` over the modes of multipole bin `b`, divided by the number of pixels, the
//! features are `ln(P_ii + e)` for each bin and `P_ij / sqrt((P_ii + e)(P_jj + e))` for each pair,
//! `e = 1e-6` in the units of standardised maps: together they tell as much as the spectra, on a
//! scale that a network can use at once. A convolution sees a few pixels, and its mean over all
//! pixels is a poor spectrum on large scales; here it need not learn one.
//!
//! The transform is a product of matrices, on whichever device the maps are. Multipole bins are of
//! equal width in `|k|`, from the lowest mode to the Nyquist frequency of the pixels.

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};

use super::{BatchNorm, Normalisation};
use crate::error::Result;
use crate::shape::MapShape;
use crate::spectrum::{SpectrumConfig, modes};

/// What is added to a power.
const LEAST: f64 = 1e-6;

/// Band powers `[batch, bin, y, x] -> [batch, pair * multipole bin]`, normalised.
#[derive(Module, Debug)]
pub struct BandPowers {
    /// Cosines, then minus sines of the non-negative frequencies, `[x, 2 frequency]`.
    #[module(skip)]
    along: Tensor<2>,
    /// Cosines, then sines, `[y, 2 frequency]`.
    #[module(skip)]
    across: Tensor<2>,
    /// Weight of each mode in each multipole bin, `[mode, multipole bin]`.
    #[module(skip)]
    binning: Tensor<2>,
    norm: Option<BatchNorm>,
}

impl BandPowers {
    /// Features that `bins` bins in `multipole_bins` multipole bins make.
    pub fn len(bins: usize, multipole_bins: usize) -> usize {
        bins * (bins + 1) / 2 * multipole_bins
    }

    /// For maps of a shape.
    ///
    /// # Errors
    /// If a multipole bin holds no mode.
    pub fn new(
        shape: MapShape,
        multipole_bins: usize,
        normalisation: Normalisation,
        device: &Device,
    ) -> Result<Self> {
        let MapShape { bins, height, width } = shape;
        let frequencies = width / 2 + 1;
        let angle = |place: usize, frequency: usize, side: usize| {
            std::f64::consts::TAU * ((place * frequency) % side) as f64 / side as f64
        };
        let mut along = Vec::with_capacity(width * 2 * frequencies);
        for x in 0..width {
            along.extend((0..frequencies).map(|k| angle(x, k, width).cos()));
            along.extend((0..frequencies).map(|k| -angle(x, k, width).sin()));
        }
        let mut across = Vec::with_capacity(height * 2 * height);
        for y in 0..height {
            across.extend((0..height).map(|k| angle(y, k, height).cos()));
            across.extend((0..height).map(|k| angle(y, k, height).sin()));
        }
        let config = SpectrumConfig::linear(shape, 1.0, multipole_bins);
        let mut binning = vec![0.0; frequencies * height * multipole_bins];
        for (band, places) in modes(shape, &config)?.iter().enumerate() {
            let weight = 1.0 / (places.len() * shape.pixels()) as f64;
            for place in places {
                // a mode with a negative frequency along x has the power of its mirror image
                let (y, x) = (place / width, place % width);
                let (y, x) =
                    if x < frequencies { (y, x) } else { ((height - y) % height, width - x) };
                binning[(x * height + y) * multipole_bins + band] += weight;
            }
        }
        let plain = device.clone().without_autodiff();
        let constant = |values: Vec<f64>, shape: [usize; 2]| {
            let single: Vec<f32> = values.into_iter().map(|value| value as f32).collect();
            Tensor::from_data(TensorData::new(single, shape), &plain)
        };
        let features = Self::len(bins, multipole_bins);
        let norm =
            (normalisation == Normalisation::Batch).then(|| BatchNorm::new(features, 1.0, device));
        Ok(Self {
            along: constant(along, [width, 2 * frequencies]),
            across: constant(across, [height, 2 * height]),
            binning: constant(binning, [frequencies * height, multipole_bins]),
            norm,
        })
    }

    /// The features of standardised maps.
    pub fn forward(&self, maps: &Tensor<4>) -> Tensor<2> {
        let differentiated = maps.is_autodiff();
        let plain = if differentiated { maps.clone().inner() } else { maps.clone() };
        let features = self.features(plain);
        let features = if differentiated { features.autodiff() } else { features };
        match &self.norm {
            Some(norm) => norm.forward(features),
            None => features,
        }
    }

    /// The features before they are normalised: constants as far as weights are concerned.
    fn features(&self, maps: Tensor<4>) -> Tensor<2> {
        let [rows, bins, height, width] = maps.dims();
        let frequencies = self.along.dims()[1] / 2;
        let half = maps.reshape([rows * bins * height, width]).matmul(self.along.clone());
        let half = half.reshape([rows * bins, height, 2 * frequencies]).swap_dims(1, 2);
        let both =
            half.reshape([rows * bins * 2 * frequencies, height]).matmul(self.across.clone());
        let both = both.reshape([rows * bins, 2, frequencies, 2 * height]);
        // (a + i b)(cos - i sin): parts[0] = a, parts[1] = b, each times cosines, then sines
        let part = |number: usize, sines: bool| {
            let first = if sines { height } else { 0 };
            both.clone().narrow(1, number, 1).narrow(3, first, height)
        };
        let modes = [rows, bins, frequencies * height];
        let real = (part(0, false) + part(1, true)).reshape(modes);
        let imaginary = (part(1, false) - part(0, true)).reshape(modes);
        let power = |i: usize, j: usize| {
            let product = |field: &Tensor<3>| {
                let bin = |index: usize| field.clone().narrow(1, index, 1);
                bin(i) * bin(j)
            };
            let modes = product(&real) + product(&imaginary);
            modes.reshape([rows, frequencies * height]).matmul(self.binning.clone())
        };
        let auto: Vec<Tensor<2>> = (0..bins).map(|i| power(i, i) + LEAST).collect();
        let mut features = Vec::new();
        for i in 0..bins {
            features.push(auto[i].clone().log());
            for j in i + 1..bins {
                features.push(power(i, j) / (auto[i].clone() * auto[j].clone()).sqrt());
            }
        }
        Tensor::cat(features, 1)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Distribution;

    use super::*;
    use crate::compressor::Compressor;
    use crate::shape::Maps;
    use crate::spectrum::SpectrumCompressor;

    #[test]
    fn they_are_the_spectra_of_the_compressor() {
        let device = Device::flex();
        for (height, width) in [(8, 8), (6, 10), (7, 5)] {
            let shape = MapShape { bins: 3, height, width };
            let maps =
                Tensor::<4>::random([4, 3, height, width], Distribution::Normal(0.3, 1.0), &device);
            let powers = BandPowers::new(shape, 2, Normalisation::None, &device).unwrap();
            let found = powers.forward(&maps).try_into_vec_as::<f32>().unwrap();
            let spectra =
                SpectrumCompressor::new(shape, SpectrumConfig::linear(shape, 1.0, 2)).unwrap();
            let maps = maps.try_into_vec_as::<f32>().unwrap();
            let expected = spectra.compress(Maps::new(shape, &maps).unwrap()).unwrap();
            let (features, pairs) = (BandPowers::len(3, 2), [0, 1, 2, 3, 4, 5]);
            let autos = [0, 3, 5];
            let bins_of = [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)];
            for (found, expected) in
                found.chunks_exact(features).zip(expected.chunks_exact(features))
            {
                for pair in pairs {
                    for band in 0..2 {
                        let power = |pair: usize| expected[2 * pair + band];
                        let (i, j) = bins_of[pair];
                        let expected = if i == j {
                            (power(pair) + LEAST).ln()
                        } else {
                            let product = (power(autos[i]) + LEAST) * (power(autos[j]) + LEAST);
                            power(pair) / product.sqrt()
                        };
                        let found = f64::from(found[2 * pair + band]);
                        assert!(
                            (found - expected).abs() < 1e-4,
                            "{pair} {band} {found} {expected}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn a_constant_map_has_finite_features() {
        let device = Device::flex();
        let shape = MapShape::square(2, 8);
        let powers = BandPowers::new(shape, 3, Normalisation::None, &device).unwrap();
        let features = powers.forward(&Tensor::zeros([1, 2, 8, 8], &device));
        let values = features.try_into_vec_as::<f32>().unwrap();
        assert!(values.iter().all(|value| value.is_finite()), "{values:?}");
    }

    #[test]
    fn more_bins_than_modes_are_refused() {
        let shape = MapShape::square(1, 4);
        assert!(BandPowers::new(shape, 50, Normalisation::None, &Device::flex()).is_err());
    }
}
