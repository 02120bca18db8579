//! Exponential and logarithm of eight numbers at once.
//!
//! The standard library's functions work on one number and cannot be vectorised; the field loops
//! need hundreds of thousands of them per map. These agree with the correctly rounded values to
//! 2 units in the last place (tested).

use std::array::from_fn;
use std::f64::consts::{LOG2_E, SQRT_2};

use crate::lanes::Lanes;

/// ln 2 in two parts: the first has trailing zeros, so that its product with an exponent is exact.
const LN2_HIGH: f64 = f64::from_bits(0x3fe6_2e42_fee0_0000);
const LN2_LOW: f64 = f64::from_bits(0x3dea_39ef_3579_3c76);
/// Adding 1.5 * 2^52 leaves the rounded integer in the low bits of the mantissa.
const ROUND: f64 = 6_755_399_441_055_744.0;
const MANTISSA_BITS: u32 = 52;
const BIAS: u64 = 1023;

/// 1/13!, 1/12!, ..., 1/2!.
const EXPONENTIAL_SERIES: [f64; 12] = [
    1.0 / 6_227_020_800.0,
    1.0 / 479_001_600.0,
    1.0 / 39_916_800.0,
    1.0 / 3_628_800.0,
    1.0 / 362_880.0,
    1.0 / 40_320.0,
    1.0 / 5_040.0,
    1.0 / 720.0,
    1.0 / 120.0,
    1.0 / 24.0,
    1.0 / 6.0,
    0.5,
];
/// 2/21, 2/19, ..., 2/3.
const LOGARITHM_SERIES: [f64; 10] = [
    2.0 / 21.0,
    2.0 / 19.0,
    2.0 / 17.0,
    2.0 / 15.0,
    2.0 / 13.0,
    2.0 / 11.0,
    2.0 / 9.0,
    2.0 / 7.0,
    2.0 / 5.0,
    2.0 / 3.0,
];

impl Lanes {
    /// Exponential. Below -707.7, where it is less than 1e-307, the result is zero.
    ///
    /// `2^k exp(r)` with `|r| <= ln(2)/2` and the Taylor series of degree 13, whose remainder is
    /// 4e-18.
    #[inline(always)]
    pub(crate) fn exp(self) -> Self {
        let clamped = self.map(|x| x.clamp(-708.0, 710.0));
        let shifted = clamped * LOG2_E + Self::splat(ROUND);
        let k = shifted - Self::splat(ROUND);
        let r = (clamped - k * LN2_HIGH) - k * LN2_LOW;
        let rest = (r * r).mul_add(polynomial(&EXPONENTIAL_SERIES, r), r);
        let exponential = Self::splat(1.0) + rest;
        // 2^(k - 1), doubled at the end: k reaches 1024.
        let half_power = shifted.map(|x| {
            let exponent = x.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(BIAS - 1);
            f64::from_bits(exponent << MANTISSA_BITS)
        });
        let value = exponential * half_power * 2.0;
        Self(from_fn(|i| if self.0[i] < -707.7 { 0.0 } else { value.0[i] }))
    }

    /// Natural logarithm of positive normal numbers; NaN for everything else.
    ///
    /// `k ln 2 + ln(1 + f)` with `1 + f` between the roots of 1/2 and 2, and
    /// `ln(1 + f) = f - s (f - R)`, `s = f / (2 + f)`, `R = 2 (s^2/3 + s^4/5 + ...)`.
    #[inline(always)]
    pub(crate) fn ln(self) -> Self {
        let root_half = (0.5 * SQRT_2).to_bits();
        let exponent = |x: f64| {
            x.to_bits().wrapping_sub(root_half).wrapping_add(BIAS << MANTISSA_BITS) >> MANTISSA_BITS
        };
        let k = self.map(|x| f64::from_bits(exponent(x) + (ROUND.to_bits() - BIAS)));
        let k = k - Self::splat(ROUND);
        let f = self.map(|x| {
            let scale = exponent(x).wrapping_sub(BIAS) << MANTISSA_BITS;
            f64::from_bits(x.to_bits().wrapping_sub(scale))
        });
        let f = f - Self::splat(1.0);
        let s = f / (f + Self::splat(2.0));
        let z = s * s;
        let half_square = f * f * 0.5;
        let rest = s * (half_square + z * polynomial(&LOGARITHM_SERIES, z)) + k * LN2_LOW;
        let value = k * LN2_HIGH - ((half_square - rest) - f);
        let normal = |x: f64| (f64::MIN_POSITIVE..=f64::MAX).contains(&x);
        Self(from_fn(|i| if normal(self.0[i]) { value.0[i] } else { f64::NAN }))
    }
}

/// Polynomial with an even number of coefficients, highest first: Horner's rule for its odd and
/// even parts side by side, which halves the time spent waiting.
#[inline(always)]
fn polynomial<const N: usize>(coefficients: &[f64; N], x: Lanes) -> Lanes {
    let square = x * x;
    let mut odd = Lanes::splat(coefficients[0]);
    let mut even = Lanes::splat(coefficients[1]);
    for pair in coefficients[2..].chunks_exact(2) {
        odd = odd.mul_add(square, Lanes::splat(pair[0]));
        even = even.mul_add(square, Lanes::splat(pair[1]));
    }
    odd.mul_add(x, even)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exp(x: f64) -> f64 {
        Lanes([0.0, 1.0, x, -1.0, 2.0, -2.0, 3.0, 0.5]).exp().0[2]
    }

    fn ln(x: f64) -> f64 {
        Lanes([1.0, 2.0, x, 0.5, 2.0, 0.2, 3.0, 7.0]).ln().0[2]
    }

    /// Distance in units of the last place.
    fn ulps(a: f64, b: f64) -> f64 {
        (a - b).abs() / (b.abs() * f64::EPSILON)
    }

    /// A spread of numbers in (0, 1) that is even at every scale.
    fn golden(i: u32) -> f64 {
        (f64::from(i) * 0.618_033_988_749_894_8).fract()
    }

    #[test]
    fn exponential_agrees_with_the_standard_library() {
        for i in 0..200_000 {
            let unit = golden(i) * 2.0 - 1.0;
            for range in [1e-12, 1e-3, 1.0, 40.0, 707.0] {
                let x = unit * range;
                assert!(ulps(exp(x), x.exp()) <= 2.0, "{x}: {} {}", exp(x), x.exp());
            }
        }
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(-0.0), 1.0);
        assert_eq!(exp(1e4), f64::INFINITY);
        assert_eq!(exp(f64::INFINITY), f64::INFINITY);
        assert_eq!(exp(f64::NEG_INFINITY), 0.0);
        assert!((exp(709.78) / 709.78_f64.exp() - 1.0).abs() < 1e-15);
        assert!(exp(f64::NAN).is_nan());
    }

    #[test]
    fn logarithm_agrees_with_the_standard_library() {
        for i in 0..200_000 {
            let unit = golden(i) * 2.0 - 1.0;
            for x in [1.0 + 0.9 * unit, 1.0 + 1e-6 * unit, 1e3 + 999.0 * unit, (700.0 * unit).exp()]
            {
                let error = (ln(x) - x.ln()).abs();
                assert!(error <= 2.0 * f64::EPSILON * x.ln().abs(), "{x}: {} {}", ln(x), x.ln());
            }
        }
        assert_eq!(ln(1.0), 0.0);
        for x in [0.0, -1.0, f64::INFINITY, f64::NAN, 1e-310] {
            assert!(ln(x).is_nan(), "{x}");
        }
    }
}
