//! Tables of n(z) in files as numpy and people write them, and what a survey keeps of them.

use std::io::Write;
use std::path::{Path, PathBuf};

use lognormal_sim::{Prefactor, Sources, SourcesConfig, Survey};

const GALS: [f64; 3] = [5.0, 6.0, 7.0];

/// A folder of its own for a test.
fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("nz_files").join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Rows of a table: redshifts, and n of three bins in whole numbers.
fn table() -> Vec<Vec<f64>> {
    let z: Vec<f64> = (0..40).map(|i| 0.05 * f64::from(i)).collect();
    let bin = |centre: f64| -> Vec<f64> {
        z.iter().map(|z| (1e4 * z * z * (-((z - centre) / 0.2).powi(2)).exp()).round()).collect()
    };
    vec![z.clone(), bin(0.4), bin(0.8), bin(1.2)]
}

fn transpose(rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
    (0..rows[0].len()).map(|column| rows.iter().map(|row| row[column]).collect()).collect()
}

/// An `.npy` by its parts.
fn npy(descr: &str, fortran: bool, shape: &str, data: &[u8]) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    let header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}");
    let padded = format!("{header:<117}\n");
    [&b"\x93NUMPY\x01\x00"[..], &(padded.len() as u16).to_le_bytes()[..], padded.as_bytes(), data]
        .concat()
}

/// An `.npy` of doubles.
fn doubles(rows: &[Vec<f64>]) -> Vec<u8> {
    let data: Vec<u8> = rows.concat().iter().flat_map(|x| x.to_le_bytes()).collect();
    npy("<f8", false, &format!("({}, {})", rows.len(), rows[0].len()), &data)
}

