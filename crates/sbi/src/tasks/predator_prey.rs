//! Two populations that meet: the equations of Lotka and Volterra, solved by Taylor series.
//!
//! ```text
//! du/dt = (a - b v) u        dv/dt = (d u - g) v
//! ```
//!
//! With a = 0 they are those of an epidemic: u the susceptible, v the infected.
//!
//! The right-hand side is made of products, so that the Taylor coefficients of the solution follow
//! from each other with one Cauchy product per order, and the solution between the ends of a step is
//! their polynomial. The populations are carried as logarithms and scaled to one at the start of each
//! step, so that nothing over- or underflows, and precision is relative.
//!
//! Reference: À. Jorba and M. Zou, "A software package for the numerical integration of ODEs by
//! means of high-order Taylor methods", Experimental Mathematics 14 (2005) 99.

use autodiff::Real;

use crate::error::{Error, Result};

/// Order of the series.
const ORDER: usize = 14;
/// Size of the last two terms of a step relative to the population. The logarithms of populations
/// that cycle four times are then right to 1e-8.
const TOLERANCE: f64 = 1e-9;
/// More steps than any sensible parameters need.
const MAX_STEPS: usize = 20_000;

/// Rates of the equations, per unit of time.
#[derive(Clone, Copy, Debug)]
pub struct Rates<R> {
    /// a: growth of u alone.
    pub growth: R,
    /// b: loss of u per v.
    pub loss: R,
    /// g: decay of v alone.
    pub decay: R,
    /// d: gain of v per u.
    pub gain: R,
}

/// Logarithms of both populations at increasing `times >= 0`, given those at time zero.
///
/// With `R = Dual<N>` the results carry the derivatives with respect to whatever the rates and the
/// start depend on.
///
/// # Errors
/// [`Error::Dynamics`] if the series has no finite coefficients (rates or populations that overflow), or
/// needs too many steps.
pub fn log_populations<R: Real>(
    rates: &Rates<R>,
    start: [R; 2],
    times: &[f64],
) -> Result<Vec<[R; 2]>> {
    let Some(&last) = times.last() else { return Ok(Vec::new()) };
    let mut out = Vec::with_capacity(times.len());
    let [mut ln_u, mut ln_v] = start;
    let mut time = 0.0;
    let mut u = [R::from(0.0); ORDER + 1];
    let mut v = u;
    for steps in 0..MAX_STEPS {
        let fail = || Error::Dynamics { time, last, steps };
        while out.len() < times.len() && times[out.len()] <= time {
            out.push([ln_u, ln_v]);
        }
        if out.len() == times.len() {
            return Ok(out);
        }
        series(rates, ln_u.exp(), ln_v.exp(), &mut u, &mut v);
        let step = step_size(&u, &v).ok_or_else(fail)?;
        let end = if time + step < last { time + step } else { last };
        let ahead = |distance: f64| [ln_u + sum(&u, distance).ln(), ln_v + sum(&v, distance).ln()];
        while times[out.len()] < end {
            out.push(ahead(times[out.len()] - time));
        }
        [ln_u, ln_v] = ahead(end - time);
        if !(ln_u.is_finite() && ln_v.is_finite() && end > time) {
            return Err(fail());
        }
        time = end;
    }
    Err(Error::Dynamics { time, last, steps: MAX_STEPS })
}

/// The step at whose end the last two terms are at the tolerance; `None` if they are not finite.
fn step_size<R: Real>(u: &[R; ORDER + 1], v: &[R; ORDER + 1]) -> Option<f64> {
    let radius = |order: usize| {
        let size = u[order].value().abs() + v[order].value().abs();
        size.is_finite().then(|| (TOLERANCE / size).powf((order as f64).recip()))
    };
    Some(radius(ORDER)?.min(radius(ORDER - 1)?))
}

/// Taylor coefficients of both populations, scaled to one, from their values now.
fn series<R: Real>(
    rates: &Rates<R>,
    u_now: R,
    v_now: R,
    u: &mut [R; ORDER + 1],
    v: &mut [R; ORDER + 1],
) {
    let (loss, gain) = (rates.loss * v_now, rates.gain * u_now);
    u[0] = R::from(1.0);
    v[0] = R::from(1.0);
    for k in 0..ORDER {
        // Two sums, so that an addition need not wait for the one before.
        let mut sums = [u[0] * v[k], R::from(0.0)];
        for j in 1..=k {
            sums[j % 2] += u[j] * v[k - j];
        }
        let product = sums[0] + sums[1];
        let scale = ((k + 1) as f64).recip();
        u[k + 1] = (rates.growth * u[k] - loss * product) * scale;
        v[k + 1] = (gain * product - rates.decay * v[k]) * scale;
    }
}

/// The series at a distance from its start.
fn sum<R: Real>(coefficients: &[R; ORDER + 1], distance: f64) -> R {
    let (last, others) = (coefficients[ORDER], &coefficients[..ORDER]);
    others.iter().rev().fold(last, |sum, &coefficient| sum * distance + coefficient)
}

#[cfg(test)]
mod tests {
    use autodiff::{Dual, GradientCheck};
    use proptest::prelude::*;

    use super::*;

    fn rates<R: Real>([growth, loss, decay, gain]: [R; 4]) -> Rates<R> {
        Rates { growth, loss, decay, gain }
    }

