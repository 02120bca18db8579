//! A general plot: curves, points with error bars and guide lines in one panel or several side by
//! side.

use super::axis::{Axis, Panel, Scale};
use super::error::{PlotError, Result, check_len};
use super::markup::width_em;
use super::svg::{Anchor, Font, INK, PALETTE, Rect, Stroke, Svg};

/// A data set: a curve, or points where `error` is given.
#[derive(Debug, Clone, Default)]
pub struct Series {
    /// Name in the legend; none if empty.
    pub name: String,
    /// Horizontal positions.
    pub x: Vec<f64>,
    /// Vertical positions; those that are not finite are left out.
    pub y: Vec<f64>,
    /// Standard deviations of y: drawn as points with error bars.
    pub error: Option<Vec<f64>>,
}

/// A panel of the figure.
#[derive(Debug, Clone)]
pub struct Chart {
    /// Title above the panel.
    pub title: String,
    /// Label of the horizontal axis.
    pub x_label: String,
    /// Label of the vertical axis.
    pub y_label: String,
    /// Scales of the horizontal and vertical axes.
    pub scales: (Scale, Scale),
    /// What is drawn, in the order of the colours.
    pub series: Vec<Series>,
    /// Dashed horizontal lines (thresholds) with their labels.
    pub guides: Vec<(f64, String)>,
}

const LEFT: f64 = 66.0;
const TOP: f64 = 26.0;
const HEIGHT: f64 = 230.0;
const GUIDE_SIZE: f64 = 10.5;

/// Draws charts side by side, with one legend below.
///
/// # Errors
/// Series whose arrays differ in length, or a chart with nothing to show.
pub fn charts(title: &str, charts: &[Chart]) -> Result<String> {
    if charts.is_empty() {
        let (what, expected) = (title.to_owned(), "at least one chart".to_owned());
        return Err(PlotError::Shape { what, expected, found: 0 });
    }
    let width = if charts.len() == 1 { 560.0 } else { 400.0 };
    let mut names: Vec<&str> = Vec::new();
    for name in charts.iter().flat_map(|c| &c.series).map(|s| s.name.as_str()) {
        if !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    }
    // Labels of guide lines stand right of their panel.
    let labels = charts.iter().flat_map(|c| &c.guides).map(|g| GUIDE_SIZE * width_em(&g.1) + 6.0);
    let right = labels.fold(14.0, f64::max);
    let total = charts.len() as f64 * (LEFT + width + right);
    let legend_rows = legend_layout(&names, total - LEFT);
    let below = 44.0 + 20.0 * legend_rows.last().map_or(0.0, |l| l.1 + 1.0);
    let mut svg = Svg::new(total, TOP + HEIGHT + below, title);
    for (i, chart) in charts.iter().enumerate() {
        let area = Rect::new(LEFT + i as f64 * (LEFT + width + right), TOP, width, HEIGHT);
        draw(&mut svg, area, chart, &names)?;
    }
    for (name, (x, row)) in names.iter().zip(&legend_rows) {
        let at = (LEFT + x, TOP + HEIGHT + 44.0 + 20.0 * row);
        let colour = colour_of(&names, name);
        svg.line((at.0, at.1 + 6.0), (at.0 + 20.0, at.1 + 6.0), Stroke::solid(colour, 2.2));
        svg.text((at.0 + 26.0, at.1 + 10.0), name, Font::new(12.0, Anchor::Start));
    }
    Ok(svg.finish())
}

/// Horizontal position and row of each entry of the legend.
fn legend_layout(names: &[&str], width: f64) -> Vec<(f64, f64)> {
    let (mut x, mut row) = (0.0, 0.0);
    let place = |name: &&str| {
        let needed = 50.0 + 12.0 * width_em(name);
        if x > 0.0 && x + needed > width {
            (x, row) = (0.0, row + 1.0);
        }
        let at = (x, row);
        x += needed;
        at
    };
    names.iter().map(place).collect()
}

fn colour_of(names: &[&str], name: &str) -> &'static str {
    let index = names.iter().position(|n| *n == name).unwrap_or(0);
    PALETTE[index % PALETTE.len()]
}

