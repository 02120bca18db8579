//! A scalable drawing: lines, filled paths, text and images, in pixels with y pointing down.
//!
//! Drawings have no identifiers and no style sheet, so that any number of them can stand in one
//! HTML page, and they use `currentColor` for axes and text, so that they follow the page into a
//! dark theme; opened alone, they are dark on white. Coordinates are rounded to a hundredth of a
//! pixel: the same data give the same bytes.

use std::fmt::Write;

use super::markup;

/// Colours of successive data sets: distinct in grey, for colour-blind readers and on both dark
/// and light backgrounds.
pub const PALETTE: [&str; 6] = ["#3878c4", "#e0763a", "#2a9a70", "#b04a97", "#b59a16", "#7a8290"];

/// Colour of axes and text: that of the surrounding page.
pub const INK: &str = "currentColor";

/// A rectangle in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rect {
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

impl Rect {
    /// A rectangle from its upper left corner and its size.
    pub const fn new(x: f64, y: f64, width: f64, height: f64) -> Self {
        Self { x, y, width, height }
    }

    /// Right edge.
    pub fn right(&self) -> f64 {
        self.x + self.width
    }

    /// Lower edge.
    pub fn bottom(&self) -> f64 {
        self.y + self.height
    }
}

/// How a line is drawn.
#[derive(Debug, Clone, Copy)]
pub struct Stroke<'a> {
    /// Any SVG colour.
    pub colour: &'a str,
    /// Width in pixels.
    pub width: f64,
    /// 0 (invisible) to 1.
    pub opacity: f64,
    /// Dash pattern; empty for a solid line.
    pub dash: &'a str,
}

impl<'a> Stroke<'a> {
    /// A solid line.
    pub const fn solid(colour: &'a str, width: f64) -> Self {
        Self { colour, width, opacity: 1.0, dash: "" }
    }

    /// The same line, partly transparent.
    pub const fn faded(self, opacity: f64) -> Self {
        Self { opacity, ..self }
    }

    /// The same line, dashed.
    pub const fn dashed(self, dash: &'a str) -> Self {
        Self { dash, ..self }
    }
}

/// Horizontal alignment of a text at its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// The text begins there.
    Start,
    /// The text is centred there.
    Middle,
    /// The text ends there.
    End,
}

/// How a text is set.
#[derive(Debug, Clone, Copy)]
pub struct Font {
    /// Size in pixels.
    pub size: f64,
    /// Alignment.
    pub anchor: Anchor,
    /// Turn by a quarter to the left (labels of vertical axes).
    pub vertical: bool,
    /// Bold face.
    pub bold: bool,
}

impl Font {
    /// Upright text.
    pub const fn new(size: f64, anchor: Anchor) -> Self {
        Self { size, anchor, vertical: false, bold: false }
    }
}

/// A drawing under construction.
#[derive(Debug)]
pub struct Svg {
    text: String,
}

impl Svg {
    /// An empty drawing of the given size in pixels; `title` is read by screen readers.
    pub fn new(width: f64, height: f64, title: &str) -> Self {
        let mut text = String::new();
        let (w, h) = (number(width), number(height));
        let _ = write!(
            text,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" \
             viewBox=\"0 0 {w} {h}\" role=\"img\" aria-label=\"{}\" color=\"#22262b\" \
             font-family=\"'Helvetica Neue', Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', \
             sans-serif\">\n<rect class=\"paper\" width=\"100%\" height=\"100%\" \
             fill=\"#ffffff\"/>\n",
            markup::escape(&markup::plain(title)),
        );
        Self { text }
    }

    /// The finished document.
    pub fn finish(mut self) -> String {
        self.text.push_str("</svg>\n");
        self.text
    }

    /// Draws through `draw` with everything outside `area` cut off.
    pub fn clipped(&mut self, area: Rect, draw: impl FnOnce(&mut Self)) {
        let (x, y) = (number(area.x), number(area.y));
        let (w, h) = (number(area.width), number(area.height));
        let _ = writeln!(
            self.text,
            "<svg x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" viewBox=\"{x} {y} {w} {h}\" \
             overflow=\"hidden\">",
        );
        draw(self);
        self.text.push_str("</svg>\n");
    }

