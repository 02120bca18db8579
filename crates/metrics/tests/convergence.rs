//! Convergence diagnostics against ArviZ on frozen arrays, against closed forms, and on bad input.

use metrics::{
    Doubt, Error, ParameterSummary, Samples, correlation, ess_bulk, ess_mean, ess_quantile,
    ess_tail, figure_of_merit, mcse_mean, normal_quantile, r_hat, summarise, summarise_parameter,
};
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use serde::Deserialize;

#[derive(Deserialize)]
struct Reference {
    normal_quantiles: Vec<(f64, f64)>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    seed: u64,
    n_chains: usize,
    draws: usize,
    correlation: f64,
    offset: f64,
    steps: u32,
    ess_bulk: f64,
    ess_tail: f64,
    ess_mean: f64,
    ess_median: f64,
    mcse_mean: f64,
    mcse_sd: f64,
    mean: f64,
    sd: f64,
    quantiles: [f64; 3],
    r_hat: f64,
}

impl Case {
    /// The draws of `make_convergence.py`.
    fn chains(&self) -> Vec<Vec<f64>> {
        let mut state = self.seed;
        let mut uniform = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 53) as f64
        };
        let steps = f64::from(self.steps);
        (0..self.n_chains)
            .map(|c| {
                let mut x = 0.0;
                (0..self.draws)
                    .map(|_| {
                        x = self.correlation * x + (uniform() - 0.5);
                        let value = x + c as f64 * self.offset;
                        if self.steps > 0 { (value * steps).floor() / steps } else { value }
                    })
                    .collect()
            })
            .collect()
    }
}

fn reference() -> Reference {
    serde_json::from_str(include_str!("reference/convergence.json")).unwrap()
}

#[track_caller]
fn assert_close(what: &str, found: f64, expected: f64, tolerance: f64) {
    let error = (found - expected).abs();
    assert!(error <= tolerance * expected.abs(), "{what}: {found} instead of {expected}");
}

#[test]
fn agrees_with_arviz() {
    for case in reference().cases {
        let chains = case.chains();
        let row = summarise_parameter("x", &chains).unwrap();
        let label = |what: &str| format!("{what} of seed {}", case.seed);
        assert_close(&label("mean"), row.mean, case.mean, 1e-11);
        assert_close(&label("sd"), row.sd, case.sd, 1e-12);
        for (found, expected) in [row.q16, row.q50, row.q84].into_iter().zip(case.quantiles) {
            assert_close(&label("quantile"), found, expected, 1e-12);
        }
        assert_close(&label("R-hat"), row.r_hat, case.r_hat, 1e-10);
        assert_close(&label("bulk ESS"), row.ess_bulk, case.ess_bulk, 1e-9);
        assert_close(&label("tail ESS"), row.ess_tail, case.ess_tail, 1e-9);
        assert_close(&label("mean ESS"), ess_mean(&chains).unwrap(), case.ess_mean, 1e-9);
        let median = ess_quantile(&chains, 0.5).unwrap();
        assert_close(&label("median ESS"), median, case.ess_median, 1e-9);
        assert_close(&label("MCSE of the mean"), row.mcse_mean, case.mcse_mean, 1e-9);
        assert_close(&label("MCSE of the sd"), row.mcse_sd, case.mcse_sd, 1e-9);
    }
}

#[test]
fn normal_quantile_agrees_with_scipy() {
    for (p, z) in reference().normal_quantiles {
        assert!((normal_quantile(p) - z).abs() <= 4e-15 * z.abs().max(0.1), "{p}: {z}");
    }
    assert_eq!(normal_quantile(0.0), f64::NEG_INFINITY);
    assert_eq!(normal_quantile(1.0), f64::INFINITY);
    assert!(normal_quantile(1.1).is_nan());
}

fn normals(seed: u64, count: usize) -> Vec<f64> {
    StandardNormal.sample_iter(ChaCha8Rng::seed_from_u64(seed)).take(count).collect()
}

