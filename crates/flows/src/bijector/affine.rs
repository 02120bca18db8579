//! Affine functions, `y = x e^s + t`.
//!
//! The log scale is limited smoothly, `s = 4 tanh(p_0 / 4)`, so that no scale is beyond
//! `e^±4`; `t = p_1`. `ln dy/dx = s`.
//!
//! *Shapes.* `x`, `y` and `s` are `[row, feature]`; the columns of the parameters, twice as many,
//! are all scales, then all shifts.
//!
//! *When to use.* The cheapest family: one coupling is two products and an exponential. A stack
//! approximates smooth unimodal densities well.
//! *When not.* It needs many layers for separated modes and sharp edges.
//!
//! # References
//! L. Dinh, J. Sohl-Dickstein and S. Bengio, "Density estimation using Real NVP", ICLR 2017,
//! arXiv:1605.08803, equations 7 and 8.

use autodiff::tensor::Var;

/// Largest log scale.
const LIMIT: f32 = 4.0;

fn log_scale_and_shift(parameters: &Var) -> (Var, Var) {
    let features = parameters.dims()[1] / 2;
    let log_scale = (parameters.columns(0..features) * (1.0 / LIMIT)).tanh() * LIMIT;
    (log_scale, parameters.columns(features..2 * features))
}

/// `y = x e^s + t` and `s`.
pub(crate) fn forward(x: &Var, parameters: &Var) -> (Var, Var) {
    let (log_scale, shift) = log_scale_and_shift(parameters);
    (x * log_scale.exp() + shift, log_scale)
}

/// `x = (y - t) e^-s` and `-s`.
pub(crate) fn inverse(y: &Var, parameters: &Var) -> (Var, Var) {
    let (log_scale, shift) = log_scale_and_shift(parameters);
    let log_det = -log_scale;
    ((y - shift) * log_det.exp(), log_det)
}
