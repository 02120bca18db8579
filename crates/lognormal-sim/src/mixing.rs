//! Matrices that mix independent latents into correlated Gaussian fields, one per mode.
//!
//! Any `L` with `L L^T = C` gives the same fields in law. The Cholesky factor is cheap and smooth;
//! the symmetric square root is what the published code uses, needed to interpret its latents.

use realfft::num_complex::Complex;

use crate::error::{Error, Result};
use crate::lanes::{Lanes, WIDTH};
use crate::modes::Modes;
use crate::pixel::Pixel;
use crate::small_matrix::{cholesky, cholesky_pullback, pair_index, pairs, symmetric_eigen};
use crate::survey::Mixing;

/// Mixing matrices `L` of all classes of modes.
#[derive(Clone, Debug)]
pub struct MixingMatrices {
    kind: Mixing,
    bins: usize,
    /// `[row * bins + column][class]`; empty above the diagonal of a Cholesky factor.
    entries: Vec<Vec<f64>>,
}

impl MixingMatrices {
    /// Factorises the power `[pair][class]` of the Gaussian fields; the zero mode gets `L = 0`.
    ///
    /// # Errors
    /// [`Error::NotPositiveDefinite`] with the number of such modes and the worst of them.
    pub fn new(kind: Mixing, modes: &Modes, power: &[Vec<f64>], bins: usize) -> Result<Self> {
        let entries = match kind {
            Mixing::Cholesky => cholesky_factors(power, bins),
            Mixing::SymmetricRoot => symmetric_roots(power, bins),
        };
        let mixing = Self { kind, bins, entries };
        if mixing.entries.iter().flatten().all(|entry| entry.is_finite()) {
            Ok(mixing)
        } else {
            Err(indefinite_modes(modes, power, bins))
        }
    }

    /// `L[row][column]` of every class of modes, `None` where it vanishes.
    #[must_use]
    pub fn entry(&self, row: usize, column: usize) -> Option<&[f64]> {
        let entry = &self.entries[row * self.bins + column];
        (!entry.is_empty()).then_some(entry.as_slice())
    }

    /// The positions `(row, column)` that do not vanish.
    fn positions(&self) -> impl Iterator<Item = (usize, usize)> {
        (0..self.bins * self.bins)
            .filter(|&k| !self.entries[k].is_empty())
            .map(|k| (k / self.bins, k % self.bins))
    }

    /// `z := L z` (or `L^T z`) on half planes `[bin][kx][ky]`.
    pub(crate) fn apply<T: Pixel>(&self, modes: &Modes, transposed: bool, z: &mut [Complex<T>]) {
        let n = modes.npix();
        let half_len = z.len() / self.bins;
        let mut coefficients = vec![T::zero(); n];
        let mut mixed = vec![Complex::default(); self.bins * n];
        for kx in 0..=n / 2 {
            mixed.fill(Complex::default());
            for (i, j) in self.positions() {
                modes.spread(kx, &self.entries[i * self.bins + j], &mut coefficients);
                let (to, from) = if transposed { (j, i) } else { (i, j) };
                let from = &z[from * half_len + kx * n..][..n];
                let to = &mut mixed[to * n..(to + 1) * n];
                for ((o, z), &l) in to.iter_mut().zip(from).zip(&coefficients) {
                    o.re = o.re + l * z.re;
                    o.im = o.im + l * z.im;
                }
            }
            for (bin, mixed) in mixed.chunks_exact(n).enumerate() {
                z[bin * half_len + kx * n..][..n].copy_from_slice(mixed);
            }
        }
    }

