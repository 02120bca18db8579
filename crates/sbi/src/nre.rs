//! Neural ratio estimation.
//!
//! A classifier tells parameters that a simulation was made with from others. Its logit `f(theta,
//! x)` estimates `ln p(x | theta) / p(x)`, and the posterior `exp f(theta, x) p(theta)` of an
//! observation is sampled by MCMC. As for likelihoods, the parameters of the simulations may come
//! from anywhere. With `K` other parameters `theta_1 .. theta_K` per simulation `(theta_0, x)`:
//!
//! - **NRE-B** picks the right one: `loss = -mean ln exp f(theta_0, x) / sum_{k=0..K} exp f(theta_k,
//!   x)`. The ratio is free up to a function of `x`, which no posterior depends on.
//! - **NRE-C** (contrastive) may also say "none of them": with `g` the odds of the right one being
//!   there,
//!   `loss = -1/(1+g) mean ln K / (K + g sum_{k=1..K} exp f(theta_k, x)) -
//!   g/(1+g) mean ln g exp f(theta_0, x) / (K + g sum_{k=0..K-1} exp f(theta_k, x))`,
//!   whose ratio has no free function: its `log_prob` is that of a normalised posterior.
//!
//! *Shapes.* Simulations are as those of [`npe`](mod@crate::npe). The classifier sees parameters in
//! the prior's normal coordinates `[row, parameter]` and observables in standard units
//! `[row, observable]`, and gives `f` `[row, 1]`; the losses compare `[row, 1 + K]` of them, the
//! right one first.
//!
//! *When to use.* Many observables or awkward ones: nothing needs to be a density of `x`. Cheap
//! networks.
//! *When not.* Ratios that vary by many orders of magnitude (posteriors much narrower than the
//! prior) are learnt slowly: prefer likelihood or posterior estimation, or rounds.
//!
//! # References
//! C. Durkan, I. Murray and G. Papamakarios, "On contrastive learning for likelihood-free
//! inference", ICML 2020, arXiv:2002.03712, equation 6. B. K. Miller, C. Weniger and P. Forré,
//! "Contrastive neural ratio estimation", NeurIPS 2022, arXiv:2210.06170, section 2.

use autodiff::tensor::{Tape, Var};
use burn::tensor::Tensor;
use flows::training::{Objective, TrainingSettings};
use flows::{Scaling, Standardiser};
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::coordinates::Coordinates;
use crate::error::{Error, Result};
use crate::estimator::Estimator;
use crate::fit::{FitSettings, Fitting};
use crate::network::Network;
use crate::prior::Prior;
use crate::ratio::{Ratio, RatioSettings};
use crate::setup::{Kind, Problem};
use crate::simulations::Simulations;
use crate::table::{pick, table};

/// Settings of neural ratio estimation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NreSettings {
    /// The classifier.
    pub ratio: RatioSettings,
    /// Training and units. Default batches of 50 with the learning rate 1e-2, until five epochs
    /// bring no improvement.
    pub fit: FitSettings,
    /// What the classifier decides. Default NRE-C with `g` = 1.
    pub loss: RatioLoss,
    /// `K`, the other parameters per simulation; those of the other simulations where there are
    /// fewer. Default 10.
    pub others: usize,
}

impl Default for NreSettings {
    fn default() -> Self {
        Self {
            ratio: RatioSettings::default(),
            fit: FitSettings {
                training: TrainingSettings {
                    batch: 50,
                    patience: Some(5),
                    learning_rate: 1e-2,
                    ..TrainingSettings::default()
                },
                ..FitSettings::default()
            },
            loss: RatioLoss::default(),
            others: 10,
        }
    }
}

/// What the classifier decides.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RatioLoss {
    /// Which of the parameters is the right one (Durkan et al. 2020).
    NreB,
    /// Whether one of them is, and which (Miller et al. 2022).
    NreC {
        /// `g`, the odds of one being right.
        odds: f64,
    },
}

impl Default for RatioLoss {
    fn default() -> Self {
        Self::NreC { odds: 1.0 }
    }
}

impl RatioLoss {
    /// The loss `[1, 1]` of log ratios `[rows, 1 + others]`, the right parameters in the first column.
    fn of(self, f: &Var) -> Var {
        let [_, columns] = f.dims();
        let right = f.columns(0..1);
        let loss = match self {
            Self::NreB => f.log_sum_exp() - right,
            Self::NreC { odds } => {
                let others = columns - 1;
                let shift = (odds / others as f64).ln() as f32;
                // ln(1 + g / K sum exp f)
                let none_or = |range| (f.columns(range).log_sum_exp() + shift).softplus();
                let absent = none_or(1..columns);
                let present = none_or(0..others) - (right + shift);
                (absent + present * odds as f32) * (1.0 / (1.0 + odds)) as f32
            }
        };
        loss.mean()
    }
}

/// The loss of a ratio over simulations.
struct Contrast {
    loss: RatioLoss,
    others: usize,
    /// Coordinates of the parameters, `[row, parameter]`.
    u: Tensor<2>,
    /// Observables, `[row, observable]`.
    y: Tensor<2>,
}

impl Objective for Contrast {
    type Model = Ratio;

    fn rows(&self) -> usize {
        self.u.dims()[0]
    }

