//! Axes: where ticks go, how numbers are written, and the panel that data are drawn in.

use super::error::{PlotError, Result};
use super::markup;
use super::svg::{Anchor, Font, INK, Rect, Stroke, Svg};

/// Linear or logarithmic (base 10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Equal steps.
    Linear,
    /// Equal ratios.
    Log,
}

/// A range of values with its scale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Axis {
    /// Value at the lower (left) end.
    pub lo: f64,
    /// Value at the upper (right) end.
    pub hi: f64,
    /// Linear or logarithmic.
    pub scale: Scale,
}

/// A mark on an axis; minor marks have no label.
#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    /// Where.
    pub value: f64,
    /// What is written there.
    pub label: Option<String>,
}

impl Axis {
    /// An axis named `what` in errors.
    ///
    /// # Errors
    /// [`PlotError::Range`] if the range is empty, not finite or reaches zero on a log scale.
    pub fn new(what: &str, lo: f64, hi: f64, scale: Scale) -> Result<Self> {
        let positive = scale == Scale::Linear || lo > 0.0;
        if lo.is_finite() && hi.is_finite() && lo < hi && positive {
            return Ok(Self { lo, hi, scale });
        }
        Err(PlotError::Range { what: what.to_owned(), lo, hi })
    }

    /// The axis that shows all finite values (all positive ones on a log scale) with a margin of
    /// `margin` of its length at both ends.
    ///
    /// # Errors
    /// [`PlotError::Range`] if there is no value to show.
    pub fn around(
        what: &str,
        values: impl IntoIterator<Item = f64>,
        margin: f64,
        scale: Scale,
    ) -> Result<Self> {
        let (mut lo, mut hi) = (f64::INFINITY, f64::NEG_INFINITY);
        for v in values {
            if v.is_finite() && (scale == Scale::Linear || v > 0.0) {
                lo = lo.min(v);
                hi = hi.max(v);
            }
        }
        match scale {
            Scale::Linear => {
                let pad = if hi > lo { margin * (hi - lo) } else { 0.1 * hi.abs().max(1e-3) };
                Self::new(what, lo - pad, hi + pad, scale)
            }
            Scale::Log => {
                let ratio = if hi > lo { (hi / lo).powf(margin) } else { 1.5 };
                Self::new(what, lo / ratio, hi * ratio, scale)
            }
        }
    }

    /// Position of a value, 0 at `lo` and 1 at `hi`; NaN for values <= 0 on a log scale.
    pub fn fraction(&self, value: f64) -> f64 {
        match self.scale {
            Scale::Linear => (value - self.lo) / (self.hi - self.lo),
            Scale::Log if value > 0.0 => (value / self.lo).ln() / (self.hi / self.lo).ln(),
            Scale::Log => f64::NAN,
        }
    }

    /// At most `count` labelled ticks at round values, and unlabelled ones between them on a log
    /// scale.
    pub fn ticks(&self, count: usize) -> Vec<Tick> {
        match self.scale {
            Scale::Linear => self.linear_ticks(count.max(1)),
            Scale::Log => self.log_ticks(count.max(1)),
        }
    }

    fn linear_ticks(&self, count: usize) -> Vec<Tick> {
        let mut power = ((self.hi - self.lo) / count as f64).log10().floor() as i32 - 1;
        let (first, last, step) = loop {
            let found = [1.0, 2.0, 5.0].into_iter().find_map(|m| {
                let step = m * 10f64.powi(power);
                let first = (self.lo / step - 1e-9).ceil();
                let last = (self.hi / step + 1e-9).floor();
                (last - first + 1.0 <= count as f64).then_some((first, last, step))
            });
            if let Some(found) = found {
                break found;
            }
            power += 1;
        };
        let values: Vec<f64> = (0..=((last - first).max(-1.0) as i64))
            .take_while(|_| last >= first)
            .map(|i| (first + i as f64) * step)
            .collect();
        let largest = values.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        let label = |v: f64| {
            if largest >= 1e5 || (largest > 0.0 && largest < 1e-3) {
                let exponent = largest.log10().floor() as i32;
                let decimals = (exponent - power).max(0) as usize;
                let mantissa = v / 10f64.powi(exponent);
                return if v == 0.0 {
                    "0".to_owned()
                } else {
                    format!("{}×10{}", fixed(mantissa, decimals), superscript(exponent))
                };
            }
            fixed(v, (-power).max(0) as usize)
        };
        values.iter().map(|&value| Tick { value, label: Some(label(value)) }).collect()
    }