/// An AR(1) chain of coefficient a has effective sample size n (1 - a) / (1 + a).
#[test]
fn autoregression_has_its_closed_form_sample_size() {
    let (a, draws): (f64, usize) = (0.7, 50_000);
    let chains: Vec<Vec<f64>> = (0..4)
        .map(|seed| {
            let mut x = 0.0;
            normals(seed, draws)
                .into_iter()
                .map(|e| {
                    x = a * x + (1.0 - a * a).sqrt() * e;
                    x
                })
                .collect()
        })
        .collect();
    let expected = 4.0 * draws as f64 * (1.0 - a) / (1.0 + a);
    assert_close("ESS", ess_bulk(&chains).unwrap(), expected, 0.04);
    assert_close("ESS", ess_mean(&chains).unwrap(), expected, 0.04);
    assert_close("MCSE", mcse_mean(&chains).unwrap(), expected.sqrt().recip(), 0.03);
    assert!(r_hat(&chains).unwrap() < 1.001);
}

#[test]
fn r_hat_sees_shifted_wide_drifting_and_stuck_chains() {
    let chain = |seed, shift: f64, scale: f64| -> Vec<f64> {
        normals(seed, 1000).iter().map(|x| shift + scale * x).collect()
    };
    assert!(r_hat(&[chain(1, 0.0, 1.0), chain(2, 0.0, 1.0)]).unwrap() < 1.01);
    assert!(r_hat(&[chain(1, 0.0, 1.0), chain(2, 1.0, 1.0)]).unwrap() > 1.1);
    assert!(r_hat(&[chain(1, 0.0, 1.0), chain(2, 0.0, 3.0)]).unwrap() > 1.1);
    let drift: Vec<f64> =
        chain(1, 0.0, 1.0).iter().zip(0..).map(|(x, t)| x + 0.002 * f64::from(t)).collect();
    assert!(r_hat(&[drift]).unwrap() > 1.05);
    assert!(r_hat(&[chain(1, 0.0, 1.0), vec![0.3; 1000]]).unwrap() > 1.1);
    assert_eq!(r_hat(&[vec![0.0; 100], vec![1.0; 100]]), Ok(f64::INFINITY));
}

proptest! {
    /// Rank statistics do not change under a rising map; errors scale with the unit.
    #[test]
    fn invariances(seed in 0_u64..1000) {
        let chains: Vec<Vec<f64>> = (0..3).map(|c| normals(3 * seed + c, 80)).collect();
        let exp: Vec<Vec<f64>> =
            chains.iter().map(|c| c.iter().map(|x| x.exp()).collect()).collect();
        prop_assert_eq!(ess_bulk(&chains), ess_bulk(&exp));
        // The interpolated quantile may fall differently between two draws, never across one.
        prop_assert_eq!(ess_tail(&chains), ess_tail(&exp));
        let scaled: Vec<Vec<f64>> =
            chains.iter().map(|c| c.iter().map(|x| 1e6 * x).collect()).collect();
        let (one, million) = (mcse_mean(&chains).unwrap(), mcse_mean(&scaled).unwrap());
        prop_assert!((million / one / 1e6 - 1.0).abs() < 1e-9);
    }
}

/// Draws of a correlated pair, `[chain, draw, parameter]`.
fn gaussian_pairs(seed: u64, draws: usize, correlation: f64) -> Vec<f64> {
    normals(seed, 2 * draws)
        .chunks_exact(2)
        .flat_map(|z| {
            [0.1 * z[0], 2.0 * (correlation * z[0] + (1.0 - correlation.powi(2)).sqrt() * z[1])]
        })
        .collect()
}

#[test]
fn figure_of_merit_of_a_gaussian() {
    let rho: f64 = -0.8;
    let exact = (0.1_f64 * 2.0 * (1.0 - rho * rho).sqrt()).recip();
    let (repetitions, draws) = (400, 1000);
    let deviations: Vec<f64> = (0..repetitions)
        .map(|seed| {
            let values = gaussian_pairs(seed, draws, rho);
            let samples = Samples::new(&values, 4, &["a", "b"]).unwrap();
            let merit = figure_of_merit(&samples, 0, 1).unwrap();
            assert_close("error", merit.error, exact / (draws as f64).sqrt(), 0.35);
            assert_close("correlation", correlation(&samples)[0][1], rho, 0.15);
            (merit.value - exact) / merit.error
        })
        .collect();
    let mean = metrics::mean(&deviations);
    let sd = metrics::variance(&deviations).sqrt();
    assert!(mean.abs() < 0.25, "pulls have mean {mean}");
    assert!((sd - 1.0).abs() < 0.12, "pulls have standard deviation {sd}");
}

