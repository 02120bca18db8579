//! Source distributions, noise and configuration against independent numbers and bad input.

use std::path::PathBuf;

use lognormal_sim::{Error, RedshiftDistribution, Smail, Sources, Survey, read_npy};
use proptest::prelude::*;

fn reference(name: &str) -> (Vec<usize>, Vec<f64>) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference");
    read_npy(&folder.join(name)).expect(name)
}

fn assert_close(found: &[f64], expected: &[f64], relative: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!((f - e).abs() <= relative * e.abs(), "{what}[{i}]: {f} against {e}");
    }
}

fn simpson(f: impl Fn(f64) -> f64, high: f64, intervals: usize) -> f64 {
    let h = high / intervals as f64;
    let weight = |i: usize| match i {
        0 => 1.0,
        i if i == intervals => 1.0,
        i if i % 2 == 1 => 4.0,
        _ => 2.0,
    };
    (0..=intervals).map(|i| weight(i) * f(i as f64 * h)).sum::<f64>() * h / 3.0
}

/// The edges of equal galaxy number, found by adaptive quadrature in another code.
#[test]
fn equal_count_edges_agree_with_adaptive_quadrature() {
    let sources = Survey::preset("lsst_y10").unwrap().sources().unwrap();
    let exact =
        [0.0, 0.45349859231300127, 0.7223679196851933, 1.0419793716894417, 1.539160023950525, 10.0];
    assert_close(&sources.edges, &exact, 1e-12, "edges");
    assert_close(&sources.gals_per_arcmin2, &[5.4; 5], 1e-12, "densities");
}

/// jax_cosmo's Romberg rule leaves its edges 2e-5 to 5e-5 above the exact ones, and its last
/// densities short by up to 1.4e-4.
#[test]
fn reference_edges_and_noise_agree_within_the_error_of_the_reference() {
    let survey = Survey::preset("lsst_y10").unwrap();
    let sources = survey.sources().unwrap();
    assert_close(&sources.edges, &reference("nz_edges.npy").1, 5e-5, "edges");
    let tolerance = [1e-5, 1e-5, 1e-5, 1e-5, 1.4e-4];
    for (npix, file) in [(64, "noise_var_N64.npy"), (256, "noise_var_N256.npy")] {
        let noise = survey.clone().with_npix(npix).noise_variance(&sources);
        for (bin, (found, expected)) in noise.iter().zip(reference(file).1).enumerate() {
            assert_close(&[*found], &[expected], tolerance[bin], file);
        }
    }
}

/// With the reference's edges, densities and noise agree to 1e-8 and the shape of every n_i(z)
/// to 1e-10. The reference normalises with a 256-interval Simpson rule, which is 4e-5 off for
/// the narrow first bin, so the shapes are compared under that same rule.
#[test]
fn as_published_preset_reproduces_the_reference_sources() {
    let survey = Survey::preset("lsst_y10_as_published").unwrap();
    let sources = survey.sources().unwrap();
    assert_close(&sources.edges, &reference("nz_edges.npy").1, 1e-15, "edges");
    assert_close(&sources.gals_per_arcmin2, &reference("nz_gals.npy").1, 1e-8, "densities");
    for (npix, file) in [(64, "noise_var_N64.npy"), (256, "noise_var_N256.npy")] {
        let noise = survey.clone().with_npix(npix).noise_variance(&sources);
        assert_close(&noise, &reference(file).1, 1e-8, file);
    }
    let z = reference("nz_z.npy").1;
    let (shape, bins) = reference("nz_bins.npy");
    assert_eq!(shape, [5, z.len()]);
    for (bin, expected) in sources.bins.iter().zip(bins.chunks(z.len())) {
        let norm = simpson(|z| bin.density(z), 10.0, 256);
        assert!((norm - 1.0).abs() < 4e-5, "Simpson norm {norm}");
        for (z, expected) in z.iter().zip(expected) {
            let found = bin.density(*z) / norm;
            assert!((found - expected).abs() < 1e-10, "z = {z}: {found} against {expected}");
        }
    }
}

