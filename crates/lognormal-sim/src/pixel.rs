//! The floating-point type of map pixels.

use realfft::FftNum;

use crate::spaces::Pooled;

/// Pixel type of a map: `f32` for simulating, `f64` where derivatives are taken. Sealed.
pub trait Pixel: FftNum + Default + Into<f64> + Pooled {
    /// Rounds from double precision.
    fn round_from(value: f64) -> Self;
}

impl Pixel for f32 {
    #[inline]
    fn round_from(value: f64) -> Self {
        value as Self
    }
}

impl Pixel for f64 {
    #[inline]
    fn round_from(value: f64) -> Self {
        value
    }
}
