//! Images inside a drawing: an indexed PNG of levels from 0 to 255, in viridis colours, which are
//! perceptually uniform and readable in grey.

use base64::Engine;

use super::error::{PlotError, Result};

/// The colours viridis (van der Walt & Smith 2015) at 33 equal steps, 0xRRGGBB.
const VIRIDIS: [u32; 33] = [
    0x440154, 0x470d60, 0x48186a, 0x482374, 0x472d7b, 0x453781, 0x424086, 0x3e4989, 0x3b528b,
    0x375b8d, 0x33638d, 0x2f6b8e, 0x2c728e, 0x297a8e, 0x26828e, 0x23898e, 0x21918c, 0x1f988b,
    0x1fa088, 0x22a785, 0x28ae80, 0x32b67a, 0x3fbc73, 0x4ec36b, 0x5ec962, 0x70cf57, 0x84d44b,
    0x98d83e, 0xaddc30, 0xc2df23, 0xd8e219, 0xece51b, 0xfde725,
];

/// An image of levels, the first row at the top, as a data URI.
///
/// # Errors
/// If the encoder refuses: levels that do not fit the size.
pub fn png(width: usize, height: usize, levels: &[u8]) -> Result<String> {
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
    fn an_image_comes_back_with_its_levels() {
        let levels: Vec<u8> = vec![128, 128, 255, 191, 159, 64, 0, 128, 255, 1, 2, 3];
        assert_eq!(decoded(&png(3, 4, &levels).unwrap()), (3, 4, levels.clone()));
        assert!(png(3, 3, &levels).is_err());
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
}