fn draw(svg: &mut Svg, area: Rect, chart: &Chart, names: &[&str]) -> Result<()> {
    for s in &chart.series {
        let what = format!("{}, {}", chart.title, s.name);
        check_len(&what, s.x.len(), s.y.len())?;
        if let Some(error) = &s.error {
            check_len(&what, s.x.len(), error.len())?;
        }
    }
    let all = |pick: fn(&Series) -> &[f64]| chart.series.iter().flat_map(move |s| pick(s).iter());
    let (x_scale, y_scale) = chart.scales;
    let x = Axis::around(&chart.x_label, all(|s| &s.x).copied(), 0.03, x_scale)?;
    let mut shown: Vec<f64> = all(|s| &s.y).copied().collect();
    shown.extend(chart.guides.iter().map(|g| g.0));
    for s in &chart.series {
        if let Some(error) = &s.error {
            shown.extend(s.y.iter().zip(error).flat_map(|(y, e)| [y - e, y + e]));
        }
    }
    let y = Axis::around(&chart.y_label, shown, 0.06, y_scale)?;
    let panel = Panel { area, x, y };
    for (value, label) in &chart.guides {
        panel.horizontal(svg, *value, Stroke::solid(INK, 1.0).dashed("4 3").faded(0.7));
        let at = (area.right() + 5.0, panel.py(*value) + 0.35 * GUIDE_SIZE);
        svg.text(at, label, Font::new(GUIDE_SIZE, Anchor::Start));
    }
    for s in &chart.series {
        let colour = colour_of(names, &s.name);
        match &s.error {
            None => panel.curve(svg, &s.x, &s.y, Stroke::solid(colour, 1.6)),
            Some(error) => error_bars(svg, &panel, &s.x, &s.y, error, colour, 2.6),
        }
    }
    panel.frame(svg);
    panel.x_ticks(svg, 6, Some(20.0));
    panel.y_ticks(svg, 6, true);
    panel.x_label(svg, &chart.x_label);
    panel.y_label(svg, &chart.y_label, 48.0);
    let at = (area.x + 0.5 * area.width, area.y - 9.0);
    svg.text(at, &chart.title, Font::new(12.5, Anchor::Middle));
    Ok(())
}

/// Points with bars of one standard deviation, cut at the frame. A bar that reaches zero on a
/// logarithmic axis goes down to the frame.
pub fn error_bars(
    svg: &mut Svg,
    panel: &Panel,
    x: &[f64],
    y: &[f64],
    error: &[f64],
    colour: &str,
    radius: f64,
) {
    svg.clipped(panel.area, |svg| {
        for ((&x, &y), &e) in x.iter().zip(y).zip(error) {
            let px = panel.px(x);
            let end = |v: f64| {
                let py = panel.py(v);
                if py.is_finite() { py } else { panel.area.bottom() + 5.0 }
            };
            if !(px.is_finite() && y.is_finite() && e.is_finite()) {
                continue;
            }
            svg.line((px, end(y - e)), (px, end(y + e)), Stroke::solid(colour, 1.1));
            if panel.py(y).is_finite() {
                svg.disc((px, panel.py(y)), radius, colour);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(series: Vec<Series>) -> Chart {
        Chart {
            title: "ESS".into(),
            x_label: "gradients".into(),
            y_label: "ESS".into(),
            scales: (Scale::Log, Scale::Log),
            series,
            guides: vec![(200.0, "target".into())],
        }
    }

    #[test]
    fn a_chart_draws_every_series_once_and_shares_the_legend() {
        let s = |name: &str| Series {
            name: name.into(),
            x: vec![10.0, 100.0, 1000.0],
            y: vec![1.0, f64::NAN, 300.0],
            error: None,
        };
        let one = chart(vec![s("$σ_8$"), s("h")]);
        let svg = charts("convergence", &[one.clone(), one]).unwrap();
        assert_eq!(svg.matches(">h<").count(), 1);
        assert!(svg.contains("target") && !svg.contains("NaN"));
    }

    #[test]
    fn arrays_of_different_length_and_empty_charts_are_refused() {
        let bad = Series { name: "a".into(), x: vec![1.0, 2.0], y: vec![1.0], error: None };
        let error = charts("c", &[chart(vec![bad])]).unwrap_err();
        assert_eq!(error.to_string(), "ESS, a: expected 2, found 1");
        assert!(charts("c", &[chart(vec![])]).is_err());
        assert!(charts("c", &[]).is_err());
    }
}
