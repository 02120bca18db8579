//! Information maximisation: the Fisher matrix of the summaries.

use serde::{Deserialize, Serialize};

use super::LossValue;
use crate::error::{Error, Result};
use crate::linear::{cholesky, mean_and_covariance, product, transpose};

/// What a Gaussian of the summaries around fiducial parameters knows of the parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FisherInformation {
    /// Mean of the summaries `[summary]`.
    pub mean: Vec<f64>,
    /// Their covariance `[summary][summary]`.
    pub covariance: Vec<f64>,
    /// Derivatives of the mean `[parameter][summary]`.
    pub derivatives: Vec<f64>,
    /// The Fisher matrix `[parameter][parameter]`.
    pub fisher: Vec<f64>,
}

impl FisherInformation {
    /// Natural logarithm of the determinant of the Fisher matrix.
    ///
    /// # Errors
    /// [`Error::Singular`] if it is not positive definite.
    pub fn log_det(&self) -> Result<f64> {
        let size = self.fisher.len().isqrt();
        Ok(cholesky("Fisher matrix", &self.fisher, size)?.ln_det())
    }
}

/// Number of rows at the fiducial parameters checked, number of pairs for each parameter.
fn pairs(outputs: &[f64], examples: usize, summaries: usize, parameters: usize) -> Result<usize> {
    Error::count("summaries", summaries)?;
    Error::count("parameters", parameters)?;
    let rows = outputs.len() / summaries;
    let shifted = rows.saturating_sub(examples);
    let each = 2 * parameters;
    if outputs.len() != rows * summaries || !shifted.is_multiple_of(each) || rows < examples {
        return Err(Error::Shape {
            what: "summaries around fiducial parameters",
            expected: format!("{examples} rows and a multiple of {each} rows of {summaries}"),
            found: format!("{} numbers", outputs.len()),
        });
    }
    let minimum = summaries as u64 + 2;
    if (examples as u64) < minimum {
        let what = "maps at the fiducial parameters";
        return Err(Error::TooFew { what, minimum, found: examples as u64 });
    }
    if shifted == 0 {
        return Err(Error::TooFew { what: "pairs of shifted maps", minimum: 1, found: 0 });
    }
    Ok(shifted / each)
}

/// The Fisher matrix `F = dmu C^-1 dmu^T` of summaries `[row][summary]`: first `examples` rows at
/// the fiducial parameters, then for each of several random seeds and for each parameter a row half
/// a step above and a row half a step below. `steps` are the distances of the two, `[parameter]`.
///
/// The covariance is that of the rows, `C`, and `dmu` the mean of the differences. With few rows
/// `F` is too large: on average by `(n - 1) / (n - s - 2)` for the inverse of `C` alone (J. Hartlap
/// et al. 2007, arXiv:astro-ph/0608064).
///
/// # Errors
/// If the rows do not fit or are too few; [`Error::Singular`] if the covariance is singular.
pub fn fisher_information(
    outputs: &[f64],
    examples: usize,
    summaries: usize,
    steps: &[f64],
) -> Result<FisherInformation> {
    let d = steps.len();
    let count = pairs(outputs, examples, summaries, d)? as f64;
    let (at_fiducial, shifted) = outputs.split_at(examples * summaries);
    let (mean, covariance) = mean_and_covariance(at_fiducial, summaries);
    let mut derivatives = vec![0.0; d * summaries];
    for pair in shifted.chunks_exact(2 * d * summaries) {
        for (parameter, both) in pair.chunks_exact(2 * summaries).enumerate() {
            let (plus, minus) = both.split_at(summaries);
            let row = &mut derivatives[parameter * summaries..(parameter + 1) * summaries];
            for (row, (plus, minus)) in row.iter_mut().zip(plus.iter().zip(minus)) {
                *row += (plus - minus) / (steps[parameter] * count);
            }
        }
    }
    let mut weighted = derivatives.clone();
    cholesky("covariance of the summaries", &covariance, summaries)?.solve(&mut weighted)?;
    let fisher = product(&weighted, &transpose(&derivatives, summaries), summaries);
    Ok(FisherInformation { mean, covariance, derivatives, fisher })
}

/// `alpha = -ln(closeness (strength - 1) + closeness^2 / (1 + closeness)) / closeness`; where it is
/// not positive the covariance would not be held near the unit matrix.
pub(super) fn fading(strength: f64, closeness: f64) -> f64 {
    -(closeness * (strength - 1.0) + closeness.powi(2) / (1.0 + closeness)).ln() / closeness
}

