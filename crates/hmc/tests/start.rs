//! Starting points: finite ones among candidates, and climbing from there.

mod targets;

use hmc::{AscentSettings, Error, LogDensity, LogDensityError, ascend, first_finite};
use targets::Normal;

#[derive(Debug, thiserror::Error)]
#[error("x_0 = {0} is not positive")]
struct NotPositive(f64);

impl LogDensityError for NotPositive {
    fn is_recoverable(&self) -> bool {
        self.0 > -100.0
    }
}

/// Rosenbrock's valley, defined for `x_0 > 0` only; fatal below -100.
struct Valley;

impl LogDensity for Valley {
    type Error = NotPositive;

    fn dim(&self) -> usize {
        2
    }

    fn log_density_and_gradient(&mut self, x: &[f64], g: &mut [f64]) -> Result<f64, NotPositive> {
        if x[0] <= 0.0 {
            return Err(NotPositive(x[0]));
        }
        let (a, b) = (1.0 - x[0], x[1] - x[0] * x[0]);
        g[0] = 2.0 * a + 400.0 * b * x[0];
        g[1] = -200.0 * b;
        Ok(-a * a - 100.0 * b * b)
    }
}

fn exact() -> AscentSettings {
    AscentSettings { tolerance: 1e-16, iterations: 500, ..AscentSettings::default() }
}

#[test]
fn finds_the_end_of_the_curved_valley() {
    let top = ascend(&mut Valley, vec![0.1, 3.0], &exact(), |_, _| true).unwrap();
    assert!(top.converged, "{top:?}");
    assert!(
        (top.position[0] - 1.0).abs() < 1e-6 && (top.position[1] - 1.0).abs() < 1e-6,
        "{top:?}"
    );
    assert!(top.gradients < 120, "{top:?}");
}

#[test]
fn finds_the_mean_of_a_correlated_normal() {
    let mut target = Normal::autoregressive(50, 0.95);
    target.mean = (0..50).map(|i| f64::from(i) * 0.1).collect();
    let top = ascend(&mut target, vec![20.0; 50], &exact(), |_, _| true).unwrap();
    for (q, m) in top.position.iter().zip(&target.mean) {
        assert!((q - m).abs() < 1e-5, "{q} {m}");
    }
}

#[test]
fn every_iteration_gains_and_the_observer_can_stop() {
    let mut heights = vec![f64::NEG_INFINITY];
    let top = ascend(&mut Valley, vec![0.1, 3.0], &exact(), |iteration, height| {
        assert_eq!(iteration, heights.len());
        assert!(height > *heights.last().unwrap());
        heights.push(height);
        iteration < 7
    })
    .unwrap();
    assert_eq!((top.iterations, top.converged), (7, false));
    assert_eq!(top.log_density, heights[7]);
}

#[test]
fn starts_that_fail() {
    let from = |x: f64| ascend(&mut Valley, vec![x, 0.0], &exact(), |_, _| true).unwrap_err();
    assert!(matches!(from(-1.0), Error::Start { .. }));
    assert!(matches!(from(-200.0), Error::Density { source: NotPositive(-200.0), .. }));
    let short = ascend(&mut Valley, vec![1.0], &exact(), |_, _| true).unwrap_err();
    assert!(matches!(short, Error::Dimension { expected: 2, found: 1, .. }));
    // the maximum itself
    let top = ascend(&mut Valley, vec![1.0, 1.0], &exact(), |_, _| true).unwrap();
    assert!(top.converged && top.gradients == 1);
}

#[test]
fn first_finite_candidate_is_taken() {
    let candidate = |attempt| vec![attempt as f64 - 3.0, 1.0];
    assert_eq!(first_finite(&mut Valley, candidate, 10).unwrap(), [1.0, 1.0]);
    let none = first_finite(&mut Valley, candidate, 4).unwrap_err();
    assert!(matches!(none, Error::NoStart { tried: 4 }), "{none}");
    let fatal = first_finite(&mut Valley, |_| vec![-150.0, 0.0], 4).unwrap_err();
    assert!(matches!(fatal, Error::Density { .. }), "{fatal}");
    let short = first_finite(&mut Valley, |_| vec![], 4).unwrap_err();
    assert!(matches!(short, Error::Dimension { .. }), "{short}");
}
