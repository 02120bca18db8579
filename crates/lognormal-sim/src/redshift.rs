//! Redshift distributions of the source galaxies, one normalised n(z) per tomographic bin.
//!
//! A Smail distribution n(z) ∝ z^a exp(-(z/z0)^b) on [0, z_max] is cut at photometric redshifts
//! into bins of equal galaxy number (or at given edges) and blurred by a Gaussian photo-z error
//! of width σ_z (1+z):
//!
//! n_i(z) ∝ n(z) [erf((z_{i+1} - z) / (√2 σ_z (1+z))) - erf((z_i - z) / (√2 σ_z (1+z)))].
//!
//! Integrals of the Smail form are incomplete gamma functions, so the edges are exact to rounding.
//! References: Smail et al. 1994; the blurring as in jax_cosmo (arXiv:2302.05163); the LSST values
//! of the presets follow the DESC Science Requirements Document (arXiv:1809.01669).

use autodiff::Real;

use crate::quadrature::gauss_legendre;
use crate::{Error, Result};

/// Fewest panels in which [`RedshiftDistribution::quadrature`] cuts its range, and the
/// Gauss-Legendre nodes in each.
const PANELS: usize = 16;
const POINTS: usize = 4;

/// Normalised source distribution n(z) of one tomographic bin: ∫ n(z) dz = 1.
#[derive(Clone, Debug, PartialEq)]
pub struct RedshiftDistribution {
    shape: Shape,
    norm: f64,
    z_max: f64,
}

#[derive(Clone, Debug, PartialEq)]
enum Shape {
    Smail { smail: Smail, bounds: [f64; 2], scatter: f64 },
    Table { z: Vec<f64>, n: Vec<f64> },
}

/// The sources of a survey.
#[derive(Clone, Debug, PartialEq)]
pub struct Sources {
    /// n(z) of each tomographic bin.
    pub bins: Vec<RedshiftDistribution>,
    /// Galaxy density of each bin, per square arcminute.
    pub gals_per_arcmin2: Vec<f64>,
    /// Edges of the bins in photometric redshift, `bins + 1` of them; empty where the n(z) are
    /// tables.
    pub edges: Vec<f64>,
}

/// The parent distribution z^a exp(-(z/z0)^b) on [0, z_max], not normalised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Smail {
    /// Power of the rise at low redshift, in [0, 10].
    pub a: f64,
    /// Power in the exponential, in [0.1, 10].
    pub b: f64,
    /// Scale redshift, in [0.001, 10].
    pub z0: f64,
    /// Largest redshift, in (0, 20].
    pub z_max: f64,
}

impl Smail {
    /// Checks that the four numbers are in their ranges.
    ///
    /// # Errors
    /// [`Error::Config`] names the first one that is not.
    pub fn validate(&self) -> Result<()> {
        for (name, value, low, high) in [
            ("sources.a", self.a, 0.0, 10.0),
            ("sources.b", self.b, 0.1, 10.0),
            ("sources.z0", self.z0, 1e-3, 10.0),
            ("sources.z_max", self.z_max, 1e-2, 20.0),
        ] {
            if !(low..=high).contains(&value) {
                return Err(Error::config(name, value, format!("{low} to {high}")));
            }
        }
        Ok(())
    }

    fn density(&self, z: f64) -> f64 {
        z.powf(self.a) * (-(z / self.z0).powf(self.b)).exp()
    }

    /// Fraction of the galaxies below `z`: γ(s, (z/z0)^b) / γ(s, (z_max/z0)^b), s = (a+1)/b.
    fn fraction_below(&self, z: f64) -> f64 {
        if z <= 0.0 {
            return 0.0;
        }
        let s = (self.a + 1.0) / self.b;
        let ln_gamma = |z: f64| ln_lower_gamma(s, (z / self.z0).powf(self.b));
        (ln_gamma(z.min(self.z_max)) - ln_gamma(self.z_max)).exp()
    }

    /// Edges of `bins` bins of equal galaxy number.
    fn equal_count_edges(&self, bins: usize) -> Vec<f64> {
        let edge = |index: usize| {
            let target = index as f64 / bins as f64;
            bisect(|z| self.fraction_below(z) - target, 0.0, self.z_max)
        };
        let inner = (1..bins).map(edge);
        std::iter::once(0.0).chain(inner).chain(std::iter::once(self.z_max)).collect()
    }
}

