//! The findings in words, from the numbers.

use super::curves::{Curve, Point};
use super::report::Training;
use crate::plot::axis::fixed;
use crate::published::Metric;
use crate::report::words::{counted, list};
use crate::runs::{CLEAR, Runs, Sign};

/// What the study asks.
pub const QUESTION: &str = "A differentiable simulator gives with each simulation the score of the \
    joint density of data and latent variables. Added to the loss of a network that learns the \
    posterior, do scores save simulations, and how far are the published numbers reproduced?";

/// The numbers of simulations at which a measure with scores is such, in words; none if there are
/// none.
fn places(points: &[(usize, Sign)], wanted: Sign) -> Option<String> {
    let found = points.iter().filter(|(_, sign)| *sign == wanted).map(|(n, _)| n.to_string());
    let found: Vec<String> = found.collect();
    (!found.is_empty()).then(|| list(&found))
}

/// What scores do to a measure, lower being better, in words.
fn effects(name: &str, points: &[(usize, Sign)]) -> String {
    let parts = [
        (Sign::Below, "improve"),
        (Sign::Above, "worsen"),
        (Sign::Unclear, "make no clear difference to"),
    ];
    let parts = parts.iter().filter_map(|(sign, verb)| {
        Some(format!("{verb} the {name} at {}", places(points, *sign)?))
    });
    format!("Scores {}.", parts.collect::<Vec<_>>().join(", "))
}

/// How the largest distance of a mean above the published one, in published standard deviations,
/// is told.
fn largest_excess(sigmas: f64, simulations: usize) -> String {
    let distance = fixed(sigmas.abs(), 1);
    if sigmas > 0.0 {
        format!(
            "the largest excess is {distance} standard deviations, at {simulations} simulations"
        )
    } else {
        format!(
            "none of the means is above the published one, and the nearest is {distance} standard \
             deviations below, at {simulations} simulations"
        )
    }
}

/// Whether scores help, and whether the published values are reproduced, for each method that was
/// trained both ways.
pub fn score_answer(heading: &str, curves: &[Curve]) -> Vec<String> {
    let mut answers = Vec::new();
    for with in curves.iter().filter(|curve| curve.weight > 0.0) {
        let twin = |curve: &&Curve| curve.method == with.method && curve.weight == 0.0;
        let Some(without) = curves.iter().find(twin) else { continue };
        let pairs: Vec<(&Point, &Point)> = without.points.iter().zip(&with.points).collect();
        let Some((first, first_with)) = pairs.first() else { continue };
        let mut text = format!(
            "{heading}, {}: with {} simulations C2ST is {} without scores and {} with them",
            with.method,
            first.simulations,
            first.c2st.text(3),
            first_with.c2st.text(3)
        );
        if let Some((a, b)) = first.nlp.as_ref().zip(first_with.nlp.as_ref()) {
            text.push_str(&format!(
                ", the negative log probability {} and {}",
                a.text(2),
                b.text(2)
            ));
        }
        text.push('.');
        for (name, measure) in [
            ("C2ST", (|point| Some(&point.c2st)) as fn(&Point) -> Option<&Runs>),
            ("negative log probability", |point| point.nlp.as_ref()),
        ] {
            let sign = |a, b| Some(measure(b)?.above(measure(a)?).sign(CLEAR));
            let signs: Vec<(usize, Sign)> =
                pairs.iter().filter_map(|(a, b)| Some((a.simulations, sign(a, b)?))).collect();
            if !signs.is_empty() {
                text.push_str(&format!(" {}", effects(name, &signs)));
            }
        }
        answers.push(text);
    }
    let comparisons: Vec<_> = curves.iter().flat_map(Curve::comparisons).collect();
    for (metric, name) in [(Metric::C2st, "C2ST"), (Metric::Nlp, "negative log probability")] {
        let own: Vec<_> = comparisons.iter().filter(|(m, ..)| *m == metric).collect();
        let reproduced = own.iter().filter(|(.., one)| one.reproduced).count();
        if let Some((_, n, worst)) =
            own.iter().max_by(|a, b| a.2.sigmas.total_cmp(&b.2.sigmas)).copied()
        {
            answers.push(format!(
                "{heading}: {reproduced} of {} published values of the {name} are reproduced within \
                 two published standard deviations, or better; {}.",
                own.len(),
                largest_excess(worst.sigmas, *n)
            ));
        }
    }
    answers
}

