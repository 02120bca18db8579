//! Curved universes and running dark energy: distances and growth against quadrature, Heath's
//! integral, and the equations of motion in other variables. Only the parameters come from the
//! library.

use lognormal_sim::{Cosmology, Growth, radial_distance, transverse_distance};

use crate::assert_within;

const HUBBLE_LENGTH: f64 = 2997.92458;
/// Rounding errors, of both sides.
const DISTANCE: f64 = 1e-12;
/// The library's fixed steps give D to 2e-7 and f to 4e-7 in these universes.
const GROWTH: f64 = 1e-6;

/// Universes with w_0, w_a and Omega_k.
fn universes(parameters: &[[f64; 3]]) -> Vec<Cosmology> {
    parameters
        .iter()
        .map(|&[w_0, w_a, omega_k]| Cosmology { w_0, w_a, omega_k, ..Cosmology::FIDUCIAL })
        .collect()
}

/// Matter, curvature and a cosmological constant.
fn curved() -> Vec<Cosmology> {
    universes(&[-0.2, -0.05, 0.0, 0.1, 0.4, 1.0 - 0.3156].map(|omega_k| [-1.0, 0.0, omega_k]))
}

/// Running dark energy, flat and curved.
fn running() -> Vec<Cosmology> {
    universes(&[
        [-0.9, 0.3, 0.0],
        [-1.2, -0.6, 0.0],
        [-0.6, 0.25, 0.0],
        [-0.9, -0.4, 0.1],
        [-1.1, 0.5, -0.1],
    ])
}

/// H / H_0 at scale factor `a`.
fn expansion(c: &Cosmology, a: f64) -> f64 {
    let matter = c.omega_c + c.omega_b;
    let dark_energy = (1.0 - matter - c.omega_k)
        * a.powf(-3.0 * (1.0 + c.w_0 + c.w_a))
        * (3.0 * c.w_a * (a - 1.0)).exp();
    (matter / a.powi(3) + c.omega_k / a.powi(2) + dark_energy).sqrt()
}

fn simpson(f: impl Fn(f64) -> f64, high: f64, intervals: usize) -> f64 {
    let h = high / intervals as f64;
    let inner: f64 =
        (1..intervals).map(|i| f(i as f64 * h) * if i % 2 == 1 { 4.0 } else { 2.0 }).sum();
    (f(0.0) + inner + f(high)) * h / 3.0
}

#[test]
fn distances_agree_with_simpsons_rule() {
    for c in curved().iter().chain(&running()) {
        for z in [0.1, 0.5, 1.0, 3.0, 10.0] {
            let radial = simpson(|z| 1.0 / expansion(c, 1.0 / (1.0 + z)), z, 10_000);
            let found = radial_distance(c, z) / HUBBLE_LENGTH;
            assert_within(&format!("chi({z}), {c:?}"), (found / radial - 1.0).abs(), DISTANCE);
            let root = c.omega_k.abs().sqrt();
            let transverse = match c.omega_k {
                0.0 => radial,
                open if open > 0.0 => (root * radial).sinh() / root,
                _ => (root * radial).sin() / root,
            };
            let found = transverse_distance(c, z) / HUBBLE_LENGTH;
            assert_within(&format!("S({z}), {c:?}"), (found / transverse - 1.0).abs(), DISTANCE);
        }
    }
}

/// D up to a constant, and f = dlnD/dlna, with a cosmological constant: D = E Int_0^a da' / (a' E)^3
/// (Heath 1977), integrated over the root of a'.
fn heath(c: &Cosmology, a: f64) -> [f64; 2] {
    let matter = c.omega_c + c.omega_b;
    let lambda = 1.0 - matter - c.omega_k;
    let integrand = |root: f64| {
        let a = root * root;
        2.0 * root.powi(4) / (matter + c.omega_k * a + lambda * a.powi(3)).powf(1.5)
    };
    let integral = simpson(integrand, a.sqrt(), 1000);
    let e = expansion(c, a);
    let slope = -(1.5 * matter / a.powi(3) + c.omega_k / a.powi(2)) / (e * e);
    [e * integral, slope + 1.0 / (a * a * e.powi(3) * integral)]
}

