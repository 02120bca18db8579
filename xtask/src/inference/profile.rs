//! How large the study is, and what it compares.

use ::compression::{Loss, NetworkConfig, TrainingSettings};
use anyhow::{Context, Result, ensure};
use lognormal_sim::ScoreKind;
use sbi::marginal_score::MarginalScoreSettings;
use sbi::rounds::{self, RoundsSettings, SnleSettings, SnpeSettings, SnreSettings};
use sbi::{
    FitSettings, FlowSettings, FmpeSettings, NleSettings, NpeSettings, NreSettings, SampleSettings,
};
use serde::{Deserialize, Serialize};

use crate::compression::CompressorInput;
use crate::lensing::C2stProfile;
use crate::profiles::{self, Profiles};
use crate::published::{Published, PublishedCurve, Score};
use crate::sampling::{Sampler, SamplerConfig};
use crate::trial::Method;
use full_field::DIM;

/// The profiles that come with the program, smallest first.
const PROFILES: Profiles = [
    ("smoke", include_str!("../../../benchmarks/profiles/inference/smoke.toml")),
    ("laptop", include_str!("../../../benchmarks/profiles/inference/laptop.toml")),
    ("paper", include_str!("../../../benchmarks/profiles/inference/paper.toml")),
];

/// Name of the task in the published tables.
const TASK: &str = "lensing";

/// What no profile decides.
const DECIDED: [(&str, &str); 3] = [
    ("seed", "the seed of the study decides"),
    ("non_finite", "cosmologies without a map are left out and counted"),
    ("classifier.null_repetitions", "the null is that of the yardsticks"),
];

/// Sizes of the steps of the study.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Name.
    pub name: String,
    /// Survey: a preset or a TOML file.
    pub survey: String,
    /// Prior: a preset or a TOML file.
    pub prior: String,
    /// Pixels along a side of the maps, over the survey's area.
    pub npix: usize,
    /// Explicit sampling.
    pub explicit: ExplicitProfile,
    /// The network that makes summaries.
    pub compressor: CompressorProfile,
    /// The marginal score, if a method learns from it.
    pub marginal: Option<MarginalProfile>,
    /// Chains by which posteriors of likelihoods and ratios are drawn.
    #[serde(default)]
    pub sampling: SampleSettings,
    /// Chains by which their rounds propose parameters.
    #[serde(default)]
    pub proposals: SampleSettings,
    /// The classifier that tells posteriors from the explicit one, and the draws of each that it
    /// sees.
    pub c2st: C2stProfile,
    /// Accuracies of it for which the number of simulations is asked.
    pub thresholds: Vec<f64>,
    /// The methods.
    pub method: Vec<MethodProfile>,
}

/// Explicit sampling: the reference, and two recipes whose convergence is followed.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ExplicitProfile {
    /// Chains of the reference.
    pub reference: SamplerConfig,
    /// Chains of our recipe, independent of the reference.
    pub ours: SamplerConfig,
    /// Chains of the published recipe.
    pub published: SamplerConfig,
    /// Lengths at which chains are judged.
    pub lengths: usize,
}

/// The network that makes summaries.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CompressorProfile {
    /// What the network sees.
    #[serde(default)]
    pub input: CompressorInput,
    /// The network.
    pub network: NetworkConfig,
    /// What it is trained for.
    pub loss: Loss,
    /// Its training.
    pub training: TrainingSettings,
}

impl CompressorProfile {
    /// What decides over the network: the same without what no result depends on.
    #[must_use]
    pub fn essential(&self) -> Self {
        Self { training: self.training.essential(), ..self.clone() }
    }
}

/// The marginal score.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MarginalProfile {
    /// Simulations with scores that it is learnt from.
    pub simulations: u64,
    /// The network and its training.
    pub network: MarginalScoreSettings,
}

