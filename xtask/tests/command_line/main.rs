//! The program as people use it: exit codes, messages that help, results that survive.

mod identity;
mod inference;
mod map_fit;
mod outputs;
mod paths;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A folder of its own for each test.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, words: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(words.split_whitespace()).current_dir(self.0.path()).env("NO_COLOR", "1");
        command
    }

    fn run(&self, words: &str) -> Output {
        self.command(words).output().expect("the program starts")
    }

    /// Runs what must fail; gives its exit code and message.
    fn fails(&self, words: &str) -> (i32, String) {
        let output = self.run(words);
        assert!(!output.status.success(), "'{words}' should fail");
        let code = output.status.code().expect("it exits by itself");
        (code, String::from_utf8_lossy(&output.stderr).into_owned())
    }

    fn succeeds(&self, words: &str) -> String {
        let output = self.run(words);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "'{words}': {message}");
        message
    }

    /// Writes a float64 array without help from the program under test.
    fn save(&self, name: &str, shape: &[usize], data: &[f64]) {
        let shape: String = shape.iter().map(|n| format!("{n}, ")).collect();
        let mut header =
            format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({shape}), }}");
        while (header.len() + 11) % 64 != 0 {
            header.push(' ');
        }
        header.push('\n');
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data.iter().flat_map(|x| x.to_le_bytes()));
        fs::write(self.path(name), bytes).expect("the folder is writable");
    }
}

#[test]
fn usage_is_2_failure_is_1_and_each_says_what_to_do() {
    let folder = Folder::new();
    let spectra = "spectra --ell 10,100 --out cl.npz --params";
    let moons = "task two-moons --observation-seed 1 --out r --method";
    let cases = [
        ("benchmrk", 2, "benchmark"),
        ("spectra --params fiducial --out cl.npz", 2, "--ell"),
        (&format!("{spectra} 0.3,0.05") as &str, 2, "2 number(s)"),
        (&format!("{spectra} 0.3,0.05,0.8,0.7,0.96,x"), 2, "'x'"),
        (&format!("{spectra} -0.3,0.05,0.8,0.7,0.96,-1"), 1, "omega_c"),
        (&format!("{spectra} 0.3,0.05,0.8,0.7,0.96,NaN"), 1, "w_0"),
        (&format!("{spectra} 0.3,0.05,0.8,0.7,0.96,5"), 1, "w_0"),
        (&format!("{spectra} fiducial --survey lsst_y11"), 1, "lsst_y10"),
        (&format!("{spectra} fiducial --survey none.toml"), 1, "none.toml"),
        (&format!("{spectra} fiducial --survey lsst_y10_as_published"), 1, "--shift-table"),
        ("spectra --params fiducial --ell 10,NaN --out cl.npz", 1, "ell"),
        ("simulate --params -0.1,0.05,0.8,0.7,0.96,-1 --out a.npz", 1, "omega_c"),
        ("simulate --params 0.3,0.05,0.8,0.7,0.96,-9 --out a.npz", 1, "w_0"),
        (
            "density --params 0.3,-0.4,0.8,0.7,0.96,-1 --latent a.npy --map a.npy --out d.npz",
            1,
            "omega_b",
        ),
        ("density --params fiducial --latent none.npy --map none.npy --out d.npz", 1, "none.npy"),
        ("simulate --params fiducial --npix 33 --out a.npz", 1, "even"),
        ("spectra --params fiducial --ell-file none.npy --out cl.npz", 1, "none.npy"),
        ("simulate --params fiducial --noise false --score joint --out a.npz", 1, "noise"),
        ("simulate --prior flat --out a.npz", 1, "lsst_y10"),
        ("posterior --map none.npy --out r", 1, "none.npy"),
        ("posterior --map none.npy --method magic --out r", 2, "explicit"),
        ("benchmark --profile desktop", 1, "laptop"),
        ("benchmark --study astrology", 2, "lensing"),
        ("benchmark --device tpu", 2, "cpu, wgpu or auto"),
        ("benchmark --device wgpu", 1, "--study compression or --study inference"),
        ("benchmark --study gradients --device wgpu", 1, "--study compression"),
        ("benchmark --profile tiny.toml", 1, "without --study the profile is smoke"),
        ("benchmark --shard 0/2", 1, "give --study"),
        ("benchmark --study inference --profile desktop", 1, "laptop"),
        ("benchmark --study compression --profile desktop", 1, "laptop"),
        ("benchmark --shard 2/2", 2, "numbered from 0"),
        ("benchmark --shard 0/2 --fresh", 2, "--fresh"),
        ("report nowhere", 1, "benchmark"),
        ("task", 2, "NAME"),
        ("task two-moons --method npe --out r", 2, "--observation"),
        (
            "task two-moons --observation-seed 1 --observation y.npy --method npe --out r",
            2,
            "cannot be used with",
        ),
        ("task two-moons --observation-seed 1 --method magic --out r", 2, "fmpe"),
        ("task three-moons --observation-seed 1 --method npe --out r", 1, "two-moons, gaussian"),
        ("task two-moons --observation none.npy --method npe --out r", 1, "none.npy"),
        (&format!("{moons} npe --budget 1"), 2, "--budget"),
        (&format!("{moons} npe --budget 0"), 2, "--budget"),
        (&format!("{moons} snpe --budget 9"), 1, "2 simulations in each of 5 rounds"),
        (&format!("{moons} npe --score-weight=-1"), 2, "zero or a positive number"),
        (&format!("{moons} npe --score-weight NaN"), 2, "zero or a positive number"),
        (&format!("{moons} fmpe --score-weight 1"), 1, "has no use with the method fmpe"),
        (&format!("{moons} nuts --flow affine"), 1, "has no use with the method nuts"),
        (&format!("{moons} npe --rounds 3"), 1, "has no use with the method npe"),
        (&format!("{moons} npe --flow rigid"), 2, "autoregressive-spline"),
        (&format!("{moons} npe --device tpu"), 2, "cpu, wgpu or auto"),
    ];
    for (words, code, expected) in cases {
        let (found, message) = folder.fails(words);
        assert_eq!(found, code, "'{words}': {message}");
        assert!(message.contains(expected), "'{words}': '{expected}' not in {message}");
        assert!(!message.contains('\u{1b}'), "NO_COLOR is respected: {message}");
    }
}

