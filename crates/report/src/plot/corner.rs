//! The corner plot: posteriors compared parameter by parameter and pair by pair.
//!
//! On the diagonal the density of each parameter, scaled to its peak; below it the regions that
//! hold 68 % and 95 % of the mass of each pair. Truths are dashed lines. All cells of a column
//! share their horizontal axis, all cells of a row their vertical one.

use super::axis::{Axis, LABEL_SIZE, Panel, Scale};
use super::contour::Line;
use super::density::{Density1, Density2, density_1d, quantile};
use super::error::{PlotError, Result, check_finite};
use super::svg::{Anchor, Font, INK, PALETTE, Rect, Stroke, Svg, path_data};

/// A column of the corner plot.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// Symbol, with the markup of [`super::markup`].
    pub label: String,
    /// Hard limits of the prior; infinite where there is none.
    pub bounds: (f64, f64),
    /// The true value, if known.
    pub truth: Option<f64>,
}

/// A set of samples to draw.
#[derive(Debug, Clone)]
pub struct Posterior<'a> {
    /// Name in the legend.
    pub name: String,
    /// `[sample][parameter]`, contiguous.
    pub samples: &'a [f64],
    /// Number of independent samples (the smallest effective sample size of a Markov chain); all
    /// of them if none is given. It sets the smoothing.
    pub effective: Option<f64>,
}

impl Posterior<'_> {
    /// One parameter of all samples.
    pub fn column(&self, parameter: usize, parameters: usize) -> Vec<f64> {
        self.samples.iter().skip(parameter).step_by(parameters).copied().collect()
    }
}

/// Enclosed masses of the regions drawn, outermost first, with their opacity.
const REGIONS: [(f64, f64); 2] = [(0.95, 0.22), (0.68, 0.42)];
/// Distance between cells, px.
const GAP: f64 = 7.0;
const LEFT: f64 = 62.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 42.0;

/// What is drawn of one posterior.
struct Layer {
    densities: Vec<Density1>,
    /// Of each pair (row, column) with column < row, row by row: of each region its outlines.
    regions: Vec<Vec<Vec<Line>>>,
}

/// Draws the corner plot; the first posterior lies on top.
///
/// # Errors
/// A posterior whose samples do not fit the parameters, are too few, not finite or all equal.
pub fn corner(parameters: &[Parameter], posteriors: &[Posterior]) -> Result<String> {
    let d = parameters.len();
    let layers: Vec<Layer> =
        posteriors.iter().map(|p| layer(parameters, p)).collect::<Result<_>>()?;
    let axes: Vec<Axis> =
        (0..d).map(|i| shared_axis(i, parameters, posteriors, &layers)).collect::<Result<_>>()?;
    let cell = match d {
        0..=2 => 210.0,
        3..=4 => 160.0,
        _ => (760.0 / d as f64).max(84.0),
    };
    let side = d as f64 * cell + (d as f64 - 1.0) * GAP;
    let mut svg =
        Svg::new(LEFT + side + 12.0, TOP + side + BOTTOM, "Corner plot of the posteriors");
    let area = |row: usize, column: usize| {
        let at = |i: usize| i as f64 * (cell + GAP);
        Rect::new(LEFT + at(column), TOP + at(row), cell, cell)
    };
    let ticks = if cell < 100.0 { 3 } else { 4 };
    for row in 0..d {
        for column in 0..=row {
            let diagonal = row == column;
            let y =
                if diagonal { Axis::new("density", 0.0, 1.12, Scale::Linear)? } else { axes[row] };
            let panel = Panel { area: area(row, column), x: axes[column], y };
            svg.clipped(panel.area, |svg| {
                for (index, layer) in layers.iter().enumerate().rev() {
                    let colour = PALETTE[index % PALETTE.len()];
                    if diagonal {
                        draw_density(svg, &panel, &layer.densities[row], colour);
                    } else {
                        let pair = row * (row - 1) / 2 + column;
                        draw_regions(svg, &panel, &layer.regions[pair], colour, index);
                    }
                }
            });
            let truth = Stroke::solid(INK, 1.0).dashed("4 3").faded(0.85);
            if let Some(v) = parameters[column].truth {
                panel.vertical(&mut svg, v, truth);
            }
            if let Some(v) = parameters[row].truth.filter(|_| !diagonal) {
                panel.horizontal(&mut svg, v, truth);
                let (x, y) = (parameters[column].truth, panel.py(v));
                if let Some(x) = x.map(|x| panel.px(x)).filter(|x| inside(panel.area, *x, y)) {
                    svg.disc((x, y), 2.2, INK);
                }
            }
            panel.frame(&mut svg);
            panel.x_ticks(&mut svg, ticks, (row + 1 == d).then_some(0.5 * GAP));
            if !diagonal {
                panel.y_ticks(&mut svg, ticks, column == 0);
            }
            if row + 1 == d {
                panel.x_label(&mut svg, &parameters[column].label);
            }
            if column == 0 && row > 0 {
                panel.y_label(&mut svg, &parameters[row].label, 46.0);
            }
        }
    }
    legend(&mut svg, parameters, posteriors, LEFT + side, cell);
    Ok(svg.finish())
}