fn npz(arrays: &[(&str, Vec<u8>)], compression: zip::CompressionMethod) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(compression);
    for (name, bytes) in arrays {
        archive.start_file(format!("{name}.npy"), options).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn text(rows: &[Vec<f64>], separator: &str) -> Vec<u8> {
    let line = |row: &Vec<f64>| row.iter().map(f64::to_string).collect::<Vec<_>>().join(separator);
    let lines: Vec<String> = rows.iter().map(line).collect();
    format!("# z, n\n\n{}\n", lines.join("\n")).into_bytes()
}

/// Writes the file of n(z) and a survey that names it; the survey.
fn load(folder: &Path, file: &str, bytes: &[u8], gals: &[f64]) -> lognormal_sim::Result<Survey> {
    std::fs::write(folder.join(file), bytes).unwrap();
    let toml = folder.join("survey.toml");
    let sources = format!("kind = \"file\"\npath = \"{file}\"\ngals_per_arcmin2 = {gals:?}\n");
    let head = "name = \"t\"\nnpix = 8\nmap_size_deg = 1.0\nsigma_e = 0.3\n[sources]\n";
    std::fs::write(&toml, head.to_owned() + &sources).unwrap();
    Survey::from_file(&toml)
}

fn expected(rows: &[Vec<f64>]) -> Sources {
    Sources::from_tables(&rows[0], &rows[1..], &GALS).unwrap()
}

#[test]
fn every_layout_that_numpy_and_text_have_is_the_same_table() {
    let folder = folder("layouts");
    let rows = table();
    let columns = transpose(&rows);
    let fortran: Vec<u8> = columns.concat().iter().flat_map(|x| x.to_le_bytes()).collect();
    let big: Vec<u8> = rows.concat().iter().flat_map(|x| x.to_be_bytes()).collect();
    let transposed_fortran: Vec<u8> = rows.concat().iter().flat_map(|x| x.to_le_bytes()).collect();
    let z: Vec<u8> = rows[0].iter().flat_map(|x| x.to_le_bytes()).collect();
    let z = npy("<f8", false, "(40,)", &z);
    let (stored, deflated) = (zip::CompressionMethod::Stored, zip::CompressionMethod::Deflated);
    let n = ("n", doubles(&rows[1..]));
    let n_columns = ("n", doubles(&transpose(&rows[1..])));
    for (file, bytes) in [
        ("rows.npy", doubles(&rows)),
        ("columns.npy", doubles(&columns)),
        ("fortran.npy", npy("<f8", true, "(4, 40)", &fortran)),
        ("transposed_fortran.npy", npy("<f8", true, "(40, 4)", &transposed_fortran)),
        ("big.npy", npy(">f8", false, "(4, 40)", &big)),
        ("stored.npz", npz(&[("z", z.clone()), n.clone()], stored)),
        ("deflated.npz", npz(&[n, ("other", z.clone()), ("z", z.clone())], deflated)),
        ("columns.npz", npz(&[("z", z), n_columns], stored)),
        ("columns.txt", text(&columns, "  ")),
        ("rows.csv", text(&rows, ",")),
        ("tabs.dat", text(&columns, " \t")),
    ] {
        let survey = load(&folder, file, &bytes, &GALS).unwrap_or_else(|e| panic!("{file}: {e}"));
        assert_eq!(survey.sources().unwrap(), expected(&rows), "{file}");
    }
}

/// Integers and single precision, whose redshifts are not those of doubles.
#[test]
fn integers_and_small_floats_are_numbers_too() {
    let folder = folder("numbers");
    let rows = [vec![0.0, 1.0, 2.0, 3.0, 4.0], vec![0.0, 7.0, 90.0, 3.0, 1.0]];
    let flat = rows.concat();
    let all: [(&str, Vec<u8>); 9] = [
        ("<i8", flat.iter().flat_map(|&x| (x as i64).to_le_bytes()).collect()),
        (">i8", flat.iter().flat_map(|&x| (x as i64).to_be_bytes()).collect()),
        ("<i4", flat.iter().flat_map(|&x| (x as i32).to_le_bytes()).collect()),
        ("<i2", flat.iter().flat_map(|&x| (x as i16).to_le_bytes()).collect()),
        ("|i1", flat.iter().flat_map(|&x| (x as i8).to_le_bytes()).collect()),
        ("<u8", flat.iter().flat_map(|&x| (x as u64).to_le_bytes()).collect()),
        (">u4", flat.iter().flat_map(|&x| (x as u32).to_be_bytes()).collect()),
        ("<f4", flat.iter().flat_map(|&x| (x as f32).to_le_bytes()).collect()),
        (">f4", flat.iter().flat_map(|&x| (x as f32).to_be_bytes()).collect()),
    ];
    let expected = Sources::from_tables(&rows[0], &rows[1..], &[5.0]).unwrap();
    for (descr, data) in all {
        let bytes = npy(descr, false, "(2, 5)", &data);
        let survey = load(&folder, "nz.npy", &bytes, &[5.0]).unwrap();
        assert_eq!(survey.sources().unwrap(), expected, "{descr}");
    }
}

/// Where both axes could hold the bins, the redshifts are those that increase.
#[test]
fn a_square_table_is_read_along_its_redshifts() {
    let rows = vec![vec![0.1, 0.2, 0.3], vec![0.0, 2.0, 1.0], vec![1.0, 3.0, 0.0]];
    let expected = Sources::from_tables(&rows[0], &rows[1..], &[1.0, 2.0]).unwrap();
    for square in [rows.clone(), transpose(&rows)] {
        let survey = load(&folder("square"), "nz.npy", &doubles(&square), &[1.0, 2.0]).unwrap();
        assert_eq!(survey.sources().unwrap(), expected);
    }
}

/// Every message names the file, the shape, and the place and value of what is wrong.
#[test]
fn tables_that_are_no_n_of_z_are_refused_with_place_and_value() {
    let folder = folder("refused");
    let refused = |file: &str, bytes: &[u8], gals: &[f64], words: &[&str]| {
        let error = load(&folder, file, bytes, gals).unwrap_err();
        assert!(!error.is_recoverable());
        let message = error.to_string();
        for word in words.iter().chain(&[file]) {
            assert!(message.contains(word), "{file}: '{word}' is not in: {message}");
        }
    };
    let changed = |row: usize, point: usize, value: f64| {
        let mut rows = table();
        rows[row][point] = value;
        doubles(&rows)
    };
    let layout = "shape [4, 40] read as redshifts in row 0 and bin i in row i + 1";
    refused("zoneg.npy", &changed(0, 0, -0.005), &GALS, &["z = -0.005 at point 0", layout]);
    let words = ["z = 0.5 is followed by 0.5 at point 11", layout];
    refused("dup.npy", &changed(0, 11, 0.5), &GALS, &words);
    let mut descending = table();
    descending[0].reverse();
    let words = ["is followed by", "at point 1", "must increase"];
    refused("desc.npy", &doubles(&descending), &GALS, &words);
    let words = ["bin 1", "n = -0.000000000000000001 at z = 0.25 (point 5) is negative", layout];
    refused("neg.npy", &changed(2, 5, -1e-18), &GALS, &words);
    refused("nan.npy", &changed(2, 5, f64::NAN), &GALS, &["NaN"]);

    let both = ["[4, 40]", "[3, points]", "[points, 3]", "the 2 densities", "redshifts first"];
    refused("two.npy", &doubles(&table()), &[1.0, 2.0], &both);
    refused("flat.npy", &npy("<f8", false, "(4,)", &[0; 32]), &GALS, &["[4]", "[4, points]"]);
    let z = npy("<f8", false, "(1,)", &[0; 8]);
    let stored = zip::CompressionMethod::Stored;
    let bytes = npz(&[("z", z.clone()), ("nz", z.clone())], stored);
    refused("named.npz", &bytes, &GALS, &["no array 'n'", "[\"z\", \"nz\"]"]);
    let bytes = npz(&[("z", z), ("n", doubles(&table()))], stored);
    refused("lengths.npz", &bytes, &GALS, &["'z' has shape [1] and 'n' [4, 40]"]);
    refused("broken.npz", b"PK\x03\x04 nothing", &GALS, &["archive"]);

    refused("header.csv", b"z,n1\n0,1\n", &[1.0], &["'z' in line 1 is not a finite number", "#"]);
    refused("ragged.txt", b"0 1\n1 2 3\n", &[1.0], &["line 2 has 3 columns", "have 2"]);
    refused("nan.txt", b"0 1\n1 nan\n", &[1.0], &["'nan' in line 2"]);
    refused("empty.txt", b"# nothing\n", &[1.0], &["empty"]);
    refused("image.png", b"\x89PNG\r\n\x1a\n", &[1.0], &["not an .npy, an .npz, or text"]);
}

/// What is written of a survey read from a file is its content: another content, another text.
#[test]
fn a_survey_holds_the_content_of_its_file() {
    let folder = folder("content");
    let json = |survey: &Survey| serde_json::to_string(survey).unwrap();
    let first = load(&folder, "nz.npy", &doubles(&table()), &GALS).unwrap();
    let again = load(&folder, "nz.npy", &doubles(&transpose(&table())), &GALS).unwrap();
    assert_eq!(json(&first), json(&again), "the same numbers in another layout");
    let mut other = table();
    other[1][7] += 1.0;
    let second = load(&folder, "nz.npy", &doubles(&other), &GALS).unwrap();
    assert_ne!(json(&first), json(&second));

    // The file is not asked for again, and what is written reads back the same.
    std::fs::remove_file(folder.join("nz.npy")).unwrap();
    assert_eq!(first.sources().unwrap(), expected(&table()));
    assert_eq!(serde_json::from_str::<Survey>(&json(&first)).unwrap(), first);
    assert_eq!(Survey::from_toml(&toml::to_string(&first).unwrap()).unwrap(), first);
}

/// A survey made in code that still names a file has nothing to write instead of its content.
#[test]
fn the_name_of_a_file_is_never_written_for_its_content() {
    let path = PathBuf::from("nz.npy");
    let sources = SourcesConfig::File { path, gals_per_arcmin2: GALS.to_vec() };
    let survey = Survey { sources, ..Survey::preset("lsst_y10").unwrap() };
    assert!(serde_json::to_string(&survey).is_err());
    assert!(toml::to_string(&survey).is_err());
}

/// The factor of the spectra is always written: what was made with another has another text.
#[test]
fn the_prefactor_is_always_written() {
    let survey = Survey::preset("lsst_y10").unwrap();
    assert_eq!(survey.prefactor, Prefactor::Convergence);
    assert_eq!(Survey::preset("lsst_y10_as_published").unwrap().prefactor, Prefactor::Shear);
    let text = toml::to_string(&survey).unwrap();
    assert!(text.contains("prefactor = \"convergence\""), "{text}");
    let without = text.replace("prefactor = \"convergence\"\n", "");
    assert_eq!(Survey::from_toml(&without).unwrap(), survey);
    let shear = text.replace("\"convergence\"", "\"shear\"");
    assert_eq!(Survey::from_toml(&shear).unwrap().prefactor, Prefactor::Shear);
}
