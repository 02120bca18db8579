//! Correlated fields at one cosmology: the map from latents to convergence.

use std::sync::Arc;

use realfft::num_complex::Complex;

use crate::convergence::LocalTransform;
use crate::error::{Result, check_length};
use crate::field_power::{FieldPower, check_shape};
use crate::fourier::{Fourier, FourierScratch};
use crate::mixing::MixingMatrices;
use crate::modes::Modes;
use crate::pixel::Pixel;
use crate::survey::Survey;

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
    /// [`Error::Shape`](crate::Error::Shape) when the power does not fit the modes;
    /// [`Error::NotPositiveDefinite`](crate::Error::NotPositiveDefinite) when a mode cannot be
    /// factorised.
    pub fn new(survey: &Survey, modes: Arc<Modes>, power: FieldPower) -> Result<Self> {
        let bins = power.shifts.len();
        check_shape("field power [pair][class]", &modes, &power.gaussian, bins)?;
        let mut fields = Self::unset(survey, modes);
        fields.update(|to| {
            *to = power;
            Ok(())
        })?;
        Ok(fields)
    }

    /// Fields to be set by [`Fields::update`].
    pub(crate) fn unset(survey: &Survey, modes: Arc<Modes>) -> Self {
        Self {
            mixing: MixingMatrices::unset(survey.mixing),
            survey: survey.clone(),
            power: FieldPower::default(),
            modes,
        }
    }

    /// Changes the power and factorises it anew.
    pub(crate) fn update(
        &mut self,
        change: impl FnOnce(&mut FieldPower) -> Result<()>,
    ) -> Result<()> {
        change(&mut self.power)?;
        self.mixing.update(&self.modes, &self.power.gaussian, self.power.shifts.len())
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
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if there is not one latent for each pixel and bin.
    pub fn convergence<T: Pixel>(&self, latents: &[T]) -> Result<Vec<T>> {
        let (n, bins) = (self.modes.npix(), self.power.shifts.len());
        check_length("latents", latents.len(), bins * n * n)?;
        let mut maps = vec![T::zero(); latents.len()];
        self.write_convergence(latents, &mut maps, &mut FieldSpace::new(n, bins));
        Ok(maps)
    }

    /// As [`Fields::convergence`], in memory that is there.
    pub(crate) fn write_convergence<T: Pixel>(
        &self,
        latents: &[T],
        maps: &mut [T],
        space: &mut FieldSpace<T>,
    ) {
        let n = self.modes.npix();
        let bins = self.power.shifts.len();
        assert_eq!(latents.len(), bins * n * n, "one latent per pixel and bin");
        assert_eq!(maps.len(), latents.len(), "as many pixels as latents");
        self.mix(latents, space);
        let FieldSpace { fourier, scratch, mixed, .. } = space;
        let half = fourier.half_len();
        for (bin, (map, modes)) in
            maps.chunks_exact_mut(n * n).zip(mixed.chunks_exact_mut(half)).enumerate()
        {
            fourier.inverse(modes, map, scratch);
            self.local_transform(bin).apply(self.survey.field_variance, map);
        }
    }

    /// Fills the half planes of the space: modes of the latents, and of the Gaussian fields.
    pub(crate) fn mix<T: Pixel>(&self, latents: &[T], space: &mut FieldSpace<T>) {
        let n = self.modes.npix();
        let FieldSpace { fourier, scratch, latents: latent_modes, mixed } = space;
        let half = fourier.half_len();
        for (map, modes) in latents.chunks_exact(n * n).zip(latent_modes.chunks_exact_mut(half)) {
            fourier.forward(map, modes, scratch);
        }
        self.mixing.apply(&self.modes, false, latent_modes, mixed);
    }
}

/// Plans and work space for maps of one size.
pub(crate) struct FieldSpace<T: Pixel> {
    pub fourier: Fourier<T>,
    pub scratch: FourierScratch<T>,
    /// Half planes `[bin][kx][ky]` of the latents, and of what is mixed from them.
    pub latents: Vec<Complex<T>>,
    pub mixed: Vec<Complex<T>>,
}

impl<T: Pixel> FieldSpace<T> {
    pub(crate) fn new(npix: usize, bins: usize) -> Self {
        let fourier = Fourier::new(npix);
        let plane = vec![Complex::default(); bins * fourier.half_len()];
        Self { scratch: fourier.scratch(), latents: plane.clone(), mixed: plane, fourier }
    }
}
