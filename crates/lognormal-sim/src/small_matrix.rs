//! Algebra of tomographic matrices (a few bins wide), for [`WIDTH`](crate::lanes::WIDTH) modes at
//! a time. Matrices are `n` x `n`, row by row.

use std::array::from_fn;

use crate::lanes::Lanes;

/// Index of the bin pair `(i, j)` in the order `(0,0), (0,1), .., (0,n-1), (1,1), ..`.
pub(crate) fn pair_index(i: usize, j: usize, n: usize) -> usize {
    let (i, j) = (i.min(j), i.max(j));
    i * (2 * n - i + 1) / 2 + j - i
}

/// All bin pairs in that order.
pub(crate) fn pairs(n: usize) -> Vec<(usize, usize)> {
    (0..n).flat_map(|i| (i..n).map(move |j| (i, j))).collect()
}

/// What is left of an element after subtractions, relative to it, below which nothing but rounding
/// errors is left: such a matrix counts as singular.
pub(crate) const SINGULAR: f64 = 1e-13;

/// Lower Cholesky factor of a symmetric matrix, `A = L L^T`; the upper triangle becomes zero.
///
/// A pivot that is not positive beyond rounding errors becomes NaN and spreads from there.
pub(crate) fn cholesky(a: &mut [Lanes], n: usize) {
    for j in 0..n {
        let smallest = a[j * n + j] * SINGULAR;
        let mut pivot = a[j * n + j];
        for k in 0..j {
            pivot -= a[j * n + k] * a[j * n + k];
        }
        let diagonal = Lanes(from_fn(|lane| {
            let x = pivot.0[lane];
            if x > 0.0 && x > smallest.0[lane] { x.sqrt() } else { f64::NAN }
        }));
        a[j * n + j] = diagonal;
        let inverse = Lanes::splat(1.0) / diagonal;
        for i in j + 1..n {
            let mut sum = a[i * n + j];
            for k in 0..j {
                sum -= a[i * n + k] * a[j * n + k];
            }
            a[i * n + j] = sum * inverse;
            a[j * n + i] = Lanes::ZERO;
        }
    }
}

/// Solves `L X = B` in place for lower triangular `L`; `b` is `n` x `columns`.
pub(crate) fn solve_lower(l: &[Lanes], b: &mut [Lanes], n: usize, columns: usize) {
    for i in 0..n {
        let inverse = Lanes::splat(1.0) / l[i * n + i];
        for c in 0..columns {
            let mut sum = b[i * columns + c];
            for k in 0..i {
                sum -= l[i * n + k] * b[k * columns + c];
            }
            b[i * columns + c] = sum * inverse;
        }
    }
}

/// Solves `L^T X = B` in place for lower triangular `L`; `b` is `n` x `columns`.
pub(crate) fn solve_lower_transposed(l: &[Lanes], b: &mut [Lanes], n: usize, columns: usize) {
    for i in (0..n).rev() {
        let inverse = Lanes::splat(1.0) / l[i * n + i];
        for c in 0..columns {
            let mut sum = b[i * columns + c];
            for k in i + 1..n {
                sum -= l[k * n + i] * b[k * columns + c];
            }
            b[i * columns + c] = sum * inverse;
        }
    }
}

/// Pulls a cotangent of the Cholesky factor back to the symmetric matrix (Murray 2016,
/// arXiv:1602.07527): `A_bar = sym(L^-T Phi(L^T L_bar) L^-1)`, `Phi` = lower half.
///
/// `l_bar` holds the cotangent in its lower triangle and receives the symmetric result.
pub(crate) fn cholesky_pullback(l: &[Lanes], l_bar: &mut [Lanes], n: usize, work: &mut [Lanes]) {
    for i in 0..n {
        for j in 0..n {
            work[i * n + j] = Lanes::ZERO;
            if i < j {
                continue;
            }
            let mut sum = Lanes::ZERO;
            for k in i..n {
                sum += l[k * n + i] * l_bar[k * n + j];
            }
            work[i * n + j] = if i == j { sum * 0.5 } else { sum };
        }
    }
    solve_lower_transposed(l, work, n, n);
    transpose(work, n);
    solve_lower_transposed(l, work, n, n);
    for i in 0..n {
        for j in 0..=i {
            let mean = (work[i * n + j] + work[j * n + i]) * 0.5;
            l_bar[i * n + j] = mean;
            l_bar[j * n + i] = mean;
        }
    }
}

fn transpose(a: &mut [Lanes], n: usize) {
    for i in 0..n {
        for j in 0..i {
            a.swap(i * n + j, j * n + i);
        }
    }
}

/// Eigenvalues (ascending not guaranteed) and eigenvectors (columns of `v`) of one symmetric
/// matrix by cyclic Jacobi rotations. `a` is destroyed; its diagonal holds the eigenvalues.
pub(crate) fn symmetric_eigen(a: &mut [f64], v: &mut [f64], n: usize) {
    v.fill(0.0);
    for i in 0..n {
        v[i * n + i] = 1.0;
    }
    let scale: f64 = (0..n).map(|i| a[i * n + i].abs()).sum();
    for _sweep in 0..30 {
        let off: f64 =
            pairs(n).iter().filter(|(i, j)| i != j).map(|(i, j)| a[i * n + j].abs()).sum();
        if off <= 1e-17 * scale {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                rotate(a, v, n, p, q);
            }
        }
    }
}

