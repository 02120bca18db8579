//! Monotone rational-quadratic splines.
//!
//! Within `[-B, B]`, knots `(x_k, y_k)` from softmaxes of widths and heights and derivatives `d_k`
//! from a softplus define, with `t = (x - x_k) / w_k` and `s_k = h_k / w_k`,
//!
//! `y = y_k + h_k (s_k t² + d_k t (1 - t)) / (s_k + (d_k + d_{k+1} - 2 s_k) t (1 - t))`.
//!
//! The derivatives at the ends are 1, so that the function goes on as the identity beyond.
//!
//! *When to use.* Sharp edges, several modes, with few layers; both directions are closed forms.
//! *When not.* Its derivative is continuous but not differentiable at the knots: scores of the
//! density have kinks. Use `smooth` to learn from scores.
//!
//! # References
//! C. Durkan, A. Bekasov, I. Murray and G. Papamakarios, "Neural spline flows", NeurIPS 2019,
//! arXiv:1906.04032, equations 4 and 5. J. A. Gregory and R. Delbourgo, IMA J. Numer. Anal. 2
//! (1982) 123.

use autodiff::tensor::Var;
use burn::tensor::{Int, Tensor};

/// Least width and height of a bin, as fractions of the interval over the number of bins.
const LEAST_SHARE: f32 = 1e-2;
/// Least derivative at a knot.
const LEAST_DERIVATIVE: f32 = 1e-3;

/// The bin that each number lies in: all `[n, 1]`.
struct Bin {
    x: Var,
    y: Var,
    width: Var,
    height: Var,
    slope: Var,
    left: Var,
    right: Var,
}

/// Widths `[n, bins]` and positions of the left knots `[n, bins]` within `[-bound, bound]`.
fn knots(raw: &Var, bins: usize, bound: f32) -> (Var, Var) {
    let least = LEAST_SHARE / bins as f32;
    let share = raw.softmax() * (1.0 - LEAST_SHARE) + least;
    let width = share * (2.0 * bound);
    let left = width.cumulative_sum() - &width - bound;
    (width, left)
}

/// Which bin each number of `x` lies in, `[n, 1]`; the first or last for those beyond.
fn locate(x: &Var, left: &Var) -> Tensor<2, Int> {
    let knots = left.detach().into_value();
    let reached = x.detach().into_value().greater_equal(knots);
    (reached.int().sum_dim(1) - 1).clamp_min(0)
}

impl Bin {
    /// Finds the bins of `position` among the knots in x, or in y for the inverse.
    fn find(position: &Var, parameters: &Var, bins: usize, bound: f32, inverse: bool) -> Self {
        let (width, x) = knots(&parameters.columns(0..bins), bins, bound);
        let (height, y) = knots(&parameters.columns(bins..2 * bins), bins, bound);
        // softplus(p + c) with softplus(c) = 1 - least: derivative 1 where the parameter is 0.
        let centre = ((1.0 - LEAST_DERIVATIVE).exp() - 1.0).ln();
        let inner = (parameters.columns(2 * bins..3 * bins - 1) + centre).softplus();
        let inner = inner + LEAST_DERIVATIVE;
        let one = Var::constant(inner.value().clone().inner().narrow(1, 0, 1).ones_like());
        let derivative = Var::concat(&[&one, &inner, &one]);
        let index = locate(position, if inverse { &y } else { &x });
        let pick = |from: &Var| from.gather(index.clone());
        let (width, height) = (pick(&width), pick(&height));
        Self {
            x: pick(&x),
            y: pick(&y),
            slope: &height / &width,
            left: pick(&derivative),
            right: derivative.gather(index + 1),
            width,
            height,
        }
    }

    /// `d_k + d_{k+1} - 2 s_k`.
    fn curvature(&self) -> Var {
        &self.left + &self.right - &self.slope * 2.0
    }

    /// `ln dy/dx` at `t`.
    fn log_derivative(&self, t: &Var) -> Var {
        let s = &self.slope;
        let mixed = t - t.square();
        let rest = -t + 1.0;
        let numerator = &self.right * t.square() + s * &mixed * 2.0 + &self.left * rest.square();
        let denominator = s + self.curvature() * mixed;
        (s.ln() - denominator.ln()) * 2.0 + numerator.ln()
    }
}

/// `y(x)` and `ln dy/dx`.
pub fn forward(x: &Var, parameters: &Var, bins: usize, bound: f32) -> (Var, Var) {
    let inside = x.detach().into_value().abs().lower_elem(bound);
    let confined = x.clamp(-bound, bound);
    let bin = Bin::find(&confined, parameters, bins, bound, false);
    let t = (&confined - &bin.x) / &bin.width;
    let mixed = &t - t.square();
    let numerator = &bin.slope * t.square() + &bin.left * &mixed;
    let denominator = &bin.slope + bin.curvature() * mixed;
    let y = &bin.y + &bin.height * numerator / denominator;
    let zero = Var::constant(x.value().clone().inner().zeros_like());
    (y.or_else(inside.clone(), x), bin.log_derivative(&t).or_else(inside, &zero))
}

/// `x(y)` and `ln dx/dy`: the root of a quadratic in `t` (equations 6 to 8 of the paper).
pub fn inverse(y: &Var, parameters: &Var, bins: usize, bound: f32) -> (Var, Var) {
    let inside = y.detach().into_value().abs().lower_elem(bound);
    let confined = y.clamp(-bound, bound);
    let bin = Bin::find(&confined, parameters, bins, bound, true);
    let rise = &confined - &bin.y;
    let bent = &rise * bin.curvature();
    let a = &bin.height * (&bin.slope - &bin.left) + &bent;
    let b = &bin.height * &bin.left - &bent;
    let c = -(&bin.slope * &rise);
    let discriminant = (b.square() - &a * &c * 4.0).clamp(0.0, f32::MAX);
    let t = (c * 2.0) / (-b - discriminant.sqrt());
    let x = &bin.x + &t * &bin.width;
    let zero = Var::constant(y.value().clone().inner().zeros_like());
    (x.or_else(inside.clone(), y), (-bin.log_derivative(&t)).or_else(inside, &zero))
}
