//! Published Figures of Merit of posteriors from compressed maps.

use anyhow::{Context, Result, ensure};
use lognormal_sim::PARAMETERS;
use serde::Deserialize;

use crate::lensing::PAIRS;

const COMPRESSION: &str = include_str!("../../../data/published/compression.toml");

/// The results of the paper on neural summaries of full-field weak lensing (arXiv:2407.10877).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedCompression {
    /// Key of the paper in `data/references.bib`.
    pub source: String,
    /// Pairs of parameters whose Figure of Merit is given.
    pub pairs: [(String, String); 3],
    /// The posteriors.
    #[serde(rename = "posterior")]
    pub posteriors: Vec<PublishedFigures>,
}

/// Figures of Merit of one posterior.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedFigures {
    /// `full-field`, `power-spectrum` or the key of a loss.
    pub method: String,
    /// As they were published.
    pub figures: [f64; 3],
    /// Of posteriors that were trained again, if there are any.
    pub again: Option<Again>,
}

/// Repeated trainings of a posterior.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Again {
    /// Their number.
    pub runs: usize,
    /// Mean of each Figure of Merit.
    pub mean: [f64; 3],
    /// Standard deviation of one training.
    pub sd: [f64; 3],
}

impl PublishedCompression {
    /// Reads the results.
    ///
    /// # Errors
    /// If the file is not of the expected form.
    pub fn load() -> Result<Self> {
        Self::from_toml(COMPRESSION).context("data/published/compression.toml")
    }

    fn from_toml(text: &str) -> Result<Self> {
        let published: Self = toml::from_str(text)?;
        let expected = PAIRS.map(|(a, b)| (PARAMETERS[a].to_owned(), PARAMETERS[b].to_owned()));
        let pairs = &published.pairs;
        ensure!(*pairs == expected, "the pairs are {pairs:?}, those compared are {expected:?}");
        for (index, posterior) in published.posteriors.iter().enumerate() {
            let PublishedFigures { method, figures, again } = posterior;
            let before = &published.posteriors[..index];
            ensure!(before.iter().all(|other| other.method != *method), "{method} twice");
            let all = again.iter().flat_map(|again| again.mean.iter().chain(&again.sd));
            for value in figures.iter().chain(all) {
                ensure!(
                    value.is_finite() && *value > 0.0,
                    "{method}: {value} is no Figure of Merit, nor the scatter of one"
                );
            }
            let runs = again.as_ref().map_or(2, |again| again.runs);
            ensure!(runs > 1, "{method}: {runs} trainings have no scatter");
        }
        Ok(published)
    }

    /// The Figures of Merit of a method.
    #[must_use]
    pub fn find(&self, method: &str) -> Option<&PublishedFigures> {
        self.posteriors.iter().find(|posterior| posterior.method == method)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Reference;

    #[test]
    fn the_table_is_that_of_the_paper() -> Result<()> {
        let published = PublishedCompression::load()?;
        assert!(Reference::find(&published.source).is_some(), "{}", published.source);
        assert!(published.find("imnn").is_none(), "described, not measured");
        let figures = |method: &str| published.find(method).expect("published").figures;
        // The main finding: VMIM keeps nearly all of the information, MSE does not.
        for pair in 0..3 {
            let explicit = figures("full-field")[pair];
            assert!(figures("vmim")[pair] / explicit > 0.95);
            assert!(figures("mse")[pair] / explicit < 0.82);
            assert!(figures("power-spectrum")[pair] / explicit < 0.51);
        }
        Ok(())
    }

    #[test]
    fn mistakes_in_the_table_are_named() {
        for (old, new, expected) in [
            ("figures = [2520.0, ", "figures = [-2520.0, ", "-2520"),
            ("method = \"mse\"", "method = \"vmim\"", "vmim twice"),
            ("runs = 11", "runs = 1", "1 trainings"),
            ("source =", "sauce =", "sauce"),
            ("\"omega_c\", \"w_0\"", "\"omega_b\", \"w_0\"", "omega_b"),
            ("figures = [2520.0, ", "figures = [", "2"),
        ] {
            let text = COMPRESSION.replacen(old, new, 1);
            assert_ne!(text, COMPRESSION, "{old}");
            let error = PublishedCompression::from_toml(&text).expect_err(expected);
            assert!(format!("{error:#}").contains(expected), "{error:#}");
        }
    }
}
