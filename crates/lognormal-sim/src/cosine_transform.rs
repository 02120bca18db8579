//! Discrete cosine transforms of eight functions at once.
//!
//! The Fourier transform of an even, periodic function is a cosine transform of half its length.
//! The stable recursions of Plonka & Tasche (2005, "Fast and numerically stable algorithms for
//! discrete cosine transforms") halve the length with additions and plane rotations only, until it
//! is odd. All loops run over [`Lanes`], so that they vectorise whatever the length.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use crate::lanes::Lanes;

/// Transforms of even functions with period `2 n`, known at `0..=n`.
#[derive(Clone, Debug)]
pub(crate) struct CosineTransform {
    n: usize,
    /// Cosines and sines of `pi (2 i + 1) / (4 size)`, `i < size / 2`, for `size = n >> level`.
    rotations: Vec<Vec<(f64, f64)>>,
    /// `cos(pi t / (4 odd))`, `t = 0..8 odd`, for the odd length that remains.
    cosines: Vec<f64>,
}

impl CosineTransform {
    /// Tables for functions known at `0..=n`, `n` positive.
    pub(crate) fn new(n: usize) -> Self {
        let levels = n.trailing_zeros();
        let rotations = (0..levels)
            .map(|level| {
                let size = n >> level;
                (0..size / 2)
                    .map(|i| (PI * (2 * i + 1) as f64 / (4 * size) as f64).sin_cos())
                    .map(|(sine, cosine)| (cosine, sine))
                    .collect()
            })
            .collect();
        let odd = n >> levels;
        let cosines = (0..8 * odd).map(|t| (PI * t as f64 / (4 * odd) as f64).cos()).collect();
        Self { n, rotations, cosines }
    }

    /// Replaces `x_0, ..., x_n` by `x_0 + (-1)^k x_n + 2 sum_{0<j<n} x_j cos(pi j k / n)`,
    /// `k = 0..=n`: the unnormalised Fourier transform of the even function.
    ///
    /// `work` has the length of `x`, `n + 1`.
    pub(crate) fn transform(&self, x: &mut [Lanes], work: &mut [Lanes]) {
        debug_assert!(x.len() == self.n + 1 && work.len() == self.n + 1);
        self.first(0, x, work);
    }

    /// Type I of length `n >> level`, as in [`CosineTransform::transform`].
    fn first(&self, level: usize, x: &mut [Lanes], work: &mut [Lanes]) {
        let size = x.len() - 1;
        if size % 2 == 1 {
            self.direct(x, work, |j, k| (if j == 0 || j == size { 1.0 } else { 2.0 }, 4 * j * k));
            return;
        }
        let half = size / 2;
        let (even, odd) = work.split_at_mut(half + 1);
        for j in 0..half {
            even[j] = x[j] + x[size - j];
            odd[j] = x[j] - x[size - j];
        }
        even[half] = x[half] * 2.0;
        let (scratch, rest) = x.split_at_mut(half + 1);
        self.first(level + 1, even, scratch);
        self.third(level + 1, odd, rest);
        interleave(even, odd, x);
    }

    /// Type III: `x_0 + 2 sum_{j>0} x_j cos(pi j (2 k + 1) / (2 size))`.
    fn third(&self, level: usize, x: &mut [Lanes], work: &mut [Lanes]) {
        let size = x.len();
        if size % 2 == 1 {
            self.direct(x, work, |j, k| (if j == 0 { 1.0 } else { 2.0 }, 2 * j * (2 * k + 1)));
            return;
        }
        let half = size / 2;
        let (even, odd) = work.split_at_mut(half);
        for i in 0..half {
            even[i] = x[2 * i];
            odd[i] = x[2 * i + 1] * 2.0;
        }
        let (scratch, rest) = x.split_at_mut(half);
        self.third(level + 1, even, scratch);
        self.fourth(level + 1, odd, rest);
        for k in 0..half {
            x[k] = even[k] + odd[k];
            x[size - 1 - k] = even[k] - odd[k];
        }
    }

    /// Type IV: `sum_j x_j cos(pi (2 j + 1) (2 k + 1) / (4 size))`.
    fn fourth(&self, level: usize, x: &mut [Lanes], work: &mut [Lanes]) {
        let size = x.len();
        if let Some(four) = x.as_mut_array() {
            *four = fourth_of_four(*four);
            return;
        }
        if size % 2 == 1 {
            self.direct(x, work, |j, k| (1.0, (2 * j + 1) * (2 * k + 1)));
            return;
        }
        let half = size / 2;
        let (cosine_part, sine_part) = work.split_at_mut(half);
        for (i, &(cosine, sine)) in self.rotations[level].iter().enumerate() {
            let (a, b) = (x[i], x[size - 1 - i]);
            cosine_part[i] = a * cosine + b * sine;
            let rotated = b * cosine - a * sine;
            // A sine transform is a cosine transform of alternating signs, read backwards.
            sine_part[i] = if i % 2 == 0 { rotated } else { -rotated };
        }
        let (scratch, rest) = x.split_at_mut(half);
        self.second(level + 1, cosine_part, scratch);
        self.second(level + 1, sine_part, rest);
        x[0] = cosine_part[0];
        for k in 1..half {
            x[2 * k] = cosine_part[k] + sine_part[half - k];
            x[2 * k - 1] = cosine_part[k] - sine_part[half - k];
        }
        x[size - 1] = -sine_part[0];
    }

