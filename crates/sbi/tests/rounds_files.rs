//! Rounds that are stopped and continued, and what they refuse.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use burn::tensor::Device;
use ndarray::Array2;
use rand_distr::{Distribution, StandardNormal};
use sbi::prior::{Marginal, Prior};
use sbi::rounds::{
    Method, ProposalReport, Rounds, RoundsSettings, RunPlan, SnpeSettings, SnreSettings,
    TsnpeSettings,
};
use sbi::simulations::{OnFault, Policy, Progress, Simulations, simulate};
use sbi::simulator::{self, Simulator};
use sbi::{
    Coordinates, Error, Estimator, Family, FitProgress, Fitting, NpeSettings, NreSettings,
    SampleSettings, Sampling, nre,
};

fn network() -> NpeSettings {
    let mut settings = NpeSettings::default();
    settings.flow.family = Family::Affine;
    settings.flow.layers = Some(2);
    settings.flow.hidden = Some(vec![16]);
    settings.fit.training.batch = 50;
    settings.fit.training.learning_rate = 5e-3;
    settings.fit.training.max_steps = 120;
    settings
}

fn snpe() -> RoundsSettings {
    let settings = SnpeSettings { npe: network(), prior_fraction: 0.2, ..SnpeSettings::default() };
    RoundsSettings::new(Method::Snpe(settings))
}

fn tsnpe() -> RoundsSettings {
    let settings = TsnpeSettings { npe: network(), draws: 2000, ..TsnpeSettings::default() };
    RoundsSettings::new(Method::Tsnpe(settings))
}

fn ratio() -> NreSettings {
    let mut settings = NreSettings::default();
    settings.ratio.hidden = vec![16];
    settings.fit.training.max_steps = 120;
    settings
}

fn snre() -> RoundsSettings {
    let sampling =
        SampleSettings { chains: Some(10), prior_draws: 500, points: 200, ..Default::default() };
    let settings = SnreSettings { nre: ratio(), sampling, ..SnreSettings::default() };
    RoundsSettings::new(Method::Snre(settings))
}

fn normal_prior() -> Prior {
    let normal = Marginal::Normal { mean: 0.0, sd: 1.0 };
    Prior::new([("a", normal.clone()), ("b", normal)]).unwrap()
}

/// Adds noise of 1/10, counts its calls, and fails at a call of choice.
struct Noisy<'a> {
    calls: &'a AtomicU64,
}

impl Simulator for Noisy<'_> {
    type Error = std::convert::Infallible;

    fn parameters(&self) -> usize {
        2
    }

    fn observables(&self) -> usize {
        2
    }

    fn simulate(
        &self,
        theta: &[f64],
        rng: &mut rand_chacha::ChaCha8Rng,
    ) -> Result<simulator::Simulation, Self::Error> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let noise: [f64; 2] = [StandardNormal.sample(rng), StandardNormal.sample(rng)];
        let x = vec![theta[0] + 0.1 * noise[0], theta[1] + 0.1 * noise[1]];
        Ok(simulator::Simulation { x, score: None })
    }
}

const OBSERVATION: [f64; 2] = [0.7, -0.4];
const PLAN: RunPlan = RunPlan {
    rounds: 3,
    simulations: 200,
    seed: 5,
    policy: Policy { non_finite: OnFault::Error, failed: OnFault::Error },
};

/// Runs until the observer of trainings or that of simulations stops it.
fn run(
    rounds: &mut Rounds,
    simulator: &impl Simulator,
    plan: &RunPlan,
    mut stop_training: impl FnMut(usize) -> bool,
    stop_simulating: impl Fn(u64) -> bool + Sync,
) -> sbi::Result<()> {
    let device = Device::flex();
    let mut observer = |progress: &FitProgress| match stop_training(progress.training.step) {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    };
    let mut fitting = Fitting { device: &device, checkpoints: None, observer: &mut observer };
    let watch = |progress: Progress| match stop_simulating(progress.done) {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    };
    rounds.run(simulator, plan, &watch, &mut fitting).map(|_| ())
}

fn open(folder: &Path, settings: RoundsSettings) -> sbi::Result<Rounds> {
    Rounds::open(folder, &normal_prior(), &OBSERVATION, settings, &Device::flex())
}