/// One Jacobi rotation that annihilates `a[p][q]`.
fn rotate(a: &mut [f64], v: &mut [f64], n: usize, p: usize, q: usize) {
    let off = a[p * n + q];
    if off == 0.0 {
        return;
    }
    let theta = (a[q * n + q] - a[p * n + p]) / (2.0 * off);
    let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
    let c = 1.0 / t.hypot(1.0);
    let s = t * c;
    for k in 0..n {
        let (kp, kq) = (a[k * n + p], a[k * n + q]);
        a[k * n + p] = c * kp - s * kq;
        a[k * n + q] = s * kp + c * kq;
    }
    for k in 0..n {
        let (pk, qk) = (a[p * n + k], a[q * n + k]);
        a[p * n + k] = c * pk - s * qk;
        a[q * n + k] = s * pk + c * qk;
    }
    for k in 0..n {
        let (kp, kq) = (v[k * n + p], v[k * n + q]);
        v[k * n + p] = c * kp - s * kq;
        v[k * n + q] = s * kp + c * kq;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const N: usize = 4;

    fn matrix(seed: f64) -> Vec<f64> {
        let b: Vec<f64> = (0..N * N).map(|i| ((i as f64 + 1.0) * seed).sin()).collect();
        let mut a = vec![0.0; N * N];
        for i in 0..N {
            for j in 0..N {
                a[i * N + j] = (0..N).map(|k| b[i * N + k] * b[j * N + k]).sum::<f64>();
            }
            a[i * N + i] += 0.5;
        }
        a
    }

    fn lanes(a: &[f64]) -> Vec<Lanes> {
        a.iter().map(|&x| Lanes::splat(x)).collect()
    }

    fn factor(a: &[f64]) -> Vec<f64> {
        let mut l = lanes(a);
        cholesky(&mut l, N);
        l.iter().map(|x| x.0[3]).collect()
    }

    #[test]
    fn pair_order() {
        for n in 1..7 {
            for (p, (i, j)) in pairs(n).into_iter().enumerate() {
                assert_eq!(pair_index(i, j, n), p);
                assert_eq!(pair_index(j, i, n), p);
            }
        }
    }

    #[test]
    fn factor_and_solves() {
        let a = matrix(1.3);
        let l = lanes(&factor(&a));
        for i in 0..N {
            for j in 0..N {
                let llt: f64 = (0..N).map(|k| l[i * N + k].0[0] * l[j * N + k].0[0]).sum();
                assert!((llt - a[i * N + j]).abs() < 1e-12);
            }
        }
        let mut x = lanes(&[1.0, -2.0, 0.5, 3.0]);
        solve_lower(&l, &mut x, N, 1);
        solve_lower_transposed(&l, &mut x, N, 1);
        for (i, b) in [1.0, -2.0, 0.5, 3.0].into_iter().enumerate() {
            let ax: f64 = (0..N).map(|k| a[i * N + k] * x[k].0[0]).sum();
            assert!((ax - b).abs() < 1e-12);
        }
    }

    #[test]
    fn pullback_agrees_with_differences() {
        let (a, weights) = (matrix(0.9), matrix(2.1));
        let objective = |a: &[f64]| -> f64 {
            let l = factor(a);
            (0..N).flat_map(|i| (0..=i).map(move |j| i * N + j)).map(|k| weights[k] * l[k]).sum()
        };
        let l = lanes(&factor(&a));
        let mut bar = lanes(&weights);
        cholesky_pullback(&l, &mut bar, N, &mut vec![Lanes::ZERO; N * N]);
        for i in 0..N {
            for j in 0..=i {
                let shifted = |h: f64| {
                    let mut b = a.clone();
                    b[i * N + j] += h;
                    if i != j {
                        b[j * N + i] += h;
                    }
                    objective(&b)
                };
                let numeric = (shifted(1e-5) - shifted(-1e-5)) / 2e-5;
                let ours = bar[i * N + j].0[5] * if i == j { 1.0 } else { 2.0 };
                assert!((numeric - ours).abs() < 1e-8, "{i} {j}: {numeric} {ours}");
            }
        }
    }

    #[test]
    fn eigen_decomposition_restores_the_matrix() {
        let a = matrix(1.7);
        let (mut d, mut v) = (a.clone(), vec![0.0; N * N]);
        symmetric_eigen(&mut d, &mut v, N);
        for i in 0..N {
            for j in 0..N {
                let sum: f64 = (0..N).map(|k| v[i * N + k] * d[k * N + k] * v[j * N + k]).sum();
                assert!((sum - a[i * N + j]).abs() < 1e-13);
            }
        }
    }
}
