//! How much more the full field tells than its power spectra.

use anyhow::Result;
use lognormal_sim::PARAMETERS;
use metrics::{C2st, FigureOfMerit, Samples, c2st, figure_of_merit};
use serde::{Deserialize, Serialize};

use super::C2stProfile;
use crate::arrays::Array;
use crate::progress::Progress;
use crate::sampling::thinned;
use full_field::DIM;

/// Pairs of parameters whose Figure of Merit is compared: those of the published tables.
pub const PAIRS: [(usize, usize); 3] = [(0, 2), (0, 5), (2, 5)];

/// The two posteriors against each other.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Comparison {
    /// Figures of Merit.
    pub figures_of_merit: Vec<FigureOfMeritPair>,
    /// Accuracy with which a classifier tells the posteriors apart.
    pub c2st: C2st,
}

/// Figure of Merit of one pair of parameters.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct FigureOfMeritPair {
    /// The parameters.
    pub parameters: (String, String),
    /// From the full field.
    pub full_field: FigureOfMerit,
    /// From the power spectra.
    pub power_spectrum: FigureOfMerit,
}

/// Compares draws `[chain, draw, parameter]` of the two posteriors.
///
/// # Errors
/// With too few draws, or draws that are all the same.
pub fn compare(
    full_field: &Array,
    power_spectrum: &Array,
    c2st: &C2stProfile,
) -> Result<Comparison> {
    let full = Samples::new(&full_field.data, full_field.shape[0], &PARAMETERS)?;
    let power = Samples::new(&power_spectrum.data, power_spectrum.shape[0], &PARAMETERS)?;
    let figures_of_merit = PAIRS
        .iter()
        .map(|&(a, b)| {
            Ok(FigureOfMeritPair {
                parameters: (PARAMETERS[a].to_owned(), PARAMETERS[b].to_owned()),
                full_field: figure_of_merit(&full, a, b)?,
                power_spectrum: figure_of_merit(&power, a, b)?,
            })
        })
        .collect::<Result<_>>()?;
    let draws = c2st.draws.min(full_field.data.len() / DIM).min(power_spectrum.data.len() / DIM);
    let classifier = &c2st.classifier;
    let trainings = (classifier.repetitions + classifier.null_repetitions) * classifier.folds;
    let progress = Progress::new("classifiers", trainings);
    let c2st = self::c2st(
        &thinned(&full_field.data, DIM, draws),
        &thinned(&power_spectrum.data, DIM, draws),
        DIM,
        classifier,
        &|_| progress.step(0, ""),
    )?;
    progress.finish();
    Ok(Comparison { figures_of_merit, c2st })
}