#[test]
fn photometric_bins_are_normalised_and_share_out_the_parent() {
    let sources = Survey::preset("lsst_y10").unwrap().sources().unwrap();
    for bin in &sources.bins {
        let norm = simpson(|z| bin.density(z), bin.z_max(), 200_000);
        assert!((norm - 1.0).abs() < 1e-11, "{norm}");
        assert_eq!(bin.density(-0.1), 0.0);
        assert_eq!(bin.density(10.1), 0.0);
    }
}

/// n(z) = z on [0, 2] has norm 2 and is reproduced exactly by linear interpolation.
#[test]
fn tables_are_interpolated_linearly_and_normalised() {
    let z = [0.0, 0.5, 1.5, 2.0];
    let triangle = RedshiftDistribution::from_table(&z, &z).unwrap();
    for z in [0.0, 0.3, 0.5, 1.2, 2.0] {
        assert!((triangle.density(z) - 0.5 * z).abs() < 1e-15);
    }
    assert_eq!(triangle.density(2.1), 0.0);
    assert_eq!(triangle.z_max(), 2.0);
}

#[test]
fn impossible_tables_are_refused_with_the_bin_and_the_number() {
    let message = |z: &[f64], n: Vec<f64>| {
        let good = vec![1.0; z.len()];
        let error = Sources::from_tables(z, &[good, n], &[1.0, 1.0]).unwrap_err();
        assert!(!error.is_recoverable());
        error.to_string()
    };
    let z = [0.0, 1.0, 2.0];
    assert!(
        message(&z, vec![0.0, -0.5, 1.0])
            .contains("bin 1 (counted from 0): n = -0.5 at z = 1 (point 1) is negative")
    );
    assert!(message(&z, vec![0.0, f64::NAN, 1.0]).contains("not finite"));
    assert!(message(&z, vec![0.0; 3]).contains("cannot be normalised"));
    assert!(message(&z, vec![1.0; 4]).contains("[4]"));
    assert!(message(&[0.0, 1.0], vec![1.0; 2]).contains("2 points are too few"));
    assert!(message(&[0.0, 2.0, 1.0], vec![1.0; 3]).contains("z = 2 is followed by 1 at point 2"));
    assert!(message(&[-1.0, 0.0, 1.0], vec![1.0; 3]).contains("z = -1 at point 0 is negative"));
    let z = [0.0, 1.0, 2.0];
    assert!(Sources::from_tables(&z, &[], &[]).is_err());
    assert!(Sources::from_tables(&z, &[vec![1.0; 3]], &[0.0]).is_err());
    assert!(Sources::from_tables(&z, &[vec![1.0; 3]], &[1.0, 1.0]).is_err());
}

#[test]
fn settings_out_of_range_are_named_with_what_is_allowed() {
    let text = toml::to_string(&Survey::preset("lsst_y10").unwrap()).unwrap();
    let refused = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        let error = Survey::from_toml(&text.replace(from, to)).and_then(|survey| survey.sources());
        error.unwrap_err().to_string()
    };
    for (from, to, expected) in [
        ("npix = 256", "npix = 255", "npix = 255 is not allowed: expected an even number"),
        ("npix = 256", "npix = 6", "npix = 6"),
        ("map_size_deg = 10.0", "map_size_deg = 61.0", "at most 60 degrees"),
        ("map_size_deg = 10.0", "map_size_deg = nan", "map_size_deg = NaN"),
        ("sigma_e = 0.26", "sigma_e = 0.0", "sigma_e = 0"),
        ("z0 = 0.11", "z0 = -1.0", "sources.z0 = -1"),
        ("bins = 5", "bins = 0", "sources.bins = 0"),
        ("bins = 5", "bins = 5\nedges = [0.0, 1.0]", "6 increasing redshifts"),
        ("gals_per_arcmin2 = 27.0", "gals_per_arcmin2 = inf", "sources.gals_per_arcmin2 = inf"),
        ("photo_z_scatter = 0.05", "photo_z_scatter = 0.0", "sources.photo_z_scatter = 0"),
        ("npix = 256", "npixels = 256", "unknown field `npixels`"),
        ("z0 = 0.11", "z_0 = 0.11", "unknown field `z_0`"),
        ("cholesky", "lu", "unknown variant `lu`"),
    ] {
        let message = refused(from, to);
        assert!(message.contains(expected), "{to}: {message}");
    }
    let message = Survey::preset("lsst_y1").unwrap_err().to_string();
    assert!(message.contains("lsst_y10, lsst_y10_as_published"), "{message}");
}

