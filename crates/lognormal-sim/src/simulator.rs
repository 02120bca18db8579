//! From cosmological parameters to noisy convergence maps.

use std::sync::Arc;

use autodiff::{Dual, Real};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;
use realfft::num_complex::Complex;

use crate::convergence::LocalTransform;
use crate::cosmology::Cosmology;
use crate::ell_interpolation::EllInterpolation;
use crate::error::{Error, Result};
use crate::fourier::Fourier;
use crate::lognormal_transform::{Correlations, LognormalTransform};
use crate::mixing::MixingMatrices;
use crate::modes::Modes;
use crate::pixel::Pixel;
use crate::redshift::Sources;
use crate::shift_table::ShiftTable;
use crate::small_matrix::pairs;
use crate::survey::{FieldKind, ShiftConfig, Survey};
use crate::theory::Theory;

/// Simulates the maps of one survey; everything that does not depend on the cosmology is prepared
/// once, so one simulator serves many cosmologies and threads.
#[derive(Clone)]
pub struct Simulator {
    survey: Survey,
    sources: Sources,
    noise_variance: Vec<f64>,
    theory: Arc<Theory>,
    interpolation: EllInterpolation,
    modes: Arc<Modes>,
    transform: LognormalTransform,
    shift_table: Option<ShiftTable>,
}

/// Second-order statistics of the Gaussian fields at one cosmology.
#[derive(Clone, Debug)]
pub struct FieldPower {
    /// Power of the Gaussian fields `[pair][class of modes]`: `C_ell` per pixel area.
    pub gaussian: Vec<Vec<f64>>,
    /// Lognormal shifts `lambda` per bin (1 for Gaussian fields, where they have no meaning).
    pub shifts: Vec<f64>,
    /// Variance of the Gaussian field per bin.
    pub variance: Vec<f64>,
}

/// Pulls cotangents of a [`FieldPower`] back to the six parameters.
pub(crate) struct PowerPullback<'a> {
    simulator: &'a Simulator,
    spectra: Vec<Vec<Dual<6>>>,
    shifts: Vec<Dual<6>>,
    shift_values: Vec<f64>,
    correlations: Option<Correlations>,
}

impl Simulator {
    /// A simulator whose shifts follow from theory.
    ///
    /// # Errors
    /// An invalid survey, or one whose shifts are to be looked up in a table: use
    /// [`Simulator::with_shift_table`] for it.
    pub fn new(survey: Survey) -> Result<Self> {
        if survey.shifts != ShiftConfig::Theory {
            return Err(Error::Config {
                field: "shifts".into(),
                value: format!("{:?}", survey.shifts),
                expected: "a table of shifts given with the survey, or shifts = \"theory\"".into(),
            });
        }
        Self::build(survey, None)
    }

    /// A simulator whose shifts are looked up in a table.
    ///
    /// # Errors
    /// An invalid survey, or a table for another number of bins.
    pub fn with_shift_table(survey: Survey, table: ShiftTable) -> Result<Self> {
        Self::build(survey, Some(table))
    }

    fn build(survey: Survey, shift_table: Option<ShiftTable>) -> Result<Self> {
        survey.validate()?;
        let sources = survey.sources()?;
        let bins = sources.bins.len();
        let modes = Arc::new(Modes::new(survey.npix, survey.map_size_deg));
        let ell = &modes.ell()[1..];
        let ell_max = ell.iter().copied().fold(0.0, f64::max);
        let theory = Theory::new(&sources, survey.pixel_arcmin(), ell_max)?;
        Ok(Self {
            interpolation: EllInterpolation::new(&theory, ell)?,
            theory: Arc::new(theory),
            noise_variance: survey.noise_variance(&sources),
            transform: LognormalTransform::new(modes.clone(), bins),
            modes,
            sources,
            survey,
            shift_table,
        })
    }

    /// The survey.
    #[must_use]
    pub fn survey(&self) -> &Survey {
        &self.survey
    }

    /// Source galaxies of each tomographic bin.
    #[must_use]
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// Number of tomographic bins.
    #[must_use]
    pub fn bins(&self) -> usize {
        self.noise_variance.len()
    }

    /// Number of pixels of a set of maps: `bins * npix * npix`.
    #[must_use]
    pub fn map_len(&self) -> usize {
        self.bins() * self.survey.npix * self.survey.npix
    }