    /// Solutions to 20 digits (mpmath's odefun, in logarithms).
    #[test]
    fn solutions_are_right_to_the_promised_precision() {
        let spikes = [0.6035, 0.0303, 1.6093, 0.0172];
        let collapse = [1.43, 0.0221, 0.51, 0.155];
        let epidemic = [0.0, 0.4e-6, 0.125, 0.4e-6];
        type Case = ([f64; 4], [f64; 2], [f64; 2], [[f64; 2]; 2]);
        let cases: [Case; 3] = [
            (
                spikes,
                [10.0, 1.0],
                [8.4, 18.9],
                [
                    [1.536_732_890_567_118, 3.496_727_245_532_827_4],
                    [1.667_564_270_606_643_1, 3.836_182_002_838_477_5],
                ],
            ),
            (
                collapse,
                [10.0, 1.0],
                [8.4, 18.9],
                [
                    [-7.756_579_640_912_543, 2.723_679_929_409_365],
                    [-5.793_516_518_313_073, 5.474_398_982_485_047],
                ],
            ),
            (
                epidemic,
                [999_999.0, 1.0],
                [34.0, 153.0],
                [
                    [13.798_985_784_191_764, 9.325_926_272_395_553],
                    [10.767_400_900_941_65, 2.862_829_817_656_349_4],
                ],
            ),
        ];
        for (theta, start, times, expected) in cases {
            let found = log_populations(&rates(theta), start.map(f64::ln), &times).unwrap();
            for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
                assert!((found - expected).abs() < 2e-8, "{theta:?}: {found} {expected}");
            }
        }
    }

    proptest! {
        /// `d u - g ln u + b v - a ln v` is conserved exactly; its change tells the local errors,
        /// in units of the logarithms of the populations.
        #[test]
        fn the_invariant_is_conserved(
            logs in prop::array::uniform4(-2.5..2.5f64),
            start in prop::array::uniform2(-1.0..4.0f64),
        ) {
            let location = [-0.125, -3.0, -0.125, -3.0];
            let theta: [f64; 4] = std::array::from_fn(|i| (location[i] + 0.5 * logs[i]).exp());
            let [a, b, g, d] = theta;
            let times: Vec<f64> = (0..10).map(|i| 2.1 * f64::from(i)).collect();
            let found = log_populations(&rates(theta), start, &times).unwrap();
            let terms = |[p, q]: [f64; 2]| [d * p.exp(), -g * p, b * q.exp(), -a * q];
            let before: f64 = terms(start).iter().sum();
            for logs in found {
                let after: f64 = terms(logs).iter().sum();
                let slope: f64 = terms(logs).iter().map(|term| term.abs()).sum();
                prop_assert!((after - before).abs() < 1e-7 * (slope + a + g), "{before} {after}");
            }
        }

        #[test]
        fn derivatives_are_those_of_finite_differences(
            logs in prop::array::uniform4(-1.5..1.5f64),
            start in prop::array::uniform2(0.5..2.5f64),
        ) {
            let location = [-0.125, -3.0, -0.125, -3.0];
            let mut point: Vec<f64> = (0..4).map(|i| location[i] + 0.5 * logs[i]).collect();
            point.extend(start);
            let times = [2.1, 10.0];
            fn result<R: Real>(point: &[R], times: &[f64]) -> R {
                let theta = std::array::from_fn(|i| point[i].exp());
                let start = [point[4], point[5]];
                let logs = log_populations(&rates(theta), start, times).unwrap();
                logs.into_iter().flatten().zip([0.3, -1.0, 2.0, 0.7]).map(|(log, w)| log * w).sum()
            }
            let dual = result(&Dual::<6>::variables(std::array::from_fn(|i| point[i])), &times);
            prop_assert!((dual.value - result(&point, &times)).abs() < 1e-12 * dual.value.abs());
            // Orbits far from the equilibrium are steep in their rates: steps of a percent of a
            // logarithm are too long for a difference there.
            let check = GradientCheck {
                steps: vec![1e-3, 1e-4, 1e-5],
                smallest_coordinate: 1.0,
                tolerance: 1e-3,
                noise: 1e-10,
            };
            check.run(|point| result(point, &times), &point, &dual.gradient).assert_passes();
        }
    }

    #[test]
    fn impossible_rates_are_refused_and_outputs_may_repeat() {
        let solve = |theta: [f64; 4], start: [f64; 2], times: &[f64]| {
            log_populations(&rates(theta), start, times)
        };
        let sound = [1.0, 0.1, 1.0, 0.1];
        for (theta, start) in [
            ([f64::NAN, 0.1, 1.0, 0.1], [1.0, 1.0]),
            ([f64::INFINITY, 0.1, 1.0, 0.1], [1.0, 1.0]),
            (sound, [800.0, 1.0]),
            (sound, [f64::NAN, 1.0]),
            ([1e9, 1e-9, 1.0, 1e-9], [1.0, 1.0]),
        ] {
            let error = solve(theta, start, &[2.0]).unwrap_err();
            assert!(matches!(error, Error::Dynamics { last: 2.0, .. }), "{theta:?}: {error}");
        }
        assert!(solve(sound, [1.0, 1.0], &[]).unwrap().is_empty());
        let found = solve(sound, [1.0, 1.5], &[0.0, 0.5, 0.5, 3.0]).unwrap();
        assert_eq!((found.len(), found[0], found[1]), (4, [1.0, 1.5], found[2]));
    }
}