fn draws(rounds: &Rounds) -> Array2<f64> {
    rounds.posterior().unwrap().sample(200, 3).unwrap().theta
}

#[test]
fn a_stopped_run_continues_to_the_same_result() {
    for settings in [snpe(), tsnpe(), snre()] {
        let calls = AtomicU64::new(0);
        let simulator = Noisy { calls: &calls };
        let mut whole = Rounds::new(&normal_prior(), &OBSERVATION, settings.clone()).unwrap();
        run(&mut whole, &simulator, &PLAN, |_| false, |_| false).unwrap();
        assert_eq!(calls.swap(0, Ordering::Relaxed), 600);

        let folder = tempfile::tempdir().unwrap();
        // within the training of the second round
        let mut rounds = open(folder.path(), settings.clone()).unwrap();
        let mut steps = 0;
        let stop = |_| {
            steps += 1;
            steps == 150
        };
        let error = run(&mut rounds, &simulator, &PLAN, stop, |_| false).unwrap_err();
        assert!(matches!(error, Error::Network(flows::Error::Stopped { step: 30 })), "{error}");
        assert_eq!((rounds.finished(), rounds.simulations().len()), (1, 2));
        // within the simulations of the third
        let mut rounds = open(folder.path(), settings.clone()).unwrap();
        assert_eq!((rounds.finished(), rounds.simulations().len()), (1, 2));
        let first = std::cell::Cell::new(usize::MAX);
        let stop = |step| {
            first.set(first.get().min(step));
            false
        };
        let error = run(&mut rounds, &simulator, &PLAN, stop, |done| done == 105).unwrap_err();
        assert!(matches!(error, Error::Stopped { total: 200, .. }), "{error}");
        assert_eq!(first.get(), 31, "the training goes on where it was stopped");
        assert_eq!(rounds.finished(), 2);
        // to the end
        let mut rounds = open(folder.path(), settings.clone()).unwrap();
        run(&mut rounds, &simulator, &PLAN, |_| false, |_| false).unwrap();
        let made = calls.swap(0, Ordering::Relaxed);
        assert!((600..=610).contains(&made), "only a shard is made again: {made}");
        assert_eq!(rounds.simulations(), whole.simulations());
        assert_eq!(rounds.reports(), whole.reports());
        assert_eq!(draws(&rounds), draws(&whole));
        // nothing is left to do
        let mut rounds = open(folder.path(), settings.clone()).unwrap();
        run(&mut rounds, &simulator, &PLAN, |_| true, |_| true).unwrap();
        assert_eq!(calls.load(Ordering::Relaxed), 0);
        assert_eq!(rounds.reports(), whole.reports());
        assert_eq!(draws(&rounds), draws(&whole));
        // another seed gives others
        let mut other = Rounds::new(&normal_prior(), &OBSERVATION, settings).unwrap();
        let plan = RunPlan { rounds: 1, seed: 6, ..PLAN };
        run(&mut other, &simulator, &plan, |_| false, |_| false).unwrap();
        assert_ne!(other.simulations()[0], whole.simulations()[0]);
    }
}

#[test]
fn a_folder_of_other_rounds_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path(), snpe()).unwrap();
    let error = open(folder.path(), tsnpe()).unwrap_err();
    assert!(matches!(&error, Error::File { reason, .. } if reason.contains("another settings")));
    let prior = Prior::new([("a", Marginal::Normal { mean: 0.0, sd: 2.0 })]).unwrap();
    let device = Device::flex();
    let error = Rounds::open(folder.path(), &prior, &OBSERVATION, snpe(), &device).unwrap_err();
    assert!(matches!(&error, Error::File { reason, .. } if reason.contains("another prior")));
    std::fs::write(folder.path().join("rounds.json"), "{").unwrap();
    assert!(matches!(open(folder.path(), snpe()), Err(Error::File { .. })));
    std::fs::write(folder.path().join("rounds.json"), r#"{"format": 7}"#).unwrap();
    let error = open(folder.path(), snpe()).unwrap_err();
    assert!(error.to_string().contains('7'), "{error}");
}

