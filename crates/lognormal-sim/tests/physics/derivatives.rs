//! Every derivative against central differences, on a ladder of steps.
//!
//! The difference falls as the square of the step from 1e-2 to 1e-4, as it can only for functions
//! that are smooth.

use autodiff::{Dual, Real};
use lognormal_sim::{
    Cosmology, Growth, MatterPower, PARAMETERS, PowerBasis, Theory, hubble_rate, radial_distance,
};

use crate::{extreme_cosmologies, sources};

type Function<'a, R> = Box<dyn Fn(&Cosmology<R>) -> Vec<R> + 'a>;

/// Logarithms of positive outputs as functions of the six parameters, in both number types.
struct Outputs<'a> {
    names: Vec<String>,
    values: Function<'a, f64>,
    duals: Function<'a, Dual<6>>,
}

/// Largest difference between derivatives and central differences of the given relative step.
fn differences(outputs: &Outputs, c: &Cosmology, parameter: usize, step: f64) -> Vec<f64> {
    let parameters = c.parameters();
    let shift = step * parameters[parameter].abs();
    let at = |sign: f64| {
        let mut moved = parameters;
        moved[parameter] += sign * shift;
        (outputs.values)(&Cosmology::from_parameters(&moved).unwrap())
    };
    let (above, below) = (at(1.0), at(-1.0));
    (outputs.duals)(&c.with_derivatives())
        .iter()
        .zip(above.iter().zip(&below))
        .map(|(dual, (above, below))| {
            let slope = dual.gradient[parameter] / dual.value * parameters[parameter].abs();
            let difference = (above.ln() - below.ln()) / (2.0 * step);
            (slope - difference).abs()
        })
        .collect()
}

/// Checks that errors fall as the square of the step and reach 1e-6 in the logarithmic slopes, or a
/// thousandth of the second error where a spectrum nearly vanishes.
fn check(outputs: &Outputs, c: &Cosmology) {
    for (parameter, name) in PARAMETERS.iter().enumerate() {
        let errors: Vec<Vec<f64>> = [1e-2, 1e-3, 1e-4, 2e-5]
            .iter()
            .map(|&step| differences(outputs, c, parameter, step))
            .collect();
        for (i, output) in outputs.names.iter().enumerate() {
            let [coarse, middle, fine] = [errors[0][i], errors[1][i], errors[2][i]];
            let finest = errors[3][i];
            // A factor 100 per step of ten, up to higher orders where the leading one is small.
            let quadratic = middle < coarse * 10.0 + 1e-5 && fine < middle * 0.02 + 3e-7;
            assert!(
                quadratic && finest < 1e-6f64.max(1e-3 * middle),
                "d ln {output} / d ln {name}: {coarse:.2e} {middle:.2e} {fine:.2e} {finest:.2e} \
                 at {c:?}"
            );
        }
    }
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
        check(&outputs, &c);
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
    for c in extreme_cosmologies() {
        check(&outputs, &c);
    }
}

fn convergence<R: Real>(theory: &Theory, c: &Cosmology<R>) -> Vec<R> {
    let prediction = theory.predict(c).unwrap();
    prediction.spectra.into_iter().flatten().chain(prediction.shifts).collect()
}

#[test]
fn spectra_and_shifts() {
    let theory = Theory::new(&sources(10.0), 2.34, 7000.0).unwrap();
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
    for c in extreme_cosmologies() {
        check(&outputs, &c);
    }
}
