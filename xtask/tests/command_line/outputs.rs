//! The files that the program leaves: their arrays, shapes and numbers.

use std::f64::consts::TAU;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use lognormal_sim::{PARAMETERS, Randomness};
use zip::ZipArchive;

use super::{Folder, noise_map};

/// Parameters other than the fiducial ones.
const POINT: [f64; 6] = [0.3, 0.05, 0.8, 0.7, 0.96, -0.9];
const BINS: usize = 5;
/// Pixels along a side of the maps.
const N: usize = 16;
const PIXELS: usize = BINS * N * N;

/// Variance of the shape noise of a pixel of `lsst_y10`: 27 galaxies per square arcminute in all
/// bins together, with ellipticities of 0.26, over 600 arcminutes.
fn noise_variance() -> f64 {
    let galaxies = 27.0 / BINS as f64 * (600.0 / N as f64).powi(2);
    0.26_f64.powi(2) / galaxies
}

/// Parameters as they are given to the program.
fn words(parameters: &[f64; 6]) -> String {
    parameters.map(|parameter| parameter.to_string()).join(",")
}

/// An `.npz`, read without help from the program under test.
struct Npz(ZipArchive<BufReader<File>>);

impl Npz {
    fn open(path: &Path) -> Self {
        let file = File::open(path).expect("it was written");
        Self(ZipArchive::new(BufReader::new(file)).expect("it is an archive"))
    }

    fn keys(&self) -> Vec<String> {
        let files = self.0.file_names().map(|name| name.expect("it is text").into_owned());
        files.map(|file| file.trim_end_matches(".npy").to_owned()).collect()
    }

    /// The elements of an array, which must have this shape and be of this type.
    fn read<T: npyz::Deserialize>(&mut self, name: &str, shape: &[u64]) -> Vec<T> {
        let member = self.0.by_name(&format!("{name}.npy")).expect(name);
        let array = npyz::NpyFile::new(member).expect(name);
        assert_eq!(array.shape(), shape, "{name}");
        assert_eq!(array.order(), npyz::Order::C, "{name}");
        array.into_vec().expect(name)
    }
}

/// Derivatives are those of the parameter, pair and multipole that their place says.
#[test]
fn spectra_are_written_with_their_derivatives() {
    const ELL: [f64; 3] = [10.0, 100.0, 1000.0];
    const COUNT: usize = 15 * ELL.len();
    let folder = Folder::new();
    let run = |parameters: &[f64; 6], out: &str| {
        let parameters = words(parameters);
        folder.succeeds(&format!(
            "spectra --params {parameters} --ell 10,100,1000 --npix {N} --out {out}"
        ));
    };
    run(&POINT, "here.npz");
    let mut here = Npz::open(&folder.path("here.npz"));
    assert_eq!(here.keys(), ["ell", "pairs", "cl", "dcl", "shifts", "dshifts"]);
    assert_eq!(here.read::<f64>("ell", &[3]), ELL);
    let pairs: Vec<i64> = (0..5).flat_map(|i| (i..5).flat_map(move |j| [i, j])).collect();
    assert_eq!(here.read::<i64>("pairs", &[15, 2]), pairs);
    let cl: Vec<f64> = here.read("cl", &[15, 3]);
    let dcl: Vec<f64> = here.read("dcl", &[6, 15, 3]);
    let shifts: Vec<f64> = here.read("shifts", &[5]);
    let dshifts: Vec<f64> = here.read("dshifts", &[6, 5]);

    let values = [cl.clone(), shifts].concat();
    assert!(values.iter().all(|&value| value > 0.0), "{values:?}");
    for (k, name) in PARAMETERS.iter().enumerate() {
        let step = 3e-4 * POINT[k].abs();
        let side = |sign: f64| -> Vec<f64> {
            let mut moved = POINT;
            moved[k] += sign * step;
            run(&moved, "moved.npz");
            let mut moved = Npz::open(&folder.path("moved.npz"));
            [moved.read::<f64>("cl", &[15, 3]), moved.read::<f64>("shifts", &[5])].concat()
        };
        let (above, below) = (side(1.0), side(-1.0));
        let claimed = [&dcl[COUNT * k..][..COUNT], &dshifts[BINS * k..][..BINS]].concat();
        for (i, claimed) in claimed.iter().enumerate() {
            let difference = (above[i] - below[i]) / (2.0 * step);
            let error = (difference - claimed).abs() * POINT[k].abs() / values[i];
            assert!(error < 1e-5, "{name}, value {i}: {claimed} {difference}");
        }
    }

    run(&POINT, "here.csv");
    let text = fs::read_to_string(folder.path("here.csv")).expect("it was written");
    let mut lines = text.lines();
    let derivatives = PARAMETERS.map(|name| format!("dcl_d{name}")).join(",");
    let head = format!("bin_i,bin_j,ell,cl,{derivatives}");
    assert_eq!(lines.next(), Some(head.as_str()));
    let number = |word: &str| word.parse::<f64>().expect("a number");
    let rows: Vec<Vec<f64>> = lines.map(|line| line.split(',').map(number).collect()).collect();
    let row = |i: usize| -> Vec<f64> {
        let (pair, multipole) = (i / ELL.len(), i % ELL.len());
        let bins = [pairs[2 * pair] as f64, pairs[2 * pair + 1] as f64];
        let values = [bins[0], bins[1], ELL[multipole], cl[i]];
        values.into_iter().chain((0..6).map(|k| dcl[COUNT * k + i])).collect()
    };
    let expected: Vec<Vec<f64>> = (0..COUNT).map(row).collect();
    assert_eq!(rows, expected);
}