    /// Cotangent of the power `[pair][class]` for cotangents of the fields and the latents behind
    /// them, both half planes `[bin][kx][ky]` of unnormalised transforms.
    pub(crate) fn pullback(
        &self,
        modes: &Modes,
        fields_bar: &[Complex<f64>],
        latents: &[Complex<f64>],
    ) -> Vec<Vec<f64>> {
        let n = modes.npix();
        let half_len = latents.len() / self.bins;
        let mut entries_bar: Vec<Vec<f64>> =
            self.entries.iter().map(|entry| vec![0.0; entry.len()]).collect();
        let mut row = vec![0.0; n];
        for kx in 0..=n / 2 {
            let weight = modes.column_weight(kx) / (n * n) as f64;
            for (i, j) in self.positions() {
                let bar = &fields_bar[i * half_len + kx * n..][..n];
                let z = &latents[j * half_len + kx * n..][..n];
                for ((r, b), z) in row.iter_mut().zip(bar).zip(z) {
                    *r = weight * (b.re * z.re + b.im * z.im);
                }
                modes.collect(kx, &row, &mut entries_bar[i * self.bins + j]);
            }
        }
        match self.kind {
            Mixing::Cholesky => self.pullback_cholesky(&entries_bar),
            Mixing::SymmetricRoot => self.pullback_symmetric_root(&entries_bar),
        }
    }

    fn pullback_cholesky(&self, entries_bar: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let (bins, classes) = (self.bins, self.entries[0].len());
        let mut power_bar = vec![vec![0.0; classes]; bins * (bins + 1) / 2];
        let mut l = vec![Lanes::ZERO; bins * bins];
        let (mut bar, mut work) = (l.clone(), l.clone());
        for start in (1..classes).step_by(WIDTH) {
            for (i, j) in self.positions() {
                let k = i * bins + j;
                let identity = if i == j { 1.0 } else { 0.0 };
                l[k] = Lanes::load(&self.entries[k][start..], identity);
                bar[k] = Lanes::load(&entries_bar[k][start..], 0.0);
            }
            cholesky_pullback(&l, &mut bar, bins, &mut work);
            store_symmetric(&bar, start, bins, &mut power_bar);
        }
        power_bar
    }

    /// For `S S = C`: `C_bar` solves `S X + X S = sym(S_bar)`, done in the eigenbasis of `S`.
    fn pullback_symmetric_root(&self, entries_bar: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let (n, classes) = (self.bins, self.entries[0].len());
        let mut power_bar = vec![vec![0.0; classes]; n * (n + 1) / 2];
        let (mut s, mut v) = (vec![0.0; n * n], vec![0.0; n * n]);
        for class in 1..classes {
            for (k, entry) in self.entries.iter().enumerate() {
                s[k] = entry[class];
            }
            symmetric_eigen(&mut s, &mut v, n);
            let bar = |i: usize, j: usize| {
                0.5 * (entries_bar[i * n + j][class] + entries_bar[j * n + i][class])
            };
            let mut rotated = vec![0.0; n * n];
            for a in 0..n {
                for b in 0..n {
                    let sum: f64 = (0..n * n)
                        .map(|k| v[(k / n) * n + a] * bar(k / n, k % n) * v[(k % n) * n + b])
                        .sum();
                    rotated[a * n + b] = sum / (s[a * n + a] + s[b * n + b]);
                }
            }
            for (pair, (i, j)) in pairs(n).into_iter().enumerate() {
                let sum: f64 =
                    (0..n * n).map(|k| v[i * n + k / n] * rotated[k] * v[j * n + k % n]).sum();
                power_bar[pair][class] = if i == j { sum } else { 2.0 * sum };
            }
        }
        power_bar
    }
}

/// Adds the symmetric cotangent of eight classes from `start` to the cotangent per pair, where an
/// off-diagonal pair stands for two elements.
pub(crate) fn store_symmetric(
    bar: &[Lanes],
    start: usize,
    bins: usize,
    power_bar: &mut [Vec<f64>],
) {
    for (pair, (i, j)) in pairs(bins).into_iter().enumerate() {
        let factor = if i == j { 1.0 } else { 2.0 };
        (bar[j * bins + i] * factor).store(&mut tail(&mut power_bar[pair], start)[..]);
    }
}

/// Up to eight classes from `start`.
fn tail(values: &mut [f64], start: usize) -> &mut [f64] {
    let end = (start + WIDTH).min(values.len());
    &mut values[start..end]
}

