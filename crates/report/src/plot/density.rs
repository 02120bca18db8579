//! Densities of samples in one and two dimensions, and the levels that enclose a given mass.
//!
//! Samples are counted on a fine grid and smoothed with a Gaussian. In two dimensions the grid
//! stands in whitened coordinates u, with x = mean + L u and L L' the covariance, so that a narrow
//! degeneracy is resolved as well as a round posterior and the smoothing follows its direction.
//!
//! With K the smoothing and M the part of each cell allowed by hard bounds of the prior, a first
//! estimate is `p = K(counts) / K(M)`: the division gives back the mass that smoothing carries
//! over a bound. Smoothing also widens: the estimate is multiplied by `K(counts / p) / K(M)`,
//! which removes that bias to leading order (Jones, Linton & Nielsen 1995), at a bound too. Just
//! outside a bound the estimate continues smoothly and has no mass: contours can be cut there.
//!
//! The width of the Gaussian is, in standard deviations, `n^(-1/9)` in one and `0.9 n^(-1/10)` in
//! two dimensions: with a bias of fourth order these are the powers that balance bias and noise.
//! n counts *independent* samples: for a Markov chain, its effective sample size. Samples with
//! several modes or thin curved regions are smoothed less ([`super::bandwidth`]).

use super::bandwidth::{Smoothed, narrowing};
use super::contour::{Line, level_lines};
use super::error::{PlotError, Result, check_finite};

/// Fewest samples a density is drawn of.
pub const MIN_SAMPLES: usize = 20;
/// Nodes per axis of the grids.
const NODES_1D: usize = 400;
const NODES_2D: usize = 144;
/// The same where the smoothing is narrow.
const FINE_NODES_1D: usize = 1600;
const FINE_NODES_2D: usize = 320;
/// Share of the samples left out at each end when the grid is laid out: far outliers are not
/// drawn, so that they cannot stretch the grid.
const TAIL: f64 = 2e-4;

/// A density on a line.
#[derive(Debug, Clone)]
pub struct Density1 {
    /// Where, increasing.
    pub x: Vec<f64>,
    /// Density, normalised; 0 outside the bounds.
    pub p: Vec<f64>,
}

/// Density of `x` within `bounds` (infinite where there is none); `effective` is the number of
/// independent samples; `what` and `parameter` name the data in errors.
///
/// # Errors
/// Too few samples, values that are not finite, or no spread.
pub fn density_1d(
    what: &str,
    parameter: &str,
    x: &[f64],
    bounds: (f64, f64),
    effective: f64,
) -> Result<Density1> {
    let spread = Spread::of(what, parameter, x)?;
    let usual = spread.scale * effective.max(2.0).powf(-1.0 / 9.0);
    let allowed_on = |grid: &Grid| -> Vec<f64> {
        (0..grid.nodes)
            .map(|i| {
                let (lo, hi) = (grid.at(i as f64 - 0.5), grid.at(i as f64 + 0.5));
                ((hi.min(bounds.1) - lo.max(bounds.0)) / grid.step).clamp(0.0, 1.0)
            })
            .collect()
    };
    let counts_on = |grid: &Grid, stride: usize| {
        let mut counts = vec![0.0; grid.nodes];
        for &v in x.iter().step_by(stride).filter(|v| (bounds.0..=bounds.1).contains(*v)) {
            if let Some(i) = grid.cell(v) {
                counts[i] += 1.0;
            }
        }
        counts
    };
    let fine = Grid::over(&spread, usual, FINE_NODES_1D);
    let (counts, allowed) = (counts_on(&fine, independent(x.len(), effective)), allowed_on(&fine));
    let plain = 1.06 * spread.scale * counts.iter().sum::<f64>().max(2.0).powf(-0.2) / fine.step;
    let narrowing = narrowing(&counts, &allowed, |factor| {
        let kernel = gaussian_of_cells(factor * plain)?;
        let smooth = |v: &[f64]| convolve(v, fine.nodes, &[], &kernel);
        let (counts, support) = (smooth(&counts), smooth(&allowed));
        Some(Smoothed { counts, support, centre: kernel[0], power: power(&kernel) })
    });
    let width = narrowing * usual;
    let nodes = if narrowing < 1.0 { FINE_NODES_1D } else { NODES_1D };
    let grid = Grid::over(&spread, width, nodes);
    let (counts, allowed) = (counts_on(&grid, 1), allowed_on(&grid));
    let kernel = gaussian(width / grid.step);
    let smooth = |v: &[f64]| convolve(v, nodes, &[], &kernel);
    let mut p = corrected(&counts, &allowed, smooth);
    p.iter_mut().zip(&allowed).for_each(|(p, a)| *p = if *a > 0.0 { *p } else { 0.0 });
    let mass: f64 = p.iter().zip(&allowed).map(|(p, a)| p * a).sum::<f64>() * grid.step;
    p.iter_mut().for_each(|p| *p /= mass);
    let mut x: Vec<f64> = (0..nodes).map(|i| grid.at(i as f64)).collect();
    // The outermost nodes inside stand on the bounds, so that the drawn curve ends there.
    for (x, a) in x.iter_mut().zip(&allowed) {
        if *a > 0.0 {
            *x = x.clamp(bounds.0, bounds.1);
        }
    }
    Ok(Density1 { x, p })
}

