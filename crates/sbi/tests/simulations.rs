//! Sets of simulations: repeatable, counted, honest about faults, and safe on disk.

use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use ndarray::{Array2, array};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use sbi::Error;
use sbi::prior::{Marginal, Prior};
use sbi::simulations::{
    OnFault, Policy, Progress, Reason, Simulations, Source, Store, StorePlan, proposal_fn, simulate,
};
use sbi::simulator::{self, Simulation, Simulator};

const QUIET: &(dyn Fn(Progress) -> ControlFlow<()> + Sync) = &|_| ControlFlow::Continue(());

fn prior() -> Prior {
    let normal = || Marginal::Normal { mean: 0.0, sd: 1.0 };
    Prior::new([("a", normal()), ("b", normal())]).unwrap()
}

/// A linear model with its score, NaN where a is above `nan_above`, failing where it is below
/// `fails_below`.
struct Linear {
    nan_above: f64,
    fails_below: f64,
    calls: AtomicUsize,
}

#[derive(Debug)]
struct TooSmall(f64);

impl fmt::Display for TooSmall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a = {} is too small", self.0)
    }
}

impl std::error::Error for TooSmall {}

impl Linear {
    fn new(fails_below: f64, nan_above: f64) -> Self {
        Self { nan_above, fails_below, calls: AtomicUsize::new(0) }
    }

    fn sound() -> Self {
        Self::new(f64::NEG_INFINITY, f64::INFINITY)
    }
}

impl Simulator for Linear {
    type Error = TooSmall;

    fn parameters(&self) -> usize {
        2
    }

    fn observables(&self) -> usize {
        3
    }

    fn simulate(&self, theta: &[f64], rng: &mut ChaCha8Rng) -> Result<Simulation, TooSmall> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        if theta[0] < self.fails_below {
            return Err(TooSmall(theta[0]));
        }
        let noise: Vec<f64> = StandardNormal.sample_iter(rng).take(3).collect();
        let mut x: Vec<f64> =
            noise.iter().zip([0.0, 1.0, 2.0]).map(|(e, t)| theta[0] + theta[1] * t + e).collect();
        let score = vec![noise.iter().sum(), noise[1] + 2.0 * noise[2]];
        if theta[0] > self.nan_above {
            x[1] = f64::NAN;
        }
        Ok(Simulation { x, score: Some(score) })
    }
}

fn in_pool<T: Send>(threads: usize, f: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(f)
}

#[test]
fn simulations_depend_on_seed_and_index_only() {
    let make = |range, seed| {
        simulate(&Linear::sound(), &prior(), range, seed, Policy::default(), QUIET).unwrap()
    };
    let one = in_pool(1, || make(0..200, 3));
    let four = in_pool(4, || make(0..200, 3));
    assert_eq!(one, four);
    let pieces = Simulations::concat([&make(0..70, 3), &make(70..200, 3)]).unwrap();
    assert_eq!(pieces, one);
    assert_ne!(make(0..200, 4).x(), one.x());
    assert_eq!(one.sources().unwrap()[9], Source { seed: 3, index: 9 });
    assert_eq!(one.theta().row(9).to_vec(), prior().sample(3, 9));
    // the noise of a simulation is independent of its parameters
    let rows = Array2::from_shape_fn((200, 2), |_| 0.0);
    let noise = simulate(&Linear::sound(), &rows, 0..200, 3, Policy::default(), QUIET).unwrap();
    for (i, j) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let product: f64 =
            (0..200).map(|row| one.theta()[[row, i]] * noise.x()[[row, j]]).sum::<f64>() / 200.0;
        assert!(product.abs() < 4.0 / 200f64.sqrt(), "correlation {product}");
    }
}