fn layer(parameters: &[Parameter], posterior: &Posterior) -> Result<Layer> {
    let d = parameters.len();
    let name = &posterior.name;
    if d == 0 || !posterior.samples.len().is_multiple_of(d) {
        return Err(PlotError::Shape {
            what: format!("{name}: samples"),
            expected: format!("a multiple of the {d} parameters"),
            found: posterior.samples.len(),
        });
    }
    let columns: Vec<Vec<f64>> = (0..d).map(|i| posterior.column(i, d)).collect();
    let effective = posterior.effective.unwrap_or(columns[0].len() as f64);
    let label = |i: usize| super::markup::plain(&parameters[i].label);
    let densities = (0..d)
        .map(|i| density_1d(name, &label(i), &columns[i], parameters[i].bounds, effective))
        .collect::<Result<_>>()?;
    let mut regions = Vec::new();
    for row in 1..d {
        for column in 0..row {
            let density = Density2::new(
                name,
                [&label(column), &label(row)],
                &columns[column],
                &columns[row],
                [parameters[column].bounds, parameters[row].bounds],
                effective,
            )?;
            regions.push(REGIONS.iter().map(|&(share, _)| density.contour(share)).collect());
        }
    }
    Ok(Layer { densities, regions })
}

/// The axis of a parameter: what all posteriors need, the truth, within the hard limits.
fn shared_axis(
    i: usize,
    parameters: &[Parameter],
    posteriors: &[Posterior],
    layers: &[Layer],
) -> Result<Axis> {
    let Parameter { label, bounds, truth } = &parameters[i];
    let d = parameters.len();
    let mut shown: Vec<f64> = truth.iter().copied().collect();
    check_finite(&format!("truth of {label}"), shown.iter().copied())?;
    for (posterior, layer) in posteriors.iter().zip(layers) {
        let mut sorted = posterior.column(i, d);
        sorted.sort_by(f64::total_cmp);
        shown.extend([quantile(&sorted, 0.003), quantile(&sorted, 0.997)]);
        for row in 1..d {
            for column in 0..row {
                let outermost = layer.regions[row * (row - 1) / 2 + column][0].iter().flatten();
                match i {
                    i if i == row => shown.extend(outermost.map(|p| p.1)),
                    i if i == column => shown.extend(outermost.map(|p| p.0)),
                    _ => {}
                }
            }
        }
    }
    let axis = Axis::around(label, shown, 0.04, Scale::Linear)?;
    Axis::new(label, axis.lo.max(bounds.0), axis.hi.min(bounds.1), Scale::Linear)
}

fn draw_density(svg: &mut Svg, panel: &Panel, density: &Density1, colour: &str) {
    let peak = density.p.iter().copied().fold(0.0, f64::max);
    let shown = density.x.iter().zip(&density.p).filter(|(_, p)| **p > 0.0);
    let curve: Vec<_> = shown.map(|(&x, p)| panel.at(x, p / peak)).collect();
    let (Some(first), Some(last)) = (curve.first(), curve.last()) else { return };
    let floor = panel.area.bottom();
    let mut outline = vec![(first.0, floor)];
    outline.extend(&curve);
    outline.push((last.0, floor));
    let outline = thinned(&outline, 0.5);
    svg.polygon(&outline, colour, 0.16);
    svg.polyline(&outline, Stroke::solid(colour, 1.5));
}

fn draw_regions(svg: &mut Svg, panel: &Panel, regions: &[Vec<Line>], colour: &str, index: usize) {
    for (lines, (_, opacity)) in regions.iter().zip(REGIONS) {
        let mut data = String::new();
        for line in lines {
            let points: Vec<_> = line.iter().map(|&(x, y)| panel.at(x, y)).collect();
            data.push_str(&path_data(&thinned(&points, 0.8)));
            data.push('Z');
        }
        // Lower layers are lighter, so that the upper ones stay readable.
        let opacity = if index == 0 { opacity } else { 0.75 * opacity };
        svg.path(&data, colour, opacity, Some(Stroke::solid(colour, 1.1)));
    }
}

