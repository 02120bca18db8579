//! Round trips, and everything that can be wrong with a file someone brings.

use super::*;

fn npy(shape: &[usize], data: &[f64]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    write_array(&mut bytes, Named::f64("", shape, data))?;
    Ok(bytes)
}

fn saved(bytes: &[u8]) -> Result<(tempfile::TempDir, std::path::PathBuf)> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("map.npy");
    std::fs::write(&path, bytes)?;
    Ok((folder, path))
}

fn ramp(length: usize) -> Vec<f64> {
    (0..length).map(|i| i as f64 + 0.5).collect()
}

#[test]
fn arrays_survive_a_round_trip() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("a.npz");
    let data = ramp(6);
    let single: Vec<f32> = data.iter().map(|&x| x as f32).collect();
    write_npz(
        &path,
        [
            Named::f64("a", &[2, 3], &data),
            Named::f32("b", &[3, 2], &single),
            Named::i64("c", &[2], &[-1, 7]),
            Named::text("names", &["omega_c", "h"]),
        ],
    )?;
    assert_eq!(read_npz(&path, "a")?, Array { shape: vec![2, 3], data: data.clone() });
    assert_eq!(read_npz(&path, "b")?, Array { shape: vec![3, 2], data });
    assert_eq!(read_npz(&path, "c")?.data, [-1.0, 7.0]);
    assert!(format!("{:#}", read_npz(&path, "d").unwrap_err()).contains("no array named 'd'"));
    assert!(read_npz(&path, "names").is_err(), "text is not numbers");
    Ok(())
}

#[test]
fn the_same_arrays_give_the_same_bytes() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (one, two) = (folder.path().join("1.npz"), folder.path().join("2.npz"));
    for path in [&one, &two] {
        write_npz(path, [Named::f64("a", &[4], &ramp(4))])?;
    }
    assert_eq!(std::fs::read(one)?, std::fs::read(two)?);
    Ok(())
}

#[test]
fn maps_are_taken_with_bins_first_or_last() -> Result<()> {
    let (bins, npix) = (3, 4);
    let first = ramp(bins * npix * npix);
    let mut last = vec![0.0; first.len()];
    for bin in 0..bins {
        for pixel in 0..npix * npix {
            last[pixel * bins + bin] = first[bin * npix * npix + pixel];
        }
    }
    let (_a, path) = saved(&npy(&[bins, npix, npix], &first)?)?;
    assert_eq!(read_map(&path, bins)?, (npix, first.clone()));
    let (_b, path) = saved(&npy(&[npix, npix, bins], &last)?)?;
    assert_eq!(read_map(&path, bins)?, (npix, first));
    Ok(())
}

#[test]
fn fortran_order_is_understood() {
    // The matrix [[0, 1, 2], [3, 4, 5]] stored column by column.
    let c_order = from_fortran_order(&[2, 3], &[0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
    assert_eq!(c_order, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
}

#[test]
fn any_truncation_is_an_error() -> Result<()> {
    let bytes = npy(&[2, 4, 4], &ramp(32))?;
    for length in 0..bytes.len() {
        assert!(parse_npy(&bytes[..length]).is_err(), "cut to {length} bytes");
    }
    let (_folder, path) = saved(&bytes[..bytes.len() - 5])?;
    let message = format!("{:#}", read_map(&path, 2).unwrap_err());
    assert!(message.contains("map.npy") && message.contains("truncated"), "{message}");
    Ok(())
}

#[test]
fn bytes_after_the_array_are_an_error() -> Result<()> {
    let mut bytes = npy(&[3], &ramp(3))?;
    bytes.push(0);
    assert!(format!("{:#}", parse_npy(&bytes[..]).unwrap_err()).contains("more than"));
    Ok(())
}

#[test]
fn a_header_that_promises_petabytes_is_refused_quickly() -> Result<()> {
    let mut bytes = npy(&[1000], &ramp(1000))?;
    let at = bytes.windows(6).position(|w| w == b"(1000,").expect("the shape is there");
    bytes[at..at + 6].copy_from_slice(b"(9e15,");
    assert!(parse_npy(&bytes[..]).is_err());
    bytes[at..at + 6].copy_from_slice(b"(9999,");
    assert!(parse_npy(&bytes[..]).is_err());
    Ok(())
}

#[test]
fn wrong_shapes_odd_sides_and_nan_are_named() -> Result<()> {
    let cases: [(&[usize], &str); 3] =
        [(&[5, 5, 2], "even number"), (&[4, 6, 2], "tomographic"), (&[32], "tomographic")];
    for (shape, expected) in cases {
        let (_folder, path) = saved(&npy(shape, &ramp(shape.iter().product()))?)?;
        let message = format!("{:#}", read_map(&path, 2).unwrap_err());
        assert!(message.contains(expected), "{shape:?}: {message}");
    }
    let mut data = ramp(32);
    data[21] = f64::NAN;
    let (_folder, path) = saved(&npy(&[2, 4, 4], &data)?)?;
    let message = format!("{:#}", read_map(&path, 2).unwrap_err());
    assert!(message.contains("1 value(s)") && message.contains("[1, 1, 1]"), "{message}");
    Ok(())
}

#[test]
fn a_length_that_does_not_fit_its_shape_is_refused() {
    assert!(npy(&[2, 2], &ramp(3)).is_err());
}

#[test]
fn arrays_can_come_in_parts() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("a.npz");
    let parts = |count: usize| (0..count).map(|k| Ok(vec![k as f32; 2]));
    write_npz(&path, [Named::parts("a", &[3, 2], parts(3))])?;
    assert_eq!(read_npz(&path, "a")?.data, [0.0, 0.0, 1.0, 1.0, 2.0, 2.0]);
    assert!(write_npz(&path, [Named::parts("a", &[3, 2], parts(2))]).is_err());
    assert!(write_npz(&path, [Named::parts("a", &[3, 2], parts(4))]).is_err());
    Ok(())
}
