//! Before sampling: could the survey have made this map, at any parameters of the prior?
//!
//! Pixels are examined by themselves (missing, equal, rounded ones); what is left is compared with
//! maps that are simulated, with noise, at parameters drawn from the prior. Three groups of
//! statistics are compared, each as a whole: power spectra and correlations of all bins; means and
//! skewnesses; the most extreme pixels. A map that the model made is flagged in any of them with a
//! probability of [`FALSE_ALARMS`] together, however many bins and bands there are.
//!
//! What it cannot see: whatever the prior allows for, such as a calibration that other parameters
//! imitate where noise is small (the check after sampling sees more of that); maps turned or
//! mirrored in all bins together, which the model takes as equal; masks whose pixels hold noise of
//! the right variance; single pixels that are wrong by less than the extremes of a right map; a
//! wrong n(z) that another cosmology imitates; everything beyond the Nyquist multipole.

mod causes;
mod finding;
mod pixels;

use lognormal_sim::Simulator;

use crate::ensemble::{Comparison, DIM, Ensemble};
use crate::error::{Error, Result};
use crate::summaries::{Statistic, Summary};

pub use finding::{Cause, Finding, FindingKind, Pixel, Severity, ShapeCause};

/// Probability that a right map is flagged.
const FALSE_ALARMS: f64 = 0.02;
/// Groups of statistics that share it.
const GROUPS: f64 = 3.0;
/// Pixels of a side up to which [`SIMULATIONS`] are made, and [`FEWEST`] beyond.
const LARGE_MAP: usize = 256;
const SIMULATIONS: usize = 400;
const FEWEST: usize = 200;
/// A pixel this many times farther out than any simulated one is beyond doubt.
const GLITCH: f64 = 2.0;

/// Simulated maps of a survey that observed maps are held against.
///
/// Making it takes the time of the simulations, a few seconds for 64 x 64 pixels in five bins on
/// one core; any number of maps can then be checked.
pub struct MapCheck {
    npix: usize,
    ensemble: Ensemble,
}

impl MapCheck {
    /// Simulates maps at draws of the prior: one at each of the first 400, or 200 for maps of more
    /// than 256 pixels on a side. `seed` is that of latents and noise.
    ///
    /// # Errors
    /// [`Error::TooFewDraws`] when fewer than 200 draws are given, [`Error::Unsimulable`] when half
    /// of them have no simulation, [`Error::NotFinite`], or an unusable survey.
    pub fn new(simulator: &Simulator, prior: &[[f64; DIM]], seed: u64) -> Result<Self> {
        const WHAT: &str = "draws of the prior";
        if prior.len() < FEWEST {
            return Err(Error::TooFewDraws { what: WHAT, minimum: FEWEST, found: prior.len() });
        }
        let npix = simulator.survey().npix;
        let most = if npix > LARGE_MAP { FEWEST } else { SIMULATIONS };
        let draws = &prior[..prior.len().min(most)];
        match Ensemble::simulate(simulator, draws, WHAT, seed)? {
            Some(ensemble) => Ok(Self { npix, ensemble }),
            None => Err(Error::Unsimulable { what: WHAT, draws: draws.len() }),
        }
    }

    /// What is wrong with maps `[bin][y][x]`, the worst first; nothing if they fit.
    ///
    /// # Errors
    /// [`Error::MapSize`] for maps of another size than the survey's.
    pub fn check(&self, maps: &[f64]) -> Result<Vec<Finding>> {
        let summariser = &self.ensemble.summariser;
        summariser.check_size(maps)?;
        let examined = pixels::examine(maps, self.npix);
        let mut findings = examined.findings;
        if let Some(mut rest) = examined.rest {
            let mut summary = summariser.summarise(&rest)?;
            let outliers = self.outliers(&mut rest, &summary)?;
            if !outliers.is_empty() {
                summary = summariser.summarise(&rest)?;
            }
            findings.extend(outliers);
            findings.extend(self.spectra(&summary)?);
            findings.extend(self.shape(&summary)?);
        }
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        Ok(findings)
    }

