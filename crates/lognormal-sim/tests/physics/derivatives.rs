//! Every derivative against central differences, on ladders of steps.
//!
//! A central difference of step h is off by A h^2 + B h^4 + ..., where A and B are derivatives of
//! the function itself, plus rounding errors of order 1e-15 / h. A wrong derivative, a kink or a
//! jump adds something that does not fall with the step. Three things are checked for each output,
//! parameter and cosmology:
//!
//! - the order: between neighbouring steps the error falls with a power of the step between 1.9 and
//!   2.1, down to rounding errors; at the cosmologies of the reference tables and most corners of
//!   the prior from the coarsest step, 1e-2, on, unless A passes through zero;
//! - the error at the finest step, 1e-4;
//! - Richardson extrapolation, which removes the orders 2 and 4 and leaves differences a few
//!   hundred times more exact.
//!
//! Derivatives are logarithmic, d ln f / d ln p, and errors relative to them or to 0.1, whichever
//! is larger: below that a parameter has little effect, and the slope may cross zero.

use autodiff::{Dual, Real};
use lognormal_sim::{
    Cosmology, Growth, MatterPower, PARAMETERS, PowerBasis, Prefactor, Theory, hubble_rate,
    radial_distance,
};

use crate::{corners, cosmologies, extreme_cosmologies, sources};

type Function<'a, R> = Box<dyn Fn(&Cosmology<R>) -> Vec<R> + 'a>;

/// Logarithms of positive outputs as functions of the six parameters, in both number types.
struct Outputs<'a> {
    names: Vec<String>,
    values: Function<'a, f64>,
    duals: Function<'a, Dual<6>>,
}

/// What must hold at one cosmology.
#[derive(Clone, Copy)]
struct Expectation {
    /// The order is 2 for steps up to this one, ...
    square_up_to: f64,
    /// ... within this much.
    order_within: f64,
    /// Largest error at the step 1e-4.
    finest: f64,
    /// Coarsest of the three steps h, h/2, h/4 of the extrapolation.
    extrapolated_from: f64,
    /// Largest error of the extrapolation.
    extrapolated: f64,
}

/// Functions that vary slowly over the coarsest step.
const REGULAR: Expectation = Expectation {
    square_up_to: 1e-2,
    order_within: 0.1,
    finest: 1e-6,
    extrapolated_from: 1e-2,
    extrapolated: 1e-8,
};

const STEPS: [f64; 5] = [1e-2, 3e-3, 1e-3, 3e-4, 1e-4];
/// Slopes smaller than this are compared with it.
const SMALLEST_SLOPE: f64 = 0.1;
/// Rounding error of the logarithm of an output; times 1 / h for a difference.
const ROUNDING: f64 = 1e-14;

/// Logarithmic central differences of all outputs.
fn differences(outputs: &Outputs, c: &Cosmology, parameter: usize, step: f64) -> Vec<f64> {
    let at = |sign: f64| {
        let mut moved = c.parameters();
        moved[parameter] += sign * step * moved[parameter].abs();
        (outputs.values)(&Cosmology::from_parameters(&moved).unwrap())
    };
    let (above, below) = (at(1.0), at(-1.0));
    above.iter().zip(&below).map(|(above, below)| (above / below).ln() / (2.0 * step)).collect()
}

/// Checks every output.
fn check(outputs: &Outputs, c: &Cosmology, expected: &Expectation) {
    let duals = (outputs.duals)(&c.with_derivatives());
    let (mut finest, mut extrapolated, mut orders) = (0.0f64, 0.0f64, 0);
    let mut range = (f64::INFINITY, f64::NEG_INFINITY);
    for (parameter, name) in PARAMETERS.iter().enumerate() {
        let size = c.parameters()[parameter].abs();
        let ladder = STEPS.map(|step| differences(outputs, c, parameter, step));
        let halved = [1.0, 0.5, 0.25]
            .map(|factor| differences(outputs, c, parameter, factor * expected.extrapolated_from));
        for (i, output) in outputs.names.iter().enumerate() {
            let slope = duals[i].gradient[parameter] / duals[i].value * size;
            let scale = slope.abs().max(SMALLEST_SLOPE);
            let errors: [f64; 5] =
                std::array::from_fn(|step| (ladder[step][i] - slope).abs() / scale);
            let what = || format!("d ln {output} / d ln {name}: {errors:?} at {c:?}");
            for (pair, steps) in errors.windows(2).zip(STEPS.windows(2)) {
                let rounding = ROUNDING / (steps[1] * scale);
                if steps[0] > expected.square_up_to || pair[1] < f64::max(10.0 * rounding, 1e-8) {
                    continue;
                }
                let order = (pair[0] / pair[1]).ln() / (steps[0] / steps[1]).ln();
                orders += 1;
                if steps[0] == STEPS[0] {
                    // Higher orders take over where A passes through zero.
                    assert!(order > 2.0 - 2.0 * expected.order_within, "{order:.2}: {}", what());
                } else {
                    range = (range.0.min(order), range.1.max(order));
                    let within = (order - 2.0).abs() < expected.order_within;
                    assert!(within, "order {order:.2}: {}", what());
                }
            }
            assert!(errors[4] < expected.finest, "{}", what());
            finest = finest.max(errors[4]);
            let [first, second, third] = halved.each_ref().map(|difference| difference[i]);
            let (rough, better) = ((4.0 * second - first) / 3.0, (4.0 * third - second) / 3.0);
            let error = ((16.0 * better - rough) / 15.0 - slope).abs() / scale;
            assert!(error < expected.extrapolated, "extrapolated {error:.1e}: {}", what());
            extrapolated = extrapolated.max(error);
        }
    }
    assert!(orders > 10, "every error is a rounding error at {c:?}");
    println!(
        "{orders} orders from {:.2} to {:.2}, errors {finest:.1e} at 1e-4, {extrapolated:.1e} \
         extrapolated, at {:?}",
        range.0,
        range.1,
        c.parameters()
    );
}

