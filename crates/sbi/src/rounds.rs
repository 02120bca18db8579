//! Rounds of simulations near one observation.
//!
//! Each round simulates where the posterior of the rounds before it says that the parameters may
//! be, and learns from all simulations so far. [`Rounds`] is asked for parameters and told their
//! simulations, which may be made anywhere; [`Rounds::run`] does all of it. In a folder every round
//! becomes a file when it is done, and a run that was killed continues behind the last of them.
//!
//! | method | parameters of a round | what is learnt | after the last round |
//! |---|---|---|---|
//! | [`Method::Snpe`] | draws of the posterior | posterior, by telling parameters apart | direct draws |
//! | [`Method::Tsnpe`] | draws of the prior where the posterior is not negligible | posterior | direct draws |
//! | [`Method::Snle`] | draws of the posterior | likelihood | MCMC |
//! | [`Method::Snre`] | draws of the posterior | ratio of likelihood and evidence | MCMC |
//!
//! *When to use.* Simulations are dear, there is one observation, and the posterior is much
//! narrower than the prior.
//! *When not.* For many observations, or to check calibration over the prior: the networks are right
//! near one observation only, and refuse others, which an amortised estimator is not limited to. With a broad posterior
//! one round of all simulations is as good and simpler.

mod files;
mod method;
mod proposal;
mod run;
pub mod snle;
pub mod snpe;
pub mod snre;
pub mod tsnpe;

use std::path::Path;

use burn::tensor::Device;
use flows::training::TrainingReport;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::estimator::Estimator;
use crate::fit::Fitting;
use crate::posterior::Posterior;
use crate::prior::Prior;
use crate::simulations::Simulations;
use crate::table::coordinates_of_set;
use files::Folder;

pub use method::Method;
pub use proposal::{ProposalReport, RoundProposal};
pub use run::RunPlan;
#[doc(inline)]
pub use snle::SnleSettings;
#[doc(inline)]
pub use snpe::SnpeSettings;
#[doc(inline)]
pub use snre::SnreSettings;
#[doc(inline)]
pub use tsnpe::TsnpeSettings;

/// Draws by which the leakage of a round is measured.
const LEAKAGE_DRAWS: usize = 1000;

/// Settings of rounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoundsSettings {
    /// What is learnt, and where the next round simulates.
    pub method: Method,
    /// Each round's networks begin with the weights, and keep the units, of the round before
    /// (default); otherwise they begin anew, with units from all simulations.
    #[serde(default = "yes")]
    pub warm_start: bool,
}

fn yes() -> bool {
    true
}

impl RoundsSettings {
    /// A method with its networks warm started.
    #[must_use]
    pub fn new(method: Method) -> Self {
        Self { method, warm_start: true }
    }
}

/// What happened in a round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoundReport {
    /// Simulations that were kept.
    pub simulations: usize,
    /// Calls of the simulator, those dropped included.
    pub calls: u64,
    /// How the parameters were proposed; `None` for those that came from elsewhere.
    pub proposal: Option<ProposalReport>,
    /// Training of each network; empty until it is done.
    pub training: Vec<TrainingReport>,
    /// Fraction of the draws of the round's posterior that lie outside the prior, among about a
    /// thousand; `None` for methods that sample by MCMC, whose draws never do.
    pub leakage: Option<f64>,
}

/// The state of sequential inference for one observation.
///
/// Ask for parameters with [`Rounds::proposal`], tell their simulations with [`Rounds::tell`], as
/// often as wanted; the result is [`Rounds::estimator`].
#[derive(Clone, Debug)]
pub struct Rounds {
    prior: Prior,
    observation: Vec<f64>,
    settings: RoundsSettings,
    simulations: Vec<Simulations>,
    reports: Vec<RoundReport>,
    /// Rounds that the estimator has learnt from.
    trained: usize,
    estimator: Option<Estimator>,
    /// How the parameters that were asked for last were made.
    asked: Option<ProposalReport>,
    folder: Option<Folder>,
}