#[test]
fn growth_in_curved_universes_is_heaths_integral() {
    for c in curved() {
        let (growth, [today, _]) = (Growth::solve(&c), heath(&c, 1.0));
        for a in [0.05, 0.1, 0.2, 0.4, 0.7, 1.0] {
            let [factor, rate] = heath(&c, a);
            let what = |name| format!("{name}({a}), Omega_k = {}", c.omega_k);
            assert_within(&what("D"), (growth.factor(a) * today / factor - 1.0).abs(), GROWTH);
            assert_within(&what("f"), (growth.rate(a) / rate - 1.0).abs(), GROWTH);
        }
    }
}

/// D_1 up to a constant, f, and D_2 / D_1^2: Runge-Kutta in ln a from a = 1e-5 of D_1, D_2 and
/// their momenta p = a^2 dD/dt, in units of the Hubble time, for which
/// dp_1/dt = (3/2) Omega_m D_1 / a and dp_2/dt = (3/2) Omega_m D_2 / a + (p_1 / a)^2.
fn integrate(c: &Cosmology, end: f64) -> [f64; 3] {
    const START: f64 = 1e-5;
    const STEPS: usize = 4000;
    let pull = 1.5 * (c.omega_c + c.omega_b);
    let slope = |log_a: f64, [d_1, p_1, d_2, p_2]: [f64; 4]| {
        let a = log_a.exp();
        let e = expansion(c, a);
        let drift = 1.0 / (a * a * e);
        [
            p_1 * drift,
            pull * d_1 / (a * e),
            p_2 * drift,
            pull * d_2 / (a * e) + (p_1 / a).powi(2) / e,
        ]
    };
    let step = (end / START).ln() / STEPS as f64;
    let speed = START.powi(2) * expansion(c, START);
    let mut state =
        [START, speed * START, 2.0 / 7.0 * START.powi(2), 4.0 / 7.0 * speed * START.powi(2)];
    for i in 0..STEPS {
        let log_a = START.ln() + step * i as f64;
        let moved =
            |by: f64, k: [f64; 4]| -> [f64; 4] { std::array::from_fn(|i| state[i] + by * k[i]) };
        let k_1 = slope(log_a, state);
        let k_2 = slope(log_a + 0.5 * step, moved(0.5 * step, k_1));
        let k_3 = slope(log_a + 0.5 * step, moved(0.5 * step, k_2));
        let k_4 = slope(log_a + step, moved(step, k_3));
        state = std::array::from_fn(|i| {
            state[i] + step / 6.0 * (k_1[i] + 2.0 * (k_2[i] + k_3[i]) + k_4[i])
        });
    }
    let [d_1, p_1, d_2, _] = state;
    [d_1, p_1 / (end.powi(2) * expansion(c, end) * d_1), d_2 / (d_1 * d_1)]
}

#[test]
fn growth_with_running_dark_energy_agrees_with_the_equations_of_motion() {
    for c in curved().iter().chain(&running()) {
        let (growth, [today, ..]) = (Growth::solve(c), integrate(c, 1.0));
        for a in [0.05, 0.1, 0.2, 0.4, 0.7, 1.0] {
            let [factor, rate, second_order] = integrate(c, a);
            let what = |name| format!("{name}({a}), {c:?}");
            assert_within(&what("D_1"), (growth.factor(a) * today / factor - 1.0).abs(), GROWTH);
            assert_within(&what("f"), (growth.rate(a) / rate - 1.0).abs(), GROWTH);
            let ratio = growth.second_order_ratio(a) / second_order;
            // The library starts at a = 1e-3 with the ratio of a universe of matter alone; the error
            // of that, of order 1e-3 Omega_k / Omega_m there, decays as 1 / a.
            assert_within(&what("D_2 / D_1^2"), (ratio - 1.0).abs(), 5e-6 / a);
        }
    }
}