    fn log_ticks(&self, count: usize) -> Vec<Tick> {
        let (from, to) = (self.lo.log10(), self.hi.log10());
        let decades = (to + 1e-9).floor() as i32 - (from - 1e-9).ceil() as i32 + 1;
        // Label every k-th decade, or 1-2-5 or more within a decade when there are few.
        let labelled: &[u32] = match decades {
            d if d >= 2 => &[1],
            _ if to - from > 0.7 => &[1, 2, 5],
            _ => &[1, 2, 3, 4, 5, 6, 8],
        };
        let stride = (decades.max(1) as usize).div_ceil(count) as i32;
        let mut ticks = Vec::new();
        for exponent in from.floor() as i32..=to.floor() as i32 {
            for m in 1..10u32 {
                let value = f64::from(m) * 10f64.powi(exponent);
                if value < self.lo * (1.0 - 1e-9) || value > self.hi * (1.0 + 1e-9) {
                    continue;
                }
                let shown = labelled.contains(&m) && exponent.rem_euclid(stride) == 0;
                let label = shown.then(|| power_label(m, exponent, self.lo, self.hi));
                ticks.push(Tick { value, label });
            }
        }
        let shown = ticks.iter().filter(|t| t.label.is_some()).count();
        if shown > count {
            let keep = shown.div_ceil(count);
            let labelled = ticks.iter_mut().filter(|t| t.label.is_some());
            labelled.enumerate().filter(|(i, _)| i % keep != 0).for_each(|(_, t)| t.label = None);
        }
        ticks
    }
}

/// A number on a logarithmic axis: plain when the whole axis lies within 0.01 to 10 000.
fn power_label(mantissa: u32, exponent: i32, lo: f64, hi: f64) -> String {
    let value = f64::from(mantissa) * 10f64.powi(exponent);
    if lo >= 0.005 && hi <= 20_000.0 {
        return fixed(value, (-exponent).max(0) as usize);
    }
    match mantissa {
        1 => format!("10{}", superscript(exponent)),
        m => format!("{m}×10{}", superscript(exponent)),
    }
}

/// A number with a fixed count of decimals and a true minus sign.
pub fn fixed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    match text.strip_prefix('-') {
        Some(rest) if rest.bytes().all(|b| b == b'0' || b == b'.') => rest.to_owned(),
        Some(rest) => format!("−{rest}"),
        None => text,
    }
}

/// A number to `digits` significant digits, in powers of ten when very large or small.
pub fn significant(value: f64, digits: usize) -> String {
    if value == 0.0 || !value.is_finite() {
        return if value == 0.0 { "0".to_owned() } else { value.to_string() };
    }
    // Rounding may carry into the next power of ten: let the formatter decide.
    let scientific = format!("{value:.*e}", digits.max(1) - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        let decimals = (digits as i32 - 1 - exponent).max(0) as usize;
        return fixed(value, decimals);
    }
    format!("{}×10{}", mantissa.replace('-', "−"), superscript(exponent))
}

/// A value with its uncertainty, both rounded to two digits of the uncertainty.
pub fn with_error(value: f64, error: f64) -> String {
    if !(value.is_finite() && error.is_finite() && error > 0.0) {
        return format!("{} ± {}", significant(value, 4), significant(error, 2));
    }
    let scientific = format!("{error:.1e}");
    let exponent = scientific.split_once('e').and_then(|(_, e)| e.parse().ok()).unwrap_or(0);
    let decimals = (1 - exponent).clamp(0, 12) as usize;
    format!("{} ± {}", fixed(value, decimals), fixed(error, decimals))
}

/// An exponent in superscript digits.
fn superscript(exponent: i32) -> String {
    let digits = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let text = exponent.to_string();
    text.chars().map(|c| c.to_digit(10).map_or('⁻', |d| digits[d as usize])).collect()
}

/// Size of tick labels, px.
pub const TICK_SIZE: f64 = 10.0;
/// Size of axis labels, px.
pub const LABEL_SIZE: f64 = 13.0;

