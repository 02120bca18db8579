//! The methods that can be asked for, and the settings of the library that they stand for.

use clap::ValueEnum;
use flows::training::TrainingSettings;
use sbi::rounds::{self, RoundsSettings, SnleSettings, SnpeSettings, SnreSettings, TsnpeSettings};
use sbi::{
    Family, FitSettings, FlowSettings, FmpeSettings, NleSettings, NpeSettings, NreSettings,
    ScoreTerm, ScoreUnits,
};
use serde::Serialize;

/// A way to the posterior.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// The reference posterior: exact draws, or the no-U-turn sampler on the true likelihood
    Nuts,
    /// Neural posterior estimation
    Npe,
    /// Neural likelihood estimation, sampled by chains
    Nle,
    /// Neural ratio estimation (contrastive), sampled by chains
    Nre,
    /// Flow matching posterior estimation
    Fmpe,
    /// Neural posterior estimation in rounds, with atomic proposals
    Snpe,
    /// Neural posterior estimation in rounds, with truncated proposals
    Tsnpe,
    /// Neural likelihood estimation in rounds
    Snle,
    /// Neural ratio estimation in rounds
    Snre,
}

impl Method {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nuts => "nuts",
            Self::Npe => "npe",
            Self::Nle => "nle",
            Self::Nre => "nre",
            Self::Fmpe => "fmpe",
            Self::Snpe => "snpe",
            Self::Tsnpe => "tsnpe",
            Self::Snle => "snle",
            Self::Snre => "snre",
        }
    }

    /// True if it trains networks.
    pub fn is_neural(self) -> bool {
        self != Self::Nuts
    }

    /// True if it simulates in rounds.
    pub fn is_sequential(self) -> bool {
        matches!(self, Self::Snpe | Self::Tsnpe | Self::Snle | Self::Snre)
    }

    /// What is learnt from the simulations that succeed.
    pub fn without_failures(self) -> &'static str {
        match self {
            Self::Nle | Self::Nre | Self::Snle | Self::Snre => {
                "the posterior lacks the probability that a simulation with its parameters succeeds"
            }
            _ => "what is learnt is the posterior given that a simulation succeeds",
        }
    }

    /// True if its networks are flows.
    pub fn has_flow(self) -> bool {
        self.is_neural() && !matches!(self, Self::Fmpe | Self::Nre | Self::Snre)
    }

    /// True if it can learn from the scores of the simulator.
    pub fn learns_scores(self) -> bool {
        matches!(self, Self::Npe | Self::Nle | Self::Tsnpe | Self::Snle)
    }
}

/// The family of a flow, as the command line names it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum FlowFamily {
    /// Affine couplings
    Affine,
    /// Rational-quadratic spline couplings
    Spline,
    /// Masked autoregressive flow
    Maf,
    /// Smooth couplings
    Smooth,
    /// Autoregressive splines
    #[default]
    AutoregressiveSpline,
}

impl FlowFamily {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Affine => "affine",
            Self::Spline => "spline",
            Self::Maf => "maf",
            Self::Smooth => "smooth",
            Self::AutoregressiveSpline => "autoregressive-spline",
        }
    }

    /// What the library calls it.
    pub fn family(self) -> Family {
        match self {
            Self::Affine => Family::Affine,
            Self::Spline => Family::Spline,
            Self::Maf => Family::Maf,
            Self::Smooth => Family::Smooth,
            Self::AutoregressiveSpline => Family::AutoregressiveSpline,
        }
    }
}

/// Everything that decides over the result, but for the task and its observation.
#[derive(Clone, Debug, Serialize)]
pub struct Settings {
    /// The method.
    pub method: Method,
    /// Simulations to make, at most.
    pub budget: usize,
    /// Rounds; 1 for methods without.
    pub rounds: usize,
    /// The family of the flow; none for methods without.
    pub flow: Option<FlowFamily>,
    /// Weight of the scores in the loss, if they are learnt.
    pub score_weight: Option<f64>,
    /// Most steps of each training.
    pub max_steps: usize,
    /// Draws of the posterior.
    pub draws: usize,
    /// Seed.
    pub seed: u64,
}

/// What is to be fitted, with the library's settings.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fit {
    /// From one set of simulations, for all observations.
    Once(Once),
    /// In rounds, for one observation.
    Rounds(RoundsSettings),
}

/// What is fitted to one set of simulations.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Once {
    /// A posterior.
    Npe(NpeSettings),
    /// A likelihood.
    Nle(NleSettings),
    /// A ratio of likelihood and evidence.
    Nre(NreSettings),
    /// A velocity that leads to the posterior.
    Fmpe(FmpeSettings),
}

impl Settings {
    /// Simulations of each round.
    pub fn simulations_per_round(&self) -> usize {
        self.budget / self.rounds
    }

    /// What is to be fitted; none by methods without networks. `seed` is that of the trainings.
    pub fn fit(&self, seed: u64) -> Option<Fit> {
        let training =
            TrainingSettings { seed, max_steps: self.max_steps, ..TrainingSettings::default() };
        let fit = FitSettings { training, ..FitSettings::default() };
        let family = self.flow.unwrap_or_default().family();
        let flow = FlowSettings { family, ..FlowSettings::default() };
        let units = ScoreUnits::default();
        let score = self.score_weight.map(|weight| ScoreTerm { weight, units });
        let npe = || NpeSettings {
            flow: flow.clone(),
            fit: fit.clone(),
            score,
            ..NpeSettings::default()
        };
        let nle = || NleSettings {
            flow: flow.clone(),
            fit: fit.clone(),
            score,
            ..NleSettings::default()
        };
        let nre = || {
            // classifiers have batches of their own
            let mut nre = NreSettings::default();
            let own = &mut nre.fit.training;
            (own.seed, own.max_steps) = (seed, self.max_steps);
            nre
        };
        let once = |what| Some(Fit::Once(what));
        let in_rounds = |method| Some(Fit::Rounds(RoundsSettings::new(method)));
        match self.method {
            Method::Nuts => None,
            Method::Npe => once(Once::Npe(npe())),
            Method::Nle => once(Once::Nle(nle())),
            Method::Nre => once(Once::Nre(nre())),
            Method::Fmpe => {
                // its noisy loss has a schedule of its own, which `--steps` may only shorten
                let mut fmpe = FmpeSettings::default();
                let own = &mut fmpe.fit.training;
                own.seed = seed;
                own.max_steps = own.max_steps.min(self.max_steps);
                once(Once::Fmpe(fmpe))
            }
            Method::Snpe => in_rounds(rounds::Method::Snpe(SnpeSettings {
                npe: npe(),
                ..SnpeSettings::default()
            })),
            Method::Tsnpe => in_rounds(rounds::Method::Tsnpe(TsnpeSettings {
                npe: npe(),
                ..TsnpeSettings::default()
            })),
            Method::Snle => in_rounds(rounds::Method::Snle(SnleSettings {
                nle: nle(),
                ..SnleSettings::default()
            })),
            Method::Snre => in_rounds(rounds::Method::Snre(SnreSettings {
                nre: nre(),
                ..SnreSettings::default()
            })),
        }
    }
}
