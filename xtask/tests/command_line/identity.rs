//! Results belong to the inputs they were made from: nothing stale is used again, and a folder holds
//! the files of one run.

use std::fs;
use std::path::Path;

use lognormal_sim::PARAMETERS;
use serde_json::Value;

use super::{Folder, noise_map};

/// Redshifts and n(z) of two bins, the second around `far`.
fn redshifts(far: f64) -> Vec<f64> {
    let z: Vec<f64> = (0..40).map(|i| 0.05 * f64::from(i)).collect();
    let bin = |centre: f64| z.iter().map(move |z| z * z * (-((z - centre) / 0.2).powi(2)).exp());
    [z.clone(), bin(0.4).collect(), bin(far).collect()].concat()
}

/// A survey of two bins that reads its n(z) and its lognormal shifts from files.
fn survey(sigma_e: f64) -> String {
    format!(
        "name = 'mine'\nnpix = 16\nmap_size_deg = 5.0\nsigma_e = {sigma_e:?}\nshifts = 'table'\n\
         [sources]\nkind = 'file'\npath = 'nz.npy'\ngals_per_arcmin2 = [5.0, 5.0]\n"
    )
}

/// A table of shifts on the corners of a box: the parameters of each, the bin, and its shift.
fn shift_table(factor: f64) -> Vec<f64> {
    let mut rows = Vec::new();
    for sigma_8 in [0.4, 1.2] {
        for omega_m in [0.1, 0.6] {
            for w_0 in [-2.0, -0.3] {
                for (bin, shift) in [(0.0, 0.01), (1.0, 0.02)] {
                    rows.extend([omega_m, sigma_8, w_0, bin, factor * shift]);
                }
            }
        }
    }
    rows
}

/// A prior around the fiducial parameters.
fn prior(sigma_8: f64) -> String {
    let means = [0.2664, 0.0492, sigma_8, 0.6727, 0.9645, -1.0];
    let row = |(name, mean): (&str, f64)| {
        format!("[[parameter]]\nname = '{name}'\nmean = {mean:?}\nsd = 0.001\n")
    };
    let rows: String = PARAMETERS.into_iter().zip(means).map(row).collect();
    format!("name = 'narrow'\n{rows}")
}

/// Manifests of the tasks of a study with this name, a hyphen at its end.
fn manifests(study: &Path, name: &str) -> Vec<Value> {
    let tasks = fs::read_dir(study.join("tasks")).expect("the study has tasks");
    let folders = tasks.map(|entry| entry.expect("readable").path());
    let named = folders.filter(|path| {
        let folder = path.file_name().unwrap_or_default().to_string_lossy();
        // What follows the name is the head of the key.
        folder.strip_prefix(name).is_some_and(|key| key.len() == 12 && !key.contains('-'))
    });
    let read = |path: std::path::PathBuf| {
        let text = fs::read_to_string(path.join("manifest.json")).expect("it was written");
        serde_json::from_str(&text).expect("it is JSON")
    };
    named.map(read).collect()
}

fn write(folder: &Folder, name: &str, text: &str) {
    fs::write(folder.path(name), text).expect("the folder is writable");
}

