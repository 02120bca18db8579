//! A thousand simulated maps against theory, and the same maps on any number of threads.

use lognormal_sim::{BandPowers, Cosmology, Simulator, Survey};

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

/// All deviations below 4.5 standard errors, and of the size that chance gives.
fn assert_chance(what: &str, deviations: &[f64]) {
    let worst = deviations.iter().fold(0.0_f64, |worst, d| worst.max(d.abs()));
    let rms = (deviations.iter().map(|d| d * d).sum::<f64>() / deviations.len() as f64).sqrt();
    println!("{what}: worst {worst:.2}, rms {rms:.2} standard errors");
    assert!(worst < 4.5 && rms < 1.6, "{what}: {deviations:?}");
}

/// Spectra agree with Limber theory; variance and third moment with the closed forms of the
/// lognormal distribution, `lambda^2 (e^s - 1)` and `lambda^3 (e^3s - 3 e^s + 2)`, where `s` is the
/// variance of the Gaussian field.
fn check(npix: usize) {
    let (simulator, cosmology) = (simulator(npix), Cosmology::FIDUCIAL);
    let bins = simulator.bins();
    let survey = simulator.survey();
    let edges = BandPowers::default_edges(npix, survey.map_size_deg);
    let bands = BandPowers::new(npix, survey.map_size_deg, &edges).unwrap();
    let fields = simulator.fields(&cosmology).unwrap();
    let theory = simulator.theory().spectra(&cosmology, bands.multipoles()).unwrap();

    let mut spectra = vec![vec![Mean::default(); bands.bands().len()]; theory.len()];
    let mut moments = vec![[Mean::default(); 3]; bins];
    for first in (0..MAPS).step_by(100) {
        let batch = simulator.simulate_batch::<f64>(&[cosmology; 100], 17, first, false);
        for maps in batch {
            let maps = maps.unwrap();
            for (means, measured) in spectra.iter_mut().zip(bands.measure(&maps, bins).unwrap()) {
                means.iter_mut().zip(measured).for_each(|(mean, value)| mean.add(value));
            }
            for (moments, map) in moments.iter_mut().zip(maps.chunks_exact(npix * npix)) {
                for (power, mean) in (1..).zip(moments) {
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
    for (bin, moments) in moments.iter().enumerate() {
        let (lambda, s) = (fields.power().shifts[bin], fields.power().variance[bin]);
        let expected = [
            0.0,
            lambda.powi(2) * s.exp_m1(),
            lambda.powi(3) * ((3.0 * s).exp() - 3.0 * s.exp() + 2.0),
        ];
        // The moments of a map are correlated, so only each on its own says something.
        for (power, (mean, value)) in (1..).zip(moments.iter().zip(expected)) {
            let deviation = mean.deviation(value);
            assert!(deviation.abs() < 4.0, "bin {bin}, moment {power}: {deviation} errors off");
        }
    }
}

#[test]
fn a_thousand_maps_agree_with_theory_at_64_pixels() {
    check(64);
}

#[test]
fn a_thousand_maps_agree_with_theory_at_100_pixels() {
    check(100);
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