/// A survey of two bins with these n(z) at redshifts 0, 0.5, 1 and 1.5.
fn survey(first: &str, second: &str) -> String {
    format!(
        "name = 'mine'\nnpix = 16\nmap_size_deg = 5.0\nsigma_e = 0.3\n[sources]\nkind = 'table'\n\
         z = [0.0, 0.5, 1.0, 1.5]\nn = [{first}, {second}]\ngals_per_arcmin2 = [5.0, 5.0]\n"
    )
}

#[test]
fn surveys_that_make_no_sense_are_refused_by_every_command() {
    let folder = Folder::new();
    let ramp: Vec<f64> = (0..2 * 256).map(|i| f64::from(i) * 1e-5).collect();
    folder.save("map.npy", &[2, 16, 16], &ramp);
    let (near, far) = ("[0.0, 2.0, 1.0, 0.0]", "[0.0, 1.0, 2.0, 0.0]");
    let good = survey(near, far);
    fs::write(folder.path("survey.toml"), &good).expect("the folder is writable");
    folder.succeeds("simulate --params fiducial --survey survey.toml --out good.npz");
    let file = "kind = 'file'\npath = 'nz.npy'";
    let table = good.split_once("kind").expect("it has sources").1;
    let from_file =
        good.replace(&format!("kind{table}"), &format!("{file}\ngals_per_arcmin2 = [5.0, 5.0]\n"));
    let nz = [0.0, 0.5, 1.0, 1.5, 0.0, 2.0, 1.0, 0.0, 0.0, 1.0, 2.0, 0.0];
    folder.save("nz.npy", &[3, 4], &nz);
    fs::write(folder.path("survey.toml"), &from_file).expect("the folder is writable");
    folder.succeeds("simulate --params fiducial --survey survey.toml --out good.npz");
    let bytes = fs::read(folder.path("nz.npy")).expect("just written");
    fs::write(folder.path("nz.npy"), &bytes[..bytes.len() - 20]).expect("the folder is writable");
    for (toml, expected) in [
        (survey("[0.0, 2.0, -1.0, 0.0]", far), ["bin 0", "-1"]),
        (survey(near, "[0.0, 0.0, 0.0, 0.0]"), ["bin 1", "0"]),
        (survey(near, "[0.0, nan, 2.0, 0.0]"), ["bin 1", "NaN"]),
        (survey(near, "[0.0, inf, 2.0, 0.0]"), ["bin 1", "inf"]),
        (survey(near, "[0.0, 1.0, 2.0]"), ["bin 1", "3"]),
        (good.replace("[0.0, 0.5, 1.0, 1.5]", "[0.0, 1.0, 0.5, 1.5]"), ["redshift", "0.5"]),
        (good.replace("[5.0, 5.0]", "[5.0, -5.0]"), ["gals_per_arcmin2", "-5"]),
        (good.replace("npix = 16", "npix = 15"), ["npix", "even"]),
        (good.replace("map_size_deg = 5.0", "map_size_deg = nan"), ["map_size_deg", "NaN"]),
        (good.replace("sigma_e", "colour = 3\nsigma_e"), ["colour", "unknown"]),
        (from_file, ["nz.npy", "truncated"]),
    ] {
        fs::write(folder.path("survey.toml"), &toml).expect("the folder is writable");
        for command in [
            "simulate --params fiducial --survey survey.toml --out a.npz",
            "spectra --params fiducial --ell 100 --survey survey.toml --out a.npz",
            "posterior --map map.npy --survey survey.toml --out results",
        ] {
            // The number of pixels is the map's, so that of the survey may be anything.
            if toml.contains("npix = 15") && command.starts_with("posterior") {
                continue;
            }
            let (code, message) = folder.fails(command);
            assert_eq!(code, 1, "{command}: {message}");
            for word in expected {
                assert!(message.contains(word), "{command}: '{word}' not in {message}");
            }
        }
    }
    assert!(!folder.path("a.npz").exists() && !folder.path("results").exists());
}

