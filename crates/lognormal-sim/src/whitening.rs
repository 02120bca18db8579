//! The joint density of parameters and latents in coordinates that a sampler likes.
//!
//! In the linear, Gaussian model of the data, `y = Lambda g + noise` with `Lambda = diag(lambda)`
//! and `g ~ N(0, C)` per Fourier mode, the posterior of `g` is known: covariance
//! `S = (C^-1 + Lambda N^-1 Lambda)^-1` and mean `S Lambda N^-1 y`. Take `P P^T = S` and
//!
//! `g = P (x + P^T Lambda N^-1 y)`.
//!
//! Then in that model the coordinates `x` are standard normal and independent of the parameters,
//! whose density is the Gaussian likelihood of the spectra of the map. What the lognormal field
//! changes is one sum over pixels:
//!
//! `log p(x, y | theta) = log N(x; 0, 1) + log N(y; 0, K) + sum [(y - lambda g)^2 - (y - kappa)^2] / (2 n)`
//!
//! with `K = N + Lambda C Lambda`. This is the exact density of `(z, y)` transformed to `x` (with
//! its Jacobian), whatever the quality of the linear model: that only decides how fast a sampler
//! moves. Random `x` at any parameters are latents that fit the map, so chains need no special
//! starting point. The choice of mixing matrix drops out: it names latents, not fields.

use std::f64::consts::{FRAC_1_SQRT_2, PI, SQRT_2};

use realfft::num_complex::Complex;

use crate::cosmology::Cosmology;
use crate::density::check_map;
use crate::error::{Error, Result};
use crate::fourier::{Fourier, FourierScratch};
use crate::lanes::{Lanes, WIDTH};
use crate::mixing::{
    indefinite_modes, load_symmetric, lower_entries, store_lower, store_symmetric,
};
use crate::simulator::{FieldPower, PowerPullback, Simulator};
use crate::small_matrix::{cholesky, cholesky_pullback, pair_index, pairs, solve_lower};
use crate::survey::FieldVariance;

/// The density of one observed map in whitened coordinates; one per chain.
///
/// Coordinates are `[bin][npix * npix]`: the Fourier half plane of unit normal amplitudes, packed
/// so that each real number counts once.
pub struct WhitenedDensity<'a> {
    simulator: &'a Simulator,
    map: Vec<f64>,
    fourier: Fourier<f64>,
    scratch: FourierScratch<f64>,
    /// Unitary transform of the map, `[bin][kx][ky]`.
    map_modes: Vec<Complex<f64>>,
    /// `sum Re(y_i y_j^*)` over the modes of each class, `[pair][class]`.
    map_power: Vec<Vec<f64>>,
    /// Work space, `[bin][kx][ky]`: whitened modes and their cotangents.
    white: Vec<Complex<f64>>,
    field: Vec<Complex<f64>>,
    convergence: Vec<f64>,
}

/// `P` of every class of modes, with its square `S`.
struct PosteriorRoot {
    /// Lower triangle `[row * bins + column][class]`.
    root: Vec<Vec<f64>>,
    /// `[pair][class]`.
    covariance: Vec<Vec<f64>>,
}

/// Gradient of the Gaussian terms in the power and the shifts.
struct SpectraTerm {
    log_density: f64,
    power_bar: Vec<Vec<f64>>,
    shifts_bar: Vec<f64>,
}

impl<'a> WhitenedDensity<'a> {
    /// The density given an observed map `[bin][y][x]`.
    ///
    /// # Errors
    /// A map of the wrong size, or with pixels that are not finite.
    pub fn new(simulator: &'a Simulator, map: Vec<f64>) -> Result<Self> {
        check_map(simulator, &map)?;
        let n = simulator.survey().npix;
        let fourier = Fourier::new(n);
        let mut scratch = fourier.scratch();
        let half = fourier.half_len();
        let bins = simulator.bins();
        let mut map_modes = vec![Complex::default(); bins * half];
        for (pixels, modes) in map.chunks_exact(n * n).zip(map_modes.chunks_exact_mut(half)) {
            fourier.forward(pixels, modes, &mut scratch);
            for mode in modes {
                *mode /= n as f64;
            }
        }
        let mut density = Self {
            simulator,
            fourier,
            scratch,
            map_power: Vec::new(),
            white: vec![Complex::default(); map_modes.len()],
            field: vec![Complex::default(); map_modes.len()],
            convergence: vec![0.0; map.len()],
            map_modes,
            map,
        };
        density.map_power = density.measure_power();
        Ok(density)
    }

