//! Tomographic maps side by side, with a common colour bar.
//!
//! Pixels are written as an indexed PNG inside the drawing (viridis colours, which are
//! perceptually uniform and readable in grey). The range is symmetric about zero and leaves out
//! the most extreme 0.5 % of all pixels; those take the colours at its ends.

use base64::Engine;

use super::axis::{Axis, LABEL_SIZE, Panel, Scale};
use super::density::quantile;
use super::error::{PlotError, Result, check_finite, check_len};
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

/// The colours viridis (van der Walt & Smith 2015) at 33 equal steps, 0xRRGGBB.
const VIRIDIS: [u32; 33] = [
    0x440154, 0x470d60, 0x48186a, 0x482374, 0x472d7b, 0x453781, 0x424086, 0x3e4989, 0x3b528b,
    0x375b8d, 0x33638d, 0x2f6b8e, 0x2c728e, 0x297a8e, 0x26828e, 0x23898e, 0x21918c, 0x1f988b,
    0x1fa088, 0x22a785, 0x28ae80, 0x32b67a, 0x3fbc73, 0x4ec36b, 0x5ec962, 0x70cf57, 0x84d44b,
    0x98d83e, 0xaddc30, 0xc2df23, 0xd8e219, 0xece51b, 0xfde725,
];

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

/// An image of palette indices as a data URI.
fn png(width: usize, height: usize, levels: &[u8]) -> Result<String> {
    let mut bytes = Vec::new();
    let failed = |e: png::EncodingError| PlotError::Image(e.to_string());
    let mut encoder = png::Encoder::new(&mut bytes, width as u32, height as u32);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(palette());
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(levels).map_err(failed)?;
    writer.finish().map_err(failed)?;
    let text = base64::engine::general_purpose::STANDARD.encode(&bytes);
    Ok(format!("data:image/png;base64,{text}"))
}

/// 256 colours, interpolated between those of the table.
fn palette() -> Vec<u8> {
    let steps = VIRIDIS.len() - 1;
    let mut colours = Vec::with_capacity(3 * 256);
    for i in 0..256 {
        let at = i as f64 / 255.0 * steps as f64;
        let k = (at.floor() as usize).min(steps - 1);
        for shift in [16, 8, 0] {
            let channel = |c: u32| f64::from((c >> shift) & 0xff);
            let (a, b) = (channel(VIRIDIS[k]), channel(VIRIDIS[k + 1]));
            colours.push((a + (at - k as f64) * (b - a)).round() as u8);
        }
    }
    colours
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(uri: &str) -> (u32, u32, Vec<u8>) {
        let text = uri.strip_prefix("data:image/png;base64,").unwrap();
        let bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap();
        let decoder = png::Decoder::new(std::io::Cursor::new(bytes));
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        (info.width, info.height, pixels)
    }

    #[test]
    fn an_image_comes_back_with_its_pixels_the_first_row_at_the_bottom() {
        let pixels = [-1.0, 0.0, 1.0, 0.5, 0.25, -0.5, 0.0, 0.0, 9.0];
        let map = Map { title: "bin 1".into(), pixels: &pixels, npix: 3 };
        let levels: Vec<u8> = flipped(&map).map(|v| level(v, 1.0)).collect();
        assert_eq!(levels, [128, 128, 255, 191, 159, 64, 0, 128, 255]);
        assert_eq!(decoded(&png(3, 3, &levels).unwrap()), (3, 3, levels));
    }

    #[test]
    fn the_palette_runs_from_dark_to_light() {
        let colours = palette();
        assert_eq!(
            (colours.len(), &colours[..3], &colours[765..]),
            (768, &[68u8, 1, 84][..], &[253u8, 231, 37][..])
        );
        let light = |c: &[u8]| {
            0.2126 * f64::from(c[0]) + 0.7152 * f64::from(c[1]) + 0.0722 * f64::from(c[2])
        };
        let lights: Vec<f64> = colours.chunks(3).map(light).collect();
        assert!(lights.windows(2).all(|w| w[1] > w[0] - 0.5));
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