#[test]
fn a_survey_with_one_bin_twice_is_reported() {
    let folder = Folder::new();
    let twice = survey("[0.0, 1.0, 2.0, 0.0]", "[0.0, 1.0, 2.0, 0.0]");
    fs::write(folder.path("survey.toml"), twice).expect("the folder is writable");
    let (code, message) =
        folder.fails("simulate --params fiducial --survey survey.toml --out a.npz");
    assert!(code == 1 && message.contains("255 Fourier mode"), "{message}");
    assert!(message.contains("not positive definite"), "{message}");
    assert!(!folder.path("a.npz").exists());
}

#[test]
fn maps_that_cannot_be_used_are_refused_before_any_work() {
    let folder = Folder::new();
    let ramp: Vec<f64> = (0..5 * 16 * 16).map(|i| f64::from(i) * 1e-5).collect();
    folder.save("good.npy", &[5, 16, 16], &ramp);
    folder.save("odd.npy", &[5, 15, 15], &ramp[..5 * 225]);
    folder.save("bins.npy", &[4, 16, 16], &ramp[..4 * 256]);
    let mut hole = ramp.clone();
    hole[300] = f64::NAN;
    folder.save("hole.npy", &[16, 16, 5], &hole);
    let bytes = fs::read(folder.path("good.npy")).expect("just written");
    fs::write(folder.path("cut.npy"), &bytes[..bytes.len() / 2]).expect("the folder is writable");
    for (map, expected) in [
        ("odd.npy", "even"),
        ("bins.npy", "[4, 16, 16]"),
        ("hole.npy", "not finite"),
        ("cut.npy", "truncated"),
    ] {
        for command in [
            format!("posterior --map {map} --out results"),
            format!("density --params fiducial --latent good.npy --map {map} --out d.npz"),
        ] {
            let (code, message) = folder.fails(&command);
            assert!(code == 1 && message.contains(expected), "{command}: {message}");
            assert!(message.contains(map), "{command}: {message}");
        }
        let latent = format!("density --params fiducial --latent {map} --map good.npy --out d.npz");
        let (code, message) = folder.fails(&latent);
        assert!(code == 1 && message.contains(expected) && message.contains(map), "{message}");
    }
    assert!(!folder.path("d.npz").exists() && !folder.path("results").exists());
}

#[test]
fn tables_that_cannot_be_used_are_refused_with_their_name() {
    let folder = Folder::new();
    folder.save("good.npy", &[4], &[10.0, 100.0, 500.0, 1000.0]);
    folder.save("hole.npy", &[2], &[10.0, f64::NAN]);
    let bytes = fs::read(folder.path("good.npy")).expect("just written");
    fs::write(folder.path("cut.npy"), &bytes[..bytes.len() - 9]).expect("the folder is writable");
    fs::write(folder.path("text.npy"), "10 100").expect("the folder is writable");
    let ell = "spectra --params fiducial --out cl.npz --ell-file";
    let shifts = "simulate --params fiducial --npix 16 --out a.npz \
                  --survey lsst_y10_as_published --shift-table";
    folder.succeeds(&format!("{ell} good.npy"));
    for (table, expected) in
        [("cut.npy", "truncated"), ("text.npy", "not a usable"), ("hole.npy", "finite")]
    {
        let (code, message) = folder.fails(&format!("{ell} {table}"));
        assert!(code == 1 && message.contains(expected) && message.contains(table), "{message}");
    }
    for (table, expected) in
        [("cut.npy", "truncated"), ("text.npy", "not a usable"), ("good.npy", "shape [4]")]
    {
        let (code, message) = folder.fails(&format!("{shifts} {table}"));
        assert!(code == 1 && message.contains(expected) && message.contains(table), "{message}");
    }
}

#[test]
fn an_output_folder_that_cannot_be_written_is_refused_at_once() {
    let folder = Folder::new();
    fs::write(folder.path("file"), "").expect("the folder is writable");
    let ramp: Vec<f64> = (0..5 * 256).map(|i| f64::from(i) * 1e-5).collect();
    folder.save("map.npy", &[5, 16, 16], &ramp);
    let commands = [
        "benchmark --study lensing --profile paper --out file/results",
        "benchmark --profile paper --out file/results",
        "simulate --params fiducial --count 100000 --out file/a.npz",
        "spectra --params fiducial --ell 10 --out file/a.npz",
        "density --params fiducial --latent map.npy --map map.npy --out file/a.npz",
        "posterior --map map.npy --out file/results",
    ];
    // A folder that not even the administrator can write to, where there is one.
    let read_only = if Path::new("/proc/self").exists() { "/proc/self/" } else { "file/" };
    for command in commands.iter().flat_map(|c| [c.to_string(), c.replace("file/", read_only)]) {
        let command = &command;
        let begun = Instant::now();
        let (code, message) = folder.fails(command);
        assert!(code == 1 && message.contains("--out"), "{command}: {message}");
        assert!(begun.elapsed() < Duration::from_secs(60), "{command} worked first");
    }
}