#[test]
fn noise_is_added_to_the_same_maps_and_has_the_variance_of_the_survey() {
    let folder = Folder::new();
    let simulate = |count: usize, more: &str, out: &str| -> Vec<f32> {
        let parameters = words(&POINT);
        folder.succeeds(&format!(
            "simulate --params {parameters} --npix {N} --seed 5 --count {count} {more} --out {out}"
        ));
        let mut npz = Npz::open(&folder.path(out));
        assert_eq!(npz.keys(), ["maps", "theta"]);
        assert_eq!(npz.read::<f64>("theta", &[count as u64, 6]), POINT.repeat(count));
        npz.read("maps", &[count as u64, 5, 16, 16])
    };
    let noisy = simulate(40, "", "noisy.npz");
    let clean = simulate(40, "--noise false", "clean.npz");
    let few = simulate(2, "--noise true", "few.npz");
    assert!(few == noisy[..2 * PIXELS], "a simulation depends on how many there are");
    assert!(few[..PIXELS] != few[PIXELS..], "all simulations are the same");
    assert!(clean.iter().any(|&pixel| pixel.abs() > 1e-3), "there is no convergence");

    let noise: Vec<f64> =
        noisy.iter().zip(&clean).map(|(y, kappa)| f64::from(*y) - f64::from(*kappa)).collect();
    for bin in 0..BINS {
        let maps = noise.chunks(N * N).skip(bin).step_by(BINS);
        let pixels: Vec<f64> = maps.flatten().copied().collect();
        let count = pixels.len() as f64;
        let mean = pixels.iter().sum::<f64>() / count;
        let variance = pixels.iter().map(|pixel| pixel * pixel).sum::<f64>() / count;
        let ratio = variance / noise_variance();
        assert!(mean.abs() < 5.0 * (noise_variance() / count).sqrt(), "bin {bin}: mean {mean}");
        assert!((ratio - 1.0).abs() < 5.0 * (2.0 / count).sqrt(), "bin {bin}: variance {ratio}");
    }
}

/// A prior that is narrow enough for every simulation to succeed: mean and standard deviation.
const PRIOR: [(f64, f64); 6] =
    [(0.27, 0.02), (0.049, 0.002), (0.83, 0.03), (0.67, 0.03), (0.96, 0.03), (-1.0, 0.1)];

