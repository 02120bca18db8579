//! Gaussian likelihood of the band powers of a map: the baseline that full-field inference is
//! compared with.
//!
//! The band powers Ĉ_ij of [`BandPowers`] have the mean C_ij: theory averaged over the modes of
//! the band, plus the shape noise of the pixels for i = j. For Gaussian fields a conjugate pair of
//! modes, one of n/2 in a band of n modes of the full plane, has
//! cov(Re f_i f_j*, Re f_k f_l*) = (C_ik C_jl + C_il C_jk) / 2, hence
//!
//! cov(Ĉ_ij, Ĉ_kl) = (C_ik C_jl + C_il C_jk) / n,
//!
//! with C the mean spectrum of the band, noise included; different bands are independent. (A
//! self-conjugate mode, on the Nyquist lines, is real with twice the covariance and counts as one
//! of the n: the formula holds for it too.)
//!
//! This covariance is (2/n) D⁺ (C ⊗ C) D⁺ᵀ on the distinct elements of a symmetric matrix, D the
//! duplication matrix. So with R = Ĉ - C and p bins, no matrix larger than p x p is needed:
//!
//! χ² = (n/2) tr(C⁻¹ R C⁻¹ R),
//! ln det cov = (p+1) ln det C + p(p+1)/2 ln(2/n) - p(p-1)/2 ln 2.
//!
//! References: Magnus & Neudecker 1979 for the algebra; Carron 2013 (arXiv:1204.4724) on a
//! covariance that follows the parameters, which claims more information than a Gaussian field
//! has: prefer the fixed one.

use std::f64::consts::PI;
use std::sync::Arc;

use autodiff::Real;

use crate::band_power::{Band, BandPowers};
use crate::small_matrix::{pair_index, pairs};
use crate::{Cosmology, EllInterpolation, Error, Result, Survey, Theory};

/// Where the covariance of the band powers is evaluated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CovarianceChoice {
    /// At one cosmology, whatever the parameters.
    Fixed(Cosmology),
    /// At the parameters, with its determinant.
    Varying,
}

/// Gaussian likelihood of the band powers of one map.
#[derive(Clone)]
pub struct PowerSpectrumLikelihood {
    theory: Arc<Theory>,
    bins: usize,
    bands: Vec<Band>,
    /// Weights that take the node values of a pair to its band power, `[band][node]`.
    node_weights: Vec<NodeWeights>,
    /// Power of the shape noise of each bin.
    noise: Vec<f64>,
    /// Measured band powers, `[band][pair]`.
    measured: Vec<Vec<f64>>,
    /// For a fixed covariance its factors, one per band.
    fixed: Option<Vec<Factor<f64>>>,
}

/// Weights of consecutive nodes, from `first`; those outside are zero.
#[derive(Clone, Debug)]
struct NodeWeights {
    first: usize,
    weights: Vec<f64>,
}

/// Lower Cholesky factor L of the tomographic covariance of a band, row by row.
#[derive(Clone, Debug)]
struct Factor<R> {
    lower: Vec<R>,
    ln_det: R,
}

impl PowerSpectrumLikelihood {
    /// Measures the band powers of `map` (`[bin][y][x]`) between `ell_edges` and prepares their
    /// likelihood. [`BandPowers::default_edges`] and [`BandPowers::published_edges`] are choices
    /// of edges.
    ///
    /// # Errors
    /// As [`BandPowers::new`] and [`BandPowers::measure`]; [`Error::Shape`] when survey and
    /// theory differ in their number of bins; [`Error::Config`] for a band beyond the multipoles
    /// of `theory`; the errors of the theory at the cosmology of a fixed covariance.
    pub fn new(
        theory: Arc<Theory>,
        survey: &Survey,
        map: &[f64],
        ell_edges: &[f64],
        covariance: CovarianceChoice,
    ) -> Result<Self> {
        let noise_variance = survey.noise_variance(&survey.sources()?);
        let bins = noise_variance.len();
        if theory.bins() != bins {
            return Err(Error::Shape {
                what: "theory".into(),
                expected: format!("{bins} bins like the survey"),
                found: format!("{} bins", theory.bins()),
            });
        }
        let powers = BandPowers::new(survey.npix, survey.map_size_deg, ell_edges)?;
        let by_pair = powers.measure(map, bins)?;
        let band_count = powers.bands().len();
        let pixel_area = (survey.pixel_arcmin() / 60.0).to_radians().powi(2);
        let mut likelihood = Self {
            bins,
            node_weights: (0..band_count)
                .map(|band| NodeWeights::new(&theory, &powers, band))
                .collect::<Result<_>>()?,
            bands: powers.bands().to_vec(),
            noise: noise_variance.iter().map(|variance| variance * pixel_area).collect(),
            measured: (0..band_count)
                .map(|band| by_pair.iter().map(|powers| powers[band]).collect())
                .collect(),
            fixed: None,
            theory,
        };
        if let CovarianceChoice::Fixed(cosmology) = covariance {
            let expected = likelihood.expected_by_band(&cosmology)?;
            let factors = (0..band_count).map(|band| likelihood.factor(band, &expected[band]));
            likelihood.fixed = Some(factors.collect::<Result<_>>()?);
        }
        Ok(likelihood)
    }