#[test]
fn simulations_do_not_depend_on_the_number_of_threads() {
    let folder = Folder::new();
    for threads in ["1", "2"] {
        let words = format!(
            "simulate --prior --npix 16 --count 6 --seed 4 --score joint --out {threads}.npz"
        );
        let status = folder.command(&words).env("RAYON_NUM_THREADS", threads).output();
        assert!(status.expect("the program starts").status.success());
    }
    let read = |name| fs::read(folder.path(name)).expect("just written");
    assert!(read("1.npz") == read("2.npz"), "one and two threads give other bytes");
    let left: Vec<_> = fs::read_dir(folder.0.path()).expect("it exists").collect();
    assert_eq!(left.len(), 2, "no unfinished work is left");
}

#[test]
fn a_density_is_written_for_maps_in_either_order() {
    let folder = Folder::new();
    let pixel = |bin: usize, y: usize, x: usize| (bin + 2 * y + 3 * x) as f64 * 1e-4 - 0.005;
    let n = 16;
    let indices = |order: [usize; 3]| {
        let [a, b, c] = order;
        (0..a).flat_map(move |i| (0..b).flat_map(move |j| (0..c).map(move |k| (i, j, k))))
    };
    let first: Vec<f64> = indices([5, n, n]).map(|(b, y, x)| pixel(b, y, x)).collect();
    let last: Vec<f64> = indices([n, n, 5]).map(|(y, x, b)| pixel(b, y, x)).collect();
    folder.save("first.npy", &[5, n, n], &first);
    folder.save("last.npy", &[n, n, 5], &last);
    for name in ["first", "last"] {
        folder.succeeds(&format!(
            "density --params fiducial --latent {name}.npy --map {name}.npy --out {name}.npz"
        ));
    }
    let read = |name: &str| fs::read(folder.path(name)).expect("just written");
    assert!(read("first.npz") == read("last.npz"));
}

/// A profile of a few seconds.
const TINY: &str = "name = 'tiny'\nsurvey = 'lsst_y10'\nprior = 'lsst_y10'\nnpix = 16\n\
    [full_field]\nchains = 2\nwarmup = 20\ndraws = 40\nmax_depth = 3\n\
    [power_spectrum]\nchains = 2\nwarmup = 15\ndraws = 30\nmax_depth = 3\n\
    [c2st]\ndraws = 60\n\
    [c2st.classifier]\nrepetitions = 1\nnull_repetitions = 0\nmax_epochs = 20\n";

fn samples(study: &Path) -> Vec<Vec<u8>> {
    let mut folders: Vec<PathBuf> = fs::read_dir(study.join("tasks"))
        .expect("the study has tasks")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.join("samples.npz").exists())
        .collect();
    folders.sort();
    folders.iter().map(|path| fs::read(path.join("samples.npz")).expect("readable")).collect()
}

