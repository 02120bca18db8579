//! A thousand simulated maps against theory, and the same maps in either precision and on any number
//! of threads.

use lognormal_sim::{BandPowers, Cosmology, FieldKind, Simulator, SourcesConfig, Survey};

const MAPS: u64 = 1000;

/// Mean of a statistic over simulations with its standard error.
#[derive(Clone, Copy, Default)]
struct Mean {
    count: f64,
    sum: f64,
    squares: f64,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        self.sum += value;
        self.squares += value * value;
    }

    /// Deviation from the expectation in standard errors.
    fn deviation(&self, expected: f64) -> f64 {
        let mean = self.sum / self.count;
        let variance = self.squares / self.count - mean * mean;
        (mean - expected) / (variance / (self.count - 1.0)).sqrt()
    }
}

fn simulator(npix: usize) -> Simulator {
    Simulator::new(Survey { npix, ..Survey::preset("lsst_y10").unwrap() }).unwrap()
}

/// Gaussian fields of two source bins.
fn gaussian_simulator(npix: usize) -> Simulator {
    let mut survey =
        Survey { npix, field: FieldKind::Gaussian, ..Survey::preset("lsst_y10").unwrap() };
    let SourcesConfig::Smail { bins, .. } = &mut survey.sources else { unreachable!() };
    *bins = 2;
    Simulator::new(survey).unwrap()
}

/// All deviations below 4.5 standard errors, and of the size that chance gives.
fn assert_chance(what: &str, deviations: &[f64]) {
    let worst = deviations.iter().fold(0.0_f64, |worst, d| worst.max(d.abs()));
    let rms = (deviations.iter().map(|d| d * d).sum::<f64>() / deviations.len() as f64).sqrt();
    println!("{what}: worst {worst:.2}, rms {rms:.2} standard errors");
    assert!(worst < 4.5 && rms < 1.6, "{what}: {deviations:?}");
}

/// Spectra agree with Limber theory, and moments of the pixels with the `(power, value)` expected
/// of each bin.
fn check(simulator: &Simulator, expected: &[Vec<(i32, f64)>]) {
    let (bins, survey) = (simulator.bins(), simulator.survey());
    assert_eq!(bins, expected.len());
    let npix = survey.npix;
    let edges = BandPowers::default_edges(npix, survey.map_size_deg);
    let bands = BandPowers::new(npix, survey.map_size_deg, &edges).unwrap();
    let theory = simulator.theory().spectra(&Cosmology::FIDUCIAL, bands.multipoles()).unwrap();

    let mut spectra = vec![vec![Mean::default(); bands.bands().len()]; theory.len()];
    let mut moments: Vec<Vec<Mean>> =
        expected.iter().map(|moments| vec![Mean::default(); moments.len()]).collect();
    for first in (0..MAPS).step_by(100) {
        let batch = simulator.simulate_batch::<f64>(&[Cosmology::FIDUCIAL; 100], 17, first, false);
        for maps in batch {
            let maps = maps.unwrap();
            for (means, measured) in spectra.iter_mut().zip(bands.measure(&maps, bins).unwrap()) {
                means.iter_mut().zip(measured).for_each(|(mean, value)| mean.add(value));
            }
            for ((moments, expected), map) in
                moments.iter_mut().zip(expected).zip(maps.chunks_exact(npix * npix))
            {
                for (mean, &(power, _)) in moments.iter_mut().zip(expected) {
                    let sum: f64 = map.iter().map(|kappa| kappa.powi(power)).sum();
                    mean.add(sum / map.len() as f64);
                }
            }
        }
    }
    for (pair, (means, spectrum)) in spectra.iter().zip(&theory).enumerate() {
        let expected = bands.average(spectrum).unwrap();
        let deviations: Vec<f64> =
            means.iter().zip(expected).map(|(mean, c)| mean.deviation(c)).collect();
        assert_chance(&format!("{npix} pixels, pair {pair}"), &deviations);
    }
    for (bin, (moments, expected)) in moments.iter().zip(expected).enumerate() {
        // The moments of a map are correlated, so only each on its own says something.
        for (mean, &(power, value)) in moments.iter().zip(expected) {
            let deviation = mean.deviation(value);
            println!("{npix} pixels, bin {bin}, moment {power}: {deviation:.2} standard errors");
            assert!(deviation.abs() < 4.0, "bin {bin}, moment {power}: {deviation} errors off");
        }
    }
}

