//! Where the parameters of simulations come from.

use ndarray::Array2;

use crate::error::{Error, Result};
use crate::prior::Prior;

/// A rule that gives the parameters of simulation `index` of the run `seed`.
///
/// Implemented by [`Prior`] (draws), by `Array2<f64>` (rows `[simulation, parameter]`, whatever the
/// seed), and for functions through [`proposal_fn`].
pub trait Proposal: Sync {
    /// Number of parameters.
    fn parameters(&self) -> usize;

    /// Parameters `[parameter]` of simulation `index`, which depend on nothing but the arguments.
    ///
    /// # Errors
    /// If there is no such simulation.
    fn theta(&self, seed: u64, index: u64) -> Result<Vec<f64>>;
}

impl<P: Proposal + ?Sized> Proposal for &P {
    fn parameters(&self) -> usize {
        (**self).parameters()
    }

    fn theta(&self, seed: u64, index: u64) -> Result<Vec<f64>> {
        (**self).theta(seed, index)
    }
}

impl Proposal for Prior {
    fn parameters(&self) -> usize {
        self.dim()
    }

    fn theta(&self, seed: u64, index: u64) -> Result<Vec<f64>> {
        Ok(self.sample(seed, index))
    }
}

impl Proposal for Array2<f64> {
    fn parameters(&self) -> usize {
        self.ncols()
    }

    fn theta(&self, _seed: u64, index: u64) -> Result<Vec<f64>> {
        match usize::try_from(index) {
            Ok(row) if row < self.nrows() => Ok(self.row(row).to_vec()),
            _ => Err(Error::Setting {
                field: "index",
                value: index.to_string(),
                expected: format!("below {}, the rows of parameters there are", self.nrows()),
            }),
        }
    }
}

struct ProposalFn<F> {
    parameters: usize,
    function: F,
}

/// Makes a proposal of a function of (seed, index).
pub fn proposal_fn<F>(parameters: usize, function: F) -> impl Proposal
where
    F: Fn(u64, u64) -> Result<Vec<f64>> + Sync,
{
    ProposalFn { parameters, function }
}

impl<F: Fn(u64, u64) -> Result<Vec<f64>> + Sync> Proposal for ProposalFn<F> {
    fn parameters(&self) -> usize {
        self.parameters
    }

    fn theta(&self, seed: u64, index: u64) -> Result<Vec<f64>> {
        (self.function)(seed, index)
    }
}
