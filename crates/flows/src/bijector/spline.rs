//! Monotone rational-quadratic splines.
//!
//! Within `[-B, B]`, knots `(x_k, y_k)` from softmaxes of widths and heights and derivatives `d_k`
//! from a softplus define, with `t = (x - x_k) / w_k` and `s_k = h_k / w_k`,
//!
//! `y = y_k + h_k (s_k t² + d_k t (1 - t)) / (s_k + (d_k + d_{k+1} - 2 s_k) t (1 - t))`.
//!
//! The derivatives at the ends are 1, so that the function goes on as the identity beyond.
//!
//! *Shapes.* Entries of rows are put into one column: `x`, `y` and `ln dy/dx` are `[n, 1]`, the
//! parameters `[n, 3 bins - 1]`: widths, heights, derivatives at the inner knots.
//!
//! *When to use.* Sharp edges, several modes, with few layers; both directions are closed forms.
//! *When not.* Its derivative is continuous but not differentiable at the knots: scores of the
//! density have kinks. Use [`smooth`](super::smooth) to learn from scores.
//!
//! # References
//! C. Durkan, A. Bekasov, I. Murray and G. Papamakarios, "Neural spline flows", NeurIPS 2019,
//! arXiv:1906.04032, equations 4 and 5. J. A. Gregory and R. Delbourgo, IMA J. Numer. Anal. 2
//! (1982) 123.

use autodiff::tensor::Var;
use burn::tensor::Tensor;

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

/// Widths or heights as shares of the interval, `[n, bins]`.
fn shares(raw: &Var, bins: usize) -> Var {
    raw.softmax() * (1.0 - LEAST_SHARE) + LEAST_SHARE / bins as f32
}

/// Ones in each row up to, not including, the bin that each number of `x` `[n, 1]` lies in, among
/// bins with these shares of the interval: `[n, bins]`. Numbers at the right end are in the last.
fn bins_before(x: &Var, shares: &Var, bins: usize, bound: f32) -> Tensor<2> {
    let ends = shares.detach().into_value().cumsum(1).narrow(1, 0, bins - 1);
    let position = (x.detach().into_value() + bound) / (2.0 * bound);
    let before = ends.zeros_like().mask_fill(position.greater_equal(ends), 1.0);
    let last = before.clone().narrow(1, 0, 1).zeros_like();
    Tensor::cat(vec![before, last], 1)
}

impl Bin {
    /// Finds the bins of `position` among the knots in x, or in y for the inverse.
    fn find(position: &Var, parameters: &Var, bins: usize, bound: f32, inverse: bool) -> Self {
        let widths = shares(&parameters.columns(0..bins), bins);
        let heights = shares(&parameters.columns(bins..2 * bins), bins);
        let before = bins_before(position, if inverse { &heights } else { &widths }, bins, bound);
        // before: 1 1 1 0 0, after its shift: 1 1 1 1 0, own: 0 0 0 1 0
        let [n, _] = before.dims();
        let first = before.clone().narrow(1, 0, 1).ones_like();
        let up_to = Tensor::cat(vec![first, before.clone().narrow(1, 0, bins - 1)], 1);
        let own = Var::constant(up_to - before.clone());
        let before = Var::constant(before);
        let length = |shares: &Var| (shares * &own).sum(1) * (2.0 * bound);
        let start = |shares: &Var| (shares * &before).sum(1) * (2.0 * bound) - bound;
        let (width, height) = (length(&widths), length(&heights));
        // softplus(p + c) with softplus(c) = 1 - least: 1 where the parameter is 0, as at the ends.
        let centre = ((1.0 - LEAST_DERIVATIVE).exp() - 1.0).ln();
        let inner = parameters.columns(2 * bins..3 * bins - 1);
        let end =
            Var::constant(Tensor::zeros([n, 1], (&own.value().device(), own.value().dtype())));
        let derivative = |raw: [&Var; 2]| {
            let raw = (Var::concat(&raw) * &own).sum(1);
            (raw + centre).softplus() + LEAST_DERIVATIVE
        };
        Self {
            x: start(&widths),
            y: start(&heights),
            slope: &height / &width,
            left: derivative([&end, &inner]),
            right: derivative([&inner, &end]),
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
pub(crate) fn forward(x: &Var, parameters: &Var, bins: usize, bound: f32) -> (Var, Var) {
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
pub(crate) fn inverse(y: &Var, parameters: &Var, bins: usize, bound: f32) -> (Var, Var) {
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