impl RedshiftDistribution {
    /// A table of n at redshifts z, interpolated linearly, zero outside, normalised here.
    ///
    /// # Errors
    /// [`Error::Shape`] when the lengths differ; [`Error::Redshift`] with fewer than 3 points,
    /// a NaN, redshifts that are negative or do not increase, a negative n, or n zero everywhere.
    pub fn from_table(z: &[f64], n: &[f64]) -> Result<Self> {
        Self::table_of_bin(0, z, n)
    }

    fn table_of_bin(bin: usize, z: &[f64], n: &[f64]) -> Result<Self> {
        if z.len() != n.len() {
            return Err(Error::Shape {
                what: format!("n(z) of bin {bin}"),
                expected: format!("[{}] like the redshifts", z.len()),
                found: format!("[{}]", n.len()),
            });
        }
        let fail = |reason: String| Err(Error::Redshift { bin, reason });
        if z.len() < 3 {
            return fail(format!("{} points are too few: at least 3 are needed", z.len()));
        }
        for (i, (&z, &n)) in z.iter().zip(n).enumerate() {
            if !z.is_finite() || !n.is_finite() {
                return fail(format!("z = {z}, n = {n} at point {i} is not finite"));
            }
            if z < 0.0 {
                return fail(format!(
                    "z = {z} at point {i} is negative: a table begins at redshift 0 or above"
                ));
            }
            if n < 0.0 {
                return fail(format!("n = {n} at z = {z} (point {i}) is negative"));
            }
        }
        if let Some(i) = (1..z.len()).find(|&i| z[i] <= z[i - 1]) {
            return fail(format!(
                "redshifts must increase, but z = {} is followed by {} at point {i}",
                z[i - 1],
                z[i]
            ));
        }
        let integral: f64 = (1..z.len()).map(|i| 0.5 * (z[i] - z[i - 1]) * (n[i] + n[i - 1])).sum();
        if !(integral.is_finite() && integral >= f64::MIN_POSITIVE) {
            return fail(format!("cannot be normalised: the integral of n(z) is {integral}"));
        }
        let last = n.iter().rposition(|&n| n > 0.0).unwrap_or_default();
        let kept = z.len().min(last + 2);
        let shape = Shape::Table { z: z[..kept].to_vec(), n: n[..kept].to_vec() };
        Ok(Self { shape, norm: integral.recip(), z_max: z[kept - 1] })
    }

    /// The part of `smail` whose photometric redshift falls between `bounds`.
    fn photometric_bin(bin: usize, smail: Smail, bounds: [f64; 2], scatter: f64) -> Result<Self> {
        let shape = Shape::Smail { smail, bounds, scatter };
        let mut distribution = Self { shape, norm: 1.0, z_max: smail.z_max };
        let integral = distribution.integral_of_photometric_bin(smail, bounds, scatter);
        if !(integral.is_finite() && integral >= f64::MIN_POSITIVE) {
            let reason = format!("holds no galaxies: the integral of n(z) is {integral}");
            return Err(Error::Redshift { bin, reason });
        }
        distribution.norm = integral.recip();
        Ok(distribution)
    }

    /// Integral over [0, z_max], between break points that isolate the blurred edges; in
    /// z = u³, which smooths the power laws at z = 0.
    fn integral_of_photometric_bin(&self, smail: Smail, bounds: [f64; 2], scatter: f64) -> f64 {
        let width = 8.0 * scatter;
        let mut breaks = vec![0.0, smail.z_max];
        for edge in bounds {
            breaks.push((edge - width) / (1.0 + width));
            if width < 1.0 {
                breaks.push((edge + width) / (1.0 - width));
            }
        }
        breaks.iter_mut().for_each(|z| *z = z.clamp(0.0, smail.z_max).cbrt());
        breaks.sort_by(f64::total_cmp);
        let rule = gauss_legendre(160, 0.0, 1.0);
        let integral = |low: f64, high: f64| -> f64 {
            let value = |&(x, weight): &(f64, f64)| {
                let u = low + (high - low) * x;
                weight * 3.0 * u * u * self.density(u.powi(3))
            };
            (high - low) * rule.iter().map(value).sum::<f64>()
        };
        breaks.windows(2).map(|w| integral(w[0], w[1])).sum()
    }

