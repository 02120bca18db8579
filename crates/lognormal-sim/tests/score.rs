//! Scores of simulations: closed forms and differences, and what they must be on average.

use std::f64::consts::PI;

use lognormal_sim::{
    Cosmology, FieldKind, FieldVariance, LatentDensity, Mixing, Randomness, ScoreKind, Simulator,
    Survey, WhitenedDensity,
};

const SEED: u64 = 21;

fn survey(npix: usize) -> Survey {
    Survey { npix, map_size_deg: 5.0, ..Survey::preset("lsst_y10").unwrap() }
}

fn shifted(parameter: usize, step: f64) -> Cosmology {
    let mut parameters = Cosmology::FIDUCIAL.parameters();
    parameters[parameter] += step;
    Cosmology::from_parameters(&parameters).unwrap()
}

/// Latents and maps of a simulation.
fn simulated(simulator: &Simulator, index: u64) -> (Vec<f64>, Vec<f64>) {
    let latents = Randomness::new(SEED, index).normals(simulator.map_len());
    (latents, simulator.simulate(&Cosmology::FIDUCIAL, SEED, index, true).unwrap())
}

fn variants() -> Vec<Survey> {
    let base = survey(16);
    vec![
        base.clone(),
        Survey { mixing: Mixing::SymmetricRoot, ..base.clone() },
        Survey { field_variance: FieldVariance::Measured, ..base.clone() },
        Survey { field: FieldKind::Gaussian, ..base },
    ]
}

#[test]
fn coordinates_of_latents_are_those_of_their_field() {
    for survey in variants() {
        let simulator = Simulator::new(survey).unwrap();
        let (latents, maps) = simulated(&simulator, 0);
        let point = shifted(2, 0.03);
        let mut density = WhitenedDensity::new(&simulator, maps).unwrap();
        let white = density.coordinates(&point, &latents).unwrap();
        let back = density.convergence(&point, &white).unwrap();
        let field = simulator.fields(&point).unwrap().convergence(&latents).unwrap();
        let short = simulator.fields(&point).unwrap().convergence(&latents[1..]);
        assert!(matches!(short, Err(lognormal_sim::Error::Shape { .. })));
        for (a, b) in back.iter().zip(&field) {
            assert!((a - b).abs() < 1e-12, "{a} {b}");
        }
        // The mean of the latents, which shows nowhere, is kept.
        let mean = latents[..256].iter().sum::<f64>() / 16.0;
        assert!((white[0] - mean).abs() < 1e-12);
        assert!(density.coordinates(&point, &latents[1..]).is_err());
        let bad: Vec<f64> = latents.iter().map(|_| f64::NAN).collect();
        assert!(density.coordinates(&point, &bad).is_err());
    }
}

#[test]
fn a_slice_is_the_density_at_its_parameters_however_often_it_is_asked() {
    let simulator = Simulator::new(survey(16)).unwrap();
    let (latents, maps) = simulated(&simulator, 1);
    let mut density = WhitenedDensity::new(&simulator, maps).unwrap();
    let white = density.coordinates(&Cosmology::FIDUCIAL, &latents).unwrap();
    let other: Vec<f64> = white.iter().map(|x| 0.5 * x).collect();
    let mut expected = vec![0.0; white.len()];
    let (value, parameters) =
        density.evaluate(&Cosmology::FIDUCIAL, &white, &mut expected).unwrap();
    let mut slice = density.at(&Cosmology::FIDUCIAL).unwrap();
    let mut gradient = vec![0.0; white.len()];
    slice.evaluate(&other, &mut gradient).unwrap();
    slice.log_density(&other, &mut gradient).unwrap();
    assert_ne!(gradient, expected);
    assert_eq!(slice.evaluate(&white, &mut gradient).unwrap(), (value, parameters));
    assert_eq!(gradient, expected);
    assert_eq!(slice.log_density(&white, &mut gradient).unwrap(), value);
    assert!(slice.log_density(&white[1..], &mut gradient).is_err());
    assert!(slice.evaluate(&white, &mut gradient[1..]).is_err());
}

