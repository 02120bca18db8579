//! Lower triangular matrices, column after column: factorisation, substitution, inverse.
//!
//! Each entry is its matrix element less a sum of products in the order of their index, rounded
//! after every operation, so that results do not depend on the processor.

/// Lower triangular matrix L.
pub(crate) struct Triangle {
    size: usize,
    /// L(i, j) at `i + j * size`.
    entries: Vec<f64>,
}

impl Triangle {
    /// L(i, j) = `entry(i, j)`, which is asked for `j <= i < size` only.
    pub fn from_fn(size: usize, entry: impl Fn(usize, usize) -> f64) -> Self {
        let mut entries = vec![0.0; size * size];
        for j in 0..size {
            for i in j..size {
                entries[i + j * size] = entry(i, j);
            }
        }
        Self { size, entries }
    }

    /// Calls `visit(i, j, L(i, j))` for all `j <= i`.
    pub fn for_each(&self, mut visit: impl FnMut(usize, usize, f64)) {
        for j in 0..self.size {
            for (i, &entry) in self.column(j).iter().enumerate() {
                visit(j + i, j, entry);
            }
        }
    }

    /// L(j.., j)
    fn column(&self, j: usize) -> &[f64] {
        &self.entries[j * self.size + j..(j + 1) * self.size]
    }

    /// The first index of a diagonal entry that is zero.
    pub fn zero_pivot(&self) -> Option<usize> {
        (0..self.size).find(|&j| self.column(j)[0] == 0.0)
    }

    /// Replaces the lower half of a symmetric matrix by its Cholesky factor.
    ///
    /// # Errors
    /// The first row whose pivot is no positive number; the pivot is left on the diagonal.
    pub fn factorise(&mut self) -> Result<(), usize> {
        let n = self.size;
        let mut known = vec![0.0; n];
        for j in 0..n {
            let (before, rest) = self.entries.split_at_mut(j * n);
            known[j..].fill(0.0);
            for earlier in before.chunks_exact(n) {
                add_multiple(&mut known[j..], earlier[j], &earlier[j..]);
            }
            let column = &mut rest[j..n];
            column.iter_mut().zip(&known[j..]).for_each(|(entry, known)| *entry -= known);
            let pivot = column[0];
            if !(pivot > 0.0 && pivot.is_finite()) {
                return Err(j);
            }
            let root = pivot.sqrt();
            column[0] = root;
            column[1..].iter_mut().for_each(|entry| *entry /= root);
        }
        Ok(())
    }

    /// `b := L^-1 b`, where `b` lacks its first entries, all zero, if it is shorter than L.
    pub fn solve(&self, b: &mut [f64]) {
        let first = self.size - b.len();
        let mut known = vec![0.0; b.len()];
        for j in 0..b.len() {
            let (pivot, below) = self.column(first + j).split_at(1);
            b[j] = (b[j] - known[j]) / pivot[0];
            add_multiple(&mut known[j + 1..], b[j], below);
        }
    }

    /// `b := L^-T b`
    pub fn solve_transposed(&self, b: &mut [f64]) {
        for j in (0..self.size).rev() {
            let (pivot, below) = self.column(j).split_at(1);
            b[j] = (b[j] - dot(below, &b[j + 1..])) / pivot[0];
        }
    }

    /// The lower half of `(L L^T)^-1`.
    pub fn inverse_of_product(&self) -> Self {
        let mut inverse = Self::from_fn(self.size, |i, j| if i == j { 1.0 } else { 0.0 });
        for (j, column) in inverse.entries.chunks_exact_mut(self.size.max(1)).enumerate() {
            self.solve(&mut column[j..]);
        }
        Self::from_fn(self.size, |i, j| dot(inverse.column(i), &inverse.column(j)[i - j..]))
    }
}

/// `sum += factor * vector`
fn add_multiple(sum: &mut [f64], factor: f64, vector: &[f64]) {
    sum.iter_mut().zip(vector).for_each(|(sum, x)| *sum += factor * x);
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