/// A table given inline, and the same table in a file found relative to the survey's TOML.
#[test]
fn tables_come_inline_or_from_a_file() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("survey_tables");
    std::fs::create_dir_all(&folder).unwrap();
    let rows = [[0.0, 0.5, 1.0, 1.5], [0.0, 1.0, 1.0, 0.0], [0.0, 0.0, 1.0, 1.0]];
    write_npy(&folder.join("nz.npy"), &[3, 4], &rows.concat());
    let head = "name = \"t\"\nnpix = 8\nmap_size_deg = 1.0\nsigma_e = 0.3\n[sources]\n";
    let gals = "gals_per_arcmin2 = [3.0, 4.0]\n";
    std::fs::write(
        folder.join("survey.toml"),
        format!("{head}kind = \"file\"\npath = \"nz.npy\"\n{gals}"),
    )
    .unwrap();
    let inline = format!(
        "{head}kind = \"table\"\nz = {:?}\nn = [{:?}, {:?}]\n{gals}",
        rows[0], rows[1], rows[2]
    );
    let from_file = Survey::from_file(&folder.join("survey.toml")).unwrap().sources().unwrap();
    assert_eq!(from_file, Survey::from_toml(&inline).unwrap().sources().unwrap());
    assert_eq!(from_file.gals_per_arcmin2, [3.0, 4.0]);
}

#[test]
fn unusable_arrays_are_refused_with_the_file() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("survey_arrays");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("a.npy");
    write_npy(&path, &[2, 2], &[1.0, 2.0, 3.0, 4.0]);
    assert_eq!(read_npy(&path).unwrap(), (vec![2, 2], vec![1.0, 2.0, 3.0, 4.0]));

    let bytes = std::fs::read(&path).unwrap();
    let refused = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let message = read_npy(&path).unwrap_err().to_string();
        assert!(message.contains("a.npy"), "{message}");
        message
    };
    assert!(refused(&bytes[..bytes.len() - 3]).contains("end early"));
    assert!(refused(&bytes[..20]).contains("header"));
    assert!(refused(b"not an array").contains("header"));
    let mut nan = bytes.clone();
    let at = nan.len() - 8;
    nan[at..].copy_from_slice(&f64::NAN.to_le_bytes());
    assert!(refused(&nan).contains("value NaN at flat index 3"));
    let mut integers = bytes.clone();
    let kind = integers.windows(3).position(|w| w == b"<f8").unwrap();
    integers[kind + 1] = b'c';
    assert!(refused(&integers).contains("expected integers or float32 or float64"));

    let missing = read_npy(&folder.join("missing.npy")).unwrap_err();
    assert!(matches!(missing, Error::Io { .. }), "{missing}");
}

fn write_npy(path: &std::path::Path, shape: &[u64], values: &[f64]) {
    use npyz::WriterBuilder;
    let file = std::fs::File::create(path).unwrap();
    let mut writer =
        npyz::WriteOptions::new().default_dtype().shape(shape).writer(file).begin_nd().unwrap();
    writer.extend(values.iter().copied()).unwrap();
    writer.finish().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any Smail survey: each bin is normalised and holds the same number of galaxies.
    #[test]
    fn equal_count_bins_of_any_survey(
        a in 0.5f64..4.0, b in 0.5f64..2.5, z0 in 0.05f64..0.8, bins in 1usize..8,
        scatter in 0.01f64..0.3, gals in 1.0f64..60.0,
    ) {
        let smail = Smail { a, b, z0, z_max: 8.0 };
        let sources = Sources::smail(smail, bins, None, scatter, gals).unwrap();
        for (bin, density) in sources.bins.iter().zip(&sources.gals_per_arcmin2) {
            prop_assert!((density * bins as f64 / gals - 1.0).abs() < 1e-9);
            let norm = simpson(|u| 4.0 * u.powi(3) * bin.density(u.powi(4)), 8f64.powf(0.25), 20_000);
            prop_assert!((norm - 1.0).abs() < 1e-9, "norm {}", norm);
        }
    }
}
