//! Arrays in numpy's formats: `.npy` in and out, `.npz` in and out, and maps as people bring them.

mod chosen;
mod maps;

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use half::f16;
use npyz::{DType, Deserialize, Endianness, NpyFile, Order, TypeChar, WriterBuilder};
use zip::write::SimpleFileOptions;

use crate::files::write_atomic;

pub use chosen::Chosen;
pub use maps::{LATENTS, MAPS, read_map};

/// An array of numbers in C order.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// Elements, the last axis fastest.
    pub data: Vec<f64>,
}

/// Elements of an array to be written.
pub enum Elements<'a> {
    /// 64-bit floats.
    F64(&'a [f64]),
    /// 32-bit floats.
    F32(&'a [f32]),
    /// 64-bit integers.
    I64(&'a [i64]),
    /// Text, stored as numpy's unicode strings.
    Text(&'a [&'a str]),
    /// 32-bit floats that come in parts, for arrays larger than memory.
    Parts(Box<dyn Iterator<Item = Result<Vec<f32>>> + 'a>),
}

/// A named array to be written to an `.npz`.
pub struct Named<'a> {
    /// Name under which numpy finds it.
    pub name: &'a str,
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// Elements in C order.
    pub elements: Elements<'a>,
}

impl<'a> Named<'a> {
    /// An array of 64-bit floats.
    #[must_use]
    pub fn f64(name: &'a str, shape: &[usize], data: &'a [f64]) -> Self {
        Self { name, shape: shape.to_vec(), elements: Elements::F64(data) }
    }

    /// An array of 32-bit floats.
    #[must_use]
    pub fn f32(name: &'a str, shape: &[usize], data: &'a [f32]) -> Self {
        Self { name, shape: shape.to_vec(), elements: Elements::F32(data) }
    }

    /// An array of 64-bit integers.
    #[must_use]
    pub fn i64(name: &'a str, shape: &[usize], data: &'a [i64]) -> Self {
        Self { name, shape: shape.to_vec(), elements: Elements::I64(data) }
    }

    /// An array of 32-bit floats made part by part.
    #[must_use]
    pub fn parts(
        name: &'a str,
        shape: &[usize],
        parts: impl Iterator<Item = Result<Vec<f32>>> + 'a,
    ) -> Self {
        Self { name, shape: shape.to_vec(), elements: Elements::Parts(Box::new(parts)) }
    }

    /// A list of words.
    #[must_use]
    pub fn text(name: &'a str, words: &'a [&'a str]) -> Self {
        Self { name, shape: vec![words.len()], elements: Elements::Text(words) }
    }
}

/// Reads an `.npy` of floats or integers.
///
/// # Errors
/// If the file is missing, truncated, longer than its header says, or not numeric.
pub fn read_npy(path: &Path) -> Result<Array> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    parse_npy(BufReader::new(file))
        .with_context(|| format!("{} is not a usable .npy array", path.display()))
}

/// Reads one array of an `.npz`.
///
/// # Errors
/// If the archive or the array is missing, damaged or not numeric.
pub fn read_npz(path: &Path, name: &str) -> Result<Array> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut archive = open_archive(BufReader::new(file), path)?;
    let member = archive
        .by_name(&npyz::npz::file_name_from_array_name(name))
        .with_context(|| format!("{} has no array named '{name}'", path.display()))?;
    parse_npy(member).with_context(|| format!("array '{name}' of {} is not usable", path.display()))
}

fn open_archive<R: Read + Seek>(reader: R, path: &Path) -> Result<zip::ZipArchive<R>> {
    zip::ZipArchive::new(reader)
        .with_context(|| format!("{} is not a usable .npz archive", path.display()))
}

/// Reads an `.npy` of floats or integers from memory or a stream.
///
/// # Errors
/// If it is truncated, longer than its header says, or not numeric.
pub fn parse_npy(mut reader: impl Read) -> Result<Array> {
    let file = NpyFile::new(&mut reader)
        .context("its header cannot be read: the file is truncated or of another format")?;
    let shape: Vec<usize> =
        file.shape().iter().map(|&n| usize::try_from(n)).collect::<Result<_, _>>()?;
    let order = file.order();
    let total = file.len();
    let read = match half_precision(&file) {
        None => numbers(file)?,
        Some(endianness) => halves(&mut reader, endianness, total),
    };
    let data = read.with_context(|| {
        format!("it is truncated: the header promises {total} elements of shape {shape:?}")
    })?;
    let mut rest = [0];
    ensure!(
        reader.read(&mut rest)? == 0,
        "it holds more than the {total} elements of shape {shape:?} that its header promises"
    );
    let data = if order == Order::Fortran { from_fortran_order(&shape, &data) } else { data };
    Ok(Array { shape, data })
}

