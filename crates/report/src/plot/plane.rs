//! Samples, densities and vector fields in two dimensions, side by side on common axes.

use super::axis::{Axis, LABEL_SIZE, Panel, Scale};
use super::contour::level_lines;
use super::error::{PlotError, Result, check_finite, check_len};
use super::image::png;
use super::svg::{Anchor, Font, PALETTE, Rect, Stroke, Svg, path_data};

/// One square panel.
#[derive(Debug, Clone)]
pub struct Plane<'a> {
    /// Title above it.
    pub title: String,
    /// What is drawn, from back to front.
    pub layers: Vec<Layer<'a>>,
}

/// Something drawn in a plane; colours are indices into the palette.
#[derive(Debug, Clone)]
pub enum Layer<'a> {
    /// A density as an image, dark where it is low.
    Image(Field<'a>),
    /// Lines around the regions that hold these shares of a density's mass.
    Regions {
        /// The density.
        density: Field<'a>,
        /// Shares of the mass, between 0 and 1.
        shares: Vec<f64>,
        /// Colour of the lines.
        colour: usize,
    },
    /// Samples, contiguous pairs (x, y).
    Points {
        /// The pairs.
        samples: &'a [f64],
        /// Their colour.
        colour: usize,
    },
}

/// A function on a regular grid.
#[derive(Debug, Clone, Copy)]
pub struct Field<'a> {
    /// Values `[y][x]` at the centres of the cells, the lowest y first.
    pub values: &'a [f64],
    /// Number of cells along x.
    pub columns: usize,
    /// Outer edges in x.
    pub x: (f64, f64),
    /// Outer edges in y.
    pub y: (f64, f64),
}

/// Most samples drawn.
const POINTS: usize = 2500;
const LEFT: f64 = 62.0;
const TOP: f64 = 26.0;
const GAP: f64 = 12.0;
const BELOW: f64 = 44.0;

/// Draws the planes in a row; `labels` and `ranges` are those of the two axes.
///
/// # Errors
/// No plane, arrays that do not fit, values that are not finite, an empty range, a share that is
/// not between 0 and 1.
pub fn planes(
    title: &str,
    planes: &[Plane],
    labels: [&str; 2],
    ranges: [(f64, f64); 2],
) -> Result<String> {
    if planes.is_empty() {
        let (what, expected) = ("planes".to_owned(), "at least one".to_owned());
        return Err(PlotError::Shape { what, expected, found: 0 });
    }
    let axis = |i: usize| Axis::new(labels[i], ranges[i].0, ranges[i].1, Scale::Linear);
    let (x, y) = (axis(0)?, axis(1)?);
    let side = match planes.len() {
        1 => 340.0,
        2 => 300.0,
        3 => 236.0,
        _ => 190.0,
    };
    let width = LEFT + planes.len() as f64 * (side + GAP) + 4.0;
    let mut svg = Svg::new(width, TOP + side + BELOW, title);
    for (i, plane) in planes.iter().enumerate() {
        let area = Rect::new(LEFT + i as f64 * (side + GAP), TOP, side, side);
        let panel = Panel { area, x, y };
        let mut drawn = Ok(());
        svg.clipped(area, |svg| {
            let mut layers = plane.layers.iter();
            drawn = layers.try_for_each(|layer| layer.draw(svg, &panel, &plane.title));
        });
        drawn?;
        panel.frame(&mut svg);
        panel.x_ticks(&mut svg, 4, Some(0.5 * GAP));
        panel.y_ticks(&mut svg, 5, i == 0);
        panel.x_label(&mut svg, labels[0]);
        if i == 0 {
            panel.y_label(&mut svg, labels[1], 46.0);
        }
        let at = (area.x + 0.5 * side, area.y - 8.0);
        svg.text(at, &plane.title, Font::new(LABEL_SIZE, Anchor::Middle));
    }
    Ok(svg.finish())
}

