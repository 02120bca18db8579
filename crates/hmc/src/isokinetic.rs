//! Integrators of the isokinetic (microcanonical) equations of motion.
//!
//! The speed is constant and only the direction `u`, a unit vector, turns towards higher density:
//!
//! ```text
//! dx/ds = u        du/ds = (I - u u^T) grad log pi(x) / (d - 1)
//! ```
//!
//! Their stationary density is `pi(x)`, uniform in `u`, so *one* trajectory at a single energy visits
//! all of the target. A step alternates kicks, in which `u` turns at fixed `x`, and drifts along `u`.
//! With `e = g / |g|`, `delta = s |g| / (d - 1)` and `c = e.u`, a kick of length `s` is
//!
//! ```text
//! u' = (u + e (sinh delta + c (cosh delta - 1))) / (cosh delta + c sinh delta)
//! K  = (d - 1) ln(cosh delta + c sinh delta)
//! ```
//!
//! and changes the volume on the sphere by the factor `exp(-K)`. The energy error of a step, `-log pi`
//! at its end minus that at its start plus the `K` of its kicks, is therefore all that a Metropolis
//! test of it needs. It is of third order in the step. Each step is its own inverse when `u` is
//! reversed.
//!
//! Lengths are measured so that the root mean square velocity per coordinate is one, `s = sqrt(d) t`:
//! in `t` step sizes and trajectory lengths mean the same as those of Hamiltonian dynamics with unit
//! masses, to which the motion tends in many dimensions, and do not change with `d`. The papers quote
//! `s`.
//!
//! References: Ver Steeg & Galstyan 2021, *Hamiltonian Dynamics with Non-Newtonian Momentum for Rapid
//! Sampling* (arXiv:2111.02434), for the kick; Robnik, De Luca, Silverstein & Seljak 2023,
//! *Microcanonical Hamiltonian Monte Carlo* (JMLR 24, 311; arXiv:2212.08549); Robnik, Cohn-Gordon &
//! Seljak 2025, *Metropolis Adjusted Microcanonical Hamiltonian Monte Carlo* (arXiv:2503.01707), for
//! the volume.

use crate::{
    hamiltonian::Point,
    integrator::Integrator,
    vector::{dot, log_add_exp, normalise, sum},
};

/// Moves `point`, whose `p` is the direction, by the time `step` and returns the energy error;
/// `evaluate` renews log density and gradient. Infinite, with the point at the place of the failure,
/// if any of them is not finite. Needs two dimensions or more.
pub fn advance<E>(
    integrator: Integrator,
    step: f64,
    point: &mut Point,
    mut evaluate: impl FnMut(&mut Point) -> Result<(), E>,
) -> Result<f64, E> {
    let path = step * (point.x.len() as f64).sqrt();
    let drift_length = integrator.drift_length();
    let before = point.log_density;
    let (first, rest) = (integrator.kicks()[0], &integrator.kicks()[1..]);
    let mut kinetic = kick(integrator, first * path, point);
    for turn in rest {
        if !kinetic.is_finite() {
            return Ok(f64::INFINITY);
        }
        kinetic += drift(integrator, drift_length * path, point);
        evaluate(point)?;
        if !point.log_density.is_finite() {
            return Ok(f64::INFINITY);
        }
        kinetic += kick(integrator, turn * path, point);
    }
    let error = before - point.log_density + kinetic;
    Ok(if error.is_finite() { error } else { f64::INFINITY })
}

fn kick(integrator: Integrator, path: f64, point: &mut Point) -> f64 {
    let Point { x, p, g, .. } = point;
    let (x, g) = (&x[..p.len()], &g[..p.len()]);
    match integrator {
        Integrator::Leapfrog | Integrator::MinimalNorm => turn(path, p, |i| g[i]),
        Integrator::ExactNormal => turn(path, p, |i| g[i] + x[i]),
    }
}

fn drift(integrator: Integrator, path: f64, point: &mut Point) -> f64 {
    let Point { x, p, .. } = point;
    match integrator {
        Integrator::Leapfrog | Integrator::MinimalNorm => {
            for (x, &u) in x.iter_mut().zip(&*p) {
                *x += path * u;
            }
            0.0
        }
        Integrator::ExactNormal => normal_motion(path, x, p),
    }
}

