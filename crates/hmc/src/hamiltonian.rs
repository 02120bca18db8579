//! Points of phase space and their motion.

use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::{
    density::{LogDensity, LogDensityError},
    integrator::Integrator,
    isokinetic,
    metric::Metric,
    vector::{dot, normalise},
};

/// A point of phase space in standardised coordinates.
#[derive(Clone, Debug, Default)]
pub struct Point {
    /// Standardised coordinates.
    pub x: Vec<f64>,
    /// Momentum, standard normal a priori; of the microcanonical samplers the direction of motion, a
    /// unit vector, uniform a priori.
    pub p: Vec<f64>,
    /// Gradient of the log density with respect to `x`.
    pub g: Vec<f64>,
    /// Log density; negative infinity where it could not be evaluated.
    pub log_density: f64,
}

impl Point {
    /// Copies without allocating.
    pub fn copy_from(&mut self, other: &Self) {
        self.x.clone_from(&other.x);
        self.p.clone_from(&other.p);
        self.g.clone_from(&other.g);
        self.log_density = other.log_density;
    }

    /// Draws a new momentum.
    pub fn refresh_momentum(&mut self, rng: &mut impl Rng) {
        self.p.resize(self.x.len(), 0.0);
        for p in &mut self.p {
            *p = StandardNormal.sample(rng);
        }
    }

    /// Draws a new direction of motion.
    pub fn refresh_direction(&mut self, rng: &mut impl Rng) {
        self.refresh_momentum(rng);
        normalise(&mut self.p);
    }

    /// `-log pi + p.p/2`; infinite where the density or its gradient is not finite.
    pub fn energy(&self) -> f64 {
        let energy = 0.5 * dot(&self.p, &self.p) - self.log_density;
        if energy.is_finite() { energy } else { f64::INFINITY }
    }
}

/// A position with its gradient: what a transition hands on, without the momentum.
#[derive(Clone, Debug, Default)]
pub struct Proposal {
    /// Standardised coordinates.
    pub x: Vec<f64>,
    /// Gradient with respect to `x`.
    pub g: Vec<f64>,
    /// Log density.
    pub log_density: f64,
    /// Energy of the point it was taken from.
    pub energy: f64,
}

impl Proposal {
    /// Copies position and gradient of `point` without allocating.
    pub fn take(&mut self, point: &Point, energy: f64) {
        self.x.clone_from(&point.x);
        self.g.clone_from(&point.g);
        self.log_density = point.log_density;
        self.energy = energy;
    }
}

/// Work space for one evaluation of the density.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    position: Vec<f64>,
    gradient: Vec<f64>,
}

/// The dynamics: a density seen through a metric.
pub struct Hamiltonian<'a, D> {
    pub density: &'a mut D,
    pub metric: &'a Metric,
    pub integrator: Integrator,
    pub scratch: &'a mut Scratch,
    /// Number of gradients evaluated through this.
    pub gradients: u64,
}

impl<D: LogDensity> Hamiltonian<'_, D> {
    /// Moves `point` by one step (backwards if `step` is negative) and returns its energy, infinite
    /// where the density fails recoverably.
    pub fn step(&mut self, point: &mut Point, step: f64) -> Result<f64, D::Error> {
        let integrator = self.integrator;
        integrator.advance(step, point, |point| self.evaluate(point))?;
        Ok(point.energy())
    }

    /// Moves `point`, whose `p` is a unit vector, by one step of the isokinetic dynamics and returns
    /// the energy error, infinite where the density fails recoverably.
    pub fn isokinetic_step(&mut self, point: &mut Point, step: f64) -> Result<f64, D::Error> {
        let integrator = self.integrator;
        isokinetic::advance(integrator, step, point, |point| self.evaluate(point))
    }

    fn evaluate(&mut self, point: &mut Point) -> Result<(), D::Error> {
        let Scratch { position, gradient } = &mut *self.scratch;
        position.resize(point.x.len(), 0.0);
        gradient.resize(point.x.len(), 0.0);
        self.metric.position(&point.x, position);
        if !position.iter().all(|q| q.is_finite()) {
            // there is no density at infinity, whatever the function says
            point.log_density = f64::NEG_INFINITY;
            return Ok(());
        }
        self.gradients += 1;
        match self.density.log_density_and_gradient(position, gradient) {
            Ok(log_density) => {
                point.log_density = log_density;
                self.metric.pull_gradient(gradient, &mut point.g);
            }
            Err(error) if error.is_recoverable() => point.log_density = f64::NEG_INFINITY,
            Err(error) => return Err(error),
        }
        Ok(())
    }
}
