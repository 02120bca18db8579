//! How large the study is, and what it compares.

use anyhow::{Result, ensure};
use flows::training::TrainingSettings;
use metrics::C2stConfig;
use sbi::tasks::Start;
use sbi::{FitSettings, FlowSettings};
use serde::{Deserialize, Serialize};

use super::density::PUBLISHED_COUNT;
use crate::profiles::{self, Profiles};
use crate::trial::Method;

/// The profiles that come with the program, smallest first.
const PROFILES: Profiles = [
    ("smoke", include_str!("../../../benchmarks/profiles/gradients/smoke.toml")),
    ("laptop", include_str!("../../../benchmarks/profiles/gradients/laptop.toml")),
    ("paper", include_str!("../../../benchmarks/profiles/gradients/paper.toml")),
];

/// What no profile decides.
const DECIDED: [(&str, &str); 3] = [
    ("training.seed", "the seed of the study decides"),
    ("classifier.repetitions", "every test is a single cross-validation"),
    ("classifier.null_repetitions", "the null is found once, from reference draws"),
];

/// Sizes of the steps of the study.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Name.
    pub name: String,
    /// The classifier of the two-sample tests: a single cross-validation for each, without a null,
    /// which is found once, from reference draws.
    pub classifier: C2stConfig,
    /// The density of two moons.
    pub two_moons: TwoMoonsProfile,
    /// Lotka-Volterra with latent, with fixed initial populations, or both.
    pub lotka_volterra: Vec<LotkaVolterraProfile>,
}

/// The density of two moons.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TwoMoonsProfile {
    /// Draws of the classifier test from each side, and of the mean negative log density.
    pub draws: usize,
    /// What is compared.
    pub method: Vec<DensityMethod>,
}

/// A way to learn a density.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DensityMethod {
    /// Where and how often it is measured.
    pub grid: Grid,
    /// The flow.
    pub flow: FlowSettings,
    /// Its training.
    pub training: TrainingSettings,
}

/// Where and how often a method is measured.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Grid {
    /// Name, for legends and files.
    pub name: String,
    /// Name of the method in the published tables, if it stands there.
    pub published: Option<String>,
    /// Factors of the score term of the loss; 0 trains without scores.
    pub score_weights: Vec<f64>,
    /// Numbers of simulations.
    pub simulations: Vec<usize>,
    /// Independent runs, each with simulations and networks of its own; those of two moons share
    /// the published draws.
    pub runs: usize,
}

/// A Lotka-Volterra problem.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LotkaVolterraProfile {
    /// Initial populations.
    pub populations: Populations,
    /// Observations; the first three are published ones.
    pub observations: usize,
    /// Draws of the classifier test from each side.
    pub draws: usize,
    /// Fresh simulations of the mean negative log probability.
    pub held_out: usize,
    /// The network that makes four summaries of the counts.
    pub compressor: CompressorProfile,
    /// What is compared.
    pub method: Vec<PosteriorMethod>,
}

/// What is known of the initial populations.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Populations {
    /// Nothing: they are latent variables.
    Latent,
    /// Everything.
    Fixed,
}

impl Populations {
    /// Name of the task.
    pub fn task(self) -> &'static str {
        match self {
            Self::Latent => "lotka-volterra-latent",
            Self::Fixed => "lotka-volterra-fixed",
        }
    }

    /// As the task knows it.
    pub fn start(self) -> Start {
        match self {
            Self::Latent => Start::Latent,
            Self::Fixed => Start::Fixed,
        }
    }
}

/// A network that summarises counts.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CompressorProfile {
    /// Simulations it learns from, which count towards no method.
    pub simulations: usize,
    /// Number of summaries.
    pub summaries: usize,
    /// What it sees of a count.
    pub input: Input,
    /// Width of each hidden layer.
    pub hidden: Vec<usize>,
    /// The flow that it is trained with.
    pub flow: FlowSettings,
    /// The training.
    pub training: TrainingSettings,
}

/// What a network sees of a count.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Input {
    /// The count divided by 1000, as published.
    Thousands,
    /// Its logarithm, in which the noise is the same everywhere.
    Logarithms,
}

impl Input {
    /// What becomes of a count.
    pub fn of(self, count: f64) -> f64 {
        match self {
            Self::Thousands => 1e-3 * count,
            Self::Logarithms => count.ln(),
        }
    }
}