    /// n(z), per unit redshift; zero outside the domain.
    #[must_use]
    pub fn density(&self, z: f64) -> f64 {
        if !(0.0..=self.z_max).contains(&z) {
            return 0.0;
        }
        let shape = match &self.shape {
            Shape::Smail { smail, bounds: [low, high], scatter } => {
                let blur = std::f64::consts::SQRT_2 * scatter * (1.0 + z);
                let selected = Real::erf((high - z) / blur) - Real::erf((low - z) / blur);
                0.5 * smail.density(z) * selected
            }
            Shape::Table { z: nodes, n } => {
                if z < nodes[0] {
                    return 0.0;
                }
                let right = nodes.partition_point(|&node| node <= z).min(nodes.len() - 1);
                let left = right - 1;
                let weight = (z - nodes[left]) / (nodes[right] - nodes[left]);
                n[left] + weight * (n[right] - n[left])
            }
        };
        self.norm * shape
    }

    /// Nodes z and weights of n(z) dz between two redshifts, close enough for the product of n(z)
    /// with a function that varies slowly over them. A table is cut at its points, and no more of
    /// it is asked than that it is linear between them.
    pub(crate) fn quadrature(&self, low: f64, high: f64) -> Vec<(f64, f64)> {
        let panels = match self.shape {
            Shape::Smail { scatter, .. } => {
                PANELS.max(((high - low) / (scatter * (1.0 + low))).ceil() as usize)
            }
            Shape::Table { .. } => PANELS,
        };
        let width = (high - low) / panels as f64;
        let edges = (0..panels).map(|i| low + width * i as f64).chain(std::iter::once(high));
        match &self.shape {
            Shape::Smail { .. } => {
                let edges: Vec<f64> = edges.collect();
                let nodes = edges.windows(2).flat_map(|w| gauss_legendre(POINTS, w[0], w[1]));
                nodes.map(|(z, weight)| (z, weight * self.density(z))).collect()
            }
            Shape::Table { z, .. } => {
                let domain = z[0]..=self.z_max;
                let inside = z.iter().copied().filter(|z| (low..=high).contains(z));
                let mut cuts: Vec<f64> =
                    edges.filter(|z| domain.contains(z)).chain(inside).collect();
                cuts.sort_by(f64::total_cmp);
                let rule = gauss_legendre(POINTS, 0.0, 1.0);
                let piece = |w: &[f64]| {
                    let (start, width) = (w[0], w[1] - w[0]);
                    let [first, last] = [w[0], w[1]].map(|z| self.density(z));
                    let node = move |&(t, weight): &(f64, f64)| {
                        (start + width * t, width * weight * (first + t * (last - first)))
                    };
                    rule.iter().map(node).collect::<Vec<_>>()
                };
                cuts.windows(2).flat_map(piece).collect()
            }
        }
    }

    /// Redshift above which n(z) is zero.
    #[must_use]
    pub fn z_max(&self) -> f64 {
        self.z_max
    }
}

impl Sources {
    /// Smail sources in photometric bins, `gals_per_arcmin2` in total.
    ///
    /// `edges`: photometric bin edges; `None` makes `bins` bins of equal galaxy number between 0
    /// and `smail.z_max`. The density of a bin is the part of the parent between its edges.
    ///
    /// # Errors
    /// [`Error::Config`] for numbers out of range, [`Error::Redshift`] for a bin without galaxies.
    pub fn smail(
        smail: Smail,
        bins: usize,
        edges: Option<&[f64]>,
        photo_z_scatter: f64,
        gals_per_arcmin2: f64,
    ) -> Result<Self> {
        smail.validate()?;
        if !(1..=64).contains(&bins) {
            return Err(Error::config("sources.bins", bins, "1 to 64"));
        }
        if !(1e-3..=0.5).contains(&photo_z_scatter) {
            return Err(Error::config(
                "sources.photo_z_scatter",
                photo_z_scatter,
                "0.001 to 0.5 (the photo-z error is this times 1+z)",
            ));
        }
        check_density("sources.gals_per_arcmin2", gals_per_arcmin2)?;
        let edges = match edges {
            Some(edges) => {
                check_edges(edges, bins, smail.z_max)?;
                edges.to_vec()
            }
            None => smail.equal_count_edges(bins),
        };
        let distributions = edges
            .windows(2)
            .enumerate()
            .map(|(bin, w)| {
                let bounds = [w[0], w[1]];
                RedshiftDistribution::photometric_bin(bin, smail, bounds, photo_z_scatter)
            })
            .collect::<Result<Vec<_>>>()?;
        let fraction = |w: &[f64]| smail.fraction_below(w[1]) - smail.fraction_below(w[0]);
        let gals = edges.windows(2).map(|w| gals_per_arcmin2 * fraction(w)).collect();
        Ok(Self { bins: distributions, gals_per_arcmin2: gals, edges })
    }

