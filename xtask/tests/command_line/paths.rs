//! Paths that people give: outputs that must not destroy anything, and maps in any usual form.

use std::fs;
use std::path::Path;

use super::{Folder, array, noise_map};

/// Commands that write a file, each without its output, the inputs lying in the folder.
const WRITERS: [&str; 3] = [
    "simulate --params fiducial --npix 16 --out",
    "spectra --params fiducial --ell-file ell.npz --npix 16 --out",
    "density --params fiducial --latent map.npz --map map.npz --out",
];

/// A folder with the inputs of [`WRITERS`].
fn prepared() -> Folder {
    let folder = Folder::new();
    archive(&folder.path("map.npz"), &[("map", &npy("<f8", &[5, 16, 16], &f64s(&noise_map())))]);
    archive(&folder.path("ell.npz"), &[("ell", &npy("<f8", &[2], &f64s(&[100.0, 1000.0])))]);
    folder
}

fn f64s(data: &[f64]) -> Vec<u8> {
    data.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// An `.npy` with a header of version 1, written without help from the program under test.
fn npy(descr: &str, shape: &[usize], data: &[u8]) -> Vec<u8> {
    let shape: String = shape.iter().map(|n| format!("{n}, ")).collect();
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

/// An `.npz` of these members, deflated as `numpy.savez_compressed` does.
fn archive(path: &Path, members: &[(&str, &[u8])]) {
    use std::io::Write;
    let mut archive = zip::ZipWriter::new(fs::File::create(path).expect("the folder is writable"));
    let options = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated);
    for (name, bytes) in members {
        archive.start_file(format!("{name}.npy"), options).expect("it is open");
        archive.write_all(bytes).expect("the folder is writable");
    }
    archive.finish().expect("the folder is writable");
}

#[test]
fn outputs_of_another_kind_and_inputs_are_refused() {
    let folder = prepared();
    for writer in WRITERS {
        for name in ["out.txt", "out.npy", "out"] {
            let (code, message) = folder.fails(&format!("{writer} {name}"));
            assert!(code == 1 && message.contains("must end in .npz"), "{writer}: {message}");
            assert!(!folder.path(name).exists(), "{writer} {name}");
        }
    }
    for (writer, input) in [(WRITERS[1], "ell.npz"), (WRITERS[2], "map.npz")] {
        let bytes = fs::read(folder.path(input)).expect("it is there");
        let (code, message) = folder.fails(&format!("{writer} {input}"));
        assert!(code == 1 && message.contains("would replace the input"), "{writer}: {message}");
        assert!(fs::read(folder.path(input)).is_ok_and(|now| now == bytes), "{writer}");
    }
    assert!(folder.fails(&format!("{} out.txt", WRITERS[1])).1.contains(".npz or .csv"));

    // A folder of results whose files are inputs.
    fs::create_dir(folder.path("r")).expect("the folder is writable");
    fs::copy(folder.path("map.npz"), folder.path("r/samples.npz")).expect("it is there");
    let (code, message) = folder.fails("posterior --map r/samples.npz --out r");
    assert!(code == 1 && message.contains("would replace the input"), "{message}");
    let (code, message) =
        folder.fails("task two-moons --observation r/samples.npz#map[0] --method npe --out r");
    assert!(code == 1, "{message}");
    assert!(fs::read(folder.path("r/samples.npz")).is_ok(), "the input is gone");
}

#[cfg(unix)]
#[test]
fn links_are_followed_and_what_is_no_file_is_refused() {
    use std::os::unix::fs::{FileTypeExt, symlink};
    use std::process::Command;

    let folder = prepared();
    fs::create_dir(folder.path("far")).expect("the folder is writable");
    let pipe = folder.path("pipe.npz");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.is_ok_and(|status| status.success()));
    symlink("/dev/null", folder.path("device.npz")).expect("the folder is writable");
    for (place, writer) in WRITERS.iter().enumerate() {
        for name in ["pipe.npz", "device.npz"] {
            let (code, message) = folder.fails(&format!("{writer} {name}"));
            assert!(code == 1 && message.contains("not a file that can"), "{writer}: {message}");
        }
        let (link, target) = (format!("link-{place}.npz"), format!("far/{place}.npz"));
        symlink(&target, folder.path(&link)).expect("the folder is writable");
        for _ in ["made", "replaced"] {
            folder.succeeds(&format!("{writer} {link}"));
            let kind = fs::symlink_metadata(folder.path(&link)).expect("it is there");
            assert!(kind.is_symlink(), "{writer}: the link was replaced");
            assert!(folder.path(&target).is_file(), "{writer}");
        }
    }
    let kind = |path: &Path| fs::metadata(path).expect("it is there").file_type();
    assert!(kind(&pipe).is_fifo() && kind(Path::new("/dev/null")).is_char_device());
    assert_eq!(fs::read_dir(folder.path("far")).expect("it is there").count(), 3);
}

