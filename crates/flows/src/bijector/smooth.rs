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
//! by the implicit function theorem to second order.
//!
//! *When to use.* When scores are learnt or used: their error, not only that of the density, has
//! to be small. Also for separated modes.
//! *When not.* Where many samples matter more than densities: the inverse costs some ten
//! evaluations. Keep the data well within the bound (the default is twelve standard deviations).
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

/// The parameters in use, each `[n, components]`.
struct Ramps {
    weight: Var,
    steepness: Var,
    offset: Var,
    linear: Var,
    /// `r(v_0)`.
    start: Var,
    /// `r(v_1) - r(v_0)`.
    rise: Var,
}

impl Ramps {
    fn new(parameters: &Var, components: usize) -> Self {
        let part = |index: usize| parameters.columns(index * components..(index + 1) * components);
        let steepness = (part(1).tanh() * 4.0).exp();
        let offset = part(2);
        let linear = part(3).sigmoid() * (1.0 - LEAST_LINEAR) + LEAST_LINEAR;
        let at = |v: f32| {
            let logit = (v / (1.0 - v)).ln();
            let gate = (&steepness * (&offset + logit)).sigmoid();
            // (1 - c) s + c v
            &gate + &linear * (-&gate + v)
        };
        let start = at(FIRST);
        let rise = at(LAST) - &start;
        Self { weight: part(0).softmax(), steepness, offset, linear, start, rise }
    }

    /// `f(u)` and `f'(u)`, `[n, 1]`, for u in [0, 1].
    fn value_and_derivative(&self, u: &Var) -> (Var, Var) {
        let v = (u + MARGIN) * (1.0 / STRETCH);
        let logit = v.logit();
        let gate = (&self.steepness * (&self.offset + &logit)).sigmoid();
        let ramp = &gate + &self.linear * (-&gate + &v);
        let normalised = (ramp - &self.start) / &self.rise;
        // p (1 - c) g + p c u = p (g + c (u - g))
        let value = &self.weight * (&normalised + &self.linear * (-&normalised + u));
        // dr/dv = (1 - c) a s (1 - s) / (v (1 - v)) + c
        let slope = &self.steepness * (&gate - gate.square()) / (&v - v.square());
        let ramp_slope = &slope + &self.linear * (-&slope + 1.0);
        let normalised = ramp_slope / &self.rise * (1.0 / STRETCH);
        let derivative = &self.weight * (&normalised + &self.linear * (-&normalised + 1.0));
        (value.sum(1), derivative.sum(1))
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
pub fn forward(x: &Var, parameters: &Var, components: usize, bound: f32) -> (Var, Var) {
    let ramps = Ramps::new(parameters, components);
    let (confined, _) = confine(x, bound);
    let (value, derivative) = ramps.value_and_derivative(&to_unit(&confined, bound));
    let beyond = (x - &confined) * &derivative;
    (from_unit(&value, bound) + beyond, derivative.ln())
}

/// `x(y)` and `ln dx/dy`.
pub fn inverse(
    y: &Var,
    parameters: &Var,
    components: usize,
    bound: f32,
) -> Result<(Var, Var), RootError> {
    let (confined, inside) = confine(y, bound);
    let root = implicit_root(
        |u, parameters| Ramps::new(&parameters[0], components).value_and_derivative(u),
        std::slice::from_ref(parameters),
        &to_unit(&confined, bound),
        [0.0, 1.0],
        RootSettings::default(),
    )?;
    // The ends of the interval are roots whatever the parameters.
    let end = to_unit(&confined.detach(), bound);
    let root = root.or_else(inside, &end);
    let (_, derivative) = Ramps::new(parameters, components).value_and_derivative(&root);
    let beyond = (y - &confined) / &derivative;
    Ok((from_unit(&root, bound) + beyond, -derivative.ln()))
}