    fn loss(
        &self,
        ratio: &Ratio,
        rows: &[usize],
        tape: &Tape,
        rng: &mut ChaCha8Rng,
    ) -> flows::Result<Var> {
        let (all, columns) = (self.rows(), 1 + self.others);
        // the others lie at the same distances from each row
        let distances = index::sample(rng, all - 1, self.others).into_vec();
        let of_row = |row: &usize| {
            let others = distances.iter().map(|distance| (row + 1 + distance) % all);
            std::iter::once(*row).chain(others).collect::<Vec<_>>()
        };
        let chosen: Vec<usize> = rows.iter().flat_map(of_row).collect();
        let u = tape.input(pick(&self.u, &chosen));
        let y = tape.input(pick(&self.y, rows)).repeat_rows(columns);
        let f = ratio.log_ratio(&u, &y).reshape([rows.len(), columns]);
        Ok(self.loss.of(&f))
    }
}

/// Fits the ratio of likelihood and evidence to simulations. The network sees the parameters in the
/// normal coordinates of `prior`, whose density becomes part of the posterior. How, and when to use
/// it: see the [module](mod@crate::nre).
///
/// # Errors
/// If a setting is out of its domain, the simulations do not fit the prior or are too few, or the
/// training fails or is stopped.
pub fn nre(
    prior: &Prior,
    simulations: &Simulations,
    settings: &NreSettings,
    fitting: &mut Fitting<'_>,
) -> Result<Estimator> {
    nre_from(prior, simulations, settings, None, fitting)
}

/// The same, from the weights and with the units of `start`, if it is given.
pub(crate) fn nre_from(
    prior: &Prior,
    simulations: &Simulations,
    settings: &NreSettings,
    start: Option<&Estimator>,
    fitting: &mut Fitting<'_>,
) -> Result<Estimator> {
    settings.validate()?;
    let device = fitting.device.clone();
    let coordinates = Coordinates::Normal;
    let problem =
        Problem { prior, simulations, coordinates, fit: &settings.fit, tails: None, start };
    let kind = Kind {
        wrap: Network::Ratio,
        unwrap: |network| match network {
            Network::Ratio(ratio) => Some(ratio),
            _ => None,
        },
    };
    let setup = problem.set_up(&kind, |u, observables, seed| {
        let units = Standardiser::fit("parameters", u, prior.dim(), Scaling::MeanSd)?;
        Ratio::new(&settings.ratio, units, observables, seed, &device)
    })?;
    let objective = Contrast {
        loss: settings.loss,
        others: settings.others.min(simulations.len() - 1),
        u: table(&setup.u, prior.dim(), &device),
        y: table(&setup.y, setup.seen(), &device),
    };
    setup.train(&objective, fitting)
}

impl NreSettings {
    /// Checks what is not checked by a training.
    ///
    /// # Errors
    /// [`Error::Setting`] with the first field out of its domain.
    pub(crate) fn validate(&self) -> Result<()> {
        if self.others == 0 {
            let (value, expected) = ("0".into(), "at least 1".into());
            return Err(Error::Setting { field: "others", value, expected });
        }
        match self.loss {
            RatioLoss::NreC { odds } if !(odds.is_finite() && odds > 0.0) => {
                let (value, expected) = (odds.to_string(), "a positive number".into());
                Err(Error::Setting { field: "loss.odds", value, expected })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};

    fn loss(loss: RatioLoss, f: &[f32], columns: usize) -> f64 {
        let data = TensorData::new(f.to_vec(), [f.len() / columns, columns]);
        let f = Var::constant(Tensor::from_data(data, &Device::flex()));
        f64::from(loss.of(&f).into_value().into_scalar::<f32>())
    }

    #[test]
    fn losses_are_those_of_the_papers() {
        let rows = [[0.3, -1.2, 2.0], [40.0, 1.0, -60.0]];
        let flat: Vec<f32> = rows.iter().flatten().map(|f| *f as f32).collect();
        let exp = |f: f64| f.exp();
        let b = |f: &[f64; 3]| -(exp(f[0]) / (exp(f[0]) + exp(f[1]) + exp(f[2]))).ln();
        let expected = rows.iter().map(b).sum::<f64>() / 2.0;
        assert!((loss(RatioLoss::NreB, &flat, 3) - expected).abs() < 1e-6);
        for odds in [1.0, 3.0] {
            let c = |f: &[f64; 3]| {
                let absent = 2.0 / (2.0 + odds * (exp(f[1]) + exp(f[2])));
                let present = odds * exp(f[0]) / (2.0 + odds * (exp(f[0]) + exp(f[1])));
                -(absent.ln() + odds * present.ln()) / (1.0 + odds)
            };
            let expected = rows.iter().map(c).sum::<f64>() / 2.0;
            let found = loss(RatioLoss::NreC { odds }, &flat, 3);
            assert!(
                (found - expected).abs() < 1e-6 * expected.abs().max(1.0),
                "{found} {expected}"
            );
        }
        // without knowledge: ln(K + 1), and ln 2 + ln(2 K) over 2
        assert!((loss(RatioLoss::NreB, &[0.0; 6], 6) - 6f64.ln()).abs() < 1e-6);
        let expected = 0.5 * (2f64.ln() + 10f64.ln());
        assert!((loss(RatioLoss::default(), &[0.0; 6], 6) - expected).abs() < 1e-6);
    }
}