/// A density on a plane.
#[derive(Debug, Clone)]
pub struct Density2 {
    nodes: usize,
    grid: [Grid; 2],
    mean: [f64; 2],
    /// Lower Cholesky factor of the covariance: l11, l21, l22.
    factor: [f64; 3],
    p: Vec<f64>,
    mass: Vec<f64>,
}

impl Density2 {
    /// Density of the points (x, y) within `bounds`; see [`density_1d`].
    ///
    /// # Errors
    /// Too few samples, values that are not finite, or no spread.
    pub fn new(
        what: &str,
        parameters: [&str; 2],
        x: &[f64],
        y: &[f64],
        bounds: [(f64, f64); 2],
        effective: f64,
    ) -> Result<Self> {
        Spread::of(what, parameters[0], x)?;
        Spread::of(what, parameters[1], y)?;
        let n = x.len().min(y.len()) as f64;
        let mean = [x.iter().sum::<f64>() / n, y.iter().sum::<f64>() / n];
        let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
        for (x, y) in x.iter().zip(y) {
            let (dx, dy) = (x - mean[0], y - mean[1]);
            xx += dx * dx / n;
            xy += dx * dy / n;
            yy += dy * dy / n;
        }
        let l11 = xx.sqrt();
        let l21 = xy / l11;
        // Points on a line are given a thousandth of their spread as thickness.
        let l22 = (yy - l21 * l21).max(1e-6 * yy).sqrt();
        let u: Vec<f64> = x.iter().map(|x| (x - mean[0]) / l11).collect();
        let v: Vec<f64> = u.iter().zip(y).map(|(u, y)| (y - mean[1] - l21 * u) / l22).collect();
        let spreads = [Spread::of(what, parameters[0], &u)?, Spread::of(what, parameters[1], &v)?];
        let on_grid = |widths: [f64; 2], nodes: usize| {
            let grid = [0, 1].map(|axis| Grid::over(&spreads[axis], widths[axis], nodes));
            let factor = [l11, l21, l22];
            Self { nodes, grid, mean, factor, p: Vec::new(), mass: Vec::new() }
        };
        let times = |factor: f64| [factor * spreads[0].scale, factor * spreads[1].scale];
        let usual = 0.9 * effective.max(2.0).powf(-0.1);
        let narrowing_on = |nodes: usize| {
            let trial = on_grid(times(usual), nodes);
            let stride = independent(x.len(), effective);
            let counts = trial.counts([&u, &v], stride, bounds);
            let allowed = trial.allowed(bounds);
            let plain = counts.iter().sum::<f64>().max(2.0).powf(-1.0 / 6.0);
            narrowing(&counts, &allowed, |factor| {
                let [along, across] = trial.kernels(times(factor * plain))?;
                let smooth = |v: &[f64]| convolve(v, nodes, &across, &along);
                let (counts, support) = (smooth(&counts), smooth(&allowed));
                let power = power(&along) * power(&across);
                Some(Smoothed { counts, support, centre: along[0] * across[0], power })
            })
        };
        let mut narrowing = narrowing_on(NODES_2D);
        if narrowing < 1.0 {
            // A finer grid bears narrower kernels.
            narrowing = narrowing_on(FINE_NODES_2D);
        }
        let widths = times(narrowing * usual);
        let nodes = if narrowing < 1.0 { FINE_NODES_2D } else { NODES_2D };
        let mut density = on_grid(widths, nodes);
        let counts = density.counts([&u, &v], 1, bounds);
        let allowed = density.allowed(bounds);
        let [along, across] = [0, 1].map(|axis| gaussian(widths[axis] / density.grid[axis].step));
        density.p = corrected(&counts, &allowed, |v| convolve(v, nodes, &across, &along));
        density.mass = density.p.iter().zip(&allowed).map(|(p, a)| p * a).collect();
        Ok(density)
    }

