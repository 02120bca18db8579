//! Convergence from the Gaussian field of one bin, and its fit to an observed map.

use std::array::from_fn;

use crate::lanes::{Lanes, WIDTH};
use crate::pixel::Pixel;
use crate::survey::{FieldKind, FieldVariance};

/// The local transformation of one bin: `kappa = lambda (exp(g - variance/2) - 1)`, or `kappa = g`
/// for a Gaussian field.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LocalTransform {
    pub kind: FieldKind,
    pub shift: f64,
    pub variance: f64,
}

/// Sums over the pixels of one bin, and cotangents of what the transform depends on.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fit {
    /// `sum (y - kappa)^2`.
    pub squares: f64,
    /// `sum (y - kappa_linear)^2` with `kappa_linear = lambda g`; only if asked for.
    pub linear_squares: f64,
    /// Derivative of the log density with respect to the shift.
    pub shift_bar: f64,
    /// Derivative of the log density with respect to the variance of `g`.
    pub variance_bar: f64,
}

impl LocalTransform {
    /// Replaces `g` by the convergence. Under [`FieldVariance::Measured`] the variance of this
    /// very map is subtracted instead of the theoretical one.
    pub(crate) fn apply<T: Pixel>(mut self, field_variance: FieldVariance, g: &mut [T]) {
        if self.kind == FieldKind::Gaussian {
            return;
        }
        if field_variance == FieldVariance::Measured {
            self.variance = mean_and_variance(g).1;
        }
        let (shift, offset) = (T::round_from(self.shift), T::round_from(0.5 * self.variance));
        for g in g {
            *g = shift * ((*g - offset).exp() - T::one());
        }
    }

    /// The Gaussian log likelihood of the map `y` with white noise, up to its normalisation:
    /// `-sum (y - kappa)^2 / (2 noise)`, to which `relative_to_linear` adds
    /// `+sum (y - lambda g)^2 / (2 noise)`.
    ///
    /// Replaces `g` by the cotangent of `g` at fixed shift and variance.
    pub(crate) fn fit(self, y: &[f64], noise: f64, relative_to_linear: bool, g: &mut [f64]) -> Fit {
        match self.kind {
            FieldKind::Gaussian => self.fit_gaussian(y, noise, relative_to_linear, g),
            FieldKind::Lognormal => self.fit_lognormal(y, noise, relative_to_linear, g),
        }
    }

    /// As [`LocalTransform::fit`] with the variance of this very map in place of the given one,
    /// whose dependence on `g` enters the cotangent; the `variance_bar` returned is zero.
    pub(crate) fn fit_with_measured_variance(
        mut self,
        y: &[f64],
        noise: f64,
        relative_to_linear: bool,
        g: &mut [f64],
    ) -> Fit {
        let field = g.to_vec();
        let (mean, variance) = mean_and_variance(g);
        self.variance = variance;
        let mut fit = self.fit(y, noise, relative_to_linear, g);
        let factor = 2.0 * fit.variance_bar / g.len() as f64;
        for (bar, field) in g.iter_mut().zip(field) {
            *bar += factor * (field - mean);
        }
        fit.variance_bar = 0.0;
        fit
    }

    fn fit_gaussian(self, y: &[f64], noise: f64, relative: bool, g: &mut [f64]) -> Fit {
        let mut squares = Lanes::ZERO;
        for (g, y) in g.chunks_mut(WIDTH).zip(y.chunks(WIDTH)) {
            let residual = Lanes::load(y, 0.0) - Lanes::load(g, 0.0);
            squares += residual * residual;
            (residual * if relative { 0.0 } else { 1.0 / noise }).store(g);
        }
        let squares = squares.sum();
        Fit { squares, linear_squares: if relative { squares } else { 0.0 }, ..Fit::default() }
    }

    fn fit_lognormal(self, y: &[f64], noise: f64, relative: bool, g: &mut [f64]) -> Fit {
        let (lambda, half_variance, weight) = (self.shift, 0.5 * self.variance, 1.0 / noise);
        let (mut squares, mut linear_squares) = (Lanes::ZERO, Lanes::ZERO);
        let (mut shift_bar, mut variance_bar) = (Lanes::ZERO, Lanes::ZERO);
        let linear_weight = if relative { weight } else { 0.0 };
        for (g, y) in g.chunks_mut(WIDTH).zip(y.chunks(WIDTH)) {
            // Missing pixels of the last chunk: g = 0 and y = kappa = kappa_linear = 0 must not
            // contribute, so the residuals are masked.
            let mask = Lanes(from_fn(|i| if i < g.len() { 1.0 } else { 0.0 }));
            let field = Lanes::load(g, 0.0);
            let y = Lanes::load(y, 0.0);
            let growth = field.map(|g| (g - half_variance).exp());
            let kappa_over_lambda = growth - Lanes::splat(1.0);
            let residual = (y - kappa_over_lambda * lambda) * mask;
            let linear = (y - field * lambda) * mask;
            squares += residual * residual;
            linear_squares += linear * linear;
            let bar = residual * (growth * (lambda * weight));
            shift_bar += residual * kappa_over_lambda * weight - linear * field * linear_weight;
            variance_bar -= bar * 0.5;
            (bar - linear * (lambda * linear_weight)).store(g);
        }
        Fit {
            squares: squares.sum(),
            linear_squares: if relative { linear_squares.sum() } else { 0.0 },
            shift_bar: shift_bar.sum(),
            variance_bar: variance_bar.sum(),
        }
    }
}

/// Mean and (population) variance of a map.
pub(crate) fn mean_and_variance<T: Pixel>(map: &[T]) -> (f64, f64) {
    let count = map.len() as f64;
    let mean = map.iter().map(|&x| x.into()).sum::<f64>() / count;
    let variance = map.iter().map(|&x| (x.into() - mean).powi(2)).sum::<f64>() / count;
    (mean, variance)
}