/// The log density whose derivative a score is, at shifted parameters.
fn log_density(simulator: &Simulator, kind: ScoreKind, index: u64, point: &Cosmology) -> f64 {
    let (latents, maps) = simulated(simulator, index);
    match kind {
        ScoreKind::Latents => {
            let density = LatentDensity::new(simulator, maps).unwrap();
            density.evaluate(point, &latents).unwrap().log_p_map
        }
        ScoreKind::Whitened => {
            let mut density = WhitenedDensity::new(simulator, maps).unwrap();
            let white = density.coordinates(&Cosmology::FIDUCIAL, &latents).unwrap();
            density.evaluate(point, &white, &mut vec![0.0; white.len()]).unwrap().0
        }
        ScoreKind::Field => {
            let g = gaussian_field(simulator, &latents);
            field_prior(simulator, &g, point) + field_likelihood(simulator, &g, &maps, point)
        }
    }
}

/// The Gaussian field behind fiducial latents, from its convergence.
fn gaussian_field(simulator: &Simulator, latents: &[f64]) -> Vec<f64> {
    let fields = simulator.fields(&Cosmology::FIDUCIAL).unwrap();
    let kappa: Vec<f64> = fields.convergence(latents).unwrap();
    let pixels = kappa.len() / simulator.bins();
    let mut g = Vec::new();
    for (kappa, shift) in kappa.chunks_exact(pixels).zip(&fields.power().shifts) {
        let log: Vec<f64> = kappa.iter().map(|k| (k / shift).ln_1p()).collect();
        // The field has no mean, whichever variance was subtracted.
        let mean = log.iter().sum::<f64>() / pixels as f64;
        g.extend(log.iter().map(|l| l - mean));
    }
    g
}

/// `log p(map | g, theta)`, pixel by pixel, up to a constant.
fn field_likelihood(simulator: &Simulator, g: &[f64], maps: &[f64], point: &Cosmology) -> f64 {
    let power = simulator.field_power(point).unwrap();
    let pixels = g.len() / simulator.bins();
    let measured = simulator.survey().field_variance == FieldVariance::Measured;
    let mut total = 0.0;
    for bin in 0..simulator.bins() {
        let inside = bin * pixels..(bin + 1) * pixels;
        let own = g[inside.clone()].iter().map(|g| g * g).sum::<f64>() / pixels as f64;
        let variance = if measured { own } else { power.variance[bin] };
        for (g, y) in g[inside.clone()].iter().zip(&maps[inside]) {
            let kappa = power.shifts[bin] * (g - 0.5 * variance).exp_m1();
            total -= 0.5 * (y - kappa).powi(2) / simulator.noise_variance()[bin];
        }
    }
    total
}

/// `log p(g | theta)` up to a constant, by plain sums: the latents of `g` at these parameters are
/// standard normal, with the Jacobian of the mixing.
fn field_prior(simulator: &Simulator, g: &[f64], point: &Cosmology) -> f64 {
    let fields = simulator.fields(point).unwrap();
    let (n, bins) = (simulator.survey().npix, simulator.bins());
    let mut total = 0.0;
    for k in (1..n * n).map(|k| (k / n, k % n)) {
        let folded = (k.0.min(n - k.0), k.1.min(n - k.1));
        let wanted = (folded.0.max(folded.1), folded.0.min(folded.1));
        let class = simulator.modes().wave_numbers().iter().position(|&w| w == wanted).unwrap();
        let mut z: Vec<(f64, f64)> = Vec::new();
        for i in 0..bins {
            let (mut re, mut im) = (0.0, 0.0);
            for p in 0..n * n {
                let phase = 2.0 * PI * ((k.0 * (p % n) + k.1 * (p / n)) % n) as f64 / n as f64;
                re += g[i * n * n + p] * phase.cos() / n as f64;
                im -= g[i * n * n + p] * phase.sin() / n as f64;
            }
            for (j, z) in z.iter().enumerate() {
                let l = fields.mixing().entry(i, j).unwrap()[class];
                re -= l * z.0;
                im -= l * z.1;
            }
            let l = fields.mixing().entry(i, i).unwrap()[class];
            z.push((re / l, im / l));
            total -= 0.5 * (z[i].0.powi(2) + z[i].1.powi(2)) + l.ln();
        }
    }
    total
}

