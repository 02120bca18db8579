//! Calibration tests against independent code, and on exact, misplaced and misshapen posteriors.

mod generator;

use generator::normals;
use metrics::{
    CalibrationSet, Coverage, CoverageConfig, Error, SbcConfig, TarpConfig, central_coverage,
    expected_coverage, sbc, tarp,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use serde::Deserialize;

const NAMES: [&str; 3] = ["a", "b", "c"];

#[derive(Deserialize)]
struct Reference {
    ranks: Ranks,
}

#[derive(Deserialize)]
struct Ranks {
    observations: usize,
    draws: usize,
    ranks: Vec<Vec<usize>>,
    chi_square: Vec<f64>,
    histogram_p: Vec<f64>,
    levels: Vec<f64>,
    hpd: Vec<f64>,
    hpd_lower: Vec<f64>,
    hpd_upper: Vec<f64>,
    excess: f64,
    excess_error: f64,
    tarp: Vec<f64>,
    central: Vec<Vec<f64>>,
}

fn assert_all_close(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (f, e) in found.iter().zip(expected) {
        assert!((f - e).abs() < 1e-11, "{found:?} instead of {expected:?}");
    }
}

#[test]
fn agrees_with_independent_code() {
    let text = include_str!("reference/calibration.json");
    let case = serde_json::from_str::<Reference>(text).unwrap().ranks;
    let truths = normals(11, case.observations * 3);
    let draws: Vec<f64> =
        normals(12, case.observations * case.draws * 3).iter().map(|z| 0.2 + 0.8 * z).collect();
    let set = CalibrationSet::new(&truths, &draws, &NAMES).unwrap();
    assert_eq!((set.observations(), set.draws()), (case.observations, case.draws));

    let config = SbcConfig { bins: 5, cells: 5, ..SbcConfig::default() };
    let result = sbc(&set, &config, &|_| ()).unwrap();
    assert_all_close(&result.band.levels, &case.levels);
    for (j, found) in result.parameters.iter().enumerate() {
        assert_eq!(found.ranks, case.ranks[j]);
        assert_eq!(found.ties, 0);
        assert!((found.histogram.chi_square - case.chi_square[j]).abs() < 1e-11);
        assert!((found.histogram.p_value / case.histogram_p[j] - 1.0).abs() < 1e-10);
        let share = |level: &f64| {
            let threshold = (25.0 * level).round() as usize;
            case.ranks[j].iter().filter(|rank| **rank < threshold).count() as f64 / 60.0
        };
        let ecdf: Vec<f64> = case.levels.iter().map(share).collect();
        assert_all_close(&found.ecdf, &ecdf);
        let counts: Vec<usize> = ecdf.iter().map(|e| (60.0 * e).round() as usize).collect();
        assert_eq!(result.band.p_value(&counts), Ok(found.p_value));
    }

    let config = CoverageConfig { levels: case.levels.clone(), ..CoverageConfig::default() };
    let central = central_coverage(&set, &config).unwrap().parameters;
    for (found, expected) in central.iter().zip(&case.central) {
        assert_all_close(&found.coverage.coverage, expected);
    }
    let log_density = |values: &[f64]| -> Vec<f64> {
        values.chunks_exact(3).map(|p| -p.iter().map(|x| x.abs()).sum::<f64>()).collect()
    };
    let found = expected_coverage(&log_density(&truths), &log_density(&draws), &config).unwrap();
    assert_all_close(&found.coverage, &case.hpd);
    assert_all_close(&found.lower, &case.hpd_lower);
    assert_all_close(&found.upper, &case.hpd_upper);
    assert_all_close(&[found.excess, found.excess_error], &[case.excess, case.excess_error]);

    let config = TarpConfig { levels: case.levels, ..TarpConfig::default() };
    let references = normals(13, case.observations * 3);
    let found = tarp(&set, Some(&references), &config).unwrap();
    assert_all_close(&found.coverage, &case.tarp);
}

/// The conjugate Gaussian model: truth ~ N(0, 1), x ~ N(truth, 1), posterior N(x / 2, 1 / 2) in
/// each of three independent parameters; claimed with another width or place.
struct Model {
    truths: Vec<f64>,
    draws: Vec<f64>,
    truth_densities: Vec<f64>,
    draw_densities: Vec<f64>,
}

impl Model {
    /// The claimed posterior is `width` times too wide and `shift` exact standard deviations off.
    fn new(seed: u64, observations: usize, draws: usize, width: f64, shift: f64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut normal = || -> f64 { StandardNormal.sample(&mut rng) };
        let sd = 0.5_f64.sqrt();
        let mut model =
            Self { truths: vec![], draws: vec![], truth_densities: vec![], draw_densities: vec![] };
        for _ in 0..observations {
            let truth: [f64; 3] = std::array::from_fn(|_| normal());
            let mean = truth.map(|t| 0.5 * (t + normal()) + shift * sd);
            let density = |point: [f64; 3]| -> f64 {
                let z = std::array::from_fn::<f64, 3, _>(|j| (point[j] - mean[j]) / (width * sd));
                -0.5 * z.iter().map(|z| z * z).sum::<f64>()
            };
            model.truths.extend(truth);
            model.truth_densities.push(density(truth));
            for _ in 0..draws {
                let draw = mean.map(|m| m + width * sd * normal());
                model.draws.extend(draw);
                model.draw_densities.push(density(draw));
            }
        }
        model
    }

    fn set(&self) -> CalibrationSet<'_> {
        CalibrationSet::new(&self.truths, &self.draws, &NAMES).unwrap()
    }

    fn expected(&self) -> Coverage {
        let config = CoverageConfig::default();
        expected_coverage(&self.truth_densities, &self.draw_densities, &config).unwrap()
    }

    /// p-values of every test, by name.
    fn p_values(&self) -> Vec<(&'static str, f64)> {
        let set = self.set();
        let ranks = sbc(&set, &SbcConfig::default(), &|_| ()).unwrap();
        let central = central_coverage(&set, &CoverageConfig::default()).unwrap();
        let tarp = tarp(&set, None, &TarpConfig::default()).unwrap();
        vec![
            ("sbc", ranks.p_value),
            ("histogram", ranks.parameters[0].histogram.p_value),
            ("central", central.parameters[0].coverage.p_value),
            ("expected", self.expected().p_value),
            ("tarp", tarp.p_value),
        ]
    }
}

