//! From cosmological parameters to noisy convergence maps.

use std::sync::Arc;

use autodiff::Real;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

use crate::cosmology::Cosmology;
use crate::ell_interpolation::EllInterpolation;
use crate::error::{Error, Result, check_length};
use crate::fields::Fields;
use crate::lognormal_transform::LognormalTransform;
use crate::modes::Modes;
use crate::pixel::Pixel;
use crate::redshift::Sources;
use crate::shift_table::ShiftTable;
use crate::spaces::{MapSpace, Spaces};
use crate::survey::{Mixing, ShiftConfig, Survey};
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
    spaces: Arc<Spaces>,
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
        let theory = Theory::new(&sources, survey.pixel_arcmin(), ell_max, survey.prefactor)?;
        Ok(Self {
            interpolation: EllInterpolation::new(&theory, ell)?,
            theory: Arc::new(theory),
            noise_variance: survey.noise_variance(&sources),
            transform: LognormalTransform::new(modes.clone(), bins),
            modes,
            sources,
            survey,
            shift_table,
            spaces: Arc::default(),
        })
    }

    /// The same simulator with another mixing of the latents: other maps for the same latents, of
    /// the same law.
    #[must_use]
    pub fn with_mixing(&self, mixing: Mixing) -> Self {
        let mut other = self.clone();
        other.survey.mixing = mixing;
        // Work spaces hold mixing matrices.
        other.spaces = Arc::default();
        other
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

    pub(crate) fn interpolation(&self) -> &EllInterpolation {
        &self.interpolation
    }

    pub(crate) fn transform(&self) -> &LognormalTransform {
        &self.transform
    }

    pub(crate) fn shift_table(&self) -> Option<&ShiftTable> {
        self.shift_table.as_ref()
    }

    pub(crate) fn spaces(&self) -> &Spaces {
        &self.spaces
    }

    /// The fields at one cosmology, ready to draw many maps from.
    ///
    /// # Errors
    /// Parameters outside the model's domain, or spectra that are not positive definite.
    pub fn fields(&self, cosmology: &Cosmology) -> Result<Fields> {
        let mut fields = self.unset_fields();
        fields.update(|power| self.update_power(cosmology, power, &mut self.power_steps()))?;
        Ok(fields)
    }

    pub(crate) fn unset_fields(&self) -> Fields {
        Fields::unset(&self.survey, self.modes.clone())
    }

    /// One set of maps `[bin][y][x]`, with shape noise if `noise`.
    ///
    /// Latents and noise depend on `(seed, index)` alone: the same maps whatever the number of
    /// threads, and the same latents with and without noise. The latents `[bin][y][x]` are the
    /// first numbers of [`Randomness::new`]`(seed, index)`.
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
        let mut maps = vec![T::zero(); self.map_len()];
        self.simulate_into(cosmology, seed, index, noise, &mut maps)?;
        Ok(maps)
    }

    /// As [`Simulator::simulate`], in memory that is there.
    ///
    /// # Errors
    /// As [`Simulator::fields`]; [`Error::Shape`] when `maps` does not have
    /// [`Simulator::map_len`] pixels. The maps are undefined after an error.
    pub fn simulate_into<T: Pixel>(
        &self,
        cosmology: &Cosmology,
        seed: u64,
        index: u64,
        noise: bool,
        maps: &mut [T],
    ) -> Result<()> {
        check_length("maps [bin][y][x]", maps.len(), self.map_len())?;
        let mut space = T::map_spaces(&self.spaces).lend(|| MapSpace::new(self));
        let MapSpace { fields, steps, latents, field } = &mut *space;
        fields.update(|power| self.update_power(cosmology, power, steps))?;
        let mut randomness = Randomness::new(seed, index);
        randomness.fill_normals(latents);
        fields.write_convergence(latents, maps, field);
        if noise {
            self.add_noise(&mut randomness, maps);
        }
        Ok(())
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
    #[inline]
    pub fn normal(&mut self) -> f64 {
        StandardNormal.sample(&mut self.0)
    }

    /// Many of them.
    pub fn normals<T: Pixel>(&mut self, count: usize) -> Vec<T> {
        let mut numbers = vec![T::zero(); count];
        self.fill_normals(&mut numbers);
        numbers
    }

    /// Many of them, in memory that is there.
    pub fn fill_normals<T: Pixel>(&mut self, numbers: &mut [T]) {
        for number in numbers {
            *number = T::round_from(self.normal());
        }
    }
}
