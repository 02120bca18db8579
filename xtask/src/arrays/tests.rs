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

/// The map in a file.
fn map_of(path: &Path, bins: usize) -> Result<(usize, Vec<f64>)> {
    read_map(&chosen(path, "")?, &MAPS, bins)
}

/// What a user asks for who writes the path with a choice behind it.
fn chosen(path: &Path, choice: &str) -> Result<Chosen> {
    format!("{}{choice}", path.display()).parse().map_err(anyhow::Error::msg)
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
    assert_eq!(map_of(&path, bins)?, (npix, first.clone()));
    let (_b, path) = saved(&npy(&[npix, npix, bins], &last)?)?;
    assert_eq!(map_of(&path, bins)?, (npix, first));
    Ok(())
}

#[test]
fn maps_may_come_behind_an_axis_of_length_one() -> Result<()> {
    let (bins, npix) = (3, 4);
    let data = ramp(bins * npix * npix);
    let (_a, path) = saved(&npy(&[1, bins, npix, npix], &data)?)?;
    assert_eq!(map_of(&path, bins)?, (npix, data.clone()));
    let (_b, path) = saved(&npy(&[1, npix, npix, bins], &data)?)?;
    assert_eq!(map_of(&path, bins)?.1[..2], [data[0], data[bins]]);
    let (_c, path) = saved(&npy(&[1, npix, npix], &data[..npix * npix])?)?;
    assert_eq!(map_of(&path, 1)?, (npix, data[..npix * npix].to_vec()));
    let (_d, path) = saved(&npy(&[bins, 1, npix, npix], &data)?)?;
    assert_eq!(read_map(&chosen(&path, "#[2]")?, &MAPS, 1)?.1, data[2 * npix * npix..]);
    let message = format!("{:#}", map_of(&path, 1).unwrap_err());
    assert!(message.contains("3 sets of maps") && message.contains("map.npy#[2]"), "{message}");
    Ok(())
}

/// An `.npy` of any type and order, with a header of any version.
fn raw(descr: &str, fortran: bool, shape: &str, data: &[u8], version: u8) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    let header = format!("{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n");
    let mut bytes = [b"\x93NUMPY".as_slice(), &[version, 0]].concat();
    let length = u32::try_from(header.len()).expect("a short header").to_le_bytes();
    bytes.extend(if version == 1 { &length[..2] } else { &length[..] });
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

#[test]
fn numbers_of_every_type_and_byte_order_are_read() -> Result<()> {
    let big = |x: [f32; 2]| x.map(f32::to_be_bytes).concat();
    let cases: [(&str, Vec<u8>); 11] = [
        ("'>f4'", big([1.0, -2.0])),
        ("'>f8'", [1.0_f64, -2.0].map(f64::to_be_bytes).concat()),
        // the bits of half precision
        ("'<f2'", vec![0x00, 0x3c, 0x00, 0xc0]),
        ("'>f2'", vec![0x3c, 0x00, 0xc0, 0x00]),
        ("'<i8'", [1_i64, -2].map(i64::to_le_bytes).concat()),
        ("'<i4'", [1_i32, -2].map(i32::to_le_bytes).concat()),
        ("'>i2'", [1_i16, -2].map(i16::to_be_bytes).concat()),
        ("'|i1'", vec![1, 0xfe]),
        ("'<u8'", [1_u64, 2].map(u64::to_le_bytes).concat()),
        ("'<u2'", [1_u16, 2].map(u16::to_le_bytes).concat()),
        ("'|u1'", vec![1, 2]),
    ];
    for (descr, data) in cases {
        let second = if descr.contains('u') { 2.0 } else { -2.0 };
        for version in [1, 2, 3] {
            let array = parse_npy(&raw(descr, false, "(2,)", &data, version)[..]);
            let array = array.with_context(|| format!("{descr}, version {version}"))?;
            assert_eq!(array.data, [1.0, second], "{descr}, version {version}");
        }
    }
    let columns = ramp(6).iter().flat_map(|x| x.to_be_bytes()).collect::<Vec<_>>();
    let turned = parse_npy(&raw("'>f8'", true, "(2, 3)", &columns, 1)[..])?;
    assert_eq!(turned.data, [0.5, 2.5, 4.5, 1.5, 3.5, 5.5], "Fortran order");
    Ok(())
}

#[test]
fn what_is_no_number_is_refused_with_its_name() {
    for (descr, size, expected) in [
        ("'<f16'", 16, "floats of 128 bits"),
        ("'<c8'", 8, "complex numbers"),
        ("'|b1'", 1, "true or false"),
        ("'|O'", 8, "Python objects"),
        ("'<U2'", 8, "text"),
        ("'<M8[s]'", 8, "times"),
        ("[('k', '<f4')]", 4, "records with named fields"),
    ] {
        let refused = parse_npy(&raw(descr, false, "(2,)", &vec![0; 2 * size], 1)[..]);
        let message = format!("{:#}", refused.expect_err(descr));
        assert!(message.contains(expected), "{descr}: {message}");
    }
    for bytes in [&b""[..], b"hello\n", b"\x89HDF\r\n\x1a\n"] {
        assert!(parse_npy(bytes).is_err(), "{bytes:?}");
    }
}

#[test]
fn arrays_of_an_archive_are_found_by_name_and_number() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("a#1.npz");
    let data = ramp(6);
    let named = |name| Named::f64(name, &[3, 2], &data);
    write_npz(&path, [named("theta"), named("maps")])?;
    let read = |choice: &str| chosen(&path, choice)?.read(&MAPS);
    assert_eq!(read("")?.shape, [3, 2], "the usual name");
    assert_eq!(read("#theta")?.data, data);
    assert_eq!(read("#maps[1]")?, Array { shape: vec![2], data: data[2..4].to_vec() });
    assert_eq!(read("#[2]")?.data, data[4..], "of the usual one");
    let message = |choice: &str| format!("{:#}", read(choice).expect_err(choice));
    assert!(message("#map").contains("no array named 'map'; it holds theta, maps"));
    assert!(message("#maps[3]").contains("there is no 3"));
    assert!(chosen(&path, "#").is_err() && chosen(&path, "#maps[-1]").is_err());
    write_npz(&path, [named("theta"), named("score")])?;
    let which = message_of(&path)?;
    assert!(which.contains("theta, score") && which.contains("#theta"), "{which}");
    write_npz(&path, [named("anything")])?;
    assert_eq!(read("")?.data, data, "the only one");
    write_npz(&path, [])?;
    assert!(message("").contains("holds no array"), "{}", message(""));
    assert_eq!(chosen(&path, "#maps[1]")?.to_string(), format!("{}#maps[1]", path.display()));
    Ok(())
}

/// Why the file cannot be read without a choice.
fn message_of(path: &Path) -> Result<String> {
    Ok(format!("{:#}", chosen(path, "")?.read(&MAPS).expect_err("it is not clear which")))
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
    let message = format!("{:#}", map_of(&path, 2).unwrap_err());
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
        let message = format!("{:#}", map_of(&path, 2).unwrap_err());
        assert!(message.contains(expected), "{shape:?}: {message}");
    }
    let mut data = ramp(32);
    data[21] = f64::NAN;
    let (_folder, path) = saved(&npy(&[2, 4, 4], &data)?)?;
    let message = format!("{:#}", map_of(&path, 2).unwrap_err());
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