    /// Log likelihood of the measured band powers, normalised over them.
    ///
    /// # Errors
    /// The errors of [`Theory::predict`]; [`Error::BandCovariance`] where a covariance that
    /// follows the parameters is not positive definite; [`Error::NotFinite`] where the result
    /// overflows. All are recoverable.
    pub fn log_likelihood<R: Real>(&self, cosmology: &Cosmology<R>) -> Result<R> {
        let expected = self.expected_by_band(cosmology)?;
        let mut total = R::from(0.0);
        for (band, expected) in expected.iter().enumerate() {
            let residual: Vec<R> = expected
                .iter()
                .zip(&self.measured[band])
                .map(|(&expected, &measured)| -expected + measured)
                .collect();
            let modes = self.bands[band].modes;
            total += match &self.fixed {
                Some(factors) => {
                    let factor = &factors[band];
                    let lower: Vec<R> = factor.lower.iter().map(|&l| R::from(l)).collect();
                    self.log_normal(modes, &lower, R::from(factor.ln_det), &residual)
                }
                None => {
                    let factor = self.factor(band, expected)?;
                    self.log_normal(modes, &factor.lower, factor.ln_det, &residual)
                }
            };
        }
        if total.is_finite() {
            Ok(total)
        } else {
            Err(Error::NotFinite { what: "log likelihood of the band powers".into() })
        }
    }

    /// The bands.
    #[must_use]
    pub fn bands(&self) -> &[Band] {
        &self.bands
    }

    /// Measured band powers `[pair][band]`, shape noise included, in steradians.
    #[must_use]
    pub fn measured(&self) -> Vec<Vec<f64>> {
        transpose(&self.measured)
    }

    /// Expected band powers `[pair][band]`, shape noise included, in steradians.
    ///
    /// # Errors
    /// As [`Theory::predict`].
    pub fn expected<R: Real>(&self, cosmology: &Cosmology<R>) -> Result<Vec<Vec<R>>> {
        Ok(transpose(&self.expected_by_band(cosmology)?))
    }

    /// Power of the shape noise of each bin, in steradians: pixel variance times pixel area.
    #[must_use]
    pub fn noise(&self) -> &[f64] {
        &self.noise
    }

    /// Covariance of the band powers of one band between pairs, `[pair][pair]` row by row, for
    /// expected band powers of that band, `[pair]`.
    #[must_use]
    pub fn covariance(&self, band: usize, expected: &[f64]) -> Vec<f64> {
        let c = |i, j| expected[pair_index(i, j, self.bins)];
        let pairs = pairs(self.bins);
        let mut covariance = Vec::with_capacity(pairs.len() * pairs.len());
        for &(i, j) in &pairs {
            for &(k, l) in &pairs {
                covariance.push((c(i, k) * c(j, l) + c(i, l) * c(j, k)) / self.bands[band].modes);
            }
        }
        covariance
    }

    fn expected_by_band<R: Real>(&self, cosmology: &Cosmology<R>) -> Result<Vec<Vec<R>>> {
        let spectra = self.theory.predict(cosmology)?.spectra;
        let expected = |weights: &NodeWeights| {
            let mut powers: Vec<R> = spectra.iter().map(|nodes| weights.apply(nodes)).collect();
            for (bin, &noise) in self.noise.iter().enumerate() {
                powers[pair_index(bin, bin, self.bins)] += noise;
            }
            powers
        };
        Ok(self.node_weights.iter().map(expected).collect())
    }

