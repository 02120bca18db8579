//! After sampling: could the posterior have made this map?
//!
//! Maps are simulated, with noise, at draws of the posterior, of either the full field or the power
//! spectra, and compared with the observed map: power spectra and correlations, means and
//! skewnesses, extreme pixels, each group as a whole. The draws themselves are compared with the
//! prior: a posterior far out in its tails, or at its edge, is what a wrong map makes of a right
//! model.
//!
//! The posterior has seen the map, so that p-values of a right map gather towards one and false
//! alarms are rarer than stated (X.-L. Meng, Annals of Statistics 22, 1142, 1994).
//!
//! What it cannot see: whatever the parameters absorb within their prior, such as a wrong n(z) or
//! a calibration error of the size of the posterior; chains that have not converged; everything
//! that the check before sampling cannot see in single pixels.

use std::fmt;

use lognormal_sim::{PARAMETERS, Simulator};
use serde::{Deserialize, Serialize};

use crate::ensemble::{Comparison, DIM, Ensemble};
use crate::error::{Error, Result};

/// Simulated maps, one at each of as many draws of the posterior, evenly spaced; of fewer draws,
/// several at each.
const SIMULATIONS: usize = 200;
/// Draws of the prior that its tails are known from.
const PRIOR_DRAWS: usize = 1000;
/// Probability that the comparisons with simulated maps doubt a right one.
const FALSE_ALARMS: f64 = 0.02;
/// Comparisons that share it.
const GROUPS: f64 = 3.0;
/// Probability of each tail of the prior in which no posterior should lie.
const TAIL: f64 = 0.001;
/// Shares of a posterior in a tail that are doubtful, and that are wrong. On average over maps that
/// the model makes, the share is that of the prior; so more than a half of a posterior lies there
/// for at most one map in 500.
const DOUBTFUL_SHARE: f64 = 0.5;
const WRONG_SHARE: f64 = 0.95;
/// Prior standard deviations of a posterior mean from that of the prior beyond which it is wrong.
const WRONG_SIGMAS: f64 = 4.5;

/// How well a map fits its posterior.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PredictiveVerdict {
    /// The map looks like those that the posterior predicts.
    Fits,
    /// It may: look at what deviates.
    Doubtful,
    /// The posterior is not that of the map's parameters.
    DoesNotFit,
}

/// A posterior held against its map and its prior.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PredictiveCheck {
    /// The worst of all that follows.
    pub verdict: PredictiveVerdict,
    /// The map among simulated ones; none where more than half of the posterior lies where no maps
    /// can be simulated, which does not fit.
    pub maps: Option<PredictedMaps>,
    /// The parameters, in the order of [`PARAMETERS`].
    pub parameters: Vec<ParameterCheck>,
}

/// A map among those that its posterior predicts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PredictedMaps {
    /// Power spectra and correlations of bins.
    pub spectra: Comparison,
    /// Means and skewnesses.
    pub shape: Comparison,
    /// Largest and smallest pixels.
    pub extremes: Comparison,
}

/// The posterior of a parameter in units of its prior.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ParameterCheck {
    /// Its name.
    pub name: String,
    /// Posterior mean.
    pub mean: f64,
    /// Prior mean.
    pub prior_mean: f64,
    /// Prior standard deviation.
    pub prior_sd: f64,
    /// Values beyond which the prior has a thousandth of its probability on either side.
    pub prior_range: (f64, f64),
    /// Shares of the posterior below and above that range.
    pub outside: (f64, f64),
}

/// Checks the posterior draws of `maps` `[bin][y][x]` against the maps themselves and against draws
/// of the prior. `seed` is that of latents and noise of the 200 maps that are simulated.
///
/// # Errors
/// [`Error::TooFewDraws`] without a draw of the posterior or for fewer than 1000 of the prior;
/// [`Error::MapSize`], [`Error::NotFinite`], or an unusable survey or map.
pub fn predictive_check(
    simulator: &Simulator,
    maps: &[f64],
    posterior: &[[f64; DIM]],
    prior: &[[f64; DIM]],
    seed: u64,
) -> Result<PredictiveCheck> {
    for (what, minimum, found) in [
        ("draws of the posterior", 1, posterior.len()),
        ("draws of the prior", PRIOR_DRAWS, prior.len()),
    ] {
        if found < minimum {
            return Err(Error::TooFewDraws { what, minimum, found });
        }
    }
    let draws: Vec<[f64; DIM]> =
        (0..SIMULATIONS).map(|k| posterior[k * posterior.len() / SIMULATIONS]).collect();
    let ensemble = Ensemble::simulate(simulator, &draws, "draws of the posterior", seed)?;
    let maps = ensemble.map(|ensemble| PredictedMaps::new(&ensemble, maps)).transpose()?;
    let parameters: Vec<ParameterCheck> =
        (0..DIM).map(|k| ParameterCheck::new(k, posterior, prior)).collect();
    let of_maps = maps.as_ref().map_or(PredictiveVerdict::DoesNotFit, PredictedMaps::verdict);
    let verdict = parameters.iter().map(ParameterCheck::verdict).fold(of_maps, Ord::max);
    Ok(PredictiveCheck { verdict, maps, parameters })
}

