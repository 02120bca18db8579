//! Units in which networks see data.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How the units are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scaling {
    /// Median and interquartile range (over 1.349, so that it is the standard deviation of a
    /// normal distribution): a few outliers change nothing. Where more than half of the numbers
    /// are equal, mean and standard deviation.
    #[default]
    Robust,
    /// Mean and standard deviation.
    MeanSd,
    /// The data as they are.
    None,
}

/// `(x - shift) / scale` for each of several features.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct Standardiser {
    shift: Vec<f64>,
    scale: Vec<f64>,
}

/// What a file holds, before it is checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    shift: Vec<f64>,
    scale: Vec<f64>,
}

impl TryFrom<Stored> for Standardiser {
    type Error = Error;

    fn try_from(stored: Stored) -> Result<Self> {
        Self::new(stored.shift, stored.scale)
    }
}

impl Standardiser {
    /// Given shifts and scales.
    ///
    /// # Errors
    /// If their numbers differ, a number is not finite, or a scale is not positive.
    pub fn new(shift: Vec<f64>, scale: Vec<f64>) -> Result<Self> {
        if shift.len() != scale.len() {
            let found = format!("{} scales", scale.len());
            return Err(Error::Shape { what: "standardiser", expected: shift.len(), found });
        }
        for (what, values) in [("shift", &shift), ("scale", &scale)] {
            if let Some(column) = values.iter().position(|value| !value.is_finite()) {
                return Err(Error::NotFinite { what, row: 0, column, value: values[column] });
            }
        }
        if let Some(bad) = scale.iter().find(|scale| **scale <= 0.0) {
            let (setting, value) = ("scale", bad.to_string());
            return Err(Error::Setting { setting, value, expected: "a positive number" });
        }
        Ok(Self { shift, scale })
    }

    /// Leaves `features` features as they are.
    #[must_use]
    pub fn identity(features: usize) -> Self {
        Self { shift: vec![0.0; features], scale: vec![1.0; features] }
    }

    /// Learns the units of `features` from `rows` `[row][feature]`. A constant feature keeps its
    /// units and is shifted to zero.
    ///
    /// # Errors
    /// If there are fewer than two rows, a row is incomplete, or a number is not finite.
    pub fn fit(
        what: &'static str,
        rows: &[f64],
        features: usize,
        scaling: Scaling,
    ) -> Result<Self> {
        let count = check_rows(what, rows, features)?;
        if scaling == Scaling::None || features == 0 {
            return Ok(Self::identity(features));
        }
        if count < 2 {
            return Err(Error::TooFew { what, found: count });
        }
        let (shift, scale) = (0..features)
            .map(|feature| {
                let column: Vec<f64> =
                    rows.iter().skip(feature).step_by(features).copied().collect();
                match scaling {
                    Scaling::Robust => robust(&column).unwrap_or_else(|| mean_sd(&column)),
                    Scaling::MeanSd | Scaling::None => mean_sd(&column),
                }
            })
            .unzip();
        Ok(Self { shift, scale })
    }

    /// Number of features.
    #[must_use]
    pub fn features(&self) -> usize {
        self.shift.len()
    }

    /// Size of a unit of each feature.
    #[must_use]
    pub fn scale(&self) -> &[f64] {
        &self.scale
    }

    /// Where zero lies in each feature.
    #[must_use]
    pub fn shift(&self) -> &[f64] {
        &self.shift
    }

    /// Logarithm of the volume of a unit cell.
    #[must_use]
    pub fn log_volume(&self) -> f64 {
        self.scale.iter().map(|scale| scale.ln()).sum()
    }

    /// Rows `[row][feature]` in standard units.
    ///
    /// # Errors
    /// If a row is incomplete or a number is not finite.
    pub fn encode(&self, what: &'static str, rows: &[f64]) -> Result<Vec<f32>> {
        check_rows(what, rows, self.features())?;
        let units = self.shift.iter().zip(&self.scale).cycle();
        Ok(rows.iter().zip(units).map(|(x, (shift, scale))| ((x - shift) / scale) as f32).collect())
    }

    /// The inverse of [`Standardiser::encode`].
    #[must_use]
    pub fn decode(&self, rows: &[f32]) -> Vec<f64> {
        let units = self.shift.iter().zip(&self.scale).cycle();
        rows.iter().zip(units).map(|(x, (shift, scale))| f64::from(*x) * scale + shift).collect()
    }
}

/// Number of rows of `features` finite numbers.
fn check_rows(what: &'static str, rows: &[f64], features: usize) -> Result<usize> {
    let whole = if features == 0 { rows.is_empty() } else { rows.len().is_multiple_of(features) };
    if !whole {
        let found = format!("{} numbers", rows.len());
        return Err(Error::Shape { what, expected: features, found });
    }
    if let Some(index) = rows.iter().position(|value| !value.is_finite()) {
        let (row, column) = (index / features, index % features);
        return Err(Error::NotFinite { what, row, column, value: rows[index] });
    }
    Ok(rows.len().checked_div(features).unwrap_or(0))
}

/// Median and scaled interquartile range, unless that is zero.
fn robust(column: &[f64]) -> Option<(f64, f64)> {
    const IQR_OF_NORMAL: f64 = 1.348_979_500_392_163_5;
    let mut sorted = column.to_vec();
    sorted.sort_by(f64::total_cmp);
    let quantile = |q: f64| {
        let position = q * (sorted.len() - 1) as f64;
        let (below, rest) = (position.floor() as usize, position.fract());
        let above = (below + 1).min(sorted.len() - 1);
        sorted[below] + rest * (sorted[above] - sorted[below])
    };
    let range = quantile(0.75) - quantile(0.25);
    usable(range / IQR_OF_NORMAL, quantile(0.5)).then(|| (quantile(0.5), range / IQR_OF_NORMAL))
}

/// Mean and standard deviation, or a unit scale for a constant.
fn mean_sd(column: &[f64]) -> (f64, f64) {
    let count = column.len() as f64;
    // around the first value, so that large offsets do not cost precision
    let origin = column[0];
    let mean = column.iter().map(|x| x - origin).sum::<f64>() / count;
    let variance = column.iter().map(|x| (x - origin - mean).powi(2)).sum::<f64>() / (count - 1.0);
    let (mean, sd) = (origin + mean, variance.sqrt());
    if usable(sd, mean) { (mean, sd) } else { (mean, 1.0) }
}

/// True unless the spread is nothing but the rounding of the numbers.
fn usable(spread: f64, centre: f64) -> bool {
    spread.is_finite() && spread > 1e-13 * centre.abs() && spread > f64::MIN_POSITIVE
}
