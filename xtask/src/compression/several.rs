//! Posteriors of several observations at the same parameters, by method.

use std::path::{Path, PathBuf};

use anyhow::Result;
use metrics::{FigureOfMerit, mean, variance};

use super::further::{FURTHER, Further};
use super::group::Group;
use super::measured::{Baselines, Judged};
use crate::files::read_json;
use crate::lensing::PAIRS;
use crate::runs::{Difference, Ratio, Runs};

/// All observations of the study: its own, and the further ones.
pub struct Several {
    /// How many.
    pub observations: usize,
    /// Fewest effective draws of a further explicit posterior.
    pub effective: f64,
    /// Largest R-hat of a further explicit posterior.
    pub r_hat: f64,
    /// The posterior from power spectra.
    pub power_spectrum: Measures,
    /// Learnt posteriors, a key with its measures.
    pub learnt: Vec<(String, Measures)>,
}

/// What is measured of the posteriors of one method.
pub struct Measures {
    /// Logarithms of the Figures of Merit in units of the explicit ones, of each of [`PAIRS`].
    figures: Vec<Values>,
    /// Accuracy with which they are told from the explicit posterior.
    pub c2st: Values,
    /// Divergence of the explicit posterior.
    pub divergence: Values,
}

/// A measure, `[run][observation]`.
pub struct Values(Vec<Vec<f64>>);

impl Values {
    /// The mean over the runs of each observation.
    fn of_observations(&self) -> Vec<f64> {
        let Self(runs) = self;
        let count = runs.first().map_or(0, Vec::len);
        (0..count).map(|k| mean(&runs.iter().map(|run| run[k]).collect::<Vec<_>>())).collect()
    }

    /// Standard error of the mean that comes from the scatter of the runs.
    fn error_of_runs(&self) -> f64 {
        let runs: Vec<f64> = self.0.iter().map(|run| mean(run)).collect();
        Runs::of(&runs).error().unwrap_or(0.0)
    }

    /// The mean with the standard error that both observations and runs tell of.
    #[must_use]
    pub fn mean(&self) -> Difference {
        average(&self.of_observations(), self.error_of_runs())
    }

    /// By how much it is above another one on the same observations.
    #[must_use]
    pub fn above(&self, other: &Self) -> Difference {
        let pairs = self.of_observations().into_iter().zip(other.of_observations());
        let differences: Vec<f64> = pairs.map(|(own, other)| own - other).collect();
        average(&differences, self.error_of_runs().hypot(other.error_of_runs()))
    }
}

fn average(values: &[f64], error_of_runs: f64) -> Difference {
    let sampling = (variance(values) / values.len() as f64).sqrt();
    Difference::new(mean(values), sampling.hypot(error_of_runs))
}

impl Measures {
    /// Of posteriors `[run][observation]`, with the explicit Figures of Merit of each observation.
    fn of(runs: &[Vec<&Judged>], explicit: &[Vec<f64>]) -> Self {
        let values = |measure: &dyn Fn(&Judged) -> f64| {
            Values(runs.iter().map(|run| run.iter().map(|one| measure(one)).collect()).collect())
        };
        let figure = |pair: usize| {
            let of_run = |run: &Vec<&Judged>| -> Vec<f64> {
                let each = run.iter().zip(explicit);
                each.map(|(one, explicit)| (one.figures[pair].value / explicit[pair]).ln())
                    .collect()
            };
            Values(runs.iter().map(of_run).collect())
        };
        Self {
            figures: (0..PAIRS.len()).map(figure).collect(),
            c2st: values(&|one| one.c2st.accuracy),
            divergence: values(&|one| one.divergence),
        }
    }

    /// The Figure of Merit of a pair in units of the explicit one, the geometric mean.
    #[must_use]
    pub fn relative(&self, pair: usize) -> Ratio {
        Ratio::of_logarithm(self.figures[pair].mean())
    }

    /// The Figure of Merit of a pair over that of another method, the geometric mean.
    #[must_use]
    pub fn over(&self, other: &Self, pair: usize) -> Ratio {
        Ratio::of_logarithm(self.figures[pair].above(&other.figures[pair]))
    }
}

impl Several {
    /// Reads the further observations; none if there are none. Paths are relative to `folder`.
    ///
    /// # Errors
    /// If a result is missing or damaged.
    pub fn read(
        folder: &Path,
        further: &[PathBuf],
        groups: &[Group],
        baselines: &Baselines,
    ) -> Result<Option<Self>> {
        let read = |path: &PathBuf| read_json(&folder.join(path).join(FURTHER));
        let further = further.iter().map(read).collect::<Result<Vec<Further>>>()?;
        Ok(Self::of(&further, groups, baselines))
    }