    /// Number of whitened coordinates: one per pixel and bin.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.map.len()
    }

    /// The simulator.
    #[must_use]
    pub fn simulator(&self) -> &'a Simulator {
        self.simulator
    }

    /// Log density `log p(x, map | theta)`, with its gradient in the parameters (returned) and in
    /// the whitened coordinates (written to `gradient`).
    ///
    /// # Errors
    /// Coordinates of the wrong number; parameters outside the model's domain; spectra that are
    /// not positive definite; an overflow of the field.
    pub fn evaluate(
        &mut self,
        cosmology: &Cosmology,
        white: &[f64],
        gradient: &mut [f64],
    ) -> Result<(f64, [f64; 6])> {
        if white.len() != self.dim() || gradient.len() != self.dim() {
            return Err(Error::Shape {
                what: "whitened coordinates".into(),
                expected: format!("{} numbers", self.dim()),
                found: format!("{} numbers", white.len()),
            });
        }
        let (power, pullback) = self.simulator.field_power_with_pullback(cosmology)?;
        let posterior = self.posterior_root(&power)?;
        let spectra = self.spectra_term(&power)?;
        self.field_of(white, &power, &posterior);
        let (pixel_term, shifts_bar, variances_bar) = self.compare_with_map(&power);
        let mut total = spectra.log_density + pixel_term;
        let parameters =
            self.pull_back(&power, &posterior, &pullback, spectra, shifts_bar, &variances_bar);

        pack(&self.white, self.simulator.survey().npix, gradient);
        let mut squares = 0.0;
        for (bar, x) in gradient.iter_mut().zip(white) {
            squares += x * x;
            *bar -= x;
        }
        total -= 0.5 * (squares + white.len() as f64 * (2.0 * PI).ln());
        if !total.is_finite() {
            return Err(Error::NotFinite { what: "the log density".into() });
        }
        Ok((total, parameters))
    }

    /// The noise-free convergence `[bin][y][x]` at a point.
    ///
    /// # Errors
    /// As [`WhitenedDensity::evaluate`].
    pub fn convergence(&mut self, cosmology: &Cosmology, white: &[f64]) -> Result<Vec<f64>> {
        let power = self.simulator.field_power(cosmology)?;
        let posterior = self.posterior_root(&power)?;
        self.field_of(white, &power, &posterior);
        let survey = self.simulator.survey();
        let mut maps = self.convergence.clone();
        for (bin, map) in maps.chunks_exact_mut(survey.npix * survey.npix).enumerate() {
            power.local_transform(survey.field, bin).apply(survey.field_variance, map);
        }
        Ok(maps)
    }

    /// `sum Re(y_i y_j^*)` per class.
    fn measure_power(&self) -> Vec<Vec<f64>> {
        let (n, half) = (self.simulator.survey().npix, self.fourier.half_len());
        let modes = self.simulator.modes();
        let mut row = vec![0.0; n];
        pairs(self.simulator.bins())
            .into_iter()
            .map(|(i, j)| {
                let mut sums = vec![0.0; modes.len()];
                for kx in 0..=n / 2 {
                    let weight = modes.column_weight(kx);
                    let first = &self.map_modes[i * half + kx * n..][..n];
                    let second = &self.map_modes[j * half + kx * n..][..n];
                    for ((r, a), b) in row.iter_mut().zip(first).zip(second) {
                        *r = weight * (a.re * b.re + a.im * b.im);
                    }
                    modes.collect(kx, &row, &mut sums);
                }
                sums
            })
            .collect()
    }

    /// `S = C - C Lambda K^-1 Lambda C` and its Cholesky factor.
    fn posterior_root(&self, power: &FieldPower) -> Result<PosteriorRoot> {
        let (bins, classes) = (power.shifts.len(), self.simulator.modes().len());
        let mut posterior = PosteriorRoot {
            root: lower_entries(bins, classes),
            covariance: vec![vec![0.0; classes]; bins * (bins + 1) / 2],
        };
        let mut c = vec![Lanes::ZERO; bins * bins];
        let (mut k, mut w) = (c.clone(), c.clone());
        for start in (1..classes).step_by(WIDTH) {
            load_symmetric(&power.gaussian, start, bins, &mut c);
            self.data_covariance(power, &c, &mut k);
            cholesky(&mut k, bins);
            for i in 0..bins {
                for j in 0..bins {
                    w[i * bins + j] = c[i * bins + j] * power.shifts[i];
                }
            }
            solve_lower(&k, &mut w, bins, bins);
            for i in 0..bins {
                for j in 0..=i {
                    let mut sum = c[i * bins + j];
                    for l in 0..bins {
                        sum -= w[l * bins + i] * w[l * bins + j];
                    }
                    c[i * bins + j] = sum;
                    c[j * bins + i] = sum;
                }
            }
            for (pair, (i, j)) in pairs(bins).into_iter().enumerate() {
                let end = (start + WIDTH).min(classes);
                c[i * bins + j].store(&mut posterior.covariance[pair][start..end]);
            }
            cholesky(&mut c, bins);
            store_lower(&c, start, bins, &mut posterior.root);
        }
        if posterior.root.iter().flatten().all(|x| x.is_finite()) {
            Ok(posterior)
        } else {
            Err(indefinite_modes(self.simulator.modes(), &power.gaussian, bins))
        }
    }

    /// `K = N + Lambda C Lambda`.
    fn data_covariance(&self, power: &FieldPower, c: &[Lanes], k: &mut [Lanes]) {
        let bins = power.shifts.len();
        for i in 0..bins {
            for j in 0..bins {
                let mut sum = c[i * bins + j] * (power.shifts[i] * power.shifts[j]);
                if i == j {
                    sum += Lanes::splat(self.simulator.noise_variance()[i]);
                }
                k[i * bins + j] = sum;
            }
        }
    }

    /// `log N(y; 0, K)` of all modes, with its gradient.
    fn spectra_term(&self, power: &FieldPower) -> Result<SpectraTerm> {
        let bins = power.shifts.len();
        let multiplicity = self.simulator.modes().multiplicity();
        let classes = multiplicity.len();
        let mut power_bar = vec![vec![0.0; classes]; power.gaussian.len()];
        let mut shifts_bar = vec![0.0; bins];
        let mut total = Lanes::ZERO;
        let mut c = vec![Lanes::ZERO; bins * bins];
        let (mut k, mut d, mut inverse) = (c.clone(), c.clone(), c.clone());
        for start in (0..classes).step_by(WIDTH) {
            // Missing classes count zero times.
            let count = Lanes::load(&multiplicity[start..], 0.0);
            load_symmetric(&power.gaussian, start, bins, &mut c);
            self.data_covariance(power, &c, &mut k);
            cholesky(&mut k, bins);
            for i in 0..bins {
                for j in 0..bins {
                    let values = &self.map_power[pair_index(i, j, bins)][start..];
                    d[i * bins + j] = Lanes::load(values, 0.0);
                    inverse[i * bins + j] = Lanes::splat(if i == j { 1.0 } else { 0.0 });
                }
                let log_pivot = k[i * bins + i].map(f64::ln) + Lanes::splat(0.5 * (2.0 * PI).ln());
                total -= count * log_pivot;
            }
            // K^-1 = B^-T B^-1 and K^-1 D K^-1, from B^-1.
            solve_lower(&k, &mut inverse, bins, bins);
            symmetric_square(&mut inverse, bins);
            let bar = &mut k;
            sandwich(&inverse, &d, bins, bar);
            for i in 0..bins {
                for j in 0..bins {
                    let at = i * bins + j;
                    total -= inverse[at] * d[at] * 0.5;
                    bar[at] = (bar[at] - inverse[at] * count) * 0.5;
                }
            }
            for i in 0..bins {
                for j in 0..bins {
                    let share = bar[i * bins + j] * c[i * bins + j];
                    shifts_bar[i] += 2.0 * power.shifts[j] * (share * count.map(f64::signum)).sum();
                    bar[i * bins + j] = bar[i * bins + j] * (power.shifts[i] * power.shifts[j]);
                }
            }
            store_symmetric(bar, start, bins, &mut power_bar);
        }
        let log_density = total.sum();
        if log_density.is_finite() {
            Ok(SpectraTerm { log_density, power_bar, shifts_bar })
        } else {
            Err(indefinite_modes(self.simulator.modes(), &power.gaussian, bins))
        }
    }

    /// Fills `white` with `w = x + P^T Lambda N^-1 y` and `convergence` with the Gaussian field.
    fn field_of(&mut self, white: &[f64], power: &FieldPower, posterior: &PosteriorRoot) {
        let (n, bins, half) =
            (self.simulator.survey().npix, power.shifts.len(), self.fourier.half_len());
        let modes = self.simulator.modes().clone();
        unpack(white, n, &mut self.white);
        self.field.fill(Complex::default());
        let mut row = vec![0.0; n];
        for kx in 0..=n / 2 {
            for j in 0..bins {
                for i in j..bins {
                    modes.spread(kx, &posterior.root[i * bins + j], &mut row);
                    let weight = power.shifts[i] / self.simulator.noise_variance()[i];
                    let y = &self.map_modes[i * half + kx * n..][..n];
                    let w = &mut self.white[j * half + kx * n..][..n];
                    multiply_add(&row, weight, y, w);
                }
                for i in j..bins {
                    modes.spread(kx, &posterior.root[i * bins + j], &mut row);
                    let w = &self.white[j * half + kx * n..][..n];
                    let g = &mut self.field[i * half + kx * n..][..n];
                    multiply_add(&row, n as f64, w, g);
                }
            }
        }
        for (modes, map) in
            self.field.chunks_exact_mut(half).zip(self.convergence.chunks_exact_mut(n * n))
        {
            self.fourier.inverse(modes, map, &mut self.scratch);
        }
    }

    /// The sum over pixels; leaves the unitary transform of its cotangent in `field`.
    fn compare_with_map(&mut self, power: &FieldPower) -> (f64, Vec<f64>, Vec<f64>) {
        let survey = self.simulator.survey();
        let (n, bins, half) = (survey.npix, power.shifts.len(), self.fourier.half_len());
        let pixels = n * n;
        let mut total = 0.0;
        let (mut shifts_bar, mut variances_bar) = (vec![0.0; bins], vec![0.0; bins]);
        for bin in 0..bins {
            let g = &mut self.convergence[bin * pixels..(bin + 1) * pixels];
            let map = &self.map[bin * pixels..(bin + 1) * pixels];
            let noise = self.simulator.noise_variance()[bin];
            let local = power.local_transform(survey.field, bin);
            let fit = match survey.field_variance {
                FieldVariance::Theory => local.fit(map, noise, true, g),
                FieldVariance::Measured => local.fit_with_measured_variance(map, noise, true, g),
            };
            total += 0.5 * (fit.linear_squares - fit.squares) / noise;
            shifts_bar[bin] = fit.shift_bar;
            variances_bar[bin] = fit.variance_bar;
            let modes = &mut self.field[bin * half..(bin + 1) * half];
            self.fourier.forward(g, modes, &mut self.scratch);
            for mode in modes {
                *mode /= n as f64;
            }
        }
        (total, shifts_bar, variances_bar)
    }

    /// Parameters' gradient; replaces `white` by its own cotangent.
    fn pull_back(
        &mut self,
        power: &FieldPower,
        posterior: &PosteriorRoot,
        pullback: &PowerPullback<'_>,
        spectra: SpectraTerm,
        mut shifts_bar: Vec<f64>,
        variances_bar: &[f64],
    ) -> [f64; 6] {
        let (n, bins, half) =
            (self.simulator.survey().npix, power.shifts.len(), self.fourier.half_len());
        let modes = self.simulator.modes().clone();
        let classes = modes.len();
        // Sums over modes of Re(g_bar_i w_j^*) and Re((y/n)_i w_bar_j^*), lower triangles.
        let mut through_field = lower_entries(bins, classes);
        let mut through_mean = lower_entries(bins, classes);
        let (mut row, mut product) = (vec![0.0; n], vec![0.0; n]);
        let mut white_bar = vec![Complex::default(); n];
        for kx in 0..=n / 2 {
            let weight = modes.column_weight(kx);
            for j in 0..bins {
                white_bar.fill(Complex::default());
                let w = &mut self.white[j * half + kx * n..][..n];
                for i in j..bins {
                    let at = i * bins + j;
                    modes.spread(kx, &posterior.root[at], &mut row);
                    let g_bar = &self.field[i * half + kx * n..][..n];
                    multiply_add(&row, 1.0, g_bar, &mut white_bar);
                    real_products(g_bar, w, weight, &mut product);
                    modes.collect(kx, &product, &mut through_field[at]);
                }
                for i in j..bins {
                    let y = &self.map_modes[i * half + kx * n..][..n];
                    let weight = weight / self.simulator.noise_variance()[i];
                    real_products(y, &white_bar, weight, &mut product);
                    modes.collect(kx, &product, &mut through_mean[i * bins + j]);
                }
                w.copy_from_slice(&white_bar);
            }
        }
        let SpectraTerm { mut power_bar, shifts_bar: spectra_shifts_bar, .. } = spectra;
        for (bar, share) in shifts_bar.iter_mut().zip(spectra_shifts_bar) {
            *bar += share;
        }
        self.pull_back_root(
            power,
            posterior,
            &through_field,
            &through_mean,
            &mut power_bar,
            &mut shifts_bar,
        );
        pullback.gradient(power_bar, variances_bar, shifts_bar)
    }

    /// From cotangents of `P` to those of `C` and the shifts, through `S = P P^T`:
    /// `dS = J dC J^T - S d(Lambda N^-1 Lambda) S` with `J = S C^-1 = 1 - S Lambda N^-1 Lambda`.
    #[expect(clippy::needless_range_loop, reason = "matrix algebra reads best with indices")]
    fn pull_back_root(
        &self,
        power: &FieldPower,
        posterior: &PosteriorRoot,
        through_field: &[Vec<f64>],
        through_mean: &[Vec<f64>],
        power_bar: &mut [Vec<f64>],
        shifts_bar: &mut [f64],
    ) {
        let (bins, classes) = (power.shifts.len(), self.simulator.modes().len());
        let noise = self.simulator.noise_variance();
        let zero = vec![Lanes::ZERO; bins * bins];
        let (mut root, mut bar, mut s) = (zero.clone(), zero.clone(), zero.clone());
        let (mut j, mut work) = (zero.clone(), zero);
        for start in (1..classes).step_by(WIDTH) {
            for row in 0..bins {
                for column in 0..=row {
                    let at = row * bins + column;
                    let identity = if row == column { 1.0 } else { 0.0 };
                    root[at] = Lanes::load(&posterior.root[at][start..], identity);
                    let mean = Lanes::load(&through_mean[at][start..], 0.0);
                    bar[at] =
                        Lanes::load(&through_field[at][start..], 0.0) + mean * power.shifts[row];
                    // y'' = lambda y / n, weighted by P w_bar.
                    shifts_bar[row] += (mean * root[at]).sum();
                }
            }
            cholesky_pullback(&root, &mut bar, bins, &mut work);
            load_symmetric(&posterior.covariance, start, bins, &mut s);
            for row in 0..bins {
                for column in 0..bins {
                    let weight = power.shifts[column] * power.shifts[column] / noise[column];
                    j[row * bins + column] = -s[row * bins + column] * weight;
                }
                j[row * bins + row] += Lanes::splat(1.0);
            }
            // -2 lambda/n (S S_bar S)_ii.
            for bin in 0..bins {
                let mut sum = Lanes::ZERO;
                for a in 0..bins {
                    for b in 0..bins {
                        sum += s[bin * bins + a] * bar[a * bins + b] * s[b * bins + bin];
                    }
                }
                shifts_bar[bin] -= 2.0 * power.shifts[bin] / noise[bin] * sum.sum();
            }
            // C_bar = J^T S_bar J.
            for a in 0..bins {
                for b in 0..bins {
                    let mut sum = Lanes::ZERO;
                    for c in 0..bins {
                        sum += bar[a * bins + c] * j[c * bins + b];
                    }
                    work[a * bins + b] = sum;
                }
            }
            for (pair, (a, b)) in pairs(bins).into_iter().enumerate() {
                let mut sum = Lanes::ZERO;
                for c in 0..bins {
                    sum += j[c * bins + a] * work[c * bins + b];
                }
                let end = (start + WIDTH).min(classes);
                let target = &mut power_bar[pair][start..end];
                let previous = Lanes::load(target, 0.0);
                (previous + sum * if a == b { 1.0 } else { 2.0 }).store(target);
            }
        }
    }
}