/// Turns `direction` by a force and returns `K`, NaN if the force is not finite.
#[inline(always)]
fn turn(path: f64, direction: &mut [f64], force: impl Fn(usize) -> f64) -> f64 {
    let n = direction.len();
    let norm = sum(n, |i| force(i) * force(i)).sqrt();
    if norm == 0.0 {
        return 0.0;
    }
    if !norm.is_finite() {
        return f64::NAN;
    }
    let cosine = sum(n, |i| force(i) * direction[i]) / norm;
    // 1 + c and 1 - c; where they are small their size decides, so they must not cancel
    let half_square = |sign: f64| 0.5 * sum(n, |i| (direction[i] + sign * force(i) / norm).powi(2));
    let plus = if cosine < -0.9 { half_square(1.0) } else { 1.0 + cosine };
    let minus = if cosine > 0.9 { half_square(-1.0) } else { 1.0 - cosine };
    let others = (n - 1) as f64;
    let turn = Turn::new(path * norm / others, plus, minus);
    let along = turn.along / norm;
    for (i, u) in direction.iter_mut().enumerate() {
        *u = turn.kept * *u + along * force(i);
    }
    normalise(direction);
    others * turn.log_stretch
}

/// The effect of a kick: `u' = kept u + along e`.
struct Turn {
    kept: f64,
    along: f64,
    /// `ln(cosh delta + c sinh delta)`
    log_stretch: f64,
}

impl Turn {
    /// Of the angle `delta` and of `plus = 1 + c`, `minus = 1 - c`. Written with `exp(-|delta|)` only,
    /// so that no gradient is too large.
    fn new(delta: f64, plus: f64, minus: f64) -> Self {
        if delta < 0.0 {
            let Self { kept, along, log_stretch } = Self::new(-delta, minus, plus);
            return Self { kept, along: -along, log_stretch };
        }
        // Straight against the force is an unstable fixed point which rounding leaves. Without a least
        // distance from it a leap far out of the target would come at no cost.
        let plus = plus.max(f64::EPSILON * f64::EPSILON);
        let decay = (-delta).exp();
        let stretch = plus + minus * decay * decay;
        let log_stretch = if delta < 1.0 {
            delta + (0.5 * minus * (-2.0 * delta).exp_m1()).ln_1p()
        } else {
            let sum = log_add_exp(plus.ln(), minus.ln() - 2.0 * delta);
            delta + sum - std::f64::consts::LN_2
        };
        let along = (1.0 - decay) * (plus + decay * minus) / stretch;
        Self { kept: 2.0 * decay / stretch, along, log_stretch }
    }
}

/// Longest substep of the motion on a standard normal, as a time.
const SUBSTEP: f64 = 0.02;

/// The motion on a standard normal, to which [`Integrator::ExactNormal`] adds what differs from it.
///
/// It stays in the plane of `x` and `u`, so that it is integrated there by many minimal-norm steps at
/// a cost that does not depend on the dimension. These are reversible and their volume is known, so
/// that what is left of their error (of the order of 1e-5 in energy) does no harm.
fn normal_motion(path: f64, x: &mut [f64], u: &mut [f64]) -> f64 {
    let dim = x.len() as f64;
    let substeps = (path.abs() / dim.sqrt() / SUBSTEP).ceil().max(1.0);
    let h = path / substeps;
    let others = dim - 1.0;
    let mut plane = Plane { xx: dot(x, x), xu: dot(x, u), x: [1.0, 0.0], u: [0.0, 1.0] };
    let kicks = Integrator::MinimalNorm.kicks();
    let mut log_stretch = 0.0;
    for _ in 0..substeps as usize {
        log_stretch += plane.kick(kicks[0] * h / others);
        for kick in &kicks[1..] {
            plane.drift(Integrator::MinimalNorm.drift_length() * h);
            log_stretch += plane.kick(kick * h / others);
        }
    }
    let Plane { x: [xx, xu], u: [ux, uu], .. } = plane;
    for (x, u) in x.iter_mut().zip(&mut *u) {
        (*x, *u) = (xx * *x + xu * *u, ux * *x + uu * *u);
    }
    normalise(u);
    others * log_stretch
}