/// A way to learn a posterior.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PosteriorMethod {
    /// Where and how often it is measured.
    pub grid: Grid,
    /// What the network estimates.
    pub estimate: Estimate,
    /// What it learns from.
    pub data: Data,
    /// Rounds into which the simulations are divided, for each observation anew: SNLE for
    /// likelihoods, TSNPE for posteriors. One round, the default, serves all observations.
    #[serde(default = "once")]
    pub rounds: usize,
    /// The flow.
    pub flow: FlowSettings,
    /// Its training, and the size of the ensemble.
    pub fit: FitSettings,
}

fn once() -> usize {
    1
}

/// What a network estimates.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Estimate {
    /// The posterior (NPE).
    Posterior,
    /// The likelihood (NLE), from which the posterior is sampled by Markov chains.
    Likelihood,
}

/// What a posterior is learnt from.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Data {
    /// The summaries of the compressor.
    Summaries,
    /// The logarithms of all counts.
    AllCounts,
}

impl Profile {
    /// A profile by name, or from a TOML file.
    ///
    /// # Errors
    /// If there is no such profile, or it has unknown fields or impossible sizes.
    pub fn load(name: &str) -> Result<Self> {
        profiles::load(name, &PROFILES, Self::from_toml)
    }

    fn from_toml(text: &str) -> Result<Self> {
        let mut profile: Self = toml::from_str(text)?;
        profiles::refuse_decided(text, &DECIDED)?;
        let classifier = &mut profile.classifier;
        (classifier.repetitions, classifier.null_repetitions) = (1, 0);
        classifier.validate()?;
        let least = 2 * profile.classifier.folds;
        let draws = |what: &str, draws: usize| {
            ensure!(draws >= least, "{what}.draws = {draws}: at least {least} are needed");
            Ok(())
        };
        draws("two_moons", profile.two_moons.draws)?;
        ensure!(!profile.two_moons.method.is_empty(), "two_moons.method: at least one is needed");
        for method in &profile.two_moons.method {
            method.grid.validate()?;
            method.training.validate()?;
            let most = method.grid.simulations.last().copied().unwrap_or_default();
            ensure!(
                most <= PUBLISHED_COUNT,
                "two_moons.simulations: {most}, but there are {PUBLISHED_COUNT} published draws"
            );
        }
        for (index, problem) in profile.lotka_volterra.iter().enumerate() {
            draws("lotka_volterra", problem.draws)?;
            let before = &profile.lotka_volterra[..index];
            let twin = |other: &LotkaVolterraProfile| other.populations == problem.populations;
            ensure!(!before.iter().any(twin), "{:?} populations twice", problem.populations);
            ensure!(problem.observations > 0, "lotka_volterra.observations must be at least 1");
            let held_out = problem.held_out;
            ensure!(held_out >= 2, "held_out = {held_out}: at least 2 are needed");
            let CompressorProfile { simulations, summaries, training, .. } = &problem.compressor;
            ensure!(*simulations >= 2, "compressor.simulations = {simulations}: 2 are needed");
            ensure!(*summaries > 0, "compressor.summaries must be at least 1");
            training.validate()?;
            for method in &problem.method {
                method.validate()?;
            }
        }
        Ok(profile)
    }
}

impl PosteriorMethod {
    /// The method.
    #[must_use]
    pub fn method(&self) -> Method {
        match (self.estimate, self.rounds) {
            (Estimate::Posterior, 1) => Method::Npe,
            (Estimate::Posterior, _) => Method::Tsnpe,
            (Estimate::Likelihood, 1) => Method::Nle,
            (Estimate::Likelihood, _) => Method::Snle,
        }
    }

    fn validate(&self) -> Result<()> {
        self.grid.validate()?;
        self.fit.training.validate()?;
        let Self { grid: Grid { name, score_weights, simulations, .. }, rounds, .. } = self;
        let fewest = 2 * rounds;
        ensure!(*rounds > 0, "{name}: rounds must be at least 1");
        ensure!(
            *rounds == 1 || (self.data == Data::AllCounts && *score_weights == [0.0]),
            "{name}: rounds need data = \"all-counts\" and score_weights = [0.0]"
        );
        ensure!(
            simulations[0] >= fewest,
            "{name}: {} simulations in {rounds} rounds, at least {fewest} are needed",
            simulations[0]
        );
        Ok(())
    }
}

impl Grid {
    fn validate(&self) -> Result<()> {
        let Self { name, score_weights, simulations, runs, .. } = self;
        ensure!(!score_weights.is_empty(), "{name}: score_weights is empty");
        for weight in score_weights {
            ensure!(weight.is_finite() && *weight >= 0.0, "{name}: score weight {weight}");
        }
        ensure!(*runs > 0, "{name}: runs must be at least 1");
        ensure!(
            simulations.first().is_some_and(|n| *n >= 2)
                && simulations.windows(2).all(|w| w[0] < w[1]),
            "{name}: simulations {simulations:?} must increase from at least 2"
        );
        Ok(())
    }

