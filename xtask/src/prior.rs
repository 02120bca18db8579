//! Independent priors of the cosmological parameters, and the coordinates in which they are
//! standard normal.
//!
//! With `u` the sampling coordinate and `theta = quantile(Phi(u))`, the prior density of `u` is
//! exactly N(0, 1) and its support is the whole line: a gradient sampler meets no edge.

mod marginal;
mod normal;

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use lognormal_sim::PARAMETERS;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

pub use marginal::Marginal;

/// Number of parameters.
pub const DIM: usize = PARAMETERS.len();

/// The prior of [`PARAMETERS`], in that order.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Prior {
    /// Name of the prior.
    pub name: String,
    /// One marginal per parameter.
    #[serde(rename = "parameter")]
    pub marginals: Vec<Marginal>,
}

impl Prior {
    /// A named prior (`lsst_y10`) or one from a TOML file.
    ///
    /// # Errors
    /// If there is no such prior or file, or it is not a prior of these parameters.
    pub fn load(name: &str) -> Result<Self> {
        if name == "lsst_y10" {
            return Self::from_toml(include_str!("../../data/priors/lsst_y10.toml"));
        }
        let path = Path::new(name);
        if !path.is_file() {
            bail!("unknown prior '{name}': give lsst_y10 or the path of a TOML file");
        }
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
        Self::from_toml(&text).with_context(|| format!("{name} is not a usable prior"))
    }

    /// Parses and checks a prior.
    ///
    /// # Errors
    /// If the text is not TOML of this form, or not a prior of these parameters in this order.
    pub fn from_toml(text: &str) -> Result<Self> {
        let prior: Self = toml::from_str(text)?;
        let names: Vec<&str> = prior.marginals.iter().map(|m| m.name.as_str()).collect();
        ensure!(names == PARAMETERS, "it is a prior of {names:?}; {PARAMETERS:?} are needed");
        prior.marginals.iter().try_for_each(Marginal::validate)?;
        Ok(prior)
    }

    /// Log density at `theta`; minus infinity outside the support.
    #[must_use]
    #[cfg(test)]
    pub fn log_density(&self, theta: &[f64; DIM]) -> f64 {
        self.marginals.iter().zip(theta).map(|(marginal, &x)| marginal.log_density(x)).sum()
    }

    /// Gradient of the log density.
    #[must_use]
    pub fn gradient(&self, theta: &[f64; DIM]) -> [f64; DIM] {
        std::array::from_fn(|i| self.marginals[i].gradient(theta[i]))
    }

    /// Parameters at the sampling coordinates `u`, with the diagonal of d theta / d u.
    #[must_use]
    pub fn at_normal(&self, u: &[f64; DIM]) -> ([f64; DIM], [f64; DIM]) {
        let points: [(f64, f64); DIM] = std::array::from_fn(|i| self.marginals[i].at_normal(u[i]));
        (points.map(|(value, _)| value), points.map(|(_, derivative)| derivative))
    }

    /// Sampling coordinates of the parameters `theta`; NaN outside the support.
    #[must_use]
    #[cfg(test)]
    pub fn to_normal(&self, theta: &[f64; DIM]) -> [f64; DIM] {
        std::array::from_fn(|i| self.marginals[i].to_normal(theta[i]))
    }

    /// The `index`-th draw of the stream `seed`, independent of all others.
    #[must_use]
    pub fn sample(&self, seed: u64, index: u64) -> [f64; DIM] {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(index);
        self.at_normal(&std::array::from_fn(|_| StandardNormal.sample(&mut rng))).0
    }
}

#[cfg(test)]
mod tests;
