//! The map stage of the published code, fed with its spectra and shifts: mixing matrices, field,
//! log densities and latent gradient agree to 1e-6.

use std::path::Path;

use lognormal_sim::{
    FieldPower, FieldVariance, Fields, LatentDensity, Mixing, ShiftConfig, Simulator, Survey,
    read_npy,
};

const N: usize = 64;
const BINS: usize = 5;

fn reference(name: &str) -> Vec<f64> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference");
    read_npy(&folder.join(name)).unwrap().1
}

/// The published choices; shifts are given by hand, so no table is needed.
fn simulator() -> Simulator {
    let survey = Survey {
        npix: N,
        shifts: ShiftConfig::Theory,
        ..Survey::preset("lsst_y10_as_published").unwrap()
    };
    assert_eq!(survey.mixing, Mixing::SymmetricRoot);
    assert_eq!(survey.field_variance, FieldVariance::Measured);
    Simulator::new(survey).unwrap()
}

/// Power `[pair][class]` from a reference array `[cosmology][y][x][pair]`.
fn power(simulator: &Simulator, name: &str, cosmology: usize) -> Vec<Vec<f64>> {
    let power = reference(name);
    let at = |pair: usize, (a, b): (usize, usize)| power[((cosmology * N + b) * N + a) * 15 + pair];
    let classes = simulator.modes().wave_numbers();
    (0..15).map(|pair| classes.iter().map(|&k| at(pair, k)).collect()).collect()
}

/// Fields of the published spectra and shifts.
fn fields(simulator: &Simulator, cosmology: usize) -> Fields {
    let modes = simulator.modes();
    let shifts = reference("shift.npy")[cosmology * BINS..(cosmology + 1) * BINS].to_vec();
    let convergence = power(simulator, "power_gauss_N64.npy", cosmology);
    let power = FieldPower::lognormal(modes, convergence, shifts).unwrap();
    Fields::new(simulator.survey(), modes.clone(), power).unwrap()
}

/// `[y][x][bin]` to `[bin][y][x]`.
fn bin_first(map: &[f64]) -> Vec<f64> {
    (0..BINS).flat_map(|bin| map.iter().skip(bin).step_by(BINS).copied()).collect()
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |largest, x| x.abs().max(largest))
}

#[test]
fn power_of_the_gaussian_fields() {
    let simulator = simulator();
    for cosmology in 0..2 {
        let ours = fields(&simulator, cosmology);
        let theirs = power(&simulator, "power_lognorm_N64.npy", cosmology);
        for (pair, (ours, theirs)) in ours.power().gaussian.iter().zip(&theirs).enumerate() {
            for (a, b) in ours.iter().zip(theirs) {
                assert!((a - b).abs() <= 1e-9 * b.abs().max(1e-6), "pair {pair}: {a} {b}");
            }
        }
    }
}

#[test]
fn mixing_matrices() {
    let (simulator, l) = (simulator(), reference("L_N64.npy"));
    for cosmology in 0..2 {
        let fields = fields(&simulator, cosmology);
        for i in 0..BINS {
            for j in 0..BINS {
                let ours = fields.mixing().entry(i, j).unwrap();
                for (&(a, b), ours) in simulator.modes().wave_numbers().iter().zip(ours) {
                    let mode = (cosmology * N + b) * N + a;
                    let theirs = l[mode * 25 + i * BINS + j];
                    let scale = largest(&l[mode * 25..(mode + 1) * 25]).max(1e-12);
                    assert!((ours - theirs).abs() < 1e-6 * scale, "{i} {j} {a} {b}");
                }
            }
        }
    }
}

#[test]
fn field() {
    let (simulator, latents) = (simulator(), reference("lat_z.npy"));
    let published = reference("field_N64.npy");
    for cosmology in 0..2 {
        let ours: Vec<f64> = fields(&simulator, cosmology).convergence(&latents).unwrap();
        let map = N * N * BINS;
        let theirs = bin_first(&published[cosmology * map..(cosmology + 1) * map]);
        for (bin, (ours, theirs)) in ours.chunks(N * N).zip(theirs.chunks(N * N)).enumerate() {
            let scale = largest(theirs);
            for (a, b) in ours.iter().zip(theirs) {
                assert!((a - b).abs() < 1e-6 * scale, "bin {bin}: {a} {b}");
            }
        }
    }
}

/// At both cosmologies, of the map made at cosmology 0.
#[test]
fn log_densities_and_latent_gradients() {
    let (simulator, latents) = (simulator(), reference("lat_z.npy"));
    let map = bin_first(&reference("obs_y_N64.npy"));
    let density = LatentDensity::new(&simulator, map).unwrap();
    // log p(y | z, theta) of the published code, and its gradient of log p(y | z, theta) p(z).
    let published =
        [(61641.9821453506, "grad_z_N64.npy"), (59668.83296317642, "grad_z_N64_th1.npy")];
    for (cosmology, (log_p_map, gradient)) in published.into_iter().enumerate() {
        let point = density.evaluate_map_stage(&fields(&simulator, cosmology), &latents).unwrap();
        assert!((point.log_p_latent / -29098.500332276395 - 1.0).abs() < 1e-9);
        assert!((point.log_p_map / log_p_map - 1.0).abs() < 1e-6, "{}", point.log_p_map);
        let theirs = reference(gradient);
        let scale = largest(&theirs);
        for (a, b) in point.latents.iter().zip(&theirs) {
            assert!((a - b).abs() < 1e-6 * scale, "cosmology {cosmology}: {a} {b}");
        }
    }
}
