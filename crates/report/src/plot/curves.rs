//! Curves with error bands: accuracy against the number of simulations, losses against steps.
//!
//! A figure is a grid of [`Chart`]s with one legend. What is measured here is drawn as points on a
//! line within its band; published values are open diamonds with error bars in the colour of the
//! curve they belong to, set apart a little where several stand at the same place.

use super::axis::{Axis, LABEL_SIZE, Panel, Scale, TICK_SIZE};
use super::error::{PlotError, Result, check_finite, check_len};
use super::markup::width_em;
use super::svg::{Anchor, Font, INK, PALETTE, Rect, Stroke, Svg, path_data};

/// One pair of axes with what is drawn between them.
#[derive(Debug, Clone, Default)]
pub struct Chart {
    /// Title above it; may be empty.
    pub title: String,
    /// Horizontal axis.
    pub x: Quantity,
    /// Vertical axis.
    pub y: Quantity,
    /// What the curves are to be compared with.
    pub guides: Vec<Guide>,
    /// The curves, the first on top.
    pub series: Vec<Series>,
}

/// What an axis shows.
#[derive(Debug, Clone, Default)]
pub struct Quantity {
    /// Its label.
    pub label: String,
    /// True for a logarithmic axis.
    pub log: bool,
    /// Its ends; by default those that show everything.
    pub range: Option<(f64, f64)>,
}

/// Something to compare curves with.
#[derive(Debug, Clone)]
pub enum Guide {
    /// A dashed horizontal line with a name.
    Level(f64, String),
    /// A grey band between two curves over common positions.
    Band {
        /// Positions, increasing.
        x: Vec<f64>,
        /// Lower edge.
        lower: Vec<f64>,
        /// Upper edge.
        upper: Vec<f64>,
    },
    /// The dashed line y = x.
    Diagonal,
}

/// How a curve is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Points on a line.
    Points,
    /// Points with error bars and no line between them, for positions that are no quantity.
    Marks,
    /// A line.
    Line,
    /// A dashed line.
    Dashed,
    /// Open diamonds, for values of others.
    Published,
}

/// A curve.
#[derive(Debug, Clone)]
pub struct Series {
    /// Name in the legend; equal names of several charts stand there once.
    pub name: String,
    /// Index into the palette; related curves share their colour.
    pub colour: usize,
    /// How it is drawn.
    pub look: Look,
    /// Positions.
    pub x: Vec<f64>,
    /// Values.
    pub y: Vec<f64>,
    /// Distance of the band's edges (or ends of error bars) from each value; empty for none.
    pub error: Vec<f64>,
}

/// Most points drawn of one line.
const LINE_POINTS: usize = 600;
const LEFT: f64 = 64.0;
const GAP: f64 = 70.0;
/// Height of the strip below a chart: tick labels and axis label.
const BELOW: f64 = 44.0;
const TITLE: f64 = 20.0;
const LEGEND_SIZE: f64 = 12.0;
const LEGEND_ROW: f64 = 20.0;
/// Width of a sample in the legend, and its distance from the name.
const SAMPLE: (f64, f64) = (24.0, 7.0);
/// Distance of published points at the same place, px.
const APART: f64 = 7.0;

/// Draws the charts, `columns` in a row.
///
/// # Errors
/// No chart or a chart without curves, arrays of different lengths, values that are not finite,
/// an axis that shows nothing.
pub fn curves(title: &str, charts: &[Chart], columns: usize) -> Result<String> {
    if charts.is_empty() {
        let (what, expected) = ("charts".to_owned(), "at least one".to_owned());
        return Err(PlotError::Shape { what, expected, found: 0 });
    }
    charts.iter().try_for_each(Chart::check)?;
    let columns = columns.clamp(1, charts.len());
    let (width, height) = match columns {
        1 => (560.0, 300.0),
        2 => (350.0, 240.0),
        _ => (232.0, 172.0),
    };
    let width = if charts.iter().all(Chart::is_square) { height } else { width };
    let titled = if charts.iter().any(|chart| !chart.title.is_empty()) { TITLE } else { 4.0 };
    let row_height = titled + height + BELOW;
    let total = LEFT + columns as f64 * (width + GAP) - GAP + 14.0;
    let legend = Legend::new(charts, total - LEFT - 14.0);
    let rows = charts.len().div_ceil(columns) as f64;
    let mut svg = Svg::new(total, legend.height() + rows * row_height, title);
    legend.draw(&mut svg);
    for (i, chart) in charts.iter().enumerate() {
        let (row, column) = ((i / columns) as f64, (i % columns) as f64);
        let x = LEFT + column * (width + GAP);
        let y = legend.height() + row * row_height + titled;
        chart.draw(&mut svg, Rect::new(x, y, width, height))?;
    }
    Ok(svg.finish())
}

