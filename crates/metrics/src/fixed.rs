//! Columns that hold a single number and say nothing.

use serde::{Deserialize, Serialize};

/// A parameter, feature or summary that has one value in everything that was compared: it was left
/// out, for nothing can be told from it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FixedColumn {
    /// Its index among the columns given.
    pub column: usize,
    /// Its value.
    pub value: f64,
}

/// The fixed columns of rows of `dimension` numbers.
pub(crate) fn fixed_columns<'a>(
    rows: impl Iterator<Item = &'a [f64]> + Clone,
    dimension: usize,
) -> Vec<FixedColumn> {
    let fixed = |column: usize| {
        let mut values = rows.clone().map(|row| row[column]);
        let value = values.next()?;
        values.all(|x| x == value).then_some(FixedColumn { column, value })
    };
    (0..dimension).filter_map(fixed).collect()
}

/// The columns that are not fixed.
pub(crate) fn free_columns(fixed: &[FixedColumn], dimension: usize) -> Vec<usize> {
    (0..dimension).filter(|column| fixed.iter().all(|f| f.column != *column)).collect()
}

/// These columns of `values` `[row, dimension]`.
pub(crate) fn pick(values: &[f64], dimension: usize, columns: &[usize]) -> Vec<f64> {
    let rows = values.chunks_exact(dimension);
    rows.flat_map(|row| columns.iter().map(|column| row[*column])).collect()
}
