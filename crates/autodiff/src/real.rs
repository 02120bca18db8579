//! The number type that numerical code is written over.

use std::fmt::Debug;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Sub, SubAssign};

/// A real number that may carry derivatives: implemented by `f64` and [`Dual`](crate::Dual).
///
/// Code written once over `R: Real` gives plain values with `R = f64` and values with exact
/// derivatives with `R = Dual<N>`. Comparisons look at the value only.
///
/// Each function states its value and its first derivative; where that derivative does not exist
/// (`sqrt` at 0, `ln` at 0, a power below one at 0) the gradient is infinite or NaN, never an
/// arbitrary number, also for an argument with zero derivatives.
pub trait Real:
    Copy
    + Debug
    + PartialEq
    + PartialOrd
    + Send
    + Sync
    + 'static
    + From<f64>
    + Neg<Output = Self>
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Add<f64, Output = Self>
    + Sub<f64, Output = Self>
    + Mul<f64, Output = Self>
    + Div<f64, Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + DivAssign
    + AddAssign<f64>
    + SubAssign<f64>
    + MulAssign<f64>
    + DivAssign<f64>
    + Sum
{
    /// The value without derivatives.
    fn value(self) -> f64;

    /// Applies a function of one variable given its value and first derivative at `self.value()`.
    ///
    /// This is the chain rule; every other function here is written with it.
    #[must_use]
    fn chain(self, value: f64, derivative: f64) -> Self;

    /// True when the value and every derivative are finite.
    fn is_finite(self) -> bool;

    /// `1 / self`.
    #[must_use]
    fn recip(self) -> Self {
        let inverse = self.value().recip();
        self.chain(inverse, -inverse * inverse)
    }

    /// Exponential.
    #[must_use]
    fn exp(self) -> Self {
        let value = self.value().exp();
        self.chain(value, value)
    }

    /// `exp(self) - 1`, accurate near zero.
    #[must_use]
    fn exp_m1(self) -> Self {
        let x = self.value();
        self.chain(x.exp_m1(), x.exp())
    }

    /// Natural logarithm.
    #[must_use]
    fn ln(self) -> Self {
        let x = self.value();
        self.chain(x.ln(), x.recip())
    }

    /// `ln(1 + self)`, accurate near zero.
    #[must_use]
    fn ln_1p(self) -> Self {
        let x = self.value();
        self.chain(x.ln_1p(), (1.0 + x).recip())
    }

    /// Square root.
    #[must_use]
    fn sqrt(self) -> Self {
        let root = self.value().sqrt();
        self.chain(root, 0.5 / root)
    }

    /// Integer power.
    #[must_use]
    fn powi(self, exponent: i32) -> Self {
        let x = self.value();
        let derivative = if exponent == 0 {
            0.0
        } else {
            f64::from(exponent) * x.powi(exponent.saturating_sub(1))
        };
        self.chain(x.powi(exponent), derivative)
    }

    /// Power with a constant exponent.
    #[must_use]
    fn powf(self, exponent: f64) -> Self {
        let x = self.value();
        let derivative = if exponent == 0.0 { 0.0 } else { exponent * x.powf(exponent - 1.0) };
        self.chain(x.powf(exponent), derivative)
    }

    /// Power with an exponent that carries derivatives too; `self` must be positive.
    #[must_use]
    fn pow(self, exponent: Self) -> Self {
        let (x, y) = (self.value(), exponent.value());
        let power = x.powf(y);
        self.chain(power, y * x.powf(y - 1.0)) + exponent.chain(0.0, power * x.ln())
    }

    /// Sine.
    #[must_use]
    fn sin(self) -> Self {
        let (sin, cos) = self.value().sin_cos();
        self.chain(sin, cos)
    }

    /// Cosine.
    #[must_use]
    fn cos(self) -> Self {
        let (sin, cos) = self.value().sin_cos();
        self.chain(cos, -sin)
    }

    /// Hyperbolic sine.
    #[must_use]
    fn sinh(self) -> Self {
        let x = self.value();
        self.chain(x.sinh(), x.cosh())
    }

    /// Hyperbolic cosine.
    #[must_use]
    fn cosh(self) -> Self {
        let x = self.value();
        self.chain(x.cosh(), x.sinh())
    }

    /// Hyperbolic tangent.
    #[must_use]
    fn tanh(self) -> Self {
        let x = self.value();
        self.chain(x.tanh(), x.cosh().powi(2).recip())
    }

    /// Arc tangent.
    #[must_use]
    fn atan(self) -> Self {
        let x = self.value();
        self.chain(x.atan(), (1.0 + x * x).recip())
    }

    /// Inverse hyperbolic sine.
    #[must_use]
    fn asinh(self) -> Self {
        let x = self.value();
        self.chain(x.asinh(), (1.0 + x * x).sqrt().recip())
    }

    /// Error function.
    #[must_use]
    fn erf(self) -> Self {
        let x = self.value();
        self.chain(libm::erf(x), std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp())
    }

    /// Complementary error function, accurate in the upper tail.
    #[must_use]
    fn erfc(self) -> Self {
        let x = self.value();
        self.chain(libm::erfc(x), -std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp())
    }

    /// Absolute value; the derivative at zero is taken as +1.
    #[must_use]
    fn abs(self) -> Self {
        let x = self.value();
        self.chain(x.abs(), if x < 0.0 { -1.0 } else { 1.0 })
    }
}

impl Real for f64 {
    fn value(self) -> f64 {
        self
    }

    fn chain(self, value: f64, _derivative: f64) -> Self {
        value
    }

    fn is_finite(self) -> bool {
        f64::is_finite(self)
    }
}
