//! Growth of structure: first order D_1(a), its rate, and second order D_2(a).
//!
//! With ' = d/dln a and source S = (3/2) Omega_m(a):
//! D_1'' + (2 + dlnE/dlna) D_1' - S D_1 = 0,
//! D_2'' + (2 + dlnE/dlna) D_2' - S D_2 = (D_1')^2,
//! started in the matter era at a = 1e-3 with D_1 = a, D_2 = (2/7) a^2. Solved by Runge-Kutta of
//! order four on a fixed grid in ln a, interpolated by quintic Hermite polynomials, so that the
//! result is a smooth function of the parameters.

use autodiff::Real;

use crate::Cosmology;
use crate::background::dark_energy_density;

/// Scale factor where the equations are started.
const START: f64 = 1e-3;
/// Number of Runge-Kutta steps from there to today; the error is below 1e-7.
const STEPS: usize = 128;

/// D_1, D_1', D_2, D_2'.
type State<R> = [R; 4];

/// The solved growth equations of one cosmology.
#[derive(Clone, Debug)]
pub struct Growth<R> {
    /// At each grid point D_1 and D_2 with two derivatives each.
    first: Vec<[R; 3]>,
    second: Vec<[R; 3]>,
}

impl<R: Real> Growth<R> {
    /// Solves the growth equations.
    #[must_use]
    pub fn solve(c: &Cosmology<R>) -> Self {
        let step = step();
        let coefficients: Vec<(R, R)> = (0..=2 * STEPS)
            .map(|i| friction_and_source(c, (START.ln() + 0.5 * step * i as f64).exp()))
            .collect();
        let mut state: State<R> =
            [START, START, 2.0 / 7.0 * START * START, 4.0 / 7.0 * START * START].map(R::from);
        let mut growth =
            Self { first: Vec::with_capacity(STEPS + 1), second: Vec::with_capacity(STEPS + 1) };
        growth.record(&state, coefficients[0]);
        for stages in coefficients.windows(3).step_by(2) {
            let k1 = slope(&state, stages[0]);
            let k2 = slope(&advance(&state, &k1, 0.5 * step), stages[1]);
            let k3 = slope(&advance(&state, &k2, 0.5 * step), stages[1]);
            let k4 = slope(&advance(&state, &k3, step), stages[2]);
            for i in 0..4 {
                state[i] += (k1[i] + (k2[i] + k3[i]) * 2.0 + k4[i]) * (step / 6.0);
            }
            growth.record(&state, stages[2]);
        }
        growth
    }

    /// Linear growth factor D_1(a) / D_1(1).
    #[must_use]
    pub fn factor(&self, a: f64) -> R {
        interpolate(&self.first, a, 0) / self.first[STEPS][0]
    }

    /// Growth rate f = dln D_1 / dln a.
    #[must_use]
    pub fn rate(&self, a: f64) -> R {
        interpolate(&self.first, a, 1) / interpolate(&self.first, a, 0)
    }

    /// D_2(a) / D_1(a)^2: 2/7 in a universe of matter alone.
    #[must_use]
    pub fn second_order_ratio(&self, a: f64) -> R {
        let first = interpolate(&self.first, a, 0);
        interpolate(&self.second, a, 0) / (first * first)
    }

    fn record(&mut self, state: &State<R>, coefficients: (R, R)) {
        let slope = slope(state, coefficients);
        self.first.push([state[0], state[1], slope[1]]);
        self.second.push([state[2], state[3], slope[3]]);
    }
}

fn step() -> f64 {
    -START.ln() / STEPS as f64
}

/// 2 + dlnE/dlna and (3/2) Omega_m(a).
fn friction_and_source<R: Real>(c: &Cosmology<R>, a: f64) -> (R, R) {
    let matter = c.omega_m() * a.powi(-3);
    let curvature = c.omega_k * a.powi(-2);
    let dark_energy = dark_energy_density(c, a);
    let inverse = (matter + curvature + dark_energy).recip();
    let w = c.w_0 + c.w_a * (1.0 - a);
    let slope = matter * -3.0 + curvature * -2.0 - dark_energy * (w + 1.0) * 3.0;
    (slope * inverse * 0.5 + 2.0, matter * inverse * 1.5)
}

fn slope<R: Real>(state: &State<R>, (friction, source): (R, R)) -> State<R> {
    let [first, first_rate, second, second_rate] = *state;
    [
        first_rate,
        source * first - friction * first_rate,
        second_rate,
        source * second - friction * second_rate + first_rate * first_rate,
    ]
}

fn advance<R: Real>(state: &State<R>, slope: &State<R>, step: f64) -> State<R> {
    std::array::from_fn(|i| state[i] + slope[i] * step)
}

/// Quintic Hermite interpolation of a function (`derivative` = 0) or of its slope (1) at `a`,
/// held at its first value before the start of the grid.
fn interpolate<R: Real>(grid: &[[R; 3]], a: f64, derivative: usize) -> R {
    let h = step();
    let position = ((a.ln() - START.ln()) / h).max(0.0);
    let cell = (position as usize).min(STEPS - 1);
    let t = position - cell as f64;
    let u = 1.0 - t;
    // Basis functions of the left end (value, slope, curvature); the right end mirrors them.
    let basis = |t: f64, u: f64| match derivative {
        0 => [
            u.powi(3) * (1.0 + 3.0 * t + 6.0 * t * t),
            h * t * u.powi(3) * (1.0 + 3.0 * t),
            0.5 * h * h * t * t * u.powi(3),
        ],
        _ => [
            -30.0 * t * t * u * u / h,
            u * u * (1.0 + 2.0 * t - 15.0 * t * t),
            0.5 * h * t * u * u * (2.0 - 5.0 * t),
        ],
    };
    let (left, right) = (basis(t, u), basis(u, t));
    let mut sum = R::from(0.0);
    for i in 0..3 {
        let mirror = if (i + derivative).is_multiple_of(2) { 1.0 } else { -1.0 };
        sum += grid[cell][i] * left[i] + grid[cell + 1][i] * (mirror * right[i]);
    }
    sum
}