    /// Pixels farther out than in simulated maps, if there are too many or too far; they are
    /// replaced by the median of their bin.
    fn outliers(&self, maps: &mut [f64], summary: &Summary) -> Result<Vec<Finding>> {
        let comparison = self.ensemble.extremes.compare(&summary.extremes())?;
        if !comparison.differs(FALSE_ALARMS / GROUPS) {
            return Ok(Vec::new());
        }
        let inverted = self.ensemble.extremes.compare(&summary.inverted_extremes())?;
        if !inverted.differs(FALSE_ALARMS) {
            let kind = FindingKind::Shape { comparison, cause: Some(ShapeCause::Sign) };
            return Ok(vec![Finding { severity: Severity::Doubtful, kind }]);
        }
        let mut findings = Vec::new();
        let size = self.npix * self.npix;
        for (bin, map) in maps.chunks_exact_mut(size).enumerate() {
            let (pixels, (above, below)) = (summary.pixels[bin], self.ensemble.farthest[bin]);
            let excess = |value: f64| {
                let score = (value - pixels.median) / pixels.spread;
                if score > 0.0 { score / above } else { -score / below }
            };
            let order = |a: &usize, b: &usize| excess(map[*a]).total_cmp(&excess(map[*b]));
            let Some(worst) = (0..size).max_by(order) else { continue };
            let beyond: Vec<usize> = (0..size).filter(|&k| excess(map[k]) > 1.0).collect();
            if beyond.is_empty() && !stands_out(bin, &comparison) {
                continue;
            }
            let value = map[worst];
            let far = excess(value) > GLITCH;
            findings.push(Finding {
                severity: if far { Severity::Hopeless } else { Severity::Doubtful },
                kind: FindingKind::Outliers {
                    pixel: Pixel { bin, ..pixels::pixel(worst, self.npix) },
                    value,
                    score: (value - pixels.median).abs() / pixels.spread,
                    largest: if value > pixels.median { above } else { below },
                    count: beyond.len(),
                    comparison: comparison.clone(),
                },
            });
            for k in beyond.into_iter().chain([worst]) {
                map[k] = pixels.median;
            }
        }
        if findings.is_empty() {
            let kind = FindingKind::Extremes { comparison };
            findings.push(Finding { severity: Severity::Doubtful, kind });
        }
        Ok(findings)
    }

    fn spectra(&self, summary: &Summary) -> Result<Option<Finding>> {
        let features = self.ensemble.summariser.spectra(&summary.powers);
        let comparison = self.ensemble.spectra.compare(&features)?;
        if !comparison.differs(FALSE_ALARMS / GROUPS) {
            return Ok(None);
        }
        let causes = causes::find(&self.ensemble, &summary.powers)?;
        let severity = severity(&comparison);
        Ok(Some(Finding { severity, kind: FindingKind::Spectra { comparison, causes } }))
    }

    fn shape(&self, summary: &Summary) -> Result<Option<Finding>> {
        let shape = summary.shape();
        let comparison = self.ensemble.shape.compare(&shape)?;
        if !comparison.differs(FALSE_ALARMS / GROUPS) {
            return Ok(None);
        }
        let fits = |changed: &[f64]| -> Result<bool> {
            Ok(!self.ensemble.shape.compare(changed)?.differs(FALSE_ALARMS))
        };
        let inverted: Vec<f64> = shape.iter().map(|x| -x).collect();
        let centred: Vec<f64> =
            shape.iter().enumerate().map(|(k, x)| if k % 2 == 0 { 0.0 } else { *x }).collect();
        let cause = if fits(&inverted)? {
            Some(ShapeCause::Sign)
        } else if fits(&centred)? {
            Some(ShapeCause::Offset)
        } else {
            None
        };
        let severity = severity(&comparison);
        Ok(Some(Finding { severity, kind: FindingKind::Shape { comparison, cause } }))
    }
}

/// Whether the farthest pixel of a bin is what deviates most.
fn stands_out(bin: usize, comparison: &Comparison) -> bool {
    comparison.deviations.first().is_some_and(|deviation| {
        let of_bin =
            [Statistic::Highest { bin }, Statistic::Lowest { bin }, Statistic::Isolation { bin }];
        deviation.sigmas > 0.0 && of_bin.contains(&deviation.statistic)
    })
}

fn severity(comparison: &Comparison) -> Severity {
    if comparison.is_far() { Severity::Hopeless } else { Severity::Doubtful }
}