/// `-ln det F + r Lambda` of summaries laid out as in [`fisher_information`].
///
/// Linear maps of the summaries do not change `F`; so that they stay of order one,
/// `Lambda = (|C - 1|^2 + |C^-1 - 1|^2) / 2` (Frobenius norms) is added with the strength
/// `r = strength Lambda / (Lambda + exp(-alpha Lambda))`,
/// `alpha = -ln(closeness (strength - 1) + closeness^2 / (1 + closeness)) / closeness`. The
/// derivative of `r` itself is left out, so that it fades away as the covariance comes close.
///
/// With `M = dmu` the derivatives of `-ln det F` are `-2 F^-1 M C^-1` by `M` and
/// `C^-1 M^T F^-1 M C^-1` by `C`; those of `Lambda` by `C` are
/// `(C - 1) - C^-1 (C^-1 - 1) C^-1`.
///
/// *When to use.* Inference near fiducial parameters, with a simulator that can repeat a map at
/// shifted parameters; no prior is needed.
/// *When not.* Wide posteriors: the information is that at the fiducial parameters, of summaries
/// whose distribution is Gaussian with a covariance that does not depend on the parameters.
///
/// # Errors
/// If the rows do not fit or are too few; [`Error::Singular`] if a covariance or `F` is singular.
///
/// # References
/// T. Charnock, G. Lavaux and B. Wandelt 2018, Phys. Rev. D 97, 083004, arXiv:1802.03537;
/// T. L. Makinen, T. Charnock, J. Alsing and B. Wandelt 2021, JCAP 11, 049, arXiv:2107.07405,
/// section 2.
pub fn imnn(
    outputs: &[f64],
    examples: usize,
    summaries: usize,
    steps: &[f64],
    strength: f64,
    closeness: f64,
) -> Result<LossValue> {
    let (s, d) = (summaries, steps.len());
    let count = pairs(outputs, examples, s, d)? as f64;
    let information = fisher_information(outputs, examples, s, steps)?;
    let FisherInformation { mean, covariance, derivatives, fisher } = &information;
    let inverse = cholesky("covariance of the summaries", covariance, s)?.inverse()?;
    let f = cholesky("Fisher matrix of the summaries", fisher, d)?;
    let less_unit = |matrix: &[f64]| -> Vec<f64> {
        let unit = |at: usize| f64::from(u8::from(at / s == at % s));
        matrix.iter().enumerate().map(|(at, x)| x - unit(at)).collect()
    };
    let (off, inverse_off) = (less_unit(covariance), less_unit(&inverse));
    let square = |matrix: &[f64]| matrix.iter().map(|x| x * x).sum::<f64>();
    let distance = 0.5 * (square(&off) + square(&inverse_off));
    let alpha = fading(strength, closeness);
    let weight = strength * distance / (distance + (-alpha * distance).exp());

    // by the derivatives of the mean, and by the covariance
    let weighted = product(derivatives, &inverse, s);
    let by_mean = product(&f.inverse()?, &weighted, d);
    let information_part = product(&transpose(&weighted, s), &by_mean, d);
    let bent = product(&product(&inverse, &inverse_off, s), &inverse, s);
    let by_covariance: Vec<f64> =
        (0..s * s).map(|at| information_part[at] + weight * (off[at] - bent[at])).collect();

    let mut gradient = Vec::with_capacity(outputs.len());
    let (at_fiducial, shifted) = outputs.split_at(examples * s);
    for row in at_fiducial.chunks_exact(s) {
        let rest: Vec<f64> = row.iter().zip(mean).map(|(t, mean)| t - mean).collect();
        let factor = 2.0 / (examples as f64 - 1.0);
        gradient.extend(product(&by_covariance, &rest, s).iter().map(|g| factor * g));
    }
    for _ in shifted.chunks_exact(2 * d * s) {
        for (row, step) in by_mean.chunks_exact(s).zip(steps) {
            gradient.extend(row.iter().map(|g| -2.0 * g / (step * count)));
            gradient.extend(row.iter().map(|g| 2.0 * g / (step * count)));
        }
    }
    Ok(LossValue { value: -f.ln_det() + weight * distance, gradient })
}
