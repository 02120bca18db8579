//! The densities: closed forms, finite differences, and the map stage of the published code.

use lognormal_sim::{
    Cosmology, FieldKind, FieldVariance, LatentDensity, Mixing, Randomness, Simulator, Survey,
    WhitenedDensity,
};

fn survey(npix: usize) -> Survey {
    Survey { npix, map_size_deg: 5.0, ..Survey::preset("lsst_y10").unwrap() }
}

fn observation(simulator: &Simulator, seed: u64) -> Vec<f64> {
    simulator.simulate(&Cosmology::FIDUCIAL, seed, 0, true).unwrap()
}

fn normals(count: usize, index: u64) -> Vec<f64> {
    Randomness::new(77, index).normals(count)
}

fn cosmology(offset: f64) -> Cosmology {
    let mut parameters = Cosmology::FIDUCIAL.parameters();
    for (k, p) in parameters.iter_mut().enumerate() {
        *p *= 1.0 + offset * [1.0, -0.7, 0.6, 0.9, -0.3, 0.8][k];
    }
    Cosmology::from_parameters(&parameters).unwrap()
}

/// Every variant of the field model.
fn variants() -> Vec<Survey> {
    let base = survey(16);
    vec![
        base.clone(),
        Survey { mixing: Mixing::SymmetricRoot, ..base.clone() },
        Survey { field_variance: FieldVariance::Measured, ..base.clone() },
        Survey { field: FieldKind::Gaussian, ..base.clone() },
        Survey { npix: 18, mixing: Mixing::SymmetricRoot, ..base },
    ]
}

/// Central differences of `f` along a direction, as in `tests/physics`: down to rounding errors the
/// error falls with the square of the step; it reaches 1e-6 at 1e-4, and 1e-8 when extrapolated
/// from 1e-2 to step zero. Errors are relative to the derivative or to 10, whichever is larger.
fn assert_derivative(name: &str, ours: f64, f: impl Fn(f64) -> f64) {
    const STEPS: [f64; 5] = [1e-2, 3e-3, 1e-3, 3e-4, 1e-4];
    let scale = ours.abs().max(10.0);
    let difference = |step: f64| (f(step) - f(-step)) / (2.0 * step);
    let errors = STEPS.map(|step| (difference(step) - ours).abs() / scale);
    // The log density is a sum of larger terms of either sign.
    let rounding = 1e-14 * f(0.0).abs().max(5e3) / scale;
    for (pair, steps) in errors.windows(2).zip(STEPS.windows(2)) {
        if pair[1] > f64::max(10.0 * rounding / steps[1], 1e-9) {
            let order = (pair[0] / pair[1]).ln() / (steps[0] / steps[1]).ln();
            assert!((1.9..2.1).contains(&order), "{name}: {ours}, order {order}: {errors:?}");
        }
    }
    assert!(errors[4] < 1e-6, "{name}: {ours} with relative errors {errors:?}");
    let [a, b, c] = [1e-2, 5e-3, 2.5e-3].map(difference);
    let extrapolated = (16.0 * (4.0 * c - b) - (4.0 * b - a)) / 45.0;
    assert!((extrapolated - ours).abs() < 1e-8 * scale, "{name}: {ours} {extrapolated}");
}

#[test]
fn joint_gradient_agrees_with_differences() {
    for survey in variants() {
        let name = format!("{:?} {:?} {:?}", survey.field, survey.mixing, survey.field_variance);
        let simulator = Simulator::new(survey).unwrap();
        let density = LatentDensity::new(&simulator, observation(&simulator, 3)).unwrap();
        let (point, latents) = (cosmology(0.05), normals(simulator.map_len(), 5));
        let here = density.evaluate(&point, &latents).unwrap();
        let total = |c: &Cosmology, z: &[f64]| {
            let g = density.evaluate(c, z).unwrap();
            g.log_p_latent + g.log_p_map
        };
        for k in 0..6 {
            let along = |t: f64| {
                let mut parameters = point.parameters();
                parameters[k] += t * parameters[k];
                total(&Cosmology::from_parameters(&parameters).unwrap(), &latents)
            };
            let ours = here.parameters[k] * point.parameters()[k];
            assert_derivative(&format!("{name} parameter {k}"), ours, along);
        }
        let direction = normals(latents.len(), 6);
        let ours: f64 = here.latents.iter().zip(&direction).map(|(g, d)| g * d).sum();
        let along = |t: f64| {
            let shifted: Vec<f64> =
                latents.iter().zip(&direction).map(|(z, d)| z + t * d).collect();
            total(&point, &shifted)
        };
        assert_derivative(&format!("{name} latents"), ours, along);
    }
}