#[test]
fn an_input_that_changed_is_never_answered_with_an_earlier_result() {
    let folder = Folder::new();
    let map = &noise_map()[..2 * 256];
    let brought = |name: &str| match name {
        "nz.npy" => folder.save(name, &[3, 40], &redshifts(0.9)),
        "survey.toml" => write(&folder, name, &survey(0.3)),
        "table.npy" => folder.save(name, &[2, 2, 2, 2, 5], &shift_table(1.0)),
        "prior.toml" => write(&folder, name, &prior(0.83)),
        _ => folder.save(name, &[2, 16, 16], map),
    };
    let changed = |name: &str| match name {
        "nz.npy" => folder.save(name, &[3, 40], &redshifts(1.2)),
        "survey.toml" => write(&folder, name, &survey(0.31)),
        "table.npy" => folder.save(name, &[2, 2, 2, 2, 5], &shift_table(1.5)),
        "prior.toml" => write(&folder, name, &prior(0.8)),
        _ => folder.save(name, &[2, 16, 16], &map.iter().map(|x| 0.9 * x).collect::<Vec<_>>()),
    };
    let files = ["nz.npy", "survey.toml", "table.npy", "prior.toml", "map.npy"];
    files.iter().for_each(|name| brought(name));
    let posterior = "posterior --map map.npy --force --survey survey.toml --shift-table table.npy \
                     --prior prior.toml --chains 2 --warmup 10 --draws 15 --max-depth 2 --out p";
    let scores = "scores --survey survey.toml --shift-table table.npy --npix 8 --maps 16 --out s";
    let samples = || fs::read(folder.path("p/samples.npz")).expect("it was written");
    let noise = || fs::read(folder.path("s/score_noise.json")).expect("it was written");
    folder.succeeds(posterior);
    folder.succeeds(scores);
    let (first, first_noise) = (samples(), noise());

    for (others, name) in files.iter().enumerate() {
        changed(name);
        folder.succeeds(posterior);
        assert!(samples() != first, "{name} changed, the posterior did not");
        if ["nz.npy", "survey.toml", "table.npy"].contains(name) {
            folder.succeeds(scores);
            assert!(noise() != first_noise, "{name} changed, the scores did not");
        }
        assert_eq!(manifests(&folder.path("p"), "full-field-").len(), others + 2, "{name}");
        brought(name);
    }
    // The same content again, and under other names: what was made is found.
    for name in ["table.npy", "map.npy", "prior.toml"] {
        fs::rename(folder.path(name), folder.path(&format!("moved-{name}"))).expect("it is there");
    }
    let moved = ["table.npy", "map.npy", "prior.toml"]
        .iter()
        .fold(posterior.to_owned(), |words, name| words.replace(name, &format!("moved-{name}")));
    folder.succeeds(&moved);
    assert!(samples() == first, "the first inputs give another posterior now");
    for task in ["full-field-", "spectra-", "map-"] {
        for manifest in manifests(&folder.path("p"), task) {
            let config = manifest["config"].to_string();
            assert!(!config.contains(".npy") && !config.contains(".toml"), "{task}: {config}");
        }
    }
    assert_eq!(manifests(&folder.path("p"), "full-field-").len(), files.len() + 1);
}

/// What a profile names is read again, whatever the profile itself says.
#[test]
fn a_study_reads_again_what_its_profile_names() {
    let folder = Folder::new();
    let sizes = "chains = 2\nwarmup = 10\ndraws = 15\nmax_depth = 2\n";
    let profile = |npix: usize| {
        format!(
            "name = 'mine'\nsurvey = 'survey.toml'\nprior = 'prior.toml'\nnpix = {npix}\n\
             [full_field]\n{sizes}[power_spectrum]\n{sizes}[c2st]\ndraws = 30\n\
             [c2st.classifier]\nrepetitions = 1\nnull_repetitions = 0\nmax_epochs = 5\n"
        )
    };
    let theory = |sigma_e: f64| survey(sigma_e).replace("shifts = 'table'\n", "");
    let run = || folder.succeeds("benchmark --study lensing --profile profile.toml --out r");
    folder.save("nz.npy", &[3, 40], &redshifts(0.9));
    write(&folder, "survey.toml", &theory(0.3));
    write(&folder, "prior.toml", &prior(0.83));
    write(&folder, "profile.toml", &profile(16));
    run();
    assert!(run().contains("7 of 7 tasks found done"));
    let found = |change: &str, expected: &str| {
        let message = run();
        assert!(message.contains(expected), "{change}: {message}");
    };
    write(&folder, "prior.toml", &prior(0.8));
    found("the prior", "2 of 7 tasks found done");
    folder.save("nz.npy", &[3, 40], &redshifts(1.2));
    found("n(z)", "0 of 7 tasks found done");
    write(&folder, "survey.toml", &theory(0.31));
    found("the survey", "0 of 7 tasks found done");
    write(&folder, "profile.toml", &profile(18));
    found("the profile", "0 of 7 tasks found done");
}

/// Two tasks of the same observables have other posteriors at the same observation.
#[test]
fn tasks_do_not_share_the_posterior_of_an_observation() {
    let folder = Folder::new();
    folder.save("x.npy", &[10], &[0.1; 10]);
    let run = |task: &str, out: &str| {
        folder.succeeds(&format!(
            "task {task} --observation x.npy --method nuts --draws 100 --out {out}"
        ));
        fs::read(folder.path(out).join("samples.npz")).expect("it was written")
    };
    let (linear, uniform) =
        (run("gaussian-linear", "both"), run("gaussian-linear-uniform", "both"));
    assert!(uniform == run("gaussian-linear-uniform", "alone"), "that of the other task");
    assert!(linear != uniform);
}