    /// Cholesky factor of the tomographic covariance of a band.
    fn factor<R: Real>(&self, band: usize, expected: &[R]) -> Result<Factor<R>> {
        let p = self.bins;
        let mut lower = vec![R::from(0.0); p * p];
        let mut ln_det = R::from(0.0);
        for j in 0..p {
            let mut pivot = expected[pair_index(j, j, p)];
            for k in 0..j {
                pivot -= lower[j * p + k] * lower[j * p + k];
            }
            let positive = pivot.value() > 0.0;
            if !positive {
                let Band { ell_min, ell_max, .. } = self.bands[band];
                let pivot = pivot.value() / expected[pair_index(j, j, p)].value();
                return Err(Error::BandCovariance { band, ell_min, ell_max, pivot });
            }
            ln_det += pivot.ln();
            let root = pivot.sqrt();
            lower[j * p + j] = root;
            let inverse = root.recip();
            for i in j + 1..p {
                let mut sum = expected[pair_index(i, j, p)];
                for k in 0..j {
                    sum -= lower[i * p + k] * lower[j * p + k];
                }
                lower[i * p + j] = sum * inverse;
            }
        }
        Ok(Factor { lower, ln_det })
    }

    /// Log density of the band powers of a band with `modes` modes: `residual` by pair, L of the
    /// covariance C of the modes by rows, ln det C.
    fn log_normal<R: Real>(&self, modes: f64, lower: &[R], ln_det: R, residual: &[R]) -> R {
        let p = self.bins;
        let count = (p * (p + 1) / 2) as f64;
        let constant = count * ((2.0 * PI).ln() + (2.0 / modes).ln())
            - 0.5 * (p * (p - 1)) as f64 * std::f64::consts::LN_2;
        let chi_squared = whitened_square(lower, residual, p) * (0.5 * modes);
        (chi_squared + ln_det * (p + 1) as f64 + constant) * -0.5
    }
}

/// tr(C⁻¹ R C⁻¹ R) = |L⁻¹ R L⁻ᵀ|² for C = L Lᵀ and a symmetric R given by pairs.
fn whitened_square<R: Real>(lower: &[R], residual: &[R], p: usize) -> R {
    let mut white: Vec<R> = (0..p * p).map(|k| residual[pair_index(k / p, k % p, p)]).collect();
    // Two forward substitutions, on the columns and then on the rows.
    for (row_stride, column_stride) in [(p, 1), (1, p)] {
        for i in 0..p {
            let inverse = lower[i * p + i].recip();
            for c in 0..p {
                let mut sum = white[i * row_stride + c * column_stride];
                for k in 0..i {
                    sum -= lower[i * p + k] * white[k * row_stride + c * column_stride];
                }
                white[i * row_stride + c * column_stride] = sum * inverse;
            }
        }
    }
    white.into_iter().fold(R::from(0.0), |sum, x| sum + x * x)
}

fn transpose<R: Real>(rows: &[Vec<R>]) -> Vec<Vec<R>> {
    (0..rows[0].len()).map(|column| rows.iter().map(|row| row[column]).collect()).collect()
}

impl NodeWeights {
    /// The mean over the modes of a band of the interpolation from the nodes to their multipoles.
    fn new(theory: &Theory, powers: &BandPowers, band: usize) -> Result<Self> {
        let (multipoles, weights) = powers.weights(band);
        let mut weights = EllInterpolation::new(theory, &multipoles)?.adjoint(&weights);
        let used = |w: &f64| *w != 0.0;
        let first = weights.iter().position(used).unwrap_or(0);
        weights.truncate(weights.iter().rposition(used).map_or(0, |last| last + 1));
        weights.drain(..first);
        Ok(Self { first, weights })
    }

    fn apply<R: Real>(&self, nodes: &[R]) -> R {
        let weighted = nodes[self.first..].iter().zip(&self.weights).map(|(&x, &w)| x * w);
        weighted.fold(R::from(0.0), |sum, x| sum + x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bins more than fully correlated are reported with their band, as a recoverable error.
    #[test]
    fn impossible_spectra_are_reported_with_their_band() {
        let survey = Survey::preset("lsst_y10").expect("a preset").with_npix(8);
        let sources = survey.sources().expect("sources of a preset");
        let theory =
            Theory::new(&sources, survey.pixel_arcmin(), 400.0, survey.prefactor).expect("theory");
        let edges = BandPowers::default_edges(8, survey.map_size_deg);
        let map = vec![0.0; 5 * 64];
        let choice = CovarianceChoice::Varying;
        let likelihood =
            PowerSpectrumLikelihood::new(Arc::new(theory), &survey, &map, &edges, choice)
                .expect("a likelihood");
        let mut powers =
            likelihood.expected_by_band(&Cosmology::FIDUCIAL).expect("theory")[1].clone();
        assert!(likelihood.factor(1, &powers).is_ok());
        powers[pair_index(1, 3, 5)] = 2.0 * powers[pair_index(3, 3, 5)];
        let error = likelihood.factor(1, &powers).expect_err("not positive definite");
        assert!(matches!(error, Error::BandCovariance { band: 1, .. }), "{error}");
        assert!(error.is_recoverable());
    }
}
