//! Product of small dense matrices, in blocks that stay in registers.

use std::array::from_fn;

use crate::float::Float;

/// Columns of B and C come in multiples of this.
pub(crate) const LANES: usize = 16;

/// Rows of A treated at once: 6 x 16 sums fill the registers of AVX2.
const ROWS: usize = 6;

/// C += A B, with A `[rows, columns]` whose rows start every `stride` entries, B
/// `[columns, width]` and C `[rows, width]` contiguous, and `width` a multiple of [`LANES`].
pub(crate) fn add_product<T: Float>(
    a: &[T],
    stride: usize,
    columns: usize,
    b: &[T],
    c: &mut [T],
    width: usize,
) {
    let last = c.len() / width - 1;
    for (block, c_rows) in c.chunks_mut(ROWS * width).enumerate() {
        // Rows beyond the last repeat it; their sums are dropped.
        let [r0, r1, r2, r3, r4, r5] = from_fn(|r| {
            let start = (block * ROWS + r).min(last) * stride;
            &a[start..start + columns]
        });
        let (rest_a, rest_b) = (r2.iter().zip(r3), r4.iter().zip(r5));
        let rows = r0.iter().zip(r1).zip(rest_a).zip(rest_b);
        let factors = rows.map(|(((a0, a1), (a2, a3)), (a4, a5))| [*a0, *a1, *a2, *a3, *a4, *a5]);
        add_block(factors, b, c_rows, width);
    }
}

/// C += A^T B, with A `[count, rows]` whose rows start every `stride` entries, B `[count, width]`
/// and C `[rows, width]` contiguous, and `width` a multiple of [`LANES`].
pub(crate) fn add_transposed_product<T: Float>(
    a: &[T],
    stride: usize,
    b: &[T],
    c: &mut [T],
    width: usize,
) {
    for (block, c_rows) in c.chunks_mut(ROWS * width).enumerate() {
        let range = block * ROWS..block * ROWS + c_rows.len() / width;
        let columns = a.chunks_exact(stride).map(|row| &row[range.clone()]);
        if range.len() == ROWS {
            let factors = columns.map(|column| from_fn(|r| column[r]));
            add_block(factors, b, c_rows, width);
        } else {
            let factors = columns.map(|column| {
                let mut padded = [T::default(); ROWS];
                padded[..column.len()].copy_from_slice(column);
                padded
            });
            add_block(factors, b, c_rows, width);
        }
    }
}

/// Adds to at most `ROWS` rows of C the products of `factors`, one column of A after the other,
/// with the rows of B.
#[inline]
fn add_block<T: Float>(
    factors: impl Iterator<Item = [T; ROWS]> + Clone,
    b: &[T],
    c_rows: &mut [T],
    width: usize,
) {
    for first in (0..width).step_by(LANES) {
        let mut sums = [[T::default(); LANES]; ROWS];
        for (factors, b_row) in factors.clone().zip(b.chunks_exact(width)) {
            let b_lanes = &b_row[first..first + LANES];
            for (sum, factor) in sums.iter_mut().zip(factors) {
                for (s, b) in sum.iter_mut().zip(b_lanes) {
                    *s = factor.multiply_add(*b, *s);
                }
            }
        }
        for (c_row, sum) in c_rows.chunks_exact_mut(width).zip(&sums) {
            for (c, s) in c_row[first..first + LANES].iter_mut().zip(sum) {
                *c += *s;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_products_equal_the_definition() {
        let width = 2 * LANES;
        for (rows, columns) in [(1, 1), (4, 7), (6, 3), (13, 20)] {
            let a: Vec<f64> = (0..rows * columns).map(|i| (i as f64).sin()).collect();
            let b: Vec<f64> = (0..columns * width).map(|i| (i as f64).cos()).collect();
            let check = |c: &[f64], row_stride: usize, column_stride: usize| {
                for (k, c) in c.iter().enumerate() {
                    let (i, j) = (k / width, k % width);
                    let terms = (0..columns)
                        .map(|k| a[i * row_stride + k * column_stride] * b[k * width + j]);
                    let expected = 1.0 + terms.sum::<f64>();
                    assert!((c - expected).abs() < 1e-13, "{rows} x {columns}: {i}, {j}");
                }
            };
            let mut c = vec![1.0; rows * width];
            add_product(&a, columns, columns, &b, &mut c, width);
            check(&c, columns, 1);
            let mut c = vec![1.0; rows * width];
            add_transposed_product(&a, rows, &b, &mut c, width);
            check(&c, 1, rows);
        }
    }
}