impl Rounds {
    /// Begins without a simulation, in memory.
    ///
    /// # Errors
    /// If a setting is out of its domain or the observation `[observable]` is not finite.
    pub fn new(prior: &Prior, observation: &[f64], settings: RoundsSettings) -> Result<Self> {
        settings.method.validate()?;
        if let Some(index) = observation.iter().position(|value| !value.is_finite()) {
            let (what, value) = ("observation".into(), observation[index]);
            return Err(Error::NotFinite { what, index, value });
        }
        if observation.is_empty() {
            return Err(Error::TooFew { what: "observables", minimum: 1, found: 0 });
        }
        Ok(Self {
            prior: prior.clone(),
            observation: observation.to_vec(),
            settings,
            simulations: Vec::new(),
            reports: Vec::new(),
            trained: 0,
            estimator: None,
            asked: None,
            folder: None,
        })
    }

    /// Begins in a folder, or continues from what is there; the networks live on `device`.
    ///
    /// The folder holds `rounds.json` and, for each round, `simulations.npz`, `report.json` and
    /// `estimator.safetensors`.
    ///
    /// # Errors
    /// As [`Rounds::new`]; [`Error::File`] if the folder holds rounds of another prior, observation
    /// or settings, or a damaged file; [`Error::Io`] if it cannot be read or written.
    pub fn open(
        folder: &Path,
        prior: &Prior,
        observation: &[f64],
        settings: RoundsSettings,
        device: &Device,
    ) -> Result<Self> {
        let mut rounds = Self::new(prior, observation, settings)?;
        let folder = Folder::open(folder, &rounds.prior, &rounds.observation, &rounds.settings)?;
        while let Some((simulations, report)) = folder.round(rounds.simulations.len())? {
            rounds.check(&simulations)?;
            rounds.simulations.push(simulations);
            rounds.reports.push(report);
        }
        for round in (0..rounds.simulations.len()).rev() {
            if let Some(estimator) = folder.estimator(round, device)? {
                rounds.check_estimator(&estimator, &folder.estimator_path(round))?;
                rounds.estimator = Some(estimator);
                rounds.trained = round + 1;
                break;
            }
        }
        rounds.folder = Some(folder);
        Ok(rounds)
    }

    /// The prior.
    #[must_use]
    pub fn prior(&self) -> &Prior {
        &self.prior
    }

    /// The observation, `[observable]`.
    #[must_use]
    pub fn observation(&self) -> &[f64] {
        &self.observation
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &RoundsSettings {
        &self.settings
    }

    /// The simulations of each round.
    #[must_use]
    pub fn simulations(&self) -> &[Simulations] {
        &self.simulations
    }

    /// What happened in each round.
    #[must_use]
    pub fn reports(&self) -> &[RoundReport] {
        &self.reports
    }

    /// Rounds whose simulations are there and have been learnt from.
    #[must_use]
    pub fn finished(&self) -> usize {
        self.trained
    }

    /// What was learnt from the finished rounds; `None` before the first.
    #[must_use]
    pub fn estimator(&self) -> Option<&Estimator> {
        self.estimator.as_ref()
    }

    /// The posterior given the observation, as learnt from the finished rounds.
    ///
    /// # Errors
    /// Before the first round is finished.
    pub fn posterior(&self) -> Result<Posterior<'_>> {
        let none = Error::TooFew { what: "finished rounds", minimum: 1, found: 0 };
        self.estimator.as_ref().ok_or(none)?.posterior(&self.observation)
    }

    /// Parameters of `count` simulations of the next round, which depend on the finished rounds and
    /// `seed` only; draws of the prior in the first.
    ///
    /// # Errors
    /// [`Error::Leakage`] or [`Error::NoMass`] when the posterior cannot be sampled;
    /// [`Error::Setting`] for no simulation.
    pub fn proposal(&mut self, count: usize, seed: u64) -> Result<RoundProposal> {
        if count == 0 {
            let (value, expected) = ("0".into(), "at least 1".into());
            return Err(Error::Setting { field: "count", value, expected });
        }
        let proposal = match &self.estimator {
            None => RoundProposal::from_prior(&self.prior, count, seed),
            Some(estimator) => {
                let posterior = estimator.posterior(&self.observation)?;
                self.settings.method.propose(&self.prior, &posterior, count, seed)?
            }
        };
        self.asked = Some(proposal.report().clone());
        Ok(proposal)
    }