#[test]
fn joint_scores_add_the_gradient_of_the_log_prior_to_conditional_ones() {
    const COUNT: usize = 8;
    let folder = Folder::new();
    let rows: String = PARAMETERS
        .iter()
        .zip(PRIOR)
        .map(|(name, (mean, sd))| {
            format!("[[parameter]]\nname = '{name}'\nmean = {mean:?}\nsd = {sd:?}\n")
        })
        .collect();
    let prior = format!("name = 'narrow'\n{rows}lower = -1.1\nupper = -0.8\n");
    fs::write(folder.path("narrow.toml"), prior).expect("the folder is writable");
    let simulate = |score: &str| -> (Vec<f32>, Vec<f64>, Vec<f64>) {
        folder.succeeds(&format!(
            "simulate --prior narrow.toml --npix {N} --count {COUNT} --seed 4 --score {score} \
             --out {score}.npz"
        ));
        let mut npz = Npz::open(&folder.path(&format!("{score}.npz")));
        assert_eq!(npz.keys(), ["maps", "theta", "score"]);
        let (maps, theta) = (npz.read("maps", &[8, 5, 16, 16]), npz.read("theta", &[8, 6]));
        (maps, theta, npz.read("score", &[8, 6]))
    };
    let (maps, theta, joint) = simulate("joint");
    let (same_maps, same_theta, conditional) = simulate("conditional");
    assert!(maps == same_maps && theta == same_theta, "the score changes the simulation");
    for (k, theta) in theta.iter().enumerate() {
        let (mean, sd) = PRIOR[k % 6];
        let gradient = (mean - theta) / (sd * sd);
        assert!((gradient * sd).abs() < 5.0, "{k}: {theta} is not a draw of the prior");
        let error = (joint[k] - conditional[k] - gradient).abs();
        assert!(error < 1e-12 * (1.0 + joint[k].abs()), "{k}: {} {}", joint[k], conditional[k]);
    }
    assert!(theta[..6] != theta[6..12], "all draws of the prior are the same");
    assert!(theta.iter().skip(5).step_by(6).all(|w_0| (-1.1..=-0.8).contains(w_0)), "{theta:?}");

    let (_, same_theta, whitened) = simulate("whitened");
    assert!(theta == same_theta, "the score changes the parameters");
    assert!(whitened.iter().all(|score| score.is_finite()) && whitened != conditional);
}

/// The densities are their closed forms; the gradients are the score that `simulate` gives and
/// differences of densities; the field is the map that `simulate` makes without noise.
#[test]
fn the_density_of_a_simulation_fits_the_simulation() {
    let shape = [BINS, N, N];
    let axes = shape.map(|length| length as u64);
    let folder = Folder::new();
    let simulate = |more: &str, out: &str| -> (Npz, Vec<f64>) {
        let parameters = words(&POINT);
        folder.succeeds(&format!(
            "simulate --params {parameters} --npix {N} --count 2 --seed 3 {more} --out {out}"
        ));
        let mut npz = Npz::open(&folder.path(out));
        let maps: Vec<f32> = npz.read("maps", &[2, 5, 16, 16]);
        let second = maps[PIXELS..].iter().map(|&pixel| f64::from(pixel)).collect();
        (npz, second)
    };
    let (mut scored, map) = simulate("--score conditional", "noisy.npz");
    let score = scored.read::<f64>("score", &[2, 6]).split_off(6);
    let (_, clean) = simulate("--noise false", "clean.npz");
    let latents: Vec<f64> = Randomness::new(3, 1).normals(PIXELS);

    folder.save("map.npy", &shape, &map);
    let density = |latents: &[f64], out: &str| -> Npz {
        folder.save("latent.npy", &shape, latents);
        let parameters = words(&POINT);
        folder.succeeds(&format!(
            "density --params {parameters} --latent latent.npy --map map.npy --out {out}"
        ));
        Npz::open(&folder.path(out))
    };
    let mut here = density(&latents, "here.npz");
    assert_eq!(here.keys(), ["log_p_latent", "log_p_map", "grad_params", "grad_latent", "field"]);
    let scalar = |npz: &mut Npz, name: &str| npz.read::<f64>(name, &[])[0];
    let field: Vec<f64> = here.read("field", &axes);
    for (field, clean) in field.iter().zip(&clean) {
        assert!((field - clean).abs() < 1e-6, "{field} {clean}");
    }
    let log_normal = |squares: f64, variance: f64| -> f64 {
        -0.5 * (squares / variance + PIXELS as f64 * (TAU * variance).ln())
    };
    let squares: f64 = latents.iter().map(|z| z * z).sum();
    let (found, expected) = (scalar(&mut here, "log_p_latent"), log_normal(squares, 1.0));
    assert!((found / expected - 1.0).abs() < 1e-10, "{found} {expected}");
    let squares: f64 = map.iter().zip(&field).map(|(y, kappa)| (y - kappa).powi(2)).sum();
    let (found, expected) = (scalar(&mut here, "log_p_map"), log_normal(squares, noise_variance()));
    assert!((found / expected - 1.0).abs() < 1e-6, "{found} {expected}");

    let largest = score.iter().map(|score| score.abs()).fold(0.0, f64::max);
    let gradient: Vec<f64> = here.read("grad_params", &[6]);
    for (found, expected) in gradient.iter().zip(&score) {
        assert!((found - expected).abs() < 1e-5 * largest, "{gradient:?} {score:?}");
    }
    let gradient: Vec<f64> = here.read("grad_latent", &axes);
    let (bin, y, x) = (1, 2, 5);
    let pixel = (bin * N + y) * N + x;
    let step = 1e-3;
    let side = |sign: f64| -> f64 {
        let mut moved = latents.clone();
        moved[pixel] += sign * step;
        let mut moved = density(&moved, "moved.npz");
        scalar(&mut moved, "log_p_latent") + scalar(&mut moved, "log_p_map")
    };
    let difference = (side(1.0) - side(-1.0)) / (2.0 * step);
    let error = (difference - gradient[pixel]).abs();
    assert!(error < 1e-5 * (1.0 + difference.abs()), "{} {difference}", gradient[pixel]);
}

