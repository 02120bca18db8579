//! Simulations with scores: derivatives of a log density of the simulation in the parameters.
//!
//! What learning wants is the marginal score `s = d log p(map | theta) / d theta`. A simulator only
//! knows joint densities, `log p(map, u | theta)` with coordinates `u` of the latent field, whose
//! derivative at fixed `u` is a noisy `s`: by Fisher's identity
//!
//! `s(map, theta) = E[ d log p(map, u | theta) / d theta | map, theta ]`.
//!
//! This holds for *any* coordinates `u = u(field, map, theta)`, if the Jacobian is part of the
//! density: every choice is unbiased, and what is held fixed decides on the noise. Two choices
//! differ by a control variate of Stein: if `u` moves with velocity `v(u) = du/dtheta` in the
//! coordinates `u'`, the scores differ by `v . grad log p(u | map, theta) + div v`, whose mean given
//! the map is zero.
//!
//! | held fixed | noise |
//! |---|---|
//! | latents `z`, which the parameters turn into a field | the map constrains the field, not `z`: a change of the parameters moves the field away from the data |
//! | the Gaussian field | the parameters are seen through the power of all modes, also of those that the map says nothing about |
//! | whitened latents ([`WhitenedDensity`](crate::WhitenedDensity)) | none for a Gaussian field: they are independent of map and parameters. For a lognormal field what it departs from a Gaussian one |
//!
//! # References
//! - Zeghal, Lanusse, Boucaud, Remy & Aubourg 2022, arXiv:2207.05636 (scores of simulations)
//! - Brehmer, Louppe, Pavez & Cranmer 2020, arXiv:1805.12244 (joint scores, and their mean)
//! - Mira, Solgi & Imparato 2013, arXiv:1012.2983 (control variates from gradients)

use serde::{Deserialize, Serialize};

use crate::cosmology::Cosmology;
use crate::density::LatentGradient;
use crate::error::{Error, Result};
use crate::mode_density::power_gradient;
use crate::simulator::{Randomness, Simulator};
use crate::spaces::{GradientSpace, MapSpace, Pooled};
use crate::whitening::{WhitenedSpace, measure_power};

/// What the score of a simulation holds fixed. All have the same mean given the map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScoreKind {
    /// The latents, as the survey mixes them: the conditional score of the literature,
    /// `d log p(map | z, theta) / d theta`.
    Latents,
    /// The Gaussian field: `d [log p(map | g, theta) + log p(g | theta)] / d theta`.
    Field,
    /// The whitened latents: `d log p(map, x | theta) / d theta`.
    #[default]
    Whitened,
}

impl ScoreKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Latents, Self::Field, Self::Whitened];
}

/// A simulation with a score.
#[derive(Clone, Debug)]
pub struct ScoredSimulation {
    /// Noisy maps `[bin][y][x]`.
    pub maps: Vec<f64>,
    /// An unbiased estimate of `d log p(map | theta) / d theta` given the map, in the order of
    /// [`PARAMETERS`](crate::PARAMETERS). The joint score of the literature adds
    /// `d log p(theta) / d theta` of the prior.
    pub score: [f64; 6],
}

impl Simulator {
    /// A noisy simulation and its conditional score (Zeghal et al. 2022, arXiv:2207.05636). The
    /// maps are those of [`Simulator::simulate`] with noise.
    ///
    /// # Errors
    /// As [`Simulator::fields`].
    pub fn simulate_with_score(
        &self,
        cosmology: &Cosmology,
        seed: u64,
        index: u64,
    ) -> Result<ScoredSimulation> {
        self.simulate_scored(ScoreKind::Latents, cosmology, seed, index)
    }

    /// A noisy simulation and a score of the chosen kind. The maps are those of
    /// [`Simulator::simulate`] with noise, whatever the kind; maps and score depend on cosmology,
    /// seed and index alone.
    ///
    /// # Errors
    /// As [`Simulator::fields`]; [`Error::NotFinite`] for a score that is not finite.
    pub fn simulate_scored(
        &self,
        kind: ScoreKind,
        cosmology: &Cosmology,
        seed: u64,
        index: u64,
    ) -> Result<ScoredSimulation> {
        let randomness = Randomness::new(seed, index);
        let scored = match kind {
            ScoreKind::Latents | ScoreKind::Field => {
                self.simulate_and_differentiate(kind, cosmology, randomness)
            }
            ScoreKind::Whitened => self.simulate_and_whiten(cosmology, randomness),
        }?;
        if scored.score.iter().all(|s| s.is_finite()) {
            Ok(scored)
        } else {
            Err(Error::NotFinite { what: format!("the score {:?}", scored.score) })
        }
    }

    fn simulate_and_differentiate(
        &self,
        kind: ScoreKind,
        cosmology: &Cosmology,
        mut randomness: Randomness,
    ) -> Result<ScoredSimulation> {
        let mut space = self.spaces().gradients.lend(|| GradientSpace::new(self));
        let GradientSpace { fields, steps, adjoint } = &mut *space;
        fields.update(|power| self.update_power(&cosmology.with_derivatives(), power, steps))?;
        let latents: Vec<f64> = randomness.normals(self.map_len());
        let mut maps = vec![0.0; latents.len()];
        fields.write_convergence(&latents, &mut maps, &mut adjoint.field);
        self.add_noise(&mut randomness, &mut maps);
        let mut gradient = LatentGradient::default();
        adjoint.evaluate(self, fields, &maps, &latents, &mut gradient)?;
        if kind == ScoreKind::Latents {
            return Ok(ScoredSimulation { score: adjoint.pull_back(self, fields, steps), maps });
        }
        // At a fixed field the likelihood depends on shifts and variances only.
        fields.mix(&latents, &mut adjoint.field);
        let unitary = 1.0 / self.survey().npix as f64;
        adjoint.field.mixed.iter_mut().for_each(|mode| *mode *= unitary);
        let measured = measure_power(self, &adjoint.field.mixed);
        let power_bar = &mut adjoint.mixing_bars.power;
        power_gradient(self.modes(), &fields.power().gaussian, &measured, self.bins(), power_bar);
        let score = self.pull_back_power(
            fields.power(),
            steps,
            power_bar,
            &adjoint.variances_bar,
            &mut adjoint.shifts_bar,
        );
        Ok(ScoredSimulation { score, maps })
    }

    fn simulate_and_whiten(
        &self,
        cosmology: &Cosmology,
        mut randomness: Randomness,
    ) -> Result<ScoredSimulation> {
        let mut drawn = f64::map_spaces(self.spaces()).lend(|| MapSpace::new(self));
        let MapSpace { fields, latents, field, .. } = &mut *drawn;
        let mut space = self.spaces().whitened.lend(|| WhitenedSpace::new(self));
        space.set_cosmology(self, cosmology)?;
        space.copy_power(fields)?;
        randomness.fill_normals(latents);
        let mut maps = vec![0.0; latents.len()];
        fields.write_convergence(latents, &mut maps, field);
        self.add_noise(&mut randomness, &mut maps);

        space.observe(self, &maps);
        space.update_model(self)?;
        fields.mix(latents, field);
        let mut white = vec![0.0; latents.len()];
        space.whiten(self, &field.latents, &field.mixed, &mut white);
        let mut gradient = vec![0.0; white.len()];
        space.evaluate(self, &white, &mut gradient)?;
        Ok(ScoredSimulation { score: space.parameter_gradient(self), maps })
    }
}
