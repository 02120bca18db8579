//! Sets of simulations as `.npz` archives, which numpy reads.
//!
//! Arrays: `theta` `[simulation, parameter]`, `x` `[simulation, observable]`, `scores`
//! `[simulation, parameter]` if there are any, `source` `[simulation, 2]` (seed, index) if known,
//! and `dropped` `[dropped, 4]` (seed, index, rows before it, reason: 0 not finite, 1 failed).

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::path::Path;

use ndarray::Array2;
use npyz::{DType, NpyFile, Order, WriterBuilder};
use zip::ZipArchive;
use zip::write::SimpleFileOptions;

use super::{Dropped, Reason, Simulations, Source};
use crate::error::{Error, Result};

impl Simulations {
    /// Writes the set as an `.npz`; the file appears whole or not at all.
    ///
    /// Arrays are `theta`, `x`, `scores` (if any), `source` (seed and index of each row, if known)
    /// and `dropped` (seed, index, rows before it, reason 0 not finite or 1 failed).
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let temporary = tempfile::Builder::new()
            .prefix(".simulations.")
            .tempfile_in(folder.unwrap_or(Path::new(".")))
            .map_err(Error::io("write", path))?;
        let mut writer = BufWriter::new(temporary.as_file());
        self.write(&mut writer).and_then(|()| writer.flush()).map_err(Error::io("write", path))?;
        drop(writer);
        temporary.as_file().sync_all().map_err(Error::io("write", path))?;
        temporary.persist(path).map_err(|error| Error::io("write", path)(error.error))?;
        Ok(())
    }

    fn write(&self, writer: &mut impl Write) -> std::io::Result<()> {
        let mut archive = zip::ZipWriter::new_stream(writer);
        write_array(&mut archive, "theta", "<f8", [self.len(), self.parameters()], &self.theta)?;
        write_array(&mut archive, "x", "<f8", [self.len(), self.observables()], &self.x)?;
        if let Some(scores) = &self.scores {
            write_array(&mut archive, "scores", "<f8", [self.len(), self.parameters()], scores)?;
        }
        if let Some(sources) = &self.sources {
            let rows: Vec<u64> = sources.iter().flat_map(|row| [row.seed, row.index]).collect();
            write_array(&mut archive, "source", "<u8", [sources.len(), 2], &rows)?;
        }
        let code = |reason| match reason {
            Reason::NonFinite => 0,
            Reason::Failed => 1,
        };
        let dropped: Vec<u64> = self
            .dropped
            .iter()
            .flat_map(|d| [d.source.seed, d.source.index, d.row, code(d.reason)])
            .collect();
        write_array(&mut archive, "dropped", "<u8", [self.dropped.len(), 4], &dropped)?;
        archive.finish()?;
        Ok(())
    }

    /// Reads a set written by [`Simulations::save`], or made elsewhere with the arrays `theta`, `x`
    /// and possibly `scores` (64- or 32-bit floats).
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be opened; [`Error::File`] if it is damaged, truncated or
    /// lacks an array; [`Error::Shape`] and [`Error::NotFinite`] for arrays that do not fit.
    pub fn load(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let bad = |reason: String| Error::File { path: path.to_owned(), reason };
        let mut archive = ZipArchive::new(BufReader::new(file))
            .map_err(|error| bad(format!("it is truncated or no .npz archive ({error})")))?;
        let theta = read_floats(&mut archive, "theta").map_err(bad)?;
        let x = read_floats(&mut archive, "x").map_err(bad)?;
        let scores = match has(&archive, "scores") {
            true => Some(read_floats(&mut archive, "scores").map_err(bad)?),
            false => None,
        };
        let sources = match has(&archive, "source") {
            true => {
                let rows = read_integers::<2>(&mut archive, "source").map_err(bad)?;
                Some(rows.into_iter().map(|[seed, index]| Source { seed, index }).collect())
            }
            false => None,
        };
        let mut dropped = Vec::new();
        if has(&archive, "dropped") {
            for [seed, index, row, reason] in
                read_integers::<4>(&mut archive, "dropped").map_err(bad)?
            {
                let reason = match reason {
                    0 => Reason::NonFinite,
                    1 => Reason::Failed,
                    code => return Err(bad(format!("array 'dropped' has the reason {code}"))),
                };
                dropped.push(Dropped { source: Source { seed, index }, reason, row });
            }
        }
        if sources.is_none() {
            Self::new(theta, x, scores)
        } else {
            Self::of(theta, x, scores, sources, dropped)
        }
    }
}

