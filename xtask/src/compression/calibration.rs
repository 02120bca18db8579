//! Whether a learnt posterior is calibrated, seen on fresh simulations from the prior.

use anyhow::{Context, Result};
use lognormal_sim::PARAMETERS;
use metrics::{
    CalibrationSet, Coverage, CoverageConfig, Sbc, SbcConfig, Tarp, TarpConfig, expected_coverage,
    sbc, tarp,
};
use ndarray::Axis;
use sbi::Estimator;
use serde::{Deserialize, Serialize};

use super::infer::Pairs;
use super::profile::CalibrationProfile;
use crate::plot::calibration::{Calibration as Curve, coverage, ranks};
use crate::plot::markup::parameter_label;
use crate::report::words::plus_minus;
use crate::report::{Figure, Grade, Section, Verdict};
use crate::runs::{CLEAR, Difference, Sign};
use crate::study::derive_seed;
use full_field::DIM;

/// File of a [`Calibration`].
pub const CALIBRATION: &str = "calibration.json";

/// Tests of a posterior on simulated observations of known truth.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Calibration {
    /// Key of the method.
    pub method: String,
    /// Number of observations.
    pub observations: usize,
    /// Ranks of the truths.
    pub sbc: Sbc,
    /// Coverage of highest-density regions.
    pub coverage: Coverage,
    /// Coverage of balls around random points.
    pub tarp: Tarp,
}

/// Tests an estimator on the first of the fresh simulations.
///
/// # Errors
/// If a posterior cannot be sampled, or a setting is out of its domain.
pub fn calibrate(
    profile: &CalibrationProfile,
    estimator: &Estimator,
    fresh: &Pairs,
    seed: u64,
) -> Result<Calibration> {
    let CalibrationProfile { loss, observations, draws } = profile;
    let observations = (*observations).min(fresh.theta.nrows());
    let seed = |purpose: &str| derive_seed(seed, &format!("calibration-{purpose}"));
    let (mut truths, mut points) = (Vec::new(), Vec::new());
    let (mut at_truths, mut at_points) = (Vec::new(), Vec::new());
    for (index, (theta, x)) in
        fresh.theta.rows().into_iter().zip(fresh.x.rows()).take(observations).enumerate()
    {
        let posterior = estimator.posterior(&x.to_vec())?;
        let drawn = posterior.sample(*draws, seed(&format!("draws-{index}")))?;
        at_truths.extend(posterior.log_prob(theta.insert_axis(Axis(0)))?);
        at_points.extend(posterior.log_prob(drawn.theta.view())?);
        truths.extend(theta.iter().copied());
        points.extend(drawn.theta.iter().copied());
    }
    let set = CalibrationSet::new(&truths, &points, &PARAMETERS)?;
    let ranking = SbcConfig { seed: seed("ranks"), ..SbcConfig::default() };
    let covering = CoverageConfig { seed: seed("coverage"), ..CoverageConfig::default() };
    let balls = TarpConfig { seed: seed("tarp"), ..TarpConfig::default() };
    Ok(Calibration {
        method: loss.key().to_owned(),
        observations,
        sbc: sbc(&set, &ranking, &|_| {}).context("ranks")?,
        coverage: expected_coverage(&at_truths, &at_points, &covering).context("coverage")?,
        tarp: tarp(&set, None, &balls).context("coverage of balls")?,
    })
}

/// Probabilities of a departure by chance below which calibration is in doubt, and below which it
/// is refuted.
const LEVELS: (f64, f64) = (0.05, 0.001);

fn grade(p_value: f64) -> Grade {
    match p_value {
        p if p >= LEVELS.0 => Grade::Good,
        p if p >= LEVELS.1 => Grade::Doubtful,
        _ => Grade::Bad,
    }
}

/// A probability as people write it.
fn probability(p: f64) -> String {
    if p < 1e-3 { "below 0.001".into() } else { format!("{p:.3}") }
}

