//! Lines of sight: distances, lensing kernels and Limber projection on fixed redshift nodes.
//!
//! Convergence of source bin i is the projection Int dchi q_i(chi) delta(chi) with
//! q_i = (3/2) Omega_m (H_0/c)^2 (1 + z) S(chi) Int_z dz' n_i(z') S(chi' - chi) / S(chi'),
//! S being the transverse distance. In the Limber approximation a spectrum is
//! C_ell = prefactor Int dchi q_i q_j P(nu / S, z) / S^2 with nu = ell + 1/2 and the
//! [`Prefactor`](crate::Prefactor) of the survey.
//!
//! Redshift nodes are Gauss-Legendre in asinh(z / 0.03): logarithmic where a small change of
//! distance moves k = nu / S across baryon oscillations. Between them, integrals of source densities
//! against smooth functions use weights found once by product integration, with the points of a
//! table among the nodes, so that any n(z), however sharp, is integrated exactly at no cost. What is
//! left is the kink of a kernel at a thin plane of sources, which takes more redshift nodes than a
//! smooth kernel does: as many as integrals of pairs of kernels need.

use autodiff::Real;

use crate::background::{Curvature, HUBBLE_LENGTH, expansion_squared};
use crate::power::dot;
use crate::quadrature::{even_gauss_legendre, gauss_legendre, lagrange};
use crate::{Cosmology, Error, RedshiftDistribution, Result};

/// Fewest and most redshift nodes along the line of sight: with 64, spectra of smooth kernels are
/// integrated to 1e-4.
const REDSHIFTS: std::ops::RangeInclusive<usize> = 64..=4096;
/// Nodes are doubled until integrals of pairs of kernels change less than this.
const CONVERGED: f64 = 2e-4;
/// Powers of k that stand for the matter power in these integrals: its slopes where it matters.
const SLOPES: [f64; 3] = [-0.5, -1.5, -2.5];
/// Redshift below which the nodes are evenly rather than logarithmically spaced.
const EVEN_BELOW: f64 = 0.03;
/// Gauss-Legendre nodes in each segment between two of them.
const SUBNODES: usize = 6;

/// What a line of sight needs and does not depend on cosmology.
#[derive(Clone, Debug)]
pub(crate) struct LineOfSight {
    /// Nodes z_i, ascending, and the weights of dz.
    redshifts: Vec<(f64, f64)>,
    segments: Vec<Segment>,
    /// Fraction of the sources of each bin beyond z_i: `[bin][node]`.
    beyond: Vec<Vec<f64>>,
}

/// One stretch of redshift between neighbouring nodes.
#[derive(Clone, Debug)]
struct Segment {
    redshifts: [f64; SUBNODES],
    /// dz weights over the whole segment.
    weights: [f64; SUBNODES],
    /// dz weights from its start to each of its subnodes.
    partial: [[f64; SUBNODES]; SUBNODES],
    /// For each bin, weights with sum_s w_s f(z_s) = Int dz n(z) f(z) / z.
    sources: Vec<[f64; SUBNODES]>,
    /// For each bin, the fraction of its sources inside.
    fractions: Vec<f64>,
}

impl LineOfSight {
    /// A line of sight to the last source, with as many redshift nodes as the kernels need: the
    /// fewest for smooth ones, more where thin planes of sources make kinks in them.
    ///
    /// # Errors
    /// [`Error::Config`] where even the most do not resolve sources near compared with the last.
    pub(crate) fn new(bins: &[RedshiftDistribution]) -> Result<Self> {
        let mut coarse = Self::with_nodes(bins, *REDSHIFTS.start());
        let mut found = coarse.kernel_integrals();
        while coarse.redshifts.len() < *REDSHIFTS.end() {
            let fine = Self::with_nodes(bins, 2 * coarse.redshifts.len());
            let expected = fine.kernel_integrals();
            let agree = |(a, b): (&f64, &f64)| (a / b - 1.0).abs() < CONVERGED;
            if found.iter().zip(&expected).all(agree) {
                return Ok(coarse);
            }
            (coarse, found) = (fine, expected);
        }
        Err(Error::config(
            "sources",
            format!("n(z) that {} redshifts do not resolve", REDSHIFTS.end()),
            "sources less near compared with the farthest",
        ))
    }

