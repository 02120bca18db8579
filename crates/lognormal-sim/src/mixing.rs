//! Matrices that mix independent latents into correlated Gaussian fields, one per mode.
//!
//! Any `L` with `L L^T = C` gives the same fields in law. The Cholesky factor is cheap and smooth;
//! the symmetric square root is what the published code uses, needed to interpret its latents.

use realfft::num_complex::Complex;

use crate::error::{Error, Result, all_finite};
use crate::field_power::check_shape;
use crate::lanes::{Lanes, WIDTH};
use crate::modes::Modes;
use crate::pixel::Pixel;
use crate::small_matrix::{
    SINGULAR, cholesky, cholesky_pullback, pair_index, pairs, symmetric_eigen,
};
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
    /// [`Error::Shape`] when the power does not fit the modes; [`Error::NotPositiveDefinite`] with
    /// the number of modes that cannot be factorised and the worst of them.
    pub fn new(kind: Mixing, modes: &Modes, power: &[Vec<f64>], bins: usize) -> Result<Self> {
        check_shape("field power [pair][class]", modes, power, bins)?;
        let mut mixing = Self::unset(kind);
        mixing.update(modes, power, bins)?;
        Ok(mixing)
    }

    /// Matrices to be set by [`MixingMatrices::update`].
    pub(crate) fn unset(kind: Mixing) -> Self {
        Self { kind, bins: 0, entries: Vec::new() }
    }

    /// As [`MixingMatrices::new`], in memory that is there.
    pub(crate) fn update(&mut self, modes: &Modes, power: &[Vec<f64>], bins: usize) -> Result<()> {
        self.bins = bins;
        match self.kind {
            Mixing::Cholesky => cholesky_factors(power, bins, &mut self.entries),
            Mixing::SymmetricRoot => symmetric_roots(power, bins, &mut self.entries),
        }
        if self.entries.iter().all(|entry| all_finite(entry)) {
            Ok(())
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

    /// `to := L z` (or `L^T z`) on half planes `[bin][kx][ky]`.
    pub(crate) fn apply<T: Pixel>(
        &self,
        modes: &Modes,
        transposed: bool,
        z: &[Complex<T>],
        to: &mut [Complex<T>],
    ) {
        let n = modes.npix();
        let half_len = z.len() / self.bins;
        let mut coefficients = vec![T::zero(); n];
        for kx in 0..=n / 2 {
            for bin in 0..self.bins {
                to[bin * half_len + kx * n..][..n].fill(Complex::default());
            }
            for (i, j) in self.positions() {
                modes.spread(kx, &self.entries[i * self.bins + j], &mut coefficients);
                let (row, column) = if transposed { (j, i) } else { (i, j) };
                let from = &z[column * half_len + kx * n..][..n];
                let to = &mut to[row * half_len + kx * n..][..n];
                for ((o, z), &l) in to.iter_mut().zip(from).zip(&coefficients) {
                    o.re = o.re + l * z.re;
                    o.im = o.im + l * z.im;
                }
            }
        }
    }

    /// Sets the cotangent of the power `[pair][class]` for cotangents of the fields and the latents
    /// behind them, both half planes `[bin][kx][ky]` of unnormalised transforms.
    pub(crate) fn pullback(
        &self,
        modes: &Modes,
        fields_bar: &[Complex<f64>],
        latents: &[Complex<f64>],
        bars: &mut MixingBars,
    ) {
        let n = modes.npix();
        let half_len = latents.len() / self.bins;
        let MixingBars { entries: entries_bar, power: power_bar } = bars;
        entries_bar.resize_with(self.entries.len(), Vec::new);
        for (bar, entry) in entries_bar.iter_mut().zip(&self.entries) {
            bar.clear();
            bar.resize(entry.len(), 0.0);
        }
        set_zero(power_bar, self.bins * (self.bins + 1) / 2, modes.len());
        let mut row = vec![0.0; n];
        for kx in 0..=n / 2 {
            let weight = modes.column_weight(kx) / (n * n) as f64;
            for (i, j) in self.positions() {
                let bar = &fields_bar[i * half_len + kx * n..][..n];
                let z = &latents[j * half_len + kx * n..][..n];
                for ((r, b), z) in row.iter_mut().zip(bar).zip(z) {
                    *r = weight * (b.re * z.re + b.im * z.im);
                }
                modes.collect(kx, &mut row, &mut entries_bar[i * self.bins + j]);
            }
        }
        match self.kind {
            Mixing::Cholesky => self.pullback_cholesky(entries_bar, power_bar),
            Mixing::SymmetricRoot => self.pullback_symmetric_root(entries_bar, power_bar),
        }
    }

    fn pullback_cholesky(&self, entries_bar: &[Vec<f64>], power_bar: &mut [Vec<f64>]) {
        let (bins, classes) = (self.bins, self.entries[0].len());
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
            store_symmetric(&bar, start, bins, power_bar);
        }
    }

    /// For `S S = C`: `C_bar` solves `S X + X S = sym(S_bar)`, done in the eigenbasis of `S`.
    fn pullback_symmetric_root(&self, entries_bar: &[Vec<f64>], power_bar: &mut [Vec<f64>]) {
        let (n, classes) = (self.bins, self.entries[0].len());
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
    }
}

