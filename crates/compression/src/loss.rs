//! What a network is trained for.
//!
//! Losses see parameters in standard units (of their mean and standard deviation over the training
//! examples) and work in double precision on the processor: a value and its gradient with respect
//! to the outputs of the network, in closed form. VMIM, whose density is a network itself, is
//! differentiated by burn.

mod gnll;
mod imnn;
mod mae;
mod mse;
mod vmim;

use serde::{Deserialize, Serialize};

pub use gnll::{gnll, gnll_moments, gnll_outputs};
pub use imnn::{FisherInformation, fisher_information, imnn};
pub use mae::mae;
pub use mse::mse;
pub use vmim::{DensityFamily, vmim};

use crate::error::{Error, Result};

/// A loss and its gradient.
#[derive(Clone, Debug, PartialEq)]
pub struct LossValue {
    /// The loss.
    pub value: f64,
    /// Its derivatives with respect to the outputs, `[row][output]`.
    pub gradient: Vec<f64>,
}

/// A loss with its settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Loss {
    /// Squared error: the summary is the posterior mean. See [`mse()`].
    Mse,
    /// Absolute error: the summary is the posterior median. See [`mae()`].
    Mae,
    /// Gaussian likelihood of the parameters: the summary is the posterior mean, and there is a
    /// posterior covariance. See [`gnll()`].
    Gnll {
        /// Least standard deviation of a parameter given those before it, in standard units.
        #[serde(default = "published_floor")]
        floor: f64,
    },
    /// Variational mutual information: as much information as a density of the parameters given
    /// the summaries can use. See [`vmim()`].
    Vmim {
        /// Numbers of a summary; `None` for as many as there are parameters.
        summaries: Option<usize>,
        /// The density, trained along.
        #[serde(default)]
        family: DensityFamily,
        /// Its layers; `None` for the family's own choice.
        layers: Option<usize>,
        /// Its hidden layers; `None` for the family's own choice.
        hidden: Option<Vec<usize>>,
    },
    /// Determinant of the Fisher matrix of the summaries. See [`imnn()`].
    Imnn {
        /// Numbers of a summary, at least the number of parameters; `None` for as many.
        summaries: Option<usize>,
        /// Shifted maps are made for every so many examples: batches that it divides have as many
        /// pairs each.
        #[serde(default = "every")]
        derivatives_every: usize,
        /// Strength of what holds the covariance of the summaries near the unit matrix.
        #[serde(default = "published_strength")]
        strength: f64,
        /// How close it is held.
        #[serde(default = "published_closeness")]
        closeness: f64,
    },
}

fn published_floor() -> f64 {
    1e-3
}

fn every() -> usize {
    1
}

fn published_strength() -> f64 {
    10.0
}

fn published_closeness() -> f64 {
    0.1
}

impl Loss {
    /// Gaussian likelihood with the published floor of 1e-3.
    #[must_use]
    pub fn gnll() -> Self {
        Self::Gnll { floor: published_floor() }
    }

    /// As many summaries as parameters, and four affine couplings of 2 x 128, as published.
    #[must_use]
    pub fn vmim() -> Self {
        Self::Vmim { summaries: None, family: DensityFamily::Affine, layers: None, hidden: None }
    }

    /// As many summaries as parameters, derivatives of every example, and the published strength 10
    /// and closeness 0.1.
    #[must_use]
    pub fn imnn() -> Self {
        Self::Imnn {
            summaries: None,
            derivatives_every: every(),
            strength: published_strength(),
            closeness: published_closeness(),
        }
    }

    /// Numbers of a summary.
    #[must_use]
    pub fn summary_len(&self, parameters: usize) -> usize {
        match self {
            Self::Mse | Self::Mae | Self::Gnll { .. } => parameters,
            Self::Vmim { summaries, .. } | Self::Imnn { summaries, .. } => {
                summaries.unwrap_or(parameters)
            }
        }
    }