impl PredictedMaps {
    fn new(ensemble: &Ensemble, maps: &[f64]) -> Result<Self> {
        let summary = ensemble.summariser.summarise(maps)?;
        Ok(Self {
            spectra: ensemble.spectra.compare(&ensemble.summariser.spectra(&summary.powers))?,
            shape: ensemble.shape.compare(&summary.shape())?,
            extremes: ensemble.extremes.compare(&summary.extremes())?,
        })
    }

    /// The worst of the comparisons.
    #[must_use]
    pub fn verdict(&self) -> PredictiveVerdict {
        let Self { spectra, shape, extremes } = self;
        [spectra, shape, extremes].map(grade).into_iter().fold(PredictiveVerdict::Fits, Ord::max)
    }

    /// What deviates, each with its likely reason.
    fn reasons(&self) -> impl Iterator<Item = String> {
        let reasons = [
            (
                "power spectra are",
                &self.spectra,
                "a map in other units, a calibration factor, another noise or n(z) than the \
                 survey's, bins swapped, or a mask?",
            ),
            ("means or skewnesses are", &self.shape, "an offset, the other sign, or a mask?"),
            ("extreme pixels are", &self.extremes, "glitches, or clipped pixels?"),
        ];
        reasons
            .into_iter()
            .filter(|(_, comparison, _)| grade(comparison) > PredictiveVerdict::Fits)
            .map(|(what, comparison, cause)| {
                format!("{what} not those that the posterior predicts, {comparison}: {cause}")
            })
    }
}

fn grade(comparison: &Comparison) -> PredictiveVerdict {
    if !comparison.differs(FALSE_ALARMS / GROUPS) {
        PredictiveVerdict::Fits
    } else if comparison.is_far() {
        PredictiveVerdict::DoesNotFit
    } else {
        PredictiveVerdict::Doubtful
    }
}

impl ParameterCheck {
    fn new(k: usize, posterior: &[[f64; DIM]], prior: &[[f64; DIM]]) -> Self {
        let column = |draws: &[[f64; DIM]]| draws.iter().map(|draw| draw[k]).collect::<Vec<f64>>();
        let (posterior, mut prior) = (column(posterior), column(prior));
        prior.sort_unstable_by(f64::total_cmp);
        let outermost = (TAIL * prior.len() as f64) as usize;
        let prior_range = (prior[outermost], prior[prior.len() - 1 - outermost]);
        let share = |outside: &dyn Fn(f64) -> bool| {
            posterior.iter().filter(|x| outside(**x)).count() as f64 / posterior.len() as f64
        };
        Self {
            name: PARAMETERS[k].into(),
            mean: metrics::mean(&posterior),
            prior_mean: metrics::mean(&prior),
            prior_sd: metrics::variance(&prior).sqrt(),
            prior_range,
            outside: (share(&|x| x < prior_range.0), share(&|x| x > prior_range.1)),
        }
    }

    /// Distance of the posterior mean from the prior mean, in standard deviations of the prior.
    #[must_use]
    pub fn sigmas(&self) -> f64 {
        let distance = self.mean - self.prior_mean;
        if distance == 0.0 { 0.0 } else { distance / self.prior_sd }
    }

    /// Whether the posterior lies where the prior has hardly any probability.
    #[must_use]
    pub fn verdict(&self) -> PredictiveVerdict {
        let share = self.outside.0.max(self.outside.1);
        if share > WRONG_SHARE || self.sigmas().abs() > WRONG_SIGMAS {
            PredictiveVerdict::DoesNotFit
        } else if share > DOUBTFUL_SHARE {
            PredictiveVerdict::Doubtful
        } else {
            PredictiveVerdict::Fits
        }
    }
}

impl PredictiveCheck {
    /// What speaks against the posterior, each with its likely reason; nothing if it fits.
    #[must_use]
    pub fn reasons(&self) -> Vec<String> {
        let far = self.parameters.iter().filter(|p| p.verdict() > PredictiveVerdict::Fits);
        let mut reasons: Vec<String> = far.map(ParameterCheck::to_string).collect();
        match &self.maps {
            Some(maps) => reasons.extend(maps.reasons()),
            None => reasons.push(
                "no maps can be simulated at most parameters of the posterior: a map in other \
                 units, or of another survey?"
                    .into(),
            ),
        }
        reasons
    }
}

impl fmt::Display for PredictiveCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.verdict, &self.maps) {
            (PredictiveVerdict::Fits, Some(PredictedMaps { spectra, shape, extremes })) => write!(
                f,
                "the map looks like those that the posterior predicts (p = {:.2} for power \
                 spectra, {:.2} for means and skewnesses, {:.2} for extreme pixels)",
                spectra.p_value.value, shape.p_value.value, extremes.p_value.value
            ),
            (PredictiveVerdict::Doubtful, _) => {
                write!(f, "the map may not fit: {}", self.reasons().join(" "))
            }
            _ => write!(f, "the map does not fit: {}", self.reasons().join(" ")),
        }
    }
}

impl fmt::Display for ParameterCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, mean, prior_range: (low, high), outside: (below, above), .. } = self;
        write!(
            f,
            "{name} = {mean:.3} is {:+.1} prior standard deviations from the prior mean; {:.0} % \
             of the posterior lies outside {low:.3} to {high:.3}, which holds 99.8 % of the prior: \
             a map in other units, or of another survey?",
            self.sigmas(),
            100.0 * (below + above)
        )
    }
}