/// Leaves out points closer than `distance` pixels to the last one kept.
fn thinned(points: &[(f64, f64)], distance: f64) -> Vec<(f64, f64)> {
    let mut kept: Vec<(f64, f64)> = Vec::new();
    for (i, &p) in points.iter().enumerate() {
        let far = kept.last().is_none_or(|q| (p.0 - q.0).hypot(p.1 - q.1) >= distance);
        if far || i + 1 == points.len() {
            kept.push(p);
        }
    }
    kept
}

fn inside(area: Rect, x: f64, y: f64) -> bool {
    (area.x..=area.right()).contains(&x) && (area.y..=area.bottom()).contains(&y)
}

/// Names of the posteriors and the meaning of lines, in the empty upper right half.
fn legend(
    svg: &mut Svg,
    parameters: &[Parameter],
    posteriors: &[Posterior],
    right: f64,
    cell: f64,
) {
    if parameters.len() < 2 {
        return;
    }
    let size = LABEL_SIZE;
    let entries: Vec<(&str, &str)> = posteriors
        .iter()
        .enumerate()
        .map(|(i, p)| (PALETTE[i % PALETTE.len()], p.name.as_str()))
        .collect();
    let widest = entries.iter().map(|(_, l)| super::markup::width_em(l)).fold(5.0, f64::max);
    let x = (right - (widest + 2.4) * size).max(LEFT + cell + 2.0 * GAP);
    let height = svg.legend((x, TOP), size, &entries);
    if parameters.iter().any(|p| p.truth.is_some()) {
        let y = TOP + height + 0.85 * size;
        svg.line((x, y), (x + 1.6 * size, y), Stroke::solid(INK, 1.0).dashed("4 3"));
        svg.text((x + 2.2 * size, y + 0.35 * size), "truth", Font::new(size, Anchor::Start));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use rand_distr::{Distribution, StandardNormal};

    fn parameters(names: &[&str]) -> Vec<Parameter> {
        let free = (f64::NEG_INFINITY, f64::INFINITY);
        let one = |n: &&str| Parameter { label: (*n).into(), bounds: free, truth: Some(0.1) };
        names.iter().map(one).collect()
    }

    fn samples(n: usize, seed: u64) -> Vec<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..n).map(|_| StandardNormal.sample(&mut rng)).collect()
    }

    fn posterior<'a>(name: &str, samples: &'a [f64]) -> Posterior<'a> {
        Posterior { name: name.into(), samples, effective: None }
    }

    #[test]
    fn the_figure_is_complete_and_reproducible() {
        let (a, b) = (samples(3000, 1), samples(2400, 2));
        let names = parameters(&["$Ω_c$", "$σ_8$", "$w_0$"]);
        let draw = || corner(&names, &[posterior("field <1>", &a), posterior("C", &b)]).unwrap();
        let svg = draw();
        assert_eq!(svg, draw());
        assert!(svg.contains("field &lt;1&gt;") && svg.contains(">truth<"));
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
        // Three pairs, two regions each, two posteriors.
        assert_eq!(svg.matches("fill-rule=\"evenodd\"").count(), 2 * (3 * 2 + 3));
    }

    #[test]
    fn wrong_shapes_and_stuck_chains_are_named() {
        let names = parameters(&["a", "b"]);
        let odd = samples(101, 1);
        let error = corner(&names, &[posterior("run", &odd)]).unwrap_err().to_string();
        assert_eq!(error, "run: samples: expected a multiple of the 2 parameters, found 101");
        let mut stuck = samples(200, 1);
        stuck.iter_mut().skip(1).step_by(2).for_each(|v| *v = 0.7);
        let error = corner(&names, &[posterior("run", &stuck)]).unwrap_err();
        assert!(matches!(error, PlotError::ZeroVariance { parameter, .. } if parameter == "b"));
    }

    #[test]
    fn axes_stop_at_hard_bounds_and_include_the_truth() {
        let mut names = parameters(&["a", "b"]);
        names[0].bounds = (0.0, f64::INFINITY);
        names[1].truth = Some(9.0);
        let positive: Vec<f64> = samples(4000, 3).iter().map(|v| v.abs()).collect();
        let run = posterior("run", &positive);
        let layers = [layer(&names, &run).unwrap()];
        let x = shared_axis(0, &names, std::slice::from_ref(&run), &layers).unwrap();
        let y = shared_axis(1, &names, &[run], &layers).unwrap();
        assert_eq!(x.lo, 0.0);
        assert!(y.hi > 9.0 && y.lo < 0.01);
    }
}