/// Files of a folder that a run leaves beside its tasks.
fn products(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("it is there").map(|entry| entry.expect("readable"));
    let files = entries.filter(|entry| entry.path().is_file());
    let mut names: Vec<String> =
        files.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| !name.starts_with('.'));
    names.sort();
    names
}

#[test]
fn a_folder_never_holds_files_of_two_commands() {
    let folder = Folder::new();
    folder.save("map.npy", &[5, 16, 16], &noise_map());
    let task = "task two-moons --observation-seed 1 --draws 100 --out r --method";
    folder.succeeds(&format!("{task} npe --flow affine --budget 60 --steps 20 --no-reference"));
    let always = ["diagnostics.json", "references.bib", "report.html", "samples.npz"];
    assert_eq!(products(&folder.path("r")).len(), 5, "and the networks");
    folder.succeeds(&format!("{task} nuts"));
    assert_eq!(products(&folder.path("r")), always, "the networks are of another run");
    folder.succeeds("scores --npix 8 --maps 16 --out r");
    assert_eq!(products(&folder.path("r")), ["report.html", "score_noise.json"]);
    let sizes = "--chains 2 --warmup 15 --draws 20 --max-depth 3 --out r";
    folder.succeeds(&format!("posterior --map map.npy --force --method power-spectrum {sizes}"));
    let mut expected = always.to_vec();
    expected.push("study.json");
    assert_eq!(products(&folder.path("r")), expected);
}

#[cfg(unix)]
#[test]
fn a_run_that_fails_leaves_nothing_of_the_run_before_it() {
    use super::with_files_up_to;
    let folder = Folder::new();
    folder.save("a.npy", &[5, 16, 16], &noise_map());
    let other: Vec<f64> = noise_map().iter().map(|x| 0.9 * x).collect();
    folder.save("b.npy", &[5, 16, 16], &other);
    let words = |map: &str| {
        format!(
            "posterior --map {map}.npy --force --method power-spectrum --chains 2 --warmup 15 --draws 20 \
             --max-depth 3 --out r"
        )
    };
    let page = || fs::read_to_string(folder.path("r/report.html"));
    folder.succeeds(&words("a"));
    let of_a = page().expect("it was written");
    let samples = fs::read(folder.path("r/samples.npz")).expect("it was written");

    // The same run on a disk that is full keeps what is there.
    let output = with_files_up_to(60, &folder.command(&words("a")));
    assert_eq!(output.status.code(), Some(1), "the page fits after all");
    assert!(page().expect("it is kept") == of_a);

    let output = with_files_up_to(60, &folder.command(&words("b")));
    assert_eq!(output.status.code(), Some(1), "the page fits after all");
    assert!(page().is_err(), "the page of the other map");
    let left = fs::read(folder.path("r/samples.npz"));
    assert!(left.is_ok_and(|left| left != samples), "the draws of the other map");
    let message = folder.succeeds(&words("b"));
    assert!(page().expect("it is drawn").contains("b.npy"), "{message}");
}

#[test]
fn every_study_names_itself_and_its_page_is_drawn_again() {
    let folder = Folder::new();
    folder.save("map.npy", &[5, 16, 16], &noise_map());
    folder.succeeds(
        "posterior --map map.npy --force --method power-spectrum --chains 2 --warmup 15 --draws 20 \
         --max-depth 3 --out r",
    );
    let page = || fs::read(folder.path("r/report.html")).expect("it was written");
    let (first, study) = (page(), folder.path("r/study.json"));
    folder.succeeds("report r");
    assert!(page() == first, "the report is drawn differently");
    let text = fs::read_to_string(&study).expect("it was written");
    let mut inputs: Value = serde_json::from_str(&text).expect("it is JSON");
    assert_eq!(inputs["study"], "posterior");
    for (name, expected) in [
        (Value::from("astrology"), "unknown study 'astrology'"),
        (Value::Null, "does not say of which study it is"),
    ] {
        inputs["study"] = name;
        fs::write(&study, inputs.to_string()).expect("the folder is writable");
        let (code, message) = folder.fails("report r");
        assert!(code == 1 && message.contains(expected), "{message}");
    }
    write(&folder, "r/study.json", "{\"pages\": 3}");
    let (_, message) = folder.fails("report r");
    assert!(message.contains("does not say of which study it is"), "{message}");
}