#[test]
fn whitened_gradient_agrees_with_differences() {
    for survey in variants() {
        let name = format!("{:?} {:?} {:?}", survey.field, survey.mixing, survey.field_variance);
        let simulator = Simulator::new(survey).unwrap();
        let map = observation(&simulator, 3);
        let (point, white) = (cosmology(-0.04), normals(simulator.map_len(), 5));
        let mut gradient = vec![0.0; white.len()];
        let mut density = WhitenedDensity::new(&simulator, map.clone()).unwrap();
        let (_, parameters) = density.evaluate(&point, &white, &mut gradient).unwrap();
        let total = |c: &Cosmology, x: &[f64]| {
            let mut density = WhitenedDensity::new(&simulator, map.clone()).unwrap();
            density.evaluate(c, x, &mut vec![0.0; x.len()]).unwrap().0
        };
        for k in 0..6 {
            let along = |t: f64| {
                let mut shifted = point.parameters();
                shifted[k] += t * shifted[k];
                total(&Cosmology::from_parameters(&shifted).unwrap(), &white)
            };
            let ours = parameters[k] * point.parameters()[k];
            assert_derivative(&format!("{name} parameter {k}"), ours, along);
        }
        let direction = normals(white.len(), 6);
        let ours: f64 = gradient.iter().zip(&direction).map(|(g, d)| g * d).sum();
        let along = |t: f64| {
            let shifted: Vec<f64> = white.iter().zip(&direction).map(|(z, d)| z + t * d).collect();
            total(&point, &shifted)
        };
        assert_derivative(&format!("{name} coordinates"), ours, along);
    }
}

/// A Gaussian field is the linear model itself: the coordinates are standard normal, whatever the
/// parameters.
#[test]
fn gaussian_field_is_whitened_exactly() {
    let simulator = Simulator::new(Survey { field: FieldKind::Gaussian, ..survey(16) }).unwrap();
    let mut density = WhitenedDensity::new(&simulator, observation(&simulator, 4)).unwrap();
    let white = normals(simulator.map_len(), 8);
    let mut gradient = vec![0.0; white.len()];
    let (_, first) = density.evaluate(&cosmology(0.1), &white, &mut gradient).unwrap();
    for (g, x) in gradient.iter().zip(&white) {
        assert!((g + x).abs() < 1e-9);
    }
    let other = normals(simulator.map_len(), 9);
    let (_, second) = density.evaluate(&cosmology(0.1), &other, &mut gradient).unwrap();
    for (a, b) in first.iter().zip(&second) {
        assert!((a - b).abs() < 1e-7 * a.abs().max(1.0), "{a} {b}");
    }
}

/// The latents of a convergence map, by plain sums over the definition.
fn latents_of(simulator: &Simulator, point: &Cosmology, kappa: &[f64]) -> Vec<f64> {
    let fields = simulator.fields(point).unwrap();
    let (n, bins) = (simulator.survey().npix, simulator.bins());
    let power = fields.power();
    let g: Vec<f64> = (0..kappa.len())
        .map(|k| {
            let bin = k / (n * n);
            (kappa[k] / power.shifts[bin]).ln_1p() + 0.5 * power.variance[bin]
        })
        .collect();
    let phase = |k: (usize, usize), p: usize| {
        2.0 * std::f64::consts::PI * (k.0 * (p % n) + k.1 * (p / n)) as f64 / n as f64
    };
    let mut latents = vec![0.0; kappa.len()];
    for k in (0..n * n).map(|k| (k / n, k % n)).filter(|&k| k != (0, 0)) {
        let folded = (k.0.min(n - k.0), k.1.min(n - k.1));
        let wanted = (folded.0.max(folded.1), folded.0.min(folded.1));
        let class = simulator.modes().wave_numbers().iter().position(|&w| w == wanted).unwrap();
        let mut z = vec![(0.0, 0.0); bins];
        for i in 0..bins {
            let (mut re, mut im) = (0.0, 0.0);
            for p in 0..n * n {
                let (sin, cos) = phase(k, p).sin_cos();
                re += g[i * n * n + p] * cos;
                im -= g[i * n * n + p] * sin;
            }
            for (j, z) in z.iter().enumerate().take(i) {
                let l = fields.mixing().entry(i, j).unwrap()[class];
                re -= l * z.0;
                im -= l * z.1;
            }
            let l = fields.mixing().entry(i, i).unwrap()[class];
            z[i] = (re / l, im / l);
        }
        for i in 0..bins {
            for p in 0..n * n {
                let (sin, cos) = phase(k, p).sin_cos();
                latents[i * n * n + p] += (z[i].0 * cos - z[i].1 * sin) / (n * n) as f64;
            }
        }
    }
    latents
}

/// At fixed parameters the two coordinate systems differ by a linear map: differences of the log
/// density between two points are the same in both.
#[test]
fn whitened_density_is_the_joint_density_in_other_coordinates() {
    let simulator = Simulator::new(survey(16)).unwrap();
    let map = observation(&simulator, 11);
    let mut whitened = WhitenedDensity::new(&simulator, map.clone()).unwrap();
    let joint = LatentDensity::new(&simulator, map).unwrap();
    let point = cosmology(0.03);
    let mut differences = Vec::new();
    let mut whites = Vec::new();
    for index in 0..2 {
        let mut white = normals(simulator.map_len(), 20 + index);
        // The zero mode of the latents has no effect on the map: leave it out.
        white.iter_mut().step_by(256).for_each(|x| *x = 0.0);
        let mut gradient = vec![0.0; white.len()];
        let (log_white, _) = whitened.evaluate(&point, &white, &mut gradient).unwrap();
        let kappa = whitened.convergence(&point, &white).unwrap();
        let latents = latents_of(&simulator, &point, &kappa);
        let g = joint.evaluate(&point, &latents).unwrap();
        for (a, b) in g.convergence.iter().zip(&kappa) {
            assert!((a - b).abs() < 1e-12);
        }
        differences.push(log_white - g.log_p_latent - g.log_p_map);
        whites.push(log_white);
    }
    assert!((whites[0] - whites[1]).abs() > 1.0);
    assert!((differences[0] - differences[1]).abs() < 1e-7, "{differences:?}");
}