    /// Adds the simulations of a round and learns from all there are.
    ///
    /// They should be those of the parameters that [`Rounds::proposal`] gave; fewer, when some
    /// failed. (Likelihoods and ratios, and SNPE after its first round, accept parameters from
    /// anywhere within the prior; the first round of posterior estimation needs draws of the prior.)
    ///
    /// # Errors
    /// If the simulations do not fit (nothing is then added), a file cannot be written, or the
    /// training fails or is stopped: [`Rounds::finish`] then continues it.
    pub fn tell(
        &mut self,
        simulations: Simulations,
        fitting: &mut Fitting<'_>,
    ) -> Result<&RoundReport> {
        self.check(&simulations)?;
        let report = RoundReport {
            simulations: simulations.len(),
            calls: simulations.calls(),
            proposal: self.asked.take(),
            training: Vec::new(),
            leakage: None,
        };
        if let Some(folder) = &self.folder {
            folder.begin_round(self.simulations.len(), &simulations, &report)?;
        }
        self.simulations.push(simulations);
        self.reports.push(report);
        self.finish(fitting)?;
        Ok(&self.reports[self.trained - 1])
    }

    /// Learns from the simulations that were told, where that was interrupted; nothing otherwise.
    ///
    /// # Errors
    /// If the training fails or is stopped, or a file cannot be written.
    pub fn finish(&mut self, fitting: &mut Fitting<'_>) -> Result<()> {
        let rounds = self.simulations.len();
        if self.trained == rounds {
            return Ok(());
        }
        let round = rounds - 1;
        let all = Simulations::concat(&self.simulations)?;
        let checkpoints = match (&self.folder, fitting.checkpoints) {
            (Some(folder), _) => Some(folder.checkpoints(round)?),
            (None, Some(own)) => Some(files::make(own.join(files::name(round)))?),
            (None, None) => None,
        };
        let mut fitting = Fitting {
            device: fitting.device,
            checkpoints: checkpoints.as_deref(),
            observer: &mut *fitting.observer,
        };
        let start = self.estimator.as_ref().filter(|_| self.settings.warm_start);
        let first = self.simulations[0].len();
        let mut estimator =
            self.settings.method.train(&self.prior, &all, first, start, &mut fitting)?;
        estimator.observation = (round > 0).then(|| self.observation.clone());
        let report = &mut self.reports[round];
        report.training = estimator.reports().to_vec();
        report.leakage = leakage(&estimator.posterior(&self.observation)?)?;
        if let Some(folder) = &self.folder {
            folder.finish_round(round, report, &estimator)?;
        }
        self.estimator = Some(estimator);
        self.trained = rounds;
        Ok(())
    }

    /// Refuses an estimator that these rounds have not made.
    fn check_estimator(&self, estimator: &Estimator, path: &Path) -> Result<()> {
        let bad =
            |reason: &str| Err(Error::File { path: path.to_owned(), reason: reason.to_owned() });
        if *estimator.prior() != self.prior {
            return bad("its prior is not that of the rounds");
        }
        if estimator.observables().len() != self.observation.len() {
            return bad("its number of observables is not that of the observation");
        }
        if !self.settings.method.made(estimator) {
            return bad("its networks are of another method than the rounds");
        }
        Ok(())
    }

    /// Refuses simulations that cannot be learnt from.
    fn check(&self, simulations: &Simulations) -> Result<()> {
        let expected = vec![self.prior.dim(), self.observation.len()];
        let found = vec![simulations.parameters(), simulations.observables()];
        if expected != found {
            let what = "a round's simulations (parameters, observables)".into();
            return Err(Error::Shape { what, expected, found });
        }
        crate::fit::check_set(simulations, self.prior.dim())?;
        coordinates_of_set(simulations, &self.prior, self.settings.method.coordinates())?;
        Ok(())
    }
}

/// Fraction of direct draws outside the prior.
fn leakage(posterior: &Posterior<'_>) -> Result<Option<f64>> {
    if !posterior.samples_directly() {
        return Ok(None);
    }
    match posterior.sample(LEAKAGE_DRAWS, 0) {
        Ok(draws) => Ok(Some(draws.sampling.leakage())),
        Err(Error::Leakage { accepted, proposed, .. }) => {
            Ok(Some(1.0 - accepted as f64 / proposed as f64))
        }
        Err(error) => Err(error),
    }
}
