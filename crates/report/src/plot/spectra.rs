//! Measured angular power spectra against theory for every pair of tomographic bins.
//!
//! Each pair has a panel of ell (ell + 1) C_ell / 2 pi on logarithmic axes and, below it, the
//! residuals in standard deviations. Auto-spectra stand on the diagonal of the triangle.

use super::axis::{Axis, LABEL_SIZE, Panel, Scale};
use super::error::{PlotError, Result, check_len};
use super::svg::{Anchor, Font, INK, PALETTE, Rect, Stroke, Svg};

/// The spectrum of one pair of bins.
#[derive(Debug, Clone)]
pub struct PairSpectrum {
    /// Bins, counted from 0, the first not above the second.
    pub pair: (usize, usize),
    /// Multipoles of the band powers.
    pub ell: Vec<f64>,
    /// Measured C_ell of the bands, dimensionless.
    pub measured: Vec<f64>,
    /// Standard deviations of the measured values.
    pub error: Vec<f64>,
    /// What theory predicts for the bands; residuals are taken against it.
    pub expected: Vec<f64>,
    /// A finely sampled theory curve: multipoles and C_ell (may be empty).
    pub curve: (Vec<f64>, Vec<f64>),
}

const LEFT: f64 = 62.0;
const TOP: f64 = 10.0;
const GAP: f64 = 8.0;

/// Draws the triangle of all pairs.
///
/// # Errors
/// Arrays of different lengths, no pair at all, or nothing positive to show.
pub fn spectra(pairs: &[PairSpectrum]) -> Result<String> {
    for p in pairs {
        let what = format!("spectrum of bins {} and {}", p.pair.0 + 1, p.pair.1 + 1);
        for length in [p.measured.len(), p.error.len(), p.expected.len()] {
            check_len(&what, p.ell.len(), length)?;
        }
        check_len(&what, p.curve.0.len(), p.curve.1.len())?;
    }
    let Some(bins) = pairs.iter().map(|p| p.pair.0.max(p.pair.1) + 1).max() else {
        let (what, expected) = ("spectra".to_owned(), "at least one pair".to_owned());
        return Err(PlotError::Shape { what, expected, found: 0 });
    };
    let width = if bins <= 2 { 300.0 } else { (800.0 / bins as f64).max(130.0) };
    let (upper, lower) = (0.66 * width, 0.3 * width);
    let row_height = upper + lower + GAP;
    let total = LEFT + bins as f64 * (width + GAP) + 6.0;
    let mut svg = Svg::new(total, TOP + bins as f64 * row_height + 40.0, "Angular power spectra");
    let ell =
        Axis::around("ell", pairs.iter().flat_map(|p| p.ell.iter().copied()), 0.06, Scale::Log)?;
    let power = power_axis(pairs)?;
    let sigmas = Axis::new("residual", -3.9, 3.9, Scale::Linear)?;
    for p in pairs {
        let (column, row) = (p.pair.0.min(p.pair.1), p.pair.0.max(p.pair.1));
        let x = LEFT + column as f64 * (width + GAP);
        let y = TOP + row as f64 * row_height;
        let main = Panel { area: Rect::new(x, y, width, upper), x: ell, y: power };
        let residual = Panel { area: Rect::new(x, y + upper, width, lower), x: ell, y: sigmas };
        draw_power(&mut svg, &main, p, column == 0);
        draw_residual(&mut svg, &residual, p, column == 0);
        residual.x_ticks(&mut svg, 4, (row + 1 == bins).then_some(0.5 * GAP));
        if row + 1 == bins {
            residual.x_label(&mut svg, "multipole $ℓ$");
        }
        if column == 0 {
            main.y_label(&mut svg, "$ℓ(ℓ+1)C_ℓ$/2$π$", 46.0);
            residual.y_label(&mut svg, "$Δ/σ$", 46.0);
        }
    }
    if bins > 1 {
        key(&mut svg, (total - 190.0, TOP + 4.0));
    }
    Ok(svg.finish())
}

/// The factor that turns C_ell into the quantity drawn.
fn flatten(ell: f64) -> f64 {
    ell * (ell + 1.0) / std::f64::consts::TAU
}

/// The common vertical axis: all expectations and all measurements that stand out of the noise.
fn power_axis(pairs: &[PairSpectrum]) -> Result<Axis> {
    let mut shown = Vec::new();
    for p in pairs {
        for i in 0..p.ell.len() {
            let factor = flatten(p.ell[i]);
            shown.push(factor * p.expected[i]);
            if p.measured[i] > p.error[i] {
                shown.extend([factor * p.measured[i], factor * (p.measured[i] + p.error[i])]);
            }
        }
    }
    Axis::around("ell(ell+1) C_ell / 2 pi", shown, 0.06, Scale::Log)
}