#[test]
fn exact_posteriors_pass_within_the_bands() {
    let model = Model::new(1, 1000, 99, 1.0, 0.0);
    for (name, p_value) in model.p_values() {
        assert!(p_value > 0.05, "{name}: {p_value}");
    }
    let set = model.set();
    let inside = |band: &metrics::EcdfBand, curve: &[f64]| {
        let ends = band.lower.iter().zip(&band.upper);
        ends.zip(curve).all(|((lower, upper), c)| (lower..=upper).contains(&c))
    };
    let ranks = sbc(&set, &SbcConfig::default(), &|_| ()).unwrap();
    for parameter in &ranks.parameters {
        assert!(inside(&ranks.band, &parameter.ecdf), "{parameter:?}");
        assert!((parameter.efficiency - 1.0).abs() < 0.05, "{}", parameter.efficiency);
    }
    let expected = model.expected();
    assert!(inside(&expected.band, &expected.coverage), "{expected:?}");
    assert!(expected.excess.abs() < 3.0 * expected.excess_error, "{expected:?}");
    let result = tarp(&set, None, &TarpConfig::default()).unwrap();
    assert!(inside(&result.band, &result.coverage), "{result:?}");
}

#[test]
fn wrong_posteriors_fail_every_test() {
    for (width, shift) in [(0.7, 0.0), (1.4, 0.0), (1.0, 0.7)] {
        let model = Model::new(2, 1500, 99, width, shift);
        for (name, p_value) in model.p_values() {
            assert!(p_value < 1e-3, "{name}: {p_value} at width {width}, shift {shift}");
        }
        let expected = model.expected();
        let sigma = expected.excess / expected.excess_error;
        if width > 1.0 { assert!(sigma > 5.0) } else { assert!(sigma < -5.0) }
    }
}

/// Under the null, every test rejects at the stated rate.
#[test]
fn p_values_are_uniform_for_exact_posteriors() {
    let repetitions = 300;
    let runs: Vec<_> =
        (0..repetitions).map(|seed| Model::new(100 + seed, 60, 19, 1.0, 0.0).p_values()).collect();
    for test in 0..runs[0].len() {
        for limit in [0.1_f64, 0.3, 0.6] {
            let small = runs.iter().filter(|run| run[test].1 <= limit).count();
            let (name, rate) = (runs[0][test].0, small as f64 / repetitions as f64);
            let error = (limit * (1.0 - limit) / repetitions as f64).sqrt();
            assert!(rate < limit + 3.5 * error, "{name}: {rate} below {limit}");
            // Steps of the distribution function and Bonferroni's inequality cost some.
            assert!(rate > 0.7 * limit - 3.5 * error, "{name}: {rate} below {limit}");
        }
    }
}

/// Parameters rounded to a few values, in truth and draws alike.
#[test]
fn equal_values_leave_exact_posteriors_calibrated() {
    let mut model = Model::new(3, 1000, 49, 1.0, 0.0);
    for values in [&mut model.truths, &mut model.draws] {
        values.iter_mut().for_each(|x| *x = (2.0 * *x).round() / 2.0);
    }
    let result = sbc(&model.set(), &SbcConfig::default(), &|_| ()).unwrap();
    assert!(result.parameters[0].ties > 900, "{}", result.parameters[0].ties);
    assert!(result.p_value > 0.05, "{}", result.p_value);
    let other = SbcConfig { seed: 1, ..SbcConfig::default() };
    assert_ne!(sbc(&model.set(), &other, &|_| ()).unwrap(), result);
}