/// Loads the symmetric matrices of eight classes from `start`; missing classes are the identity.
pub(crate) fn load_symmetric(power: &[Vec<f64>], start: usize, bins: usize, a: &mut [Lanes]) {
    for i in 0..bins {
        for j in 0..=i {
            let fill = if i == j { 1.0 } else { 0.0 };
            let value = Lanes::load(&power[pair_index(j, i, bins)][start..], fill);
            a[i * bins + j] = value;
            a[j * bins + i] = value;
        }
    }
}

/// Stores the lower triangle of eight classes from `start`.
pub(crate) fn store_lower(l: &[Lanes], start: usize, bins: usize, entries: &mut [Vec<f64>]) {
    for i in 0..bins {
        for j in 0..=i {
            l[i * bins + j].store(tail(&mut entries[i * bins + j], start));
        }
    }
}

/// Room for lower triangles `[row * bins + column][class]`; empty above the diagonal.
pub(crate) fn lower_entries(bins: usize, classes: usize) -> Vec<Vec<f64>> {
    (0..bins * bins)
        .map(|k| if k % bins <= k / bins { vec![0.0; classes] } else { Vec::new() })
        .collect()
}

fn cholesky_factors(power: &[Vec<f64>], bins: usize) -> Vec<Vec<f64>> {
    let classes = power[0].len();
    let mut entries = lower_entries(bins, classes);
    let mut a = vec![Lanes::ZERO; bins * bins];
    for start in (1..classes).step_by(WIDTH) {
        load_symmetric(power, start, bins, &mut a);
        cholesky(&mut a, bins);
        store_lower(&a, start, bins, &mut entries);
    }
    entries
}

/// `V sqrt(D) V^T`; a negative eigenvalue gives NaN.
#[expect(clippy::needless_range_loop, reason = "a class indexes several arrays")]
fn symmetric_roots(power: &[Vec<f64>], bins: usize) -> Vec<Vec<f64>> {
    let classes = power[0].len();
    let mut entries = vec![vec![0.0; classes]; bins * bins];
    let (mut a, mut v) = (vec![0.0; bins * bins], vec![0.0; bins * bins]);
    for class in 1..classes {
        load_class(power, class, bins, &mut a);
        symmetric_eigen(&mut a, &mut v, bins);
        for i in 0..bins {
            for j in 0..=i {
                let root: f64 = (0..bins)
                    .map(|k| v[i * bins + k] * a[k * bins + k].sqrt() * v[j * bins + k])
                    .sum();
                entries[i * bins + j][class] = root;
                entries[j * bins + i][class] = root;
            }
        }
    }
    entries
}

fn load_class(power: &[Vec<f64>], class: usize, bins: usize, a: &mut [f64]) {
    for i in 0..bins {
        for j in 0..bins {
            a[i * bins + j] = power[pair_index(i, j, bins)][class];
        }
    }
}

/// The error for spectra that could not be factorised, with the count of bad modes.
pub(crate) fn indefinite_modes(modes: &Modes, power: &[Vec<f64>], bins: usize) -> Error {
    let (mut count, mut worst, mut ell) = (0.0, f64::INFINITY, 0.0);
    let (mut a, mut v) = (vec![0.0; bins * bins], vec![0.0; bins * bins]);
    for class in 1..modes.len() {
        load_class(power, class, bins, &mut a);
        if a.iter().any(|x| !x.is_finite()) {
            return Error::NotFinite {
                what: format!("the field power at ell = {:.1}", modes.ell()[class]),
            };
        }
        symmetric_eigen(&mut a, &mut v, bins);
        let smallest = (0..bins).map(|k| a[k * bins + k]).fold(f64::INFINITY, f64::min);
        if smallest <= 0.0 {
            count += modes.multiplicity()[class];
        }
        if smallest < worst {
            (worst, ell) = (smallest, modes.ell()[class]);
        }
    }
    Error::NotPositiveDefinite { modes: count as usize, ell, eigenvalue: worst }
}