    /// Every `stride`-th of the whitened points, counted in the cells of the grid.
    fn counts(&self, [u, v]: [&[f64]; 2], stride: usize, bounds: [(f64, f64); 2]) -> Vec<f64> {
        let mut counts = vec![0.0; self.nodes * self.nodes];
        for (&u, &v) in u.iter().zip(v).step_by(stride) {
            if let (Some(c), Some(r)) = (self.grid[0].cell(u), self.grid[1].cell(v))
                && within(bounds, self.unwhitened(u, v))
            {
                counts[r * self.nodes + c] += 1.0;
            }
        }
        counts
    }

    /// The part of each cell within the bounds.
    fn allowed(&self, bounds: [(f64, f64); 2]) -> Vec<f64> {
        let bounded = bounds.iter().any(|b| b.0.is_finite() || b.1.is_finite());
        let share = |i: usize| {
            if !bounded {
                return 1.0;
            }
            let (c, r) = ((i % self.nodes) as f64, (i / self.nodes) as f64);
            let sub = [-0.375, -0.125, 0.125, 0.375];
            let points = sub.iter().flat_map(|a| sub.iter().map(move |b| (c + a, r + b)));
            points.filter(|&p| within(bounds, self.point(p))).count() as f64 / 16.0
        };
        (0..self.nodes * self.nodes).map(share).collect()
    }

    /// Kernels along both axes, if the grid is fine enough for them.
    fn kernels(&self, widths: [f64; 2]) -> Option<[Vec<f64>; 2]> {
        let kernel = |axis: usize| gaussian_of_cells(widths[axis] / self.grid[axis].step);
        Some([kernel(0)?, kernel(1)?])
    }

    fn unwhitened(&self, u: f64, v: f64) -> (f64, f64) {
        let [l11, l21, l22] = self.factor;
        (self.mean[0] + l11 * u, self.mean[1] + l21 * u + l22 * v)
    }

    /// The point of the plane at a (column, row) position of the grid.
    fn point(&self, (column, row): (f64, f64)) -> (f64, f64) {
        self.unwhitened(self.grid[0].at(column), self.grid[1].at(row))
    }

    /// The density above which the given share of the mass lies.
    fn level(&self, share: f64) -> f64 {
        let mut order: Vec<usize> = (0..self.p.len()).filter(|&i| self.mass[i] > 0.0).collect();
        order.sort_by(|&a, &b| self.p[b].total_cmp(&self.p[a]).then(a.cmp(&b)));
        let total: f64 = order.iter().map(|&i| self.mass[i]).sum();
        let mut sum = 0.0;
        let mut above = self.p[order[0]];
        for &i in &order {
            let before = sum;
            sum += self.mass[i];
            if sum >= share * total {
                let t = (share * total - before) / (sum - before);
                return above + t * (self.p[i] - above);
            }
            above = self.p[i];
        }
        0.0
    }

    /// The closed lines around the densest region that holds `share` (0 to 1) of the mass. They
    /// may reach slightly beyond hard bounds, where the drawing is to be cut.
    pub fn contour(&self, share: f64) -> Vec<Line> {
        let lines = level_lines(&self.p, self.nodes, self.level(share));
        lines.into_iter().map(|l| l.into_iter().map(|p| self.point(p)).collect()).collect()
    }
}

/// Central range and width of a set of samples.
struct Spread {
    lo: f64,
    hi: f64,
    scale: f64,
}