    /// All that is to be measured: weight, number of simulations, run; the most expensive first, so
    /// that no thread is left alone with it.
    pub fn cells(&self) -> Vec<(f64, usize, usize)> {
        let mut cells = Vec::new();
        for &simulations in self.simulations.iter().rev() {
            for run in 0..self.runs {
                for &weight in self.score_weights.iter().rev() {
                    cells.push((weight, simulations, run));
                }
            }
        }
        cells
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(profile: &Profile) -> usize {
        let grids = profile.two_moons.method.iter().map(|m| (&m.grid, m.training.max_steps));
        let posteriors = profile.lotka_volterra.iter().flat_map(|problem| &problem.method);
        let posteriors = posteriors.map(|m| (&m.grid, m.fit.training.max_steps));
        grids.chain(posteriors).map(|(grid, steps)| grid.cells().len() * steps).sum()
    }

    #[test]
    fn the_profiles_grow() -> Result<()> {
        let costs = PROFILES
            .iter()
            .map(|(name, _)| {
                let profile = Profile::load(name)?;
                assert_eq!(profile.name, *name);
                Ok(cost(&profile))
            })
            .collect::<Result<Vec<_>>>()?;
        assert!(costs.is_sorted(), "{costs:?}");
        Ok(())
    }

    #[test]
    fn the_largest_profile_covers_the_published_tables() -> Result<()> {
        let profile = Profile::load("paper")?;
        let published = crate::published::Published::gradients()?;
        for (task, grid) in [("two-moons", &profile.two_moons.method[0].grid)].into_iter().chain(
            profile
                .lotka_volterra
                .iter()
                .map(|problem| (problem.populations.task(), &problem.method[0].grid)),
        ) {
            for &weight in &grid.score_weights {
                let metric = crate::published::Metric::C2st;
                let curve = published.curve(task, "npe", metric, weight).expect("published");
                assert_eq!((&curve.simulations, curve.runs), (&grid.simulations, grid.runs));
            }
        }
        Ok(())
    }

    #[test]
    fn supplements_are_usable_and_cover_the_published_likelihoods() -> Result<()> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../benchmarks/profiles/gradients");
        let profile = Profile::load(&format!("{folder}/likelihoods.toml"))?;
        let published = crate::published::Published::gradients()?;
        let grid = &profile.lotka_volterra[0].method[0].grid;
        for &weight in &grid.score_weights {
            let task = profile.lotka_volterra[0].populations.task();
            let curve = published.curve(task, "nle", crate::published::Metric::C2st, weight);
            assert!(curve.expect("published").simulations.starts_with(&grid.simulations));
        }
        assert_eq!(grid.simulations.last(), Some(&1000));
        Profile::load(&format!("{folder}/published_training.toml"))?;
        Ok(())
    }

    #[test]
    fn mistakes_are_named() {
        let message = |name: &str| format!("{:#}", Profile::load(name).unwrap_err());
        assert!(message("desktop").contains("desktop"));
        let (_, smoke) = PROFILES[0];
        for (old, new, expected) in [
            ("held_out", "held_in", "held_in"),
            ("score_weights = [0.0, 1e-5]", "score_weights = [-1.0]", "-1"),
            ("runs = ", "runs = 0 # ", "runs"),
            ("simulations = [", "simulations = [5, 4, ", "increase"),
            ("simulations = [", "simulations = [1001] # ", "published draws"),
            (
                "max_steps = 300",
                "max_steps = 300\nseed = 1",
                "method.1.training.seed has no effect",
            ),
            ("max_steps = 200,", "max_steps = 200, seed = 1,", "compressor.training.seed has no"),
            ("max_steps = 100,", "max_steps = 100, seed = 1,", "fit.training.seed has no effect"),
            ("[classifier]", "[classifier]\nrepetitions = 1", "classifier.repetitions has no"),
            ("[classifier]", "[classifier]\nnull_repetitions = 0", "null_repetitions has no"),
            ("data = \"summaries\"", "data = \"summaries\"\nrounds = 3", "all-counts"),
        ] {
            let text = smoke.replace(old, new);
            assert_ne!(text, smoke, "{old}");
            let error = Profile::from_toml(&text).unwrap_err();
            assert!(format!("{error:#}").contains(expected), "{error:#}");
        }
    }
}