/// The elements as they are stored, of any type that is a number.
fn numbers<R: Read>(file: NpyFile<R>) -> Result<std::io::Result<Vec<f64>>> {
    let DType::Plain(kind) = file.dtype() else {
        bail!("its elements are records with named fields: save one field, as in array['name']")
    };
    Ok(match (kind.type_char(), kind.size_field()) {
        (TypeChar::Float, 8) => collect::<f64, _>(file, f64::from),
        (TypeChar::Float, 4) => collect::<f32, _>(file, f64::from),
        (TypeChar::Int, 8) => collect::<i64, _>(file, |x| x as f64),
        (TypeChar::Int, 4) => collect::<i32, _>(file, f64::from),
        (TypeChar::Int, 2) => collect::<i16, _>(file, f64::from),
        (TypeChar::Int, 1) => collect::<i8, _>(file, f64::from),
        (TypeChar::Uint, 8) => collect::<u64, _>(file, |x| x as f64),
        (TypeChar::Uint, 4) => collect::<u32, _>(file, f64::from),
        (TypeChar::Uint, 2) => collect::<u16, _>(file, f64::from),
        (TypeChar::Uint, 1) => collect::<u8, _>(file, f64::from),
        (kind, size) => bail!(
            "its elements are {}; floats of 16, 32 or 64 bits or integers are needed, as \
             array.astype('float64') makes them where that keeps their meaning",
            match kind {
                TypeChar::Float => format!("floats of {} bits", 8 * size),
                TypeChar::Complex => "complex numbers".to_owned(),
                TypeChar::Bool => "true or false".to_owned(),
                TypeChar::Object => "Python objects".to_owned(),
                TypeChar::UnicodeStr | TypeChar::ByteStr => "text".to_owned(),
                TypeChar::TimeDelta | TypeChar::DateTime => "times".to_owned(),
                _ => "of a type that is no number".to_owned(),
            }
        ),
    })
}

/// The order of the bytes, if the elements are floats of 16 bits.
fn half_precision<R: Read>(file: &NpyFile<R>) -> Option<Endianness> {
    let DType::Plain(kind) = file.dtype() else { return None };
    let half = kind.type_char() == TypeChar::Float && kind.size_field() == 2;
    half.then_some(kind.endianness())
}

/// Elements of 16 bits, of which npyz knows nothing.
fn halves(reader: &mut impl Read, endianness: Endianness, total: u64) -> std::io::Result<Vec<f64>> {
    let from_bytes = match endianness {
        Endianness::Big => f16::from_be_bytes,
        _ => f16::from_le_bytes,
    };
    let mut data = Vec::new();
    for _ in 0..total {
        let mut bytes = [0; 2];
        reader.read_exact(&mut bytes)?;
        data.push(f64::from(from_bytes(bytes)));
    }
    Ok(data)
}

/// Grows with what is really there, so that a header's false promise cannot exhaust memory.
fn collect<T: Deserialize, R: Read>(
    file: NpyFile<R>,
    number: impl Fn(T) -> f64,
) -> std::io::Result<Vec<f64>> {
    let mut data = Vec::with_capacity(usize::try_from(file.len().min(1 << 24)).unwrap_or(0));
    for item in file.data::<T>().map_err(std::io::Error::other)? {
        data.push(number(item?));
    }
    Ok(data)
}

fn from_fortran_order(shape: &[usize], data: &[f64]) -> Vec<f64> {
    let mut strides = vec![1; shape.len()];
    for axis in 1..shape.len() {
        strides[axis] = strides[axis - 1] * shape[axis - 1];
    }
    let mut index = vec![0; shape.len()];
    (0..data.len())
        .map(|_| {
            let value = data[index.iter().zip(&strides).map(|(i, s)| i * s).sum::<usize>()];
            for axis in (0..shape.len()).rev() {
                index[axis] += 1;
                if index[axis] < shape[axis] {
                    break;
                }
                index[axis] = 0;
            }
            value
        })
        .collect()
}

