//! Independent priors of named parameters, and the coordinates in which they are standard normal.
//!
//! With `u` the normal coordinate and `theta = quantile(Phi(u))`, the prior density of `u` is
//! exactly N(0, 1) and its support is the whole line: samplers and networks that work in `u` meet no
//! edge, and nothing they produce lies outside the prior.

mod beta;
mod gamma;
mod log_concave;
mod marginal;
pub(crate) mod normal;
mod truncated_normal;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

pub use marginal::Marginal;

/// A named parameter with its distribution.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// Name, unique within its prior.
    pub name: String,
    /// Distribution.
    pub marginal: Marginal,
}

/// Independent marginals of named parameters.
///
/// A `Prior` is valid by construction, also when it is read from a file: at least one parameter,
/// names unique and not empty, every marginal a distribution. Serialised it is
/// `{ parameter = [{ name, marginal }, ...] }`.
///
/// All vectors `[parameter]` are in the order of the names; a vector of another length is a mistake
/// in the calling program and panics.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(try_from = "Parameters", into = "Parameters")]
pub struct Prior {
    parameters: Vec<Parameter>,
}

/// Serialised form of a [`Prior`].
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    parameter: Vec<Parameter>,
}

impl TryFrom<Parameters> for Prior {
    type Error = Error;

    fn try_from(fields: Parameters) -> Result<Self> {
        Self::of(fields.parameter)
    }
}

impl From<Prior> for Parameters {
    fn from(prior: Prior) -> Self {
        Self { parameter: prior.parameters }
    }
}

impl Prior {
    /// A prior of the parameters given as (name, marginal).
    ///
    /// # Errors
    /// [`Error::Prior`] for a marginal that is not a distribution; [`Error::PriorNames`] for no
    /// parameter, an empty name or one that occurs twice.
    pub fn new<N: Into<String>>(
        parameters: impl IntoIterator<Item = (N, Marginal)>,
    ) -> Result<Self> {
        let parameter = |(name, marginal): (N, Marginal)| Parameter { name: name.into(), marginal };
        Self::of(parameters.into_iter().map(parameter).collect())
    }

    fn of(parameters: Vec<Parameter>) -> Result<Self> {
        let bad = |reason: String| Err(Error::PriorNames { reason });
        if parameters.is_empty() {
            return bad("it has no parameter".into());
        }
        for (i, parameter) in parameters.iter().enumerate() {
            if parameter.name.is_empty() {
                return bad(format!("parameter {i} (counted from 0) has an empty name"));
            }
            if parameters[..i].iter().any(|other| other.name == parameter.name) {
                return bad(format!("'{}' occurs twice", parameter.name));
            }
            parameter.marginal.validate(&parameter.name)?;
        }
        Ok(Self { parameters })
    }

    /// Number of parameters.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.parameters.len()
    }

    /// The parameters with their marginals.
    #[must_use]
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// Names of the parameters.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.parameters.iter().map(|parameter| parameter.name.as_str()).collect()
    }

    fn zip<'a>(&'a self, values: &'a [f64]) -> impl Iterator<Item = (&'a Marginal, f64)> {
        let (dim, found) = (self.dim(), values.len());
        assert_eq!(dim, found, "a prior of {dim} parameters was given a vector of {found}");
        self.parameters.iter().map(|parameter| &parameter.marginal).zip(values.iter().copied())
    }

    fn each(&self, mut f: impl FnMut(&Marginal) -> f64) -> Vec<f64> {
        self.parameters.iter().map(|parameter| f(&parameter.marginal)).collect()
    }

    /// True if every parameter is within its support; false with NaN or infinities.
    #[must_use]
    pub fn contains(&self, theta: &[f64]) -> bool {
        self.zip(theta).all(|(marginal, value)| marginal.contains(value))
    }

    /// Log density at `theta: [parameter]`; minus infinity outside the support and for NaN.
    #[must_use]
    pub fn log_density(&self, theta: &[f64]) -> f64 {
        self.zip(theta).map(|(marginal, value)| marginal.log_density(value)).sum()
    }

    /// Gradient `[parameter]` of the log density at a `theta` within the support.
    #[must_use]
    pub fn gradient(&self, theta: &[f64]) -> Vec<f64> {
        self.zip(theta).map(|(marginal, value)| marginal.gradient(value)).collect()
    }

    /// Draw number `index` of the stream `seed`, `[parameter]`: it depends on nothing else.
    #[must_use]
    pub fn sample(&self, seed: u64, index: u64) -> Vec<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(index);
        self.draw(&mut rng)
    }

    /// The next draw of a generator, `[parameter]`.
    #[must_use]
    pub fn draw(&self, rng: &mut ChaCha8Rng) -> Vec<f64> {
        self.each(|marginal| marginal.at_normal(StandardNormal.sample(rng)).0)
    }

    /// Parameters at the normal coordinates `u: [parameter]`, with the diagonal of
    /// d theta / d u (the other elements are zero).
    #[must_use]
    pub fn at_normal(&self, u: &[f64]) -> (Vec<f64>, Vec<f64>) {
        self.zip(u).map(|(marginal, u)| marginal.at_normal(u)).unzip()
    }

    /// Normal coordinates of `theta: [parameter]`; infinite at edges, NaN outside the support.
    #[must_use]
    pub fn to_normal(&self, theta: &[f64]) -> Vec<f64> {
        self.zip(theta).map(|(marginal, value)| marginal.to_normal(value)).collect()
    }

    /// Logarithm of the determinant of d theta / d u at the normal coordinates `u: [parameter]`: a
    /// density of `u` is one of `theta` times its exponential.
    #[must_use]
    pub fn log_jacobian(&self, u: &[f64]) -> f64 {
        self.zip(u).map(|(marginal, u)| marginal.at_normal(u).1.ln()).sum()
    }

    /// Mean of each parameter.
    #[must_use]
    pub fn mean(&self) -> Vec<f64> {
        self.each(Marginal::mean)
    }

    /// Standard deviation of each parameter.
    #[must_use]
    pub fn sd(&self) -> Vec<f64> {
        self.each(Marginal::sd)
    }

    /// Lower and upper edge of each parameter, infinite where there is none.
    #[must_use]
    pub fn support(&self) -> Vec<(f64, f64)> {
        self.parameters.iter().map(|parameter| parameter.marginal.support()).collect()
    }
}
