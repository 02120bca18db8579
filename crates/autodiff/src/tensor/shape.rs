//! Parts, joins and rearrangements of matrices.

use std::ops::Range;

use burn::tensor::{Int, Tensor};

use super::Var;

impl Var {
    /// The columns of a range.
    ///
    /// # Panics
    /// If the range reaches beyond the matrix.
    #[must_use]
    pub fn columns(&self, range: Range<usize>) -> Self {
        let [rows, columns] = self.dims();
        assert!(range.end <= columns, "columns {range:?} of a matrix of {columns}");
        if range == (0..columns) {
            return self.clone();
        }
        if range.is_empty() {
            let plain = self.value().clone().inner();
            return Self::constant(Tensor::zeros([rows, 0], (&plain.device(), plain.dtype())));
        }
        let value = self.value().clone().narrow(1, range.start, range.len());
        self.part(value, range.start)
    }

    /// Matrices side by side; all have the same number of rows. Parts without columns are left
    /// out.
    ///
    /// # Panics
    /// If the numbers of rows differ or there is no part.
    #[must_use]
    pub fn concat(parts: &[&Self]) -> Self {
        let wide: Vec<&Self> = parts.iter().copied().filter(|part| part.dims()[1] > 0).collect();
        let parts = match wide.as_slice() {
            [] => return parts.first().copied().expect("at least one part").clone(),
            [only] => return (*only).clone(),
            several => several,
        };
        let value = Tensor::cat(parts.iter().map(|part| part.value().clone()).collect(), 1);
        let mut start = 0;
        let operands = parts
            .iter()
            .map(|part| {
                let (first, width) = (start, part.dims()[1]);
                start += width;
                let pullback = move |adjoint: Tensor<2>| adjoint.narrow(1, first, width);
                (part.node(), Box::new(pullback) as Box<dyn Fn(Tensor<2>) -> Tensor<2>>)
            })
            .collect();
        Self::joined(value, operands)
    }

    /// The same entries, row by row, in another shape of as many entries.
    ///
    /// # Panics
    /// If the number of entries differs.
    #[must_use]
    pub fn reshape(&self, dims: [usize; 2]) -> Self {
        let before = self.dims();
        self.unary(self.value().clone().reshape(dims), move |adjoint| adjoint.reshape(before))
    }

    /// Columns and rows exchanged.
    #[must_use]
    pub fn transpose(&self) -> Self {
        self.unary(self.value().clone().transpose(), Tensor::transpose)
    }

    /// Columns in another order: column `j` of the result is column `order[j]`; `inverse` undoes it.
    #[must_use]
    pub fn permute_columns(&self, order: &Tensor<1, Int>, inverse: &Tensor<1, Int>) -> Self {
        let inverse = inverse.clone();
        self.unary(self.value().clone().select(1, order.clone()), move |adjoint| {
            adjoint.select(1, inverse.clone())
        })
    }

    /// From each row the entries in the columns that `indices` `[rows, k]` names.
    #[must_use]
    pub fn gather(&self, indices: Tensor<2, Int>) -> Self {
        let [rows, columns] = self.dims();
        let value = self.value().clone().gather(1, indices.clone());
        self.unary(value, move |adjoint| {
            let options = (&adjoint.device(), adjoint.dtype());
            let blank = Tensor::<2>::zeros([rows, columns], options);
            blank.scatter(1, indices.clone(), adjoint, burn::tensor::IndexingUpdateOp::Add)
        })
    }

    /// Each row repeated `times` times, one after the other: `[rows * times, columns]`.
    #[must_use]
    pub fn repeat_rows(&self, times: usize) -> Self {
        let [rows, columns] = self.dims();
        let value = self
            .value()
            .clone()
            .unsqueeze_dim::<3>(1)
            .repeat_dim(1, times)
            .reshape([rows * times, columns]);
        self.unary(value, move |adjoint| {
            adjoint.reshape([rows, times, columns]).sum_dim(1).reshape([rows, columns])
        })
    }
}
