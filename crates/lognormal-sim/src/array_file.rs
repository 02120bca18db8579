//! Reading arrays of numbers from numpy's `.npy` and `.npz` and from text, with errors that name
//! the file and what is wrong with it.

use std::fs::File;
use std::io::{BufReader, Cursor, Read};
use std::path::Path;

use npyz::{DType, NpyFile, Order, TypeChar};

use crate::{Error, Result};

/// An array of any number of axes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Array {
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// Values, last axis fastest.
    pub values: Vec<f64>,
}

/// What a file holds, told by its first bytes.
pub(crate) enum Content {
    /// One array: an `.npy`, or the rows of a text.
    Array(Array),
    /// The arrays of an `.npz` by name.
    Archive(Vec<(String, Array)>),
}

/// Reads the numbers of an `.npy`: its shape and its values, last axis fastest.
///
/// Accepts integers and floats of any size and either byte order, in C or Fortran order.
///
/// # Errors
/// [`Error::Io`] when the file cannot be read; [`Error::Array`] when it is not an `.npy` file, is
/// truncated, holds something else than numbers, or a value that is not finite.
pub fn read_npy(path: &Path) -> Result<(Vec<usize>, Vec<f64>)> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    let file = BufReader::new(File::open(path).map_err(io)?);
    let array = parse_npy(file).map_err(|reason| unusable(path, reason))?;
    Ok((array.shape, array.values))
}

/// Reads an `.npy`, an `.npz`, or text in columns.
///
/// # Errors
/// As [`read_npy`]; [`Error::Array`] for a text that is not rows of equally many numbers.
pub(crate) fn read(path: &Path) -> Result<Content> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    let bytes = std::fs::read(path).map_err(io)?;
    let content = if bytes.starts_with(b"\x93NUMPY") {
        parse_npy(bytes.as_slice()).map(Content::Array)
    } else if bytes.starts_with(b"PK") {
        parse_npz(&bytes).map(Content::Archive)
    } else {
        parse_text(&bytes).map(Content::Array)
    };
    content.map_err(|reason| unusable(path, reason))
}

/// An [`Error::Array`].
pub(crate) fn unusable(path: &Path, reason: String) -> Error {
    Error::Array { path: path.to_owned(), reason }
}

type Parsed<T> = std::result::Result<T, String>;

fn parse_npz(bytes: &[u8]) -> Parsed<Vec<(String, Array)>> {
    let damaged = |e: zip::result::ZipError| format!("the archive cannot be read: {e}");
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
    let mut arrays = Vec::new();
    for index in 0..archive.len() {
        let file = archive.by_index(index).map_err(damaged)?;
        let path = file.name().map_err(damaged)?.into_owned();
        let Some(name) = npyz::npz::array_name_from_file_name(&path) else { continue };
        let array = parse_npy(file).map_err(|reason| format!("array '{name}': {reason}"))?;
        arrays.push((name.to_owned(), array));
    }
    Ok(arrays)
}

fn parse_npy(reader: impl Read) -> Parsed<Array> {
    let npy = NpyFile::new(reader).map_err(|e| format!("bad header: {e}"))?;
    let DType::Plain(dtype) = npy.dtype() else {
        return Err("it holds records, not numbers".into());
    };
    let shape = npy.shape().iter().map(|&n| n as usize).collect::<Vec<_>>();
    let order = npy.order();
    let total = npy.len();
    let values = match (dtype.type_char(), dtype.size_field()) {
        (TypeChar::Float, 8) => numbers::<f64, _>(npy, |x| x),
        (TypeChar::Float, 4) => numbers::<f32, _>(npy, f64::from),
        (TypeChar::Int, 8) => numbers::<i64, _>(npy, |x| x as f64),
        (TypeChar::Int, 4) => numbers::<i32, _>(npy, f64::from),
        (TypeChar::Int, 2) => numbers::<i16, _>(npy, f64::from),
        (TypeChar::Int, 1) => numbers::<i8, _>(npy, f64::from),
        (TypeChar::Uint, 8) => numbers::<u64, _>(npy, |x| x as f64),
        (TypeChar::Uint, 4) => numbers::<u32, _>(npy, f64::from),
        (TypeChar::Uint, 2) => numbers::<u16, _>(npy, f64::from),
        (TypeChar::Uint, 1) => numbers::<u8, _>(npy, f64::from),
        _ => return Err(format!("it holds {dtype}, expected integers or float32 or float64")),
    };
    let values = values.map_err(|e| {
        format!("truncated: the header announces {total} values of shape {shape:?}, which end early: {e}")
    })?;
    let values = if order == Order::Fortran { from_fortran(&shape, &values) } else { values };
    match values.iter().position(|value| !value.is_finite()) {
        Some(i) => Err(format!("value {} at flat index {i} is not finite", values[i])),
        None => Ok(Array { shape, values }),
    }
}

/// Grows with what is there, so that the false promise of a header cannot exhaust memory.
fn numbers<T: npyz::Deserialize, R: Read>(
    npy: NpyFile<R>,
    number: impl Fn(T) -> f64,
) -> std::io::Result<Vec<f64>> {
    let items = npy.data::<T>().map_err(std::io::Error::other)?;
    items.map(|item| item.map(&number)).collect()
}

/// Values with the first axis fastest, put with the last axis fastest.
fn from_fortran(shape: &[usize], values: &[f64]) -> Vec<f64> {
    let place = |mut index: usize| {
        let (mut place, mut stride) = (0, values.len());
        for &length in shape.iter().rev() {
            stride /= length;
            place += index % length * stride;
            index /= length;
        }
        place
    };
    (0..values.len()).map(|index| values[place(index)]).collect()
}

/// Rows of numbers between spaces, tabs, commas or semicolons; `#` starts a comment.
fn parse_text(bytes: &[u8]) -> Parsed<Array> {
    const FORMATS: &str = "an .npy, an .npz, or text in columns";
    let text =
        std::str::from_utf8(bytes).map_err(|_| format!("bad header: it is not {FORMATS}"))?;
    let mut values = Vec::new();
    let (mut rows, mut columns) = (0, 0);
    for (line, content) in text.lines().enumerate() {
        let line = line + 1;
        let content = content.split('#').next().unwrap_or_default();
        let before = values.len();
        for word in content.split([' ', '\t', ',', ';']).filter(|word| !word.is_empty()) {
            match word.parse::<f64>() {
                Ok(value) if value.is_finite() => values.push(value),
                _ => {
                    return Err(format!(
                        "'{word}' in line {line} is not a finite number; {FORMATS} (# starts a \
                         comment) is expected"
                    ));
                }
            }
        }
        let found = values.len() - before;
        if found == 0 {
            continue;
        }
        if rows > 0 && found != columns {
            return Err(format!("line {line} has {found} columns, those before have {columns}"));
        }
        (rows, columns) = (rows + 1, found);
    }
    if rows == 0 {
        return Err(format!("bad header: it is empty; {FORMATS} is expected"));
    }
    Ok(Array { shape: vec![rows, columns], values })
}
