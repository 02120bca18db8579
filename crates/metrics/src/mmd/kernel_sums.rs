//! Sums over the kernel matrix, block by block, without storing it.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use rand::seq::SliceRandom;
use rayon::prelude::*;

use crate::matrix_product::{LANES, add_product};
use crate::progress::Progress;
use crate::streams::stream;

/// Rows of the kernel matrix treated by one task.
const ROWS: usize = 24;

/// Columns of the kernel matrix in memory at once.
const COLUMNS: usize = 256;

/// Numbers of samples of the two sets, which follow each other.
#[derive(Clone, Copy)]
pub(super) struct Partition {
    pub first: usize,
    pub second: usize,
}

/// Sums of the kernel over unordered pairs of different samples.
#[derive(Clone, Copy, Default)]
pub(super) struct PairSums {
    pub within_first: f64,
    pub within_second: f64,
    pub between: f64,
}

impl Partition {
    fn samples(self) -> usize {
        self.first + self.second
    }

    /// The unbiased estimate of the squared discrepancy: Gretton et al. (2012), equation 3.
    pub fn unbiased(self, sums: PairSums) -> f64 {
        let (m, n) = (self.first as f64, self.second as f64);
        2.0 * (sums.within_first / (m * (m - 1.0)) + sums.within_second / (n * (n - 1.0))
            - sums.between / (m * n))
    }

    fn sets(self) -> [Range<usize>; 2] {
        [0..self.first, self.first..self.samples()]
    }
}

/// Everything that estimates, errors and nulls are made of. Diagonal entries do not count.
pub(super) struct KernelSums {
    /// Of each sample, the sums of its kernel with the first and with the second set.
    pub rows: Vec<[f64; 2]>,
    /// Of each sample, the sums of the squares of the same.
    pub squares: Vec<[f64; 2]>,
    /// Of each permutation of the labels.
    pub permuted: Vec<PairSums>,
}

/// One row of label indicators per sample: a one, then per permutation whether the sample belongs
/// to the first set; padded with zeros to `width`.
struct Labels {
    values: Vec<f64>,
    width: usize,
    permutations: usize,
}

impl Labels {
    fn new(partition: Partition, permutations: usize, seed: u64) -> Self {
        let width = (1 + permutations).next_multiple_of(LANES);
        let mut values = vec![0.0; partition.samples() * width];
        values.iter_mut().step_by(width).for_each(|one| *one = 1.0);
        let mut labels = vec![0.0; partition.samples()];
        for p in 1..=permutations {
            labels[..partition.first].fill(1.0);
            labels[partition.first..].fill(0.0);
            labels.shuffle(&mut stream(seed, p));
            for (row, label) in values.chunks_exact_mut(width).zip(&labels) {
                row[p] = *label;
            }
        }
        Self { values, width, permutations }
    }

    fn rows(&self, samples: Range<usize>) -> &[f64] {
        &self.values[samples.start * self.width..samples.end * self.width]
    }
}

/// The part of [`KernelSums`] that some rows of the kernel matrix give.
struct Block {
    rows: Vec<[f64; 2]>,
    squares: Vec<[f64; 2]>,
    permuted: Vec<PairSums>,
}

/// Sums over exp(-d²) of the distances between samples of `features` `[dimension][sample]`.
pub(super) fn kernel_sums(
    features: &[Vec<f64>],
    partition: Partition,
    permutations: usize,
    seed: u64,
    progress: &(dyn Fn(Progress) + Sync),
) -> KernelSums {
    let total = partition.samples();
    let labels = (permutations > 0).then(|| Labels::new(partition, permutations, seed));
    let done = AtomicUsize::new(0);
    let blocks: Vec<Block> = (0..total.div_ceil(ROWS))
        .into_par_iter()
        .map(|block| {
            let rows = block * ROWS..((block + 1) * ROWS).min(total);
            let count = rows.len();
            let block = sum_rows(features, partition, rows, labels.as_ref());
            progress(Progress { done: done.fetch_add(count, Ordering::Relaxed) + count, total });
            block
        })
        .collect();
    let mut permuted = vec![PairSums::default(); permutations];
    for block in &blocks {
        for (sum, part) in permuted.iter_mut().zip(&block.permuted) {
            sum.within_first += part.within_first;
            sum.within_second += part.within_second;
            sum.between += part.between;
        }
    }
    KernelSums {
        rows: blocks.iter().flat_map(|b| &b.rows).copied().collect(),
        squares: blocks.iter().flat_map(|b| &b.squares).copied().collect(),
        permuted,
    }
}

fn sum_rows(
    features: &[Vec<f64>],
    partition: Partition,
    rows: Range<usize>,
    labels: Option<&Labels>,
) -> Block {
    let mut sums = vec![[0.0; 2]; rows.len()];
    let mut squares = sums.clone();
    let mut products = vec![0.0; labels.map_or(0, |l| rows.len() * l.width)];
    let mut tile = vec![0.0; rows.len() * COLUMNS];
    for (set, range) in partition.sets().into_iter().enumerate() {
        for start in range.clone().step_by(COLUMNS) {
            let columns = start..(start + COLUMNS).min(range.end);
            for (r, i) in rows.clone().enumerate() {
                let entries = &mut tile[r * COLUMNS..][..columns.len()];
                fill_row(features, i, columns.clone(), entries);
                sums[r][set] += entries.iter().sum::<f64>();
                squares[r][set] += entries.iter().map(|k| k * k).sum::<f64>();
                // Pairs are counted once, from the sample that comes first.
                let before = (i + 1).clamp(columns.start, columns.end) - columns.start;
                entries[..before].fill(0.0);
            }
            if let Some(labels) = labels.filter(|_| columns.end > rows.start) {
                let right = labels.rows(columns.clone());
                add_product(&tile, COLUMNS, columns.len(), right, &mut products, labels.width);
            }
        }
    }
    let permuted = labels.map_or(Vec::new(), |l| permuted_sums(l, rows, &products));
    Block { rows: sums, squares, permuted }
}

/// The kernel of sample `i` with the samples `columns`, zero with itself.
fn fill_row(features: &[Vec<f64>], i: usize, columns: Range<usize>, entries: &mut [f64]) {
    entries.fill(0.0);
    for feature in features {
        let x = feature[i];
        for (sum, y) in entries.iter_mut().zip(&feature[columns.clone()]) {
            *sum += (x - y) * (x - y);
        }
    }
    entries.iter_mut().for_each(|k| *k = (-*k).exp());
    if columns.contains(&i) {
        entries[i - columns.start] = 0.0;
    }
}

/// From the products v of the kernel's upper triangle with the labels s, and u with ones:
/// s v within the first set, s u + v - 2 s v between the sets, the rest of u within the second.
fn permuted_sums(labels: &Labels, rows: Range<usize>, products: &[f64]) -> Vec<PairSums> {
    let mut sums = vec![PairSums::default(); labels.permutations];
    let own = labels.rows(rows).chunks_exact(labels.width);
    for (own, product) in own.zip(products.chunks_exact(labels.width)) {
        let u = product[0];
        for (sum, (s, v)) in sums.iter_mut().zip(own[1..].iter().zip(&product[1..])) {
            let within_first = s * v;
            let between = s * u + v - 2.0 * within_first;
            sum.within_first += within_first;
            sum.between += between;
            sum.within_second += u - within_first - between;
        }
    }
    sums
}
