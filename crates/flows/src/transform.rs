//! The one thing a layer of a flow must do.

use autodiff::tensor::Var;

use crate::error::Result;

/// A bijection of rows of features, which may depend on a context, with its Jacobian determinant.
///
/// *Shapes.* Features `[batch, feature]`, context `[batch, context]` (of width zero when there is
/// none), log determinants `[batch, 1]`.
pub trait Transform {
    /// The image of each row of `x`, and `ln |det d image / d x|`.
    ///
    /// This is the direction in which densities are evaluated, from data to the base.
    fn forward_and_log_det(&self, x: &Var, context: &Var) -> (Var, Var);

    /// The row that each row of `z` is the image of, and `ln |det d row / d z|`.
    ///
    /// This is the direction of sampling, from the base to data.
    ///
    /// # Errors
    /// [`Error::Inverse`](crate::Error::Inverse) if a numerical inversion fails.
    fn inverse_and_log_det(&self, z: &Var, context: &Var) -> Result<(Var, Var)>;
}

/// What the network of a layer sees: features, mapped to [0, 1] from an interval of such a half width
/// if there is one, and the context.
pub(crate) fn network_input(features: &Var, context: &Var, interval: Option<f64>) -> Var {
    match interval {
        None => Var::concat(&[features, context]),
        Some(bound) => Var::concat(&[&(features * (0.5 / bound) as f32 + 0.5), context]),
    }
}
