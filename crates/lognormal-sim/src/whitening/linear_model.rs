//! The linear, Gaussian model of the data: matrices per class of modes, their gradients.

use crate::error::{Result, all_finite};
use crate::field_power::FieldPower;
use crate::lanes::{Lanes, WIDTH};
use crate::mixing::{
    indefinite_modes, load_symmetric, set_zero, set_zero_lower, store_lower, store_symmetric,
};
use crate::mode_density::{Matrices, add_log_density};
use crate::modes::Modes;
use crate::small_matrix::{cholesky, cholesky_pullback, pairs, solve_lower};

/// The model at one cosmology, and cotangents of it; used again for the next.
#[derive(Default)]
pub(super) struct LinearModel {
    /// `P` of every class, lower triangle `[row * bins + column][class]`.
    pub root: Vec<Vec<f64>>,
    /// `S = P P^T`, `[pair][class]`.
    covariance: Vec<Vec<f64>>,
    /// `log N(y; 0, K)` of all modes.
    pub log_density: f64,
    /// Its cotangents of the power and the shifts.
    density_power_bar: Vec<Vec<f64>>,
    density_shifts_bar: Vec<f64>,
    /// Cotangent of the power `[pair][class]`.
    pub power_bar: Vec<Vec<f64>>,
    /// Cotangent of the shifts.
    pub shifts_bar: Vec<f64>,
    /// Sums over modes of `Re(g_bar_i w_j^*)`, lower triangles as in `root`.
    pub through_field: Vec<Vec<f64>>,
    /// Sums over modes of `Re((y/n)_i w_bar_j^*)`.
    pub through_mean: Vec<Vec<f64>>,
}

impl LinearModel {
    /// `S = C - C Lambda K^-1 Lambda C` with its Cholesky factor, and `log N(y; 0, K)` with its
    /// gradient; `K = N + Lambda C Lambda`.
    pub(super) fn update(
        &mut self,
        modes: &Modes,
        power: &FieldPower,
        noise: &[f64],
        map_power: &[Vec<f64>],
    ) -> Result<()> {
        let (bins, classes) = (power.shifts.len(), modes.len());
        set_zero_lower(&mut self.root, bins, classes);
        set_zero(&mut self.covariance, bins * (bins + 1) / 2, classes);
        set_zero(&mut self.density_power_bar, bins * (bins + 1) / 2, classes);
        self.density_shifts_bar.clear();
        self.density_shifts_bar.resize(bins, 0.0);
        let mut total = Lanes::ZERO;
        let mut c = vec![Lanes::ZERO; bins * bins];
        let (mut k, mut work) = (c.clone(), Matrices::new(bins));
        for start in (0..classes).step_by(WIDTH) {
            // Missing classes count zero times.
            let count = Lanes::load(&modes.multiplicity()[start..], 0.0);
            load_symmetric(&power.gaussian, start, bins, &mut c);
            data_covariance(power, noise, &c, &mut k);
            cholesky(&mut k, bins);
            total += self.spectra_term(power, map_power, start, count, &c, &k, &mut work);
            self.posterior(power, start, &mut c, &k, &mut work.inverse);
        }
        // The zero mode has no power: it was treated as a mode of zero covariance.
        for row in self.root.iter_mut().chain(&mut self.covariance) {
            if let Some(zero_mode) = row.first_mut() {
                *zero_mode = 0.0;
            }
        }
        self.log_density = total.sum();
        if self.log_density.is_finite() && self.root.iter().all(|row| all_finite(row)) {
            Ok(())
        } else {
            Err(indefinite_modes(modes, &power.gaussian, bins))
        }
    }

