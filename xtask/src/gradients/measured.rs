//! What a training is worth, and what repeated trainings are worth together.

use flows::training::CurvePoint;
use serde::{Deserialize, Serialize};

use crate::published::Spread;

/// The measures of one training.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Measured {
    /// Name of the task.
    pub task: String,
    /// Name of the method.
    pub method: String,
    /// Factor of the score term of its loss.
    pub weight: f64,
    /// Simulations it learnt from.
    pub simulations: usize,
    /// Index of the run.
    pub run: usize,
    /// C2ST against the reference, for each observation.
    pub c2st: Vec<f64>,
    /// Mean negative log density of fresh draws; none where only likelihoods are estimated.
    pub nlp: Option<f64>,
    /// Draws left out of it because their log density was not finite.
    pub nlp_excluded: usize,
    /// Root mean square of the error of the network's score on fresh draws, relative to that of
    /// the score itself; for densities with a known score.
    pub score_error: Option<f64>,
    /// Learning curve.
    pub curve: Vec<CurvePoint>,
    /// Steps made by all networks.
    pub steps: usize,
}

impl Measured {
    /// C2ST averaged over the observations.
    pub fn mean_c2st(&self) -> f64 {
        self.c2st.iter().sum::<f64>() / self.c2st.len() as f64
    }
}

/// A mean beside the published one; lower is better in all metrics of the study.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// Distance of our mean from the published mean in published standard deviations of one run.
    pub sigmas: f64,
    /// True if it is at most two of them above.
    pub reproduced: bool,
}

impl Comparison {
    /// Published standard deviations by which a mean may be worse.
    pub const LIMIT: f64 = 2.0;

    /// Compares our spread with the published one.
    pub fn new(ours: Spread, published: Spread) -> Self {
        let sigmas = published.sigmas(ours.mean);
        Self { sigmas, reproduced: sigmas <= Self::LIMIT }
    }

    /// "yes", "better" or "no".
    pub fn verdict(self) -> &'static str {
        match self {
            Self { reproduced: false, .. } => "no",
            Self { sigmas, .. } if sigmas < -Self::LIMIT => "better",
            _ => "yes",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lower_is_better_and_two_sigmas_are_allowed() {
        let published = Spread { mean: 0.8, sd: 0.01 };
        let judged = |mean| Comparison::new(Spread { mean, sd: 0.5 }, published);
        for (mean, sigmas, verdict) in
            [(0.8, 0.0, "yes"), (0.819, 1.9, "yes"), (0.83, 3.0, "no"), (0.7, -10.0, "better")]
        {
            let found = judged(mean);
            assert!((found.sigmas - sigmas).abs() < 1e-9, "{mean}: {found:?}");
            assert_eq!(found.verdict(), verdict, "{mean}");
            assert_eq!(found.reproduced, verdict != "no");
        }
    }

    #[test]
    fn observations_are_averaged() {
        let measured = Measured {
            task: "t".into(),
            method: "m".into(),
            weight: 0.0,
            simulations: 20,
            run: 0,
            c2st: vec![0.5, 0.6, 1.0],
            nlp: None,
            nlp_excluded: 0,
            score_error: None,
            curve: Vec::new(),
            steps: 0,
        };
        assert!((measured.mean_c2st() - 0.7).abs() < 1e-15);
    }
}
