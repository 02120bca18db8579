//! Draws of several chains, and views of one parameter at a time.

use crate::error::{Error, Result};

/// A borrowed array of draws `[chain, draw, parameter]`, contiguous in this order, with the names
/// of the parameters.
#[derive(Clone, Debug)]
pub struct Samples<'a> {
    values: &'a [f64],
    chains: usize,
    names: Vec<String>,
}

impl<'a> Samples<'a> {
    /// Views `values` as `[chains, draws, names.len()]`; the number of draws follows.
    ///
    /// # Errors
    /// When the length is not a multiple of `chains * names.len()`, when either is zero, or a
    /// value is not finite.
    pub fn new<S: AsRef<str>>(values: &'a [f64], chains: usize, names: &[S]) -> Result<Self> {
        let names: Vec<String> = names.iter().map(|n| n.as_ref().to_owned()).collect();
        for (what, found) in [("chains", chains), ("parameters", names.len())] {
            if found == 0 {
                return Err(Error::TooFew { what: what.into(), minimum: 1, found });
            }
        }
        if values.is_empty() || !values.len().is_multiple_of(chains * names.len()) {
            return Err(Error::Shape {
                what: "samples [chain, draw, parameter]".into(),
                expected: format!("a multiple of {chains} x {} values", names.len()),
                found: format!("{} values", values.len()),
            });
        }
        if let Some(i) = values.iter().position(|v| !v.is_finite()) {
            return Err(Error::NotFinite {
                what: names[i % names.len()].clone(),
                index: i / names.len(),
                value: values[i],
            });
        }
        Ok(Self { values, chains, names })
    }

    /// Number of chains.
    #[must_use]
    pub fn chains(&self) -> usize {
        self.chains
    }

    /// Number of draws of each chain.
    #[must_use]
    pub fn draws(&self) -> usize {
        self.values.len() / (self.chains * self.names.len())
    }

    /// Names of the parameters.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The draws `[chain][draw]` of one parameter.
    ///
    /// # Errors
    /// When there is no parameter of this index.
    pub fn parameter(&self, index: usize) -> Result<Vec<Vec<f64>>> {
        let parameters = self.names.len();
        if index >= parameters {
            return Err(Error::Shape {
                what: "parameter index".into(),
                expected: format!("below {parameters}"),
                found: index.to_string(),
            });
        }
        let draws: Vec<f64> = self.column(index).collect();
        Ok(draws.chunks_exact(self.draws()).map(<[f64]>::to_vec).collect())
    }

    /// All draws of one parameter, chain after chain; `index` must be one of them.
    pub(crate) fn column(&self, index: usize) -> impl Iterator<Item = f64> {
        self.values.iter().skip(index).step_by(self.names.len()).copied()
    }
}