    /// Limber integrals of each pair of kernels of the fiducial cosmology and power laws.
    fn kernel_integrals(&self) -> Vec<f64> {
        let sight = self.trace(&Cosmology::FIDUCIAL);
        let laws = |plane: &Plane<f64>| SLOPES.map(|n| plane.inverse_distance.powf(n)).to_vec();
        let power: Vec<Vec<f64>> = sight.planes.iter().map(laws).collect();
        sight.project(&power).concat()
    }

    fn with_nodes(bins: &[RedshiftDistribution], count: usize) -> Self {
        let z_max = bins.iter().map(RedshiftDistribution::z_max).fold(0.0, f64::max);
        let length = (z_max / EVEN_BELOW).asinh();
        let redshifts: Vec<(f64, f64)> = even_gauss_legendre(count, 0.0, length)
            .into_iter()
            .map(|(u, weight)| (EVEN_BELOW * u.sinh(), EVEN_BELOW * u.cosh() * weight))
            .collect();
        let edges: Vec<f64> = std::iter::once(0.0)
            .chain(redshifts.iter().map(|&(z, _)| z))
            .chain(std::iter::once(z_max))
            .collect();
        let segments: Vec<Segment> =
            edges.windows(2).map(|edge| Segment::new(edge[0], edge[1], bins)).collect();
        let beyond = (0..bins.len())
            .map(|bin| {
                let mut remaining = vec![0.0; count];
                let mut sum = 0.0;
                for i in (0..count).rev() {
                    sum += segments[i + 1].fractions[bin];
                    remaining[i] = sum;
                }
                remaining
            })
            .collect();
        Self { redshifts, segments, beyond }
    }

    /// Distances and lensing kernels of a cosmology.
    pub(crate) fn trace<R: Real>(&self, c: &Cosmology<R>) -> Sight<R> {
        let count = self.redshifts.len();
        let curvature = Curvature::new(c);
        let slope = |z: f64| expansion_squared(c, 1.0 / (1.0 + z)).sqrt().recip() * HUBBLE_LENGTH;

        // Radial distances by integrating dchi/dz = c/H segment by segment; and on the way the
        // integrals of n_i(z) C(chi)/S(chi) over each segment.
        let mut chi = R::from(0.0);
        let mut distances = Vec::with_capacity(count);
        let mut cotangents: Vec<Vec<R>> = Vec::with_capacity(self.segments.len());
        for segment in &self.segments {
            let slopes = segment.redshifts.map(slope);
            let mut scaled = [R::from(0.0); SUBNODES];
            for ((scaled, partial), z) in
                scaled.iter_mut().zip(&segment.partial).zip(segment.redshifts)
            {
                let chi = chi + dot(partial, &slopes);
                *scaled = curvature.cosine(chi) / curvature.sine(chi) * z;
            }
            cotangents.push(segment.sources.iter().map(|w| dot(w, &scaled)).collect());
            chi += dot(&segment.weights, &slopes);
            distances.push(chi);
        }
        distances.truncate(count);

        let strength = c.omega_m() * (1.5 / (HUBBLE_LENGTH * HUBBLE_LENGTH));
        let kernels = self
            .beyond
            .iter()
            .enumerate()
            .map(|(bin, beyond)| {
                let mut kernel = vec![R::from(0.0); count];
                let mut cotangent = R::from(0.0);
                for i in (0..count).rev() {
                    cotangent += cotangents[i + 1][bin];
                    let sine = curvature.sine(distances[i]);
                    let lever = curvature.cosine(distances[i]) * beyond[i] - sine * cotangent;
                    kernel[i] = strength * sine * lever * (1.0 + self.redshifts[i].0);
                }
                kernel
            })
            .collect();
        let planes = self
            .redshifts
            .iter()
            .zip(&distances)
            .map(|(&(z, weight), &chi)| Plane {
                z,
                inverse_distance: curvature.sine(chi).recip(),
                measure: slope(z) * weight,
            })
            .collect();
        Sight { planes, kernels }
    }
}