/// What is gained where a method sees all data and not summaries of it: compares every method
/// without published values with the best of those with, where most simulations are.
pub fn data_answer(heading: &str, curves: &[Curve]) -> Vec<String> {
    let best = |published: bool| {
        curves
            .iter()
            .filter(|curve| curve.comparisons().is_empty() != published)
            .flat_map(|curve| curve.points.iter().map(move |point| (curve, point)))
            .min_by(|a, b| a.1.c2st.spread.mean.total_cmp(&b.1.c2st.spread.mean))
    };
    let Some(((summaries, a), (own, b))) = best(true).zip(best(false)) else { return Vec::new() };
    vec![format!(
        "{heading}: the lowest C2ST in the published set-up is {} ({}, {} simulations); in the \
         set-up of ours, {}, it is {} ({} simulations).",
        a.c2st.text(3),
        summaries.name,
        a.simulations,
        own.name,
        b.c2st.text(3),
        b.simulations
    )]
}

/// Draws of either side in the published classifier tests.
const PUBLISHED_DRAWS: usize = 10_000;

/// What the reader should beware of; `draws` are those of the classifier tests.
pub fn warnings(trainings: &[Training], draws: &[usize]) -> Vec<String> {
    let excluded: usize = trainings.iter().map(|one| one.measured.nlp_excluded).sum();
    let networks = trainings.iter().filter(|one| one.measured.nlp_excluded > 0).count();
    let mut warnings = Vec::new();
    if excluded > 0 {
        warnings.push(format!(
            "{} gave {} a log probability that is not finite; these are left out of the mean, which \
             is then too low.",
            counted(networks, "network"),
            counted(excluded, "fresh simulation")
        ));
    }
    if let Some(fewer) = draws.iter().filter(|draws| **draws < PUBLISHED_DRAWS).min() {
        warnings.push(format!(
            "The published classifier tests had {PUBLISHED_DRAWS} draws of either side, those here \
             {fewer} or more; with fewer draws a classifier learns less and C2ST is lower, so that \
             the comparison of C2ST flatters these results."
        ));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use metrics::{mean, variance};
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn places_are_listed() {
        let points = [(20, Sign::Below), (50, Sign::Below), (100, Sign::Unclear)];
        assert_eq!(places(&points, Sign::Below).as_deref(), Some("20 and 50"));
        assert_eq!(places(&points, Sign::Above), None);
    }

    #[test]
    fn an_excess_is_never_negative() {
        assert_eq!(
            largest_excess(3.04, 50),
            "the largest excess is 3.0 standard deviations, at 50 simulations"
        );
        let below = largest_excess(-3.5, 50);
        assert!(below.contains("is 3.5 standard deviations below") && !below.contains('−'));
    }

    /// Whatever the runs are, scores are said to improve a measure where it is clearly lower with
    /// them, and nowhere else.
    #[test]
    fn what_scores_do_follows_the_runs() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for _ in 0..500 {
            let mut drawn = || -> Vec<f64> {
                let (centre, width) = (rng.random_range(0.5..0.6), rng.random_range(0.0..0.05));
                let count = rng.random_range(1..5);
                (0..count).map(|_| centre + width * rng.random_range(-1.0..1.0)).collect()
            };
            let (without, with) = (drawn(), drawn());
            let error = |values: &[f64]| (variance(values) / values.len() as f64).sqrt();
            let apart = mean(&with) - mean(&without);
            let clear = 2.0 * error(&without).hypot(error(&with));
            let verb = match without.len() > 1 && with.len() > 1 {
                true if apart < -clear => "improve",
                true if apart > clear => "worsen",
                _ => "make no clear difference to",
            };
            let sign = Runs::of(&with).above(&Runs::of(&without)).sign(CLEAR);
            assert_eq!(effects("C2ST", &[(20, sign)]), format!("Scores {verb} the C2ST at 20."));
        }
    }
}