#[test]
fn scores_agree_with_differences() {
    let surveys = variants();
    let cases = [
        (&surveys[0], ScoreKind::Latents),
        (&surveys[1], ScoreKind::Latents),
        (&surveys[0], ScoreKind::Whitened),
        (&surveys[2], ScoreKind::Whitened),
        (&surveys[0], ScoreKind::Field),
        (&surveys[2], ScoreKind::Field),
    ];
    for (survey, kind) in cases {
        let simulator = Simulator::new(survey.clone()).unwrap();
        let scored = simulator.simulate_scored(kind, &Cosmology::FIDUCIAL, SEED, 2).unwrap();
        let (_, maps) = simulated(&simulator, 2);
        for (a, b) in scored.maps.iter().zip(&maps) {
            assert!((a - b).abs() < 1e-14, "{kind:?}: the maps are those of a simulation");
        }
        for (k, &ours) in scored.score.iter().enumerate() {
            let step = 2e-3 * Cosmology::FIDUCIAL.parameters()[k];
            let at = |step| log_density(&simulator, kind, 2, &shifted(k, step));
            let difference = |step: f64| (at(step) - at(-step)) / (2.0 * step);
            let extrapolated = (4.0 * difference(step) - difference(2.0 * step)) / 3.0;
            let scale = ours.abs().max(10.0);
            assert!(
                (extrapolated - ours).abs() < 3e-6 * scale,
                "{kind:?} {:?} parameter {k}: {ours}, by differences {extrapolated}",
                survey.field_variance
            );
        }
    }
}

#[test]
fn scores_depend_on_seed_and_index_alone() {
    let simulator = Simulator::new(survey(16)).unwrap();
    for kind in ScoreKind::ALL {
        let score = |index| {
            simulator.simulate_scored(kind, &Cosmology::FIDUCIAL, SEED, index).unwrap().score
        };
        let first = score(0);
        let others = std::thread::scope(|scope| {
            let tasks: Vec<_> = (0..4).map(|k| scope.spawn(move || score(k % 2))).collect();
            tasks.into_iter().map(|task| task.join().unwrap()).collect::<Vec<_>>()
        });
        assert_eq!((others[0], others[2]), (first, first), "{kind:?}");
        assert_eq!(others[1], others[3], "{kind:?}");
        assert_ne!(others[1], first, "{kind:?}");
    }
    let plain = simulator.simulate_with_score(&Cosmology::FIDUCIAL, SEED, 0).unwrap();
    let named =
        simulator.simulate_scored(ScoreKind::Latents, &Cosmology::FIDUCIAL, SEED, 0).unwrap();
    assert_eq!(plain.score, named.score);
}

/// A Gaussian field is independent of its whitened latents: the score is the marginal one, that of
/// the likelihood of the map, whatever the latents. Checked with other latents for the same map.
#[test]
fn the_whitened_score_of_a_gaussian_field_has_no_noise() {
    let simulator = Simulator::new(Survey { field: FieldKind::Gaussian, ..survey(16) }).unwrap();
    let point = &Cosmology::FIDUCIAL;
    let scored = simulator.simulate_scored(ScoreKind::Whitened, point, SEED, 3).unwrap();
    let mut density = WhitenedDensity::new(&simulator, scored.maps.clone()).unwrap();
    let white = Randomness::new(99, 0).normals(simulator.map_len());
    let (_, other) = density.evaluate(point, &white, &mut vec![0.0; white.len()]).unwrap();
    for (a, b) in scored.score.iter().zip(&other) {
        assert!((a - b).abs() < 1e-8 * a.abs().max(10.0), "{a} {b}");
    }
    let noisy = simulator.simulate_scored(ScoreKind::Latents, point, SEED, 3).unwrap();
    assert!((noisy.score[2] - scored.score[2]).abs() > 1.0);
}

