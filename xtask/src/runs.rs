//! Repeated runs, and whether they tell two numbers apart.

use metrics::{C2st, C2stNull, mean, variance};

use crate::published::Spread;
use crate::report::words::plus_minus;

/// Standard errors by which two numbers must differ to be called different.
pub const CLEAR: f64 = 2.0;

/// One measure of repeated runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Runs {
    /// Mean and standard deviation.
    pub spread: Spread,
    /// Number of runs.
    pub count: usize,
}

impl Runs {
    /// Those of values; a single one has no scatter.
    #[must_use]
    pub fn of(values: &[f64]) -> Self {
        let sd = if values.len() > 1 { variance(values).sqrt() } else { 0.0 };
        Self { spread: Spread { mean: mean(values), sd }, count: values.len() }
    }

    /// Mean and standard deviation to so many decimals.
    #[must_use]
    pub fn text(&self, decimals: usize) -> String {
        let Spread { mean, sd } = self.spread;
        plus_minus(mean, (self.count > 1).then_some(sd), decimals)
    }

    /// Standard error of the mean; none of a single run.
    #[must_use]
    pub fn error(&self) -> Option<f64> {
        (self.count > 1).then(|| self.spread.sd / (self.count as f64).sqrt())
    }

    /// By how much the mean is above that of other runs.
    #[must_use]
    pub fn above(&self, other: &Self) -> Difference {
        let error = self.error().zip(other.error()).map(|(a, b)| a.hypot(b));
        Difference { value: self.spread.mean - other.spread.mean, error }
    }

    /// By how much the ratio of the mean to that of other runs is above one.
    #[must_use]
    pub fn over(&self, other: &Self) -> Ratio {
        let (a, b) = (self.spread.mean, other.spread.mean);
        let errors = self.error().zip(other.error());
        Ratio { value: a / b, error: errors.map(|(x, y)| (a / b).abs() * (x / a).hypot(y / b)) }
    }
}

/// A difference with its standard error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// The difference.
    pub value: f64,
    /// Its standard error; none where it is not known, as of single runs.
    pub error: Option<f64>,
}

/// What a difference with its error tells.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Sign {
    /// It is clearly below zero.
    Below,
    /// Its sign is not told.
    Unclear,
    /// It is clearly above zero.
    Above,
}

impl Difference {
    /// One whose standard error is known.
    #[must_use]
    pub fn new(value: f64, error: f64) -> Self {
        Self { value, error: Some(error) }
    }

    /// Its sign beyond so many standard errors. A difference of unknown error, or one that is not a
    /// number, has none.
    #[must_use]
    pub fn sign(self, errors: f64) -> Sign {
        match self {
            Self { value, error: Some(error) } if value > errors * error => Sign::Above,
            Self { value, error: Some(error) } if value < -errors * error => Sign::Below,
            _ => Sign::Unclear,
        }
    }

    /// It with its error to so many decimals.
    #[must_use]
    pub fn text(self, decimals: usize) -> String {
        plus_minus(self.value, self.error, decimals)
    }
}

/// A ratio with its standard error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// The ratio.
    pub value: f64,
    /// Its standard error; none where it is not known, as of single runs.
    pub error: Option<f64>,
}

impl Ratio {
    /// That of a logarithm.
    #[must_use]
    pub fn of_logarithm(Difference { value, error }: Difference) -> Self {
        let value = value.exp();
        Self { value, error: error.map(|error| value * error) }
    }

    /// By how much it is above one.
    #[must_use]
    pub fn above_one(self) -> Difference {
        Difference { value: self.value - 1.0, error: self.error }
    }

    /// It with its error to so many decimals.
    #[must_use]
    pub fn text(self, decimals: usize) -> String {
        plus_minus(self.value, self.error, decimals)
    }
}

/// How far the accuracy of a classifier is above what equal distributions give.
#[must_use]
pub fn excess(c2st: &C2st) -> Difference {
    let (value, error) = c2st.excess().unwrap_or((c2st.accuracy - 0.5, c2st.error));
    Difference::new(value, error)
}

/// Accuracy of a classifier on equal distributions, with the scatter of its tests if there are
/// several.
#[must_use]
pub fn null_text(null: &C2stNull) -> String {
    plus_minus(null.mean, (null.accuracies.len() > 1).then_some(null.sd), 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_are_those_of_samples() {
        let Runs { spread, count } = Runs::of(&[1.0, 2.0, 3.0, 6.0]);
        assert!((spread.mean - 3.0).abs() < 1e-15 && count == 4);
        assert!((spread.sd - (14f64 / 3.0).sqrt()).abs() < 1e-15);
        assert_eq!(Runs::of(&[0.7]).spread, Spread { mean: 0.7, sd: 0.0 });
    }

    #[test]
    fn differences_are_told_beyond_their_errors_only() {
        let (low, high) = (Runs::of(&[0.60, 0.61]), Runs::of(&[0.70, 0.71]));
        assert_eq!(low.above(&high).sign(CLEAR), Sign::Below);
        assert_eq!(high.above(&low).sign(CLEAR), Sign::Above);
        // standard errors of 0.005 each, 14 of both together
        assert_eq!(high.above(&low).sign(14.0), Sign::Above);
        assert_eq!(high.above(&low).sign(14.2), Sign::Unclear);
        let single = Runs::of(&[0.7]);
        assert_eq!(single.above(&low).sign(CLEAR), Sign::Unclear, "one run tells nothing");
        assert_eq!(Difference::new(f64::NAN, 0.1).sign(CLEAR), Sign::Unclear);
        assert_eq!(Difference::new(1.0, f64::NAN).sign(CLEAR), Sign::Unclear);
    }

    #[test]
    fn ratios_have_the_relative_errors_of_both() {
        let ratio = Runs::of(&[9.0, 11.0]).over(&Runs::of(&[4.0, 6.0]));
        // 10 ± 1 over 5 ± 1
        let expected = 2.0 * 0.05_f64.sqrt();
        assert!((ratio.value - 2.0).abs() < 1e-12, "{ratio:?}");
        assert!((ratio.error.expect("two runs") - expected).abs() < 1e-12, "{ratio:?}");
        assert_eq!(ratio.above_one().sign(2.0), Sign::Above);
        assert_eq!(ratio.above_one().sign(3.0), Sign::Unclear);
    }

    #[test]
    fn a_single_test_of_equal_distributions_has_no_scatter() {
        let null = |accuracies: Vec<f64>, sd| C2stNull { mean: 0.475, sd, accuracies };
        assert_eq!(null_text(&null(vec![0.475], 0.0)), "0.475");
        assert_eq!(null_text(&null(vec![0.465, 0.485], 0.0141)), "0.475 ± 0.014");
    }
}