/// Runs a command that is killed (SIGKILL) again and again, a little later each time, until it is
/// done; gives the number of kills.
fn kill_until_done(folder: &Folder, words: &str) -> usize {
    let mut kills = 0;
    for milliseconds in (300..).step_by(700) {
        let mut child =
            folder.command(words).stderr(Stdio::null()).spawn().expect("the program starts");
        let end = Instant::now() + Duration::from_millis(milliseconds);
        while Instant::now() < end {
            if let Some(status) = child.try_wait().expect("it can be waited for") {
                assert!(status.success());
                return kills;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        child.kill().expect("it can be killed");
        child.wait().expect("it can be waited for");
        kills += 1;
    }
    kills
}

#[test]
fn a_killed_study_continues_to_the_same_result() {
    let folder = Folder::new();
    fs::write(folder.path("tiny.toml"), TINY).expect("the folder is writable");
    folder.succeeds("benchmark --study lensing --profile tiny.toml --out whole");
    let whole = samples(&folder.path("whole"));
    assert_eq!(whole.len(), 2);
    let report = |study: &str| {
        fs::read_to_string(folder.path(study).join("report.html")).expect("it was written")
    };
    let page = report("whole");
    assert_lensing_report(&page);

    let kills =
        kill_until_done(&folder, "benchmark --study lensing --profile tiny.toml --out killed");
    assert!(kills > 0, "the study was too quick to be killed");
    assert!(samples(&folder.path("killed")) == whole, "another result after {kills} kills");

    let message = folder.succeeds("benchmark --study lensing --profile tiny.toml --out whole");
    assert!(message.contains("7 of 7 tasks found done"), "{message}");
    fs::remove_file(folder.path("whole/report.html")).expect("it was written");
    folder.succeeds("report whole");
    assert!(report("whole") == page, "the report is drawn differently");
}

/// Every section of the lensing study is on the page, with its figures and numbers.
fn assert_lensing_report(page: &str) {
    let headings: Vec<&str> =
        page.split("<h2>").skip(1).filter_map(|rest| rest.split("</h2>").next()).collect();
    let expected = [
        "Posterior of the cosmological parameters",
        "What the full field adds",
        "The map",
        "Power spectra",
        "Chains: full field",
        "Chains: power spectrum",
        "References",
    ];
    assert_eq!(headings, expected);
    let (figures, images) = (page.matches("<figure").count(), page.matches("<image").count());
    assert_eq!(figures, 3 + 2 * 2, "corner plot, maps, spectra; traces and ranks twice");
    assert_eq!(images, 2 * (5 + 1), "maps and colour bar, with noise and without");
    assert!(!page.contains("cannot be drawn"), "a figure is missing");
    for part in [
        "full field: the map",
        "power spectrum: the map",
        "full field: R-hat at most",
        "power spectrum: R-hat at most",
        "A classifier tells the two posteriors apart",
        "Figure of Merit",
        "dashed the truth",
        "convergence without noise",
        "squared residuals",
        "search of starting points",
    ] {
        assert!(page.contains(part), "{part} is missing");
    }
    // Images are encoded in letters that could spell it.
    for number in [">NaN", " NaN", "\"NaN"] {
        assert!(!page.contains(number), "a number is missing");
    }
}

/// About white noise of the size of the shape noise, in five bins of 16 x 16 pixels.
fn noise_map() -> Vec<f64> {
    let pixel = |i: u32| 0.012 * ((f64::from(i) * 12.9898).sin() * 43_758.545_3).fract();
    (0..5 * 16 * 16).map(|i| 0.5 * pixel(i)).collect()
}

#[test]
fn shards_make_the_study_that_one_run_makes() {
    let folder = Folder::new();
    fs::write(folder.path("tiny.toml"), TINY).expect("the folder is writable");
    let status = |words: &str| {
        let output =
            folder.run(&format!("benchmark --study lensing --profile tiny.toml {words} --status"));
        assert!(output.status.success());
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let nothing = status("--out parts");
    assert!(nothing.contains("missing") && nothing.contains("observation"), "{nothing}");
    assert!(!folder.path("parts").exists(), "looking writes nothing");
    let message =
        folder.succeeds("benchmark --study lensing --profile tiny.toml --out parts --shard 1/2");
    assert!(message.contains("1 are missing: power-spectrum"), "{message}");
    let half = status("--out parts");
    assert!(half.contains("s  full-field") && half.contains("missing  "), "{half}");
    let message =
        folder.succeeds("benchmark --study lensing --profile tiny.toml --out parts --shard 0/2");
    assert!(message.contains("All long tasks are done"), "{message}");
    assert!(!folder.path("parts/report.html").exists());
    let message = folder.succeeds("benchmark --study lensing --profile tiny.toml --out parts");
    assert!(message.contains("4 of 7 tasks found done"), "{message}");
    assert!(folder.path("parts/report.html").exists());
    assert!(status("--out parts").contains("all tasks are done"));
    folder.succeeds("benchmark --study lensing --profile tiny.toml");
    assert!(samples(&folder.path("results/lensing-tiny")) == samples(&folder.path("parts")));
}

/// A profile of the study of gradients, of a few seconds.
const TINY_GRADIENTS: &str = "name = 'tiny'\n\
    [classifier]\nmax_epochs = 5\n\
    [two_moons]\ndraws = 40\n\
    [[two_moons.method]]\n\
    flow = { family = 'affine', layers = 2, hidden = [8] }\n\
    training = { max_steps = 6, batch = 8, validation = 0.0, evaluate_every = 2 }\n\
    [two_moons.method.grid]\nname = 'affine'\npublished = 'npe'\n\
    score_weights = [0.0, 1e-5]\nsimulations = [20, 50]\nruns = 2\n\
    [[lotka_volterra]]\npopulations = 'fixed'\nobservations = 1\ndraws = 30\nheld_out = 10\n\
    [lotka_volterra.compressor]\nsimulations = 40\nsummaries = 4\ninput = 'thousands'\n\
    hidden = [8]\nflow = { family = 'affine', layers = 2, hidden = [8] }\n\
    training = { max_steps = 6, batch = 8, evaluate_every = 2 }\n\
    [[lotka_volterra.method]]\nestimate = 'posterior'\ndata = 'summaries'\n\
    flow = { family = 'affine', layers = 2, hidden = [8] }\n\
    fit = { training = { max_steps = 6, batch = 8, evaluate_every = 2 } }\n\
    [lotka_volterra.method.grid]\nname = 'NPE'\npublished = 'npe'\n\
    score_weights = [0.0, 1e-7]\nsimulations = [20]\nruns = 1\n\
    [[lotka_volterra.method]]\nestimate = 'likelihood'\ndata = 'summaries'\n\
    flow = { family = 'affine', layers = 2, hidden = [8] }\n\
    fit = { training = { max_steps = 6, batch = 8, evaluate_every = 2 } }\n\
    [lotka_volterra.method.grid]\nname = 'NLE'\n\
    score_weights = [0.0]\nsimulations = [20]\nruns = 1\n";

/// What the trainings of a study measured, by the name of their folder.
fn measured(study: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(study.join("tasks")).expect("the study has tasks");
    let mut found: Vec<(String, Vec<u8>)> = entries
        .map(|entry| entry.expect("readable").path())
        .filter_map(|path| {
            let name = path.file_name()?.to_string_lossy().into_owned();
            Some((name, fs::read(path.join("measured.json")).ok()?))
        })
        .collect();
    found.sort();
    found
}

#[test]
fn the_study_of_gradients_is_the_same_in_shards_and_on_one_thread() {
    let folder = Folder::new();
    fs::write(folder.path("tiny.toml"), TINY_GRADIENTS).expect("the folder is writable");
    let words = "benchmark --study gradients --profile tiny.toml --out";
    folder.succeeds(&format!("{words} whole"));
    let whole = measured(&folder.path("whole"));
    assert_eq!(whole.len(), 8 + 2 + 1);
    let page = fs::read(folder.path("whole/report.html")).expect("it was written");
    assert!(!String::from_utf8_lossy(&page).contains("cannot be drawn"), "a figure is missing");
    fs::remove_file(folder.path("whole/report.html")).expect("it was written");
    folder.succeeds("report whole");
    assert!(fs::read(folder.path("whole/report.html")).expect("drawn again") == page);

    for shard in ["1/2", "0/2"] {
        let mut command = folder.command(&format!("{words} parts --shard {shard}"));
        let output = command.env("RAYON_NUM_THREADS", "1").output().expect("the program starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(measured(&folder.path("parts")) == whole, "shards give other numbers");
    let message = folder.succeeds(&format!("{words} parts"));
    assert!(message.contains("14 of 14 tasks found done"), "{message}");
}

/// A profile of the study of compression, of a few seconds.
const TINY_COMPRESSION: &str = "name = 'tiny'\nsurvey = 'lsst_y10'\nprior = 'lsst_y10'\n\
    npix = 16\nruns = 2\nspectra = 2\n\
    [full_field]\nchains = 2\nwarmup = 20\ndraws = 40\nmax_depth = 3\n\
    [power_spectrum]\nchains = 2\nwarmup = 15\ndraws = 30\nmax_depth = 3\n\
    [network.res_net]\nstem = { width = 8, kernel = 3, stride = 2, pool = false }\n\
    stages = [{ blocks = 1, width = 8 }]\n\
    [training]\nbatch = 16\nexamples = 64\nvalidation = 16\nsteps = 12\nevaluate_every = 4\n\
    [[method]]\nloss = 'mse'\n\
    [[method]]\nloss = { vmim = { family = 'affine', layers = 2, hidden = [8] } }\n\
    [[method]]\nloss = { imnn = { derivatives_every = 4, strength = 10.0, closeness = 0.1 } }\n\
    [method.training]\nbatch = 16\nvalidation = 16\nsteps = 3\nevaluate_every = 3\n\
    [inference]\nsimulations = 60\nheld_out = 60\nrepeats = 1\ndraws = 60\nobservations = 10\n\
    [inference.npe]\nflow = { family = 'affine', layers = 2, hidden = [8] }\n\
    fit = { training = { max_steps = 20, batch = 16, evaluate_every = 5 } }\n\
    [calibration]\nloss = 'vmim'\nobservations = 50\ndraws = 19\n\
    [c2st]\ndraws = 60\n\
    [c2st.classifier]\nrepetitions = 1\nnull_repetitions = 0\nmax_epochs = 20\n\
    [further]\nobservations = 2\ndraws = 60\n\
    full_field = { chains = 2, warmup = 20, draws = 40, max_depth = 3 }\n\
    power_spectrum = { chains = 2, warmup = 15, draws = 30, max_depth = 3 }\n";

/// The same by the name of the task alone: the key of a task tells the wall times of the chains and
/// trainings that it reads.
fn named(measured: Vec<(String, Vec<u8>)>) -> Vec<(String, Vec<u8>)> {
    let name = |folder: String| folder.rsplit_once('-').expect("name and key").0.to_owned();
    let mut found: Vec<_> =
        measured.into_iter().map(|(folder, bytes)| (name(folder), bytes)).collect();
    found.sort();
    found
}

#[test]
fn the_study_of_compression_is_the_same_in_shards_and_on_one_thread() {
    let folder = Folder::new();
    fs::write(folder.path("tiny.toml"), TINY_COMPRESSION).expect("the folder is writable");
    let words = "benchmark --study compression --profile tiny.toml --out";
    folder.succeeds(&format!("{words} whole"));
    let whole = named(measured(&folder.path("whole")));
    assert_eq!(whole.len(), 3 * 2 + 2, "three losses twice, and spectra");
    let page = fs::read(folder.path("whole/report.html")).expect("it was written");
    fs::remove_file(folder.path("whole/report.html")).expect("it was written");
    folder.succeeds("report whole");
    assert!(fs::read(folder.path("whole/report.html")).expect("drawn again") == page);
    let text = String::from_utf8_lossy(&page);
    for part in [
        "comes closest",
        "VMIM over that of MSE",
        "Over 3 observations",
        "calibrated?",
        "spectra, learnt",
    ] {
        assert!(text.contains(part), "{part} is missing");
    }
    assert!(!text.contains("NaN"), "a number is missing");
    assert!(!text.contains("cannot be drawn"), "a figure is missing");

    for shard in ["1/2", "0/2"] {
        let mut command = folder.command(&format!("{words} parts --shard {shard}"));
        let output = command.env("RAYON_NUM_THREADS", "1").output().expect("the program starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(named(measured(&folder.path("parts"))) == whole, "shards give other numbers");
    let message = folder.succeeds(&format!("{words} parts"));
    assert!(message.contains("25 of 32 tasks found done"), "{message}");
}

#[test]
fn the_posterior_of_a_users_map_is_written() {
    let folder = Folder::new();
    folder.save("map.npy", &[5, 16, 16], &noise_map());
    let sizes = "--chains 2 --warmup 15 --draws 20 --max-depth 3";
    for method in ["power-spectrum", "explicit"] {
        folder.succeeds(&format!(
            "posterior --map map.npy --force --method {method} {sizes} --out {method}"
        ));
        for file in ["samples.npz", "diagnostics.json", "report.html"] {
            assert!(folder.path(method).join(file).exists(), "{method}: {file}");
        }
    }
}

#[test]
fn observations_that_do_not_fit_a_task_are_refused_before_any_work() {
    let folder = Folder::new();
    let counts: Vec<f64> = (0..20).map(|i| 1.0 + f64::from(i)).collect();
    folder.save("turned.npy", &[2, 10], &counts);
    folder.save("short.npy", &[10, 1], &counts[..10]);
    let mut hole = counts.clone();
    hole[3] = f64::NAN;
    folder.save("hole.npy", &[10, 2], &hole);
    for (name, expected) in [
        ("turned", "(time, population) has shape [2, 10], expected [10, 2]"),
        ("short", "has shape [10, 1], expected [10, 2]"),
        ("hole", "[3] is NaN"),
    ] {
        let (code, message) = folder.fails(&format!(
            "task lotka-volterra-fixed --observation {name}.npy --method npe --out r"
        ));
        assert!(code == 1 && message.contains(expected), "{name}: {message}");
    }
    assert!(!folder.path("r").exists(), "nothing was begun");

    fs::write(folder.path("file"), "").expect("the folder is writable");
    let (code, message) =
        folder.fails("task two-moons --observation-seed 1 --method npe --out file/below");
    assert!(code == 1 && message.contains("--out"), "{message}");
}

#[test]
fn tasks_are_listed_with_their_dimensions() {
    let folder = Folder::new();
    let output = folder.run("task --list");
    assert!(output.status.success());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let row = |name: &str| -> Vec<String> {
        let line = text.lines().find(|line| line.split_whitespace().next() == Some(name));
        line.unwrap_or_default().split_whitespace().map(String::from).collect()
    };
    for (name, parameters, observables) in [
        ("two-moons", "2", "2"),
        ("slcp", "5", "8"),
        ("slcp-distractors", "5", "100"),
        ("bernoulli-glm-raw", "10", "100"),
        ("lotka-volterra-latent", "4", "20"),
    ] {
        assert_eq!(row(name)[1..3], [parameters, observables], "{text}");
    }
}

#[test]
fn a_task_is_inferred_and_repeated_without_work() {
    let folder = Folder::new();
    let sizes = "--budget 300 --steps 60 --draws 200 --seed 3";
    let words = format!(
        "task two-moons --observation-seed 1 --method npe --flow affine {sizes} --out moons"
    );
    folder.succeeds(&words);
    let read = |file: &str| fs::read(folder.path("moons").join(file)).expect("it was written");
    for file in ["report.html", "references.bib", "estimator.safetensors"] {
        assert!(!read(file).is_empty(), "{file}");
    }
    let (samples, diagnostics) = (read("samples.npz"), read("diagnostics.json"));
    let text = String::from_utf8_lossy(&diagnostics).into_owned();
    for part in ["\"simulator_calls\": 300", "\"accuracy\"", "\"leakage\"", "\"all_steps\""] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
    let message = folder.succeeds(&words);
    assert!(!message.contains("steps done"), "nothing is made again: {message}");
    assert!(read("samples.npz") == samples && read("diagnostics.json") == diagnostics);

    // another seed of the same budget makes other simulations
    folder.succeeds(&words.replace("--seed 3", "--seed 4 --no-reference"));
    assert!(read("samples.npz") != samples);
    let text = String::from_utf8_lossy(&read("diagnostics.json")).into_owned();
    assert!(text.contains("\"comparison\": null"), "{text}");
}

/// An array of an `.npz` with its shape, read without help from the program under test.
fn array<T: npyz::Deserialize>(path: &Path, name: &str) -> (Vec<u64>, Vec<T>) {
    let file = fs::File::open(path).expect("it was written");
    let mut archive = zip::ZipArchive::new(file).expect("it is an archive");
    let member = archive.by_name(&format!("{name}.npy")).expect(name);
    let array = npyz::NpyFile::new(member).expect(name);
    (array.shape().to_vec(), array.into_vec().expect(name))
}

#[test]
fn every_neural_method_leaves_draws_diagnostics_and_a_report() {
    let folder = Folder::new();
    let methods = [
        ("npe", "--flow affine"),
        ("npe", "--flow affine --score-weight 1e-3"),
        ("nle", "--flow affine"),
        ("nre", ""),
        ("fmpe", ""),
        ("snpe", "--flow affine --rounds 2"),
        ("tsnpe", "--flow affine --rounds 2"),
        ("snle", "--flow affine --rounds 2"),
        ("snre", "--rounds 2"),
    ];
    let mut all: Vec<Vec<f64>> = Vec::new();
    for (index, (method, more)) in methods.into_iter().enumerate() {
        let sizes = "--budget 60 --steps 30 --draws 100 --no-reference";
        folder.succeeds(&format!(
            "task two-moons --observation-seed 1 --method {method} {more} {sizes} --out {index}"
        ));
        let case = format!("{method} {more}");
        let out = folder.path(&index.to_string());
        let (shape, samples) = array::<f64>(&out.join("samples.npz"), "samples");
        assert_eq!(shape, [100, 2], "{case}");
        let inside = samples.iter().all(|theta| (-1.0..=1.0).contains(theta));
        assert!(inside, "{case}: not finite, or not of the prior: {samples:?}");
        let (_, names) = array::<String>(&out.join("samples.npz"), "names");
        assert_eq!(names, ["theta_1", "theta_2"], "{case}");

        let text = fs::read_to_string(out.join("diagnostics.json")).expect("it was written");
        let found: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
        let rounds = if more.contains("--rounds") { 2 } else { 0 };
        assert_eq!(found["settings"]["method"], method, "{case}");
        assert_eq!(found["simulator_calls"], 60, "{case}");
        assert_eq!(found["rounds"].as_array().map(Vec::len), Some(rounds), "{case}");
        let page = fs::read_to_string(out.join("report.html")).expect("it was written");
        assert!(page.contains("<svg") && !page.contains("NaN"), "{case}");
        assert!(!page.contains("cannot be drawn"), "{case}: a figure is missing");
        assert!(!all.contains(&samples), "{case}: as without, or as another method");
        all.push(samples);
    }
}

#[test]
fn the_reference_posterior_of_a_users_observation_is_written() {
    let folder = Folder::new();
    folder.save("x.npy", &[1, 2], &[0.1, -0.2]);
    folder.succeeds("task two-moons --observation x.npy --method nuts --draws 150 --out moons");
    for file in ["samples.npz", "diagnostics.json", "report.html"] {
        assert!(folder.path("moons").join(file).exists(), "{file}");
    }
    assert!(!folder.path("moons/estimator.safetensors").exists());
}

#[test]
fn a_killed_posterior_continues_to_the_same_samples() {
    let folder = Folder::new();
    folder.save("map.npy", &[5, 16, 16], &noise_map());
    let words =
        "posterior --map map.npy --force --chains 2 --warmup 40 --draws 60 --max-depth 5 --out";
    folder.succeeds(&format!("{words} whole"));
    let kills = kill_until_done(&folder, &format!("{words} killed"));
    assert!(kills > 0, "the chains were too quick to be killed");
    let read = |study: &str| fs::read(folder.path(study).join("samples.npz")).expect("written");
    assert!(read("whole") == read("killed"), "other samples after {kills} kills");
}

/// Files cannot grow beyond a limit, as on a disk that is full.
#[cfg(unix)]
fn with_files_up_to(kilobytes: usize, command: &Command) -> Output {
    // Without the trap the system ends the process instead of refusing the write.
    let script = format!("trap '' XFSZ; ulimit -f {}; exec \"$0\" \"$@\"", 2 * kilobytes);
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(script).arg(command.get_program()).args(command.get_args());
    shell.current_dir(command.get_current_dir().expect("it was set")).output().expect("sh starts")
}

#[cfg(unix)]
#[test]
fn a_full_disk_is_reported_and_nothing_already_computed_is_lost() {
    let folder = Folder::new();
    fs::write(folder.path("a.npz"), "old").expect("the folder is writable");
    let simulate = folder.command("simulate --params fiducial --npix 16 --count 40 --out a.npz");
    let output = with_files_up_to(50, &simulate);
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("while writing") && message.contains("too large"), "{message}");
    assert_eq!(fs::read(folder.path("a.npz")).expect("it is there"), b"old");

    // The samples fit, the report does not.
    fs::write(folder.path("tiny.toml"), TINY).expect("the folder is writable");
    let words = "benchmark --study lensing --profile tiny.toml --out study";
    let output = with_files_up_to(100, &folder.command(words));
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("report.html"), "{message}");
    assert!(!folder.path("study/report.html").exists());
    let message = folder.succeeds(words);
    assert!(message.contains("7 of 7 tasks found done"), "{message}");
}
