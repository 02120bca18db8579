//! Mixtures of smooth ramps.
//!
//! With `u = (x / B + 1) / 2` in [0, 1], stretched to `v = (u + 0.1) / 1.2`, each ramp is
//! `r(v) = (1 - c) sigmoid(a (logit v + b)) + c v`, normalised over the interval,
//! `g = (r(v) - r(v_0)) / (r(v_1) - r(v_0))`, and the function is
//!
//! `f(u) = sum_k p_k [(1 - c_k) g_k(u) + c_k u]`
//!
//! with `f(0) = 0`, `f(1) = 1` and a positive derivative. `p` is a softmax, `ln a = 4 tanh(.)`,
//! `c = 1e-4 + (1 - 1e-4) sigmoid(.)`, `b` is free. Inside `(-B, B)` the function is infinitely
//! differentiable, so that scores are smooth too; beyond, it goes on linearly.
//!
//! The inverse is solved numerically, by Newton's method kept safe by bisection, and differentiated
//! by the implicit function theorem to second order: [`implicit_root`].
//!
//! *Shapes.* Entries of rows are put into one column: `x`, `y` and `ln dy/dx` are `[n, 1]`, the
//! parameters `[n, 4 components]`: those of all `p`, all `a`, all `b`, all `c`.
//!
//! *When to use.* When scores are learnt or used: their error, not only that of the density, has
//! to be small. Also for separated modes.
//! *When not.* Where many samples matter more than densities: the inverse costs some ten
//! evaluations. [`Bijector::SmoothInverse`](crate::Bijector::SmoothInverse) is the other way round,
//! as in the published trainings with scores: training costs more, drawing less. Keep the data well
//! within the bound (the default is twelve standard deviations).
//!
//! # References
//! J. Köhler, A. Krämer and F. Noé, "Smooth normalizing flows", NeurIPS 2021, arXiv:2110.00351.
//! J. Zeghal et al., "Neural posterior estimation with differentiable simulators", 2022,
//! arXiv:2207.05636, section 3.

use autodiff::tensor::{RootError, RootSettings, Var, implicit_root};
use burn::tensor::{Bool, Tensor};

/// Margin by which the interval of the ramps exceeds that of the data on either side.
const MARGIN: f32 = 0.1;
const STRETCH: f32 = 1.0 + 2.0 * MARGIN;
const FIRST: f32 = MARGIN / STRETCH;
const LAST: f32 = (1.0 + MARGIN) / STRETCH;
const LEAST_LINEAR: f32 = 1e-4;

/// `f(u) = sum_k B_k (s_k(u) - s_k(0)) + C u` with `s_k(u) = sigmoid(a_k logit(v) + a_k b_k)`: what
/// the function is once everything that does not depend on `u` is put together, with
/// `B = p (1 - c)² / R`, `C = sum_k c_k (p_k (1 - c_k) / (1.2 R_k) + p_k)` and the rises
/// `R = r(v_1) - r(v_0)`.
struct Ramps {
    /// `a`, `[n, components]`.
    steepness: Var,
    /// `a b`, `[n, components]`.
    offset: Var,
    /// `B`, `[n, components]`.
    height: Var,
    /// `sum_k B_k s_k(0)`, `[n, 1]`.
    start: Var,
    /// `C`, `[n, 1]`.
    linear: Var,
}

impl Ramps {
    fn new(parameters: &Var, components: usize) -> Self {
        let part = |index: usize| parameters.columns(index * components..(index + 1) * components);
        let steepness = (part(1).tanh() * 4.0).exp();
        let offset = &steepness * part(2);
        let linear = part(3).sigmoid() * (1.0 - LEAST_LINEAR) + LEAST_LINEAR;
        let rest = -&linear + 1.0;
        let gate = |v: f32| (&steepness * (v / (1.0 - v)).ln() + &offset).sigmoid();
        let first = gate(FIRST);
        // R = (1 - c) (s(1) - s(0)) + c (v_1 - v_0)
        let rise = &rest * (gate(LAST) - &first) + &linear * (1.0 / STRETCH);
        let weight = part(0).softmax();
        let scaled = &weight * &rest / rise;
        let height = &scaled * &rest;
        let start = (&height * first).sum(1);
        let linear = (linear * (scaled * (1.0 / STRETCH) + weight)).sum(1);
        Self { steepness, offset, height, start, linear }
    }