fn background<R: Real>(c: &Cosmology<R>) -> Vec<R> {
    let growth = Growth::solve(c);
    [0.05, 0.5, 1.0, 3.0]
        .iter()
        .flat_map(|&z| {
            let a = 1.0 / (1.0 + z);
            [
                radial_distance(c, z),
                hubble_rate(c, a),
                growth.factor(a),
                growth.rate(a),
                growth.second_order_ratio(a),
            ]
        })
        .collect()
}

#[test]
fn background_and_growth() {
    let outputs = Outputs {
        names: (0..20).map(|i| format!("background {i}")).collect(),
        values: Box::new(background),
        duals: Box::new(background),
    };
    for c in extreme_cosmologies() {
        check(&outputs, &c, &REGULAR);
    }
}

fn matter_power<R: Real>(basis: &PowerBasis, c: &Cosmology<R>) -> Vec<R> {
    let power = MatterPower::new(basis, c);
    let mut outputs = Vec::new();
    for z in [0.0, 0.5, 2.0, 9.0] {
        let scale = power.nonlinear_scale(z).unwrap();
        outputs.push(scale.wavenumber);
        for k in [1e-3, 0.05, 0.2, 1.0, 10.0, 100.0] {
            outputs.push(power.linear(k, z));
            outputs.push(power.nonlinear(k, z).unwrap());
        }
    }
    outputs
}

#[test]
fn linear_and_nonlinear_power() {
    let basis = PowerBasis::new();
    let outputs = Outputs {
        names: (0..52).map(|i| format!("power {i}")).collect(),
        values: Box::new(|c| matter_power(&basis, c)),
        duals: Box::new(|c| matter_power(&basis, c)),
    };
    // At one wavenumber the baryon oscillations move by whole periods over the coarser steps: k
    // times the sound horizon is ten thousand at k = 100 h/Mpc.
    let single = Expectation { square_up_to: 3e-4, extrapolated_from: 1e-3, ..REGULAR };
    let dominated = Expectation { order_within: 0.2, finest: 1e-5, extrapolated: 1e-6, ..single };
    for c in extreme_cosmologies() {
        let expected = if baryons_dominate(&c) { &dominated } else { &single };
        check(&outputs, &c, expected);
    }
}

/// Where baryons outweigh dark matter the spectrum nearly vanishes between its oscillations, and
/// its logarithm varies on scales of a thousandth in the parameters.
fn baryons_dominate(c: &Cosmology) -> bool {
    c.omega_b > c.omega_c
}

fn convergence<R: Real>(theory: &Theory, c: &Cosmology<R>) -> Vec<R> {
    let prediction = theory.predict(c).unwrap();
    prediction.spectra.into_iter().flatten().chain(prediction.shifts).collect()
}

#[test]
fn spectra_and_shifts() {
    let theory = Theory::new(&sources(10.0), 2.34, 7000.0, Prefactor::Convergence).unwrap();
    let nodes = theory.nodes();
    let names = theory
        .pairs()
        .iter()
        .flat_map(|pair| nodes.iter().map(move |nu| format!("C{pair:?} at nu = {nu:.0}")))
        .chain((0..5).map(|bin| format!("shift {bin}")))
        .collect();
    let outputs = Outputs {
        names,
        values: Box::new(|c| convergence(&theory, c)),
        duals: Box::new(|c| convergence(&theory, c)),
    };
    for c in cosmologies() {
        check(&outputs, &c, &REGULAR);
    }
    let dominated = Expectation {
        square_up_to: 3e-4,
        order_within: 0.3,
        finest: 1e-4,
        extrapolated_from: 1e-3,
        extrapolated: 1e-7,
    };
    for c in corners() {
        let expected = match c.omega_b / c.omega_m() {
            // Omega_m = 0.93 and w_0 = -2: smooth, but strongly curved.
            _ if c.omega_c == 0.9 => Expectation { finest: 2e-6, ..REGULAR },
            fraction if fraction < 0.3 => REGULAR,
            fraction if fraction < 0.35 => {
                Expectation { square_up_to: 1e-3, extrapolated: 1e-6, ..REGULAR }
            }
            fraction if fraction < 0.5 => {
                Expectation { square_up_to: 3e-3, extrapolated: 1e-7, ..REGULAR }
            }
            _ => dominated,
        };
        check(&outputs, &c, &expected);
    }
}