/// Variance and third moment have the closed forms of the lognormal distribution,
/// `lambda^2 (e^s - 1)` and `lambda^3 (e^3s - 3 e^s + 2)`, where `s` is the variance of the
/// Gaussian field.
fn check_lognormal(npix: usize) {
    let simulator = simulator(npix);
    let fields = simulator.fields(&Cosmology::FIDUCIAL).unwrap();
    let power = fields.power();
    let moments = |(&lambda, &s): (&f64, &f64)| {
        let third = (3.0 * s).exp() - 3.0 * s.exp() + 2.0;
        vec![(1, 0.0), (2, lambda.powi(2) * s.exp_m1()), (3, lambda.powi(3) * third)]
    };
    let expected: Vec<_> = power.shifts.iter().zip(&power.variance).map(moments).collect();
    check(&simulator, &expected);
}

#[test]
fn a_thousand_maps_agree_with_theory_at_64_pixels() {
    check_lognormal(64);
}

#[test]
fn a_thousand_maps_agree_with_theory_at_100_pixels() {
    check_lognormal(100);
}

/// The variance is the sum of the spectrum over the modes of the map, per area; there is no
/// skewness. The mean of each map vanishes, as its zero mode does.
#[test]
fn a_thousand_gaussian_maps_of_two_bins_agree_with_theory() {
    let simulator = gaussian_simulator(64);
    let (theory, modes) = (simulator.theory(), simulator.modes());
    let spectra = theory.spectra(&Cosmology::FIDUCIAL, modes.ell()).unwrap();
    let area = simulator.survey().map_size_deg.to_radians().powi(2);
    let variance = |spectrum: &[f64]| {
        spectrum.iter().zip(modes.multiplicity()).map(|(c, count)| c * count).sum::<f64>() / area
    };
    let expected: Vec<_> = theory
        .pairs()
        .iter()
        .zip(&spectra)
        .filter(|((i, j), _)| i == j)
        .map(|(_, spectrum)| vec![(2, variance(spectrum)), (3, 0.0)])
        .collect();
    check(&simulator, &expected);
}

/// To a few units in the last place of single precision, relative to a pixel or to the standard
/// deviation of its map, which all pixels share through the Fourier transforms.
#[test]
fn maps_in_single_precision_are_those_in_double_precision() {
    let unit = f64::from(f32::EPSILON);
    for (simulator, noise) in [
        (simulator(64), false),
        (simulator(100), true),
        (gaussian_simulator(64), true),
        (gaussian_simulator(100), false),
    ] {
        let double: Vec<f64> = simulator.simulate(&Cosmology::FIDUCIAL, 5, 11, noise).unwrap();
        let single: Vec<f32> = simulator.simulate(&Cosmology::FIDUCIAL, 5, 11, noise).unwrap();
        let pixels = double.len() / simulator.bins();
        for (double, single) in double.chunks(pixels).zip(single.chunks(pixels)) {
            let deviation = (double.iter().map(|x| x * x).sum::<f64>() / pixels as f64).sqrt();
            let (mut worst, mut squares) = (0.0_f64, 0.0);
            for (x, &y) in double.iter().zip(single) {
                let error = (x - f64::from(y)).abs() / (x.abs() + deviation) / unit;
                worst = worst.max(error);
                squares += error * error;
            }
            let rms = (squares / pixels as f64).sqrt();
            println!("{pixels} pixels: rms {rms:.2}, worst {worst:.1} units in the last place");
            assert!(rms < 4.0 && worst < 20.0, "rms {rms}, worst {worst}");
        }
    }
}

#[test]
fn maps_do_not_depend_on_the_number_of_threads() {
    let simulator = simulator(32);
    let batch = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| simulator.simulate_batch::<f32>(&[Cosmology::FIDUCIAL; 7], 3, 40, true))
    };
    let bits = |threads: usize| -> Vec<Vec<u32>> {
        let maps = batch(threads).into_iter();
        maps.map(|map| map.unwrap().into_iter().map(f32::to_bits).collect()).collect()
    };
    let one = bits(1);
    assert_eq!(one, bits(2));
    let alone = simulator.simulate::<f32>(&Cosmology::FIDUCIAL, 3, 42, true).unwrap();
    assert_eq!(one[2], alone.into_iter().map(f32::to_bits).collect::<Vec<_>>());
}