    /// The same function as the entries of a list, for the search of roots.
    fn into_list(self) -> [Var; 5] {
        [self.steepness, self.offset, self.height, self.start, self.linear]
    }

    /// Undoes [`Ramps::into_list`].
    fn from_list(list: &[Var]) -> Self {
        let [steepness, offset, height, start, linear] = std::array::from_fn(|i| list[i].clone());
        Self { steepness, offset, height, start, linear }
    }

    /// `f(u)` and `f'(u)`, `[n, 1]`, for u in [0, 1].
    fn value_and_derivative(&self, u: &Var) -> (Var, Var) {
        let v = (u + MARGIN) * (1.0 / STRETCH);
        let (gate, slope) = (&self.steepness * v.logit() + &self.offset).sigmoid_with_derivative();
        let value = (&self.height * gate).sum(1) - &self.start + &self.linear * u;
        // d logit / du = 1 / (1.2 v (1 - v))
        let chain = ((&v - v.square()) * STRETCH).recip();
        let slope = (&self.height * &self.steepness * slope).sum(1);
        (value, slope * chain + &self.linear)
    }
}

/// Where numbers lie within the interval, and the nearest numbers that do.
fn confine(x: &Var, bound: f32) -> (Var, Tensor<2, Bool>) {
    let inside = x.detach().into_value().abs().lower_equal_elem(bound);
    (x.clamp(-bound, bound), inside)
}

fn to_unit(x: &Var, bound: f32) -> Var {
    (x * (1.0 / bound) + 1.0) * 0.5
}

fn from_unit(u: &Var, bound: f32) -> Var {
    (u * 2.0 - 1.0) * bound
}

/// `y(x)` and `ln dy/dx`.
pub(crate) fn forward(x: &Var, parameters: &Var, components: usize, bound: f32) -> (Var, Var) {
    let ramps = Ramps::new(parameters, components);
    let (confined, _) = confine(x, bound);
    let (value, derivative) = ramps.value_and_derivative(&to_unit(&confined, bound));
    let beyond = (x - &confined) * &derivative;
    (from_unit(&value, bound) + beyond, derivative.ln())
}

/// `x(y)` and `ln dx/dy`.
pub(crate) fn inverse(
    y: &Var,
    parameters: &Var,
    components: usize,
    bound: f32,
) -> Result<(Var, Var), RootError> {
    let (confined, inside) = confine(y, bound);
    let ramps = Ramps::new(parameters, components).into_list();
    let root = implicit_root(
        |u, ramps| Ramps::from_list(ramps).value_and_derivative(u),
        &ramps,
        &to_unit(&confined, bound),
        [0.0, 1.0],
        RootSettings::default(),
    )?;
    // The ends of the interval are roots whatever the parameters.
    let end = to_unit(&confined.detach(), bound);
    let root = root.or_else(inside, &end);
    let (_, derivative) = Ramps::from_list(&ramps).value_and_derivative(&root);
    let beyond = (y - &confined) / &derivative;
    Ok((from_unit(&root, bound) + beyond, -derivative.ln()))
}

/// [`inverse`] of the rows that are finite, NaN in the others.
pub(crate) fn inverse_or_nan(
    y: &Var,
    parameters: &Var,
    components: usize,
    bound: f32,
) -> (Var, Var) {
    let plain = |of: &Var| of.detach().into_value();
    let finite = plain(y).is_finite().bool_and(plain(parameters).is_finite().all_dim(1));
    let safe = |of: &Var| {
        let rows = finite.clone().expand(of.dims());
        of.or_else(rows, &Var::constant(plain(of).zeros_like()))
    };
    let nan = Var::constant(plain(y).full_like(f32::NAN));
    match inverse(&safe(y), &safe(parameters), components, bound) {
        Ok((x, log_derivative)) => {
            (x.or_else(finite.clone(), &nan), log_derivative.or_else(finite, &nan))
        }
        Err(_) => (nan.clone(), nan),
    }
}
