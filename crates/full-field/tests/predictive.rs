//! Posteriors of wrong maps are told; those of right maps are not.

mod support;

#[path = "support/posterior.rs"]
mod posterior;

use full_field::{Error, PredictiveCheck, PredictiveVerdict, predictive_check};
use lognormal_sim::{Simulator, Survey};
use support::{maps_of_prior, prior, reordered, right_map, right_maps, scaled, simulator, survey};

/// The check of the power-spectrum posterior of a map.
fn check(simulator: &Simulator, map: &[f64]) -> PredictiveCheck {
    let draws = posterior::draws(simulator, map, 400, 3);
    predictive_check(simulator, map, &draws, &prior(1, 2000), 9).expect("a check")
}

#[test]
fn posteriors_of_right_maps_fit() {
    for npix in [32, 64] {
        let simulator = simulator(npix);
        let maps = maps_of_prior(&simulator, right_maps());
        let flagged: Vec<String> = maps
            .iter()
            .filter_map(|(k, map)| {
                let check = check(&simulator, map);
                let flagged = check.verdict > PredictiveVerdict::Fits;
                flagged.then(|| format!("map {k}: {check}"))
            })
            .collect();
        println!("{npix} pixels: {} of {} posteriors flagged", flagged.len(), maps.len());
        assert!(20 * flagged.len() <= maps.len(), "{npix}: {flagged:#?}");
    }
}

#[test]
fn posteriors_of_wrong_maps_do_not_fit() {
    for npix in [32, 64] {
        let right = simulator(npix);
        let map = right_map(&right, 0);
        assert_eq!(check(&right, &map).verdict, PredictiveVerdict::Fits);
        let noisy = Simulator::new(Survey { sigma_e: 0.39, ..survey(npix) }).expect("a survey");
        let small = Simulator::new(Survey { map_size_deg: 5.0, ..survey(npix) }).expect("a survey");
        let quarter = map.len() / 5 / 4;
        let masked: Vec<f64> = (map.iter().enumerate())
            .map(|(k, x)| if k % (4 * quarter) < quarter { 0.0 } else { *x })
            .collect();
        for (name, wrong) in [
            ("1.2", scaled(&map, 1.2)),
            ("1.5", scaled(&map, 1.5)),
            ("10", scaled(&map, 10.0)),
            ("1e-9", scaled(&map, 1e-9)),
            ("swapped", reordered(&map, &[0, 1, 2, 4, 3])),
            ("noise", right_map(&noisy, 0)),
            ("area", right_map(&small, 0)),
            ("masked", masked),
        ] {
            let check = check(&right, &wrong);
            println!("{npix} pixels, {name}: {check}");
            assert_eq!(check.verdict, PredictiveVerdict::DoesNotFit, "{npix} {name}: {check}");
        }
    }
}

/// Parameters far out in their prior do not fit, whatever the maps look like.
#[test]
fn parameters_outside_their_prior_are_named() {
    let simulator = simulator(16);
    let map = right_map(&simulator, 0);
    let mut draws = posterior::draws(&simulator, &map, 400, 3);
    for draw in &mut draws {
        draw[4] = 1.6;
    }
    let check = predictive_check(&simulator, &map, &draws, &prior(1, 2000), 9).expect("a check");
    assert_eq!(check.verdict, PredictiveVerdict::DoesNotFit);
    let text = check.to_string();
    assert!(text.contains("n_s = 1.600 is +") && text.contains("100 % of the posterior"), "{text}");
    // Against the edge at -0.3, where the prior has a ten-thousandth of its probability.
    for draw in &mut draws {
        draw[4] = 0.96;
        draw[5] = -0.3001;
    }
    let check = predictive_check(&simulator, &map, &draws, &prior(1, 2000), 9).expect("a check");
    assert!(check.to_string().contains("w_0 = -0.300"), "{check}");
}

#[test]
fn few_draws_serve_and_bad_input_is_named() {
    let simulator = simulator(16);
    let map = right_map(&simulator, 0);
    let draws = posterior::draws(&simulator, &map, 8, 3);
    let prior = prior(1, 1000);
    let check = predictive_check(&simulator, &map, &draws, &prior, 9).expect("a check");
    let text = serde_json::to_string(&check).expect("JSON");
    assert_eq!(serde_json::from_str::<PredictiveCheck>(&text).expect("a check"), check);
    let outside = [[-1.0; 6]];
    let check = predictive_check(&simulator, &map, &outside, &prior, 9).expect("a check");
    assert_eq!((check.verdict, check.maps), (PredictiveVerdict::DoesNotFit, None));
    let error = |map: &[f64], draws: &[[f64; 6]], prior: &[[f64; 6]]| {
        predictive_check(&simulator, map, draws, prior, 9).expect_err("bad input")
    };
    assert!(matches!(error(&map, &[], &prior), Error::TooFewDraws { found: 0, .. }));
    assert!(matches!(error(&map, &draws, &prior[1..]), Error::TooFewDraws { found: 999, .. }));
    assert!(matches!(error(&map[1..], &draws, &prior), Error::MapSize { .. }));
    let nan = [[0.3, f64::NAN, 0.8, 0.7, 0.96, -1.0]];
    assert!(matches!(error(&map, &nan, &prior), Error::NotFinite { .. }));
}