    /// Variance of the shape noise per pixel of each bin.
    #[must_use]
    pub fn noise_variance(&self) -> &[f64] {
        &self.noise_variance
    }

    /// The theory of spectra and shifts for these sources.
    #[must_use]
    pub fn theory(&self) -> &Arc<Theory> {
        &self.theory
    }

    /// The Fourier modes of the maps.
    #[must_use]
    pub fn modes(&self) -> &Arc<Modes> {
        &self.modes
    }

    /// Lognormal shifts `[bin]` as the survey defines them, from theory or from the table.
    ///
    /// # Errors
    /// Parameters outside the model's domain.
    pub fn shifts<R: Real>(&self, cosmology: &Cosmology<R>) -> Result<Vec<R>> {
        match &self.shift_table {
            Some(table) => table.shifts(self.survey.shifts, cosmology),
            None => Ok(self.theory.predict(cosmology)?.shifts),
        }
    }

    /// Power of the Gaussian fields, shifts and variances at a cosmology.
    ///
    /// # Errors
    /// Parameters outside the model's domain, or spectra no lognormal field can have.
    pub fn field_power(&self, cosmology: &Cosmology) -> Result<FieldPower> {
        Ok(self.power_and_correlations(cosmology)?.0)
    }

    /// As [`Simulator::field_power`], with what derivatives need.
    pub(crate) fn field_power_with_pullback(
        &self,
        cosmology: &Cosmology,
    ) -> Result<(FieldPower, PowerPullback<'_>)> {
        let (power, correlations, spectra, shifts) =
            self.power_and_correlations_of(&cosmology.with_derivatives())?;
        let shift_values = power.shifts.clone();
        Ok((power, PowerPullback { simulator: self, spectra, shifts, shift_values, correlations }))
    }

    fn power_and_correlations(
        &self,
        cosmology: &Cosmology,
    ) -> Result<(FieldPower, Option<Correlations>)> {
        let (power, correlations, ..) = self.power_and_correlations_of(cosmology)?;
        Ok((power, correlations))
    }

    #[expect(clippy::type_complexity, reason = "private, destructured at once by both callers")]
    fn power_and_correlations_of<R: Real>(
        &self,
        cosmology: &Cosmology<R>,
    ) -> Result<(FieldPower, Option<Correlations>, Vec<Vec<R>>, Vec<R>)> {
        let prediction = self.theory.predict(cosmology)?;
        let shifts = match (&self.shift_table, self.survey.field) {
            (_, FieldKind::Gaussian) => vec![R::from(1.0); self.bins()],
            (Some(table), _) => table.shifts(self.survey.shifts, cosmology)?,
            (None, _) => prediction.shifts,
        };
        let per_pixel = self.modes_per_steradian();
        let power: Vec<Vec<f64>> = prediction
            .spectra
            .iter()
            .map(|nodes| {
                let nodes: Vec<f64> = nodes.iter().map(|node| node.value()).collect();
                let spectrum = self.interpolation.apply(&nodes);
                std::iter::once(0.0).chain(spectrum.into_iter().map(|c| c * per_pixel)).collect()
            })
            .collect();
        let shift_values: Vec<f64> = shifts.iter().map(|s| s.value()).collect();
        let (gaussian, correlations) = match self.survey.field {
            FieldKind::Gaussian => (power, None),
            FieldKind::Lognormal => {
                let (gaussian, kept) = self.transform.gaussian_power(power, &shift_values)?;
                (gaussian, Some(kept))
            }
        };
        let power = FieldPower {
            variance: field_variance(&self.modes, &gaussian, self.bins()),
            gaussian,
            shifts: shift_values,
        };
        Ok((power, correlations, prediction.spectra, shifts))
    }

    /// `(npix / map size)^2`: turns `C_ell` into power per mode of the unnormalised pixel grid.
    fn modes_per_steradian(&self) -> f64 {
        (self.survey.npix as f64 / self.survey.map_size_deg.to_radians()).powi(2)
    }

    /// The fields at one cosmology, ready to draw many maps from.
    ///
    /// # Errors
    /// Parameters outside the model's domain, or spectra that are not positive definite.
    pub fn fields(&self, cosmology: &Cosmology) -> Result<Fields> {
        Fields::new(&self.survey, self.modes.clone(), self.field_power(cosmology)?)
    }

