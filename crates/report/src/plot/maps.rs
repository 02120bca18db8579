//! Tomographic maps side by side, with a common colour bar.
//!
//! The range of colours is symmetric about zero and leaves out the most extreme 0.5 % of all
//! pixels; those take the colours at its ends.

use super::axis::{Axis, LABEL_SIZE, Panel, Scale};
use super::density::quantile;
use super::error::{PlotError, Result, check_finite, check_len};
use super::image::png;
use super::svg::{Anchor, Font, INK, Rect, Stroke, Svg};

/// A square map.
#[derive(Debug, Clone)]
pub struct Map<'a> {
    /// Title above it.
    pub title: String,
    /// Pixels `[y][x]`, y = 0 at the bottom.
    pub pixels: &'a [f64],
    /// Pixels per side.
    pub npix: usize,
}

/// Width of a map, px.
const SIDE: f64 = 164.0;
const GAP: f64 = 10.0;
const LEFT: f64 = 48.0;
const TOP: f64 = 24.0;

/// Draws rows of maps of the same patch of sky, `size_deg` degrees wide; `quantity` labels the
/// colour bar. Each row has its own colour range and bar.
///
/// # Errors
/// A map whose pixels do not fit its size or are not finite, or rows without maps.
pub fn maps(rows: &[(String, Vec<Map>)], size_deg: f64, quantity: &str) -> Result<String> {
    let columns = rows.iter().map(|r| r.1.len()).max().unwrap_or(0);
    if rows.iter().any(|r| r.1.is_empty()) || columns == 0 {
        let (what, expected) = ("maps".to_owned(), "at least one in each row".to_owned());
        return Err(PlotError::Shape { what, expected, found: 0 });
    }
    let row_height = SIDE + if rows.len() > 1 { 32.0 } else { 26.0 };
    let width = LEFT + columns as f64 * (SIDE + GAP) + 64.0;
    let height = row_height * rows.len() as f64 + 42.0;
    let mut svg = Svg::new(width, height, &format!("Maps of {quantity}"));
    let sky = Axis::new("map size", 0.0, size_deg, Scale::Linear)?;
    for (r, (name, row)) in rows.iter().enumerate() {
        let last = r + 1 == rows.len();
        let top = TOP + row_height * r as f64;
        let range = symmetric_range(row)?;
        for (c, map) in row.iter().enumerate() {
            let area = Rect::new(LEFT + c as f64 * (SIDE + GAP), top, SIDE, SIDE);
            let levels: Vec<u8> = flipped(map).map(|v| level(v, range)).collect();
            let uri = png(map.npix, map.npix, &levels)?;
            svg.image(area, &uri, (map.npix as f64) < 1.5 * SIDE);
            let panel = Panel { area, x: sky, y: sky };
            panel.frame(&mut svg);
            // A label at the end of a map would touch the one at the beginning of the next.
            let overhang = if c + 1 == row.len() { 12.0 } else { 0.4 * GAP };
            panel.x_ticks(&mut svg, 4, last.then_some(overhang));
            panel.y_ticks(&mut svg, 4, c == 0);
            if r == 0 || row[c].title != rows[0].1.get(c).map_or("", |m| &m.title) {
                let at = (area.x + 0.5 * SIDE, top - 7.0);
                svg.text(at, &map.title, Font::new(12.0, Anchor::Middle));
            }
            if last {
                panel.x_label(&mut svg, "deg");
            }
            if c == 0 {
                let label = if name.is_empty() { "deg" } else { name };
                panel.y_label(&mut svg, label, 30.0);
            }
        }
        let bar = Rect::new(LEFT + row.len() as f64 * (SIDE + GAP), top, 12.0, SIDE);
        colour_bar(&mut svg, bar, range, quantity)?;
    }
    Ok(svg.finish())
}

/// The half width of the colour range.
fn symmetric_range(row: &[Map]) -> Result<f64> {
    let mut size = Vec::new();
    for map in row {
        check_len(&map.title, map.npix * map.npix, map.pixels.len())?;
        check_finite(&map.title, map.pixels.iter().copied())?;
        size.extend(map.pixels.iter().map(|v| v.abs()));
    }
    size.sort_by(f64::total_cmp);
    let range = if size.is_empty() { 0.0 } else { quantile(&size, 0.995) };
    // A constant map is drawn in one colour.
    Ok(if range > 0.0 { range } else { 1.0 })
}

/// Pixels from the upper left corner, as images are stored.
fn flipped<'a>(map: &'a Map) -> impl Iterator<Item = f64> + 'a {
    map.pixels.chunks(map.npix.max(1)).rev().flatten().copied()
}

fn level(value: f64, range: f64) -> u8 {
    (127.5 * (1.0 + value / range)).round().clamp(0.0, 255.0) as u8
}

fn colour_bar(svg: &mut Svg, area: Rect, range: f64, quantity: &str) -> Result<()> {
    let levels: Vec<u8> = (0..=255).rev().collect();
    svg.image(area, &png(1, 256, &levels)?, false);
    svg.rect(area, "none", 1.0, Some(Stroke::solid(INK, 0.8).faded(0.75)));
    let axis = Axis::new("colour bar", -range, range, Scale::Linear)?;
    let panel = Panel { area, x: axis, y: axis };
    for tick in axis.ticks(5) {
        let y = panel.py(tick.value);
        let right = area.right();
        svg.line((right, y), (right + 3.0, y), Stroke::solid(INK, 0.8).faded(0.75));
        let label = tick.label.unwrap_or_default();
        svg.text((right + 6.0, y + 3.6), &label, Font::new(10.0, Anchor::Start));
    }
    let at = (area.x + 0.5 * area.width, area.y - 7.0);
    svg.text(at, quantity, Font::new(LABEL_SIZE, Anchor::Middle));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_begin_with_the_last_row_of_pixels() {
        let pixels = [-1.0, 0.0, 1.0, 0.5, 0.25, -0.5, 0.0, 0.0, 9.0];
        let map = Map { title: "bin 1".into(), pixels: &pixels, npix: 3 };
        let levels: Vec<u8> = flipped(&map).map(|v| level(v, 1.0)).collect();
        assert_eq!(levels, [128, 128, 255, 191, 159, 64, 0, 128, 255]);
    }

    #[test]
    fn maps_of_the_wrong_size_or_with_nan_are_refused() {
        let draw = |pixels: &[f64]| {
            let map = Map { title: "bin 2".into(), pixels, npix: 2 };
            maps(&[(String::new(), vec![map])], 10.0, "$κ$")
        };
        assert_eq!(draw(&[0.0; 3]).unwrap_err().to_string(), "bin 2: expected 4, found 3");
        assert_eq!(
            draw(&[0.0, 0.0, f64::NAN, 0.0]).unwrap_err().to_string(),
            "bin 2: value 2 is NaN"
        );
        assert!(draw(&[0.0; 4]).unwrap().contains("bin 2"));
        assert!(maps(&[], 10.0, "κ").is_err());
    }
}
