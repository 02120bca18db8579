//! From spectra on the nodes of [`Theory`] to spectra at any multipole, with fixed weights.
//!
//! The weights do not depend on cosmology: the result is linear in the node values, hence as
//! smooth in the parameters as they are, and its transpose carries gradients back.
//!
//! Against direct integration, spectra between ell = 30 and 7000 are within 2e-4 at cosmologies of
//! the published prior. The nodes are too far apart for stronger baryon oscillations than that:
//! within 3e-3 where baryons are a third of matter, 2e-2 up to 70 %, and 0.2 where there is hardly
//! any dark matter (`tests/physics/interpolation.rs`); twice the nodes would double the cost of the
//! theory everywhere. [`Theory::spectra`] integrates directly at any multipole.

use autodiff::Real;

use crate::quadrature::{lagrange, stencil_start};
use crate::theory::check_multipoles;
use crate::{Error, Result, Theory};

/// Nodes used for one multipole: polynomials of degree five in ln(ell + 1/2).
const WIDTH: usize = 6;
/// The polynomials interpolate the node quantity times nu to this power, which varies little.
const FLATTENING: f64 = 1.5;

/// Interpolation from the nodes of a [`Theory`] to given multipoles.
#[derive(Clone, Debug)]
pub struct EllInterpolation {
    nodes: usize,
    /// For each multipole the first node and the weights of the nodes from there.
    stencils: Vec<(usize, [f64; WIDTH])>,
}

impl EllInterpolation {
    /// Weights for multipoles `ell`, in any order; a multipole of zero gives zero, and none below
    /// one but zero is allowed.
    ///
    /// # Errors
    /// [`Error::Config`] for a multipole that lies outside the nodes.
    pub fn new(theory: &Theory, ell: &[f64]) -> Result<Self> {
        check_multipoles(ell)?;
        let nodes = theory.nodes();
        let (first, last) = (nodes[0], nodes[nodes.len() - 1]);
        let log_nodes: Vec<f64> = nodes.iter().map(|nu| nu.ln()).collect();
        let stencils = ell
            .iter()
            .map(|&ell| {
                let nu = ell + 0.5;
                if ell == 0.0 {
                    return Ok((0, [0.0; WIDTH]));
                }
                if nu > last * (1.0 + 1e-12) {
                    let expected = format!("between {} and {}", first - 0.5, last - 0.5);
                    return Err(Error::config("ell", ell, expected));
                }
                let start = stencil_start(&log_nodes, nu.ln(), WIDTH);
                let cardinals = lagrange(&log_nodes[start..start + WIDTH], nu.ln());
                let weights = std::array::from_fn(|i| {
                    theory.prefactor().at(ell)
                        * cardinals[i]
                        * (nodes[start + i] / nu).powf(FLATTENING)
                });
                Ok((start, weights))
            })
            .collect::<Result<_>>()?;
        Ok(Self { nodes: nodes.len(), stencils })
    }

    /// Number of nodes.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.nodes
    }

    /// Number of multipoles.
    #[must_use]
    pub fn multipoles(&self) -> usize {
        self.stencils.len()
    }

    /// C_ell at the multipoles from the values of one pair at the nodes.
    ///
    /// # Panics
    /// If `nodes` is shorter than the nodes of the theory.
    #[must_use]
    pub fn apply<R: Real>(&self, nodes: &[R]) -> Vec<R> {
        self.values(nodes).collect()
    }

    /// [`EllInterpolation::apply`], one by one.
    pub(crate) fn values<R: Real>(&self, nodes: &[R]) -> impl Iterator<Item = R> {
        self.stencils.iter().map(|(start, weights)| {
            let mut sum = R::from(0.0);
            for (&value, &weight) in nodes[*start..start + WIDTH].iter().zip(weights) {
                sum += value * weight;
            }
            sum
        })
    }

    /// The transpose: from derivatives by C_ell to derivatives by the node values.
    #[must_use]
    pub fn adjoint(&self, cotangent: &[f64]) -> Vec<f64> {
        let mut nodes = vec![0.0; self.nodes];
        for ((start, weights), &cotangent) in self.stencils.iter().zip(cotangent) {
            for (node, weight) in nodes[*start..start + WIDTH].iter_mut().zip(weights) {
                *node += weight * cotangent;
            }
        }
        nodes
    }
}