fn draw_power(svg: &mut Svg, panel: &Panel, p: &PairSpectrum, labels: bool) {
    let scaled = |ell: &[f64], cl: &[f64]| -> Vec<f64> {
        ell.iter().zip(cl).map(|(&ell, cl)| flatten(ell) * cl).collect()
    };
    let (ell, cl) =
        if p.curve.0.is_empty() { (&p.ell, &p.expected) } else { (&p.curve.0, &p.curve.1) };
    panel.curve(svg, ell, &scaled(ell, cl), Stroke::solid(PALETTE[1], 1.6));
    let (y, e) = (scaled(&p.ell, &p.measured), scaled(&p.ell, &p.error));
    error_bars(svg, panel, &p.ell, &y, &e, PALETTE[0], 1.9);
    panel.frame(svg);
    panel.x_ticks(svg, 4, None);
    panel.y_ticks(svg, 4, labels);
    let at = (panel.area.x + 8.0, panel.area.y + 16.0);
    let name = format!("{} × {}", p.pair.0 + 1, p.pair.1 + 1);
    svg.text(at, &name, Font::new(12.0, Anchor::Start));
}

fn draw_residual(svg: &mut Svg, panel: &Panel, p: &PairSpectrum, labels: bool) {
    let a = panel.area;
    let (top, bottom) = (panel.py(1.0), panel.py(-1.0));
    svg.rect(Rect::new(a.x, top, a.width, bottom - top), INK, 0.1, None);
    panel.horizontal(svg, 0.0, Stroke::solid(PALETTE[1], 1.2));
    let pulls = p.measured.iter().zip(&p.expected).zip(&p.error).map(|((m, t), e)| (m - t) / e);
    // Points outside the panel are shown at its edge.
    let pulls: Vec<f64> = pulls.map(|v| v.clamp(-3.8, 3.8)).collect();
    error_bars(svg, panel, &p.ell, &pulls, &vec![0.0; pulls.len()], PALETTE[0], 1.9);
    panel.frame(svg);
    panel.y_ticks(svg, 3, labels);
}

/// The meaning of points and line, in the empty upper right half.
fn key(svg: &mut Svg, at: (f64, f64)) {
    let (x, y) = at;
    let font = Font::new(LABEL_SIZE, Anchor::Start);
    svg.line((x + 10.0, y + 1.0), (x + 10.0, y + 15.0), Stroke::solid(PALETTE[0], 1.2));
    svg.disc((x + 10.0, y + 8.0), 2.4, PALETTE[0]);
    svg.text((x + 28.0, y + 12.5), "measured on the map", font);
    svg.line((x, y + 30.0), (x + 20.0, y + 30.0), Stroke::solid(PALETTE[1], 1.8));
    svg.text((x + 28.0, y + 34.5), "theory", font);
}

/// Sum of squared residuals in units of their variance, and the number of points: with
/// independent bands, about equal.
pub fn chi_square(pairs: &[PairSpectrum]) -> (f64, usize) {
    let pulls = pairs.iter().flat_map(|p| {
        p.measured.iter().zip(&p.expected).zip(&p.error).map(|((m, t), e)| (m - t) / e)
    });
    let pulls: Vec<f64> = pulls.filter(|v| v.is_finite()).collect();
    (pulls.iter().map(|v| v * v).sum(), pulls.len())
}

/// Points with bars of one standard deviation, cut at the frame. A bar that reaches zero on a
/// logarithmic axis goes down to the frame.
fn error_bars(
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

    fn pair(i: usize, j: usize) -> PairSpectrum {
        let ell: Vec<f64> = (1..9).map(|k| 100.0 * 1.5f64.powi(k)).collect();
        let expected: Vec<f64> = ell.iter().map(|l| 1e-4 / l.powf(1.3)).collect();
        PairSpectrum {
            pair: (i, j),
            measured: expected.iter().map(|c| 1.2 * c).collect(),
            error: expected.iter().map(|c| 0.1 * c).collect(),
            curve: (ell.clone(), expected.clone()),
            expected,
            ell,
        }
    }

    #[test]
    fn every_pair_has_its_panels() {
        let pairs = [pair(0, 0), pair(0, 1), pair(1, 1)];
        let svg = spectra(&pairs).unwrap();
        for name in ["1 × 1", "1 × 2", "2 × 2", "theory"] {
            assert!(svg.contains(name), "{name}");
        }
        // A point per band in the power panel and one in the residual panel, and the key's.
        assert_eq!(svg.matches("<circle").count(), 3 * 2 * 8 + 1);
        let (chi, points) = chi_square(&pairs);
        assert_eq!(points, 24);
        assert!((chi - 24.0 * 4.0).abs() < 1e-9);
    }

    #[test]
    fn negative_band_powers_are_drawn_as_upper_ends_of_their_bars() {
        let mut p = pair(0, 0);
        p.measured[3] = -1e-9;
        p.error[3] = 1e-8;
        let svg = spectra(&[p]).unwrap();
        assert!(!svg.contains("NaN"));
        assert_eq!(svg.matches("<circle").count(), 7 + 8);
    }

    #[test]
    fn arrays_of_different_length_are_refused() {
        let mut p = pair(1, 2);
        p.error.pop();
        let error = spectra(&[p]).unwrap_err().to_string();
        assert_eq!(error, "spectrum of bins 2 and 3: expected 8, found 7");
        assert!(spectra(&[]).is_err());
    }
}
