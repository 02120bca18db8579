//! The findings in words, from the numbers.

use super::curves::{Curve, Point, Runs};
use super::report::Training;
use crate::published::Metric;

/// What the study asks.
pub const QUESTION: &str = "A differentiable simulator gives with each simulation the score of the \
    joint density of data and latent variables. Added to the loss of a network that learns the \
    posterior, do scores save simulations, and how far are the published numbers reproduced?";

/// How a measure with scores stands to that without.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Effect {
    Better,
    Worse,
    Unclear,
}

/// Standard errors by which means must differ.
const CLEAR: f64 = 2.0;

fn effect(without: &Runs, with: &Runs) -> Effect {
    let difference = with.spread.mean - without.spread.mean;
    match without.error().zip(with.error()) {
        Some((a, b)) if difference.abs() > CLEAR * a.hypot(b) => {
            if difference < 0.0 {
                Effect::Better
            } else {
                Effect::Worse
            }
        }
        _ => Effect::Unclear,
    }
}

/// The numbers of simulations with an effect, in words.
fn places(points: &[(usize, Effect)], effect: Effect) -> Option<String> {
    let found: Vec<String> =
        points.iter().filter(|(_, own)| *own == effect).map(|(n, _)| n.to_string()).collect();
    match found.as_slice() {
        [] => None,
        [only] => Some(only.clone()),
        [first @ .., last] => Some(format!("{} and {last}", first.join(", "))),
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
            let effects: Vec<(usize, Effect)> = pairs
                .iter()
                .filter_map(|(a, b)| Some((a.simulations, effect(measure(a)?, measure(b)?))))
                .collect();
            if effects.is_empty() {
                continue;
            }
            let parts: Vec<String> = [
                (Effect::Better, "improve"),
                (Effect::Worse, "worsen"),
                (Effect::Unclear, "make no clear difference to"),
            ]
            .iter()
            .filter_map(|(effect, verb)| {
                Some(format!("{verb} the {name} at {}", places(&effects, *effect)?))
            })
            .collect();
            text.push_str(&format!(" Scores {}.", parts.join(", ")));
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
                 two published standard deviations, or better; the largest excess is {:.1} \
                 standard deviations, at {n} simulations.",
                own.len(),
                worst.sigmas
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
            "{networks} networks give {excluded} fresh simulations a log probability that is not \
             finite; these are left out of the mean, which is then too low."
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
    use super::*;
    use crate::published::Spread;

    fn runs(mean: f64, sd: f64, count: usize) -> Runs {
        Runs { spread: Spread { mean, sd }, count }
    }

    #[test]
    fn an_effect_is_called_one_when_the_means_are_apart() {
        let without = runs(0.80, 0.02, 4);
        assert_eq!(effect(&without, &runs(0.70, 0.02, 4)), Effect::Better);
        assert_eq!(effect(&without, &runs(0.90, 0.02, 4)), Effect::Worse);
        assert_eq!(effect(&without, &runs(0.79, 0.02, 4)), Effect::Unclear);
        assert_eq!(effect(&without, &runs(0.70, 0.0, 1)), Effect::Unclear, "one run tells nothing");
    }

    #[test]
    fn places_are_listed() {
        let points = [(20, Effect::Better), (50, Effect::Better), (100, Effect::Unclear)];
        assert_eq!(places(&points, Effect::Better).as_deref(), Some("20 and 50"));
        assert_eq!(places(&points, Effect::Worse), None);
    }
}
