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

mod coordinates;
mod linear_model;

use std::f64::consts::PI;

use autodiff::Dual;
use realfft::num_complex::Complex;

use self::coordinates::{pack, unpack};
use self::linear_model::LinearModel;
use crate::convergence::Observed;
use crate::cosmology::Cosmology;
use crate::density::{check_map, subtract};
use crate::error::{Error, Result, check_length};
use crate::field_power::{FieldPower, PowerSteps};
use crate::fourier::{Fourier, FourierScratch};
use crate::mixing::set_zero_lower;
use crate::simulator::Simulator;
use crate::small_matrix::pairs;

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
    // What follows is work space, its contents those of the last evaluation.
    power: FieldPower,
    steps: PowerSteps<Dual<6>>,
    model: LinearModel,
    /// `[bin][kx][ky]`: whitened modes, then their cotangents.
    white: Vec<Complex<f64>>,
    /// `[bin][kx][ky]`: field, then its cotangent.
    field: Vec<Complex<f64>>,
    /// One bin of the Gaussian field and its cotangent.
    g: Vec<f64>,
    g_bar: Vec<f64>,
    variances_bar: Vec<f64>,
    /// One row of the half plane for each bin, and one more.
    rows: Vec<f64>,
    row: Vec<f64>,
    white_bar: Vec<Complex<f64>>,
}

impl<'a> WhitenedDensity<'a> {
    /// The density given an observed map `[bin][y][x]`.
    ///
    /// # Errors
    /// A map of the wrong size, or with pixels that are not finite.
    pub fn new(simulator: &'a Simulator, map: Vec<f64>) -> Result<Self> {
        check_map(simulator, &map)?;
        let (n, bins) = (simulator.survey().npix, simulator.bins());
        let fourier = Fourier::new(n);
        let mut scratch = fourier.scratch();
        let half = fourier.half_len();
        let mut map_modes = vec![Complex::default(); bins * half];
        for (pixels, modes) in map.chunks_exact(n * n).zip(map_modes.chunks_exact_mut(half)) {
            fourier.forward(pixels, modes, &mut scratch);
            for mode in modes {
                *mode /= n as f64;
            }
        }
        Ok(Self {
            map_power: measure_power(simulator, &map_modes),
            simulator,
            fourier,
            scratch,
            power: FieldPower::default(),
            steps: simulator.power_steps(),
            model: LinearModel::default(),
            white: vec![Complex::default(); map_modes.len()],
            field: vec![Complex::default(); map_modes.len()],
            g: vec![0.0; n * n],
            g_bar: vec![0.0; n * n],
            variances_bar: vec![0.0; bins],
            rows: vec![0.0; bins * n],
            row: vec![0.0; n],
            white_bar: vec![Complex::default(); n],
            map_modes,
            map,
        })
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
        check_length("whitened coordinates", white.len(), self.dim())?;
        check_length("gradient in whitened coordinates", gradient.len(), self.dim())?;
        self.field_at(cosmology, white)?;
        let pixel_term = self.compare_with_map();
        self.pull_back_modes();
        self.model.pull_back_root(
            self.simulator.modes(),
            &self.power,
            self.simulator.noise_variance(),
        );
        let parameters = self.simulator.pull_back_power(
            &self.power,
            &mut self.steps,
            &mut self.model.power_bar,
            &self.variances_bar,
            &mut self.model.shifts_bar,
        );
        pack(&self.white, self.simulator.survey().npix, gradient);
        let squares = subtract(gradient, white);
        let total = self.model.log_density + pixel_term
            - 0.5 * (squares + white.len() as f64 * (2.0 * PI).ln());
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
        check_length("whitened coordinates", white.len(), self.dim())?;
        self.field_at(cosmology, white)?;
        let survey = self.simulator.survey();
        let mut maps = vec![0.0; self.dim()];
        for (bin, (map, modes)) in maps
            .chunks_exact_mut(survey.npix * survey.npix)
            .zip(self.field.chunks_exact_mut(self.fourier.half_len()))
            .enumerate()
        {
            self.fourier.inverse(modes, map, &mut self.scratch);
            self.power.local_transform(survey.field, bin).apply(survey.field_variance, map);
        }
        Ok(maps)
    }