/// Two vectors as combinations of an initial `x` and `u`, of which the scalar products are known.
struct Plane {
    /// `x.x` of the initial vectors.
    xx: f64,
    /// `x.u` of the initial vectors; `u.u` is one.
    xu: f64,
    x: [f64; 2],
    u: [f64; 2],
}

impl Plane {
    fn dot(&self, a: [f64; 2], b: [f64; 2]) -> f64 {
        a[0] * b[0] * self.xx + (a[0] * b[1] + a[1] * b[0]) * self.xu + a[1] * b[1]
    }

    /// Kick by the force `-x`.
    fn kick(&mut self, length: f64) -> f64 {
        let radius = self.dot(self.x, self.x).max(0.0).sqrt();
        if radius == 0.0 {
            return 0.0;
        }
        let cosine = (-self.dot(self.x, self.u) / radius).clamp(-1.0, 1.0);
        let turn = Turn::new(length * radius, 1.0 + cosine, 1.0 - cosine);
        for i in 0..2 {
            self.u[i] = turn.kept * self.u[i] - turn.along / radius * self.x[i];
        }
        turn.log_stretch
    }

    fn drift(&mut self, length: f64) {
        for i in 0..2 {
            self.x[i] += length * self.u[i];
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    const ALL: [Integrator; 3] =
        [Integrator::Leapfrog, Integrator::MinimalNorm, Integrator::ExactNormal];

    /// `log pi = -sum cosh(x_i) - (x_0 - x_1)^2 / 2`
    fn evaluate(point: &mut Point) -> Result<(), Infallible> {
        let x = &point.x;
        let apart = x[0] - x[1];
        point.log_density = -x.iter().map(|x| x.cosh()).sum::<f64>() - 0.5 * apart * apart;
        point.g = x.iter().map(|x| -x.sinh()).collect();
        point.g[0] -= apart;
        point.g[1] += apart;
        Ok(())
    }

    fn point(x: &[f64], u: &[f64]) -> Point {
        let mut point = Point { x: x.to_vec(), p: u.to_vec(), ..Point::default() };
        normalise(&mut point.p);
        evaluate(&mut point).unwrap();
        point
    }

    fn start() -> Point {
        point(&[0.3, -0.8, 0.5], &[0.9, 0.4, -0.2])
    }

    /// The sum of the energy errors.
    fn run(integrator: Integrator, point: &mut Point, step: f64, steps: usize) -> f64 {
        (0..steps).map(|_| advance(integrator, step, point, evaluate).unwrap()).sum()
    }

    #[test]
    fn trajectories_can_be_run_backwards() {
        for integrator in ALL {
            let mut end = start();
            let forth = run(integrator, &mut end, 0.1, 50);
            let mut by_negative_step = end.clone();
            let negative = run(integrator, &mut by_negative_step, -0.1, 50);
            end.p.iter_mut().for_each(|u| *u = -*u);
            let back = run(integrator, &mut end, 0.1, 50);
            assert!((forth + back).abs() < 1e-10 && (forth + negative).abs() < 1e-10);
            let Point { x, p: u, .. } = start();
            for i in 0..3 {
                assert!((end.x[i] - x[i]).abs() < 1e-10, "{integrator:?}");
                assert!((end.p[i] + u[i]).abs() < 1e-10, "{integrator:?}");
                assert!((by_negative_step.x[i] - x[i]).abs() < 1e-10, "{integrator:?}");
                assert!((by_negative_step.p[i] - u[i]).abs() < 1e-10, "{integrator:?}");
            }
        }
    }

    /// Two unit vectors orthogonal to `u` and to each other.
    fn tangents(u: &[f64]) -> [[f64; 3]; 2] {
        let cross = |a: &[f64], b: &[f64]| {
            [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
        };
        let mut first = cross(u, &[0.3, 0.5, 0.8]);
        normalise(&mut first);
        [first, cross(u, &first)]
    }

    #[test]
    fn energy_error_holds_the_change_of_volume() {
        for integrator in ALL {
            let (start, h) = (start(), 1e-5);
            let frame = tangents(&start.p);
            let end = |j: usize, sign: f64| {
                let mut moved = start.clone();
                if j < 3 {
                    moved.x[j] += sign * h;
                } else {
                    (0..3).for_each(|i| moved.p[i] += sign * h * frame[j - 3][i]);
                    normalise(&mut moved.p);
                }
                evaluate(&mut moved).unwrap();
                run(integrator, &mut moved, 0.4, 3);
                moved
            };
            let mut centre = start.clone();
            let error = run(integrator, &mut centre, 0.4, 3);
            let end_frame = tangents(&centre.p);
            // columns: derivatives of the end in x and in the tangent plane of u
            let mut jacobian: Vec<Vec<f64>> = (0..5)
                .map(|j| {
                    let (up, down) = (end(j, 1.0), end(j, -1.0));
                    let by = |a: &[f64], b: &[f64], i: usize| (a[i] - b[i]) / (2.0 * h);
                    let mut column: Vec<f64> = (0..3).map(|i| by(&up.x, &down.x, i)).collect();
                    column.extend(
                        end_frame
                            .iter()
                            .map(|t| (0..3).map(|i| t[i] * by(&up.p, &down.p, i)).sum::<f64>()),
                    );
                    column
                })
                .collect();
            let determinant = eliminate(&mut jacobian);
            let expected = (start.log_density - centre.log_density - error).exp();
            assert!((determinant / expected - 1.0).abs() < 1e-7, "{integrator:?}: {determinant}");
            assert!((expected - 1.0).abs() > 0.05, "nothing was tested");
        }
    }

    /// Determinant by elimination without pivoting.
    fn eliminate(m: &mut [Vec<f64>]) -> f64 {
        for k in 0..m.len() {
            for i in k + 1..m.len() {
                let factor = m[i][k] / m[k][k];
                let pivot_row = m[k].clone();
                for (entry, pivot) in m[i].iter_mut().zip(pivot_row) {
                    *entry -= factor * pivot;
                }
            }
        }
        (0..m.len()).map(|k| m[k][k]).product()
    }

    #[test]
    fn energy_error_is_of_second_order() {
        for integrator in ALL {
            let errors = [8, 16, 32, 64]
                .map(|steps| run(integrator, &mut start(), 1.0 / steps as f64, steps).abs());
            for pair in errors.windows(2) {
                assert!((pair[0] / pair[1] - 4.0).abs() < 0.6, "{integrator:?}: {errors:?}");
            }
        }
    }

    #[test]
    fn all_follow_the_same_trajectory() {
        let mut exact = start();
        run(Integrator::Leapfrog, &mut exact, 1e-4, 10_000);
        for integrator in ALL {
            let mut end = start();
            run(integrator, &mut end, 0.01, 100);
            for i in 0..3 {
                assert!((end.x[i] - exact.x[i]).abs() < 1e-4, "{integrator:?}");
            }
        }
    }

    #[test]
    fn kicks_solve_the_equation_of_motion() {
        // against small explicit steps of du/ds = (I - u u^T) f
        let force = [0.7, -1.1, 2.0];
        let mut u = [0.9, 0.3, -0.3];
        normalise(&mut u);
        let mut fine = u;
        let mut stretch = 0.0;
        let steps = 200_000;
        let ds = 1.5 / f64::from(steps);
        for _ in 0..steps {
            let along = dot(&force, &fine);
            stretch += along * ds;
            let rate = |u: f64, f: f64| 0.5 * (f - along * u);
            (0..3).for_each(|i| fine[i] += ds * rate(fine[i], force[i]));
        }
        let kinetic = turn(1.5, &mut u, |i| force[i]);
        for i in 0..3 {
            assert!((u[i] - fine[i]).abs() < 1e-5);
        }
        assert!((kinetic - stretch).abs() < 1e-4, "{kinetic} {stretch}");
    }

    #[test]
    fn huge_and_tiny_gradients() {
        for (size, cosine) in [(1e3, 0.2), (1e6, -0.99), (1e8, -1.0), (1e150, 0.5)] {
            let turn = Turn::new(size, 1.0 + cosine, 1.0 - cosine);
            let plus = (1.0 + cosine).max(f64::EPSILON.powi(2));
            let expected = size + (0.5 * plus).ln();
            assert!((turn.log_stretch / expected - 1.0).abs() < 1e-12, "{size} {cosine}");
            assert!(turn.kept.is_finite() && turn.along.is_finite());
        }
        // first order in delta, where cosh and sinh would lose all digits
        assert!((Turn::new(1e-12, 1.3, 0.7).log_stretch / 3e-13 - 1.0).abs() < 1e-9);
        // both forms agree where they meet
        let (below, above) = (Turn::new(1.0 - 1e-13, 0.6, 1.4), Turn::new(1.0 + 1e-13, 0.6, 1.4));
        assert!((below.log_stretch - above.log_stretch).abs() < 1e-12);
        let mut u = [0.6, 0.8];
        assert!(turn(1.0, &mut u, |_| f64::NAN).is_nan() && u == [0.6, 0.8]);
        assert!(turn(1.0, &mut u, |_| 0.0) == 0.0 && u == [0.6, 0.8]);
        turn(1.0, &mut u, |i| [1e150, 0.0][i]);
        assert!((u[0] - 1.0).abs() < 1e-12 && u[1].abs() < 1e-12);
    }

    #[test]
    fn a_leap_out_of_the_target_is_an_error() {
        // at its end the direction is opposite to the gradient to all digits of its cosine
        for step in [1e2, 1e5, 1e7] {
            for integrator in [Integrator::Leapfrog, Integrator::MinimalNorm] {
                let mut point = Point { x: vec![0.4, -1.0, 0.7], ..Point::default() };
                point.p = vec![0.48, 0.6, 0.64];
                let renew = |point: &mut Point| {
                    point.g = point.x.iter().map(|x| -x).collect();
                    point.log_density = 0.5 * dot(&point.g, &point.x);
                    Ok::<(), Infallible>(())
                };
                renew(&mut point).unwrap();
                let error = advance(integrator, step, &mut point, renew).unwrap();
                assert!(error > 100.0, "{integrator:?} {step}: {error}");
            }
        }
    }

    #[test]
    fn a_standard_normal_in_300_000_dimensions() {
        let dim = 300_000;
        // a point of the typical set, without random numbers: |x|^2 = d, and u orthogonal to x
        let x: Vec<f64> = (0..dim).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect();
        let u: Vec<f64> = (0..dim).map(|i| if i % 4 < 2 { 1.0 } else { -1.0 }).collect();
        let renew = |point: &mut Point| {
            point.g = point.x.iter().map(|x| -x).collect();
            point.log_density = 0.5 * dot(&point.g, &point.x);
            Ok::<(), Infallible>(())
        };
        for (integrator, step, bound) in
            [(Integrator::Leapfrog, 0.01, 0.5), (Integrator::ExactNormal, 1.0, 1e-3)]
        {
            let mut point = Point { x: x.clone(), p: u.clone(), ..Point::default() };
            normalise(&mut point.p);
            renew(&mut point).unwrap();
            let mut error = 0.0;
            for _ in 0..5 {
                error += advance(integrator, step, &mut point, renew).unwrap();
            }
            assert!(error.abs() < bound, "{integrator:?}: {error}");
            assert!((dot(&point.p, &point.p) - 1.0).abs() < 1e-11);
            // the limit of Hamiltonian motion: x turns into sqrt(d) u
            let (sin, cos) = (5.0 * step).sin_cos();
            assert!((point.x[0] - cos - sin).abs() < 1e-3, "{integrator:?}: {}", point.x[0]);
            assert!((point.x[1] + cos - sin).abs() < 1e-3, "{integrator:?}: {}", point.x[1]);
        }
    }
}
