//! Eight numbers handled at once, so that small-matrix algebra over many modes vectorises.

use std::array::from_fn;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub, SubAssign};

use crate::pixel::Pixel;

/// Number of modes handled at once.
pub(crate) const WIDTH: usize = 8;

/// One number for each of [`WIDTH`] modes.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(crate) struct Lanes(pub [f64; WIDTH]);

impl Lanes {
    pub(crate) const ZERO: Self = Self::splat(0.0);

    #[inline]
    pub(crate) const fn splat(value: f64) -> Self {
        Self([value; WIDTH])
    }

    /// Reads up to `WIDTH` numbers; missing ones are `fill`.
    #[inline]
    pub(crate) fn load(values: &[f64], fill: f64) -> Self {
        match values.first_chunk::<WIDTH>() {
            Some(chunk) => Self(*chunk),
            None => Self::load_few(values, fill),
        }
    }

    // Apart, so that the compiler does not make one slow path of the two.
    #[cold]
    #[inline(never)]
    fn load_few(values: &[f64], fill: f64) -> Self {
        Self(from_fn(|i| values.get(i).copied().unwrap_or(fill)))
    }

    /// Writes as many numbers as there is room for.
    #[inline]
    pub(crate) fn store(self, values: &mut [f64]) {
        match values.first_chunk_mut::<WIDTH>() {
            Some(chunk) => *chunk = self.0,
            None => self.store_few(values),
        }
    }

    #[cold]
    #[inline(never)]
    fn store_few(self, values: &mut [f64]) {
        let len = values.len();
        values.copy_from_slice(&self.0[..len]);
    }

    /// Pixels in double precision.
    #[inline]
    pub(crate) fn of_pixels<T: Pixel>(pixels: &[T; WIDTH]) -> Self {
        Self(from_fn(|i| pixels[i].into()))
    }

    /// Rounds to pixels.
    #[inline]
    pub(crate) fn to_pixels<T: Pixel>(self) -> [T; WIDTH] {
        from_fn(|i| T::round_from(self.0[i]))
    }

    #[inline]
    pub(crate) fn map(self, f: impl Fn(f64) -> f64) -> Self {
        Self(from_fn(|i| f(self.0[i])))
    }

    /// `self * factor + term`, in one rounding where the machine does so at no cost.
    #[inline]
    pub(crate) fn mul_add(self, factor: Self, term: Self) -> Self {
        if cfg!(target_feature = "fma") {
            Self(from_fn(|i| self.0[i].mul_add(factor.0[i], term.0[i])))
        } else {
            self * factor + term
        }
    }

    /// Transposes eight by eight numbers.
    #[inline(always)]
    pub(crate) fn transpose(rows: [Self; WIDTH]) -> [Self; WIDTH] {
        exchange::<1>(exchange::<2>(exchange::<4>(rows)))
    }

    /// Sum over the lanes.
    pub(crate) fn sum(self) -> f64 {
        self.0.iter().sum()
    }
}

/// One round of a transposition: rows `D` apart exchange their blocks of `D` numbers off the
/// diagonal.
#[inline(always)]
fn exchange<const D: usize>(rows: [Lanes; WIDTH]) -> [Lanes; WIDTH] {
    from_fn(|row| {
        let (upper, lower) = (&rows[row & !D].0, &rows[row | D].0);
        Lanes(if row & D == 0 {
            from_fn(|lane| if lane & D == 0 { upper[lane] } else { lower[lane & !D] })
        } else {
            from_fn(|lane| if lane & D == 0 { upper[lane | D] } else { lower[lane] })
        })
    })
}

macro_rules! elementwise {
    ($($operator:ident $method:ident $op:tt),*) => {$(
        impl $operator for Lanes {
            type Output = Self;
            #[inline]
            fn $method(self, other: Self) -> Self {
                Self(from_fn(|i| self.0[i] $op other.0[i]))
            }
        }
    )*};
}
elementwise!(Add add +, Sub sub -, Mul mul *, Div div /);

impl Neg for Lanes {
    type Output = Self;
    #[inline]
    fn neg(self) -> Self {
        self.map(|x| -x)
    }
}

impl Mul<f64> for Lanes {
    type Output = Self;
    #[inline]
    fn mul(self, other: f64) -> Self {
        self.map(|x| x * other)
    }
}

impl AddAssign for Lanes {
    #[inline]
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for Lanes {
    #[inline]
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transposition() {
        let rows: [Lanes; WIDTH] = from_fn(|row| Lanes(from_fn(|lane| (10 * row + lane) as f64)));
        for (row, lanes) in Lanes::transpose(rows).iter().enumerate() {
            for (lane, &value) in lanes.0.iter().enumerate() {
                assert_eq!(value, (10 * lane + row) as f64);
            }
        }
    }
}