    /// Outputs that the network must have.
    #[must_use]
    pub fn outputs(&self, parameters: usize) -> usize {
        match self {
            Self::Gnll { .. } => gnll_outputs(parameters),
            _ => self.summary_len(parameters),
        }
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`Error::Setting`] with the first field out of its domain.
    pub fn validate(&self, parameters: usize) -> Result<()> {
        Error::count("parameters", parameters)?;
        let check = |valid: bool, setting, value: String, expected| {
            if valid { Ok(()) } else { Err(Error::Setting { setting, value, expected }) }
        };
        let positive = |setting, x: f64| {
            check(x.is_finite() && x > 0.0, setting, x.to_string(), "a positive number")
        };
        match self {
            Self::Mse | Self::Mae => Ok(()),
            Self::Gnll { floor } => positive("floor", *floor),
            Self::Vmim { summaries, .. } => {
                Error::count("summaries", summaries.unwrap_or(parameters))?;
                let config = self.density(parameters).expect("this loss has a density");
                Ok(config.validate()?)
            }
            Self::Imnn { summaries, derivatives_every, strength, closeness } => {
                let found = summaries.unwrap_or(parameters);
                let expected = "at least the number of parameters";
                check(found >= parameters, "summaries", found.to_string(), expected)?;
                Error::count("derivatives_every", *derivatives_every)?;
                positive("closeness", *closeness)?;
                let fits = strength.is_finite()
                    && *strength >= 1.0
                    && imnn::fading(*strength, *closeness) > 0.0;
                let expected = "at least 1, and so small that closeness (strength - 1) + \
                                closeness^2 / (1 + closeness) < 1";
                check(fits, "strength", strength.to_string(), expected)
            }
        }
    }

    /// The density of a loss that has one: of the parameters given the summary.
    pub(crate) fn density(&self, parameters: usize) -> Option<flows::FlowConfig> {
        let Self::Vmim { family, layers, hidden, .. } = self else { return None };
        let own = family.config(parameters, self.summary_len(parameters));
        Some(flows::FlowConfig {
            layers: layers.unwrap_or(own.layers),
            hidden: hidden.clone().unwrap_or_else(|| own.hidden.clone()),
            ..own
        })
    }

    /// The loss over rows of outputs, and its gradient; `None` for the loss that burn
    /// differentiates.
    pub(crate) fn evaluate(&self, data: &Rows<'_>) -> Result<Option<LossValue>> {
        let Rows { outputs, targets, parameters, examples } = *data;
        Ok(Some(match self {
            Self::Mse => mse(outputs, targets, parameters)?,
            Self::Mae => mae(outputs, targets, parameters)?,
            Self::Gnll { floor } => gnll(outputs, targets, parameters, *floor)?,
            Self::Vmim { .. } => return Ok(None),
            Self::Imnn { strength, closeness, .. } => {
                let summaries = self.summary_len(parameters);
                imnn(outputs, examples, summaries, &vec![1.0; parameters], *strength, *closeness)?
            }
        }))
    }
}

/// Outputs of a network with what they should be.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    /// `[row][output]`.
    pub outputs: &'a [f64],
    /// Parameters of each row in standard units; none for the loss that needs derivatives.
    pub targets: &'a [f64],
    /// Number of parameters.
    pub parameters: usize,
    /// Rows before those at shifted parameters.
    pub examples: usize,
}

/// Number of rows of outputs and targets.
fn rows(outputs: &[f64], width: usize, targets: &[f64], parameters: usize) -> Result<usize> {
    Error::count("parameters", parameters)?;
    let count = targets.len() / parameters;
    if count == 0 {
        return Err(Error::TooFew { what: "rows of a loss", minimum: 1, found: 0 });
    }
    if targets.len() != count * parameters || outputs.len() != count * width {
        return Err(Error::Shape {
            what: "rows of a loss",
            expected: format!("{width} outputs for each {parameters} parameters"),
            found: format!("{} and {} numbers", outputs.len(), targets.len()),
        });
    }
    Ok(count)
}
