//! Measures of the methods against their numbers of simulations.

use super::cell::Measured;
use super::profile::{Group, MethodProfile, Profile};
use crate::published::{Published, PublishedCurve, Score, Spread};
use crate::runs::Runs;
use full_field::Count;

/// A method at all its numbers of simulations.
pub struct Curve {
    /// Its name.
    pub name: String,
    /// Which question it belongs to.
    pub group: Group,
    /// What is learnt: `npe`, `nle`, `nre` or `fmpe`.
    pub key: &'static str,
    /// Rounds.
    pub rounds: usize,
    /// Scores that it learns from.
    pub score: Score,
    /// What was measured, by increasing number of simulations.
    pub points: Vec<Point>,
    /// The published curve.
    pub published: Option<PublishedCurve>,
}

/// Repeated runs at one number of simulations.
pub struct Point {
    /// The number.
    pub simulations: u64,
    /// C2ST of each run.
    pub values: Vec<f64>,
    /// C2ST.
    pub c2st: Runs,
    /// Root mean square over the parameters of the distance of the means; none if no posterior of
    /// this point could be sampled, as below.
    pub mean_error: Option<Runs>,
    /// The same of the relative difference of the widths.
    pub width_error: Option<Runs>,
    /// Cost of all runs together.
    pub count: Count,
    /// Runs whose posterior could not be sampled.
    pub failures: usize,
    /// Mean number of training steps.
    pub steps: f64,
}

impl Point {
    fn of(method: &MethodProfile, simulations: u64, cells: &[Measured]) -> Option<Self> {
        let mut own: Vec<&Measured> = cells
            .iter()
            .filter(|cell| cell.method == method.name && cell.simulations == simulations)
            .collect();
        own.sort_by_key(|cell| cell.run);
        if own.is_empty() {
            return None;
        }
        let values: Vec<f64> = own.iter().map(|cell| cell.c2st()).collect();
        let judged: Vec<_> = own.iter().filter_map(|cell| cell.judged.as_ref()).collect();
        let runs = |values: Vec<f64>| (!values.is_empty()).then(|| Runs::of(&values));
        Some(Self {
            simulations,
            c2st: Runs::of(&values),
            values,
            mean_error: runs(judged.iter().map(|one| one.mean_distance()).collect()),
            width_error: runs(judged.iter().map(|one| one.width_distance()).collect()),
            count: own.iter().map(|cell| cell.count).sum(),
            failures: own.len() - judged.len(),
            steps: own.iter().map(|cell| cell.steps as f64).sum::<f64>() / own.len() as f64,
        })
    }
}

impl Curve {
    /// The curves of all methods.
    #[must_use]
    pub fn all(profile: &Profile, cells: &[Measured], published: &Published) -> Vec<Self> {
        profile
            .method
            .iter()
            .map(|method| Self {
                name: method.name.clone(),
                group: method.group,
                key: method.learn.key(),
                rounds: method.rounds,
                score: method.score,
                points: method
                    .simulations
                    .iter()
                    .filter_map(|&simulations| Point::of(method, simulations, cells))
                    .collect(),
                published: method.published(published).cloned(),
            })
            .collect()
    }

    /// The point at a number of simulations.
    #[must_use]
    pub fn at(&self, simulations: u64) -> Option<&Point> {
        self.points.iter().find(|point| point.simulations == simulations)
    }

    /// What was published at the number of simulations of a point.
    #[must_use]
    pub fn published_at(&self, point: &Point) -> Option<Spread> {
        self.published.as_ref()?.at(usize::try_from(point.simulations).ok()?)
    }
}

/// The curve with the lowest mean C2ST anywhere, and its point.
#[must_use]
pub fn best(curves: &[Curve]) -> Option<(&Curve, &Point)> {
    curves
        .iter()
        .flat_map(|curve| curve.points.iter().map(move |point| (curve, point)))
        .min_by(|a, b| a.1.c2st.spread.mean.total_cmp(&b.1.c2st.spread.mean))
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A curve of a method of the first question with these accuracies in each run.
    pub fn curve(name: &str, key: &'static str, rounds: usize, runs: &[(u64, &[f64])]) -> Curve {
        let point = |(simulations, values): &(u64, &[f64])| Point {
            simulations: *simulations,
            values: values.to_vec(),
            c2st: Runs::of(values),
            mean_error: None,
            width_error: None,
            count: Count { simulations: *simulations, gradients: 0, failures: 0 },
            failures: 0,
            steps: 1.0,
        };
        Curve {
            name: name.into(),
            group: Group::Methods,
            key,
            rounds,
            score: Score::None,
            points: runs.iter().map(point).collect(),
            published: None,
        }
    }

    #[test]
    fn the_best_point_is_that_of_the_lowest_mean() {
        let curves = [
            curve("A", "npe", 1, &[(100, &[0.9, 0.5]), (200, &[0.65, 0.65])]),
            curve("B", "nle", 1, &[(100, &[0.8]), (200, &[0.6])]),
        ];
        let (found, point) = best(&curves).expect("there are points");
        assert_eq!((found.name.as_str(), point.simulations), ("B", 200));
        assert!(best(&[]).is_none());
    }
}