/// Cotangents on the way from fields to power; used again for the next gradient.
#[derive(Default)]
pub(crate) struct MixingBars {
    /// Of the entries of the matrices.
    entries: Vec<Vec<f64>>,
    /// Of the power, `[pair][class]`: the result of [`MixingMatrices::pullback`].
    pub power: Vec<Vec<f64>>,
}

/// Makes `rows` rows of `len` zeros.
pub(crate) fn set_zero(rows: &mut Vec<Vec<f64>>, count: usize, len: usize) {
    rows.resize_with(count, Vec::new);
    for row in rows {
        row.clear();
        row.resize(len, 0.0);
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

/// Makes lower triangles of zeros, `[row * bins + column][class]`; empty above the diagonal.
pub(crate) fn set_zero_lower(entries: &mut Vec<Vec<f64>>, bins: usize, classes: usize) {
    entries.resize_with(bins * bins, Vec::new);
    for (k, entry) in entries.iter_mut().enumerate() {
        entry.clear();
        if k % bins <= k / bins {
            entry.resize(classes, 0.0);
        }
    }
}

fn cholesky_factors(power: &[Vec<f64>], bins: usize, entries: &mut Vec<Vec<f64>>) {
    let classes = power[0].len();
    set_zero_lower(entries, bins, classes);
    let mut a = vec![Lanes::ZERO; bins * bins];
    for start in (1..classes).step_by(WIDTH) {
        load_symmetric(power, start, bins, &mut a);
        cholesky(&mut a, bins);
        store_lower(&a, start, bins, entries);
    }
}

/// `V sqrt(D) V^T`; an eigenvalue that is not positive beyond rounding errors gives NaN.
#[expect(clippy::needless_range_loop, reason = "a class indexes several arrays")]
fn symmetric_roots(power: &[Vec<f64>], bins: usize, entries: &mut Vec<Vec<f64>>) {
    let classes = power[0].len();
    set_zero(entries, bins * bins, classes);
    let (mut a, mut v) = (vec![0.0; bins * bins], vec![0.0; bins * bins]);
    for class in 1..classes {
        load_class(power, class, bins, &mut a);
        symmetric_eigen(&mut a, &mut v, bins);
        let (smallest, largest) = extreme_eigenvalues(&a, bins);
        if smallest <= SINGULAR * largest {
            entries[0][class] = f64::NAN;
            continue;
        }
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
}

fn load_class(power: &[Vec<f64>], class: usize, bins: usize, a: &mut [f64]) {
    for i in 0..bins {
        for j in 0..bins {
            a[i * bins + j] = power[pair_index(i, j, bins)][class];
        }
    }
}

/// Smallest and largest element of the diagonal.
fn extreme_eigenvalues(diagonal: &[f64], bins: usize) -> (f64, f64) {
    (0..bins)
        .map(|k| diagonal[k * bins + k])
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)))
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
        let (smallest, largest) = extreme_eigenvalues(&a, bins);
        if smallest <= SINGULAR * largest {
            count += modes.multiplicity()[class];
        }
        if smallest < worst {
            (worst, ell) = (smallest, modes.ell()[class]);
        }
    }
    Error::NotPositiveDefinite { modes: count as usize, ell, eigenvalue: worst }
}
