//! Matrix products and sums.

use burn::tensor::Tensor;

use super::Var;

impl Var {
    /// Matrix product `[rows, inner] x [inner, columns]`.
    #[must_use]
    pub fn matmul(&self, other: &Self) -> Self {
        let (a, b) = (self.value().clone(), other.value().clone());
        let (left, right) = (a.clone(), b.clone());
        Self::joined(
            a.matmul(b),
            vec![
                (self.node(), Box::new(move |adjoint| adjoint.matmul(right.clone().transpose()))),
                (other.node(), Box::new(move |adjoint| left.clone().transpose().matmul(adjoint))),
            ],
        )
    }

    /// `x W + b` with weights `[inner, columns]` and bias `[1, columns]`, both constants of the tape.
    #[must_use]
    pub fn affine(&self, weight: Tensor<2>, bias: Tensor<2>) -> Self {
        let value = self.value().clone().matmul(weight.clone()) + bias;
        self.unary(value, move |adjoint| adjoint.matmul(weight.clone().transpose()))
    }

    /// Sum along an axis (0: rows, 1: columns), kept with length one.
    ///
    /// # Panics
    /// If `axis` is neither.
    #[must_use]
    pub fn sum(&self, axis: usize) -> Self {
        let dims = self.dims();
        self.unary(self.value().clone().sum_dim(axis), move |adjoint| adjoint.expand(dims))
    }

    /// Running sums of each row: `y_j = sum_{i <= j} x_i`.
    #[must_use]
    pub fn cumulative_sum(&self) -> Self {
        self.unary(self.value().clone().cumsum(1), |adjoint| {
            let total = adjoint.clone().sum_dim(1);
            total - adjoint.clone().cumsum(1) + adjoint
        })
    }
}