impl Chart {
    /// A diagonal is drawn at 45 degrees.
    fn is_square(&self) -> bool {
        self.guides.iter().any(|guide| matches!(guide, Guide::Diagonal))
    }

    fn check(&self) -> Result<()> {
        if self.series.is_empty() {
            let (what, expected) = (format!("curves of {}", self.y.label), "at least one".into());
            return Err(PlotError::Shape { what, expected, found: 0 });
        }
        for Series { name, x, y, error, .. } in &self.series {
            check_len(name, x.len(), y.len())?;
            if !error.is_empty() {
                check_len(&format!("errors of {name}"), x.len(), error.len())?;
            }
            check_finite(name, x.iter().chain(y).chain(error).copied())?;
        }
        for guide in &self.guides {
            match guide {
                Guide::Level(value, name) => check_finite(name, [*value])?,
                Guide::Band { x, lower, upper } => {
                    check_len("lower edge of the band", x.len(), lower.len())?;
                    check_len("upper edge of the band", x.len(), upper.len())?;
                    check_finite("band", x.iter().chain(lower).chain(upper).copied())?;
                }
                Guide::Diagonal => {}
            }
        }
        Ok(())
    }

    /// The axes that show all there is, but for the ranges that are given.
    fn axes(&self) -> Result<(Axis, Axis)> {
        let x = self.series.iter().flat_map(|s| &s.x).copied();
        let mut y = Vec::new();
        for series in &self.series {
            y.extend(&series.y);
            for (value, error) in series.y.iter().zip(&series.error) {
                y.extend([value - error, value + error]);
            }
        }
        for guide in &self.guides {
            match guide {
                Guide::Level(value, _) => y.push(*value),
                Guide::Band { lower, upper, .. } => y.extend(lower.iter().chain(upper)),
                Guide::Diagonal => {}
            }
        }
        Ok((self.x.axis(x, 0.04)?, self.y.axis(y, 0.06)?))
    }

    fn draw(&self, svg: &mut Svg, area: Rect) -> Result<()> {
        let (x, y) = self.axes()?;
        let panel = Panel { area, x, y };
        svg.clipped(area, |svg| {
            self.guides.iter().for_each(|guide| guide.draw_behind(svg, &panel));
            for series in self.series.iter().rev() {
                series.draw_band(svg, &panel);
            }
        });
        self.guides.iter().for_each(|guide| guide.draw_line(svg, &panel));
        let published = self.series.iter().filter(|s| s.look == Look::Published).count();
        let mut place = published;
        svg.clipped(area, |svg| {
            for series in self.series.iter().rev() {
                if series.look == Look::Published {
                    place -= 1;
                    // With one published curve the points would cover those beside them.
                    let middle = 0.5 * (published as f64 - 1.0);
                    series.draw_published(svg, &panel, APART * (place as f64 - middle));
                } else {
                    series.draw_line(svg, &panel);
                }
            }
        });
        panel.frame(svg);
        panel.x_ticks(svg, 6, Some(14.0));
        panel.y_ticks(svg, 6, true);
        panel.x_label(svg, &self.x.label);
        panel.y_label(svg, &self.y.label, 46.0);
        if !self.title.is_empty() {
            let font = Font::new(LABEL_SIZE, Anchor::Middle);
            svg.text((area.x + 0.5 * area.width, area.y - 7.0), &self.title, font);
        }
        Ok(())
    }
}

impl Quantity {
    fn axis(&self, values: impl IntoIterator<Item = f64>, margin: f64) -> Result<Axis> {
        let scale = if self.log { Scale::Log } else { Scale::Linear };
        match self.range {
            Some((lo, hi)) => Axis::new(&self.label, lo, hi, scale),
            None => Axis::around(&self.label, values, margin, scale),
        }
    }
}