impl Spread {
    fn of(what: &str, parameter: &str, x: &[f64]) -> Result<Self> {
        if x.len() < MIN_SAMPLES {
            let (what, found) = (what.to_owned(), x.len());
            return Err(PlotError::TooFewSamples { what, found, needed: MIN_SAMPLES });
        }
        check_finite(&format!("{what}, {parameter}"), x.iter().copied())?;
        let mut sorted = x.to_vec();
        sorted.sort_by(f64::total_cmp);
        let mean = sorted.iter().sum::<f64>() / sorted.len() as f64;
        let sd =
            (sorted.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / sorted.len() as f64).sqrt();
        if !(sd > 1e-12 * mean.abs() && sd > f64::MIN_POSITIVE) {
            let (what, parameter) = (what.to_owned(), parameter.to_owned());
            return Err(PlotError::ZeroVariance { what, parameter, value: sorted[0] });
        }
        let quartiles = (quantile(&sorted, 0.75) - quantile(&sorted, 0.25)) / 1.349;
        let scale = if quartiles > 0.0 { sd.min(quartiles) } else { sd };
        Ok(Self { lo: quantile(&sorted, TAIL), hi: quantile(&sorted, 1.0 - TAIL), scale })
    }
}

/// Quantile of sorted values, interpolated linearly.
pub fn quantile(sorted: &[f64], q: f64) -> f64 {
    let at = q.clamp(0.0, 1.0) * (sorted.len() - 1) as f64;
    let i = at.floor() as usize;
    let j = (i + 1).min(sorted.len() - 1);
    sorted[i] + (at - i as f64) * (sorted[j] - sorted[i])
}

/// Equally spaced nodes, each the centre of a cell.
#[derive(Debug, Clone, Copy)]
struct Grid {
    origin: f64,
    step: f64,
    nodes: usize,
}

impl Grid {
    fn over(spread: &Spread, width: f64, nodes: usize) -> Self {
        let (lo, hi) = (spread.lo - 4.0 * width, spread.hi + 4.0 * width);
        Self { origin: lo, step: (hi - lo) / (nodes - 1) as f64, nodes }
    }

    fn at(&self, i: f64) -> f64 {
        self.origin + i * self.step
    }

    fn cell(&self, v: f64) -> Option<usize> {
        let i = ((v - self.origin) / self.step).round();
        (i >= 0.0 && i < self.nodes as f64).then_some(i as usize)
    }
}

/// The estimate of the module's description: boundary and widening corrected.
fn corrected(counts: &[f64], allowed: &[f64], smooth: impl Fn(&[f64]) -> Vec<f64>) -> Vec<f64> {
    let support = smooth(allowed);
    // Far outside the bounds there is nothing to divide by.
    let over = |v: Vec<f64>| -> Vec<f64> {
        v.iter().zip(&support).map(|(v, s)| if *s > 0.05 { v / s } else { 0.0 }).collect()
    };
    let first = over(smooth(counts));
    let ratio: Vec<f64> =
        counts.iter().zip(&first).map(|(c, p)| if *p > 0.0 { c / p } else { 0.0 }).collect();
    let factor = over(smooth(&ratio));
    first.iter().zip(factor).map(|(p, f)| p * f).collect()
}

/// True for a point within the bounds.
fn within(bounds: [(f64, f64); 2], (x, y): (f64, f64)) -> bool {
    (bounds[0].0..=bounds[0].1).contains(&x) && (bounds[1].0..=bounds[1].1).contains(&y)
}

/// Every so many of the samples are independent of each other.
fn independent(samples: usize, effective: f64) -> usize {
    (samples as f64 / effective.max(1.0)).round().max(1.0) as usize
}

/// [`gaussian`], if it is at least a cell wide.
fn gaussian_of_cells(sigma: f64) -> Option<Vec<f64>> {
    (sigma >= 1.0).then(|| gaussian(sigma))
}

/// Sum of the squares of all weights of a kernel; index 0 is its centre.
fn power(kernel: &[f64]) -> f64 {
    2.0 * kernel.iter().map(|k| k * k).sum::<f64>() - kernel[0] * kernel[0]
}