/// A plotting area with its two axes.
#[derive(Debug, Clone, Copy)]
pub struct Panel {
    /// Where data are drawn; labels stand outside.
    pub area: Rect,
    /// Horizontal axis.
    pub x: Axis,
    /// Vertical axis.
    pub y: Axis,
}

impl Panel {
    /// Pixel position of a point.
    pub fn at(&self, x: f64, y: f64) -> (f64, f64) {
        (self.px(x), self.py(y))
    }

    /// Horizontal pixel of a value.
    pub fn px(&self, x: f64) -> f64 {
        self.area.x + self.x.fraction(x) * self.area.width
    }

    /// Vertical pixel of a value.
    pub fn py(&self, y: f64) -> f64 {
        self.area.bottom() - self.y.fraction(y) * self.area.height
    }

    /// The outline.
    pub fn frame(&self, svg: &mut Svg) {
        svg.rect(self.area, "none", 1.0, Some(Stroke::solid(INK, 0.8).faded(0.75)));
    }

    /// Ticks along the lower edge. With `overhang` they get at most `count` labels, none of which
    /// reaches more than so many pixels beyond the panel (into its neighbour).
    pub fn x_ticks(&self, svg: &mut Svg, count: usize, overhang: Option<f64>) {
        let y = self.area.bottom();
        // As many as stand side by side without touching.
        let apart = |ticks: &[Tick]| {
            let ends: Vec<(f64, f64)> = ticks
                .iter()
                .filter_map(|t| t.label.as_ref().map(|label| (self.px(t.value), label)))
                .map(|(x, label)| (x, 0.5 * TICK_SIZE * (markup::width_em(label) + 0.9)))
                .collect();
            ends.windows(2).all(|w| w[0].0 + w[0].1 <= w[1].0 - w[1].1)
        };
        let fewer = (1..=count.max(1)).rev().map(|n| self.x.ticks(n));
        for tick in fewer.into_iter().find(|t| overhang.is_none() || apart(t)).unwrap_or_default() {
            let x = self.px(tick.value);
            let length = if tick.label.is_some() { 4.0 } else { 2.0 };
            svg.line((x, y), (x, y - length), Stroke::solid(INK, 0.8).faded(0.75));
            let (Some(label), Some(overhang)) = (tick.label, overhang) else { continue };
            let reach = 0.5 * TICK_SIZE * markup::width_em(&label) - overhang;
            if x - reach >= self.area.x && x + reach <= self.area.right() {
                svg.text((x, y + 13.0), &label, Font::new(TICK_SIZE, Anchor::Middle));
            }
        }
    }

    /// Ticks along the left edge, with at most `count` labels if `labels`.
    pub fn y_ticks(&self, svg: &mut Svg, count: usize, labels: bool) {
        let x = self.area.x;
        for tick in self.y.ticks(count) {
            let y = self.py(tick.value);
            let length = if tick.label.is_some() { 4.0 } else { 2.0 };
            svg.line((x, y), (x + length, y), Stroke::solid(INK, 0.8).faded(0.75));
            let Some(label) = tick.label.filter(|_| labels) else { continue };
            let inside = y >= self.area.y - 1.0 && y <= self.area.bottom() + 1.0;
            if inside {
                let baseline = y + 0.36 * TICK_SIZE;
                svg.text((x - 5.0, baseline), &label, Font::new(TICK_SIZE, Anchor::End));
            }
        }
    }

    /// Label below the horizontal axis.
    pub fn x_label(&self, svg: &mut Svg, label: &str) {
        let x = self.area.x + 0.5 * self.area.width;
        let font = Font::new(LABEL_SIZE, Anchor::Middle);
        svg.text((x, self.area.bottom() + 31.0), label, font);
    }

    /// Label left of the vertical axis, `offset` pixels away from it.
    pub fn y_label(&self, svg: &mut Svg, label: &str, offset: f64) {
        let y = self.area.y + 0.5 * self.area.height;
        let font = Font { vertical: true, ..Font::new(LABEL_SIZE, Anchor::Middle) };
        svg.text((self.area.x - offset, y), label, font);
    }