/// An AR(1) chain of coefficient 0.8 fails as it stands and passes thinned.
#[test]
fn correlated_draws_are_told_and_thinned() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let mut normal = || -> f64 { StandardNormal.sample(&mut rng) };
    let (a, draws) = (0.8_f64, 400);
    let (mut truths, mut chains) = (vec![], vec![]);
    for _ in 0..1000 {
        truths.push(normal());
        let mut x = normal();
        for _ in 0..draws {
            x = a * x + (1.0 - a * a).sqrt() * normal();
            chains.push(x);
        }
    }
    // With few draws the correlation matters most.
    let short: Vec<f64> = chains.chunks_exact(draws).flat_map(|c| c[..20].to_vec()).collect();
    let set = CalibrationSet::new(&truths, &short, &["a"]).unwrap();
    let result = sbc(&set, &SbcConfig::default(), &|_| ()).unwrap();
    assert!(result.p_value < 1e-3, "{}", result.p_value);

    let set = CalibrationSet::new(&truths, &chains, &["a"]).unwrap();
    let efficiency = set.efficiency(&|_| ()).unwrap()[0];
    assert!((efficiency - 0.2 / 1.8).abs() < 0.02, "{efficiency}");
    let thinned = set.thinned(20).unwrap();
    assert_eq!(thinned.draws(), 20);
    let result = sbc(&thinned, &SbcConfig::default(), &|_| ()).unwrap();
    assert!(result.p_value > 0.05, "{}", result.p_value);
    assert!(result.parameters[0].efficiency > 0.9, "{}", result.parameters[0].efficiency);
}

/// A posterior that ignores the data is seen only with references that depend on them.
#[test]
fn references_may_depend_on_the_data() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut normal = || -> f64 { StandardNormal.sample(&mut rng) };
    let truths: Vec<f64> = (0..1000).map(|_| normal()).collect();
    let data: Vec<f64> = truths.iter().map(|t| t + normal()).collect();
    let prior: Vec<f64> = (0..99_000).map(|_| normal()).collect();
    let set = CalibrationSet::new(&truths, &prior, &["a"]).unwrap();
    let blind = tarp(&set, None, &TarpConfig::default()).unwrap();
    assert!(blind.p_value > 0.05, "{}", blind.p_value);
    let sharp = tarp(&set, Some(&data), &TarpConfig::default()).unwrap();
    assert!(sharp.p_value < 1e-3, "{}", sharp.p_value);
}

#[test]
fn bootstrap_has_the_binomial_error() {
    let model = Model::new(6, 500, 39, 1.0, 0.0);
    let result = tarp(&model.set(), None, &TarpConfig::default()).unwrap();
    let bootstrap = result.bootstrap.as_ref().unwrap();
    for (k, c) in result.coverage.iter().enumerate() {
        let expected = (c * (1.0 - c) / 500.0).sqrt();
        assert!((bootstrap.sd[k] / expected - 1.0).abs() < 0.1, "{} {expected}", bootstrap.sd[k]);
        let half = 0.5 * (bootstrap.upper[k] - bootstrap.lower[k]);
        assert!((half / (1.96 * expected) - 1.0).abs() < 0.15, "{half} {expected}");
    }
}

#[test]
fn results_do_not_depend_on_the_threads_and_survive_json() {
    let model = Model::new(7, 100, 19, 1.0, 0.0);
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let set = model.set();
            let reports = std::sync::Mutex::new(vec![]);
            let record = |p: metrics::Progress| reports.lock().unwrap().push((p.done, p.total));
            let ranks = sbc(&set, &SbcConfig::default(), &record).unwrap();
            let mut reports = reports.into_inner().unwrap();
            reports.sort_unstable();
            assert_eq!(reports, (1..=100).map(|done| (done, 100)).collect::<Vec<_>>());
            (ranks, model.expected(), tarp(&set, None, &TarpConfig::default()).unwrap())
        })
    };
    let result = run(1);
    assert_eq!(result, run(3));
    let text = serde_json::to_string(&result).unwrap();
    assert_eq!(
        serde_json::from_str::<(metrics::Sbc, Coverage, metrics::Tarp)>(&text).unwrap(),
        result
    );
}