/// The estimator of a round replaced by another.
#[test]
fn an_estimator_of_another_kind_is_refused() {
    let calls = AtomicU64::new(0);
    let (simulator, device) = (Noisy { calls: &calls }, Device::flex());
    let folder = tempfile::tempdir().unwrap();
    let mut rounds = open(folder.path(), snpe()).unwrap();
    let plan = RunPlan { rounds: 1, ..PLAN };
    run(&mut rounds, &simulator, &plan, |_| false, |_| false).unwrap();
    let path = folder.path().join("round-000/estimator.safetensors");
    assert!(Estimator::load(&path, &device).is_ok());
    let mut observer = |_: &FitProgress| ControlFlow::Continue(());
    let mut fitting = Fitting { device: &device, checkpoints: None, observer: &mut observer };
    let other = nre(&normal_prior(), &rounds.simulations()[0], &ratio(), &mut fitting).unwrap();
    other.save(&path).unwrap();
    let error = open(folder.path(), snpe()).unwrap_err();
    assert!(matches!(&error, Error::File { reason, .. } if reason.contains("method")), "{error}");
    std::fs::write(&path, b"half a fi").unwrap();
    assert!(open(folder.path(), snpe()).is_err());
}

#[test]
fn simulations_may_be_made_elsewhere() {
    let calls = AtomicU64::new(0);
    let (simulator, device) = (Noisy { calls: &calls }, Device::flex());
    let mut observer = |_: &FitProgress| ControlFlow::Continue(());
    let mut fitting = Fitting { device: &device, checkpoints: None, observer: &mut observer };
    let mut rounds = Rounds::new(&normal_prior(), &OBSERVATION, snpe()).unwrap();
    assert!(matches!(rounds.posterior(), Err(Error::TooFew { .. })));
    for round in 0..2 {
        let proposal = rounds.proposal(100, round).unwrap();
        assert_eq!(proposal, rounds.proposal(100, round).unwrap());
        let watch = |_| ControlFlow::Continue(());
        let set = simulate(&simulator, &proposal, 0..100, round, Policy::default(), &watch);
        let set = set.unwrap();
        assert_eq!(set.theta(), proposal.theta());
        // some got lost
        let report = rounds.tell(set.first(90).unwrap(), &mut fitting).unwrap();
        assert_eq!(report.simulations, 90);
        match report.proposal.as_ref().unwrap() {
            ProposalReport::Prior => assert_eq!(round, 0),
            ProposalReport::Posterior { from_prior, sampling } => {
                assert!((8..35).contains(from_prior), "{from_prior}");
                let direct = Sampling::Direct { proposed: 100, leakage: 0.0 };
                assert_eq!(*sampling, direct);
            }
            other => panic!("{other:?}"),
        }
    }
    let before = rounds.reports().to_vec();
    let columns = |theta: Array2<f64>, x: Array2<f64>| Simulations::new(theta, x, None).unwrap();
    let wide = columns(Array2::zeros((5, 2)), Array2::zeros((5, 3)));
    assert!(matches!(rounds.tell(wide, &mut fitting), Err(Error::Shape { .. })));
    let one = columns(Array2::zeros((1, 2)), Array2::zeros((1, 2)));
    assert!(matches!(rounds.tell(one, &mut fitting), Err(Error::TooFew { .. })));
    assert_eq!(rounds.reports(), before);
    assert!(matches!(rounds.proposal(0, 1), Err(Error::Setting { field: "count", .. })));
}

#[test]
fn settings_out_of_their_domain_are_named() {
    let refused = |method: Method, expected: &str| {
        let settings = RoundsSettings::new(method);
        let error = Rounds::new(&normal_prior(), &OBSERVATION, settings).unwrap_err();
        assert!(matches!(&error, Error::Setting { field, .. } if *field == expected), "{error}");
    };
    let snpe = SnpeSettings::default();
    refused(Method::Snpe(SnpeSettings { atoms: 1, ..snpe.clone() }), "atoms");
    refused(Method::Snpe(SnpeSettings { prior_fraction: 1.5, ..snpe }), "prior_fraction");
    let tsnpe = TsnpeSettings::default();
    refused(Method::Tsnpe(TsnpeSettings { quantile: 0.7, ..tsnpe.clone() }), "quantile");
    refused(Method::Tsnpe(TsnpeSettings { budget: 0, ..tsnpe }), "budget");
    let mut snre = SnreSettings { prior_fraction: -0.1, ..SnreSettings::default() };
    refused(Method::Snre(snre.clone()), "prior_fraction");
    snre.nre.others = 0;
    refused(Method::Snre(snre), "others");
    let settings = RoundsSettings::new(Method::Tsnpe(TsnpeSettings::default()));
    let error = Rounds::new(&normal_prior(), &[0.0, f64::NAN], settings.clone()).unwrap_err();
    assert!(matches!(error, Error::NotFinite { index: 1, .. }), "{error}");
    let text = serde_json::to_string(&settings).unwrap();
    assert_eq!(serde_json::from_str::<RoundsSettings>(&text).unwrap(), settings);
}

