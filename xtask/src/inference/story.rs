//! The findings in words, from the numbers.

use super::convergence::{Convergence, Recipe};
use super::curves::{Curve, best};
use super::judge::PUBLISHED_GAUSSIAN;
use super::profile::{Group, Profile};
use super::results::{Accounting, MethodNeeds, Results};
use super::thresholds::{Needed, Reach};
use crate::plot::axis::fixed;
use crate::published::{Published, Score};
use crate::report::words::list;
use crate::runs::{CLEAR, Runs, Sign, null_text};

/// What the study asks.
pub const QUESTION: &str = "Two ways lead from a simulator of convergence maps to the posterior of \
    the cosmological parameters with all the information of the map. Explicit inference samples \
    the latent field together with the parameters, and needs gradients of the simulator. Implicit \
    inference learns the posterior, the likelihood or their ratio from simulations, of which a \
    network makes a few summaries, at once or in rounds near the observation, with or without the \
    gradients. Simulations are what both pay with: which way needs the fewest of them, and are the \
    published findings reproduced? A classifier that tells a posterior from the converged explicit \
    one (C2ST: 0.5 if they are equal, 1 if they do not overlap) is the measure.";

/// Draws of one published chain, by which explicit inference is called converged.
const PUBLISHED_CHAIN: usize = 5000;

/// Draws of each side in the published tests.
const PUBLISHED_DRAWS: usize = 10_000;