impl Guide {
    fn draw_behind(&self, svg: &mut Svg, panel: &Panel) {
        if let Self::Band { x, lower, upper } = self {
            band(svg, panel, x, lower, upper, INK, 0.12);
        }
    }

    fn draw_line(&self, svg: &mut Svg, panel: &Panel) {
        let stroke = Stroke::solid(INK, 1.0).dashed("4 3").faded(0.7);
        match self {
            Self::Level(value, name) => {
                panel.horizontal(svg, *value, stroke);
                let y = panel.py(*value) - 4.0;
                if y > panel.area.y + TICK_SIZE && y < panel.area.bottom() {
                    let font = Font::new(TICK_SIZE, Anchor::End);
                    svg.text((panel.area.right() - 5.0, y), name, font);
                }
            }
            Self::Diagonal => {
                let ends = [panel.x.lo.max(panel.y.lo), panel.x.hi.min(panel.y.hi)];
                panel.curve(svg, &ends, &ends, stroke);
            }
            Self::Band { .. } => {}
        }
    }
}

impl Series {
    fn paint(&self) -> &'static str {
        PALETTE[self.colour % PALETTE.len()]
    }

    fn draw_band(&self, svg: &mut Svg, panel: &Panel) {
        if self.error.is_empty() || matches!(self.look, Look::Published | Look::Marks) {
            return;
        }
        let edge = |sign: f64| -> Vec<f64> {
            self.y.iter().zip(&self.error).map(|(y, e)| y + sign * e).collect()
        };
        band(svg, panel, &self.x, &edge(-1.0), &edge(1.0), self.paint(), 0.2);
    }

    fn draw_line(&self, svg: &mut Svg, panel: &Panel) {
        // The last point is always drawn.
        let stride = self.x.len().div_ceil(LINE_POINTS).max(1);
        let last = self.x.len().saturating_sub(1);
        let points: Vec<(f64, f64)> = (0..self.x.len())
            .filter(|i| i % stride == 0 || *i == last)
            .map(|i| panel.at(self.x[i], self.y[i]))
            .collect();
        // A long, noisy line would become a block.
        let stroke = Stroke::solid(self.paint(), if points.len() > 200 { 0.9 } else { 1.6 });
        let stroke = if self.look == Look::Dashed { stroke.dashed("6 3") } else { stroke };
        if self.look == Look::Marks {
            self.draw_bars(svg, panel);
        } else {
            svg.polyline(&points, stroke);
        }
        if matches!(self.look, Look::Points | Look::Marks) {
            let inside = points.iter().filter(|(x, y)| x.is_finite() && y.is_finite());
            inside.for_each(|&point| svg.disc(point, 2.6, self.paint()));
        }
    }

    fn draw_bars(&self, svg: &mut Svg, panel: &Panel) {
        for ((&x, &y), &error) in self.x.iter().zip(&self.y).zip(&self.error) {
            let [from, to] = [y - error, y + error].map(|v| (panel.px(x), edge_of(panel, v)));
            svg.line(from, to, Stroke::solid(self.paint(), 1.1));
        }
    }

    fn draw_published(&self, svg: &mut Svg, panel: &Panel, shift: f64) {
        for (i, (&x, &y)) in self.x.iter().zip(&self.y).enumerate() {
            let (px, py) = panel.at(x, y);
            if !(px.is_finite() && py.is_finite()) {
                continue;
            }
            let px = px + shift;
            if let Some(error) = self.error.get(i) {
                let ends = [y - error, y + error].map(|v| (px, edge_of(panel, v)));
                svg.line(ends[0], ends[1], Stroke::solid(self.paint(), 1.1));
            }
            diamond(svg, (px, py), self.paint());
        }
    }
}

/// Vertical pixel of a value; on a logarithmic axis, values without one lie below the panel.
fn edge_of(panel: &Panel, value: f64) -> f64 {
    let y = panel.py(value);
    if y.is_finite() { y } else { panel.area.bottom() + 5.0 }
}