/// Refuses NaN and infinities, naming the first.
///
/// # Errors
/// If an element is not finite.
pub fn require_finite(array: &Array, what: &str) -> Result<()> {
    let bad = array.data.iter().filter(|x| !x.is_finite()).count();
    let Some(first) = array.data.iter().position(|x| !x.is_finite()) else { return Ok(()) };
    let mut rest = first;
    let mut index = vec![0; array.shape.len()];
    for (slot, &length) in index.iter_mut().zip(&array.shape).rev() {
        *slot = rest % length;
        rest /= length;
    }
    bail!(
        "{what} holds {bad} value(s) that are not finite, the first ({}) at index {index:?}; \
         masked pixels are not supported",
        array.data[first]
    )
}

/// Writes an `.npz` that numpy reads; the file appears whole or not at all.
///
/// # Errors
/// If a length does not fit its shape, or the file cannot be written.
pub fn write_npz<'a>(path: &Path, arrays: impl IntoIterator<Item = Named<'a>>) -> Result<()> {
    write_atomic(path, |writer| {
        let mut archive = zip::ZipWriter::new_stream(writer);
        // A fixed date: the same content gives the same bytes.
        let options = SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Stored)
            .last_modified_time(zip::DateTime::default())
            .large_file(true);
        for array in arrays {
            archive.start_file(npyz::npz::file_name_from_array_name(array.name), options)?;
            write_array(&mut archive, array)?;
        }
        archive.finish()?;
        Ok(())
    })
}

fn write_array(writer: &mut impl Write, array: Named) -> Result<()> {
    let Named { name, shape, elements } = array;
    let writer = BufWriter::new(writer);
    match elements {
        Elements::F64(data) => write_elements(writer, name, "<f8", &shape, &mut data.iter()),
        Elements::F32(data) => write_elements(writer, name, "<f4", &shape, &mut data.iter()),
        Elements::I64(data) => write_elements(writer, name, "<i8", &shape, &mut data.iter()),
        Elements::Text(words) => {
            let width = words.iter().map(|word| word.chars().count()).max().unwrap_or(0).max(1);
            let descr = format!("<U{width}");
            write_elements(writer, name, &descr, &shape, &mut words.iter().copied())
        }
        Elements::Parts(parts) => {
            let mut npy = begin(writer, "<f4", &shape)?;
            let mut written = 0;
            for part in parts {
                let part: Vec<f32> = part?;
                written += part.len();
                require_length(name, &shape, written, false)?;
                npy.extend(part)?;
            }
            require_length(name, &shape, written, true)?;
            Ok(npy.finish()?)
        }
    }
}

fn write_elements<'a, T: npyz::Serialize + ?Sized + 'a>(
    writer: impl Write,
    name: &str,
    descr: &str,
    shape: &[usize],
    elements: &mut dyn ExactSizeIterator<Item = &'a T>,
) -> Result<()> {
    require_length(name, shape, elements.len(), true)?;
    let mut npy = begin(writer, descr, shape)?;
    for element in elements {
        npy.push(element)?;
    }
    Ok(npy.finish()?)
}

fn begin<T: npyz::Serialize + ?Sized, W: Write>(
    writer: W,
    descr: &str,
    shape: &[usize],
) -> Result<npyz::NpyWriter<T, W>> {
    let shape: Vec<u64> = shape.iter().map(|&n| n as u64).collect();
    let descr = DType::new_scalar(descr.parse()?);
    Ok(npyz::WriteOptions::new().dtype(descr).shape(&shape).writer(writer).begin_nd()?)
}

/// Refuses too many elements for a shape, and at the end (`all`) too few.
fn require_length(name: &str, shape: &[usize], found: usize, all: bool) -> Result<()> {
    let expected: usize = shape.iter().product();
    ensure!(
        found == expected || (!all && found < expected),
        "array '{name}' of shape {shape:?} needs {expected} elements, {found} were given"
    );
    Ok(())
}

#[cfg(test)]
mod tests;