impl Segment {
    fn new(start: f64, end: f64, bins: &[RedshiftDistribution]) -> Self {
        let rule = gauss_legendre(SUBNODES, start, end);
        let nodes: [f64; SUBNODES] = std::array::from_fn(|s| rule[s].0);
        let mut partial = [[0.0; SUBNODES]; SUBNODES];
        for (row, &node) in partial.iter_mut().zip(&nodes) {
            for (z, weight) in gauss_legendre(SUBNODES, start, node) {
                for (total, cardinal) in row.iter_mut().zip(lagrange(&nodes, z)) {
                    *total += weight * cardinal;
                }
            }
        }
        let mut sources = vec![[0.0; SUBNODES]; bins.len()];
        let mut fractions = vec![0.0; bins.len()];
        for ((bin, sources), fraction) in bins.iter().zip(&mut sources).zip(&mut fractions) {
            for (z, share) in bin.quadrature(start, end) {
                *fraction += share;
                for (total, cardinal) in sources.iter_mut().zip(lagrange(&nodes, z)) {
                    *total += share * cardinal / z;
                }
            }
        }
        let weights = std::array::from_fn(|s| rule[s].1);
        Self { redshifts: nodes, weights, partial, sources, fractions }
    }
}

/// One redshift node of a line of sight in a cosmology.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plane<R> {
    /// Redshift.
    pub z: f64,
    /// 1 / S(chi), h/Mpc.
    pub inverse_distance: R,
    /// Quadrature weight of dchi, Mpc/h.
    pub measure: R,
}

/// Distances and lensing kernels along the line of sight in a cosmology.
#[derive(Clone, Debug)]
pub(crate) struct Sight<R> {
    pub planes: Vec<Plane<R>>,
    /// Lensing kernels q_i, h/Mpc: `[bin][plane]`.
    pub kernels: Vec<Vec<R>>,
}

impl<R: Real> Sight<R> {
    /// Sum over planes of dchi q_i q_j P / S^2 for every pair of bins: `[pair][nu]`, given the
    /// power `[plane][nu]`.
    pub(crate) fn project(&self, power: &[Vec<R>]) -> Vec<Vec<R>> {
        let count = power.first().map_or(0, Vec::len);
        pairs(self.kernels.len())
            .into_iter()
            .map(|(first, second)| {
                let mut sum = vec![R::from(0.0); count];
                for (i, (plane, power)) in self.planes.iter().zip(power).enumerate() {
                    let weight = plane.measure
                        * plane.inverse_distance
                        * plane.inverse_distance
                        * self.kernels[first][i]
                        * self.kernels[second][i];
                    for (total, &power) in sum.iter_mut().zip(power) {
                        *total += weight * power;
                    }
                }
                sum
            })
            .collect()
    }
}

/// Pairs of bins in the order used everywhere: (0,0), (0,1), ..., (0,n-1), (1,1), ...
pub(crate) fn pairs(bins: usize) -> Vec<(usize, usize)> {
    (0..bins).flat_map(|i| (i..bins).map(move |j| (i, j))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sources;
    use crate::redshift::Smail;

    /// The number of nodes is part of the numbers and of the speed of every smooth survey.
    #[test]
    fn only_thin_planes_take_more_than_the_fewest_nodes() {
        let smail = Smail { a: 2.0, b: 0.68, z0: 0.11, z_max: 10.0 };
        for (bins, scatter) in [(1, 0.05), (5, 0.05), (10, 0.05), (5, 0.02), (2, 0.2)] {
            let sources = Sources::smail(smail, bins, None, scatter, 27.0).expect("sources");
            let line = LineOfSight::new(&sources.bins).expect("a line of sight");
            assert_eq!(line.redshifts.len(), 64, "{bins} bins, scatter {scatter}");
        }
        let z: Vec<f64> = (0..3001).map(|i| 1e-3 * f64::from(i)).collect();
        let planes = [500, 1500].map(|at| (0..3001).map(|i| f64::from(i == at)).collect());
        let sources = Sources::from_tables(&z, &planes, &[1.0; 2]).expect("sources");
        let line = LineOfSight::new(&sources.bins).expect("a line of sight");
        assert!((128..=512).contains(&line.redshifts.len()), "{}", line.redshifts.len());
    }
}
