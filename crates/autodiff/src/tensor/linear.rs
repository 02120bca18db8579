//! Matrix products and sums.

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

    /// `x W + b` with weights `[inner, columns]` and bias `[1, columns]`.
    #[must_use]
    pub fn affine(&self, weight: &Self, bias: &Self) -> Self {
        let (x, w) = (self.value().clone(), weight.value().clone());
        let value = x.clone().matmul(w.clone()) + bias.value().clone();
        Self::joined(
            value,
            vec![
                (self.node(), Box::new(move |adjoint| adjoint.matmul(w.clone().transpose()))),
                (weight.node(), Box::new(move |adjoint| x.clone().transpose().matmul(adjoint))),
                (bias.node(), Box::new(|adjoint| adjoint.sum_dim(0))),
            ],
        )
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

    /// The mean of all entries, `[1, 1]`.
    #[must_use]
    pub fn mean(&self) -> Self {
        let dims = self.dims();
        let share = 1.0 / (dims[0] * dims[1]) as f64;
        self.unary(self.value().clone().mean().reshape([1, 1]), move |adjoint| {
            (adjoint * share).expand(dims)
        })
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
