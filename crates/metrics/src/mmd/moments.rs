//! The estimates and their variance, from sums over the rows of the kernel matrix.
//!
//! By Hoeffding's decomposition the kernel is a mean, plus a function of each of its two arguments
//! ("first order"), plus a remainder of mean zero in either argument ("second order"). All these
//! terms are uncorrelated, so that the variance of the unbiased estimate is
//!
//! 4 V_x / m + 4 V_y / n + 2 Q_xx / (m (m - 1)) + 2 Q_yy / (n (n - 1)) + 4 Q_xy / (m n),
//!
//! with V_x the variance over x of E k(x, x') - E k(x, y), and Q the mean squares of the remainders.
//! Each is estimated without bias by taking off what the finite sums add to it.

use crate::moments::{mean, variance};

use super::kernel_sums::{KernelSums, PairSums, Partition};

/// Estimates of MMD² and of what its variance is made of.
pub(super) struct Moments {
    pub squared: f64,
    pub biased: f64,
    /// V_x / m and V_y / n.
    first_order: [f64; 2],
    /// Q_xx / (m (m - 1)), Q_yy / (n (n - 1)) and Q_xy / (m n).
    second_order: [f64; 3],
}

/// One set: means over the kernel's rows, with the same set and with the other.
struct Set {
    size: f64,
    within: Vec<f64>,
    between: Vec<f64>,
    squares_within: f64,
    squares_between: f64,
}

impl Set {
    fn of(sums: &KernelSums, samples: std::ops::Range<usize>, own: usize, other: usize) -> Self {
        let column = |sums: &[[f64; 2]], set: usize, count: f64| -> Vec<f64> {
            sums[samples.clone()].iter().map(|row| row[set] / count).collect()
        };
        let size = samples.len() as f64;
        let others = (sums.rows.len() - samples.len()) as f64;
        Self {
            size,
            within: column(&sums.rows, own, size - 1.0),
            between: column(&sums.rows, other, others),
            squares_within: mean(&column(&sums.squares, own, size - 1.0)),
            squares_between: mean(&column(&sums.squares, other, others)),
        }
    }

    /// Mean square Q of the remainder of the kernel between samples of this set.
    ///
    /// With V the variance of the first-order function, the row means scatter by
    /// W = V ((n - 2) / (n - 1))² + Q (n - 2) / (n - 1)², and the mean square of the kernel less
    /// the square of its mean is S = V (2 - 4 / n) + Q (1 - 2 / (n (n - 1))).
    fn remainder(&self) -> f64 {
        let n = self.size;
        let scatter = variance(&self.within);
        let spread = self.squares_within - mean(&self.within).powi(2);
        let (v_in_scatter, q_in_scatter) =
            (((n - 2.0) / (n - 1.0)).powi(2), (n - 2.0) / (n - 1.0).powi(2));
        let (v_in_spread, q_in_spread) = (2.0 - 4.0 / n, 1.0 - 2.0 / (n * (n - 1.0)));
        let determinant = v_in_scatter * q_in_spread - q_in_scatter * v_in_spread;
        (v_in_scatter * spread - v_in_spread * scatter) / determinant
    }

    /// V: the variance of E k(x, x') - E k(x, y) over this set.
    fn first_order(&self, within_remainder: f64, between_remainder: f64, others: f64) -> f64 {
        let n = self.size;
        // The mean over the others of the set holds (n - 2) / (n - 1) of the function of x.
        let full = (n - 1.0) / (n - 2.0);
        let difference: Vec<f64> =
            self.within.iter().zip(&self.between).map(|(w, b)| full * w - b).collect();
        variance(&difference) - within_remainder / (n - 2.0) - between_remainder / others
    }
}

impl Moments {
    pub fn of(sums: &KernelSums, partition: Partition) -> Self {
        let (m, n) = (partition.first as f64, partition.second as f64);
        let x = Set::of(sums, 0..partition.first, 0, 1);
        let y = Set::of(sums, partition.first..sums.rows.len(), 1, 0);
        let (xx, yy, xy) = (mean(&x.within), mean(&y.within), mean(&x.between));

        let (q_xx, q_yy) = (x.remainder(), y.remainder());
        let (rest_m, rest_n) = (1.0 - 1.0 / m, 1.0 - 1.0 / n);
        let spread = x.squares_between - xy * xy;
        let scatter = variance(&x.between) * rest_m + variance(&y.between) * rest_n;
        let q_xy = (spread - scatter) / (rest_m * rest_n);
        Self {
            squared: partition.unbiased(PairSums {
                within_first: 0.5 * xx * m * (m - 1.0),
                within_second: 0.5 * yy * n * (n - 1.0),
                between: xy * m * n,
            }),
            // With the diagonal, where the kernel is one.
            biased: (1.0 / m + rest_m * xx) + (1.0 / n + rest_n * yy) - 2.0 * xy,
            first_order: [x.first_order(q_xx, q_xy, n) / m, y.first_order(q_yy, q_xy, m) / n],
            second_order: [q_xx / (m * (m - 1.0)), q_yy / (n * (n - 1.0)), q_xy / (m * n)],
        }
    }

    /// Variance of the unbiased estimate. A term that its estimate makes negative counts as zero.
    pub fn variance(&self) -> f64 {
        let [xx, yy, xy] = self.second_order.map(|q| q.max(0.0));
        let first: f64 = self.first_order.iter().map(|v| v.max(0.0)).sum();
        4.0 * first + 2.0 * (xx + yy) + 4.0 * xy
    }
}