/// A method at several numbers of simulations.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MethodProfile {
    /// Name, for legends and files.
    pub name: String,
    /// Which question it belongs to.
    pub group: Group,
    /// Rounds into which the simulations are divided.
    #[serde(default = "once")]
    pub rounds: usize,
    /// Scores that it learns from.
    #[serde(default)]
    pub score: Score,
    /// Numbers of simulations, those that fail included.
    pub simulations: Vec<u64>,
    /// Independent runs, each with simulations and networks of its own.
    pub runs: usize,
    /// What is learnt, and how.
    pub learn: Learn,
}

fn once() -> usize {
    1
}

/// A question of the study.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// Which method of simulation-based inference, in one round or several?
    Methods,
    /// Do scores of the simulator help?
    Scores,
    /// What is possible with a set-up of ours?
    Ours,
}

/// What is learnt, and how.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Learn {
    /// The posterior.
    Npe(NpeSettings),
    /// The likelihood.
    Nle(NleSettings),
    /// The ratio of likelihood and evidence.
    Nre(NreSettings),
    /// The posterior, by flow matching.
    Fmpe(FmpeSettings),
}

impl Learn {
    /// Its name in the published tables.
    #[must_use]
    pub fn key(&self) -> &'static str {
        match self {
            Self::Npe(_) => "npe",
            Self::Nle(_) => "nle",
            Self::Nre(_) => "nre",
            Self::Fmpe(_) => "fmpe",
        }
    }

    /// The training of its networks.
    #[must_use]
    pub fn fit(&self) -> &FitSettings {
        match self {
            Self::Npe(settings) => &settings.fit,
            Self::Nle(settings) => &settings.fit,
            Self::Nre(settings) => &settings.fit,
            Self::Fmpe(settings) => &settings.fit,
        }
    }

    /// Its flow, if it has one.
    #[must_use]
    pub fn flow(&self) -> Option<&FlowSettings> {
        match self {
            Self::Npe(settings) => Some(&settings.flow),
            Self::Nle(settings) => Some(&settings.flow),
            Self::Nre(_) | Self::Fmpe(_) => None,
        }
    }

    /// The same with another seed of the training.
    #[must_use]
    pub fn with_seed(&self, seed: u64) -> Self {
        let mut own = self.clone();
        let fit = match &mut own {
            Self::Npe(settings) => &mut settings.fit,
            Self::Nle(settings) => &mut settings.fit,
            Self::Nre(settings) => &mut settings.fit,
            Self::Fmpe(settings) => &mut settings.fit,
        };
        fit.training.seed = seed;
        own
    }

    /// The same in rounds, if that exists; each round begins with new networks, for the posterior
    /// is much narrower than the prior and their units must follow.
    #[must_use]
    pub fn in_rounds(&self, proposals: &SampleSettings) -> Option<RoundsSettings> {
        let sampling = proposals.clone();
        let method = match self.clone() {
            Self::Npe(npe) => rounds::Method::Snpe(SnpeSettings { npe, ..SnpeSettings::default() }),
            Self::Nle(nle) => {
                rounds::Method::Snle(SnleSettings { nle, sampling, ..SnleSettings::default() })
            }
            Self::Nre(nre) => {
                rounds::Method::Snre(SnreSettings { nre, sampling, ..SnreSettings::default() })
            }
            Self::Fmpe(_) => return None,
        };
        Some(RoundsSettings { method, warm_start: false })
    }

    /// Whether its loss has a term of scores.
    fn has_score_term(&self) -> bool {
        match self {
            Self::Npe(settings) => settings.score.is_some(),
            Self::Nle(settings) => settings.score.is_some(),
            Self::Nre(_) | Self::Fmpe(_) => false,
        }
    }
}

impl MethodProfile {
    /// The method.
    #[must_use]
    pub fn method(&self) -> Method {
        match (&self.learn, self.rounds) {
            (Learn::Npe(_), 1) => Method::Npe,
            (Learn::Npe(_), _) => Method::Snpe,
            (Learn::Nle(_), 1) => Method::Nle,
            (Learn::Nle(_), _) => Method::Snle,
            (Learn::Nre(_), 1) => Method::Nre,
            (Learn::Nre(_), _) => Method::Snre,
            (Learn::Fmpe(_), _) => Method::Fmpe,
        }
    }

