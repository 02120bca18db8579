//! The two floating-point types that the classifier runs in.

use std::fmt::Debug;
use std::ops::{Add, AddAssign, Div, Mul, Sub};

/// `f32`, in which classifiers are trained, and `f64`, in which they are checked.
pub(crate) trait Float:
    Copy
    + Debug
    + Default
    + PartialOrd
    + Send
    + Sync
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + AddAssign
{
    /// Rounds to this type.
    fn from_f64(x: f64) -> Self;
    /// Exact.
    fn to_f64(self) -> f64;
    /// Square root.
    fn sqrt(self) -> Self;
    /// The larger of two.
    fn max(self, other: Self) -> Self;
    /// `self * factor + term`, fused where the processor does so.
    fn multiply_add(self, factor: Self, term: Self) -> Self;
}

macro_rules! float {
    ($($t:ty),*) => {$(
        impl Float for $t {
            #[inline]
            fn from_f64(x: f64) -> Self {
                x as $t
            }

            #[inline]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }

            #[inline]
            fn sqrt(self) -> Self {
                self.sqrt()
            }

            #[inline]
            fn max(self, other: Self) -> Self {
                self.max(other)
            }

            #[inline]
            fn multiply_add(self, factor: Self, term: Self) -> Self {
                // Without the instruction, `mul_add` is a slow library call.
                if cfg!(target_feature = "fma") {
                    self.mul_add(factor, term)
                } else {
                    self * factor + term
                }
            }
        }
    )*};
}
float!(f32, f64);
