//! The work space of the whitened density, and the steps of its evaluation.

use std::f64::consts::PI;

use autodiff::Dual;
use realfft::num_complex::Complex;

use super::coordinates::{pack, unpack};
use super::linear_model::LinearModel;
use crate::convergence::Observed;
use crate::cosmology::Cosmology;
use crate::density::subtract;
use crate::error::{Error, Result};
use crate::field_power::{FieldPower, PowerSteps};
use crate::fields::Fields;
use crate::fourier::{Fourier, FourierScratch};
use crate::mixing::set_zero_lower;
use crate::simulator::Simulator;
use crate::small_matrix::pairs;

/// A map, the linear model of it at some cosmology, and memory for evaluations.
///
/// [`WhitenedSpace::observe`] and [`WhitenedSpace::set_cosmology`], in either order, then
/// [`WhitenedSpace::update_model`] come before anything else.
pub struct WhitenedSpace {
    map: Vec<f64>,
    fourier: Fourier<f64>,
    scratch: FourierScratch<f64>,
    /// Unitary transform of the map, `[bin][kx][ky]`.
    map_modes: Vec<Complex<f64>>,
    /// `sum Re(y_i y_j^*)` over the modes of each class, `[pair][class]`.
    map_power: Vec<Vec<f64>>,
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

impl WhitenedSpace {
    pub(crate) fn new(simulator: &Simulator) -> Self {
        let (n, bins) = (simulator.survey().npix, simulator.bins());
        let fourier = Fourier::new(n);
        let plane = vec![Complex::default(); bins * fourier.half_len()];
        Self {
            map: vec![0.0; bins * n * n],
            scratch: fourier.scratch(),
            fourier,
            map_power: Vec::new(),
            power: FieldPower::default(),
            steps: simulator.power_steps(),
            model: LinearModel::default(),
            white: plane.clone(),
            field: plane.clone(),
            map_modes: plane,
            g: vec![0.0; n * n],
            g_bar: vec![0.0; n * n],
            variances_bar: vec![0.0; bins],
            rows: vec![0.0; bins * n],
            row: vec![0.0; n],
            white_bar: vec![Complex::default(); n],
        }
    }

    /// Sets the map `[bin][y][x]`.
    pub(crate) fn observe(&mut self, simulator: &Simulator, map: &[f64]) {
        self.map.copy_from_slice(map);
        let (n, half) = (simulator.survey().npix, self.fourier.half_len());
        for (pixels, modes) in map.chunks_exact(n * n).zip(self.map_modes.chunks_exact_mut(half)) {
            self.fourier.forward(pixels, modes, &mut self.scratch);
            for mode in modes {
                *mode /= n as f64;
            }
        }
        self.map_power = measure_power(simulator, &self.map_modes);
    }

    /// Sets the power of the fields to that at a cosmology.
    pub(crate) fn set_cosmology(
        &mut self,
        simulator: &Simulator,
        cosmology: &Cosmology,
    ) -> Result<()> {
        simulator.update_power(&cosmology.with_derivatives(), &mut self.power, &mut self.steps)
    }

    /// Sets the linear model to that of the map and the power.
    pub(crate) fn update_model(&mut self, simulator: &Simulator) -> Result<()> {
        let noise = simulator.noise_variance();
        self.model.update(simulator.modes(), &self.power, noise, &self.map_power)
    }

    /// Gives fields the power of this space.
    pub(crate) fn copy_power(&self, fields: &mut Fields) -> Result<()> {
        fields.update(|power| {
            power.clone_from(&self.power);
            Ok(())
        })
    }

    /// Log density, with its gradient in the coordinates.
    pub(crate) fn evaluate(
        &mut self,
        simulator: &Simulator,
        white: &[f64],
        gradient: &mut [f64],
    ) -> Result<f64> {
        self.model.start_gradient();
        self.field_at(simulator, white);
        let pixel_term = self.compare_with_map(simulator);
        self.pull_back_modes(simulator);
        pack(&self.white, simulator.survey().npix, gradient);
        let squares = subtract(gradient, white);
        let total = self.model.log_density + pixel_term
            - 0.5 * (squares + white.len() as f64 * (2.0 * PI).ln());
        if total.is_finite() {
            Ok(total)
        } else {
            Err(Error::NotFinite { what: "the log density".into() })
        }
    }

