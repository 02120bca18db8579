//! Priors of the cosmological parameters: named, or from TOML files.
//!
//! A file has a `name` and one `[[parameter]]` per parameter with `name`, `mean`, `sd` and possibly
//! `lower` and `upper`: normal distributions, truncated where edges are given.

use std::path::Path;

use lognormal_sim::PARAMETERS;
use sbi::prior::Marginal;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Least standard deviation of a parameter beside its mean. The precision of numbers, 2e-16, is a
/// millionth of it.
const RESOLUTION: f64 = 2e-10;

/// Number of parameters.
pub const DIM: usize = PARAMETERS.len();

/// The prior of [`PARAMETERS`], in that order.
///
/// Serialised, it is its file.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(try_from = "PriorFile", into = "PriorFile")]
pub struct Prior {
    file: PriorFile,
    prior: sbi::prior::Prior,
}

/// A prior as it is written.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct PriorFile {
    name: String,
    parameter: Vec<Row>,
}

/// A normal distribution, truncated where edges are given.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    mean: f64,
    sd: f64,
    lower: Option<f64>,
    upper: Option<f64>,
}

impl TryFrom<PriorFile> for Prior {
    type Error = Error;

    fn try_from(file: PriorFile) -> Result<Self> {
        let names: Vec<&str> = file.parameter.iter().map(|row| row.name.as_str()).collect();
        if names != PARAMETERS {
            let found = names.into_iter().map(str::to_owned).collect();
            return Err(Error::PriorParameters { found });
        }
        let marginals = file.parameter.iter().map(|row| {
            let Row { mean, sd, lower, upper, .. } = *row;
            (row.name.as_str(), Marginal::TruncatedNormal { mean, sd, lower, upper })
        });
        let prior = sbi::prior::Prior::new(marginals)?;
        for Row { name, mean, sd, .. } in &file.parameter {
            let least = RESOLUTION * mean.abs();
            if *sd < least {
                let (parameter, mean, sd) = (name.clone(), *mean, *sd);
                return Err(Error::NarrowPrior { parameter, mean, sd, least });
            }
        }
        Ok(Self { file, prior })
    }
}

impl From<Prior> for PriorFile {
    fn from(prior: Prior) -> Self {
        prior.file
    }
}

impl Prior {
    /// A named prior (`lsst_y10`) or one from a TOML file.
    ///
    /// # Errors
    /// If there is no such prior or file, or it is not a prior of these parameters.
    pub fn load(name: &str) -> Result<Self> {
        if name == "lsst_y10" {
            return Self::from_toml(include_str!("../priors/lsst_y10.toml"));
        }
        let path = Path::new(name);
        if !path.is_file() {
            return Err(Error::UnknownPrior { name: name.to_owned() });
        }
        let text = std::fs::read_to_string(path)
            .map_err(|source| Error::Read { path: path.to_owned(), source })?;
        Self::from_toml(&text)
    }

    /// Parses and checks a prior.
    ///
    /// # Errors
    /// If the text is not TOML of this form, or not a prior of these parameters in this order.
    pub fn from_toml(text: &str) -> Result<Self> {
        Self::try_from(toml::from_str::<PriorFile>(text)?)
    }

    /// Names of the parameters with the edges of their priors, infinite where there is none.
    pub fn bounds(&self) -> impl Iterator<Item = (&str, (f64, f64))> {
        self.prior.names().into_iter().zip(self.prior.support())
    }

    /// The distribution itself.
    #[must_use]
    pub fn distribution(&self) -> &sbi::prior::Prior {
        &self.prior
    }

    /// Gradient of the log density.
    #[must_use]
    pub fn gradient(&self, theta: &[f64; DIM]) -> [f64; DIM] {
        fixed(&self.prior.gradient(theta))
    }

    /// Parameters at the sampling coordinates `u`, with the diagonal of d theta / d u.
    #[must_use]
    pub fn at_normal(&self, u: &[f64; DIM]) -> ([f64; DIM], [f64; DIM]) {
        let (theta, slope) = self.prior.at_normal(u);
        (fixed(&theta), fixed(&slope))
    }

    /// The `index`-th draw of the stream `seed`, independent of all others.
    #[must_use]
    pub fn sample(&self, seed: u64, index: u64) -> [f64; DIM] {
        fixed(&self.prior.sample(seed, index))
    }
}

fn fixed(values: &[f64]) -> [f64; DIM] {
    std::array::from_fn(|i| values[i])
}
