//! Whether posteriors are calibrated: ranks and coverage against what calibration expects.
//!
//! Grey bands hold what an exact posterior gives, simultaneously over the whole curve, in the
//! share of cases that the caller computed them for.

use super::curves::{Chart, Guide, Look, Quantity, Series, curves};
use super::error::Result;

/// A curve over the unit interval with the band that an exact posterior stays within.
#[derive(Debug, Clone)]
pub struct Calibration {
    /// Name: the parameter of a rank curve, the posterior or test of a coverage curve.
    pub name: String,
    /// Positions from 0 to 1: fractional ranks, or credibility levels.
    pub x: Vec<f64>,
    /// Values: of the empirical distribution function, or the fraction of truths covered.
    pub y: Vec<f64>,
    /// Lower edge of the band.
    pub lower: Vec<f64>,
    /// Upper edge of the band.
    pub upper: Vec<f64>,
}

/// Draws the empirical distribution function of the ranks of each parameter minus that of the
/// uniform distribution (Säilynoja, Bürkner & Vehtari 2022), a chart for each. A curve above zero
/// on the left means that the truth lies too often below the posterior; a slope that is positive
/// at both ends and negative between them means that the posterior is too narrow.
///
/// # Errors
/// As [`curves`].
pub fn ranks(parameters: &[Calibration]) -> Result<String> {
    let charts: Vec<Chart> = parameters
        .iter()
        .map(|one| {
            let minus_x =
                |y: &[f64]| -> Vec<f64> { y.iter().zip(&one.x).map(|(y, x)| y - x).collect() };
            Chart {
                title: one.name.clone(),
                x: unit("rank"),
                y: Quantity { label: "ECDF − uniform".into(), ..Quantity::default() },
                guides: vec![
                    Guide::Band {
                        x: one.x.clone(),
                        lower: minus_x(&one.lower),
                        upper: minus_x(&one.upper),
                    },
                    Guide::Level(0.0, String::new()),
                ],
                series: vec![line(String::new(), 0, &one.x, minus_x(&one.y))],
            }
        })
        .collect();
    let columns = if charts.len() <= 2 { charts.len() } else { 3 };
    curves("Ranks of the true parameters", &charts, columns)
}

/// Draws the fraction of truths covered against the credibility level, all curves in one chart:
/// expected coverage of highest-density regions (Hermans et al. 2022), or of balls about random
/// points (TARP, Lemos et al. 2023). Below the diagonal the posterior is overconfident. The band
/// is that of the first curve.
///
/// # Errors
/// As [`curves`].
pub fn coverage(tests: &[Calibration]) -> Result<String> {
    let band = tests.first().map(|first| Guide::Band {
        x: first.x.clone(),
        lower: first.lower.clone(),
        upper: first.upper.clone(),
    });
    let chart = Chart {
        x: unit("credibility level"),
        y: unit("fraction of truths covered"),
        guides: band.into_iter().chain([Guide::Diagonal]).collect(),
        series: tests
            .iter()
            .enumerate()
            .map(|(i, test)| line(test.name.clone(), i, &test.x, test.y.clone()))
            .collect(),
        ..Chart::default()
    };
    curves("Coverage", &[chart], 1)
}

fn unit(label: &str) -> Quantity {
    Quantity { label: label.into(), log: false, range: Some((0.0, 1.0)) }
}

fn line(name: String, colour: usize, x: &[f64], y: Vec<f64>) -> Series {
    Series { name, colour, look: Look::Line, x: x.to_vec(), y, error: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calibration(name: &str, y: impl Fn(f64) -> f64) -> Calibration {
        let x: Vec<f64> = (0..=50).map(|i| f64::from(i) / 50.0).collect();
        let edge = |sign: f64| x.iter().map(|x| x + sign * 0.1 * (x * (1.0 - x)).sqrt()).collect();
        let (lower, upper) = (edge(-1.0), edge(1.0));
        Calibration { name: name.into(), y: x.iter().map(|x| y(*x)).collect(), x, lower, upper }
    }

    #[test]
    fn each_parameter_has_a_chart_and_its_band() {
        let all = ["$α$", "$β$", "$γ$", "$δ$"].map(|name| calibration(name, |x| x * x));
        let svg = ranks(&all).unwrap();
        assert_eq!(svg.matches("ECDF − uniform").count(), 4);
        assert_eq!(svg.matches("fill-opacity=\"0.12\"").count(), 4);
        assert!(!svg.contains("NaN"));
    }

    #[test]
    fn coverage_curves_share_a_chart_and_are_named() {
        let tests = [calibration("NPE", |x| x.powf(1.2)), calibration("NLE", |x| x.powf(0.9))];
        let svg = coverage(&tests).unwrap();
        assert_eq!(svg.matches("fraction of truths covered").count(), 1);
        assert!(svg.contains(">NPE<") && svg.contains(">NLE<"));
        assert_eq!(svg.matches("fill-opacity=\"0.12\"").count(), 1);
    }

    #[test]
    fn curves_that_do_not_fit_their_band_are_refused() {
        let mut one = calibration("$α$", |x| x);
        one.upper.pop();
        let error = coverage(std::slice::from_ref(&one)).unwrap_err().to_string();
        assert_eq!(error, "upper edge of the band: expected 51, found 50");
        assert!(ranks(&[one]).is_err());
        assert!(ranks(&[]).is_err() && coverage(&[]).is_err());
    }
}