    /// Tabulated sources: `n[bin][point]` at the redshifts `z[point]`, with the galaxy density of
    /// each bin.
    ///
    /// # Errors
    /// As [`RedshiftDistribution::from_table`], naming the bin; [`Error::Config`] when there is
    /// no bin or a density is not positive; [`Error::Shape`] when the number of densities is
    /// not the number of bins.
    pub fn from_tables(z: &[f64], n: &[Vec<f64>], gals_per_arcmin2: &[f64]) -> Result<Self> {
        if n.is_empty() {
            return Err(Error::config("sources.n", "[]", "one n(z) per tomographic bin"));
        }
        if n.len() != gals_per_arcmin2.len() {
            return Err(Error::Shape {
                what: "sources.gals_per_arcmin2".into(),
                expected: format!("[{}], one per tomographic bin", n.len()),
                found: format!("[{}]", gals_per_arcmin2.len()),
            });
        }
        for &density in gals_per_arcmin2 {
            check_density("sources.gals_per_arcmin2", density)?;
        }
        let bins = n
            .iter()
            .enumerate()
            .map(|(bin, n)| RedshiftDistribution::table_of_bin(bin, z, n))
            .collect::<Result<Vec<_>>>()?;
        Ok(Self { bins, gals_per_arcmin2: gals_per_arcmin2.to_vec(), edges: Vec::new() })
    }
}

fn check_density(field: &str, density: f64) -> Result<()> {
    if density.is_finite() && density > 0.0 {
        return Ok(());
    }
    Err(Error::config(field, density, "a positive number of galaxies per square arcminute"))
}

fn check_edges(edges: &[f64], bins: usize, z_max: f64) -> Result<()> {
    let increasing = edges.windows(2).all(|w| w[0] < w[1]);
    let inside = edges.iter().all(|z| (0.0..=z_max).contains(z));
    if edges.len() == bins + 1 && increasing && inside {
        return Ok(());
    }
    let expected = format!("{} increasing redshifts between 0 and z_max = {z_max}", bins + 1);
    Err(Error::config("sources.edges", format!("{edges:?}"), expected))
}

/// ln γ(s, x), the lower incomplete gamma function, by its series of positive terms
/// γ(s, x) = x^s e^{-x} Σ_n x^n / (s (s+1) ... (s+n)), accurate to rounding at every x.
///
/// Above x = 600 it has reached Γ(s) for every s a [`Smail`] may have (s <= 110).
///
/// Not by statrs 0.19.1, whose `gamma_lr(2, 1e-300)` underflows to 0 where ln γ(2, 1e-300) is
/// -1382.24, and which panics at x = 0. Where it does not, its edges of bins differ by up to 1e-14,
/// so that simulated maps would no longer be the same.
fn ln_lower_gamma(s: f64, x: f64) -> f64 {
    let x = x.min(600.0);
    let mut term = s.recip();
    let mut sum = term;
    let mut n = s;
    while term > f64::EPSILON * 0.1 * sum {
        n += 1.0;
        term *= x / n;
        sum += term;
    }
    s * x.ln() - x + sum.ln()
}

/// Root of an increasing function between `low` and `high`, to the last bit.
fn bisect(f: impl Fn(f64) -> f64, mut low: f64, mut high: f64) -> f64 {
    loop {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            return middle;
        }
        if f(middle) < 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
}