#[test]
fn progress_is_told_and_can_stop_the_run() {
    let (last, calls) = (AtomicU64::new(0), AtomicU64::new(0));
    let watch = |now: Progress| {
        assert_eq!(now.total, 100);
        last.fetch_max(now.done, Ordering::Relaxed);
        calls.fetch_add(1, Ordering::Relaxed);
        ControlFlow::Continue(())
    };
    simulate(&Linear::sound(), &prior(), 0..100, 1, Policy::default(), &watch).unwrap();
    assert_eq!((last.into_inner(), calls.into_inner()), (100, 100));

    let simulator = Linear::sound();
    let stop = |now: Progress| {
        if now.done >= 10 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let error = in_pool(1, || {
        simulate(&simulator, &prior(), 0..100, 1, Policy::default(), &stop).unwrap_err()
    });
    assert!(matches!(error, Error::Stopped { done: 10, total: 100 }), "{error}");
    assert_eq!(simulator.calls.into_inner(), 10);
}

#[test]
fn faults_stop_the_run_at_the_first_index_unless_told_otherwise() {
    let first =
        |bad: &dyn Fn(f64) -> bool| (0..500).find(|&i| bad(prior().sample(2, i)[0])).unwrap();
    let (nan, failing) = (first(&|a| a > 1.0), first(&|a| a < -1.0));
    for threads in [1, 4] {
        let run = |simulator: Linear| {
            in_pool(threads, || {
                simulate(&simulator, &prior(), 0..500, 2, Policy::default(), QUIET).unwrap_err()
            })
        };
        let error = run(Linear::new(f64::NEG_INFINITY, 1.0));
        let told = error.to_string();
        assert!(
            matches!(error, Error::NonFiniteSimulation { index, what: "x", element: 1, .. }
                if index == nan),
            "{told}"
        );
        assert!(told.contains("x[1] = NaN") && told.contains("policy"), "{told}");
        let error = run(Linear::new(-1.0, f64::INFINITY));
        assert!(matches!(error, Error::Simulator { index, .. } if index == failing), "{error}");
        assert!(error.to_string().contains("is too small"), "{error}");
    }
}

#[test]
fn faults_are_dropped_and_listed_or_kept() {
    let make = |policy| {
        let simulator = Linear::new(-1.0, 1.0);
        let set = simulate(&simulator, &prior(), 0..500, 2, policy, QUIET).unwrap();
        assert_eq!(set.calls(), 500);
        assert_eq!(simulator.calls.into_inner(), 500);
        set
    };
    let reason = |i: u64| match prior().sample(2, i)[0] {
        a if a > 1.0 => Some(Reason::NonFinite),
        a if a < -1.0 => Some(Reason::Failed),
        _ => None,
    };
    let kept: Vec<u64> = (0..500).filter(|&i| reason(i).is_none()).collect();
    assert!((250..450).contains(&kept.len()));

    let dropping = make(Policy::DROP);
    assert_eq!(dropping.sources().unwrap().iter().map(|s| s.index).collect::<Vec<_>>(), kept);
    assert!(dropping.non_finite().is_empty());
    for dropped in dropping.dropped() {
        let index = dropped.source.index;
        assert_eq!(Some(dropped.reason), reason(index));
        assert_eq!(dropped.row, kept.iter().filter(|&&i| i < index).count() as u64);
    }
    // a subset knows what it has cost
    let first = dropping.first(20).unwrap();
    assert_eq!(first.calls(), kept[19] + 1);

    let keeping = make(Policy { non_finite: OnFault::Keep, failed: OnFault::Keep });
    assert_eq!(keeping.len(), 500);
    let bad: Vec<usize> = (0..500).filter(|&i| reason(i as u64).is_some()).collect();
    assert_eq!(keeping.non_finite(), bad);
    let failed = bad.iter().find(|&&i| reason(i as u64) == Some(Reason::Failed)).unwrap();
    assert!(keeping.x().row(*failed).iter().all(|x| x.is_nan()));
    assert!(keeping.scores().unwrap().row(*failed).iter().all(|x| x.is_nan()));
}

#[test]
fn simulators_and_proposals_that_contradict_themselves_are_refused() {
    let run = |simulator: &dyn Simulator<Error = std::convert::Infallible>| {
        simulate(simulator, &prior(), 0..9, 0, Policy::DROP, QUIET).unwrap_err().to_string()
    };
    let short = simulator::from_fn(2, 3, |theta, _| theta.to_vec());
    assert!(run(&short).contains("x of simulation 0 has shape [2], expected [3]"));
    let three = simulator::from_fn(3, 3, |theta, _| theta.to_vec());
    assert!(run(&three).contains("parameters of the proposal has shape [2], expected [3]"));
    let sometimes = simulator::try_from_fn(2, 2, |theta: &[f64], _: &mut ChaCha8Rng| {
        let score = (theta[0] > 0.0).then(|| theta.to_vec());
        Ok(Simulation { x: theta.to_vec(), score })
    });
    assert!(run(&sometimes).contains("unlike those before"));
    let linear = Linear::sound();
    let nowhere = proposal_fn(2, |_, index| Ok(vec![0.0, if index == 4 { f64::NAN } else { 0.0 }]));
    let error = simulate(&linear, &nowhere, 0..9, 0, Policy::DROP, QUIET).unwrap_err();
    assert!(error.to_string().contains("theta of simulation 4[1] is NaN"), "{error}");
    let error = simulate(&linear, &array![[1.0, 2.0]], 0..2, 0, Policy::DROP, QUIET).unwrap_err();
    assert!(error.to_string().contains("below 1"), "{error}");
}

#[test]
fn arrays_from_elsewhere_are_checked() {
    let theta = array![[1.0], [2.0]];
    let set = Simulations::new(theta.clone(), array![[1.0, 2.0], [3.0, 4.0]], None).unwrap();
    assert_eq!((set.len(), set.calls(), set.sources()), (2, 2, None));
    let error = Simulations::new(theta.clone(), array![[1.0], [2.0], [3.0]], None).unwrap_err();
    assert!(error.to_string().contains("x has shape [3, 1], expected [2, 1]"), "{error}");
    let error = Simulations::new(theta.clone(), array![[1.0], [f64::NAN]], None).unwrap_err();
    assert!(error.to_string().contains("row 1 of x: x[0] is NaN"), "{error}");
    let error = Simulations::new(array![[f64::INFINITY]], array![[1.0]], None).unwrap_err();
    assert!(error.to_string().contains("row 0 of theta: theta[0] is inf"), "{error}");
    let scores = Some(array![[1.0], [f64::NAN]]);
    let error = Simulations::new(theta, array![[1.0], [2.0]], scores).unwrap_err();
    assert!(error.to_string().contains("scores[0] is NaN"), "{error}");
}

#[test]
fn parts_and_wholes() {
    let set = simulate(&Linear::sound(), &prior(), 0..50, 3, Policy::default(), QUIET).unwrap();
    let (train, held_out) = set.split(0.8, 1).unwrap();
    assert_eq!((train.len(), held_out.len()), (40, 10));
    assert_eq!(set.split(0.8, 1).unwrap().0, train);
    assert_ne!(set.split(0.8, 2).unwrap().0, train);
    let mut indices: Vec<u64> = [&train, &held_out]
        .iter()
        .flat_map(|part| part.sources().unwrap().iter().map(|source| source.index))
        .collect();
    indices.sort_unstable();
    assert_eq!(indices, (0..50).collect::<Vec<_>>());
    let row = train.sources().unwrap()[5].index as usize;
    assert_eq!(train.x().row(5), set.x().row(row));
    assert_eq!(train.scores().unwrap().row(5), set.scores().unwrap().row(row));

    let mut grown = set.first(30).unwrap();
    let rest: Vec<usize> = (30..50).collect();
    grown.append(&set.select(&rest).unwrap()).unwrap();
    assert_eq!(grown, set);
    assert!(set.first(51).unwrap_err().to_string().contains("at most 50"));
    assert!(set.select(&[50]).is_err() && set.split(1.5, 0).is_err());
    let unscored = Simulations::new(set.theta().to_owned(), set.x().to_owned(), None).unwrap();
    let error = Simulations::concat([&set, &unscored]).unwrap_err();
    assert!(error.to_string().contains("[2, 3, 0], expected [2, 3, 2]"), "{error}");
    assert!(Simulations::concat([]).is_err());
}

#[test]
fn sets_of_failures_only_join_others() {
    let fails = Linear::new(f64::INFINITY, f64::INFINITY);
    let sound = simulate(&Linear::sound(), &prior(), 0..5, 3, Policy::default(), QUIET).unwrap();
    for (failed, rows) in [(OnFault::Drop, 0), (OnFault::Keep, 4)] {
        let policy = Policy { failed, ..Policy::default() };
        let none = simulate(&fails, &prior(), 5..9, 3, policy, QUIET).unwrap();
        assert_eq!((none.len(), none.calls(), none.scores()), (rows, 4, None));
        for sets in [[&sound, &none], [&none, &sound]] {
            let all = Simulations::concat(sets).unwrap();
            assert_eq!((all.len(), all.calls()), (5 + rows, 9));
            let scores = all.scores().expect("those of the sound ones");
            assert_eq!(scores.iter().filter(|score| score.is_nan()).count(), 2 * rows);
        }
        assert!(Simulations::concat([&none, &none]).unwrap().scores().is_none());
    }
}

#[test]
fn files_come_back_whole_or_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("set.npz");
    let simulator = Linear::new(-1.0, 1.0);
    let set = simulate(&simulator, &prior(), 0..100, 2, Policy::DROP, QUIET).unwrap();
    set.save(&path).unwrap();
    assert_eq!(Simulations::load(&path).unwrap(), set);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");

    let plain = Simulations::new(array![[1.0]], array![[2.0]], None).unwrap();
    plain.save(&path).unwrap();
    assert_eq!(Simulations::load(&path).unwrap(), plain);

    set.save(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    for length in [0, 1, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&path, &bytes[..length]).unwrap();
        let error = Simulations::load(&path).unwrap_err();
        assert!(matches!(error, Error::File { .. }), "{length} bytes: {error}");
        assert!(error.to_string().contains("set.npz"), "{error}");
    }
    let missing = Simulations::load(&folder.path().join("none.npz")).unwrap_err();
    assert!(missing.to_string().contains("none.npz"), "{missing}");
}

