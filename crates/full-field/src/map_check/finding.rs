//! What a check of a map finds, as data and in words.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ensemble::Comparison;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The posterior may be wrong: look at the map first.
    Doubtful,
    /// The model cannot have made the map: its posterior would mean nothing.
    Hopeless,
}

/// Something about a map that does not fit the survey.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is.
    pub kind: FindingKind,
}

/// A pixel of a set of maps, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pixel {
    /// Tomographic bin.
    pub bin: usize,
    /// Row.
    pub y: usize,
    /// Column.
    pub x: usize,
}

/// What does not fit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FindingKind {
    /// Pixels that are no numbers.
    NotFinite {
        /// How many are NaN.
        nan: usize,
        /// How many are infinite.
        infinite: usize,
        /// The first of them.
        first: Pixel,
    },
    /// Bins in which all pixels are equal.
    Constant {
        /// The bins.
        bins: Vec<usize>,
        /// The value in the first of them.
        value: f64,
    },
    /// Pixels that hold a mark for missing data.
    Sentinel {
        /// The mark.
        value: f64,
        /// Who writes it.
        meaning: String,
        /// How many pixels hold it, in all bins.
        count: usize,
        /// The first of them.
        first: Pixel,
    },
    /// Pixels of a bin that are exactly equal to each other.
    EqualPixels {
        /// The bins.
        bins: Vec<usize>,
        /// How many pixels they are in all.
        count: usize,
        /// Their largest share of a bin.
        share: f64,
        /// The most common value.
        value: f64,
        /// The first pixel that holds it.
        first: Pixel,
    },
    /// Bins with few different values, as of integers.
    Rounded {
        /// The bins.
        bins: Vec<usize>,
        /// Fewest different values of a bin within one robust standard deviation of its median.
        levels: usize,
    },
    /// Single pixels that are farther from the others than in any simulated map.
    Outliers {
        /// The farthest.
        pixel: Pixel,
        /// Its value.
        value: f64,
        /// Its distance from the median of its bin, in robust standard deviations.
        score: f64,
        /// The largest such distance in simulated maps.
        largest: f64,
        /// How many pixels of the bin are beyond that; none where the pixel stands out against
        /// the others only.
        count: usize,
        /// The comparison of the most extreme pixels of all bins.
        comparison: Comparison,
    },
    /// Largest and smallest pixels that no simulated map has together.
    Extremes {
        /// By how much they differ.
        comparison: Comparison,
    },
    /// Means or skewnesses that differ from simulated ones.
    Shape {
        /// By how much.
        comparison: Comparison,
        /// What would explain it.
        cause: Option<ShapeCause>,
    },
    /// Power spectra that no parameters of the prior explain.
    Spectra {
        /// By how much.
        comparison: Comparison,
        /// Each of what would explain it, the best first.
        causes: Vec<Cause>,
    },
}

/// A change that would make the one-point distribution fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShapeCause {
    /// The sign of the map.
    Sign,
    /// Its mean.
    Offset,
}

/// A change that would make the power spectra fit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "snake_case")]
pub enum Cause {
    /// The whole map has another scale: other units, another factor.
    Scale {
        /// The map is this many times too large.
        factor: f64,
        /// Relative standard deviation of the factor.
        error: f64,
    },
    /// The bins are in another order.
    Order {
        /// Number that each bin of the map should have.
        order: Vec<usize>,
    },
    /// The noise has another variance.
    Noise {
        /// In units of that of the survey.
        factor: f64,
    },
    /// Each bin fits, but not their correlations.
    Misaligned,
}

/// Factors that units differ by, with their names.
const UNITS: [(f64, &str); 10] = [
    (10.0, "10"),
    (0.1, "0.1"),
    (1e2, "100 (per cent)"),
    (1e-2, "0.01"),
    (1e3, "1000"),
    (1e-3, "0.001"),
    (1e6, "1e6"),
    (1e-6, "1e-6"),
    (1e9, "1e9"),
    (1e-9, "1e-9"),
];
/// Standard deviations within which a factor is taken as one of [`UNITS`].
const UNIT_SIGMAS: f64 = 3.0;