#[test]
fn maps_of_simulate_are_taken_as_they_are() {
    let folder = Folder::new();
    folder.succeeds("simulate --params fiducial --npix 16 --seed 3 --out maps.npz");
    let sizes = "--method power-spectrum --chains 2 --warmup 15 --draws 20 --max-depth 3";
    folder.succeeds(&format!("posterior --map maps.npz {sizes} --out r"));
    let (shape, maps) = array::<f32>(&folder.path("maps.npz"), "maps");
    assert_eq!(shape, [1, 5, 16, 16]);
    let (_, seen) = array::<f64>(&map_of(&folder.path("r")), "map");
    assert!(maps.iter().zip(&seen).all(|(a, b)| f64::from(*a) == *b));

    // What the study of the map keeps is a map too.
    let kept = map_of(&folder.path("r"));
    let kept = kept.strip_prefix(folder.path("")).expect("it lies there").display().to_string();
    folder.succeeds(&format!("posterior --map {kept} {sizes} --out again"));
    let samples = |out: &str| fs::read(folder.path(out).join("samples.npz")).expect("written");
    assert!(samples("r") == samples("again"));
}

/// The map that a posterior was made from.
fn map_of(study: &Path) -> std::path::PathBuf {
    let tasks = fs::read_dir(study.join("tasks")).expect("the study has tasks");
    let mut maps = tasks.map(|entry| entry.expect("readable").path().join("map.npz"));
    maps.find(|path| path.exists()).expect("the map is kept")
}

#[test]
fn one_of_several_maps_is_chosen_by_its_number() {
    let folder = Folder::new();
    folder.succeeds("simulate --params fiducial --npix 16 --count 3 --seed 3 --out maps.npz");
    let (_, maps) = array::<f32>(&folder.path("maps.npz"), "maps");
    let second: Vec<f64> = maps[5 * 256..][..5 * 256].iter().map(|x| f64::from(*x)).collect();
    folder.save("second.npy", &[5, 16, 16], &second);
    folder.save("latents.npy", &[1, 5, 16, 16], &noise_map());
    let density = |map: &str, out: &str| {
        format!("density --params fiducial --latent latents.npy --map {map} --out {out}")
    };
    for (choice, expected) in [
        ("maps.npz", "holds 3 sets of maps"),
        ("maps.npz", "as maps.npz#maps[2]"),
        ("maps.npz#maps[3]", "there is no 3"),
        ("maps.npz#map", "it holds maps, theta"),
        ("maps.npz#theta", "shape [3, 6]"),
        ("second.npy#maps", "without a name"),
        ("none.npz#maps[0]", "none.npz"),
    ] {
        for command in [density(choice, "d.npz"), format!("posterior --map {choice} --out r")] {
            let (code, message) = folder.fails(&command);
            assert!(code == 1 && message.contains(expected), "{command}: {message}");
        }
    }
    for unreadable in ["maps.npz#", "maps.npz#maps[x]"] {
        assert_eq!(folder.fails(&density(unreadable, "d.npz")).0, 2, "{unreadable}");
    }
    folder.succeeds(&density("second.npy", "of-npy.npz"));
    folder.succeeds(&density("maps.npz#maps[1]", "of-npz.npz"));
    let read = |name: &str| fs::read(folder.path(name)).expect("it was written");
    assert!(read("of-npy.npz") == read("of-npz.npz"));
    let (_, message) = folder.fails(&density("of-npy.npz", "d.npz"));
    assert!(message.contains("holds the arrays log_p_latent, log_p_map"), "{message}");
}

#[test]
fn few_or_equal_draws_cost_no_report() {
    let folder = Folder::new();
    folder.save("map.npy", &[5, 16, 16], &noise_map());
    folder.succeeds(
        "posterior --map map.npy --force --method power-spectrum --chains 2 --warmup 30 --draws 8 \
         --max-depth 3 --out r",
    );
    let page = fs::read_to_string(folder.path("r/report.html")).expect("it was written");
    let reason = "This figure cannot be drawn: power spectrum: 16 samples, at least 20 are needed";
    assert!(page.contains(reason), "the corner plot");
    assert_eq!(page.matches("cannot be drawn").count(), 1, "the other figures");
    assert!(folder.path("r/samples.npz").exists());

    let prior = fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/full-field/priors/lsst_y10.toml"),
    );
    let prior = prior.expect("it is there");
    let (before, after) = prior.split_once("sd = ").expect("it has standard deviations");
    let rest = after.split_once('\n').expect("it has lines").1;
    fs::write(folder.path("prior.toml"), format!("{before}sd = 1e-17\n{rest}")).expect("writable");
    let (code, message) = folder.fails("posterior --map map.npy --prior prior.toml --out narrow");
    assert!(code == 1 && message.contains("omega_c: sd = 1e-17 is too small"), "{message}");
    assert!(!folder.path("narrow").exists(), "it was begun");
}