impl Layer<'_> {
    fn draw(&self, svg: &mut Svg, panel: &Panel, what: &str) -> Result<()> {
        match self {
            Self::Image(field) => {
                field.check(what)?;
                field.draw_image(svg, panel)
            }
            Self::Regions { density, shares, colour } => {
                density.check(what)?;
                for &share in shares {
                    if !(share > 0.0 && share < 1.0) {
                        let what = format!("{what}: share of the mass");
                        return Err(PlotError::Range { what, lo: share, hi: share });
                    }
                    let lines = density.outlines(density.level_enclosing(share));
                    let data: String = lines
                        .iter()
                        .map(|line| line.iter().map(|&(x, y)| panel.at(x, y)).collect::<Vec<_>>())
                        .map(|line| format!("{}Z", path_data(&line)))
                        .collect();
                    if !data.is_empty() {
                        let stroke = Stroke::solid(PALETTE[colour % PALETTE.len()], 1.2);
                        svg.path(&data, "none", 1.0, Some(stroke));
                    }
                }
                Ok(())
            }
            Self::Points { samples, colour } => {
                check_multiple(what, "samples", samples.len(), 2)?;
                check_finite(what, samples.iter().copied())?;
                let count = samples.len() / 2;
                let stride = count.div_ceil(POINTS).max(1);
                let dots: Vec<(f64, f64)> = samples
                    .chunks_exact(2)
                    .step_by(stride)
                    .map(|pair| panel.at(pair[0], pair[1]))
                    .collect();
                let opacity = if dots.len() > 500 { 0.45 } else { 0.8 };
                svg.dots(&dots, 1.1, PALETTE[colour % PALETTE.len()], opacity);
                Ok(())
            }
        }
    }
}

fn check_multiple(what: &str, kind: &str, found: usize, of: usize) -> Result<()> {
    if found.is_multiple_of(of) {
        return Ok(());
    }
    let expected = format!("a multiple of {of}");
    Err(PlotError::Shape { what: format!("{what}: {kind}"), expected, found })
}

