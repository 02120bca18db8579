//! The distinct Fourier modes of a square map.
//!
//! An isotropic spectrum takes the same value on up to eight modes, `(+-kx, +-ky)` and
//! `(+-ky, +-kx)`. Everything that depends on the cosmology is computed once per class.

use std::f64::consts::PI;

use crate::pixel::Pixel;

/// Classes of modes of equal `|k|` by symmetry: the pairs `0 <= b <= a <= n/2`, in the order
/// `(0,0), (1,0), (1,1), (2,0), ...`.
#[derive(Clone, Debug)]
pub struct Modes {
    n: usize,
    wave_numbers: Vec<(usize, usize)>,
    multiplicity: Vec<f64>,
    ell: Vec<f64>,
    /// Class of each half-plane mode with `ky <= n/2`, `[kx][ky]`.
    class: Vec<u32>,
}

impl Modes {
    /// Modes of an `n` x `n` map (`n` even) of side `map_size_deg` degrees.
    #[must_use]
    pub fn new(n: usize, map_size_deg: f64) -> Self {
        let (half, fundamental) = (n / 2, 2.0 * PI / map_size_deg.to_radians());
        let mut modes = Self {
            n,
            wave_numbers: Vec::new(),
            multiplicity: Vec::new(),
            ell: Vec::new(),
            class: vec![0; (half + 1) * (half + 1)],
        };
        let signs = |k: usize| if k == 0 || k == half { 1.0 } else { 2.0 };
        for a in 0..=half {
            for b in 0..=a {
                let class = modes.ell.len() as u32;
                modes.class[a * (half + 1) + b] = class;
                modes.class[b * (half + 1) + a] = class;
                modes.wave_numbers.push((a, b));
                modes.multiplicity.push(signs(a) * signs(b) * if a == b { 1.0 } else { 2.0 });
                modes.ell.push(fundamental * ((a * a + b * b) as f64).sqrt());
            }
        }
        modes
    }

    /// Number of pixels along a side.
    #[must_use]
    pub fn npix(&self) -> usize {
        self.n
    }

    /// Number of classes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ell.len()
    }

    /// Never: the zero mode is always there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ell.is_empty()
    }

    /// Multipole `|k|` of each class; the first is zero.
    #[must_use]
    pub fn ell(&self) -> &[f64] {
        &self.ell
    }

    /// Number of modes of the full plane in each class; they sum to `n^2`.
    #[must_use]
    pub fn multiplicity(&self) -> &[f64] {
        &self.multiplicity
    }

    /// The wave numbers `(a, b)`, `b <= a`, of each class, in units of the fundamental.
    #[must_use]
    pub fn wave_numbers(&self) -> &[(usize, usize)] {
        &self.wave_numbers
    }

    /// Classes of the half-plane modes `(kx, ky)`, `ky = 0..=n/2`; `(kx, n - ky)` has that of
    /// `(kx, ky)`.
    pub(crate) fn classes(&self, kx: usize) -> &[u32] {
        let h = self.n / 2 + 1;
        &self.class[kx * h..(kx + 1) * h]
    }

    /// How often the half-plane column `kx` stands for modes of the full plane.
    pub(crate) fn column_weight(&self, kx: usize) -> f64 {
        if kx == 0 || kx == self.n / 2 { 1.0 } else { 2.0 }
    }

    /// Copies values per class to the row `ky = 0..n` of the half plane at `kx`.
    pub(crate) fn spread<T: Pixel>(&self, kx: usize, values: &[f64], row: &mut [T]) {
        let half = self.n / 2;
        let (first, mirrored) = row.split_at_mut(half + 1);
        // Classes (kx, ky) with ky <= kx are neighbours; the others, (ky, kx), are not.
        let (near, far) = first.split_at_mut(kx + 1);
        for (to, &value) in near.iter_mut().zip(&values[first_class(kx)..]) {
            *to = T::round_from(value);
        }
        for (to, &class) in far.iter_mut().zip(&self.classes(kx)[kx + 1..]) {
            *to = T::round_from(values[class as usize]);
        }
        for (to, &from) in mirrored.iter_mut().zip(first[1..half].iter().rev()) {
            *to = from;
        }
    }

    /// The transpose of [`Modes::spread`]: adds the row of the half plane at `kx` to the values
    /// per class. Overwrites the row.
    pub(crate) fn collect(&self, kx: usize, row: &mut [f64], values: &mut [f64]) {
        let half = self.n / 2;
        let (first, mirrored) = row.split_at_mut(half + 1);
        for (to, &twin) in first[1..half].iter_mut().rev().zip(mirrored.iter()) {
            *to += twin;
        }
        let (near, far) = first.split_at(kx + 1);
        for (to, value) in values[first_class(kx)..].iter_mut().zip(near) {
            *to += value;
        }
        for (value, &class) in far.iter().zip(&self.classes(kx)[kx + 1..]) {
            values[class as usize] += value;
        }
    }
}

/// Class of `(kx, 0)`.
pub(crate) fn first_class(kx: usize) -> usize {
    kx * (kx + 1) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_cover_the_plane() {
        let modes = Modes::new(10, 5.0);
        assert_eq!(modes.len(), 6 * 7 / 2);
        assert_eq!(modes.multiplicity().iter().sum::<f64>(), 100.0);
        for kx in 0..=5 {
            for (ky, &class) in modes.classes(kx).iter().enumerate() {
                let (a, b) = modes.wave_numbers()[class as usize];
                assert_eq!((a, b), (kx.max(ky), kx.min(ky)));
            }
        }
        let mut row = vec![0.0_f64; 10];
        modes.spread(3, modes.ell(), &mut row);
        assert_eq!(row[4], row[6]);
        assert!((row[4] / row[0] - 5.0 / 3.0).abs() < 1e-14);
    }
}
