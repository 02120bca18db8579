//! Ordinary differential equations of many rows at once, with a controlled error.
//!
//! The pair of Runge-Kutta formulae of order 5 and 4 of Dormand and Prince: the difference of the
//! two is the error of a step, which decides whether the step counts and how long the next one is.
//! All rows take the same steps, those that the most demanding of them needs.
//!
//! # References
//! J. R. Dormand and P. J. Prince, "A family of embedded Runge-Kutta formulae", J. Comput. Appl.
//! Math. 6 (1980) 19.

use autodiff::tensor::Var;

use crate::error::{Error, Result};

/// Steps, accepted or not, after which an equation is given up.
const MAX_STEPS: usize = 2000;

/// Times of the stages, in steps.
const NODES: [f64; 7] = [0.0, 0.2, 0.3, 0.8, 8.0 / 9.0, 1.0, 1.0];
/// Weights of earlier stages in each stage; the last row is the solution of order 5.
const STAGES: [&[f64]; 7] = [
    &[],
    &[1.0 / 5.0],
    &[3.0 / 40.0, 9.0 / 40.0],
    &[44.0 / 45.0, -56.0 / 15.0, 32.0 / 9.0],
    &[19372.0 / 6561.0, -25360.0 / 2187.0, 64448.0 / 6561.0, -212.0 / 729.0],
    &[9017.0 / 3168.0, -355.0 / 33.0, 46732.0 / 5247.0, 49.0 / 176.0, -5103.0 / 18656.0],
    &[35.0 / 384.0, 0.0, 500.0 / 1113.0, 125.0 / 192.0, -2187.0 / 6784.0, 11.0 / 84.0],
];
/// Weights of the stages in the difference of the solutions of order 5 and 4.
const ERROR: [f64; 7] = [
    71.0 / 57600.0,
    0.0,
    -71.0 / 16695.0,
    71.0 / 1920.0,
    -17253.0 / 339_200.0,
    22.0 / 525.0,
    -1.0 / 40.0,
];

/// Solves `d state / dt = rate(t, state)` from the state at `from` to that at `to`, either of which
/// may be the larger. The error of each entry in each step stays below
/// `tolerance * (1 + |entry|)`.
///
/// The result is a function of the first state like any other: a tape differentiates through it,
/// with the steps held as they were.
///
/// # Errors
/// [`Error::Transport`] when the rate is not finite or the step becomes too short, and what `rate`
/// returns.
pub(crate) fn integrate(
    mut rate: impl FnMut(f64, &Var) -> Result<Var>,
    state: Var,
    [from, to]: [f64; 2],
    tolerance: f64,
) -> Result<Var> {
    let span = to - from;
    let (mut time, mut state) = (from, state);
    let mut step = 0.05 * span;
    let mut first = rate(time, &state)?;
    for _ in 0..MAX_STEPS {
        let last = (to - time - step) * span <= 1e-9 * span * span;
        if last {
            step = to - time;
        }
        let mut stages = vec![first.clone()];
        let mut next = state.clone();
        for (weights, node) in STAGES.iter().zip(NODES).skip(1) {
            next = &state + combine(&stages, weights, step);
            stages.push(rate(time + node * step, &next)?);
        }
        let error = largest(&combine(&stages, &ERROR, step), &state, &next, tolerance)?;
        if error <= 1.0 {
            if last {
                return Ok(next);
            }
            time += step;
            state = next;
            first = stages.swap_remove(6);
        }
        // NaN leads to the shortest step
        let factor = 0.9 * error.max(1e-8).powf(-0.2);
        step *= if factor.is_nan() { 0.2 } else { factor.clamp(0.2, 5.0) };
        if step.abs() < 1e-7 * span.abs() {
            return Err(Error::Transport { time, step, tolerance });
        }
    }
    Err(Error::Transport { time, step, tolerance })
}

/// `step * sum_i weight_i stage_i`.
fn combine(stages: &[Var], weights: &[f64], step: f64) -> Var {
    let terms = stages.iter().zip(weights).filter(|(_, weight)| **weight != 0.0);
    terms
        .map(|(stage, weight)| stage * (step * weight) as f32)
        .reduce(|sum, term| sum + term)
        .expect("a stage with a weight")
}

/// Largest error of an entry, in units of what is tolerated; infinite or NaN when one is not finite.
fn largest(error: &Var, before: &Var, after: &Var, tolerance: f64) -> Result<f64> {
    let size = |state: &Var| state.detach().into_value().abs();
    let scale = size(before).max_pair(size(after)) + 1.0;
    let relative = (size(error) / scale).max();
    // a maximum may overlook a NaN, a sum does not
    let sum = size(after).sum() * 0.0;
    let values = burn::tensor::Tensor::cat(vec![relative, sum], 0)
        .try_into_vec_as::<f32>()
        .map_err(|error| flows::Error::Device { reason: format!("{error:?}") })?;
    Ok(values.into_iter().map(f64::from).sum::<f64>() / tolerance)
}

#[cfg(test)]
mod tests {
    use autodiff::tensor::Tape;
    use burn::tensor::{Device, Tensor};

    use super::*;

    fn column(values: [f32; 3]) -> Tensor<2> {
        Tensor::from_data([[values[0]], [values[1]], [values[2]]], &Device::flex())
    }

    fn numbers(tensor: Tensor<2>) -> Vec<f32> {
        tensor.try_into_vec_as::<f32>().unwrap()
    }

    /// `y' = -3 y cos t` has the solution `y = y0 exp(-3 sin t)`.
    fn rate(t: f64, y: &Var) -> Result<Var> {
        Ok(y * (-3.0 * t.cos()) as f32)
    }

    #[test]
    fn the_error_is_as_small_as_asked_in_both_directions() {
        for (tolerance, expected) in [(1e-3, 2e-3), (1e-5, 2e-5)] {
            let factor = (-3.0 * 2f64.sin()).exp();
            let start = Var::constant(column([1.0, -2.0, 0.5]));
            let end = integrate(rate, start, [0.0, 2.0], tolerance).unwrap();
            for (found, start) in numbers(end.value().clone()).iter().zip([1.0, -2.0, 0.5]) {
                assert!((f64::from(*found) - start * factor).abs() < expected, "{found}");
            }
            let back = integrate(rate, end, [2.0, 0.0], tolerance / 20.0).unwrap();
            for (found, start) in numbers(back.into_value()).iter().zip([1.0, -2.0, 0.5]) {
                assert!((f64::from(*found) - start).abs() < 20.0 * expected, "{found}");
            }
        }
    }

    #[test]
    fn the_end_can_be_differentiated() {
        let tape = Tape::new();
        let start = tape.input(column([1.0, -2.0, 0.5]));
        let end = integrate(rate, start.clone(), [0.0, 2.0], 1e-5).unwrap();
        let gradient = numbers(tape.gradient(&end, &[&start]).remove(0));
        let factor = (-3.0 * 2f64.sin()).exp();
        assert!(gradient.iter().all(|g| (f64::from(*g) - factor).abs() < 1e-4), "{gradient:?}");
    }

    #[test]
    fn an_explosion_is_an_error() {
        // y' = y² leaves every bound at t = 1 / y0
        let rate = |_: f64, y: &Var| Ok(y.square());
        let start = Var::constant(column([1.0, 0.5, 0.1]));
        let error = integrate(rate, start, [0.0, 3.0], 1e-4).unwrap_err();
        assert!(
            matches!(error, Error::Transport { time, .. } if (0.9..1.1).contains(&time)),
            "{error}"
        );
    }
}
