//! Work spaces of a simulator, one for each computation that runs at the same time.

use realfft::num_complex::Complex;

use autodiff::Dual;

use crate::field_power::PowerSteps;
use crate::fields::{FieldSpace, Fields};
use crate::mixing::MixingBars;
use crate::pixel::Pixel;
use crate::pool::Pool;
use crate::simulator::Simulator;
use crate::whitening::WhitenedSpace;

/// The pools of one simulator.
pub struct Spaces {
    single: Pool<MapSpace<f32>>,
    double: Pool<MapSpace<f64>>,
    pub(crate) gradients: Pool<GradientSpace>,
    pub(crate) whitened: Pool<WhitenedSpace>,
}

impl Default for Spaces {
    fn default() -> Self {
        Self {
            single: Pool::new(),
            double: Pool::new(),
            gradients: Pool::new(),
            whitened: Pool::new(),
        }
    }
}

/// Pixel types whose work spaces are kept.
pub trait Pooled: Sized {
    /// Where they are kept.
    fn map_spaces(spaces: &Spaces) -> &Pool<MapSpace<Self>>
    where
        Self: Pixel;
}

impl Pooled for f32 {
    fn map_spaces(spaces: &Spaces) -> &Pool<MapSpace<Self>> {
        &spaces.single
    }
}

impl Pooled for f64 {
    fn map_spaces(spaces: &Spaces) -> &Pool<MapSpace<Self>> {
        &spaces.double
    }
}

/// What one simulation needs.
pub struct MapSpace<T: Pixel> {
    pub(crate) fields: Fields,
    pub(crate) steps: PowerSteps<f64>,
    pub(crate) latents: Vec<T>,
    pub(crate) field: FieldSpace<T>,
}

impl<T: Pixel> MapSpace<T> {
    pub(crate) fn new(simulator: &Simulator) -> Self {
        Self {
            fields: simulator.unset_fields(),
            steps: simulator.power_steps(),
            latents: vec![T::zero(); simulator.map_len()],
            field: FieldSpace::new(simulator.survey().npix, simulator.bins()),
        }
    }
}

/// What one gradient of the joint density needs.
pub struct GradientSpace {
    pub(crate) fields: Fields,
    pub(crate) steps: PowerSteps<Dual<6>>,
    pub(crate) adjoint: AdjointSpace,
}

/// What the map stage of a gradient needs, and leaves for the pull-back to the parameters.
pub(crate) struct AdjointSpace {
    pub field: FieldSpace<f64>,
    /// Cotangents of the transformed fields.
    pub fields_bar: Vec<Complex<f64>>,
    /// One bin of the field, and its cotangent.
    pub g: Vec<f64>,
    pub g_bar: Vec<f64>,
    pub shifts_bar: Vec<f64>,
    pub variances_bar: Vec<f64>,
    pub mixing_bars: MixingBars,
}

impl GradientSpace {
    pub(crate) fn new(simulator: &Simulator) -> Self {
        let (npix, bins) = (simulator.survey().npix, simulator.bins());
        let field = FieldSpace::new(npix, bins);
        Self {
            fields: simulator.unset_fields(),
            steps: simulator.power_steps(),
            adjoint: AdjointSpace {
                fields_bar: field.mixed.clone(),
                field,
                g: vec![0.0; npix * npix],
                g_bar: vec![0.0; npix * npix],
                shifts_bar: vec![0.0; bins],
                variances_bar: vec![0.0; bins],
                mixing_bars: MixingBars::default(),
            },
        }
    }
}