impl Field<'_> {
    fn check(&self, what: &str) -> Result<()> {
        let rows = self.values.len().checked_div(self.columns).unwrap_or(0);
        check_len(&format!("{what}: grid"), rows.max(1) * self.columns.max(1), self.values.len())?;
        check_finite(what, self.values.iter().copied())?;
        Axis::new(&format!("{what}: grid in x"), self.x.0, self.x.1, Scale::Linear)?;
        Axis::new(&format!("{what}: grid in y"), self.y.0, self.y.1, Scale::Linear).map(drop)
    }

    fn rows(&self) -> usize {
        self.values.len() / self.columns
    }

    fn draw_image(&self, svg: &mut Svg, panel: &Panel) -> Result<()> {
        let peak = self.values.iter().copied().fold(0.0, f64::max);
        let scale = if peak > 0.0 { 255.0 / peak } else { 0.0 };
        let levels: Vec<u8> = self
            .values
            .chunks(self.columns)
            .rev()
            .flatten()
            .map(|v| (scale * v).round().clamp(0.0, 255.0) as u8)
            .collect();
        let uri = png(self.columns, self.rows(), &levels)?;
        let (left, top) = panel.at(self.x.0, self.y.1);
        let (right, bottom) = panel.at(self.x.1, self.y.0);
        svg.image(Rect::new(left, top, right - left, bottom - top), &uri, self.columns < 100);
        Ok(())
    }

    /// The level above which the density holds this share of its mass.
    fn level_enclosing(&self, share: f64) -> f64 {
        let mut sorted: Vec<f64> = self.values.iter().map(|v| v.max(0.0)).collect();
        sorted.sort_by(|a, b| b.total_cmp(a));
        let target = share * sorted.iter().sum::<f64>();
        let mut mass = 0.0;
        let found = sorted.into_iter().find(|v| {
            mass += v;
            mass >= target
        });
        found.unwrap_or(0.0)
    }

    /// The lines on which the field has a value.
    fn outlines(&self, level: f64) -> Vec<Vec<(f64, f64)>> {
        let step = |(lo, hi): (f64, f64), cells: usize| (hi - lo) / cells as f64;
        let (dx, dy) = (step(self.x, self.columns), step(self.y, self.rows()));
        let place = |(c, r): (f64, f64)| (self.x.0 + (c + 0.5) * dx, self.y.0 + (r + 0.5) * dy);
        let lines = level_lines(self.values, self.columns, level);
        lines.into_iter().map(|line| line.into_iter().map(place).collect()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A round Gaussian of unit width on [-4, 4]^2.
    fn gaussian(n: usize) -> Vec<f64> {
        let at = |i: usize| -4.0 + 8.0 * (i as f64 + 0.5) / n as f64;
        (0..n * n).map(|k| (-0.5 * (at(k % n).powi(2) + at(k / n).powi(2))).exp()).collect()
    }

    fn field(values: &[f64], columns: usize) -> Field<'_> {
        Field { values, columns, x: (-4.0, 4.0), y: (-4.0, 4.0) }
    }

    fn draw(layers: Vec<Layer>) -> Result<String> {
        let plane = Plane { title: "truth".into(), layers };
        planes("moons", &[plane], ["$x$", "$y$"], [(-4.0, 4.0); 2])
    }

    #[test]
    fn regions_hold_their_share() {
        let values = gaussian(120);
        let field = field(&values, 120);
        for share in [0.5, 0.9f64] {
            let lines = field.outlines(field.level_enclosing(share));
            assert_eq!(lines.len(), 1);
            let radius = (-2.0 * (1.0 - share).ln()).sqrt();
            for (x, y) in &lines[0] {
                assert!((x.hypot(*y) / radius - 1.0).abs() < 0.02, "{share}: {x} {y}");
            }
        }
    }

    #[test]
    fn every_layer_is_drawn() {
        let values = gaussian(40);
        let samples: Vec<f64> = (0..20_000).map(|i| (f64::from(i) * 0.37).sin()).collect();
        let svg = draw(vec![
            Layer::Image(field(&values, 40)),
            Layer::Regions { density: field(&values, 40), shares: vec![0.5, 0.9], colour: 1 },
            Layer::Points { samples: &samples, colour: 2 },
        ])
        .unwrap();
        assert!(svg.contains("<image") && svg.contains(">truth<"));
        for colour in &PALETTE[1..3] {
            assert!(svg.contains(colour), "{colour}");
        }
        assert_eq!(svg.matches("h0").count(), POINTS, "thinned");
        assert!(!svg.contains("NaN"));
    }

    #[test]
    fn what_cannot_be_drawn_is_named() {
        let values = gaussian(4);
        let refused = |layer: Layer| draw(vec![layer]).unwrap_err().to_string();
        let regions = |shares| Layer::Regions { density: field(&values, 4), shares, colour: 0 };
        for (layer, expected) in [
            (Layer::Image(field(&values, 5)), "truth: grid: expected 15, found 16"),
            (Layer::Image(field(&[0.0, f64::NAN], 1)), "truth: value 1 is NaN"),
            (regions(vec![1.0]), "truth: share of the mass: cannot draw an axis from 1 to 1"),
            (
                Layer::Points { samples: &[1.0; 3], colour: 0 },
                "truth: samples: expected a multiple of 2, found 3",
            ),
            (Layer::Points { samples: &[0.0, f64::NAN], colour: 0 }, "truth: value 1 is NaN"),
        ] {
            assert_eq!(refused(layer), expected);
        }
        assert!(planes("", &[], ["x", "y"], [(0.0, 1.0); 2]).is_err());
        let plane = Plane { title: String::new(), layers: Vec::new() };
        assert!(planes("", &[plane], ["x", "y"], [(0.0, 0.0), (0.0, 1.0)]).is_err());
    }
}