    /// Gradient in the parameters at fixed coordinates, after [`WhitenedSpace::evaluate`] there;
    /// once for each evaluation.
    pub(crate) fn parameter_gradient(&mut self, simulator: &Simulator) -> [f64; 6] {
        self.model.pull_back_root(simulator.modes(), &self.power, simulator.noise_variance());
        simulator.pull_back_power(
            &self.power,
            &mut self.steps,
            &mut self.model.power_bar,
            &self.variances_bar,
            &mut self.model.shifts_bar,
        )
    }

    /// The noise-free convergence `[bin][y][x]`.
    pub(crate) fn convergence(&mut self, simulator: &Simulator, white: &[f64]) -> Vec<f64> {
        self.field_at(simulator, white);
        let survey = simulator.survey();
        let mut maps = vec![0.0; white.len()];
        for (bin, (map, modes)) in maps
            .chunks_exact_mut(survey.npix * survey.npix)
            .zip(self.field.chunks_exact_mut(self.fourier.half_len()))
            .enumerate()
        {
            self.fourier.inverse(modes, map, &mut self.scratch);
            self.power.local_transform(survey.field, bin).apply(survey.field_variance, map);
        }
        maps
    }

    /// The inverse of `g = P w`, `w = x + P^T Lambda N^-1 y`, for (unnormalised) modes of fields;
    /// the zero mode of `x` is that of the latents.
    pub(crate) fn whiten(
        &mut self,
        simulator: &Simulator,
        latents: &[Complex<f64>],
        field: &[Complex<f64>],
        white: &mut [f64],
    ) {
        let (modes, noise) = (simulator.modes(), simulator.noise_variance());
        let (n, bins, half) = (modes.npix(), noise.len(), self.fourier.half_len());
        let unitary = 1.0 / n as f64;
        for kx in 0..=n / 2 {
            // w by forward substitution.
            for i in 0..bins {
                self.white_bar.fill(Complex::default());
                let g = &field[i * half + kx * n..][..n];
                self.row.fill(unitary);
                multiply_add(&self.row, 1.0, g, &mut self.white_bar);
                for j in 0..i {
                    modes.spread(kx, &self.model.root[i * bins + j], &mut self.row);
                    let w = &self.white[j * half + kx * n..][..n];
                    multiply_add(&self.row, -1.0, w, &mut self.white_bar);
                }
                modes.spread(kx, &self.model.root[i * bins + i], &mut self.row);
                let w = &mut self.white[i * half + kx * n..][..n];
                for ((w, sum), pivot) in w.iter_mut().zip(&self.white_bar).zip(&self.row) {
                    *w = sum / pivot;
                }
            }
            for j in 0..bins {
                let x = &mut self.white[j * half + kx * n..][..n];
                #[expect(
                    clippy::needless_range_loop,
                    reason = "matrix algebra reads best with indices"
                )]
                for i in j..bins {
                    modes.spread(kx, &self.model.root[i * bins + j], &mut self.row);
                    let y = &self.map_modes[i * half + kx * n..][..n];
                    multiply_add(&self.row, -self.power.shifts[i] / noise[i], y, x);
                }
            }
        }
        // P of the zero mode vanishes.
        for (x, z) in self.white.iter_mut().step_by(half).zip(latents.iter().step_by(half)) {
            *x = z * unitary;
        }
        pack(&self.white, n, white);
    }

    /// Fills `white` with `w = x + P^T Lambda N^-1 y` and `field` with the (unnormalised) modes of
    /// `P w`.
    fn field_at(&mut self, simulator: &Simulator, white: &[f64]) {
        let noise = simulator.noise_variance();
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
    }

    /// The sum over pixels; replaces `field` by the unitary transform of its cotangent.
    fn compare_with_map(&mut self, simulator: &Simulator) -> f64 {
        let survey = simulator.survey();
        let (n, half) = (survey.npix, self.fourier.half_len());
        let mut total = 0.0;
        for (bin, (modes, map)) in
            self.field.chunks_exact_mut(half).zip(self.map.chunks_exact(n * n)).enumerate()
        {
            self.fourier.inverse(modes, &mut self.g, &mut self.scratch);
            let noise = simulator.noise_variance()[bin];
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
    fn pull_back_modes(&mut self, simulator: &Simulator) {
        let (modes, noise) = (simulator.modes(), simulator.noise_variance());
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
pub(crate) fn measure_power(simulator: &Simulator, map_modes: &[Complex<f64>]) -> Vec<Vec<f64>> {
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