/// Member of an archive that holds an array.
fn member(name: &str) -> String {
    format!("{name}.npy")
}

fn has<R: Read + Seek>(archive: &ZipArchive<R>, name: &str) -> bool {
    archive.index_for_name(&member(name)).is_some()
}

fn write_array<'a, W: Write + Seek, T: npyz::Serialize + 'a>(
    archive: &mut zip::ZipWriter<W>,
    name: &str,
    descr: &str,
    shape: [usize; 2],
    elements: impl IntoIterator<Item = &'a T>,
) -> std::io::Result<()> {
    // A fixed date: the same content gives the same bytes.
    let options = SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Stored)
        .last_modified_time(zip::DateTime::default())
        .large_file(true);
    archive.start_file(member(name), options)?;
    let dtype = DType::new_scalar(descr.parse().map_err(std::io::Error::other)?);
    let mut npy = npyz::WriteOptions::new()
        .dtype(dtype)
        .shape(&shape.map(|n| n as u64))
        .writer(BufWriter::new(archive))
        .begin_nd()?;
    npy.extend(elements)?;
    npy.finish()
}

type Described<T> = std::result::Result<T, String>;

/// Reads an array of two axes in C order, to the end of its member, where a checksum is.
fn read<T>(
    archive: &mut ZipArchive<impl Read + Seek>,
    name: &str,
    elements: impl FnOnce(NpyFile<&mut dyn Read>) -> Described<Vec<T>>,
) -> Described<(Vec<T>, [usize; 2])> {
    let member = archive
        .by_name(&member(name))
        .map_err(|error| format!("it has no array '{name}' ({error})"))?;
    let mut reader = BufReader::new(member);
    let file = NpyFile::new(&mut reader as &mut dyn Read)
        .map_err(|error| format!("the header of array '{name}' is damaged ({error})"))?;
    let &[rows, columns] = file.shape() else {
        return Err(format!("array '{name}' has shape {:?}; two axes are needed", file.shape()));
    };
    if file.order() != Order::C && rows > 1 && columns > 1 {
        return Err(format!("array '{name}' is in Fortran order; C order is needed"));
    }
    let length = |n: u64| usize::try_from(n).map_err(|_| format!("array '{name}' is too long"));
    let shape = [length(rows)?, length(columns)?];
    let data = elements(file)?;
    match reader.read(&mut [0]) {
        Ok(0) => Ok((data, shape)),
        Ok(_) => Err(format!("array '{name}' has more elements than its header says")),
        Err(error) => Err(format!("array '{name}' is damaged ({error})")),
    }
}

/// Grows with what is really there, so that a header's false promise cannot exhaust memory.
fn collect<T>(name: &str, items: impl Iterator<Item = std::io::Result<T>>) -> Described<Vec<T>> {
    let mut data = Vec::new();
    for item in items {
        data.push(item.map_err(|error| format!("array '{name}' is truncated ({error})"))?);
    }
    Ok(data)
}

fn read_floats(archive: &mut ZipArchive<impl Read + Seek>, name: &str) -> Described<Array2<f64>> {
    let (data, shape) = read(archive, name, |file| {
        let descr = file.dtype().descr();
        match file.try_data::<f64>() {
            Ok(items) => collect(name, items),
            Err(file) => match file.try_data::<f32>() {
                Ok(items) => collect(name, items.map(|item| item.map(f64::from))),
                Err(_) => Err(format!(
                    "elements of array '{name}' are {descr}; 64- or 32-bit floats are needed"
                )),
            },
        }
    })?;
    Array2::from_shape_vec(shape, data).map_err(|error| format!("array '{name}': {error}"))
}

fn read_integers<const N: usize>(
    archive: &mut ZipArchive<impl Read + Seek>,
    name: &str,
) -> Described<Vec<[u64; N]>> {
    let (data, [_, columns]) = read(archive, name, |file| {
        let descr = file.dtype().descr();
        match file.try_data::<u64>() {
            Ok(items) => collect(name, items),
            Err(_) => Err(format!("elements of array '{name}' are {descr}; '<u8' is needed")),
        }
    })?;
    if columns != N {
        return Err(format!("array '{name}' has {columns} columns, {N} are needed"));
    }
    Ok(data.as_chunks().0.to_vec())
}