    /// One set of maps `[bin][y][x]`, with shape noise if `noise`.
    ///
    /// Latents and noise depend on `(seed, index)` alone: the same maps whatever the number of
    /// threads, and the same latents with and without noise.
    ///
    /// # Errors
    /// As [`Simulator::fields`].
    pub fn simulate<T: Pixel>(
        &self,
        cosmology: &Cosmology,
        seed: u64,
        index: u64,
        noise: bool,
    ) -> Result<Vec<T>> {
        let mut randomness = Randomness::new(seed, index);
        let latents = randomness.normals(self.map_len());
        let mut maps = self.fields(cosmology)?.convergence(&latents);
        if noise {
            self.add_noise(&mut randomness, &mut maps);
        }
        Ok(maps)
    }

    /// Many simulations in parallel: number `k` of `cosmologies` has index `first_index + k`.
    ///
    /// A failed simulation is an `Err` in its place; the others are unaffected.
    pub fn simulate_batch<T: Pixel>(
        &self,
        cosmologies: &[Cosmology],
        seed: u64,
        first_index: u64,
        noise: bool,
    ) -> Vec<Result<Vec<T>>> {
        cosmologies
            .par_iter()
            .enumerate()
            .map(|(k, c)| self.simulate(c, seed, first_index + k as u64, noise))
            .collect()
    }

    pub(crate) fn add_noise<T: Pixel>(&self, randomness: &mut Randomness, maps: &mut [T]) {
        let pixels = self.survey.npix * self.survey.npix;
        for (map, variance) in maps.chunks_exact_mut(pixels).zip(&self.noise_variance) {
            let sigma = variance.sqrt();
            for pixel in map {
                *pixel = *pixel + T::round_from(sigma * randomness.normal());
            }
        }
    }
}

impl PowerPullback<'_> {
    /// Gradient in the six parameters; `gaussian_bar` receives the share of the variances.
    pub(crate) fn gradient(
        &self,
        mut gaussian_bar: Vec<Vec<f64>>,
        variance_bar: &[f64],
        mut shifts_bar: Vec<f64>,
    ) -> [f64; 6] {
        let simulator = self.simulator;
        let pixels = (simulator.survey.npix * simulator.survey.npix) as f64;
        let multiplicity = simulator.modes.multiplicity();
        for (pair, (i, j)) in pairs(simulator.bins()).into_iter().enumerate() {
            if i == j {
                for (bar, m) in gaussian_bar[pair].iter_mut().zip(multiplicity) {
                    *bar += variance_bar[i] * m / pixels;
                }
            }
        }
        let power_bar = match &self.correlations {
            Some(correlations) => simulator.transform.pullback(
                correlations,
                &self.shift_values,
                gaussian_bar,
                &mut shifts_bar,
            ),
            None => gaussian_bar,
        };
        let per_pixel = simulator.modes_per_steradian();
        let mut gradient = [0.0; 6];
        let mut add = |bar: f64, dual: &Dual<6>| {
            for (g, d) in gradient.iter_mut().zip(dual.gradient) {
                *g += bar * d;
            }
        };
        for (bar, nodes) in power_bar.iter().zip(&self.spectra) {
            for (bar, node) in simulator.interpolation.adjoint(&bar[1..]).iter().zip(nodes) {
                add(bar * per_pixel, node);
            }
        }
        for (bar, shift) in shifts_bar.iter().zip(&self.shifts) {
            add(*bar, shift);
        }
        gradient
    }
}

/// Variance of each Gaussian field: its power averaged over all modes.
fn field_variance(modes: &Modes, gaussian: &[Vec<f64>], bins: usize) -> Vec<f64> {
    let pixels = (modes.npix() * modes.npix()) as f64;
    pairs(bins)
        .iter()
        .zip(gaussian)
        .filter(|((i, j), _)| i == j)
        .map(|(_, power)| {
            power.iter().zip(modes.multiplicity()).map(|(p, m)| p * m).sum::<f64>() / pixels
        })
        .collect()
}

