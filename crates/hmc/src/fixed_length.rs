//! The Hamiltonian Monte Carlo transition with a trajectory of fixed length.
//!
//! Reference: Neal 2011, *MCMC using Hamiltonian dynamics*, section 3 (arXiv:1206.1901).

use rand::{Rng, RngExt};

use crate::{
    density::LogDensity,
    hamiltonian::{Hamiltonian, Point, Proposal},
    nuts::Outcome,
};

/// One transition from `start` (momentum already drawn), which is left at the trajectory's end. The
/// next state is left in `chosen`.
pub fn transition<D: LogDensity>(
    dynamics: &mut Hamiltonian<D>,
    start: &mut Point,
    chosen: &mut Proposal,
    (step, steps, max_energy_error): (f64, u32, f64),
    rng: &mut impl Rng,
) -> Result<Outcome, D::Error> {
    let initial_energy = start.energy();
    chosen.take(start, initial_energy);
    let mut outcome = Outcome::default();
    let mut energy = initial_energy;
    for _ in 0..steps {
        energy = dynamics.step(start, step)?;
        outcome.steps += 1;
        outcome.divergent = energy - initial_energy > max_energy_error;
        if outcome.divergent {
            return Ok(outcome);
        }
    }
    outcome.accept = (initial_energy - energy).exp().min(1.0);
    outcome.symmetric_accept = 2.0 / (1.0 + (initial_energy - energy).abs().exp());
    if rng.random::<f64>() < outcome.accept {
        chosen.take(start, energy);
        outcome.moved = true;
    }
    Ok(outcome)
}