/// A whole number with its digits in groups of three.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        // A narrow space that does not break.
        if place > 0 && (digits.len() - place).is_multiple_of(3) && digits.len() > 4 {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A number of simulations to two digits.
#[must_use]
pub fn rounded(number: f64) -> String {
    if number < 1.0 {
        return "0".into();
    }
    let unit = 10f64.powf(number.log10().floor() - 1.0).max(1.0);
    grouped(((number / unit).round() * unit) as u64)
}

/// Where a level is reached.
#[must_use]
pub fn reach_words(reach: Reach) -> String {
    match reach {
        Reach::By(number) => format!("at most {}", rounded(number)),
        Reach::At(number) => rounded(number),
        Reach::NotWith(number) => format!("more than {}", rounded(number)),
    }
}

/// Simulations needed, with their uncertainty.
#[must_use]
pub fn needed_words(needed: &Needed) -> String {
    if let Reach::NotWith(number) = needed.reach {
        let share = match needed.interval {
            Some(_) if needed.share > 0.0 => {
                format!(" ({} % of the resampled runs reach it)", fixed(100.0 * needed.share, 0))
            }
            _ => String::new(),
        };
        return format!("not reached with {}{share}", rounded(number));
    }
    let interval = needed.interval.map_or(String::new(), |[low, high]| {
        let words = |reach: Reach| match reach {
            Reach::By(number) | Reach::At(number) => rounded(number),
            Reach::NotWith(number) => format!("over {}", rounded(number)),
        };
        format!(" ({} to {})", words(low), words(high))
    });
    format!("{}{interval}", reach_words(needed.reach))
}

/// The answers, a paragraph each.
#[must_use]
pub fn answers(results: &Results, curves: &[Curve], published: &Published) -> Vec<String> {
    let mut answers = Vec::new();
    answers.extend(fewest(results));
    answers.extend(ranking(curves));
    answers.extend(rounds(curves));
    answers.extend(scores(results, curves));
    answers.extend(explicit(results, curves, published));
    answers.extend(ours(results, curves));
    answers
}

/// Which method needs the fewest simulations for each level.
fn fewest(results: &Results) -> Option<String> {
    let implicit: Vec<&MethodNeeds> =
        results.thresholds.iter().filter(|one| one.accounting == Accounting::Calls).collect();
    let explicit: Vec<&MethodNeeds> =
        results.thresholds.iter().filter(|one| one.accounting == Accounting::WithWarmup).collect();
    let gaussian = results.yardsticks.gaussian.mean;
    let mut sentences = Vec::new();
    for (index, level) in results.levels().iter().enumerate() {
        let reached = |one: &&MethodNeeds| !matches!(one.needed[index].reach, Reach::NotWith(_));
        let number = |one: &&MethodNeeds| match one.needed[index].reach {
            Reach::By(number) | Reach::At(number) | Reach::NotWith(number) => number,
        };
        let mut order: Vec<&MethodNeeds> =
            implicit.iter().filter(|one| reached(one)).copied().collect();
        order.sort_by(|a, b| number(a).total_cmp(&number(b)));
        let meaning = match *level == gaussian {
            true => {
                ", which a normal distribution with the mean and the covariance of the explicit posterior has"
            }
            false => "",
        };
        let head = format!("For a C2ST of {}{meaning},", fixed(*level, 3));
        let sampled: Vec<String> = explicit
            .iter()
            .map(|one| format!("{} {}", one.name, needed_words(&one.needed[index])))
            .collect();
        let sampled = match sampled.is_empty() {
            true => String::new(),
            false => format!("; {} (a gradient counted as two, with warm-up)", list(&sampled)),
        };
        sentences.push(match order.split_first() {
            None => format!("{head} no implicit method has enough simulations{sampled}."),
            Some((first, rest)) => {
                let next: Vec<String> = rest
                    .iter()
                    .take(3)
                    .map(|one| format!("{} {}", one.name, needed_words(&one.needed[index])))
                    .collect();
                let next = match next.is_empty() {
                    true => String::new(),
                    false => format!(", then {}", list(&next)),
                };
                let others = implicit.len() - order.len();
                let others = match others {
                    0 => String::new(),
                    1 => ", while one does not reach it".into(),
                    count => format!(", while {count} do not reach it"),
                };
                format!(
                    "{head} {} needs the fewest simulations: {}{next}{others}{sampled}.",
                    first.name,
                    needed_words(&first.needed[index])
                )
            }
        });
    }
    (!sentences.is_empty()).then(|| sentences.join(" "))
}

/// The order of the methods at the largest number of simulations that they have in common, and what
/// was published there.
fn ranking(curves: &[Curve]) -> Option<String> {
    let own: Vec<&Curve> = curves.iter().filter(|curve| curve.group == Group::Methods).collect();
    let first = own.first()?;
    let common = first
        .points
        .iter()
        .rev()
        .map(|point| point.simulations)
        .find(|n| own.iter().all(|curve| curve.at(*n).is_some()))?;
    let mut order: Vec<(&str, &Runs, Option<f64>)> = own
        .iter()
        .filter_map(|curve| {
            let point = curve.at(common)?;
            let published = curve.published_at(point).map(|spread| spread.mean);
            Some((curve.name.as_str(), &point.c2st, published))
        })
        .collect();
    order.sort_by(|a, b| a.1.spread.mean.total_cmp(&b.1.spread.mean));
    let ours: Vec<String> =
        order.iter().map(|(name, runs, _)| format!("{name} {}", runs.text(3))).collect();
    let mut known: Vec<(&str, f64)> =
        order.iter().filter_map(|(name, _, published)| Some((*name, (*published)?))).collect();
    let same = known.windows(2).all(|pair| pair[0].1 <= pair[1].1) && !known.is_empty();
    known.sort_by(|a, b| a.1.total_cmp(&b.1));
    let theirs: Vec<String> =
        known.iter().map(|(name, mean)| format!("{name} {}", fixed(*mean, 3))).collect();
    let verdict = match (known.is_empty(), same) {
        (true, _) => String::new(),
        (false, true) => format!(" The published order is the same: {}.", list(&theirs)),
        (false, false) => format!(" The published order is {}.", list(&theirs)),
    };
    Some(format!(
        "With {} simulations, from best to worst: {} (mean and standard deviation of the runs).{verdict}",
        grouped(common),
        list(&ours)
    ))
}

/// Where the C2ST of a curve is clearly below that of another, clearly above, or neither.
fn signs(curve: &Curve, other: &Curve) -> Vec<(u64, Sign)> {
    let both = curve.points.iter().filter_map(|point| Some((point, other.at(point.simulations)?)));
    both.map(|(point, other)| (point.simulations, point.c2st.above(&other.c2st).sign(CLEAR)))
        .collect()
}

/// The numbers of simulations at which it is such; none if there are none.
fn at(signs: &[(u64, Sign)], wanted: Sign) -> Option<String> {
    let found = signs.iter().filter(|(_, sign)| *sign == wanted).map(|(n, _)| grouped(*n));
    let found: Vec<String> = found.collect();
    (!found.is_empty()).then(|| list(&found))
}

/// What rounds change.
fn rounds(curves: &[Curve]) -> Option<String> {
    let mut parts = Vec::new();
    for sequential in curves.iter().filter(|c| c.group == Group::Methods && c.rounds > 1) {
        let once = curves.iter().find(|other| {
            other.group == Group::Methods && other.key == sequential.key && other.rounds == 1
        });
        let Some(once) = once else { continue };
        let found = signs(sequential, once);
        if found.is_empty() {
            continue;
        }
        let verbs = [
            (Sign::Below, "help"),
            (Sign::Above, "hurt"),
            (Sign::Unclear, "make no clear difference"),
        ];
        let words: Vec<String> = verbs
            .into_iter()
            .filter_map(|(sign, verb)| Some(format!("{verb} with {}", at(&found, sign)?)))
            .collect();
        let Curve { name, rounds, .. } = sequential;
        parts.push(format!("those of {name} ({rounds}) {}", words.join(", ")));
    }
    (!parts.is_empty()).then(|| {
        format!(
            "Rounds near the observation against one round, where two standard errors are clear: \
             {}.",
            parts.join("; ")
        )
    })
}

/// What scores change, and why.
fn scores(results: &Results, curves: &[Curve]) -> Option<String> {
    let of = |score: Score| {
        curves.iter().find(|curve| curve.group == Group::Scores && curve.score == score)
    };
    let none = of(Score::None)?;
    let mut parts = Vec::new();
    for (score, name) in [
        (Score::Conditional, "The conditional score"),
        (Score::Whitened, "The score at fixed whitened latents"),
        (Score::Marginal, "The marginal score"),
    ] {
        let Some(with) = of(score) else { continue };
        let mut numbers = Vec::new();
        for point in &with.points {
            let Some(without) = none.at(point.simulations) else { continue };
            numbers.push(format!(
                "{} instead of {} with {}",
                fixed(point.c2st.spread.mean, 3),
                fixed(without.c2st.spread.mean, 3),
                grouped(point.simulations)
            ));
        }
        let found = signs(with, none);
        let lowers = at(&found, Sign::Below)
            .map_or("nowhere clearly".into(), |n| format!("clearly with {n} simulations"));
        let raises = at(&found, Sign::Above)
            .map_or(String::new(), |n| format!(" and raises it clearly with {n}"));
        parts.push(format!("{name} lowers C2ST {lowers}{raises} ({}).", numbers.join(", ")));
    }
    if parts.is_empty() {
        return None;
    }
    if let Some(report) = &results.marginal {
        let noise: Vec<String> =
            report.residual.iter().map(|part| format!("{} %", fixed(100.0 * part, 0))).collect();
        parts.push(format!(
            "The marginal score was learnt from {} simulations with gradients of its own, which \
             count towards no method. Of the mean square of fresh conditional scores it leaves {} \
             (parameters in their order): the noise of the latents, and what was not learnt.",
            grouped(report.count.simulations),
            list(&noise)
        ));
    }
    Some(parts.join(" "))
}

/// What all draws of a recipe have cost.
fn cost(convergence: &Convergence) -> Option<String> {
    let last = convergence.points.last()?;
    let count = last.count(convergence.before);
    Some(format!(
        "{} gradients with warm-up ({} simulations by the paper's accounting of gradients) give {} \
         effective draws of the worst parameter and a C2ST of {}, that is {} gradients for an \
         effective draw",
        grouped(count.gradients),
        grouped(count.published()),
        fixed(last.worst(), 0),
        fixed(last.c2st, 3),
        rounded(count.gradients as f64 / last.worst().max(1.0))
    ))
}

/// Explicit inference by both recipes, against the best implicit method.
fn explicit(results: &Results, curves: &[Curve], published: &Published) -> Option<String> {
    let of = |recipe: Recipe| results.convergence.iter().find(|one| one.recipe == recipe);
    let (ours, theirs) = (of(Recipe::Ours)?, of(Recipe::Published)?);
    let (ours, theirs) = (cost(ours)?, cost(theirs)?);
    let implicit = best(curves).map_or(String::new(), |(curve, point)| {
        format!(
            " The best implicit posterior, {} with {} simulations, has a C2ST of {}; the compressor \
             before it has seen {} simulations more, which the paper does not count.",
            curve.name,
            grouped(point.simulations),
            point.c2st.text(3),
            grouped(results.compressor.simulations)
        )
    });
    let known = published.explicit.iter().find(|one| one.draws == PUBLISHED_CHAIN);
    let known = known.map_or(String::new(), |one| {
        let worst = one.ess.iter().copied().fold(f64::INFINITY, f64::min);
        format!(
            "; the paper publishes {} simulations for {} effective draws, which is {} gradients for \
             each, with maps of 256 x 256 pixels and without warm-up",
            grouped(one.simulations as u64),
            fixed(worst, 0),
            rounded(one.simulations as f64 / 2.0 / worst)
        )
    });
    Some(format!(
        "Explicit sampling by our recipe, which starts without knowledge of the truth: {ours}. By \
         the published recipe, which starts at the truth: {theirs}{known}.{implicit}"
    ))
}

/// What a set-up of ours reaches.
fn ours(results: &Results, curves: &[Curve]) -> Option<String> {
    let own: Vec<&Curve> = curves.iter().filter(|curve| curve.group == Group::Ours).collect();
    let parts: Vec<String> = own
        .iter()
        .map(|curve| {
            let points: Vec<String> = curve
                .points
                .iter()
                .map(|point| format!("{} with {}", point.c2st.text(3), grouped(point.simulations)))
                .collect();
            format!("{}: {}", curve.name, list(&points))
        })
        .collect();
    let gaussian = &results.yardsticks.gaussian;
    let null = &results.yardsticks.null;
    (!parts.is_empty()).then(|| {
        format!(
            "Beyond the published curves, with larger budgets and a set-up of ours: {}. Equal \
             posteriors have {}, and a normal distribution with the right mean and covariance {}.",
            parts.join("; "),
            null_text(null),
            null_text(gaussian)
        )
    })
}

/// What the reader should beware of.
#[must_use]
pub fn warnings(results: &Results, curves: &[Curve]) -> Vec<String> {
    let mut warnings = Vec::new();
    let Profile { npix, c2st, .. } = &results.profile;
    if c2st.draws < PUBLISHED_DRAWS {
        warnings.push(format!(
            "The published classifiers saw {} draws of each side, those here {}: with fewer draws a \
             classifier learns less, and C2ST is lower. Compare by the yardsticks: a normal \
             distribution scores {} here and {} in the published test.",
            grouped(PUBLISHED_DRAWS as u64),
            grouped(c2st.draws as u64),
            fixed(results.yardsticks.gaussian.mean, 3),
            fixed(PUBLISHED_GAUSSIAN, 3)
        ));
    }
    if *npix < 256 {
        warnings.push(format!(
            "Maps have {npix} x {npix} pixels here and 256 x 256 in the paper: the posterior is \
             wider, the latents are fewer and their scores less noisy."
        ));
    }
    let failed: Vec<String> = curves
        .iter()
        .flat_map(|curve| {
            curve.points.iter().filter(|point| point.failures > 0).map(move |point| {
                format!("{} of {} with {}", point.failures, curve.name, point.simulations)
            })
        })
        .collect();
    if !failed.is_empty() {
        warnings.push(format!(
            "Posteriors that could not be sampled, which count as a C2ST of 1: {}.",
            list(&failed)
        ));
    }
    let single: Vec<String> = results
        .profile
        .method
        .iter()
        .filter(|method| method.runs < 2)
        .map(|method| method.name.clone())
        .collect();
    if !single.is_empty() {
        warnings.push(format!("A single run tells nothing of its scatter: {}.", list(&single)));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::super::curves::tests::curve;
    use super::*;

    #[test]
    fn numbers_are_rounded_and_grouped() {
        assert_eq!(rounded(1487.3), "1500");
        assert_eq!(rounded(63_4999.0), "630\u{202f}000");
        assert_eq!(
            (rounded(0.0), rounded(7.4), rounded(204.0)),
            ("0".into(), "7".into(), "200".into())
        );
        assert_eq!(grouped(2000), "2000");
        assert_eq!(grouped(12_600_000), "12\u{202f}600\u{202f}000");
    }

    #[test]
    fn what_is_needed_is_told_with_its_uncertainty() {
        let needed = |reach, interval, share| Needed { level: 0.6, reach, interval, share };
        let between = Some([Reach::At(1210.0), Reach::NotWith(2000.0)]);
        assert_eq!(
            needed_words(&needed(Reach::At(1483.0), between, 0.8)),
            "1500 (1200 to over 2000)"
        );
        assert_eq!(
            needed_words(&needed(Reach::NotWith(2000.0), None, 0.0)),
            "not reached with 2000"
        );
        assert_eq!(
            needed_words(&needed(Reach::NotWith(2000.0), between, 0.2)),
            "not reached with 2000 (20 % of the resampled runs reach it)"
        );
        assert_eq!(needed_words(&needed(Reach::By(200.0), None, 1.0)), "at most 200");
    }

    #[test]
    fn methods_are_ranked_where_all_were_measured() {
        let curves = [
            curve("NPE", "npe", 1, &[(200, &[0.8, 0.8]), (500, &[0.7, 0.7])]),
            curve("NLE", "nle", 1, &[(200, &[0.7, 0.7])]),
        ];
        let text = ranking(&curves).expect("measured");
        assert!(
            text.starts_with(
                "With 200 simulations, from best to worst: NLE 0.700 ± <0.001 and NPE"
            ),
            "{text}"
        );
        assert!(rounds(&curves).is_none());
        let sequential = [
            curve("NLE", "nle", 1, &[(200, &[0.8, 0.81]), (500, &[0.7, 0.71])]),
            curve("SNLE", "nle", 5, &[(200, &[0.7, 0.71]), (500, &[0.7, 0.71])]),
        ];
        let text = rounds(&sequential).expect("measured");
        assert!(
            text.contains("those of SNLE (5) help with 200, make no clear difference with 500"),
            "{text}"
        );
    }
}
