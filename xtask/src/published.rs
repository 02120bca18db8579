//! What was published: the results that studies are compared with, from `data/published/`.

mod compression;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

pub use compression::{PublishedCompression, PublishedFigures};

const GRADIENTS: &str = include_str!("../../data/published/gradients.toml");
const INFERENCE: &str = include_str!("../../data/published/inference.toml");

/// The published results of one paper.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// Key of the paper in `data/references.bib`.
    pub source: String,
    /// Measures of accuracy against the number of simulations.
    #[serde(rename = "curve")]
    pub curves: Vec<PublishedCurve>,
    /// Explicit inference against the number of draws.
    #[serde(default)]
    pub explicit: Vec<PublishedChains>,
}

/// What is measured.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// Accuracy of a classifier two-sample test against the reference posterior, 0.5 to 1.
    C2st,
    /// Mean negative log probability of the truth, in nats.
    Nlp,
}

/// Which derivatives of the simulator take part in training.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Score {
    /// None, or those of the loss's own definition where `weight` is not 0.
    #[default]
    None,
    /// Those given the latent variables of each simulation.
    Conditional,
    /// Those given latent variables that are nearly independent of data and parameters.
    Whitened,
    /// Those with the latent variables integrated out, as a network learned them.
    Marginal,
}

/// One curve: a method, measured at several numbers of simulations in repeated runs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedCurve {
    /// Name of the task.
    pub task: String,
    /// Name of the method: `npe`, `nle`, `nre` or `fmpe`.
    pub method: String,
    /// Rounds that the simulations are divided among.
    #[serde(default = "one")]
    pub rounds: usize,
    /// Family of flow, where the paper compares several.
    pub flow: Option<String>,
    /// Derivatives used.
    #[serde(default)]
    pub score: Score,
    /// Factor of the score term in the loss.
    #[serde(default)]
    pub weight: f64,
    /// What is measured.
    pub metric: Metric,
    /// Independent runs behind each value.
    pub runs: usize,
    /// Numbers of simulations, increasing.
    pub simulations: Vec<usize>,
    /// Mean over the runs, for each number of simulations.
    pub mean: Vec<f64>,
    /// Standard deviation of the runs.
    pub sd: Vec<f64>,
    /// Median of the runs, where known.
    pub median: Option<Vec<f64>>,
}

/// Explicit inference with the first draws of long chains.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedChains {
    /// Number of draws.
    pub draws: usize,
    /// Simulations that they cost by the paper's accounting.
    pub simulations: usize,
    /// C2ST against all draws.
    pub c2st: f64,
    /// The same in an earlier release.
    pub c2st_earlier: f64,
    /// Effective draws of each parameter.
    pub ess: [f64; 6],
}

fn one() -> usize {
    1
}

/// Mean and standard deviation of repeated runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// Mean.
    pub mean: f64,
    /// Standard deviation of one run.
    pub sd: f64,
}

impl Spread {
    /// Distance of `value` from the mean, in standard deviations.
    #[must_use]
    pub fn sigmas(&self, value: f64) -> f64 {
        (value - self.mean) / self.sd
    }
}

impl Published {
    /// Results of the paper on simulator gradients (arXiv:2207.05636).
    ///
    /// # Errors
    /// If the file is not of the expected form.
    pub fn gradients() -> Result<Self> {
        Self::from_toml(GRADIENTS).context("data/published/gradients.toml")
    }

    /// Results of the benchmark of full-field inference (arXiv:2409.17975).
    ///
    /// # Errors
    /// If the file is not of the expected form.
    pub fn inference() -> Result<Self> {
        Self::from_toml(INFERENCE).context("data/published/inference.toml")
    }

    fn from_toml(text: &str) -> Result<Self> {
        let published: Self = toml::from_str(text)?;
        for (index, curve) in published.curves.iter().enumerate() {
            curve.validate().with_context(|| format!("curve {}: {}", index + 1, curve.name()))?;
            let before = &published.curves[..index];
            ensure!(before.iter().all(|other| !other.is_twin_of(curve)), "{} twice", curve.name());
        }
        for chains in &published.explicit {
            let PublishedChains { draws, simulations, c2st, c2st_earlier, ess } = chains;
            let accuracies = [c2st, c2st_earlier].iter().all(|value| (0.5..=1.0).contains(*value));
            ensure!(
                accuracies && ess.iter().all(|n| *n > 0.0 && *n <= *draws as f64),
                "{draws} draws: C2ST {c2st} and {c2st_earlier}, effective draws {ess:?}"
            );
            ensure!(simulations > draws, "{draws} draws of {simulations} simulations");
        }
        Ok(published)
    }

    /// The curve of a task, method and metric, trained with this weight of the score term.
    #[must_use]
    pub fn curve(
        &self,
        task: &str,
        method: &str,
        metric: Metric,
        weight: f64,
    ) -> Option<&PublishedCurve> {
        self.curves.iter().find(|curve| {
            curve.task == task
                && curve.method == method
                && curve.metric == metric
                && curve.weight == weight
        })
    }
}