/// Any score has mean zero at the true parameters, and `E[score t] = d E[t] / d theta` for a
/// statistic `t` of the map: here the variance of each bin, whose expectation is the sum of its
/// power. Differences of kinds are free of the map's own scatter.
#[test]
fn scores_are_unbiased() {
    const COUNT: u64 = 1500;
    let simulator = Simulator::new(survey(16)).unwrap();
    let bins = simulator.bins();
    let expectation = |point: &Cosmology| -> Vec<f64> {
        let fields = simulator.fields(point).unwrap();
        let (power, modes) = (fields.power(), simulator.modes());
        (0..bins)
            .map(|bin| {
                // Variance of a lognormal field of zero mean.
                assert!(modes.npix() == 16);
                power.shifts[bin].powi(2) * power.variance[bin].exp_m1()
            })
            .collect()
    };
    let derivatives: Vec<Vec<f64>> = (0..6)
        .map(|k| {
            let step = 1e-3 * Cosmology::FIDUCIAL.parameters()[k].abs();
            let (above, below) = (expectation(&shifted(k, step)), expectation(&shifted(k, -step)));
            above.iter().zip(&below).map(|(a, b)| (a - b) / (2.0 * step)).collect()
        })
        .collect();
    let centre: Vec<f64> = expectation(&Cosmology::FIDUCIAL)
        .iter()
        .zip(simulator.noise_variance())
        .map(|(signal, noise)| signal + noise)
        .collect();

    let mut deviations = Vec::new();
    let mut check = |values: &[f64], expected: f64| {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (count - 1.0);
        deviations.push((mean - expected) / (variance / count).sqrt());
    };
    let scored = |kind, index| {
        simulator.simulate_scored(kind, &Cosmology::FIDUCIAL, SEED, 100 + index).unwrap()
    };
    let mut scores = [const { Vec::new() }; 3];
    let mut statistics = Vec::new();
    for index in 0..COUNT {
        for (kind, scores) in ScoreKind::ALL.into_iter().zip(&mut scores) {
            let simulation = scored(kind, index);
            if kind == ScoreKind::Whitened {
                let maps = simulation.maps.chunks_exact(256);
                let squares = maps.map(|map| map.iter().map(|y| y * y).sum::<f64>() / 256.0);
                statistics.push(squares.zip(&centre).map(|(s, c)| s - c).collect::<Vec<f64>>());
            }
            scores.push(simulation.score);
        }
    }
    let [latents, field, whitened] = &scores;
    for k in 0..6 {
        for scores in &scores {
            check(&scores.iter().map(|s| s[k]).collect::<Vec<_>>(), 0.0);
        }
        for bin in 0..bins {
            let products: Vec<f64> =
                whitened.iter().zip(&statistics).map(|(s, t)| s[k] * t[bin]).collect();
            check(&products, derivatives[k][bin]);
            for other in [latents, field] {
                let differences: Vec<f64> = other
                    .iter()
                    .zip(whitened)
                    .zip(&statistics)
                    .map(|((a, b), t)| (a[k] - b[k]) * t[bin])
                    .collect();
                check(&differences, 0.0);
            }
        }
    }
    let worst = deviations.iter().fold(0.0_f64, |worst, d| worst.max(d.abs()));
    let rms = (deviations.iter().map(|d| d * d).sum::<f64>() / deviations.len() as f64).sqrt();
    assert!(worst < 4.5 && rms < 1.5, "worst {worst}, rms {rms}: {deviations:?}");
}