    /// A straight line.
    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), stroke: Stroke) {
        self.polyline(&[from, to], stroke);
    }

    /// A line through points; not finite points break it.
    pub fn polyline(&mut self, points: &[(f64, f64)], stroke: Stroke) {
        let d = path_data(points);
        if !d.is_empty() {
            self.path(&d, "none", 0.0, Some(stroke));
        }
    }

    /// A closed outline, filled.
    pub fn polygon(&mut self, points: &[(f64, f64)], fill: &str, opacity: f64) {
        let d = path_data(points);
        if !d.is_empty() {
            self.path(&format!("{d}Z"), fill, opacity, None);
        }
    }

    /// A path given as SVG path data, filled with the even-odd rule.
    pub fn path(&mut self, data: &str, fill: &str, opacity: f64, stroke: Option<Stroke>) {
        let _ = write!(self.text, "<path d=\"{data}\" fill=\"{fill}\"");
        if fill != "none" {
            let _ =
                write!(self.text, " fill-opacity=\"{}\" fill-rule=\"evenodd\"", number(opacity));
        }
        self.stroke(stroke);
        self.text.push_str("/>\n");
    }

    /// A rectangle.
    pub fn rect(&mut self, area: Rect, fill: &str, opacity: f64, stroke: Option<Stroke>) {
        let _ = write!(
            self.text,
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{fill}\"",
            number(area.x),
            number(area.y),
            number(area.width),
            number(area.height)
        );
        if fill != "none" && opacity != 1.0 {
            let _ = write!(self.text, " fill-opacity=\"{}\"", number(opacity));
        }
        self.stroke(stroke);
        self.text.push_str("/>\n");
    }

    /// A filled disc.
    pub fn disc(&mut self, centre: (f64, f64), radius: f64, fill: &str) {
        let (x, y) = (number(centre.0), number(centre.1));
        let _ = writeln!(
            self.text,
            "<circle cx=\"{x}\" cy=\"{y}\" r=\"{}\" fill=\"{fill}\"/>",
            number(radius)
        );
    }

    /// Many equal dots in one path; those that are not finite are left out.
    pub fn dots(&mut self, centres: &[(f64, f64)], radius: f64, fill: &str, opacity: f64) {
        let mut data = String::new();
        for &(x, y) in centres.iter().filter(|(x, y)| x.is_finite() && y.is_finite()) {
            let _ = write!(data, "M{} {}h0", number(x), number(y));
        }
        if data.is_empty() {
            return;
        }
        let _ = writeln!(
            self.text,
            "<path d=\"{data}\" fill=\"none\" stroke=\"{fill}\" stroke-width=\"{}\" \
             stroke-opacity=\"{}\" stroke-linecap=\"round\"/>",
            number(2.0 * radius),
            number(opacity)
        );
    }

    /// A label, with the markup of [`super::markup`]; `at` is on its baseline.
    pub fn text(&mut self, at: (f64, f64), label: &str, font: Font) {
        let (x, y) = (number(at.0), number(at.1));
        let anchor = match font.anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let _ = write!(
            self.text,
            "<text x=\"{x}\" y=\"{y}\" font-size=\"{}\" text-anchor=\"{anchor}\" fill=\"{INK}\"",
            number(font.size)
        );
        if font.vertical {
            let _ = write!(self.text, " transform=\"rotate(-90 {x} {y})\"");
        }
        if font.bold {
            self.text.push_str(" font-weight=\"600\"");
        }
        let _ = writeln!(self.text, ">{}</text>", markup::to_svg(label));
    }

    /// An image given as a data URI, stretched over `area`; `pixelated` keeps pixels sharp.
    pub fn image(&mut self, area: Rect, uri: &str, pixelated: bool) {
        let rendering = if pixelated { " style=\"image-rendering:pixelated\"" } else { "" };
        let _ = writeln!(
            self.text,
            "<image x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" \
             preserveAspectRatio=\"none\"{rendering} href=\"{uri}\"/>",
            number(area.x),
            number(area.y),
            number(area.width),
            number(area.height)
        );
    }

    /// A legend: one row per entry (colour, label), beginning at `at`; returns its height.
    pub fn legend(&mut self, at: (f64, f64), size: f64, entries: &[(&str, &str)]) -> f64 {
        let row = 1.7 * size;
        for (i, (colour, label)) in entries.iter().enumerate() {
            let y = at.1 + row * (i as f64 + 0.5);
            self.rect(
                Rect::new(at.0, y - 0.42 * size, 1.6 * size, 0.84 * size),
                colour,
                0.45,
                Some(Stroke::solid(colour, 1.4)),
            );
            let font = Font::new(size, Anchor::Start);
            self.text((at.0 + 2.2 * size, y + 0.35 * size), label, font);
        }
        row * entries.len() as f64
    }

    fn stroke(&mut self, stroke: Option<Stroke>) {
        let Some(s) = stroke else { return };
        let _ = write!(self.text, " stroke=\"{}\" stroke-width=\"{}\"", s.colour, number(s.width));
        if s.opacity != 1.0 {
            let _ = write!(self.text, " stroke-opacity=\"{}\"", number(s.opacity));
        }
        if !s.dash.is_empty() {
            let _ = write!(self.text, " stroke-dasharray=\"{}\"", s.dash);
        }
        self.text.push_str(" stroke-linejoin=\"round\"");
    }
}

/// SVG path data of a line through points; points that are not finite break it.
pub fn path_data(points: &[(f64, f64)]) -> String {
    let mut out = String::new();
    let mut pen_down = false;
    for &(x, y) in points {
        if !(x.is_finite() && y.is_finite()) {
            pen_down = false;
            continue;
        }
        let command = if pen_down { 'L' } else { 'M' };
        let _ = write!(out, "{command}{} {}", number(x), number(y));
        pen_down = true;
    }
    out
}

/// A coordinate rounded to a hundredth, without trailing zeros or a negative zero.
fn number(v: f64) -> String {
    let rounded = (v * 100.0).round() / 100.0;
    if rounded == 0.0 { "0".to_owned() } else { format!("{rounded}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_are_short_and_finite() {
        assert_eq!(number(-0.001), "0");
        assert_eq!(number(12.345_678), "12.35");
        assert_eq!(path_data(&[(0.0, 1.0), (f64::NAN, 2.0), (3.0, 4.0)]), "M0 1M3 4");
    }

    #[test]
    fn every_element_is_closed() {
        let mut svg = Svg::new(10.0, 10.0, "a < b");
        svg.clipped(Rect::new(0.0, 0.0, 5.0, 5.0), |svg| {
            svg.line((0.0, 0.0), (1.0, 1.0), Stroke::solid(INK, 1.0));
        });
        svg.text((1.0, 1.0), "$σ_8$ & more", Font::new(10.0, Anchor::Middle));
        let text = svg.finish();
        for tag in ["svg", "text", "tspan"] {
            let opened = text.matches(&format!("<{tag}")).count();
            assert_eq!(opened, text.matches(&format!("</{tag}>")).count(), "{tag}");
        }
        assert!(text.contains("a &lt; b") && text.contains("&amp; more"));
    }
}