/// `to += scale * row * from`.
fn multiply_add(row: &[f64], scale: f64, from: &[Complex<f64>], to: &mut [Complex<f64>]) {
    for ((to, from), r) in to.iter_mut().zip(from).zip(row) {
        let factor = scale * r;
        to.re += factor * from.re;
        to.im += factor * from.im;
    }
}

/// `product = weight Re(a b^*)`.
fn real_products(a: &[Complex<f64>], b: &[Complex<f64>], weight: f64, product: &mut [f64]) {
    for ((p, a), b) in product.iter_mut().zip(a).zip(b) {
        *p = weight * (a.re * b.re + a.im * b.im);
    }
}

/// `A := A^T A` for lower triangular `A`.
fn symmetric_square(a: &mut [Lanes], n: usize) {
    let lower = a.to_vec();
    for i in 0..n {
        for j in 0..=i {
            let mut sum = Lanes::ZERO;
            for k in i..n {
                sum += lower[k * n + i] * lower[k * n + j];
            }
            a[i * n + j] = sum;
            a[j * n + i] = sum;
        }
    }
}

/// `out = A D A` for symmetric matrices.
fn sandwich(a: &[Lanes], d: &[Lanes], n: usize, out: &mut [Lanes]) {
    let mut half = vec![Lanes::ZERO; n * n];
    for i in 0..n {
        for j in 0..n {
            let mut sum = Lanes::ZERO;
            for k in 0..n {
                sum += a[i * n + k] * d[k * n + j];
            }
            half[i * n + j] = sum;
        }
    }
    for i in 0..n {
        for j in 0..n {
            let mut sum = Lanes::ZERO;
            for k in 0..n {
                sum += half[i * n + k] * a[k * n + j];
            }
            out[i * n + j] = sum;
        }
    }
}

