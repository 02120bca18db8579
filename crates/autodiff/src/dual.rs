//! Dual numbers: a value with its derivatives with respect to `N` inputs.

use std::array::from_fn;
use std::cmp::Ordering;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Sub, SubAssign};

use crate::Real;

/// A value and its gradient with respect to `N` inputs, propagated exactly by every operation.
#[derive(Clone, Copy, Debug)]
pub struct Dual<const N: usize> {
    /// The value.
    pub value: f64,
    /// The partial derivatives with respect to the `N` inputs.
    pub gradient: [f64; N],
}

impl<const N: usize> Dual<N> {
    /// A constant: zero derivatives.
    #[must_use]
    pub const fn constant(value: f64) -> Self {
        Self { value, gradient: [0.0; N] }
    }

    /// The input number `index`: derivative one with respect to itself.
    ///
    /// # Panics
    /// If `index >= N`.
    #[must_use]
    pub fn variable(value: f64, index: usize) -> Self {
        let mut dual = Self::constant(value);
        dual.gradient[index] = 1.0;
        dual
    }

    /// All `N` inputs at once.
    #[must_use]
    pub fn variables(values: [f64; N]) -> [Self; N] {
        from_fn(|i| Self::variable(values[i], i))
    }
}

impl<const N: usize> From<f64> for Dual<N> {
    fn from(value: f64) -> Self {
        Self::constant(value)
    }
}

impl<const N: usize> PartialEq for Dual<N> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<const N: usize> PartialOrd for Dual<N> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.value.partial_cmp(&other.value)
    }
}

impl<const N: usize> Real for Dual<N> {
    #[inline]
    fn value(self) -> f64 {
        self.value
    }

    #[inline]
    fn chain(self, value: f64, derivative: f64) -> Self {
        Self { value, gradient: from_fn(|i| derivative * self.gradient[i]) }
    }

    fn is_finite(self) -> bool {
        self.value.is_finite() && self.gradient.iter().all(|g| g.is_finite())
    }
}

impl<const N: usize> Neg for Dual<N> {
    type Output = Self;
    #[inline]
    fn neg(self) -> Self {
        Self { value: -self.value, gradient: from_fn(|i| -self.gradient[i]) }
    }
}

impl<const N: usize> Add for Dual<N> {
    type Output = Self;
    #[inline]
    fn add(self, other: Self) -> Self {
        Self {
            value: self.value + other.value,
            gradient: from_fn(|i| self.gradient[i] + other.gradient[i]),
        }
    }
}

impl<const N: usize> Sub for Dual<N> {
    type Output = Self;
    #[inline]
    fn sub(self, other: Self) -> Self {
        Self {
            value: self.value - other.value,
            gradient: from_fn(|i| self.gradient[i] - other.gradient[i]),
        }
    }
}

#[expect(clippy::suspicious_arithmetic_impl, reason = "the product rule adds")]
impl<const N: usize> Mul for Dual<N> {
    type Output = Self;
    #[inline]
    fn mul(self, other: Self) -> Self {
        Self {
            value: self.value * other.value,
            gradient: from_fn(|i| self.gradient[i] * other.value + self.value * other.gradient[i]),
        }
    }
}

#[expect(clippy::suspicious_arithmetic_impl, reason = "the quotient rule multiplies and subtracts")]
impl<const N: usize> Div for Dual<N> {
    type Output = Self;
    #[inline]
    fn div(self, other: Self) -> Self {
        let inverse = other.value.recip();
        let value = self.value / other.value;
        Self {
            value,
            gradient: from_fn(|i| (self.gradient[i] - value * other.gradient[i]) * inverse),
        }
    }
}

impl<const N: usize> Add<f64> for Dual<N> {
    type Output = Self;
    #[inline]
    fn add(self, other: f64) -> Self {
        Self { value: self.value + other, ..self }
    }
}

impl<const N: usize> Sub<f64> for Dual<N> {
    type Output = Self;
    #[inline]
    fn sub(self, other: f64) -> Self {
        Self { value: self.value - other, ..self }
    }
}

impl<const N: usize> Mul<f64> for Dual<N> {
    type Output = Self;
    #[inline]
    fn mul(self, other: f64) -> Self {
        self.chain(self.value * other, other)
    }
}

impl<const N: usize> Div<f64> for Dual<N> {
    type Output = Self;
    #[inline]
    fn div(self, other: f64) -> Self {
        let inverse = other.recip();
        self.chain(self.value / other, inverse)
    }
}

macro_rules! assign {
    ($($assign_trait:ident $assign:ident $op:tt),*) => {$(
        impl<const N: usize> $assign_trait for Dual<N> {
            #[inline]
            fn $assign(&mut self, other: Self) {
                *self = *self $op other;
            }
        }
        impl<const N: usize> $assign_trait<f64> for Dual<N> {
            #[inline]
            fn $assign(&mut self, other: f64) {
                *self = *self $op other;
            }
        }
    )*};
}
assign!(AddAssign add_assign +, SubAssign sub_assign -, MulAssign mul_assign *, DivAssign div_assign /);

macro_rules! number_first {
    ($($operator:ident $function:ident $op:tt),*) => {$(
        impl<const N: usize> $operator<Dual<N>> for f64 {
            type Output = Dual<N>;
            #[inline]
            fn $function(self, other: Dual<N>) -> Dual<N> {
                Dual::constant(self) $op other
            }
        }
    )*};
}
number_first!(Add add +, Sub sub -, Mul mul *, Div div /);

impl<const N: usize> Sum for Dual<N> {
    fn sum<I: Iterator<Item = Self>>(terms: I) -> Self {
        terms.fold(Self::constant(0.0), Add::add)
    }
}