#[test]
fn samples_of_a_posterior_come_with_names_and_diagnostics() {
    let folder = Folder::new();
    folder.save("map.npy", &[BINS, N, N], &noise_map());
    let sizes = "--chains 2 --warmup 15 --draws 20 --max-depth 3";
    folder.succeeds(&format!(
        "posterior --map map.npy --force --method power-spectrum {sizes} --out out"
    ));
    let mut npz = Npz::open(&folder.path("out/samples.npz"));
    assert_eq!(npz.keys(), ["samples", "names", "gradients", "gradients_before"]);
    assert_eq!(npz.read::<String>("names", &[6]), PARAMETERS);
    let samples: Vec<f64> = npz.read("samples", &[2, 20, 6]);
    for draw in samples.chunks(6) {
        assert!(draw[0] > 0.0 && (-2.0..=-0.3).contains(&draw[5]), "{draw:?}");
    }
    assert!(samples[..120] != samples[120..], "both chains are the same");

    let text = fs::read_to_string(folder.path("out/diagnostics.json")).expect("it was written");
    let diagnostics: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    let parameters = diagnostics["parameters"].as_array().expect("a list");
    assert_eq!(parameters.len(), 6);
    for (k, (parameter, name)) in parameters.iter().zip(PARAMETERS).enumerate() {
        assert_eq!(parameter["name"], name);
        let number = |key: &str| parameter[key].as_f64().expect(key);
        let mean = samples.iter().skip(k).step_by(6).sum::<f64>() / 40.0;
        assert!((number("mean") - mean).abs() < 1e-12, "{parameter} {mean}");
        assert!(number("r_hat") > 0.5 && number("r_hat").is_finite(), "{parameter}");
        assert!(number("ess_bulk") > 0.0 && number("ess_tail") > 0.0, "{parameter}");
    }
    let count = |what: &str| diagnostics["gradients"][what].as_i64().expect(what);
    let before = count("start") + count("initialisation") + count("warmup");
    assert_eq!(npz.read::<i64>("gradients_before", &[2]).iter().sum::<i64>(), before);
    let draws: Vec<i64> = npz.read("gradients", &[2, 20]);
    assert!(draws.iter().all(|&gradients| gradients > 0), "{draws:?}");
    assert_eq!(draws.iter().sum::<i64>(), count("sampling"));
    assert_eq!(count("total"), before + count("sampling"));
    assert!(diagnostics["seconds"].as_f64().expect("a number") > 0.0);
    assert_eq!(diagnostics["chains"].as_array().map(Vec::len), Some(2));
}

/// Whether a study that may not have begun yet has a result.
fn has_result(study: &Path) -> bool {
    let Ok(tasks) = fs::read_dir(study.join("tasks")) else { return false };
    tasks.flatten().any(|task| task.path().extension().is_none())
}

#[test]
fn killed_simulations_continue_to_the_same_bytes() {
    let folder = Folder::new();
    // Unfinished work is stored after 819 simulations.
    let words = "simulate --prior --npix 64 --count 1000 --seed 2 --score conditional --out";
    folder.succeeds(&format!("{words} whole.npz"));
    let mut command = folder.command(&format!("{words} killed.npz"));
    command.env("RAYON_NUM_THREADS", "1").stderr(Stdio::null());
    let mut child = command.spawn().expect("the program starts");
    let work = folder.path(".killed.npz.work");
    while !has_result(&work) {
        let ended = child.try_wait().expect("it can be waited for");
        assert_eq!(ended, None, "it ended before it stored anything, or too quickly to be killed");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().expect("it can be killed");
    child.wait().expect("it can be waited for");
    assert!(has_result(&work) && !folder.path("killed.npz").exists(), "it was not killed halfway");

    folder.succeeds(&format!("{words} killed.npz"));
    let read = |name: &str| fs::read(folder.path(name)).expect("it was written");
    assert!(read("killed.npz") == read("whole.npz"), "other bytes after a kill");
    let left = fs::read_dir(folder.path(".")).expect("it exists").count();
    assert_eq!(left, 2, "unfinished work is left");
}