    /// Prepares the model at a cosmology, fills `white` with `w = x + P^T Lambda N^-1 y` and
    /// `field` with the (unnormalised) modes of `P w`.
    fn field_at(&mut self, cosmology: &Cosmology, white: &[f64]) -> Result<()> {
        let (simulator, noise) = (self.simulator, self.simulator.noise_variance());
        simulator.update_power(&cosmology.with_derivatives(), &mut self.power, &mut self.steps)?;
        self.model.update(simulator.modes(), &self.power, noise, &self.map_power)?;
        let (n, bins, half) = (simulator.survey().npix, noise.len(), self.fourier.half_len());
        unpack(white, n, &mut self.white);
        for kx in 0..=n / 2 {
            for i in 0..bins {
                self.field[i * half + kx * n..][..n].fill(Complex::default());
            }
            for j in 0..bins {
                let w = &mut self.white[j * half + kx * n..][..n];
                #[expect(
                    clippy::needless_range_loop,
                    reason = "matrix algebra reads best with indices"
                )]
                for i in j..bins {
                    let row = &mut self.rows[i * n..(i + 1) * n];
                    simulator.modes().spread(kx, &self.model.root[i * bins + j], row);
                    let y = &self.map_modes[i * half + kx * n..][..n];
                    multiply_add(row, self.power.shifts[i] / noise[i], y, w);
                }
                for i in j..bins {
                    let row = &self.rows[i * n..(i + 1) * n];
                    let g = &mut self.field[i * half + kx * n..][..n];
                    multiply_add(row, n as f64, w, g);
                }
            }
        }
        Ok(())
    }

    /// The sum over pixels; replaces `field` by the unitary transform of its cotangent.
    fn compare_with_map(&mut self) -> f64 {
        let survey = self.simulator.survey();
        let (n, half) = (survey.npix, self.fourier.half_len());
        let mut total = 0.0;
        for (bin, (modes, map)) in
            self.field.chunks_exact_mut(half).zip(self.map.chunks_exact(n * n)).enumerate()
        {
            self.fourier.inverse(modes, &mut self.g, &mut self.scratch);
            let noise = self.simulator.noise_variance()[bin];
            let fit = self.power.local_transform(survey.field, bin).fit(
                survey.field_variance,
                &Observed { map, noise, relative_to_linear: true },
                &self.g,
                &mut self.g_bar,
                &mut [],
            );
            total += 0.5 * (fit.linear_squares - fit.squares) / noise;
            self.model.shifts_bar[bin] += fit.shift_bar;
            self.variances_bar[bin] = fit.variance_bar;
            self.fourier.forward(&self.g_bar, modes, &mut self.scratch);
        }
        total
    }

    /// From cotangents of the field to those of the whitened modes, left in `white`, and to the
    /// sums over modes that lead on to the parameters.
    fn pull_back_modes(&mut self) {
        let (modes, noise) = (self.simulator.modes(), self.simulator.noise_variance());
        let (n, bins, half) = (modes.npix(), noise.len(), self.fourier.half_len());
        let unitary = 1.0 / n as f64;
        set_zero_lower(&mut self.model.through_field, bins, modes.len());
        set_zero_lower(&mut self.model.through_mean, bins, modes.len());
        for kx in 0..=n / 2 {
            let weight = modes.column_weight(kx);
            for j in 0..bins {
                let w = &mut self.white[j * half + kx * n..][..n];
                self.white_bar.fill(Complex::default());
                for i in j..bins {
                    let at = i * bins + j;
                    modes.spread(kx, &self.model.root[at], &mut self.row);
                    let g_bar = &self.field[i * half + kx * n..][..n];
                    multiply_add(&self.row, unitary, g_bar, &mut self.white_bar);
                    real_products(g_bar, w, weight * unitary, &mut self.row);
                    modes.collect(kx, &mut self.row, &mut self.model.through_field[at]);
                }
                #[expect(
                    clippy::needless_range_loop,
                    reason = "matrix algebra reads best with indices"
                )]
                for i in j..bins {
                    let y = &self.map_modes[i * half + kx * n..][..n];
                    real_products(y, &self.white_bar, weight / noise[i], &mut self.row);
                    modes.collect(kx, &mut self.row, &mut self.model.through_mean[i * bins + j]);
                }
                w.copy_from_slice(&self.white_bar);
            }
        }
    }
}

/// `sum Re(y_i y_j^*)` over the modes of each class, for the unitary transform of a map.
fn measure_power(simulator: &Simulator, map_modes: &[Complex<f64>]) -> Vec<Vec<f64>> {
    let modes = simulator.modes();
    let (n, half) = (modes.npix(), map_modes.len() / simulator.bins());
    let mut row = vec![0.0; n];
    pairs(simulator.bins())
        .into_iter()
        .map(|(i, j)| {
            let mut sums = vec![0.0; modes.len()];
            for kx in 0..=n / 2 {
                let first = &map_modes[i * half + kx * n..][..n];
                let second = &map_modes[j * half + kx * n..][..n];
                real_products(first, second, modes.column_weight(kx), &mut row);
                modes.collect(kx, &mut row, &mut sums);
            }
            sums
        })
        .collect()
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
