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

/// The observed map of one bin and the variance of its noise.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Observed<'a> {
    pub map: &'a [f64],
    pub noise: f64,
    /// Compare the likelihood with that of the linear model `kappa = lambda g`.
    pub relative_to_linear: bool,
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
        let offset = Lanes::splat(0.5 * self.variance);
        let convergence = |g: Lanes| ((g - offset).exp() - Lanes::splat(1.0)) * self.shift;
        let (whole, rest) = g.as_chunks_mut::<WIDTH>();
        for g in whole {
            *g = convergence(Lanes::of_pixels(g)).to_pixels();
        }
        let mut last = [T::zero(); WIDTH];
        last[..rest.len()].copy_from_slice(rest);
        rest.copy_from_slice(&convergence(Lanes::of_pixels(&last)).to_pixels()[..rest.len()]);
    }

    /// The Gaussian log likelihood of the observed map with white noise, up to its normalisation:
    /// `-sum (y - kappa)^2 / (2 noise)`, to which `relative_to_linear` adds
    /// `+sum (y - lambda g)^2 / (2 noise)`.
    ///
    /// Writes its cotangent of `g` to `bar`: at fixed shift, and at fixed variance under
    /// [`FieldVariance::Theory`]. Under [`FieldVariance::Measured`] the variance is that of this
    /// very map, its dependence on `g` is in the cotangent and `variance_bar` is zero. Writes the
    /// convergence to `kappa` unless that is empty.
    pub(crate) fn fit(
        mut self,
        field_variance: FieldVariance,
        observed: &Observed<'_>,
        g: &[f64],
        bar: &mut [f64],
        kappa: &mut [f64],
    ) -> Fit {
        match (self.kind, field_variance) {
            (FieldKind::Gaussian, _) => {
                kappa.copy_from_slice(&g[..kappa.len()]);
                fit_gaussian(observed, g, bar)
            }
            (FieldKind::Lognormal, FieldVariance::Theory) => {
                self.fit_lognormal(observed, g, bar, kappa)
            }
            (FieldKind::Lognormal, FieldVariance::Measured) => {
                let (mean, variance) = mean_and_variance(g);
                self.variance = variance;
                let mut fit = self.fit_lognormal(observed, g, bar, kappa);
                let factor = 2.0 * fit.variance_bar / g.len() as f64;
                for (bar, g) in bar.iter_mut().zip(g) {
                    *bar += factor * (g - mean);
                }
                fit.variance_bar = 0.0;
                fit
            }
        }
    }

    fn fit_lognormal(
        self,
        observed: &Observed<'_>,
        g: &[f64],
        bar: &mut [f64],
        kappa: &mut [f64],
    ) -> Fit {
        let (lambda, half_variance) = (self.shift, Lanes::splat(0.5 * self.variance));
        let weight = 1.0 / observed.noise;
        let linear_weight = if observed.relative_to_linear { weight } else { 0.0 };
        let (mut squares, mut linear_squares) = (Lanes::ZERO, Lanes::ZERO);
        let (mut shift_bar, mut variance_bar) = (Lanes::ZERO, Lanes::ZERO);
        let mut kappa = kappa.chunks_mut(WIDTH);
        for ((g, y), bar) in
            g.chunks(WIDTH).zip(observed.map.chunks(WIDTH)).zip(bar.chunks_mut(WIDTH))
        {
            // Missing pixels of the last chunk: g = 0 and y = kappa = kappa_linear = 0 must not
            // contribute, so the residuals are masked.
            let mask = Lanes(from_fn(|i| if i < g.len() { 1.0 } else { 0.0 }));
            let field = Lanes::load(g, 0.0);
            let y = Lanes::load(y, 0.0);
            let growth = (field - half_variance).exp();
            let kappa_over_lambda = growth - Lanes::splat(1.0);
            let convergence = kappa_over_lambda * lambda;
            if let Some(kappa) = kappa.next() {
                convergence.store(kappa);
            }
            let residual = (y - convergence) * mask;
            let linear = (y - field * lambda) * mask;
            squares += residual * residual;
            linear_squares += linear * linear;
            let field_bar = residual * (growth * (lambda * weight));
            shift_bar += residual * kappa_over_lambda * weight - linear * field * linear_weight;
            variance_bar -= field_bar * 0.5;
            (field_bar - linear * (lambda * linear_weight)).store(bar);
        }
        Fit {
            squares: squares.sum(),
            linear_squares: if observed.relative_to_linear { linear_squares.sum() } else { 0.0 },
            shift_bar: shift_bar.sum(),
            variance_bar: variance_bar.sum(),
        }
    }
}

fn fit_gaussian(observed: &Observed<'_>, g: &[f64], bar: &mut [f64]) -> Fit {
    let relative = observed.relative_to_linear;
    let weight = if relative { 0.0 } else { 1.0 / observed.noise };
    let mut squares = Lanes::ZERO;
    for ((g, y), bar) in g.chunks(WIDTH).zip(observed.map.chunks(WIDTH)).zip(bar.chunks_mut(WIDTH))
    {
        let residual = Lanes::load(y, 0.0) - Lanes::load(g, 0.0);
        squares += residual * residual;
        (residual * weight).store(bar);
    }
    let squares = squares.sum();
    Fit { squares, linear_squares: if relative { squares } else { 0.0 }, ..Fit::default() }
}

/// Mean and (population) variance of a map.
pub(crate) fn mean_and_variance<T: Pixel>(map: &[T]) -> (f64, f64) {
    let count = map.len() as f64;
    let (whole, rest) = map.as_chunks::<WIDTH>();
    let total = |f: &dyn Fn(Lanes) -> Lanes| {
        let sum = whole.iter().fold(Lanes::ZERO, |sum, chunk| sum + f(Lanes::of_pixels(chunk)));
        let rest = rest.iter().map(|&x| f(Lanes::splat(x.into())).0[0]);
        sum.sum() + rest.sum::<f64>()
    };
    let mean = total(&|x| x) / count;
    let variance = total(&|x| (x - Lanes::splat(mean)) * (x - Lanes::splat(mean))) / count;
    (mean, variance)
}