/// Gaussian weights up to four standard deviations (`sigma` in cells), normalised; index 0 is the
/// centre.
fn gaussian(sigma: f64) -> Vec<f64> {
    let reach = (4.0 * sigma).ceil() as usize;
    let mut k: Vec<f64> = (0..=reach).map(|i| (-0.5 * (i as f64 / sigma).powi(2)).exp()).collect();
    let sum = k[0] + 2.0 * k[1..].iter().sum::<f64>();
    k.iter_mut().for_each(|v| *v /= sum);
    k
}

/// Convolves every row with the symmetric kernel `along`, then every column with `across` (none
/// if empty); values beyond the border are zero.
fn convolve(values: &[f64], columns: usize, across: &[f64], along: &[f64]) -> Vec<f64> {
    let rows = values.len() / columns;
    let mut smooth = vec![0.0; values.len()];
    for r in 0..rows {
        let row = &values[r * columns..(r + 1) * columns];
        let out = &mut smooth[r * columns..(r + 1) * columns];
        for (c, &v) in row.iter().enumerate().filter(|(_, v)| **v != 0.0) {
            let from = c.saturating_sub(along.len() - 1);
            let to = (c + along.len()).min(columns);
            for (i, o) in out[from..to].iter_mut().enumerate() {
                *o += v * along[(from + i).abs_diff(c)];
            }
        }
    }
    if across.is_empty() {
        return smooth;
    }
    let mut both = vec![0.0; values.len()];
    for r in 0..rows {
        let from = r.saturating_sub(across.len() - 1);
        for s in from..(r + across.len()).min(rows) {
            let weight = across[s.abs_diff(r)];
            let source = &smooth[s * columns..(s + 1) * columns];
            let out = &mut both[r * columns..(r + 1) * columns];
            out.iter_mut().zip(source).for_each(|(o, v)| *o += weight * v);
        }
    }
    both
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use rand_distr::{Distribution, StandardNormal};

    const FREE: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);

    /// n pairs of standard normals with correlation rho.
    fn normals(n: usize, rho: f64, seed: u64) -> (Vec<f64>, Vec<f64>) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut draw = || -> f64 { StandardNormal.sample(&mut rng) };
        (0..n)
            .map(|_| {
                let (a, b) = (draw(), draw());
                (a, rho * a + (1.0 - rho * rho).sqrt() * b)
            })
            .unzip()
    }

    fn inside(lines: &[Vec<(f64, f64)>], x: f64, y: f64) -> bool {
        let mut inside = false;
        for line in lines {
            for (a, b) in line.iter().zip(line.iter().cycle().skip(1)) {
                if (a.1 > y) != (b.1 > y) && x < a.0 + (y - a.1) / (b.1 - a.1) * (b.0 - a.0) {
                    inside = !inside;
                }
            }
        }
        inside
    }

    #[test]
    fn contours_of_a_gaussian_have_the_right_radius_and_enclose_the_right_mass() {
        for (n, tolerance) in [(100_000, 0.03), (4_000, 0.09)] {
            for rho in [0.0, -0.95] {
                let (x, y) = normals(n, rho, 7);
                let y: Vec<f64> = y.iter().map(|y| 0.3 + 0.02 * y).collect();
                let (fresh_x, fresh_y) = normals(20_000, rho, 8);
                let density =
                    Density2::new("test", ["x", "y"], &x, &y, [FREE; 2], n as f64).unwrap();
                for share in [0.68, 0.95f64] {
                    let lines = density.contour(share);
                    assert_eq!(lines.len(), 1, "n {n}, rho {rho}, share {share}");
                    let radius = (-2.0 * (1.0 - share).ln()).sqrt();
                    let radii: Vec<f64> = lines[0]
                        .iter()
                        .map(|&(x, y)| {
                            let y = (y - 0.3) / 0.02;
                            x.hypot((y - rho * x) / (1.0 - rho * rho).sqrt())
                        })
                        .collect();
                    let mean = radii.iter().sum::<f64>() / radii.len() as f64;
                    assert!((mean / radius - 1.0).abs() < 0.3 * tolerance, "{n} {rho}: {mean}");
                    let worst = radii.iter().map(|r| (r / radius - 1.0).abs()).fold(0.0, f64::max);
                    assert!(worst < 3.0 * tolerance, "n {n}, rho {rho}, {share}: {worst}");
                    let mass = (0..20_000)
                        .filter(|&i| inside(&lines, fresh_x[i], 0.3 + 0.02 * fresh_y[i]))
                        .count() as f64
                        / 20_000.0;
                    // Three standard errors of the count, and the noise of the contour.
                    let error = 3.0 * (share * (1.0 - share) / 20_000.0).sqrt();
                    assert!((mass - share).abs() < error + 0.2 * tolerance, "{share}: {mass}");
                }
            }
        }
    }

    #[test]
    fn hard_bounds_keep_their_density() {
        let (x, y) = normals(100_000, 0.0, 3);
        let half: Vec<f64> = x.iter().map(|x| x.abs()).collect();
        let d = density_1d("half", "x", &half, (0.0, f64::INFINITY), 1e5).unwrap();
        let mass: f64 =
            d.x.windows(2)
                .zip(d.p.windows(2))
                .map(|(x, p)| 0.5 * (x[1] - x[0]) * (p[0] + p[1]))
                .sum();
        assert!((mass - 1.0).abs() < 0.01, "{mass}");
        for (x, p) in d.x.iter().zip(&d.p) {
            let exact = if *x < 0.0 {
                0.0
            } else {
                (2.0 / std::f64::consts::PI).sqrt() * (-0.5 * x * x).exp()
            };
            assert!((p - exact).abs() < 0.03, "at {x}: {p}, exact {exact}");
        }
        // Half a disc: the contour of the whole one, to be cut at x = 0.
        let bounds = [(0.0, f64::INFINITY), FREE];
        let lines =
            Density2::new("half", ["x", "y"], &half, &y, bounds, 1e5).unwrap().contour(0.68);
        for &(x, y) in lines.iter().flatten().filter(|p| p.0 > 0.0) {
            assert!((x.hypot(y) / 1.5096 - 1.0).abs() < 0.08, "{x} {y}");
        }
    }

    #[test]
    fn the_density_of_a_gaussian_is_not_widened() {
        let (x, _) = normals(20_000, 0.0, 5);
        let d = density_1d("normal", "x", &x, FREE, 2e4).unwrap();
        let step = d.x[1] - d.x[0];
        let mean: f64 = d.x.iter().zip(&d.p).map(|(x, p)| x * p * step).sum();
        let variance: f64 =
            d.x.iter().zip(&d.p).map(|(x, p)| x * x * p * step).sum::<f64>() - mean * mean;
        let sample = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / x.len() as f64;
        assert!((variance / sample - 1.0).abs() < 0.01, "{variance} {sample}");
    }

    #[test]
    fn unusable_samples_are_refused_with_their_place() {
        let good: Vec<f64> = (0..50).map(f64::from).collect();
        let few = density_1d("chain", "w_0", &good[..5], FREE, 5.0).unwrap_err();
        assert_eq!(few.to_string(), "chain: 5 samples, at least 20 are needed to draw a density");
        let stuck = density_1d("chain", "w_0", &[-1.0; 50], FREE, 50.0).unwrap_err();
        assert!(matches!(stuck, PlotError::ZeroVariance { value: -1.0, .. }), "{stuck}");
        let mut bad = good.clone();
        bad[17] = f64::NAN;
        let bad = Density2::new("chain", ["a", "b"], &good, &bad, [FREE; 2], 50.0).unwrap_err();
        assert_eq!(bad.to_string(), "chain, b: value 17 is NaN");
    }

    #[test]
    fn equal_pairs_still_have_a_contour() {
        let (x, _) = normals(1000, 0.0, 9);
        let d = Density2::new("line", ["a", "b"], &x, &x, [FREE; 2], 1000.0).unwrap();
        assert!(!d.contour(0.95).is_empty());
    }

    /// Two half circles of radius 1 with a scatter of 0.05, as in the two-moons tasks.
    fn moons(n: usize, seed: u64) -> (Vec<f64>, Vec<f64>) {
        let (x, y) = normals(n, 0.0, seed);
        let on = |i: usize| {
            let t = std::f64::consts::PI * (i as f64 * 0.618_033_988_75).fract();
            let (a, b) = (t.cos(), t.sin());
            if i.is_multiple_of(2) { (a, b) } else { (1.0 - a, 0.5 - b) }
        };
        (0..n).map(|i| (on(i).0 + 0.05 * x[i], on(i).1 + 0.05 * y[i])).unzip()
    }

    #[test]
    fn thin_curved_regions_are_not_blurred() {
        let (x, y) = moons(10_000, 11);
        let d = Density2::new("moons", ["x", "y"], &x, &y, [FREE; 2], 1e4).unwrap();
        let lines = d.contour(0.95);
        assert!(lines.len() >= 2, "apart");
        // 95 % lie within 1.96 standard deviations of the arcs, which end in half discs.
        let area: f64 = lines
            .iter()
            .map(|line| {
                let next = line.iter().cycle().skip(1);
                let sum: f64 = line.iter().zip(next).map(|(a, b)| a.0 * b.1 - a.1 * b.0).sum();
                0.5 * sum
            })
            .sum();
        let r = 1.96 * 0.05;
        let exact = std::f64::consts::TAU * (2.0 * r + r * r);
        assert!((area.abs() / exact - 1.0).abs() < 0.15, "{area}, exact {exact}");
        let (fresh_x, fresh_y) = moons(20_000, 12);
        let mass = (0..20_000).filter(|&i| inside(&lines, fresh_x[i], fresh_y[i])).count();
        assert!((mass as f64 / 20_000.0 - 0.95).abs() < 0.02, "{mass}");
    }

    #[test]
    fn a_narrow_mode_on_a_wide_one_keeps_its_height() {
        let (a, b) = normals(10_000, 0.0, 13);
        let x: Vec<f64> = (0..10_000usize)
            .map(|i| if i.is_multiple_of(2) { a[i] } else { 0.05 * b[i] })
            .collect();
        let d = density_1d("mixture", "x", &x, FREE, 1e4).unwrap();
        let peak = d.p.iter().copied().fold(0.0, f64::max);
        let exact = 0.5 * (1.0 + 20.0) / std::f64::consts::TAU.sqrt();
        assert!((peak / exact - 1.0).abs() < 0.2, "{peak}, exact {exact}");
    }

    /// The usual width stays where nothing speaks against it: also for correlated chains, whose
    /// neighbours lie too close to each other, and at hard bounds.
    #[test]
    fn about_normal_samples_have_the_usual_width() {
        for (n, seed) in [(100, 1), (1000, 2), (1000, 3), (20_000, 4)] {
            let (a, b) = normals(n, 0.6, seed);
            let mut chain = a.clone();
            for i in 1..n {
                chain[i] = 0.9 * chain[i - 1] + 0.19f64.sqrt() * a[i];
            }
            let skewed: Vec<f64> = a.iter().map(|a| (0.3 * a).exp()).collect();
            let half: Vec<f64> = a.iter().map(|a| a.abs()).collect();
            let even: Vec<f64> = (0..n).map(|i| (i as f64 * 0.618_033_988_75).fract()).collect();
            let n = n as f64;
            let cases = [
                (&a, FREE, n),
                (&chain, FREE, n / 19.0),
                (&skewed, FREE, n),
                (&half, (0.0, f64::INFINITY), n),
                (&even, (0.0, 1.0), n),
            ];
            for (k, (x, bounds, effective)) in cases.into_iter().enumerate() {
                let spread = Spread::of("", "", x).unwrap();
                let width = spread.scale * effective.powf(-1.0 / 9.0);
                let usual = Grid::over(&spread, width, NODES_1D).step;
                let d = density_1d("", "", x, bounds, effective).unwrap();
                let step = d.x[NODES_1D / 2 + 1] - d.x[NODES_1D / 2];
                assert!((step / usual - 1.0).abs() < 1e-6, "case {k} of {n}: {step} {usual}");
                let bounds = [bounds, FREE];
                let d = Density2::new("", ["", ""], x, &b, bounds, effective).unwrap();
                assert_eq!(d.nodes, NODES_2D, "case {k} of {n}");
            }
        }
    }
}
