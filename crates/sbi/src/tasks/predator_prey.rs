//! Two populations that meet: the equations of Lotka and Volterra, solved by Taylor series.
//!
//! ```text
//! du/dt = (a - b v) u        dv/dt = (d u - g) v
//! ```
//!
//! With a = 0 they are those of an epidemic: u the susceptible, v the infected.
//!
//! The right-hand side is made of products, so that the Taylor coefficients of the solution follow
//! from each other by one Cauchy product per order; a step of order 16 costs about as much as six
//! evaluations of a Runge-Kutta method per population would with exponentials. The populations are
//! carried as logarithms and scaled to one at the start of each step, so that nothing over- or
//! underflows, and precision is relative.
//!
//! Reference: À. Jorba and M. Zou, "A software package for the numerical integration of ODEs by
//! means of high-order Taylor methods", Experimental Mathematics 14 (2005) 99.

use autodiff::Real;

use crate::error::{Error, Result};

/// Order of the series.
const ORDER: usize = 16;
/// Size of the last two terms kept in a step, relative to the population: the local error.
const TOLERANCE: f64 = 1e-12;
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
/// [`Error::Ode`] if the series has no finite coefficients (rates or populations that overflow), or
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
        let fail = || Error::Ode { time, last, steps };
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
    Err(Error::Ode { time, last, steps: MAX_STEPS })
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
        let mut product = u[0] * v[k];
        for j in 1..=k {
            product += u[j] * v[k - j];
        }
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
