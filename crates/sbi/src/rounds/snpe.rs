//! Sequential neural posterior estimation with atomic proposals (SNPE-C, also APT).
//!
//! After the first round parameters are no draws of the prior, and a plain loss would learn the
//! posterior under another prior. Instead the network learns to tell which of `M` parameters (the
//! atoms: the right one and `M - 1` others of the same batch) has led to the observables. Under a
//! proposal that is uniform over the atoms their posterior probabilities are
//!
//! `P(i | x) = q(theta_i | x) / p(theta_i) / sum_j q(theta_j | x) / p(theta_j)`,
//!
//! and `min -E ln P(right one | x)` has its minimum at the posterior under the prior `p`, wherever
//! the parameters come from. The first round uses the plain loss. In normal coordinates the prior
//! is a standard normal density.
//!
//! *Shapes.* As those of [`npe`](mod@crate::npe), for one observation `[observable]`; each round
//! proposes parameters `[simulation, parameter]`, and the loss compares log ratios `[row, atom]`,
//! the right one first.
//!
//! *When to use.* One observation, dear simulations, a posterior much narrower than the prior.
//! *When not.* The loss sees the density at simulated parameters only. What the network does
//! elsewhere is not held by anything: mass may leak to where no simulation is, out of the prior in
//! particular (in natural coordinates; the leakage of each round is in its report). `combined`
//! holds it with the plain loss of the first round; truncated proposals
//! ([`Method::Tsnpe`](super::Method::Tsnpe)) avoid the problem. Each step costs `M` times as many
//! densities as a plain one. Scores cannot be used.
//!
//! # References
//! D. S. Greenberg, M. Nonnenmacher and J. H. Macke, "Automatic posterior transformation for
//! likelihood-free inference", ICML 2019, arXiv:1905.07488, equations 6 and 7. On leakage: M.
//! Deistler et al. 2022, arXiv:2210.04815, section 3.

use burn::tensor::{Int, Tensor};
use flows::Flow;
use flows::training::Objective;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use autodiff::tensor::{Tape, Var};

use super::method::check_fraction;
use crate::error::{Error, Result};
use crate::estimator::Estimator;
use crate::fit::Fitting;
use crate::npe::{NpeSettings, npe_from, set_up};
use crate::prior::Prior;
use crate::setup::Problem;
use crate::simulations::Simulations;
use crate::table::{pick, table};

/// Settings of sequential neural posterior estimation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SnpeSettings {
    /// The posterior and its training.
    pub npe: NpeSettings,
    /// Parameters among which the right one is to be found; fewer in smaller batches. Default 10.
    pub atoms: usize,
    /// Adds the plain loss of the simulations of the first round, which are draws of the prior, to
    /// that of later rounds. Default off.
    pub combined: bool,
    /// Fraction of each later round that is drawn from the prior, against posteriors that are too
    /// narrow. Default 0.
    pub prior_fraction: f64,
}

impl Default for SnpeSettings {
    fn default() -> Self {
        Self { npe: NpeSettings::default(), atoms: 10, combined: false, prior_fraction: 0.0 }
    }
}

impl SnpeSettings {
    pub(super) fn validate(&self) -> Result<()> {
        let setting = |field, value: String, expected: &str| {
            Err(Error::Setting { field, value, expected: expected.to_owned() })
        };
        if self.atoms < 2 {
            return setting("atoms", self.atoms.to_string(), "at least 2");
        }
        if self.npe.score.is_some() {
            return setting("score", "given".into(), "none: atomic losses cannot use scores");
        }
        check_fraction(self.prior_fraction)
    }
}

/// Learns from the simulations of all rounds, of which the first `first` are draws of the prior.
pub(super) fn train(
    prior: &Prior,
    simulations: &Simulations,
    settings: &SnpeSettings,
    first: usize,
    start: Option<&Estimator>,
    fitting: &mut Fitting<'_>,
) -> Result<Estimator> {
    if simulations.len() == first {
        return npe_from(prior, simulations, &settings.npe, start, fitting);
    }
    let device = fitting.device.clone();
    let NpeSettings { fit, coordinates, flow, .. } = &settings.npe;
    let problem =
        Problem { prior, simulations, coordinates: *coordinates, fit, tails: None, start };
    let setup = set_up(problem, flow, &device)?;
    let dim = prior.dim();
    let log_prior: Vec<f64> =
        setup.u.chunks(dim).map(|u| coordinates.log_prior(prior, u)).collect();
    let plain = |row: usize| if settings.combined && row < first { 1.0 } else { 0.0 };
    let plain: Vec<f64> = (0..simulations.len()).map(plain).collect();
    let objective = Atomic {
        target: setup.models[0].encode_target(&setup.u)?,
        context: setup.models[0].encode_context(&setup.y)?,
        log_prior: table(&log_prior, 1, &device),
        plain: settings.combined.then(|| table(&plain, 1, &device)),
        atoms: settings.atoms,
    };
    setup.train(&objective, fitting)
}

/// The loss of telling atoms apart.
struct Atomic {
    target: Tensor<2>,
    context: Tensor<2>,
    /// `ln p` of the coordinates, `[row, 1]`.
    log_prior: Tensor<2>,
    /// Weight of the plain loss of each row, `[row, 1]`, if any has one.
    plain: Option<Tensor<2>>,
    atoms: usize,
}

impl Objective for Atomic {
    type Model = Flow;

    fn rows(&self) -> usize {
        self.target.dims()[0]
    }

    fn loss(
        &self,
        flow: &Flow,
        rows: &[usize],
        tape: &Tape,
        rng: &mut ChaCha8Rng,
    ) -> flows::Result<Var> {
        let count = rows.len();
        let atoms = self.atoms.min(count);
        // for each row itself, then others of the batch
        let mut chosen = Vec::with_capacity(count * atoms);
        for own in 0..count {
            chosen.push(rows[own]);
            for other in rand::seq::index::sample(rng, count - 1, atoms - 1) {
                chosen.push(rows[if other < own { other } else { other + 1 }]);
            }
        }
        let each: Vec<i32> =
            (0..count * atoms).map(|row| i32::try_from(row / atoms).unwrap_or(i32::MAX)).collect();
        let context = pick(&self.context, rows);
        let each = Tensor::<1, Int>::from_ints(each.as_slice(), &context.device());
        let context = context.select(0, each);
        let (target, context) = (tape.input(pick(&self.target, &chosen)), tape.input(context));
        let log_density = flow.log_density(&target, &context);
        let log_prior = Var::constant(pick(&self.log_prior, &chosen));
        let ratios = (&log_density - log_prior).reshape([count, atoms]);
        let loss = (ratios.log_sum_exp() - ratios.columns(0..1)).mean();
        let Some(plain) = &self.plain else { return Ok(loss) };
        let own = log_density.reshape([count, atoms]).columns(0..1);
        Ok(loss - (own * Var::constant(pick(plain, rows))).mean())
    }
}