/// Real coordinates `[bin][n * n]` to half planes `[bin][kx][ky]` of unit-variance modes.
///
/// The two self-conjugate columns hold `n` real Hartley amplitudes each, the others complex
/// amplitudes as pairs of reals of variance 1/2.
fn unpack(white: &[f64], n: usize, half: &mut [Complex<f64>]) {
    for (white, half) in white.chunks_exact(n * n).zip(half.chunks_exact_mut((n / 2 + 1) * n)) {
        let (first, rest) = white.split_at(n);
        let (inner, last) = rest.split_at(n * (n - 2));
        for (hartley, column) in [(first, 0), (last, n / 2)] {
            for ky in 0..n {
                let (h, twin) = (hartley[ky], hartley[(n - ky) % n]);
                half[column * n + ky] = Complex::new(0.5 * (h + twin), 0.5 * (twin - h));
            }
        }
        for (mode, pair) in half[n..n * (n / 2)].iter_mut().zip(inner.chunks_exact(2)) {
            *mode = Complex::new(pair[0] * FRAC_1_SQRT_2, pair[1] * FRAC_1_SQRT_2);
        }
    }
}

/// The transpose of [`unpack`] for cotangents (which stand for both `k` and `-k`).
fn pack(half: &[Complex<f64>], n: usize, white: &mut [f64]) {
    for (white, half) in white.chunks_exact_mut(n * n).zip(half.chunks_exact((n / 2 + 1) * n)) {
        let (first, rest) = white.split_at_mut(n);
        let (inner, last) = rest.split_at_mut(n * (n - 2));
        for (hartley, column) in [(first, 0), (last, n / 2)] {
            for ky in 0..n {
                let mode = half[column * n + ky];
                hartley[ky] = mode.re - mode.im;
            }
        }
        for (mode, pair) in half[n..n * (n / 2)].iter().zip(inner.chunks_exact_mut(2)) {
            pair[0] = SQRT_2 * mode.re;
            pair[1] = SQRT_2 * mode.im;
        }
    }
}