impl FieldPower {
    /// Of lognormal fields with given power `[pair][class]` of the convergence (`C_ell` per pixel
    /// area, zero for the zero mode) and shifts `[bin]`.
    ///
    /// # Errors
    /// [`Error::Shape`] when the arrays do not fit; [`Error::LognormalCorrelation`] for a
    /// correlation that no lognormal field with these shifts can have.
    pub fn lognormal(modes: &Arc<Modes>, power: Vec<Vec<f64>>, shifts: Vec<f64>) -> Result<Self> {
        let bins = shifts.len();
        if power.len() != bins * (bins + 1) / 2 || power.iter().any(|p| p.len() != modes.len()) {
            return Err(Error::Shape {
                what: "convergence power [pair][class]".into(),
                expected: format!("{} pairs of {}", bins * (bins + 1) / 2, modes.len()),
                found: format!("{} pairs of {:?}", power.len(), power.first().map(Vec::len)),
            });
        }
        let transform = LognormalTransform::new(modes.clone(), bins);
        let (gaussian, _) = transform.gaussian_power(power, &shifts)?;
        Ok(Self { variance: field_variance(modes, &gaussian, bins), gaussian, shifts })
    }

    /// The local transform of a bin, with the theoretical variance.
    pub(crate) fn local_transform(&self, kind: FieldKind, bin: usize) -> LocalTransform {
        LocalTransform { kind, shift: self.shifts[bin], variance: self.variance[bin] }
    }
}

/// Correlated fields at one cosmology: the map from latents to convergence.
#[derive(Clone)]
pub struct Fields {
    modes: Arc<Modes>,
    mixing: MixingMatrices,
    survey: Survey,
    power: FieldPower,
}

impl Fields {
    /// Fields of given power: the map stage on its own.
    ///
    /// # Errors
    /// [`Error::NotPositiveDefinite`] when a mode cannot be factorised.
    pub fn new(survey: &Survey, modes: Arc<Modes>, power: FieldPower) -> Result<Self> {
        let bins = power.shifts.len();
        let mixing = MixingMatrices::new(survey.mixing, &modes, &power.gaussian, bins)?;
        Ok(Self { modes, mixing, survey: survey.clone(), power })
    }

    /// The mixing matrices.
    #[must_use]
    pub fn mixing(&self) -> &MixingMatrices {
        &self.mixing
    }

    /// The Fourier modes of the maps.
    pub(crate) fn modes(&self) -> &Modes {
        &self.modes
    }

    /// Power, shifts and variances.
    #[must_use]
    pub fn power(&self) -> &FieldPower {
        &self.power
    }

    /// The local transform of a bin, with the theoretical variance.
    pub(crate) fn local_transform(&self, bin: usize) -> LocalTransform {
        self.power.local_transform(self.survey.field, bin)
    }

    /// Noise-free convergence `[bin][y][x]` of standard normal latents of the same layout.
    ///
    /// # Panics
    /// If the number of latents is not that of the pixels.
    #[must_use]
    pub fn convergence<T: Pixel>(&self, latents: &[T]) -> Vec<T> {
        let n = self.modes.npix();
        let bins = self.power.shifts.len();
        assert_eq!(latents.len(), bins * n * n, "one latent per pixel and bin");
        let fourier = Fourier::new(n);
        let mut scratch = fourier.scratch();
        let half = fourier.half_len();
        let mut field = vec![Complex::default(); bins * half];
        for (map, modes) in latents.chunks_exact(n * n).zip(field.chunks_exact_mut(half)) {
            fourier.forward(map, modes, &mut scratch);
        }
        self.mixing.apply(&self.modes, false, &mut field);
        let mut maps = vec![T::zero(); latents.len()];
        for (bin, (map, modes)) in
            maps.chunks_exact_mut(n * n).zip(field.chunks_exact_mut(half)).enumerate()
        {
            fourier.inverse(modes, map, &mut scratch);
            self.local_transform(bin).apply(self.survey.field_variance, map);
        }
        maps
    }
}

/// The random numbers of one simulation: one stream per `(seed, index)`.
#[derive(Clone, Debug)]
pub struct Randomness(ChaCha8Rng);

impl Randomness {
    /// The stream of simulation `index` of a run.
    #[must_use]
    pub fn new(seed: u64, index: u64) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(index);
        Self(generator)
    }

    /// A standard normal number.
    pub fn normal(&mut self) -> f64 {
        StandardNormal.sample(&mut self.0)
    }

    /// Many of them.
    pub fn normals<T: Pixel>(&mut self, count: usize) -> Vec<T> {
        (0..count).map(|_| T::round_from(self.normal())).collect()
    }
}