fn plan() -> StorePlan {
    StorePlan {
        label: "linear".into(),
        seed: 2,
        simulations: 95,
        shard_size: 20,
        policy: Policy::DROP,
    }
}

fn store(folder: &Path, simulator: &Linear) -> Store {
    Store::create(folder, simulator, plan()).unwrap()
}

#[test]
fn a_store_is_the_same_set_in_pieces_and_a_killed_run_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = Linear::new(-1.0, 1.0);
    let whole = simulate(&simulator, &prior(), 0..95, 2, Policy::DROP, QUIET).unwrap();
    let store = store(folder.path(), &simulator);
    assert_eq!((store.shards(), store.indices(4)), (5, 80..95));

    // stopped in its third shard
    let stop = |now: Progress| {
        if now.done == 45 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let error = in_pool(1, || store.make(&simulator, &prior(), 0..5, &stop).unwrap_err());
    assert!(matches!(error, Error::Stopped { done: 45, total: 95 }), "{error}");
    assert_eq!(store.missing(), [2, 3, 4]);
    let error = store.load().unwrap_err().to_string();
    assert!(error.contains("shard-000002.npz") && error.contains("3 of 5"), "{error}");

    // another process goes on and makes what is missing only
    let again = Linear::new(-1.0, 1.0);
    let store = Store::create(folder.path(), &again, plan()).unwrap();
    let totals = AtomicU64::new(0);
    let watch = |now: Progress| {
        totals.fetch_max(now.total, Ordering::Relaxed);
        ControlFlow::Continue(())
    };
    store.make(&again, &prior(), 0..5, &watch).unwrap();
    assert_eq!((again.calls.load(Ordering::Relaxed), totals.into_inner()), (55, 55));
    assert_eq!(store.load().unwrap(), whole);
    assert_eq!(store.iter().map(|set| set.unwrap().len()).sum::<usize>(), whole.len());
    assert_eq!(store.first(30).unwrap(), whole.first(30).unwrap());
    assert!(store.first(96).is_err());
    assert_eq!(Store::open(folder.path()).unwrap().load().unwrap(), whole);
}

