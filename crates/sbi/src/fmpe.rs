//! Flow matching posterior estimation.
//!
//! A velocity `v(t, x, y)` of the parameters (`x`, in standardised coordinates) given observables
//! carries draws of N(0, 1) at `t = 0` to draws of the posterior at `t = 1` along `dx/dt = v`. It is
//! fitted without solving that equation, to the straight paths from noise `x_0` to simulated
//! parameters `x_1`:
//!
//! `x_t = t x_1 + (1 - (1 - sigma_min) t) x_0`,
//! `loss = E |v(t, x_t, y) - (x_1 - (1 - sigma_min) x_0)|²`,
//!
//! with `t` of density `(1 + a) t^a` on `[0, 1]`. Draws are solutions of the equation; densities
//! follow from the integral of the divergence of `v` along them,
//!
//! `ln q(x(1) | y) = ln N(x(0); 0, 1) - int_0^1 div v dt`,
//!
//! which is exact: it costs one more evaluation of the network per parameter.
//!
//! *Shapes.* Simulations and posteriors are as those of [`npe`](mod@crate::npe). `v` is
//! `[row, parameter]`, of a time for each row, `x` `[row, parameter]` and `y` `[row, observable]`;
//! `ln q` is `[row, 1]`.
//!
//! *When to use.* Posteriors with separated modes or sharp features, which flows made of
//! one-to-one layers connect by thin bridges; many parameters; any network will do.
//! *When not.* When draws or densities are needed in large numbers: each costs some hundred
//! evaluations of the network, where a flow needs one. With few parameters and simulations flows
//! learn faster, the noise of this loss not vanishing even for the right `v`: on two moons with 5000
//! simulations and 4000 steps a classifier tells 2000 draws from the truth with an accuracy of 0.72,
//! those of [`npe`](crate::npe()) with 0.58.
//! Scores of the simulator cannot be used.
//!
//! # References
//! Y. Lipman, R. T. Q. Chen, H. Ben-Hamu, M. Nickel and M. Le, "Flow matching for generative
//! modeling", ICLR 2023, arXiv:2210.02747, equations 20 to 23. J. Wildberger, M. Dax, S. Buchholz,
//! S. Green, J. H. Macke and B. Schölkopf, "Flow matching for scalable simulation-based inference",
//! NeurIPS 2023, arXiv:2305.17161.

use burn::tensor::Tensor;
use flows::training::{Objective, Schedule, TrainingSettings};
use flows::{Scaling, Standardiser};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use autodiff::tensor::{Tape, Var};

use crate::coordinates::Coordinates;
use crate::error::{Error, Result};
use crate::estimator::Estimator;
use crate::fit::{FitSettings, Fitting};
use crate::network::Network;
use crate::prior::Prior;
use crate::setup::{Kind, Problem};
use crate::simulations::Simulations;
use crate::table::{pick, table};
use crate::vector_field::{VectorField, VectorFieldSettings};

/// Settings of flow matching posterior estimation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FmpeSettings {
    /// The velocity.
    pub field: VectorFieldSettings,
    /// Training and units. By default 8000 steps, the learning rate going from 2e-3 to 0 along half
    /// a cosine, and no early stopping: the noise of the validation loss would end most trainings
    /// far too soon. The weights of the best validation are kept.
    pub fit: FitSettings,
    /// Coordinates of the parameters.
    pub coordinates: Coordinates,
    /// `a` of the density `(1 + a) t^a` of the times of the loss, above -1. Default 0, uniform;
    /// larger values learn the end, where the posterior's details are, more precisely.
    pub time_power: f64,
}

impl Default for FmpeSettings {
    fn default() -> Self {
        let training = TrainingSettings {
            batch: 200,
            learning_rate: 2e-3,
            schedule: Schedule::Cosine,
            patience: None,
            max_steps: 8000,
            ..TrainingSettings::default()
        };
        Self {
            field: VectorFieldSettings::default(),
            fit: FitSettings { training, ..FitSettings::default() },
            coordinates: Coordinates::default(),
            time_power: 0.0,
        }
    }
}

/// Fits the posterior of the parameters to simulations whose parameters were drawn from `prior`.
/// How, and when to use it: see the [module](mod@crate::fmpe).
///
/// # Errors
/// If a setting is out of its domain, the simulations do not fit the prior or are too few, or the
/// training fails or is stopped.
pub fn fmpe(
    prior: &Prior,
    simulations: &Simulations,
    settings: &FmpeSettings,
    fitting: &mut Fitting<'_>,
) -> Result<Estimator> {
    if !(settings.time_power.is_finite() && settings.time_power > -1.0) {
        let (value, expected) = (settings.time_power.to_string(), "a number above -1".into());
        return Err(Error::Setting { field: "time_power", value, expected });
    }
    let (dim, device) = (prior.dim(), fitting.device.clone());
    let FmpeSettings { fit, coordinates, .. } = settings;
    let problem =
        Problem { prior, simulations, coordinates: *coordinates, fit, tails: None, start: None };
    let kind = Kind {
        wrap: Network::VectorField,
        unwrap: |network| match network {
            Network::VectorField(field) => Some(field),
            _ => None,
        },
    };
    let setup = problem.set_up(&kind, |u, observables, seed| {
        let target = Standardiser::fit("parameters", u, dim, Scaling::MeanSd)?;
        VectorField::new(&settings.field, target, observables, seed, &device)
    })?;
    let x = setup.models[0].target().encode("parameters", &setup.u)?;
    let x: Vec<f64> = x.into_iter().map(f64::from).collect();
    let objective = Matching {
        target: table(&x, dim, &device),
        context: table(&setup.y, setup.seen(), &device),
        time_power: settings.time_power,
    };
    setup.train(&objective, fitting)
}

/// The loss of a velocity over simulations.
struct Matching {
    target: Tensor<2>,
    context: Tensor<2>,
    time_power: f64,
}

impl Objective for Matching {
    type Model = VectorField;

    fn rows(&self) -> usize {
        self.target.dims()[0]
    }

    fn loss(
        &self,
        field: &VectorField,
        rows: &[usize],
        tape: &Tape,
        rng: &mut ChaCha8Rng,
    ) -> flows::Result<Var> {
        let (end, y) = (pick(&self.target, rows), pick(&self.context, rows));
        let (count, dim, device) = (rows.len(), end.dims()[1], end.device());
        // one time in each of as many equal parts of the distribution: less noise than at random
        let times: Vec<f64> = (0..count)
            .map(|part| {
                let level = (part as f64 + rng.random::<f64>()) / count as f64;
                level.powf(1.0 / (1.0 + self.time_power))
            })
            .collect();
        let noise: Vec<f64> = (0..count * dim).map(|_| StandardNormal.sample(rng)).collect();
        let noise = table(&noise, dim, &device);
        let shrink = 1.0 - field.sigma_min();
        let time = table(&times, 1, &device);
        let remaining = time.clone() * -shrink + 1.0;
        let x = end.clone() * time + noise.clone() * remaining;
        let velocity = field.velocity(&times, &tape.input(x), &tape.input(y));
        Ok((velocity - Var::constant(end - noise * shrink)).square().mean())
    }
}
