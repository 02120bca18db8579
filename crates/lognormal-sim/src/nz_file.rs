//! Tables of n(z) in files: redshifts, and n of each tomographic bin at them.
//!
//! - An `.npy` array or a text in columns, `[1 + bins, points]` or `[points, 1 + bins]`: the
//!   redshifts come first, then one row (column) per bin.
//! - An `.npz` with `z` of shape `[points]` and `n` of shape `[bins, points]` or `[points, bins]`,
//!   or `[points]` for one bin.
//!
//! The number of bins is known from the survey and tells which axis is which; where both have that
//! length, redshifts are the first row or column that increases.

use std::path::Path;

use crate::array_file::{Array, Content, read, unusable};
use crate::redshift::Sources;
use crate::{Error, Result};

/// Redshifts `[point]` and n `[bin][point]` of the tables in a file.
pub(crate) struct Tables {
    pub z: Vec<f64>,
    pub n: Vec<Vec<f64>>,
}

/// Reads the tables of the bins whose galaxy densities are given, and checks that they make
/// sources.
///
/// # Errors
/// [`Error::Io`] when the file cannot be read; [`Error::Array`] when it holds no such tables, with
/// its shape and those that would do, or one that is no n(z), with its place and value.
pub(crate) fn read_tables(path: &Path, gals_per_arcmin2: &[f64]) -> Result<Tables> {
    let bins = gals_per_arcmin2.len();
    let tables = match read(path)? {
        Content::Array(array) => in_one_array(array, bins),
        Content::Archive(arrays) => in_archive(arrays, bins),
    };
    let (tables, layout) = tables.map_err(|reason| unusable(path, reason))?;
    match Sources::from_tables(&tables.z, &tables.n, gals_per_arcmin2) {
        Ok(_) => Ok(tables),
        Err(error @ Error::Redshift { .. }) => Err(unusable(path, format!("{error} ({layout})"))),
        Err(error) => Err(error),
    }
}

/// Tables, and in words where in the file they were.
type Found = std::result::Result<(Tables, String), String>;

fn in_one_array(array: Array, bins: usize) -> Found {
    let shape = array.shape.clone();
    let fail = || {
        let (rows, bins_word) = (1 + bins, if bins == 1 { "density" } else { "densities" });
        format!(
            "it has shape {shape:?}; redshifts and n(z) for the {bins} {bins_word} of \
             gals_per_arcmin2 have [1 + bins, points] = [{rows}, points], or [points, {rows}], \
             the redshifts first"
        )
    };
    let &[rows, columns] = array.shape.as_slice() else { return Err(fail()) };
    if array.values.is_empty() {
        return Err(fail());
    }
    let by_row = Grid { array, transposed: false };
    let first_row_increases = increases(&by_row.line(0, columns));
    let by_column = Grid { transposed: true, ..by_row.clone() };
    let first_column_increases = increases(&by_column.line(0, rows));
    let (grid, points, word) = match (rows == 1 + bins, columns == 1 + bins) {
        (true, true) if first_column_increases && !first_row_increases => {
            (by_column, rows, "column")
        }
        (true, _) => (by_row, columns, "row"),
        (false, true) => (by_column, rows, "column"),
        (false, false) => return Err(fail()),
    };
    let z = grid.line(0, points);
    let n = (1..=bins).map(|bin| grid.line(bin, points)).collect();
    let layout = format!(
        "shape {shape:?} read as redshifts in {word} 0 and bin i in {word} i + 1, all counted from 0"
    );
    Ok((Tables { z, n }, layout))
}

fn in_archive(arrays: Vec<(String, Array)>, bins: usize) -> Found {
    let names: Vec<&str> = arrays.iter().map(|(name, _)| name.as_str()).collect();
    let array = |wanted: &str| {
        let found = arrays.iter().find(|(name, _)| name == wanted);
        found.map(|(_, array)| array.clone()).ok_or_else(|| {
            format!("it holds no array '{wanted}' but {names:?}; 'z' [points] and 'n' [bins, points] are needed")
        })
    };
    let (z, n) = (array("z")?, array("n")?);
    let points = z.values.len();
    let word = match *n.shape.as_slice() {
        _ if z.shape.len() != 1 => None,
        [length] if length == points && bins == 1 => Some("row"),
        [rows, columns] if (rows, columns) == (bins, points) => Some("row"),
        [rows, columns] if (rows, columns) == (points, bins) => Some("column"),
        _ => None,
    };
    let Some(word) = word else {
        return Err(format!(
            "'z' has shape {:?} and 'n' {:?}; for the {bins} numbers of gals_per_arcmin2 \
             z [points] and n [{bins}, points] or [points, {bins}] are needed",
            z.shape, n.shape
        ));
    };
    let layout =
        format!("z {:?}, n {:?} with bin i in {word} i, all counted from 0", z.shape, n.shape);
    let grid = Grid { array: n, transposed: word == "column" };
    let n = (0..bins).map(|bin| grid.line(bin, points)).collect();
    Ok((Tables { z: z.values, n }, layout))
}

/// The lines of an array: its rows, or its columns if transposed.
#[derive(Clone)]
struct Grid {
    array: Array,
    transposed: bool,
}

impl Grid {
    /// One line of `points` values.
    fn line(&self, index: usize, points: usize) -> Vec<f64> {
        let values = &self.array.values;
        if self.transposed {
            let columns = self.array.shape[1];
            values.iter().skip(index).step_by(columns).copied().collect()
        } else {
            values[index * points..(index + 1) * points].to_vec()
        }
    }
}

fn increases(line: &[f64]) -> bool {
    line.windows(2).all(|w| w[0] < w[1])
}