/// Whether highest-density regions hold the truth as often as they claim.
fn covering(coverage: &Coverage) -> Verdict {
    let grade = grade(coverage.p_value);
    let excess = Difference::new(coverage.excess, coverage.excess_error);
    let finding = match (grade, excess.sign(CLEAR)) {
        (Grade::Good, _) => "Highest-density regions hold the truth as often as they claim",
        (Grade::Doubtful, Sign::Below) => "The posteriors may be too narrow",
        (Grade::Doubtful, Sign::Above) => "The posteriors may be wider than needed",
        (Grade::Doubtful, Sign::Unclear) => {
            "Highest-density regions may not hold the truth as often as they claim at every level"
        }
        (Grade::Bad, Sign::Below) => "The posteriors are too narrow",
        (Grade::Bad, Sign::Above) => "The posteriors are wider than needed",
        (Grade::Bad, Sign::Unclear) => {
            "Highest-density regions do not hold the truth as often as they claim at every level"
        }
    };
    let more = if coverage.excess < 0.0 { "less" } else { "more" };
    Verdict {
        grade,
        text: format!(
            "{finding}: on average over the levels {} % {more} often, a departure that chance makes \
             with probability {}",
            plus_minus(100.0 * coverage.excess.abs(), Some(100.0 * coverage.excess_error), 1),
            probability(coverage.p_value)
        ),
    }
}

impl Calibration {
    /// The findings in a line each.
    pub fn verdicts(&self) -> Vec<Verdict> {
        let Self { sbc, coverage, tarp, .. } = self;
        let worst = sbc.parameters.iter().min_by(|a, b| a.p_value.total_cmp(&b.p_value));
        let worst = worst.map_or(String::new(), |one| {
            format!(", the least likely are those of {}", parameter_label(&one.name))
        });
        vec![
            Verdict {
                grade: grade(sbc.p_value),
                text: format!(
                    "Ranks of the true parameters: as far from uniform by chance with probability \
                     {}{worst}",
                    probability(sbc.p_value)
                ),
            },
            covering(coverage),
            Verdict {
                grade: grade(tarp.p_value),
                text: format!(
                    "Balls around random points (TARP) hold the truth up to {:.1} % too often or \
                     too rarely (probability of the departure {})",
                    100.0 * tarp.deviation,
                    probability(tarp.p_value)
                ),
            },
        ]
    }

    /// The tests drawn and judged.
    ///
    /// # Errors
    /// If the curves cannot be drawn.
    pub fn section(&self, name: &str) -> Result<Section> {
        let Self { observations, sbc, coverage: regions, tarp, .. } = self;
        let curve = |name: String, band: &metrics::EcdfBand, values: &[f64]| Curve {
            name,
            x: with_ends(&band.levels),
            y: with_ends(values),
            lower: with_ends(&band.lower),
            upper: with_ends(&band.upper),
        };
        let parameters: Vec<Curve> = sbc
            .parameters
            .iter()
            .map(|one| curve(parameter_label(&one.name), &sbc.band, &one.ecdf))
            .collect();
        let tests = [
            curve("highest-density regions".into(), &regions.band, &regions.coverage),
            curve("balls (TARP)".into(), &tarp.band, &tarp.coverage),
        ];
        let share = 100.0 * sbc.band.confidence;
        Ok(Section {
            heading: format!("Is the posterior of {name} calibrated?"),
            paragraphs: vec![format!(
                "Posteriors of {observations} fresh simulations with parameters from the prior, {} \
                 draws each, from the first network and its first posterior. If posteriors are \
                 what they claim to be, the rank of the truth among the draws is uniform in each \
                 of the {DIM} parameters, and regions hold the truth as often as their credibility \
                 says. Uniform ranks are necessary, not sufficient: summaries that tell little \
                 pass these tests too.",
                sbc.draws
            )],
            verdicts: self.verdicts(),
            figures: vec![
                Figure {
                    drawing: ranks(&parameters),
                    caption: format!(
                        "Distribution of the ranks of the true parameters less the uniform one, \
                         with the band that {share:.0} % of exact posteriors stay within."
                    ),
                },
                Figure {
                    drawing: coverage(&tests),
                    caption: format!(
                        "Fraction of truths covered against the credibility, with the band that \
                         {share:.0} % of exact posteriors stay within; below the diagonal regions \
                         are too small."
                    ),
                },
            ],
            ..Section::default()
        })
    }
}

/// A distribution function with its ends, 0 and 1.
fn with_ends(values: &[f64]) -> Vec<f64> {
    std::iter::once(0.0).chain(values.iter().copied()).chain([1.0]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_probabilities_are_bad_news() {
        assert_eq!([0.5, 0.01, 1e-5].map(grade), [Grade::Good, Grade::Doubtful, Grade::Bad]);
        assert_eq!(probability(0.25), "0.250");
        assert_eq!(probability(1e-9), "below 0.001");
    }

    #[test]
    fn curves_run_from_corner_to_corner() {
        assert_eq!(with_ends(&[0.2, 0.7]), [0.0, 0.2, 0.7, 1.0]);
    }
}
