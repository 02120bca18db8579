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

/// Half widths of the intervals around zero that the networks of layers see mapped to [0, 1], if they
/// do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub features: Option<f64>,
    pub context: Option<f64>,
}

impl Seen {
    /// What the network of a layer sees of features and context.
    pub fn of(self, features: &Var, context: &Var) -> Var {
        let mapped = |x: &Var, half_width: Option<f64>| match half_width {
            Some(half_width) => x * (0.5 / half_width) as f32 + 0.5,
            None => x.clone(),
        };
        Var::concat(&[&mapped(features, self.features), &mapped(context, self.context)])
    }
}