impl fmt::Display for Pixel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[bin {}, y {}, x {}]", self.bin, self.y, self.x)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFinite { nan, infinite, first } => write!(
                f,
                "{nan} pixels are NaN and {infinite} infinite, the first at {first}: masked or \
                 failed pixels? The model has no mask; give a complete map"
            ),
            Self::Constant { bins, value } => write!(
                f,
                "all pixels of {} are {value}: an empty or failed map? Give one with data",
                list("bin", bins)
            ),
            Self::Sentinel { value, meaning, count, first } => write!(
                f,
                "{count} pixel(s) hold {value:e}, {meaning}, the first at {first}: missing data? \
                 The model has no mask; cut out a complete region"
            ),
            Self::EqualPixels { bins, count, share, value, first } => write!(
                f,
                "{count} pixels of {} (up to {:.1} % of a bin) are exactly equal to others, most \
                 often {value}, first at {first}; noisy pixels never are: a mask filled with a \
                 constant, or repeated pixels? The model has no mask; cut out a complete region",
                list("bin", bins),
                100.0 * share
            ),
            Self::Rounded { bins, levels } => write!(
                f,
                "{} have as few as {levels} different values within a standard deviation: stored \
                 as integers? Save the map as 32 or 64-bit floats",
                list("bin", bins)
            ),
            Self::Outliers { pixel, value, score, largest, count, .. } => write!(
                f,
                "pixel {pixel} = {value:e} is {score:.1} robust standard deviations from the \
                 median of its bin, and far from the other pixels; the most extreme simulated map \
                 reaches {largest:.1}, {count} pixel(s) of the bin are beyond that: a glitch, a hot \
                 pixel, a bright object? Repair or cut out"
            ),
            Self::Extremes { comparison } => write!(
                f,
                "the largest and smallest pixels do not fit: {comparison}. Clipped, cleaned or \
                 smoothed pixels, or another process?"
            ),
            Self::Shape { comparison, cause } => {
                write!(f, "means or skewnesses of the bins do not fit: {comparison}. ")?;
                match cause {
                    Some(ShapeCause::Sign) => write!(
                        f,
                        "With the other sign they would: sign? Convergence is positive towards \
                         overdensities; multiply the map by -1"
                    ),
                    Some(ShapeCause::Offset) => write!(
                        f,
                        "The means alone are off: an offset? Simulated maps have no mean; subtract \
                         it from each bin"
                    ),
                    None => write!(f, "Other n(z), another process, or a systematic error?"),
                }
            }
            Self::Spectra { comparison, causes } => {
                write!(f, "no parameters of the prior explain the power spectra: {comparison}. ")?;
                if causes.is_empty() {
                    return write!(
                        f,
                        "No single change of units, order of bins or noise would mend that: \
                         another survey (n(z), area, noise), a smoothed map, or a systematic error?"
                    );
                }
                let causes: Vec<String> = causes.iter().map(Cause::to_string).collect();
                write!(f, "{}", causes.join(" Or: "))
            }
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scale { factor, error } => {
                let near = |unit: f64| (factor / unit).ln().abs() < UNIT_SIGMAS * error;
                let unit = UNITS.iter().find(|(unit, _)| near(*unit));
                write!(f, "It fits if it is {} times too large", number(*factor))?;
                write!(f, " (within {:.0} %)", 100.0 * error)?;
                match unit {
                    Some((_, name)) => write!(f, ": units? Divide the map by {name}."),
                    None => write!(f, ": units, or a calibration factor? Divide the map by it."),
                }
            }
            Self::Order { order } => {
                write!(f, "It fits if its bins are those of number {order:?}: bins swapped?")
            }
            Self::Noise { factor } => write!(
                f,
                "It fits if its noise variance is {} times that of the survey: another sigma_e, \
                 number of galaxies, pixel size or area? Correct the survey.",
                number(*factor)
            ),
            Self::Misaligned => write!(
                f,
                "Each bin fits by itself, but not the correlations of bins: bins of different \
                 fields, one transposed, flipped or of the other sign?"
            ),
        }
    }
}

/// A positive factor with three digits.
fn number(value: f64) -> String {
    if (0.01..1000.0).contains(&value) { format!("{value:.3}") } else { format!("{value:.2e}") }
}

/// "bin 1" or "bins 1, 2, 3".
fn list(noun: &str, numbers: &[usize]) -> String {
    let text: Vec<String> = numbers.iter().map(usize::to_string).collect();
    format!("{noun}{} {}", if numbers.len() == 1 { "" } else { "s" }, text.join(", "))
}