#[test]
fn bad_input_is_named() {
    let names = ["omega_c", "w_0"];
    assert_eq!(
        Samples::new(&[1.0; 7], 1, &names).unwrap_err().to_string(),
        "samples [chain, draw, parameter]: expected a multiple of 1 x 2 values, found 7 values"
    );
    assert!(matches!(Samples::new(&[], 1, &names), Err(Error::Shape { .. })));
    assert!(matches!(Samples::new(&[1.0; 8], 0, &names), Err(Error::TooFew { .. })));
    assert!(matches!(Samples::new(&[1.0; 8], 1, &[] as &[&str]), Err(Error::TooFew { .. })));
    let error = Samples::new(&[0.0, 1.0, 2.0, f64::NAN], 1, &names).unwrap_err();
    assert!(error.to_string().starts_with("w_0 is NaN at index 1"), "{error}");

    let mut values = gaussian_pairs(1, 10, 0.0);
    let short = Samples::new(&values, 5, &names).unwrap();
    let error = summarise(&short).unwrap_err();
    assert_eq!(error.to_string(), "draws per chain of omega_c: at least 4 are needed, found 2");
    assert!(matches!(short.parameter(2), Err(Error::Shape { .. })));

    values.iter_mut().skip(1).step_by(2).for_each(|w| *w = -1.0);
    let constant = Samples::new(&values, 1, &names).unwrap();
    let expected = Error::Constant { what: "w_0".into(), value: -1.0 };
    assert_eq!(summarise(&constant).unwrap_err(), expected);
    assert_eq!(figure_of_merit(&constant, 0, 1).unwrap_err(), expected);
    let degenerate = figure_of_merit(&constant, 0, 0).unwrap_err();
    assert!(matches!(degenerate, Error::Degenerate { .. }), "{degenerate}");

    let unequal = [vec![1.0, 2.0, 3.0, 4.0], vec![1.0; 5]];
    assert!(matches!(r_hat(&unequal), Err(Error::Shape { .. })));
    assert!(matches!(r_hat(&[]), Err(Error::TooFew { .. })));
    assert!(matches!(r_hat(&[vec![1.0, f64::INFINITY, 0.0, 1.0]]), Err(Error::NotFinite { .. })));
    let chain = [vec![1.0, 2.0, 3.0, 4.0]];
    assert!(matches!(ess_quantile(&chain, 1.5), Err(Error::Setting { .. })));
}

#[test]
fn an_infinite_r_hat_is_a_value_like_others() {
    let stuck = [vec![0.0; 100], vec![1.0; 100]];
    let row = summarise_parameter("x", &stuck).unwrap();
    assert_eq!(row.r_hat, f64::INFINITY);
    let json = serde_json::to_string(&row).unwrap();
    assert!(json.contains("\"r_hat\":\"inf\""), "{json}");
    assert_eq!(serde_json::from_str::<ParameterSummary>(&json).unwrap(), row);
    let words: Vec<String> = row.doubts().iter().map(ToString::to_string).collect();
    assert!(words[0].contains("R-hat inf is not below 1.01"), "{words:?}");
}

#[test]
fn doubts_know_one_limit_and_distrust_nan() {
    assert_eq!(Doubt::of(1.0099, 400.0, 400.0), []);
    assert_eq!(Doubt::of(1.01, 400.0, 400.0), [Doubt::RHat(1.01)]);
    assert_eq!(Doubt::of(1.0, 399.0, 398.0), [Doubt::Bulk(399.0), Doubt::Tails(398.0)]);
    assert_eq!(Doubt::of(f64::NAN, f64::NAN, f64::NAN).len(), 3);
}
