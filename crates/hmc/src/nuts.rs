//! The no-U-turn transition.
//!
//! A trajectory is doubled forwards or backwards at random until it turns back on itself. The next
//! state is drawn among its points with weights `exp(-H)`: within a new half by a running
//! multinomial draw, between old and new half with a bias towards the new one.
//!
//! The criterion is the generalised one (sum of the momenta against the momenta at both ends), also
//! applied across the seam of the two halves of each subtree, from each half to the first point of
//! the other, as Stan does since version 2.21. The points of a new half are visited in order, so a
//! span is tested as soon as its last point exists: a half that will be thrown away is abandoned
//! at the earliest possible step, which leaves the transition probabilities as they are.
//!
//! References: Hoffman & Gelman 2014 (JMLR 15, 1593; arXiv:1111.4246); Betancourt 2017, *A
//! Conceptual Introduction to Hamiltonian Monte Carlo*, appendix A (arXiv:1701.02434); Stan
//! Reference Manual, *MCMC sampling*; Phan, Pradhan & Jankowiak 2019, appendix A, for the iterative
//! form (arXiv:1912.11554).

use rand::{Rng, RngExt};

use crate::{
    density::LogDensity,
    hamiltonian::{Hamiltonian, Point, Proposal},
    vector::{add_assign, log_add_exp, turns},
};

/// Work space, kept between transitions so that none of them allocates. Each level of the tree
/// beyond the first adds three vectors.
#[derive(Clone, Debug, Default)]
pub struct Workspace {
    forward: Point,
    half: Proposal,
    /// Sum of the momenta of the old trajectory.
    rho: Vec<f64>,
    /// Momentum of the old trajectory at the end that grows.
    seam: Vec<f64>,
    /// Running sum of the momenta of the new half.
    sum: Vec<f64>,
    checkpoints: Checkpoints,
}

/// What a transition reports beside the chosen state.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outcome {
    /// Mean of `min(1, exp(H_0 - H))` over the points visited.
    pub accept: f64,
    /// Mean of `2 / (1 + exp |H_0 - H|)` over the points visited: at equilibrium it has the same
    /// expectation to first order, but does not depend on the luck of the initial point.
    pub symmetric_accept: f64,
    /// Number of doublings, the abandoned one included.
    pub depth: u32,
    /// Integrator steps.
    pub steps: u32,
    /// True if the energy error exceeded its bound or the density failed.
    pub divergent: bool,
    /// True if the chosen state is not the initial one.
    pub moved: bool,
    /// Mean square of the energy errors of the steps of the unadjusted sampler; 0 for the others.
    pub squared_error: f64,
}

/// One transition from `start` (momentum already drawn), which becomes the backward end of the
/// trajectory. The next state is left in `chosen`.
pub fn transition<D: LogDensity>(
    dynamics: &mut Hamiltonian<D>,
    start: &mut Point,
    chosen: &mut Proposal,
    work: &mut Workspace,
    (step, max_depth, max_energy_error): (f64, u32, f64),
    rng: &mut impl Rng,
) -> Result<Outcome, D::Error> {
    let initial_energy = start.energy();
    chosen.take(start, initial_energy);
    work.forward.copy_from(start);
    work.rho.clone_from(&start.p);
    let backward = start;
    let mut log_weight = 0.0;
    let mut outcome = Outcome::default();
    let mut accept_sum = 0.0;
    let mut symmetric_sum = 0.0;

    while outcome.depth < max_depth {
        let forwards = rng.random::<bool>();
        let (end, step) =
            if forwards { (&mut work.forward, step) } else { (&mut *backward, -step) };
        work.seam.clone_from(&end.p);
        let mut half = Half {
            end,
            sum: &mut work.sum,
            checkpoints: &mut work.checkpoints,
            proposal: &mut work.half,
            log_weight: f64::NEG_INFINITY,
        };
        let mut complete = true;
        for leaf in 0..1u32 << outcome.depth {
            let energy = dynamics.step(half.end, step)?;
            outcome.steps += 1;
            let gain = initial_energy - energy;
            accept_sum += gain.exp().min(1.0);
            symmetric_sum += 2.0 / (1.0 + gain.abs().exp());
            outcome.divergent = -gain > max_energy_error;
            complete = !outcome.divergent && half.add(leaf, energy, gain, rng);
            if !complete {
                break;
            }
        }
        outcome.depth += 1;
        if !complete {
            break;
        }

        let half_log_weight = half.log_weight;
        if rng.random::<f64>().ln() < half_log_weight - log_weight {
            std::mem::swap(chosen, &mut work.half);
            outcome.moved = true;
        }
        log_weight = log_add_exp(log_weight, half_log_weight);

        let (far, near) =
            if forwards { (&*backward, &work.forward) } else { (&work.forward, &*backward) };
        let (old, new, seam) = (&work.rho, &work.sum, &work.seam);
        let first = &work.checkpoints.starts[0].0;
        if turns(|i| old[i] + new[i], &far.p, &near.p)
            || turns(|i| old[i] + first[i], &far.p, first)
            || turns(|i| seam[i] + new[i], seam, &near.p)
        {
            break;
        }
        add_assign(&mut work.rho, &work.sum);
    }
    outcome.accept = accept_sum / f64::from(outcome.steps);
    outcome.symmetric_accept = symmetric_sum / f64::from(outcome.steps);
    Ok(outcome)
}