/// Standard deviation of the first parameter.
fn spread(theta: ndarray::ArrayView2<f64>) -> f64 {
    let mean = theta.column(0).sum() / theta.nrows() as f64;
    let squares = theta.column(0).iter().map(|value| (value - mean).powi(2)).sum::<f64>();
    (squares / theta.nrows() as f64).sqrt()
}

#[test]
fn resampling_takes_over_from_rejection() {
    let calls = AtomicU64::new(0);
    let simulator = Noisy { calls: &calls };
    let method = |budget| {
        let npe = network();
        let draws = 2000;
        TsnpeSettings { npe, draws, budget, oversampling: 128, ..TsnpeSettings::default() }
    };
    let mut found = Vec::new();
    for budget in [1000, 1] {
        let settings = RoundsSettings::new(Method::Tsnpe(method(budget)));
        let mut rounds = Rounds::new(&normal_prior(), &OBSERVATION, settings).unwrap();
        let plan = RunPlan { rounds: 1, simulations: 1000, ..PLAN };
        run(&mut rounds, &simulator, &plan, |_| false, |_| false).unwrap();
        let own = spread(draws(&rounds).view());
        let proposal = rounds.proposal(400, 1).unwrap();
        let ProposalReport::Truncated { proposed, accepted, resampled, effective, .. } =
            *proposal.report()
        else {
            panic!("{:?}", proposal.report());
        };
        println!("{proposed} {accepted} {resampled} {effective:?} {own}");
        assert_eq!(accepted + resampled, 400);
        if budget == 1 {
            assert!(proposed == 400 && resampled > 200, "{proposed} {resampled}");
            assert!(effective.is_some_and(|effective| (1.5..128.0).contains(&effective)));
        } else {
            assert_eq!((resampled, effective), (0, None));
        }
        // wider than the posterior, as wide as the other way
        found.push(spread(proposal.theta()));
        assert!(found[0] > 1.5 * own, "{found:?} {own}");
    }
    assert!((found[1] / found[0] - 1.0).abs() < 0.25, "{found:?}");
}

#[test]
fn a_posterior_outside_the_prior_ends_in_an_error() {
    // a prior with edges in coordinates that do not know them, and an observation far outside
    let prior = Prior::new([("a", Marginal::Uniform { lower: 0.0, upper: 1.0 })]).unwrap();
    let simulator = simulator::from_fn(1, 1, |theta, rng| {
        let noise: f64 = StandardNormal.sample(rng);
        vec![theta[0] + 0.05 * noise]
    });
    let begin = Instant::now();
    let mut natural = NpeSettings { coordinates: Coordinates::Natural, ..network() };
    natural.flow.family = Family::AutoregressiveSpline;
    for method in [
        Method::Snpe(SnpeSettings { npe: natural.clone(), ..SnpeSettings::default() }),
        Method::Tsnpe(TsnpeSettings { npe: natural, ..TsnpeSettings::default() }),
    ] {
        let mut rounds = Rounds::new(&prior, &[2.5], RoundsSettings::new(method)).unwrap();
        let plan = RunPlan { rounds: 2, ..PLAN };
        let error = run(&mut rounds, &simulator, &plan, |_| false, |_| false).unwrap_err();
        assert!(matches!(error, Error::Leakage { .. }), "{error}");
        let leakage = rounds.reports()[0].leakage.unwrap();
        assert!(leakage > 0.95, "{leakage}");
    }
    println!("{:?}", begin.elapsed());
}