    /// A line through data points, cut at the frame.
    pub fn curve(&self, svg: &mut Svg, x: &[f64], y: &[f64], stroke: Stroke) {
        let points: Vec<_> = x.iter().zip(y).map(|(&x, &y)| self.at(x, y)).collect();
        svg.clipped(self.area, |svg| svg.polyline(&points, stroke));
    }

    /// A horizontal line across the panel.
    pub fn horizontal(&self, svg: &mut Svg, y: f64, stroke: Stroke) {
        let at = self.py(y);
        if (self.area.y..=self.area.bottom()).contains(&at) {
            svg.line((self.area.x, at), (self.area.right(), at), stroke);
        }
    }

    /// A vertical line across the panel.
    pub fn vertical(&self, svg: &mut Svg, x: f64, stroke: Stroke) {
        let at = self.px(x);
        if (self.area.x..=self.area.right()).contains(&at) {
            svg.line((at, self.area.y), (at, self.area.bottom()), stroke);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis, count: usize) -> Vec<String> {
        axis.ticks(count).into_iter().filter_map(|t| t.label).collect()
    }

    #[test]
    fn linear_ticks_are_round_and_few() {
        let axis = Axis::new("x", 0.2013, 0.3571, Scale::Linear).unwrap();
        assert_eq!(labels(&axis, 4), ["0.25", "0.30", "0.35"]);
        let axis = Axis::new("x", -1.7, 0.2, Scale::Linear).unwrap();
        assert_eq!(labels(&axis, 5), ["−1.5", "−1.0", "−0.5", "0.0"]);
        let axis = Axis::new("x", 0.0, 3.2e-5, Scale::Linear).unwrap();
        assert_eq!(labels(&axis, 4), ["0", "1×10⁻⁵", "2×10⁻⁵", "3×10⁻⁵"]);
    }

    #[test]
    fn ticks_stay_within_their_number_for_every_range() {
        for i in 0..2000 {
            let lo = (f64::from(i) * 0.37).sin() * 10f64.powi(i % 9 - 4);
            let hi = lo + (1.0 + f64::from(i % 7)) * 10f64.powi(i % 11 - 5);
            let axis = Axis::new("x", lo, hi, Scale::Linear).unwrap();
            let ticks = axis.ticks(4);
            assert!(ticks.len() <= 4, "{lo} {hi}: {ticks:?}");
            let names: std::collections::BTreeSet<_> = ticks.iter().map(|t| &t.label).collect();
            assert_eq!(names.len(), ticks.len(), "{lo} {hi}: equal labels {ticks:?}");
            let slack = 1e-8 * (hi - lo) + 1e-12 * hi.abs();
            assert!(ticks.iter().all(|t| t.value >= lo - slack && t.value <= hi + slack));
        }
    }

    #[test]
    fn log_ticks_label_decades() {
        let axis = Axis::new("ell", 60.0, 6000.0, Scale::Log).unwrap();
        assert_eq!(labels(&axis, 4), ["100", "1000"]);
        let axis = Axis::new("cl", 3e-9, 2e-4, Scale::Log).unwrap();
        assert_eq!(labels(&axis, 3), ["10⁻⁸", "10⁻⁶", "10⁻⁴"]);
        assert!(Axis::new("cl", 0.0, 1.0, Scale::Log).is_err());
    }

    #[test]
    fn numbers_are_written_as_in_papers() {
        assert_eq!(with_error(0.278_534, 0.025_149), "0.279 ± 0.025");
        assert_eq!(with_error(-1.027_326, 0.201_366), "−1.03 ± 0.20");
        assert_eq!(with_error(12_345.6, 234.0), "12346 ± 234");
        assert_eq!(significant(0.000_012_34, 3), "1.23×10⁻⁵");
        assert_eq!(significant(9.996, 3), "10.0");
        assert_eq!(fixed(-0.000_1, 2), "0.00");
    }

    #[test]
    fn an_axis_without_extent_is_refused() {
        let error = Axis::new("w0", 1.0, 1.0, Scale::Linear).unwrap_err();
        assert_eq!(error, PlotError::Range { what: "w0".into(), lo: 1.0, hi: 1.0 });
        assert!(Axis::around("empty", [], 0.1, Scale::Linear).is_err());
        assert!(Axis::around("constant", [2.0, 2.0], 0.1, Scale::Linear).is_ok());
    }
}