    /// Type II: `sum_j x_j cos(pi (2 j + 1) k / (2 size))`.
    fn second(&self, level: usize, x: &mut [Lanes], work: &mut [Lanes]) {
        let size = x.len();
        if let Some(four) = x.as_mut_array() {
            *four = second_of_four(*four);
            return;
        }
        if size % 2 == 1 {
            self.direct(x, work, |j, k| (1.0, 2 * k * (2 * j + 1)));
            return;
        }
        let half = size / 2;
        let (even, odd) = work.split_at_mut(half);
        for i in 0..half {
            even[i] = x[i] + x[size - 1 - i];
            odd[i] = x[i] - x[size - 1 - i];
        }
        let (scratch, rest) = x.split_at_mut(half);
        self.second(level + 1, even, scratch);
        self.fourth(level + 1, odd, rest);
        interleave(even, odd, x);
    }

    /// `sum_j weight x_j cos(pi t / (4 odd))` with `(weight, t)` as given for `(j, k)`.
    fn direct(
        &self,
        x: &mut [Lanes],
        work: &mut [Lanes],
        term: impl Fn(usize, usize) -> (f64, usize),
    ) {
        for (k, sum) in work.iter_mut().enumerate() {
            *sum = Lanes::ZERO;
            for (j, &value) in x.iter().enumerate() {
                let (weight, t) = term(j, k);
                *sum += value * (weight * self.cosines[t % self.cosines.len()]);
            }
        }
        x.copy_from_slice(work);
    }
}

// The recursions for length four written out: most calls end here.

/// `(a c + b s, a s - b c)`: type IV of length two for `(c, s)` at `pi / 8`.
#[inline(always)]
fn rotate(a: Lanes, b: Lanes, (cosine, sine): (f64, f64)) -> [Lanes; 2] {
    [a * cosine + b * sine, a * sine - b * cosine]
}

/// Cosine and sine of `pi / 16`, `pi / 8` and `3 pi / 16`.
const SIXTEENTH: (f64, f64) = (0.980_785_280_403_230_4, 0.195_090_322_016_128_28);
const EIGHTH: (f64, f64) = (0.923_879_532_511_286_7, 0.382_683_432_365_089_8);
const THREE_SIXTEENTHS: (f64, f64) = (0.831_469_612_302_545_2, 0.555_570_233_019_602_2);

#[inline(always)]
fn second_of_four([a, b, c, d]: [Lanes; 4]) -> [Lanes; 4] {
    let [first, third] = rotate(a - d, b - c, EIGHTH);
    let (outer, inner) = (a + d, b + c);
    [outer + inner, first, (outer - inner) * FRAC_1_SQRT_2, third]
}

#[inline(always)]
fn fourth_of_four([a, b, c, d]: [Lanes; 4]) -> [Lanes; 4] {
    let [outer, outer_sine] = rotate(a, d, SIXTEENTH);
    let [inner, inner_sine] = rotate(b, c, THREE_SIXTEENTHS);
    let cosine = (outer - inner) * FRAC_1_SQRT_2;
    let sine = (outer_sine + inner_sine) * FRAC_1_SQRT_2;
    [outer + inner, cosine + sine, cosine - sine, outer_sine - inner_sine]
}

/// Even and odd elements of `x`; the even ones may be one more.
fn interleave(even: &[Lanes], odd: &[Lanes], x: &mut [Lanes]) {
    for (pair, (&even, &odd)) in x.chunks_exact_mut(2).zip(even.iter().zip(odd)) {
        pair[0] = even;
        pair[1] = odd;
    }
    if let (Some(last), Some(&even)) =
        (x.chunks_exact_mut(2).into_remainder().first_mut(), even.last())
    {
        *last = even;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_definition() {
        for n in [1, 2, 3, 4, 5, 6, 8, 12, 50, 64, 128, 130] {
            let x: Vec<Lanes> = (0..=n)
                .map(|j| Lanes(std::array::from_fn(|l| ((j * 8 + l) as f64 * 1.7).sin())))
                .collect();
            let (mut found, mut work) = (x.clone(), x.clone());
            CosineTransform::new(n).transform(&mut found, &mut work);
            for (k, found) in found.iter().enumerate() {
                for lane in 0..8 {
                    let sum: f64 = (0..=n)
                        .map(|j| {
                            let weight = if j == 0 || j == n { 1.0 } else { 2.0 };
                            weight * x[j].0[lane] * (PI * (j * k) as f64 / n as f64).cos()
                        })
                        .sum();
                    let error = (sum - found.0[lane]).abs();
                    assert!(error < 1e-13 * (n as f64).sqrt(), "{n} {k} {lane}: {error:e}");
                }
            }
        }
    }
}
