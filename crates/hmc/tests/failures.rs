//! Densities that cannot be evaluated everywhere.

mod targets;

use hmc::{Chain, Error, Integrator, Kernel, LogDensity, LogDensityError, Refreshment, Settings};
use targets::{assert_mean, mean_and_error, sample};

/// How evaluation fails at the edge.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Failure {
    Recoverable,
    Fatal,
    NanDensity,
    InfiniteDensity,
    NanGradient,
}

#[derive(Debug, thiserror::Error)]
#[error("x = {x} is outside the domain")]
struct Outside {
    x: f64,
    recoverable: bool,
}

impl LogDensityError for Outside {
    fn is_recoverable(&self) -> bool {
        self.recoverable
    }
}

/// A standard normal of two coordinates, the first restricted to `x > edge`.
#[derive(Clone)]
struct HalfNormal {
    edge: f64,
    failure: Failure,
}

impl LogDensity for HalfNormal {
    type Error = Outside;

    fn dim(&self) -> usize {
        2
    }

    fn log_density_and_gradient(&mut self, q: &[f64], g: &mut [f64]) -> Result<f64, Outside> {
        let x = q[0];
        g[0] = -x;
        g[1] = -q[1];
        let log_density = -0.5 * (x * x + q[1] * q[1]);
        if x > self.edge {
            return Ok(log_density);
        }
        match self.failure {
            Failure::Recoverable => Err(Outside { x, recoverable: true }),
            Failure::Fatal => Err(Outside { x, recoverable: false }),
            Failure::NanDensity => Ok(f64::NAN),
            Failure::InfiniteDensity => Ok(f64::NEG_INFINITY),
            Failure::NanGradient => {
                g[1] = f64::NAN;
                Ok(log_density)
            }
        }
    }
}

fn settings() -> Settings {
    Settings { warmup: 200, ..Settings::default() }
}

#[test]
fn recoverable_failures_are_divergences_and_keep_the_target() {
    let langevin = Kernel::Mams { length: None, refreshment: Refreshment::Langevin };
    let mams = Settings { warmup: 200, ..Settings::mams() };
    let leapfrog = Settings { kernel: langevin, integrator: Integrator::Leapfrog, ..mams.clone() };
    for settings in [settings(), mams, leapfrog] {
        let run = |failure| {
            let target = HalfNormal { edge: 0.0, failure };
            let (draws, chain) = sample(target, vec![0.5, 0.0], settings.clone(), 20_000, (1, 0));
            (draws, chain.state().divergences())
        };
        let (draws, divergences) = run(Failure::Recoverable);
        assert!(divergences > 1000, "{divergences}");
        assert_mean("half normal", draws.iter().map(|q| q[0]), MEAN, 5.0);
        assert_mean("square", draws.iter().map(|q| q[0] * q[0]), 1.0, 5.0);
        for failure in [Failure::NanDensity, Failure::InfiniteDensity, Failure::NanGradient] {
            assert!(run(failure) == (draws.clone(), divergences), "{failure:?}");
        }
    }
}

/// Mean of the half normal.
const MEAN: f64 = 0.797_884_560_802_865_4;

#[test]
fn unadjusted_steps_beyond_the_edge_are_taken_back() {
    let target = HalfNormal { edge: 0.0, failure: Failure::NanGradient };
    let kernel = Kernel::Mclmc { length: Some(1.0), energy_variance: 1e-6, steps: 5 };
    let settings = Settings { kernel, ..Settings::mclmc() };
    let (draws, chain) = sample(target, vec![0.5, 0.0], settings, 40_000, (2, 0));
    assert!(chain.state().divergences() > 100);
    assert!(draws.iter().all(|q| q[0] > 0.0));
    // a direction taken back keeps the target; what bias there is comes from the steps
    let (mean, error) = mean_and_error(draws.iter().map(|q| q[0]));
    assert!((mean - MEAN).abs() < 0.02 + 4.0 * error, "{mean} +- {error}");
    let (square, error) = mean_and_error(draws.iter().map(|q| q[1] * q[1]));
    assert!((square - 1.0).abs() < 0.02 + 4.0 * error, "{square} +- {error}");
}

#[test]
fn fatal_failures_stop_the_chain_with_their_error() {
    let exact = Settings { integrator: Integrator::ExactNormal, ..settings() };
    for settings in [settings(), exact, Settings::mams(), Settings::mclmc()] {
        let target = HalfNormal { edge: -1.0, failure: Failure::Fatal };
        let settings = Settings { initial_step: Some(0.3), ..settings };
        let mut chain = Chain::new(target, vec![0.5, 0.0], settings, 1, 0).unwrap();
        let error = loop {
            match chain.advance() {
                Ok(draw) => assert!(!draw.divergent),
                Err(error) => break error,
            }
        };
        let Error::Density { draw, source } = &error else { panic!("{error}") };
        assert_eq!(*draw, chain.state().draws());
        assert!(source.x <= -1.0);
        assert!(error.to_string().contains("outside the domain"), "{error}");
        assert!(chain.state().position()[0] > -1.0);
    }
}

#[test]
fn failures_at_the_start() {
    let new = |failure| {
        let target = HalfNormal { edge: 0.0, failure };
        Chain::new(target, vec![-0.5, 0.0], settings(), 1, 0).unwrap_err()
    };
    assert!(matches!(new(Failure::Fatal), Error::Density { draw: 0, .. }));
    for failure in [Failure::Recoverable, Failure::NanDensity, Failure::InfiniteDensity] {
        let error = new(failure);
        assert!(matches!(error, Error::Start { .. }), "{error}");
    }
    let error = new(Failure::NanGradient);
    assert!(matches!(error, Error::Start { gradient_norm, .. } if gradient_norm.is_nan()));
}

/// A density with a wrong gradient: no step size conserves the energy.
struct Inconsistent;

impl LogDensity for Inconsistent {
    type Error = Outside;

    fn dim(&self) -> usize {
        1
    }

    fn log_density_and_gradient(&mut self, q: &[f64], g: &mut [f64]) -> Result<f64, Outside> {
        g[0] = 0.0;
        Ok(if q[0] == 0.25 { 0.0 } else { -1e6 })
    }
}

#[test]
fn a_discontinuous_density_has_no_step_size() {
    let error = Chain::new(Inconsistent, vec![0.25], settings(), 1, 0).unwrap_err();
    assert!(matches!(error, Error::StepSize { .. }), "{error}");
}