    /// The published curve of this method, if there is one.
    #[must_use]
    pub fn published<'a>(&self, published: &'a Published) -> Option<&'a PublishedCurve> {
        published.curves.iter().find(|curve| {
            let of_group = match self.group {
                Group::Methods => curve.flow.is_none(),
                Group::Scores => curve.flow.is_some(),
                Group::Ours => false,
            };
            of_group
                && curve.task == TASK
                && (curve.method.as_str(), curve.rounds) == (self.learn.key(), self.rounds)
                && curve.score == self.score
        })
    }

    /// Simulations of each round of a budget.
    #[must_use]
    pub fn per_round(&self, simulations: u64) -> usize {
        usize::try_from(simulations).unwrap_or(usize::MAX) / self.rounds
    }

    /// What the scores of the pool that it sees hold fixed; sets of ours are larger and have none.
    #[must_use]
    pub fn pool_scores(&self) -> Option<ScoreKind> {
        match (self.group, self.score) {
            (Group::Ours, _) => None,
            (_, Score::Whitened) => Some(ScoreKind::Whitened),
            _ => Some(ScoreKind::Latents),
        }
    }

    fn validate(&self, proposals: &SampleSettings) -> Result<()> {
        let Self { rounds, score, simulations, runs, learn, .. } = self;
        ensure!(*runs > 0, "runs must be at least 1");
        ensure!(*rounds > 0, "rounds must be at least 1");
        ensure!(
            simulations.first().is_some_and(|n| *n >= 20)
                && simulations.windows(2).all(|pair| pair[0] < pair[1]),
            "simulations {simulations:?} must increase from at least 20"
        );
        ensure!(
            simulations.iter().all(|n| n.is_multiple_of(*rounds as u64)),
            "simulations {simulations:?} must be multiples of rounds = {rounds}"
        );
        ensure!(
            *rounds == 1 || *score == Score::None,
            "rounds = {rounds}: scores are learnt in one round"
        );
        if *rounds > 1 {
            let settings = learn.in_rounds(proposals);
            let settings = settings.context("flow matching has no rounds: rounds must be 1")?;
            settings.method.validate()?;
        }
        ensure!(
            (*score == Score::None) != learn.has_score_term(),
            "score = {score:?} and the score of the loss must be given together"
        );
        ensure!(
            *score == Score::None || self.group != Group::Ours,
            "scores are of the groups methods and scores"
        );
        learn.fit().training.validate()?;
        Ok(())
    }
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
        profile.c2st.classifier.null_repetitions = 0;
        let ExplicitProfile { reference, ours, published, lengths } = &profile.explicit;
        for (name, run) in [("reference", reference), ("ours", ours), ("published", published)] {
            let SamplerConfig { chains, draws, .. } = run;
            ensure!(*chains > 0, "explicit.{name}.chains must be at least 1");
            ensure!(*draws >= 8, "explicit.{name}.draws = {draws}: at least 8 are needed");
        }
        ensure!(
            published.sampler == Sampler::Nuts,
            "explicit.published.sampler: the published recipe is the no-U-turn sampler"
        );
        ensure!(*lengths >= 2, "explicit.lengths = {lengths}: at least 2 are needed");
        ensure!(
            reference.chains >= 2 && reference.chains.is_multiple_of(2),
            "explicit.reference.chains = {}: an even number is needed, for two halves",
            reference.chains
        );
        profile.c2st.classifier.validate()?;
        let draws = profile.c2st.draws;
        let half = reference.chains * reference.draws / 2;
        let least = 2 * profile.c2st.classifier.folds;
        ensure!(
            (least..=half).contains(&draws),
            "c2st.draws = {draws}: at least {least} are needed, and at most {half}, half of the \
             draws of the reference"
        );
        for level in &profile.thresholds {
            ensure!((0.5..1.0).contains(level), "thresholds: {level} is no accuracy");
        }
        let CompressorProfile { input, network, loss, training } = &profile.compressor;
        input.validate().context("compressor")?;
        network.validate().context("compressor.network")?;
        loss.validate(DIM).context("compressor.loss")?;
        training.validate().context("compressor.training")?;
        input.validate_training(training).context("compressor.training")?;
        profile.sampling.validate().context("sampling")?;
        profile.proposals.validate().context("proposals")?;
        profile.validate_methods()?;
        Ok(profile)
    }

    fn validate_methods(&self) -> Result<()> {
        ensure!(!self.method.is_empty(), "there is no method");
        for (index, method) in self.method.iter().enumerate() {
            let name = &method.name;
            let twin = |other: &MethodProfile| other.name == *name;
            ensure!(!self.method[..index].iter().any(twin), "the method {name} twice");
            method.validate(&self.proposals).with_context(|| format!("method {name}"))?;
        }
        let marginal = self.method.iter().any(|method| method.score == Score::Marginal);
        ensure!(
            marginal == self.marginal.is_some(),
            "a method with score = \"marginal\" and the section [marginal] must be given together"
        );
        if let Some(MarginalProfile { simulations, network }) = &self.marginal {
            ensure!(*simulations >= 20, "marginal.simulations = {simulations}: 20 are needed");
            network.fit.training.validate().context("marginal.network")?;
            let pool = self.pool(Some(ScoreKind::Latents), 0);
            ensure!(pool.is_some(), "the marginal score is tested on a pool of the methods");
        }
        Ok(())
    }

    /// Number of simulations of the pool of a run with scores of some kind, or without; none if no
    /// method in one round needs it.
    #[must_use]
    pub fn pool(&self, scores: Option<ScoreKind>, run: usize) -> Option<u64> {
        let users = self.method.iter().filter(|method| {
            method.rounds == 1 && method.pool_scores() == scores && run < method.runs
        });
        users.filter_map(|method| method.simulations.last().copied()).max()
    }

    /// Runs of the method that has most of them.
    #[must_use]
    pub fn runs(&self) -> usize {
        self.method.iter().map(|method| method.runs).max().unwrap_or(0)
    }

    /// All that is to be learnt: method, number of simulations, run; the most expensive first, so
    /// that no thread is left alone with it.
    #[must_use]
    pub fn cells(&self) -> Vec<(&MethodProfile, u64, usize)> {
        let mut cells: Vec<(&MethodProfile, u64, usize)> = self
            .method
            .iter()
            .flat_map(|method| {
                method.simulations.iter().flat_map(move |&simulations| {
                    (0..method.runs).map(move |run| (method, simulations, run))
                })
            })
            .collect();
        let work = |(method, simulations, _): &(&MethodProfile, u64, usize)| {
            *simulations * method.rounds as u64 * method.learn.fit().members as u64
        };
        cells.sort_by_key(|cell| std::cmp::Reverse(work(cell)));
        cells
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(profile: &Profile) -> u64 {
        let simulations: u64 = profile.cells().iter().map(|(_, simulations, _)| simulations).sum();
        simulations * (profile.npix * profile.npix) as u64
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
    fn all_profiles_have_every_kind_of_cell() -> Result<()> {
        let published = Published::inference()?;
        for (name, _) in PROFILES {
            let profile = Profile::load(name)?;
            let known = |method: &&MethodProfile| method.published(&published).is_some();
            let found = profile.method.iter().filter(known).count();
            assert_eq!(found, published.curves.len(), "{name}: every published curve has its own");
            assert!(profile.method.iter().any(|method| method.group == Group::Ours), "{name}");
        }
        for (name, _) in &PROFILES[1..] {
            let profile = Profile::load(name)?;
            let runs = profile.method.iter().filter(|method| method.group != Group::Ours);
            assert!(runs.map(|method| method.runs).min() >= Some(5), "{name}: five runs at least");
        }
        let paper = Profile::load("paper")?;
        for method in paper.method.iter().filter(|method| method.group != Group::Ours) {
            // whitened scores are not published
            let Some(curve) = method.published(&published) else { continue };
            let numbers: Vec<u64> = curve.simulations.iter().map(|n| *n as u64).collect();
            assert_eq!(method.simulations, numbers, "{}", method.name);
            assert!(method.runs >= curve.runs, "{}", method.name);
        }
        Ok(())
    }

    #[test]
    fn pools_serve_the_largest_budget_in_one_round() -> Result<()> {
        let profile = Profile::load("laptop")?;
        for scores in [Some(ScoreKind::Latents), Some(ScoreKind::Whitened), None] {
            let own = profile.method.iter().filter(|m| m.rounds == 1 && m.pool_scores() == scores);
            let largest = own.filter_map(|method| method.simulations.last()).max().copied();
            assert!(largest.is_some());
            assert_eq!(profile.pool(scores, 0), largest);
            assert_eq!(profile.pool(scores, profile.runs()), None);
        }
        Ok(())
    }

    #[test]
    fn compressors_that_differ_in_loading_only_have_the_same_key() -> Result<()> {
        let mut profile = Profile::load("smoke")?.compressor;
        let key = |profile: &CompressorProfile| serde_json::to_string(&profile.essential());
        let before = key(&profile)?;
        let TrainingSettings { loaders, prefetch, cache_bytes, .. } = &mut profile.training;
        (*loaders, *prefetch, *cache_bytes) = (3, 5, 0);
        assert_eq!(key(&profile)?, before);
        profile.training.steps += 1;
        assert_ne!(key(&profile)?, before);
        Ok(())
    }

    #[test]
    fn mistakes_are_named() {
        let message = |name: &str| format!("{:#}", Profile::load(name).unwrap_err());
        assert!(message("desktop").contains("desktop"));
        let (_, smoke) = PROFILES[0];
        for (old, new, expected) in [
            ("npix", "pixels", "pixels"),
            ("name = \"SNLE\"", "name = \"NLE\"", "NLE twice"),
            ("score = \"marginal\"", "score = \"marginel\"", "marginel"),
            ("score = \"conditional\"\n", "", "given together"),
            ("thresholds = [", "thresholds = [1.5, ", "1.5"),
            ("rounds = 5", "rounds = 7", "multiples of rounds = 7"),
            ("runs = 2", "runs = 0", "runs must be"),
            ("[explicit.reference]\nchains = 2", "[explicit.reference]\nchains = 3", "even"),
            ("[c2st]\ndraws = ", "[c2st]\ndraws = 100000 # ", "draws = 100000"),
            ("[marginal]\nsimulations = ", "[marginal]\nsimulations = 5 # ", "simulations = 5"),
            ("max_steps = 150,", "max_steps = 150, seed = 1,", "fit.training.seed has no effect"),
            (
                "max_steps = 300,",
                "max_steps = 300, seed = 1,",
                "marginal.network.fit.training.seed",
            ),
            ("batch = 32", "batch = 32\nseed = 1", "compressor.training.seed has no effect"),
            (
                "batch = 32",
                "batch = 32\nnon_finite = \"drop\"",
                "training.non_finite has no effect",
            ),
            ("[c2st.classifier]", "[c2st.classifier]\nseed = 1", "classifier.seed has no effect"),
            (
                "[c2st.classifier]",
                "[c2st.classifier]\nnull_repetitions = 2",
                "null_repetitions has",
            ),
            ("[explicit.published]", "[explicit.published]\nsampler = \"mams\"", "no-U-turn"),
        ] {
            let text = smoke.replacen(old, new, 1);
            assert_ne!(text, smoke, "{old}");
            let error = Profile::from_toml(&text).expect_err(new);
            assert!(format!("{error:#}").contains(expected), "{expected}: {error:#}");
        }
    }
}
