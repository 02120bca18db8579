//! Tuning of the time over which a microcanonical sampler forgets its direction.
//!
//! After each slow window of warmup it is the size of the target, `sqrt(mean variance)` in the
//! coordinates of the metric: one if all of them adapt. At the end of the last one it becomes a
//! multiple of the time between effective draws, measured in that window.
//!
//! References: Robnik, De Luca, Silverstein & Seljak 2023 (arXiv:2212.08549) and Robnik, Cohn-Gordon &
//! Seljak 2025 (arXiv:2503.01707), their sections on tuning. Both average over all coordinates; here
//! it is over at most 64, the dense block and others evenly spaced.

use serde::{Deserialize, Serialize};

use crate::autocorrelation::integrated_time;

/// Coordinates whose autocorrelation is measured.
const PROBES: usize = 64;
/// Fewest draws of the last window that allow it.
const FEWEST: usize = 20;
/// Largest change by the autocorrelation: few effective draws make it a rough guess.
const LARGEST_CHANGE: f64 = 4.0;

/// The decoherence time with what is known for its tuning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decoherence {
    length: f64,
    tuning: Option<Tuning>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Tuning {
    /// Number of draws in `mean` and `squares`.
    count: u32,
    /// Mean of each coordinate that does not adapt.
    mean: Vec<f64>,
    /// Sum of the squared deviations of all of these.
    squares: f64,
    /// Draws of the last window, `[draw][probe]`.
    probes: Vec<Vec<f64>>,
}

impl Tuning {
    fn new(unadapted: usize) -> Self {
        Self { count: 0, mean: vec![0.0; unadapted], squares: 0.0, probes: Vec::new() }
    }
}

impl Decoherence {
    /// A fixed `length`, or one to be tuned where `unadapted` coordinates keep their metric.
    pub fn new(length: Option<f64>, unadapted: usize) -> Self {
        let tuning = length.is_none().then(|| Tuning::new(unadapted));
        Self { length: length.unwrap_or(1.0), tuning }
    }

    /// The time of decoherence.
    pub fn length(&self) -> f64 {
        self.length
    }

    /// Whether this was made by `new(length, unadapted)` and can go on.
    pub fn is_consistent(&self, unadapted: usize) -> bool {
        let right = |tuning: &Tuning| tuning.mean.len() == unadapted && tuning.squares.is_finite();
        self.length.is_finite() && self.length > 0.0 && self.tuning.as_ref().is_none_or(right)
    }

    /// Takes in a draw of a slow window in standardised coordinates.
    pub fn add(&mut self, x: &[f64], dense: usize, last_window: bool) {
        let Some(tuning) = &mut self.tuning else { return };
        tuning.count += 1;
        let count = f64::from(tuning.count);
        let unadapted = &x[x.len() - tuning.mean.len()..];
        for (mean, &v) in tuning.mean.iter_mut().zip(unadapted) {
            let deviation = v - *mean;
            *mean += deviation / count;
            tuning.squares += deviation * (v - *mean);
        }
        if last_window {
            tuning.probes.push(probes(x.len(), dense).map(|i| x[i]).collect());
        }
    }

    /// At the end of a slow window: the size of the target in `dim` dimensions.
    pub fn end_window(&mut self, dim: usize) {
        let Some(tuning) = &mut self.tuning else { return };
        let unadapted = tuning.mean.len();
        let variances = (dim - unadapted) as f64
            + tuning.squares / f64::from(tuning.count.saturating_sub(1).max(1));
        if variances > 0.0 && variances.is_finite() {
            self.length = (variances / dim as f64).sqrt();
        }
        let probes = std::mem::take(&mut tuning.probes);
        *tuning = Tuning { probes, ..Tuning::new(unadapted) };
    }

    /// At the end of the last one: `factor` times the mean time between effective draws, of which
    /// successive ones are `time` apart. No tuning after this.
    pub fn end_tuning(&mut self, factor: f64, time: f64) {
        let Some(Tuning { probes, .. }) = self.tuning.take() else { return };
        if probes.len() < FEWEST {
            return;
        }
        let times = (0..probes[0].len()).map(|k| {
            let series: Vec<f64> = probes.iter().map(|draw| draw[k]).collect();
            integrated_time(&series)
        });
        let length = factor * time * times.sum::<f64>() / probes[0].len() as f64;
        let size = self.length;
        self.length = length.clamp(size / LARGEST_CHANGE, size * LARGEST_CHANGE);
    }

    /// No tuning after warmup, whatever was missing.
    pub fn end_warmup(&mut self) {
        self.tuning = None;
    }
}

/// The coordinates to look at.
fn probes(dim: usize, dense: usize) -> impl Iterator<Item = usize> {
    let leading = dense.min(PROBES).min(dim);
    let others = (dim - leading).min(PROBES - leading);
    (0..leading).chain((0..others).map(move |k| leading + k * (dim - leading) / others))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_are_the_dense_block_and_others_evenly() {
        assert_eq!(probes(3, 0).collect::<Vec<_>>(), [0, 1, 2]);
        let many: Vec<usize> = probes(5126, 6).collect();
        assert_eq!((many.len(), &many[..7]), (64, &[0, 1, 2, 3, 4, 5, 6][..]));
        assert!(many.is_sorted() && many[63] < 5126 && many[63] > 5000);
        assert_eq!(probes(100, 80).count(), 64);
    }

    #[test]
    fn size_is_that_of_the_target() {
        // two coordinates adapt, two keep a scale at which their variance is 9
        let mut decoherence = Decoherence::new(None, 2);
        for n in 0..100 {
            let x = if n % 2 == 0 { 3.0 } else { -3.0 };
            decoherence.add(&[0.0, 0.0, x + 1.0, x], 0, false);
        }
        decoherence.end_window(4);
        let expected = ((2.0 + 2.0 * 900.0 / 99.0) / 4.0f64).sqrt();
        assert!((decoherence.length() - expected).abs() < 1e-12, "{decoherence:?}");
        let mut fixed = Decoherence::new(Some(3.0), 0);
        fixed.add(&[0.0], 0, true);
        fixed.end_window(1);
        fixed.end_tuning(0.4, 1.0);
        assert_eq!(fixed, Decoherence::new(Some(3.0), 0));
    }

    #[test]
    fn autocorrelation_sets_the_length() {
        let run = |period: usize| {
            let mut decoherence = Decoherence::new(None, 0);
            for n in 0..400 {
                // a step function with pseudo-random levels, each `period` draws long
                let level = ((n / period) as f64 * 12.9898).sin();
                decoherence.add(&[level, level], 0, true);
            }
            decoherence.end_window(2);
            decoherence.end_tuning(0.5, 0.2);
            decoherence.length()
        };
        let (fast, slow) = (run(5), run(20));
        assert!(fast < slow && (0.25..=4.0).contains(&fast), "{fast} {slow}");
        assert!((run(400) - 4.0).abs() < 1e-12);
    }
}