    fn of(further: &[Further], groups: &[Group], baselines: &Baselines) -> Option<Self> {
        if further.is_empty() {
            return None;
        }
        let values = |figures: &[FigureOfMerit]| figures.iter().map(|f| f.value).collect();
        let explicit: Vec<Vec<f64>> = std::iter::once(&baselines.explicit)
            .chain(further.iter().map(|one| &one.explicit))
            .map(|figures| values(figures))
            .collect();
        let spectra = std::iter::once(&baselines.power_spectrum)
            .chain(further.iter().map(|one| &one.power_spectrum));
        let learnt = groups.iter().map(|group| {
            let runs: Vec<Vec<&Judged>> = group
                .measured
                .iter()
                .enumerate()
                .map(|(run, own)| {
                    let others = further.iter().filter_map(|one| {
                        let same = one.learnt.iter().filter(|learnt| learnt.method == group.key);
                        same.map(|learnt| &learnt.judged).nth(run)
                    });
                    std::iter::once(&own.judged).chain(others).collect()
                })
                .collect();
            (group.key.clone(), Measures::of(&runs, &explicit))
        });
        Some(Self {
            observations: explicit.len(),
            effective: further.iter().map(|one| one.effective).fold(f64::INFINITY, f64::min),
            r_hat: further.iter().map(|one| one.r_hat).fold(1.0, f64::max),
            power_spectrum: Measures::of(&[spectra.collect()], &explicit),
            learnt: learnt.collect(),
        })
    }

    /// The measures of a method.
    #[must_use]
    pub fn find(&self, key: &str) -> Option<&Measures> {
        self.learnt.iter().find(|(name, _)| name == key).map(|(_, measures)| measures)
    }
}

#[cfg(test)]
pub mod tests {
    use super::super::further::Learnt;
    use super::super::group::tests::group;
    use super::*;
    use crate::runs::{CLEAR, Sign};

    /// Several observations, on which each method has a Figure of Merit and a C2ST; those of the
    /// explicit posterior are 100, of the power spectrum 50.
    pub fn several(methods: &[(&str, f64, f64)]) -> Several {
        let hundred = vec![FigureOfMerit { value: 100.0, error: 1.0 }; 3];
        let judged = |figure: f64, c2st: f64| group("x", &[(figure, c2st)], 1.0).measured.remove(0);
        let spectra = || judged(50.0, 0.7).judged;
        let baselines = Baselines { explicit: hundred.clone(), power_spectrum: spectra() };
        let groups: Vec<Group> = methods
            .iter()
            .map(|(key, figure, c2st)| group(key, &[(*figure, *c2st)], 1.0))
            .collect();
        let further: Vec<Further> = (1..5)
            .map(|k| Further {
                explicit: hundred.clone(),
                effective: 300.0 + f64::from(k),
                r_hat: 1.01,
                power_spectrum: spectra(),
                learnt: methods
                    .iter()
                    .map(|(key, figure, c2st)| {
                        let sign = f64::from(k % 2) - 0.5;
                        let (figure, c2st) = (figure * (1.0 + 0.02 * sign), c2st + 0.004 * sign);
                        Learnt { method: (*key).into(), judged: judged(figure, c2st).judged }
                    })
                    .collect(),
            })
            .collect();
        Several::of(&further, &groups, &baselines).expect("there are further ones")
    }

    #[test]
    fn methods_are_compared_over_observations() {
        let found = several(&[("mse", 80.0, 0.6), ("vmim", 90.0, 0.55)]);
        assert_eq!(found.observations, 5);
        assert!((found.effective - 301.0).abs() < 1e-12);
        let (mse, vmim) = (found.find("mse").expect("there"), found.find("vmim").expect("there"));
        let relative = vmim.relative(1);
        assert!((relative.value - 0.9).abs() < 1e-3, "{relative:?}");
        let error = relative.error.expect("known");
        assert!(error > 1e-3 && error < 1e-2, "{relative:?}");
        // the same observations are easy and hard for both: the ratio scatters less than each
        let ratio = vmim.over(mse, 1);
        assert!((ratio.value - 90.0 / 80.0).abs() < 1e-9, "{ratio:?}");
        assert!(ratio.error.is_some_and(|error| error < 1e-9), "{ratio:?}");
        let farther = mse.c2st.above(&vmim.c2st);
        assert!((farther.value - 0.05).abs() < 1e-9, "{farther:?}");
        assert_eq!(farther.sign(CLEAR), Sign::Above);
        assert!((found.power_spectrum.relative(0).value - 0.5).abs() < 1e-12);
        assert!(found.find("mae").is_none());
    }

    #[test]
    fn the_error_has_the_scatter_of_observations_and_of_runs() {
        let both = Values(vec![vec![1.0, 3.0], vec![2.0, 4.0]]).mean();
        assert!((both.value - 2.5).abs() < 1e-12);
        // observations 1.5 and 3.5, runs 2 and 3: standard errors 1 and 1/2
        assert!((both.error.expect("known") - 1.25_f64.sqrt()).abs() < 1e-12, "{both:?}");
    }
}
