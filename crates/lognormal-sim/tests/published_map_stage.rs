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

fn fields(simulator: &Simulator, cosmology: usize) -> Fields {
    let power = reference("power_lognorm_N64.npy");
    let shifts = reference("shift.npy")[cosmology * BINS..(cosmology + 1) * BINS].to_vec();
    let at = |pair: usize, (a, b): (usize, usize)| power[((cosmology * N + b) * N + a) * 15 + pair];
    let modes = simulator.modes().clone();
    let gaussian =
        (0..15).map(|pair| modes.wave_numbers().iter().map(|&k| at(pair, k)).collect()).collect();
    let variance = vec![0.0; BINS]; // measured on the map instead
    Fields::new(simulator.survey(), modes, FieldPower { gaussian, shifts, variance }).unwrap()
}

/// `[y][x][bin]` to `[bin][y][x]`.
fn bin_first(map: &[f64]) -> Vec<f64> {
    (0..BINS).flat_map(|bin| map.iter().skip(bin).step_by(BINS).copied()).collect()
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |largest, x| x.abs().max(largest))
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
        let ours: Vec<f64> = fields(&simulator, cosmology).convergence(&latents);
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

#[test]
fn log_densities_and_latent_gradient() {
    let (simulator, latents) = (simulator(), reference("lat_z.npy"));
    let map = bin_first(&reference("obs_y_N64.npy"));
    let density = LatentDensity::new(&simulator, map).unwrap();
    let point = density.evaluate_map_stage(&fields(&simulator, 0), &latents).unwrap();
    // log p(z) and log p(y | z, theta) of the published code.
    assert!((point.log_p_latent / -29098.500332276395 - 1.0).abs() < 1e-9);
    assert!((point.log_p_map / 61641.9821453506 - 1.0).abs() < 1e-6, "{}", point.log_p_map);
    let theirs = reference("grad_z_N64.npy");
    let scale = largest(&theirs);
    for (a, b) in point.latents.iter().zip(&theirs) {
        assert!((a - b).abs() < 1e-6 * scale, "{a} {b}");
    }
}
