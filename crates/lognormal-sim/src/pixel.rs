//! The floating-point type of map pixels.

use realfft::FftNum;

/// Pixel type of a map: `f32` for simulating, `f64` where derivatives are taken.
pub trait Pixel: FftNum + Default + Into<f64> {
    /// Rounds from double precision.
    fn round_from(value: f64) -> Self;

    /// Exponential.
    #[must_use]
    fn exp(self) -> Self;
}

impl Pixel for f32 {
    #[inline]
    fn round_from(value: f64) -> Self {
        value as Self
    }

    #[inline]
    fn exp(self) -> Self {
        Self::exp(self)
    }
}

impl Pixel for f64 {
    #[inline]
    fn round_from(value: f64) -> Self {
        value
    }

    #[inline]
    fn exp(self) -> Self {
        Self::exp(self)
    }
}