/// The half of a trajectory under construction.
struct Half<'a> {
    end: &'a mut Point,
    sum: &'a mut Vec<f64>,
    checkpoints: &'a mut Checkpoints,
    proposal: &'a mut Proposal,
    log_weight: f64,
}

impl Half<'_> {
    /// Takes in the point just reached. False if a subtree that ends here, or the seam of one, turns.
    fn add(&mut self, leaf: u32, energy: f64, log_weight: f64, rng: &mut impl Rng) -> bool {
        self.log_weight = log_add_exp(self.log_weight, log_weight);
        if rng.random::<f64>().ln() < log_weight - self.log_weight || leaf == 0 {
            self.proposal.take(self.end, energy);
        }
        if leaf == 0 {
            self.sum.clone_from(&self.end.p);
        } else {
            add_assign(self.sum, &self.end.p);
        }
        let turned = self.checkpoints.span_turns(leaf, &self.end.p, self.sum);
        self.checkpoints.store(leaf, &self.end.p, self.sum);
        !turned
    }
}

/// The momenta needed to test all subtrees of a half that end at its newest point.
///
/// Points are numbered from 0; a subtree of level `l` covers `2^l` points from a multiple of `2^l`.
#[derive(Clone, Debug, Default)]
struct Checkpoints {
    /// Momentum and running sum at the first point of each subtree still open, or just closed. The
    /// first points of the subtrees that hold point `n` are `n` with low bits cleared, so the number
    /// of bits set in such a point is its own slot.
    starts: Vec<(Vec<f64>, Vec<f64>)>,
    /// At `l - 1`: momentum at the last point of the newest left half of a subtree of level `l + 1`.
    left_ends: Vec<Vec<f64>>,
}

impl Checkpoints {
    fn start(&self, leaf: u32) -> &(Vec<f64>, Vec<f64>) {
        &self.starts[leaf.count_ones() as usize]
    }

    fn store(&mut self, leaf: u32, p: &Vec<f64>, sum: &Vec<f64>) {
        if leaf.is_multiple_of(2) {
            let slot = leaf.count_ones() as usize;
            if slot == self.starts.len() {
                self.starts.push((p.clone(), sum.clone()));
            } else {
                self.starts[slot].0.clone_from(p);
                self.starts[slot].1.clone_from(sum);
            }
        } else {
            let slot = leaf.trailing_ones() as usize - 1;
            if slot == self.left_ends.len() {
                self.left_ends.push(p.clone());
            } else {
                self.left_ends[slot].clone_from(p);
            }
        }
    }

    /// Whether any span that must be tested and ends at `leaf` turns.
    fn span_turns(&self, leaf: u32, p: &[f64], sum: &[f64]) -> bool {
        if leaf == 0 {
            return false;
        }
        // from the first point of the subtree whose right half begins here
        let (first, first_sum) = self.start(leaf & (leaf - 1));
        if turns(|i| sum[i] - first_sum[i] + first[i], first, p) {
            return true;
        }
        // subtrees of level 2 and more that end here (that of level 1 was tested above)
        (2..=leaf.trailing_ones()).any(|level| {
            let (first, first_sum) = self.start(leaf + 1 - (1 << level));
            let (middle, middle_sum) = self.start(leaf + 1 - (1 << (level - 1)));
            let left_end = &self.left_ends[level as usize - 2];
            turns(|i| sum[i] - first_sum[i] + first[i], first, p)
                || turns(|i| sum[i] - middle_sum[i] + middle[i] + left_end[i], left_end, p)
        })
    }
}