#[test]
fn bad_input_is_named() {
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let mut numbers = |count| (0..count).map(|_| rng.next_u32().into()).collect::<Vec<f64>>();
    let (truths, draws) = (numbers(10 * 2), numbers(10 * 20 * 2));
    let names = ["omega_c", "w_0"];
    let new = |t: &[f64], d: &[f64]| CalibrationSet::new(t, d, &names).map(|_| ()).unwrap_err();
    assert!(matches!(new(&truths[..3], &draws), Error::Shape { .. }));
    assert!(matches!(new(&truths[..2], &draws), Error::TooFew { minimum: 2, found: 1, .. }));
    assert!(matches!(new(&[], &draws), Error::TooFew { .. }));
    assert!(matches!(new(&truths, &draws[1..]), Error::Shape { .. }));
    assert!(matches!(new(&truths, &[]), Error::TooFew { minimum: 4, found: 0, .. }));
    assert!(matches!(new(&truths, &draws[..60]), Error::TooFew { found: 3, .. }));
    let mut bad = draws.clone();
    bad[41] = f64::NAN;
    assert_eq!(new(&truths, &bad).to_string(), "draw of w_0 is NaN at index 20");
    let none: [&str; 0] = [];
    assert!(matches!(CalibrationSet::new(&truths, &draws, &none), Err(Error::TooFew { .. })));

    let set = CalibrationSet::new(&truths, &draws, &names).unwrap();
    assert!(matches!(set.clone().thinned(0), Err(Error::Setting { .. })));
    assert!(matches!(set.clone().thinned(7), Err(Error::TooFew { minimum: 4, found: 3, .. })));
    let error = sbc(&set, &SbcConfig::default(), &|_| ()).unwrap_err();
    let message = "observations for a histogram of 10 bins: at least 50 are needed, found 10";
    assert_eq!(error.to_string(), message);
    let config = SbcConfig { bins: 2, cells: 1, ..SbcConfig::default() };
    assert!(matches!(sbc(&set, &config, &|_| ()), Err(Error::Setting { setting: "cells", .. })));
    let config = SbcConfig { bins: 22, ..SbcConfig::default() };
    assert!(matches!(sbc(&set, &config, &|_| ()), Err(Error::Setting { setting: "bins", .. })));
    let mut stuck = draws.clone();
    stuck[40..80].iter_mut().step_by(2).for_each(|x| *x = 3.0);
    let stuck = CalibrationSet::new(&truths, &stuck, &names).unwrap();
    let sure = sbc(&stuck, &SbcConfig { bins: 2, ..SbcConfig::default() }, &|_| ()).unwrap();
    assert!(
        sure.parameters[0].efficiency.is_finite(),
        "draws of a discrete parameter may be equal"
    );

    let fine = CoverageConfig { levels: vec![0.5, 0.52], ..CoverageConfig::default() };
    let error = central_coverage(&set, &fine).unwrap_err();
    assert!(matches!(error, Error::TooFew { minimum: 50, found: 20, .. }), "{error}");
    let config = CoverageConfig { levels: vec![0.5, 0.4], ..CoverageConfig::default() };
    assert!(matches!(central_coverage(&set, &config), Err(Error::Setting { .. })));
    let config = CoverageConfig::default();
    let run = |t: &[f64], d: &[f64]| expected_coverage(t, d, &config).map(|_| ());
    assert_eq!(run(&[f64::NEG_INFINITY, 0.0], &draws[..40]), Ok(()));
    assert!(matches!(run(&[f64::NAN, 0.0], &draws[..40]), Err(Error::NotFinite { index: 0, .. })));
    assert!(matches!(run(&truths[..1], &draws), Err(Error::TooFew { .. })));
    assert!(matches!(run(&truths, &draws[1..]), Err(Error::Shape { .. })));
    assert!(matches!(run(&truths[..2], &[]), Err(Error::Shape { .. })));
    assert!(matches!(run(&truths[..2], &bad[..60]), Err(Error::NotFinite { index: 41, .. })));

    let config = TarpConfig::default();
    let error = tarp(&set, Some(&truths[..2]), &config).unwrap_err();
    assert!(matches!(error, Error::TooFew { .. }), "{error}");
    let mut bad = truths.clone();
    bad[3] = f64::INFINITY;
    assert!(matches!(tarp(&set, Some(&bad), &config), Err(Error::NotFinite { .. })));
    let config = TarpConfig { bootstraps: 1, ..TarpConfig::default() };
    assert!(matches!(tarp(&set, None, &config), Err(Error::Setting { .. })));
    let (same, all) = (vec![1.0; 20], vec![1.0; 400]);
    let set = CalibrationSet::new(&same, &all, &names).unwrap();
    let error = tarp(&set, None, &TarpConfig::default()).unwrap_err();
    assert!(matches!(error, Error::Constant { .. }), "{error}");
    let huge: Vec<f64> = draws.iter().map(|x| 1e200 * (x - 2e9)).collect();
    let set = CalibrationSet::new(&truths, &huge, &names).unwrap();
    assert!(set.efficiency(&|_| ()).unwrap().iter().all(|e| e.is_finite()));
}