    /// `S` and `P` of eight classes, given `C` (which is overwritten) and the factor of `K`.
    fn posterior(
        &mut self,
        power: &FieldPower,
        start: usize,
        c: &mut [Lanes],
        k: &[Lanes],
        w: &mut [Lanes],
    ) {
        let bins = power.shifts.len();
        for i in 0..bins {
            for j in 0..bins {
                w[i * bins + j] = c[i * bins + j] * power.shifts[i];
            }
        }
        solve_lower(k, w, bins, bins);
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
            let row = &mut self.covariance[pair];
            let end = (start + WIDTH).min(row.len());
            c[i * bins + j].store(&mut row[start..end]);
        }
        cholesky(c, bins);
        store_lower(c, start, bins, &mut self.root);
    }

    /// `log N(y; 0, K)` of eight classes, given the factor of `K`; its gradient is stored.
    #[expect(clippy::too_many_arguments, reason = "private: one step of a loop over classes")]
    fn spectra_term(
        &mut self,
        power: &FieldPower,
        map_power: &[Vec<f64>],
        start: usize,
        count: Lanes,
        c: &[Lanes],
        k: &[Lanes],
        work: &mut Matrices,
    ) -> Lanes {
        let bins = power.shifts.len();
        let total = add_log_density(map_power, start, count, k, work);
        let bar = &mut work.bar;
        let present = count.map(f64::signum);
        for i in 0..bins {
            for j in 0..bins {
                let at = i * bins + j;
                let share = bar[at] * c[at] * present;
                self.density_shifts_bar[i] += 2.0 * power.shifts[j] * share.sum();
                bar[at] = bar[at] * (power.shifts[i] * power.shifts[j]);
            }
        }
        store_symmetric(bar, start, bins, &mut self.density_power_bar);
        total
    }

    /// Starts the cotangents of an evaluation: those of `log N(y; 0, K)`.
    pub(super) fn start_gradient(&mut self) {
        self.power_bar.clone_from(&self.density_power_bar);
        self.shifts_bar.clone_from(&self.density_shifts_bar);
    }

    /// Adds what comes through `P`: from cotangents of `P` to those of `C` and the shifts, through
    /// `S = P P^T`: `dS = J dC J^T - S d(Lambda N^-1 Lambda) S` with
    /// `J = S C^-1 = 1 - S Lambda N^-1 Lambda`.
    pub(super) fn pull_back_root(&mut self, modes: &Modes, power: &FieldPower, noise: &[f64]) {
        let (bins, classes) = (power.shifts.len(), modes.len());
        let zero = vec![Lanes::ZERO; bins * bins];
        let (mut root, mut bar, mut s) = (zero.clone(), zero.clone(), zero.clone());
        let (mut j, mut work) = (zero.clone(), zero);
        for start in (1..classes).step_by(WIDTH) {
            for row in 0..bins {
                for column in 0..=row {
                    let at = row * bins + column;
                    let identity = if row == column { 1.0 } else { 0.0 };
                    root[at] = Lanes::load(&self.root[at][start..], identity);
                    let mean = Lanes::load(&self.through_mean[at][start..], 0.0);
                    bar[at] = Lanes::load(&self.through_field[at][start..], 0.0)
                        + mean * power.shifts[row];
                    // y'' = lambda y / n, weighted by P w_bar.
                    self.shifts_bar[row] += (mean * root[at]).sum();
                }
            }
            cholesky_pullback(&root, &mut bar, bins, &mut work);
            load_symmetric(&self.covariance, start, bins, &mut s);
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
                self.shifts_bar[bin] -= 2.0 * power.shifts[bin] / noise[bin] * sum.sum();
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
                let target = &mut self.power_bar[pair][start..end];
                let previous = Lanes::load(target, 0.0);
                (previous + sum * if a == b { 1.0 } else { 2.0 }).store(target);
            }
        }
    }
}

/// `K = N + Lambda C Lambda`.
fn data_covariance(power: &FieldPower, noise: &[f64], c: &[Lanes], k: &mut [Lanes]) {
    let bins = power.shifts.len();
    for i in 0..bins {
        for j in 0..bins {
            let mut sum = c[i * bins + j] * (power.shifts[i] * power.shifts[j]);
            if i == j {
                sum += Lanes::splat(noise[i]);
            }
            k[i * bins + j] = sum;
        }
    }
}