#[test]
fn damaged_and_foreign_shards_are_refused_and_can_be_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = Linear::sound();
    let store = store(folder.path(), &simulator);
    store.make(&simulator, &prior(), 0..5, QUIET).unwrap();
    let whole = store.load().unwrap();

    let path = store.path(1);
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 40]).unwrap();
    let error = store.read(1).unwrap_err().to_string();
    assert!(error.contains("shard-000001.npz") && error.contains("truncated"), "{error}");
    assert!(error.contains("delete it"), "{error}");
    // a flipped bit within the data
    let mut flipped = bytes.clone();
    flipped[400] ^= 1;
    std::fs::write(&path, &flipped).unwrap();
    assert!(store.read(1).is_err());
    // the wrong shard under this name
    std::fs::copy(store.path(2), &path).unwrap();
    let error = store.read(1).unwrap_err().to_string();
    assert!(error.contains("not the 20 of indices 20..40 of seed 2"), "{error}");

    std::fs::remove_file(&path).unwrap();
    store.make(&simulator, &prior(), [1], QUIET).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    assert_eq!(store.load().unwrap(), whole);
    assert!(store.read(5).is_err() && store.make(&simulator, &prior(), [5], QUIET).is_err());
}

#[test]
fn a_store_is_continued_only_as_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let simulator = Linear::sound();
    store(folder.path(), &simulator);
    for other in [
        StorePlan { seed: 3, ..plan() },
        StorePlan { label: "quadratic".into(), ..plan() },
        StorePlan { shard_size: 10, ..plan() },
    ] {
        let error = Store::create(folder.path(), &simulator, other).unwrap_err();
        assert!(error.to_string().contains("other simulations"), "{error}");
    }
    let wider = simulator::from_fn(2, 4, |_, _| vec![0.0; 4]);
    assert!(Store::create(folder.path(), &wider, plan()).is_err());
    let store = Store::open(folder.path()).unwrap();
    let error = store.make(&wider, &prior(), [0], QUIET).unwrap_err();
    assert!(error.to_string().contains("has shape [2, 4], expected [2, 3]"), "{error}");
    let empty = StorePlan { shard_size: 0, ..plan() };
    assert!(Store::create(folder.path(), &simulator, empty).is_err());

    let manifest = folder.path().join("manifest.json");
    std::fs::write(&manifest, "{\"format\": 1}").unwrap();
    let error = Store::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("manifest.json") && error.contains("no manifest"), "{error}");
    std::fs::write(&manifest, "{\"format\": 9, \"shards\": []}").unwrap();
    let error = Store::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("it has format 9, expected 1"), "{error}");
    assert!(Store::open(&folder.path().join("none")).is_err());
}