fn band(svg: &mut Svg, panel: &Panel, x: &[f64], lower: &[f64], upper: &[f64], fill: &str, o: f64) {
    let upper = x.iter().zip(upper).map(|(&x, &y)| (panel.px(x), edge_of(panel, y)));
    let lower = x.iter().zip(lower).map(|(&x, &y)| (panel.px(x), edge_of(panel, y)));
    let outline: Vec<(f64, f64)> = upper.chain(lower.rev()).collect();
    svg.polygon(&outline, fill, o);
}

/// An open diamond.
fn diamond(svg: &mut Svg, centre: (f64, f64), colour: &str) {
    let ((x, y), r) = (centre, 4.2);
    let data = format!("{}Z", path_data(&[(x - r, y), (x, y - r), (x + r, y), (x, y + r)]));
    svg.path(&data, "none", 1.0, Some(Stroke::solid(colour, 1.3)));
}

/// Names of the curves, in rows above the charts.
struct Legend<'a> {
    /// Curves with the position of their sample.
    entries: Vec<(&'a Series, (f64, f64))>,
    rows: usize,
}

impl<'a> Legend<'a> {
    /// One entry for each name and look, as many in a row as fit into `width`.
    fn new(charts: &'a [Chart], width: f64) -> Self {
        let mut entries: Vec<(&Series, (f64, f64))> = Vec::new();
        let (mut x, mut rows) = (0.0, 0);
        for series in charts.iter().flat_map(|chart| &chart.series) {
            let same = |other: &Series| other.name == series.name && other.look == series.look;
            if series.name.is_empty() || entries.iter().any(|(other, _)| same(other)) {
                continue;
            }
            let own = SAMPLE.0 + SAMPLE.1 + LEGEND_SIZE * width_em(&series.name);
            if rows == 0 || x + own > width {
                (x, rows) = (0.0, rows + 1);
            }
            entries.push((series, (LEFT + x, LEGEND_ROW * (rows as f64 - 0.5) + 4.0)));
            x += own + 20.0;
        }
        Self { entries, rows }
    }

    fn height(&self) -> f64 {
        if self.rows == 0 { 4.0 } else { LEGEND_ROW * self.rows as f64 + 8.0 }
    }