impl PublishedCurve {
    /// The value at a number of simulations, if it was measured there.
    #[must_use]
    pub fn at(&self, simulations: usize) -> Option<Spread> {
        let index = self.simulations.iter().position(|&n| n == simulations)?;
        Some(Spread { mean: self.mean[index], sd: self.sd[index] })
    }

    fn name(&self) -> String {
        let Self { task, method, rounds, metric, weight, score, .. } = self;
        format!("{metric:?} of {method} on {task}, {rounds} round(s), {score:?} score x {weight:e}")
    }

    fn is_twin_of(&self, other: &Self) -> bool {
        (&self.task, &self.method, self.rounds, &self.flow, self.score, self.metric)
            == (&other.task, &other.method, other.rounds, &other.flow, other.score, other.metric)
            && self.weight == other.weight
    }

    fn validate(&self) -> Result<()> {
        let count = self.simulations.len();
        let lengths = [self.mean.len(), self.sd.len()];
        let median = self.median.as_ref().map_or(count, Vec::len);
        ensure!(
            count > 0 && lengths == [count; 2] && median == count,
            "{count} numbers of simulations, {} means, {} standard deviations, {median} medians",
            lengths[0],
            lengths[1]
        );
        ensure!(
            self.simulations[0] > 0 && self.simulations.windows(2).all(|w| w[0] < w[1]),
            "numbers of simulations {:?} do not increase",
            self.simulations
        );
        ensure!(self.runs > 1 && self.rounds > 0, "{} runs, {} rounds", self.runs, self.rounds);
        ensure!(
            self.weight.is_finite() && self.weight >= 0.0,
            "weight = {} is not a factor",
            self.weight
        );
        let mut values = self.mean.iter().chain(self.median.iter().flatten());
        let possible = |value: &f64| match self.metric {
            Metric::C2st => (0.45..=1.0).contains(value),
            Metric::Nlp => value.is_finite(),
        };
        if let Some(value) = values.find(|value| !possible(value)) {
            anyhow::bail!("{value} is not a value of this metric");
        }
        if let Some(sd) = self.sd.iter().find(|sd| !(sd.is_finite() && **sd > 0.0)) {
            anyhow::bail!("{sd} is not a standard deviation");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Reference;

    #[test]
    fn the_tables_are_complete_and_their_sources_known() -> Result<()> {
        let (gradients, inference) = (Published::gradients()?, Published::inference()?);
        assert_eq!((gradients.curves.len(), gradients.explicit.len()), (14, 0));
        assert_eq!((inference.curves.len(), inference.explicit.len()), (10, 11));
        for published in [&gradients, &inference] {
            assert!(Reference::find(&published.source).is_some(), "{}", published.source);
        }
        for (task, weight, sizes) in [
            ("two-moons", 1e-5, 6),
            ("lotka-volterra-latent", 1e-7, 8),
            ("lotka-volterra-fixed", 1e-7, 8),
        ] {
            for weight in [0.0, weight] {
                for metric in [Metric::C2st, Metric::Nlp] {
                    let curve = gradients.curve(task, "npe", metric, weight).expect("published");
                    assert_eq!(curve.simulations.len(), sizes, "{}", curve.name());
                }
            }
        }
        assert!(gradients.curve("two-moons", "npe", Metric::C2st, 1e-4).is_none());
        Ok(())
    }

    #[test]
    fn values_are_found_by_the_number_of_simulations() -> Result<()> {
        let published = Published::gradients()?;
        let curve = published.curve("two-moons", "npe", Metric::Nlp, 1e-5).expect("published");
        let spread = curve.at(50).expect("published");
        assert_eq!(spread, Spread { mean: -1.239, sd: 0.411 });
        assert!((spread.sigmas(-0.417) - 2.0).abs() < 1e-12);
        assert_eq!(curve.at(30), None);
        Ok(())
    }

    /// The paper's main finding: with few simulations the score helps NPE, and hurts NLE.
    #[test]
    fn the_score_helps_posteriors_and_hurts_likelihoods_at_few_simulations() -> Result<()> {
        let published = Published::gradients()?;
        for (method, helps) in [("npe", true), ("nle", false)] {
            let mean = |weight| {
                let curve =
                    published.curve("lotka-volterra-latent", method, Metric::C2st, weight)?;
                curve.at(50).map(|spread| spread.mean)
            };
            assert_eq!(mean(1e-7) < mean(0.0), helps, "{method}");
        }
        Ok(())
    }

    #[test]
    fn mistakes_in_a_table_are_named() {
        let cases = [
            ("runs = 20", "runs = 20\ncolour = 1", "colour"),
            ("simulations = [20, 50, ", "simulations = [20, 20, ", "do not increase"),
            ("simulations = [20, ", "simulations = [", "7 numbers of simulations, 8 means"),
            ("mean = [0.9968, ", "mean = [1.9968, ", "1.9968"),
            ("sd = [0.0023, ", "sd = [-0.0023, ", "-0.0023"),
            ("weight = 1e-7", "weight = 0.0", "twice"),
        ];
        for (old, new, expected) in cases {
            let text = GRADIENTS.replacen(old, new, 1);
            assert_ne!(text, GRADIENTS, "{old}");
            let error = Published::from_toml(&text).expect_err(expected);
            assert!(format!("{error:#}").contains(expected), "{error:#}");
        }
    }
}
