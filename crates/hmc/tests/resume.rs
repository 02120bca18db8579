//! A chain saved after any transition goes on bit for bit, in both phases and through JSON.

mod targets;

use hmc::{
    Chain, ChainState, Draw, Error, Integrator, Kernel, Metric, MetricSettings, Refreshment,
    Settings, TrajectoryLength,
};
use targets::Normal;

fn settings() -> Vec<Settings> {
    let nuts = Settings { warmup: 60, ..Settings::default() };
    let dense = Settings {
        integrator: Integrator::ExactNormal,
        metric: MetricSettings { dense: 2, adapted: Some(3) },
        ..nuts.clone()
    };
    let trajectory = TrajectoryLength::Time(1.5);
    let hmc = Settings { kernel: Kernel::Hmc { trajectory }, ..nuts.clone() };
    let unadapted = Settings { warmup: 0, initial_step: Some(0.3), ..nuts.clone() };
    let mams = Settings { warmup: 60, ..Settings::mams() };
    let refreshment = Refreshment::Langevin;
    let langevin = Settings {
        kernel: Kernel::Mams { length: Some(1.2), refreshment },
        metric: MetricSettings { dense: 2, adapted: Some(3) },
        ..mams.clone()
    };
    let mclmc = Settings { warmup: 60, jitter: 0.1, ..Settings::mclmc() };
    let thinned = Settings {
        kernel: Kernel::Mclmc { length: None, energy_variance: 1e-3, steps: 3 },
        integrator: Integrator::ExactNormal,
        metric: MetricSettings { dense: 2, adapted: Some(3) },
        ..mclmc.clone()
    };
    let unadapted_mclmc = Settings { warmup: 0, initial_step: Some(0.3), ..mclmc.clone() };
    vec![nuts, dense, hmc, unadapted, mams, langevin, mclmc, thinned, unadapted_mclmc]
}

fn target() -> Normal {
    Normal::autoregressive(4, 0.7)
}

fn chain(settings: &Settings) -> Chain<Normal> {
    Chain::new(target(), vec![0.3; 4], settings.clone(), 5, 2).unwrap()
}

fn through_json(state: &ChainState) -> ChainState {
    serde_json::from_str(&serde_json::to_string(state).unwrap()).unwrap()
}

fn advance(chain: &mut Chain<Normal>, count: usize) -> Vec<Draw> {
    (0..count).map(|_| chain.advance().unwrap()).collect()
}

#[test]
fn every_transition_can_be_the_last_before_a_kill() {
    for settings in settings() {
        let mut whole = chain(&settings);
        let draws = advance(&mut whole, 100);
        for killed in [0, 1, 8, 9, 25, 50, 51, 59, 60, 61, 99] {
            let mut first = chain(&settings);
            advance(&mut first, killed);
            let mut second = Chain::resume(target(), through_json(first.state())).unwrap();
            assert_eq!(advance(&mut second, 100 - killed), draws[killed..], "{killed}");
            assert_eq!(second.state(), whole.state(), "{killed} {settings:?}");
        }
        // and saving at every single transition
        let mut interrupted = chain(&settings);
        for draw in &draws {
            interrupted = Chain::resume(target(), through_json(interrupted.state())).unwrap();
            assert_eq!(interrupted.advance().unwrap(), *draw);
        }
    }
}

#[test]
fn chains_differ_in_their_random_numbers_only() {
    let settings = Settings { warmup: 0, initial_step: Some(0.5), ..Settings::default() };
    let position = |seed, index| {
        let mut chain = Chain::new(target(), vec![0.3; 4], settings.clone(), seed, index).unwrap();
        advance(&mut chain, 3);
        chain.state().position().to_vec()
    };
    assert_eq!(position(1, 0), position(1, 0));
    assert_ne!(position(1, 0), position(1, 1));
    assert_ne!(position(1, 0), position(2, 0));
}

#[test]
fn a_state_that_does_not_fit_is_refused() {
    let state = chain(&settings()[0]).state().clone();
    let error = Chain::resume(Normal::standard(5), state.clone()).unwrap_err();
    assert!(
        matches!(error, Error::Dimension { what: "position", expected: 5, found: 4 }),
        "{error}"
    );

    let tampered = |from: &str, to: &str| {
        let json = serde_json::to_string(&state).unwrap();
        assert!(json.contains(from), "{json}");
        let state = serde_json::from_str(&json.replacen(from, to, 1)).unwrap();
        Chain::resume(target(), state).unwrap_err()
    };
    let error = tampered("\"draws\":0", "\"draws\":60");
    assert!(matches!(error, Error::State { .. }), "{error}");
    let error = tampered("\"scale\":[1.0,", "\"scale\":[-1.0,");
    assert!(matches!(error, Error::Value { what: "metric scale", index: 0, .. }), "{error}");
    let error = tampered("\"scale\":[1.0,", "\"scale\":[1.0,1.0,");
    assert!(matches!(error, Error::Dimension { what: "metric", .. }), "{error}");
    let error = tampered("\"jitter\":0.1", "\"jitter\":2.0");
    assert!(matches!(error, Error::Setting { field: "jitter", .. }), "{error}");
    assert!(serde_json::from_str::<ChainState>("{}").is_err());

    // a direction that is none, and a microcanonical state for another kernel
    let state = chain(&Settings::mclmc()).state().clone();
    let mut json: serde_json::Value = serde_json::to_value(&state).unwrap();
    let refused = |json: &serde_json::Value| {
        let state = serde_json::from_value(json.clone()).unwrap();
        matches!(Chain::resume(target(), state), Err(Error::State { .. }))
    };
    assert!(!refused(&json));
    json["microcanonical"]["unadjusted"]["direction"][0] = 2.0.into();
    assert!(refused(&json));
    json["microcanonical"] = serde_json::Value::Null;
    assert!(refused(&json));
}

#[test]
fn impossible_starts_are_refused() {
    let new = |position| Chain::new(target(), position, Settings::default(), 0, 0).unwrap_err();
    assert!(matches!(new(vec![0.0; 3]), Error::Dimension { expected: 4, found: 3, .. }));
    assert!(matches!(new(vec![0.0, f64::NAN, 0.0, 0.0]), Error::Value { index: 1, .. }));
    assert!(matches!(new(vec![1e300; 4]), Error::Start { .. }));
    let metric = Metric::diagonal(vec![0.0; 4], vec![1.0, 0.0, 1.0, 1.0]);
    let error = Chain::with_metric(target(), vec![0.0; 4], metric, Settings::default(), 0, 0);
    assert!(matches!(error.unwrap_err(), Error::Value { what: "metric scale", index: 1, .. }));
    let metric = Metric::identity(4).with_leading_covariance(&[1.0, 0.0, 0.0, 1.0]).unwrap();
    let error = Chain::with_metric(target(), vec![0.0; 4], metric, Settings::default(), 0, 0);
    assert!(matches!(error.unwrap_err(), Error::Setting { field: "metric.dense", .. }));
}
