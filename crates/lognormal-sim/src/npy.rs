//! Reading `.npy` arrays, with errors that name the file and what is wrong with it.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use npyz::{DType, NpyFile, Order, TypeChar};

use crate::{Error, Result};

/// Reads a float array of any number of axes: its shape and its values, last axis fastest.
///
/// Accepts little- and big-endian float64 and float32, in C order.
///
/// # Errors
/// [`Error::Io`] when the file cannot be opened; [`Error::Npy`] when it is not an `.npy` file, is
/// truncated, is not of floats, is in Fortran order or holds a value that is not finite.
pub fn read_npy(path: &Path) -> Result<(Vec<usize>, Vec<f64>)> {
    let bad = |reason: String| Error::Npy { path: path.to_owned(), reason };
    let file = File::open(path).map_err(|source| Error::Io { path: path.to_owned(), source })?;
    let npy = NpyFile::new(BufReader::new(file)).map_err(|e| bad(format!("bad header: {e}")))?;
    if npy.order() != Order::C && npy.shape().len() > 1 {
        return Err(bad("it is in Fortran order, expected C order".into()));
    }
    let DType::Plain(dtype) = npy.dtype() else {
        return Err(bad("it holds records, expected float64 or float32".into()));
    };
    let shape = npy.shape().iter().map(|&n| n as usize).collect::<Vec<_>>();
    let truncated = |e: std::io::Error| {
        bad(format!(
            "truncated: the header announces shape {shape:?}, but the values end early: {e}"
        ))
    };
    let values = match (dtype.type_char(), dtype.size_field()) {
        (TypeChar::Float, 8) => npy.into_vec::<f64>().map_err(truncated)?,
        (TypeChar::Float, 4) => {
            let narrow = npy.into_vec::<f32>().map_err(truncated)?;
            narrow.into_iter().map(f64::from).collect()
        }
        _ => return Err(bad(format!("it holds {dtype}, expected float64 or float32"))),
    };
    match values.iter().position(|value| !value.is_finite()) {
        Some(i) => Err(bad(format!("value {} at flat index {i} is not finite", values[i]))),
        None => Ok((shape, values)),
    }
}