    fn draw(&self, svg: &mut Svg) {
        for (series, (x, y)) in &self.entries {
            let colour = series.paint();
            let (left, right, middle) = ((*x, *y), (x + SAMPLE.0, *y), (x + 0.5 * SAMPLE.0, *y));
            if series.look == Look::Published {
                let ends = [-1.0, 1.0].map(|sign| (middle.0, y + 7.5 * sign));
                svg.line(ends[0], ends[1], Stroke::solid(colour, 1.1));
                diamond(svg, middle, colour);
            } else if series.look == Look::Marks {
                svg.disc(middle, 2.6, colour);
            } else {
                if !series.error.is_empty() {
                    svg.rect(Rect::new(*x, y - 5.0, SAMPLE.0, 10.0), colour, 0.2, None);
                }
                let stroke = Stroke::solid(colour, 1.6);
                let dashed = series.look == Look::Dashed;
                svg.line(left, right, if dashed { stroke.dashed("6 3") } else { stroke });
                if series.look == Look::Points {
                    svg.disc(middle, 2.6, colour);
                }
            }
            let at = (right.0 + SAMPLE.1, y + 0.35 * LEGEND_SIZE);
            svg.text(at, &series.name, Font::new(LEGEND_SIZE, Anchor::Start));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(name: &str, look: Look, error: f64) -> Series {
        let x = vec![20.0, 100.0, 1000.0];
        let error = if error > 0.0 { vec![error; 3] } else { Vec::new() };
        Series { name: name.into(), colour: 0, look, x, y: vec![0.9, 0.7, 0.6], error }
    }

    fn chart(series: Vec<Series>) -> Chart {
        Chart {
            title: "two moons".into(),
            x: Quantity { label: "simulations".into(), log: true, range: None },
            y: Quantity { label: "C2ST".into(), ..Quantity::default() },
            guides: vec![Guide::Level(0.51, "equal distributions".into())],
            series,
        }
    }

    #[test]
    fn ours_and_published_values_are_told_apart_and_named_once() {
        let one = chart(vec![
            series("NPE", Look::Points, 0.05),
            series("NPE, published", Look::Published, 0.04),
        ]);
        let svg = curves("accuracy", &[one.clone(), one], 2).unwrap();
        for name in [">NPE<", ">NPE, published<"] {
            assert_eq!(svg.matches(name).count(), 1, "{name}");
        }
        // A disc for every point of ours, and one in the legend.
        assert_eq!(svg.matches("<circle").count(), 2 * 3 + 1);
        // A diamond for every published point, and one in the legend.
        assert_eq!(svg.matches("stroke-width=\"1.3\"").count(), 2 * 3 + 1);
        assert_eq!(svg.matches(">equal distributions<").count(), 2);
        assert_eq!(svg.matches(">two moons<").count(), 2);
        assert!(!svg.contains("NaN"));
    }

    #[test]
    fn marks_are_not_joined() {
        let drawn = |look| curves("", &[chart(vec![series("FoM", look, 0.05)])], 1).unwrap();
        let (joined, marks) = (drawn(Look::Points), drawn(Look::Marks));
        assert_eq!(marks.matches("<circle").count(), joined.matches("<circle").count());
        let band = "fill-opacity=\"0.2\"";
        assert!(joined.contains(band) && !marks.contains(band));
        assert_eq!(marks.matches("stroke-width=\"1.1\"").count(), 3, "an error bar for each");
    }

    #[test]
    fn published_points_at_the_same_place_stand_apart() {
        let published = |name| series(name, Look::Published, 0.0);
        let svg = curves("", &[chart(vec![published("a"), published("b")])], 1).unwrap();
        let starts: Vec<f64> = svg
            .match_indices("<path d=\"M")
            .filter(|(at, _)| {
                svg[*at..].lines().next().is_some_and(|line| line.contains("\"1.3\""))
            })
            .filter_map(|(at, mark)| svg[at + mark.len()..].split(' ').next()?.parse().ok())
            .collect();
        let mut distances: Vec<f64> =
            starts.iter().flat_map(|a| starts.iter().map(move |b| b - a)).collect();
        distances.retain(|d| (d - APART).abs() < 0.02);
        assert_eq!(distances.len(), 3, "{starts:?}");
    }

    #[test]
    fn bands_that_reach_zero_on_a_logarithmic_axis_go_to_the_frame() {
        let mut one = chart(vec![series("loss", Look::Line, 0.8)]);
        one.y.log = true;
        one.guides.clear();
        let svg = curves("", &[one], 1).unwrap();
        assert!(!svg.contains("NaN") && svg.contains("fill-opacity=\"0.2\""));
    }

    #[test]
    fn long_lines_are_thinned_and_keep_their_ends() {
        let x: Vec<f64> = (1..=20_000).map(f64::from).collect();
        let y: Vec<f64> = x.iter().map(|x| x.sin()).collect();
        let mut long = series("loss", Look::Line, 0.0);
        (long.x, long.y) = (x, y);
        let one = chart(vec![long]);
        let (axis, _) = one.axes().unwrap();
        let svg = curves("", &[one], 1).unwrap();
        assert!(svg.len() < 20_000, "{}", svg.len());
        let end = LEFT + 560.0 * axis.fraction(20_000.0);
        let end = (100.0 * end).round() / 100.0;
        assert!(svg.contains(&format!("L{end} ")), "{end}");
    }

    #[test]
    fn what_cannot_be_drawn_is_named() {
        type Change = fn(&mut Chart);
        let refused = |change: Change| {
            let mut one = chart(vec![series("NPE", Look::Points, 0.05)]);
            change(&mut one);
            curves("", &[one], 1).unwrap_err().to_string()
        };
        let cases: [(Change, &str); 6] = [
            (|c| c.series.clear(), "curves of C2ST: expected at least one, found 0"),
            (|c| c.series[0].y.truncate(2), "NPE: expected 3, found 2"),
            (|c| c.series[0].error.truncate(1), "errors of NPE: expected 3, found 1"),
            (|c| c.series[0].y[1] = f64::NAN, "NPE: value 4 is NaN"),
            (|c| c.guides[0] = Guide::Level(f64::INFINITY, "null".into()), "null: value 0 is inf"),
            (|c| c.x.range = Some((0.0, 1.0)), "simulations: cannot draw an axis from 0 to 1"),
        ];
        for (change, expected) in cases {
            assert_eq!(refused(change), expected);
        }
        assert!(curves("", &[], 1).is_err());
    }
}
